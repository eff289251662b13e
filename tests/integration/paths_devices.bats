# Root filesystem, default devices, listed devices, masked and read-only paths, sysctl (checklist 3, 5, 10.1-10.4).
load helpers

@test "[3.1] root.path relative, absolute, missing, a symlink, a file" {
	rt_ok run --bundle "$B" "$CID"
	cfg '.root.path=$r' --arg r "$B/rootfs"
	rt_ok run --bundle "$B" "$CID"
	cfg '.root.path="nowhere"'
	create_fails 'no such file or directory'
	ln -s rootfs "$B/link"
	cfg '.root.path="link"'
	create_fails ''
	cfg '.root.path="config.json"'
	create_fails ''
}

@test "[3.1] a bundle reached through a symlink works" {
	ln -s bundle "$T/way"
	rt_ok run --bundle "$T/way" "$CID"
}

@test "[3.2] root.readonly: / is read-only, submounts are not" {
	cfg '.root.readonly=true'
	in_ctr 'touch /x 2>&1; touch /dev/shm/y && echo fine; cat /proc/self/mountinfo'
	has_text 'Read-only file system'
	has_line fine
	has_opt ro "$(mount_opts /)"
	[ ! -e "$B/rootfs/x" ]
}

@test "[3.2] root.readonly in a user namespace" {
	have_userns || skip 'no user namespaces'
	userns
	cfg '.root.readonly=true'
	in_ctr 'touch /x 2>&1; cat /proc/self/mountinfo'
	has_opt ro "$(mount_opts /)"
}

@test "[3.5] nothing of the host is visible after the pivot" {
	in_ctr 'cat /proc/self/mountinfo; ls /'
	local n
	n=$(grep -c ' / / ' <<<"$output" || true)
	[ "$n" -le 1 ]
	lacks_text /work
	lacks_text "$T/state"
	equals "$(awk '$5 == "/" { print $5 }' <<<"$output" | wc -l)" 1
}

@test "[3.5] --no-pivot" {
	mkdir "$B/rootfs/mnt/a"
	script 'ls /; cat /proc/self/mountinfo | wc -l'
	rt_ok run --no-pivot --bundle "$B" "$CID"
	has_line bin
	lacks_text work
}

@test "[10.1] rootfsPropagation: private, slave, shared, unbindable and the default" {
	local p
	for p in slave rslave private rprivate; do
		cfg '.linux.rootfsPropagation=$p' --arg p "$p"
		rt_ok run --bundle "$B" "$CID"
	done
	cfg '.linux.rootfsPropagation="shared"'
	in_ctr 'grep " / / \| / [^ ]*rootfs / " /proc/self/mountinfo; awk "\$5 == \"/\"" /proc/self/mountinfo'
	has_text 'shared:'
	cfg '.linux.rootfsPropagation="unbindable"'
	in_ctr 'awk "\$5 == \"/\"" /proc/self/mountinfo'
	has_text unbindable
}

@test "[10.1 C15] mounts of the container never reach the host" {
	local before
	before=$(mounts_of_host)
	mkdir "$B/rootfs/mnt/x"
	cfg '.linux.rootfsPropagation="shared"'
	all_caps
	in_ctr 'mount -t tmpfs none /mnt/x && echo mounted'
	has_line mounted
	equals "$(mounts_of_host)" "$before"
}

@test "[5.2] default devices: type, numbers, mode, owner" {
	in_ctr 'umask 077; for d in null zero full random urandom tty; do stat -c "%n %t:%T %a %u:%g %F" /dev/$d; done; ls -l /dev/ptmx'
	has_line '/dev/null 1:3 666 0:0 character special file'
	has_line '/dev/zero 1:5 666 0:0 character special file'
	has_line '/dev/full 1:7 666 0:0 character special file'
	has_line '/dev/random 1:8 666 0:0 character special file'
	has_line '/dev/urandom 1:9 666 0:0 character special file'
	has_line '/dev/tty 5:0 666 0:0 character special file'
	has_match 'ptmx -> pts/ptmx'
}

@test "[5.2] default devices do not depend on the caller's umask" {
	script 'stat -c %a /dev/null /dev/tty; umask'
	output=$(umask 0777; "$RUNTIME" --root "$ROOT" run --bundle "$B" "$CID" </dev/null 3>&-)
	equals "$(sort -u <<<"$output")" "0022
666"
}

