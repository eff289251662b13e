# shellcheck shell=bash
# What every integration test shares.  The runtime under test is $RUNTIME (default: $JOEY, else ./joey of the tree), so
# that the suite can be run against another runtime to check the suite itself.
#
# A test file is:   load helpers   +   @test "[row] what must hold" { ... }
# where row is the number of the row of docs/CONFORMANCE.md that the test covers (several: "[4.2 4.3] ...").
#
# Each test has: $T (its directory), $B (bundle: config.json + rootfs), $ROOT (private --root), $CID (container id), and
# teardown deletes what is left and then insists that no process, mount, cgroup or state directory remains.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
RUNTIME=${RUNTIME:-${JOEY:-$HERE/../../joey}}
TOOLS=${JOEY_TEST_TOOLS:-/tmp/joey-test-tools-$(id -u)}
BUSYBOX=${BUSYBOX:-/bin/busybox}
DEADLINE=${JOEY_TEST_DEADLINE:-10} # seconds a poll may take

# JOEY_TEST_BACKEND=vm: the containers of every test are sandboxed ones (the program is called as joey-vm). Tests that
# cannot apply there are in sandbox-skip.txt with the reason.
BACKEND=${JOEY_TEST_BACKEND:-}
if [ "$BACKEND" = vm ]; then
	ln -sfn "$(realpath "$RUNTIME")" "$BATS_RUN_TMPDIR/joey-vm"
	RUNTIME=$BATS_RUN_TMPDIR/joey-vm
	DEADLINE=${JOEY_TEST_DEADLINE:-30} RT_SCALE=3
fi

APPLETS="sh cat ls mount umount stat id env pwd sleep true false echo test [ touch mkdir rmdir ln readlink rm mv cp grep
hostname ps kill head tail dd mknod chmod chown wc sort ip ifconfig od tr cut printf sed awk stty tty cmp find df uname
sha256sum seq dirname basename nice setsid nc date"

# require_sandboxes: a hypervisor, root, and a guest beside joey (make guest, make guest-kernel).
require_sandboxes() {
	local guest
	guest=$(dirname "$(realpath "$RUNTIME")")/guest
	require_joey 'sandboxes'
	command -v "qemu-system-$(uname -m)" >/dev/null || skip "no qemu-system-$(uname -m)"
	[ "$(id -u)" = 0 ] || skip 'needs root'
	for GUEST in "$guest/small" "$guest/debian"; do [ ! -e "$GUEST/vmlinux" ] || return 0; done
	skip 'no guest beside joey (make guest)'
}

is_joey() { [[ $(basename "$RUNTIME") == joey* ]]; }

# ---- once per file ----------------------------------------------------------------------------------------------------

setup_file() {
	[ -x "$RUNTIME" ] || { echo "no runtime at $RUNTIME" >&2; return 1; }
	"$HERE/tools/build.sh" "$TOOLS" || return 1
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR"
	[ ! -d "$BATS_RUN_TMPDIR/test" ] || chmod 755 "$BATS_RUN_TMPDIR/test"
	make_template "$BATS_FILE_TMPDIR/template"
	base_config >"$BATS_FILE_TMPDIR/config.json"
}

make_template() {
	local r=$1 a
	mkdir -p "$r"/{bin,proc,sys,dev,etc,tmp,var,run,home/u,root,mnt,usr/bin}
	chmod 1777 "$r/tmp"
	cp "$BUSYBOX" "$r/bin/busybox"
	cp "$TOOLS/probe" "$r/bin/probe"
	for a in $APPLETS; do ln -s busybox "$r/bin/$a"; done
	printf 'root:x:0:0:root:/root:/bin/sh\nu:x:1000:1000::/home/u:/bin/sh\n' >"$r/etc/passwd"
	printf 'root:x:0:\nu:x:1000:\n' >"$r/etc/group"
}

