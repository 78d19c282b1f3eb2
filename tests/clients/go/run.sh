#!/bin/sh
# run.sh franz|sarama: runs a driver (see ../PROTOCOL.md); install.sh builds it.
set -eu
dir="$(cd "$(dirname "$0")/../.." && pwd)/.cache/go/bin"
case "${1:-}" in
franz | sarama) ;;
*)
    echo "usage: run.sh franz|sarama" >&2
    exit 2
    ;;
esac
if [ ! -x "$dir/$1" ]; then
    echo "run.sh: $1 is not built; run install.sh first" >&2
    exit 3
fi
exec "$dir/$1"
