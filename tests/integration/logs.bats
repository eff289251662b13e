# --log and --log-format (engine contract 5.1): engines decode the file, so every byte counts.
load helpers

@test "[engine5.1] json: a failed command writes exactly one object with level, msg, time" {
	cmd nope
	rt --log "$T/log" --log-format json create --bundle "$B" "$CID"
	[ "$status" -ne 0 ]
	equals "$(wc -l <"$T/log")" 1
	equals "$(jq -r .level "$T/log")" error
	[[ $(jq -r .msg "$T/log") == *'executable file not found in $PATH'* ]]
	[[ $(jq -r .time "$T/log") =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$ ]]
}

@test "[engine5.1] json: success writes nothing" {
	rt_ok --log "$T/log" --log-format=json run --bundle "$B" "$CID"
	[ ! -s "$T/log" ]
}

@test "[engine5.1] the plain message goes to stderr as well" {
	cmd nope
	rt --log "$T/log" --log-format json create --bundle "$B" "$CID"
	[[ $errout == *'executable file not found in $PATH'* ]]
	[[ $errout != *'"level"'* ]]
	[[ $errout == *"$(jq -r .msg "$T/log")"* ]]
}

@test "[engine5.1] the file is appended to, each failure one more line" {
	rt --log "$T/log" --log-format json state nosuch
	rt --log "$T/log" --log-format json start nosuch
	equals "$(wc -l <"$T/log")" 2
	equals "$(jq -r .level "$T/log" | sort -u)" error
	[[ $(tail -n 1 "$T/log" | jq -r .msg) == *'does not exist'* ]]
}

@test "[engine5.1] text in quotes, control characters and bytes above 127 stay JSON" {
	cfg '.process.args=["no\"such\\\n\u0001ä"]'
	rt --log "$T/log" --log-format json create --bundle "$B" "$CID"
	equals "$(wc -l <"$T/log")" 1
	jq -e .msg "$T/log" >/dev/null
	equals "$(wc -l <"$T/stderr")" 1
}

