# Races and lies of an image (hostile.bash): checklist 4.2, security C1 (T2), C2, C3, C4, C8, C12, C14.
load helpers
load hostile

# T2: a second container that shares a volume swaps the destination with a link while the runtime works.
race() { # race DESTINATION ROUNDS: $B/rootfs$1 swaps with a link into the canary
	local at=$B/rootfs$1 i
	mkdir -p "$at"
	ln -sfn "../../../../../../../../../../..$CAN" "$at.link"
	background "$TOOLS/racer" "$at" "$at.link"
	for ((i = 0; i < $2; i++)); do
		rt run --bundle "$B" "$CID"
		[ "$status" -ne 124 ]
		if [ "$(canary_hash)" != "$CAN_HASH" ]; then
			echo "round $i: the canary changed"
			ls -laR "$CAN"
			return 1
		fi
	done
	kill "${BG[-1]}" 2>/dev/null || true
}

@test "[4.2 C1] T2: racing /dev without a mount on it" {
	make_canary
	cfg "$no_dev"
	race /dev 40
}
@test "[4.2 C1] T2: racing a volume's mount point and one below it" {
	make_canary
	mkdir "$T/vol"
	cfg '.mounts += [{"destination":"/var/vol","type":"bind","source":$s,"options":["rbind"]},{"destination":"/var/vol2/made/here","type":"tmpfs","source":"t"}]' --arg s "$T/vol"
	race /var/vol 20
	race /var/vol2 20
}
@test "[4.2 C1 C3] T2: racing /proc" {
	make_canary
	race /proc 40
}
@test "[10.2 C1] T2: racing a masked and a read-only path" {
	make_canary
	cfg '.linux.maskedPaths += ["/var/m/file"] | .linux.readonlyPaths += ["/var/m"]'
	mkdir -p "$B/rootfs/var/m"
	echo x >"$B/rootfs/var/m/file"
	race /var/m 30
}

# C2: the source of a mask must not be the container's own /dev/null, which the container (here: a sharer of /dev) swaps
# for a link to a procfs file.  CVE-2025-31133.
shared_dev() {
	mkdir -p "$T/dev/pts" "$T/dev/shm" "$T/dev/mqueue"
	mknod -m 666 "$T/dev/null" c 1 3
	mknod -m 666 "$T/dev/zero" c 1 5
	cfg '.mounts |= map(if .destination=="/dev" then {"destination":"/dev","type":"bind","source":$d,"options":["rbind"]} else . end)' --arg d "$T/dev"
}

@test "[10.2 C2] mask race: /dev/null of a shared /dev swapped for a link to a procfs file" {
	local i before
	before=$(cat /proc/sys/kernel/core_pattern)
	shared_dev
	ln -s /proc/sys/kernel/core_pattern "$T/dev/evil"
	cfg '.linux.maskedPaths=["/proc/keys","/proc/timer_list"] | .linux.readonlyPaths=["/proc/sys"]'
	all_caps
	script 'stat -c "%t:%T" /proc/keys /proc/timer_list; echo "|evil" >/proc/keys; echo "|evil" >/proc/sys/kernel/core_pattern; true'
	background "$TOOLS/racer" "$T/dev/null" "$T/dev/evil"
	for i in $(seq 40); do
		rt run --bundle "$B" "$CID"
		if [ "$status" -eq 0 ]; then equals "$(grep : <<<"$output" | sort -u)" 1:3; fi
		equals "$(cat /proc/sys/kernel/core_pattern)" "$before"
	done
}

@test "[10.2 C2] mask: a static link as /dev/null of the image, and a plain file" {
	local before kind
	before=$(cat /proc/sys/kernel/core_pattern)
	shared_dev
	cfg '.linux.maskedPaths=["/proc/keys"] | .linux.readonlyPaths=[]'
	all_caps
	for kind in link file dir; do
		rm -rf "$T/dev/null"
		case $kind in
		link) ln -s /proc/sys/kernel/core_pattern "$T/dev/null" ;;
		file) echo leak >"$T/dev/null" ;;
		dir) mkdir "$T/dev/null" ;;
		esac
		script 'stat -c "%t:%T" /proc/keys; cat /proc/keys; echo "|evil" >/proc/keys; true'
		rt run --bundle "$B" "$CID"
		if [ "$status" -eq 0 ]; then
			has_line 1:3
			lacks_text leak
		fi
		equals "$(cat /proc/sys/kernel/core_pattern)" "$before"
	done
}

# C2: CVE-2025-52565, /dev/console bound from a path that the container can swap.
@test "[2.1 C2] console race: /dev/pts/0 and /dev/console of a shared /dev" {
	local i before s
	before=$(cat /proc/sys/kernel/core_pattern)
	shared_dev
	rm -rf "$T/dev/pts"
	mkdir "$T/dev/pts"
	ln -s /proc/sys/kernel/core_pattern "$T/dev/console.evil"
	: >"$T/dev/console"
	cfg '.process.terminal=true | .linux.readonlyPaths=["/proc/sys"]'
	script 'stat -L -c "%t:%T" /dev/console; echo "|evil" >/dev/console; true'
	background "$TOOLS/racer" "$T/dev/console" "$T/dev/console.evil"
	for i in $(seq 12); do
		s=$T/c$i.sock
		background "$TOOLS/recv" console "$s" >"$T/recv$i" 2>&1
		until_true test -e "$s.ready"
		rt run -d --console-socket "$s" --bundle "$B" "$CID"
		rt delete --force "$CID"
		equals "$(cat /proc/sys/kernel/core_pattern)" "$before"
	done
}

