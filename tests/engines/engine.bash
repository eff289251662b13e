# shellcheck shell=bash
# What the engines' suites share. RUNTIME is the binary under test, runc's command line.

RUNTIME=${RUNTIME:-/usr/sbin/runc}
NAME=$(basename "$RUNTIME")
IMAGE=localhost/busybox:test
PTY=$BATS_TEST_DIRNAME/../lib/on-terminal.py

# A payload that is killed for its memory in a way that containerd notices, whatever the runtime: its shim looks at memory.events
# only once `start` has returned, and comes too late to a cgroup that ends with its only process.
OVER_LIMIT='sleep 1; dd if=/dev/zero of=/dev/null bs=64M count=1; code=$?; sleep 2; exit $code'

# What a short process has written may be lost: containerd copies it by and by, and gives that up when the process has ended. At
# the end of a payload whose output is looked at.
STAY='code=$?; sleep 1; exit $code'

# needs VERB: skip the test where the runtime says that this command is still to come.
needs() {
	! "$RUNTIME" "$1" no-such-container 2>&1 | grep -q 'not implemented' || skip "$NAME has no command '$1' yet"
}

# not_in_a_sandbox: the reason why this test is not for sandboxed containers, if RUNTIME makes them and there is one. For setup().
not_in_a_sandbox() {
	local name why
	[ "$NAME" = joey-vm ] || return 0
	while IFS=$'\t' read -r name why; do
		# shellcheck disable=SC2053 # a pattern
		[[ $BATS_TEST_DESCRIPTION != $name ]] || skip "sandbox: $why"
	done < <(grep -v '^#' "$BATS_TEST_DIRNAME/sandbox-skip.txt")
}

make_image() {
	[ -e /run/engine-image.tar ] || "$BATS_TEST_DIRNAME/make-image.py" /usr/bin/busybox /run/engine-image.tar "$IMAGE"
}

# lim COMMAND...: nothing in here may take longer than a minute, or $LIM seconds.
lim() { timeout -k 5 "${LIM:-60}" "$@"; }

# until_ok COMMAND...: try again for ten seconds.
until_ok() {
	local i
	for ((i = 0; i < 100; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	echo "never became true: $*"
	return 1
}

# is "STATUS" "OUTPUT": the last `run` ended so; OUTPUT is a substring.
is() {
	if [ "$status" != "$1" ] || { [ $# -gt 1 ] && [[ $output != *"$2"* ]]; }; then
		printf 'wanted status %s%s\ngot status %s, output:\n%s\n' "$1" "${2:+, output with: $2}" "$status" "$output"
		return 1
	fi
}

# cgroup_file PID FILE: a file of the process' cgroup, as the host sees it.
cgroup_file() { cat "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$1/cgroup")/$2"; }

# In a world of on-host.sh: what is there of sandboxes, and the program for normal containers.
sandboxes() { pgrep -cx joey-sandbox || :; }
sandboxes_are() { [ "$(sandboxes)" = "$1" ]; }
not_the_hosts_kernel() { [ -n "$1" ] && [[ $1 != *"$(uname -r)"* ]]; }
