#!/usr/bin/env bats
# Podman and conmon drive the runtime: podman --runtime NAME run. RUNTIME=/path, see engine.bash; run.sh makes NAME known.
# CGROUPS=cgroupfs|systemd is Podman's cgroup manager.

bats_require_minimum_version 1.5.0
load podman.bash

@test "podman: output and the payload's exit code" {
	run pr --rm -- sh -c 'echo out; echo err >&2; exit 7'
	is 7 out
	is 7 err
}

@test "podman: the runtime in use is the one under test" {
	run pr -d -- sleep 60
	is 0
	[ "$(field .OCIRuntime)" = "$NAME" ]
}

@test "podman: 125 when podman itself fails" {
	run "${P[@]}" run --rm --no-such-option "$IMAGE" true
	is 125
}

@test "podman: 126 when the command cannot be run" {
	run pr --rm -- /etc/not-executable
	is 126 "permission denied"
}

@test "podman: 126 for a directory" {
	run pr --rm -- /tmp
	is 126
}

@test "podman: 127 when the command is not there" {
	run -127 pr --rm -- /no/such/command
	is 127 "no such file or directory"
	run -127 pr --rm -- nosuchcommand
	is 127 "executable file not found in \$PATH"
}

@test "podman: 128 and the signal for a killed payload" {
	run pr -d -- sleep 60
	is 0
	lim podman kill "$C"
	run lim podman wait "$C"
	is 0 137
}

@test "podman: stdin with -i" {
	run bash -c "echo typed | ${P[*]} run --rm -i $IMAGE cat"
	is 0 typed
}

@test "podman: a megabyte of output arrives whole" {
	local sum
	sum=$(pr --rm -- sh -c 'yes joey | head -c 1048576' | sha256sum)
	[ "$sum" = "$(yes joey | head -c 1048576 | sha256sum)" ]
}

@test "podman: -it on a terminal, with its size" {
	run "$PTY" --size 33x101 -- "${P[@]}" run --rm -it "$IMAGE" sh -c 'sleep 1; tty; stty size; exit 5'
	is 5 /dev/pts/0
	is 5 "33 101"
}

@test "podman: -it, a shell typed at" {
	run "$PTY" --expect '# ' --send 'echo $((6*7))\n' --expect 42 --send 'exit 9\n' -- "${P[@]}" run --rm -it "$IMAGE" sh
	is 9 42
}

@test "podman: volumes, writable, read-only and tmpfs" {
	mkdir "$BATS_TEST_TMPDIR/v" && echo kept >"$BATS_TEST_TMPDIR/v/file"
	run pr --rm -v "$BATS_TEST_TMPDIR/v:/rw" -v "$BATS_TEST_TMPDIR/v:/ro:ro" --tmpfs /t:size=1m -- \
		sh -c 'cat /ro/file && echo new >/rw/new && touch /t/x && ! touch /ro/x && df -k /t | tail -n 1'
	is 0 kept
	is 0 1024
	[ "$(cat "$BATS_TEST_TMPDIR/v/new")" = new ]
}

@test "podman: named volume copies up and lasts" {
	run pr --rm -v "vol$BATS_TEST_NUMBER:/etc" -- sh -c 'test -e /etc/passwd && echo mine >/etc/mine'
	is 0
	run pr --rm -v "vol$BATS_TEST_NUMBER:/other" -- cat /other/mine
	is 0 mine
}

@test "podman: read-only root" {
	run pr --rm --read-only -- sh -c 'touch /new; touch /tmp/ok && echo tmp'
	is 0 "Read-only file system"
	is 0 tmp
}

@test "podman: --memory, --pids-limit, --cpus are in the cgroup's files" {
	run pr -d --memory 64m --memory-reservation 32m --memory-swap 64m --pids-limit 44 --cpus 0.5 -- sleep 60
	is 0
	local pid
	pid=$(field .State.Pid)
	[ "$(cgroup_file "$pid" memory.max)" = 67108864 ]
	[ "$(cgroup_file "$pid" memory.low)" = 33554432 ]
	[ "$(cgroup_file "$pid" memory.swap.max)" = 0 ]
	[ "$(cgroup_file "$pid" pids.max)" = 44 ]
	[ "$(cgroup_file "$pid" cpu.max)" = "50000 100000" ]
}

