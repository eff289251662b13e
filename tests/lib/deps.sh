# shellcheck shell=bash
# Installs what is needed from Debian's packages. Each list is installed only where something of it is missing.
# Needs base.sh.

DEPS_BUILD="gcc libc6-dev make autoconf automake libtool pkg-config libseccomp-dev libcap-dev libyajl-dev libmount-dev libsystemd-dev"
DEPS_BUNDLE="busybox-static jq"
DEPS_ROOT="mmdebstrap e2fsprogs"
DEPS_GUEST="qemu-system-x86 dpkg xz-utils zstd lz4 bzip2"
DEPS_DEMO="$DEPS_BUILD $DEPS_BUNDLE $DEPS_ROOT $DEPS_GUEST python3"
DEPS_TEST="libcmocka-dev bats strace uidmap procps iproute2 util-linux erofs-utils containernetworking-plugins attr xz-utils rsync file git"
DEPS_TOOLS="clang libclang-rt-14-dev llvm clang-format gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-system-arm"
DEPS_BENCH="patchelf"
DEPS_CHECK="$DEPS_DEMO $DEPS_TEST $DEPS_TOOLS"

# deps_missing PACKAGE...: prints those that are not installed.
deps_missing() {
	local p
	for p in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || printf '%s ' "$p"
	done
}

# deps_install PACKAGE...: install the missing ones, in one go, within ten minutes.
deps_install() {
	local missing
	missing=$(deps_missing "$@")
	[ -n "$missing" ] || return 0
	[ "$(id -u)" = 0 ] || die "needs root to install: $missing"
	say "installing: $missing"
	# shellcheck disable=SC2086
	once apt deps_apt $missing || die "could not install: $missing"
}

deps_apt() {
	local log=$CACHE/apt-install.log
	export DEBIAN_FRONTEND=noninteractive
	if ! { timeout 300 apt-get -q update &&
		timeout 600 apt-get -q install -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"; } </dev/null >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		return 1
	fi
}
