#!/bin/bash
# Prints what many containers cost: `list` and `state` of joey and crun with N running containers of each present, and how
# much longer creating one more takes than with one alone. Ratios are what counts.
# usage: bench/scale.sh [--containers N] [--rounds N] [--assert] [--limits] [JOEY]
#   --assert: exit 1 when a target is missed; --limits: TAP as well, of limits that are wider than the targets, for ./check
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../tests/lib/base.sh"
. "$here/../tests/lib/deps.sh"
. "$here/../tests/lib/pure-v2.sh"
pure_v2 "$0" "$@"

many=1000 rounds=60 assert=0 limits=0
while [ $# -gt 0 ]; do
	case $1 in
	--containers) many=$2; shift ;;
	--rounds) rounds=$2; shift ;;
	--assert) assert=1 ;;
	--limits) limits=1 ;;
	*) break ;;
	esac
	shift
done
joey=$(realpath -m "${1:-${JOEY:-$TOP/joey}}")
[ -x "$joey" ] || die "no $joey"
deps_install gcc libc6-dev busybox-static jq >&2
rivals=$("$here/../tests/lib/rivals.sh")

# All of it on a tmpfs of this mount namespace's own, like /run.
work=$(mktemp -d)
mount -t tmpfs -o mode=700 scale "$work"
cleanup() {
	for name in joey crun; do each "$name" 'delete --force' "$many" >/dev/null 2>&1 || :; done
	umount -l "$work" || :
	rmdir "$work"
}
trap cleanup EXIT
trap 'exit 143' INT TERM HUP

gcc -O2 -static -o "$work/interleave" "$here/interleave.c"
gcc -O2 -static -o "$work/floor" "$here/floor.c"
mkdir -p "$work"/bundle/rootfs/{bin,dev,proc,sys}
cp /bin/busybox "$work/bundle/rootfs/bin/"
for applet in sleep true; do ln -s busybox "$work/bundle/rootfs/bin/$applet"; done
(cd "$work/bundle" && "$joey" spec && jq '.process.terminal = false | .process.args = ["/bin/sleep", "100000"]' config.json >c &&
	mv c config.json)

declare -A program=([joey]=$joey [crun]=$rivals/crun)

# each NAME VERB N [OPTION...]: this verb for N containers, four at a time.
each() {
	local name=$1 verb=$2 n=$3
	shift 3
	seq -f "scale-$name-%g" "$n" | xargs -P 4 -I{} "${program[$name]}" --root "$work/$name" $verb "$@" {} >/dev/null
}

# until_steady: what ended containers leave to the kernel is done by workers in the background; not in the middle of this.
until_steady() {
	sleep 2
	sync
}

# time_create NAME LABEL: one more container of that runtime is created and deleted, again and again, with the floor beside it.
time_create() {
	until_steady
	"$work/interleave" --in-order "$rounds" \
		"$1-create-$2" "${program[$1]}" --root "$work/$1" create -b "$work/bundle" scale-one-more -- \
		"$1-delete-$2" "${program[$1]}" --root "$work/$1" delete --force scale-one-more -- \
		"$1-floor-$2" "$work/floor" "$work/bundle/rootfs" >>"$work/result"
}

# present NAME N: so many containers of this runtime run.
present() {
	each "$1" create "$2" -b "$work/bundle"
	each "$1" start "$2"
	local n
	n=$("${program[$1]}" --root "$work/$1" list | grep -c running) || :
	[ "$n" = "$2" ] || die "$1: $n of $2 containers run"
}

available() { awk '$1 == "MemAvailable:" {print $2}' /proc/meminfo; }

# While creates are timed there are no containers but those of the same runtime: each one costs the kernel something.
start=$SECONDS
for name in joey crun; do
	present "$name" 1
	time_create "$name" few
	each "$name" 'delete --force' 1
done
before=$(available)
for name in joey crun; do
	present "$name" "$many"
	time_create "$name" many
	[ "$name" = crun ] || each "$name" 'delete --force' "$many"
done
present joey "$many"
say "$((2 * many)) containers running after $((SECONDS - start)) s; they take $(((before - $(available)) / 1024)) MiB"
until_steady
"$work/interleave" "$((rounds / 3 > 5 ? rounds / 3 : 5))" \
	joey-list "$joey" --root "$work/joey" list -- crun-list "$rivals/crun" --root "$work/crun" list -- \
	joey-list-json "$joey" --root "$work/joey" list -f json -- crun-list-json "$rivals/crun" --root "$work/crun" list -f json \
	>>"$work/result"
"$work/interleave" "$rounds" \
	joey-state "$joey" --root "$work/joey" state scale-joey-1 -- crun-state "$rivals/crun" --root "$work/crun" state scale-crun-1 \
	>>"$work/result"

printf '%s containers, %s rounds, %s\n' "$many" "$rounds" "$("$rivals/crun" --version | head -n 1)"
awk -v assert=$assert -v limits=$limits -v many="$many" '
	function row(label, a, b) { printf "%-36s %10.2f %10.2f %8.2f\n", label, us[a] / 1000, us[b] / 1000, us[a] / us[b] }
	function target(what, value, goal) {
		printf "%-62s %6.2f  at most %.2f  %s\n", what, value, goal, value <= goal ? "met" : "MISSED"
		if (assert && value > goal) missed = 1
	}
	# Far enough from the targets for a machine that has other things to do.
	function limit(what, value, most) {
		if (!limits) return
		printf "%sok %d %s: %.2f, limit %.2f\n", value <= most ? "" : "not ", ++n, what, value, most
		if (value > most) missed = 1
	}
	{ us[$1] = $2 }
	END {
		printf "%-36s %10s %10s %8s\n", "median ms", "joey", "crun", "ratio"
		row("list", "joey-list", "crun-list"); row("list -f json", "joey-list-json", "crun-list-json")
		row("state", "joey-state", "crun-state")
		row("create, one there", "joey-create-few", "crun-create-few")
		row("create, " many " there", "joey-create-many", "crun-create-many")
		row("delete, one there", "joey-delete-few", "crun-delete-few")
		row("delete, " many " there", "joey-delete-many", "crun-delete-many")
		printf "%-36s %10s %10s %8s\n", "median ms", "many", "one", "ratio"
		row("joey create", "joey-create-many", "joey-create-few"); row("crun create", "crun-create-many", "crun-create-few")
		row("floor (the kernel alone), with joey", "joey-floor-many", "joey-floor-few")
		list = us["joey-list"] / us["crun-list"]
		state = us["joey-state"] / us["crun-state"]
		grown = us["joey-create-many"] / us["joey-create-few"]
		beside = grown / (us["joey-floor-many"] / us["joey-floor-few"])
		target("joey list to crun list, " many " containers", list, 0.5)
		target("joey state to crun state, " many " containers", state, 0.5)
		target("joey create with " many " containers to that with one", grown, 1.2)
		target("what that grew by, to what the floor grew by", beside, 1.2)
		limit("list to that of crun", list, 0.9)
		limit("state to that of crun", state, 0.8)
		# Either is only as good as the machine is steady.
		limit("what create grew by, alone or to the floor, whichever is less", grown < beside ? grown : beside, 1.8)
		exit missed
	}' "$work/result"
