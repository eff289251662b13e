# Namespaces, ids, hostname (checklist 3.3, 6).
load helpers

ns_of() { readlink "/proc/$1/ns/$2"; }

@test "[6.1] new namespaces: each differs from the host's" {
	cfg '.linux.namespaces += [{"type":"time"}]'
	cmd sleep 100
	create
	local p n
	p=$(pid_of)
	for n in pid net ipc uts mnt cgroup time; do
		[ "$(ns_of "$p" $n)" != "$(ns_of self $n)" ] || { echo "$n is shared"; return 1; }
	done
	equals "$(ns_of "$p" user)" "$(ns_of self user)"
}

@test "[6.2] an entry that is absent inherits the caller's namespace" {
	cfg '.linux.namespaces=[{"type":"mount"}] | del(.hostname) | .mounts |= map(select(.destination != "/sys" and .destination != "/dev/mqueue"))'
	cmd sleep 100
	create
	local p n
	p=$(pid_of)
	for n in pid net ipc uts cgroup user; do equals "$(ns_of "$p" $n)" "$(ns_of self $n)"; done
}

@test "[6.1] duplicates and unknown types" {
	cfg '.linux.namespaces += [{"type":"ipc"}]'
	create_fails 'ipc'
	cfg '.linux.namespaces |= map(select(.type != "ipc")) + [{"type":"frob"}]'
	create_fails 'frob'
}

@test "[6.2] namespaces joined by path" {
	another "$CID-b"
	cmd sleep 100
	rt_ok run -d --bundle "$B" "$CID"
	local p q n
	p=$(pid_of)
	cfg '.linux.namespaces=[["network","net"],["ipc","ipc"],["uts","uts"],["pid","pid"],["cgroup","cgroup"]] | .linux.namespaces |= .' 2>/dev/null || true
	cfg '.linux.namespaces=[{"type":"mount"},{"type":"network","path":("/proc/"+$p+"/ns/net")},{"type":"ipc","path":("/proc/"+$p+"/ns/ipc")},
		{"type":"uts","path":("/proc/"+$p+"/ns/uts")},{"type":"pid","path":("/proc/"+$p+"/ns/pid")}] | del(.hostname)
		| .linux.cgroupsPath=$c' --arg p "$p" --arg c "$CG-b"
	rt_ok run -d --bundle "$B" "$CID-b"
	q=$(pid_of "$CID-b")
	for n in net ipc uts pid; do equals "$(ns_of "$q" $n)" "$(ns_of "$p" $n)"; done
	[ "$(ns_of "$q" mnt)" != "$(ns_of "$p" mnt)" ]
	# deleting one leaves the other alone
	rt_ok delete --force "$CID-b"
	has_status running
}

@test "[6.2] a path that is no namespace, of another type, or missing" {
	cfg '.linux.namespaces |= map(if .type=="network" then .path="/proc/self/ns/uts" else . end)'
	create_fails ''
	cfg '.linux.namespaces |= map(if .type=="network" then .path="/etc/passwd" else . end)'
	create_fails ''
	cfg '.linux.namespaces |= map(if .type=="network" then .path="/no/such/ns" else . end)'
	create_fails 'no such file or directory'
}

@test "[6.3] a new network namespace has lo up" {
	in_ctr 'ifconfig lo; ls /sys/class/net'
	has_text 127.0.0.1
	has_text UP
}

@test "[3.3] hostname and domainname" {
	cfg '.hostname="jtest" | .domainname="example.test"'
	in_ctr 'hostname; cat /proc/sys/kernel/domainname'
	equals "$output" "jtest
example.test"
	[ "$(hostname)" != jtest ]
}

@test "[3.3] hostname and domainname without a uts namespace" {
	cfg '.linux.namespaces |= map(select(.type != "uts"))'
	create_fails 'unable to set hostname without a private UTS namespace'
	cfg 'del(.hostname) | .domainname="x"'
	create_fails 'without a private UTS namespace'
}

@test "[6.4] user namespace with mappings" {
	have_userns || skip 'no user namespaces'
	userns
	in_ctr 'id -u; cat /proc/self/uid_map /proc/self/gid_map'
	has_line 0
	has_match '^ +0 +100000 +65536'
	has_match '^ +0 +200000 +65536'
}

