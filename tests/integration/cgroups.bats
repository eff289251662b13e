# cgroup v2 (checklist 8): paths, life, every limit read back from its file, device rules tried from inside.
# Tests that need a controller skip where the host's cgroup2 has none, and are real in the test VM.
load helpers

setup() {
	test_setup
	[ -n "$(cgroup2_mount)" ] || skip 'no cgroup2'
	is_joey || [ ! -d /sys/fs/cgroup/memory ] || skip 'runc uses cgroup v1 on this host'
}

res() { cfg '.linux.resources=$r' --argjson r "$1"; }
# limited JSON: a created container with these resources
limited() {
	res "$1"
	cmd sleep 100
	create
}
again() {
	rt_ok delete --force "$CID"
	limited "$1"
}

@test "[8.1.1] cgroupsPath absolute, relative, with .. , empty" {
	local m
	m=$(cgroup2_mount)
	cmd sleep 100
	create
	grep -qx "$(pid_of)" "$m$CG/cgroup.procs"
	rt_ok delete --force "$CID"
	[ ! -d "$m$CG" ]
	cfg '.linux.cgroupsPath=$p' --arg p "/../..$CG/./x/.."
	create
	grep -qx "$(pid_of)" "$m$CG/cgroup.procs"
	rt_ok delete --force "$CID"
	cfg '.linux.cgroupsPath=$p' --arg p "${CG#/}"
	create
	grep -q "${CG#/}" "/proc/$(pid_of)/cgroup"
	rt_ok delete --force "$CID"
	cfg 'del(.linux.cgroupsPath)'
	create
	grep -q "/$CID" "/proc/$(pid_of)/cgroup"
}

@test "[8.1.1] a systemd-like path without --systemd-cgroup is a name" {
	cfg '.linux.cgroupsPath=$p' --arg p "$CID:pre:name"
	cmd sleep 100
	create
	grep -q "$CID:pre:name" "/proc/$(pid_of)/cgroup"
}

@test "[8.1.3] an existing cgroup: empty is used, with processes refused, frozen refused" {
	local d
	d=$(cgroup2_mount)$CG
	mkdir "$d"
	cmd sleep 100
	create
	rt_ok delete --force "$CID"
	[ -d "$d" ] || mkdir "$d"
	background sleep 100
	echo $! >"$d/cgroup.procs"
	rt_fail "container's cgroup is not empty: 1 process(es) found" create --bundle "$B" "$CID"
	[ -d "/proc/$!" ]
	echo $! >"$(cgroup2_mount)/cgroup.procs"
	echo 1 >"$d/cgroup.freeze"
	rt_fail "container's cgroup unexpectedly frozen" create --bundle "$B" "$CID"
	echo 0 >"$d/cgroup.freeze"
	rmdir "$d"
}

@test "[8.1.8] removal: nested cgroups of the container go, a cgroup that joey did not make stays" {
	local d
	d=$(cgroup2_mount)$CG
	cmd sleep 100
	create
	mkdir -p "$d/a/b"
	rt_ok delete --force "$CID"
	[ ! -d "$d" ]
	is_joey || return 0
	mkdir "$d"
	create
	rt_ok delete --force "$CID"
	[ -d "$d" ]
	rmdir "$d"
}

@test "[8.1.7] every process of the container is in its cgroup, from the first fork" {
	cfg '.linux.namespaces |= map(select(.type != "cgroup"))'
	script 'cat /proc/self/cgroup; (cat /proc/self/cgroup) | cat'
	rt_ok run --bundle "$B" "$CID"
	equals "$(grep '^0::' <<<"$output" | sort -u)" "0::$CG"
}

@test "[8.1.5] --cgroup-manager=disabled: no cgroup is made, life-cycle works" {
	is_joey || skip 'joey and crun option'
	cmd sleep 100
	rt_ok --cgroup-manager=disabled create --bundle "$B" "$CID"
	[ ! -d "$(cgroup2_mount)$CG" ]
	start
	rt_ok kill "$CID" KILL
	wait_status stopped
	rt_ok delete "$CID"
}

