#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# initramfs.sh AGENT OUT [MODULES]: the archive that the guest's kernel unpacks: /init is AGENT, a static program; /modules
# the directory MODULES. Uncompressed, and the same bytes from the same input whoever makes it: written here in the format
# itself ("newc", Documentation/driver-api/early-userspace/buffer-format.rst), because cpio(1) needs root to record a device.
set -euo pipefail
export LC_ALL=C
PACKAGES=coreutils
. "$(dirname "$0")/lib.sh"
[ $# = 2 ] || [ $# = 3 ] || die "usage: ${0##*/} AGENT OUT [MODULES]"
agent=$1 out=$2 modules=${3:-}
[ -f "$agent" ] && [ -x "$agent" ] || die "$agent is not a program"

inode=0
pad() { [ $(($1 % 4)) = 0 ] || head -c $((4 - $1 % 4)) /dev/zero; }
# entry NAME MODE LINKS SIZE MAJOR MINOR: the head of an entry; owner 0, time 0.
entry() {
	local length=$((${#1} + 1))
	inode=$((inode + 1))
	# inode, mode, uid, gid, links, time, size, device of the file system (2), of the node (2), length of the name, checksum
	printf '070701'
	printf '%08x' $inode $((8#$2)) 0 0 "$3" 0 "$4" 0 0 "$5" "$6" $length 0
	printf '%s\0' "$1"
	pad $((110 + length))
}
directory() { entry "$1" 040755 2 0 0 0; }
file() {
	local size
	size=$(stat -L -c %s "$3")
	entry "$1" "10$2" 1 "$size" 0 0
	cat "$3"
	pad "$size"
}

archive() {
	local name
	for name in dev proc run sys tmp; do directory $name; done
	entry dev/console 020600 1 0 5 1
	entry dev/null 020666 1 0 1 3
	file init 0755 "$agent"
	if [ -n "$modules" ]; then
		directory modules
		for name in "$modules"/*; do file "modules/${name##*/}" 0644 "$name"; done
	fi
	inode=-1
	entry 'TRAILER!!!' 000000 1 0 0 0
}
trap 'rm -f "$out.tmp"' EXIT
archive >"$out.tmp"
mv "$out.tmp" "$out"
