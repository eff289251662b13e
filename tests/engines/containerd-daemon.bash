# shellcheck shell=bash
# The end of the containerd that a file's start_containerd() has begun; its pid is in $BATS_FILE_TMPDIR/pid.

stop_containerd() {
	local pid
	pid=$(cat "$BATS_FILE_TMPDIR/pid")
	kill "$pid" && until_ok eval "! kill -0 $pid"
}

teardown_file() {
	load engine.bash
	kill "$(cat "$BATS_FILE_TMPDIR/pid")"
}
