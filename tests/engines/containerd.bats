#!/usr/bin/env bats
# containerd drives the runtime through its shim: ctr run --runc-binary. RUNTIME=/path, see engine.bash.

load containerd.bash

@test "containerd: output and exit code" {
	run cr --rm -- sh -c 'echo out; echo err >&2; (exit 7); '"$STAY"
	is 7 out
	is 7 err
}

@test "containerd: a payload killed by a signal gives 128 and the signal" {
	(until_ok task_is RUNNING && kill -KILL "$(task_pid)") &
	run cr --rm -- sleep 50
	is 137
}

@test "containerd: nothing is left after a run" {
	run cr --rm -- true
	is 0
	until_ok nothing_left
}

@test "containerd: a command that does not exist is named" {
	run cr --rm -- /no/such/command
	[ "$status" -ne 0 ]
	[[ $output == *"/no/such/command"* ]]
	[[ $output == *"no such file or directory"* ]]
	until_ok nothing_left
}

@test "containerd: a command that is not in PATH is named" {
	run cr --rm -- nosuchcommand
	[ "$status" -ne 0 ]
	[[ $output == *nosuchcommand*"executable file not found in \$PATH"* ]]
}

@test "containerd: stdin reaches the payload" {
	run bash -c "echo typed | timeout -k 5 60 ctr run --rm --runc-binary $RUNTIME $IMAGE $C sh -c 'head -n 1; sleep 1'"
	is 0 typed
}

# containerd gives the copying of output up when the process has ended and the machine is slow, whatever the runtime (with runc one
# run in five loses some, in user-mode Linux): the payload lives until its reader has had everything.
@test "containerd: a megabyte of output arrives whole" {
	local dir=$BATS_TEST_TMPDIR rc=0
	mkdir "$dir/v"
	cr --rm --mount "type=bind,src=$dir/v,dst=/v,options=rbind:ro" -- \
		sh -c 'yes joey | head -c 1048576; until [ -e /v/had ]; do sleep 0.1; done' >"$dir/out" 2>"$dir/err" &
	until_ok eval '[ "$(stat -c %s "$dir/out")" -ge 1048576 ]' || :
	touch "$dir/v/had"
	wait $! || rc=$?
	yes joey 2>/dev/null | head -c 1048576 | cmp - "$dir/out" && [ "$rc" = 0 ] ||
		{ echo "ctr's status $rc, $(stat -c %s "$dir/out") bytes of output; it says: $(cat "$dir/err")"; tail -n 20 /run/containerd.log; return 1; }
}

@test "containerd: terminal with size and exit code" {
	run "$PTY" --size 33x101 -- ctr run --rm -t --runc-binary "$RUNTIME" "$IMAGE" "$C" sh -c 'sleep 1; tty; stty size; exit 5'
	is 5 /dev/pts/0
	is 5 "33 101"
}

@test "containerd: a shell typed at on a terminal" {
	run "$PTY" --expect '# ' --send 'echo $((6*7))\n' --expect 42 --send 'exit 9\n' -- \
		ctr run --rm -t --runc-binary "$RUNTIME" "$IMAGE" "$C" sh
	is 9 42
}

@test "containerd: environment, directory, user, host name" {
	run cr --rm --env A=b --cwd /tmp --user 1000:1000 --hostname here -- sh -c 'echo $A $(pwd) $(id -u):$(id -g) $(hostname); '"$STAY"
	is 0 "b /tmp 1000:1000 here"
}

@test "containerd: detached, killed by TERM, stopped, removed" {
	run cr -d -- sh -c 'trap "exit 3" TERM; while :; do sleep 0.1; done'
	is 0
	task_is RUNNING
	[ "$(cat /proc/"$(task_pid)"/comm)" = sh ]
	sleep 1
	lim ctr task kill --signal TERM "$C"
	until_ok task_is STOPPED
	run lim ctr task rm "$C"
	[[ $output == *"exit code 3"* ]] || [[ $output == *"non-zero exit code 3"* ]]
	lim ctr container rm "$C"
	until_ok nothing_left
}