@test "podman: --pids-limit holds" {
	run pr --rm --pids-limit 5 -- sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 5 & done'
	[[ $output == *"fork"* ]]
}

@test "podman: a payload over --memory is killed and called so" {
	run pr --memory 16m --memory-swap 16m -- dd if=/dev/zero of=/dev/null bs=64M count=1
	is 137
	# With systemd the cgroup can be gone before conmon looks what happened in it, whatever the runtime.
	[ "${CGROUPS:-}" = systemd ] || [ "$(field .State.OOMKilled)" = true ]
}

@test "podman: --userns=auto" {
	run pr --rm --userns=auto -- sh -c 'id -u; cat /proc/self/uid_map; touch /tmp/x /root/y && stat -c %u /root/y'
	is 0
	[[ $output != *4294967295* ]]
}

@test "podman: --uidmap and --gidmap, with a volume" {
	mkdir "$BATS_TEST_TMPDIR/v" && chown 300005:300005 "$BATS_TEST_TMPDIR/v"
	run pr --rm --uidmap 0:300000:1000 --gidmap 0:300000:1000 -v "$BATS_TEST_TMPDIR/v:/v" -- sh -c 'stat -c %u /v; cat /proc/self/uid_map'
	is 0 300000
	is 0 5
}

@test "podman: an idmapped volume" {
	"$RUNTIME" features | jq -e .linux.mountExtensions.idmap.enabled >/dev/null 2>&1 || skip "$NAME cannot map mounts"
	mkdir "$BATS_TEST_TMPDIR/v"
	run pr --rm --uidmap 0:300000:1000 --gidmap 0:300000:1000 -v "$BATS_TEST_TMPDIR/v:/v:idmap" -- sh -c 'touch /v/file; stat -c %u /v'
	is 0 0
	[ "$(stat -c %u "$BATS_TEST_TMPDIR/v/file")" = 0 ]
}

@test "podman: logs of a detached container" {
	run pr -d -- sh -c 'echo first; echo second >&2; sleep 60'
	is 0
	until_ok logs_have second
	run lim podman logs "$C"
	is 0 first
}

@test "podman: stop sends TERM and keeps the exit code" {
	run pr -d -- sh -c 'trap "exit 3" TERM; echo ready; while :; do sleep 0.1; done'
	is 0
	until_ok logs_have ready
	run lim podman stop -t 10 "$C"
	is 0
	[ "$(field .State.ExitCode)" = 3 ]
}

@test "podman: stop kills what ignores TERM" {
	run pr -d -- sleep 1000
	is 0
	run lim podman stop -t 1 "$C"
	is 0
	[ "$(field .State.ExitCode)" = 137 ]
}

@test "podman: ps, rm of a running one refused, rm -f" {
	run pr -d -- sleep 60
	is 0
	run lim podman ps --format '{{.Names}} {{.Status}}'
	is 0 "$C Up"
	run lim podman rm "$C"
	[ "$status" -ne 0 ]
	run lim podman rm -f -t 0 "$C"
	is 0
	! podman container exists "$C"
}

@test "podman: create, start, wait, start again" {
	run "${P[@]}" create --name "$C" "$IMAGE" sh -c 'exit 11'
	is 0
	run "${P[@]}" start -a "$C"
	is 11
	run "${P[@]}" start -a "$C"
	is 11
}

@test "podman: nothing of the runtime is left" {
	run pr --rm -- true
	is 0
	[ -z "$("$RUNTIME" list -q)" ]
	! grep -q 'libpod.*conmon' /proc/self/mountinfo
	! ls -d /sys/fs/cgroup/machine.slice/libpod-* /sys/fs/cgroup/libpod_parent/libpod-[0-9a-f]* 2>/dev/null
}

