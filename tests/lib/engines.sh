#!/bin/bash
# Containerd, Docker and Podman for tests on this host, without installing them: the programs are taken out of the test machine's
# image (tests/vm/image.sh), each with that image's loader and libraries written into it, as rivals.sh does it.  Prints the
# directory in the cache that holds them: bin, lib (of Podman), etc (containers), python3 (which can import grpc).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/base.sh"
. "$here/deps.sh"
. "$here/debs.sh"

PROGRAMS="bin/containerd bin/containerd-shim-runc-v2 bin/ctr bin/podman bin/conmon bin/catatonit bin/python3.13 sbin/nft lib/podman/netavark
	sbin/dockerd bin/docker sbin/docker-proxy bin/tini-static sbin/xtables-nft-multi"
TREES="lib/x86_64-linux-gnu lib/python3 lib/python3.13"

image=$("$here/../vm/image.sh")
dir=$CACHE/engines-$( (echo "$image" && cat "${BASH_SOURCE[0]}") | sha256sum | cut -c1-12)

build() {
	[ ! -e "$dir/done" ] || return 0
	deps_install patchelf e2fsprogs file
	say "engines: out of $image"
	local p
	rm -rf "$dir"
	mkdir -p "$dir"/{bin,usr/lib,etc}
	{
		for p in $TREES; do echo "rdump /usr/$p $dir/usr/lib"; done
		for p in $PROGRAMS; do echo "dump -p /usr/$p $dir/bin/${p##*/}"; done
		echo "rdump /etc/containers $dir/etc"
	} >"$dir/commands"
	debugfs -f "$dir/commands" "$image/disk" >"$dir/log" 2>&1
	for p in $PROGRAMS; do
		p=$dir/bin/${p##*/}
		[ -s "$p" ] || die "no $p: $(tail -n 3 "$dir/log")"
		chmod 755 "$p"
		! file "$p" | grep -q 'dynamically linked' || debs_adopt "$dir" "$p"
	done
	ln -s tini-static "$dir/bin/docker-init"
	ln -s xtables-nft-multi "$dir/bin/iptables"
	ln -s xtables-nft-multi "$dir/bin/ip6tables"
	touch "$dir/done"
	find "$CACHE" -maxdepth 1 -name 'engines-????????????' ! -path "$dir" -mmin +600 -exec rm -rf {} +
}

once engines build
[ -e "$dir/done" ] || die "no engines"
printf '%s\n' "$dir"
