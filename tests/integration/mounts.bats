# mounts (checklist 4): every option of the spec's table read back in the container's mountinfo, and the rules around them.
load helpers

# tmpfs_with OPTIONS-JSON: a tmpfs on /mnt with these options; mountinfo in $output.
tmpfs_with() {
	cfg '.mounts |= map(select(.destination != "/mnt")) + [{"destination":"/mnt","type":"tmpfs","source":"tmpfs","options":$o}]' --argjson o "$1"
	in_ctr 'cat /proc/self/mountinfo'
	o=$(mount_opts /mnt)
	s=$(super_opts /mnt)
}
# bind_with OPTIONS-JSON: the host directory $T/src on /mnt.
bind_with() {
	mkdir -p "$T/src"
	cfg '.mounts |= map(select(.destination != "/mnt")) + [{"destination":"/mnt","type":"bind","source":$s,"options":$o}]' --arg s "$T/src" --argjson o "$1"
	in_ctr 'cat /proc/self/mountinfo'
	o=$(mount_opts /mnt)
	s=$(super_opts /mnt)
}

@test "[4.9] options of a mount: ro nosuid nodev noexec noatime nodiratime relatime strictatime nosymfollow" {
	local o s
	tmpfs_with '["ro","nosuid","nodev","noexec","noatime","nodiratime"]'
	for x in ro nosuid nodev noexec noatime nodiratime; do has_opt $x "$o"; done
	tmpfs_with '["relatime"]'
	has_opt relatime "$o"
	has_opt rw "$o"
	tmpfs_with '["strictatime"]'
	lacks_opt relatime "$o"
	lacks_opt noatime "$o"
	tmpfs_with '["nosymfollow"]'
	has_opt nosymfollow "$o"
}

@test "[4.9] the opposites are known: a later option wins" {
	local o s
	tmpfs_with '["ro","nosuid","nodev","noexec","noatime","nodiratime","nosymfollow","rw","suid","dev","exec","atime","diratime","symfollow"]'
	for x in nosuid nodev noexec noatime nodiratime nosymfollow ro; do lacks_opt $x "$o"; done
	has_opt rw "$o"
	tmpfs_with '["rw","ro"]'
	has_opt ro "$o"
	is_joey || return 0 # runc hands "defaults" to the file system
	tmpfs_with '["noatime","norelatime","nostrictatime","defaults","loud","silent","async","noiversion","nolazytime","nomand"]'
	has_opt rw "$o"
}

@test "[4.9] options of the super block: sync dirsync lazytime" {
	local o s
	tmpfs_with '["sync","dirsync"]'
	has_opt sync "$s"
	has_opt dirsync "$s"
	tmpfs_with '["lazytime"]'
	has_opt lazytime "$s"
	tmpfs_with '["sync","async","dirsync"]'
	lacks_opt sync "$s"
}

@test "[4.9] iversion and mand are accepted or refused in words, never silent nonsense" {
	local x
	for x in iversion mand; do
		cfg '.mounts += [{"destination":"/mnt","type":"tmpfs","source":"t","options":[$x]}]' --arg x $x
		rt run --bundle "$B" "$CID"
		[ "$status" -eq 0 ] || [ -n "$errout" ]
		cfg '.mounts |= map(select(.destination != "/mnt"))'
	done
}

@test "[4.10] unknown options are data for the file system" {
	local o s
	tmpfs_with '["size=123k","mode=0710","uid=5","gid=6","nr_inodes=77","huge=never"]'
	has_opt size=124k "$s" || has_opt size=123k "$s"
	has_opt mode=710 "$s"
	has_opt uid=5 "$s"
	has_opt gid=6 "$s"
	has_opt nr_inodes=77 "$s"
	cfg '.mounts += [{"destination":"/mnt","type":"tmpfs","source":"t","options":["nonsense=1"]}]'
	create_fails 'mount'
}

@test "[4.9] defaults is a no-op, also among data" {
	is_joey || skip 'runc hands it to the file system'
	local o s
	tmpfs_with '["defaults","size=64k"]'
	has_opt size=64k "$s"
	bind_with '["rbind","defaults"]'
	has_opt rw "$o"
}

