#!/bin/sh
# Runs the unit tests (label `unit`) of a build folder under valgrind; any error, definite or possible leak fails.
set -u
build=$1
failed=0
count=0
for name in $(ctest --test-dir "$build" -L unit -N | sed -n 's/^ *Test *#[0-9]*: //p'); do
    program=$(find "$build" -type f -name "$name" -perm -u+x | head -n 1)
    [ -n "$program" ] || continue
    count=$((count + 1))
    if valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,possible "$program" >"$build/valgrind.log" 2>&1; then
        echo "ok   $name"
    else
        echo "FAIL $name"
        cat "$build/valgrind.log"
        failed=$((failed + 1))
    fi
done
echo "$((count - failed)) passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$count" -gt 0 ]
