#!/bin/sh
# Installs what the Node driver needs, in place. Quick when it is there already.
set -eu
cd "$(dirname "$0")"
for tool in node npm; do
    if ! command -v $tool >/dev/null 2>&1; then
        echo "install.sh: no $tool (Node 20 or newer) on the PATH" >&2
        exit 3
    fi
done
# npm writes this file last, with what it installed.
if [ -f node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ]; then
    exit 0
fi
npm ci --silent
touch node_modules/.package-lock.json