@test "[6.4] user namespace: several mappings, another user, all mounts work" {
	have_userns || skip 'no user namespaces'
	userns
	cfg '.linux.uidMappings=[{"containerID":0,"hostID":100000,"size":1000},{"containerID":1000,"hostID":500000,"size":10},{"containerID":2000,"hostID":600000,"size":1}]
		| .process.user={"uid":1000,"gid":1000}'
	in_ctr 'id -u; wc -l </proc/self/uid_map; ls -ln /dev/null; touch /dev/shm/x && stat -c %u /dev/shm/x; stat -c %u /proc/self/fd/1'
	has_line 1000
	has_line 3
	has_match '^crw-rw-rw-'
}

@test "[6.4] user namespace: init's host ids, and nobody chowns the rootfs" {
	have_userns || skip 'no user namespaces'
	userns
	cmd sleep 100
	create
	start
	grep -q '^Uid:.100000.100000' "/proc/$(pid_of)/status"
	grep -q '^Gid:.200000.200000' "/proc/$(pid_of)/status"
	equals "$(stat -c %u "$B/rootfs/etc/passwd")" 0
	equals "$(stat -c %u "$B/rootfs")" 0
}

@test "[6.4 2.6] user namespace: an unmapped id is refused in words" {
	have_userns || skip 'no user namespaces'
	userns
	cfg '.process.user={"uid":70000,"gid":0}'
	run_fails ''
	[[ $errout == *'unmapped'* || $errout == *'invalid argument'* || $errout == *'not mapped'* ]] || { show; return 1; }
	cfg '.process.user={"uid":0,"gid":70000}'
	run_fails ''
}

@test "[6.4] user namespace without mappings, mappings without user namespace" {
	cfg '.linux.namespaces += [{"type":"user"}]'
	if is_joey; then create_fails 'user namespaces enabled, but no namespace path to join nor mappings to apply specified'; fi
	cfg '.linux.namespaces |= map(select(.type != "user")) | .linux.uidMappings=[{"containerID":0,"hostID":100000,"size":1}] | .linux.gidMappings=[{"containerID":0,"hostID":100000,"size":1}]'
	create_fails "user namespace mappings specified, but user namespace isn't enabled in the config"
}

@test "[6.4] user namespace by path, with matching mappings, with others" {
	have_userns || skip 'no user namespaces'
	another "$CID-b"
	userns
	cmd sleep 100
	rt_ok run -d --bundle "$B" "$CID"
	local p
	p=$(pid_of)
	cfg '.linux.namespaces |= map(if .type=="user" then .path=("/proc/"+$p+"/ns/user") else . end) | .linux.cgroupsPath=$c' --arg p "$p" --arg c "$CG-b"
	cmd cat /proc/self/uid_map
	rt_ok run --bundle "$B" "$CID-b"
	has_match '^ +0 +100000 +65536'
	cfg '.linux.uidMappings[0].hostID=300000'
	rt_fail 'user namespaces enabled, but both namespace path and non-matching mapping specified' run --bundle "$B" "$CID-b"
	cfg 'del(.linux.uidMappings) | del(.linux.gidMappings)'
	rt_ok run --bundle "$B" "$CID-b"
	has_match '^ +0 +100000 +65536'
}

@test "[6.4] overlapping and empty mappings are refused" {
	have_userns || skip 'no user namespaces'
	userns
	cfg '.linux.uidMappings=[{"containerID":0,"hostID":100000,"size":10},{"containerID":5,"hostID":200000,"size":10}]'
	create_fails ''
	cfg '.linux.uidMappings=[{"containerID":0,"hostID":100000,"size":0}]'
	create_fails ''
}

@test "[6.5] time namespace with offsets" {
	cfg '.linux.namespaces += [{"type":"time"}] | .linux.timeOffsets={"monotonic":{"secs":7880,"nanosecs":100},"boottime":{"secs":1234567}}'
	local m0 b0 m b
	read -r m0 b0 < <("$TOOLS/probe" clocks | sed 's/[a-z]*=//g')
	cmd probe clocks
	rt_ok run --bundle "$B" "$CID"
	read -r m b < <(sed 's/[a-z]*=//g' <<<"$output")
	[ $((m - m0)) -ge 7880 ] && [ $((m - m0)) -le 7890 ]
	[ $((b - b0)) -ge 1234567 ] && [ $((b - b0)) -le 1234577 ]
}

