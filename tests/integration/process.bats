# process.* (checklist 2, 10.6, 10.7): what the payload is, read back from inside.
load helpers

@test "[2.3] cwd" {
	cfg '.process.cwd="/home/u"'
	in_ctr pwd
	equals "$output" /home/u
}

@test "[2.3] a missing cwd is made, 0755, by container root, also below a read-only root" {
	cfg '.process.cwd="/new/dir" | .root.readonly=true'
	in_ctr 'pwd; stat -c "%a %u" /new/dir'
	equals "$output" "/new/dir
755 0"
}

@test "[2.3] cwd only root may enter, for another user" {
	mkdir -m 700 "$B/rootfs/mnt/private"
	caps '["CAP_DAC_OVERRIDE","CAP_SETUID"]'
	cfg '.process.cwd="/mnt/private" | .process.user={"uid":1000,"gid":1000}'
	cmd true
	rt_ok run --bundle "$B" "$CID"
}

@test "[2.3] cwd only the user may enter" {
	mkdir -m 700 "$B/rootfs/mnt/private"
	chown 1000 "$B/rootfs/mnt/private"
	caps '[]'
	cfg '.process.cwd="/mnt/private" | .process.user={"uid":1000,"gid":1000}'
	in_ctr pwd
	equals "$output" /mnt/private
}

@test "[2.3] cwd that is a file" {
	cfg '.process.cwd="/etc/passwd"'
	run_fails 'not a directory'
}

@test "[2.3 C1] a missing cwd behind a symlink of the image is made inside the image" {
	mkdir "$T/canary"
	ln -s "$T/canary/new" "$B/rootfs/mnt/link"
	cfg '.process.cwd="/mnt/link"'
	rt run --bundle "$B" "$CID"
	[ ! -e "$T/canary/new" ]
}

@test "[2.4] env is exact; duplicates: the last wins; HOME is added" {
	cfg '.process.env=["PATH=/bin","A=1","B=","A=2","C=x=y"]'
	cmd env
	rt_ok run --bundle "$B" "$CID"
	equals "$(sort <<<"$output")" "A=2
B=
C=x=y
HOME=/root
PATH=/bin"
}

@test "[2.4] HOME: from the container's passwd, fallback /, given stays, empty is replaced" {
	cmd sh -c 'echo "$HOME"'
	cfg '.process.user={"uid":1000,"gid":1000}'
	rt_ok run --bundle "$B" "$CID"
	equals "$output" /home/u
	cfg '.process.user={"uid":4242,"gid":1000}'
	rt_ok run --bundle "$B" "$CID"
	equals "$output" /
	cfg '.process.env += ["HOME=/given"]'
	rt_ok run --bundle "$B" "$CID"
	equals "$output" /given
	cfg '.process.env |= map(select(startswith("HOME")|not)) + ["HOME="] | .process.user.uid=1000'
	rt_ok run --bundle "$B" "$CID"
	equals "$output" /home/u
}

@test "[2.4 C9] passwd of the image: missing, a FIFO, a symlink to the host, huge, a broken line" {
	cmd sh -c 'echo "$HOME"'
	rm "$B/rootfs/etc/passwd"
	rt_ok run --bundle "$B" "$CID"
	equals "$output" /
	mkfifo "$B/rootfs/etc/passwd"
	RT_TIMEOUT=10 rt run --bundle "$B" "$CID"
	! is_joey || equals "$status$output" 0/
	rm "$B/rootfs/etc/passwd"
	ln -s /proc/self/environ "$B/rootfs/etc/passwd"
	RT_TIMEOUT=10 rt run --bundle "$B" "$CID"
	[ "$status" -lt 124 ]
	rm "$B/rootfs/etc/passwd"
	{ head -c 3000000 /dev/zero | tr '\0' a; echo; echo 'root:x:0:0::/late:/bin/sh'; } >"$B/rootfs/etc/passwd"
	RT_TIMEOUT=10 rt run --bundle "$B" "$CID"
	[ "$status" -lt 124 ]
	printf 'root\n:::\nroot:x:0\nroot:x:0:0:::::::\nroot:x:0:0:root:/found:/bin/sh' >"$B/rootfs/etc/passwd"
	rt run --bundle "$B" "$CID"
	[ "$status" -lt 124 ]
}

