# cgroup v2 (checklist 8): place, use and removal on any host with a cgroup2 mount; limits where the controller is there.
# The formulas themselves are in tests/unit/test_cgroup_resources.c; here the kernel's files are read back.
load helpers

setup() {
	test_setup
	[ -n "$(cgroup2_mount)" ] || skip 'no cgroup2 mount on this host'
	M=$(cgroup2_mount)
}

teardown() {
	[ -z "${THEIRS:-}" ] || remove_theirs
	test_teardown
}

# theirs NAME: a cgroup that somebody else made.
theirs() {
	THEIRS=$M/$1
	mkdir "$THEIRS"
}
remove_theirs() {
	[ ! -d "$THEIRS" ] || {
		[ ! -w "$THEIRS/cgroup.kill" ] || echo 1 >"$THEIRS/cgroup.kill"
		until_true rmdir "$THEIRS"
	}
}
resources() { cfg '.linux.resources = $r' --argjson r "$1"; }
own_cgroup_of() { sed -n 's/^0:://p' "/proc/$1/cgroup"; }
is_in() { equals "$(own_cgroup_of "$(pid_of)")" "$1"; }

# limit JSON FILE VALUE [FILE VALUE]...: created with these resources, the files hold the values.
limit() {
	resources "$1"
	shift
	cmd sleep 100
	create
	while [ $# -gt 0 ]; do
		equals "$1=$(cg "$1")" "$1=$2" || return 1
		shift 2
	done
	rt_ok delete --force "$CID"
}
refused() {
	resources "$1"
	create_fails "$2"
	[ ! -d "$M$CG" ]
}

# ---- 8.1 -----------------------------------------------------------------------------------------------------------

@test "[8.1.1 8.1.7] an absolute path: init is in it from the start, delete removes it" {
	cmd sleep 100
	create
	is_in "$CG"
	equals "$(cg cgroup.procs)" "$(pid_of)"
	rt_ok delete --force "$CID"
	[ ! -d "$M$CG" ]
}

@test "[8.1.1] relative paths and none start above joey's own cgroup; .. cannot leave the mount" {
	local own path want
	own=$(dirname "$(own_cgroup_of self)")
	own=${own%/}
	cmd sleep 100
	while read -r path want; do
		cfg '.linux.cgroupsPath=$p' --arg p "${path//ID/$CID}"
		create
		is_in "${want//ID/$CID}" || return 1
		rt_ok delete --force "$CID"
	done <<-ROWS
		ID $own/ID
		../../ID $own/ID
		a/../../ID $own/ID
		./ID/. $own/ID
		/../../ID /ID
		system.slice:..:ID $own/system.slice:..:ID
	ROWS
	cfg 'del(.linux.cgroupsPath)'
	create
	is_in "$own/$CID"
}

@test "[8.1.1] a path that names no cgroup of its own is refused" {
	local path
	for path in / . a/.. /..; do
		cfg '.linux.cgroupsPath=$p' --arg p "$path"
		create_fails 'linux.cgroupsPath' || return 1
	done
}

@test "[8.1.3] a cgroup with processes in it is refused and left alone" {
	theirs "$CID"
	background sleep 100
	echo $! >"$THEIRS/cgroup.procs"
	EXPECT_LEFT=yes
	rt_fail "container's cgroup is not empty: 1 process(es) found" create --bundle "$B" "$CID"
	rt_ok delete --force "$CID"
	kill -0 "${BG[0]}"
	[ -d "$THEIRS" ]
}

@test "[8.1.3] a frozen cgroup is refused" {
	theirs "$CID"
	echo 1 >"$THEIRS/cgroup.freeze"
	EXPECT_LEFT=yes
	rt_fail "container's cgroup unexpectedly frozen" create --bundle "$B" "$CID"
}

@test "[8.1.8] an empty cgroup made by others is used, and stays" {
	theirs "$CID"
	EXPECT_LEFT=yes
	cmd sleep 100
	create
	is_in "$CG"
	rt_ok delete --force "$CID"
	[ -d "$THEIRS" ]
	equals "$(cat "$THEIRS/cgroup.procs")" ''
}

@test "[8.1.4] every controller that statistics are read from is in the container's cgroup" {
	require_controller memory pids
	local c
	cfg '.linux.cgroupsPath=$p' --arg p "/$CID-parent/$CID"
	CG=/$CID-parent/$CID
	cmd sleep 100
	create
	for c in cpu memory io pids cpuset; do
		have_controller "$c" || continue
		grep -qw "$c" "$M$CG/cgroup.controllers" || { echo "no $c"; return 1; }
	done
	rt_ok delete --force "$CID"
	rmdir "$M/$CID-parent"
}

@test "[8.1.6] a writable cgroup mount with a cgroup namespace is handed to the container's root" {
	have_userns || skip 'no user namespaces'
	userns
	add_mount '{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["nosuid","noexec","nodev"]}'
	cmd sleep 100
	create
	equals "$(stat -c %u:%g "$M$CG")" 100000:0
	equals "$(stat -c %u "$M$CG/cgroup.procs")" 100000
	equals "$(stat -c %u "$M$CG/cgroup.subtree_control")" 100000
	equals "$(stat -c %u "$M$CG/cgroup.freeze")" 0
}

@test "[8.1.6] a read-only one is not" {
	have_userns || skip 'no user namespaces'
	userns
	add_mount '{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["nosuid","noexec","nodev","ro"]}'
	cmd sleep 100
	create
	equals "$(stat -c %u "$M$CG")" 0
}

@test "[8.1.8] nested cgroups with processes in them go with the container" {
	cmd sleep 100
	create
	start
	mkdir -p "$M$CG/a/b/c" "$M$CG/d"
	pid_of >"$M$CG/a/b/c/cgroup.procs"
	rt_ok delete --force "$CID"
	[ ! -d "$M$CG" ]
}

@test "[8.1.8 12.7] delete --force ends a frozen container" {
	cmd sleep 100
	create
	start
	echo 1 >"$M$CG/cgroup.freeze"
	until_true file_has "$M$CG/cgroup.events" 'frozen 1'
	has_status paused
	rt_ok delete --force "$CID"
	[ ! -d "$M$CG" ]
}

@test "[8.1.8] a cgroup that was removed behind joey's back is no obstacle" {
	cmd true
	create
	start
	wait_status stopped
	until_true rmdir "$M$CG"
	rt_ok delete "$CID"
}

@test "[8.1.8] a cgroup of the same name that is not joey's is not removed" {
	cmd true
	create
	start
	wait_status stopped
	until_true rmdir "$M$CG"
	theirs "$CID"
	background sleep 100
	echo $! >"$THEIRS/cgroup.procs"
	EXPECT_LEFT=yes
	rt_ok delete "$CID"
	kill -0 "${BG[0]}"
	[ -d "$THEIRS" ]
}

@test "[8.1.2] the systemd manager wants slice:prefix:name, or refuses in words" {
	rt_fail 'systemd' --systemd-cgroup create --bundle "$B" "$CID"
}

@test "--cgroup-manager=disabled: no cgroup, and limits are refused" {
	require_joey 'an option of joey and crun'
	cmd sleep 100
	rt_ok --cgroup-manager disabled create --bundle "$B" "$CID"
	[ ! -d "$M$CG" ]
	rt_ok delete --force "$CID"
	resources '{"pids":{"limit":5}}'
	rt_fail 'cgroup' --cgroup-manager disabled create --bundle "$B" "$CID"
}

# ---- 8.2 -----------------------------------------------------------------------------------------------------------

@test "[8.2] a limit without its controller names both" {
	require_joey 'text'
	local key controller json
	while read -r controller key json; do
		have_controller "$controller" || {
			refused "$json" "linux.resources.$key needs the controller \"$controller\"" || return 1
		}
	done <<-'ROWS'
		memory memory.limit {"memory":{"limit":33554432}}
		pids pids.limit {"pids":{"limit":5}}
		cpu cpu.shares {"cpu":{"shares":512}}
		cpu cpu.quota {"cpu":{"quota":50000}}
		cpuset cpu.cpus {"cpu":{"cpus":"0"}}
		io blockIO.weight {"blockIO":{"weight":100}}
		hugetlb hugepageLimits {"hugepageLimits":[{"pageSize":"2MB","limit":2097152}]}
	ROWS
}

@test "[8.2] what asks for no limit needs no controller" {
	resources '{"memory":{"limit":-1,"swap":-1},"pids":{"limit":-1},"cpu":{"shares":0,"quota":0},"blockIO":{"weight":0}}'
	rt_ok run --bundle "$B" "$CID"
}

@test "[8.2] pids" {
	require_controller pids
	limit '{"pids":{"limit":17}}' pids.max 17
	limit '{"pids":{"limit":-1}}' pids.max max
	limit '{"pids":{"limit":0}}' pids.max 1
}

@test "[8.2] pids: a container cannot fork past its limit" {
	require_controller pids
	resources '{"pids":{"limit":4}}'
	script 'for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait; echo done'
	rt run --bundle "$B" "$CID"
	case $errout$output in *"an't fork"*) ;; *) show; return 1 ;; esac
}

