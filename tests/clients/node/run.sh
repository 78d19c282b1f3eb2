#!/bin/sh
# Runs the kafkajs driver (see ../PROTOCOL.md); install.sh installs it.
set -eu
dir="$(cd "$(dirname "$0")" && pwd)"
if ! command -v node >/dev/null 2>&1; then
    echo "run.sh: no node (20 or newer) on the PATH" >&2
    exit 3
fi
if [ ! -d "$dir/node_modules/kafkajs" ]; then
    echo "run.sh: kafkajs is not installed; run install.sh first" >&2
    exit 3
fi
exec node "$dir/driver.js"
