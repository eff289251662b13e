# shellcheck shell=bash
# Failure injection (security: targets; checklist 1.9): each system call of an operation fails once. Afterwards either the
# operation has worked, or it says what failed; `delete --force` succeeds; no process, mount, cgroup or state directory is
# left. tools/inject.c counts the calls.

ERRNOS=(1 12 5 24 38 4 28 13) # EPERM ENOMEM EIO EMFILE ENOSYS EINTR ENOSPC EACCES

setup() {
	test_setup
	is_joey || skip 'needs a single-threaded runtime'
	"$TOOLS/inject" true || skip 'no ptrace here'
}

# said_why P N NAME STARTUP: the error must have a text, but for what fails before main or hits the write of the text.
said_why() {
	[ "$1" != 0 ] || { [ "$3" != write ] && [[ $4 != *" $2 "* ]]; } || return 0
	grep -qE 'msg=".{12,}' "$T/stderr"
}

bad() { # bad TEXT: remember and go on, so that one run shows them all
	echo "$1"
	sed 's/^/    /' "$T/stderr" "$T/left" 2>/dev/null | head -n 6
	failures=$((failures + 1))
}

# each PREPARE CHECK STRIDE ARGS...: fails the calls of `joey ARGS` one by one.
each() {
	local prepare=$1 check=$2 stride=$3 p n name e rc startup i=0
	shift 3
	failures=0
	# once for what the first run of a host makes: the root directory, caches
	$prepare
	raw "$@" || true
	raw delete --force "$CID"
	$prepare
	inject -o "$T/trace" -- "$RUNTIME" --root "$ROOT" "$@" || { echo "does not work undisturbed"; cat "$T/stderr"; return 1; }
	raw delete --force "$CID"
	nothing_left_soon
	startup=$(startup_calls "$T/trace")
	while read -r p n name <&9; do
		i=$((i + 1))
		e=${ERRNOS[$(((n + p) % ${#ERRNOS[@]}))]}
		$prepare
		: >"$T/left"
		rc=0
		inject -f "$p:$n=$e" -- "$RUNTIME" --root "$ROOT" "$@" || rc=$?
		if [ $rc -eq 124 ]; then
			bad "$p:$n $name errno $e: hangs"
		elif [ $rc -eq 0 ]; then
			$check || bad "$p:$n $name errno $e: exit 0, but it did not work"
		else
			said_why "$p" "$n" "$name" "$startup" || bad "$p:$n $name errno $e: exit $rc without words"
		fi
		raw delete --force "$CID" || bad "$p:$n $name errno $e: delete --force fails"
		nothing_left_soon >/dev/null || bad "$p:$n $name errno $e: something is left"
		[ $failures -lt 12 ] || break
	done 9< <(points "$T/trace" "$stride")
	echo "$i points"
	[ "$i" -gt 0 ]
	[ $failures -eq 0 ]
}

nop() { :; }
created() { raw state "$CID" && grep -q '"created"' "$T/stdout" && raw start "$CID"; }
running() { raw state "$CID" && grep -q '"running"\|"stopped"' "$T/stdout"; }
printed() { grep -q hello "$T/stdout"; }
fresh() { raw create --bundle "$B" "$CID"; }
fresh_running() { raw create --bundle "$B" "$CID" && raw start "$CID"; }
fresh_dead() { fresh_running && raw kill "$CID" 9 && until_true has_status stopped; }
fine() { :; }

everything() { # a config that uses most of what create can do
	cfg '.process.terminal=false | .hostname="h" | .linux.sysctl={"net.ipv4.ip_forward":"1"} | .root.readonly=true | .process.cwd="/made/here"
		| .process.user={"uid":1000,"gid":1000,"additionalGids":[5]} | .process.oomScoreAdj=500
		| .mounts += [{"destination":"/data","type":"tmpfs","source":"t","options":["tmpcopyup","ro"]},{"destination":"/vol","type":"bind","source":$v,"options":["rbind","rro","rslave"]},
			{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["ro"]}]
		| .linux.devices=[{"path":"/dev/extra","type":"c","major":1,"minor":5}]
		| .linux.seccomp={"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getpriority"],"action":"SCMP_ACT_ERRNO"}]}
		| .hooks={"createRuntime":[{"path":"/bin/true"}],"createContainer":[{"path":"/bin/true"}],"poststart":[{"path":"/bin/true"}]}' --arg v "$T/vol"
	mkdir "$T/vol" "$B/rootfs/data"
	touch "$B/rootfs/data/f"
}
