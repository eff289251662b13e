# joey-agent, the first process of a sandbox's guest, driven by a client in place of the sandbox process: in a pid and mount
# namespace of this host (--fds).  What needs a virtual machine (boot, HELLO's effects, 9p) is tested in sandbox*.bats.
load helpers

AGENT=${JOEY_AGENT:-$(dirname "$RUNTIME")/joey-agent}
CLIENT=${JOEY_AGENT_CLIENT:-$(dirname "$RUNTIME")/tests/integration/agent-client}

setup() {
	[ -x "$AGENT" ] && [ -x "$CLIENT" ] || skip "no joey-agent or no tests/integration/agent-client beside $RUNTIME (make check builds both)"
	[ "$(id -u)" = 0 ] || skip 'needs root'
	[ -n "$(cgroup2_mount)" ] || skip 'no cgroup2'
	test_setup
	ROOT=$T/joey
	container 1
}

# The agent of a test dies with its machine, and with it the processes; what it leaves is like after a power cut.
teardown() {
	[ -n "${T:-}" ] || return 0
	for id in "${IDS[@]}"; do "$RUNTIME" --root "$ROOT" delete --force "$id" 3>&- >/dev/null 2>&1; done
	[ ! -d "$(cgroup2_mount)$CG" ] || find "$(cgroup2_mount)$CG" -depth -type d -exec rmdir {} \;
	test_teardown
}

# container N: a rootfs on the share for handle N, and a config $T/cN.json
container() {
	mkdir -p "$T/share/$1"
	cp -al "$BATS_FILE_TMPDIR/template" "$T/share/$1/rootfs"
	cp "$BATS_FILE_TMPDIR/config.json" "$T/c$1.json"
}
# conf N FILTER [JQ-OPTION...]
conf() {
	local n=$1 f=$2
	shift 2
	jq -c "$f" "$@" <"$T/c$n.json" >"$T/.new" && mv "$T/.new" "$T/c$n.json"
}
sh_of() { conf "$1" '.process.args=["sh","-c",$s]' --arg s "$2"; }
exec_file() { jq -nc '{args:["sh","-c",$s],cwd:"/",env:["PATH=/bin"]}' --arg s "$2" >"$T/p$1.json"; }

# agent: commands on stdin, answers in $output, one an array element of $a
agent() {
	status=0
	timeout -k 1 100 unshare -pmf --mount-proc --kill-child "$CLIENT" "$AGENT" --fds @CTL@,@IO@ --root "$T" --cgroup "$CG" \
		>"$T/stdout" 2>"$T/stderr" 3>&- 4>&- || status=$?
	output=$(tr -d '\0' <"$T/stdout")
	mapfile -t a <"$T/stdout"
}
# said PATTERN...: the answers, from the first on
said() {
	local i=0 want
	for want; do
		# shellcheck disable=SC2053 # a pattern
		[[ ${a[i]-} == $want ]] || { printf 'answer %s is "%s", not "%s"\n%s\n%s\n' $i "${a[i]-}" "$want" "$output" "$(<"$T/stderr")"; return 1; }
		i=$((i + 1))
	done
}
populated() { [ -d "$(cgroup2_mount)$CG/1" ]; }

@test "create, start, streams, exit, drop" {
	sh_of 1 'echo out; echo err >&2; read x; echo "got $x"; exit 7'
	agent <<-EOF
		hello
		req create {"c":1,"id":"$CID"} $T/c1.json
		req start {"c":1}
		output 1 1 out
		output 1 2 err
		send 1 hello
		exit 1
		show 1 1
		req start {"c":1}
		req drop {"c":1}
		req drop {"c":1}
		req start {"c":1}
		alive
	EOF
	said 'ok*' 'ok ' 'ok ' yes yes sent 'exit 7' out 'got hello' '' 'error state *' 'ok ' 'ok ' 'error not-found *' yes
	! populated
	[ "$(ls "$T/joey-agent")" = machine-id ]
	[ "$(<"$T/joey-agent/machine-id")" = 55555555555555555555555555555555 ]
	[ -z "$(ls "$T/joey")" ]
}

@test "nothing but HELLO comes first, with the right version, and may come again" {
	agent <<-EOF
		req hello {"version":1}
		req hello {"version":2,"time":1,"entropy":"00","hostname":"h","machineId":"x"}
		hello
		hello
		alive
	EOF
	said 'error unsupported *' 'error other *' 'ok*' 'ok*' yes
	agent <<-EOF
		req create {"c":1,"id":"$CID"} $T/c1.json
		pause 200
		alive
	EOF
	said closed closed no
	grep -q 'the host broke the protocol' "$T/stderr"
}