@test "[5.3] /dev symlinks" {
	in_ctr 'for l in fd stdin stdout stderr; do readlink /dev/$l; done'
	equals "$output" "/proc/self/fd
/proc/self/fd/0
/proc/self/fd/1
/proc/self/fd/2"
}

@test "[5.1] no mounts are added that the config lacks" {
	cfg '.mounts=[{"destination":"/proc","type":"proc","source":"proc"}] | del(.linux.maskedPaths) | del(.linux.readonlyPaths)'
	in_ctr 'cat /proc/self/mountinfo'
	equals "$(wc -l <<<"$output")" 2
}

@test "[5.2] /dev that is a bind mount is left as it is" {
	is_joey || skip 'runc 1.3 wants /dev/null of the bind mount for masking'
	mkdir "$T/dev"
	touch "$T/dev/marker"
	cfg '.mounts |= (map(select(.destination | startswith("/dev") | not)) + [{"destination":"/dev","type":"bind","source":$d,"options":["bind"]}])' --arg d "$T/dev"
	in_ctr 'ls /dev'
	equals "$output" marker
	equals "$(ls "$T/dev")" marker
}

@test "[5.2] user namespace: default devices are the host's, usable" {
	have_userns || skip 'no user namespaces'
	userns
	in_ctr 'for d in null zero full random urandom tty; do stat -c "%n %t:%T" /dev/$d; done; echo x >/dev/null && head -c 4 /dev/zero | od -An -tx1; readlink /dev/ptmx'
	has_line '/dev/null 1:3'
	has_line '/dev/tty 5:0'
	has_text '00 00 00 00'
	has_line pts/ptmx
}

@test "[5.4] linux.devices: c, b, p, u with mode and owner" {
	cfg '.linux.devices=[{"path":"/dev/kmsg2","type":"c","major":1,"minor":11,"fileMode":416,"uid":7,"gid":8},{"path":"/dev/blk","type":"b","major":7,"minor":99},
		{"path":"/dev/pipe","type":"p","fileMode":384},{"path":"/dev/sub/dir/u","type":"u","major":1,"minor":5}]'
	in_ctr 'stat -c "%n %F %t:%T %a %u:%g" /dev/kmsg2 /dev/blk /dev/pipe /dev/sub/dir/u'
	has_line '/dev/kmsg2 character special file 1:b 640 7:8'
	has_line '/dev/blk block special file 7:63 666 0:0'
	has_match '^/dev/pipe fifo .*600 0:0'
	has_line '/dev/sub/dir/u character special file 1:5 666 0:0'
}

@test "[5.4] linux.devices: an entry replaces the default of the same path, S_IF bits are stripped, ptmx ignored" {
	is_joey || skip 'runc 1.3 under cgroup v1: cannot reopen /dev/null'
	cfg '.linux.devices=[{"path":"/dev/null","type":"c","major":1,"minor":3,"fileMode":8630,"uid":0,"gid":5},{"path":"/dev/ptmx","type":"c","major":5,"minor":2}]'
	in_ctr 'stat -c "%t:%T %a %g" /dev/null; readlink /dev/ptmx'
	has_line '1:3 666 5'
	has_line pts/ptmx
}

@test "[5.4] linux.devices: a different file at the path is an error" {
	is_joey || skip 'runc ignores EEXIST'
	cfg '.mounts |= map(select(.destination|startswith("/dev")|not)) | .linux.devices=[{"path":"/etc/passwd","type":"c","major":1,"minor":3}]'
	create_fails /etc/passwd
	equals "$(head -c 4 "$B/rootfs/etc/passwd")" root
}

@test "[5.4] linux.devices: unknown type, relative path, missing numbers" {
	cfg '.linux.devices=[{"path":"/dev/x","type":"z","major":1,"minor":3}]'
	create_fails ''
	is_joey || return 0
	cfg '.linux.devices=[{"path":"dev/x","type":"c","major":1,"minor":3}]'
	rt create --bundle "$B" "$CID"
	cfg '.linux.devices=[{"path":"/dev/../../../../../../../../../tmp/jt-escape","type":"p"}]'
	rt run --bundle "$B" "$CID"
	[ ! -e /tmp/jt-escape ]
}

