# seccomp (checklist 9): actions, return values, arguments, flags, listener. System calls are made raw by /bin/probe.
load helpers

# nr NAME: its number on this machine
nr() { printf '#include <sys/syscall.h>\n__NR_%s\n' "$1" | gcc -E -P - | tail -n 1; }
sec() { cfg '.linux.seccomp=$s' --argjson s "$1"; }
probe_call() { cmd probe syscall "$@"; rt run --bundle "$B" "$CID"; }


@test "[9.1 9.2] ERRNO: EPERM by default, errnoRet, 0 means pretended success" {
	local n
	n=$(nr getpriority)
	sec '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_ERRNO"}]}'
	probe_call "$n" 0 0
	equals "$output" "ret=-1 errno=1"
	sec '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_ERRNO","errnoRet":88}]}'
	probe_call "$n" 0 0
	equals "$output" "ret=-1 errno=88"
	sec '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_ERRNO","errnoRet":0}]}'
	probe_call "$n" 0 0
	equals "$output" "ret=0 errno=0"
}

# what a static program and joey's last steps need
ALLOW='["read","write","writev","readv","close","close_range","fstat","newfstatat","statx","lseek","mmap","mprotect","munmap","brk","rt_sigaction","rt_sigprocmask","rt_sigreturn","ioctl","access","faccessat","faccessat2","execve","execveat","exit","exit_group","arch_prctl","set_tid_address","set_robust_list","rseq","prlimit64","getrandom","readlink","readlinkat","openat","openat2","open","getpid","gettid","getuid","geteuid","getgid","getegid","setuid","setgid","setresuid","setresgid","setgroups","capset","capget","prctl","chdir","fchdir","getcwd","futex","fcntl","fstatfs","statfs","getdents64","dup","dup2","dup3","clock_gettime","nanosleep","clock_nanosleep","tgkill","kill","sigaltstack","epoll_pwait","epoll_ctl","sched_yield","sched_getaffinity","madvise","nanosleep","seccomp","socket","connect","sendmsg","sendto","wait4","uname","umask","pipe2","poll","ppoll","getppid","fchown","unlinkat","keyctl","time","getppid","eventfd2","epoll_create1","clone","pidfd_open","pidfd_send_signal","rt_sigtimedwait"]'

@test "[9.2] defaultErrnoRet" {
	sec "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":99,\"syscalls\":[{\"names\":$ALLOW,\"action\":\"SCMP_ACT_ALLOW\"}]}"
	probe_call "$(nr getpriority)" 0 0
	equals "$output" "ret=-1 errno=99"
}

@test "[9.2] errnoRet on another action, or out of range" {
	is_joey || skip 'runc ignores it'
	sec '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_KILL","errnoRet":5}]}'
	create_fails errnoRet
	sec '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_ERRNO","errnoRet":4096}]}'
	create_fails errnoRet
	sec '{"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":5}'
	create_fails defaultErrnoRet
}

@test "[9.1] KILL, KILL_THREAD, KILL_PROCESS, TRAP, LOG, TRACE, ALLOW" {
	local n a
	n=$(nr getpriority)
	for a in SCMP_ACT_KILL SCMP_ACT_KILL_THREAD SCMP_ACT_KILL_PROCESS SCMP_ACT_TRAP; do
		sec "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"getpriority\"],\"action\":\"$a\"}]}"
		probe_call "$n" 0 0
		equals "$a $status" "$a 159"
		equals "$output" ""
	done
	for a in SCMP_ACT_LOG SCMP_ACT_ALLOW; do
		sec "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"getpriority\"],\"action\":\"$a\"}]}"
		probe_call "$n" 0 0
		equals "$a $output" "$a ret=20 errno=0"
	done
	sec '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_TRACE","errnoRet":3}]}'
	probe_call "$n" 0 0
	equals "$output" "ret=-1 errno=38"
}

@test "[9.4] unknown names are skipped; with the annotation they are fatal" {
	sec '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["no_such_call","getpriority"],"action":"SCMP_ACT_ERRNO","errnoRet":7}]}'
	probe_call "$(nr getpriority)" 0 0
	equals "$output" "ret=-1 errno=7"
	is_joey || return 0
	cfg '.annotations={"run.oci.seccomp_fail_unknown_syscall":"1"}'
	create_fails no_such_call
}