@test "[4.6] bind: flags are applied by a second step" {
	local o s
	bind_with '["bind","ro","nosuid","nodev","noexec","noatime"]'
	for x in ro nosuid nodev noexec noatime; do has_opt $x "$o"; done
	bind_with '["rbind","rw"]'
	has_opt rw "$o"
	bind_with '["bind","nosymfollow"]'
	has_opt nosymfollow "$o"
}

@test "[4.6] bind of a source with flags keeps them unless they are cleared" {
	is_joey || skip 'runc as root drops the flags that are not named'
	local o s
	mkdir "$T/src"
	host_mount "$T/src" -t tmpfs -o nosuid,nodev,noexec,noatime,size=64k none
	bind_with '["bind"]'
	for x in nosuid nodev noexec noatime; do has_opt $x "$o"; done
	bind_with '["bind","ro"]'
	for x in ro nosuid nodev noexec; do has_opt $x "$o"; done
	bind_with '["bind","exec","dev","suid"]'
	for x in nosuid nodev noexec; do lacks_opt $x "$o"; done
}

@test "[4.6] bind in a user namespace: locked flags are kept, clearing them fails" {
	have_userns || skip 'no user namespaces'
	local o s
	userns
	mkdir "$T/src"
	host_mount "$T/src" -t tmpfs -o nosuid,nodev,noexec,size=64k none
	bind_with '["rbind","ro"]'
	has_opt ro "$o" && has_opt nosuid "$o" && has_opt nodev "$o"
	cfg '.mounts[-1].options=["rbind","exec"]'
	rt run --bundle "$B" "$CID"
	[ "$status" -ne 0 ]
}

@test "[4.5] bind: the option decides, not the type; relative sources start at the bundle" {
	local o s
	mkdir "$B/rel"
	echo content >"$B/rel/f"
	cfg '.mounts += [{"destination":"/mnt","type":"none","source":"rel","options":["rbind"]}]'
	in_ctr 'cat /mnt/f'
	equals "$output" content
	cfg '.mounts |= map(if .destination=="/mnt" then del(.type) else . end)'
	rt_ok run --bundle "$B" "$CID"
	equals "$output" content
}

@test "[4.5] type bind without the option, data on a bind" {
	cfg '.mounts += [{"destination":"/mnt","type":"bind","source":"/etc"}]'
	rt create --bundle "$B" "$CID"
	if is_joey; then
		[ "$status" -ne 0 ]
		[[ $errout == *bind* ]]
	else
		rt delete --force "$CID"
	fi
	cfg '.mounts[-1].options=["bind","size=5"]'
	create_fails 'bind mounts cannot have any filesystem-specific options applied'
}

@test "[4.5] a missing source names source and destination" {
	cfg '.mounts += [{"destination":"/mnt","type":"bind","source":"/no/such/source","options":["bind"]}]'
	create_fails '/no/such/source'
	is_joey || return 0
	[[ $errout == *'/mnt'* && $errout == *'no such file or directory'* ]] || { show; return 1; }
}

@test "[4.3] file binds: the missing destination is made a file, parents are directories" {
	echo content >"$T/file"
	cfg '.mounts += [{"destination":"/new/deep/er/file","type":"bind","source":$s,"options":["bind","ro"]},{"destination":"/new/dir","type":"tmpfs","source":"t"}]' --arg s "$T/file"
	in_ctr 'cat /new/deep/er/file; stat -c %a /new /new/deep; echo x >/new/deep/er/file || true'
	has_line content
	equals "$(grep -c '^755$' <<<"$output")" 2
	[ -f "$B/rootfs/new/deep/er/file" ]
	equals "$(cat "$T/file")" content
}

@test "[4.3] kinds that do not match: not a directory" {
	cfg '.mounts += [{"destination":"/etc/passwd","type":"bind","source":"/etc","options":["bind"]}]'
	create_fails 'not a directory'
}