@test "[6.5] negative offset, and offsets without a time namespace" {
	cfg '.linux.timeOffsets={"boottime":{"secs":5}}'
	create_fails 'time'
	cfg '.linux.namespaces += [{"type":"time"}] | .linux.timeOffsets={"boottime":{"secs":-1}}'
	rt_ok run --bundle "$B" "$CID"
	is_joey || return 0
	cfg '.linux.timeOffsets={"realtime":{"secs":5}}'
	create_fails 'realtime'
}

@test "[6.2] cgroup namespace: the container's cgroup is its root" {
	in_ctr 'cat /proc/self/cgroup'
	has_line '0::/'
}

@test "[6.2] without a cgroup namespace the host's path is seen" {
	cfg '.linux.namespaces |= map(select(.type != "cgroup"))'
	in_ctr 'cat /proc/self/cgroup'
	has_line "0::$CG"
}

@test "[6.2] pid namespace: the payload is process 1" {
	in_ctr 'echo $$; ls /proc | grep -c "^[0-9]*$"'
	equals "$(head -n1 <<<"$output")" 1
}

@test "[6.1] no namespaces at all but mount" {
	cfg '.linux.namespaces=[{"type":"mount"}] | del(.hostname)| .mounts |= map(select(.destination != "/sys"))'
	rt_ok run --bundle "$B" "$CID"
}

@test "[3.5] no mount namespace: chroot only, and no mount of the container is left on the host" {
	is_joey || skip 'runc: mounts stay on the host in this mode'
	cfg '.linux.namespaces |= map(select(.type != "mount")) | .mounts=[] | del(.linux.maskedPaths) | del(.linux.readonlyPaths)'
	cmd ls /
	rt run --bundle "$B" "$CID"
	if [ "$status" -eq 0 ]; then has_line bin; fi
}

@test "[7.1] netDevices: moved with addresses, new name, gone with the container" {
	is_joey || skip 'newer than the runc at hand'
	ip link add "jt$$a" type dummy 2>/dev/null || skip 'no dummy devices here'
	ip addr add 192.0.2.7/24 dev "jt$$a"
	ip link set "jt$$a" up
	cfg '.linux.netDevices={($d):{"name":"eth5"}}' --arg d "jt$$a"
	in_ctr 'ifconfig eth5'
	ip link del "jt$$a" 2>/dev/null || true
	has_text 192.0.2.7
	has_text UP
}

@test "[7.2] netDevices: what is refused" {
	is_joey || skip 'newer than the runc at hand'
	cfg '.linux.netDevices={"lo0/x":{}}'
	create_fails ''
	cfg '.linux.netDevices={"nosuchdev0":{}}'
	create_fails nosuchdev0
	cfg '.linux.netDevices={"aaaaaaaaaaaaaaaa":{}}'
	create_fails ''
	cfg '.linux.netDevices={"nosuchdev0":{}} | .linux.namespaces |= map(select(.type != "network")) | .mounts |= map(select(.destination != "/sys"))'
	create_fails 'unable to move network devices without a NET namespace'
}

@test "[6.6] delete of a container that shares the host's pid namespace leaves other processes alone" {
	cfg '.linux.namespaces |= map(select(.type != "pid"))'
	background sleep 60
	local p=$!
	cmd sleep 100
	create
	start
	rt_ok delete --force "$CID"
	[ -d "/proc/$p" ]
}

@test "[6.4 8.1.5] rootless: a user of the host runs a container in a user namespace" {
	have_userns || skip 'no user namespaces'
	is_joey || skip 'cgroup v1 host: runc rootless is checked in the VM'
	cfg '.linux.namespaces=[{"type":"mount"},{"type":"user"},{"type":"pid"},{"type":"uts"},{"type":"ipc"}] | del(.linux.cgroupsPath)
		| .linux.uidMappings=[{"containerID":0,"hostID":4321,"size":1}] | .linux.gidMappings=[{"containerID":0,"hostID":4321,"size":1}]
		| .mounts |= map(select(.destination != "/sys" and .destination != "/dev/mqueue") | if .type=="devpts" then .options -= ["gid=5"] else . end)
		| del(.process.rlimits)'
	chmod 777 "$T" "$B"
	mkdir -m 700 "$T/rl"
	chown 4321 "$T/rl"
	script 'id -u; cat /proc/self/uid_map'
	output=$("$TOOLS/launch" -c -u 4321 -- timeout 20 "$RUNTIME" --root "$T/rl/state" run --bundle "$B" "$CID" </dev/null 2>"$T/e") || { cat "$T/e"; false; }
	has_line 0
	has_match '^ +0 +4321 +1'
}
