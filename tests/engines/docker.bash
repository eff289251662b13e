# shellcheck shell=bash
# A dockerd for one file of tests, and what its suites ask it.

load engine.bash

setup_file() {
	load engine.bash
	make_docker
}

make_docker() {
	"$BATS_TEST_DIRNAME/make-image.py" /usr/bin/busybox /run/rootfs.tar --rootfs
	mkdir -p /etc/docker
	daemon_json >/etc/docker/daemon.json
	start_dockerd
	lim docker import -c 'ENV PATH=/bin' -c 'CMD ["/bin/sh"]' /run/rootfs.tar "$IMAGE"
}

# The runtime under test is dockerd's default, so that builds use it too. No bridge and no firewall.
daemon_json() {
	jq -n --arg name "test" --arg path "$RUNTIME" --arg cgroups "${CGROUPS:-cgroupfs}" '{runtimes: {($name): {path: $path}},
		"default-runtime": $name, "exec-opts": ["native.cgroupdriver=" + $cgroups], bridge: "none", iptables: false, ip6tables: false,
		"live-restore": true}'
}

start_dockerd() {
	[ -z "${NORMAL:-}" ] || { mkdir -p "$BATS_FILE_TMPDIR/bin" && ln -sf "$NORMAL" "$BATS_FILE_TMPDIR/bin/runc"; }
	PATH=$BATS_FILE_TMPDIR/bin:$PATH dockerd >>/run/docker.log 2>&1 3>&- 4>&- &
	echo $! >"$BATS_FILE_TMPDIR/pid"
	until_ok docker version || until_ok docker version || { tail -n 20 /run/docker.log; return 1; }
}

stop_dockerd() {
	local pid
	pid=$(cat "$BATS_FILE_TMPDIR/pid")
	kill "$pid" && until_ok eval "! kill -0 $pid"
}

teardown_file() {
	load engine.bash
	end_docker
}

end_docker() {
	stop_dockerd
	! pkill -P 1 -x containerd
}

setup() {
	C=d$BATS_TEST_NUMBER
	not_in_a_sandbox
}

teardown() {
	lim docker rm -f "$C" >/dev/null 2>&1 || :
	! [ "$BATS_TEST_COMPLETED" != 1 ] || tail -n 12 /run/docker.log
}

# dr OPTIONS... -- COMMAND...: docker run of the test image.
dr() {
	local options=()
	while [ "$1" != -- ]; do options+=("$1") && shift; done
	shift
	lim docker run --name "$C" "${options[@]}" "$IMAGE" "$@"
}

field() { docker inspect --format "{{$1}}" "$C"; }
status_is() { [ "$(field .State.Status)" = "$1" ]; }
logs_have() { docker logs "$C" 2>&1 | grep -q "$1"; }