@test "[9.5] args: each operator" {
	local n
	n=$(nr getpriority)
	check() { # OP VALUE VALUETWO ARG EXPECTED
		sec "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"getpriority\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":66,\"args\":[{\"index\":2,\"value\":$2,\"valueTwo\":$3,\"op\":\"SCMP_CMP_$1\"}]}]}"
		probe_call "$n" 0 0 "$4"
		equals "$1 $4 ${output#*errno=}" "$1 $4 $5"
	}
	check EQ 5 0 5 66
	check EQ 5 0 6 0
	check NE 5 0 6 66
	check LT 5 0 4 66
	check LT 5 0 5 0
	check LE 5 0 5 66
	check GT 5 0 6 66
	check GE 5 0 5 66
	check GE 5 0 4 0
	check MASKED_EQ 12 8 11 66
	check MASKED_EQ 12 8 7 0
}

@test "[9.5] args: conditions on different indexes are AND, on one index OR" {
	local n
	n=$(nr getpriority)
	sec '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_ERRNO","errnoRet":66,"args":[{"index":2,"value":1,"op":"SCMP_CMP_EQ"},{"index":3,"value":2,"op":"SCMP_CMP_EQ"}]}]}'
	probe_call "$n" 0 0 1 2
	has_text errno=66
	probe_call "$n" 0 0 1 3
	has_text errno=0
	sec '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_ERRNO","errnoRet":66,"args":[{"index":2,"value":1,"op":"SCMP_CMP_EQ"},{"index":2,"value":2,"op":"SCMP_CMP_EQ"}]}]}'
	probe_call "$n" 0 0 1
	has_text errno=66
	probe_call "$n" 0 0 2
	has_text errno=66
	probe_call "$n" 0 0 3
	has_text errno=0
}

@test "[9.5 1.7] args: 64-bit values are exact" {
	local n
	n=$(nr getpriority)
	sec '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_ERRNO","errnoRet":66,"args":[{"index":2,"value":77777777,"op":"SCMP_CMP_EQ"}]}]}'
	sed -i 's/77777777/18446744073709551615/' "$B/config.json"
	cfgargs="\"args\":[\"probe\",\"syscall\",\"$n\",\"0\",\"0\",\"18446744073709551615\"]"
	sed -i "s/\"args\":\[\"true\"\]/$cfgargs/" "$B/config.json"
	rt run --bundle "$B" "$CID"
	has_text errno=66
	sed -i 's/"18446744073709551615"\]/"18446744073709551614"]/' "$B/config.json"
	rt run --bundle "$B" "$CID"
	has_text errno=0
}

@test "[9.5 1.2] args: bad operator, bad index" {
	sec '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":1,"op":"SCMP_CMP_ALMOST"}]}]}'
	create_fails SCMP_CMP_ALMOST
	is_joey || return 0
	sec '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_ERRNO","args":[{"index":6,"value":1,"op":"SCMP_CMP_EQ"}]}]}'
	create_fails index
}

@test "[9.3] architectures: all known names, unknown refused" {
	sec '{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86","SCMP_ARCH_X86_64","SCMP_ARCH_X32","SCMP_ARCH_ARM","SCMP_ARCH_AARCH64"],"syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_ERRNO","errnoRet":9}]}'
	probe_call "$(nr getpriority)" 0 0
	equals "$output" "ret=-1 errno=9"
	sec '{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_Z80"]}'
	create_fails SCMP_ARCH_Z80
}

@test "[9.6] flags: LOG, SPEC_ALLOW, TSYNC, WAIT_KILLABLE_RECV, unknown" {
	local s='"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_ERRNO","errnoRet":9}]'
	sec "{$s,\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\",\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\",\"SECCOMP_FILTER_FLAG_TSYNC\"]}"
	probe_call "$(nr getpriority)" 0 0
	equals "$output" "ret=-1 errno=9"
	sec "{$s,\"flags\":[]}"
	probe_call "$(nr getpriority)" 0 0
	equals "$output" "ret=-1 errno=9"
	sec "{$s,\"flags\":[\"SECCOMP_FILTER_FLAG_FROB\"]}"
	create_fails SECCOMP_FILTER_FLAG_FROB
}

@test "[9.1] the empty object means no filter, ALLOW alone means a filter" {
	cfg '.linux.seccomp={}'
	in_ctr 'grep "^Seccomp:" /proc/self/status'
	has_match 'Seccomp:.0'
	sec '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_ERRNO"}]}'
	in_ctr 'grep "^Seccomp:" /proc/self/status'
	has_match 'Seccomp:.2'
}

