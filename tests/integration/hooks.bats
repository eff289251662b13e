# Hooks (checklist 11, 12.19; security C14).
load helpers

# hook KIND SHELL-TEXT [JQ-FIELDS]: adds a hook that runs the text; $1 of the text is $T/hooks, the log of the test.
hook() {
	local extra=${3:-'{}'}
	cfg '.hooks[$k] += [{"path":"/bin/sh","args":["sh","-c",$t,"hook",$log]} + '"$extra]" --arg k "$1" --arg t "$2" --arg log "$T/hooks"
}

@test "[11 11.5] all six kinds, in order, several of a kind in listed order" {
	is_joey || skip 'runc 1.3 runs poststart hooks at create'
	# createContainer and startContainer cannot write to the host's log: they write into the container
	hook prestart 'echo prestart1 >>"$1"'
	hook prestart 'echo prestart2 >>"$1"'
	hook createRuntime 'echo createRuntime >>"$1"'
	hook poststart 'echo poststart >>"$1"'
	hook poststop 'echo poststop1 >>"$1"'
	hook poststop 'echo poststop2 >>"$1"'
	cfg '.hooks.createContainer=[{"path":"/bin/sh","args":["sh","-c","echo createContainer >>\"$0\"",$l]}]
		| .hooks.startContainer=[{"path":"/bin/sh","args":["sh","-c","echo startContainer >>/tmp/log"]}]' --arg l "$T/hooks"
	script 'echo payload >>/tmp/log; sleep 100'
	create
	equals "$(xargs <"$T/hooks")" "prestart1 prestart2 createRuntime createContainer"
	[ ! -e "$B/rootfs/tmp/log" ]
	start
	until_true file_has "$B/rootfs/tmp/log" payload
	equals "$(xargs <"$B/rootfs/tmp/log")" "startContainer payload"
	equals "$(tail -n 1 "$T/hooks")" poststart
	rt_ok delete --force "$CID"
	equals "$(tail -n 2 "$T/hooks" | xargs)" "poststop1 poststop2"
}

@test "[11.1] the state on stdin: status, pid, bundle, annotations, then end of file" {
	is_joey || skip 'runc 1.3 runs poststart hooks at create'
	local k
	cfg '.annotations={"a":"b"}'
	for k in prestart createRuntime poststart poststop; do hook $k "cat >\"\$1.$k\""; done
	cmd sleep 100
	create
	local p
	p=$(pid_of)
	start
	rt_ok delete --force "$CID"
	for k in prestart createRuntime poststart poststop; do
		equals "$(jq -r .id "$T/hooks.$k")" "$CID"
		equals "$(jq -r .bundle "$T/hooks.$k")" "$B"
		equals "$(jq -r .annotations.a "$T/hooks.$k")" b
		equals "$(jq -r 'has("ociVersion")' "$T/hooks.$k")" true
	done
	equals "$(jq -r .status "$T/hooks.prestart")" creating
	equals "$(jq -r .status "$T/hooks.createRuntime")" creating
	equals "$(jq -r .pid "$T/hooks.createRuntime")" "$p"
	equals "$(jq -r .status "$T/hooks.poststart")" running
	equals "$(jq -r .pid "$T/hooks.poststart")" "$p"
	equals "$(jq -r .status "$T/hooks.poststop")" stopped
	equals "$(jq -r '.pid // 0' "$T/hooks.poststop")" 0
}

@test "[11.1] the state on stdin of createContainer and startContainer" {
	cfg '.hooks={"createContainer":[{"path":"/bin/sh","args":["sh","-c","cat >\"$0\"",$l]}],"startContainer":[{"path":"/bin/sh","args":["sh","-c","cat >/tmp/sc"]}]}' --arg l "$T/cc"
	cmd sleep 100
	create
	start
	equals "$(jq -r .status "$T/cc")" creating
	equals "$(jq -r .status "$B/rootfs/tmp/sc")" created
	equals "$(jq -r .id "$B/rootfs/tmp/sc")" "$CID"
	equals "$(jq -r .pid "$B/rootfs/tmp/sc")" 1
}

@test "[11.1] a hook that never reads, with a state larger than a pipe" {
	cfg '.annotations=([range(3000)|{key:("k"+tostring),value:("v"*60)}]|from_entries)'
	hook createRuntime 'exit 0'
	hook poststop 'exec 0</dev/null; exit 0'
	rt_ok run --bundle "$B" "$CID"
}