@test "[8.2] a limit whose controller is absent names controller and key" {
	is_joey || skip 'wording of joey'
	local c j
	while read -r c j; do
		have_controller "$c" && continue
		res "$j"
		create_fails "$c"
	done <<-'EOF'
		memory {"memory":{"limit":67108864}}
		pids {"pids":{"limit":10}}
		cpu {"cpu":{"quota":10000,"period":100000}}
		io {"blockIO":{"weight":100}}
		cpuset {"cpu":{"cpus":"0"}}
		rdma {"rdma":{"mlx5_1":{"hcaHandles":3}}}
	EOF
	# and without limits it just runs
	res '{}'
	cmd true
	rt_ok run --bundle "$B" "$CID"
}

@test "[8.2 cpu.shares] cpu.weight by the conversion of runc 1.3.2" {
	require_controller cpu
	local x
	for x in 2:1 10:4 100:17 256:35 512:59 1024:100 2048:174 102400:4429 262144:10000 1:1; do
		again "{\"cpu\":{\"shares\":${x%:*}}}"
		equals "$x $(cg cpu.weight)" "$x ${x#*:}"
	done
}

@test "[8.2 cpu.quota cpu.burst cpu.idle] cpu.max, cpu.max.burst, cpu.idle" {
	require_controller cpu
	limited '{"cpu":{"quota":50000,"period":200000}}'
	equals "$(cg cpu.max)" "50000 200000"
	again '{"cpu":{"quota":30000}}'
	equals "$(cg cpu.max)" "30000 100000"
	again '{"cpu":{"period":50000}}'
	equals "$(cg cpu.max)" "max 50000"
	again '{"cpu":{"quota":-1,"period":70000}}'
	equals "$(cg cpu.max)" "max 70000"
	again '{"cpu":{"quota":50000,"period":100000,"burst":20000}}'
	equals "$(cg cpu.max.burst)" 20000
	again '{"cpu":{"idle":1,"shares":500}}'
	equals "$(cg cpu.idle)" 1
	again '{"cpu":{"shares":0,"quota":0}}'
	equals "$(cg cpu.weight) $(cg cpu.max)" "100 max 100000"
	res '{"cpu":{"quota":1000,"period":100000,"burst":200000}}'
	rt_ok delete --force "$CID"
	create_fails ''
}

@test "[8.2 cpu.realtime] realtime values are refused unless zero" {
	res '{"cpu":{"realtimeRuntime":0,"realtimePeriod":0}}'
	rt_ok run --bundle "$B" "$CID"
	is_joey || return 0
	res '{"cpu":{"realtimeRuntime":1000,"realtimePeriod":10000}}'
	create_fails 'realtime'
}

@test "[8.2 cpuset] cpuset.cpus and cpuset.mems" {
	require_controller cpuset
	limited '{"cpu":{"cpus":"0","mems":"0"}}'
	equals "$(cg cpuset.cpus) $(cg cpuset.mems)" "0 0"
	rt_ok delete --force "$CID"
	cmd probe affinity
	rt_ok run --bundle "$B" "$CID"
	equals "$output" 1
	res '{"cpu":{"cpus":"4000"}}'
	create_fails cpuset
}

@test "[8.2 memory] memory.max, memory.low, swap" {
	require_controller memory
	limited '{"memory":{"limit":67108864,"reservation":33554432}}'
	equals "$(cg memory.max) $(cg memory.low)" "67108864 33554432"
	again '{"memory":{"limit":-1,"reservation":-1}}'
	equals "$(cg memory.max) $(cg memory.low)" "max max"
	again '{"memory":{"limit":67108864,"swap":100663296}}'
	[ ! -e "$(cgroup2_mount)$CG/memory.swap.max" ] || equals "$(cg memory.swap.max)" 33554432
	again '{"memory":{"limit":67108864,"swap":67108864}}'
	[ ! -e "$(cgroup2_mount)$CG/memory.swap.max" ] || equals "$(cg memory.swap.max)" 0
	again '{"memory":{"limit":67108864,"swap":-1}}'
	[ ! -e "$(cgroup2_mount)$CG/memory.swap.max" ] || equals "$(cg memory.swap.max)" max
	rt_ok delete --force "$CID"
	res '{"memory":{"swap":67108864}}'
	create_fails 'unable to set swap limit without memory limit'
	res '{"memory":{"limit":67108864,"swap":33554432}}'
	create_fails 'memory+swap limit should be >= memory limit'
}

