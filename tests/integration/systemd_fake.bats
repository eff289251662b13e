# The systemd driver (checklist 8.1.2, security C8, C14) against a systemd that can misbehave: tools/fake_systemd.c. joey runs from a
# directory of the test, and the program beside it, joey-sd-bus, is one that leads the real one to the fake's socket.
load helpers

setup() {
	test_setup
	require_joey 'its own helper program'
	[ "$(id -u)" = 0 ] || skip 'needs root'
	M=$(cgroup2_mount)
	[ -n "$M" ] || skip 'no cgroup2 mount on this host'
	real=$(dirname "$(readlink -f "$RUNTIME")")/joey-sd-bus
	[ -x "$real" ] || real=/usr/local/libexec/joey/joey-sd-bus
	[ -x "$real" ] || skip 'joey was built without libsystemd'
	cp "${JOEY_BUILDDIR:-/nowhere}/tests/fake_systemd" "$T/fake" 2>/dev/null || "${CC:-gcc}" -D_GNU_SOURCE -o "$T/fake" "$HERE/tools/fake_systemd.c" -lsystemd 2>/dev/null || skip 'no libsystemd-dev'
	mkdir "$T/bin"
	cp "$RUNTIME" "$T/bin/joey"
	RUNTIME=$T/bin/joey
	helper "$real"
	SLICE=$CID.slice UNIT=joey-$CID.scope
	CG=/$SLICE/$UNIT
	cfg '.linux.cgroupsPath=$p' --arg p "$SLICE:joey:$CID"
	cmd sleep 100
}

