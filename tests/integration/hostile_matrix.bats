# The hostile-bundle matrix T1: every destination, every kind of link (hostile.bash).
load helpers
load hostile

@test "[4.2 C1] T1: /dev that is not mounted: nodes and links must not leave the root" { matrix /dev "$no_dev"; }
@test "[4.2 C1] T1: /dev as the mount point of the tmpfs" { matrix /dev .; }
@test "[4.2 C1] T1: /dev/pts" { matrix /dev/pts "$own_dev"; }
@test "[4.2 C1] T1: /dev/shm" { matrix /dev/shm "$own_dev"; }
@test "[4.2 C1] T1: /dev/mqueue" { matrix /dev/mqueue "$own_dev"; }
@test "[4.2 4.4 C1] T1: /proc" { matrix /proc .; }
@test "[4.2 4.4 C1] T1: /sys" { matrix /sys .; }
@test "[4.2 C1] T1: /sys/fs/cgroup" { matrix /sys/fs/cgroup '.mounts |= map(select(.destination != "/sys")) + [{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["ro"]}]'; }
@test "[4.2 C1] T1: tmpfs on /etc, /tmp, /run" {
	local d
	for d in /etc /tmp /run; do matrix $d '.mounts += [{"destination":"'$d'","type":"tmpfs","source":"t"}]'; done
}
@test "[4.2 C1] T1: tmpcopyup on a link" { matrix /data '.mounts += [{"destination":"/data","type":"tmpfs","source":"t","options":["tmpcopyup"]}]'; }
@test "[4.2 C1] T1: a volume's directory" {
	mkdir "$T/vol"
	touch "$T/vol/inside"
	matrix /var/vol '.mounts += [{"destination":"/var/vol","type":"bind","source":"'"$T/vol"'","options":["rbind","rw"]}]'
	matrix /var/vol '.mounts += [{"destination":"/var/vol/a/b","type":"bind","source":"'"$T/vol"'","options":["rbind","ro"]}]'
}
@test "[4.2 C1] T1: a file target" {
	echo x >"$T/afile"
	matrix /etc/resolv.conf '.mounts += [{"destination":"/etc/resolv.conf","type":"bind","source":"'"$T/afile"'","options":["bind","ro"]}]'
}
@test "[4.2 C1 2.3] T1: cwd" { matrix /var/work '.process.cwd="/var/work/new"'; }
@test "[4.2 C1 5.4] T1: listed devices" { matrix /dev "$no_dev"' | .linux.devices=[{"path":"/dev/sub/ptmx","type":"c","major":1,"minor":3},{"path":"/dev/file","type":"p"},{"path":"/dev/extra","type":"b","major":7,"minor":9}]'; }
@test "[4.2 C1 10.2 10.3] T1: masked and read-only paths" { matrix /var/m '.linux.maskedPaths=["/var/m","/var/m/file","/var/m/sub"] | .linux.readonlyPaths=["/var/m","/var/m/sub"]'; }
@test "[4.2 C1 2.1] T1: /run/notify" {
	export NOTIFY_SOCKET=$T/nobody.sock
	matrix /run/notify .
}
@test "[4.2 C1] T1: user namespace, /dev, /proc, a volume" {
	have_userns || skip 'no user namespaces'
	mkdir "$T/vol"
	userns
	matrix /dev "$no_dev"
	matrix /proc .
	matrix /var/vol '.mounts += [{"destination":"/var/vol","type":"bind","source":"'"$T/vol"'","options":["rbind","rw"]}]'
}
@test "[4.2 C1] T1: --no-pivot" {
	make_canary
	local kind
	for kind in $KINDS; do
		fresh_rootfs
		plant $kind /dev
		cfg "$no_dev"
		rt run --no-pivot --bundle "$B" "$CID"
		rt delete --force "$CID"
		equals "$(canary_hash)" "$CAN_HASH"
	done
}

@test "[4.2 C1] the rootfs itself is a link, or below one" {
	make_canary
	mv "$B/rootfs" "$B/real"
	ln -s "$CAN" "$B/rootfs"
	rt run --bundle "$B" "$CID"
	[ "$status" -ne 0 ]
	equals "$(canary_hash)" "$CAN_HASH"
}
