# Parsing and general rules (checklist 1): what is ignored, what is refused and how it is worded.
load helpers

@test "[1.1] unknown properties and annotations are ignored" {
	cfg '.xyz={"a":[1,2,{"b":null}]} | .process.frob=1 | .linux.newThing={"x":1} | .root.zip="y" | .annotations={"com.example.key":"v"}
		| .mounts[0].unknownKey=true | .linux.resources={"brandNew":{"limit":1}}'
	rt_ok run --bundle "$B" "$CID"
}

@test "[1.2] unknown namespace type" {
	cfg '.linux.namespaces += [{"type":"quantum"}]'
	create_fails quantum
}

@test "[1.2 2.10] unknown rlimit" {
	cfg '.process.rlimits=[{"type":"RLIMIT_FOO","soft":1,"hard":1}]'
	create_fails RLIMIT_FOO
}

@test "[1.2 9.1] unknown seccomp action" {
	cfg '.linux.seccomp={"defaultAction":"SCMP_ACT_MAYBE"}'
	create_fails SCMP_ACT_MAYBE
}

@test "[1.2 2.15] unknown scheduler policy" {
	cfg '.process.scheduler={"policy":"SCHED_FASTEST"}'
	create_fails SCHED_FASTEST
}

@test "[1.2 10.1] unknown rootfsPropagation" {
	cfg '.linux.rootfsPropagation="sideways"'
	create_fails sideways
}

@test "[1.2] a wrong type of value is an error that names the place" {
	require_joey 'Go prints its own decoder text'
	cfg '.process.cwd=7'
	create_fails process.cwd
	cfg '.process.cwd="/" | .mounts[2].options="ro"'
	create_fails 'mounts[2].options'
	cfg '.mounts[2].options=[] | .linux.namespaces[3].type="frob"'
	create_fails 'linux.namespaces[3].type'
}

@test "[1.3] any 1.x version, with pre-release and build parts" {
	local v
	for v in 1.0.0 1.0.2-dev 1.2.1+dev 1.3.0 1.3.0-rc.1+build.7; do
		cfg ".ociVersion=\"$v\""
		rt_ok run --bundle "$B" "$CID"
	done
}

@test "[1.3] a version that is no version is refused" {
	is_joey || skip 'runc does not look at it'
	cfg '.ociVersion="two"'
	create_fails ociVersion
	cfg '.ociVersion="2.0.0"'
	create_fails ociVersion
	cfg 'del(.ociVersion)'
	create_fails ociVersion
}

@test "[1.4] null stands for absent" {
	cfg '.mounts[0].options=null | .process.rlimits=null | .process.capabilities.ambient=null | .hooks=null | .annotations=null
		| .linux.resources=null | .linux.seccomp=null | .linux.devices=null | .linux.sysctl=null | .process.user.additionalGids=null
		| .linux.uidMappings=null | .process.oomScoreAdj=null'
	rt_ok run --bundle "$B" "$CID"
}

@test "[1.4] a file that is null as a whole" {
	printf null >"$B/config.json"
	create_fails 'config cannot be null'
}

@test "[1.5] no config.json" {
	rm "$B/config.json"
	create_fails 'JSON specification file config.json not found'
}

@test "[1.2] broken JSON: cut, trailing text, too deep, empty" {
	head -c 200 "$B/config.json" >"$B/c"
	mv "$B/c" "$B/config.json"
	create_fails ''
	: >"$B/config.json"
	create_fails ''
	{ printf '{"x":'; head -c 20000 /dev/zero | tr '\0' '['; } >"$B/config.json"
	create_fails ''
}

@test "[1.7] 64-bit values are exact" {
	cfg '.process.rlimits=[{"type":"RLIMIT_FSIZE","soft":9007199254740993,"hard":9007199254740995}]'
	# jq may round: write the digits ourselves
	sed -i -E 's/"soft":[0-9.e+]+/"soft":9007199254740993/; s/"hard":[0-9.e+]+/"hard":9007199254740995/' "$B/config.json"
	sed -i 's/"args":\["true"\]/"args":["cat","\/proc\/self\/limits"]/' "$B/config.json"
	rt_ok run --bundle "$B" "$CID"
	has_match '^Max file size +9007199254740993 +9007199254740995'
}

@test "[1.7] 18446744073709551615 is RLIM_INFINITY" {
	cmd cat /proc/self/limits
	sed -i 's/"rlimits":\[[^]]*\]/"rlimits":[{"type":"RLIMIT_CORE","soft":18446744073709551615,"hard":18446744073709551615}]/' "$B/config.json"
	rt_ok run --bundle "$B" "$CID"
	has_match '^Max core file size +unlimited +unlimited'
}

@test "[1.7] a number that does not fit is refused, not cut" {
	cfg '.process.user.uid=4294967296'
	create_fails ''
	cfg '.process.user.uid=-1'
	create_fails ''
}

@test "[1.8] embedded NUL in mount source, destination, type and env" {
	local f
	for f in '.mounts[1].source="a\u0000b"' '.mounts[1].destination="/dev\u0000/x"' '.mounts[1].type="tmpfs\u0000"' \
		'.process.env += ["A=b\u0000c"]'; do
		cp "$B/config.json" "$T/keep"
		cfg "$f"
		create_fails ''
		mv "$T/keep" "$B/config.json"
	done
}

@test "[1.9] a create that fails late leaves nothing" {
	cmd /no/such/program
	create_fails 'no such file or directory'
	cmd sleep 100
	create
}

@test "[1.10] container IDs: what is legal" {
	local id
	for id in a-b_c+d.e 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef; do
		another "$id"
		cfg ".linux.cgroupsPath=\"/$CID-${id:0:8}\""
		rt_ok run --bundle "$B" "$id"
	done
}

@test "[1.10] container IDs: what is not" {
	local id
	for id in . .. a/b 'a b' ../x "a$(printf '\001')b" 'ä' ''; do
		rt create --bundle "$B" "$id"
		[ "$status" -ne 0 ] && [ -n "$errout" ]
	done
	[ -z "$(ls "$ROOT" 2>/dev/null)" ]
}

@test "[1.10] IDs are unique per --root only" {
	cmd sleep 100
	create
	cfg ".linux.cgroupsPath=\"/$CID-2\""
	timeout 20 "$RUNTIME" --root "$T/state2" create --bundle "$B" "$CID" </dev/null >/dev/null 2>&1 3>&-
	has_status created
	"$RUNTIME" --root "$T/state2" delete --force "$CID" 3>&-
	has_status created
}

@test "[1.11] process: cwd and args are checked" {
	cfg '.process.cwd=""'
	create_fails 'Cwd'
	cfg '.process.cwd="rel"'
	create_fails 'Cwd must be an absolute path'
	cfg '.process.cwd="/" | .process.args=[]'
	create_fails 'args must not be empty'
	cfg 'del(.process)'
	create_fails 'process'
}

@test "[3.4] no root" {
	cfg 'del(.root)'
	create_fails root
}
