#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The guest of another architecture: Debian's arm64 kernel and the agent as it was built for aarch64, in an emulated machine with
# the devices that src/vmm/qemu.c gives it, driven by a client in place of the sandbox process. Prints TAP.
# usage: aarch64.sh AGENT CLIENT DIRECTORY      AGENT: joey-agent for aarch64; CLIENT: tests/integration/agent-client of this machine
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/base.sh"
. "$here/../lib/debs.sh"
agent=$1 client=$2 dir=$3
qemu=qemu-system-aarch64
command -v $qemu >/dev/null || { echo "ok 1 aarch64 # SKIP no $qemu" && exit 0; }

rm -rf "$dir/share" && mkdir -p "$dir/share" || exit 1
ARCH=aarch64 "$TOP/guest/make.sh" debian "$agent" "$dir/guest" || exit 1
if [ ! -e "$dir/packages/bin/busybox" ]; then
	debs_open arm64 arm64 bookworm && debs_unpack arm64 "$dir/packages" busybox-static || exit 1
fi

# container N SCRIPT [JQ-FILTER]: a root on the share, and a config
container() {
	local root=$dir/share/$1/rootfs
	mkdir -p "$root"/{bin,proc,dev,sys,tmp}
	cp "$dir/packages/bin/busybox" "$root/bin/" && ln -s busybox "$root/bin/sh"
	jq -n --arg s "$2" '{ociVersion: "1.0.2", root: {path: "rootfs", readonly: true}, hostname: "inside",
		process: {args: ["sh", "-c", $s], cwd: "/", env: ["PATH=/bin"], user: {uid: 0, gid: 0}, noNewPrivileges: true,
			capabilities: {bounding: ["CAP_KILL"], effective: ["CAP_KILL"], permitted: ["CAP_KILL"]}},
		mounts: [{destination: "/proc", type: "proc", source: "proc"},
			{destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"]}],
		linux: {namespaces: [{type: "pid"}, {type: "ipc"}, {type: "uts"}, {type: "mount"}, {type: "cgroup"}],
			maskedPaths: ["/proc/kcore"], readonlyPaths: ["/proc/sys"]}} | '"${3:-.}" >"$dir/c$1.json"
}
container 1 'busybox uname -m; busybox hostname; busybox id -u; busybox grep -c . /proc/self/cgroup; read x; echo "got $x"; exit 7'
container 2 'busybox mkdir /tmp/x 2>&1; busybox grep Seccomp: /proc/self/status; busybox sleep 1000 & exec busybox sleep 1000' '
	.root.readonly = false | .mounts += [{destination: "/sys", type: "sysfs", source: "sysfs", options: ["ro"]},
		{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro"]}] | .linux.resources = {memory: {limit: 67108864}, pids: {limit: 30}, cpu: {quota: 50000, period: 100000}}
	| .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_AARCH64"],
		syscalls: [{names: ["mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 95}]}'
jq -nc '{args: ["busybox", "cat", "/sys/fs/cgroup/pids.max"], cwd: "/", env: ["PATH=/bin"]}' >"$dir/p20.json"

append="console=ttyAMA0 panic=-1 random.trust_cpu=on rcupdate.rcu_expedited=1 dummy.numdummies=0 quiet mitigations=off
	nowatchdog lsm=landlock,yama cryptomgr.notests transparent_hugepage=madvise oops=panic"
# It ends with its client.
machine=(setpriv --pdeathsig KILL unshare --pid --fork --kill-child=KILL $qemu -nodefaults -no-user-config -display none -no-reboot
	-machine virt,accel=tcg,gic-version=max -cpu max -smp 1 -m 1024M -kernel "$dir/guest/vmlinux" -initrd "$dir/guest/initramfs.cpio"
	-append "${append//$'\n\t'/ }" -chardev "file,id=console,path=$dir/console" -serial chardev:console
	-object rng-builtin,id=rng -device virtio-rng-device,rng=rng -device virtio-serial-device,id=serial,max_ports=3
	-chardev socket,id=ctl,fd=@CTL@ -device virtserialport,bus=serial.0,nr=1,chardev=ctl,name=ctl
	-chardev socket,id=io,fd=@IO@ -device virtserialport,bus=serial.0,nr=2,chardev=io,name=io
	-fsdev "local,id=share,path=$dir/share,security_model=passthrough,multidevs=remap"
	-device virtio-9p-device,fsdev=share,mount_tag=share -netdev hubport,id=net,hubid=0
	-device virtio-net-device,netdev=net,guest_announce=off
	-blockdev null-co,node-name=disk,size=1099511627776,read-zeroes=on,read-only=on -device virtio-blk-device,drive=disk)

# Each line of the answers: what it is about, and a pattern.
expected='hello|ok*
a container is created and runs|ok *
its output|yes
its input|sent
its exit|exit 7
architecture|aarch64
its host name|inside
its user|0
its cgroup|1
what it has read|got hello
|
it is dropped|ok *
one with limits and system call filter is created|ok *
started|ok *
its output|yes
a system call is refused|mkdir: can*t create directory */tmp/x*: Operation not supported
by a filter|Seccomp:*2
|
exec|ok *
its exit|exit 0
its cgroup has the limit|30
|
pause|ok *
resume|ok *
drop|ok *
the end|signal 9
the machine goes on|yes'
# Its boot takes longer than an answer may.
booted() {
	local i
	for ((i = 0; i < 600; i++)); do
		! grep -qs 'joey-agent: ready' "$dir/console" || return 0
		sleep 0.2
	done
}
rm -f "$dir/console"
{ booted && cat; } <<-EOF | timeout -k 1 250 "$client" "${machine[@]}" >"$dir/said" 2>"$dir/errors"
	hello
	req create {"c":1,"id":"one","run":true} $dir/c1.json
	output 1 1 1
	send 1 hello
	exit 1
	show 1 1
	req drop {"c":1}
	req create {"c":2,"id":"two"} $dir/c2.json
	req start {"c":2}
	output 2 1 Seccomp
	show 2 1
	req exec {"c":2,"p":20} $dir/p20.json
	exit 20
	show 20 1
	req pause {"c":2}
	req resume {"c":2}
	req drop {"c":2}
	exit 2
	alive
EOF
tr -d '\0' <"$dir/said" >"$dir/lines"
n=0 failed=0
while IFS='|' read -r name pattern <&3; do
	IFS= read -r line <&4 || line='(nothing)'
	[ -z "$name" ] || n=$((n + 1))
	# shellcheck disable=SC2053 # a pattern
	if [[ $line == $pattern ]]; then
		[ -z "$name" ] || echo "ok $n aarch64: $name"
	else
		echo "not ok $n aarch64: ${name:-end of output}"
		echo "# said: $line; not: $pattern"
		failed=1
	fi
done 3<<<"$expected" 4<"$dir/lines"
[ $failed = 0 ] || { tail -n 5 "$dir/errors" "$dir/console" | sed 's/^/# /'; }
exit $failed
