# Console socket, pid file, pidfd socket, NOTIFY_SOCKET (checklist 2.1, 2.2, 12.16; engine contract 6).
load helpers

recv() { # recv MODE SOCKET [ARG]: listener in the background, its words in $T/recv
	background "$TOOLS/recv" "$@" >"$T/recv" 2>&1
	until_true test -e "$2.ready"
}

terminal() { cfg '.process.terminal=true'; }

@test "[2.1 engine6] console socket: one message, a name, exactly one descriptor, a terminal" {
	terminal
	cmd probe tty
	recv console "$T/c.sock"
	rt_ok create --bundle "$B" --console-socket "$T/c.sock" "$CID"
	until_true file_has "$T/recv" fds=
	output=$(<"$T/recv")
	has_match '^name=[^ ]+ fds=1 tty=1 .*more=0'
	start
	until_true file_has "$T/recv" sid=1
	output=$(<"$T/recv")
	has_match 'tty=111 .*sid=1 pgrp=1 ctty=1 name=/dev/(pts/0|console)'
}

@test "[2.2] consoleSize is set before the payload starts" {
	terminal
	cfg '.process.consoleSize={"height":13,"width":37}'
	cmd probe tty
	recv console "$T/c.sock"
	rt_ok create --bundle "$B" --console-socket "$T/c.sock" "$CID"
	start
	until_true file_has "$T/recv" sid=
	output=$(<"$T/recv")
	has_match 'tty=111 rows=13 cols=37'
}

@test "[2.2] consoleSize without a terminal is ignored" {
	cfg '.process.consoleSize={"height":13,"width":37}'
	rt_ok run --bundle "$B" "$CID"
}

@test "[2.1 5.2] /dev/console is the terminal, /dev/ptmx the container's own" {
	terminal
	script 'ls -l /dev/ptmx; stat -c "%t:%T" /dev/console; stat -c "%t:%T" /dev/pts/0; echo text >/dev/console; grep " /dev/console " /proc/self/mountinfo; echo end'
	recv console "$T/c.sock"
	rt_ok run -d --bundle "$B" --console-socket "$T/c.sock" "$CID"
	until_true file_has "$T/recv" '^end'
	output=$(tr -d '\r' <"$T/recv")
	has_match 'ptmx -> pts/ptmx'
	equals "$(grep -c '^88:0$' <<<"$output")" 2
	has_line text
	has_text /dev/console
}

@test "[2.1] input reaches the payload, end of the payload hangs the terminal up" {
	terminal
	script 'read x; echo "got $x"'
	recv console "$T/c.sock" "hello
"
	rt_ok run -d --bundle "$B" --console-socket "$T/c.sock" "$CID"
	until_true file_has "$T/recv" 'got hello'
	wait_status stopped
}

@test "[2.1] terminal and read-only root together" {
	terminal
	cfg '.root.readonly=true'
	script 'touch /x 2>&1; tty; echo end'
	recv console "$T/c.sock"
	rt_ok run -d --bundle "$B" --console-socket "$T/c.sock" "$CID"
	until_true file_has "$T/recv" '^end'
	output=$(tr -d '\r' <"$T/recv")
	has_text 'Read-only file system'
}

@test "[2.1] terminal for another user: it owns the terminal" {
	terminal
	cfg '.process.user={"uid":1000,"gid":1000}'
	script 'stat -c %u /dev/pts/0; tty; echo end >/dev/tty'
	recv console "$T/c.sock"
	rt_ok run -d --bundle "$B" --console-socket "$T/c.sock" "$CID"
	until_true file_has "$T/recv" '^end'
	output=$(tr -d '\r' <"$T/recv")
	has_line 1000
}

@test "[2.1] a socket path longer than sun_path" {
	terminal
	cmd probe tty
	local d=$T/$(printf 'x%.0s' {1..120})
	mkdir -p "$d"
	is_joey || skip 'runc: invalid argument'
	recv console "$d/c.sock"
	rt_ok run -d --bundle "$B" --console-socket "$d/c.sock" "$CID"
	until_true file_has "$T/recv" sid=1
}

@test "[2.1 1.9] no listener: create fails, nothing is left" {
	terminal
	rt create --bundle "$B" --console-socket "$T/none.sock" "$CID"
	[ "$status" -ne 0 ]
	assert_nothing_left
	: >"$T/plain"
	rt create --bundle "$B" --console-socket "$T/plain" "$CID"
	[ "$status" -ne 0 ]
	assert_nothing_left
}

@test "[2.1] a terminal without devpts in the container is an error" {
	terminal
	cfg '.mounts |= map(select(.destination != "/dev/pts"))'
	recv console "$T/c.sock"
	rt create --bundle "$B" --console-socket "$T/c.sock" "$CID"
	[ "$status" -ne 0 ]
	assert_nothing_left
}

