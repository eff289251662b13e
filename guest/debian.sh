#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Takes the guest's kernel out of Debian's kernel package, installs nothing, and prints the directory: vmlinux, modules/ with
# the file `order`, config, meta. Kept in the cache for each version of the package.
#   debian.sh [ARCH]     JOEY_LINUX_IMAGE: another package than linux-image-amd64 (the cloud kernel has no 9p and will not do)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PACKAGES="apt dpkg xz-utils util-linux"
. "$here/lib.sh"

ARCH=${1:-$(uname -m)}
arch_set "$ARCH"
need apt-get dpkg-deb flock xz
packages_open || die "no package lists"

# linux-image-amd64 holds nothing, it depends on the package of the newest kernel.
package=${JOEY_LINUX_IMAGE:-linux-image-$DEB_ARCH}
depends=$(package_field "$package" Depends | grep -oE 'linux-image-[^ ,]+' | head -n 1) || :
package=${depends:-$package}
version=$(package_field "$package" Version)
[ -n "$version" ] || die "Debian's package $package is not in this machine's apt sources (JOEY_LINUX_IMAGE names another one)"
hash=$({ echo "1 $package $version" && cat "$0" "$here"/{debian.list,extract-vmlinux.sh}; } | sha256sum | cut -c1-12)
dir=$CACHE/guest-$hash

# info MODULE FIELD: of the strings that say what a module needs.
info() { tr '\0' '\n' <"$1" | sed -n "s/^$2=//p"; }

# add NAME: the module, after what it depends on, to $to and its `order`.
declare -A seen
add() {
	local name=${1//-/_} file dep
	[ -z "${seen[$name]:-}" ] || return 0
	seen[$name]=1
	file=$(awk -F/ -v n="$name" '{f = $NF; sub(/\.ko.*/, "", f); gsub(/-/, "_", f)} f == n {print; exit}' "$to/list")
	[ -n "$file" ] || return 1
	case $file in
	*.xz) xz -dc "$file" ;;
	*.zst) zstd -dcq "$file" ;;
	*) cat "$file" ;;
	esac >"$to/modules/$name.ko"
	for dep in $(info "$to/modules/$name.ko" depends | tr ',' ' ') $(info "$to/modules/$name.ko" softdep | sed -n 's/^pre: //p'); do
		# What is not found is built in, or an alias of a module that debian.list names first.
		add "$dep" || :
	done
	echo "$name.ko" >>"$to/modules/order"
}

modules() {
	local name
	find "$to/root/lib/modules" -name '*.ko*' >"$to/list"
	mkdir "$to/modules"
	while read -r name; do
		if ! add "${name#!}" && [[ $name == !* ]] && ! grep -q "/${name#!}\.ko" "$to"/root/lib/modules/*/modules.builtin; then
			die "$package has no module ${name#!}"
		fi
	done < <(grep -E '^!?[a-z0-9]' "$here/debian.list")
	rm "$to/list"
}

build() {
	local to=$dir.tmp image
	[ ! -e "$dir/done" ] || return 0
	rm -rf "$to"
	mkdir -p "$to/root"
	say "guest: $package $version"
	package_unpack "$to/root" "$package=$version"
	image=$(echo "$to"/root/boot/vmlinuz-*)
	if [ "$ARCH" = x86_64 ]; then "$here/extract-vmlinux.sh" "$image" "$to/vmlinux"; else cp "$image" "$to/vmlinux"; fi
	cp "$to"/root/boot/config-* "$to/config"
	modules
	{
		echo "kernel=${image##*/vmlinuz-}"
		echo "package=$package $version"
		echo "arch=$ARCH"
		echo "acpi=on"
	} >"$to/meta"
	rm -rf "$to/root"
	touch "$to/done"
	mv "$to" "$dir"
}

once "guest-$hash" build
[ -e "$dir/done" ] || die "no kernel"
used "$dir"
printf '%s\n' "$dir"
