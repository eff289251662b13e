#!/usr/bin/env bats
# containerd's CRI plugin, as a kubelet drives it: pods with a pause container, by cri.py. RUNTIME=/path, see engine.bash.
# CGROUPS=cgroupfs|systemd. Pods are on the host's network, or (POD_NET=0, or where a test is about it) on that of a CNI plugin
# made here.

load cri.bash

@test "cri: version, and what the runtime's features say" {
	run cri Version
	is 0 containerd
	run cri Status
	is 0 '"type": "RuntimeReady", "status": true'
}

@test "cri: a pod comes and goes, its pause container by the runtime under test" {
	run_pod
	[ "$(cri PodSandboxStatus "{\"pod_sandbox_id\":\"$POD\"}" | jq .status.state)" = 0 ]
	"$RUNTIME" --root /run/containerd/runc/k8s.io list -q | grep -qx "$POD"
	cri StopPodSandbox "{\"pod_sandbox_id\":\"$POD\"}"
	[ "$(cri PodSandboxStatus "{\"pod_sandbox_id\":\"$POD\"}" | jq .status.state)" = 1 ]
	cri RemovePodSandbox "{\"pod_sandbox_id\":\"$POD\"}"
	POD=''
	[ -z "$("$RUNTIME" --root /run/containerd/runc/k8s.io list -q)" ]
}

@test "cri: create, start, run to the end, log and exit code" {
	run_pod
	container c1 '["sh", "-c", "echo out; echo err >&2; exit 7"]'
	state_is 0
	start
	until_ok state_is 2
	[ "$(status_of exit_code)" = 7 ]
	logged c1 'stdout F out' 'stderr F err'
	cri RemoveContainer "{\"container_id\":\"$ID\"}"
}

@test "cri: stop by TERM, then by KILL" {
	run_pod
	container polite '["sh", "-c", "trap \"exit 3\" TERM; while :; do sleep 0.1; done"]'
	start
	sleep 1
	stop 10
	[ "$(status_of exit_code)" = 3 ]
	container stubborn '["sh", "-c", "trap \"\" TERM; while :; do sleep 0.1; done"]'
	start
	sleep 1
	stop 1
	[ "$(status_of exit_code)" = 137 ]
}

@test "cri: a command that does not exist is named" {
	run_pod
	container c1 '["/no/such/command"]'
	run start
	[ "$status" -ne 0 ]
	[[ $output == *"/no/such/command"*"no such file or directory"* ]]
	container c2 '["nosuchcommand"]'
	run start
	[[ $output == *nosuchcommand*"executable file not found in \$PATH"* ]]
}

@test "cri: exec, synchronously" {
	needs exec
	run_pod
	container c1 '["sleep", "1000"]'
	start
	run exec_sync sh -c 'echo inside; echo aside >&2; exit 4'
	is 0
	[ "$(jq -c . <<<"$output")" = '{"stdout":"inside\n","stderr":"aside\n","exit_code":4}' ]
	run exec_sync nosuchcommand
	[ "$status" -ne 0 ]
	[[ $output == *"executable file not found in \$PATH"* ]]
}

@test "cri: a synchronous exec that takes too long is ended" {
	needs exec
	run_pod
	container c1 '["sleep", "1000"]'
	start
	run cri ExecSync "{\"container_id\":\"$ID\",\"cmd\":[\"sleep\",\"50\"],\"timeout\":2}"
	[ "$status" -ne 0 ]
	[[ $output == *DEADLINE* || $output == *imeout* || $output == *"timed out"* ]]
	until_ok eval '! pgrep -f "sleep 50"'
}

@test "cri: streaming exec, with and without a terminal" {
	needs exec
	run_pod
	container c1 '["sleep", "1000"]'
	start
	run lim "$CRI" stream "$(url Exec "{\"container_id\":\"$ID\",\"cmd\":[\"sh\",\"-c\",\"head -n 1; exit 5\"],\"stdin\":true,\"stdout\":true,\"stderr\":true}")" 'typed\n'
	is 5 typed
	run lim "$CRI" stream-tty "$(url Exec "{\"container_id\":\"$ID\",\"cmd\":[\"sh\",\"-c\",\"sleep 1; stty size; tty; exit 6\"],\"tty\":true,\"stdin\":true,\"stdout\":true}")" 33x101
	is 6 "33 101"
	is 6 /dev/pts/
}

@test "cri: attach to a container with a terminal" {
	run_pod
	container c1 '["sh"]' '{"tty": true, "stdin": true}'
	start
	run lim "$CRI" stream-tty "$(url Attach "{\"container_id\":\"$ID\",\"tty\":true,\"stdin\":true,\"stdout\":true}")" 30x90 'echo $((6*7)); sleep 1; stty size; exit 9\n'
	[[ $output == *42* ]]
	[[ $output == *"30 90"* ]]
	until_ok state_is 2
	[ "$(status_of exit_code)" = 9 ]
}

@test "cri: attach to a container without a terminal" {
	run_pod
	container c1 '["sh", "-c", "read -r word; echo got $word; echo aside >&2; sleep 1; exit 2"]' '{"stdin": true, "stdin_once": true}'
	start
	run lim "$CRI" stream "$(url Attach "{\"container_id\":\"$ID\",\"stdin\":true,\"stdout\":true,\"stderr\":true}")" 'this\n'
	[[ $output == *"got this"* ]]
	[[ $output == *aside* ]]
	until_ok state_is 2
	[ "$(status_of exit_code)" = 2 ]
	logged c1 'stdout F got this' 'stderr F aside'
}

@test "cri: statistics" {
	run_pod
	container c1 '["sh", "-c", "while :; do :; done"]'
	start
	sleep 1
	run cri ContainerStats "{\"container_id\":\"$ID\"}"
	is 0
	[ "$(jq .stats.cpu.usage_core_nano_seconds.value <<<"$output")" -gt 1000000 ]
	[ "$(jq .stats.memory.usage_bytes.value <<<"$output")" -gt 10000 ]
}

@test "cri: limits, and their update" {
	needs update
	run_pod
	container c1 '["sleep", "1000"]' '{"linux": {"resources": {"memory_limit_in_bytes": 67108864, "cpu_period": 100000, "cpu_quota": 50000,
		"cpu_shares": 512, "oom_score_adj": 500}}}'
	start
	local pid
	pid=$(task_pid)
	[[ $(cat "/proc/$pid/cgroup") == *kubepods*"$UID_"* ]]
	[ "$(cgroup_file "$pid" memory.max)" = 67108864 ]
	[ "$(cgroup_file "$pid" cpu.max)" = "50000 100000" ]
	[ "$(cat "/proc/$pid/oom_score_adj")" = 500 ]
	cri UpdateContainerResources "{\"container_id\":\"$ID\",\"linux\":{\"memory_limit_in_bytes\":134217728,\"cpu_period\":100000,\"cpu_quota\":20000}}"
	[ "$(cgroup_file "$pid" memory.max)" = 134217728 ]
	[ "$(cgroup_file "$pid" cpu.max)" = "20000 100000" ]
	[ "${CGROUPS:-}" = systemd ] || return 0
	# systemd has been told, and so writes the same again.
	[ "$(systemctl show -p MemoryMax --value "cri-containerd-$ID.scope")" = 134217728 ]
	systemctl daemon-reload
	[ "$(cgroup_file "$pid" memory.max)" = 134217728 ]
	[ "$(cgroup_file "$pid" cpu.max)" = "20000 100000" ]
}

