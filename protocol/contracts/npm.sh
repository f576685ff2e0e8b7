#!/bin/sh
# Installs the pinned npm packages unless the installed ones already match the lock file.
set -eu
cd "$(dirname "$0")"
stamp=node_modules/.installed-lock
if ! cmp -s package-lock.json "$stamp"; then
  npm ci --ignore-scripts --no-audit --no-fund --prefer-offline
  cp package-lock.json "$stamp"
fi
