#!/bin/bash
# Inside the test machine: runs parts of the tests and prints TAP. /source is the source, /build a build of it, /out is
# brought out. usage: suite.sh unit|cgroups|integration|engines|engines2|engines_criu|named...      named: the integration tests that
# /out/names lists. Several machines with the same /out share the work of unit and integration.
set -u
runtime=/usr/local/bin/joey
install -m 755 /build/joey "$runtime"
[ ! -e /build/joey-sd-bus ] || install -D -m 755 /build/joey-sd-bus /usr/local/libexec/joey/joey-sd-bus
cp -r /source/tests /root/tests
cp -a /tools /var/tmp/tools
cd /root || exit 1
. tests/lib/tap.sh
# Test directories on a disk: /tmp is a nodev tmpfs, where no device of a root file system can be opened.
export TMPDIR=/var/tmp
# Failure injection is complete on the host; here a sample of it has to do.
export JOEY_TEST_FAST=1
export JOEY_TEST_TOOLS=/var/tmp/tools RUNTIME=$runtime JOEY=$runtime LC_ALL=C.UTF-8 JOEY_TEST_DEADLINE=30 JOEY_SRCDIR=/source JOEY_BUILDDIR=/build
rc=0

# mine NAME: whether this machine is the first of those with this /out to ask for it.
mine() { mkdir -p /out/taken && mkdir "/out/taken/$1" 2>/dev/null; }

unit() {
	local t name out
	for t in /build/tests/unit/${1:-test_*}; do
		[ -x "$t" ] && [ -f "$t" ] && [ "${t%.*}" = "$t" ] || continue
		name=$(basename "$t")
		# Its subject runs beside QEMU, which is not in here; user-mode Linux's sigreturn forgets the alternate signal stack.
		[ "$name" != test_zygote ] && mine "$name" || continue
		out=$(CMOCKA_MESSAGE_OUTPUT=tap timeout -k 5 120 "$t" 2>&1) || rc=1
		grep -qE '^(not )?ok |^1\.\.0' <<<"$out" || echo "not ok $name: no result"
		tap_named "$name" <<<"$out"
	done
}

# The unit tests that work on live cgroups.
cgroups() { unit 'test_cgroup*'; }

# bats_file OPTION... FILE...: one bats a file, each with its own time limit.
bats_file() {
	timeout -k 10 "${FILE_LIMIT:-400}" bats --tap "$@"
	case $? in
	0) ;;
	124 | 137) echo "not ok ${*: -1}: time limit" && rc=1 ;;
	*) rc=1 ;;
	esac
}

integration() {
	local f
	# The longest are first.
	for f in $(ls -S tests/integration/*.bats); do
		# Failure injection and hostile images are complete on the host, and need nothing that it lacks; nor do sandboxes,
		# for which there is no QEMU in here.
		case ${f##*/} in faults* | sigkill* | hostile* | systemd_fake* | sandbox* | agent* | vmm*) continue ;; esac
		mine "${f##*/}" || continue
		echo "# $f"
		bats_file "$f"
	done
}

named() {
	local f filter
	for f in tests/integration/*.bats; do
		# Those of the names that are in this file, as one expression for bats.
		filter=$(while read -r name; do
			grep -qF -- "@test \"$name\"" "$f" && sed 's/[][\\.*^$+?(){}|/]/\\&/g' <<<"$name"
		done </out/names | sed 's/^/^/; s/$/$/' | paste -sd '|')
		[ -n "$filter" ] || continue
		echo "# $f"
		FILE_LIMIT=600 bats_file -f "$filter" "$f"
	done
}

conformance() { RUNTIME_NAME=joey bash tests/conformance/run.sh || rc=1; }
# Those bundles that need controllers; the machine is too slow for all with three runtimes.
differential() {
	RIVALS=$(awk '$2 ~ /\/rivals-[0-9a-f]+$/ { print $2; exit }' /proc/mounts) \
		bash tests/differential/run.sh "$runtime" cgroup- || rc=1
}
engines() { bash tests/engines/run.sh "$runtime" || rc=1; }
# Podman's checkpoints, which the quick machine's kernel cannot make.
engines_criu() { LIM=300 FILTER=checkpoint bash tests/engines/run.sh "$runtime" podman || rc=1; }
engines2() { bash tests/engines/run.sh "$runtime" cri docker || rc=1; }

for part in "$@"; do "$part"; done
exit $rc
