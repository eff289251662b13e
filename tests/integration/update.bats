# update (checklist 12.10, 8.2; engine contract 3, 7).  Most limits need controllers that only the test machine has; what
# hugetlb and the cgroup's own files can show runs anywhere.
load helpers

setup() {
	test_setup
	[ -n "$(cgroup2_mount)" ] || skip 'no cgroup2 mount on this host'
	require_joey 'runc updates by v1 on this host'
	M=$(cgroup2_mount)
}
resources() { cfg '.linux.resources = $r' --argjson r "$1"; }
# up [RESOURCES]: a running container.
up() {
	[ $# = 0 ] || resources "$1"
	cmd sleep 1000
	create
	start
}
update() { rt_ok update "$@" "$CID" && equals "$output$errout" ''; }
# update_json JSON: on standard input.
update_json() {
	printf '%s' "$1" >"$T/in.json"
	STDIN=$T/in.json rt update --resources=- "$CID"
}
update_json_ok() {
	update_json "$1"
	[ "$status" -eq 0 ] || { show; return 1; }
}
holds() { # FILE VALUE...
	while [ $# -gt 0 ]; do
		equals "$1=$(cg "$1")" "$1=$2" || return 1
		shift 2
	done
}
stored() { jq -c "$1" "$ROOT/$CID/resources.json"; }

# ---- anywhere --------------------------------------------------------------------------------------------------------

@test "[12.10] in the wrong state" {
	rt_fail 'container does not exist' update --memory 1M "$CID"
	cmd true
	create
	start
	wait_status stopped
	rt_fail 'container not running' update --memory 1M "$CID"
}

@test "[12.10] nothing to change is no error" {
	up
	update
	update_json_ok '{}'
	update_json_ok '{"memory":{},"cpu":{"shares":0,"quota":0,"period":0,"cpus":"","mems":""},"blockIO":{"weight":0},"unknown":[1]}'
	update --memory 0 --cpu-quota 0
}

@test "[12.10] values that are none" {
	up
	local o
	for o in memory=x memory=-2 memory=1MM memory-swap=1.x cpu-quota=x cpu-period=-1 cpu-share=-1 cpu-idle=2 cpu-idle=x \
		pids-limit=x blkio-weight=-1 blkio-weight=1x memory-reservation=99999999999999999999 cpu-burst=1.5; do
		rt_fail "invalid value for ${o%%=*}" update "--$o" "$CID"
	done
	for o in '{' '[]' '{"memory":5}' '{"memory":{"limit":"1M"}}' '{"pids":{"limit":1.5}}' '{"memory":{"limit":-2}}'; do
		update_json "$o"
		equals "$o=$status" "$o=1"
	done
	rt_fail 'no such file or directory' update -r "$T/none" "$CID"
	[ ! -e "$ROOT/$CID/resources.json" ]
}

@test "[12.10] standard input as engines name it: --resources=-, --resources -, -r -; a file" {
	require_controller hugetlb
	up
	local i=0 o
	for o in '--resources=-' '--resources -' '-r -'; do
		i=$((i + 1))
		echo '{"hugepageLimits":[{"pageSize":"2MB","limit":'$((i * 2097152))'}]}' >"$T/in.json"
		# shellcheck disable=SC2086
		STDIN=$T/in.json rt_ok update $o "$CID"
		holds hugetlb.2MB.max $((i * 2097152))
	done
	echo '{"hugepageLimits":[{"pageSize":"2MB","limit":8388608}]}' >"$T/in.json"
	rt_ok update --resources "$T/in.json" "$CID"
	holds hugetlb.2MB.max 8388608 hugetlb.2MB.rsvd.max 8388608
}

@test "[12.10] the merged resources are stored: the next update starts from them, others are not touched" {
	require_controller hugetlb
	up '{"hugepageLimits":[{"pageSize":"2MB","limit":2097152}]}'
	[ ! -e "$ROOT/$CID/resources.json" ]
	update_json_ok '{"unified":{"cgroup.max.depth":"7"}}'
	holds cgroup.max.depth 7 hugetlb.2MB.max 2097152
	update_json_ok '{"unified":{"cgroup.max.descendants":"9"}}'
	holds cgroup.max.depth 7 cgroup.max.descendants 9
	equals "$(stored .unified)" '{"cgroup.max.depth":"7","cgroup.max.descendants":"9"}'
	equals "$(stored '.hugepageLimits[0].limit')" 2097152
	# what others have set meanwhile stays
	echo 4194304 >"$M$CG/hugetlb.2MB.max"
	update_json_ok '{"unified":{"cgroup.max.depth":"8"}}'
	holds hugetlb.2MB.max 4194304 cgroup.max.depth 8
}

@test "[12.10] the container works as before: exec, state, delete" {
	up
	update_json_ok '{"unified":{"cgroup.max.depth":"5"}}'
	rt_ok exec "$CID" true
	has_status running
	rt_ok kill "$CID" KILL
	wait_status stopped
	rt_ok delete "$CID"
	[ ! -d "$ROOT/$CID" ]
}

@test "[12.10] roll-back: when one value is refused, the others are as before, in the cgroup and in the record" {
	require_controller hugetlb
	up
	update_json_ok '{"hugepageLimits":[{"pageSize":"2MB","limit":2097152}],"unified":{"cgroup.max.depth":"5"}}'
	local before
	before=$(stored .)
	update_json '{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}],"unified":{"cgroup.max.depth":"6","cgroup.max.descendants":"bad"}}'
	equals "$status" 1
	[[ $errout == *'cgroup.max.descendants'*'invalid argument'* ]] || { show; return 1; }
	holds hugetlb.2MB.max 2097152 hugetlb.2MB.rsvd.max 2097152 cgroup.max.depth 5 cgroup.max.descendants max
	equals "$(stored .)" "$before"
}

@test "[12.10] roll-back of the first update: nothing is recorded that does not hold" {
	require_controller hugetlb
	up '{"hugepageLimits":[{"pageSize":"2MB","limit":2097152}]}'
	update_json '{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}],"unified":{"cgroup.max.depth":"bad"}}'
	equals "$status" 1
	holds hugetlb.2MB.max 2097152
	update_json_ok '{"unified":{"cgroup.max.depth":"3"}}'
	equals "$(stored '.hugepageLimits[0].limit')" 2097152
}

@test "[12.10] a controller that is not there is named" {
	local c o v
	up
	while read -r c o v; do
		have_controller "$c" || rt_fail "needs the controller \"$c\"" update "--$o" "$v" "$CID" || return 1
	done <<-'ROWS'
		memory memory 64M
		pids pids-limit 5
		cpu cpu-share 512
		cpu cpu-quota 5000
		cpuset cpuset-cpus 0
		io blkio-weight 100
	ROWS
}

@test "[12.10] what cgroup v2 has nothing for is refused; kernel memory is ignored" {
	up
	rt_fail realtimePeriod update --cpu-rt-period 1000 "$CID"
	rt_fail realtimeRuntime update --cpu-rt-runtime 1000 "$CID"
	update --kernel-memory 50M --kernel-memory-tcp 50M
}

@test "[12.10] devices are never touched" {
	up '{"devices":[{"allow":false,"access":"rwm"}]}'
	update_json_ok '{"devices":[{"allow":true,"access":"rwm"}]}'
	rt_ok exec "$CID" sh -c 'mknod /tmp/kmsg c 1 11 2>/dev/null; head -c0 /tmp/kmsg 2>/dev/null && echo opened; head -c1 /dev/zero | wc -c'
	lacks_text opened
	has_line 1
}

@test "[12.10] Intel RDT without a group" {
	up
	rt_fail 'intelRdt' update --l3-cache-schema 'L3:0=f' "$CID"
}

@test "[12.10] paused and created containers can be updated" {
	cmd sleep 1000
	create
	update_json_ok '{"unified":{"cgroup.max.depth":"5"}}'
	start
	rt_ok pause "$CID"
	update_json_ok '{"unified":{"cgroup.max.depth":"6"}}'
	holds cgroup.max.depth 6
	has_status paused
	rt_ok resume "$CID"
}

@test "[12.10] eight updates at once: the record holds them all" {
	up
	local i p
	for i in 1 2 3 4 5 6 7 8; do
		echo '{"unified":{"cgroup.max.depth":"'"$i"'"},"rdma":{"dev'"$i"'":{}}}' >"$T/$i.json"
		background timeout 20 "$RUNTIME" --root "$ROOT" update -r "$T/$i.json" "$CID" </dev/null
	done
	for p in "${BG[@]}"; do wait "$p"; done
	equals "$(stored '.rdma|length')" 8
	equals "\"$(cg cgroup.max.depth)\"" "$(stored '.unified["cgroup.max.depth"]')"
}

@test "[12.10] a container without a cgroup has no limits to change" {
	cmd sleep 1000
	rt_ok --cgroup-manager disabled create --bundle "$B" "$CID"
	rt_fail 'without a cgroup' update --memory 10M "$CID"
	update
}

# ---- in the test machine ------------------------------------------------------------------------------------------------

@test "[12.10 8.2] memory, with units; swap holds memory" {
	require_controller memory
	up '{"memory":{"limit":33554432}}'
	update --memory 64M
	holds memory.max 67108864
	update --memory 50331648 --memory-reservation 33M
	holds memory.max 50331648 memory.low 34603008
	if [ -e "$M$CG/memory.swap.max" ]; then
		update --memory 64m --memory-swap 96M
		holds memory.max 67108864 memory.swap.max 33554432
		update --memory 32M
		holds memory.max 33554432 memory.swap.max 67108864
		rt_fail 'memory+swap limit should be >= memory limit' update --memory 1G "$CID"
		holds memory.max 33554432 memory.swap.max 67108864
		update --memory-swap -1
		holds memory.swap.max max
		update --memory-swap 64M
	fi
	update --memory -1
	holds memory.max max
	[ ! -e "$M$CG/memory.swap.max" ] || holds memory.swap.max max
}

@test "[12.10 8.2] memory.checkBeforeUpdate" {
	require_controller memory
	up '{"memory":{"limit":67108864}}'
	rt_ok exec -d "$CID" sh -c 'exec tail /dev/zero | sleep 1000' || true
	update_json '{"memory":{"limit":4096,"checkBeforeUpdate":true}}'
	equals "$status" 1
	[[ $errout == *'rejecting memory limit 4096 <= usage '* ]] || { show; return 1; }
	[ "$(cg memory.max)" != 4096 ]
}

@test "[12.10 8.2] cpu.max: one value given keeps the other" {
	require_controller cpu
	up '{"cpu":{"quota":50000,"period":100000}}'
	update --cpu-quota 30000
	holds cpu.max '30000 100000'
	update --cpu-period 200000
	holds cpu.max '30000 200000'
	update --cpu-quota -1
	holds cpu.max 'max 200000'
	update --cpu-period 50000 --cpu-quota 10000
	holds cpu.max '10000 50000'
	update_json_ok '{"cpu":{"quota":20000}}'
	holds cpu.max '20000 50000'
}

@test "[12.10 8.2] cpu.max without earlier values" {
	require_controller cpu
	up
	update --cpu-period 50000
	holds cpu.max 'max 50000'
	update --cpu-quota 5000
	holds cpu.max '5000 50000'
}

@test "[12.10 8.2] shares, idle, burst" {
	require_controller cpu
	up '{"cpu":{"shares":1024}}'
	update --cpu-share 512
	holds cpu.weight 59
	[ ! -e "$M$CG/cpu.idle" ] || {
		update --cpu-idle 1
		holds cpu.idle 1
		update --cpu-share 256
		holds cpu.idle 1
		update --cpu-idle 0
		holds cpu.idle 0 cpu.weight 35
	}
	[ ! -e "$M$CG/cpu.max.burst" ] || {
		update --cpu-quota 50000 --cpu-burst 20000
		holds cpu.max.burst 20000
		update --cpu-burst 0
		holds cpu.max.burst 0
	}
}

@test "[12.10 8.2] cpuset" {
	require_controller cpuset
	up
	update --cpuset-cpus 0 --cpuset-mems 0
	holds cpuset.cpus 0 cpuset.mems 0
	update --pids-limit 20 || have_controller pids || true
	holds cpuset.cpus 0
}

@test "[12.10 8.2] pids" {
	require_controller pids
	up '{"pids":{"limit":30}}'
	update --pids-limit 20
	holds pids.max 20
	update --pids-limit -1
	holds pids.max max
	update_json_ok '{"pids":{"limit":25}}'
	holds pids.max 25
}

@test "[12.10] roll-back over several controllers" {
	require_controller memory pids
	up '{"memory":{"limit":67108864},"pids":{"limit":30}}'
	update_json '{"pids":{"limit":10},"memory":{"limit":33554432},"unified":{"cgroup.max.depth":"bad"}}'
	equals "$status" 1
	holds pids.max 30 memory.max 67108864
}

@test "[12.10] the whole document that engines send" {
	require_controller memory cpu pids
	up
	update_json_ok '{"devices":[{"allow":false,"access":"rwm"}],"memory":{"limit":67108864,"swap":67108864,"reservation":0,"kernel":0},
		"cpu":{"shares":512,"quota":20000,"period":100000,"cpus":"","mems":""},"pids":{"limit":100},
		"blockIO":{"weight":0},"hugepageLimits":[],"unified":{"memory.oom.group":"1"}}'
	holds memory.max 67108864 cpu.max '20000 100000' pids.max 100 memory.oom.group 1
}