@test "podman: environment, directory, user, groups, host name" {
	run pr --rm -e A=b -w /tmp -u 1000:1000 --group-add 2000 --hostname here -- sh -c 'echo $A $(pwd) $(id -u):$(id -g) $(id -G) $(hostname)'
	is 0 "b /tmp 1000:1000 1000 2000 here"
}

@test "podman: capabilities, no_new_privs and the default seccomp profile" {
	run pr --rm --cap-drop all --cap-add NET_RAW --security-opt no-new-privileges -- grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status
	is 0 0000000000002000
	[[ $output == *NoNewPrivs:*1* ]]
	[[ $output == *Seccomp:*2* ]]
}

@test "podman: --privileged" {
	run pr --rm --privileged -- sh -c 'mount -t tmpfs none /tmp && ls /dev/fuse'
	is 0 /dev/fuse
}

@test "podman: devices" {
	run pr --rm --device /dev/fuse:/dev/myfuse:rw -- sh -c 'stat -c %t:%T /dev/myfuse; exec 3<>/dev/myfuse && echo open'
	is 0 a:e5
	is 0 open
	run pr --rm --cap-add MKNOD -- sh -c 'mknod /tmp/fuse c 10 229 && exec 3<>/tmp/fuse'
	[ "$status" -ne 0 ]
	[[ $output == *"not permitted"* ]]
}

@test "podman: sysctl, ulimit, oom score, shm size" {
	run pr --rm --sysctl kernel.shm_rmid_forced=1 --ulimit nofile=100:200 --oom-score-adj 77 --shm-size 2m -- \
		sh -c 'cat /proc/sys/kernel/shm_rmid_forced; ulimit -n; cat /proc/self/oom_score_adj; df -k /dev/shm | tail -n 1'
	is 0 "1
100
77"
	is 0 2048
}

@test "podman: networks none, host, bridge and another container's" {
	run pr --rm --network none -- ls /sys/class/net
	is 0 lo
	run pr --rm --network host -- readlink /proc/self/ns/net
	is 0 "$(readlink /proc/self/ns/net)"
	run pr -d --network bridge -- sleep 60
	is 0
	run "${P[@]}" run --rm --network "container:$C" "$IMAGE" ip addr
	is 0 eth0
	run "${P[@]}" run --rm --pid "container:$C" --ipc "container:$C" "$IMAGE" ps
	is 0 "sleep 60"
}

@test "podman: --init" {
	run pr --rm --init -- cat /proc/1/comm
	is 0 podman-init
}

@test "podman: a pod with two containers" {
	run "${P[@]}" pod create --name "pod$C"
	is 0
	run "${P[@]}" run -d --pod "pod$C" --name "$C" "$IMAGE" sh -c 'echo served | nc -l -p 7000'
	is 0
	run "${P[@]}" run --rm --pod "pod$C" "$IMAGE" sh -c 'sleep 1; nc 127.0.0.1 7000 </dev/null'
	is 0 served
	"${P[@]}" pod rm -f -t 0 "pod$C"
}

@test "podman: rootless" {
	install -m 644 /run/engine-image.tar /tmp/engine-image.tar
	run lim runuser -l tester -c "podman --runtime $NAME --cgroup-manager cgroupfs load -q -i /tmp/engine-image.tar"
	is 0
	run lim runuser -l tester -c "podman --runtime $NAME --cgroup-manager cgroupfs run --rm --network none $IMAGE sh -c 'id -u; cat /proc/self/uid_map; exit 8'"
	is 8 1000
	run as_tester "podman --runtime $NAME --cgroup-manager cgroupfs run -d --name $C --network none --init $IMAGE \
		sh -c 'trap \"exit 3\" TERM; echo ready; while :; do sleep 0.1; done'"
	is 0
	run as_tester "podman exec -u user -w /tmp $C sh -c 'id -u; pwd; exit 4'"
	is 4 "1000
/tmp"
	run as_tester "podman top $C comm"
	is 0 sh
	until_ok as_tester "podman logs $C | grep ready"
	run as_tester "podman stop -t 20 $C && podman inspect --format '{{.State.ExitCode}}' $C && podman rm $C"
	is 0 3
}

