#!/usr/bin/env bats
# Docker: dockerd with the runtime under test in daemon.json, as its default, so that builds use it too. RUNTIME=/path, see
# engine.bash. CGROUPS=cgroupfs|systemd. No bridge and no firewall: networks are none, host and another container's.

bats_require_minimum_version 1.5.0
load docker.bash

@test "docker: what dockerd says of the runtime" {
	run lim docker info --format '{{.DefaultRuntime}} {{(index .Runtimes "test").Path}} {{.CgroupDriver}} {{.CgroupVersion}}'
	is 0 "test $RUNTIME ${CGROUPS:-cgroupfs} 2"
}

@test "docker: output and the payload's exit code" {
	run dr --rm -- sh -c 'echo out; echo err >&2; exit 7'
	is 7 out
	is 7 err
}

@test "docker: the runtime in use is the one under test" {
	run dr -d -- sleep 60
	is 0
	[ "$(field .HostConfig.Runtime)" = test ]
	"$RUNTIME" --root /var/run/docker/runtime-runc/moby list -q | grep -qx "$(field .Id)"
}

@test "docker: 125 when docker itself fails" {
	run lim docker run --rm --no-such-option "$IMAGE" true
	is 125
	run lim docker run --rm --runtime nosuchruntime "$IMAGE" true
	is 125
}

@test "docker: 126 when the command cannot be run" {
	run dr --rm -- /etc/not-executable
	is 126 "permission denied"
	run dr --rm -- /tmp
	is 126
}

@test "docker: 127 when the command is not there" {
	run -127 dr --rm -- /no/such/command
	is 127 "no such file or directory"
	run -127 dr --rm -- nosuchcommand
	is 127 "executable file not found in \$PATH"
}

@test "docker: 128 and the signal for a killed payload" {
	run dr -d -- sleep 60
	is 0
	lim docker kill "$C"
	run lim docker wait "$C"
	is 0 137
}

@test "docker: stdin with -i, and a megabyte of output" {
	run bash -c "echo typed | timeout -k 5 60 docker run --rm -i $IMAGE cat"
	is 0 typed
	local sum
	sum=$(dr --rm -- sh -c 'yes joey | head -c 1048576' | sha256sum)
	[ "$sum" = "$(yes joey | head -c 1048576 | sha256sum)" ]
}

@test "docker: -it on a terminal, with its size" {
	run "$PTY" --size 33x101 -- docker run --rm -it "$IMAGE" sh -c 'sleep 2; tty; stty size; exit 5'
	is 5 /dev/pts/0
	is 5 "33 101"
}

@test "docker: -it, a shell typed at" {
	run "$PTY" --expect '# ' --send 'echo $((6*7))\n' --expect 42 --send 'exit 9\n' -- docker run --rm -it "$IMAGE" sh
	is 9 42
}

@test "docker: build from scratch" {
	local dir=$BATS_TEST_TMPDIR
	cp /run/rootfs.tar "$dir/"
	cat >"$dir/Dockerfile" <<-'DOCKERFILE'
		FROM scratch
		ADD rootfs.tar /
		ENV PATH=/bin
		RUN echo built-by-root >/built && chmod 644 /built && chown 1000 /home/user
		USER 1000:1000
		WORKDIR /home/user
		RUN id -u >uid && touch mine
		CMD ["sh", "-c", "cat /built uid; pwd"]
	DOCKERFILE
	run env DOCKER_BUILDKIT=0 timeout -k 5 120 docker build --network none -t "built:$C" "$dir"
	is 0 "Successfully tagged"
	run lim docker run --rm --name "$C" "built:$C"
	is 0 built-by-root
	is 0 1000
	is 0 /home/user
	printf 'FROM %s\nRUN exit 9\n' "$IMAGE" >"$dir/Dockerfile"
	run env DOCKER_BUILDKIT=0 timeout -k 5 60 docker build --force-rm --network none "$dir"
	[ "$status" -ne 0 ]
	[[ $output == *"returned a non-zero code: 9"* ]]
}

