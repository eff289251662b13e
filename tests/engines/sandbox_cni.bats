#!/usr/bin/env bats
# Pods in virtual machines in the network of Debian's CNI plugins (bridge, host-local, portmap), under containerd: RUNTIME is joey-vm
# and NORMAL joey. See on-host.sh.

load cri.bash

PLUGINS=/usr/lib/cni
SERVE='while :; do echo from $(hostname) | nc -l -p 7000; done'

cni_network() {
	mkdir -p /run/cni/bin
	[ ! -x "$PLUGINS/bridge" ] || ln -s "$PLUGINS"/* /run/cni/bin/
	jq -n '{cniVersion: "1.0.0", name: "pods", plugins: [
		{type: "bridge", bridge: "cni0", isGateway: true, ipMasq: true, hairpinMode: true, ipam: {type: "host-local",
			ranges: [[{subnet: "10.77.0.0/24"}], [{subnet: "fd77::/64"}]], routes: [{dst: "0.0.0.0/0"}, {dst: "::/0"}]}},
		{type: "portmap", capabilities: {portMappings: true}, snat: true}]}' >/run/cni/net.d/10-pods.conflist
}

guest() { exec_sync "$@" | jq -r .stdout; }
boot_id() { guest cat /proc/sys/kernel/random/boot_id; }
addresses() { cri PodSandboxStatus "{\"pod_sandbox_id\":\"$1\"}" | jq -r '.status.network | .ip, (.additional_ips // [])[].ip'; }
# reads TEXT ADDRESS PORT: who serves there says so, to a client in our network namespace.
reads() { [ "$(timeout 5 /bin/busybox nc "$2" "$3" </dev/null)" = "$1" ]; }
remove() {
	cri StopPodSandbox "{\"pod_sandbox_id\":\"$1\"}"
	cri RemovePodSandbox "{\"pod_sandbox_id\":\"$1\"}"
}

@test "cni, sandboxed: a pod has the bridge's addresses, for both of its containers, and pods of both kinds reach each other" {
	[ -x "$PLUGINS/bridge" ] || skip 'no CNI plugins (containernetworking-plugins)'
	local first second v4 v6 id
	run_pod '{"hostname": "one", "port_mappings": [{"container_port": 7000, "host_port": 7007}]}'
	first=$POD
	{ read -r v4 && read -r v6; } < <(addresses "$POD")
	[[ $v4 == 10.77.0.* ]] && [[ $v6 == fd77::* ]]
	container c1 "$(jq -cn --arg s "$SERVE" '["sh", "-c", $s]')"
	start
	id=$(boot_id)
	[[ $(guest ip addr show eth0) == *"inet $v4/24"*"inet6 $v6/64"* ]]
	container c2 '["sleep", "1000"]'
	start
	sandboxes_are 1
	[ "$(boot_id)" = "$id" ]
	[ "$(guest ip addr show eth0 | sed -n 's/ *inet6\? \([^ ]*\).*/\1/p' | head -n 2 | paste -sd' ')" = "$v4/24 $v6/64" ]
	[ "$(guest sh -c 'until nc 127.0.0.1 7000 </dev/null; do sleep 0.1; done')" = "from one" ]
	# The bridge, by both protocols and both ways; the pod's port is one of the host's.
	run exec_sync ping -c 1 -W 5 10.77.0.1
	is 0 "1 packets received"
	run exec_sync ping -6 -c 1 -W 5 fd77::1
	is 0 "1 packets received"
	until_ok reads "from one" "$v4" 7000
	until_ok reads "from one" 10.77.0.1 7007
	run /bin/busybox ping -6 -c 1 -W 5 "$v6"
	is 0 "1 packets received"

	UID_=${UID_}two LOGS=${LOGS}two
	run_pod
	second=$POD
	container c3 '["sleep", "1000"]'
	start
	sandboxes_are 2
	[ "$(boot_id)" != "$id" ]
	[ "$(guest sh -c "until nc $v4 7000 </dev/null; do sleep 0.1; done")" = "from one" ]
	[ "$(guest sh -c "until nc 10.77.0.1 7007 </dev/null; do sleep 0.1; done")" = "from one" ]

	UID_=${UID_}n LOGS=${LOGS}n
	run_pod '{}' normal
	container c4 '["sleep", "1000"]'
	start
	[ "$(guest sh -c "until nc $v4 7000 </dev/null; do sleep 0.1; done")" = "from one" ]
	remove "$second"
	remove "$first"
}

@test "cni, sandboxed: addresses and devices are given back" {
	[ -x "$PLUGINS/bridge" ] || skip 'no CNI plugins (containernetworking-plugins)'
	until_ok sandboxes_are 0
	[ -z "$(find /var/lib/cni/networks/pods -name '10.77.*' -o -name 'fd77*')" ]
	[ -z "$(ip -o link show type veth)" ]
	[ -z "$(ip netns list)" ]
	! iptables -t nat -S | grep 7007
}
