#!/usr/bin/env bash
# Installs the Python drivers' locked packages into tests/.cache/python; quick when nothing changed.
# Exit code 3: python3 (3.11 or newer) or its venv module is missing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tests=$(cd "$here/../.." && pwd)
venv=$tests/.cache/python
stamp=$venv/installed

missing() {
  echo "python drivers: $1" >&2
  exit 3
}

command -v python3 >/dev/null || missing "python3 is not installed"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || missing "python3 is older than 3.11"
python3 -c 'import ensurepip, venv' 2>/dev/null || missing "python3 has no venv module (Debian: python3-venv)"

mkdir -p "$tests/.cache"
wanted=$(python3 --version; cat "$here/requirements.txt")
installed() {
  [ -x "$venv/bin/python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]
}
installed && exit 0

# Of several drivers started at once, one installs; a system without flock must install beforehand.
if command -v flock >/dev/null; then
  exec 9>"$venv.lock"
  flock 9
  installed && exit 0
fi

rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --require-hashes --requirement "$here/requirements.txt" >&2
printf '%s\n' "$wanted" >"$stamp"