@test "[8.2 memory] harmless old keys are accepted" {
	require_controller memory
	res '{"memory":{"limit":67108864,"kernel":1000000,"kernelTCP":1000000,"swappiness":60,"disableOOMKiller":false}}'
	rt_ok run --bundle "$B" "$CID"
}

@test "[8.2 memory] the limit bites" {
	require_controller memory
	res '{"memory":{"limit":20971520,"swap":20971520}}'
	cmd probe eat 100
	rt run --bundle "$B" "$CID"
	equals "$status" 137
	cmd probe eat 5
	rt_ok run --bundle "$B" "$CID"
}

@test "[8.2 pids] pids.max: number, -1, 0 is the strictest, absent is untouched; it bites" {
	require_controller pids
	limited '{"pids":{"limit":42}}'
	equals "$(cg pids.max)" 42
	again '{"pids":{"limit":-1}}'
	equals "$(cg pids.max)" max
	again '{"pids":{"limit":0}}'
	equals "$(cg pids.max)" 1
	again '{}'
	equals "$(cg pids.max)" max
	rt_ok delete --force "$CID"
	res '{"pids":{"limit":5}}'
	cmd probe forks 20
	rt_ok run --bundle "$B" "$CID"
	equals "$output" forks=4
}

@test "[8.2 blockIO] io.weight, io.bfq.weight" {
	require_controller io
	local f
	again '{}'
	[ -e "$(cgroup2_mount)$CG/io.weight" ] || [ -e "$(cgroup2_mount)$CG/io.bfq.weight" ] || skip 'this kernel has no io weights'
	for f in 10:1 100:910 1000:10000; do
		again "{\"blockIO\":{\"weight\":${f%:*}}}"
		if [ -e "$(cgroup2_mount)$CG/io.bfq.weight" ]; then
			has_file_text io.bfq.weight "${f%:*}"
		elif [ -e "$(cgroup2_mount)$CG/io.weight" ]; then
			has_file_text io.weight "${f#*:}"
		fi
	done
	rt_ok delete --force "$CID"
	is_joey || return 0
	res '{"blockIO":{"weight":5}}'
	create_fails weight
}
has_file_text() { grep -q -- "$2" "$(cgroup2_mount)$CG/$1" || { cat "$(cgroup2_mount)$CG/$1"; return 1; }; }

@test "[8.2 blockIO] io.max: four throttles" {
	require_controller io
	local d
	d=$(lsblk -dnro MAJ:MIN,TYPE 2>/dev/null | awk '$2 == "disk" { print $1; exit }')
	[ -n "$d" ] || skip 'no disk'
	limited "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":${d%:*},\"minor\":${d#*:},\"rate\":1048576}],\"throttleWriteBpsDevice\":[{\"major\":${d%:*},\"minor\":${d#*:},\"rate\":2097152}],
		\"throttleReadIOPSDevice\":[{\"major\":${d%:*},\"minor\":${d#*:},\"rate\":300}],\"throttleWriteIOPSDevice\":[{\"major\":${d%:*},\"minor\":${d#*:},\"rate\":400}]}}"
	equals "$(cg io.max)" "$d rbps=1048576 wbps=2097152 riops=300 wiops=400"
}

@test "[8.2 hugetlb] hugetlb limits and rsvd" {
	require_controller hugetlb
	local f s
	cmd sleep 100
	res '{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}'
	create
	equals "$(cg hugetlb.2MB.max)" 4194304
	[ ! -e "$(cgroup2_mount)$CG/hugetlb.2MB.rsvd.max" ] || equals "$(cg hugetlb.2MB.rsvd.max)" 4194304
	rt_ok delete --force "$CID"
	res '{"hugepageLimits":[{"pageSize":"3MB","limit":1}]}'
	create_fails 3MB
}