@test "before HELLO it waits, and takes no processor time: templates are made of machines that wait so" {
	local p=$T/ticks
	agent <<<'pause 2000' 3>&- &
	BG+=($!)
	ticks() { awk '{ print $14 + $15 }' "/proc/$(pgrep -f "^$AGENT .*--root $T ")/stat"; }
	until_true eval 'ticks >"$p" 2>/dev/null'
	sleep 0.3
	ticks >"$p"
	sleep 1
	[ $(($(ticks) - $(<"$p"))) -le 10 ]
	wait $!
}

@test "run, exec, its exit and signals, one stream each" {
	sh_of 1 'trap "exit 9" TERM; echo up; while :; do sleep 0.05; done'
	exec_file 10 'echo one; read a; echo "got $a"; exit 5'
	exec_file 11 'echo two; sleep 100'
	exec_file 12 'kill -SEGV $$'
	agent <<-EOF
		hello
		req create {"c":1,"id":"$CID","run":true} $T/c1.json
		output 1 1 up
		req exec {"c":1,"p":10} $T/p10.json
		req exec {"c":1,"p":11} $T/p11.json
		output 11 1 two
		send 10 abc
		exit 10
		signal 11 15
		exit 11
		req exec {"c":1,"p":12} $T/p12.json
		exit 12
		req exec {"c":1,"p":12} $T/p12.json
		req exec {"c":2,"p":13} $T/p12.json
		req exec {"c":1,"p":14}
		signal 1 15
		exit 1
		show 10 1
	EOF
	said 'ok*' 'ok ' yes 'ok ' 'ok ' yes sent 'exit 5' sent 'signal 15' 'ok ' 'signal 11' 'error exists *' 'error not-found *' \
		'error other *' sent 'exit 9' one 'got abc'
}

@test "a program that is missing is exec's error, and no EXIT" {
	sh_of 1 'echo up; sleep 100'
	echo '{"args":["/no/such"],"cwd":"/"}' >"$T/p10.json"
	agent <<-EOF
		hello
		req create {"c":1,"id":"$CID","run":true} $T/c1.json
		req exec {"c":1,"p":10} $T/p10.json
		req kill {"c":1,"signal":9}
		exit 1
		req kill {"c":1,"signal":9}
	EOF
	said 'ok*' 'ok ' 'error *no such file or directory' 'ok ' 'signal 9' 'error state *container not running'
	container 2
	another "${CID}b"
	conf 2 '.process.args=["/no/such"]'
	agent <<-EOF
		hello
		req create {"c":2,"id":"${CID}b","run":true} $T/c2.json
		req drop {"c":2}
		alive
	EOF
	said 'ok*' 'error *no such file or directory' 'ok ' yes
}

@test "a terminal: size, resize, input, hang-up" {
	sh_of 1 'trap "exit 4" HUP; stty size; read x; echo "[$x]"; stty size; while :; do sleep 0.05; done'
	conf 1 '.process.terminal=true'
	jq -nc '{terminal:true,args:["sh","-c","tty; stty size; exit 3"],cwd:"/",env:["PATH=/bin"]}' >"$T/p10.json"
	agent <<-EOF
		hello
		req create {"c":1,"id":"$CID","run":true,"terminal":true,"rows":33,"cols":44} $T/c1.json
		output 1 1 33 44
		resize 1 50 60
		send 1 abc
		output 1 1 [abc]
		output 1 1 50 60
		req exec {"c":1,"p":10,"terminal":true,"rows":11,"cols":22} $T/p10.json
		exit 10
		output 10 1 /dev/pts/
		output 10 1 11 22
		eof 1 0
		exit 1
	EOF
	said 'ok*' 'ok ' yes sent sent yes yes 'ok ' 'exit 3' yes yes sent 'exit 4'
}

@test "megabytes in and out, whole and in order" {
	local sum=0
	head -c 3000000 /dev/urandom >"$T/big"
	sh_of 1 'cat; cat /data >&2'
	cp "$T/big" "$T/share/1/rootfs/data"
	agent <<-EOF
		hello
		req create {"c":1,"id":"$CID","run":true} $T/c1.json
		feed 1 $T/big
		eof 1 0
		exit 1
		size 1 1
		size 1 2
		sum 1 1
		sum 1 2
	EOF
	said 'ok*' 'ok ' sent sent 'exit 0' 3000000 3000000
	[ -n "${a[7]}" ] && [ "${a[7]}" = "${a[8]}" ]
}

