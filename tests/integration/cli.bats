# The command line (checklist 12.16-12.18, engine contract 2-4).
load helpers

VERBS="create start state kill delete run list spec features"

@test "[cli] every command and the program itself print help on stdout, exit 0, stderr empty" {
	local v
	rt --help
	equals "$status" 0
	for v in $VERBS; do has_text "$v"; done
	for v in $VERBS; do
		rt "$v" --help
		equals "$status" 0
		has_text "$v"
		equals "$errout" ""
		rt "$v" -h
		equals "$status" 0
	done
}

@test "[engine5.6] --version and -v: name, commit, spec" {
	local o
	for o in --version -v; do
		output=$("$RUNTIME" $o 2>"$T/err" 3>&-)
		equals "$(<"$T/err")" ""
		[[ $(head -n1 <<<"$output") =~ ^[a-z]+\ version\ [0-9]+\.[0-9]+\.[0-9]+ ]]
		has_match '^commit: .'
		has_match '^spec: 1\.[0-9]+\.[0-9]+'
	done
}

@test "[12.17] wrong number of arguments, exit 1" {
	local v
	for v in start state kill delete create run; do
		rt "$v"
		[ "$status" -eq 1 ]
		[[ $errout$output == *requires* ]] || { show; return 1; }
	done
	rt state a b
	[ "$status" -eq 1 ]
	[[ $errout == *'requires exactly 1 argument'* ]] || { show; return 1; }
}

@test "[cli] unknown command and unknown option fail with text" {
	rt frobnicate
	[ "$status" -ne 0 ]
	[[ $errout$output == *frobnicate* ]]
	rt create --frobnicate --bundle "$B" "$CID"
	[ "$status" -ne 0 ]
	[[ $errout$output == *frobnicate* ]]
	rt --frobnicate list
	[ "$status" -ne 0 ]
	assert_nothing_left
}

@test "[cli] the verbs of the next issue are refused by name" {
	is_joey || skip 'runc has them'
	local v
	for v in $("$RUNTIME" --help | sed -n 's/^   \([a-z]*\) .*(not implemented yet)$/\1/p'); do
		rt "$v" "$CID"
		[ "$status" -ne 0 ]
		[[ $errout == *"$v"* ]] || { show; return 1; }
	done
}

@test "[engine2] options: --opt=value, --opt value, -opt value, repeated" {
	mkdir -p "$ROOT"
	cmd sleep 100
	timeout 20 "$RUNTIME" -root "$ROOT" create -bundle="$B" --pid-file="$T/pid" "$CID" </dev/null >"$T/o" 2>&1 3>&- || { cat "$T/o"; false; }
	timeout 20 "$RUNTIME" --root="$ROOT" state "$CID" </dev/null >"$T/o" 2>&1 3>&-
	equals "$(jq -r .status "$T/o")" created
	rt_ok delete --force --force "$CID"
	cmd true
	rt_ok run -b "$B" "$CID"
}

@test "[engine2] an option without its value" {
	rt create --bundle
	[ "$status" -ne 0 ]
	[[ $errout$output == *'flag needs an argument'* || $errout$output == *'requires an argument'* ]] || { show; return 1; }
}

@test "[12.18] --root may not exist, may be relative, may not be /" {
	local dir
	cd "$T"
	"$RUNTIME" --root rel/state run --bundle "$B" "$CID" </dev/null 3>&-
	rm -rf "$T/rel"
	rt_ok --root "$T/deep/er/state" run --bundle "$B" "$CID"
	run timeout 10 "$RUNTIME" --root / list 3>&-
	[ "$status" -ne 0 ]
	rm -rf "$T/deep"
}

@test "[engine2] --systemd-cgroup=false, --rootless, --debug, --cgroup-manager are taken" {
	rt_ok --debug run --bundle "$B" "$CID"
	equals "$output" ""
	rt_ok --rootless=false run --bundle "$B" "$CID"
	rt_ok --rootless auto run --bundle "$B" "$CID"
	is_joey || return 0
	rt_ok --cgroup-manager disabled run --bundle "$B" "$CID"
	rt_ok --cgroup-manager=cgroupfs run --bundle "$B" "$CID"
	rt_fail frob --cgroup-manager=frob run --bundle "$B" "$CID"
}

@test "[engine3] the options that engines pass to create are accepted" {
	cmd sleep 100
	rt_ok create --bundle "$B" --pid-file "$B/init.pid" --no-pivot --no-new-keyring "$CID"
	start
}

@test "[engine4] errno text is lower case" {
	cmd /etc
	run_fails 'is a directory'
	[[ $errout != *'Is a directory'* ]]
	cmd /nope
	run_fails 'no such file or directory'
	[[ $errout != *'No such file'* ]]
}

@test "[engine4 2.5] missing program: text and exit code 1 of create, run" {
	cmd nope
	rt_fail 'exec: "nope": executable file not found in $PATH' create --bundle "$B" "$CID"
	equals "$status" 1
	cmd /bin/nope
	rt_fail 'exec: "/bin/nope": stat /bin/nope: no such file or directory' create --bundle "$B" "$CID"
	: >"$B/rootfs/etc/plain"
	cmd /etc/plain
	rt_fail 'permission denied' create --bundle "$B" "$CID"
	rt_fail 'unable to start container process: ' create --bundle "$B" "$CID"
}

@test "[engine4] an error is one line on stderr, stdout stays empty" {
	cmd nope
	rt create --bundle "$B" "$CID"
	equals "$output" ""
	equals "$(wc -l <"$T/stderr")" 1
}

@test "[cli] no bundle directory, --bundle defaults to the current directory" {
	rt_fail 'no such file or directory' create --bundle "$T/nowhere" "$CID"
	cd "$B"
	rt_ok run "$CID"
}

@test "[engine3] an empty environment is enough" {
	"$TOOLS/launch" -c -e -- "$RUNTIME" --root "$ROOT" run --bundle "$B" "$CID" </dev/null
}

@test "[engine6] start, delete, kill, state: nobody keeps the caller's pipes open" {
	cmd sleep 100
	# terminal-less create with its own stdio on /dev/null: a reader of the pipes sees the end at once
	output=$(timeout 10 "$RUNTIME" --root "$ROOT" create --bundle "$B" "$CID" </dev/null 2>&1 >/dev/null 2>/dev/null 3>&-)
	output=$(timeout 10 "$RUNTIME" --root "$ROOT" start "$CID" 2>&1 3>&-)
	equals "$output" ""
	output=$(timeout 10 "$RUNTIME" --root "$ROOT" kill "$CID" 9 2>&1 3>&-)
	wait_status stopped
	output=$(timeout 10 "$RUNTIME" --root "$ROOT" delete "$CID" 2>&1 3>&-)
	equals "$output" ""
}
