#!/usr/bin/env bats
# The machine below a sandbox (src/vmm), with the test agent in the guest: boot, template, jail, ends. Templates go to a
# /run of each test's own, so that nobody else's are touched.

bats_require_minimum_version 1.5.0

# What stands in the way of these tests. Debian's bats cannot skip in setup_file.
missing() {
	if [ "$(id -u)" != 0 ]; then
		echo "needs root"
	elif [ ! -x "$TRY" ]; then
		echo "no $TRY (make check_PROGRAMS, or make tests/unit/vmm_try)"
	elif ! command -v "${QEMU:-qemu-system-$(uname -m)}" >/dev/null; then
		echo "no QEMU (Debian package: qemu-system-x86)"
	elif [ ! -x "$BUILD/guest/test-agent" ]; then
		echo "no test agent (make guest/test-agent)"
	elif [ ! -e "$BUILD/guest/small/vmlinux" ]; then
		echo "no kernel for the guest (make guest-kernel)"
	fi
}

setup_file() {
	HERE=$(cd "$(dirname "${BATS_TEST_FILENAME}")" && pwd)
	RUNTIME=${RUNTIME:-${JOEY:-$HERE/../../joey}}
	BUILD=${JOEY_BUILDDIR:-$(cd "$(dirname "$RUNTIME")" && pwd)}
	export TRY=$BUILD/tests/unit/vmm_try GUEST=$BATS_FILE_TMPDIR/guest
	export WHY_NOT
	WHY_NOT=$(missing)
	[ -z "$WHY_NOT" ] || return 0
	mkdir -p "$GUEST"
	cp "$BUILD/guest/small/vmlinux" "$BUILD/guest/small/meta" "$GUEST/"
	"$HERE/../../guest/initramfs.sh" "$BUILD/guest/test-agent" "$GUEST/initramfs.cpio"
	# One file system for the records of all tests of this file: a template costs seconds.
	export RUN=$BATS_FILE_TMPDIR/run
	mkdir -p "$RUN"
	mount -t tmpfs -o mode=0755 tmpfs "$RUN"
}

teardown_file() {
	if [ -n "${RUN:-}" ] && mountpoint -q "$RUN"; then
		private "$TRY" clear
		umount "$RUN"
	fi
}

setup() {
	[ -z "$WHY_NOT" ] || skip "$WHY_NOT"
	HELD= IN=$BATS_TEST_TMPDIR/in OUT=$BATS_TEST_TMPDIR/out
}

teardown() {
	[ -z "${HELD:-}" ] || { exec 7>&-; wait "$HELD" || true; }
}

# private COMMAND...: with the tests' own records
private() { unshare -m sh -c 'mkdir -p /run/joey-cache && mount --bind "$0" /run/joey-cache && exec "$@"' "$RUN" "$@"; }
try() { private "$TRY" --guest "$GUEST" ${QEMU:+--qemu "$QEMU"} "$@"; }

# hold [OPTIONS]: a machine that lives until `release`; its pid is in $P, words go to it by `tell`
hold() {
	mkfifo "$IN"
	try "$@" hold <"$IN" >"$OUT" 2>"$OUT.err" 3>&- &
	HELD=$!
	exec 7>"$IN"
	await '^pid '
	P=$(awk '/^pid/ { print $2; exit }' "$OUT")
}

await() { # PATTERN
	local i
	for i in $(seq 600); do
		grep -q "$1" "$OUT" && return 0
		sleep 0.1
	done
	cat "$OUT" "$OUT.err"
	return 1
}

tell() { printf '%s\n' "$1" >&7; }

release() {
	exec 7>&-
	wait "$HELD" || true
	HELD=
}

holder() { private "$TRY" list | awk '{ print $3; exit }'; }

@test "a machine boots cold and answers" {
	run -0 --separate-stderr try --cold start
	[[ $output == *'restored 0 '* && $output != *'NO ANSWER'* ]]
}

