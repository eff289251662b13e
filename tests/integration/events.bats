# events (checklist 12.11; engine contract 5.4).
load helpers

setup() {
	test_setup
	[ -n "$(cgroup2_mount)" ] || skip 'no cgroup2 mount on this host'
	require_joey 'runc reads v1 on this host'
}
up() {
	[ $# -gt 0 ] || set -- sleep 1000
	cmd "$@"
	create
	start
}
# stats FILTER: of one sample.
stats() {
	rt_ok events --stats "$CID"
	equals "$(wc -l <"$T/stdout")" 1
	jq -c "$1" <<<"$output"
}

@test "[12.11 engine5.4] --stats: one line, type, id, every object" {
	up
	equals "$(stats 'keys_unsorted|join(",")')" '"type,id,data"'
	equals "$errout" ''
	equals "$(stats '[.type,.id]')" "[\"stats\",\"$CID\"]"
	equals "$(stats '.data|keys_unsorted|join(",")')" \
		'"cpu,cpuset,memory,pids,blkio,hugetlb,intel_rdt,network_interfaces"'
	equals "$(stats '.data.cpu.usage|keys_unsorted|join(",")')" '"total,kernel,user"'
	equals "$(stats '.data.cpu.throttling|keys_unsorted|join(",")')" '"periods,throttledPeriods,throttledTime"'
	equals "$(stats '.data.memory.usage|keys_unsorted|join(",")')" '"limit,usage,max,failcnt"'
	equals "$(stats '.data.memory|has("cache") and has("swap") and has("kernel") and has("kernelTCP")')" true
	equals "$(stats '.data.network_interfaces')" null
	equals "$(stats '[.data.cpuset|to_entries[]|select(.key!="cpus" and .key!="mems")|.value]|add')" 0
}

@test "[12.11 engine5.4] cpu time grows, in nanoseconds" {
	up sh -c 'while :; do :; done'
	local a b
	a=$(stats .data.cpu.usage.total)
	sleep 0.5
	b=$(stats .data.cpu.usage.total)
	[ $((b - a)) -gt 50000000 ] && [ $((b - a)) -lt 60000000000 ]
	equals "$(stats '.data.cpu.usage|.total >= .user')" true
}

@test "[12.11 engine5.4] psi where the kernel has it" {
	up
	[ -e "$(cgroup2_mount)$CG/cpu.pressure" ] && cat "$(cgroup2_mount)$CG/cpu.pressure" || {
		equals "$(stats '.data.cpu|has("psi")')" false
		return
	}
	local o
	for o in cpu memory blkio; do
		equals "$(stats ".data.$o.psi.some|keys_unsorted|join(\",\")")" '"avg10,avg60,avg300,total"'
		equals "$(stats ".data.$o.psi|keys_unsorted|join(\",\")")" '"some,full"'
	done
}

@test "[12.11 engine5.4] pids: processes are counted with or without the controller" {
	up sh -c 'sleep 1000 & sleep 1000 & wait'
	three() { [ "$(stats .data.pids.current)" = 3 ]; }
	until_true three
	equals "$(stats .data.pids.limit)" 0
}

@test "[12.11 engine5.4] hugetlb: the kernel's page sizes" {
	require_controller hugetlb
	up
	equals "$(stats '.data.hugetlb["2MB"]|keys_unsorted|join(",")')" '"usage,max,failcnt"'
}

@test "[12.11 engine5.4] memory" {
	require_controller memory
	cfg '.linux.resources={"memory":{"limit":67108864}}'
	up sh -c 'head -c 20000000 /bin/busybox >/dev/null; exec sleep 1000'
	equals "$(stats .data.memory.usage.limit)" 67108864
	[ "$(stats .data.memory.usage.usage)" -gt 0 ]
	equals "$(stats '.data.memory.raw.file == .data.memory.cache')" true
	[ "$(stats '.data.memory.raw|length')" -gt 20 ]
	rt_ok update --memory -1 "$CID"
	[[ $(jq -r .data.memory.usage.limit <<<"$("$RUNTIME" --root "$ROOT" events --stats "$CID")") == 1844674407370955* ]]
	"$RUNTIME" --root "$ROOT" events --stats "$CID" | grep -q '"limit":18446744073709551615'
}

@test "[12.11 engine5.4] pids limit and throttling" {
	require_controller pids cpu
	cfg '.linux.resources={"pids":{"limit":40},"cpu":{"quota":10000,"period":100000}}'
	up sh -c 'while :; do :; done'
	equals "$(stats .data.pids.limit)" 40
	throttled() { [ "$(stats .data.cpu.throttling.throttledPeriods)" -gt 0 ]; }
	until_true throttled
	[ "$(stats .data.cpu.throttling.throttledTime)" -gt 1000000 ]
}

@test "[12.11] a sample each interval, until the container is empty" {
	up
	background timeout 20 "$RUNTIME" --root "$ROOT" events --interval 100ms "$CID" >"$T/o" 2>"$T/e"
	local p=$!
	until_true sh -c "[ \$(wc -l <'$T/o') -ge 3 ]"
	rt_ok kill "$CID" KILL
	wait "$p"
	equals "$(jq -r .type "$T/o" | sort -u)" stats
	equals "$(<"$T/e")" ''
}

@test "[12.11] the end is seen at once, not at the next sample" {
	up
	background timeout 20 "$RUNTIME" --root "$ROOT" events --interval 1h "$CID" >"$T/o" 2>"$T/e"
	local p=$! began
	sleep 0.3
	began=$SECONDS
	rt_ok kill "$CID" KILL
	wait "$p"
	[ $((SECONDS - began)) -le 3 ]
	equals "$(<"$T/o")" ''
}

@test "[12.11] delete --force meanwhile ends it, too" {
	up
	background timeout 30 "$RUNTIME" --root "$ROOT" events --interval 200ms "$CID" >"$T/o" 2>"$T/e"
	local p=$!
	until_true test -s "$T/o"
	rt_ok delete --force "$CID"
	wait "$p"
	equals "$(<"$T/e")" ''
}

@test "[12.11] processes that outlive init keep it going" {
	cfg '.linux.namespaces |= map(select(.type != "pid"))'
	up sh -c 'setsid sleep 1000 & while [ ! -e /go ]; do sleep 0.05; done'
	background timeout 60 "$RUNTIME" --root "$ROOT" events --interval 100ms "$CID" >"$T/o" 2>"$T/e"
	local p=$! n
	until_true test -s "$T/o"
	: >"$B/rootfs/go"
	wait_status stopped
	n=$(wc -l <"$T/o")
	until_true sh -c "[ \$(wc -l <'$T/o') -gt $((n + 1)) ]"
	rt_ok kill --all "$CID" KILL
	wait "$p"
}

@test "[12.11] out of memory: one event, and the rest goes on" {
	require_controller memory
	cfg '.linux.resources={"memory":{"limit":33554432,"swap":33554432}}'
	up
	background timeout 30 "$RUNTIME" --root "$ROOT" events --interval 1h "$CID" >"$T/o" 2>"$T/e"
	local p=$!
	sleep 0.3
	rt exec "$CID" probe eat 100
	equals "$status" 137
	until_true file_has "$T/o" oom
	equals "$(jq -c . "$T/o")" "{\"type\":\"oom\",\"id\":\"$CID\"}"
	rt_ok kill "$CID" KILL
	wait "$p"
}

@test "[12.11] out of memory as the end of the container is told, too" {
	require_controller memory
	cfg '.linux.resources={"memory":{"limit":33554432,"swap":33554432}}'
	script 'sleep 1; exec probe eat 100'
	create
	start
	background timeout 30 "$RUNTIME" --root "$ROOT" events --interval 1h "$CID" >"$T/o" 2>"$T/e"
	local p=$!
	wait "$p"
	equals "$(jq -r .type "$T/o")" oom
}

@test "[12.11] in the wrong state, and bad intervals" {
	rt_fail 'container does not exist' events "$CID"
	cmd true
	create
	local i
	for i in 0 0s; do rt_fail 'duration interval must be greater than 0' events --interval "$i" "$CID"; done
	for i in x 5 -5s 5d ''; do rt_fail 'invalid value' events "--interval=$i" "$CID"; done
	equals "$(stats .type)" '"stats"'
	start
	wait_status stopped
	rt_fail "container with id $CID is not running" events "$CID"
	rt_fail "container with id $CID is not running" events --stats "$CID"
}

@test "[12.11] a paused container has statistics" {
	up
	rt_ok pause "$CID"
	equals "$(stats .data.pids.current)" 1
	rt_ok resume "$CID"
}

@test "[12.11] without a cgroup" {
	cmd sleep 1000
	rt_ok --cgroup-manager disabled create --bundle "$B" "$CID"
	rt_fail 'without a cgroup' events --stats "$CID"
	rt_fail 'without a cgroup' events "$CID"
}

@test "[12.11] a reader that goes away ends it" {
	up
	timeout 20 "$RUNTIME" --root "$ROOT" events --interval 50ms "$CID" 2>/dev/null 3>&- 4>&- | head -n 2 | jq -r .type >"$T/o"
	equals "$(sort -u "$T/o")" stats
}