@test "[5.4] user namespace: devices are bind mounts of the host's node" {
	have_userns || skip 'no user namespaces'
	userns
	cfg '.linux.devices=[{"path":"/dev/zero","type":"c","major":1,"minor":5}]'
	in_ctr 'stat -c "%t:%T" /dev/zero; head -c 2 /dev/zero | od -An -tx1'
	has_line 1:5
}

@test "[10.2] maskedPaths: files are char 1:3, directories empty and read-only, missing ones skipped" {
	mkdir "$B/rootfs/mnt/dir"
	echo secret >"$B/rootfs/mnt/dir/f"
	echo secret >"$B/rootfs/mnt/file"
	cfg '.linux.maskedPaths=["/mnt/dir","/mnt/file","/mnt/none","/mnt/file","/proc/keys","/sys/firmware"]'
	in_ctr 'ls -A /mnt/dir | wc -l; touch /mnt/dir/x 2>&1; stat -c %t:%T /mnt/file; cat /mnt/file; echo w >/mnt/file; stat -c "%t:%T" /proc/keys; cat /proc/self/mountinfo'
	has_line 0
	has_text 'Read-only file system'
	has_line 1:3
	lacks_text secret
	has_opt ro "$(mount_opts /mnt/dir)"
	equals "$(cat "$B/rootfs/mnt/file")" secret
}

@test "[10.2] maskedPaths without a mount namespace" {
	cfg '.linux.namespaces |= map(select(.type != "mount"))'
	create_fails 'unable to restrict sys entries without a private MNT namespace'
}

@test "[10.2] maskedPaths on a symlink mask its target inside the root" {
	mkdir "$B/rootfs/mnt/real"
	echo secret >"$B/rootfs/mnt/real/f"
	ln -s real "$B/rootfs/mnt/link"
	mkdir "$T/canary"
	echo keep >"$T/canary/f"
	ln -s "$T/canary" "$B/rootfs/mnt/out"
	cfg '.linux.maskedPaths=["/mnt/link","/mnt/out"]'
	rt run --bundle "$B" "$CID"
	[ -f "$T/canary/f" ]
	! grep -q "$T/canary" /proc/self/mountinfo
}

@test "[10.3] readonlyPaths: read-only, flags kept, missing ones skipped" {
	mkdir "$B/rootfs/mnt/dir"
	cfg '.linux.readonlyPaths=["/mnt/dir","/mnt/none","/proc/sys","/dev/shm"]'
	in_ctr 'touch /mnt/dir/x 2>&1; echo 1 >/proc/sys/kernel/msgmax 2>&1; cat /proc/self/mountinfo'
	has_text 'Read-only file system'
	has_opt ro "$(mount_opts /proc/sys)"
	local o
	o=$(mount_opts /dev/shm)
	has_opt ro "$o" && has_opt nosuid "$o" && has_opt nodev "$o" && has_opt noexec "$o"
}

@test "[10.3] readonlyPaths in a user namespace" {
	have_userns || skip 'no user namespaces'
	userns
	in_ctr 'cat /proc/self/mountinfo'
	has_opt ro "$(mount_opts /proc/sys)"
}

@test "[10.4] sysctl: written before /proc/sys becomes read-only, both spellings" {
	cfg '.linux.sysctl={"net.ipv4.ip_forward":"1","kernel.msgmax":"7777","net/ipv4/conf/lo/rp_filter":"2","kernel.shm_rmid_forced":"1","fs.mqueue.msg_max":"17"}'
	in_ctr 'cd /proc/sys; cat net/ipv4/ip_forward kernel/msgmax net/ipv4/conf/lo/rp_filter kernel/shm_rmid_forced fs/mqueue/msg_max'
	equals "$(xargs <<<"$output")" "1 7777 2 1 17"
}