@test "[8.2 unified] unknown keys are files, several lines, errors" {
	require_controller memory pids
	limited '{"unified":{"memory.high":"60000000","pids.max":"33"}}'
	equals "$(cg memory.high) $(cg pids.max)" "59998208 33"
	rt_ok delete --force "$CID"
}

@test "[8.2 unified] what is refused" {
	res '{"unified":{"a/b.c":"1"}}'
	create_fails 'must be a file name (no slashes)'
	res '{"unified":{"nodots":"1"}}'
	create_fails 'must be in the form CONTROLLER.PARAMETER'
	res '{"unified":{"nosuch.key":"1"}}'
	create_fails "controller \"nosuch\" not available"
}

@test "[8.2 unified] last of all: overrides the converted value" {
	require_controller memory
	limited '{"memory":{"limit":67108864},"unified":{"memory.max":"33554432"}}'
	equals "$(cg memory.max)" 33554432
}

@test "[8.2 network] classID and priorities have no v2 form" {
	is_joey || skip 'runc ignores them'
	res '{"network":{"classID":1048577}}'
	rt run --bundle "$B" "$CID"
	[ "$status" -ne 0 ] && [ -n "$errout" ]
}

@test "[8.1.4] the parent's controllers are enabled on the way down" {
	require_controller memory
	cfg '.linux.cgroupsPath=$p' --arg p "$CG/deep/er"
	res '{"memory":{"limit":67108864}}'
	cmd sleep 100
	create
	equals "$(cat "$(cgroup2_mount)$CG/deep/er/memory.max")" 67108864
	rt_ok delete --force "$CID"
	rmdir "$(cgroup2_mount)$CG/deep" "$(cgroup2_mount)$CG" 2>/dev/null || true
}

@test "[8.1.6] delegation: files are given to the user only with a cgroup namespace and a writable mount" {
	require_controller pids
	have_userns || skip 'no user namespaces'
	userns
	cmd sleep 100
	add_mount '{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["rw","nosuid"]}'
	create
	equals "$(stat -c %u "$(cgroup2_mount)$CG" "$(cgroup2_mount)$CG/cgroup.procs" | sort -u)" 100000
	equals "$(stat -c %u "$(cgroup2_mount)$CG/pids.max")" 0
	rt_ok delete --force "$CID"
	cfg '.mounts[-1].options=["ro"]'
	create
	equals "$(stat -c %u "$(cgroup2_mount)$CG")" 0
}

# ---- devices ------------------------------------------------------------------------------------------------------------

