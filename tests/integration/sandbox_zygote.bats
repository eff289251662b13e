# Machines that are copies of one that stands still (joey.conf: fork). A size of their own makes a template of their own, so that
# nobody else's machines are touched.
load helpers

setup() {
	KEY=''
	sandbox_setup
	conf 'fork = on'
}

teardown() {
	until_true eval '! pgrep -x joey-maker >/dev/null'
	[ -z "$KEY" ] || "$RUNTIME" template remove "$KEY" >/dev/null 2>&1
	test_teardown
}

conf() {
	printf '[sandbox]\nprofile = copies\n%s\n[profile copies]\nmemory = 300M\n' "$@" >"$T/joey.conf"
	chmod 644 "$T/joey.conf"
	CONF=(--config "$T/joey.conf")
}
joey() { rt_ok "${CONF[@]}" "$@"; }
# Its first digits are what is shown.
build() { joey template build && KEY=$output; }
place() { compgen -G "/run/joey-cache/zygotes/@vm/$KEY*"; }
record() { jq "$1" "$(place)/sandbox.json" 2>/dev/null; }
is_there() { [ -n "$(record '.control // empty')" ]; }
# Where joey can make none, on other machines than those it was written for, there is nothing to be tested.
have_zygote() {
	[ -e "$(dirname "$(realpath "$RUNTIME")")/guest/zygote.so" ] || skip 'no zygote for this machine'
	build
	is_there
	ZYGOTE=$("$HERE/../lib/sandbox-info.py" "$(place)/sock" | jq .hypervisorPid) KEEPER=$(record .pid)
}
up() { cmd sleep 1000 && joey create "${VM[@]}" --bundle "$B" "$CID" && start; }
sandbox_pid() { jq .pid "$ROOT/@vm/$CID/sandbox.json"; }
is_copy() { [ "$("$HERE/../lib/sandbox-info.py" "$ROOT/@vm/${1:-$CID}/sock" | jq .copied)" = "${2:-true}" ]; }
gone() { [ ! -d "/proc/$1" ]; }

@test "[S17] copies: names, clock, random numbers and boot are their own, and so is the cgroup; nothing is left" {
	have_zygote
	local first clock q cgroup
	[ "$(cat "/proc/$ZYGOTE/comm")" = qemu-zygote ]
	[ "$(cat "/proc/$KEEPER/comm")" = joey-zygote ]
	script 'cat /proc/sys/kernel/random/boot_id; tr -d - </proc/sys/kernel/random/uuid'
	joey run "${VM[@]}" --bundle "$B" "$CID"
	first=$output
	up
	is_copy
	q=$(hypervisor_of "$CID")
	cgroup=$(jq -r .cgroup "$ROOT/@vm/$CID/sandbox.json")
	grep -q "^0::.*$cgroup\$" "/proc/$q/cgroup"
	[ "$(ps -o ni= -p "$q" | tr -d ' ')" = "$(ps -o ni= -p $$ | tr -d ' ')" ]
	rt_ok exec "$CID" sh -c 'date +%s; cat /proc/sys/kernel/random/boot_id; tr -d - </proc/sys/kernel/random/uuid'
	clock=$(head -n 1 <<<"$output")
	[ $((clock - $(date +%s))) -le 1 ] && [ $(($(date +%s) - clock)) -le 3 ]
	! grep -qFx -f <(tail -n 2 <<<"$output") <<<"$first"
	rt_ok delete --force "$CID"
	until_true gone "$q"
	[ ! -d "$(cgroup2_mount)$cgroup" ]
	[ ! -d "$ROOT/@vm" ]
	! gone "$ZYGOTE"
}

@test "[S17] copies: what their processors say is random is so" {
	have_zygote
	local i
	cmd probe rdrand
	for i in 1 2; do
		joey run "${VM[@]}" --bundle "$B" "$CID"
		printf '%s\n' "$output" >>"$T/numbers"
	done
	[ "$(uname -m)" != x86_64 ] || [ "$(wc -l <"$T/numbers")" = 8 ]
	equals "$(sort "$T/numbers" | uniq -d)" ''
}