@test "podman: rootless, limits by systemd, exec, pause, stop" {
	needs exec
	mkdir -p /home/tester/.config/containers
	as_tester "podman --runtime $NAME --cgroup-manager systemd run -d --name $C --network none --memory 64m --pids-limit 44 $IMAGE sh -c \
		'trap \"exit 3\" TERM; while :; do sleep 0.1; done'"
	local pid
	pid=$(as_tester "podman inspect --format '{{.State.Pid}}' $C")
	[ "$(cgroup_file "$pid" memory.max)" = 67108864 ]
	[ "$(cgroup_file "$pid" pids.max)" = 44 ]
	run as_tester "podman exec $C sh -c 'id -u; exit 4'"
	is 4 0
	run "$PTY" --size 30x90 -- runuser -l tester -c "XDG_RUNTIME_DIR=/run/user/1000 podman exec -it $C sh -c 'sleep 1; stty size; exit 6'"
	is 6 "30 90"
	as_tester "podman pause $C && podman unpause $C"
	run as_tester "podman update --memory 128m $C"
	is 0
	[ "$(cgroup_file "$pid" memory.max)" = 134217728 ]
	run as_tester "podman stop -t 20 $C && podman inspect --format '{{.State.ExitCode}}' $C"
	is 0 3
	as_tester "podman rm -f $C"
}

@test "podman: exec with exit code and terminal" {
	needs exec
	run pr -d -- sleep 60
	is 0
	run "${P[@]}" exec "$C" sh -c 'echo inside; exit 4'
	is 4 inside
	run -127 "${P[@]}" exec "$C" nosuchcommand
	is 127
	run "$PTY" --size 30x90 -- "${P[@]}" exec -it "$C" sh -c 'sleep 1; stty size; exit 6'
	is 6 "30 90"
}

@test "podman: pause and unpause" {
	needs pause
	run pr -d -- sleep 60
	is 0
	lim podman pause "$C"
	[ "$(field .State.Status)" = paused ]
	lim podman unpause "$C"
	running
}

@test "podman: update of limits" {
	needs update
	run pr -d --memory 64m -- sleep 60
	is 0
	run "${P[@]}" update --memory 128m --memory-reservation 100m --cpus 0.2 --pids-limit 50 "$C"
	is 0
	local pid
	pid=$(field .State.Pid)
	[ "$(cgroup_file "$pid" memory.max)" = 134217728 ]
	[ "$(cgroup_file "$pid" memory.low)" = 104857600 ]
	[ "$(cgroup_file "$pid" cpu.max)" = "20000 100000" ]
	[ "$(cgroup_file "$pid" pids.max)" = 50 ]
}

@test "podman: top and stats" {
	run pr -d -- sleep 60
	is 0
	run lim podman top "$C" pid comm
	is 0 sleep
	run lim podman stats --no-stream --format '{{.Name}} {{.PIDs}}' "$C"
	is 0 "$C 1"
}

