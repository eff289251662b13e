# exec (checklist 12.8, 2.11, 2.17, 8.1.7; engine contract 3, 4, 6, 7; security C4, C5, C6, C7).
load helpers

# up [COMMAND...]: the container runs.
up() {
	[ $# -gt 0 ] || set -- sleep 1000
	cmd "$@"
	create
	start
}
ex() { rt exec "$CID" "$@"; }
ex_ok() { rt_ok exec "$CID" "$@"; }
# ex_with OPTION... -- COMMAND...
ex_with() {
	local o=()
	while [ "$1" != -- ]; do
		o+=("$1")
		shift
	done
	shift
	rt exec "${o[@]}" "$CID" "$@"
}
ex_with_ok() {
	ex_with "$@"
	[ "$status" -eq 0 ] || { echo "failed: $*"; show; return 1; }
}
# ex_fails PHRASE OPTION... -- COMMAND...: joey's own failure: 255, one line.
ex_fails() {
	local phrase=$1
	shift
	ex_with "$@"
	equals "$status" 255 || { show; return 1; }
	case $errout in *"$phrase"*) ;; *) echo "no '$phrase'"; show; return 1 ;; esac
	equals "$(wc -l <"$T/stderr")" 1
}
# process FILTER: a process file made from the container's own process.
process() { jq -c ".process | $1" "$B/config.json" >"$T/process.json"; }
recv() { # recv MODE SOCKET [ARG]: listener in the background, its words in $T/recv
	background "$TOOLS/recv" "$@" >"$T/recv" 2>&1
	until_true test -e "$2.ready"
}
field() { sed -n "s/^$1:[[:space:]]*//p" <<<"$output"; }

# ---- exit codes and errors -------------------------------------------------------------------------------------------

@test "[12.8] the exit status is the process's, or 128 + signal" {
	up
	local n
	for n in 0 1 7 126 127 254; do
		ex sh -c "exit $n"
		equals "$status" "$n"
	done
	ex sh -c 'kill -KILL $$'
	equals "$status" 137
	ex sh -c 'kill -TERM $$'
	equals "$status" 143
}

@test "[12.8] joey's own failures: 255 and one line" {
	up
	ex_fails 'exec: "nope": executable file not found in $PATH' -- nope
	ex_fails 'exec: "/bin/nope": stat /bin/nope: no such file or directory' -- /bin/nope
	ex_fails 'permission denied' -- /etc/passwd
	ex_fails 'is a directory' -- /etc
	ex_fails 'no such file or directory' --pid-file "$T/none/pid" -- true
	ex_fails 'no such file or directory' --process "$T/none.json" --
	ex_fails 'command' --
	ex_fails 'absolute' --cwd tmp -- true
	ex_fails 'no such file or directory' --console-socket "$T/none.sock" -t -d -- true
	rt exec unknown true
	equals "$status" 255
	has_err() { [[ $errout == *"$1"* ]] || { show; return 1; }; }
	has_err 'container does not exist'
	rt exec
	equals "$status" 255
	rt exec --no-such-option "$CID" true
	equals "$status" 255
}

@test "[engine4] the whole text of a missing program" {
	require_joey text
	up
	ex_fails 'exec failed: unable to start container process: exec: "foo": executable file not found in $PATH' -- foo
}

@test "[12.8] a script without interpreter" {
	printf '#!/none\n' >"$B/rootfs/bad.sh"
	chmod 755 "$B/rootfs/bad.sh"
	up
	ex /bad.sh
	equals "$status" 255
	[[ $errout == *'exec /bad.sh: no such file or directory'* ]]
}

@test "[12.8] stopped: refused" {
	up true
	wait_status stopped
	ex_fails 'cannot exec in a stopped container' -- true
}

@test "[12.8] created: works, and the container is still created" {
	cmd sleep 1000
	create
	ex_ok echo hello
	has_line hello
	has_status created
	start
	has_status running
}

@test "[12.8] paused: refused without --ignore-paused; with it the process runs after resume" {
	require_joey 'runc freezes by v1 on this host'
	up
	rt_ok pause "$CID"
	ex_fails 'cannot exec in a paused container (use --ignore-paused to override)' -- true
	background timeout 20 "$RUNTIME" --root "$ROOT" exec --ignore-paused "$CID" sh -c 'echo thawed; exit 3' >"$T/o" 2>&1
	local p=$!
	sleep 0.3
	[ ! -s "$T/o" ]
	rt_ok resume "$CID"
	local rc=0
	wait "$p" || rc=$?
	equals "$rc" 3
	equals "$(<"$T/o")" thawed
}

