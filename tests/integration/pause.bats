# pause and resume (checklist 12.9, 8.1.9, 12.2).
load helpers

setup() {
	test_setup
	[ -n "$(cgroup2_mount)" ] || skip 'no cgroup2 mount on this host'
	require_joey 'runc freezes by v1 on this host'
}
ticks() { cut -d' ' -f14,15 "/proc/$1/stat"; }
frozen() { cg cgroup.events | grep -q 'frozen 1'; }

@test "[12.9] pause stops every process before it returns; resume lets them go on" {
	script 'while :; do :; done & while :; do :; done'
	create
	start
	rt_ok pause "$CID"
	equals "$output$errout" ''
	frozen
	has_status paused
	local p a b
	p=$(pid_of)
	a=$(ticks "$p")
	sleep 0.3
	b=$(ticks "$p")
	equals "$a" "$b"
	rt_ok resume "$CID"
	equals "$output$errout" ''
	has_status running
	until_true sh -c "[ \"\$(cut -d' ' -f14,15 /proc/$p/stat)\" != '$a' ]"
}

@test "[12.9] in the wrong state" {
	rt_fail 'container does not exist' pause "$CID"
	rt_fail 'container does not exist' resume "$CID"
	cmd sleep 1000
	create
	rt_fail 'container not paused' resume "$CID"
	start
	rt_ok pause "$CID"
	rt_fail 'container not running' pause "$CID"
	rt_ok resume "$CID"
	rt_fail 'container not paused' resume "$CID"
	rt_ok kill "$CID" KILL
	wait_status stopped
	rt_fail 'container not running' pause "$CID"
	rt_fail 'container not paused' resume "$CID"
}

@test "[12.9] a created container can be paused, and starts after resume" {
	cmd sleep 1000
	create
	rt_ok pause "$CID"
	has_status paused
	rt_fail 'cannot start a container in the paused state' start "$CID"
	rt_ok resume "$CID"
	has_status created
	start
	has_status running
}

@test "[12.9 12.6] a paused container can be killed" {
	cmd sleep 1000
	create
	start
	rt_ok pause "$CID"
	rt_ok kill "$CID" KILL
	wait_status stopped
	rt_ok delete --force "$CID"
}

@test "[12.9 12.7] a paused container is deleted by force only" {
	cmd sleep 1000
	create
	start
	rt_ok pause "$CID"
	rt_fail 'not stopped: paused' delete "$CID"
	rt_ok delete --force "$CID"
}

@test "[12.9] processes in nested cgroups are stopped, too" {
	script 'while :; do :; done & echo $!; wait'
	create
	start
	local m p
	m=$(cgroup2_mount)$CG
	mkdir -p "$m/a/b"
	p=$("$RUNTIME" --root "$ROOT" ps -f json "$CID" | jq 'max')
	echo "$p" >"$m/a/b/cgroup.procs"
	rt_ok pause "$CID"
	local a
	a=$(ticks "$p")
	sleep 0.2
	equals "$(ticks "$p")" "$a"
	rt_ok resume "$CID"
}

@test "[12.9] without a cgroup there is nothing to freeze" {
	cmd sleep 1000
	rt_ok --cgroup-manager disabled create --bundle "$B" "$CID"
	rt_fail 'without a cgroup' pause "$CID"
	has_status created
}

@test "[12.9] pause and resume, 30 times, beside execs" {
	cmd sleep 1000
	create
	start
	local i p
	for ((i = 0; i < 30; i++)); do
		background timeout 20 "$RUNTIME" --root "$ROOT" exec "$CID" true </dev/null >/dev/null 2>&1
		rt_ok pause "$CID"
		rt_ok resume "$CID"
	done
	for p in "${BG[@]}"; do wait "$p" || true; done
	has_status running
}