@test "[9.8] calls newer than the profile answer ENOSYS, older ones the default action" {
	sec "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":$ALLOW,\"action\":\"SCMP_ACT_ALLOW\"}]}"
	probe_call 440 0 0 0 0 0
	# process_madvise (440) is newer than faccessat2 (439), the newest that the profile names
	equals "$output" "ret=-1 errno=38"
	probe_call "$(nr getpriority)" 0 0
	equals "$output" "ret=-1 errno=1"
	probe_call 999 0
	equals "$output" "ret=-1 errno=38"
}

@test "[9.8] no ENOSYS tail when the default is to allow" {
	sec '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_ERRNO","errnoRet":9}]}'
	cmd probe syscall "$(nr pidfd_open)" 1 0
	rt_ok run --bundle "$B" "$CID"
	has_match '^ret=[0-9]+ errno=0'
}

@test "[9.7] a tight profile works with and without no_new_privs, for root and for a user" {
	local nnp u
	sec "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":$ALLOW,\"action\":\"SCMP_ACT_ALLOW\"}]}"
	for nnp in true false; do
		for u in 0 1000; do
			cfg '.process.noNewPrivileges=$n | .process.user={"uid":$u,"gid":$u}' --argjson n $nnp --argjson u $u
			probe_call "$(nr getpriority)" 0 0
			equals "$nnp $u $output" "$nnp $u ret=-1 errno=1"
		done
	done
}

@test "[9.7] NNP: a profile without setuid, capset, setgroups and prctl works, since it is loaded last" {
	local few
	few=$(jq -c '. - ["setuid","setgid","setresuid","setresgid","setgroups","capset","prctl","seccomp","chdir","fchown"]' <<<"$ALLOW")
	sec "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":$few,\"action\":\"SCMP_ACT_ALLOW\"}]}"
	cfg '.process.user={"uid":1000,"gid":1000}'
	probe_call "$(nr getpriority)" 0 0
	equals "$output" "ret=-1 errno=1"
}

@test "[9.7] the smallest profile: what a static program needs, and execve" {
	is_joey || skip 'the Go runtime needs many more'
	sec '{"defaultAction":"SCMP_ACT_KILL_PROCESS","syscalls":[{"names":["read","write","close","openat","execve","execveat","fstat","newfstatat","brk","mmap","mprotect","munmap","arch_prctl","set_tid_address","set_robust_list","rseq","prlimit64","getrandom","readlink","readlinkat","exit_group","getpriority","fstatfs","ioctl","close_range","futex","rt_sigaction","rt_sigprocmask"],"action":"SCMP_ACT_ALLOW"}]}'
	probe_call "$(nr getpriority)" 0 0
	equals "$output" "ret=20 errno=0"
	# create and start: the report to joey and the wait for start need no more than that either, and init outlives joey
	create
	has_status created
	start
	wait_status stopped
}

