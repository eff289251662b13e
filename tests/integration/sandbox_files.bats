# Sandboxed containers: what a mount's source is on the host, it is in the guest; users who are not root.
load helpers

setup() {
	sandbox_setup
}

vm_ctr() {
	script "$1"
	rt_ok run "${VM[@]}" --bundle "$B" "$CID"
}
bind() { add_mount "{\"destination\":\"$1\",\"type\":\"bind\",\"source\":\"$2\",\"options\":$3}"; }

@test "[S7] flags of a source's mount on the host hold in the guest, unless the config clears them" {
	mkdir "$T/src" "$T/plain"
	host_mount "$T/src" -t tmpfs -o nosuid,noexec,nodiratime,size=64k none
	cp "$BUSYBOX" "$T/plain/true"
	bind /plain "$T/plain" '["bind"]'
	bind /kept "$T/src" '["rbind"]'
	bind /cleared "$T/src" '["bind","exec","ro"]'
	vm_ctr 'cat /proc/self/mountinfo; /plain/true && echo runs; echo "echo x" >/kept/s; chmod 755 /kept/s; /kept/s || echo refused'
	local o
	o=$(mount_opts /kept)
	for x in nosuid noexec nodiratime; do has_opt $x "$o"; done
	o=$(mount_opts /cleared)
	has_opt nosuid "$o" && has_opt ro "$o" && lacks_opt noexec "$o"
	o=$(mount_opts /plain)
	lacks_opt noexec "$o" && lacks_opt nosuid "$o"
	has_line runs && has_line refused
}

@test "[S7] flags of the mount that holds the root hold in the guest" {
	host_mount "$B/rootfs" --bind "$B/rootfs"
	mount -o remount,bind,nosuid,noatime "$B/rootfs"
	vm_ctr 'cat /proc/self/mountinfo'
	local o
	o=$(mount_opts /)
	has_opt nosuid "$o" && has_opt noatime "$o" && lacks_opt noexec "$o"
}

@test "[S7] rw of a source on a read-only mount: for the new mount only, as in a normal container" {
	mkdir "$T/src"
	host_mount "$T/src" -t tmpfs -o size=64k none
	mount -o remount,bind,ro "$T/src"
	bind /rw "$T/src" '["bind","rw"]'
	bind /as-it-is "$T/src" '["bind"]'
	vm_ctr 'echo x >/rw/x; cat /as-it-is/x; echo y 2>&1 >/as-it-is/y || echo refused'
	has_line x && has_line refused
	[ ! -e "$T/src/y" ]
	! touch "$T/src/z" 2>/dev/null
}

@test "[S7] sources that are links, dangle, or are missing: the same as in a normal container" {
	local kind
	mkdir "$T/dir"
	echo content | tee "$T/file" >"$T/dir/f"
	ln -s file "$T/link"
	ln -s dir "$T/dirlink"
	ln -s nowhere "$T/dangling"
	bind /l "$T/link" '["bind"]'
	bind /d "$T/dirlink" '["bind"]'
	bind /copy "$T/link" '["bind","copy-symlink"]'
	bind /copy-dangling "$T/dangling" '["bind","copy-symlink"]'
	for kind in vm none; do
		script 'cat /l /d/f; readlink /copy; readlink /copy-dangling'
		rt_ok run "--sandbox=$kind" --bundle "$B" "$CID"
		equals "$output" $'content\ncontent\nfile\nnowhere'
	done
	for source in "$T/dangling" "$T/none"; do
		bind /x "$source" '["bind"]'
		rt run --sandbox=none --bundle "$B" "$CID"
		[[ $errout == *"open bind source $source: no such file or directory"* ]] || { show; return 1; }
		local normal=${errout#*msg=}
		rt_fail '' run "${VM[@]}" --bundle "$B" "$CID"
		equals "${errout#*msg=}" "$normal"
		cfg '.mounts |= .[:-1]'
	done
}

@test "[S7] a source that vanishes: what was mounted stays, what is gone when start comes is no harm" {
	mkdir "$T/dir"
	echo content | tee "$T/file" >"$T/dir/f"
	bind /file "$T/file" '["bind"]'
	bind /dir "$T/dir" '["bind","rw"]'
	cmd sleep 1000
	rt_ok create "${VM[@]}" --bundle "$B" "$CID"
	rm -r "$T/file" "$T/dir"
	start
	rt_ok exec "$CID" cat /file
	equals "$output" content
	rt exec "$CID" sh -c 'ls /dir; echo x >/dir/new'
	[ "$status" -ne 0 ]
	[ ! -e "$T/dir" ]
	rt_ok delete --force "$CID"
	assert_nothing_left
}

@test "[S3] users who are not root are refused in words" {
	mkdir -m 711 "$T/rl"
	mkdir "$T/rl/b"
	cp -a "$B/rootfs" "$T/rl/b/rootfs"
	(cd "$T/rl/b" && "$RUNTIME" spec --rootless)
	chown -R 4321 "$T/rl"
	jq '.annotations={"io.joey.sandbox":"vm"}' <"$T/rl/b/config.json" >"$T/annotated"
	local o
	for o in --sandbox=vm ''; do
		[ -n "$o" ] || cp "$T/annotated" "$T/rl/b/config.json"
		status=0
		"$TOOLS/launch" -c -u 4321 -- timeout 60 "$RUNTIME" --root "$T/rl/state" run ${o:+"$o"} --bundle "$T/rl/b" "$CID" \
			</dev/null >"$T/out" 2>&1 3>&- || status=$?
		[ "$status" -ne 0 ]
		file_has "$T/out" 'rootless operation is not supported in a sandbox' || { cat "$T/out"; return 1; }
		[ -z "$(ls -A "$T/rl/state" 2>/dev/null)" ]
	done
}

# In network namespaces of this test's own: what it must not do to the host's, it could not do.
@test "[S3] the host's network by path, joey's own or that of process 1: refused, and untouched" {
	command -v ip >/dev/null && command -v tc >/dev/null || skip 'no ip, tc'
	cfg '.linux.namespaces |= map(if .type == "network" then .path=$p else . end)' --arg p /proc/self/ns/net
	cp "$B/config.json" "$T/own.json"
	cfg '.linux.namespaces |= map(if .type == "network" then .path=$p else . end)' --arg p /proc/1/ns/net
	cp "$B/config.json" "$T/first.json"
	cat >"$T/in-there" <<-'EOT'
		set -e
		ip link add eth0 type veth peer name far0
		ip link set eth0 up
		for c in own first; do
			cp "$2/$c.json" "$3/config.json"
			unshare=; [ $c = own ] || unshare='unshare -n'
			timeout -k 1 60 $unshare "$1" --root "$4" run --sandbox=vm --bundle "$3" "$5" && exit 1
			tc qdisc show dev eth0 | grep -c ingress && exit 1
			ip link show joey-tap 2>/dev/null && exit 1
		done
		exit 0
	EOT
	status=0
	unshare -n -p -f --mount-proc sh "$T/in-there" "$RUNTIME" "$T" "$B" "$ROOT" "$CID" </dev/null >"$T/out" 2>&1 3>&- 4>&- || status=$?
	cat "$T/out"
	[ "$status" -eq 0 ]
	equals "$(grep -c "the host's network (by its path) is not supported in a sandbox" "$T/out")" 2
}
