# checkpoint and restore (checklist 12.15, security C13 and C14). Needs criu(8) and a kernel with CHECKPOINT_RESTORE.
load helpers

setup() {
	case $BATS_TEST_DESCRIPTION in *"without criu"*) ;; *) require_criu ;; esac
	test_setup
	I=$T/images
}

require_criu() {
	[ "$(id -u)" = 0 ] || skip "criu needs root"
	command -v criu >/dev/null || skip "no criu"
	[ -e "$BATS_FILE_TMPDIR/criu-checked" ] || criu check >"$BATS_FILE_TMPDIR/criu-checked" 2>&1 || true
	grep -q 'Looks good' "$BATS_FILE_TMPDIR/criu-checked" || skip "this kernel cannot do what criu needs"
}

# run_it SCRIPT: a running container without standard streams.
run_it() {
	script "$1"
	"$RUNTIME" --root "$ROOT" run -d --bundle "$B" "$CID" </dev/null >/dev/null 2>&1 3>&-
}
save() { rt_ok checkpoint --image-path "$I" "$@" "$CID"; }
load_again() { rt_ok restore -d --bundle "$B" --image-path "$I" "$@" "$CID"; }
# The container counts in its own memory; what it has counted so far is in /dev/shm, a tmpfs of its own.
COUNTER='i=0; while :; do i=$((i+1)); echo $i >/dev/shm/n; sleep 0.05; done'
# busybox redirects by open and truncate, so a reader may see nothing
counted() {
	rt exec "$CID" cat /dev/shm/n
	[ "$status" -eq 0 ] && [ -n "$output" ]
}
counted_beyond() { counted && [ "$output" -gt "$1" ]; }

@test "[12.15] checkpoint: not for a container that is created, stopped or unknown" {
	cmd true
	create
	rt_fail 'Container cannot be checkpointed in created state' checkpoint --image-path "$I" "$CID"
	start
	wait_status stopped
	rt_fail 'Container cannot be checkpointed in stopped state' checkpoint --image-path "$I" "$CID"
	rt_fail 'container does not exist' checkpoint --image-path "$I" nobody
}

@test "[12.15] checkpoint removes the container, restore lets it go on where it was" {
	run_it "$COUNTER"
	until_true counted_beyond 3
	save --work-path "$T/work"
	rt_fail 'container does not exist' state "$CID"
	nothing_left_soon
	[ -s "$T/work/dump.log" ] && [ -s "$I/inventory.img" ] && [ -s "$I/descriptors.json" ]
	load_again --work-path "$T/work" --pid-file "$T/pid"
	equals "$(<"$T/pid")" "$(pid_of)"
	equals "$(status_of)" running
	equals "$(tail -n 1 "/proc/$(<"$T/pid")/cgroup")" "0::$CG"
	counted
	was=$output
	[ "$was" -gt 3 ]
	until_true counted_beyond "$was"
	rt_ok kill "$CID" KILL
	wait_status stopped
	rt_ok delete "$CID"
}

@test "[12.15] checkpoint twice, the default directory is ./checkpoint" {
	run_it "$COUNTER"
	cd "$T"
	for _ in 1 2; do
		rt_ok checkpoint "$CID"
		[ -s "$T/checkpoint/inventory.img" ]
		rt_ok restore -d --bundle "$B" "$CID"
		equals "$(status_of)" running
	done
}

@test "[12.15] checkpoint --leave-running, given twice as Podman does" {
	run_it "$COUNTER"
	save --leave-running --leave-running
	equals "$(status_of)" running
	counted
	until_true counted_beyond "$output"
}

@test "[12.15] restore takes go-runc's and conmon's command lines" {
	run_it "$COUNTER"
	save --work-path "$T/w" --tcp-established --ext-unix-sk --shell-job --file-locks --manage-cgroups-mode soft
	rt_ok restore --image-path "$I" --work-path "$T/w" --tcp-established --ext-unix-sk --shell-job --file-locks \
		--manage-cgroups-mode soft --detach --pid-file "$T/pid" -no-subreaper --no-pivot --no-new-keyring --bundle "$B" "$CID"
	equals "$(status_of)" running
}