@test "a reader that stands still stops its own stream only" {
	sh_of 1 'head -c 1000000 /dev/zero; echo done >&2; sleep 100'
	exec_file 10 'head -c 2000000 /dev/zero; exit 2'
	agent <<-EOF
		hello
		hold 1 1
		req create {"c":1,"id":"$CID","run":true} $T/c1.json
		pause 200
		size 1 1
		req exec {"c":1,"p":10} $T/p10.json
		exit 10
		size 10 1
		size 1 1
		let 1 1
		output 1 2 done
		req kill {"c":1,"signal":9}
		exit 1
		size 1 1
	EOF
	# The size is asked for at the end: streams are not ordered among each other, EXIT comes behind all of them.
	said 'ok*' hold 'ok ' paused 65536 'ok ' 'exit 2' 2000000 65536 let yes 'ok ' 'signal 9' 1000000
}

@test "output that nobody takes delays EXIT, not for ever" {
	sh_of 1 'head -c 100000 /dev/zero; exit 6'
	agent <<-EOF
		hello
		hold 1 1
		req create {"c":1,"id":"$CID","run":true} $T/c1.json
		pause 1000
		size 1 1
		exit 1
	EOF
	said 'ok*' hold 'ok ' paused 65536 'exit 6'
}

@test "a reader that is gone: the writer gets its SIGPIPE" {
	sh_of 1 'yes; sleep 100'
	exec_file 10 'cat /dev/zero'
	agent <<-EOF
		hello
		req create {"c":1,"id":"$CID","run":true} $T/c1.json
		req exec {"c":1,"p":10} $T/p10.json
		eof 10 1
		exit 10
		alive
	EOF
	said 'ok*' 'ok ' 'ok ' sent 'signal 13' yes
}

@test "a process that leaves a writer behind has ended all the same" {
	sh_of 1 'echo up; sleep 100'
	exec_file 10 'while :; do echo flood; done & exit 3'
	exec_file 11 'sleep 100 & echo last; exit 4'
	agent <<-EOF
		hello
		req create {"c":1,"id":"$CID","run":true} $T/c1.json
		req exec {"c":1,"p":10} $T/p10.json
		exit 10
		req exec {"c":1,"p":11} $T/p11.json
		exit 11
		show 11 1
	EOF
	said 'ok*' 'ok ' 'ok ' 'exit 3' 'ok ' 'exit 4' last
}

@test "hundreds of requests at once are all answered" {
	local i
	sh_of 1 'echo up; sleep 100'
	exec_file 10 'exit 3'
	{
		echo hello
		echo "req create {\"c\":1,\"id\":\"$CID\",\"run\":true} $T/c1.json"
		for ((i = 10; i < 210; i++)); do echo "async exec {\"c\":1,\"p\":$i} $T/p10.json"; done
		for ((i = 10; i < 210; i++)); do echo "exit $i"; done
		echo 'req pids {"c":1}'
	} >"$T/commands"
	agent <"$T/commands"
	[ "$(grep -c '^exit 3$' "$T/stdout")" = 200 ]
	[[ ${a[-1]} == 'ok '* ]]
}

@test "frames before the request: kept for it" {
	sh_of 1 'cat; exit 8'
	agent <<-EOF
		hello
		send 1 early bird
		eof 1 0
		pause 100
		req create {"c":1,"id":"$CID","run":true} $T/c1.json
		exit 1
		show 1 1
		signal 77 9
		pause 100
		alive
	EOF
	said 'ok*' sent sent paused 'ok ' 'exit 8' 'early bird'
	[ "${a[-1]}" = yes ]
}

@test "pause, resume, pids, stats, update" {
	sh_of 1 'echo up; sleep 100'
	exec_file 10 'true'
	echo '{}' >"$T/r.json"
	agent <<-EOF
		hello
		req create {"c":1,"id":"$CID"} $T/c1.json
		req exec {"c":1,"p":9,"ignorePaused":true} $T/p10.json
		req start {"c":1}
		req pids {"c":1}
		req stats {"c":1}
		req pause {"c":1}
		req exec {"c":1,"p":10} $T/p10.json
		req resume {"c":1}
		req exec {"c":1,"p":11} $T/p10.json
		exit 11
		req update {"c":1} $T/r.json
		req update {"c":1} $T/stdout
		req kill {"c":1,"signal":9,"all":true}
		exit 1
	EOF
	said 'ok*' 'ok ' 'ok ' 'ok ' 'ok *' 'ok {"type":"stats"*' 'ok ' 'error state *' 'ok ' 'ok ' 'exit 0' 'ok ' 'error *' 'ok ' 'signal 9'
}

@test "an OOM kill is an event" {
	require_controller memory
	sh_of 1 'x=; while :; do x="$x xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"; x=$x$x; done'
	conf 1 '.linux.resources.memory={limit:10000000,swap:10000000}'
	agent <<-EOF
		hello
		req create {"c":1,"id":"$CID","run":true} $T/c1.json
		event 1
		exit 1
	EOF
	said 'ok*' 'ok ' event 'signal 9'
}

