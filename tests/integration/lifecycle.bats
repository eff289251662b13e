# The states of a container and the verbs that are legal in each (checklist 12.1-12.7, 11, engine contract 7).
load helpers

@test "[12.3 12.19] create, start, state, kill, delete" {
	cmd sleep 100
	create
	has_status created
	start
	has_status running
	rt_ok kill "$CID" KILL
	wait_status stopped
	rt_ok delete "$CID"
	rt_fail 'does not exist' state "$CID"
}

@test "[12.19] create does not run the payload, start does" {
	mkdir "$B/rootfs/mnt/out"
	chmod 777 "$B/rootfs/mnt/out"
	script 'touch /mnt/out/ran'
	create
	[ ! -e "$B/rootfs/mnt/out/ran" ]
	start
	until_true test -e "$B/rootfs/mnt/out/ran"
	wait_status stopped
}

@test "[12.3] an ID in use is refused and the container is left alone" {
	cmd sleep 100
	create
	rt_fail 'container with given ID already exists' create --bundle "$B" "$CID"
	has_status created
	rt_fail 'container with given ID already exists' run --bundle "$B" "$CID"
	has_status created
}

@test "[12.3] two creates of one ID at once: exactly one wins" {
	cmd sleep 100
	local i ok=0
	for i in 1 2 3 4; do
		"$RUNTIME" --root "$ROOT" create --bundle "$B" "$CID" </dev/null >"$T/o$i" 2>&1 3>&- &
		eval "p$i=$!"
	done
	wait "$p1" && ok=$((ok + 1))
	wait "$p2" && ok=$((ok + 1))
	wait "$p3" && ok=$((ok + 1))
	wait "$p4" && ok=$((ok + 1))
	equals "$ok" 1
	has_status created
}

@test "[12.4] every verb on an unknown ID says that it does not exist, exit 1" {
	local v
	mkdir -p "$ROOT"
	for v in state start kill delete; do
		rt_fail 'container does not exist' "$v" nosuch
		equals "$status" 1
	done
}

@test "[12.5] start twice, start of a stopped container" {
	cmd sleep 100
	create
	start
	rt_fail 'cannot start an already running container' start "$CID"
	rt_ok kill "$CID" 9
	wait_status stopped
	rt_fail 'cannot start a container that has stopped' start "$CID"
}

@test "[12.5] init that died in created: start fails and does not hang" {
	cmd sleep 100
	create
	kill -9 "$(pid_of)"
	wait_status stopped
	RT_TIMEOUT=10 rt start "$CID"
	[ "$status" -ne 0 ] && [ "$status" -lt 124 ]
	[ -n "$errout" ]
}

@test "[12.5] concurrent starts: one wins, none hangs" {
	cmd sleep 100
	create
	local i rcs=""
	for i in 1 2 3; do
		timeout 15 "$RUNTIME" --root "$ROOT" start "$CID" </dev/null >"$T/o$i" 2>&1 3>&- &
		eval "p$i=$!"
	done
	for i in "$p1" "$p2" "$p3"; do
		local r=0
		wait "$i" || r=$?
		rcs="$rcs $r"
	done
	equals "$(tr ' ' '\n' <<<"$rcs" | grep -c '^0$')" 1
	[[ $rcs != *124* ]]
	has_status running
}

@test "[12.7] delete of a running container is refused" {
	cmd sleep 100
	create
	start
	rt_fail "cannot delete container $CID that is not stopped: running" delete "$CID"
	has_status running
}

@test "[12.7] delete of a created container kills and removes it" {
	cmd sleep 100
	create
	local p
	p=$(pid_of)
	rt_ok delete "$CID"
	until_true gone "$p"
	rt_fail 'does not exist' state "$CID"
}

@test "[12.7] delete --force of running, of unknown, twice" {
	cmd sleep 100
	create
	start
	rt_ok delete --force "$CID"
	rt_ok delete --force "$CID"
	equals "$errout" ""
	rt_ok delete -f nosuch
}

@test "[12.7 1.9] delete --force removes a state directory without a state file" {
	mkdir -p "$ROOT/$CID"
	rt_ok delete --force "$CID"
	[ ! -e "$ROOT/$CID" ]
}