@test "[4.3] bind of a device node, a socket, a FIFO" {
	mkfifo "$T/fifo"
	cfg '.mounts += [{"destination":"/mnt/fifo","type":"bind","source":$f,"options":["bind"]},{"destination":"/mnt/null","type":"bind","source":"/dev/null","options":["bind"]}]' --arg f "$T/fifo"
	in_ctr 'stat -c "%F" /mnt/fifo /mnt/null; echo x >/mnt/null'
	has_line fifo
	has_line 'character special file'
}

@test "[4.3] a mount on / is refused or covers nothing of the host" {
	cfg '.mounts += [{"destination":"/","type":"tmpfs","source":"t"}]'
	rt create --bundle "$B" "$CID"
	[ "$status" -ne 0 ] || ! is_joey
}

@test "[4.1] in order: a later mount covers an earlier one" {
	mkdir "$T/a" "$T/b"
	touch "$T/a/first" "$T/b/second"
	cfg '.mounts += [{"destination":"/mnt","type":"bind","source":$a,"options":["bind"]},{"destination":"/mnt","type":"bind","source":$b,"options":["bind"]}]' --arg a "$T/a" --arg b "$T/b"
	in_ctr 'ls /mnt'
	equals "$output" second
}

@test "[4.1] in order: a destination inside an earlier mount" {
	mkdir "$T/a"
	cfg '.mounts += [{"destination":"/mnt","type":"tmpfs","source":"t"},{"destination":"/mnt/x/y","type":"bind","source":$a,"options":["bind"]}]' --arg a "$T/a"
	touch "$T/a/seen"
	in_ctr 'ls /mnt/x/y'
	equals "$output" seen
	[ ! -e "$B/rootfs/mnt/x" ]
}

@test "[4.1] in order: a source inside an earlier mount of the container" {
	# the second source is the first mount as seen through the rootfs
	mkdir "$T/a"
	touch "$T/a/seen"
	cfg '.mounts += [{"destination":"/mnt","type":"bind","source":$a,"options":["bind"]},{"destination":"/home","type":"bind","source":$r,"options":["bind"]}]' --arg a "$T/a" --arg r "$B/rootfs/mnt"
	in_ctr 'ls /home'
	equals "$output" seen
}

@test "[4.2] a relative destination is relative to /" {
	cfg '.mounts += [{"destination":"mnt","type":"tmpfs","source":"t","options":["size=64k"]}]'
	in_ctr 'cat /proc/self/mountinfo'
	has_opt size=64k "$(super_opts /mnt)"
}

@test "[4.2] symlinks inside the root are followed inside the root" {
	ln -s /etc/target "$B/rootfs/abs"
	mkdir "$B/rootfs/etc/target"
	ln -s ../../../../etc/target "$B/rootfs/var/rel"
	cfg '.mounts += [{"destination":"/abs","type":"tmpfs","source":"t","options":["size=64k"]},{"destination":"/var/rel/sub","type":"tmpfs","source":"t","options":["size=128k"]}]'
	in_ctr 'cat /proc/self/mountinfo'
	has_opt size=64k "$(super_opts /etc/target)"
	has_opt size=128k "$(super_opts /etc/target/sub)"
}

@test "[4.4] proc and sysfs on a symlink are refused" {
	rm -r "$B/rootfs/proc"
	ln -s mnt "$B/rootfs/proc"
	create_fails 'must be mounted on ordinary directory'
	rm "$B/rootfs/proc"
	mkdir "$B/rootfs/proc"
	rmdir "$B/rootfs/sys"
	ln -s mnt "$B/rootfs/sys"
	create_fails 'must be mounted on ordinary directory'
}

@test "[4.4 C3] what may lie under /proc" {
	local d
	for d in /proc/sys /proc/self /proc/self/attr /proc/1 /proc/cmdline; do
		cfg '.mounts |= map(select(.source != "jt")) + [{"destination":$d,"type":"tmpfs","source":"jt"}]' --arg d "$d"
		create_fails 'inside /proc'
	done
	cfg '.mounts |= map(select(.source != "jt"))'
	echo 'MemTotal: 5 kB' >"$T/meminfo"
	cfg '.mounts += [{"destination":"/proc/meminfo","type":"bind","source":$s,"options":["bind","ro"]}]' --arg s "$T/meminfo"
	in_ctr 'cat /proc/meminfo'
	equals "$output" 'MemTotal: 5 kB'
}

