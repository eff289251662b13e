# run, kill and exit codes (checklist 12.6, 12.16; engine contract 4, 6).
load helpers

@test "[12.16] run: exit status of the payload" {
	local n
	for n in 0 1 7 255; do
		cmd sh -c "exit $n"
		rt run --bundle "$B" "$CID"
		equals "$status" "$n"
	done
}

@test "[12.16] run: 128+signal when the payload is killed" {
	cmd sh -c 'kill -9 $$'
	cfg '.linux.namespaces |= map(select(.type != "pid"))'
	rt run --bundle "$B" "$CID"
	equals "$status" 137
}

@test "[12.16] run: standard input, output and error pass through" {
	script 'read x; echo "out $x"; echo "err $x" >&2'
	echo hello >"$T/in"
	STDIN=$T/in rt_ok run --bundle "$B" "$CID"
	equals "$output" "out hello"
	equals "$errout" "err hello"
}

@test "[12.16] run: a pipe of 3 MiB arrives whole" {
	script 'head -c 3145728 /dev/zero'
	n=$("$RUNTIME" --root "$ROOT" run --bundle "$B" "$CID" </dev/null 3>&- | wc -c)
	equals "$n" 3145728
}

@test "[12.16] run removes the container, --keep leaves it stopped" {
	rt_ok run --bundle "$B" "$CID"
	rt_fail 'does not exist' state "$CID"
	rt_ok run --keep --bundle "$B" "$CID"
	has_status stopped
	rt_ok delete "$CID"
}

@test "[12.16] run -d returns at once and leaves a running container" {
	cmd sleep 100
	rt_ok run -d --bundle "$B" --pid-file "$T/pid" "$CID"
	has_status running
	equals "$(<"$T/pid")" "$(pid_of)"
}

@test "[12.16] run in the foreground forwards signals" {
	cmd probe waitsig
	background "$RUNTIME" --root "$ROOT" run --bundle "$B" "$CID" </dev/null >"$T/o" 2>"$T/e"
	local p=$!
	until_true file_has "$T/o" ready
	kill -USR1 $p
	until_true file_has "$T/o" "signal 10"
	kill -HUP $p
	until_true file_has "$T/o" "signal 1$"
	kill -TERM $p
	local rc=0
	wait $p || rc=$?
	equals "$rc" 42
}

@test "[12.16] terminal rules: detached without a socket, a socket without need" {
	cfg '.process.terminal=true'
	rt_fail 'will detach without setting console socket' run -d --bundle "$B" "$CID"
	rt_fail 'will detach without setting console socket' create --bundle "$B" "$CID"
	cfg '.process.terminal=false'
	rt_fail 'will not detach or allocate tty' create --console-socket "$T/s" --bundle "$B" "$CID"
}

@test "[12.16] the payload of run has no joey in its own process tree, joey waits as its parent" {
	script 'echo $$; cat /proc/1/comm; true'
	rt_ok run --bundle "$B" "$CID"
	has_line 1
	has_line sh
}

@test "[12.16] orphans of the payload do not hang run" {
	script 'sleep 300 >/dev/null 2>&1 </dev/null & exit 3'
	cfg '.linux.namespaces |= map(select(.type != "pid"))'
	RT_TIMEOUT=15 rt run --bundle "$B" "$CID"
	equals "$status" 3
}

@test "[12.6] kill: names with and without SIG, any case, numbers, default TERM" {
	cmd probe waitsig
	create_to_files
	start
	until_true file_has "$T/o" ready
	local s
	for s in USR1 SIGUSR2 sigint hup 3; do rt_ok kill "$CID" "$s"; done
	for s in 10 12 2 1 3; do until_true file_has "$T/o" "signal $s$"; done
	rt_ok kill "$CID"
	until_true file_has "$T/o" "signal 15"
	wait_status stopped
}

create_to_files() {
	timeout 20 "$RUNTIME" --root "$ROOT" create --bundle "$B" "$CID" </dev/null >"$T/o" 2>"$T/e" 3>&- 4>&-
}

@test "[12.6] kill: real-time signals by name" {
	is_joey || skip 'RTMIN+n is not known to runc'
	cmd probe waitsig
	create_to_files
	start
	until_true file_has "$T/o" ready
	rt_ok kill "$CID" RTMIN+3
	until_true file_has "$T/o" "signal 37"
	rt_ok kill "$CID" SIGRTMIN+3
}

