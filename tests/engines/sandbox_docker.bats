#!/usr/bin/env bats
# Sandboxed containers under Docker, what is theirs alone (docker.bats runs with them as well): RUNTIME is joey-vm and NORMAL
# joey. See on-host.sh.

bats_require_minimum_version 1.5.0
load docker.bash

setup_file() {
	load engine.bash
	# dockerd drops limits for which it sees no controller; the guest has them all.
	echo 'cpuset cpu io memory pids' >/run/controllers && mount --bind /run/controllers /sys/fs/cgroup/cgroup.controllers
	make_docker
}

teardown_file() {
	load engine.bash
	end_docker
	umount /sys/fs/cgroup/cgroup.controllers
}

# As docs/SANDBOX.md tells users, with Docker's own network; a normal runtime; and one with a joey.conf of its own.
daemon_json() {
	jq -n --arg vm "$RUNTIME" --arg normal "$NORMAL" '{runtimes: {"joey-vm": {path: $vm}, joey: {path: $normal},
		"joey-vm-nets": {path: $vm, runtimeArgs: ["--config", "/run/joey-test/nets.conf"]}}}'
}

setup() {
	C=d$BATS_TEST_NUMBER
	D=(timeout -k 5 "${LIM:-60}" docker)
}

# dr OPTIONS... -- COMMAND...: docker run of the test image, sandboxed.
dr() {
	local options=()
	while [ "$1" != -- ]; do options+=("$1") && shift; done
	shift
	lim docker run --runtime joey-vm --name "$C" "${options[@]}" "$IMAGE" "$@"
}

says_served() { [ "$(timeout 5 /bin/busybox nc "$1" "$2" </dev/null)" = served ]; }
address() { docker inspect --format '{{.NetworkSettings.IPAddress}}' "$C"; }

@test "docker, sandboxed: another kernel by every way in, a normal container beside" {
	run dr -d -- sh -c 'uname -r; sleep 1000'
	is 0
	sandboxes_are 1
	until_ok logs_have .
	not_the_hosts_kernel "$(docker logs "$C")"
	run "${D[@]}" exec "$C" uname -r
	is 0
	not_the_hosts_kernel "$output"
	run "$PTY" -- "${D[@]}" exec -it "$C" sh -c 'uname -r; tty'
	is 0 /dev/pts/
	not_the_hosts_kernel "$output"
	run "${D[@]}" run --rm --runtime joey --name "n$C" "$IMAGE" uname -r
	is 0 "$(uname -r)"
	[ "$(cat "/proc/$(field .State.Pid)/comm")" = joey-proxy ]
	run lim docker top "$C"
	is 0 'joey-proxy: sh -c uname -r; sleep 1000'
	lim docker rm -f "$C"
	until_ok sandboxes_are 0
}

@test "docker, sandboxed: restart, wait, kill with a signal" {
	run dr -d -- sh -c 'trap "exit 3" USR1; echo up $(cat /proc/sys/kernel/random/boot_id); while :; do sleep 0.1; done'
	is 0
	until_ok logs_have up
	lim docker restart -t 0 "$C"
	until_ok eval '[ "$(docker logs "$C" | sort -u | wc -l)" = 2 ]'
	status_is running
	lim docker kill -s USR1 "$C"
	run lim docker wait "$C"
	is 0 3
	until_ok sandboxes_are 0
}

@test "docker, sandboxed: the default network, and a published port" {
	run dr -d -p 127.0.0.1:7001:7000 -- sh -c 'while :; do echo served | nc -l -p 7000; done'
	is 0
	local ip gateway
	ip=$(address)
	gateway=$(docker inspect --format '{{.NetworkSettings.Gateway}}' "$C")
	[ -n "$ip" ]
	run "${D[@]}" exec "$C" ip addr
	is 0 "$ip/"
	run "${D[@]}" exec "$C" ping -c 1 -W 5 "$gateway"
	is 0 "1 packets received"
	until_ok says_served "$ip" 7000
	until_ok says_served 127.0.0.1 7001
	# A normal container reaches it as well.
	run "${D[@]}" run --rm --runtime joey "$IMAGE" sh -c "until nc $ip 7000 </dev/null; do sleep 0.1; done"
	is 0 served
}