# The image ships an own /dev/ptmx and /dev/console: neither may be opened or followed (CVE-2025-52565 class).
@test "[2.1 C2] hostile /dev/ptmx and /dev/console of an image without a /dev mount" {
	terminal
	cfg '.mounts |= map(select(.destination != "/dev" and .destination != "/dev/shm" and .destination != "/dev/mqueue"))'
	mkdir -p "$B/rootfs/dev/pts" "$T/canary"
	echo keep >"$T/canary/console"
	ln -s "$T/canary/console" "$B/rootfs/dev/console"
	ln -s "$T/canary/ptmx" "$B/rootfs/dev/ptmx"
	script 'echo payload; tty; echo end'
	recv console "$T/c.sock"
	rt run -d --bundle "$B" --console-socket "$T/c.sock" "$CID"
	if [ "$status" -eq 0 ]; then until_true file_has "$T/recv" '^end'; fi
	equals "$(<"$T/canary/console")" keep
	equals "$(ls "$T/canary")" console
}

@test "[12.16] run with a terminal in the foreground: size, output, exit code" {
	terminal
	script 'tty; stty size; echo end; exit 5'
	cat >"$T/fgtty.py" <<-'EOF'
		import fcntl, os, pty, struct, sys, termios
		pid, fd = pty.fork()
		if pid == 0:
		    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 21, 43, 0, 0))
		    os.execv(sys.argv[1], sys.argv[1:])
		out = b""
		while True:
		    try:
		        d = os.read(fd, 4096)
		    except OSError:
		        break
		    if not d:
		        break
		    out += d
		_, st = os.waitpid(pid, 0)
		sys.stdout.write(out.decode().replace("\r", ""))
		print("exit", os.waitstatus_to_exitcode(st))
	EOF
	output=$(timeout 20 python3 "$T/fgtty.py" "$RUNTIME" --root "$ROOT" run --bundle "$B" "$CID" 3>&- 4>&-)
	has_match '^/dev/(pts/0|console)'
	has_line '21 43'
	has_line end
	has_line 'exit 5'
}

@test "[engine6] pid file: decimal, no newline, host pid, whole" {
	cmd sleep 100
	rt_ok create --bundle "$B" --pid-file "$T/pid" "$CID"
	[[ $(od -An -c "$T/pid" | tr -d ' \n') =~ ^[0-9]+$ ]]
	equals "$(<"$T/pid")" "$(pid_of)"
	[ -z "$(find "$T" -maxdepth 1 -name '*pid*' ! -name pid)" ]
}

@test "[engine6] pid file: relative to the caller's directory, replaced when it exists" {
	cmd sleep 100
	cd "$T"
	echo old-and-long-text >pid
	rt_ok create --bundle "$B" --pid-file pid "$CID"
	equals "$(<"$T/pid")" "$(pid_of)"
}

@test "[engine6 1.9] pid file that cannot be written: error, nothing left" {
	cmd sleep 100
	rt create --bundle "$B" --pid-file "$T/no/dir/pid" "$CID"
	[ "$status" -ne 0 ]
	[[ $errout == *'no such file or directory'* ]]
	assert_nothing_left
}

@test "[engine6] a failed create writes no pid file" {
	cmd nope
	rt create --bundle "$B" --pid-file "$T/pid" "$CID"
	[ ! -e "$T/pid" ]
}

@test "[engine6] pidfd socket: one pidfd of init" {
	cmd sleep 100
	recv pidfd "$T/p.sock"
	rt_ok create --bundle "$B" --pidfd-socket "$T/p.sock" "$CID"
	until_true file_has "$T/recv" Pid:
	output=$(<"$T/recv")
	has_line 'name=standard fds=1'
	has_match "^Pid:.$(pid_of)\$"
	rt_ok delete --force "$CID"
	until_true file_has "$T/recv" ended
}

@test "[engine6] NOTIFY_SOCKET: READY is relayed, the payload has its own socket" {
	recv notify "$T/n.sock"
	script 'echo "$NOTIFY_SOCKET"; probe notify "READY=1
STATUS=hi"; exec sleep 100'
	export NOTIFY_SOCKET=$T/n.sock
	timeout 20 "$RUNTIME" --root "$ROOT" create --bundle "$B" "$CID" </dev/null >"$T/o" 2>&1 3>&-
	timeout 20 "$RUNTIME" --root "$ROOT" start "$CID" </dev/null >"$T/o2" 2>&1 3>&-
	unset NOTIFY_SOCKET
	until_true file_has "$T/o" /run/notify/notify.sock
	until_true file_has "$T/recv" READY=1
	until_true file_has "$T/recv" "MAINPID=$(pid_of)"
	! file_has "$T/recv" STATUS
}

@test "[engine6] NOTIFY_SOCKET: its mount is ro, nosuid, nodev, noexec" {
	recv notify "$T/n.sock"
	script 'cat /proc/self/mountinfo; touch /run/notify/x 2>&1; probe notify READY=1; exec sleep 100'
	NOTIFY_SOCKET=$T/n.sock timeout 20 "$RUNTIME" --root "$ROOT" run -d --bundle "$B" "$CID" </dev/null >"$T/o" 2>&1 3>&-
	until_true file_has "$T/o" 'Read-only'
	output=$(<"$T/o")
	local o
	o=$(mount_opts /run/notify)
	has_opt ro "$o" && has_opt nosuid "$o" && has_opt nodev "$o" && has_opt noexec "$o"
}

@test "[engine6] without NOTIFY_SOCKET there is no such mount and variable" {
	in_ctr 'env; cat /proc/self/mountinfo'
	lacks_text NOTIFY
	lacks_text notify
}