@test "[S17] a copy has its starter's processors and place in the order of those that memory is taken from" {
	have_zygote
	local q t
	cmd sleep 1000
	(
		echo 500 >/proc/$BASHPID/oom_score_adj && taskset -pc 1 $BASHPID >/dev/null || exit 1
		joey create "${VM[@]}" --bundle "$B" "$CID"
	)
	is_copy
	q=$(hypervisor_of "$CID")
	equals "$(cat "/proc/$q/oom_score_adj")" "$(cat "/proc/$(sandbox_pid)/oom_score_adj")"
	equals "$(cat "/proc/$q/oom_score_adj")" 500
	equals "$(awk '$1 == "Cpus_allowed_list:" {print $2}' "/proc/$q/task/"*/status | sort -u)" 1
}

@test "[S17] a copy is confined as others are: root, capabilities, namespaces, filter of system calls" {
	have_zygote
	up
	local q ns
	q=$(hypervisor_of "$CID")
	equals "$(timeout 10 "$HERE/../lib/ns-root.py" "$q")" 'proc share'
	# chown, dac_override, dac_read_search, fowner, fsetid, setfcap: those of the 9p server
	equals "$(awk '$1 == "CapEff:" || $1 == "CapPrm:" || $1 == "CapBnd:" {print $2}' "/proc/$q/status" | sort -u)" 000000008000001f
	equals "$(awk '$1 == "NoNewPrivs:" || $1 == "Seccomp:" {print $2}' "/proc/$q/status" | tr '\n' ' ')" '1 2 '
	for ns in mnt pid ipc uts net cgroup; do
		[ "$(readlink "/proc/$q/ns/$ns")" != "$(readlink "/proc/$ZYGOTE/ns/$ns")" ] || { echo "$ns"; return 1; }
		[ "$(readlink "/proc/$q/ns/$ns")" != "$(readlink "/proc/self/ns/$ns")" ] || { echo "$ns"; return 1; }
	done
	# no channel of the zygote, or of another copy, is among its descriptors
	joey create "${VM[@]}" --bundle "$B" "$CID-b" && another "$CID-b"
	local other
	other=$(hypervisor_of "$CID-b")
	sockets() { readlink "/proc/$1/fd/"* 2>/dev/null | grep -E 'socket|eventfd|tun' | sort -u; }
	[ "$(sockets "$q" | grep -c socket)" -ge 5 ]
	equals "$(comm -12 <(sockets "$q" | grep socket) <(sockets "$other" | grep socket))" ''
	equals "$(comm -12 <(sockets "$q" | grep socket) <(sockets "$ZYGOTE" | grep socket))" ''
	# nor can who holds it, the guest's first reader, talk to the zygote, or move processes into its cgroup
	! readlink "/proc/$(sandbox_pid)/fd/"* | grep -q joey-vm-
	equals "$(comm -12 <(sockets "$(sandbox_pid)" | grep socket) <(sockets "$KEEPER" | grep socket))" ''
}

@test "[S17] the zygote dies: its copies go on, others start without it; it stands still, or is removed" {
	have_zygote
	up
	is_copy
	kill -KILL "$ZYGOTE"
	until_true gone "$KEEPER"
	rt_ok exec "$CID" true
	rt_ok delete --force "$CID"
	# another one is made by who misses it
	up
	is_copy "$CID" false
	rt_ok delete --force "$CID"
	until_true is_there
	# one that does not answer
	ZYGOTE=$("$HERE/../lib/sandbox-info.py" "$(place)/sock" | jq .hypervisorPid)
	kill -STOP "$ZYGOTE"
	up
	is_copy "$CID" false
	until_true gone "$ZYGOTE"
	rt_ok delete --force "$CID"
	up
	rt_ok delete --force "$CID"
	until_true is_there
	ZYGOTE=$("$HERE/../lib/sandbox-info.py" "$(place)/sock" | jq .hypervisorPid)
	up
	is_copy
	# what was asked of it meanwhile nobody waits for
	equals "$(pgrep -P "$ZYGOTE" | wc -l)" 1
	# it was made at a nice value of others, its copies are not
	equals "$(ps -o ni= -p "$(hypervisor_of "$CID")" | tr -d ' ')" "$(ps -o ni= -p $$ | tr -d ' ')"
	rt_ok template remove "$KEY"
	until_true gone "$ZYGOTE"
	rt_ok exec "$CID" true
	rt_ok delete --force "$CID"
}

