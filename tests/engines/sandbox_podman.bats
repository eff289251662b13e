#!/usr/bin/env bats
# Sandboxed containers under Podman, what is theirs alone (podman.bats runs with them as well): RUNTIME is joey-vm and NORMAL
# joey. See on-host.sh.

bats_require_minimum_version 1.5.0
load podman.bash

normal() { lim podman --runtime "$NORMAL" --cgroup-manager cgroupfs "$@"; }

@test "podman, sandboxed: another kernel by every way in, a normal container beside" {
	run pr -d -- sh -c 'uname -r; sleep 1000'
	is 0
	sandboxes_are 1
	until_ok logs_have .
	not_the_hosts_kernel "$(podman logs "$C")"
	run "${P[@]}" exec "$C" uname -r
	is 0
	not_the_hosts_kernel "$output"
	run "$PTY" -- "${P[@]}" exec -it "$C" sh -c 'uname -r; tty'
	is 0 /dev/pts/
	not_the_hosts_kernel "$output"
	run normal run --rm --name "n$C" "$IMAGE" uname -r
	is 0 "$(uname -r)"
	[ "$(cat "/proc/$(field .State.Pid)/comm")" = joey-proxy ]
	lim podman rm -f -t 0 "$C"
	until_ok sandboxes_are 0
}

@test "podman, sandboxed: restart, wait, kill with a signal" {
	run pr -d -- sh -c 'trap "exit 3" USR1; echo up $(cat /proc/sys/kernel/random/boot_id); while :; do sleep 0.1; done'
	is 0
	until_ok logs_have up
	local first
	first=$(podman logs "$C")
	lim podman restart -t 0 "$C"
	until_ok eval '[ "$(podman logs "$C" | wc -l)" = 2 ]'
	[ "$(podman logs "$C" | sort -u | wc -l)" = 2 ]
	running
	lim podman kill -s USR1 "$C"
	run lim podman wait "$C"
	is 0 3
	[ "$(field .State.ExitCode)" = 3 ]
	until_ok sandboxes_are 0
}

@test "podman, sandboxed: the default network" {
	run pr -d --cap-add NET_RAW -- sh -c 'echo served | nc -l -p 7000; sleep 1000'
	is 0
	local ip gateway
	ip=$(podman inspect --format '{{.NetworkSettings.IPAddress}}' "$C")
	gateway=$(podman inspect --format '{{.NetworkSettings.Gateway}}' "$C")
	[ -n "$ip" ]
	run "${P[@]}" exec "$C" ip addr
	is 0 "$ip/"
	run "${P[@]}" exec "$C" ping -c 1 -W 5 "$gateway"
	is 0 "1 packets received"
	run /bin/busybox ping -c 1 -W 5 "$ip"
	is 0 "1 packets received"
	run lim /bin/busybox nc "$ip" 7000
	is 0 served
}

@test "podman, sandboxed: two networks: a device of each, in the order of the host's, and the default routes of both" {
	local ns to=
	lim podman network create --disable-dns "a$C" && lim podman network create --disable-dns "b$C"
	run pr -d --cap-add NET_RAW --network "a$C" --network "b$C" -- sleep 1000
	is 0
	ns=$(field .NetworkSettings.SandboxKey)
	for net in "a$C" "b$C"; do
		run /bin/busybox ping -c 1 -W 5 "$(field "(index .NetworkSettings.Networks \"$net\").IPAddress")"
		is 0 "1 packets received"
		to+=" $(field "(index .NetworkSettings.Networks \"$net\").Gateway")"
	done
	# /proc/net/route: device, gateway and metric of each route, as the kernel has them; but those that come with addresses
	run "${P[@]}" exec "$C" sh -c "set -e; cat /proc/net/route; for ip in $to; do ping -c 1 -W 5 \$ip; done"
	is 0 "1 packets received"
	[ "$(routes_by_gateway <<<"$output")" = "$(nsenter --net="$ns" cat /proc/net/route | routes_by_gateway)" ]
	[ "$(routes_by_gateway <<<"$output" | wc -l)" = 2 ]
	lim podman rm -f -t 0 "$C"
	lim podman network rm "a$C" "b$C"
}
routes_by_gateway() { awk '/^eth/ && $3 != "00000000" { print $1, $2, $3, $7 }'; }

@test "podman, sandboxed: two containers reach each other by the network; none has but lo" {
	run pr -d -- sh -c 'echo served | nc -l -p 7000; sleep 1000'
	is 0
	local ip
	ip=$(podman inspect --format '{{.NetworkSettings.IPAddress}}' "$C")
	run "${P[@]}" run --rm "$IMAGE" sh -c "nc $ip 7000 </dev/null"
	is 0 served
	run "${P[@]}" run --rm --network none "$IMAGE" sh -c 'ip addr | grep inet; ip route'
	is 0 127.0.0.1
	[ "$(grep -c inet <<<"$output")" -le 2 ] || is 0 "lo alone"
}

@test "podman, sandboxed: the host's network, and a second machine in a network namespace, are refused in words" {
	run pr --rm --network host -- true
	is 126 "the host's network"
	run pr -d -- sleep 1000
	is 0
	run "${P[@]}" run --rm --network "container:$C" "$IMAGE" true
	is 126 "another sandbox"
	run "${P[@]}" exec "$C" true
	is 0
}

@test "podman, sandboxed: limits hold, in the guest, and their update" {
	run pr -d --memory 64m --memory-swap 64m --pids-limit 44 --cpus 0.5 -- sleep 1000
	is 0
	run "${P[@]}" exec "$C" sh -c 'cd /sys/fs/cgroup && cat memory.max pids.max cpu.max'
	is 0 "67108864
44
50000 100000"
	run "${P[@]}" update --memory 128m --memory-swap 128m --cpus 0.2 "$C"
	is 0
	run "${P[@]}" exec "$C" sh -c 'cd /sys/fs/cgroup && cat memory.max cpu.max'
	is 0 "134217728
20000 100000"
}

@test "podman, sandboxed: sysctl, ulimit, oom score, shm size" {
	run pr --rm --sysctl kernel.shm_rmid_forced=1 --ulimit nofile=100:200 --oom-score-adj 77 --shm-size 2m -- \
		sh -c 'cat /proc/sys/kernel/shm_rmid_forced; ulimit -n; cat /proc/self/oom_score_adj; dd if=/dev/zero of=/dev/shm/x bs=1M count=3'
	is 1 "1
100
77"
	is 1 "2+0 records out"
}

@test "podman, sandboxed: kill -9 of the hypervisor, started again, rm -f" {
	run pr -d -- sleep 1000
	is 0
	kill -9 "$(pgrep -x qemu)"
	run lim podman wait "$C"
	is 0 137
	run "${P[@]}" start "$C"
	is 0
	running
	run lim podman rm -f -t 0 "$C"
	is 0
	until_ok sandboxes_are 0
}