@test "[12.15] pipes of the container are joined to restore's own" {
	script 'while read x; do echo pong $x; done'
	{ echo a; sleep 3; } | "$RUNTIME" --root "$ROOT" run -d --bundle "$B" "$CID" 2>&1 3>&- | cat >"$T/first" 3>&- &
	BG+=($!)
	until_true file_has "$T/first" 'pong a'
	save
	{ echo b; sleep 1; } | "$RUNTIME" --root "$ROOT" restore -d --bundle "$B" --image-path "$I" "$CID" 2>&1 3>&- | cat >"$T/second"
	equals "$(<"$T/second")" 'pong b'
}

@test "[12.15] restore in the foreground: exit status of the payload, then the container is gone" {
	run_it 'until [ -e /go ]; do sleep 0.1; done; exit 7'
	save
	touch "$B/rootfs/go"
	rt restore --bundle "$B" --image-path "$I" "$CID"
	equals "$status" 7
	nothing_left_soon
}

@test "[12.15] the terminal goes to restore's console socket" {
	cfg '.process.terminal=true'
	script 'while read x; do echo "[$x]"; done'
	background "$TOOLS/recv" console "$T/c.sock" >"$T/recv" 2>&1
	until_true test -e "$T/c.sock.ready"
	rt_ok run -d --bundle "$B" --console-socket "$T/c.sock" "$CID"
	save
	background "$TOOLS/recv" console "$T/d.sock" >"$T/recv2" 2>&1
	until_true test -e "$T/d.sock.ready"
	load_again --console-socket "$T/d.sock"
	until_true file_has "$T/recv2" 'fds=1 tty=1'
	equals "$(status_of)" running
}

@test "[12.15 C13] mount sources are the new config's, and so are the options" {
	mkdir "$T/one" "$T/two"
	echo one >"$T/one/f"
	echo two >"$T/two/f"
	add_mount '{"destination":"/data","type":"bind","source":"'"$T/one"'","options":["rbind"]}'
	run_it 'while :; do sleep 1; done'
	save
	cfg '(.mounts[] | select(.destination == "/data") | .source) = "'"$T/two"'"'
	load_again
	rt_ok exec "$CID" cat /data/f
	equals "$output" two
	rt_ok delete --force "$CID"
	# the image says: writable
	cfg '(.mounts[] | select(.destination == "/data") | .options) = ["rbind", "ro"]'
	rt_fail 'the image has /data without the option ro' restore -d --bundle "$B" --image-path "$I" "$CID"
	nothing_left_soon
	# a mount of the config that the image lacks
	cfg '.mounts += [{"destination":"/mnt","type":"tmpfs","source":"tmpfs"}] | (.mounts[] | select(.destination == "/data") | .options) = ["rbind"]'
	rt_fail 'the image has nothing mounted at /mnt' restore -d --bundle "$B" --image-path "$I" "$CID"
	nothing_left_soon
	# a mount of the image that the config lacks
	cfg '.mounts |= map(select(.destination != "/mnt" and .destination != "/data"))'
	rt_fail 'restore.log' restore -d --bundle "$B" --image-path "$I" "$CID"
	nothing_left_soon
}

@test "[12.15] masked and read-only paths, a read-only root, a new rootfs without mount points" {
	cfg '.root.readonly=true'
	run_it 'while :; do sleep 1; done'
	rmdir "$B/rootfs/mnt"
	save
	rm -rf "$B/rootfs"
	cp -al "$BATS_FILE_TMPDIR/template" "$B/rootfs"
	rmdir "$B/rootfs/dev" "$B/rootfs/sys"
	load_again
	rt_ok exec "$CID" sh -c 'wc -c </proc/keys; ls -A /sys/firmware; touch /x || true; cat /proc/self/mountinfo'
	has_line 0
	lacks_text /x
	has_opt ro "$(mount_opts /)"
	has_opt ro "$(mount_opts /proc/sys)"
}

@test "[12.15] limits are the new config's, whatever the images say" {
	require_controller pids
	cfg '.linux.resources={"pids":{"limit":50}}'
	run_it 'while :; do sleep 1; done'
	save
	cfg '.linux.resources={"pids":{"limit":33}}'
	# strict would insist on making the cgroup itself
	for mode in soft full ignore; do
		load_again --manage-cgroups-mode "$mode"
		equals "$(cg pids.max)" 33
		rt_ok delete --force "$CID"
	done
}

