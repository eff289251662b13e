#!/bin/bash
# Unpacks a newer QEMU than the host's, with its own loader and libraries, into the cache, and prints its directory:
# bookworm's 7.2 makes up debug exceptions now and then, which panics the guest's kernel.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/base.sh"
. "$here/../lib/deps.sh"
. "$here/../lib/debs.sh"

dir=$CACHE/qemu-$(hash_of "$here/emulator.sh")

build() {
	[ ! -e "$dir/done" ] || return 0
	deps_install mmdebstrap patchelf
	say "emulator: unpacking QEMU of trixie"
	debs_root trixie "$dir" --variant=extract --include=qemu-system-x86
	debs_adopt "$dir" "$dir/usr/bin/qemu-system-x86_64"
	"$dir/usr/bin/qemu-system-x86_64" --version | head -n 1 >"$dir/done"
	say "emulator: $(cat "$dir/done")"
}

once qemu build
[ -e "$dir/done" ] || die "no emulator"
printf '%s\n' "$dir"
