#!/usr/bin/env bash
# Runs the Java driver with Kafka Streams, which install.sh must have built. Arguments are further options for the JVM.
app=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/target/app
[[ -f $app/driver.jar ]] || { echo "run.sh: run install.sh first" >&2; exit 3; }
# The JVM's own warnings go to stderr, stdout belongs to the events.
exec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx256m -Xshare:auto -Xlog:disable -Xlog:all=warning:stderr \
  "$@" -cp "$app/*" ottla.driver.StreamsDriver
