# spec and features (checklist 12.14, 13).
load helpers

@test "[12.14] spec: writes config.json that runs, refuses to overwrite" {
	rm "$B/config.json"
	rt_ok spec --bundle "$B"
	jq -e . "$B/config.json" >/dev/null
	rt_fail 'File config.json exists. Remove it first' spec --bundle "$B"
	cfg '.process.terminal=false | .process.args=["echo","made it"] | .linux.cgroupsPath=$c' --arg c "$CG"
	rt_ok run --bundle "$B" "$CID"
	equals "$output" 'made it'
}

@test "[12.14] spec: into the current directory; what it holds" {
	mkdir "$T/s"
	cd "$T/s"
	rt_ok spec
	jq -e '.process.args==["sh"] and .process.terminal and .root.readonly and .hostname and (.ociVersion|startswith("1."))' config.json
	jq -e '[.linux.namespaces[].type]|sort - ["cgroup"] == ["ipc","mount","network","pid","uts"]' config.json
	jq -e '.linux.maskedPaths|index("/proc/kcore")' config.json
	jq -e '.process.noNewPrivileges' config.json
	jq -e '[.mounts[].destination]|index("/sys/fs/cgroup")' config.json
}

@test "[12.14 4.14] spec --rootless: user namespace, own ids, no gid= for devpts" {
	mkdir "$T/s"
	cd "$T/s"
	rt_ok spec --rootless
	jq -e '[.linux.namespaces[].type]|index("user")' config.json
	jq -e '[.linux.namespaces[].type]|index("network")|not' config.json
	jq -e ".linux.uidMappings[0].hostID == $(id -u)" config.json
	jq -e '[.mounts[]|select(.type=="devpts").options[]|select(startswith("gid="))]|length == 0' config.json
}

@test "[12.14] the default spec is readable by joey as it is (terminal aside)" {
	rm "$B/config.json"
	rt_ok spec --bundle "$B"
	cfg '.linux.cgroupsPath=$c' --arg c "$CG"
	rt_fail 'will detach without setting console socket' create --bundle "$B" "$CID"
}

features() {
	"$RUNTIME" features >"$T/f" 2>"$T/e" 3>&-
	equals "$(cat "$T/e")" ""
}

@test "[13] features: JSON on stdout, nothing on stderr, versions present" {
	features
	jq -e '(.ociVersionMin|length>0) and (.ociVersionMax|startswith("1."))' "$T/f"
}

@test "[13] features: hooks and mount options" {
	features
	jq -e '.hooks|sort == ["createContainer","createRuntime","poststart","poststop","prestart","startContainer"]' "$T/f"
	local o
	for o in async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev nodiratime noexec noiversion \
		nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime remount rexec rnoatime \
		rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave \
		rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid symfollow sync tmpcopyup unbindable; do
		jq -e --arg o $o '.mountOptions|index($o)' "$T/f" >/dev/null || { echo "no $o"; return 1; }
	done
	jq -e '.mountOptions == (.mountOptions|sort)' "$T/f"
}

@test "[13] features: linux" {
	features
	jq -e '.linux.namespaces|sort - ["time"] == ["cgroup","ipc","mount","network","pid","user","uts"]' "$T/f"
	jq -e '.linux.capabilities|index("CAP_SYS_ADMIN")' "$T/f"
	jq -e '.linux.cgroup.v2 and (.linux.cgroup|has("v1") and has("systemd") and has("systemdUser"))' "$T/f"
	jq -e '.linux.seccomp.enabled and (.linux.seccomp.actions|index("SCMP_ACT_NOTIFY")) and (.linux.seccomp.operators|index("SCMP_CMP_MASKED_EQ")) and (.linux.seccomp.archs|index("SCMP_ARCH_X86_64"))' "$T/f"
	jq -e '.linux.seccomp|has("knownFlags") and has("supportedFlags")' "$T/f"
	jq -e '.linux|has("apparmor") and has("selinux") and has("intelRdt")' "$T/f"
	jq -e '.linux.mountExtensions.idmap.enabled' "$T/f"
}

@test "[13] features: joey's own answers" {
	is_joey || skip 'joey only'
	features
	jq -e '.linux.cgroup.v1 == false and (.linux.namespaces|index("time"))' "$T/f"
	jq -e '.linux.memoryPolicy.modes and .linux.netDevices.enabled' "$T/f"
	jq -e '.potentiallyUnsafeConfigAnnotations|index("bundle") and index("org.systemd.property.") and index("run.oci.")' "$T/f"
	jq -e '.potentiallyUnsafeConfigAnnotations|index("io.joey.sandbox") and index("io.joey.profile")' "$T/f"
	jq -e '.annotations|.["io.joey.sandbox.supported"] == "true" and .["io.joey.sandbox.checkpoint.enabled"] == "false"' "$T/f"
	jq -e '[.annotations[]|type]|all(.=="string")' "$T/f"
	! jq -r '.annotations[]' "$T/f" | grep -q '^$'
}

@test "[13] features needs neither root rights nor a state directory" {
	"$TOOLS/launch" -c -e -u 4321 -- "$RUNTIME" features >"$T/f"
	jq -e .ociVersionMax "$T/f"
}
