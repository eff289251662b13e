#!/usr/bin/env bats
# Sandboxed containers under containerd, what is theirs alone (containerd.bats runs with them as well): RUNTIME is joey-vm and
# NORMAL joey. See on-host.sh.

load containerd.bash

setup() { C=c$BATS_TEST_NUMBER; }

# A normal container: without a limit, for which the host might lack the controller.
normal() { lim ctr run --runc-binary "$NORMAL" --cpu-shares 0 "$@"; }

@test "containerd, sandboxed: another kernel by every way in, a normal container beside" {
	run cr --rm -- sh -c 'uname -r; '"$STAY"
	is 0
	not_the_hosts_kernel "$output"
	run normal --rm "$IMAGE" "$C" uname -r
	is 0 "$(uname -r)"
	run normal -d "$IMAGE" "$C-normal" sleep 1000
	is 0
	run cr -d -- sleep 1000
	is 0
	sandboxes_are 1
	run lim ctr task exec --exec-id e1 "$C" sh -c 'uname -r; '"$STAY"
	is 0
	not_the_hosts_kernel "$output"
	run "$PTY" -- ctr task exec -t --exec-id e2 "$C" sh -c 'uname -r; tty'
	is 0 /dev/pts/
	not_the_hosts_kernel "$output"
	run lim ctr task exec --exec-id e3 "$C-normal" sh -c 'uname -r; '"$STAY"
	is 0 "$(uname -r)"
	lim ctr task rm -f "$C-normal" || :
	lim ctr container rm "$C-normal"
	lim ctr task rm -f "$C" || :
	until_ok sandboxes_are 0
}

@test "containerd, sandboxed: detached, its pid a proxy's, signals, exit code" {
	run cr -d -- sh -c 'trap "exit 3" TERM; trap "echo usr >/usr" USR1; echo >/up; while :; do sleep 0.1; done'
	is 0
	[ "$(cat "/proc/$(task_pid)/comm")" = joey-proxy ]
	until_ok lim ctr task exec --exec-id e1 "$C" test -e /up
	lim ctr task kill --signal USR1 "$C"
	until_ok eval 'lim ctr task exec --exec-id e2$RANDOM "$C" test -e /usr'
	lim ctr task kill --signal TERM "$C"
	until_ok task_is STOPPED
	run lim ctr task rm "$C"
	[[ $output == *"exit code 3"* ]] || [[ $output == *"non-zero exit code 3"* ]]
	until_ok sandboxes_are 0
}

@test "containerd, sandboxed: an exec'd process is killed by itself" {
	run cr -d -- sleep 1000
	is 0
	lim ctr task exec --exec-id e1 "$C" sleep 999 &
	until_ok eval 'lim ctr task exec --exec-id e2$RANDOM "$C" ps | grep "sleep 999"'
	lim ctr task kill --exec-id e1 --signal KILL "$C"
	local rc=0
	wait $! || rc=$?
	[ "$rc" = 137 ]
	task_is RUNNING
	run lim ctr task exec --exec-id e3 "$C" sh -c 'ps; '"$STAY"
	is 0 "sleep 1000"
	[[ $output != *"sleep 999"* ]]
}

@test "containerd, sandboxed: volumes are written through, read-only ones are not, files have their owners" {
	mkdir -m 755 "$BATS_TEST_TMPDIR/v" && echo kept >"$BATS_TEST_TMPDIR/v/file"
	run cr --rm --mount "type=bind,src=$BATS_TEST_TMPDIR/v,dst=/rw,options=rbind:rw" \
		--mount "type=bind,src=$BATS_TEST_TMPDIR/v,dst=/ro,options=rbind:ro" -- \
		sh -c 'cat /ro/file && echo new >/rw/new && chown 1000:1000 /rw/new && ! touch /ro/no && cat /ro/new; '"$STAY"
	is 0 kept
	is 0 new
	[ "$(stat -c %u "$BATS_TEST_TMPDIR/v/new")" = 1000 ]
	[ ! -e "$BATS_TEST_TMPDIR/v/no" ]
}

@test "containerd, sandboxed: limits hold, in the guest" {
	run cr -d --memory-limit 67108864 -- sleep 1000
	is 0
	[ "$(lim "$RUNTIME" --root /run/containerd/runc/default events --stats "$C" | jq .data.memory.usage.limit)" = 67108864 ]
	C=${C}over
	run cr --rm --memory-limit 16777216 -- dd if=/dev/zero of=/dev/null bs=64M count=1
	is 137
	C=${C%over}
}

@test "containerd, sandboxed: events of a task's life, and its metrics" {
	lim ctr events >"$BATS_TEST_TMPDIR/events" 3>&- 4>&- &
	local events=$!
	sleep 0.5
	run cr -d -- sh -c 'sleep 2; exit 6'
	is 0
	run lim ctr task metrics "$C"
	is 0
	until_ok task_is STOPPED
	until_ok grep -q "/tasks/exit.*\"container_id\":\"$C\".*\"exit_status\":6" "$BATS_TEST_TMPDIR/events"
	grep -q "/tasks/create.*\"container_id\":\"$C\"" "$BATS_TEST_TMPDIR/events"
	grep -q "/tasks/start.*\"container_id\":\"$C\"" "$BATS_TEST_TMPDIR/events"
	kill "$events"
	wait "$events" || :
}

@test "containerd, sandboxed: paused, nothing runs; resumed, it goes on" {
	run cr -d --mount "type=bind,src=$BATS_TEST_TMPDIR,dst=/v,options=rbind:rw" -- sh -c 'while :; do echo x >>/v/count; sleep 0.1; done'
	is 0
	until_ok test -s "$BATS_TEST_TMPDIR/count"
	lim ctr task pause "$C"
	task_is PAUSED
	local n
	n=$(wc -l <"$BATS_TEST_TMPDIR/count")
	sleep 1
	[ "$(wc -l <"$BATS_TEST_TMPDIR/count")" = "$n" ]
	lim ctr task resume "$C"
	until_ok eval '[ "$(wc -l <"$BATS_TEST_TMPDIR/count")" -gt '"$n"' ]'
}

@test "containerd, sandboxed: kill -9 of the hypervisor, the task has ended" {
	run cr -d -- sleep 1000
	is 0
	kill -9 "$(pgrep -x qemu)"
	until_ok task_is STOPPED
	lim ctr task rm "$C" || :
	lim ctr container rm "$C"
	until_ok nothing_left
	until_ok sandboxes_are 0
}

@test "containerd, sandboxed: kill -9 of the shim, nothing is left" {
	run cr -d -- sleep 1000
	is 0
	pkill -9 -f "containerd-shim-runc-v2 .*-id $C"
	until_ok sandboxes_are 0
	until_ok nothing_left
	! pgrep -x joey-proxy
}