@test "[8.2] memory" {
	require_controller memory
	local swap=
	limit '{"memory":{"limit":33554432}}' memory.max 33554432
	limit '{"memory":{"limit":33554432,"reservation":16777216}}' memory.max 33554432 memory.low 16777216
	limit '{"memory":{"limit":-1}}' memory.max max
	limit '{"memory":{"reservation":-1}}' memory.low max
	[ ! -e "$M$(own_cgroup_of self)/memory.swap.max" ] || swap=yes
	[ -n "$swap" ] || skip 'no swap accounting for the rest'
	limit '{"memory":{"limit":33554432,"swap":33554432}}' memory.swap.max 0
	limit '{"memory":{"limit":33554432,"swap":67108864}}' memory.swap.max 33554432
	limit '{"memory":{"limit":33554432,"swap":-1}}' memory.swap.max max
	limit '{"memory":{"limit":33554432,"swap":0}}' memory.swap.max max
}

@test "[8.2] memory: bad combinations are refused" {
	require_controller memory
	refused '{"memory":{"limit":33554432,"swap":1}}' 'memory+swap limit should be >= memory limit'
	refused '{"memory":{"swap":33554432}}' 'unable to set swap limit without memory limit'
}

@test "[8.2] memory: a container that exceeds its limit is killed" {
	require_controller memory
	resources '{"memory":{"limit":16777216,"swap":16777216}}'
	script 'tail -c 100000000 /dev/zero | wc -c; echo survived'
	rt run --bundle "$B" "$CID"
	! grep -qx 100000000 <<<"$output"
}

