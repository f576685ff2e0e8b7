#!/bin/sh
# Compiles the contracts and writes protocol/abi/*.json. With --check it writes nothing and fails on a difference.
set -eu
cd "$(dirname "$0")"
./npm.sh
exec node build.mjs "$@"