@test "[2.4] entries without = or without a name are refused" {
	cfg '.process.env += ["NOEQUALS"]'
	create_fails ''
	cfg '.process.env |= map(select(. != "NOEQUALS")) + ["=x"]'
	create_fails ''
}

@test "[2.5] args[0] is looked up in the PATH of env, not in joey's" {
	mkdir "$B/rootfs/opt"
	printf '#!/bin/sh\necho mine "$@"\n' >"$B/rootfs/opt/tool"
	chmod 755 "$B/rootfs/opt/tool"
	cfg '.process.env=["PATH=/nowhere:/opt:/bin"]'
	cmd tool a 'b c' ''
	rt_ok run --bundle "$B" "$CID"
	equals "$output" 'mine a b c '
	cfg '.process.env=["PATH=/nowhere"]'
	run_fails 'executable file not found in $PATH'
}

@test "[2.5] PATH entries: not executable and directories are passed over, relative names start at cwd" {
	mkdir -p "$B/rootfs/a/tool" "$B/rootfs/b" "$B/rootfs/c"
	: >"$B/rootfs/b/tool"
	cp "$B/rootfs/bin/busybox" "$B/rootfs/c/true"
	ln -s true "$B/rootfs/c/tool" 2>/dev/null
	printf '#!/bin/sh\necho c\n' >"$B/rootfs/c/tool.sh"
	chmod 755 "$B/rootfs/c/tool.sh"
	ln -sfn tool.sh "$B/rootfs/c/tool"
	cfg '.process.env=["PATH=/a:/b:/c:/bin"]'
	cmd tool
	rt_ok run --bundle "$B" "$CID"
	equals "$output" c
	cfg '.process.cwd="/c"'
	cmd ./tool.sh
	rt_ok run --bundle "$B" "$CID"
	equals "$output" c
}

@test "[2.5 engine4] a program whose interpreter is missing, a text without #!, a foreign format" {
	printf '#!/no/interpreter\n' >"$B/rootfs/bin/badinterp"
	printf 'hello\n' >"$B/rootfs/bin/text"
	chmod 755 "$B/rootfs/bin/badinterp" "$B/rootfs/bin/text"
	cmd badinterp
	rt run --bundle "$B" "$CID"
	[ "$status" -ne 0 ]
	[[ $errout == *'exec /bin/badinterp: no such file or directory'* ]] || { show; return 1; }
	cmd text
	rt run --bundle "$B" "$CID"
	[ "$status" -ne 0 ]
	[[ $errout == *'exec format error'* ]] || { show; return 1; }
}

@test "[2.5] argument and environment lists that are too long fail in words" {
	cfg '.process.args=["true", ("x"*200000)]'
	rt run --bundle "$B" "$CID"
	[ "$status" -ne 0 ]
	[[ $errout == *'argument list too long'* ]] || { show; return 1; }
}

@test "[2.6] uid, gid, and no inherited groups" {
	cfg '.process.user={"uid":1000,"gid":1001}'
	script 'grep -E "^(Uid|Gid|Groups)" /proc/self/status'
	output=$("$TOOLS/launch" -g 5,6,77 -- "$RUNTIME" --root "$ROOT" run --bundle "$B" "$CID" </dev/null 3>&-)
	has_line "Uid:	1000	1000	1000	1000"
	has_line "Gid:	1001	1001	1001	1001"
	has_match '^Groups:[[:space:]]*(1001)?[[:space:]]*$'
}

@test "[2.7] additionalGids" {
	cfg '.process.user={"uid":1000,"gid":1000,"additionalGids":[20,4000000000,1000]}'
	in_ctr 'grep ^Groups /proc/self/status'
	has_match '^Groups:.20 1000 4000000000'
}

@test "[2.6] the largest ids" {
	cfg '.process.user={"uid":4294967294,"gid":4294967294}'
	in_ctr 'grep -E "^Uid" /proc/self/status'
	has_line "Uid:	4294967294	4294967294	4294967294	4294967294"
	cfg '.process.user={"uid":4294967295,"gid":0}'
	is_joey || return 0
	create_fails ''
}

@test "[2.8] umask: absent is 0022, given is exact, 0 is a value" {
	in_ctr 'umask'
	equals "$output" 0022
	cfg '.process.user.umask=63'
	in_ctr 'umask'
	equals "$output" 0077
	cfg '.process.user.umask=0'
	in_ctr 'umask'
	equals "$output" 0000
}