@test "cri: a limit that the kernel refuses is an error, and the others stay" {
	needs update
	run_pod
	container c1 '["sleep", "1000"]' '{"linux": {"resources": {"memory_limit_in_bytes": 67108864}}}'
	start
	run cri UpdateContainerResources "{\"container_id\":\"$ID\",\"linux\":{\"memory_limit_in_bytes\":134217728,\"cpuset_cpus\":\"4000\"}}"
	[ "$status" -ne 0 ]
	[ "$(cgroup_file "$(task_pid)" memory.max)" = 67108864 ]
}

# As $OVER_LIMIT in engine.bash says.
@test "cri: a container over its memory limit is called OOMKilled" {
	run_pod
	container c1 "$(jq -n --arg script "$OVER_LIMIT" '["sh", "-c", $script]')" \
		'{"linux": {"resources": {"memory_limit_in_bytes": 16777216}}}'
	start
	until_ok state_is 2
	[ "$(status_of exit_code)" = 137 ]
	[ "$(status_of reason)" = OOMKilled ]
}

@test "cri: the pod's network, hostname and shared namespaces" {
	NET=0
	run_pod '{"hostname": "podhost"}'
	container c1 '["sleep", "1000"]'
	start
	run exec_sync sh -c 'hostname; ip addr'
	is 0 podhost
	is 0 10.9.0.2
	local first
	first=$(task_pid)
	container c2 '["sleep", "1000"]' '{"linux": {"security_context": {"namespace_options": {"pid": 3, "target_id": "'"$ID"'"}}}}'
	start
	[ "$(readlink "/proc/$(task_pid)/ns/net")" = "$(readlink "/proc/$first/ns/net")" ]
	[ "$(readlink "/proc/$(task_pid)/ns/ipc")" = "$(readlink "/proc/$first/ns/ipc")" ]
	[ "$(readlink "/proc/$(task_pid)/ns/pid")" = "$(readlink "/proc/$first/ns/pid")" ]
}

@test "cri: one pid namespace for the pod" {
	run_pod '{"linux": {"security_context": {"namespace_options": {"pid": 0}}}}'
	container c1 '["sleep", "1000"]' '{"linux": {"security_context": {"namespace_options": {"pid": 0}}}}'
	start
	run exec_sync ps
	is 0 "sleep 1000000"
	stop 0
	state_is 2
}

