# The systemd driver with the real systemd (checklist 8.1.2, 8.2, 8.3.3, 14); docs/SYSTEMD.md's slice without D-Bus. Needs systemd
# as the first process: the test machine.
load helpers

setup() {
	test_setup
	[ "$(cat /proc/1/comm)" = systemd ] || skip 'systemd is not the first process here'
	[ "$(id -u)" = 0 ] || skip 'needs root'
	M=$(cgroup2_mount)
	"$RUNTIME" features 2>/dev/null | jq -e .linux.cgroup.systemd >/dev/null || skip 'the runtime was built without systemd'
	SLICE=jt$$-a.slice UNIT=joey-$CID.scope
	CG=/jt$$.slice/$SLICE/$UNIT
	cfg '.linux.cgroupsPath=$p' --arg p "$SLICE:joey:$CID"
	cmd sleep 100
}

teardown() {
	"$RUNTIME" --root "$ROOT" delete --force "$CID" >/dev/null 2>&1 3>&- || true
	[ -z "${SLICE:-}" ] || systemctl stop "$SLICE" "jt$$.slice" >/dev/null 2>&1 3>&- || true
	test_teardown
}

sd_create() { rt_ok --systemd-cgroup create --bundle "$B" "$CID"; }
show() { systemctl show -P "$1" "$UNIT"; }
no_unit() { equals "$(systemctl show -P LoadState "$UNIT")" not-found && [ ! -d "$M$CG" ]; }
resources() { cfg '.linux.resources = $r' --argjson r "$1"; }

@test "[8.1.2] a scope in a nested slice, delegated; delete leaves no unit" {
	sd_create
	equals "$(sed -n 's/^0:://p' "/proc/$(pid_of)/cgroup")" "$CG"
	equals "$(cg cgroup.procs)" "$(pid_of)"
	equals "$(show ActiveState)" active
	equals "$(show Slice)" "$SLICE"
	equals "$(show Delegate)" yes
	equals "$(show CollectMode)" inactive-or-failed
	start
	rt_ok exec "$CID" true
	rt_ok kill "$CID" KILL
	wait_status stopped
	rt_ok delete "$CID"
	until_true no_unit
}

@test "[8.1.2] no cgroupsPath: a scope in system.slice" {
	cfg 'del(.linux.cgroupsPath)'
	sd_create
	equals "$(sed -n 's/^0:://p' "/proc/$(pid_of)/cgroup")" "/system.slice/joey-$CID.scope"
	rt_ok delete --force "$CID"
}

@test "[8.2 8.3.3] limits are systemd's as well, and daemon-reload changes none" {
	require_controller memory cpu pids
	resources '{"memory":{"limit":67108864,"reservation":33554432},"pids":{"limit":20},"cpu":{"shares":512,"quota":33333,"period":100000}}'
	sd_create
	equals "$(show MemoryMax) $(show MemoryLow) $(show TasksMax) $(show CPUWeight)" "67108864 33554432 20 59"
	equals "$(show CPUQuotaPerSecUSec)" 340ms
	before=$(cg memory.max; cg memory.low; cg pids.max; cg cpu.weight; cg cpu.max)
	equals "$(tr '\n' ' ' <<<"$before")" "67108864 33554432 20 59 34000 100000 "
	systemctl daemon-reload
	equals "$(cg memory.max; cg memory.low; cg pids.max; cg cpu.weight; cg cpu.max)" "$before"
	equals "$(show DevicePolicy)" strict
}

@test "[8.2] pids.limit 1 and 0: one task, from the start" {
	require_controller pids
	for n in 0 1; do
		resources "{\"pids\":{\"limit\":$n}}"
		sd_create
		equals "$(show TasksMax)" 1
		equals "$(cg pids.max)" 1
		rt_ok delete --force "$CID"
		until_true no_unit
	done
}

@test "[8.3.3] devices after daemon-reload: as before" {
	script 'while [ ! -e /go ]; do sleep 0.1; done; head -c 1 /dev/zero | wc -c; mknod /tmp/k c 1 11 && cat /tmp/k; echo done'
	all_caps
	resources '{"devices":[{"allow":false,"access":"rwm"}]}'
	"$RUNTIME" --root "$ROOT" --systemd-cgroup create --bundle "$B" "$CID" </dev/null >"$T/out" 2>&1 3>&-
	start
	systemctl daemon-reload
	touch "$B/rootfs/go"
	until_true file_has "$T/out" done
	grep -qx 1 "$T/out"
	grep -q 'not permitted' "$T/out"
}

@test "[8.2] update reaches systemd" {
	require_controller memory pids
	sd_create
	rt_ok update --memory 100000000 --pids-limit 10 "$CID"
	equals "$(show MemoryMax) $(show TasksMax)" "100000000 10"
	equals "$(cg memory.max) $(cg pids.max)" "99999744 10"
}

@test "[14] org.systemd.property.*" {
	cfg '.annotations={"org.systemd.property.TimeoutStopSec":"int32 7","org.systemd.property.Description":"'"'it is mine'"'","org.systemd.property.After":"['"'basic.target'"']"}'
	sd_create
	equals "$(show TimeoutStopUSec) $(show Description)" "7s it is mine"
	grep -qw basic.target <<<"$(show After)"
}