@test "[8.2] cpu" {
	require_controller cpu
	limit '{"cpu":{"shares":1024}}' cpu.weight 100
	limit '{"cpu":{"shares":2}}' cpu.weight 1
	limit '{"cpu":{"shares":262144}}' cpu.weight 10000
	limit '{"cpu":{"shares":512,"quota":50000}}' cpu.weight 59 cpu.max '50000 100000'
	limit '{"cpu":{"quota":50000,"period":200000}}' cpu.max '50000 200000'
	limit '{"cpu":{"quota":-1,"period":50000}}' cpu.max 'max 50000'
}

@test "[8.2] cpu.idle keeps shares out, cpu.burst comes after a quota if need be" {
	require_controller cpu
	cmd sleep 100
	create
	local idle=yes burst=yes
	[ -e "$M$CG/cpu.idle" ] || idle=
	[ -e "$M$CG/cpu.max.burst" ] || burst=
	rt_ok delete --force "$CID"
	[ -n "$idle$burst" ] || skip 'this kernel has neither'
	[ -z "$idle" ] || limit '{"cpu":{"idle":1,"shares":1024}}' cpu.idle 1
	[ -z "$burst" ] || limit '{"cpu":{"burst":20000,"quota":50000}}' cpu.max.burst 20000 cpu.max '50000 100000'
}

@test "[8.2] cpuset" {
	require_controller cpuset
	limit '{"cpu":{"cpus":"0","mems":"0"}}' cpuset.cpus 0 cpuset.mems 0
	limit '{"cpu":{"cpus":"","mems":""}}' cpuset.cpus '' cpuset.mems ''
}

@test "[8.2] blockIO" {
	require_controller io
	local dev
	cmd sleep 100
	create
	if [ -e "$M$CG/io.bfq.weight" ]; then
		rt_ok delete --force "$CID"
		limit '{"blockIO":{"weight":100}}' io.bfq.weight 'default 100'
	elif [ -e "$M$CG/io.weight" ]; then
		rt_ok delete --force "$CID"
		limit '{"blockIO":{"weight":100}}' io.weight 'default 910'
	else
		rt_ok delete --force "$CID"
		refused '{"blockIO":{"weight":100}}' 'io.weight'
	fi
	refused '{"blockIO":{"weight":5}}' 'weight'
	dev=$(lsblk -dno MAJ:MIN 2>/dev/null | head -n1 | tr -d ' ')
	[ -n "$dev" ] || skip 'no disk for the rest'
	limit '{"blockIO":{"throttleReadBpsDevice":[{"major":'"${dev%:*}"',"minor":'"${dev#*:}"',"rate":1048576}],
		"throttleWriteIOPSDevice":[{"major":'"${dev%:*}"',"minor":'"${dev#*:}"',"rate":100}]}}' \
		io.max "$dev rbps=1048576 wbps=max riops=max wiops=100"
}