@test "[12.7 1.9] delete --force removes a state directory with a broken state file" {
	cmd sleep 100
	create
	local p
	p=$(pid_of)
	kill -9 "$p"
	rm -rf "$(cgroup2_mount)$CG" 2>/dev/null || true
	is_joey || skip 'runc: refuses an unreadable state.json'
	printf '{"version":' >"$ROOT/$CID/state.json"
	rt_ok delete --force "$CID"
	[ ! -e "$ROOT/$CID" ]
	rmdir "$(cgroup2_mount)$CG" 2>/dev/null || true
}

@test "[12.7 8.1.8] delete --force kills what the container left in its cgroup" {
	[ -n "$(cgroup2_mount)" ] || skip 'no cgroup2'
	cfg '.linux.namespaces |= map(select(.type != "pid"))'
	script 'setsid sleep 300 >/dev/null 2>&1 </dev/null & echo started; exit 0'
	create
	start
	wait_status stopped
	rt_ok delete --force "$CID"
}

@test "[1.6] the configuration is frozen at create" {
	script 'echo one >/tmp/x; cat /tmp/x >&1'
	cmd sh -c 'echo first'
	create
	local out
	cmd sh -c 'echo second'
	start
	wait_status stopped
	out=$(<"$T/stdout")
	# the payload has the stdout of create
	rt_ok delete "$CID"
	[[ $out != *second* ]]
}

@test "[6.6] shared pid namespace: kill --all and delete hit the rest of the cgroup" {
	cfg '.linux.namespaces |= map(select(.type != "pid"))'
	script 'sleep 300 & sleep 300 & echo $! >/tmp/pid; wait'
	create
	start
	until_true test -s "$B/rootfs/tmp/pid"
	local p
	p=$(<"$B/rootfs/tmp/pid")
	[ -d "/proc/$p" ]
	rt_ok kill --all "$CID" KILL
	until_true gone "$p"
	rt_ok kill --all "$CID" 9
}

@test "[12.2] a zombie init counts as stopped, its pid is not shown" {
	cmd sleep 100
	"$TOOLS/launch" -c -- sh -c '"$0" --root "$1" create --bundle "$2" "$3" </dev/null >/dev/null 2>&1' \
		"$RUNTIME" "$ROOT" "$B" "$CID"
	local p
	p=$(pid_of)
	kill -9 "$p"
	wait_status stopped
	equals "$(pid_of)" 0
}

@test "[12.2] pid reuse: another process with the recorded pid is not the container" {
	is_joey || skip 'edits the state file of joey'
	cmd sleep 100
	create
	local p
	p=$(pid_of)
	kill -9 "$p"
	wait_status stopped
	background sleep 60
	jq -c --argjson p $! '(.. | objects | select(has("pid") and has("pid_start")) | .pid) |= $p
		| if has("pid") then .pid=$p else . end' "$ROOT/$CID/state.json" >"$T/s"
	cat "$T/s" >"$ROOT/$CID/state.json"
	has_status stopped
	rt_fail 'container not running' kill "$CID" 9
	[ -d "/proc/$!" ]
}

@test "[12.6 engine7] after init's end: stopped, pid 0, kill says container not running" {
	create
	start
	wait_status stopped
	rt_ok state "$CID"
	equals "$(jq -r .pid <<<"$output")" 0
	rt_fail 'container not running' kill "$CID" 9
	rt_ok kill -a "$CID" 9
}

@test "[engine7] a container needs no joey process beside it" {
	cmd sleep 100
	# Other tests run at the same time, and templates live on.
	cp "$RUNTIME" "$T/runtime"
	RUNTIME=$T/runtime
	create
	start
	local p exe n=0 me
	me=$(stat -Lc %d:%i "$RUNTIME")
	for p in /proc/[0-9]*; do
		exe=$(stat -Lc %d:%i "$p/exe" 2>/dev/null) || continue
		[ "$exe" != "$me" ] || n=$((n + 1))
	done
	equals "$n" 0
}

@test "[12.19] start returns after the payload was executed" {
	cmd sleep 100
	create
	start
	equals "$(tr '\0' ' ' <"/proc/$(pid_of)/cmdline")" "sleep 100 "
}
