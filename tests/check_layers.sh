#!/bin/sh
# The one hole in the layers' include directories is a path with "..", and the one in the libraries' homes is a system header. Both shut here.
set -u
cd "$1" || exit 1
bad=$(grep -rnE '#include "(\.\./|.*/\.\./)' --include='*.[ch]' include server db bench demo tests)
home() { # header pattern, folders that may include it
    bad="$bad$(grep -rlE "#include <($1)>" --include='*.[ch]' include server db | grep -vE "^($2)/" | sed "s|^|$1 outside its home: |")"
}
home 'sqlite3\.h' db
home 'civetweb\.h' server/http
home 'uv\.h|wslay/wslay\.h' server/live
home 'cjson/cJSON\.h|cJSON\.h' server/wire
if [ -n "$bad" ]; then
    printf '%s\n' "$bad"
    exit 1
fi
