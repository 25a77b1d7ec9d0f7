#!/bin/sh
# docs/configuration.md is what the program says of its settings. `./dev docs` writes it again.
set -u
"$1" config | diff -u "$2/docs/configuration.md" -
