#!/usr/bin/env bash
# Builds the Java driver with Kafka Streams into target/app. Does nothing when that is up to date. Exit code 3: something is missing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
app=$here/target/app

need() { command -v "$1" >/dev/null || { echo "install.sh: $1 is missing: $2" >&2; exit 3; }; }
sources() { cat "$here/pom.xml" "$here/install.sh"; find "$here/../java/src" -type f | LC_ALL=C sort | xargs cat; }
built() { [[ -f $app/.sources && $(<"$app/.sources") == "$(sources | cksum)" ]]; }

built && exit
need javac "install a JDK, 17 or newer"
need mvn "install Apache Maven, it fetches the client and compiles the driver"

# Maven's own repository is not safe for two at once, so the lock is the user's, not this checkout's.
mkdir -p "$HOME/.m2"
exec 9>"$HOME/.m2/ottla-tests.lock"
flock 9
built && exit
rm -rf "$here/target"
mvn -B -q -f "$here/pom.xml" compile jar:jar dependency:copy-dependencies \
  -DincludeScope=runtime -DoutputDirectory="$here/target/new" >&2
mv "$here/target/driver.jar" "$here/target/new/"
mv "$here/target/new" "$app"

sources | cksum >"$app/.sources"