@test "[2.9] capabilities: five sets, exact" {
	cfg '.process.capabilities={"bounding":["CAP_CHOWN","CAP_KILL","CAP_SYS_CHROOT"],"permitted":["CAP_CHOWN","CAP_KILL"],
		"effective":["CAP_KILL"],"inheritable":["CAP_KILL"],"ambient":["CAP_KILL"]}'
	in_ctr 'grep ^Cap /proc/self/status'
	has_line "CapInh:	0000000000000020"
	has_line "CapBnd:	0000000000040021"
	has_line "CapAmb:	0000000000000020"
	# uid 0 gains at its exec, but no_new_privs holds that to what was permitted
	has_line "CapPrm:	0000000000000021"
}

@test "[2.9] capabilities of another user: permitted, effective by ambient only" {
	cfg '.process.user={"uid":1000,"gid":1000}
		| .process.capabilities={"bounding":["CAP_CHOWN","CAP_KILL"],"permitted":["CAP_KILL"],"effective":["CAP_KILL"],"inheritable":["CAP_KILL"],"ambient":["CAP_KILL"]}'
	in_ctr 'grep ^Cap /proc/self/status'
	has_line "CapPrm:	0000000000000020"
	has_line "CapEff:	0000000000000020"
	cfg '.process.capabilities.ambient=[] | .process.capabilities.inheritable=[]'
	in_ctr 'grep ^Cap /proc/self/status'
	has_line "CapPrm:	0000000000000000"
	has_line "CapEff:	0000000000000000"
	has_line "CapInh:	0000000000000000"
	has_line "CapBnd:	0000000000000021"
}

@test "[2.9] capabilities present but empty: none at all; absent: left alone" {
	cfg '.process.capabilities={}'
	in_ctr 'grep ^Cap /proc/self/status'
	equals "$(cut -f2 <<<"$output" | sort -u)" 0000000000000000
	cfg 'del(.process.capabilities)'
	in_ctr 'grep ^CapBnd /proc/self/status'
	equals "$output" "$(grep ^CapBnd /proc/self/status)"
}

@test "[2.9] an unknown or ungrantable capability is a warning, not a failure" {
	cfg '.process.capabilities.bounding += ["CAP_TELEPORT"] | .process.capabilities.ambient=["CAP_KILL"]'
	rt_ok run --bundle "$B" "$CID"
}

@test "[2.10] rlimits" {
	cfg '.process.rlimits=[{"type":"RLIMIT_NOFILE","soft":100,"hard":200},{"type":"RLIMIT_CPU","soft":50,"hard":60},
		{"type":"RLIMIT_STACK","soft":1048576,"hard":2097152},{"type":"RLIMIT_NPROC","soft":500,"hard":501}]'
	in_ctr 'cat /proc/self/limits'
	has_match '^Max open files +100 +200'
	has_match '^Max cpu time +50 +60'
	has_match '^Max stack size +1048576 +2097152'
	has_match '^Max processes +500 +501'
}

@test "[2.10] every rlimit name" {
	cfg '.process.rlimits=[["AS","CORE","CPU","DATA","FSIZE","LOCKS","MEMLOCK","MSGQUEUE","NICE","NOFILE","NPROC","RSS","RTPRIO","RTTIME","SIGPENDING","STACK"][]
		| {"type":("RLIMIT_"+.),"soft":(if .=="AS" or .=="DATA" or .=="FSIZE" or .=="STACK" or .=="RSS" then 100000000 elif .=="NICE" or .=="RTPRIO" then 0 else 300 end),
		   "hard":(if .=="AS" or .=="DATA" or .=="FSIZE" or .=="STACK" or .=="RSS" then 100000000 elif .=="NICE" or .=="RTPRIO" then 0 else 300 end)}]'
	in_ctr 'cat /proc/self/limits'
	has_match '^Max pending signals +300 +300'
	has_match '^Max locked memory +300 +300'
	has_match '^Max address space +100000000 +100000000'
}

@test "[2.10] a type given twice is an error" {
	is_joey || skip 'runc takes the last'
	cfg '.process.rlimits=[{"type":"RLIMIT_NOFILE","soft":100,"hard":200},{"type":"RLIMIT_NOFILE","soft":100,"hard":201}]'
	create_fails RLIMIT_NOFILE
}

@test "[2.10] soft above hard is an error" {
	cfg '.process.rlimits=[{"type":"RLIMIT_NOFILE","soft":300,"hard":200}]'
	create_fails ''
}