base_config() {
	cat <<-'JSON'
		{
		 "ociVersion": "1.2.0",
		 "process": {
		  "terminal": false, "user": {"uid": 0, "gid": 0}, "args": ["true"], "cwd": "/",
		  "env": ["PATH=/bin:/usr/bin", "TERM=xterm"],
		  "capabilities": {
		   "bounding": ["CAP_AUDIT_WRITE","CAP_KILL","CAP_NET_BIND_SERVICE"],
		   "effective": ["CAP_AUDIT_WRITE","CAP_KILL","CAP_NET_BIND_SERVICE"],
		   "permitted": ["CAP_AUDIT_WRITE","CAP_KILL","CAP_NET_BIND_SERVICE"]
		  },
		  "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
		  "noNewPrivileges": true
		 },
		 "root": {"path": "rootfs", "readonly": false},
		 "hostname": "ctr",
		 "mounts": [
		  {"destination": "/proc", "type": "proc", "source": "proc"},
		  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid","strictatime","mode=755","size=65536k"]},
		  {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid","noexec","newinstance","ptmxmode=0666","mode=0620","gid=5"]},
		  {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid","noexec","nodev","mode=1777","size=65536k"]},
		  {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid","noexec","nodev"]},
		  {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid","noexec","nodev","ro"]}
		 ],
		 "linux": {
		  "namespaces": [{"type":"pid"},{"type":"network"},{"type":"ipc"},{"type":"uts"},{"type":"mount"},{"type":"cgroup"}],
		  "maskedPaths": ["/proc/acpi","/proc/asound","/proc/kcore","/proc/keys","/proc/latency_stats","/proc/timer_list","/proc/timer_stats","/proc/sched_debug","/sys/firmware","/proc/scsi"],
		  "readonlyPaths": ["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger"]
		 }
		}
	JSON
}

# ---- once per test ----------------------------------------------------------------------------------------------------

setup() { test_setup; }
teardown() { test_teardown; }

# not_in_a_sandbox: the reason why this test is not for sandboxed containers, if there is one.
not_in_a_sandbox() {
	local file name why
	while IFS=$'\t' read -r file name why; do
		# shellcheck disable=SC2053 # a pattern
		[[ $(basename "$BATS_TEST_FILENAME" .bats) == $file && $BATS_TEST_DESCRIPTION == *"] "$name ]] && echo "$why" && return 0
	done < <(grep -v '^#' "$HERE/sandbox-skip.txt")
	return 1
}

test_setup() {
	local why
	if [ "$BACKEND" = vm ] && why=$(not_in_a_sandbox); then skip "sandbox: $why"; fi
	T=$BATS_TEST_TMPDIR B=$T/bundle ROOT=$T/state
	chmod 755 "$T"
	CID=jt$$n$BATS_TEST_NUMBER
	CG=/$CID
	IDS=("$CID")
	BG=()
	MOUNTED=()
	EXPECT_LEFT=
	mkdir "$B"
	cp -al "$BATS_FILE_TMPDIR/template" "$B/rootfs"
	sed 's|"namespaces"|"cgroupsPath": "'"$CG"'", "namespaces"|' "$BATS_FILE_TMPDIR/config.json" >"$B/config.json"
}

test_teardown() {
	local id p rc=0
	[ -n "${T:-}" ] || return 0 # skipped before test_setup
	for p in "${BG[@]}"; do kill -9 "$p" 2>/dev/null || true; done
	for id in "${IDS[@]}"; do
		timeout -k 1 20 "$RUNTIME" --root "$ROOT" delete --force "$id" </dev/null >"$T/delete.out" 2>&1 3>&- || {
			echo "delete --force $id failed: $(<"$T/delete.out")"
			rc=1
		}
	done
	for p in "${BG[@]}"; do wait "$p" 2>/dev/null || true; done
	for ((p = ${#MOUNTED[@]} - 1; p >= 0; p--)); do umount "${MOUNTED[p]}" || umount -l "${MOUNTED[p]}" || true; done
	[ -n "$EXPECT_LEFT" ] || assert_nothing_left || rc=1
	return $rc
}

# sandbox_setup [SECONDS]: test_setup of a file that is about sandboxed containers; a command may take so long.
sandbox_setup() {
	require_sandboxes
	DEADLINE=${JOEY_TEST_DEADLINE:-30} RT_TIMEOUT=${1:-90}
	test_setup
	VM=(--sandbox=vm)
}

# own_cache: from here on joey has templates of this test's own, without any.
own_cache() {
	REAL=$(realpath "$RUNTIME")
	mkdir -m 700 "$T/cache"
	cat >"$T/joey-own" <<-EOT
		#!/bin/sh
		exec unshare -m sh -c 'mkdir -p /run/joey-cache && mount --bind "$T/cache" /run/joey-cache && exec "\$0" "\$@"' "$REAL" "\$@"
	EOT
	chmod 755 "$T/joey-own"
	RUNTIME=$T/joey-own
}
# What processes hold of it ends before its directory goes.
own_cache_teardown() {
	local rc=0
	[ ! -e "${T:-}/joey-own" ] || RUNTIME=$T/joey-own rt_ok template prune --all || rc=1
	test_teardown || rc=1
	return $rc
}

# hypervisor_of ID: the process that is the machine of the sandbox of that name.
hypervisor_of() { "$HERE/../lib/sandbox-info.py" "$ROOT/@vm/$1/sock" | jq .hypervisorPid; }

# another ID...: further containers of this test, deleted and checked like the first.
another() { IDS+=("$@"); }

# host_mount WHERE MOUNT-ARGS...: a mount on the host for this test; teardown removes it.
host_mount() {
	local where=$1
	shift
	mount "$@" "$where" || return 1
	MOUNTED+=("$where")
}

# background COMMAND...: runs it in the background; teardown ends it. Its pid is in $!.
background() {
	"$@" 3>&- 4>&- &
	BG+=($!)
}

assert_nothing_left() {
	local end=$((SECONDS + DEADLINE)) out rc left
	while :; do
		rc=0
		out=$("$TOOLS/leftover" "$T" "$CID") || rc=1
		left=$(ls "$ROOT" 2>/dev/null || true)
		[ -z "$left" ] || rc=1
		[ $rc -ne 0 ] || return 0
		[ $SECONDS -lt $end ] || break
		poll_pause
	done
	printf 'left behind: %s\nstate: %s\n' "$out" "$left"
	return 1
}

poll_pause() { read -rt 0.02 <> <(:) || true; }

# until_true COMMAND...: polls; fails when the deadline passes.
until_true() {
	local end=$((SECONDS + DEADLINE))
	until "$@"; do
		[ $SECONDS -lt $end ] || { echo "still not true after $DEADLINE s: $*"; return 1; }
		poll_pause
	done
}
file_has() { grep -q -- "$2" "$1" 2>/dev/null; }

# ---- running the runtime ----------------------------------------------------------------------------------------------

# rt ARGS...: $status, $output (stdout), $errout (stderr). Never hangs.
rt() {
	status=0
	timeout --foreground -k 1 $((${RT_TIMEOUT:-20} * ${RT_SCALE:-1})) "$RUNTIME" --root "$ROOT" "$@" <"${STDIN:-/dev/null}" \
		>"$T/stdout" 2>"$T/stderr" 3>&- 4>&- || status=$?
	output=$(tr -d '\0' <"$T/stdout") errout=$(tr -d '\0' <"$T/stderr")
	errout=${errout//\\\"/\"} # the text format quotes the message
}
show() { printf 'status %s\nstdout: %s\nstderr: %s\n' "$status" "$output" "$errout"; }
rt_ok() {
	rt "$@"
	[ "$status" -eq 0 ] || { echo "failed: $*"; show; return 1; }
}
# rt_fail PHRASE ARGS...: must fail and say PHRASE (fixed string) on stderr.
rt_fail() {
	local phrase=$1
	shift
	rt "$@"
	[ "$status" -ne 0 ] || { echo "did not fail: $*"; show; return 1; }
	[ "$status" -lt 124 ] || { echo "timed out or died: $*"; show; return 1; }
	case $errout in *"$phrase"*) ;; *) echo "no '$phrase' in the error"; show; return 1 ;; esac
}
create() { rt_ok create --bundle "$B" "${1:-$CID}"; }
start() { rt_ok start "${1:-$CID}"; }
status_of() { "$RUNTIME" --root "$ROOT" state "${1:-$CID}" 3>&- | jq -r .status; }
pid_of() { "$RUNTIME" --root "$ROOT" state "${1:-$CID}" 3>&- | jq -r .pid; }
has_status() { [ "$(status_of "${2:-$CID}" 2>/dev/null)" = "$1" ]; }
wait_status() { until_true has_status "$@"; }
# init_exited: the container's first process is gone or a zombie.
gone() { [ ! -d "/proc/$1" ] || grep -q '^State:[[:space:]]*[ZX]' "/proc/$1/status" 2>/dev/null; }

# ---- configuration ----------------------------------------------------------------------------------------------------

# cfg FILTER [JQ-OPTION...]: edits config.json.
cfg() {
	local f=$1
	shift
	jq -c "$f" "$@" <"$B/config.json" >"$B/.new" && mv "$B/.new" "$B/config.json"
}
cmd() { cfg '.process.args=$ARGS.positional' --args -- "$@"; }
script() { cfg '.process.args=["sh","-c",$s]' --arg s "$1"; }
add_mount() { cfg ".mounts += [$1]"; }
caps() { cfg '.process.capabilities |= (.bounding=$c|.effective=$c|.permitted=$c)' --argjson c "$1"; }
all_caps() {
	caps '["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_FSETID","CAP_KILL","CAP_MKNOD","CAP_NET_ADMIN","CAP_NET_RAW","CAP_SETGID","CAP_SETUID","CAP_SETFCAP","CAP_SETPCAP","CAP_SYS_ADMIN","CAP_SYS_CHROOT","CAP_SYS_PTRACE","CAP_SYS_NICE"]'
	cfg '.process.noNewPrivileges=false'
}
userns() {
	cfg '.linux.namespaces += [{"type":"user"}] | .linux.uidMappings=[{"containerID":0,"hostID":100000,"size":65536}]
		| .linux.gidMappings=[{"containerID":0,"hostID":200000,"size":65536}]'
}

# in_ctr SCRIPT: runs it by sh -c in the foreground; must succeed; $output is what it said.
in_ctr() {
	script "$1"
	rt_ok run --bundle "$B" "$CID"
}
# in_ctr_fails PHRASE: `run` of the present config must fail with PHRASE.
run_fails() { rt_fail "$1" run --bundle "$B" "$CID"; }
create_fails() {
	rt_fail "$1" create --bundle "$B" "$CID"
	assert_nothing_left
}
has_line() { grep -qxF -- "$1" <<<"$output" || { echo "no line '$1'"; show; return 1; }; }
has_text() { case $output in *"$1"*) ;; *) echo "no '$1' in the output"; show; return 1 ;; esac; }
has_match() { grep -qE -- "$1" <<<"$output" || { echo "no match of '$1'"; show; return 1; }; }
lacks_text() { case $output in *"$1"*) echo "unwanted '$1' in the output"; show; return 1 ;; esac; }
equals() { [ "$1" = "$2" ] || { printf 'got:  %s\nwant: %s\n' "$1" "$2"; return 1; }; }

# mount_opts DESTINATION: the per-mount options that mountinfo showed for it in $output (script printed mountinfo).
mount_opts() { awk -v d="$1" '$5 == d { o = $6 } END { print o }' <<<"$output"; }
super_opts() { awk -v d="$1" '$5 == d { for (i = 7; i <= NF; i++) if ($i == "-") o = $(i + 3) } END { print o }' <<<"$output"; }
has_opt() { case ",$2," in *",$1,"*) ;; *) echo "no option $1 in $2"; return 1 ;; esac; }
lacks_opt() { case ",$2," in *",$1,"*) echo "unwanted option $1 in $2"; return 1 ;; esac; }