# C3: what pretends to be procfs.
@test "[10.4 C3] sysctl: no procfs in the container, files of the image in its place" {
	make_canary
	mkdir -p "$B/rootfs/proc/sys/kernel" "$B/rootfs/proc/sys/net/ipv4"
	echo untouched >"$B/rootfs/proc/sys/kernel/domainname"
	echo untouched >"$B/rootfs/proc/sys/net/ipv4/ip_forward"
	cfg '.mounts |= map(select(.destination != "/proc")) | .linux.sysctl={"kernel.domainname":"real","net.ipv4.ip_forward":"1"} | del(.linux.maskedPaths) | del(.linux.readonlyPaths)'
	script 'cat /proc/sys/kernel/domainname; uname -n'
	rt run --bundle "$B" "$CID"
	equals "$(cat "$B/rootfs/proc/sys/kernel/domainname")" untouched
	equals "$(cat "$B/rootfs/proc/sys/net/ipv4/ip_forward")" untouched
}

@test "[10.4 C3] sysctl: entries of the image's /proc are links to other procfs files" {
	local before
	before=$(cat /proc/sys/kernel/core_pattern)
	mkdir -p "$B/rootfs/proc/sys/net/ipv4"
	ln -s /proc/sys/kernel/core_pattern "$B/rootfs/proc/sys/net/ipv4/ip_forward"
	cfg '.linux.sysctl={"net.ipv4.ip_forward":"|/evil"} | .mounts |= map(select(.destination != "/proc")) | del(.linux.maskedPaths) | del(.linux.readonlyPaths)'
	rt run --bundle "$B" "$CID"
	equals "$(cat /proc/sys/kernel/core_pattern)" "$before"
}

@test "[4.4 C3] a bind of the host's procfs pieces under /proc/self/attr is refused" {
	cfg '.mounts += [{"destination":"/proc/self/attr/exec","type":"bind","source":"/proc/sys/kernel/domainname","options":["bind"]}]'
	create_fails 'inside /proc'
	cfg '.mounts[-1].destination="/proc/thread-self/attr/apparmor/exec"'
	create_fails 'inside /proc'
}

@test "[4.4 C3] /proc reached through a link of the image, or by .. , cannot be covered either" {
	ln -s /proc "$B/rootfs/p"
	local d
	for d in /p/self /p/sys /mnt/../proc/sys /proc/./sys /./proc/self //proc//sys; do
		cfg '.mounts |= map(select(.source != "jt")) + [{"destination":$d,"type":"tmpfs","source":"jt"}]' --arg d "$d"
		rt create --bundle "$B" "$CID"
		[ "$status" -ne 0 ] || { echo "$d was covered"; return 1; }
	done
	assert_nothing_left
}

@test "[2.14 6.4 C3] oom_score_adj and id maps are not written through the image's /proc" {
	have_userns || skip 'no user namespaces'
	mkdir -p "$B/rootfs/proc/self"
	echo keep >"$B/rootfs/proc/self/oom_score_adj"
	echo keep >"$B/rootfs/proc/self/setgroups"
	userns
	cfg '.process.oomScoreAdj=500'
	in_ctr 'cat /proc/self/oom_score_adj'
	equals "$output" 500
	equals "$(cat "$B/rootfs/proc/self/oom_score_adj" "$B/rootfs/proc/self/setgroups" | sort -u)" keep
}

# C4: the runtime's own binary.
@test "[10.9 C4] entry points that execute /proc/self/exe, by name, by #! and as ELF interpreter" {
	local sum
	sum=$(sha256sum <"$RUNTIME")
	cmd /proc/self/exe --version
	rt run --bundle "$B" "$CID"
	printf '#!/proc/self/exe\n' >"$B/rootfs/bin/again"
	chmod 755 "$B/rootfs/bin/again"
	cmd again
	rt run --bundle "$B" "$CID"
	equals "$(sha256sum <"$RUNTIME")" "$sum"
}

# What the image can make the kernel execute by that name is joey's file: nothing that was opened through /proc/PID/exe may
# ever become writable, not even for the host's root.
reopen_exe() { # reopen_exe PID END-COMMAND...: what became of a descriptor of PID's program after END-COMMAND
	local pid=$1
	shift
	rm -f "$T/go"
	background "$TOOLS/probe" reopen "/proc/$pid/exe" "$T/go" >"$T/reopened"
	until_true file_has "$T/reopened" 'holding 1'
	"$@"
	touch "$T/go"
	wait "${BG[-1]}"
	output=$(tail -n 1 "$T/reopened")
	[[ $output == 'Read-only file system' || $output == 'Operation not permitted' ]] || { show; return 1; }
}

