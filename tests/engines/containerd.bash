# shellcheck shell=bash
# A containerd for one file of tests, and what they ask it: loaded by the suites that drive the runtime by its shim.

load engine.bash
load containerd-daemon.bash

setup_file() {
	load engine.bash
	make_image
	start_containerd
	lim ctr images import /run/engine-image.tar
}

start_containerd() {
	mkdir -p "$BATS_FILE_TMPDIR/bin" && ln -sfn "$RUNTIME" "$BATS_FILE_TMPDIR/bin/runc"
	PATH=$BATS_FILE_TMPDIR/bin:$PATH containerd --log-level warn >>/run/containerd.log 2>&1 3>&- 4>&- &
	echo $! >"$BATS_FILE_TMPDIR/pid"
	until_ok ctr version
}

setup() {
	C=c$BATS_TEST_NUMBER
	not_in_a_sandbox
}

teardown() {
	lim ctr task kill --all --signal KILL "$C" 2>/dev/null
	lim ctr task rm --force "$C" 2>/dev/null
	lim ctr container rm "$C" 2>/dev/null
	return 0
}

# cr OPTIONS... : run a container of the test image in the foreground; words after -- are its command.
cr() {
	local options=()
	while [ "$1" != -- ]; do options+=("$1") && shift; done
	shift
	lim ctr run --runc-binary "$RUNTIME" "${options[@]}" "$IMAGE" "$C" "$@"
}

task_pid() { ctr task ls | awk -v c="$C" '$1 == c {print $2}'; }
task_state() { ctr task ls | awk -v c="$C" '$1 == c {print $3}'; }
task_is() { [ "$(task_state)" = "$1" ]; }

nothing_left() {
	[ -z "$(ls "/run/containerd/runc/default" 2>/dev/null)" ] &&
		[ ! -e "/sys/fs/cgroup/default/$C" ] && ! grep -q "containerd.*/$C/rootfs" /proc/self/mountinfo
}