@test "20 clones of one template in a row all answer, and leave nothing" {
	run -0 --separate-stderr try build
	key=$output
	before=$(wc -l </proc/self/mountinfo)
	run -0 --separate-stderr try --times 20 start
	echo "$output" | sort -t' ' -k4 -n | sed 's/^/# /' >&3
	[ "$(grep -c 'restored 1 $' <<<"$output")" = 20 ]
	run -0 --separate-stderr try build
	[ "$output" = "$key" ]
	[ "$(wc -l </proc/self/mountinfo)" = "$before" ]
	[ "$(private "$TRY" list | wc -l)" = 1 ]
}

@test "the holder has nothing but two sealed files" {
	try build
	H=$(holder)
	[ "$(cat "/proc/$H/comm")" = joey-template ]
	[ "$(ls "/proc/$H/fd")" = $'3\n4' ]
	[ "$(wc -l <"/proc/$H/mountinfo")" = 1 ]
	[ "$(readlink "/proc/$H/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ]
	[ "$(awk '{ print $6 }' "/proc/$H/stat")" = "$H" ]
	! sh -c 'echo x >"/proc/$0/fd/3"' "$H"
	! truncate -s 0 "/proc/$H/fd/4"
	! grep -qv ':/$' "/proc/$H/cgroup"
}

@test "a template whose holder was killed is made anew" {
	try build
	H=$(holder)
	kill -9 "$H"
	run -0 --separate-stderr try start
	[[ $output == *'restored 1 '* && $stderr == *'making a template'* ]]
	[ "$(holder)" != "$H" ]
	run -0 --separate-stderr try start
	[[ $stderr != *'making a template'* ]]
}

@test "parallel starts make one template, and all of them use it" {
	private "$TRY" clear
	for i in 1 2 3 4; do
		try start >"$OUT.$i" 2>"$OUT.err.$i" &
	done
	wait
	[ "$(cat "$OUT".err.* | grep -c 'making a template')" = 1 ]
	[ "$(cat "$OUT".[1-4] | grep -c 'restored 1 $')" = 4 ]
	[ "$(private "$TRY" list | wc -l)" = 1 ]
}

@test "trust domains have templates of their own" {
	try --trust one build
	try --trust two build
	[ "$(private "$TRY" list | awk '{ print $1 }' | sort -u | wc -l)" -ge 2 ]
	private "$TRY" clear
	[ -z "$(private "$TRY" list)" ]
}

@test "a template that failed three times is not made again until that is forgotten" {
	for i in 1 2 3; do try failed; done
	run -0 --separate-stderr try start
	[[ $output == *'restored 0 '* && $stderr == *'without a template'* ]]
	private "$TRY" prune
	run -0 --separate-stderr try start
	[[ $output == *'restored 1 '* ]]
}

@test "kill -9 of the hypervisor is seen at once" {
	hold
	kill -9 "$P"
	await '^gone'
	release
}

@test "the hypervisor dies with its parent" {
	hold
	kill -9 "$HELD" "$(awk '{ print $4 }' "/proc/$P/stat")"
	for i in $(seq 50); do
		[ -e "/proc/$P" ] || break
		[ "$(awk '{ print $3 }' "/proc/$P/stat" 2>/dev/null)" != Z ] || break
		sleep 0.1
	done
	[ ! -e "/proc/$P" ] || [ "$(awk '{ print $3 }' "/proc/$P/stat")" = Z ]
	release
}

@test "the guest sees what is mounted on the share later" {
	run -0 --separate-stderr try follow
	[[ $output == followed* && $output == *mount.9p=ok* ]]
}

@test "the devices that the guest has" {
	hold
	tell report
	await '^controllers'
	grep -q '^block=.*vda' "$OUT"
	grep -q '^net=.*eth0' "$OUT"
	[ "$(sed -n 's/^ports=//p' "$OUT" | wc -w)" = 2 ]
	grep -q '^rng=virtio' "$OUT"
	grep -q '^clocksource=tsc' "$OUT"
	release
}

