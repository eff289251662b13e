#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make.sh debian|small AGENT DIRECTORY: puts vmlinux, initramfs.cpio and meta into DIRECTORY. What `make guest` and
# `make guest-kernel` run. ARCH: another architecture than this machine's (as uname -m calls it).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PACKAGES=coreutils
. "$here/lib.sh"
[ $# = 3 ] || die "usage: ${0##*/} debian|small AGENT DIRECTORY"
agent=$2 out=$3
case $1 in
debian) from=$("$here/debian.sh" ${ARCH:+"$ARCH"}) && modules=$from/modules ;;
small) from=$("$here/kernel/build.sh" ${ARCH:+"$ARCH"}) && modules='' ;;
*) die "no kernel '$1'" ;;
esac

tmp=$out.tmp
rm -rf "$tmp"
mkdir -p "$tmp"
trap 'rm -rf "$tmp"' EXIT
cp "$from/vmlinux" "$from/config" "$tmp/"
# Symbols would only be copied into each guest's memory. Another architecture's program stays as it is.
strip -s -o "$tmp/init" "$agent" 2>/dev/null || cp "$agent" "$tmp/init"
"$here/initramfs.sh" "$tmp/init" "$tmp/initramfs.cpio" ${modules:+"$modules"}
{
	cat "$from/meta"
	(cd "$tmp" && sha256sum vmlinux initramfs.cpio) | sed -E 's/^([0-9a-f]+)  (.*)/\2=sha256:\1/'
} >"$tmp/meta"
# meta is what make looks at: a directory that has it is complete.
mkdir -p "$out"
rm -f "$out/meta"
mv "$tmp"/{vmlinux,config,initramfs.cpio} "$out/"
mv "$tmp/meta" "$out/"
