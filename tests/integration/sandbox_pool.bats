# Machines that wait for a container (joey.conf: warm). A size of their own makes a template of their own, so that nobody else's
# machines are touched.
load helpers

setup() {
	sandbox_setup
	conf 'warm = 1' 'warm_time = 120'
}

teardown() {
	local key
	until_true eval '! pgrep -x joey-warm >/dev/null'
	key=$(key_of_test) && [ -n "$key" ] && "$RUNTIME" template remove "$key" >/dev/null 2>&1
	test_teardown
}

conf() {
	printf '[sandbox]\nprofile = pool\n%s\n%s\n[profile pool]\nmemory = 300M\n' "$@" >"$T/joey.conf"
	chmod 644 "$T/joey.conf"
	CONF=(--config "$T/joey.conf")
}
joey() { rt_ok "${CONF[@]}" "$@"; }
key_of_test() { "$RUNTIME" template list -f json | jq -r 'first(.[] | select(.memory == 536870912) | .key)'; }
places() { compgen -G "/run/joey-cache/pool/@vm/$(key_of_test | cut -c1-24)-*"; }
record() { jq "$1" "$(places | head -n 1)/sandbox.json" 2>/dev/null; }
waits() { [ -n "$(record '.waits // empty')" ]; }
one_waits() { until_true waits; WAITING=$(record .waits) SANDBOX=$(record .pid); }
up() { cmd sleep 1000 && joey create "${VM[@]}" --bundle "$B" "$CID" && start; }
sandbox_pid() { jq .pid "$ROOT/@vm/$CID/sandbox.json"; }
gone() { [ ! -d "/proc/$1" ]; }

@test "[S17] a machine waits, is taken, and another waits: names, clock, random numbers and boot are its own" {
	local first clock before
	script 'cat /proc/sys/kernel/random/boot_id; hostname; tr -d - </proc/sys/kernel/random/uuid'
	cfg '.linux.namespaces |= map(select(.type != "uts")) | del(.hostname)'
	joey run "${VM[@]}" --bundle "$B" "$CID"
	first=$output
	one_waits
	[ "$(cat "/proc/$WAITING/comm")" = qemu ]
	before=$(places)
	script 'date +%s; cat /proc/sys/kernel/random/boot_id; hostname; tr -d - </proc/sys/kernel/random/uuid; cat /proc/1/environ | tr "\0" "\n"; exec sleep 1000'
	joey create "${VM[@]}" --bundle "$B" "$CID" >"$T/out" 2>&1
	[ "$(sandbox_pid)" = "$SANDBOX" ]
	[ ! -d "$before" ]
	[ "$(jq -r .sandbox.kind <<<"$(raw state "$CID"; cat "$T/stdout")")" = vm ]
	[ "$(ps -o ni= -p "$WAITING" | tr -d ' ')" = "$(ps -o ni= -p $$ | tr -d ' ')" ]
	rt_ok exec "$CID" sh -c 'date +%s; cat /proc/sys/kernel/random/boot_id; tr -d - </proc/sys/kernel/random/uuid'
	clock=$(head -n 1 <<<"$output")
	[ $((clock - $(date +%s))) -le 1 ] && [ $(($(date +%s) - clock)) -le 3 ]
	! grep -qFx -f <(tail -n 2 <<<"$output") <<<"$first"
	rt_ok delete --force "$CID"
	until_true gone "$WAITING"
	until_true gone "$SANDBOX"
	one_waits
	[ "$(places)" != "$before" ]
}

@test "[S17] the cgroup, and what is left: nothing of the container but another machine that waits" {
	cmd true
	joey run "${VM[@]}" --bundle "$B" "$CID"
	one_waits
	up
	[ "$(sandbox_pid)" = "$SANDBOX" ]
	local cgroup
	cgroup=$(jq -r .cgroup "$ROOT/@vm/$CID/sandbox.json")
	grep -q "^0::.*$cgroup\$" "/proc/$WAITING/cgroup"
	grep -q "^0::.*$cgroup\$" "/proc/$SANDBOX/cgroup"
	rt_ok delete --force "$CID"
	[ ! -d "$(cgroup2_mount)$cgroup" ]
	[ ! -d "$ROOT/@vm" ]
}

@test "[S17] the waiting machine dies: a container starts without it, and another is made" {
	cmd true
	joey run "${VM[@]}" --bundle "$B" "$CID"
	one_waits
	local old
	old=$(places)
	kill -KILL "$WAITING"
	until_true gone "$SANDBOX"
	joey run "${VM[@]}" --bundle "$B" "$CID"
	until_true eval '[ ! -d "$old" ]'
	one_waits
	# and one that stands still
	kill -STOP "$WAITING"
	joey run "${VM[@]}" --bundle "$B" "$CID"
	until_true gone "$WAITING"
}

