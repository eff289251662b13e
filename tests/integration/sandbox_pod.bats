# Sandboxed containers of a pod: which namespaces they share in their machine.
load helpers

setup() {
	sandbox_setup
	POD=pod$CID
	BASE=$(jq -c --arg pod "$POD" '.annotations={"io.kubernetes.cri.container-type":"container","io.kubernetes.cri.sandbox-id":$pod} | .process.args=["sleep","1000"]' <"$B/config.json")
}

# of_pod NAME FILTER [JQ-OPTION...]: a container of the pod that sleeps; its config is the first one's, changed so.
of_pod() {
	local id=$1 filter=$2
	shift 2
	[ "$id" = "$CID" ] || another "$id"
	jq -c ".linux.cgroupsPath=\"/$id\" | $filter" "$@" <<<"$BASE" >"$B/config.json"
	rt_ok create "${VM[@]}" --bundle "$B" "$id"
	start "$id"
}
# join TYPE...: a filter that makes these namespaces those of the first container, by the path that CRI's engines use
join() {
	local t proc f='del(.hostname)'
	for t in "$@"; do
		proc=$t
		f+=" | .linux.namespaces |= map(select(.type != \"$t\")) + [{type:\"$t\",path:\"/proc/$(pid_of)/ns/$proc\"}]"
	done
	echo "$f"
}
ex() { rt_ok exec "$@"; }

@test "[S22] ipc and uts of the pod's first container by path: shared memory and host name are one, processes are not" {
	of_pod "$CID" '.annotations."io.kubernetes.cri.container-type"="sandbox" | .hostname="the-pod"'
	of_pod "b$CID" "$(join ipc uts)"
	of_pod "c$CID" '.hostname="alone"'
	equals "$(ls "$ROOT/@vm")" "$POD"
	ex "$CID" probe shm make 77
	ex "b$CID" probe shm find 77
	equals "$output" found
	ex "c$CID" probe shm find 77
	equals "$output" 'No such file or directory'
	ex "b$CID" hostname
	equals "$output" the-pod
	ex "c$CID" hostname
	equals "$output" alone
	ex "b$CID" ps -o args
	equals "$(grep -c '^sleep 1000' <<<"$output")" 1
	# the namespaces are those, not only alike
	ex "$CID" readlink /proc/self/ns/ipc
	local ipc=$output
	ex "b$CID" readlink /proc/self/ns/ipc
	equals "$output" "$ipc"
}

@test "[S22] the pid namespace of a container of the pod: each sees the other's processes, the first one's end is the other's" {
	of_pod "$CID" .
	of_pod "b$CID" "$(join pid) | .process.args=[\"sleep\",\"2000\"]"
	ex "$CID" ps -o args
	has_line 'sleep 1000' && has_line 'sleep 2000'
	ex "b$CID" ps -o pid,args
	has_match '^ *1 sleep 1000' && has_text 'sleep 2000'
	rt_ok kill "$CID" KILL
	wait_status stopped
	wait_status stopped "b$CID"
	# its namespaces are gone with it, for the proxy may be waiting to be reaped
	another "d$CID"
	rt_fail '' create "${VM[@]}" --bundle "$B" "d$CID"
}

@test "[S22] a user namespace of the pod, and the ipc namespace that it owns" {
	have_userns || skip 'no user namespaces'
	local maps='.linux.uidMappings=[{"containerID":0,"hostID":100000,"size":65536}] | .linux.gidMappings=.linux.uidMappings'
	chown -R 100000:100000 "$B/rootfs" 2>/dev/null || true
	of_pod "$CID" ".linux.namespaces += [{type:\"user\"}] | $maps"
	of_pod "b$CID" "$(join user ipc uts) | $maps"
	ex "$CID" sh -c 'readlink /proc/self/ns/user; readlink /proc/self/ns/ipc; cat /proc/self/uid_map'
	local of_first=$output
	ex "b$CID" sh -c 'readlink /proc/self/ns/user; readlink /proc/self/ns/ipc; cat /proc/self/uid_map'
	equals "$output" "$of_first"
}

@test "[S22] namespaces of the host that an engine has pinned: one for all who name them, with the host name that is set there" {
	touch "$T/ipc" "$T/uts" "$T/other"
	unshare --ipc="$T/ipc" --uts="$T/uts" hostname pinned
	MOUNTED+=("$T/ipc" "$T/uts")
	unshare --ipc="$T/other" true
	MOUNTED+=("$T/other")
	local f='del(.hostname) | .linux.namespaces |= map(if .type == "ipc" then .path=$i elif .type == "uts" then .path=$u else . end)'
	of_pod "$CID" "$f" --arg i "$T/ipc" --arg u "$T/uts"
	of_pod "b$CID" "$f" --arg i "$T/ipc" --arg u "$T/uts"
	of_pod "c$CID" "$f" --arg i "$T/other" --arg u "$T/uts"
	ex "$CID" probe shm make 78
	ex "b$CID" probe shm find 78
	equals "$output" found
	ex "c$CID" probe shm find 78
	equals "$output" 'No such file or directory'
	for id in "$CID" "b$CID" "c$CID"; do
		ex "$id" hostname
		equals "$output" pinned
	done
	# the first one's end is not the namespace's
	rt_ok delete --force "$CID"
	ex "b$CID" probe shm find 78
	equals "$output" found
	equals "$(hostname)" "$(</proc/sys/kernel/hostname)"
}

# The probe of one maps a file and shows what the other one writes to it.
@test "[S22] /dev/shm of the pod: one tmpfs of the guest's, memory mapped from it is common; a volume there is a volume" {
	mkdir "$T/shm" "$T/volume"
	host_mount "$T/shm" -t tmpfs -o nosuid,noexec,nodev,mode=1777,size=1m shm
	local f='.mounts |= map(if .destination == "/dev/shm" then {destination,type:"bind",source:$s,options:["rbind","rw"]} else . end)'
	of_pod "$CID" "$f" --arg s "$T/shm"
	of_pod "b$CID" "$f" --arg s "$T/shm"
	of_pod "c$CID" "$f" --arg s "$T/volume"
	background "$RUNTIME" --root "$ROOT" exec "$CID" probe mapped /dev/shm/x 20 </dev/null >"$T/mapped" 2>&1
	until_true file_has "$T/mapped" ready
	ex "b$CID" sh -c 'printf common | dd of=/dev/shm/x conv=notrunc 2>/dev/null; stat -c %a /dev/shm; cat /proc/self/mountinfo'
	has_line 1777
	has_match ' /dev/shm .*nosuid,nodev,noexec.* - tmpfs shm .*size=1024k'
	until_true file_has "$T/mapped" common
	equals "$(ls -A "$T/shm")" ''
	ex "c$CID" sh -c 'ls -A /dev/shm; echo x >/dev/shm/y'
	equals "$output" ''
	equals "$(ls -A "$T/volume")" y
}

@test "[S22] a path that is no namespace, or of another kind, is refused as for a normal container" {
	local path
	for path in "/proc/self/ns/net" /etc/passwd "$T/none"; do
		jq -c --arg p "$path" '.linux.namespaces |= map(if .type == "ipc" then .path=$p else . end)' <<<"$BASE" >"$B/config.json"
		rt run --sandbox=none --bundle "$B" "$CID"
		local normal=${errout#*msg=}
		[ "$status" -ne 0 ]
		rt run "${VM[@]}" --bundle "$B" "$CID"
		[ "$status" -ne 0 ]
		equals "${errout#*msg=}" "$normal"
	done
}