teardown() {
	local d
	"$RUNTIME" --root "$ROOT" delete --force "$CID" >/dev/null 2>&1 3>&- || true
	for d in "${BG[@]}"; do kill -9 "$d" 2>/dev/null || true; wait "$d" 2>/dev/null || true; done
	[ -z "${SLICE:-}" ] || DEADLINE=5 until_true cgroups_go || true
	test_teardown
}
# What the fake has put into them dies with it, but not at once.
cgroups_go() {
	rmdir "$M/$SLICE/$UNIT"/*/ "$M/$SLICE/$UNIT" "$M/$SLICE" "$M/victim-$CID" 2>/dev/null
	[ ! -d "$M/$SLICE" ] && [ ! -d "$M/victim-$CID" ]
}

# helper PROGRAM: the joey-sd-bus that joey finds.
helper() {
	printf '#include <unistd.h>\n#include <stdio.h>\n#include <stdlib.h>\nextern char **environ;
		int main(int c, char **v) { int o = dup(3) >= 0; FILE *f = fopen("%s", "a"); if (f) { fprintf(f, "env %%s, fd 3 %%s\\n", environ[0] ? environ[0] : "empty", o ? "open" : "closed"); fclose(f); }
		execl("%s", "joey-sd-bus", "--address", "unix:path=%s", "--timeout-ms", "1500", v[1], c > 2 ? v[2] : NULL, NULL); return 9; }\n' \
		"$T/helper.log" "$1" "$T/bus" | "${CC:-gcc}" -w -xc -o "$T/bin/joey-sd-bus" -
}

# fake MODE [MS [OTHER]]
fake() {
	background "$T/fake" "$T/bus" "$T/calls" "$1" "${2:-0}" "$M" "${3:-}"
	until_true [ -S "$T/bus" ]
}
no_init() { [ ! -e "$ROOT/$CID" ] && ! pgrep -f "joey.*--root $ROOT" >/dev/null && ! pgrep -f joey-sd-bus.*"$T" >/dev/null; }

# fails MODE WORDS [MS [OTHER]]: create fails in time with the words, and leaves no process.
fails() {
	local began=$SECONDS
	fake "$1" "${3:-0}" "${4:-}"
	rt_fail "$2" --systemd-cgroup create --bundle "$B" "$CID"
	[ $((SECONDS - began)) -le 6 ] || { echo "took $((SECONDS - began)) s"; return 1; }
	no_init
}

@test "[8.1.2] a scope: init is born in it, alone; later calls need no flag" {
	fake good 300
	cfg '.linux.resources={"pids":{"limit":0}} | .annotations={"org.systemd.property.TimeoutStopSec":"7"}'
	have_controller pids || cfg 'del(.linux.resources)'
	rt_ok --systemd-cgroup create --bundle "$B" "$CID"
	equals "$(sed -n 's/^0:://p' "/proc/$(pid_of)/cgroup")" "$CG"
	equals "$(cg cgroup.procs)" "$(pid_of)"
	grep -q "^StartTransientUnit $UNIT Description:s Slice:s=$SLICE Delegate:b PIDs:au DefaultDependencies:b" "$T/calls"
	grep -q 'TimeoutStopUSec:t=7000000' "$T/calls"
	grep -q 'DevicePolicy:s DeviceAllow:a(ss)' "$T/calls"
	equals "$(cat "$T/helper.log")" 'env empty, fd 3 closed'
	jq -e '.cgroup.driver == "systemd"' "$ROOT/$CID/state.json" || grep -q systemd "$ROOT/$CID/state.json"
	start
	rt_ok kill "$CID" KILL
	wait_status stopped
	rt_ok delete "$CID"
	[ ! -d "$M$CG" ]
}

@test "[8.1.2] run: one conversation, and the environment leads nowhere else" {
	fake good
	cmd true
	DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere rt_ok --cgroup-manager systemd run --bundle "$B" "$CID"
	equals "$(grep -c '^StartTransientUnit' "$T/calls")" 1
	[ ! -d "$M$CG" ]
}

@test "[C8] a bus that never answers, hangs up, or talks nonsense" {
	fails mute 'no answer'
}
@test "[C8] no answer to StartTransientUnit" { fails silent 'no answer from systemd within 1500 ms'; }
@test "[C8] the connection is lost instead of an answer" { fails drop 'StartTransientUnit'; }
@test "[C8] the connection is lost after the answer" { fails dropjob 'StartTransientUnit' 9000; }
@test "[C8] an answer a minute late" { fails good 'systemd did not end the job' 60000; }
@test "[C8] bytes that are no D-Bus" { fails garbage 'systemd'; }
@test "[C8] another job ends" { fails wrongjob 'systemd did not end the job'; }
@test "[C8] the job fails" { fails failed 'the job ended as "failed"'; }
@test "[C8] refused" { fails denied 'no, not you'; }
@test "[8.1.2] UnitExists for good" { fails occupied 'already exists'; }

@test "[8.1.2] UnitExists: reset and tried again, once" {
	fake exists
	rt_ok --systemd-cgroup create --bundle "$B" "$CID"
	equals "$(cut -d ' ' -f 1 "$T/calls" | head -n 3 | tr '\n' ' ')" 'StartTransientUnit ResetFailedUnit StartTransientUnit '
	rt_ok delete --force "$CID"
}

@test "[C8] done, it says, but there is no cgroup" {
	fails nothing "cannot open $M$CG"
	[ ! -d "$M$CG" ]
}

@test "[C8] done, it says, in somebody else's cgroup: which nobody touches" {
	mkdir "$M/victim-$CID"
	background sleep 100
	echo $! >"$M/victim-$CID/cgroup.procs"
	fails elsewhere 'not at' 0 "/victim-$CID"
	kill -0 "${BG[0]}"
	equals "$(cat "$M/victim-$CID/cgroup.procs")" "${BG[0]}"
}

@test "[C8] done, it says, and another process is in the cgroup" {
	fails foreign 'holds 1 process'
	[ -d "$M$CG" ] && [ -n "$(cat "$M$CG/cgroup.procs")" ]
}

@test "[C8] done, and another process is in the cgroup as well" {
	fails crowd 'holds 2 process'
	[ -d "$M$CG" ] && [ -n "$(cat "$M$CG/cgroup.procs")" ]
}

@test "[C8] StopUnit without an answer: delete comes to an end all the same" {
	fake nostop
	rt_ok --systemd-cgroup create --bundle "$B" "$CID"
	local began=$SECONDS
	rt_ok delete --force "$CID"
	[ $((SECONDS - began)) -le 5 ]
	[ ! -d "$M$CG" ]
}

@test "[C8] joey killed while it waits: nothing runs, delete --force works" {
	fake silent
	background "$RUNTIME" --root "$ROOT" --systemd-cgroup create --bundle "$B" "$CID"
	until_true file_has "$T/calls" StartTransientUnit
	kill -9 "${BG[1]}"
	until_true eval '! pgrep -f "joey-sd-bus.*$T/bus" >/dev/null'
	rt_ok delete --force "$CID"
	[ ! -e "$ROOT/$CID" ]
}

@test "[C14] a helper that others could have put there is not run" {
	chmod g+w "$T/bin/joey-sd-bus"
	rt_fail 'only root may write to' --systemd-cgroup create --bundle "$B" "$CID"
	chmod 755 "$T/bin/joey-sd-bus"
	chmod o+w "$T/bin"
	rt_fail 'others than root may write to its directory' --systemd-cgroup create --bundle "$B" "$CID"
	chmod 755 "$T/bin"
	mv "$T/bin/joey-sd-bus" "$T/x"
	ln -s "$T/x" "$T/bin/joey-sd-bus"
	rt_fail 'not a regular file' --systemd-cgroup create --bundle "$B" "$CID"
	[ ! -e "$T/helper.log" ]
	[ ! -e "$ROOT/$CID" ]
}

@test "[14] systemd properties by annotation: an allow-list, read strictly" {
	cfg '.annotations={"org.systemd.property.Wants":"['"'reboot.target'"']"}'
	rt_fail 'org.systemd.property.Wants: not one of the systemd properties' --systemd-cgroup create --bundle "$B" "$CID"
	cfg '.annotations={"org.systemd.property.Description":"'"'x"'"}'
	rt_fail 'value parse error' --systemd-cgroup create --bundle "$B" "$CID"
	cfg '.annotations={"org.systemd.property.a":"1"}'
	rt_fail 'name incorrect' --systemd-cgroup create --bundle "$B" "$CID"
	[ ! -e "$T/helper.log" ]
}

@test "[8.1.2] cgroupsPath: three parts, a slice without tricks" {
	local p
	for p in ../../x a/../../b a:b a:b:c:d; do
		cfg '.linux.cgroupsPath=$p' --arg p "$p"
		rt_fail "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"$p\" instead" \
			--systemd-cgroup create --bundle "$B" "$CID"
	done
	for p in system.slice:..:x/y system:a:b; do
		cfg '.linux.cgroupsPath=$p' --arg p "$p"
		rt_fail 'name' --systemd-cgroup create --bundle "$B" "$CID"
	done
	[ ! -e "$T/helper.log" ]
}

# ---- crun's annotations --------------------------------------------------------------------------------------------------

annotate() { cfg '.annotations += {($k):$v}' --arg k "$1" --arg v "$2"; }
cgroup_of() { sed -n 's/^0:://p' "/proc/$1/cgroup"; }

@test "[8.1.2] run.oci.systemd.subgroup: one below the scope holds the container, later calls and delete know it" {
	fake good
	annotate run.oci.systemd.subgroup container
	rt_ok --systemd-cgroup create --bundle "$B" "$CID"
	equals "$(cgroup_of "$(pid_of)")" "$CG/container"
	equals "$(cg container/cgroup.procs)" "$(pid_of)"
	equals "$(cg cgroup.procs)" ''
	equals "$(grep -c joey-sd-bus <(ps -e -o args= | grep -F "$T/bus"))" 0
	start
	rt_ok exec "$CID" sh -c 'cat /proc/self/cgroup'
	has_match '^0::(/|.*/container)$'
	rt_ok ps "$CID"
	has_text "$(pid_of)"
	rt_ok pause "$CID"
	equals "$(cg container/cgroup.freeze)" 1
	rt_ok resume "$CID"
	rt_ok kill "$CID" KILL
	wait_status stopped
	rt_ok delete "$CID"
	grep -q "^StopUnit" "$T/calls"
	[ ! -d "$M$CG" ]
}