@test "[12.15] a network namespace joined by path stays outside, and is joined again" {
	background unshare -n sleep 60
	ns=/proc/$!/ns/net
	until_true test "$(readlink "$ns")" != "$(readlink /proc/self/ns/net)"
	touch "$T/ns"
	host_mount "$T/ns" --bind "$ns"
	cfg '(.linux.namespaces[] | select(.type == "network")).path = "'"$T/ns"'"'
	run_it 'while :; do sleep 1; done'
	save
	load_again
	equals "$(readlink "/proc/$(pid_of)/ns/net")" "$(readlink "$ns")"
}

@test "[12.15] namespaces of another container: uts and ipc joined by path" {
	background unshare -ui sleep 60
	other=$!
	until_true test "$(readlink "/proc/$other/ns/uts")" != "$(readlink /proc/self/ns/uts)"
	cfg '(.linux.namespaces[] | select(.type == "uts")).path = "/proc/'"$other"'/ns/uts" | del(.hostname)
		| (.linux.namespaces[] | select(.type == "ipc")).path = "/proc/'"$other"'/ns/ipc"'
	run_it 'while :; do sleep 1; done'
	save
	load_again
	equals "$(readlink "/proc/$(pid_of)/ns/uts")" "$(readlink "/proc/$other/ns/uts")"
	equals "$(readlink "/proc/$(pid_of)/ns/ipc")" "$(readlink "/proc/$other/ns/ipc")"
}

@test "[12.15] user namespace" {
	have_userns || skip "no user namespaces"
	userns
	chown -R 100000:200000 "$B/rootfs"
	run_it "$COUNTER"
	until_true counted_beyond 2
	save
	load_again
	counted
	until_true counted_beyond "$output"
	rt_ok exec "$CID" cat /proc/1/uid_map
	has_match '0 +100000 +65536'
}

@test "[12.15 11.1] hooks of a restore: before the processes run, with init's pid, and poststart" {
	for k in prestart createRuntime createContainer startContainer poststart; do
		cfg ".hooks.$k += [{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\"echo $k \$(jq -r '.status, (.pid > 0)') >>$T/hooks\"]}]"
	done
	cfg 'del(.hooks.createContainer, .hooks.startContainer)'
	run_it 'while :; do sleep 1; done'
	save
	: >"$T/hooks"
	load_again
	equals "$(<"$T/hooks")" $'prestart creating true\ncreateRuntime creating true\npoststart running true'
	rt_ok delete --force "$CID"
	cfg '.hooks.createRuntime = [{"path":"/bin/false"}]'
	rt_fail 'error running createRuntime hook #0' restore -d --bundle "$B" --image-path "$I" "$CID"
	nothing_left_soon
}

@test "[12.15] annotation org.criu.config names CRIU's configuration file" {
	echo 'log-file=other.log' >"$T/criu.conf"
	cfg '.annotations={"org.criu.config":"'"$T/criu.conf"'"}'
	run_it 'while :; do sleep 1; done'
	save
	[ -s "$I/other.log" ] && [ ! -e "$I/dump.log" ]
}

@test "[12.15] pre-dump lets the container go on, --parent-path builds on it" {
	criu check --feature mem_dirty_track >/dev/null 2>&1 || skip "this kernel does not track changes of memory"
	run_it "$COUNTER"
	rt_ok checkpoint --pre-dump --image-path "$T/pre" "$CID"
	equals "$(status_of)" running
	save --parent-path ../pre
	[ -L "$I/parent" ]
	load_again
	counted
	until_true counted_beyond "$output"
}

@test "[12.15] lazy pages: --page-server, --status-fd" {
	criu check --feature uffd-noncoop >/dev/null 2>&1 || skip "this criu cannot move pages on demand"
	criu check --feature mem_dirty_track >/dev/null 2>&1 || skip "criu's page server fails on kernels like this one"
	run_it "$COUNTER"
	until_true counted_beyond 2
	mkfifo "$T/ready"
	exec 9<>"$T/ready"
	background "$RUNTIME" --root "$ROOT" checkpoint --lazy-pages --page-server 127.0.0.1:27270 --status-fd 9 --image-path "$I" "$CID"
	read -rn 1 -t 10 -d '' <&9
	exec 9>&-
	background criu lazy-pages --page-server --address 127.0.0.1 --port 27270 -D "$I"
	until_true test -S "$I/lazy-pages.socket"
	another "$CID-2"
	cfg '.linux.cgroupsPath="'"$CG-2"'"'
	rt_ok restore -d --lazy-pages --bundle "$B" --image-path "$I" --work-path "$I" "$CID-2"
	rt_ok exec "$CID-2" cat /dev/shm/n
	wait_status running "$CID-2"
}

