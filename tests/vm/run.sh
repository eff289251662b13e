#!/bin/bash
# Boots a throw-away test machine, runs one command in it as root, prints its output live and returns its exit status.
#   run.sh [--uml | --qemu] [--timeout S] [--boot-timeout S] [--mem MB] [--out DIR] [--share DIR:GUESTDIR:ro|rw]... -- COMMAND...
# The source tree is /src inside, read-only, and where COMMAND starts. DIR of --out is /out, writable. COMMAND is one shell line or words.
# Exit status 120: never booted. 121: did not end in time. 122: the machine ended without the command's status.
# --uml (the default): user-mode Linux, quick. --qemu: a full machine under emulation, slower, nothing missing.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/base.sh"

kind=uml limit=900 boot_limit='' mem=3072 shares=("$TOP:/src:ro")
while [ $# -gt 0 ]; do
	case $1 in
	--uml | --qemu) kind=${1#--} ;;
	--timeout) limit=$2; shift ;;
	--boot-timeout) boot_limit=$2; shift ;;
	--mem) mem=$2; shift ;;
	--out) mkdir -p "$2" && shares+=("$(cd "$2" && pwd):/out:rw"); shift ;;
	--share) shares+=("$2"); shift ;;
	--) shift; break ;;
	*) die "unknown option $1" ;;
	esac
	shift
done
[ $# -gt 0 ] || die "no command"
[ "$(id -u)" = 0 ] || die "needs root"
image=$("$here/image.sh") || exit 120
[ "$kind" = uml ] || emulator=$("$here/emulator.sh") || exit 120

mkdir -p "$CACHE/jobs"
find "$CACHE/jobs" -mindepth 1 -maxdepth 1 -mtime +1 -exec rm -rf {} + # of runs that were killed
job=$(mktemp -d "$CACHE/jobs/XXXXXX")
vm=''
cleanup() {
	[ -z "$vm" ] || kill -KILL "$vm" 2>/dev/null
	wait 2>/dev/null
	rm -rf "$job"
}
trap cleanup EXIT
trap 'exit 143' INT TERM HUP

mkdir "$job/share"
{
	echo 'cd /src'
	if [ $# -eq 1 ]; then printf '%s\n' "$1"; else printf '%q ' "$@"; fi
} >"$job/share/command"
: >"$job/share/log"
shares+=("$job/share:/job:rw")

# Both kinds end with their whole process tree when this script ends, however it ends: a pid namespace of their own,
# torn down with its first process, which dies with this one.
launch() {
	setpriv --pdeathsig KILL unshare --pid --fork --kill-child=KILL --mount-proc sh -c '"$@"; exit $?' vm "$@" \
		</dev/null >"$job/console" 2>&1 &
	vm=$!
}

cmdline="systemd.unified_cgroup_hierarchy=1 systemd.show_status=0 quiet lsm=landlock,yama,apparmor,bpf apparmor=1 net.ifnames=0 pty.legacy_count=0 panic=-1"

start_uml() {
	local s words=()
	for s in "${shares[@]}"; do words+=("joey.share=$s"); done
	# shellcheck disable=SC2086
	TMPDIR=/dev/shm launch "$image/linux.uml" mem="${mem}M" ubd0="$job/disk.cow,$image/disk" root=/dev/ubda rootfstype=ext4 rw \
		seccomp=auto con=null con0=null,fd:1 ssl=null uml_dir="$job/" umid=vm $cmdline joey.via=hostfs "${words[@]}"
}

start_qemu() {
	local s i=0 args=() words='' accel=(-accel tcg,thread=multi,tb-size=1024 -cpu Nehalem-v1)
	for s in "${shares[@]}"; do
		args+=(-virtfs "local,id=s$i,path=${s%%:*},mount_tag=s$i,security_model=none$([ "${s##*:}" = rw ] || echo ,readonly=on)")
		words+=" joey.share=s$i:${s#*:}"
		i=$((i + 1))
	done
	[ "${JOEY_VM_KVM:-0}" = 0 ] || accel=(-accel kvm -cpu host)
	launch "$emulator/usr/bin/qemu-system-x86_64" -L "$emulator/usr/share/qemu" -L "$emulator/usr/share/seabios" -M q35 "${accel[@]}" -smp 2 -m "$mem" -nodefaults -no-user-config -display none -no-reboot \
		-kernel "$image/vmlinuz" -initrd "$image/initrd" -serial stdio -device virtio-rng-pci \
		-drive "file=$image/disk,format=raw,if=virtio,snapshot=on,file.locking=off" "${args[@]}" \
		-append "console=ttyS0 $cmdline joey.via=9p$words"
}

"start_$kind"
: "${boot_limit:=$([ "$kind" = uml ] && echo 90 || echo 240)}"
tail -n +1 -s 0.3 -f --pid="$vm" "$job/share/log" &
out=$!

status=122
began=$SECONDS
while :; do
	if [ -e "$job/share/status" ]; then
		status=$(cat "$job/share/status")
		break
	elif ! kill -0 "$vm" 2>/dev/null; then
		[ -e "$job/share/booted" ] || status=120
		break
	elif [ ! -e "$job/share/booted" ] && [ $((SECONDS - began)) -ge "$boot_limit" ]; then
		status=120
		break
	elif [ $((SECONDS - began)) -ge "$limit" ]; then
		status=121
		break
	fi
	sleep 0.2
done
[ ! -e "$job/share/status" ] || status=$(cat "$job/share/status")
{ kill -KILL "$vm"; wait "$vm"; } 2>/dev/null
vm=''
wait "$out"
case $status in
120) say "run.sh: the machine did not boot; its console ends:" && tail -n 30 "$job/console" >&2 ;;
121) say "run.sh: no end after $limit s; the console ends:" && tail -n 10 "$job/console" >&2 ;;
122) say "run.sh: the machine ended without a status; its console ends:" && tail -n 30 "$job/console" >&2 ;;
esac
[ -z "${JOEY_VM_CONSOLE:-}" ] || cp "$job/console" "$JOEY_VM_CONSOLE"
exit "$status"
