# ps (checklist 12.12; engine contract 3, 5.3).
load helpers

setup() {
	test_setup
	[ -n "$(cgroup2_mount)" ] || skip 'no cgroup2 mount on this host'
}
pids() { "$RUNTIME" --root "$ROOT" ps --format json "$CID" 3>&- | jq -c sort; }
has_pids() { equals "$(pids | jq length)" "$1" >/dev/null; }

@test "[12.12] json: host pids of every process, nothing on stderr" {
	cmd sleep 1000
	create
	start
	rt_ok ps -f json "$CID"
	equals "$output$errout" "[$(pid_of)]"
	rt_ok exec -d --pid-file "$T/pid" "$CID" sleep 1001
	equals "$(pids)" "$(jq -cn '[$a,$b]|sort' --argjson a "$(pid_of)" --argjson b "$(<"$T/pid")")"
}

@test "[12.12] processes in nested cgroups count" {
	script 'sleep 1000 & sleep 1000 & wait'
	create
	start
	until_true has_pids 3
	local m
	m=$(cgroup2_mount)$CG
	mkdir -p "$m/a/b"
	pids | jq '.[1]' >"$m/a/b/cgroup.procs"
	equals "$(pids | jq length)" 3
}

@test "[12.12] created: init alone; stopped: nobody" {
	cmd true
	create
	equals "$(pids)" "[$(pid_of)]"
	start
	wait_status stopped
	equals "$(pids)" '[]'
	rt_ok ps "$CID"
	equals "$(wc -l <<<"$output")" 1
}

@test "[12.12] table: ps -ef of the host, its own lines only" {
	cmd sleep 1234
	create
	start
	rt_ok ps "$CID"
	has_match '^UID +PID +PPID'
	equals "$(wc -l <<<"$output")" 2
	has_match "^root +$(pid_of) .*sleep 1234"
}

@test "[12.12] table: with arguments; options behind the id are ps's" {
	cmd sleep 1234
	create
	start
	rt_ok ps "$CID" aux
	has_match '^USER +PID %CPU'
	has_match "^root +$(pid_of) "
	rt_ok ps --format table "$CID" -o comm,pid -e
	equals "$(head -n1 <<<"$output" | xargs)" 'COMMAND PID'
	has_match "^sleep +$(pid_of)\$"
	equals "$(wc -l <<<"$output")" 2
	rt_ok ps "$CID" -eL -o pid,lwp,comm
	equals "$(wc -l <<<"$output")" 2
}

@test "[12.12] table: no PID column, or a ps that fails" {
	cmd sleep 1234
	create
	rt_fail "couldn't find PID field in ps output" ps "$CID" -o comm -e
	rt_fail 'exit status' ps "$CID" --no-such-option
}

@test "[12.12] a program named ps in \$PATH is not run" {
	require_joey 'runc searches $PATH'
	cmd sleep 1234
	create
	mkdir "$T/path"
	printf '#!/bin/sh\ntouch %s/ran\n' "$T" >"$T/path/ps"
	chmod 755 "$T/path/ps"
	PATH=$T/path:$PATH rt_ok ps "$CID"
	[ ! -e "$T/ran" ]
}

@test "[12.12] unknown formats and containers" {
	rt_fail 'invalid format option' ps -f yaml "$CID"
	rt_fail 'container does not exist' ps "$CID"
	rt_fail 'container does not exist' ps -f json "$CID"
}

@test "[12.12] without a cgroup: init alone, and a warning for people" {
	require_joey 'an option of joey and crun'
	cmd sleep 1000
	rt_ok --cgroup-manager disabled create --bundle "$B" "$CID"
	rt_ok ps -f json "$CID"
	equals "$output$errout" "[$(pid_of)]"
	rt_ok --debug --log "$T/log" ps -f json "$CID"
	grep -q 'without a cgroup' "$T/log"
}
