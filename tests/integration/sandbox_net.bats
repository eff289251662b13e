# Sandboxed containers: the network namespace of the host that they have, alone or as a pod.
load helpers

setup() {
	sandbox_setup
	# $here is the namespace that an engine would have made, $far the other end of its device.
	hold_netns && here=$held
	hold_netns && far=$held
	nsenter -t "$here" -n ip link add eth0 mtu 1400 type veth peer name eth0 netns "$far" 2>/dev/null || skip 'no veth in this kernel'
	nsenter -t "$here" -n sh -c 'ip link set lo up; ip link set eth0 address 02:00:00:00:00:07 && ip addr add 192.0.2.1/24 dev eth0 &&
		ip link set eth0 up && ip route add default via 192.0.2.2'
	nsenter -t "$far" -n sh -c 'ip addr add 192.0.2.2/24 dev eth0 && ip link set eth0 up'
	cfg '(.linux.namespaces[] | select(.type == "network")).path = $p' --arg p "/proc/$here/ns/net"
}

hold_netns() {
	unshare -n sleep 1000 </dev/null >/dev/null 2>&1 3>&- 4>&- &
	held=$!
	BG+=("$held")
	until_true eval '[ "$(readlink /proc/$held/ns/net)" != "$(readlink /proc/self/ns/net)" ]'
}

vm_create() { rt_ok create "${VM[@]}" --bundle "$B" "${1:-$CID}"; }
has_tap() { nsenter -t "$1" -n ip link show joey-tap >/dev/null 2>&1; }

@test "[S20] the namespace's device, address, MTU, MAC and route are the guest's, and both ends hear each other" {
	cmd sleep 1000
	rt_ok run -d "${VM[@]}" --bundle "$B" "$CID"
	rt_ok exec "$CID" sh -c 'ip addr show eth0; ip route'
	has_text 192.0.2.1/24
	has_text 'mtu 1400'
	has_text 02:00:00:00:00:07
	has_text 'default via 192.0.2.2'
	nsenter -t "$far" -n ping -c 1 -W 5 192.0.2.1 >/dev/null || nsenter -t "$far" -n /bin/busybox ping -c 1 -W 5 192.0.2.1
	equals "$(readlink "/proc/$(pid_of)/ns/net")" "$(readlink "/proc/$here/ns/net")"
	rt_ok delete --force "$CID"
	until_true eval '! has_tap "$here"'
}

@test "[S20] nothing is done to a network before the proxy has it, however slow it is" {
	local tree
	tree=$(cgroup2_mount)/above$CID
	cmd sleep 1000
	cfg '.linux.cgroupsPath=$p' --arg p "/above$CID/$CID"
	mkdir "$tree"
	echo 1 >"$tree/cgroup.freeze" # which the proxy is born in
	"$RUNTIME" --root "$ROOT" create "${VM[@]}" --bundle "$B" "$CID" </dev/null >"$T/stdout" 2>"$T/stderr" 3>&- 4>&- &
	local joey=$!
	until_true grep -q . "$tree/$CID/cgroup.procs"
	sleep 0.5
	[ -z "$(ip link show joey-tap 2>/dev/null)" ]
	echo 0 >"$tree/cgroup.freeze"
	wait "$joey" || { cat "$T/stderr"; return 1; }
	has_tap "$here"
	start
	rt_ok exec "$CID" ip addr show eth0
	has_text 192.0.2.1/24
	rt_ok delete --force "$CID"
	rmdir "$tree"
}

@test "[S20] containers of a pod have its network and host name, and join a namespace of it without one of their own" {
	another "b$CID"
	local pod=pod$CID
	cmd sleep 1000
	cfg '.hostname="podhost" | .annotations={"io.kubernetes.cri.container-type":"sandbox","io.kubernetes.cri.sandbox-id":$pod}' --arg pod "$pod"
	vm_create
	start
	cfg 'del(.hostname) | .annotations["io.kubernetes.cri.container-type"]="container" | .linux.cgroupsPath=$cg
		| (.linux.namespaces[] | select(.type == "uts")).path=$uts' --arg cg "$CG-b" --arg uts "/proc/$(pid_of)/ns/uts"
	vm_create "b$CID"
	start "b$CID"
	rt_ok exec "b$CID" hostname
	equals "$output" podhost
	rt_ok exec "b$CID" ip addr show eth0
	has_text 192.0.2.1/24
	equals "$(ls "$ROOT/@vm")" "$pod"
	rt_ok delete --force "b$CID"
	has_tap "$here"
	rt_ok exec "$CID" hostname
	equals "$output" podhost
}

@test "[S20] a second machine in one network namespace is refused in words" {
	another "b$CID"
	cmd sleep 1000
	vm_create
	sed -i "s|\"cgroupsPath\":\"[^\"]*\"|\"cgroupsPath\":\"$CG-b\"|" "$B/config.json"
	rt_fail "another sandbox has the container's network namespace" create "${VM[@]}" --bundle "$B" "b$CID"
	start
	rt_ok exec "$CID" ip addr show eth0
	has_text 192.0.2.1/24
}