@test "podman: kube play and down" {
	cat >"$BATS_TEST_TMPDIR/pod.yaml" <<-YAML
		apiVersion: v1
		kind: Pod
		metadata: {name: kube$C}
		spec:
		  hostname: kubehost
		  restartPolicy: Never
		  volumes:
		  - {name: shared, emptyDir: {}}
		  initContainers:
		  - {name: first, image: $IMAGE, command: [sh, -c, "echo made-before >/shared/file"], volumeMounts: [{name: shared, mountPath: /shared}]}
		  containers:
		  - name: one
		    image: $IMAGE
		    command: [sleep, "60"]
		    env: [{name: A, value: b}]
		    resources: {limits: {memory: 64Mi, cpu: 500m}}
		    securityContext: {runAsUser: 1000, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
		    volumeMounts: [{name: shared, mountPath: /shared, readOnly: true}]
		  - {name: two, image: $IMAGE, command: [sh, -c, "echo two speaks; sleep 60"]}
	YAML
	run "${P[@]}" kube play "$BATS_TEST_TMPDIR/pod.yaml"
	is 0
	C=kube$C-one
	local pid
	pid=$(field .State.Pid)
	[ "$(cgroup_file "$pid" memory.max)" = 67108864 ]
	[ "$(cgroup_file "$pid" cpu.max)" = "50000 100000" ]
	[ "$(field .OCIRuntime)" = "$NAME" ]
	run "${P[@]}" exec "$C" sh -c 'id -u; cat /shared/file; echo $A $(hostname); touch /new; touch /shared/new'
	is 1 1000
	is 1 made-before
	is 1 "b kubehost"
	[ "$(grep -c "Read-only file system" <<<"$output")" = 2 ]
	[ "$(readlink "/proc/$pid/ns/net")" = "$(readlink "/proc/$(podman inspect --format '{{.State.Pid}}' "${C%one}two")/ns/net")" ]
	run lim podman logs "${C%one}two"
	is 0 "two speaks"
	run "${P[@]}" kube down "$BATS_TEST_TMPDIR/pod.yaml"
	is 0
	! podman container exists "$C"
}

@test "podman: a pod is paused, stopped, started again, with limits of its own" {
	needs pause
	run "${P[@]}" pod create --name "pod$C" --memory 128m
	is 0
	run "${P[@]}" run -d --pod "pod$C" --name "$C" "$IMAGE" sleep 1000
	is 0
	lim podman pod pause "pod$C"
	[ "$(field .State.Status)" = paused ]
	lim podman pod unpause "pod$C"
	running
	run lim podman pod stats --no-stream "pod$C"
	is 0 "$C"
	run "${P[@]}" pod stop -t 0 "pod$C"
	is 0
	exited
	run "${P[@]}" pod start "pod$C"
	is 0
	running
	run "${P[@]}" pod rm -f -t 0 "pod$C"
	is 0
}

@test "podman: a health check runs by exec" {
	needs exec
	run pr -d --health-cmd 'test -e /tmp/healthy || touch /tmp/healthy' -- sleep 60
	is 0
	run "${P[@]}" healthcheck run "$C"
	is 0
}

# counting: a container that counts, and has come to 3.
counting() {
	needs checkpoint
	criu check >/dev/null 2>&1 || skip "CRIU cannot work with this kernel"
	run pr -d --network none "$@" -- sh -c 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done'
	is 0
	until_ok logs_have '^3$'
}

# counts_on FROM: it has not begun again, and goes on.
counts_on() {
	local n
	until_ok logs_have "^$(($1 + 5))\$"
	n=$(podman logs "$C" | tail -n 1)
	[ "$n" -ge "$1" ]
	until_ok logs_have "^$((n + 5))\$"
}

last_line() { podman logs "$C" | tail -n 1; }

@test "podman: checkpoint and restore" {
	local n
	counting
	run "${P[@]}" container checkpoint "$C"
	is 0
	exited
	n=$(last_line)
	run "${P[@]}" container restore "$C"
	is 0
	running
	[ "$(podman logs "$C" | grep -cx 1)" = 1 ]
	counts_on "$n"
}

@test "podman: checkpoint of a running container to a file, restored under another name" {
	local n file=$BATS_TEST_TMPDIR/checkpoint.tar
	counting --memory 64m
	n=$(last_line)
	run "${P[@]}" container checkpoint --leave-running --export "$file" "$C"
	is 0
	running
	counts_on "$n"
	lim podman rm -f -t 0 "$C"
	C=${C}copy
	run "${P[@]}" container restore --import "$file" --name "$C"
	is 0
	running
	[ "$(cgroup_file "$(field .State.Pid)" memory.max)" = 67108864 ]
	counts_on "$n"
	run "${P[@]}" exec "$C" echo inside
	is 0 inside
}

@test "podman: a checkpoint with one before it, which leaves it running" {
	local n
	counting
	n=$(last_line)
	run "${P[@]}" container checkpoint --pre-checkpoint "$C"
	is 0
	running
	run "${P[@]}" container checkpoint --with-previous "$C"
	is 0
	exited
	run "${P[@]}" container restore "$C"
	is 0
	counts_on "$n"
}