@test "[engine5.1] text format in the file and on stderr" {
	rt --log "$T/log" --log-format text state nosuch
	grep -Eq '^time="[^"]+" level=error msg=".*does not exist' "$T/log"
	rt state nosuch
	[[ $errout =~ time=\"[^\"]+\"\ level=error\ msg=\".*does\ not\ exist ]]
}

@test "[engine5.1] mode of the log file, unknown format" {
	rm -f "$T/log"
	(umask 022; timeout 10 "$RUNTIME" --log "$T/log" --root "$ROOT" state nosuch 2>/dev/null 3>&-) || true
	equals "$(stat -c %a "$T/log")" 644
	rt_fail frob --log "$T/log2" --log-format frob state nosuch
}

@test "[engine5.1] usage errors are logged too" {
	rt --log "$T/log" --log-format json create --frobnicate "$CID"
	[ "$status" -ne 0 ]
	is_joey || skip 'runc prints usage only'
	equals "$(jq -r .level "$T/log")" error
}

@test "[engine5.2] no noise on stderr when all is well" {
	cmd sleep 100
	local v
	rt_ok create --bundle "$B" "$CID"
	equals "$errout" ""
	for v in state start; do
		rt_ok "$v" "$CID"
		equals "$errout" ""
	done
	rt_ok kill "$CID" 9
	equals "$errout" ""
	wait_status stopped
	rt_ok delete "$CID"
	equals "$errout$output" ""
}

@test "[engine5.1] --debug keeps stdout clean and the log decodable" {
	rt_ok --debug --log "$T/log" --log-format json run --bundle "$B" "$CID"
	equals "$output" ""
	[ ! -s "$T/log" ] || jq -e .level "$T/log" >/dev/null
	! grep -q '"level":"error"' "$T/log"
}

@test "[engine5.1 2.9] a warning goes to the log of a command that succeeds, and not of one that fails" {
	require_joey 'where warnings go'
	cfg '.process.capabilities.bounding += ["CAP_FROM_THE_FUTURE"]'
	rt_ok --log "$T/log" --log-format json run --bundle "$B" "$CID"
	equals "$errout" ''
	equals "$(jq -r .level "$T/log")" warning
	jq -r .msg "$T/log" | grep -q CAP_FROM_THE_FUTURE
	cmd no-such-program
	rm "$T/log"
	rt --log "$T/log" --log-format json run --bundle "$B" "$CID"
	equals "$(jq -r .level "$T/log")" error
}

# ---- journald and syslog: their sockets have fixed paths, so a mount namespace of the test's own ---------------------------

# elsewhere SCRIPT: sh -c in a mount namespace with an empty /run and a /dev with little in it; $1: joey, $2: the tools
elsewhere() {
	output='' status=0
	unshare -m sh -ec '
		mkdir -p "$T/dev"
		mount -t tmpfs none "$T/dev"
		for f in null zero full random urandom tty; do touch "$T/dev/$f"; mount --bind "/dev/$f" "$T/dev/$f"; done
		mount --move "$T/dev" /dev
		# templates of sandboxes stay where they are: those of a /run that goes would have holders that nobody knows
		mkdir -p -m 700 /run/joey-cache "$T/cache"
		mount --bind /run/joey-cache "$T/cache"
		mount -t tmpfs none /run
		mkdir -p /run/systemd/journal /run/joey-cache
		mount --bind "$T/cache" /run/joey-cache
		listen() { "$2/recv" notify "$1" >"$T/recv" & pid=$!; while [ ! -e "$1.ready" ]; do sleep 0.02; done; }
		heard() { sleep 0.2; kill $pid; wait $pid || :; cat "$T/recv"; }
		joey() { "$RUNTIME" --root "$ROOT" "$@" 2>"$T/stderr" || failed=$?; }
		'"$1" elsewhere "$RUNTIME" "$TOOLS" >"$T/stdout" 2>"$T/stderr2" 3>&- 4>&- || status=$?
	output=$(<"$T/stdout") errout=$(cat "$T/stderr")
	[ "$status" -eq 0 ] || { cat "$T/stderr2"; show; return 1; }
}
require_mount() { unshare -m true 2>/dev/null || skip 'mount namespaces need privileges'; export T ROOT RUNTIME B CID; }

@test "[engine5.1] --log journald: an error is a message of journald's protocol, with the container's id" {
	require_joey 'journald'
	require_mount
	elsewhere 'listen /run/systemd/journal/socket "$2"; joey --log journald: --log-format json state nosuch; heard'
	has_line PRIORITY=3
	has_line SYSLOG_IDENTIFIER=joey
	has_line ID=nosuch
	has_line JOEY_CODE=not-found
	has_match '^MESSAGE=.*does not exist'
	[[ $errout == *'does not exist'* ]]
}

@test "[engine5.1] --log journald:NAME: the name; a warning of a command that succeeds" {
	require_joey 'journald'
	require_mount
	cfg '.process.capabilities.bounding += ["CAP_FROM_THE_FUTURE"]'
	elsewhere 'listen /run/systemd/journal/socket "$2"; joey --log journald:pod7 run --bundle "$B" "$CID"; heard'
	has_line PRIORITY=4
	has_line SYSLOG_IDENTIFIER=pod7
	has_line "ID=$CID"
	has_match '^MESSAGE=.*CAP_FROM_THE_FUTURE'
	equals "$(grep -c ^MESSAGE= <<<"$output")" 1
}

@test "[engine5.1] --log syslog:NAME" {
	require_joey 'syslog'
	require_mount
	elsewhere 'listen /dev/log "$2"; joey --log syslog:pod7 state nosuch; heard'
	has_match '^<11>pod7\[[0-9]+\]: .*does not exist'
}

@test "[engine5.1] --log journald: without a journal: said on stderr, and the command goes on" {
	require_joey 'journald'
	require_mount
	elsewhere 'joey --log journald: state nosuch; echo "$failed"'
	equals "$output" 1
	[[ $errout == *'send to log /run/systemd/journal/socket: no such file or directory'* ]]
	[[ $errout == *'does not exist'* ]]
	cfg '.process.capabilities.bounding += ["CAP_FROM_THE_FUTURE"]'
	elsewhere 'joey --log journald: run --bundle "$B" "$CID"; echo "${failed-none}"'
	equals "$output" none
	equals "$(grep -c 'send to log' "$T/stderr")" 1
}

@test "[engine5.1] --log file:PATH is PATH" {
	require_joey 'file: of --log'
	rt --log "file:$T/log" --log-format json state nosuch
	equals "$(jq -r .level "$T/log")" error
}