@test "bind mounts by number, host namespaces and hooks left out" {
	sh_of 1 'cat /mnt/f /mnt2; touch /mnt/x; hostname; ls -l /proc/self/ns/net'
	mkdir "$T/share/1/m6"
	echo six >"$T/share/1/m6/f"
	echo seven >"$T/share/1/m7"
	conf 1 '.mounts+=[{destination:"/mnt",type:"bind",source:"/no/such/1",options:["bind","ro"]},
		{destination:"/mnt2",source:"/no/such/2",options:["rbind"]}]
		| .hooks={prestart:[{path:"/no/such"}],createRuntime:[{path:"/no/such"}],poststart:[{path:"/no/such"}],
			poststop:[{path:"/no/such"}]}
		| .linux.namespaces=[.linux.namespaces[]|if .type=="ipc" then .path="/proc/1/ns/no" else . end]
		| .linux.cgroupsPath="/no/such/path"
		| .annotations={"io.joey.sandbox":"vm"}'
	agent <<-EOF
		hello
		req create {"c":1,"id":"$CID","run":true} $T/c1.json
		exit 1
		show 1 1
		output 1 2 Read-only file system
		req drop {"c":1}
	EOF
	said 'ok*' 'ok ' 'exit 0' six seven ctr "*net:?$(readlink /proc/self/ns/net | tr -dc 0-9)?" '' yes 'ok '
}

@test "a namespace of the host's users cannot be joined" {
	conf 1 '.linux.namespaces+=[{"type":"user","path":"/proc/self/ns/user"}]'
	agent <<-EOF
		hello
		req create {"c":1,"id":"$CID"} $T/c1.json
		alive
	EOF
	said 'ok*' 'error unsupported *cannot join a user namespace*' yes
}

@test "drop ends everything, also what is being made" {
	sh_of 1 'sleep 100 & sleep 100'
	exec_file 10 'sleep 100'
	container 2
	conf 2 '.hooks={createContainer:[{path:"/bin/sleep",args:["sleep","100"]}]}'
	agent <<-EOF
		hello
		req create {"c":1,"id":"$CID","run":true} $T/c1.json
		req exec {"c":1,"p":10} $T/p10.json
		req drop {"c":1}
		exit 1
		exit 10
		async create {"c":2,"id":"$CID"} $T/c2.json
		pause 300
		req drop {"c":2}
		pause 200
		req create {"c":3,"id":"$CID"} $T/c1.json
		alive
	EOF
	said 'ok*' 'ok ' 'ok ' 'ok ' 'signal 9' 'signal 9' asked paused 'ok ' paused 'error *' yes
	[ -z "$(ls "$T/joey")" ]
	! populated
}

@test "drop at any time of a create: both are answered, nothing is left" {
	local n
	for n in 2 3 4 5 6 7 8 9; do
		container "$n"
		conf "$n" '.hooks={createContainer:[{path:"/bin/sleep",args:["sleep","100"]}]}'
		printf 'async create {"c":%d,"id":"%s"} %s\n' "$n" "$CID-$n" "$T/c$n.json"
		[ "$n" = 2 ] || echo "pause $((n * n * 3))"
		echo "req drop {\"c\":$n}"
	done >"$T/commands"
	agent < <(echo hello && cat "$T/commands" && echo pause 300 && echo alive)
	equals "$(grep -c timeout <<<"$output")" 0
	equals "$(grep -c '^ok $' <<<"$output")" 8
	equals "${a[-1]}" yes
	[ -z "$(ls "$T/joey")" ]
	! populated
}

@test "malformed input is refused in words, or ends the agent; it never crashes" {
	agent <<-EOF
		hello
		req create {"c":1,"id":"../x"} $T/c1.json
		req create {"c":1} $T/c1.json
		req create {"c":1,"id":"x"}
		req create {"c":-1,"id":"x"} $T/c1.json
		req create {"c":4294967296,"id":"x"} $T/c1.json
		req create [] $T/c1.json
		req create {"c":1,"id":"x","run":7} $T/c1.json
		req create {"c":1,"id":"$CID"} /bin/busybox
		req kill {"c":1,"signal":99}
		req 15 {}
		alive
		raw ctl 04000000600000000100000000000000
		pause 100
		alive
	EOF
	[ "$(printf '%s\n' "${a[@]:1:10}" | grep -c '^error ')" = 10 ] || { echo "$output"; return 1; }
	[ "${a[11]}" = yes ]
	[ "${a[-1]}" = no ]
	for frame in ffffffff60000000 0100000060000900 0000000000000000 0400000062000100; do
		agent <<-EOF
			hello
			raw io ${frame}0500000001020304
			pause 100
			alive
		EOF
		said 'ok*' sent closed no
		grep -q 'io: the host broke the protocol' "$T/stderr"
	done
}
