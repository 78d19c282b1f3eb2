#!/usr/bin/env bash
# Runs a Python driver: run.sh confluent|kafka-python
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
case "${1-}" in
  confluent) driver=confluent_driver.py ;;
  kafka-python) driver=kafka_python_driver.py ;;
  *)
    echo "usage: run.sh confluent|kafka-python" >&2
    exit 2
    ;;
esac

"$here/install.sh"
exec "$here/../../.cache/python/bin/python" -B "$here/$driver"