@test "[8.1.2] a failed unit of the same name does not stand in the way" {
	systemctl reset-failed "$UNIT" 2>/dev/null || true
	systemd-run --quiet --scope --slice "$SLICE" --unit "$UNIT" -p RuntimeMaxSec=1 sleep 30 3>&- || true
	until_true eval '[ "$(show ActiveState)" = failed ]'
	sd_create
	equals "$(show ActiveState)" active
}

@test "[8.1.2] a running unit of the same name stays as it is" {
	background systemd-run --quiet --scope --slice "$SLICE" --unit "$UNIT" sleep 30
	until_true eval '[ "$(show ActiveState)" = active ]'
	rt --systemd-cgroup create --bundle "$B" "$CID"
	[ "$status" -ne 0 ]
	equals "$(show ActiveState)" active
	equals "$(wc -l <"$M$CG/cgroup.procs")" 1
	systemctl stop "$UNIT"
}

@test "[8.1.2] a slice as the container's unit" {
	UNIT=jt$$-b.slice CG=/jt$$.slice/jt$$-b.slice
	cfg '.linux.cgroupsPath=$p' --arg p "system.slice::$UNIT"
	sd_create
	equals "$(sed -n 's/^0:://p' "/proc/$(pid_of)/cgroup")" "$CG"
	rt_ok delete --force "$CID"
	[ ! -d "$M$CG" ]
}

@test "[8.1.2] joey killed before the container exists: systemd takes the scope back" {
	cfg '.hooks={"createRuntime":[{"path":"/bin/sleep","args":["sleep","20"]}]}'
	background "$RUNTIME" --root "$ROOT" --systemd-cgroup create --bundle "$B" "$CID"
	until_true eval '[ "$(show ActiveState)" = active ]'
	until_true pgrep -f 'sleep 20'
	kill -9 "${BG[0]}"
	until_true no_unit
	rt_ok delete --force "$CID"
}

@test "[8.1.8] delete --force with processes in nested cgroups" {
	sd_create
	mkdir "$M$CG/x" "$M$CG/x/y"
	background sleep 100
	echo $! >"$M$CG/x/y/cgroup.procs"
	rt_ok delete --force "$CID"
	until_true no_unit
}

@test "[8.1.2] without D-Bus: contrib's service, handed over once, cgroupfs below it" {
	local c=$HERE/../../contrib u=/run/systemd/system
	[ -e "$c/joey.slice" ] || c=${JOEY_SRCDIR:-/src}/contrib
	[ -e "$c/joey.slice" ] || skip 'contrib is not here'
	cp "$c/joey.slice" "$c/joey-containers.service" $u/
	systemctl daemon-reload
	systemctl start joey-containers.service 3>&-
	CG=/joey.slice/joey-containers.service/$CID
	until_true [ -d "$M${CG%/*}/keeper" ]
	cfg '.linux.cgroupsPath=$p' --arg p "$CG"
	resources '{"pids":{"limit":9}}'
	rt_ok create --bundle "$B" "$CID"
	equals "$(cg pids.max)" 9
	systemctl daemon-reload
	equals "$(cg pids.max)" 9
	systemctl restart joey-containers.service 3>&-
	equals "$(status_of)" created
	rt_ok delete --force "$CID"
	systemctl stop joey-containers.service joey.slice
	rm $u/joey.slice $u/joey-containers.service
	systemctl daemon-reload
}

# ---- the user's manager ------------------------------------------------------------------------------------------------

@test "[8.1.2] rootless: a scope of the user's own manager" {
	id user1000 >/dev/null 2>&1 || U=$(getent passwd 1000 | cut -d : -f 1)
	U=${U:-user1000}
	id "$U" >/dev/null 2>&1 || skip 'no user with number 1000'
	loginctl enable-linger "$U" 3>&-
	until_true test -S /run/user/1000/systemd/private
	"$RUNTIME" spec --help >/dev/null
	chmod 755 "$T" "$B" "$B/rootfs"
	mkdir -p "$T/u" && cp -a "$B" "$T/u/b" && (cd "$T/u/b" && rm config.json && "$RUNTIME" spec --rootless &&
		jq '.process.terminal=false|.process.args=["sleep","100"]|.linux.uidMappings[0].hostID=1000|.linux.gidMappings[0].hostID=1000|.linux.cgroupsPath="user.slice:joey:'"$CID"'"|.linux.resources={"pids":{"limit":9}}' config.json >c && mv c config.json)
	chown -R 1000:1000 "$T/u"
	as() { setpriv --reuid 1000 --regid 1000 --clear-groups env -i HOME="$T/u" XDG_RUNTIME_DIR=/run/user/1000 PATH="$PATH" "$@" </dev/null 3>&-; }
	as "$RUNTIME" --root "$T/u/r" --systemd-cgroup create --bundle "$T/u/b" "$CID" >"$T/out" 2>&1 || { cat "$T/out"; false; }
	p=$(as "$RUNTIME" --root "$T/u/r" state "$CID" | jq .pid)
	equals "$(sed -n 's/^0:://p' "/proc/$p/cgroup")" "/user.slice/user-1000.slice/user@1000.service/user.slice/joey-$CID.scope"
	equals "$(cat "$M$(sed -n 's/^0:://p' "/proc/$p/cgroup")/pids.max")" 9
	as "$RUNTIME" --root "$T/u/r" delete --force "$CID"
	until_true eval '[ ! -e "/proc/$p" ]' # somebody else reaps it
}