# ---- what the process is ------------------------------------------------------------------------------------------------

@test "[12.8] all namespaces and the root are the container's" {
	cfg '.linux.namespaces += [{"type":"time"}]'
	up
	local ns p
	p=$(pid_of)
	ex_ok sh -c 'for n in cgroup ipc mnt net pid time uts; do readlink /proc/self/ns/$n; done; hostname; ls /bin/probe'
	for ns in cgroup ipc mnt net pid time uts; do has_line "$(readlink "/proc/$p/ns/$ns")"; done
	has_line ctr
	ex_ok sh -c 'echo $$; ls /proc | grep -c "^[0-9]*$"'
	[ "$(head -n1 <<<"$output")" -lt 100 ]
}

@test "[12.8] in a user namespace: container ids, full capabilities only inside" {
	have_userns || skip 'no user namespaces'
	userns
	all_caps
	up
	ex_ok sh -c 'id -u; id -g; readlink /proc/self/ns/user; cat /proc/self/uid_map'
	equals "$(head -n2 <<<"$output" | xargs)" '0 0'
	has_line "$(readlink "/proc/$(pid_of)/ns/user")"
	has_match '^ *0 +100000 +65536'
	ex_with_ok -u 1000:1000 -- id -u
	equals "$output" 1000
	ex_fails 'unmapped' -u 70000 -- true
}

@test "[2.4] environment: the container's, -e over it, the last one wins, HOME of the user" {
	cfg '.process.env += ["A=1","B=2"]'
	up
	ex_with_ok -e A=x -e C= --env D=1 -e D=2 -- env
	has_line A=x
	has_line B=2
	has_line C=
	has_line D=2
	has_line HOME=/root
	lacks_text A=1
	lacks_text D=1
	ex_with_ok -u 1000 -- sh -c 'echo $HOME'
	equals "$output" /home/u
	ex_fails 'invalid value "X"' -e X -- true
	ex_fails 'invalid value "=x"' -e =x -- true
}

