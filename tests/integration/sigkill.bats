# SIGKILL of joey, or of the init it is making, at any system call of create, start, run and delete; then
# `delete --force` cleans everything (issue: "SIGKILL ... at many points"; checklist 1.9, 12.7; engine contract 3).
load helpers

setup() {
	test_setup
	is_joey || skip 'needs a single-threaded runtime'
	"$TOOLS/inject" true || skip 'no ptrace here'
}

# kill_each WHOM(-k joey, -K the process itself) PREPARE STRIDE ARGS...
kill_each() {
	local whom=$1 prepare=$2 stride=$3 p n name rc i=0 failures=0
	shift 3
	$prepare
	raw "$@" || true
	raw delete --force "$CID"
	$prepare
	inject -o "$T/trace" -- "$RUNTIME" --root "$ROOT" "$@" || { cat "$T/stderr"; return 1; }
	raw delete --force "$CID"
	nothing_left_soon
	while read -r p n name <&9; do
		[ "$whom" = -k ] || [ "$p" != 0 ] || continue
		i=$((i + 1))
		$prepare
		rc=0
		inject $whom "$p:$n" -- "$RUNTIME" --root "$ROOT" "$@" || rc=$?
		if [ $rc -eq 124 ]; then
			echo "$p:$n $name: hangs"
			failures=$((failures + 1))
		fi
		# init killed: joey must say so, and must have cleaned up by itself
		if [ "$whom" = -K ] && [ $rc -ne 0 ] && ! [ -s "$T/stderr" ]; then
			echo "$p:$n $name: exit $rc without words"
			failures=$((failures + 1))
		fi
		if ! timeout -k 1 15 "$RUNTIME" --root "$ROOT" delete --force "$CID" </dev/null >"$T/stdout" 2>"$T/stderr" 3>&- 4>&-; then
			echo "$p:$n $name: delete --force fails: $(cat "$T/stderr")"
			failures=$((failures + 1))
		fi
		if ! nothing_left_soon >/dev/null; then
			echo "$p:$n $name: something is left: $(cat "$T/left")"
			failures=$((failures + 1))
		fi
		[ $failures -lt 10 ] || break
	done 9< <(points "$T/trace" "$stride")
	echo "$i points"
	[ "$i" -gt 0 ]
	[ $failures -eq 0 ]
}

nop() { :; }
fresh() { raw create --bundle "$B" "$CID"; }
fresh_running() { raw create --bundle "$B" "$CID" && raw start "$CID"; }

@test "[1.9 12.7 sigkill] joey killed at each call of create" {
	cmd sleep 100
	kill_each -k nop 4 create --bundle "$B" "$CID"
}

@test "[1.9 12.7 sigkill] init killed at each of its calls in create" {
	cmd sleep 100
	kill_each -K nop 6 create --bundle "$B" "$CID"
}

@test "[1.9 12.7 sigkill] joey killed in create: user namespace, hooks" {
	have_userns || skip 'no user namespaces'
	userns
	cfg '.hooks={"createRuntime":[{"path":"/bin/true"}],"createContainer":[{"path":"/bin/true"}]}'
	cmd sleep 100
	kill_each -k nop 8 create --bundle "$B" "$CID"
}

@test "[12.7 sigkill] joey killed in start" {
	cmd sleep 100
	kill_each -k fresh 2 start "$CID"
}

@test "[12.7 sigkill] joey killed in run, foreground and detached" {
	cmd sleep 0.02
	kill_each -k nop 9 run --bundle "$B" "$CID"
	kill_each -k nop 9 run -d --bundle "$B" "$CID"
}

@test "[12.7 sigkill] joey killed in delete and delete --force" {
	cmd sleep 100
	kill_each -k fresh_running 3 delete --force "$CID"
	cmd true
	kill_each -k fresh_running 3 delete --force "$CID"
}

@test "[12.7 sigkill] the container's init killed from outside in every state" {
	cmd sleep 100
	create
	kill -9 "$(pid_of)"
	rt_ok delete "$CID" || rt_ok delete --force "$CID"
	create
	start
	kill -9 "$(pid_of)"
	wait_status stopped
	rt_ok delete "$CID"
}

@test "[12.7 sigkill] two deletes at once, and a delete beside a create" {
	cmd sleep 100
	local i a b
	for i in 1 2 3 4 5; do
		create
		raw delete --force "$CID" &
		a=$!
		timeout 15 "$RUNTIME" --root "$ROOT" delete --force "$CID" </dev/null >"$T/o" 2>&1 3>&-
		wait $a
		timeout 15 "$RUNTIME" --root "$ROOT" create --bundle "$B" "$CID" </dev/null >"$T/o" 2>&1 3>&- &
		b=$!
		timeout 15 "$RUNTIME" --root "$ROOT" delete --force "$CID" </dev/null >"$T/o2" 2>&1 3>&-
		wait $b || true
		timeout 15 "$RUNTIME" --root "$ROOT" delete --force "$CID" </dev/null >"$T/o2" 2>&1 3>&-
		nothing_left_soon
	done
}