@test "[10.9 C4] joey's file does not become writable through the /proc/PID/exe of an init" {
	cp "$RUNTIME" "$T/${RUNTIME##*/}"
	RUNTIME=$T/${RUNTIME##*/}
	cmd sleep 100
	create
	reopen_exe "$(pid_of)" rt_ok delete --force "$CID"
	# before start, in a hook's time
	mkfifo "$T/hold"
	cfg '.hooks={"createContainer":[{"path":"/bin/sh","args":["sh","-c","echo $PPID >$0.pid; read x <$0",$f]}]}' --arg f "$T/hold"
	background "$RUNTIME" --root "$ROOT" create --bundle "$B" "$CID" </dev/null >"$T/o" 2>&1
	local creating=${BG[-1]}
	until_true test -s "$T/hold.pid"
	finish() {
		echo go >"$T/hold"
		wait "$creating"
		rt_ok delete --force "$CID"
	}
	reopen_exe "$creating" finish
}

@test "[10.9 C4 C6] a container that shares its pid namespace cannot reach joey's init: exe, mem, fd, root" {
	local sum i
	sum=$(sha256sum <"$RUNTIME")
	another "$CID-b"
	cmd probe hunt 20
	timeout 20 "$RUNTIME" --root "$ROOT" run -d --bundle "$B" "$CID" </dev/null >"$T/hunt" 2>&1 3>&-
	until_true file_has "$T/hunt" hunting
	cfg '.linux.namespaces |= map(if .type=="pid" then .path=("/proc/"+$p+"/ns/pid") else . end) | .linux.cgroupsPath=$c' --arg p "$(pid_of)" --arg c "$CG-b"
	cmd /bin/true
	for i in $(seq 25); do rt run --bundle "$B" "$CID-b"; done
	# and one that waits in created for a while
	cmd /bin/sleep 1
	rt create --bundle "$B" "$CID-b"
	RT_TIMEOUT=10 rt delete --force "$CID-b"
	touch "$B/rootfs/tmp/stop"
	until_true file_has "$T/hunt" wins=
	output=$(cat "$T/hunt")
	lacks_text OVERWRITE
	if is_joey; then has_line wins=0; fi
	equals "$(sha256sum <"$RUNTIME")" "$sum"
}

@test "[C14] programs of the image with the names of joey's helpers are never run" {
	local h
	for h in newuidmap newgidmap criu virtiofsd passt qemu-system-x86_64; do
		printf '#!/bin/sh\necho ran >>%s\n' "$T/helper-ran" >"$B/rootfs/usr/bin/$h"
		cp "$B/rootfs/usr/bin/$h" "$B/rootfs/bin/$h"
		chmod 755 "$B/rootfs/usr/bin/$h" "$B/rootfs/bin/$h"
	done
	chmod 777 "$T"
	have_userns && userns
	PATH="$B/rootfs/bin:$PATH" rt_ok run --bundle "$B" "$CID"
	[ ! -e "$T/helper-ran" ]
}

@test "[8.1.1 C8] cgroupsPath cannot climb" {
	[ -n "$(cgroup2_mount)" ] || skip 'no cgroup2'
	local p
	for p in "../../../../../$CID-x" "/a/../../../$CID-x" "/$CID-x/../../../../$CID-x"; do
		cfg '.linux.cgroupsPath=$p' --arg p "$p"
		rt run --bundle "$B" "$CID"
		[ ! -e "/$CID-x" ]
		[ ! -e "/sys/fs/$CID-x" ]
		rt delete --force "$CID"
	done
	rmdir "$(cgroup2_mount)/a" 2>/dev/null || true
}

@test "[C12] a state directory that is a link is not followed" {
	is_joey || skip 'layout of joey'
	mkdir -p "$ROOT" "$T/elsewhere"
	echo keep >"$T/elsewhere/state.json"
	ln -s "$T/elsewhere" "$ROOT/$CID"
	rt create --bundle "$B" "$CID"
	[ "$status" -ne 0 ]
	rt delete --force "$CID"
	equals "$(cat "$T/elsewhere/state.json")" keep
	rm -f "$ROOT/$CID"
}

@test "[C1] something lies over the caller's root: nothing of either is left in the container" {
	mkdir "$T/over"
	script 'ls /.. >/seen; for i in 1 2 3 4 5 6 7 8; do cd ..; done; ls >>/seen; cut -d" " -f5 /proc/self/mountinfo | grep -c "^/$" >>/seen'
	unshare -m sh -c 'mount -t tmpfs none / && exec "$@"' sh "$RUNTIME" --root "$ROOT" run --bundle "$B" "$CID" </dev/null 3>&- 4>&-
	equals "$(tail -n 1 "$B/rootfs/seen")" 1
	equals "$(head -n -1 "$B/rootfs/seen" | sort | uniq -c | awk '$1 != 2')" ''
	grep -qx seen "$B/rootfs/seen"
}
