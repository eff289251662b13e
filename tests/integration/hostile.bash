# shellcheck shell=bash
# The image as an attacker: checklist 4.2, security C1 (matrix T1, racer T2), C2, C3, C4.
# Each destination is a symbolic link of every kind that points, one way or another, into a canary tree outside of the
# rootfs. Whatever the runtime says, the canary must be the same afterwards, down to the times.
#
# How it was shown that these tests bite: see docs/CONFORMANCE.md, "Tests that fail without their defence".

KINDS="absolute relative dangling dangling-parent chain loop parent magic"

make_canary() {
	CAN=$T/canary
	mkdir -p "$CAN"/{sub,pts,shm,mqueue,fs/cgroup,new-not}
	rmdir "$CAN/new-not"
	local f
	for f in ptmx null zero console tty fd stdin core file sub/ptmx sub/null; do echo "canary $f" >"$CAN/$f"; done
	touch -d @1000000000 "$CAN" "$CAN"/*
	CAN_HASH=$(canary_hash)
}
canary_hash() { { find "$CAN" -printf '%P %y %m %U %G %s %T@ %C@ %l\n' | sort; find "$CAN" -type f -exec cat {} + ; } | sha256sum; }

# plant KIND PATH: replaces PATH of the rootfs by a symlink of that kind. Destinations that joey makes are dirs or files.
plant() {
	local kind=$1 at=$B/rootfs$2 up=../../../../../../../../../../..
	rm -rf "$at"
	mkdir -p "$(dirname "$at")"
	case $kind in
	absolute) ln -s "$CAN" "$at" ;;
	relative) ln -s "$up$CAN" "$at" ;;
	dangling) ln -s "$CAN/new" "$at" ;;
	dangling-parent) ln -s "$CAN/new/deeper/still" "$at" ;;
	chain)
		ln -s "$up$CAN" "$B/rootfs/mnt/hop2"
		ln -s /mnt/hop2 "$B/rootfs/mnt/hop1"
		ln -s /mnt/hop1 "$at" ;;
	loop) ln -s "$(basename "$at")" "$at" ;;
	parent) # a component above the destination leaves the root
		if [ "$(dirname "$2")" = / ]; then
			ln -s "$CAN/sub" "$at"
		else
			rm -rf "$(dirname "$at")"
			ln -s "$CAN" "$(dirname "$at")"
		fi ;;
	magic) ln -s /proc/self/cwd/../../../../../../.."$CAN" "$at" ;;
	esac
}

fresh_rootfs() {
	rm -rf "$B/rootfs"
	cp -al "$BATS_FILE_TMPDIR/template" "$B/rootfs"
}

# matrix DESTINATION JQ-FILTER: every kind of link at DESTINATION, config changed by the filter.
matrix() {
	local kind dest=$1 filter=$2 before bad=0 link
	make_canary
	cp "$B/config.json" "$T/base.json"
	before=$(mounts_of_host)
	for kind in $KINDS; do
		fresh_rootfs
		cp "$T/base.json" "$B/config.json"
		cfg "$filter"
		plant "$kind" "$dest"
		cmd true
		rt create --bundle "$B" "$CID"
		[ "$status" -ne 124 ] || { echo "$dest $kind: hangs"; bad=1; }
		[ "$status" -ne 0 ] || rt start "$CID"
		rt delete --force "$CID"
		[ "$status" -eq 0 ] || { echo "$dest $kind: delete --force"; show; bad=1; }
		[ "$(canary_hash)" = "$CAN_HASH" ] || { echo "$dest $kind: the canary changed"; ls -laR "$CAN"; return 1; }
		[ "$(mounts_of_host)" = "$before" ] || { echo "$dest $kind: a mount on the host"; return 1; }
	done
	return $bad
}

no_dev='.mounts |= map(select(.destination != "/dev" and (.destination|startswith("/dev/")|not)))'
own_dev='.mounts |= map(select(.destination != "/dev"))'