@test "[2.11] noNewPrivileges" {
	in_ctr 'grep NoNewPrivs /proc/self/status'
	has_match 'NoNewPrivs:.1'
	cfg '.process.noNewPrivileges=false'
	in_ctr 'grep NoNewPrivs /proc/self/status'
	has_match 'NoNewPrivs:.0'
}

@test "[2.12] AppArmor profile on a host without AppArmor" {
	[ ! -e /sys/kernel/security/apparmor ] || skip 'this host has AppArmor'
	cfg '.process.apparmorProfile="joey-test"'
	create_fails 'apparmor'
}

@test "[2.13] SELinux label on a host without SELinux" {
	[ ! -e /sys/fs/selinux/enforce ] || skip 'this host has SELinux'
	cfg '.process.selinuxLabel="system_u:system_r:container_t:s0:c1,c2"'
	create_fails 'selinux'
}

@test "[2.14] oomScoreAdj: set, and untouched when absent" {
	cfg '.process.oomScoreAdj=777'
	in_ctr 'cat /proc/self/oom_score_adj'
	equals "$output" 777
	cfg 'del(.process.oomScoreAdj)'
	in_ctr 'cat /proc/self/oom_score_adj'
	equals "$output" "$(cat /proc/self/oom_score_adj)"
}

@test "[2.14] oomScoreAdj 0 is a value" {
	cfg '.process.oomScoreAdj=0'
	script 'cat /proc/self/oom_score_adj'
	output=$(sh -c 'echo 300 >/proc/self/oom_score_adj; exec "$0" "$@"' "$RUNTIME" --root "$ROOT" run --bundle "$B" "$CID" </dev/null 3>&-) ||
		{ grep -q 'permission denied' <<<"$output$(cat "$T/e" 2>/dev/null)" || skip 'lowering needs CAP_SYS_RESOURCE'; }
	[ -n "$output" ] || skip 'lowering needs CAP_SYS_RESOURCE'
	equals "$output" 0
}

@test "[2.15] scheduler: SCHED_BATCH with nice and flags" {
	cfg '.process.scheduler={"policy":"SCHED_BATCH","nice":7,"flags":["SCHED_FLAG_RESET_ON_FORK"]}'
	cmd probe sched
	rt_ok run --bundle "$B" "$CID"
	has_match '^policy=3 flags=1 nice=7 '
}

@test "[2.15] scheduler: SCHED_FIFO priority, SCHED_IDLE, SCHED_OTHER" {
	cmd probe sched
	cfg '.process.scheduler={"policy":"SCHED_IDLE"}'
	rt_ok run --bundle "$B" "$CID"
	has_match '^policy=5 '
	cfg '.process.scheduler={"policy":"SCHED_OTHER","nice":3}'
	rt_ok run --bundle "$B" "$CID"
	has_match '^policy=0 flags=0 nice=3 '
	cfg '.process.scheduler={"policy":"SCHED_FIFO","priority":5}'
	rt run --bundle "$B" "$CID"
	if [ "$status" -eq 0 ]; then
		has_match '^policy=1 .*priority=5 '
	else
		[[ $errout == *'operation not permitted'* ]]
	fi
}

@test "[2.15] scheduler: SCHED_DEADLINE" {
	cmd probe sched
	cfg '.process.scheduler={"policy":"SCHED_DEADLINE","runtime":10000000,"deadline":20000000,"period":30000000,"flags":["SCHED_FLAG_RESET_ON_FORK"]}'
	rt run --bundle "$B" "$CID"
	if [ "$status" -eq 0 ]; then
		has_match '^policy=6 .*runtime=10000000 deadline=20000000 period=30000000'
	else
		[[ $errout == *'operation not permitted'* || $errout == *'device or resource busy'* ]] || { show; return 1; }
	fi
}

@test "[2.15] scheduler: what is refused" {
	local j
	for j in '{"policy":"SCHED_OTHER","nice":20}' '{"policy":"SCHED_OTHER","priority":1}' '{"policy":"SCHED_FIFO","runtime":1}' \
		'{"nice":1}' '{"policy":"SCHED_OTHER","flags":["SCHED_FLAG_BOGUS"]}'; do
		cfg ".process.scheduler=$j"
		create_fails ''
	done
}