@test "[4.4 C3] a bind that is no procfs may not cover /proc, one that is may" {
	mkdir "$T/fakeproc"
	cfg '.mounts |= map(if .destination=="/proc" then {"destination":"/proc","type":"bind","source":$s,"options":["rbind"]} else . end)' --arg s "$T/fakeproc"
	create_fails 'cannot be mounted because'
	cfg '.mounts |= map(if .destination=="/proc" then .source="/proc" else . end) | .linux.namespaces |= map(select(.type!="pid")) | del(.linux.maskedPaths) | del(.linux.readonlyPaths)'
	in_ctr 'head -c 5 /proc/version'
	equals "$output" Linux
}

@test "[4.7] propagation: shared, slave, private, unbindable and the recursive ones" {
	local x
	mkdir "$T/src"
	for x in private rprivate slave rslave unbindable runbindable shared rshared; do
		cfg '.mounts |= map(select(.destination != "/mnt")) + [{"destination":"/mnt","type":"tmpfs","source":"t","options":[$x]}]' --arg x "$x"
		in_ctr 'awk "\$5 == \"/mnt\"" /proc/self/mountinfo'
		case $x in
		*shared) has_text shared: ;;
		*unbindable) has_text unbindable ;;
		*) lacks_text shared: ;;
		esac
	done
	cfg '.mounts |= map(select(.destination != "/mnt")) + [{"destination":"/mnt","type":"tmpfs","source":"t","options":["shared","slave"]}]'
	rt_ok run --bundle "$B" "$CID"
}

@test "[4.7] propagation: rslave receives the host's mounts, rprivate does not" {
	is_joey || skip 'checked with joey: needs a shared mount of its own'
	mkdir "$T/src"
	host_mount "$T/src" -t tmpfs none
	mount --make-shared "$T/src"
	mkdir "$T/src/sub"
	cfg '.mounts += [{"destination":"/mnt","type":"bind","source":$s,"options":["rbind","rslave"]}]' --arg s "$T/src"
	script 'until [ -e /mnt/sub/arrived ]; do :; done; echo got it'
	background "$RUNTIME" --root "$ROOT" run --bundle "$B" "$CID" </dev/null >"$T/o" 2>&1
	until_true has_status running || true
	host_mount "$T/src/sub" -t tmpfs none
	touch "$T/src/sub/arrived"
	until_true file_has "$T/o" 'got it'
}

@test "[4.8] recursive options reach submounts: rro rnosuid rnodev rnoexec rnoatime rnodiratime rrelatime rstrictatime rnosymfollow" {
	mkdir -p "$T/src/sub"
	host_mount "$T/src/sub" -t tmpfs none
	local x o rc=0 want
	for x in rro rnosuid rnodev rnoexec rnoatime rnodiratime rnosymfollow; do
		cfg '.mounts |= map(select(.destination != "/mnt")) + [{"destination":"/mnt","type":"bind","source":$s,"options":["rbind",$x]}]' --arg s "$T/src" --arg x "$x"
		script 'cat /proc/self/mountinfo'
		rt run --bundle "$B" "$CID"
		has_opt "${x#r}" "$(mount_opts /mnt/sub)" || { echo "option $x"; show; rc=1; }
		has_opt "${x#r}" "$(mount_opts /mnt)" || { echo "option $x"; rc=1; }
	done
	return $rc
}

@test "[4.8] recursive opposites: rrw rsuid rdev rexec ratime rdiratime rnorelatime rnostrictatime rsymfollow" {
	mkdir -p "$T/src/sub"
	host_mount "$T/src/sub" -t tmpfs -o ro,nosuid,nodev,noexec,noatime,nodiratime none
	local o rc=0 x
	cfg '.mounts += [{"destination":"/mnt","type":"bind","source":$s,"options":["rbind","rrw","rsuid","rdev","rexec","rdiratime","rrelatime","rsymfollow"]}]' --arg s "$T/src"
	script 'cat /proc/self/mountinfo'
	rt run --bundle "$B" "$CID"
	o=$(mount_opts /mnt/sub)
	[ "$status" -eq 0 ] || rc=1
	has_opt rw "$o" || rc=1
	has_opt relatime "$o" || rc=1
	for x in nosuid nodev noexec nodiratime noatime; do lacks_opt $x "$o" || rc=1; done
	cfg '.mounts[-1].options=["rbind","ratime","rnorelatime","rnostrictatime"]'
	rt run --bundle "$B" "$CID"
	[ "$status" -eq 0 ] || { show; rc=1; }
	cfg '.mounts[-1].options=["rbind","rstrictatime"]'
	rt run --bundle "$B" "$CID"
	o=$(mount_opts /mnt/sub)
	lacks_opt relatime "$o" || rc=1
	lacks_opt noatime "$o" || rc=1
	[ $rc -eq 0 ] || show
	return $rc
}

