# shellcheck shell=bash
# Podman, and what its suites ask it.

load engine.bash

setup_file() {
	load engine.bash
	make_image
	lim podman load -q -i /run/engine-image.tar
}

setup() {
	C=p$BATS_TEST_NUMBER
	P=(timeout -k 5 "${LIM:-60}" podman --runtime "$NAME" --cgroup-manager "${CGROUPS:-cgroupfs}")
	not_in_a_sandbox
}

teardown() { lim podman rm -f -t 0 "$C" >/dev/null 2>&1 || :; }

# pr OPTIONS... -- COMMAND...: podman run of the test image.
pr() {
	local options=()
	while [ "$1" != -- ]; do options+=("$1") && shift; done
	shift
	"${P[@]}" run --name "$C" "${options[@]}" "$IMAGE" "$@"
}

as_tester() { lim runuser -l tester -c "export XDG_RUNTIME_DIR=/run/user/1000; $1"; }
field() { podman inspect --format "{{$1}}" "$C"; }
running() { [ "$(field .State.Status)" = running ]; }
exited() { [ "$(field .State.Status)" = exited ]; }
logs_have() { podman logs "$C" 2>&1 | grep -q "$1"; }