@test "[8.1.2] run.oci.systemd.subgroup: limits are written there, and systemd has them for the scope" {
	require_controller hugetlb
	fake good
	annotate run.oci.systemd.subgroup /container
	cfg '.linux.resources={"pids":{"limit":77}}'
	have_controller pids || cfg '.linux.resources={"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}'
	rt_ok --systemd-cgroup create --bundle "$B" "$CID"
	if have_controller pids; then
		equals "$(cg container/pids.max)" 77
		grep -q 'TasksMax:t=' "$T/calls"
	else
		equals "$(cg container/hugetlb.2MB.max)" 4194304
	fi
	rt_ok delete --force "$CID"
	[ ! -d "$M$CG" ]
}

@test "[8.1.2] run.oci.systemd.subgroup: StopUnit without an answer, the scope gone by itself" {
	fake nostop
	annotate run.oci.systemd.subgroup container
	rt_ok --systemd-cgroup create --bundle "$B" "$CID"
	rt_ok delete --force "$CID"
	[ ! -d "$M$CG" ]
	rt_ok --systemd-cgroup create --bundle "$B" "$CID"
	kill -9 "$(pid_of)"
	until_true rmdir "$M$CG/container"
	rmdir "$M$CG"
	rt_ok delete --force "$CID"
}