@test "[11] namespaces: runtime hooks in the host's, container hooks in the container's" {
	hook createRuntime 'readlink /proc/self/ns/mnt /proc/self/ns/net >>"$1"'
	cfg '.hooks.createContainer=[{"path":"/bin/sh","args":["sh","-c","readlink /proc/self/ns/net >\"$0\"; pwd >>\"$0\"",$l]}]' --arg l "$T/cc"
	cfg '.hooks.startContainer=[{"path":"/bin/sh","args":["sh","-c","readlink /proc/self/ns/net >/tmp/sc; ls / >>/tmp/sc"]}]'
	cmd sleep 100
	create
	start
	local p
	p=$(pid_of)
	equals "$(head -n1 "$T/hooks")" "$(readlink /proc/self/ns/mnt)"
	equals "$(tail -n1 "$T/hooks")" "$(readlink /proc/self/ns/net)"
	equals "$(head -n1 "$T/cc")" "$(readlink "/proc/$p/ns/net")"
	equals "$(head -n1 "$B/rootfs/tmp/sc")" "$(readlink "/proc/$p/ns/net")"
	! grep -q work "$B/rootfs/tmp/sc"
}

@test "[11] createContainer runs before the pivot: host paths, cwd is the rootfs, container mounts are there" {
	cfg '.hooks.createContainer=[{"path":"/bin/sh","args":["sh","-c","pwd >\"$0\"; stat -c %t:%T dev/null >>\"$0\"; ls bin/busybox >>\"$0\"",$l]}]' --arg l "$T/cc"
	rt_ok run --bundle "$B" "$CID"
	equals "$(cat "$T/cc")" "$B/rootfs
1:3
bin/busybox"
}

@test "[11] startContainer: path resolved in the container, after start" {
	printf '#!/bin/sh\necho in >/tmp/hooked\n' >"$B/rootfs/usr/bin/only-here"
	chmod 755 "$B/rootfs/usr/bin/only-here"
	cfg '.hooks={"startContainer":[{"path":"/usr/bin/only-here"}]}'
	cmd sleep 100
	create
	[ ! -e "$B/rootfs/tmp/hooked" ]
	start
	[ -e "$B/rootfs/tmp/hooked" ]
}

@test "[11.2] env: exactly what is given" {
	hook createRuntime 'env | sort >>"$1"' '{"env":["PATH=/bin:/usr/bin","ONLY=this"]}'
	rt_ok run --bundle "$B" "$CID"
	grep -q '^ONLY=this$' "$T/hooks"
	! grep -qvE '^(ONLY|PATH|PWD|SHLVL|_|OLDPWD)=' "$T/hooks"
}

@test "[11.2] env absent: runtime hooks have joey's, createContainer none, startContainer the process's" {
	hook createRuntime 'echo "$MARK" >>"$1"'
	cfg '.hooks.createContainer=[{"path":"/bin/sh","args":["sh","-c","echo x$MARK >\"$0\"",$l]}] | .hooks.startContainer=[{"path":"/bin/sh","args":["sh","-c","echo $MARK >/tmp/sc"]}]
		| .process.env += ["MARK=process"]' --arg l "$T/cc"
	MARK=runtime rt_ok run --bundle "$B" "$CID"
	equals "$(cat "$T/hooks")" runtime
	equals "$(cat "$T/cc")" x
	equals "$(cat "$B/rootfs/tmp/sc")" process
}

@test "[11.2 C14] the process's LD_PRELOAD is not seen by hooks of the host" {
	hook createRuntime 'env >>"$1"'
	hook poststop 'env >>"$1"'
	cfg '.process.env += ["LD_PRELOAD=/evil.so","LD_LIBRARY_PATH=/evil"]'
	rt_ok run --bundle "$B" "$CID"
	! grep -q evil "$T/hooks"
}

@test "[11.3] args[0] is argv[0]; without args it is the path" {
	cfg '.hooks={"createRuntime":[{"path":"/bin/busybox","args":["sh","-c","echo \"$0 $1\" >\"$1\"","arg0",$l]}]}' --arg l "$T/hooks"
	rt_ok run --bundle "$B" "$CID"
	equals "$(cat "$T/hooks")" "arg0 $T/hooks"
	printf '#!/bin/sh\necho "$0 $#" >%s\n' "$T/hooks2" >"$T/plain"
	chmod 755 "$T/plain"
	cfg '.hooks={"createRuntime":[{"path":$p}]}' --arg p "$T/plain"
	rt_ok run --bundle "$B" "$CID"
	equals "$(cat "$T/hooks2")" "$T/plain 0"
}

@test "[11.4] timeout kills the hook and fails the create" {
	hook createRuntime 'echo $$ >>"$1"; exec sleep 60' '{"timeout":1}'
	create_fails 'hook ran past specified timeout of 1.0s'
	until_true gone "$(cat "$T/hooks")"
}

@test "[11.4] a timeout of 0 or less is invalid" {
	is_joey || skip 'runc does not check'
	hook createRuntime 'true' '{"timeout":0}'
	create_fails timeout
	cfg '.hooks.createRuntime[0].timeout=-1'
	create_fails timeout
}

