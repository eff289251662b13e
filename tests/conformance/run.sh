#!/bin/bash
# Tests an OCI runtime against the MUSTs of the runtime specification; prints TAP.
#   RUNTIME=/path/to/runtime tests/conformance/run.sh [WORD...]     WORD: only tests with it in their section or name
#   tests/conformance/run.sh --all JOEY [WORD...]                   joey, and the newest crun and runc of Debian
# What is known of a runtime stands in known.txt; anything else that fails is a failure.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/base.sh"
. "$here/../lib/pure-v2.sh"
pure_v2 "$0" "$@"

export PYTHONDONTWRITEBYTECODE=1
one() { RUNTIME=$1 RUNTIME_NAME=$2 nice python3 "$here/main.py" "${@:3}"; }

if [ "${1:-}" = --all ]; then
	joey=$2
	shift 2
	rivals=${RIVALS:-$("$here/../lib/rivals.sh")}
	rc=0
	one "$joey" joey "$@" || rc=1
	for r in crun runc; do one "$rivals/$r" "$r" "$@" || rc=1; done
	exit $rc
fi
one "${RUNTIME:?the runtime to test}" "${RUNTIME_NAME:-$(basename "$RUNTIME")}" "$@"
