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

# further N [M]: further devices eth1 (ethM) to ethN.
further() {
	local i
	for ((i = ${2:-1}; i <= $1; i++)); do
		nsenter -t "$here" -n ip link add "eth$i" mtu $((1400 + i)) type veth peer name "eth$i" netns "$far"
		nsenter -t "$here" -n sh -c "ip addr add 10.9.$i.1/24 dev eth$i && ip link set eth$i up"
		nsenter -t "$far" -n sh -c "ip addr add 10.9.$i.2/24 dev eth$i && ip link set eth$i up"
	done
}
pinged() { nsenter -t "$far" -n /bin/busybox ping -c 1 -W "${2:-5}" "$1" >/dev/null; }
all_pinged() { local ip; for ip; do pinged "$ip" || { echo "no answer from $ip"; return 1; }; done; }
# From here on the far end tells who connects to its port 7001 by which address (as the kernel writes it).
tell_who() {
	cat >"$T/who" <<-'SH'
		#!/bin/sh
		s=$(readlink /proc/$$/fd/0) && s=${s#socket:[}
		awk -v i="${s%]}" '$10 == i { sub(/:.*/, "", $3); print substr($3, length($3) - 7) }' /proc/$$/net/tcp*
	SH
	chmod 755 "$T/who"
	nsenter -t "$far" -n sh -c 'ip link set lo up && ip addr add 172.31.0.1/32 dev lo'
	background nsenter -t "$far" -n /bin/busybox nc -ll -p 7001 -e "$T/who"
}
devices_are() { rt_ok exec "${2:-$CID}" ls /sys/class/net && equals "$(paste -sd' ' <<<"$output")" "$1"; }

@test "[S20] two devices whose names are exchanged, for a pod: MTU, routes by metric, both ways by each; then they are the host's again" {
	local pod=pod$CID
	another "b$CID"
	further 1
	tell_who
	nsenter -t "$here" -n sh -ec 'ip link set eth0 down; ip link set eth1 down; ip link set eth0 name x; ip link set eth1 name eth0
		ip link set x name eth1; ip link set eth0 up; ip link set eth1 up
		ip route add default via 192.0.2.2 metric 200; ip route add default via 10.9.1.2 metric 100 src 10.9.1.1'
	cmd busybox nc -ll -p 7000 -e cat
	cfg '.annotations={"io.kubernetes.cri.container-type":"sandbox","io.kubernetes.cri.sandbox-id":$pod}' --arg pod "$pod"
	vm_create
	start
	rt_ok exec "$CID" sh -c 'ip addr show eth0; ip addr show eth1; ip route; ls /sys/class/net | tr "\n" " "'
	output=$(tr -s ' ' <<<"$output")
	has_match 'eth0: .* mtu 1401 '
	has_match 'eth1: .* mtu 1400 '
	has_text 'inet 192.0.2.1/24 scope global eth1'
	has_text $'default via 10.9.1.2 dev eth0 src 10.9.1.1 metric 100 \ndefault via 192.0.2.2 dev eth1 metric 200 \n'
	has_line 'eth0 eth1 lo '
	rt_ok exec "$CID" sh -c 'for ip in 192.0.2.2 10.9.1.2 172.31.0.1; do busybox nc -w 5 $ip 7001 </dev/null; done'
	equals "$output" $'010200C0\n0101090A\n0101090A'
	equals "$(echo one | nsenter -t "$far" -n /bin/busybox nc -w 5 192.0.2.1 7000)" one
	equals "$(echo two | nsenter -t "$far" -n /bin/busybox nc -w 5 10.9.1.1 7000)" two
	cfg '.annotations["io.kubernetes.cri.container-type"]="container" | .linux.cgroupsPath=$cg' --arg cg "$CG-b"
	cmd sleep 1000
	vm_create "b$CID"
	start "b$CID"
	devices_are 'eth0 eth1 lo' "b$CID"
	rt_ok delete --force "$CID"
	all_pinged 192.0.2.1 10.9.1.1
	rt_ok delete --force "b$CID"
	until_true eval '! has_tap "$here"'
	all_pinged 192.0.2.1 10.9.1.1
}

@test "[S20] four devices; the hypervisor is killed, and they are the host's again; five are refused in words" {
	further 3
	cmd sleep 1000
	rt_ok run -d "${VM[@]}" --bundle "$B" "$CID"
	devices_are 'eth0 eth1 eth2 eth3 lo'
	all_pinged 192.0.2.1 10.9.1.1 10.9.2.1 10.9.3.1
	kill -KILL "$(hypervisor_of "$CID")"
	wait_status stopped
	pinged 10.9.2.1 1 && { echo 'the device of a machine that is gone answers'; return 1; }
	rt_ok delete --force "$CID"
	all_pinged 192.0.2.1 10.9.1.1 10.9.2.1 10.9.3.1
	further 4 4
	rt_fail 'the network namespace has 5 devices that are up (eth0, eth1, eth2, eth3, ...): a sandbox takes 4 at most' \
		create "${VM[@]}" --bundle "$B" "$CID"
	! has_tap "$here"
}

@test "[S20] what hooks set up: one device, or as many as joey.conf says" {
	cat >"$T/hook" <<-SH
		#!/bin/sh
		pid=\$(jq .pid) && for i in 5 6; do
			nsenter -t "\$pid" -n ip link add "net\$i" type veth peer name "net\$i" netns $far &&
			nsenter -t "\$pid" -n sh -c "ip addr add 10.9.\$i.1/24 dev net\$i && ip link set net\$i up" &&
			nsenter -t $far -n sh -c "ip addr add 10.9.\$i.2/24 dev net\$i && ip link set net\$i up" || exit 1
		done
	SH
	chmod 755 "$T/hook"
	cmd sleep 1000
	cfg 'del(.linux.namespaces[] | select(.type == "network").path) | .hooks.createRuntime=[{path:$p}]' --arg p "$T/hook"
	rt_fail '2 devices that are up (net5, net6), and the sandbox was started with 1, when nobody knew how many there would be: joey.conf(5), network_devices = 4' \
		create "${VM[@]}" --bundle "$B" "$CID"
	printf '[sandbox]\nprofile = four\n[profile four]\nnetwork_devices = 4\n' >"$T/joey.conf"
	chmod 644 "$T/joey.conf"
	until_true eval '! nsenter -t "$far" -n ip link show net6 >/dev/null 2>&1'
	rt_ok --config "$T/joey.conf" run -d "${VM[@]}" --bundle "$B" "$CID"
	devices_are 'lo net5 net6'
	all_pinged 10.9.5.1 10.9.6.1
}

@test "[S17] a copy with several devices: all its taps are its own" {
	[ -e "$(dirname "$(realpath "$RUNTIME")")/guest/zygote.so" ] || skip 'no zygote for this machine'
	local key
	further 2
	printf '[sandbox]\nprofile = four\n[profile four]\nnetwork_devices = 4\n' >"$T/joey.conf"
	chmod 644 "$T/joey.conf"
	rt_ok --config "$T/joey.conf" template build
	key=$output
	cmd sleep 1000
	rt_ok run -d "${VM[@]}" --bundle "$B" "$CID"
	equals "$("$HERE/../lib/sandbox-info.py" "$ROOT/@vm/$CID/sock" | jq .copied)" true
	devices_are 'eth0 eth1 eth2 lo'
	all_pinged 192.0.2.1 10.9.1.1 10.9.2.1
	rt_ok delete --force "$CID"
	rt_ok template remove "$key"
}