@test "docker: stop sends TERM and keeps the exit code" {
	run dr -d -- sh -c 'trap "exit 3" TERM; echo ready; while :; do sleep 0.1; done'
	is 0
	until_ok logs_have ready
	lim docker stop -t 20 "$C"
	[ "$(field .State.ExitCode)" = 3 ]
}

@test "docker: stop kills what ignores TERM" {
	run dr -d -- sh -c 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
	is 0
	until_ok logs_have ready
	lim docker stop -t 1 "$C"
	[ "$(field .State.ExitCode)" = 137 ]
}

@test "docker: logs, start again, wait, rm -f" {
	run dr -d -- sh -c 'echo line; sleep 0.5; exit 4'
	is 0
	run lim docker wait "$C"
	is 0 4
	lim docker start "$C"
	run lim docker wait "$C"
	is 0 4
	[ "$(docker logs "$C" | grep -c line)" = 2 ]
	run dr -d -- true
	[ "$status" -ne 0 ] # the name is taken
	lim docker rm -f "$C"
}

@test "docker: --init" {
	run dr --rm --init -- sh -c 'cat /proc/1/comm; exit 3'
	is 3 init
}

@test "docker: limits are in the cgroup's files" {
	run dr -d --memory 64m --memory-reservation 32m --memory-swap 64m --pids-limit 44 --cpus 0.5 -- sleep 60
	is 0
	local pid
	pid=$(field .State.Pid)
	[ "$(cgroup_file "$pid" memory.max)" = 67108864 ]
	[ "$(cgroup_file "$pid" memory.low)" = 33554432 ]
	[ "$(cgroup_file "$pid" memory.swap.max)" = 0 ]
	[ "$(cgroup_file "$pid" pids.max)" = 44 ]
	[ "$(cgroup_file "$pid" cpu.max)" = "50000 100000" ]
}

@test "docker: update of limits" {
	needs update
	run dr -d --memory 64m --memory-swap 64m -- sleep 60
	is 0
	run lim docker update --memory 128m --memory-swap 128m --pids-limit 50 --cpus 0.2 "$C"
	is 0
	local pid
	pid=$(field .State.Pid)
	[ "$(cgroup_file "$pid" memory.max)" = 134217728 ]
	[ "$(cgroup_file "$pid" pids.max)" = 50 ]
	[ "$(cgroup_file "$pid" cpu.max)" = "20000 100000" ]
}

@test "docker: a payload over --memory is killed and called so" {
	run dr --memory 16m --memory-swap 16m -- sh -c "$OVER_LIMIT"
	is 137
	[ "$(field .State.OOMKilled)" = true ]
}

@test "docker: exec with exit codes, users and a terminal" {
	needs exec
	run dr -d -- sleep 60
	is 0
	run lim docker exec "$C" sh -c 'echo inside; exit 4'
	is 4 inside
	run lim docker exec -u 1000:2000 -w /tmp -e A=b "$C" sh -c 'echo $(id -u):$(id -g) $A $(pwd)'
	is 0 "1000:2000 b /tmp"
	run lim docker exec "$C" nosuchcommand
	[ "$status" = 126 ] || [ "$status" = 127 ] # the version of Docker decides
	is "$status" "executable file not found in \$PATH"
	run lim docker exec "$C" /etc/not-executable
	is 126 "permission denied"
	run lim docker exec --privileged "$C" grep CapEff /proc/self/status
	[[ $output != *00000000a80425fb* ]]
	run bash -c "echo typed | timeout -k 5 60 docker exec -i $C cat"
	is 0 typed
	run "$PTY" --size 30x90 -- docker exec -it "$C" sh -c 'sleep 2; stty size; exit 6'
	is 6 "30 90"
}

@test "docker: pause and unpause" {
	needs pause
	run dr -d -- sleep 60
	is 0
	lim docker pause "$C"
	status_is paused
	run lim docker exec "$C" true
	[ "$status" -ne 0 ]
	lim docker unpause "$C"
	status_is running
}