@test "containerd: the pid file holds the task's pid" {
	run cr -d --pid-file "$BATS_TEST_TMPDIR/pid" -- sleep 60
	is 0
	[ "$(cat "$BATS_TEST_TMPDIR/pid")" = "$(task_pid)" ]
}

@test "containerd: kill --all ends every process" {
	run cr -d -- sh -c 'sleep 1000 & sleep 1001 & wait'
	is 0
	lim ctr task kill --all --signal KILL "$C"
	until_ok task_is STOPPED
	! pgrep -f 'sleep 100[01]'
}

@test "containerd: memory and cpu limits are in the cgroup's files" {
	run cr -d --memory-limit 67108864 --cpu-quota 50000 --cpu-period 100000 --cpu-shares 512 -- sleep 60
	is 0
	local pid
	pid=$(task_pid)
	[ "$(cgroup_file "$pid" memory.max)" = 67108864 ]
	[ "$(cgroup_file "$pid" cpu.max)" = "50000 100000" ]
	[ "$(cgroup_file "$pid" cpu.weight)" -lt 100 ]
}

@test "containerd: every limit of a config.json is in the cgroup's files" {
	local root=$BATS_TEST_TMPDIR/root
	mkdir -p "$root/bin" && cp /usr/bin/busybox "$root/bin/"
	(cd "$BATS_TEST_TMPDIR" && "$RUNTIME" spec &&
		jq --arg root "$root" '.root={path:$root} | .process.terminal=false | .process.args=["/bin/busybox","sleep","60"]
			| .linux.cgroupsPath="/default/limits"
			| .linux.resources+={pids:{limit:33}, memory:{limit:50331648,reservation:33554432,swap:50331648},
				cpu:{shares:2048,quota:20000,period:100000}, unified:{"memory.high":"40000000"}}' config.json >full.json)
	run lim ctr run -d --runc-binary "$RUNTIME" --config "$BATS_TEST_TMPDIR/full.json" "$C"
	is 0
	local pid
	pid=$(task_pid)
	[ "$(cgroup_file "$pid" pids.max)" = 33 ]
	[ "$(cgroup_file "$pid" memory.max)" = 50331648 ]
	[ "$(cgroup_file "$pid" memory.low)" = 33554432 ]
	[ "$(cgroup_file "$pid" memory.swap.max)" = 0 ]
	[ "$(cgroup_file "$pid" memory.high)" = 39997440 ]
	[ "$(cgroup_file "$pid" cpu.max)" = "20000 100000" ]
}

@test "containerd: a payload over its memory limit is killed" {
	run cr --rm --memory-limit 16777216 -- dd if=/dev/zero of=/dev/null bs=64M count=1
	is 137
}

@test "containerd: devices are denied unless given" {
	run cr --rm --allow-new-privs --cap-add CAP_MKNOD -- sh -c 'mknod /tmp/fuse c 10 229 && cat /tmp/fuse; '"$STAY"
	[ "$status" -ne 0 ]
	[[ $output == *"not permitted"* ]]
}

@test "containerd: bind mount read-only and read-only root" {
	mkdir "$BATS_TEST_TMPDIR/v" && echo kept >"$BATS_TEST_TMPDIR/v/file"
	run cr --rm --read-only --mount "type=bind,src=$BATS_TEST_TMPDIR/v,dst=/v,options=rbind:ro" -- \
		sh -c 'cat /v/file; touch /v/new; touch /new; '"$STAY"
	[[ $output == *kept* ]]
	[ "$(grep -c 'Read-only file system' <<<"$output")" = 2 ]
}

@test "containerd: default seccomp profile and capabilities" {
	run cr --rm --seccomp -- sh -c 'grep -E "^(Seccomp|NoNewPrivs|CapEff):" /proc/self/status; unshare -U true; '"$STAY"
	[[ $output == *"NoNewPrivs:"*1* ]]
	[[ $output == *"Seccomp:"*2* ]]
	[[ $output == *"CapEff:"*00000000a80425fb* ]]
	[[ $output == *"not permitted"* ]]
}

# ctr forgets --runc-binary where there are id mappings: the shim takes runc, which is a link to RUNTIME (start_containerd).
@test "containerd: user namespace" {
	run cr --rm --uidmap 0:200000:65536 --gidmap 0:200000:65536 --remap-labels -- sh -c 'id -u; cat /proc/self/uid_map; '"$STAY"
	is 0 200000
}

@test "containerd: host network" {
	run cr --rm --net-host -- sh -c 'readlink /proc/self/ns/net; '"$STAY"
	is 0 "$(readlink /proc/self/ns/net)"
}

@test "containerd: privileged" {
	run cr --rm --privileged -- sh -c 'mount -t tmpfs none /tmp && echo mounted; '"$STAY"
	is 0 mounted
}

@test "containerd: ten containers at once" {
	local i
	for i in 1 2 3 4 5 6 7 8 9 10; do
		lim ctr run --rm --runc-binary "$RUNTIME" "$IMAGE" "$C-$i" sh -c "exit $i" &
		eval "p$i=\$!"
	done
	for i in 1 2 3 4 5 6 7 8 9 10; do
		local pid=p$i rc=0
		wait "${!pid}" || rc=$?
		[ "$rc" = "$i" ]
	done
	until_ok nothing_left
}

@test "containerd: metrics of a running task" {
	run cr -d --memory-limit 67108864 -- sleep 60
	is 0
	run lim ctr task metrics "$C"
	is 0 memory
}

@test "containerd: exec with output, exit code and terminal" {
	needs exec
	run cr -d -- sleep 60
	is 0
	run lim ctr task exec --exec-id e1 "$C" sh -c 'echo inside; (exit 4); '"$STAY"
	is 4 inside
	run "$PTY" --size 30x90 -- ctr task exec -t --exec-id e2 "$C" sh -c 'sleep 1; stty size; exit 6'
	is 6 "30 90"
}

@test "containerd: pause and resume" {
	needs pause
	run cr -d -- sleep 60
	is 0
	lim ctr task pause "$C"
	task_is PAUSED
	lim ctr task resume "$C"
	task_is RUNNING
}

@test "containerd: processes of a task" {
	needs ps
	run cr -d -- sleep 60
	is 0
	run lim ctr task ps "$C"
	is 0 "$(task_pid)"
}

@test "containerd: systemd cgroup driver" {
	"$RUNTIME" features | jq -e '.linux.cgroup.systemd == true' >/dev/null 2>&1 || [[ $NAME == runc* ]] || skip "$NAME has no systemd driver"
	run cr -d --runc-systemd-cgroup --cgroup "system.slice:ctr:$C" --memory-limit 67108864 -- sleep 60
	is 0
	[ "$(systemctl show -p MemoryMax --value "ctr-$C.scope")" = 67108864 ]
	local pid
	pid=$(task_pid)
	[ "$(cgroup_file "$pid" memory.max)" = 67108864 ]
	run lim ctr task exec --exec-id e1 "$C" sh -c 'cat /proc/self/cgroup; (exit 4); '"$STAY"
	is 4 "0::/"
	run lim ctr task metrics "$C"
	is 0 memory
	systemctl daemon-reload
	[ "$(cgroup_file "$pid" memory.max)" = 67108864 ]
	lim ctr task pause "$C"
	task_is PAUSED
	lim ctr task resume "$C"
	lim ctr task kill --signal KILL "$C"
	until_ok task_is STOPPED
	lim ctr task rm "$C" || :
	until_ok eval "! systemctl is-active --quiet ctr-$C.scope"
	[ ! -e "/sys/fs/cgroup/system.slice/ctr-$C.scope" ]
}

@test "containerd: a task lives on while containerd is restarted" {
	run cr -d -- sh -c 'trap "exit 3" TERM; while :; do sleep 0.1; done'
	is 0
	local pid
	pid=$(task_pid)
	stop_containerd
	kill -0 "$pid"
	start_containerd
	task_is RUNNING
	[ "$(task_pid)" = "$pid" ]
	run lim ctr task exec --exec-id e1 "$C" sh -c 'echo again; '"$STAY"
	is 0 again
	lim ctr task kill --signal TERM "$C"
	until_ok task_is STOPPED
	run lim ctr task rm "$C"
	[[ $output == *"exit code 3"* ]]
}
