#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# extract-vmlinux.sh BZIMAGE VMLINUX: the uncompressed kernel in an x86 boot image. Decompressing it in the guest costs two
# seconds under emulation. The image's header says where the payload is (Documentation/arch/x86/boot.rst, protocol 2.08);
# behind the payload stands its uncompressed size, in gzip's case as a part of the format.
set -euo pipefail
PACKAGES="xz-utils zstd lz4 gzip bzip2"
. "$(dirname "$0")/lib.sh"
[ $# = 2 ] || die "usage: ${0##*/} BZIMAGE VMLINUX"

# number OFFSET BYTES: a little-endian number of the image.
number() { od -An -v -t "u$2" -j "$1" -N "$2" --endian=little "$image" | tr -d ' '; }

image=$1 out=$2
[ "$(od -An -c -j $((0x202)) -N 4 "$image" | tr -d " ")" = HdrS ] ||
	die "$image is not an x86 boot image"
[ "$(number $((0x206)) 2)" -ge $((0x208)) ] || die "$image: boot protocol is too old"
start=$((($(number $((0x1f1)) 1) + 1) * 512 + $(number $((0x248)) 4)))
length=$(number $((0x24c)) 4)
size=$(number $((start + length - 4)) 4)
magic=$(od -An -v -t x1 -j "$start" -N 6 "$image" | tr -d ' \n')
case $magic in
1f8b*) unpack=(gzip -dc) length=$((length + 4)) ;;
fd377a585a00) unpack=(xz -dc) ;;
28b52ffd*) unpack=(zstd -dcq) ;;
02214c18*) unpack=(lz4 -dcq) ;;
425a68*) unpack=(bzip2 -dc) ;;
5d0000*) unpack=(xz --format=lzma -dc) ;;
7f454c46*) unpack=(cat) size=$((length - 4)) ;;
*) die "$image: unknown compression ($magic)" ;;
esac
need "${unpack[0]}"
trap 'rm -f "$out.tmp"' EXIT
head -c $((start + length - 4)) "$image" | tail -c $((length - 4)) | "${unpack[@]}" >"$out.tmp"
[ "$(stat -c %s "$out.tmp")" = "$size" ] || die "$image: the kernel in it is not as long as it says"
[ "$(head -c 4 "$out.tmp" | tail -c 3)" = ELF ] || die "$image: the kernel in it is no ELF file"
mv "$out.tmp" "$out"