# The node 1:77 has no driver: what the filter lets pass ends in ENXIO.
run_devices() {
	rt_ok run --bundle "$B" "$CID"
	output=${output//No such device or address/ok}
}

bpf_works() {
	res '{"devices":[{"allow":false,"access":"rwm"}]}'
	all_caps
	cmd probe mknod /tmp/k c 1 77
	rt run --bundle "$B" "$CID"
	[ "$status" -eq 0 ] || skip "no device programs here: $errout"
}

@test "[8.3.1 8.3.2] devices: deny all still leaves the defaults, and mknod of any" {
	bpf_works
	script 'for d in null zero full random urandom tty ptmx; do echo $d $(probe open /dev/$d b); done; probe mknod /tmp/kmsg c 1 77; probe open /tmp/kmsg; probe mknod /tmp/blk b 7 0; probe open /tmp/blk'
	rt_ok run --bundle "$B" "$CID"
	has_line 'null ok'
	has_line 'zero ok'
	has_line 'urandom ok'
	has_line 'ptmx ok'
	equals "$(grep -c '^Operation not permitted' <<<"$output")" 2
	equals "$(grep -c '^ok$' <<<"$output")" 2
}

@test "[8.3.1] devices: the last match wins, access is a subset" {
	bpf_works
	res '{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":77,"access":"r"}]}'
	script 'rm -f /tmp/kmsg; probe mknod /tmp/kmsg c 1 77; probe open /tmp/kmsg r; probe open /tmp/kmsg w; probe open /tmp/kmsg b'
	run_devices
	equals "$(xargs -d '\n' <<<"$output")" 'ok ok Operation not permitted Operation not permitted'
	res '{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":77,"access":"rw"},{"allow":false,"type":"c","major":1,"access":"w"}]}'
	script 'rm -f /tmp/kmsg; probe mknod /tmp/kmsg c 1 77; probe open /tmp/kmsg r; probe open /tmp/kmsg w; probe open /dev/null w'
	run_devices
	equals "$(xargs -d '\n' <<<"$output")" 'ok ok Operation not permitted ok'
	res '{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"a","access":"rwm"}]}'
	run_devices
	equals "$(xargs -d '\n' <<<"$output")" 'ok ok ok ok'
}

@test "[8.3.1] devices: an empty access and an unknown type are errors" {
	res '{"devices":[{"allow":true,"type":"c","major":1,"minor":3,"access":""}]}'
	create_fails 'device access at 0 field cannot be empty'
	res '{"devices":[{"allow":true,"type":"x","access":"rwm"}]}'
	create_fails ''
}

@test "[8.3.3] devices: one program, gone with the cgroup" {
	bpf_works
	command -v bpftool >/dev/null || skip 'no bpftool'
	cmd sleep 100
	create
	equals "$(bpftool -j cgroup list "$(cgroup2_mount)$CG" | jq length)" 1
}

# ---- freezer, kill --------------------------------------------------------------------------------------------------------

@test "[8.1.9 12.2] frozen: paused is read from cgroup.freeze, kill by cgroup.kill works" {
	cmd sleep 100
	create
	start
	echo 1 >"$(cgroup2_mount)$CG/cgroup.freeze"
	wait_status paused
	rt_ok kill --all "$CID" KILL
	wait_status stopped || true
}

@test "[8.1.8 6.6] delete --force kills processes that moved to a sub-cgroup" {
	local d
	d=$(cgroup2_mount)$CG
	cfg '.linux.namespaces |= map(select(.type != "pid"))'
	script 'sleep 300 & echo $! >/tmp/pid; wait'
	create
	start
	until_true test -s "$B/rootfs/tmp/pid"
	mkdir "$d/sub"
	cat "$B/rootfs/tmp/pid" >"$d/sub/cgroup.procs"
	rt_ok delete --force "$CID"
	until_true gone "$(cat "$B/rootfs/tmp/pid")"
	[ ! -d "$d" ]
}

@test "[8.1.6] run.oci.delegate-cgroup: the payload's own cgroup; limits, and the namespace's root, are one above" {
	local d user=0
	d=$(cgroup2_mount)$CG
	cfg '.annotations={"run.oci.delegate-cgroup":"init"}'
	if have_userns; then
		userns
		user=100000
	fi
	have_controller hugetlb && res '{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}'
	cmd sleep 100
	create
	equals "$(sed -n 's/^0:://p' "/proc/$(pid_of)/cgroup")" "$CG/init"
	equals "$(cat "$d/cgroup.procs")" ''
	equals "$(stat -c %u "$d/init" "$d/init/cgroup.procs" "$d" | tr '\n' ' ')" "$user $user 0 "
	if have_controller hugetlb; then
		equals "$(cat "$d/hugetlb.2MB.max")" 4194304
		grep -qw hugetlb "$d/init/cgroup.controllers"
		equals "$(stat -c %u "$d/init/hugetlb.2MB.max")" 0
	fi
	start
	rt_ok exec "$CID" cat /proc/self/cgroup
	has_match '^0::/init$'
	rt_ok pause "$CID"
	rt_ok resume "$CID"
	rt_ok kill --all "$CID" KILL
	wait_status stopped
	rt_ok delete "$CID"
	[ ! -d "$d" ]
}

@test "[8.1.6] run.oci.delegate-cgroup: not without a cgroup, and no path" {
	require_joey 'texts'
	cfg '.annotations={"run.oci.delegate-cgroup":"a/b"}'
	create_fails 'annotation run.oci.delegate-cgroup: "a/b" is not the name of a cgroup'
	cfg '.annotations={"run.oci.delegate-cgroup":"a"}'
	rt_fail 'the container has no cgroup' --cgroup-manager disabled create --bundle "$B" "$CID"
	assert_nothing_left
}
