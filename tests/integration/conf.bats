# joey.conf(5): what is read, what overrides it, what is refused.
load helpers

setup_conf() { require_joey 'joey.conf'; C=$T/joey.conf; }
conf() { printf '%s\n' "$@" >"$C" && chmod 644 "$C"; }
# run_with [OPTION...] VERB...: without --root
without_root() {
	status=0
	timeout 10 "$RUNTIME" "$@" </dev/null >"$T/stdout" 2>"$T/stderr" 3>&- || status=$?
	output=$(<"$T/stdout") errout=$(<"$T/stderr")
}

@test "[conf] [runtime] gives what the command line does not" {
	setup_conf
	conf '[runtime]' "root = $T/elsewhere" "log = $T/log" 'log_format = json'
	without_root --config "$C" create --bundle "$B" "$CID"
	equals "$status" 0
	[ -e "$T/elsewhere/$CID/state.json" ]
	without_root --config "$C" state nosuch
	equals "$(jq -r .level "$T/log")" error
	without_root --config "$C" --log "$T/log2" --log-format text state nosuch
	equals "$(wc -l <"$T/log")" 1
	grep -q '^time=' "$T/log2"
	rt --config "$C" list -q
	equals "$output" ''
	without_root --config "$C" list -q
	equals "$output" "$CID"
	without_root --config "$C" delete --force "$CID"
	equals "$status" 0
}

@test "[conf] log_level, and --debug=false against it" {
	setup_conf
	conf '[runtime]' 'log_level = debug' "log = $T/log"
	cfg '.process.capabilities.bounding += ["CAP_FROM_THE_FUTURE"]'
	cmd no-such-program
	rt --config "$C" run --bundle "$B" "$CID"
	equals "$(grep -c level=warning "$T/log")" 1
	rm "$T/log"
	rt --config "$C" --debug=false run --bundle "$B" "$CID"
	equals "$(grep -c level=warning "$T/log")" 0
}

@test "[conf] cgroup_manager; --cgroup-manager and --systemd-cgroup=false override it" {
	setup_conf
	conf '[runtime]' 'cgroup_manager = systemd'
	cfg '.linux.cgroupsPath = "/not/of/systemd"'
	rt --config "$C" create --bundle "$B" "$CID"
	[ "$status" -ne 0 ]
	rt_ok --config "$C" --cgroup-manager disabled run --bundle "$B" "$CID"
	conf '[runtime]' 'cgroup_manager = disabled'
	rt_ok --config "$C" run --bundle "$B" "$CID"
}

@test "[conf] mistakes are errors with file and line, and no command is carried out" {
	setup_conf
	conf '[runtime]' '# fine' 'rooot = /x'
	rt --config "$C" run --bundle "$B" "$CID"
	equals "$status" 1
	[[ $errout == *"$C:3: unknown key "*rooot*' in [runtime]'* ]] || { show; return 1; }
	rt --config "$C" exec "$CID" true
	equals "$status" 255
	conf '[sandbox]' 'allow = everybody'
	rt_fail 'wanted are any of option, program, annotation, config' --config "$C" state "$CID"
	assert_nothing_left
}

@test "[conf] a file that others can write, that is missing, or is none" {
	setup_conf
	rt_fail 'no such file or directory' --config "$C" list
	conf ''
	mkdir -p "$ROOT"
	rt_ok --config "$C" list
	chmod 666 "$C"
	rt_fail 'others than its owner may write to it' --config "$C" list
	rt_fail 'not a regular file' --config /dev/null list
	rt_fail 'not a regular file' --config "$T" list
	mkfifo "$T/fifo"
	rt_fail 'not a regular file' --config "$T/fifo" list
	chmod 644 "$C"
	if [ "$(id -u)" = 0 ]; then
		chown 1234 "$C"
		rt_fail 'belongs neither to root nor to the user of joey' --config "$C" list
	fi
}

@test "[conf] commands that are about no container do not read it" {
	setup_conf
	conf 'nonsense'
	local v
	for v in --version --help 'features' 'list --help' 'completion bash' 'help run'; do
		# shellcheck disable=SC2086
		rt_ok --config "$C" $v
	done
}

@test "[conf] the system's file: read where it is there, and only opened where it is not" {
	setup_conf
	local f
	f=$(grep -ao '/[[:print:]]*/joey/joey\.conf' "$RUNTIME" | head -n 1)
	[[ $f == /* ]]
	unshare -m true 2>/dev/null || skip 'mount namespaces need privileges'
	status=0
	unshare -m sh -ec 'd=$(dirname "$(dirname "$2")"); mount -t tmpfs none "$d"; mkdir "$d/joey"; echo nonsense >"$2"; chmod 644 "$2"
		exec "$1" --root "$3" list' sh "$RUNTIME" "$f" "$ROOT" >"$T/stdout" 2>"$T/stderr" 3>&- || status=$?
	equals "$status" 1
	cat "$T/stderr"
	file_has "$T/stderr" "$f:1: neither .section. nor key = value: nonsense"
	command -v strace >/dev/null || return 0
	[ ! -e "$f" ] || return 0
	ASAN_OPTIONS=detect_leaks=0 strace -f -o "$T/trace" "$RUNTIME" --root "$ROOT" run --bundle "$B" "$CID" 3>&-
	equals "$(grep -c "joey/joey.conf" "$T/trace")" 1
}