@test "[11.4] a daemonised grandchild that holds stdout does not hang joey" {
	is_joey || skip 'runc leaves its cgroup'
	hook createRuntime 'sleep 60 & echo $! >>"$1"'
	RT_TIMEOUT=15 rt run --bundle "$B" "$CID"
	kill "$(cat "$T/hooks")" 2>/dev/null || true
	is_joey || return 0
	equals "$status" 0
}

@test "[11.5] failure text: kind, index, status, stdout, stderr" {
	hook createRuntime true
	hook createRuntime 'echo some out; echo some err >&2; exit 7'
	hook createRuntime 'echo never >>"$1"'
	create_fails 'error running createRuntime hook #1: exit status 7, stdout: some out'
	[[ $errout == *'stderr: some err'* ]]
	[ ! -e "$T/hooks" ]
}

@test "[11 11.7 1.9] failure of each create hook: nothing left, poststop hooks run" {
	local k
	for k in prestart createRuntime createContainer; do
		cfg 'del(.hooks)'
		rm -f "$T/hooks"
		hook $k 'exit 1'
		hook poststop 'echo stopped >>"$1"'
		create_fails "$k"
		is_joey || continue
		equals "$k $(cat "$T/hooks" 2>/dev/null)" "$k stopped"
	done
}

@test "[11] failure of startContainer: start fails, the container is stopped" {
	cfg '.hooks={"startContainer":[{"path":"/bin/sh","args":["sh","-c","exit 3"]}]}'
	script 'echo ran >/tmp/ran'
	create
	rt start "$CID"
	is_joey && [ "$status" -ne 0 ]
	wait_status stopped
	[ ! -e "$B/rootfs/tmp/ran" ]
}

@test "[11] failure of poststart: an error, the container is stopped" {
	is_joey || skip 'runc 1.3 runs poststart hooks at create'
	hook poststart 'exit 4'
	cmd sleep 100
	create
	rt_fail 'poststart' start "$CID"
	wait_status stopped
}

@test "[11.5] poststop: a failing hook is a warning and the next ones run" {
	is_joey || skip 'runc stops at the first failure'
	hook poststop 'exit 1'
	hook poststop 'echo second >>"$1"'
	cmd sleep 100
	create
	rt_ok --debug delete --force "$CID"
	equals "$(cat "$T/hooks")" second
	[[ $errout == *poststop* ]]
}

@test "[11] poststop: after the resources are gone" {
	hook poststop 'test -d "'"$ROOT/$CID"'" && echo dir >>"$1"; test -d "'"$(cgroup2_mount)$CG"'" && echo cgroup >>"$1"; echo done >>"$1"'
	cmd sleep 100
	create
	rt_ok delete --force "$CID"
	is_joey || return 0
	equals "$(cat "$T/hooks")" "done"
}

@test "[11] the limits are set before createRuntime hooks run" {
	require_controller memory
	cfg '.linux.resources={"memory":{"limit":33554432}}'
	hook createRuntime 'cat "'"$(cgroup2_mount)$CG"'/memory.max" >>"$1"'
	rt_ok run --bundle "$B" "$CID"
	equals "$(cat "$T/hooks")" 33554432
}

@test "[11] a hook that is missing, not executable, a directory" {
	cfg '.hooks={"createRuntime":[{"path":"/no/hook"}]}'
	create_fails 'no such file or directory'
	cfg '.hooks={"createRuntime":[{"path":"/etc/passwd"}]}'
	create_fails 'permission denied'
	cfg '.hooks={"createRuntime":[{"path":"relative"}]}'
	create_fails ''
}

@test "[11 C5] hooks inherit no descriptors but 0, 1, 2" {
	hook createRuntime 'ls /proc/self/fd >>"$1"'
	hook poststop 'ls /proc/self/fd >>"$1.2"'
	cfg '.hooks.createContainer=[{"path":"/bin/sh","args":["sh","-c","ls /proc/self/fd >\"$0\"",$l]}]' --arg l "$T/cc"
	"$TOOLS/launch" -c -d 5 -- "$RUNTIME" --root "$ROOT" run --bundle "$B" "$CID" </dev/null
	is_joey || return 0
	for f in "$T/hooks" "$T/hooks.2" "$T/cc"; do equals "$f $(grep -cE '^[4-9]|^[0-9]{2}' "$f" || true)" "$f 0"; done
}

@test "[11.6] annotations run.oci.hooks.stdout and stderr" {
	is_joey || skip 'crun annotations'
	cfg '.annotations={"run.oci.hooks.stdout":$o,"run.oci.hooks.stderr":$e}' --arg o "$T/out" --arg e "$T/err"
	hook createRuntime 'echo one; echo two >&2'
	rt_ok run --bundle "$B" "$CID"
	equals "$(cat "$T/out")" one
	equals "$(cat "$T/err")" two
}
