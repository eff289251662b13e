#!/bin/bash
# Makes the test machine (disk image, kernels, initrd) in the cache unless it is there, and prints its directory.
# The directory's name holds a hash of everything that went in, so a change here makes a new one.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/base.sh"
. "$here/../lib/deps.sh"
. "$here/../lib/debs.sh"

SUITE=${JOEY_VM_SUITE:-trixie}
key=$(printf '%s' "$SUITE" | cat - "$here/image.sh" "$here/packages" "$here"/guest/* | sha256sum | cut -c1-12)
dir=$CACHE/vm-$key

# The newest user-mode kernel that Debian carries, with its modules.
fetch_uml() {
	local version
	debs_open newest amd64 trixie forky sid
	version=$(debs_version newest user-mode-linux)
	say "image: user-mode-linux $version"
	debs_unpack newest "$1/uml.tmp" "user-mode-linux=$version"
	mv "$1/uml.tmp/usr/bin/linux.uml" "$1/linux.uml"
	printf '%s\n' "$version" >"$1/uml.version"
}

# Without the kernel's own scripts after installing: they would make an initrd that nobody uses.
make_root() {
	local packages
	packages=$(sed 's/#.*//' "$here/packages" | tr -s ' \n' ',' | sed 's/^,//;s/,$//')
	debs_root "$SUITE" "$1" --variant=minbase --include="$packages" --skip=output/dev,output/mknod \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/etc/kernel/postinst.d/*' --dpkgopt=force-unsafe-io --customize-hook="$here/guest/setup.sh"' "$1"'
}

# The initrd for the full virtual machine: busybox, the disk's and the shares' modules, in the order they load.
make_initrd() {
	local root=$1 out=$2 version tmp m
	version=$(basename "$root"/lib/modules/*-amd64)
	tmp=$(mktemp -d)
	mkdir -p "$tmp/bin" "$tmp/modules"
	cp "$root/usr/bin/busybox" "$tmp/bin/"
	cp "$here/guest/init" "$tmp/init"
	chmod 755 "$tmp/init"
	for m in virtio_pci virtio_blk virtio-rng ext4 9p 9pnet_virtio; do
		modprobe -d "$root" -S "$version" --show-depends "$m" || return 1
	done | awk '$1 == "insmod" && !seen[$2]++ {print $2}' | while read -r m; do
		case $m in
		*.xz) xz -dc "$m" >"$tmp/modules/$(basename "${m%.xz}")" ;;
		*) cp "$m" "$tmp/modules/" ;;
		esac
		m=${m%.xz}
		basename "$m" >>"$tmp/modules.order"
	done
	(cd "$tmp" && find . | cpio -o -H newc --quiet) | gzip -1 >"$out"
	rm -rf "$tmp"
	cp "$root/boot/vmlinuz-$version" "${out%/*}/vmlinuz"
}

build() {
	[ ! -e "$dir/done" ] || return 0
	local tmp=$dir.tmp start=$SECONDS
	rm -rf "$tmp"
	mkdir -p "$tmp"
	deps_install mmdebstrap e2fsprogs patchelf cpio kmod xz-utils util-linux
	fetch_uml "$tmp"
	say "image: $SUITE root by mmdebstrap (a minute or two)"
	make_root "$tmp/root"
	make_initrd "$tmp/root" "$tmp/initrd"
	# The user-mode kernel is built for a newer C library than the host's: it gets the image's own.
	mkdir "$tmp/lib"
	cp -L "$tmp"/root/usr/lib/x86_64-linux-gnu/{ld-linux-x86-64.so.2,libc.so.6} "$tmp/lib/"
	patchelf --set-interpreter "$dir/lib/ld-linux-x86-64.so.2" --set-rpath "$dir/lib" "$tmp/linux.uml"
	# Of the kernel's modules, those that a machine without hardware can have a use for.
	rm -rf "$tmp"/root/boot/* "$tmp"/root/lib/modules/*/kernel/{sound,arch,drivers/net/{wireless,ethernet,usb,phy,can}}
	find "$tmp"/root/lib/modules/*/kernel/drivers -mindepth 1 -maxdepth 1 ! -name net ! -name virtio ! -name block ! -name char \
		-exec rm -rf {} +
	cp -r "$tmp"/uml.tmp/usr/lib/uml/modules/* "$tmp/root/usr/lib/modules/"
	rm -rf "$tmp/uml.tmp"
	echo 0123456789abcdef0123456789abcdef >"$tmp/root/etc/machine-id"
	say "image: disk"
	mke2fs -q -t ext4 -O ^has_journal,^metadata_csum -E lazy_itable_init=1 -m 0 -d "$tmp/root" "$tmp/disk" 6G
	rm -rf --one-file-system "$tmp/root"
	date >"$tmp/done"
	mv "$tmp" "$dir"
	# Older machines are of no use once this one is made.
	find "$CACHE" -maxdepth 1 -name 'vm-????????????' ! -path "$dir" -mmin +600 -exec rm -rf {} +
	say "image: $dir in $((SECONDS - start)) s, $(du -sh "$dir" | cut -f1)"
}

once vm build
[ -e "$dir/done" ] || die "no image"
printf '%s\n' "$dir"