@test "[12.15] options that make no sense are refused" {
	run_it 'while :; do sleep 1; done'
	rt_fail 'invalid manage-cgroups-mode value' checkpoint --image-path "$I" --manage-cgroups-mode loud "$CID"
	rt_fail 'is not supported' checkpoint --image-path "$I" --empty-ns mount "$CID"
	rt_fail 'must be relative' checkpoint --image-path "$I" --parent-path /tmp "$CID"
	rt_fail 'invalid --parent-path' checkpoint --image-path "$I" --parent-path ../nothing "$CID"
	rt_fail 'ADDRESS:PORT' checkpoint --image-path "$I" --page-server here "$CID"
	rt_fail 'invalid --status-fd' checkpoint --image-path "$I" --status-fd 77 "$CID"
	equals "$(status_of)" running
	rt_fail 'no such file or directory' restore -d --bundle "$B" --image-path "$T/none" other
	mkdir "$T/empty"
	rt_fail descriptors.json restore -d --bundle "$B" --image-path "$T/empty" other
}

@test "[12.15] an error shows the end of CRIU's log, and the container goes on" {
	run_it 'exec 5<>/dev/shm/x; rm /dev/shm/x; while :; do sleep 1; done'
	exec 8< <(exec sleep 30)
	cmd sleep 60
	# no room for images
	mkdir "$I"
	host_mount "$I" -t tmpfs -o size=4k,nr_inodes=4 tmpfs
	rt_fail 'dump.log' checkpoint --image-path "$I" --work-path "$T/work" "$CID"
	has_text_in_error Error
	equals "$(status_of)" running
}
has_text_in_error() { case $errout in *"$1"*) ;; *) show; return 1 ;; esac; }

@test "[12.15 C13] damaged images: an error or the container, and nothing is left" {
	run_it 'while :; do sleep 1; done'
	save
	for f in inventory pstree core-1 mountpoints-* files mm-1 pagemap-1 fs-1 ids-1; do
		f=$(basename "$(ls "$I"/$f.img | head -n 1)")
		rm -rf "$T/bad"
		cp -a "$I" "$T/bad"
		size=$(stat -c %s "$T/bad/$f")
		for at in $((size / 2)) $((size - 2)) 9; do
			printf '\xff' | dd of="$T/bad/$f" bs=1 seek=$at conv=notrunc status=none
		done
		rt restore -d --bundle "$B" --image-path "$T/bad" "$CID"
		[ "$status" -le 1 ] || { echo "$f"; show; return 1; }
		rt_ok delete --force "$CID"
		nothing_left_soon
	done
}

@test "[C14] no criu of the image is ever run" {
	for d in usr/sbin usr/local/sbin usr/bin sbin bin; do
		mkdir -p "$B/rootfs/$d"
		printf '#!/bin/sh\ntouch /canary %s/canary\n' "$T" >"$B/rootfs/$d/criu"
		chmod 755 "$B/rootfs/$d/criu"
	done
	run_it 'while :; do sleep 1; done'
	PATH=$B/rootfs/bin:$PATH save
	PATH=$B/rootfs/bin:$PATH load_again
	[ ! -e "$T/canary" ] && [ ! -e "$B/rootfs/canary" ]
}

@test "[12.15] without criu the error says what is missing" {
	! command -v criu >/dev/null || skip "criu is installed"
	cmd sleep 60
	rt_ok run -d --bundle "$B" "$CID"
	rt_fail 'CRIU is not installed' checkpoint --image-path "$T/images" "$CID"
	equals "$(status_of)" running
	rt_ok checkpoint --help
	rt_fail 'flag needs an argument' restore --lsm-mount-context
}
