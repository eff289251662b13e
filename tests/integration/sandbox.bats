# Sandboxed containers: what is theirs alone. The rest of the suite runs against them with JOEY_TEST_BACKEND=vm.
load helpers

setup() {
	sandbox_setup
	HOST=$(uname -r)
}

vm_create() { rt_ok create "${VM[@]}" "$@" --bundle "$B" "$CID"; }
vm_up() { cmd sleep 1000 && vm_create && start; }
place() { echo "$ROOT/@vm/${1:-$CID}"; }
sandbox_pid() { jq .pid "$(place "${1:-$CID}")/sandbox.json"; }
children_of() { cat "/proc/$1/task/$1/children"; }
qemu_pid() { hypervisor_of "${1:-$CID}"; }
not_host() { [ -n "$output" ] && lacks_text "$HOST" && lacks_text "$(</proc/cmdline)"; }
guest_file() { file_has "$B/rootfs/$1" .; }

# within SECONDS COMMAND...
within() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || { echo "too late: $*"; return 1; }
		poll_pause
	done
}
# takes_at_most SECONDS COMMAND...
takes_at_most() {
	local from=$SECONDS max=$1
	shift
	"$@" || return 1
	[ $((SECONDS - from)) -le "$max" ] || { echo "took $((SECONDS - from)) s: $*"; return 1; }
}
stopped() { [ "$(status_of)" = stopped ]; }
ended_well() {
	rt_ok delete "$CID"
	takes_at_most 6 assert_nothing_left
}

# ---- another kernel --------------------------------------------------------------------------------------------------

@test "[S1] another kernel by every way in: run, create and start, exec, exec -t, startContainer" {
	script 'uname -r; cat /proc/cmdline'
	rt_ok run "${VM[@]}" --bundle "$B" "$CID"
	not_host
	cfg '.hooks={startContainer:[{path:"/bin/sh",args:["sh","-c","uname -r >/tmp/hook; cat /proc/cmdline >>/tmp/hook"]}]}'
	script 'uname -r >/tmp/init; cat /proc/cmdline >>/tmp/init; exec sleep 1000'
	vm_create
	start
	until_true guest_file tmp/init
	output=$(<"$B/rootfs/tmp/init")
	not_host
	output=$(<"$B/rootfs/tmp/hook")
	not_host
	rt_ok exec "$CID" sh -c 'uname -r; cat /proc/cmdline'
	not_host
	output=$(timeout 60 "$HERE/../lib/on-terminal.py" -- "$RUNTIME" --root "$ROOT" exec -t "$CID" sh -c 'uname -r; cat /proc/cmdline; tty' 3>&- 4>&-)
	not_host
	has_text /dev/pts/
}

@test "[S1] ps shows host pids of proxies, ps of the guest and of the host do not mix" {
	vm_up
	rt_ok exec -d "$CID" sleep 999
	rt_ok ps -f json "$CID"
	equals "$(jq length <<<"$output")" 2
	local p
	for p in $(jq '.[]' <<<"$output"); do equals "$(cat "/proc/$p/comm")" joey-proxy; done
	rt_ok ps "$CID"
	has_text 'joey-proxy: sleep 999'
	rt_ok exec "$CID" ps -o pid,args
	lacks_text joey
	has_text 'sleep 999'
}

# ---- who may choose, and what is shown -------------------------------------------------------------------------------

