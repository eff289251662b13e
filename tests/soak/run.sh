#!/bin/bash
# Soak: SOAK_CYCLES (300) times create, start, exec, delete, and 50 containers at once from 8 callers, SOAK_ROUNDS (2) times;
# then the counts of processes, mounts, cgroups, state directories, network namespaces and the memory in use must be what they
# were after the first cycles. Prints TAP. usage: run.sh [RUNTIME]        by hand: SOAK_CYCLES=5000 tests/soak/run.sh
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/base.sh"
. "$here/../lib/pure-v2.sh"
[ "${SOAK_HOST_CGROUPS:-0}" = 1 ] || pure_v2 "$0" "$@"
runtime=$(realpath -m "${1:-${RUNTIME:-$TOP/joey}}")
cycles=${SOAK_CYCLES:-300} rounds=${SOAK_ROUNDS:-2} callers=8 at_once=50
[ -x "$runtime" ] || die "no runtime at $runtime"

work=$(mktemp -d)
mount -t tmpfs -o mode=755 soak "$work"
id=soak$$
run=("$runtime" --root "$work/root")
cleanup() {
	local c
	for c in $("${run[@]}" list -q 2>/dev/null); do "${run[@]}" delete --force "$c" >/dev/null 2>&1; done
	umount -l "$work"
	rmdir "$work"
}
trap cleanup EXIT
trap 'exit 143' INT TERM HUP

mkdir -p "$work"/{root,bundle/rootfs/{bin,dev,proc,sys}}
cp /bin/busybox "$work/bundle/rootfs/bin/"
for applet in sleep true sh; do ln -s busybox "$work/bundle/rootfs/bin/$applet"; done
(cd "$work/bundle" && "$runtime" spec && jq '.process.terminal = false | .process.args = ["/bin/sleep", "1000"]' config.json >c &&
	mv c config.json) || die "no bundle"

# One container's life, all of it; on failure the first command that failed is said.
cycle() {
	local c=$1
	"${run[@]}" create -b "$work/bundle" "$c" >/dev/null </dev/null || { echo "create $c"; return 1; }
	"${run[@]}" start "$c" || { echo "start $c"; return 1; }
	"${run[@]}" exec "$c" /bin/true || { echo "exec $c"; return 1; }
	"${run[@]}" state "$c" | grep -q '"status": "running"' || { echo "state $c"; return 1; }
	"${run[@]}" delete --force "$c" || { echo "delete $c"; return 1; }
}

# Processes of this run: joey's own, which have its root among their words, and those in its cgroups.
processes() {
	local dir words cgroup n=0
	for dir in /proc/[0-9]*; do
		{ mapfile -d '' words <"$dir/cmdline" && read -r -d '' cgroup <"$dir/cgroup"; } 2>/dev/null
		[[ "${words[*]:-} ${cgroup:-}" != *"$work/root"* && "${cgroup:-}" != *"/$id-"* ]] || n=$((n + 1))
		words=() cgroup=''
	done
	echo "$n"
}

# What must not grow, by name.
count() {
	printf 'processes %s\n' "$(processes)"
	printf 'mounts %s\n' "$(wc -l </proc/self/mountinfo)"
	printf 'cgroups %s\n' "$(find /sys/fs/cgroup -type d -name "$id*" | wc -l)"
	printf 'state %s\n' "$(ls -A "$work/root" | wc -l)"
	printf 'files %s\n' "$(find "$work" /run/joey /run/lock /tmp -maxdepth 1 \( -name "*$id*" -o -name '*joey-*.tmp' \) 2>/dev/null | wc -l)"
	printf 'descriptors %s\n' "$(ls /proc/$$/fd | wc -l)"
}

# Kernel memory of the whole machine, in KiB: what leaked mounts, namespaces and cgroups would show in.
kernel_memory() { awk '/^(SUnreclaim|PageTables|KernelStack|Percpu):/ {n += $2} END {print n}' /proc/meminfo; }
settle() { sync; sleep "${1:-3}"; }

test_no=0
result() { # result OK NAME [TEXT]
	test_no=$((test_no + 1))
	if [ "$1" = 0 ]; then echo "ok $test_no $2"; else echo "not ok $test_no $2" && sed 's/^/# /' <<<"${3:-}"; fi
	[ "$1" = 0 ] || failed=1
}
failed=0

soak_cycles() {
	local i rc=0 start=$SECONDS
	for ((i = 0; i < cycles && rc == 0; i++)); do
		cycle "$id-$i" >"$work/out" 2>&1 || rc=1
	done
	result $rc "soak: $cycles cycles of create, start, exec, state, delete in $((SECONDS - start)) s" "$(cat "$work/out")"
}

# Each caller has every eighth of the containers; all of them run before the first is deleted.
many() {
	local n=$1 i rc=0
	for ((i = n; i < at_once; i += callers)); do
		"${run[@]}" run -d -b "$work/bundle" "$id-m$i" </dev/null >/dev/null || rc=1
	done
	for ((i = n; i < at_once; i += callers)); do
		"${run[@]}" exec "$id-m$i" /bin/true || rc=1
		"${run[@]}" list -q >/dev/null || rc=1
	done
	return $rc
}

delete_many() {
	local n=$1 i rc=0
	for ((i = n; i < at_once; i += callers)); do "${run[@]}" delete --force "$id-m$i" || rc=1; done
	return $rc
}

in_parallel() {
	local verb=$1 n rc=0 pids=()
	for ((n = 0; n < callers; n++)); do "$verb" "$n" & pids+=($!); done
	for n in "${pids[@]}"; do wait "$n" || rc=1; done
	return $rc
}

soak_many() {
	local round rc=0 n
	for ((round = 0; round < rounds && rc == 0; round++)); do
		# Into a file: containers hold what they are given for as long as they live.
		in_parallel many >"$work/out" 2>&1 || rc=1
		n=$("${run[@]}" list | grep -c ' running ')
		[ "$(processes)" -ge "$at_once" ] || n="$n; $(processes) processes of them are found;"
		[ "$n" = "$at_once" ] || { rc=1 && echo "$n run" >>"$work/out"; }
		in_parallel delete_many >>"$work/out" 2>&1 || rc=1
	done
	result $rc "soak: $at_once containers at once from $callers callers, $rounds times" "$(cat "$work/out")"
}

# The first cycles fill caches; they do not count.
echo 1..5
cycle "$id-w1" && cycle "$id-w2" && in_parallel many && in_parallel delete_many
result $? "soak: warm up"
settle
before=$(count) memory=$(kernel_memory)
soak_cycles
soak_many
settle
after=$(count)
[ "$before" = "$after" ]
result $? "soak: processes, mounts, cgroups, state, files and descriptors are as before" "$(diff <(echo "$before") <(echo "$after"))"
# The machine's other work moves this figure too: a leak shows as a share per cycle. Waits for what the kernel frees late.
limit=$((20480 + 2 * cycles))
for _ in 1 2 3 4 5 6; do
	grown=$(($(kernel_memory) - memory))
	[ "$grown" -gt "$limit" ] || break
	settle 5
done
[ "$grown" -le "$limit" ]
result $? "soak: the kernel's memory has not grown with the cycles" "grown by $grown KiB, $limit are tolerated"
echo "# the kernel's memory has grown by $grown KiB, $limit are tolerated"
exit $failed