@test "[2.3] --cwd" {
	up
	ex_with_ok --cwd /home/u -- pwd
	equals "$output" /home/u
	ex_ok pwd
	equals "$output" /
	ex_with_ok --cwd /proc/self/fd/../../../tmp -- pwd
	case $output in /tmp | /proc/*) ;; *) show; return 1 ;; esac
}

@test "[2.3 C5] --cwd through descriptors and swapped symlinks never shows the host" {
	echo secret >"$T/canary"
	up
	local d
	for d in /proc/self/fd/3 /proc/self/fd/4 /proc/self/fd/5 /proc/self/fd/6 /proc/self/fd/7 /proc/self/fd/8 /proc/self/fd/9; do
		ex_with --cwd "$d" -- sh -c "cat $T/canary ../../../../../../$T/canary; ls"
		lacks_text secret
		lacks_text "$(basename "$RUNTIME").8"
		[ "$status" -ne 0 ] || lacks_text bundle
	done
}

# C7: digits only, nothing is guessed.
@test "[2.6 C7] --user: the table of strings" {
	up
	local good bad u
	while read -r u good; do
		ex_with_ok -u "$u" -- sh -c 'echo $(id -u):$(id -g)'
		equals "$u=$output" "$u=$good"
	done <<-'ROWS'
		0 0:0
		1 1:0
		01 1:0
		1:0 1:0
		1:5 1:5
		1000:1000 1000:1000
		4294967294 4294967294:0
		0:4294967294 0:4294967294
	ROWS
	for u in +1 -1 1: :1 : 4294967295 4294967296 99999999999999999999 1x ' 1' '1 ' 0x1 root 1:x 1:-1 1:4294967295 1:1:1 1.0; do
		ex_with "--user=$u" -- id -u
		equals "$u=$status" "$u=255" || { show; return 1; }
		equals "$output" ''
	done
}

@test "[2.6] --user= with nothing is refused or means the container's own user, never another" {
	cfg '.process.user={"uid":1000,"gid":1000}'
	up
	ex_with --user= -- id -u
	[ "$status" -eq 255 ] || equals "$output" 1000
}

@test "[2.7 C7] supplementary groups: exactly those asked for" {
	cfg '.process.user.additionalGids=[7,8]'
	up
	ex_with_ok -g 9 --additional-gids 10 -- cat /proc/self/status
	equals "$(field Groups | xargs)" '7 8 9 10'
	process '.user={"uid":5,"gid":6} | .args=["cat","/proc/self/status"]'
	ex_with_ok -p "$T/process.json" --
	equals "$(field Groups | xargs)" ''
	equals "$(field Uid | xargs)" '5 5 5 5'
	ex_fails 'invalid value "x"' -g x -- true
	ex_fails 'invalid value "-1"' -g -1 -- true
}

@test "[2.8] umask is the container's" {
	cfg '.process.user.umask=63'
	up
	ex_ok sh -c umask
	equals "$output" 0077
}

@test "[2.9 C7] capabilities: the container's; --cap adds to bounding, permitted, effective, nothing inheritable" {
	caps '["CAP_KILL"]'
	up
	ex_ok cat /proc/self/status
	equals "$(field CapEff)" 0000000000000020
	equals "$(field CapInh)" 0000000000000000
	ex_with_ok -c CAP_NET_RAW --cap CAP_CHOWN -- cat /proc/self/status
	equals "$(field CapBnd)" 0000000000002021
	equals "$(field CapEff)" 0000000000002021
	equals "$(field CapPrm)" 0000000000002021
	equals "$(field CapInh)" 0000000000000000
	equals "$(field CapAmb)" 0000000000000000
	ex_fails 'CAP_NOPE' -c CAP_NOPE -- true
}

@test "[2.9] another user has no effective capabilities" {
	caps '["CAP_KILL","CAP_CHOWN"]'
	up
	ex_with_ok -u 1000 -- cat /proc/self/status
	equals "$(field CapEff)" 0000000000000000
	equals "$(field CapPrm)" 0000000000000000
}

@test "[2.11] no_new_privs: the container's, or what is asked for" {
	cfg '.process.noNewPrivileges=false'
	up
	ex_ok cat /proc/self/status
	equals "$(field NoNewPrivs)" 0
	ex_with_ok --no-new-privs -- cat /proc/self/status
	equals "$(field NoNewPrivs)" 1
	ex_with_ok --no-new-privs=false -- cat /proc/self/status
	equals "$(field NoNewPrivs)" 0
}

@test "[2.11] a process file that says false means it" {
	up
	process '.noNewPrivileges=false | .args=["cat","/proc/self/status"]'
	ex_with_ok --process "$T/process.json" --
	equals "$(field NoNewPrivs)" 0
	ex_ok cat /proc/self/status
	equals "$(field NoNewPrivs)" 1
}

@test "[2.10] rlimits: the container's, or the process file's" {
	cfg '.process.rlimits=[{"type":"RLIMIT_NOFILE","soft":300,"hard":400}]'
	up
	ex_ok sh -c 'ulimit -n; ulimit -Hn'
	equals "$(xargs <<<"$output")" '300 400'
	process '.rlimits=[{"type":"RLIMIT_NOFILE","soft":200,"hard":210}] | .args=["sh","-c","ulimit -n; ulimit -Hn"]'
	ex_with_ok -p "$T/process.json" --
	equals "$(xargs <<<"$output")" '200 210'
	process 'del(.rlimits) | .args=["sh","-c","ulimit -n"]'
	ex_with_ok -p "$T/process.json" --
	equals "$output" 300
}

@test "[9.7] the container's seccomp profile holds for execs" {
	cfg '.linux.seccomp={"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":77}]}'
	up
	ex sh -c 'mkdir /tmp/x; echo rc $?'
	has_line 'rc 1'
	ex_ok cat /proc/self/status
	equals "$(field Seccomp)" 2
}

@test "[2.14] oomScoreAdj" {
	up
	process '.oomScoreAdj=500 | .args=["cat","/proc/self/oom_score_adj"]'
	ex_with_ok -p "$T/process.json" --
	equals "$output" 500
}

@test "[2.15 2.16] scheduler and ioPriority" {
	up
	process '.scheduler={"policy":"SCHED_BATCH","nice":5} | .ioPriority={"class":"IOPRIO_CLASS_IDLE","priority":0} | .args=["sh","-c","probe sched; probe ioprio"]'
	ex_with_ok -p "$T/process.json" --
	has_match '^policy=3 .*nice=5'
	has_match 'class=3'
}

@test "[2.17] CPU affinity: the caller's does not come through; execCPUAffinity does" {
	up
	local all
	ex_ok probe affinity
	all=$output
	output=$(taskset -c 0 "$RUNTIME" --root "$ROOT" exec "$CID" probe affinity </dev/null)
	equals "$output" "$all"
	process '.execCPUAffinity={"initial":"0","final":"0"} | .args=["probe","affinity"]'
	ex_with_ok -p "$T/process.json" --
	equals "$output" 1
}

@test "[10.6] personality is the container's" {
	[ "$(uname -m)" = x86_64 ] || skip 'for x86_64'
	cfg '.linux.personality={"domain":"LINUX32"}'
	up
	ex_ok probe personality
	equals "$output" 0x8
}

@test "[6.7] the session keyring is the container's" {
	up
	ex_ok probe keyring
	has_text "_ses.$CID"
}

@test "[2.12 2.13] labels on a host without such an LSM are refused" {
	up
	[ -d /sys/kernel/security/apparmor ] || ex_fails apparmor --apparmor p -- true
	[ -d /sys/fs/selinux ] || ex_fails selinux --process-label l -- true
}

@test "signals are at their defaults, whatever the caller had" {
	up
	output=$(trap '' INT TERM PIPE; timeout 20 "$RUNTIME" --root "$ROOT" exec "$CID" cat /proc/self/status </dev/null)
	equals "$(field SigIgn)" 0000000000000000
	equals "$(field SigBlk)" 0000000000000000
	ex_ok probe sig
	has_match 'pdeathsig=0'
}

# ---- process file -----------------------------------------------------------------------------------------------------------

@test "[engine3] a process file says everything" {
	cfg '.process.env += ["A=1"]'
	up
	process '.args=["sh","-c","env; pwd; id -u"] | .env=["PATH=/bin","Z=1"] | .cwd="/tmp" | .user={"uid":3,"gid":4}'
	ex_with_ok --process "$T/process.json" --
	has_line Z=1
	lacks_text A=1
	has_line /tmp
	has_line 3
}

@test "[engine3] options that engines give beside a process file" {
	up
	process '.args=["true"]'
	ex_with_ok --process "$T/process.json" --detach --pid-file "$T/pid" --
	until_true test -s "$T/pid"
}

@test "[engine3] bad process files" {
	up
	local p
	for p in '' '{' 'null' '[]' '{"args":[]}' '{"args":["true"]}' '{"args":["true"],"cwd":"x"}' '{"args":"true","cwd":"/"}' \
		'{"args":["true"],"cwd":"/","env":["X"]}' '{"args":["true"],"cwd":"/","user":{"uid":-1}}'; do
		printf '%s' "$p" >"$T/process.json"
		ex_with -p "$T/process.json" --
		equals "$p=$status" "$p=255" || { show; return 1; }
	done
	mkfifo "$T/fifo"
	RT_TIMEOUT=5 ex_with -p "$T/fifo" --
	equals "$status" 255
}

# ---- streams and terminals ---------------------------------------------------------------------------------------------------

@test "[engine6] stdin, stdout and stderr are the caller's own" {
	up
	echo words >"$T/in"
	STDIN=$T/in ex_ok sh -c 'cat; echo err >&2'
	equals "$output" words
	equals "$errout" err
	ex_ok sh -c 'head -c 300000 /dev/zero | tr "\0" x | wc -c'
	equals "$output" 300000
	equals "$("$RUNTIME" --root "$ROOT" exec "$CID" head -c 3000000 /dev/zero </dev/null | wc -c)" 3000000
}

@test "[5.6 C5] only 0, 1 and 2 reach the process, 50 inherited directories or not" {
	up
	output=$("$TOOLS/launch" -c -d 50 -- "$RUNTIME" --root "$ROOT" exec "$CID" probe fds </dev/null 2>/dev/null)
	equals "$(cut -d' ' -f1 <<<"$output" | xargs)" '0 1 2'
}

@test "[engine6] --preserve-fds" {
	up
	echo three >"$T/3"
	echo four >"$T/4"
	output=$("$RUNTIME" --root "$ROOT" exec --preserve-fds 2 "$CID" sh -c 'cat <&3; cat <&4; probe fds' </dev/null 3<"$T/3" 4<"$T/4" 5<"$T/4")
	has_line three
	has_line four
	equals "$(grep '^[0-9] /' <<<"$output" | cut -d' ' -f1 | grep -v '^[012]' | xargs)" '3 4'
	rt exec --preserve-fds 5 "$CID" true
	equals "$status" 255
	[[ $errout == *'unable to stat preserved-fd'* ]]
}

@test "[2.1] -t in the foreground: a terminal of its own, its size, its exit status" {
	up
	output=$(timeout 30 "$HERE/../lib/on-terminal.py" --size 21x43 -- "$RUNTIME" --root "$ROOT" exec -t "$CID" \
		probe tty 3>&- 4>&-)
	output=$(tr -d '\r' <<<"$output")
	has_match 'tty=111 rows=21 cols=43 sid=1 pgrp=1 ctty=1 name=/dev/pts/'
	timeout 30 "$HERE/../lib/on-terminal.py" -- "$RUNTIME" --root "$ROOT" exec -t "$CID" sh -c 'exit 9' 3>&- 4>&- && status=0 || status=$?
	equals "$status" 9
}

@test "[2.1] -t in the foreground: input arrives, ^C reaches the process" {
	up
	output=$(timeout 30 "$HERE/../lib/on-terminal.py" --expect go --send 'hello\n' --expect 'got hello' --send '\x03' -- \
		"$RUNTIME" --root "$ROOT" exec -t "$CID" sh -c 'trap "exit 31" INT; echo go; read x; echo got $x; while :; do sleep 0.1; done' 3>&- 4>&-) &&
		status=0 || status=$?
	equals "$status" 31
}

@test "[2.1] -t -d with a console socket: one message, exactly one descriptor, a terminal" {
	up
	recv console "$T/c.sock"
	rt_ok exec -t -d --console-socket "$T/c.sock" --pid-file "$T/pid" "$CID" probe tty
	until_true file_has "$T/recv" sid=
	output=$(tr -d '\r' <"$T/recv")
	has_match '^name=[^ ]+ fds=1 tty=1'
	has_match 'tty=111 .*sid=1 pgrp=1 ctty=1'
	[ -s "$T/pid" ]
}

@test "[2.2] consoleSize of a process file" {
	up
	process '.terminal=true | .consoleSize={"height":11,"width":33} | .args=["sh","-c","stty size; echo end"]'
	recv console "$T/c.sock"
	rt_ok exec -d --console-socket "$T/c.sock" -p "$T/process.json" "$CID"
	until_true file_has "$T/recv" '^end'
	output=$(tr -d '\r' <"$T/recv")
	has_line '11 33'
}

@test "[12.16] console socket and terminal must go together" {
	up
	ex_fails 'console socket' -t -d -- true
	ex_fails 'console socket' --console-socket "$T/c.sock" -- true
	ex_fails 'console socket' -t --console-socket "$T/c.sock" -- true
}

@test "[engine6] pidfd socket: one pidfd of the process, before exec returns" {
	up
	recv pidfd "$T/p.sock"
	rt_ok exec -d --pidfd-socket "$T/p.sock" --pid-file "$T/pid" "$CID" sleep 1000
	until_true file_has "$T/recv" Pid:
	output=$(<"$T/recv")
	has_line 'name=setns fds=1'
	has_match "^Pid:.$(<"$T/pid")\$"
	kill -9 "$(<"$T/pid")"
	until_true file_has "$T/recv" ended
}

# ---- detached --------------------------------------------------------------------------------------------------------------

@test "[engine6] -d: pid file of the process, decimal, no newline, written last" {
	up
	rt_ok exec -d --pid-file "$T/pid" "$CID" sleep 1234
	equals "$output$errout" ''
	[[ $(od -An -c "$T/pid" | tr -d ' \n') =~ ^[0-9]+$ ]]
	equals "$(tr '\0' ' ' <"/proc/$(<"$T/pid")/cmdline")" 'sleep 1234 '
	equals "$(sed -n 's/^0:://p' "/proc/$(<"$T/pid")/cgroup")" "$CG"
}

@test "[engine6] -d: the process is the caller's to reap, with its exit status" {
	up
	cat >"$T/reap.py" <<-'EOF'
		import ctypes, os, subprocess, sys
		ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
		subprocess.check_call(sys.argv[2:], stdin=subprocess.DEVNULL, timeout=20)
		pid, status = os.waitpid(int(open(sys.argv[1]).read()), 0)
		print(os.waitstatus_to_exitcode(status))
	EOF
	output=$(timeout 30 python3 "$T/reap.py" "$T/pid" "$RUNTIME" --root "$ROOT" exec -d --pid-file "$T/pid" "$CID" \
		sh -c 'exit 23' 3>&- 4>&-)
	equals "$output" 23
}

@test "[engine6] -d holds nobody's pipe when the process has closed it" {
	up
	output=$(timeout 20 "$RUNTIME" --root "$ROOT" exec -d "$CID" sh -c 'exec >/dev/null 2>&1; sleep 1000' </dev/null 2>&1)
	equals "$output" ''
}

@test "[engine6] a failed exec writes no pid file" {
	up
	ex_with -d --pid-file "$T/pid" -- nope
	equals "$status" 255
	[ ! -e "$T/pid" ]
}

@test "[12.8] foreground: signals are forwarded" {
	up
	background "$RUNTIME" --root "$ROOT" exec "$CID" probe waitsig >"$T/o" 2>&1
	local p=$! rc=0
	until_true file_has "$T/o" ready
	kill -USR1 "$p"
	until_true file_has "$T/o" 'signal 10'
	kill -HUP "$p"
	until_true file_has "$T/o" 'signal 1$'
	kill -TERM "$p"
	wait "$p" || rc=$?
	equals "$rc" 42
}

@test "[12.8] exec ends with the container" {
	up
	background timeout 20 "$RUNTIME" --root "$ROOT" exec "$CID" sh -c 'echo ready; exec sleep 1000' >"$T/o"
	local p=$! rc=0
	until_true file_has "$T/o" ready
	until_true sh -c "[ \$('$RUNTIME' --root '$ROOT' ps -f json '$CID' | jq length) = 2 ]"
	rt_ok kill "$CID" KILL
	wait "$p" || rc=$?
	equals "$rc" 137
}

# ---- cgroup ----------------------------------------------------------------------------------------------------------------

@test "[8.1.7] the process is born in the container's cgroup" {
	up
	ex_ok cat /proc/self/cgroup
	has_line '0::/'
}

@test "[8.1.7] --cgroup: below the container's, nowhere else" {
	up
	local m
	m=$(cgroup2_mount)$CG
	mkdir -p "$m/sub/deep"
	rt_ok exec -d --cgroup sub/deep --pid-file "$T/pid" "$CID" sleep 1000
	equals "$(sed -n 's/^0:://p' "/proc/$(<"$T/pid")/cgroup")" "$CG/sub/deep"
	ex_with_ok --cgroup / -- true
	local bad
	for bad in .. ../.. sub/../.. /..; do ex_fails 'bad sub cgroup path' --cgroup "$bad" -- true || return 1; done
	ex_fails 'no such file or directory' --cgroup none -- true
}

@test "[8.1.7] a container whose cgroup has handed controllers down: where init is" {
	have_controller hugetlb || have_controller pids || skip 'no controller to hand down'
	up
	local m c=pids
	m=$(cgroup2_mount)$CG
	have_controller pids || c=hugetlb
	mkdir "$m/init"
	pid_of >"$m/init/cgroup.procs"
	echo "+$c" >"$m/cgroup.subtree_control" || skip 'the controller is not in this cgroup'
	rt_ok exec -d --pid-file "$T/pid" "$CID" sleep 1000
	equals "$(sed -n 's/^0:://p' "/proc/$(<"$T/pid")/cgroup")" "$CG/init"
}

@test "[12.8] without a cgroup" {
	require_joey 'an option of joey and crun'
	cmd sleep 1000
	rt_ok --cgroup-manager disabled create --bundle "$B" "$CID"
	start
	ex_ok echo here
	has_line here
	ex_fails 'bad sub cgroup path' --cgroup x -- true
}

# ---- many -------------------------------------------------------------------------------------------------------------------

@test "[engine7] 40 execs at once, with state and ps beside them; nothing is left" {
	up
	local i rc=0 pids=()
	for ((i = 0; i < 40; i++)); do
		"$RUNTIME" --root "$ROOT" exec "$CID" sh -c "exit $((i % 7))" </dev/null >/dev/null 2>&1 3>&- 4>&- &
		pids+=($!)
	done
	for i in 1 2 3 4 5; do
		has_status running || rc=1
		"$RUNTIME" --root "$ROOT" ps -f json "$CID" >/dev/null || rc=2
	done
	for ((i = 0; i < 40; i++)); do
		local s=0
		wait "${pids[i]}" || s=$?
		[ "$s" = $((i % 7)) ] || rc=3
	done
	equals "$rc" 0
	equals "$("$RUNTIME" --root "$ROOT" ps -f json "$CID" | jq length)" 1
}

# ---- the window between joining and execve ----------------------------------------------------------------------------------

# hidden PATH: a program that may be executed but not read, so that its process is not dumpable either.
hidden() {
	mkdir -p "$B/rootfs/hidden"
	cp "$BUSYBOX" "$B/rootfs/hidden/sleep"
	chmod 111 "$B/rootfs/hidden/sleep"
}
# attack N: N execs of it while init tries to get at each; no try may succeed, and most processes must have been seen.
attack() {
	local i n=$1
	[ "$BACKEND" != vm ] || n=$((n / 4))
	hidden
	cmd probe spin
	create >/dev/null
	rt_ok start "$CID"
	sleep 0.3
	for ((i = 0; i < n; i++)); do
		"$RUNTIME" --root "$ROOT" exec "$CID" /hidden/sleep 0.01 </dev/null >/dev/null 2>&1 3>&- 4>&- || { echo "exec $i failed"; return 1; }
	done
	rt_ok kill "$CID" TERM
	wait_status stopped
	cat "$T/o.txt"
	output=$(<"$T/o.txt")
	has_match '^seen=[0-9]+ early=[0-9]+ tries=[0-9]+ wins=0$'
	lacks_text WON
	[ "$(sed -n 's/^seen=\([0-9]*\).*/\1/p' <<<"$output")" -ge $((n / 2)) ] || { echo 'the attacker saw too few of them'; return 1; }
	[ "$(sed -n 's/.*early=\([0-9]*\).*/\1/p' <<<"$output")" -ge 10 ] || { echo 'the attacker was late'; return 1; }
}
# The same, with init's output in a file.
create() {
	status=0
	timeout -k 1 20 "$RUNTIME" --root "$ROOT" create --bundle "$B" "${1:-$CID}" </dev/null >"$T/o.txt" 2>&1 3>&- 4>&- || status=$?
	[ "$status" -eq 0 ] || { cat "$T/o.txt"; return 1; }
}