@test "[S2] chosen by option, program name, annotation, vm object; state and list say so" {
	cmd sleep 1000
	vm_create
	rt_ok state "$CID"
	equals "$(jq -r '.sandbox | .kind, .id, .vcpus' <<<"$output" | paste -sd' ')" "vm $CID 1"
	[[ $(jq -r '.sandbox.accelerator + .sandbox.isolation' <<<"$output") =~ ^(tcgcompat|kvmfull)$ ]]
	[ "$(jq .sandbox.memory <<<"$output")" -ge 268435456 ]
	[ "$(jq .sandbox.overhead <<<"$output")" -gt 0 ]
	rt_ok list
	has_match "vm/(tcg|kvm)"
	rt_ok delete --force "$CID"
	local rt=$RUNTIME
	ln -s "$(realpath "$rt")" "$T/joey-vm"
	RUNTIME=$T/joey-vm
	create
	RUNTIME=$rt
	[ -e "$(place)" ]
	rt_ok delete --force "$CID"
	cfg '.annotations={"io.joey.sandbox":"vm"}'
	create
	[ -e "$(place)" ]
	rt_ok delete --force "$CID"
	cfg 'del(.annotations) | .vm={hwConfig:{memory:536870912}}'
	create
	equals "$(jq -c '[.vcpus,.memory]' "$(place)/sandbox.json")" '[1,536870912]'
	rt_ok delete --force "$CID"
	local guest c=$T/joey.conf
	cfg 'del(.vm)'
	printf '%s\n' '[sandbox]' 'max_memory = 300M' >"$c"
	chmod 644 "$c"
	rt_ok --config "$c" create "${VM[@]}" --bundle "$B" "$CID"
	equals "$(jq .memory "$(place)/sandbox.json")" 314572800
	rt_ok delete --force "$CID"
	guest=$(dirname "$(realpath "$rt")")/guest/small
	[ -e "$guest/vmlinux" ] || return 0
	guest=$(realpath "$guest")
	printf '%s\n' '[sandbox]' "kernel_dirs = $guest" >"$c"
	chmod 644 "$c"
	cfg 'del(.annotations) | .vm={hwConfig:{vcpus:2,memory:536870912},kernel:{path:($g+"/vmlinux"),initrd:($g+"/initramfs.cpio")}}' --arg g "$guest"
	rt_ok --config "$c" create --bundle "$B" "$CID"
	equals "$(jq -c '[.vcpus,.memory]' "$(place)/sandbox.json")" '[2,536870912]'
}

@test "[S2] joey.conf decides: who may choose, default, limits, KVM" {
	local c=$T/joey.conf
	conf() { printf '%s\n' '[sandbox]' "$@" >"$c" && chmod 644 "$c"; }
	cmd uname -r
	conf 'allow = program'
	rt_fail 'does not let it choose a sandbox' --config "$c" run "${VM[@]}" --bundle "$B" "$CID"
	conf 'default = vm'
	rt_ok --config "$c" run --bundle "$B" "$CID"
	lacks_text "$HOST"
	cfg '.annotations={"io.joey.sandbox":"none"}'
	rt_fail 'cannot ask for less isolation' --config "$c" run --bundle "$B" "$CID"
	cfg 'del(.annotations) | .vm={hwConfig:{memory:1073741824},kernel:{path:"/boot/joey/vmlinuz"}}'
	conf 'max_memory = 512M' 'kernel_dirs = /boot/joey'
	rt_fail 'joey.conf allows' --config "$c" run --bundle "$B" "$CID"
	cfg '.vm={kernel:{path:"/boot/vmlinuz"}}'
	rt_fail 'joey.conf allows no such path' --config "$c" run --bundle "$B" "$CID"
	cfg 'del(.vm) | .annotations={"io.joey.kernel":"/boot/vmlinuz"}'
	rt_fail 'unknown key io.joey.kernel' --config "$c" run "${VM[@]}" --bundle "$B" "$CID"
	cfg 'del(.annotations)'
	if ! grep -q '"kvm"' <<<"$(rt run "${VM[@]}" --bundle "$B" "$CID")" && [ ! -e /dev/kvm ]; then
		conf 'without_kvm = refuse'
		rt_fail 'needs KVM' --config "$c" run "${VM[@]}" --bundle "$B" "$CID"
		conf 'without_kvm = normal'
		rt_ok --config "$c" run "${VM[@]}" --bundle "$B" "$CID"
		equals "$output" "$HOST"
	fi
}

