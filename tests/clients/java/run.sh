#!/usr/bin/env bash
# Runs the Java driver; install.sh must have built it.
app=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/target/app
[[ -f $app/driver.jar ]] || { echo "run.sh: run install.sh first" >&2; exit 3; }
exec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx256m -Xshare:auto -cp "$app/*" ottla.driver.Driver "$@"
