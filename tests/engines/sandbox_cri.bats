#!/usr/bin/env bats
# Pods in virtual machines under containerd's CRI plugin, what is theirs alone (cri.bats runs with them as well): RUNTIME is
# joey-vm and NORMAL joey. See on-host.sh.

load cri.bash

boot_id() { exec_sync cat /proc/sys/kernel/random/boot_id | jq -r .stdout; }
guest() { exec_sync "$@" | jq -r .stdout; }
remove() {
	cri StopPodSandbox "{\"pod_sandbox_id\":\"$1\"}"
	cri RemovePodSandbox "{\"pod_sandbox_id\":\"$1\"}"
}

@test "cri, sandboxed: two containers of a pod are in one machine, which ends with the pod; a normal pod beside" {
	run_pod '{}' normal
	container n1 '["sleep", "1000"]'
	start
	[ "$(guest uname -r)" = "$(uname -r)" ]
	local normal=$POD first second
	UID_=${UID_}vm LOGS=${LOGS}vm
	run_pod
	sandboxes_are 1
	container c1 '["sh", "-c", "uname -r; sleep 1000"]'
	start
	not_the_hosts_kernel "$(guest uname -r)"
	first=$(boot_id)
	logged c1 "stdout F $(guest uname -r)"
	container c2 '["sleep", "1000"]'
	start
	second=$(boot_id)
	[ -n "$first" ] && [ "$first" = "$second" ]
	[ "$first" != "$(cat /proc/sys/kernel/random/boot_id)" ]
	sandboxes_are 1
	[ "$("$RUNTIME" --root /run/containerd/runc/k8s.io list -q | wc -l)" = 5 ]
	# Two of its containers go, the machine stays for the pod.
	stop 0
	cri RemoveContainer "{\"container_id\":\"$ID\"}"
	sandboxes_are 1
	remove "$POD"
	until_ok sandboxes_are 0
	POD=$normal
}

@test "cri, sandboxed: the pod's network and host name, for all of its containers" {
	run_pod '{"hostname": "podhost"}'
	container c1 '["sh", "-c", "echo served | nc -l -p 7000; sleep 1000"]'
	start
	[ "$(guest hostname)" = podhost ]
	[[ $(guest ip addr) == *10.9.0.2* ]]
	container c2 '["sleep", "1000"]'
	start
	[ "$(guest hostname)" = podhost ]
	[ "$(guest sh -c 'nc 127.0.0.1 7000 </dev/null')" = served ]
	# The host and the guest reach each other by the pod's address.
	run exec_sync ping -c 1 -W 5 10.9.0.1
	is 0 "1 packets received"
	run /bin/busybox ping -c 1 -W 5 10.9.0.2
	is 0 "1 packets received"
}

@test "cri, sandboxed: a volume is shared by the pod's containers" {
	mkdir -m 755 "$BATS_TEST_TMPDIR/v"
	local mount='{"mounts": [{"container_path": "/v", "host_path": "'"$BATS_TEST_TMPDIR"'/v"}]}'
	run_pod
	container c1 '["sh", "-c", "echo from one >/v/file; sleep 1000"]' "$mount"
	start
	container c2 '["sleep", "1000"]' "$mount"
	start
	until_ok test -s "$BATS_TEST_TMPDIR/v/file"
	[ "$(guest cat /v/file)" = "from one" ]
}

@test "cri, sandboxed: limits are those of the guest's cgroup, and their update" {
	run_pod
	container c1 '["sleep", "1000"]' '{"linux": {"resources": {"memory_limit_in_bytes": 67108864, "cpu_period": 100000, "cpu_quota": 50000}}}'
	start
	[ "$(guest sh -c 'cd /sys/fs/cgroup && cat memory.max cpu.max')" = "67108864
50000 100000" ]
	cri UpdateContainerResources "{\"container_id\":\"$ID\",\"linux\":{\"memory_limit_in_bytes\":134217728,\"cpu_period\":100000,\"cpu_quota\":20000}}"
	[ "$(guest sh -c 'cd /sys/fs/cgroup && cat memory.max cpu.max')" = "134217728
20000 100000" ]
}

@test "cri, sandboxed: containerd is restarted while a pod runs" {
	run_pod
	container c1 '["sh", "-c", "trap \"exit 3\" TERM; while :; do sleep 0.1; done"]'
	start
	local pid
	pid=$(task_pid)
	stop_containerd
	kill -0 "$pid"
	start_containerd
	state_is 1
	run exec_sync echo again
	is 0 again
	stop 10
	[ "$(status_of exit_code)" = 3 ]
}

@test "cri, sandboxed: kill -9 of the hypervisor ends the pod's containers" {
	run_pod
	container c1 '["sleep", "1000"]'
	start
	kill -9 "$(pgrep -x qemu)"
	until_ok state_is 2
	remove "$POD"
	POD=''
	until_ok sandboxes_are 0
	run "$RUNTIME" --root /run/containerd/runc/k8s.io list
	[ "$(wc -l <<<"$output")" = 1 ] || { echo "$output"; return 1; }
}