@test "[S3] refused in words: checkpoint, restore, host network, descriptors, devices of the host's network" {
	vm_up
	rt_fail 'not supported' checkpoint --image-path "$T/image" "$CID"
	with_fd() { status=0; "$RUNTIME" --root "$ROOT" "$@" >"$T/stdout" 2>"$T/stderr" 3</dev/null 4>&- || status=$?; }
	with_fd exec --preserve-fds 1 "$CID" true
	[ "$status" -ne 0 ] && file_has "$T/stderr" 'not supported in a sandbox'
	mkdir -p "$T/image"
	rt_fail '' restore "${VM[@]}" --image-path "$T/image" --bundle "$B" "r$CID"
	with_fd run "${VM[@]}" --preserve-fds 1 --bundle "$B" "p$CID"
	[ "$status" -ne 0 ] && file_has "$T/stderr" 'not supported in a sandbox'
	add_mount '{"destination":"/mnt","type":"bind","source":"/tmp","options":["bind","ridmap"],"uidMappings":[{"containerID":0,"hostID":1000,"size":1}],"gidMappings":[{"containerID":0,"hostID":1000,"size":1}]}'
	rt_fail 'idmapped mount is not supported' run "${VM[@]}" --bundle "$B" "i$CID"
	cfg '.mounts |= .[:-1] | .hooks={createContainer:[{path:"/bin/true"}]}'
	rt_fail 'createContainer is not supported' run "${VM[@]}" --bundle "$B" "h$CID"
	cfg 'del(.hooks)'
	cfg '.linux.namespaces |= map(select(.type != "network"))'
	rt_fail "the host's network" run "${VM[@]}" --bundle "$B" "n$CID"
}

# ---- the pid that an engine sees -------------------------------------------------------------------------------------

@test "[S4] exit status and signal of the payload are the proxy's, for run and for a subreaper" {
	local s
	cfg '.linux.namespaces |= map(select(.type != "pid"))' # pid 1 would ignore them
	for s in 'exit 7:7' 'kill -TERM $$:143' 'kill -KILL $$:137'; do
		script "${s%:*}"
		rt run "${VM[@]}" --bundle "$B" "$CID"
		equals "$status" "${s##*:}"
	done
	script 'exit 9'
	output=$("$TOOLS/launch" -c -r -- sh -c '
		"$0" --root "$1" create --sandbox=vm --bundle "$2" "$3" </dev/null >/dev/null 2>&1 && "$0" --root "$1" start "$3"' \
		"$RUNTIME" "$ROOT" "$B" "$CID")
	has_line 'runtime 0'
	has_line 'reaped 9'
}

@test "[S4] kill(2) of the proxy: a signal that can be taken reaches the payload, SIGKILL ends it" {
	script 'trap "echo got >/tmp/got" USR1; echo >/tmp/up; while :; do sleep 0.1; done'
	vm_create
	start
	until_true test -e "$B/rootfs/tmp/up"
	kill -USR1 "$(pid_of)"
	until_true test -e "$B/rootfs/tmp/got"
	rt_ok exec -d --pid-file "$T/pid" "$CID" sleep 999
	kill -9 "$(<"$T/pid")"
	no_sleep() { rt_ok exec "$CID" ps -o args && lacks_text 'sleep 999'; }
	until_true no_sleep
	kill -9 "$(pid_of)"
	within 1 stopped
	ended_well
}

@test "[S5] kill -9 of QEMU: stopped within a second, nothing is left" {
	vm_up
	kill -9 "$(qemu_pid)"
	within 1 stopped
	rt exec "$CID" true
	equals "$status" 255
	case $errout in *stopped*) ;; *) show && return 1 ;; esac
	ended_well
}

@test "[S5] kill -9 of the sandbox process: stopped within a second, nothing is left" {
	vm_up
	local q
	q=$(qemu_pid)
	kill -9 "$(sandbox_pid)"
	within 1 stopped
	within 1 gone "$q"
	ended_well
}

@test "[S5] kill -9 of the proxy of a created container" {
	cmd sleep 1000
	vm_create
	kill -9 "$(pid_of)"
	within 1 stopped
	ended_well
}

@test "[S5] a QEMU that stands still: kill KILL and delete --force come to an end, errors elsewhere" {
	vm_up
	kill -STOP "$(qemu_pid)"
	takes_at_most 5 rt_ok kill "$CID" KILL
	within 2 stopped
	takes_at_most 6 rt_ok delete --force "$CID"
	assert_nothing_left
	vm_up
	kill -STOP "$(qemu_pid)"
	takes_at_most 6 rt_ok delete --force "$CID"
	takes_at_most 6 assert_nothing_left
	vm_up
	kill -STOP "$(qemu_pid)"
	takes_at_most 15 rt_fail 'does not answer' kill "$CID" TERM
	kill -CONT "$(qemu_pid)"
}

