# shellcheck shell=bash
# What every script of the tests, the benchmarks, ./check and ./demo shares: where things are, and how to say something.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=${JOEY_CACHE:-/var/cache/joey-tests}
export TOP CACHE

say() { printf '%s\n' "$*" >&2; }
die() {
	say "${0##*/}: $*"
	exit 1
}

# once NAME COMMAND...: run COMMAND while holding the cache's lock NAME, so that two runs side by side make a thing once.
once() {
	local name=$1
	shift
	mkdir -p "$CACHE/lock"
	(
		flock -w 1800 9 || die "another run has held the lock '$name' for half an hour"
		"$@" 9>&-
	) 9>"$CACHE/lock/$name"
}

# hash_of FILE...: a short name for the contents of these files.
hash_of() { cat "$@" | sha256sum | cut -c1-12; }