@test "docker, sandboxed: two containers reach each other in a network of their own; none has but lo" {
	lim docker network create --subnet 172.31.0.0/24 "n$C"
	run dr -d --network "n$C" --ip 172.31.0.7 -- sh -c 'echo served | nc -l -p 7000; sleep 1000'
	is 0
	run "${D[@]}" run --rm --runtime joey-vm --network "n$C" --add-host "one:172.31.0.7" "$IMAGE" sh -c 'until nc one 7000 </dev/null; do sleep 0.1; done'
	is 0 served
	lim docker rm -f "$C"
	lim docker network rm "n$C"
	run dr --rm --network none -- sh -c 'ip addr | grep inet; ip route'
	is 0 127.0.0.1
	[ "$(grep -c inet <<<"$output")" -le 2 ] || is 0 "lo alone"
}

# Docker makes the devices in a hook, when the machine runs: joey has to be told that there may be more than one.
@test "docker, sandboxed: a container in two networks" {
	printf '[sandbox]\nprofile = nets\n[profile nets]\nnetwork_devices = 4\n' >/run/joey-test/nets.conf
	lim docker network create --subnet 172.31.1.0/24 "n$C"
	lim docker network create --subnet 172.31.2.0/24 "m$C"
	run lim docker create --runtime joey-vm-nets --name "$C" --network "n$C" --ip 172.31.1.7 "$IMAGE" sleep 1000
	is 0
	lim docker network connect --ip 172.31.2.7 "m$C" "$C"
	run lim docker start "$C"
	is 0
	run "${D[@]}" exec "$C" sh -c 'uname -r; ip addr; ping -c 1 -W 5 172.31.1.1 && ping -c 1 -W 5 172.31.2.1'
	is 0 172.31.1.7/24
	is 0 172.31.2.7/24
	not_the_hosts_kernel "$output"
	run /bin/busybox ping -c 1 -W 5 172.31.2.7
	is 0 "1 packets received"
	lim docker rm -f "$C"
	lim docker network rm "n$C" "m$C"
}

@test "docker, sandboxed: the host's network, and a second machine in a network namespace, are refused in words" {
	run dr --rm --network host -- true
	is 125 "the host's network"
	run dr -d -- sleep 1000
	is 0
	run "${D[@]}" run --rm --runtime joey-vm --network "container:$C" "$IMAGE" true
	is 125 "another sandbox"
	run "${D[@]}" exec "$C" true
	is 0
}

@test "docker, sandboxed: limits hold, in the guest, and their update" {
	run dr -d --memory 64m --memory-swap 64m --pids-limit 44 --cpus 0.5 -- sleep 1000
	is 0
	run "${D[@]}" exec "$C" sh -c 'cd /sys/fs/cgroup && cat memory.max pids.max cpu.max'
	is 0 "67108864
44
50000 100000"
	run lim docker update --memory 128m --memory-swap 128m --cpus 0.2 "$C"
	is 0
	run "${D[@]}" exec "$C" sh -c 'cd /sys/fs/cgroup && cat memory.max cpu.max'
	is 0 "134217728
20000 100000"
}

@test "docker, sandboxed: a payload over --memory is killed" {
	run dr --rm --memory 16m --memory-swap 16m -- dd if=/dev/zero of=/dev/null bs=64M count=1
	is 137
}

@test "docker, sandboxed: cp, diff, commit" {
	run dr -d -- sh -c 'echo inside >/made; sleep 1000'
	is 0
	echo outside >"$BATS_TEST_TMPDIR/file"
	lim docker cp "$BATS_TEST_TMPDIR/file" "$C:/tmp/file"
	run "${D[@]}" exec "$C" cat /tmp/file
	is 0 outside
	run lim docker cp "$C:/made" -
	is 0 inside
	run lim docker diff "$C"
	is 0 'A /made'
	run lim docker commit "$C" "committed:$C"
	is 0
	lim docker rm -f "$C"
	run "${D[@]}" run --rm --runtime joey-vm --name "$C" "committed:$C" cat /made /tmp/file
	is 0 $'inside\noutside'
}

@test "docker, sandboxed: kill -9 of the hypervisor, started again, rm -f" {
	run dr -d -- sleep 1000
	is 0
	kill -9 "$(pgrep -x qemu)"
	run lim docker wait "$C"
	is 0 137
	run lim docker start "$C"
	is 0
	status_is running
	run lim docker rm -f "$C"
	is 0
	until_ok sandboxes_are 0
}

@test "docker, sandboxed: nothing is left" {
	[ -z "$(docker ps -aq)" ]
	[ -z "$(ls /var/run/docker/runtime-runc/moby)" ]
	[ -z "$(find /sys/fs/cgroup/docker -mindepth 1 -type d 2>/dev/null)" ]
	sandboxes_are 0
	! pgrep -x 'joey-proxy|qemu'
}