# ---- streams ---------------------------------------------------------------------------------------------------------

@test "[S6] ten megabytes through stdin and stdout arrive whole, and separately from stderr" {
	head -c 10485760 /dev/urandom >"$T/in"
	script 'cat; echo end >&2; exit 5'
	STDIN=$T/in rt run "${VM[@]}" --bundle "$B" "$CID" || true
	equals "$status" 5
	equals "$errout" end
	cmp "$T/in" "$T/stdout"
}

@test "[S6] a reader that does not read stalls only itself" {
	vm_up
	mkfifo "$T/slow"
	exec 8<>"$T/slow"
	background "$RUNTIME" --root "$ROOT" exec "$CID" sh -c 'cat /dev/zero' >"$T/slow"
	sleep 2
	takes_at_most 20 rt_ok exec "$CID" sh -c 'head -c 1000000 /dev/zero | wc -c'
	equals "$output" 1000000
	[ "$(awk '/VmRSS/ { print $2 }' "/proc/$(sandbox_pid)/status")" -lt 16384 ]
	exec 8>&-
}

@test "[S6] a process that the guest could not start is forgotten" {
	vm_up
	for i in 1 2 3; do
		rt exec "$CID" /no/such
		equals "$status" 255
	done
	processes_are() { [ "$("$HERE/../lib/sandbox-info.py" "$(place)/sock" | jq .processes)" = "$1" ]; }
	until_true processes_are 1
	rt_ok exec "$CID" true
	until_true processes_are 1
}

@test "[S6] no helper holds the engine's descriptors; its pipes end with the container" {
	script 'echo hello; exec sleep 1000'
	mkfifo "$T/out"
	"$RUNTIME" --root "$ROOT" create "${VM[@]}" --bundle "$B" "$CID" </dev/null >"$T/out" 2>/dev/null 3>&- 4>&- &
	exec 8<"$T/out"
	wait $!
	start
	read -rt 20 line <&8
	equals "$line" hello
	local fd s q
	s=$(sandbox_pid) q=$(qemu_pid)
	for fd in /proc/{"$s","$q"}/fd/*; do
		case $(readlink "$fd") in "$T"* | */start | */report) echo "$fd: $(readlink "$fd")" && return 1 ;; esac
	done
	rt_ok kill "$CID" KILL
	! read -rt 20 line <&8 || false
	[ $? -le 1 ]
	exec 8<&-
	within 1 stopped
}

@test "[S6] a terminal by console socket: raw on the host, and its size follows" {
	cfg '.process.terminal=true | .process.consoleSize={"height":13,"width":37}'
	script 'stty size; read x; sleep 1; stty size; echo "got $x"'
	background "$TOOLS/recv" console "$T/c.sock" 'word
' >"$T/recv" 2>&1
	until_true test -e "$T/c.sock.ready"
	vm_create --console-socket "$T/c.sock"
	until_true file_has "$T/recv" fds=1
	start
	until_true file_has "$T/recv" '13 37'
	until_true file_has "$T/recv" 'got word'
}

@test "[S6] a terminal's size is the guest's, however early it is set: before the proxy has it as its own" {
	vm_up
	python3 - "$T/c.sock" >"$T/recv" 2>&1 3>&- 4>&- <<-'PY' &
		import array, fcntl, os, socket, struct, sys, termios
		s = socket.socket(socket.AF_UNIX)
		s.bind(sys.argv[1])
		s.listen()
		c = s.accept()[0]
		data, control, _, _ = c.recvmsg(100, socket.CMSG_SPACE(4))
		master = array.array("i", control[0][2])[0]
		fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 13, 37, 0, 0))
		try:
		    while out := os.read(master, 1000):
		        print(out.decode(), end="", flush=True)
		except OSError:
		    pass
	PY
	BG+=("$!")
	until_true test -S "$T/c.sock"
	jq -c '.process | .terminal=true | .args=["sh","-c","sleep 1; stty size"]' "$B/config.json" >"$T/process.json"
	strace -f -o /dev/null -e trace=setsid -e inject=setsid:delay_enter=700000 \
		"$RUNTIME" --root "$ROOT" exec -d --console-socket "$T/c.sock" --process "$T/process.json" "$CID" </dev/null >"$T/stdout" 2>&1 3>&- 4>&- &
	BG+=("$!")
	until_true file_has "$T/recv" '13 37'
}