# ---- the host ---------------------------------------------------------------------------------------------------------

cgroup2_mount() { awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts; }
have_controller() { grep -qw -- "$1" "$(cgroup2_mount)/cgroup.controllers" 2>/dev/null; }
require_controller() {
	local c
	for c in "$@"; do have_controller "$c" || skip "cgroup2 of this host has no $c controller"; done
}
require_joey() { is_joey || skip "joey only: $1"; }
# cg FILE: a file of the container's cgroup.
cg() { cat "$(cgroup2_mount)$CG/$1"; }
# Mounts of the host, without those that tests beside this one make for themselves.
mounts_of_host() { grep -c -e "$T" -e '^' <(grep -v -e bats-run- -e /tmp/joey /proc/self/mountinfo; grep -F -- "$T" /proc/self/mountinfo); }
have_userns() { unshare -U true 2>/dev/null; }

# ---- system call points (tools/inject.c) --------------------------------------------------------------------------------

# points TRACE STRIDE: "P N NAME" of every STRIDEth call of a trace, but for calls that cannot fail. JOEY_TEST_FULL: of all; JOEY_TEST_FAST: of few.
points() {
	local stride=$2
	[ -z "${JOEY_TEST_FAST:-}" ] || stride=$((stride * 9))
	[ -z "${JOEY_TEST_FULL:-}" ] || stride=1
	awk -v s="$stride" -v o="$((BATS_TEST_NUMBER % stride))" '$2 != "" && $3 !~ /^(exit|exit_group|rt_sigreturn|restart_syscall|umask|getpid|gettid|getppid|getuid|geteuid|getgid|getegid)$/ && NR % s == o % s { print $1, $2, $3 }' "$1"
}