@test "cri: user, groups, environment, directory, read-only root, mounts" {
	mkdir -p "$BATS_TEST_TMPDIR/v" && echo kept >"$BATS_TEST_TMPDIR/v/file"
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/v"
	run_pod
	container c1 '["sh", "-c", "id -u; id -G; echo $A; pwd; cat /v/file; touch /v/x; touch /new"]' '{"envs": [{"key": "A", "value": "b"}],
		"working_dir": "/tmp", "mounts": [{"container_path": "/v", "host_path": "'"$BATS_TEST_TMPDIR"'/v", "readonly": true}],
		"linux": {"security_context": {"run_as_user": {"value": 1000}, "run_as_group": {"value": 1001}, "supplemental_groups": [2000],
		"readonly_rootfs": true}}}'
	start
	until_ok state_is 2
	logged c1 'stdout F kept' 'touch: /v/x: Read-only file system' 'touch: /new: Read-only file system'
	[ "$(sed -n 's/.* stdout F //p' "$LOGS/c1.log" | tr '\n' ' ')" = '1000 1001 2000 b /tmp kept ' ]
}

@test "cri: capabilities, no_new_privs, seccomp, privileged" {
	run_pod
	container c1 '["grep", "-E", "^(CapEff|NoNewPrivs|Seccomp):", "/proc/self/status"]' '{"linux": {"security_context": {"no_new_privs": true,
		"seccomp": {"profile_type": 0}, "capabilities": {"drop_capabilities": ["ALL"], "add_capabilities": ["NET_ADMIN"]}}}}'
	start
	until_ok state_is 2
	logged c1 $'CapEff:\t0000000000001000' $'NoNewPrivs:\t1' $'Seccomp:\t2'
	cri StopPodSandbox "{\"pod_sandbox_id\":\"$POD\"}"
	cri RemovePodSandbox "{\"pod_sandbox_id\":\"$POD\"}"
	UID_=${UID_}p LOGS=${LOGS}p
	run_pod '{"linux": {"security_context": {"privileged": true}}}'
	container p1 '["sh", "-c", "mount -t tmpfs none /tmp && echo mounted"]' '{"linux": {"security_context": {"privileged": true}}}'
	start
	until_ok state_is 2
	logged p1 mounted
}

@test "cri: a pod in a user namespace" {
	NET=0
	local users='"userns_options": {"mode": 0, "uids": [{"host_id": 300000, "container_id": 0, "length": 65536}],
		"gids": [{"host_id": 300000, "container_id": 0, "length": 65536}]}'
	run_pod "{\"linux\": {\"security_context\": {\"namespace_options\": {$users}}}}"
	container c1 '["sh", "-c", "id -u; cat /proc/self/uid_map"]' "{\"linux\": {\"security_context\": {\"namespace_options\": {$users}}}}"
	start
	until_ok state_is 2
	logged c1 300000
}

@test "cri: containerd is restarted while containers run" {
	needs exec
	run_pod
	container c1 '["sh", "-c", "trap \"exit 3\" TERM; while :; do sleep 0.1; done"]'
	start
	local pid
	pid=$(task_pid)
	stop_containerd
	kill -0 "$pid"
	start_containerd
	state_is 1
	[ "$(task_pid)" = "$pid" ]
	run exec_sync echo again
	is 0 again
	cri UpdateContainerResources "{\"container_id\":\"$ID\",\"linux\":{\"memory_limit_in_bytes\":134217728}}"
	[ "$(cgroup_file "$pid" memory.max)" = 134217728 ]
	stop 10
	[ "$(status_of exit_code)" = 3 ]
}

@test "cri: a container that ends while containerd is away" {
	run_pod
	container c1 '["sh", "-c", "sleep 2; exit 6"]'
	start
	stop_containerd
	sleep 3
	start_containerd
	until_ok state_is 2 # containerd 1.7 does not ask the shim for the code, whatever the runtime
	cri RemoveContainer "{\"container_id\":\"$ID\"}"
}

@test "cri: six containers in one pod, started together" {
	run_pod
	local i ids=()
	for i in 1 2 3 4 5 6; do
		container "many$i" '["sh", "-c", "sleep 1; exit '$i'"]'
		ids+=("$ID")
	done
	for ID in "${ids[@]}"; do start "$ID" & done
	wait
	i=0
	for ID in "${ids[@]}"; do
		until_ok state_is 2
		i=$((i + 1))
		[ "$(status_of exit_code)" = "$i" ]
	done
}

@test "cri: nothing is left" {
	[ -z "$(ls /run/containerd/runc/k8s.io 2>/dev/null)" ]
	! grep -q 'k8s.io.*/rootfs' /proc/self/mountinfo
	[ -z "$(ctr -n k8s.io task ls -q)" ]
	[ -z "$(find /sys/fs/cgroup/kubepods* -mindepth 2 -maxdepth 2 -type d 2>/dev/null)" ]
}