@test "[10.4] sysctl: what is not the container's is refused" {
	cfg '.linux.sysctl={"kernel.core_pattern":"|/evil"}'
	create_fails 'sysctl "kernel.core_pattern" is not in a separate kernel namespace'
	cfg '.linux.sysctl={"vm.swappiness":"1"}'
	create_fails 'is not in a separate kernel namespace'
	cfg '.linux.sysctl={"kernel.hostname":"x"}'
	create_fails 'kernel.hostname'
	cfg '.linux.sysctl={"net.ipv4.ip_forward":"1"} | .linux.namespaces |= map(select(.type != "network")) | .mounts |= map(select(.destination != "/sys"))'
	create_fails 'sysctl "net.ipv4.ip_forward" not allowed in host network namespace'
	cfg '.linux.sysctl={"kernel.msgmax":"1"} | .linux.namespaces |= map(select(.type != "ipc")) | .mounts |= map(select(.destination != "/dev/mqueue"))'
	create_fails 'sysctl "kernel.msgmax" is not allowed in the hosts ipc namespace'
}

@test "[10.4] sysctl: the host's own network namespace by path counts as the host's" {
	cfg '.linux.sysctl={"net.ipv4.ip_forward":"1"} | .linux.namespaces |= map(if .type=="network" then .path="/proc/self/ns/net" else . end) | .mounts |= map(select(.destination != "/sys"))'
	create_fails 'not allowed in host network namespace'
}

@test "[10.4 C3] sysctl keys cannot climb" {
	local before k
	before=$(cat /proc/sys/kernel/core_pattern)
	for k in net/../kernel/core_pattern 'net/ipv4/../../kernel/core_pattern' net./kernel/core_pattern net//../x; do
		cfg '.linux.sysctl={($k):"|/evil"}' --arg k "$k"
		rt run --bundle "$B" "$CID"
		[ "$status" -ne 0 ]
		equals "$(cat /proc/sys/kernel/core_pattern)" "$before"
	done
}

@test "[10.4] sysctl: a value the kernel refuses names the key" {
	cfg '.linux.sysctl={"net.ipv4.ip_forward":"banana"}'
	rt create --bundle "$B" "$CID"
	[ "$status" -ne 0 ]
	[[ $errout == *ip_forward* ]]
	assert_nothing_left
}

@test "[10.4] sysctl: kernel.domainname with a uts namespace, user.* with a user namespace" {
	cfg '.linux.sysctl={"kernel.domainname":"sys.test"}'
	in_ctr 'cat /proc/sys/kernel/domainname'
	equals "$output" sys.test
	is_joey || return 0
	have_userns || return 0
	userns
	cfg '.linux.sysctl={"user.max_mnt_namespaces":"11"}'
	in_ctr 'cat /proc/sys/user/max_mnt_namespaces'
	equals "$output" 11
}

@test "[10.5] intelRdt without resctrl is an error" {
	! grep -q resctrl /proc/self/mounts || skip 'resctrl is mounted'
	cfg '.linux.intelRdt={"closID":"jt","l3CacheSchema":"L3:0=f"}'
	create_fails ''
}

@test "[5.4] in a user namespace, a device is bound from another name in the host's /dev" {
	have_userns || skip 'no user namespaces'
	userns
	cfg '.linux.devices=[{"type":"c","path":"/dev/nought","major":1,"minor":3}]'
	in_ctr 'echo x >/dev/nought && stat -c "%t:%T" /dev/nought'
	equals "$output" 1:3
}

@test "[10.1] rootfsPropagation slave: mounts of the host arrive, others do not leave" {
	[ "$(stat -c %d "$T")" = "$(stat -c %d /)" ] || skip 'the bundle is not on the file system of /'
	cfg '.linux.rootfsPropagation="slave"'
	script 'until [ -e /mnt/seen ]; do sleep 0.05; done; echo seen'
	unshare --mount sh -c 'mount --make-rshared / && { timeout 20 "$1" --root "$2" run --bundle "$3" "$4" & sleep 0.3
		mount -t tmpfs x "$3/rootfs/mnt" && touch "$3/rootfs/mnt/seen"; wait $!; }' \
		sh "$RUNTIME" "$ROOT" "$B" "$CID" >"$T/said" </dev/null 3>&- 4>&-
	equals "$(cat "$T/said")" seen
}

@test "[10.3] readonlyPaths: the root itself" {
	cfg '.linux.readonlyPaths=["/"]'
	in_ctr 'touch /x 2>/dev/null || echo refused; touch /dev/shm/x && echo below'
	equals "$output" "refused
below"
}
