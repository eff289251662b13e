# Sandboxed containers: limits of the machine's own cgroup on the host, as far as the host's cgroup2 has the controllers.
load helpers

setup() {
	sandbox_setup
}

machine_cgroup() { echo "$(cgroup2_mount)$(jq -r .cgroup "$ROOT/@vm/${1:-$CID}/sandbox.json")"; }
limits() { "$RUNTIME" --root "$ROOT" state "${1:-$CID}" 3>&- | jq -r .sandbox.limits; }

@test "[S23] without controllers the guest alone enforces limits, nothing is refused, and state says so" {
	for c in memory pids cpu; do ! have_controller $c || skip "this host has the controller $c"; done
	cfg '.linux.resources={memory:{limit:67108864},pids:{limit:20},cpu:{quota:20000,period:100000,shares:512}}'
	cmd sleep 1000
	rt_ok create "${VM[@]}" --bundle "$B" "$CID"
	start
	equals "$(limits)" guest
	[ -d "$(machine_cgroup)" ]
	rt_ok update --cpu-quota 30000 --pids-limit 30 "$CID"
	rt_ok exec "$CID" sh -c 'mount -t cgroup2 c /mnt 2>/dev/null; cat /sys/fs/cgroup/cpu.max /mnt/cpu.max 2>/dev/null; true'
}

@test "[S23] memory, processes and processor time of the machine are limited on the host; update changes both sides" {
	require_controller memory pids cpu
	local d
	cfg '.linux.resources={memory:{limit:67108864},cpu:{quota:20000,period:100000,shares:512}}'
	cmd sleep 1000
	rt_ok create "${VM[@]}" --bundle "$B" "$CID"
	start
	equals "$(limits)" guest,host
	d=$(machine_cgroup)
	[ "$(<"$d/memory.max")" -ge "$(($("$RUNTIME" --root "$ROOT" state "$CID" | jq .sandbox.memory) + (192 << 20)))" ]
	equals "$(<"$d/pids.max")" 194
	equals "$(<"$d/cpu.max")" '20000 100000'
	rt_ok update --cpu-quota 30000 "$CID"
	equals "$(<"$d/cpu.max")" '30000 100000'
}

@test "[S23] a pod's machine may use what its containers may together, or has no limit if one has none" {
	require_controller cpu
	local d pod=pod$CID
	another "b$CID" "c$CID"
	cfg '.annotations={"io.kubernetes.cri.container-type":"container","io.kubernetes.cri.sandbox-id":$p} | .process.args=["sleep","1000"]
		| .linux.resources={cpu:{quota:20000,period:100000}}' --arg p "$pod"
	rt_ok run -d "${VM[@]}" --bundle "$B" "$CID"
	d=$(machine_cgroup "$pod")
	cfg '.linux.cgroupsPath += "-b" | .linux.resources.cpu={quota:5000,period:10000}'
	rt_ok run -d "${VM[@]}" --bundle "$B" "b$CID"
	equals "$(<"$d/cpu.max")" '70000 100000'
	cfg '.linux.cgroupsPath += "-c" | del(.linux.resources)'
	rt_ok run -d "${VM[@]}" --bundle "$B" "c$CID"
	equals "$(<"$d/cpu.max")" 'max 100000'
	rt_ok delete --force "c$CID"
	equals "$(<"$d/cpu.max")" '70000 100000'
}