@test "[4.8] ro is not recursive, rro is, really" {
	mkdir -p "$T/src/sub"
	host_mount "$T/src/sub" -t tmpfs none
	local rc=0
	cfg '.mounts += [{"destination":"/mnt","type":"bind","source":$s,"options":["rbind","ro"]}]' --arg s "$T/src"
	script 'touch /mnt/x; touch /mnt/sub/x && echo sub-writable'
	rt run --bundle "$B" "$CID"
	has_text sub-writable || rc=1
	cfg '.mounts[-1].options=["rbind","rro"]'
	rt run --bundle "$B" "$CID"
	lacks_text sub-writable || rc=1
	[ ! -e "$T/src/x" ] || rc=1
	return $rc
}

idmapped() { # idmapped OPTIONS-JSON [MAPS]: bind of $T/src with uid 1000 -> 5000
	cfg '.mounts |= map(select(.destination != "/mnt")) + [{"destination":"/mnt","type":"bind","source":$s,"options":$o,
		"uidMappings":[{"containerID":0,"hostID":5000,"size":2000}],"gidMappings":[{"containerID":0,"hostID":6000,"size":2000}]}]' --arg s "$T/src" --argjson o "$1"
}

@test "[4.11] idmapped mounts: owners are mapped, in the container and on the disk" {
	mkdir "$T/src"
	touch "$T/src/f"
	chown 1000:1000 "$T/src/f"
	idmapped '["bind","idmap"]'
	all_caps
	script 'stat -c "%u %g" /mnt/f'
	rt run --bundle "$B" "$CID"
	[[ $errout == *'invalid argument'* || $errout == *'not supported'* ]] && skip 'file system without idmapped mounts'
	equals "$output" "6000 7000"
	idmapped '["bind"]'
	rt_ok run --bundle "$B" "$CID"
	equals "$output" "6000 7000"
	# and back: what uid 5000 of the container makes is uid 0's on the disk
	chmod 777 "$T/src"
	cfg '.process.user={"uid":5001,"gid":6001}'
	script 'touch /mnt/new && stat -c "%u" /mnt/new'
	rt_ok run --bundle "$B" "$CID"
	equals "$output" 5001
	equals "$(stat -c '%u %g' "$T/src/new")" "1 1"
}

@test "[4.11] ridmap maps submounts, idmap does not" {
	mkdir -p "$T/src/sub"
	host_mount "$T/src/sub" -t tmpfs none
	touch "$T/src/sub/f"
	local rc=0
	idmapped '["rbind","ridmap"]'
	script 'stat -c "%u %g" /mnt/sub/f'
	rt run --bundle "$B" "$CID"
	equals "$status$output" "05000 6000" || { show; rc=1; }
	idmapped '["rbind","idmap"]'
	rt run --bundle "$B" "$CID"
	equals "$status$output" "00 0" || { show; rc=1; }
	return $rc
}

@test "[4.11] idmap in a container with a user namespace uses its mappings when none are given" {
	have_userns || skip 'no user namespaces'
	userns
	mkdir "$T/src"
	touch "$T/src/f"
	cfg '.mounts += [{"destination":"/mnt","type":"bind","source":$s,"options":["bind","idmap"]}]' --arg s "$T/src"
	script 'stat -c "%u %g" /mnt/f; touch /mnt/made'
	rt run --bundle "$B" "$CID"
	equals "$status" 0
	equals "$output" "0 0"
	equals "$(stat -c %u "$T/src/made")" 0
}

