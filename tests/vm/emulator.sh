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
	local lib=usr/lib/x86_64-linux-gnu
	deps_install mmdebstrap patchelf
	rm -rf "$dir"
	say "emulator: unpacking QEMU of trixie"
	timeout 600 mmdebstrap --mode=root --variant=extract --aptopt='APT::Install-Recommends "false"' --include=qemu-system-x86 \
		--format=directory trixie "$dir" "$(debs_mirror)" >"$CACHE/qemu-build.log" 2>&1 ||
		{ tail -n 20 "$CACHE/qemu-build.log" >&2; return 1; }
	patchelf --set-interpreter "$dir/$lib/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$dir/$lib" "$dir/usr/bin/qemu-system-x86_64"
	"$dir/usr/bin/qemu-system-x86_64" --version | head -n 1 >"$dir/done"
	say "emulator: $(cat "$dir/done")"
}

once qemu build
[ -e "$dir/done" ] || die "no emulator"
printf '%s\n' "$dir"
