#!/bin/sh
# Runs the forge tests against the artefacts in protocol/abi, after bringing these up to date. Other arguments go to forge.
#
#   test.sh              256 runs of each fuzz test; 10,000 where CI=true
#   test.sh --long       1,000,000 runs, and long sequences for the invariants: hours
#   test.sh --coverage   lines and branches of src/ that the tests reach, on unoptimised code; fails when they leave one out
set -eu
cd "$(dirname "$0")"
./build.sh >/dev/null
export FOUNDRY_DISABLE_NIGHTLY_WARNING=1
os=$(uname -s | tr '[:upper:]' '[:lower:]')
case "$(uname -m)" in
  x86_64) arch=amd64 ;;
  *) arch=arm64 ;;
esac
forge="node_modules/@foundry-rs/forge-$os-$arch/bin/forge"
if [ "${CI:-}" = true ]; then
  export FOUNDRY_PROFILE=ci
fi
case "${1:-}" in
  --long)
    shift
    FOUNDRY_PROFILE=long exec "$forge" test "$@"
    ;;
  --coverage)
    shift
    # Unoptimised code costs more gas than the bound of a test.
    COVERAGE=true FOUNDRY_GAS_LIMIT=9000000000 "$forge" coverage --ir-minimum --no-match-coverage '^(test|node_modules)/' \
      --report summary --report lcov --report-file cache/lcov.info "$@"
    exec node coverage.mjs cache/lcov.info
    ;;
esac
exec "$forge" test "$@"
