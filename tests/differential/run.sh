#!/bin/bash
# Runs several hundred generated bundles with crun, runc and joey, and compares what can be seen of them; prints TAP.
#   tests/differential/run.sh JOEY [WORD...] [--show]      RIVALS: the directory of crun and runc, if not Debian's newest
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/base.sh"
. "$here/../lib/pure-v2.sh"
pure_v2 "$0" "$@"
joey=$1
shift
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$here/main.py" "$joey" "${RIVALS:-$("$here/../lib/rivals.sh")}" "$@"
