#!/usr/bin/env bash
# A real Apache Kafka, made of its published jars, for comparison with Ottla.
#
#   kafka.sh install                         fetch the jars once; later runs need no network
#   kafka.sh start DIR PORT [name=value ...] start a broker on 127.0.0.1:PORT with its data in DIR, print its pid
#   kafka.sh stop DIR                        stop the broker of DIR (SIGTERM) and wait for its end
#   kafka.sh run CLASS ARGS...               run one of Kafka's tools, such as org.apache.kafka.tools.DumpLogSegments
#
# DIR holds server.properties, broker.log, pid and data/. A DIR that was used before keeps its data.
# ORACLE_JVM replaces the options of the broker's JVM, ORACLE_TOOL_JVM those of run's. ORACLE_WAIT is the seconds start waits
# (60); with 0 it does not wait until the broker answers.
# Exit codes: 0 done, 1 failed, 2 wrong usage, 3 java or mvn is missing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$(cd "$here/.." && pwd)/.cache/oracle
lib=$cache/lib
quick_jvm="-Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto"
broker_jvm=${ORACLE_JVM:-$quick_jvm}
tool_jvm=${ORACLE_TOOL_JVM:-$quick_jvm}
logging="-Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true"

fail() { echo "kafka.sh: $1" >&2; exit "${2:-1}"; }
need() { command -v "$1" >/dev/null || fail "$1 is missing: $2" 3; }
usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0" >&2; exit 2; }

# ---- install

installed() { [[ -f $lib/.pom && $(<"$lib/.pom") == $(<"$here/pom.xml") ]]; }

install() {
  need java "install a JDK or JRE, 17 or newer"
  installed && return
  need mvn "install Apache Maven, it fetches Kafka's jars"
  mkdir -p "$cache"
  # Maven's own repository is not safe for two at once, so the lock is the user's, not this checkout's.
  mkdir -p "$HOME/.m2"
  (
    flock 9
    installed && exit
    rm -rf "$lib.new"
    mvn -B -q -f "$here/pom.xml" dependency:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$lib.new" >&2
    cp "$here/pom.xml" "$lib.new/.pom"
    rm -rf "$lib"
    mv "$lib.new" "$lib"
  ) 9>"$HOME/.m2/ottla-tests.lock"
}

# ---- start and stop

# Is the broker of directory $1 running? (A zombie is not, and a number that went to another process is not.)
running() {
  local pid state args
  [[ -s $1/pid ]] || return 1
  pid=$(<"$1/pid")
  read -r state args < <(ps -p "$pid" -o state=,args= 2>/dev/null) || return 1
  [[ $state != Z* && $args == *"$1/server.properties"* ]]
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A port nobody listens on, below the range from which outgoing connections take theirs.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    listening "$port" || { echo "$port"; return; }
  done
}

# Does the broker on port $1 answer Metadata (v1, no topics) with at least one broker?
answers() {
  local answer
  answer=$(
    exec 2>/dev/null
    exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
    printf '\x00\x00\x00\x0e\x00\x03\x00\x01\x00\x00\x00\x07\xff\xff\x00\x00\x00\x00' >&3
    timeout 5 head -c 12 <&3 | od -An -v -tx1 | tr -d ' \n'
  ) || return 1
  # length, correlation id 7, number of brokers
  [[ ${answer:8:8} == 00000007 && $((16#${answer:16:8})) -ge 1 ]]
}

# A cluster id as Kafka writes it: 16 random bytes in URL-safe base64, not starting with a dash.
random_uuid() { printf 'O%s' "$(head -c 32 /dev/urandom | base64 | tr -d '+/=\n' | head -c 20)A"; }

write_properties() {
  local dir=$1 port=$2 controller=$3
  shift 3
  cat <<-END
	process.roles=broker,controller
	node.id=1
	listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
	advertised.listeners=PLAINTEXT://127.0.0.1:$port
	controller.listener.names=CONTROLLER
	controller.quorum.bootstrap.servers=127.0.0.1:$controller
	log.dirs=$dir/data
	offsets.topic.replication.factor=1
	transaction.state.log.replication.factor=1
	transaction.state.log.min.isr=1
	share.coordinator.state.topic.replication.factor=1
	share.coordinator.state.topic.min.isr=1
	group.initial.rebalance.delay.ms=0
	END
  (($# == 0)) || printf '%s\n' "$@"
}

start() {
  (($# >= 2)) || usage
  local dir port controller pid deadline
  mkdir -p "$1"
  dir=$(cd "$1" && pwd)
  port=$2
  shift 2
  [[ $port =~ ^[0-9]+$ ]] || usage
  install
  running "$dir" && fail "a broker is already running in $dir (pid $(<"$dir/pid"))"
  listening "$port" && fail "port $port is taken"

  # The controller's port is part of the cluster's state: it stays the same over restarts.
  [[ -s $dir/controller-port ]] || free_port >"$dir/controller-port"
  controller=$(<"$dir/controller-port")
  write_properties "$dir" "$port" "$controller" "$@" >"$dir/server.properties"
  if [[ ! -f $dir/data/meta.properties ]]; then
    # shellcheck disable=SC2086
    java $broker_jvm $logging -cp "$lib/*" kafka.tools.StorageTool format --standalone \
      -t "$(random_uuid)" -c "$dir/server.properties" >"$dir/format.log" 2>&1 ||
      { cat "$dir/format.log" >&2; fail "formatting $dir failed"; }
  fi

  # shellcheck disable=SC2086
  nohup java $broker_jvm $logging -cp "$lib/*" kafka.Kafka "$dir/server.properties" \
    >>"$dir/broker.log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$dir/pid"
  deadline=$((SECONDS + ${ORACLE_WAIT:-60}))
  [[ ${ORACLE_WAIT:-60} != 0 ]] || { echo "$pid"; return; }
  until answers "$port"; do
    kill -0 "$pid" 2>/dev/null || { tail -n 20 "$dir/broker.log" >&2; fail "the broker ended while starting"; }
    ((SECONDS < deadline)) || { kill "$pid"; fail "the broker did not answer in time, see $dir/broker.log"; }
    sleep 0.1
  done
  echo "$pid"
}

stop() {
  (($# == 1)) || usage
  local dir pid deadline
  dir=$(cd "$1" && pwd) || fail "no directory $1"
  running "$dir" || { rm -f "$dir/pid"; return 0; }
  pid=$(<"$dir/pid")
  kill -TERM "$pid"
  deadline=$((SECONDS + 30))
  while running "$dir"; do
    if ((SECONDS >= deadline)); then
      kill -KILL "$pid"
      fail "broker $pid ignored SIGTERM for 30 s and was killed"
    fi
    sleep 0.1
  done
  rm -f "$dir/pid"
}

run() {
  (($# >= 1)) || usage
  install
  # shellcheck disable=SC2086
  exec java $tool_jvm $logging -cp "$lib/*" "$@"
}

(($# >= 1)) || usage
verb=$1
shift
case $verb in
  install | start | stop | run) "$verb" "$@" ;;
  *) usage ;;
esac
