#!/bin/sh
# run.sh [SECONDS] [TARGET…]: runs each fuzz target under libFuzzer for so long (60 s), starting from its committed corpus. Inputs that
# are new stay in build/fuzz/corpus; one that breaks something is left in build/fuzz and its path printed.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
targets=${*:-wire_command rest_body token}
CC=clang cmake -S . -B build/fuzz -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-O1 -g" -DCONFAB_FUZZ=ON -DCONFAB_BENCH=OFF >/dev/null
for target in $targets; do
    ninja -C build/fuzz "fuzz_$target" >/dev/null
    mkdir -p "build/fuzz/corpus/$target"
    echo "== $target, $seconds s"
    "build/fuzz/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=4096 -timeout=5 -print_final_stats=1 -artifact_prefix=build/fuzz/ \
        -dict=tests/fuzz/wire.dict "build/fuzz/corpus/$target" "tests/fuzz/corpus/$target"
done