@test "[12.6] kill: unknown signals" {
	cmd sleep 100
	create
	local s
	for s in FOO SIGFOO 1x; do rt_fail 'unknown signal' kill "$CID" "$s"; done
	! is_joey || rt_fail 'unknown signal' kill "$CID" 99
	rt_fail 'unknown signal "FOO"' kill "$CID" FOO
}

@test "[12.6] kill: dashes after the ID are operands" {
	is_joey || skip 'checked against runc by hand: it says unknown signal "-9"'
	cmd sleep 100
	create
	rt kill "$CID" -9
	[ "$status" -ne 0 ]
	[[ $errout == *'unknown signal'* ]]
}

@test "[12.6] kill: signal 0 probes" {
	cmd sleep 100
	create
	start
	rt_ok kill "$CID" 0
	has_status running
	rt_ok kill "$CID" KILL
	wait_status stopped
	rt_fail 'container not running' kill "$CID" 0
	rt_ok kill -a "$CID" 0
	rt_ok kill --all "$CID" 0
}

@test "[12.6] kill of a created container" {
	cmd sleep 100
	create
	rt_ok kill "$CID" KILL
	wait_status stopped
}

@test "[12.6] kill --all reaches every process" {
	script 'sleep 300 & sleep 300 & echo up >/tmp/up; wait'
	create
	start
	until_true test -e "$B/rootfs/tmp/up"
	rt_ok kill --all "$CID" KILL
	wait_status stopped
}

@test "[12.6] SIGKILL ends a frozen container" {
	is_joey || skip 'runc freezes by v1 on this host'
	cmd sleep 100
	create
	start
	local p
	p=$(pid_of)
	echo 1 >"$(cgroup2_mount)$CG/cgroup.freeze"
	rt_ok kill "$CID" KILL
	until_true gone "$p"
}

@test "[engine6] reaping: the container is a child of the caller's subreaper" {
	cmd sh -c 'exit 7'
	output=$("$TOOLS/launch" -c -r -- sh -c '
		"$0" --root "$1" create --bundle "$2" "$3" </dev/null >/dev/null 2>&1 && "$0" --root "$1" start "$3"' \
		"$RUNTIME" "$ROOT" "$B" "$CID")
	has_line 'runtime 0'
	has_line 'reaped 7'
	equals "$(grep -c reaped <<<"$output")" 1
}

@test "[engine3 6.8] the payload inherits no parent-death signal, no subreaper flag" {
	cmd probe sig
	output=$("$TOOLS/launch" -c -k -- "$RUNTIME" --root "$ROOT" run --bundle "$B" "$CID" </dev/null)
	has_text 'pdeathsig=0 subreaper=0'
	# and a detached container outlives its creator
	cmd sleep 100
	"$TOOLS/launch" -c -k -- "$RUNTIME" --root "$ROOT" run -d --bundle "$B" "$CID" </dev/null >/dev/null 2>&1
	has_status running
}

@test "[engine3] the caller's ignored and blocked signals do not reach the payload" {
	script 'grep -E "^Sig(Blk|Ign)" /proc/self/status'
	(trap '' TERM USR1 HUP PIPE; "$RUNTIME" --root "$ROOT" run --bundle "$B" "$CID" </dev/null >"$T/o" 3>&-)
	output=$(<"$T/o")
	has_match '^SigBlk:.0000000000000000'
	local m
	m=$(sed -n 's/^SigIgn:.//p' <<<"$output")
	equals $((0x$m & 0x5201)) 0 # HUP USR1 PIPE TERM: conmon ignores SIGPIPE
}

@test "[engine7] an interrupted create cleans up" {
	# a hook that blocks keeps create busy
	cat >"$T/hook" <<-'EOF'
		#!/bin/sh
		echo in >"$1"
		exec sleep 60
	EOF
	chmod +x "$T/hook"
	cfg '.hooks={"createRuntime":[{"path":$h,"args":["hook",$o],"env":["PATH=/bin"]}]}' --arg h "$T/hook" --arg o "$T/in"
	background "$RUNTIME" --root "$ROOT" create --bundle "$B" "$CID" </dev/null >"$T/o" 2>&1
	local p=$!
	until_true test -s "$T/in"
	kill -TERM $p
	wait $p || true
	rt_ok delete --force "$CID"
}