@test "docker: top and stats" {
	needs ps
	run dr -d -- sleep 60
	is 0
	run lim docker top "$C"
	is 0 "sleep 60"
	run lim docker stats --no-stream --format '{{.Name}} {{.PIDs}}' "$C"
	is 0 "$C 1"
}

@test "docker: volumes, read-only, tmpfs, read-only root" {
	mkdir "$BATS_TEST_TMPDIR/v" && echo kept >"$BATS_TEST_TMPDIR/v/file"
	run dr --rm --read-only -v "$BATS_TEST_TMPDIR/v:/rw" -v "$BATS_TEST_TMPDIR/v:/ro:ro" --tmpfs /t:size=1m -- sh -c \
		'cat /ro/file && echo new >/rw/new && touch /t/x && ! touch /ro/x && ! touch /new'
	is 0 kept
	is 0 "Read-only file system"
	[ "$(cat "$BATS_TEST_TMPDIR/v/new")" = new ]
}

@test "docker: capabilities, seccomp, privileged, devices" {
	run dr --rm -- sh -c 'grep -E "^(CapEff|Seccomp):" /proc/self/status'
	is 0 00000000a80425fb
	is 0 $'Seccomp:\t2'
	run dr --rm --security-opt no-new-privileges --cap-drop ALL --cap-add NET_ADMIN -- grep -E '^(CapEff|NoNewPrivs):' /proc/self/status
	is 0 0000000000001000
	is 0 $'NoNewPrivs:\t1'
	run dr --rm --privileged -- sh -c 'mount -t tmpfs none /tmp && echo mounted'
	is 0 mounted
	run dr --rm --device /dev/fuse:/dev/other -- sh -c 'ls -l /dev/other'
	is 0 /dev/other
}

@test "docker: users, groups, host name, ulimit, sysctl, shm, environment" {
	run dr --rm -u user --group-add 3000 -h here --ulimit nofile=123:456 --sysctl kernel.shmmax=1000000 --shm-size 2m -e A=b -- \
		sh -c 'echo $(id -u) $(id -G) $(hostname) $(ulimit -n) $(cat /proc/sys/kernel/shmmax) $(df -k /dev/shm | awk "END{print \$2}") $A'
	is 0 "1000 1000 2000 3000 here 123 1000000 2048 b"
}

@test "docker: namespaces of the host and of another container" {
	run dr -d --network none --ipc shareable -- sleep 60
	is 0
	run lim docker run --rm --network "container:$C" --pid "container:$C" --ipc "container:$C" "$IMAGE" sh -c 'ps; ls /sys/class/net'
	is 0 "sleep 60"
	run lim docker run --rm --network host --pid host --uts host "$IMAGE" readlink /proc/self/ns/net
	is 0 "$(readlink /proc/self/ns/net)"
}

@test "docker: a health check runs by exec" {
	needs exec
	run dr -d --health-cmd 'test -e /tmp/healthy || touch /tmp/healthy' --health-interval 1s -- sleep 60
	is 0
	until_ok eval "[ \"\$(docker inspect --format '{{.State.Health.Status}}' $C)\" = healthy ]"
}

@test "docker: restart policy" {
	run dr -d --restart on-failure:2 -- sh -c 'echo try; exit 1'
	is 0
	until_ok status_is exited
	[ "$(docker logs "$C" | grep -c try)" = 3 ]
}

@test "docker: containers live on while dockerd is restarted" {
	needs exec
	run dr -d -- sh -c 'trap "exit 3" TERM; while :; do sleep 0.1; done'
	is 0
	local pid
	pid=$(field .State.Pid)
	stop_dockerd
	kill -0 "$pid"
	start_dockerd
	[ "$(field .State.Pid)" = "$pid" ]
	run lim docker exec "$C" echo again
	is 0 again
	lim docker stop -t 20 "$C"
	[ "$(field .State.ExitCode)" = 3 ]
}

@test "docker: nothing of the runtime is left" {
	[ -z "$(docker ps -aq)" ]
	[ -z "$(ls /var/run/docker/runtime-runc/moby)" ]
	[ -z "$(find /sys/fs/cgroup/docker -mindepth 1 -type d 2>/dev/null)" ]
}
