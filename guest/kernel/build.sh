#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the small guest kernel from Debian's linux-source package and prints the directory it is in: vmlinux, config, meta.
# It is kept in the cache under a hash of the source's version, the configuration and the compiler's, and made only once.
#   build.sh [ARCH]        ARCH: x86_64 (default: this machine's) or aarch64; CROSS_COMPILE as for the kernel's own make
#   build.sh --config [ARCH]   only make the configuration, verify it and print it
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PACKAGES="gcc make flex bison bc libelf-dev binutils xz-utils"
. "$here/../lib.sh"

config_only=''
[ "${1:-}" != --config ] || { config_only=1 && shift; }
ARCH=${1:-$(uname -m)}
arch_set "$ARCH"
SOURCE=${JOEY_LINUX_SOURCE:-linux-source-6.1}
if [ "$ARCH" != "$(uname -m)" ] && [ -z "${CROSS_COMPILE:-}" ]; then CROSS_COMPILE=$ARCH-linux-gnu-; fi
export CROSS_COMPILE=${CROSS_COMPILE:-}
need apt-get dpkg-deb flock make "${CROSS_COMPILE}gcc" flex bison bc strip xz

# Changed when the steps below change what comes out.
RECIPE=1

packages_open || die "no package lists"
version=$(package_field "$SOURCE" Version)
[ -n "$version" ] || die "Debian's package $SOURCE is not in this machine's apt sources (JOEY_LINUX_SOURCE names another one)"
hash=$({ echo "$RECIPE $ARCH $SOURCE $version $("${CROSS_COMPILE}gcc" -dumpfullversion)" && cat "$here"/{common,"$ARCH"}.config; } | sha256sum | cut -c1-12)
dir=$CACHE/kernel-$hash

kmake() {
	make -C "$1/source" O="$1/build" ARCH="$KBUILD_ARCH" KBUILD_BUILD_USER=joey KBUILD_BUILD_HOST=joey KBUILD_BUILD_VERSION=1 \
		KBUILD_BUILD_TIMESTAMP="$version" "${@:2}"
}

unpack() {
	say "kernel: $SOURCE $version"
	rm -rf "$1"
	mkdir -p "$1/source" "$1/build"
	package_unpack "$1/package" "$SOURCE=$version"
	tar -C "$1/source" --strip-components=1 -xf "$1"/package/usr/src/linux-source-*.tar.xz
	rm -rf "$1/package"
}

configure() {
	cat "$here/common.config" "$here/$ARCH.config" >"$1/fragment"
	KCONFIG_ALLCONFIG=$1/fragment kmake "$1" allnoconfig >"$1/log" 2>&1 || { tail -n 20 "$1/log" >&2 && return 1; }
	awk -f "$here/verify.awk" "$1/build/.config" "$1/fragment" >&2 || die "the configuration did not come out as asked for"
}

build() {
	local tmp=$dir.tmp start=$SECONDS image=vmlinux
	[ ! -e "$dir/done" ] || return 0
	unpack "$tmp"
	configure "$tmp"
	say "kernel: building, about five minutes on two cores (log: $tmp/log)"
	[ "$ARCH" != aarch64 ] || image=Image
	kmake "$tmp" -j"$(nproc)" "$image" >>"$tmp/log" 2>&1 || { grep -E -m 5 'error|Error' "$tmp/log" >&2 && return 1; }
	if [ "$ARCH" = aarch64 ]; then
		cp "$tmp/build/arch/arm64/boot/Image" "$tmp/vmlinux"
	else
		"${CROSS_COMPILE}strip" --strip-all -o "$tmp/vmlinux" "$tmp/build/vmlinux"
	fi
	cp "$tmp/build/.config" "$tmp/config"
	{
		echo "kernel=$(cat "$tmp/build/include/config/kernel.release")"
		echo "package=$SOURCE $version"
		echo "arch=$ARCH"
		echo "acpi=off"
	} >"$tmp/meta"
	rm -rf "$tmp/source" "$tmp/build" "$tmp/fragment"
	touch "$tmp/done"
	mv "$tmp" "$dir"
	say "kernel: $dir in $((SECONDS - start)) s"
}

if [ -n "$config_only" ]; then
	tmp=$(mktemp -d "$CACHE/kernel-config.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	unpack "$tmp"
	configure "$tmp"
	cat "$tmp/build/.config"
	exit
fi
once "kernel-$hash" build
[ -e "$dir/done" ] || die "no kernel"
used "$dir"
printf '%s\n' "$dir"