@test "[8.1.2] run.oci.systemd.subgroup and run.oci.delegate-cgroup: the payload's own cgroup" {
	fake good
	annotate run.oci.systemd.subgroup container
	annotate run.oci.delegate-cgroup /init
	rt_ok --systemd-cgroup create --bundle "$B" "$CID"
	equals "$(cgroup_of "$(pid_of)")" "$CG/container/init"
	equals "$(cg container/cgroup.procs)" ''
	start
	rt_ok exec "$CID" cat /proc/self/cgroup
	has_match '^0::/(init)?$'
	rt_ok kill --all "$CID" KILL
	wait_status stopped
	rt_ok delete "$CID"
	[ ! -d "$M$CG" ]
}

@test "[8.1.2] crun's annotations: names that are none, an empty one, cgroup v1" {
	local v
	for v in a/b .. . .x cgroup.procs / $'a\nb'; do
		annotate run.oci.systemd.subgroup "$v"
		rt_fail 'annotation run.oci.systemd.subgroup' --systemd-cgroup create --bundle "$B" "$CID"
	done
	annotate run.oci.systemd.subgroup ''
	annotate run.oci.systemd.force_cgroup_v1 /sys/fs/cgroup/systemd
	rt_fail 'annotation run.oci.systemd.force_cgroup_v1: cgroup v1 is not supported' --systemd-cgroup create --bundle "$B" "$CID"
	[ ! -e "$T/helper.log" ]
	cfg 'del(.annotations["run.oci.systemd.force_cgroup_v1"])'
	fake good
	rt_ok --systemd-cgroup create --bundle "$B" "$CID"
	equals "$(cgroup_of "$(pid_of)")" "$CG"
	rt_ok delete --force "$CID"
	annotate run.oci.systemd.subgroup x
	cfg '.linux.cgroupsPath=$p' --arg p "$SLICE:joey:$CID-x.slice"
	rt_fail 'only a scope can have one' --systemd-cgroup create --bundle "$B" "$CID"
}
