#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Prints what a sandboxed container costs beside gVisor's (runsc) and normal ones, in interleaved runs: run and exec of
# `true`, with the processor time of all processes (restored: without a machine to be copied, joey.conf's `fork = off`); the first
# answer of the guest, memory of idle sandboxes; parallel starts. Ratios are what counts.
# usage: bench/sandbox.sh [--rounds N] [--idle N] [--assert] [JOEY]     --assert: exit 1 when a target is missed
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../tests/lib/base.sh"
. "$here/../tests/lib/deps.sh"

# As in run.sh: crun refuses a host whose controllers are spread over both cgroup versions.
if [ -z "${BENCH_INSIDE:-}" ]; then
	[ "$(id -u)" = 0 ] || die "needs root"
	unified=$(awk '$9 == "cgroup2" || $10 == "cgroup2" {print $5; exit}' /proc/self/mountinfo)
	[ -n "$unified" ] || die "this host has no cgroup2 mount"
	exec env BENCH_INSIDE=1 unshare --mount sh -c '[ "$1" = /sys/fs/cgroup ] || mount --bind "$1" /sys/fs/cgroup; shift; exec "$@"' \
		sh "$unified" bash "$0" "$@"
fi

rounds=20 idle=50 assert=0
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=$2; shift ;;
	--idle) idle=$2; shift ;;
	--assert) assert=1 ;;
	*) break ;;
	esac
	shift
done
joey=$(realpath "${1:-${JOEY:-$TOP/joey}}")
deps_install busybox-static jq python3 runsc >&2
crun=$("$here/../tests/lib/rivals.sh")/crun
work=$(mktemp -d)
cleanup() {
	local id
	for id in warm $(seq -f 'idle%g' "$idle") $(seq -f 'par%g' 8); do
		[ ! -d "$work/joey/$id" ] || "$joey" --root "$work/joey" delete --force "$id" >/dev/null 2>&1 || :
	done
	runsc --root "$work/runsc" delete --force warm >/dev/null 2>&1 || :
	rm -rf "$work"
}
trap cleanup EXIT

# runsc gives the descriptors that it gets to nobody: not the host's /dev/null, please.
mknod -m 666 "$work/null" c 1 3
mount --bind "$work/null" /dev/null

mkdir -p "$work"/{true,sleep}/rootfs/{bin,dev,proc,sys}
cp /bin/busybox "$work/true/rootfs/bin/"
ln -s busybox "$work/true/rootfs/bin/true"
cp -a "$work/true/rootfs/bin" "$work/sleep/rootfs/"
# runsc knows neither newer versions nor all namespaces; it keeps away from the host's cgroups, crun from mixed ones.
(cd "$work/true" && "$joey" spec && jq '.ociVersion = "1.0.2" | .process.terminal = false | .process.args = ["/bin/true"]' \
	config.json >c && mv c config.json)
jq '.process.args = ["/bin/busybox", "sleep", "1000000"]' "$work/true/config.json" >"$work/sleep/config.json"

vm=("$joey" --root "$work/joey")
gvisor=(runsc --root "$work/runsc" --network=none --ignore-cgroups)
printf '[sandbox]\nfork = off\n' >"$work/joey.conf"
"${vm[@]}" template build >/dev/null
"${vm[@]}" run --sandbox=vm --bundle "$work/true" first
"${vm[@]}" run --sandbox=vm --detach --bundle "$work/sleep" warm </dev/null >/dev/null 2>&1
"${gvisor[@]}" run --detach --bundle "$work/sleep" warm </dev/null >/dev/null 2>&1
python3 "$here/cpu.py" "$rounds" sandboxed "${vm[@]}" run --sandbox=vm --bundle "$work/true" run \
	-- answer:"$work/joey/@vm/run/sock" "${vm[@]}" run --sandbox=vm --bundle "$work/true" run \
	-- restored "${vm[@]}" --config "$work/joey.conf" run --sandbox=vm --bundle "$work/true" run \
	-- runsc "${gvisor[@]}" run --bundle "$work/true" run \
	-- crun "$crun" --root "$work/crun" run --bundle "$work/true" run \
	-- exec "${vm[@]}" exec warm /bin/true -- runsc-exec "${gvisor[@]}" exec warm /bin/true >"$work/result"
"${vm[@]}" delete --force warm
runsc --root "$work/runsc" delete --force warm

ms() { date +%s%3N; }
start=$(ms)
for i in $(seq 8); do "${vm[@]}" run --sandbox=vm --bundle "$work/true" "par$i"; done
alone=$(($(ms) - start)) start=$(ms) jobs=()
for i in $(seq 8); do "${vm[@]}" run --sandbox=vm --bundle "$work/true" "par$i" & jobs+=($!); done
for job in "${jobs[@]}"; do wait "$job"; done
together=$(($(ms) - start))

# Of all sandboxes of the host: nobody else may start or end one meanwhile.
pss() {
	local p
	for p in /proc/[0-9]*; do
		case $(cat "$p/comm" 2>/dev/null) in
		qemu | joey-sandbox | joey-proxy) awk '$1 == "Pss:" {print $2}' "$p/smaps_rollup" 2>/dev/null || : ;;
		esac
	done | awk '{n += $1} END {print n + 0}'
}
before=$(pss)
for i in $(seq "$idle"); do
	"${vm[@]}" run --sandbox=vm --detach --bundle "$work/sleep" "idle$i" </dev/null >/dev/null 2>&1
done
sleep 2
memory=$(($(pss) - before))

awk -v assert=$assert -v alone="$alone" -v together="$together" -v memory="$memory" -v idle="$idle" '
	function target(what, value, limit, least) {
		missed_it = least ? value < limit : value > limit
		printf "%-44s %6.2f  at %s %.2f  %s\n", what, value, least ? "least" : "most", limit, missed_it ? "MISSED" : "met"
		missed = missed || missed_it
	}
	# The processor time of a copy is in no account: it is the child of a process that does not wait for it.
	{ wall[$1] = $2; cpu[$1] = $3; printf "%-12s %9.1f ms wall %s\n", $1, $2, $1 ~ /restored|runsc|crun/ ? sprintf("%9.1f ms processor time", $3) : "" }
	END {
		target("sandboxed run to runsc run", wall["sandboxed"] / wall["runsc"], 1.15)
		printf "%-44s %6.2f\n", "restored, to runsc run", wall["restored"] / wall["runsc"]
		target("first answer of the guest to runsc run", wall["answer"] / wall["runsc"], 0.35)
		target("sandboxed exec to runsc exec", wall["exec"] / wall["runsc-exec"], 1.5)
		target("rate of 8 parallel starts to 8 in turn", alone / together, 0.8, 1)
		if (idle > 0) target("MB PSS of an idle sandbox with its process", memory / 1024 / idle, 20)
		exit assert && missed
	}' "$work/result"
