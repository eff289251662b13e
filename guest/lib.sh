# shellcheck shell=bash disable=SC2034
# What the scripts of guest/ share: messages, the cache, Debian's packages. Nothing here needs root or changes the machine:
# packages come from its own apt sources through lists of our own, and are unpacked, not installed.

say() { printf '%s\n' "$*" >&2; }
die() {
	say "${0##*/}: $*"
	exit 1
}

# The cache is the tests' own where it can be written, so that nothing is made twice.
cache_choose() {
	local c=${JOEY_CACHE:-/var/cache/joey-tests}
	if ! { mkdir -p "$c" 2>/dev/null && [ -w "$c" ]; }; then
		[ -z "${JOEY_CACHE:-}" ] || die "cannot write to $c (JOEY_CACHE)"
		c=${XDG_CACHE_HOME:-$HOME/.cache}/joey
		mkdir -p "$c" || exit 1
	fi
	printf '%s\n' "$c"
}
CACHE=$(cache_choose) || exit 1

# once NAME COMMAND...: run COMMAND while holding the cache's lock NAME, so that two runs side by side make a thing once.
once() {
	local name=$1
	shift
	mkdir -p "$CACHE/lock"
	(
		flock -w 1800 9 || die "another run has held the lock '$name' for half an hour"
		"$@" 9>&-
	) 9>"$CACHE/lock/$name"
}

# used DIRECTORY: it is in use; others of its kind that nobody has used for a month go.
used() {
	local name=${1##*/}
	touch "$1"
	find "$CACHE" -maxdepth 1 -name "${name%%-*}-????????????" ! -path "$1" -mtime +30 -exec rm -rf {} +
}

need() {
	local tool
	for tool in "$@"; do
		command -v "$tool" >/dev/null || die "'$tool' is needed (Debian packages: $PACKAGES)"
	done
}

# The names of an architecture: ours and uname's, Debian's, the kernel tree's.
arch_set() {
	case $1 in
	x86_64) DEB_ARCH=amd64 KBUILD_ARCH=x86_64 ;;
	aarch64) DEB_ARCH=arm64 KBUILD_ARCH=arm64 ;;
	*) die "no guest kernel for the architecture '$1'" ;;
	esac
}

apt_private() {
	local command=$1 dir=$CACHE/apt/guest-$DEB_ARCH
	shift
	"$command" -o Dir::State::Lists="$dir/lists" -o Dir::Cache="$dir/cache" -o Dir::State::status="$dir/status" \
		-o Dir::Cache::pkgcache=pkgcache.bin -o Dir::Cache::srcpkgcache=srcpkgcache.bin \
		-o APT::Architecture="$DEB_ARCH" -o APT::Architectures="$DEB_ARCH" -o APT::Sandbox::User=root \
		-o Acquire::Languages=none -o Debug::NoLocking=1 "$@"
}

# packages_open: bring the lists up to date, at most once a day; old ones will do when the network will not.
packages_open() {
	local dir=$CACHE/apt/guest-$DEB_ARCH
	mkdir -p "$dir"/{lists/partial,cache/archives/partial} && : >>"$dir/status" || return 1
	[ -z "$(find "$dir/stamp" -mtime -1 2>/dev/null)" ] || return 0
	if timeout 300 bash -c "$(declare -f apt_private); CACHE=$(printf %q "$CACHE") DEB_ARCH=$DEB_ARCH apt_private apt-get -q update" >"$dir/update.log" 2>&1; then
		touch "$dir/stamp"
	elif [ -e "$dir/stamp" ]; then
		say "apt's lists are old and could not be renewed, see $dir/update.log"
	else
		tail -n 5 "$dir/update.log" >&2
		return 1
	fi
}

# package_field PACKAGE FIELD: of the version that apt would take.
package_field() { apt_private apt-cache show --no-all-versions "$1" 2>/dev/null | sed -n "s/^$2: //p" | head -n 1; }

# package_unpack DIRECTORY PACKAGE=VERSION
package_unpack() {
	local to=$1 tmp log=$CACHE/apt/guest-$DEB_ARCH/download.log
	tmp=$(mktemp -d "$CACHE/apt/get.XXXXXX") || return 1
	if ! (cd "$tmp" && apt_private apt-get -q download "$2") >"$log" 2>&1 || ! dpkg-deb -x "$tmp"/*.deb "$to"; then
		tail -n 5 "$log" >&2
		rm -rf "$tmp"
		return 1
	fi
	rm -rf "$tmp"
}