@test "[C6] container root cannot get at a process that is being executed into it" {
	attack 200
}

@test "[C6] nor with all capabilities in a user namespace" {
	have_userns || skip 'no user namespaces'
	userns
	all_caps
	attack 200
}

# Readable programs now: what is reached must be the payload, never joey.
@test "[C4] /proc/PID/exe of an exec is never joey's file" {
	local before i n=300
	[ "$BACKEND" != vm ] || n=40
	before=$(sha256sum "$RUNTIME")
	cmd probe hunt 60
	create
	start
	until_true file_has "$T/o.txt" hunting
	for ((i = 0; i < n; i++)); do
		"$RUNTIME" --root "$ROOT" exec "$CID" true </dev/null >/dev/null 2>&1 3>&- 4>&- || { echo "exec $i failed"; return 1; }
	done
	: >"$B/rootfs/tmp/stop"
	wait_status stopped
	output=$(<"$T/o.txt")
	has_line wins=0
	lacks_text REACHED
	lacks_text OVERWRITE
	equals "$(sha256sum "$RUNTIME")" "$before"
}

# The name stands for the file that joey runs from, which no container can write to (hostile.bats looks closer).
@test "[C4] exec of /proc/self/exe, by name and as #!, leaves joey's file as it is" {
	printf '#!/proc/self/exe\n' >"$B/rootfs/selfie"
	chmod 755 "$B/rootfs/selfie"
	local before
	before=$(sha256sum "$RUNTIME")
	up
	RT_TIMEOUT=10 ex /proc/self/exe --version
	RT_TIMEOUT=10 ex /selfie --version
	equals "$(sha256sum "$RUNTIME")" "$before"
}