@test "[9.1] the big profile of container engines" {
	# names as Docker's default profile lists them, a few hundred rules with arguments
	local names
	names=$(sed -n 's/^{ "\([a-z0-9_]*\)".*/\1/p' "$TOOLS/syscall-names.inc" | grep -vE '^(mount|umount2|reboot|kexec_load|personality|clone|getpriority)$' | jq -Rc '[inputs]')
	sec "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1,\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"],\"syscalls\":[{\"names\":$names,\"action\":\"SCMP_ACT_ALLOW\"},
		{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":0,\"op\":\"SCMP_CMP_EQ\"},{\"index\":0,\"value\":8,\"op\":\"SCMP_CMP_EQ\"},{\"index\":0,\"value\":4294967295,\"op\":\"SCMP_CMP_EQ\"}]},
		{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":2114060288,\"valueTwo\":0,\"op\":\"SCMP_CMP_MASKED_EQ\"}]}]}"
	in_ctr 'probe syscall '"$(nr getpriority)"' 0 0; probe personality; true | cat; mount -t tmpfs t /mnt 2>&1 || true'
	has_line 'ret=-1 errno=1'
	has_line 0
	has_text 'ermission denied'
	# the second start may come from a cache: the same answers
	rt_ok run --bundle "$B" "$CID"
	has_line 'ret=-1 errno=1'
}

@test "[9.9] NOTIFY: the listener gets the state, one descriptor, and answers" {
	background "$TOOLS/recv" seccomp "$T/s.sock" 1 >"$T/recv" 2>&1
	until_true test -e "$T/s.sock.ready"
	sec "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"$T/s.sock\",\"listenerMetadata\":\"meta \\\"x\\\"\",\"syscalls\":[{\"names\":[\"getpriority\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}"
	cfg '.annotations={"k":"v"}'
	script 'probe syscall '"$(nr getpriority)"' 0 0; exec sleep 100'
	create
	until_true file_has "$T/recv" fds=
	output=$(head -n1 "$T/recv")
	equals "$(sed -n 2p "$T/recv")" fds=1
	equals "$(jq -r '.fds|join(",")' <<<"$output")" seccompFd
	equals "$(jq -r .metadata <<<"$output")" 'meta "x"'
	equals "$(jq -r .pid <<<"$output")" "$(pid_of)"
	equals "$(jq -r .state.id <<<"$output")" "$CID"
	equals "$(jq -r .state.status <<<"$output")" creating
	equals "$(jq -r .state.bundle <<<"$output")" "$B"
	equals "$(jq -r .state.pid <<<"$output")" "$(pid_of)"
	equals "$(jq -r .state.annotations.k <<<"$output")" v
	equals "$(jq -r 'has("ociVersion")' <<<"$output")" true
	start
	until_true file_has "$T/stdout" 'errno=77' || file_has "$T/create.out" 'errno=77' || true
}

@test "[9.9] NOTIFY: the answer reaches the payload" {
	background "$TOOLS/recv" seccomp "$T/s.sock" 1 >"$T/recv" 2>&1
	until_true test -e "$T/s.sock.ready"
	sec "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"$T/s.sock\",\"syscalls\":[{\"names\":[\"getpriority\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}"
	probe_call "$(nr getpriority)" 0 0
	equals "$output" "ret=-1 errno=77"
}

@test "[9.9] NOTIFY: no_new_privs off as well" {
	background "$TOOLS/recv" seccomp "$T/s.sock" 1 >"$T/recv" 2>&1
	until_true test -e "$T/s.sock.ready"
	cfg '.process.noNewPrivileges=false'
	sec "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"$T/s.sock\",\"syscalls\":[{\"names\":[\"getpriority\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}"
	probe_call "$(nr getpriority)" 0 0
	equals "$output" "ret=-1 errno=77"
}

@test "[9.9] NOTIFY: what is refused" {
	sec '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_NOTIFY"}]}'
	create_fails 'seccomp listenerPath is not set'
	sec '{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/nonexistent/sock","syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_NOTIFY"}]}'
	create_fails ''
	sec '{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/nonexistent/sock","syscalls":[{"names":["write"],"action":"SCMP_ACT_NOTIFY"}]}'
	create_fails 'SCMP_ACT_NOTIFY cannot be used for the write syscall'
	sec '{"defaultAction":"SCMP_ACT_NOTIFY","listenerPath":"/nonexistent/sock"}'
	create_fails 'SCMP_ACT_NOTIFY cannot be used as default action'
	is_joey || return 0
	sec '{"defaultAction":"SCMP_ACT_ALLOW","listenerMetadata":"x","syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_ERRNO"}]}'
	create_fails listenerMetadata
}

@test "[9.1] seccomp needs no privileges of the container: another user without capabilities and without NNP" {
	caps '[]'
	cfg '.process.noNewPrivileges=false | .process.user={"uid":1000,"gid":1000}'
	sec '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_ERRNO","errnoRet":9}]}'
	probe_call "$(nr getpriority)" 0 0
	equals "$output" "ret=-1 errno=9"
}

@test "[9.1 C3] a cache of compiled filters that others can write is not believed" {
	is_joey || skip 'cache of joey'
	local c
	sec '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_ERRNO","errnoRet":9}]}'
	probe_call "$(nr getpriority)" 0 0
	equals "$output" "ret=-1 errno=9"
	for c in $(find "$ROOT" /run/joey -maxdepth 4 -path '*seccomp*' -type f -newer "$B/config.json" 2>/dev/null); do
		cp "$c" "$T/keep"
		head -c 64 /dev/zero | dd of="$c" bs=1 seek=40 conv=notrunc 2>/dev/null
		rt run --bundle "$B" "$CID"
		rm -f "$c"
		equals "$output" "ret=-1 errno=9"
	done
}