@test "the jail: capabilities, privileges, system calls, limits, environment" {
	hold
	# CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, SYS_CHROOT, SETFCAP
	for set in CapEff CapPrm CapBnd; do
		[ "$(awk -v s="$set:" '$1 == s { print $2 }' "/proc/$P/status")" = 000000008004001f ]
	done
	[ "$(awk '/^Cap(Inh|Amb)/ { print $2 }' "/proc/$P/status" | sort -u)" = 0000000000000000 ]
	for i in $(seq 50); do
		[ "$(awk '$1 == "Seccomp:" { print $2 }' "/proc/$P/status")" != 2 ] || break
		sleep 0.1
	done
	[ "$(awk '$1 == "Seccomp:" { print $2 }' "/proc/$P/status")" = 2 ]
	[ "$(awk '$1 == "NoNewPrivs:" { print $2 }' "/proc/$P/status")" = 1 ]
	[ "$(awk '/core file/ { print $5 $6 }' "/proc/$P/limits")" = 00 ]
	[ "$(tr '\0' '\n' <"/proc/$P/environ" | cut -d= -f1)" = GLIBC_TUNABLES ]
	for ns in mnt pid ipc uts net cgroup; do
		[ "$(readlink "/proc/$P/ns/$ns")" != "$(readlink /proc/self/ns/$ns)" ]
	done
	[ "$(readlink "/proc/$P/root")" = /empty ]
	[ "$(readlink "/proc/$P/cwd")" = /empty ]
	release
}

@test "the jail: nothing of the host's files can be reached, even by who leaves the empty root" {
	hold
	tell hello
	await '^ok hello'
	# from its root: a proc without the host's processes
	[ "$(ls "/proc/$P/root/")" = proc ]
	[ "$(ls -d "/proc/$P/root/proc/"[0-9]* | wc -l)" = 1 ]
	# from the root of its mount namespace, as after an escape from chroot, with all of root's privileges
	run -0 python3 - "$P" <<-'PY'
		import ctypes, os, sys
		libc = ctypes.CDLL(None, use_errno=True)
		if libc.setns(os.open("/proc/%s/ns/mnt" % sys.argv[1], os.O_RDONLY), 0x20000) < 0:
		    sys.exit(os.strerror(ctypes.get_errno()))
		print(" ".join(sorted(os.listdir("/"))))
		print("usr:", " ".join(sorted(os.listdir("/usr"))))
		for path in ("/x", "/share/../x", "/usr/lib/%s-linux-gnu/x" % os.uname().machine, "/qemu"):
		    try:
		        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
		        print("wrote", path)
		    except OSError:
		        pass
		print("mounts:", *(l.split()[4] for l in open("/proc/1/mountinfo")))
	PY
	echo "$output"
	[[ ${lines[0]} =~ ^empty\ etc\ (lib\ )?(lib64\ )?proc\ qemu\ share\ usr$ ]]
	[[ ${lines[1]} =~ ^usr:\ lib(\ lib64)?\ share$ ]]
	[[ $output != *wrote* ]]
	release
}

@test "a newer QEMU: the same machine from its own directory" {
	new=$(find /var/cache/joey-tests/qemu-*/usr/bin -name "qemu-system-$(uname -m)" 2>/dev/null | head -n 1)
	[ -n "$new" ] || skip "no newer QEMU in the cache (tests/vm/emulator.sh)"
	QEMU=$new
	run -0 --separate-stderr try --times 2 start
	[ "$(grep -c 'restored 1 $' <<<"$output")" = 2 ]
}

@test "KVM that cannot run a guest becomes emulation, in bounded time" {
	[ -e /dev/kvm ] || skip "no /dev/kvm"
	run -0 private "$TRY" accel
	[[ $output == tcg* ]] || skip "KVM works here"
	run -0 --separate-stderr timeout 60 unshare -m sh -c 'mount --bind "$0" /run/joey-cache && exec "$@"' "$RUN" \
		"$TRY" --guest "$GUEST" --kvm start
	[[ $stderr == *'falling back to emulation'* && $output == *'restored 1 '* ]]
}

@test "a template of other inputs goes when a new one is made" {
	private "$TRY" clear
	try build
	touch "$GUEST/initramfs.cpio"
	try build
	[ "$(private "$TRY" list | wc -l)" = 1 ]
}
