# shellcheck shell=bash
# A containerd with its CRI plugin for one file of tests, and what they ask it.  Runtime handlers: test (RUNTIME), and normal
# (NORMAL, where that is given).

load engine.bash
load containerd-daemon.bash

CRI=$BATS_TEST_DIRNAME/cri.py

setup_file() {
	load engine.bash
	make_image
	"$BATS_TEST_DIRNAME/make-image.py" /usr/bin/busybox /run/pause-image.tar localhost/pause:test /bin/sleep 1000000
	rm -rf /run/cni && mkdir -p /run/cni/net.d
	cni_network
	cat >/run/cri.toml <<-TOML
		version = 2
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "localhost/pause:test"
		  stream_server_address = "127.0.0.1"
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "/run/cni/bin"
		    conf_dir = "/run/cni/net.d"
		  [plugins."io.containerd.grpc.v1.cri".containerd]
		    default_runtime_name = "test"
		    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.test]
		      runtime_type = "io.containerd.runc.v2"
		      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.test.options]
		        BinaryName = "$RUNTIME"
		        SystemdCgroup = $([ "${CGROUPS:-cgroupfs}" = systemd ] && echo true || echo false)
		    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.normal]
		      runtime_type = "io.containerd.runc.v2"
		      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.normal.options]
		        BinaryName = "${NORMAL:-$RUNTIME}"
	TOML
	start_containerd
	lim ctr -n k8s.io images import /run/engine-image.tar
	lim ctr -n k8s.io images import /run/pause-image.tar
}

# A pod's network without a bridge: loopback, and a device with an address and the host at its other end.
cni_network() {
	mkdir -p /run/cni/bin
	cat >/run/cni/bin/test <<-'SH'
		#!/bin/sh
		cat >/dev/null
		case $CNI_COMMAND in
		ADD)
			nsenter --net="$CNI_NETNS" sh -c "ip link set lo up; ip link add $CNI_IFNAME type veth peer name veth$$ netns 1 &&
				ip addr add 10.9.0.2/24 dev $CNI_IFNAME && ip link set $CNI_IFNAME up" >&2
			{ ip addr add 10.9.0.1/24 dev "veth$$" && ip link set "veth$$" up && nsenter --net="$CNI_NETNS" ip route add default via 10.9.0.1; } >&2
			echo "{\"cniVersion\":\"0.4.0\",\"interfaces\":[{\"name\":\"$CNI_IFNAME\",\"sandbox\":\"$CNI_NETNS\"}],
				\"ips\":[{\"version\":\"4\",\"address\":\"10.9.0.2/24\",\"interface\":0}]}"
			;;
		VERSION) echo '{"cniVersion":"0.4.0","supportedVersions":["0.3.1","0.4.0"]}' ;;
		esac
	SH
	cat >/run/cni/bin/loopback <<-'SH'
		#!/bin/sh
		cat >/dev/null
		[ "$CNI_COMMAND" != ADD ] || nsenter --net="$CNI_NETNS" ip link set lo up
		echo '{"cniVersion":"0.3.1","interfaces":[{"name":"lo"}],"ips":[{"version":"4","address":"127.0.0.1/8","interface":0}]}'
	SH
	chmod 755 /run/cni/bin/*
	echo '{"cniVersion":"0.4.0","name":"test","plugins":[{"type":"test"}]}' >/run/cni/net.d/10-test.conflist
}

start_containerd() {
	containerd -c /run/cri.toml --log-level info >>/run/cri.log 2>&1 3>&- 4>&- &
	echo $! >"$BATS_FILE_TMPDIR/pid"
	until_ok "$CRI" Version
}

setup() {
	POD='' NET=${POD_NET:-2} MORE={} UID_=pod$BATS_TEST_NUMBER
	LOGS=/run/cri-logs/$UID_
	rm -rf "$LOGS"
	not_in_a_sandbox
}

teardown() {
	[ -z "$POD" ] || cri StopPodSandbox "{\"pod_sandbox_id\":\"$POD\"}" >/dev/null
	[ -z "$POD" ] || cri RemovePodSandbox "{\"pod_sandbox_id\":\"$POD\"}" >/dev/null
	! [ "$BATS_TEST_COMPLETED" != 1 ] || tail -n 15 /run/cri.log
}

cri() { lim "$CRI" "$@"; }

parent() { [ "${CGROUPS:-cgroupfs}" = systemd ] && echo "kubepods-$UID_.slice" || echo "/kubepods/$UID_"; }

# The pod's config; $MORE is JSON merged into it.
sandbox() {
	jq -cn --arg uid "$UID_" --arg parent "$(parent)" --argjson net "$NET" --argjson more "$MORE" '
		{metadata: {name: $uid, uid: $uid, namespace: "default"}, log_directory: ("/run/cri-logs/" + $uid),
		linux: {cgroup_parent: $parent, security_context: {namespace_options: {network: $net}}}} * $more'
}

# run_pod [MORE [HANDLER]]
run_pod() {
	MORE=${1:-{\}}
	POD=$(cri RunPodSandbox "{\"config\":$(sandbox),\"runtime_handler\":\"${2:-test}\"}" | jq -r .pod_sandbox_id)
	[ -n "$POD" ]
}

# container NAME COMMAND-JSON [MORE]: create one in the pod; its id is in ID.
container() {
	local config
	config=$(jq -cn --arg name "$1" --arg image "$IMAGE" --argjson command "$2" --argjson net "$NET" --argjson more "${3:-{\}}" '
		{metadata: {name: $name}, image: {image: $image}, command: $command, log_path: ($name + ".log"),
		linux: {security_context: {namespace_options: {network: $net, pid: 1}}}} * $more')
	ID=$(cri CreateContainer "{\"pod_sandbox_id\":\"$POD\",\"config\":$config,\"sandbox_config\":$(sandbox)}" | jq -r .container_id)
	[ -n "$ID" ]
}

start() { cri StartContainer "{\"container_id\":\"${1:-$ID}\"}"; }
stop() { cri StopContainer "{\"container_id\":\"$ID\",\"timeout\":${1:-1}}"; }
status_of() { cri ContainerStatus "{\"container_id\":\"$ID\"}" | jq -r ".status.$1"; }
state_is() { [ "$(status_of state)" = "$1" ]; } # 0 created, 1 running, 2 exited
exec_sync() { cri ExecSync "$(jq -cn --arg id "$ID" '{container_id: $id, cmd: $ARGS.positional, timeout: 20}' --args -- "$@")"; }
# logged NAME TEXT...: lines of the container NAME's log, which containerd writes on after the container has ended.
logged() {
	local text
	for text in "${@:2}"; do until_ok grep -qF -- "$text" "$LOGS/$1.log" || { cat "$LOGS/$1.log"; return 1; }; done
}
task_pid() { ctr -n k8s.io task ls | awk -v c="$ID" '$1 == c {print $2}'; }
url() { cri "$1" "$2" | jq -r .url; }