@test "[S17] many at once, and a kill -9 of what holds a copy" {
	have_zygote
	local i q jobs=()
	cmd true
	cfg 'del(.linux.cgroupsPath)'
	for i in 1 2 3 4 5 6; do
		"$RUNTIME" --root "$ROOT" "${CONF[@]}" run "${VM[@]}" --bundle "$B" "$CID-$i" </dev/null >"$T/out.$i" 2>&1 3>&- 4>&- &
		jobs+=($!)
	done
	for i in "${jobs[@]}"; do wait "$i" || { cat "$T"/out.*; false; }; done
	[ ! -d "$ROOT/@vm" ]
	up
	q=$(hypervisor_of "$CID")
	kill -KILL "$(sandbox_pid)"
	until_true gone "$q"
}

@test "[S17] a pod is a copy, and a machine of another size is none; fork = off: no copies, and none are made ready" {
	have_zygote
	cmd sleep 1000
	cfg '.annotations={"io.kubernetes.cri.sandbox-id":"pod-'"$CID"'","io.kubernetes.cri.container-type":"sandbox"}'
	joey create "${VM[@]}" --bundle "$B" "$CID"
	is_copy "pod-$CID"
	cfg '.annotations["io.kubernetes.cri.container-type"]="container"'
	joey create "${VM[@]}" --bundle "$B" "$CID-b" && another "$CID-b"
	equals "$(ls "$ROOT/@vm")" "pod-$CID"
	rt_ok delete --force "$CID-b"
	rt_ok delete --force "$CID"
	conf 'fork = off'
	cfg 'del(.annotations)'
	up
	is_copy "$CID" false
	rt_ok delete --force "$CID"
	rt_ok template remove "$KEY"
	build
	! is_there
}

@test "[S17] a network: the device of a copy is the one of its own network namespace, and works" {
	have_zygote
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
	is_copy
	start
	rt_ok exec --cap CAP_NET_RAW "$CID" busybox ping -c 1 -W 5 192.0.2.2
	rt_ok delete --force "$CID"
	until_true eval '! nsenter -t $here -n ip link show joey-tap >/dev/null 2>&1'
	kill $here $far
	# none: what a guest that makes its device work sends is lost, and nothing ends by it
	cfg '.linux.namespaces |= map(if .type == "network" then del(.path) else . end)'
	all_caps
	joey create "${VM[@]}" --bundle "$B" "$CID"
	is_copy
	start
	rt_ok exec "$CID" sh -c 'ip link set eth0 up; ip addr add 192.0.2.1/24 dev eth0; busybox ping -c 2 -W 1 192.0.2.2; true'
	rt_ok exec "$CID" true
}

@test "[S17] below a conmon, which waits for all that came from it, none is made" {
	cmd true
	conf 'fork = off'
	build
	conf 'fork = on'
	cp "$TOOLS/launch" "$T/conmon"
	timeout -k 5 100 "$T/conmon" -c -r -- "$RUNTIME" --root "$ROOT" "${CONF[@]}" run "${VM[@]}" --bundle "$B" "$CID" </dev/null >"$T/stdout" 2>&1 3>&- 4>&- ||
		{ cat "$T/stdout"; false; }
	! pgrep -x joey-maker
	! is_there
}
