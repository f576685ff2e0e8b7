#!/bin/sh
# Runs the forge tests against the artefacts in protocol/abi, after bringing these up to date. Arguments go to forge test.
set -eu
cd "$(dirname "$0")"
./build.sh >/dev/null
export FOUNDRY_DISABLE_NIGHTLY_WARNING=1
os=$(uname -s | tr '[:upper:]' '[:lower:]')
case "$(uname -m)" in
  x86_64) arch=amd64 ;;
  *) arch=arm64 ;;
esac
exec "node_modules/@foundry-rs/forge-$os-$arch/bin/forge" test "$@"
