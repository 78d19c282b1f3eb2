#!/bin/sh
# Builds the Go drivers into tests/.cache/go/bin. Quick when nothing changed.
set -eu
cd "$(dirname "$0")"
if ! command -v go >/dev/null 2>&1; then
    echo "install.sh: no Go toolchain (go 1.26 or newer) on the PATH" >&2
    exit 3
fi
bin="$(cd ../.. && pwd)/.cache/go/bin"
if [ -x "$bin/franz" ] && [ -x "$bin/sarama" ] &&
    [ -z "$(find go.mod go.sum cmd driver -newer "$bin/franz" -print -quit)" ]; then
    exit 0
fi
mkdir -p "$bin"
# Into a place of its own first: a driver may be running.
go build -mod=readonly -trimpath -o "$bin/new/" ./cmd/...
mv "$bin/new/sarama" "$bin/sarama"
mv "$bin/new/franz" "$bin/franz"
rmdir "$bin/new"
