#!/bin/bash
# Prints how long a normal container of `true` takes with joey, crun, runc and the floor, in interleaved runs, and what
# `joey --version` costs against an empty static program. Ratios are what counts: times depend on the machine.
# usage: bench/run.sh [--rounds N] [--assert] [JOEY]     --assert: exit 1 when a target is missed
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../tests/lib/base.sh"
. "$here/../tests/lib/deps.sh"

rounds=200 assert=0
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=$2; shift ;;
	--assert) assert=1 ;;
	*) break ;;
	esac
	shift
done
joey=$(realpath -m "${1:-${JOEY:-$TOP/joey}}")

# crun refuses a host whose controllers are spread over both cgroup versions. There, everything runs in a private mount
# namespace where the cgroup2 mount stands at its usual place; the host's own mounts stay as they are.
if [ -z "${BENCH_INSIDE:-}" ]; then
	[ "$(id -u)" = 0 ] || die "needs root"
	unified=$(awk '$9 == "cgroup2" || $10 == "cgroup2" {print $5; exit}' /proc/self/mountinfo)
	[ -n "$unified" ] || die "this host has no cgroup2 mount"
	exec env BENCH_INSIDE=1 unshare --mount sh -c '[ "$1" = /sys/fs/cgroup ] || mount --bind "$1" /sys/fs/cgroup; shift; exec "$@"' \
		sh "$unified" bash "$0" --rounds "$rounds" $([ $assert = 0 ] || echo --assert) "$joey"
fi

deps_install gcc libc6-dev busybox-static jq >&2
rivals=$("$here/../tests/lib/rivals.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for program in floor empty interleave; do
	gcc -O2 -static -o "$work/$program" "$here/$program.c"
done

mkdir -p "$work"/bundle/rootfs/{bin,dev,proc,sys}
cp /bin/busybox "$work/bundle/rootfs/bin/"
ln -s busybox "$work/bundle/rootfs/bin/true"
spec=$joey
[ -x "$joey" ] || spec=$rivals/runc
(cd "$work/bundle" && "$spec" spec && jq '.process.terminal = false | .process.args = ["/bin/true"]
	| .linux.namespaces |= (map(select(.type != "cgroup")) + [{type: "cgroup"}])' config.json >c && mv c config.json)

runs=(crun "$rivals/crun" run -b "$work/bundle" bench-crun -- runc "$rivals/runc" run -b "$work/bundle" bench-runc
	-- floor "$work/floor" "$work/bundle/rootfs" -- empty "$work/empty")
if [ -x "$joey" ]; then
	runs+=(-- joey "$joey" run -b "$work/bundle" bench-joey -- version "$joey" --version)
else
	say "no $joey: the others alone"
fi
"$work/interleave" "$rounds" "${runs[@]}" >"$work/result"

printf '%s rounds, %s, %s\n' "$rounds" "$("$rivals/crun" --version | head -n 1)" "$("$rivals/runc" --version | head -n 1)"
awk -v assert=$assert '
	function ratio(a, b) { return (a in us && b in us) ? sprintf("%.2f", us[a] / us[b]) : "-" }
	function row(name, label) {
		if (name in us)
			printf "%-24s %9.2f %9.2f %9.2f %8s %8s %8s %10.1f\n", label, us[name] / 1000, p10[name] / 1000, p90[name] / 1000,
				ratio(name, "crun"), ratio(name, "runc"), ratio(name, "floor"), peak[name] / 1024
	}
	function target(what, value, limit) {
		if (value == "-") return
		printf "%-52s %6.2f  at most %.2f  %s\n", what, value, limit, value + 0 <= limit ? "met" : "MISSED"
		if (value + 0 > limit) missed = 1
	}
	{ us[$1] = $2; p10[$1] = $3; p90[$1] = $4; peak[$1] = $5 }
	END {
		printf "%-24s %9s %9s %9s %8s %8s %8s %10s\n", "", "median ms", "p10", "p90", "to crun", "to runc", "to floor", "peak MiB"
		row("joey", "joey run"); row("crun", "crun run"); row("runc", "runc run"); row("floor", "floor")
		row("version", "joey --version"); row("empty", "empty static program")
		target("joey run to crun run", ratio("joey", "crun"), 0.7)
		target("joey run to runc run", ratio("joey", "runc"), 0.35)
		target("joey run to the floor", ratio("joey", "floor"), 2.5)
		target("joey --version to an empty static program", ratio("version", "empty"), 1.5)
		if ("joey" in us) target("peak resident memory of joey run, MiB", peak["joey"] / 1024, 3)
		exit assert && missed
	}' "$work/result"