@test "[S6] a terminal in the foreground follows the window" {
	vm_up
	output=$(timeout 60 "$HERE/../lib/on-terminal.py" --size 21x43 -- "$RUNTIME" --root "$ROOT" exec -t "$CID" stty size 3>&- 4>&-)
	has_text '21 43'
}

# ---- files -----------------------------------------------------------------------------------------------------------

@test "[S7] volumes: rw ones are written through, ro ones refuse even after the guest has remounted them" {
	mkdir "$T/rw" "$T/ro"
	echo old >"$T/ro/file"
	add_mount "{\"destination\":\"/rw\",\"type\":\"bind\",\"source\":\"$T/rw\",\"options\":[\"rbind\",\"rw\"]}"
	add_mount "{\"destination\":\"/ro\",\"type\":\"bind\",\"source\":\"$T/ro\",\"options\":[\"rbind\",\"ro\"]}"
	all_caps
	cfg '.linux.readonlyPaths=[] | .linux.maskedPaths=[]'
	script 'echo new >/rw/file; echo x >/ro/file; mount -o remount,rw,bind /ro; mount -o remount,rw /ro; echo x >/ro/file; echo x >/ro/new; rm /ro/file; true'
	rt_ok run "${VM[@]}" --bundle "$B" "$CID"
	equals "$(<"$T/rw/file")" new
	equals "$(<"$T/ro/file")" old
	equals "$(ls "$T/ro")" file
	case $errout in *'Read-only file system'*) ;; *) show && return 1 ;; esac
}

@test "[S7] a read-only root stays so, whatever the guest does" {
	cfg '.root.readonly=true'
	all_caps
	script 'echo x >/tmp/a; mount -o remount,rw /; mount -o remount,rw,bind /; echo x >/tmp/b; echo x >/etc/passwd; true'
	rt_ok run "${VM[@]}" --bundle "$B" "$CID"
	case $errout in *'Read-only file system'*) ;; *) show && return 1 ;; esac
	[ ! -e "$B/rootfs/tmp/a" ] && [ ! -e "$B/rootfs/tmp/b" ]
	grep -q '^root:' "$B/rootfs/etc/passwd"
}

@test "[S7] no helper has the host's files in its mount namespace, whatever it gets out of" {
	local holder
	rt_ok template prune --all
	vm_up
	holder=$(jq -r '.[0].holder' <<<"$("$RUNTIME" template list -f json)")
	ns_root() { timeout 10 "$HERE/../lib/ns-root.py" "$1"; }
	# a copy, or one that was restored
	[[ $(ns_root "$(qemu_pid)") =~ ^(proc\ share|empty\ etc\ (lib\ )?(lib64\ )?proc\ qemu\ share\ usr)$ ]]
	equals "$(ns_root "$(sandbox_pid)")" 'rw share'
	equals "$(ns_root "$holder")" ''
}

@test "[S7] links and devices inside a volume do not reach the host" {
	mkdir "$T/rw"
	echo secret >"$T/secret"
	ln -s "$T/secret" "$T/rw/abs"
	ln -s ../secret "$T/rw/rel"
	add_mount "{\"destination\":\"/rw\",\"type\":\"bind\",\"source\":\"$T/rw\",\"options\":[\"rbind\",\"rw\"]}"
	all_caps
	script 'cat /rw/abs /rw/rel /rw/../secret; ln -s /proc/1/root/etc/hostname /rw/h; cat /rw/h; ln -s ../../../../../.. /rw/up; ls /rw/up; echo over >/rw/abs; echo over >/rw/rel; true'
	rt_ok run "${VM[@]}" --bundle "$B" "$CID"
	lacks_text secret
	lacks_text "$(hostname)"
	lacks_text lib64
	equals "$(<"$T/secret")" secret
}