@test "[4.11] idmap: without user namespace and without maps, one map only, on a tmpfs" {
	mkdir "$T/src"
	cfg '.mounts += [{"destination":"/mnt","type":"bind","source":$s,"options":["bind","idmap"]}]' --arg s "$T/src"
	create_fails ''
	cfg '.mounts[-1].uidMappings=[{"containerID":0,"hostID":1,"size":1}]'
	create_fails ''
}

@test "[4.12] tmpcopyup: contents, modes, owners, symlinks and xattrs arrive, the image is not changed" {
	mkdir -p "$B/rootfs/data/sub"
	echo text >"$B/rootfs/data/f"
	chmod 640 "$B/rootfs/data/f"
	chown 7:8 "$B/rootfs/data/f"
	chmod 1770 "$B/rootfs/data/sub"
	ln -s /etc/passwd "$B/rootfs/data/link"
	touch -d @1000000 "$B/rootfs/data/f"
	all_caps
	cfg '.mounts += [{"destination":"/data","type":"tmpfs","source":"t","options":["tmpcopyup","rw","size=1m"]}]'
	in_ctr 'cat /data/f; stat -c "%a %u:%g" /data/f /data/sub; readlink /data/link; echo new >/data/f; stat -f -c %T /data'
	has_line text
	has_line '640 7:8'
	has_line '1770 0:0'
	has_line /etc/passwd
	has_line tmpfs
	equals "$(cat "$B/rootfs/data/f")" text
}

@test "[4.12 C1] tmpcopyup on a symlink does not read outside the root" {
	mkdir "$T/secret"
	echo secret >"$T/secret/f"
	ln -s "$T/secret" "$B/rootfs/data"
	cfg '.mounts += [{"destination":"/data","type":"tmpfs","source":"t","options":["tmpcopyup"]}]'
	script 'cat /data/f 2>/dev/null; find / -xdev -name f 2>/dev/null | xargs cat 2>/dev/null; true'
	rt run --bundle "$B" "$CID"
	lacks_text secret
	equals "$(ls "$T/secret")" f
}

@test "[4.12] tmpcopyup: hostile trees: symlinks out, devices, FIFOs, depth, a tmpfs too small" {
	mkdir -p "$B/rootfs/data"
	ln -s "$T" "$B/rootfs/data/out"
	mkfifo "$B/rootfs/data/fifo"
	mknod "$B/rootfs/data/dev" c 1 5
	local d=$B/rootfs/data
	for i in $(seq 40); do d=$d/d; done
	mkdir -p "$d"
	cfg '.mounts += [{"destination":"/data","type":"tmpfs","source":"t","options":["tmpcopyup"]}]'
	script 'readlink /data/out; find /data -type d | wc -l'
	RT_TIMEOUT=15 rt run --bundle "$B" "$CID"
	[ "$status" -ne 124 ]
	if is_joey && [ "$status" -eq 0 ]; then has_line 41; fi
	head -c 200000 /dev/urandom >"$B/rootfs/data/big"
	cfg '.mounts[-1].options += ["size=16k"]'
	rt create --bundle "$B" "$CID"
	is_joey || return 0
	[ "$status" -ne 0 ]
	[[ $errout == *'no space left on device'* ]] || { show; return 1; }
}

@test "[4.13] tmpfs: the mode of an existing mount point is kept, a new one is 1777, mode= wins" {
	local o s
	mkdir -m 751 "$B/rootfs/data"
	cfg '.mounts += [{"destination":"/data","type":"tmpfs","source":"t"},{"destination":"/fresh","type":"tmpfs","source":"t"},{"destination":"/mnt","type":"tmpfs","source":"t","options":["mode=0700"]}]'
	in_ctr 'stat -c %a /data /fresh /mnt'
	if is_joey; then equals "$(xargs <<<"$output")" "751 1777 700"; else has_line 751; fi
}