@test "[8.2] hugepageLimits" {
	require_controller hugetlb
	limit '{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}' hugetlb.2MB.max 4194304 hugetlb.2MB.rsvd.max 4194304
	refused '{"hugepageLimits":[{"pageSize":"../2MB","limit":1}]}' 'pageSize'
}

@test "[8.2] unified: any file, last, line by line" {
	require_controller pids
	limit '{"unified":{"pids.max":"33"},"pids":{"limit":17}}' pids.max 33
	limit '{"unified":{"cgroup.max.depth":"7"}}' cgroup.max.depth 7
}

@test "[8.2] unified: bad keys" {
	refused '{"unified":{"a/b.c":"1"}}' 'unified resource "a/b.c" must be a file name (no slashes)'
	refused '{"unified":{"memory":"1"}}' 'must be in the form CONTROLLER.PARAMETER'
	refused '{"unified":{"..":"1"}}' 'unified resource'
	refused '{"unified":{"made_up.max":"1"}}' "can't be set: controller \"made_up\" not available"
}

@test "[8.2] what cgroup v2 has nothing for" {
	require_joey 'runc ignores them'
	refused '{"cpu":{"realtimeRuntime":1000}}' realtimeRuntime
	refused '{"blockIO":{"leafWeight":100}}' leafWeight
	refused '{"network":{"classID":1048577}}' classID
	resources '{"memory":{"disableOOMKiller":false,"swappiness":60,"useHierarchy":true}}'
	rt_ok run --bundle "$B" "$CID"
}

# ---- 8.3 -----------------------------------------------------------------------------------------------------------

# /dev/kmsg: a device outside of the defaults that is on every host; reading it takes CAP_SYSLOG besides.
kmsg() {
	caps '["CAP_SYSLOG","CAP_MKNOD","CAP_DAC_OVERRIDE"]'
	device /dev/kmsg c 1 11
}
device() { cfg '.linux.devices += [{"path":$p,"type":$t,"major":$a,"minor":$i,"fileMode":438}]' \
	--arg p "$1" --arg t "$2" --argjson a "$3" --argjson i "$4"; }
readable='r() { if head -c0 <"$1" 2>/tmp/e; then echo "$1 yes"; else echo "$1 no"; fi; }'

@test "[8.3.1 8.3.2] deny all: the default devices work, others do not" {
	resources '{"devices":[{"allow":false,"access":"rwm"}]}'
	kmsg
	in_ctr "$readable; for d in null zero full random urandom kmsg; do r /dev/\$d; done"
	local d
	for d in null zero full random urandom; do has_line "/dev/$d yes"; done
	has_line '/dev/kmsg no'
}

@test "[8.3.1] the last matching rule wins, for each access on its own" {
	resources '{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":11,"access":"rw"},
		{"allow":false,"type":"c","major":1,"minor":11,"access":"w"}]}'
	kmsg
	in_ctr "$readable; r /dev/kmsg; (: >/dev/kmsg) 2>/dev/null && echo wrote; true"
	has_line '/dev/kmsg yes'
	lacks_text wrote
}

@test "[8.3.1] a rule for everything resets what stands before it" {
	resources '{"devices":[{"allow":true,"type":"c","major":1,"minor":11,"access":"rwm"},{"allow":false,"access":"rwm"}]}'
	kmsg
	in_ctr "$readable; r /dev/kmsg"
	has_line '/dev/kmsg no'
}

@test "[8.3.1] allow all" {
	resources '{"devices":[{"allow":true,"access":"rwm"}]}'
	kmsg
	in_ctr "$readable; r /dev/kmsg"
	has_line '/dev/kmsg yes'
}

@test "[8.3.2] mknod of anything is allowed, opening it is not" {
	resources '{"devices":[{"allow":false,"access":"rwm"}]}'
	caps '["CAP_SYSLOG","CAP_MKNOD"]'
	in_ctr "$readable; mknod /tmp/k c 1 11 && mknod /tmp/b b 7 0 && echo made; r /tmp/k"
	has_line made
	has_line '/tmp/k no'
}

@test "[8.3.2] no rules at all means deny" {
	kmsg
	in_ctr "$readable; r /dev/kmsg"
	has_line '/dev/kmsg no'
}

@test "[8.3.3] in a cgroup that was there before, the new filter replaces the old one" {
	theirs "$CID"
	EXPECT_LEFT=yes
	kmsg
	resources '{"devices":[{"allow":false,"access":"rwm"}]}'
	in_ctr "$readable; r /dev/kmsg"
	has_line '/dev/kmsg no'
	resources '{"devices":[{"allow":true,"access":"rwm"}]}'
	in_ctr "$readable; r /dev/kmsg"
	has_line '/dev/kmsg yes'
}