@test "[S17] two containers at once: one takes it, both run" {
	cmd true
	cfg 'del(.linux.cgroupsPath)'
	joey run "${VM[@]}" --bundle "$B" "$CID"
	one_waits
	local a b
	"$RUNTIME" --root "$ROOT" "${CONF[@]}" run "${VM[@]}" --bundle "$B" "$CID-a" </dev/null >"$T/a" 2>&1 3>&- 4>&- &
	a=$!
	"$RUNTIME" --root "$ROOT" "${CONF[@]}" run "${VM[@]}" --bundle "$B" "$CID-b" </dev/null >"$T/b" 2>&1 3>&- 4>&- &
	b=$!
	wait $a || { cat "$T/a"; false; }
	wait $b || { cat "$T/b"; false; }
	gone "$WAITING"
}

@test "[S17] one that nobody takes ends; template remove ends those of the template" {
	conf 'warm = 1' 'warm_time = 4'
	cmd true
	joey run "${VM[@]}" --bundle "$B" "$CID"
	one_waits
	DEADLINE=10 until_true gone "$WAITING"
	conf 'warm = 1' 'warm_time = 120'
	joey run "${VM[@]}" --bundle "$B" "$CID"
	one_waits
	local key
	key=$(key_of_test)
	rt_ok template remove "$key"
	until_true gone "$SANDBOX"
	until_true gone "$WAITING"
	[ -z "$(compgen -G "/run/joey-cache/pool/@vm/${key:0:24}-*")" ]
}

@test "[S17] a pod takes it, and a size that does not fit is not taken" {
	cmd true
	joey run "${VM[@]}" --bundle "$B" "$CID"
	one_waits
	cmd sleep 1000
	cfg '.linux.resources.memory.limit=1073741824'
	printf '[sandbox]\nwarm = 0\n' >"$T/other.conf"
	chmod 644 "$T/other.conf"
	rt_ok --config "$T/other.conf" create "${VM[@]}" --bundle "$B" "$CID"
	[ "$(sandbox_pid)" != "$SANDBOX" ]
	rt_ok delete --force "$CID"
	cfg 'del(.linux.resources.memory) | .annotations={"io.kubernetes.cri.sandbox-id":"pod-'"$CID"'","io.kubernetes.cri.container-type":"sandbox"}'
	joey create "${VM[@]}" --bundle "$B" "$CID"
	[ "$(jq .pid "$ROOT/@vm/pod-$CID/sandbox.json")" = "$SANDBOX" ]
	rt_ok delete --force "$CID"
}

@test "[S17] its network device is moved to the container's network namespace, and works" {
	cmd true
	joey run "${VM[@]}" --bundle "$B" "$CID"
	one_waits
	local here far
	unshare -n sleep 300 3>&- 4>&- &
	here=$!
	unshare -n sleep 300 3>&- 4>&- &
	far=$!
	until_true eval '[ "$(readlink /proc/$here/ns/net)" != "$(readlink /proc/self/ns/net)" ] && [ "$(readlink /proc/$far/ns/net)" != "$(readlink /proc/self/ns/net)" ]'
	nsenter -t $here -n ip link add eth0 type veth peer name eth0 netns "$far" || { kill $here $far; skip 'no veth in this kernel'; }
	nsenter -t $here -n sh -c 'ip addr add 192.0.2.1/24 dev eth0 && ip link set eth0 up'
	nsenter -t $far -n sh -c 'ip addr add 192.0.2.2/24 dev eth0 && ip link set eth0 up'
	cmd sleep 1000
	cfg '.linux.namespaces |= map(if .type == "network" then .path = "/proc/'$here'/ns/net" else . end)'
	joey create "${VM[@]}" --bundle "$B" "$CID"
	[ "$(sandbox_pid)" = "$SANDBOX" ]
	start
	rt_ok exec --cap CAP_NET_RAW "$CID" busybox ping -c 1 -W 5 192.0.2.2
	rt_ok delete --force "$CID"
	until_true eval '! nsenter -t $here -n ip link show joey-tap >/dev/null 2>&1'
	kill $here $far
}

@test "[S17] below a conmon, which waits for all that came from it, none is made" {
	cmd true
	"$RUNTIME" "${CONF[@]}" template build >/dev/null 2>&1
	cp "$TOOLS/launch" "$T/conmon"
	timeout -k 5 100 "$T/conmon" -c -r -- "$RUNTIME" --root "$ROOT" "${CONF[@]}" run "${VM[@]}" --bundle "$B" "$CID" </dev/null >"$T/stdout" 2>&1 3>&- 4>&- ||
		{ cat "$T/stdout"; false; }
	! pgrep -x joey-warm
	! places
}