@test "[2.16] ioPriority" {
	cmd probe ioprio
	cfg '.process.ioPriority={"class":"IOPRIO_CLASS_BE","priority":6}'
	rt_ok run --bundle "$B" "$CID"
	equals "$output" "class=2 priority=6"
	cfg '.process.ioPriority={"class":"IOPRIO_CLASS_IDLE","priority":0}'
	rt_ok run --bundle "$B" "$CID"
	has_text class=3
	cfg '.process.ioPriority={"class":"IOPRIO_CLASS_BE","priority":8}'
	create_fails 'ioPriority'
	cfg '.process.ioPriority={"class":"IOPRIO_CLASS_XX","priority":1}'
	create_fails IOPRIO_CLASS_XX
}

@test "[2.17] execCPUAffinity is accepted and leaves init alone" {
	cfg '.process.execCPUAffinity={"initial":"0","final":"0"}'
	cmd probe affinity
	rt_ok run --bundle "$B" "$CID"
	equals "$output" "$("$TOOLS/probe" affinity)"
}

@test "[2.17] init's affinity is not the caller's narrowed one" {
	[ "$(nproc)" -gt 1 ] || skip 'one CPU'
	is_joey || skip 'since runc 1.4'
	cmd probe affinity
	output=$(taskset -c 0 "$RUNTIME" --root "$ROOT" run --bundle "$B" "$CID" </dev/null 3>&-)
	equals "$output" "$(nproc --all)"
}

@test "[2.18] Windows' properties are ignored" {
	cfg '.process.commandLine="cmd.exe" | .process.user.username="u" | .windows={"layerFolders":[]}'
	rt_ok run --bundle "$B" "$CID"
}

@test "[10.6] personality" {
	cmd probe personality
	cfg '.linux.personality={"domain":"LINUX"}'
	rt_ok run --bundle "$B" "$CID"
	equals "$output" 0
	cfg '.linux.personality={"domain":"LINUX32"}'
	rt run --bundle "$B" "$CID"
	[ "$status" -eq 0 ] && equals "$output" 0x8
	cfg '.linux.personality={"domain":"SOLARIS"}'
	create_fails SOLARIS
}

@test "[10.7] memoryPolicy" {
	is_joey || skip 'newer than the runc at hand'
	cmd probe mempolicy
	cfg '.linux.memoryPolicy={"mode":"MPOL_BIND","nodes":"0"}'
	rt run --bundle "$B" "$CID"
	[[ $errout == *'function not implemented'* ]] && skip 'kernel without NUMA'
	equals "$status" 0
	equals "$output" "mode=2 nodes=1"
	cfg '.linux.memoryPolicy={"mode":"MPOL_INTERLEAVE","nodes":"0","flags":["MPOL_F_STATIC_NODES"]}'
	rt_ok run --bundle "$B" "$CID"
	has_match '^mode=(3|32771) nodes=1'
	cfg '.linux.memoryPolicy={"mode":"MPOL_DEFAULT"}'
	rt_ok run --bundle "$B" "$CID"
	has_text mode=0
}

@test "[10.7] memoryPolicy: what is refused" {
	is_joey || skip 'newer than the runc at hand'
	local j
	for j in '{"mode":"MPOL_MAGIC"}' '{"mode":"MPOL_BIND"}' '{"mode":"MPOL_DEFAULT","nodes":"0"}' '{"mode":"MPOL_BIND","nodes":"0","flags":["MPOL_F_X"]}' '{"mode":"MPOL_BIND","nodes":"x"}'; do
		cfg ".linux.memoryPolicy=$j"
		create_fails ''
	done
}

@test "[6.7] a new session keyring named after the container; --no-new-keyring keeps the caller's" {
	cmd probe keyring
	rt_ok run --bundle "$B" "$CID"
	has_match "^keyring;.*;_ses\.$CID\$"
	local out=$output
	rt_ok run --no-new-keyring --bundle "$B" "$CID"
	[ "$output" != "$out" ]
	lacks_text "_ses.$CID"
}

@test "[6.8] the payload is dumpable again after the exec" {
	cmd probe sig
	rt_ok run --bundle "$B" "$CID"
	has_text dumpable=1
}

@test "[10.9 C4] the payload's maps and exe hold nothing of the runtime" {
	in_ctr 'readlink /proc/1/exe; cat /proc/1/maps'
	lacks_text "$(basename "$RUNTIME")"
	lacks_text memfd
}