# Without a loop's list of points (9): what is open decides how many calls the closing of it takes.
inject() { "$TOOLS/inject" "$@" </dev/null >"$T/stdout" 2>"$T/stderr" 3>&- 4>&- 9<&-; }

# startup_calls TRACE: the N of the calls of process 0 that the C library makes before main, each time it is executed.
startup_calls() {
	awk 'BEGIN { s = 1 } $1 != 0 { next }
		$3 !~ /^(execve|brk|mmap|munmap|mprotect|arch_prctl|set_tid_address|set_robust_list|rseq|prlimit64|getrandom|readlink|readlinkat|uname|access)$/ { s = 0 }
		s { printf " %s ", $2 } $3 == "execveat" { s = 1 }' "$1"
}

# quick_left: what a test must not leave, without polling; prints it.
quick_left() {
	local out
	out=$("$TOOLS/leftover" "$T" "$CID") || { echo "$out"; return 1; }
	out=$(ls "$ROOT" 2>/dev/null)
	[ -z "$out" ] || { echo "state directory: $out"; return 1; }
}
nothing_left_soon() {
	local end=$((SECONDS + 5))
	until quick_left >"$T/left"; do
		[ $SECONDS -lt $end ] || { cat "$T/left"; return 1; }
		poll_pause
	done
}
raw() { "$RUNTIME" --root "$ROOT" "$@" </dev/null >"$T/stdout" 2>"$T/stderr" 3>&- 4>&-; }