@test "[4.13] a read-only tmpfs on /dev still gets its devices" {
	cfg '.mounts |= map(if .destination=="/dev" then .options += ["ro"] else . end)'
	in_ctr 'stat -c %t:%T /dev/null; touch /dev/x 2>&1; cat /proc/self/mountinfo'
	has_line 1:3
	has_text 'Read-only file system'
	has_opt ro "$(mount_opts /dev)"
}

@test "[4.13] a read-only tmpfs elsewhere, with a later mount inside it" {
	cfg '.mounts += [{"destination":"/data","type":"tmpfs","source":"t","options":["ro"]},{"destination":"/data/sub","type":"tmpfs","source":"t"}]'
	in_ctr 'touch /data/x 2>&1; touch /data/sub/x && echo fine'
	has_text 'Read-only file system'
	has_line fine
}

@test "[4.14] devpts: newinstance, modes" {
	in_ctr 'cat /proc/self/mountinfo; ls /dev/pts; stat -c %a /dev/pts/ptmx'
	local s
	s=$(super_opts /dev/pts)
	has_opt ptmxmode=666 "$s"
	has_opt mode=620 "$s"
	has_opt gid=5 "$s"
	has_line 666
}

@test "[4.15] mqueue" {
	in_ctr 'stat -f -c %T /dev/mqueue; awk "\$5 == \"/dev/mqueue\"" /proc/self/mountinfo'
	has_text 'mqueue'
}

@test "[4.16] type cgroup: cgroup2 at the container's own cgroup" {
	[ -n "$(cgroup2_mount)" ] || skip 'no cgroup2'
	is_joey || skip 'runc mounts v1 here'
	add_mount '{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["ro","nosuid","noexec","nodev"]}'
	in_ctr 'cat /sys/fs/cgroup/cgroup.procs; awk "\$5 == \"/sys/fs/cgroup\"" /proc/self/mountinfo; touch /sys/fs/cgroup/x 2>&1; mkdir /sys/fs/cgroup/sub 2>&1; true'
	has_line 1
	has_text ' - cgroup2 '
	has_text 'Read-only file system'
	has_opt ro "$(mount_opts /sys/fs/cgroup)"
}

@test "[4.16] type cgroup without a cgroup namespace, and in a user namespace" {
	[ -n "$(cgroup2_mount)" ] || skip 'no cgroup2'
	is_joey || skip 'runc mounts v1 here'
	add_mount '{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["ro"]}'
	cfg '.linux.namespaces |= map(select(.type != "cgroup"))'
	in_ctr 'ls /sys/fs/cgroup'
	has_line cgroup.controllers
	have_userns || return 0
	userns
	cfg '.linux.namespaces += [{"type":"cgroup"}]'
	in_ctr 'ls /sys/fs/cgroup'
	has_line cgroup.procs
}

@test "[4.17] copy-symlink, src-nofollow, dest-nofollow" {
	is_joey || skip 'crun options'
	echo content >"$T/real"
	ln -s "$T/real" "$T/link"
	cfg '.mounts += [{"destination":"/copied","type":"bind","source":$l,"options":["bind","copy-symlink"]}]' --arg l "$T/link"
	script 'readlink /copied'
	rt_ok run --bundle "$B" "$CID"
	equals "$output" "$T/real"
}

@test "[4.18] mountLabel on a host without SELinux is an error or without effect" {
	[ ! -e /sys/fs/selinux/enforce ] || skip 'this host has SELinux'
	cfg '.linux.mountLabel="system_u:object_r:container_file_t:s0"'
	rt run --bundle "$B" "$CID"
	[ "$status" -eq 0 ] || [ -n "$errout" ]
}

@test "[4.1] two hundred mounts" {
	cfg '.mounts += [range(200) | {"destination":("/m/"+tostring),"type":"tmpfs","source":"t","options":["size=4k"]}]'
	in_ctr 'ls /m | wc -l; grep -c " /m/" /proc/self/mountinfo'
	equals "$(sort -u <<<"$output")" 200
}

@test "[4.3] the mount's failure says what was mounted where" {
	cfg '.mounts += [{"destination":"/mnt","type":"nosuchfs","source":"thing"}]'
	create_fails '/mnt'
	[[ $errout == *nosuchfs* || $errout == *thing* ]]
	[[ $errout == *'no such device'* ]]
}