@test "[S7] the source of a mount is swapped for a link while the container runs: the host's mounts stay" {
	local before
	before=$(mounts_of_host)
	mkdir "$T/rw"
	add_mount "{\"destination\":\"/rw\",\"type\":\"bind\",\"source\":\"$T/rw\",\"options\":[\"rbind\",\"rw\"]}"
	vm_up
	mv "$T/rw" "$T/old" && ln -s /etc "$T/rw"
	rt_ok exec "$CID" sh -c 'echo x >/rw/x'
	[ -e "$T/old/x" ] && [ ! -e /etc/x ]
	mv "$B/rootfs" "$B/moved" && ln -s /usr "$B/rootfs"
	rt_ok delete --force "$CID"
	assert_nothing_left
	equals "$(mounts_of_host)" "$before"
}

# ---- pods, and both kinds side by side -------------------------------------------------------------------------------

@test "[S8] containers of a pod share a machine; it ends with the last" {
	local pod=pod$CID
	another "b$CID"
	cmd sleep 1000
	cfg ".annotations={\"io.kubernetes.cri.container-type\":\"sandbox\",\"io.kubernetes.cri.sandbox-id\":\"$pod\"}"
	vm_create
	start
	sed -i "s|\"cgroupsPath\":\"[^\"]*\"|\"cgroupsPath\":\"$CG-b\"|; s|:\"sandbox\"|:\"container\"|" "$B/config.json"
	rt_ok create "${VM[@]}" --bundle "$B" "b$CID"
	start "b$CID"
	equals "$(ls "$ROOT/@vm")" "$pod"
	rt_ok exec "$CID" cat /proc/sys/kernel/random/boot_id
	local boot=$output
	rt_ok exec "b$CID" cat /proc/sys/kernel/random/boot_id
	equals "$output" "$boot"
	rt_ok exec "b$CID" ps -o args
	equals "$(grep -c 'sleep 1000' <<<"$output")" 1
	rt_ok delete --force "$CID"
	rt_ok exec "b$CID" true
	rt_ok delete --force "b$CID"
	takes_at_most 6 assert_nothing_left
}

@test "[S8] a normal and two sandboxed containers side by side" {
	another "n$CID" "s$CID"
	cmd sleep 1000
	vm_create
	start
	sed -i "s|\"cgroupsPath\":\"[^\"]*\"|\"cgroupsPath\":\"$CG-n\"|" "$B/config.json"
	rt_ok run -d --sandbox=none --bundle "$B" "n$CID"
	sed -i "s|\"cgroupsPath\":\"[^\"]*\"|\"cgroupsPath\":\"$CG-s\"|" "$B/config.json"
	rt_ok run -d "${VM[@]}" --bundle "$B" "s$CID"
	local a b
	rt_ok exec "$CID" cat /proc/sys/kernel/random/boot_id
	a=$output
	rt_ok exec "s$CID" cat /proc/sys/kernel/random/boot_id
	b=$output
	[ "$a" != "$b" ]
	rt_ok exec "n$CID" uname -r
	equals "$output" "$HOST"
	rt_ok list -q
	equals "$(wc -w <<<"$output")" 3
}

# ---- killed in the middle --------------------------------------------------------------------------------------------

@test "[S9] joey create killed at any time: delete --force leaves nothing" {
	rt_ok run "${VM[@]}" --bundle "$B" "$CID" # now the template is there
	cmd sleep 1000
	local ms p
	for ms in 0.01 0.05 0.1 0.2 0.3 0.45 0.6 0.9 1.3 2; do
		"$RUNTIME" --root "$ROOT" create "${VM[@]}" --bundle "$B" "$CID" </dev/null >/dev/null 2>&1 3>&- 4>&- &
		p=$!
		sleep $ms
		kill -9 $p 2>/dev/null || true
		wait $p 2>/dev/null || true
		takes_at_most 10 rt_ok delete --force "$CID"
		takes_at_most 6 assert_nothing_left || { echo "after $ms s"; return 1; }
	done
}
