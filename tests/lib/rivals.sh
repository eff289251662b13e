#!/bin/bash
# Gets the newest crun and runc that any suite of Debian carries, each ready to run on this host: unpacked with their own
# loader and libraries, the loader's and the libraries' paths written into the binaries, so that no wrapper stands before
# them (they run themselves again by /proc/self/exe). Prints the directory that holds crun and runc.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/base.sh"
. "$here/deps.sh"
. "$here/debs.sh"

dir=$CACHE/rivals-$(hash_of "$here/rivals.sh")

build() {
	[ ! -e "$dir/done" ] || return 0
	local crun runc mirror base r
	deps_install mmdebstrap patchelf
	debs_open rivals amd64 trixie forky sid experimental
	crun=$(debs_version rivals crun)
	runc=$(debs_version rivals runc)
	mirror=$(debs_mirror)
	say "rivals: crun $crun, runc $runc"
	# The libraries come from testing, or where a new package needs still newer ones, from unstable.
	for base in forky sid; do
		DEBS_SOURCES=$(printf "deb $mirror %s main\n" forky sid experimental | grep -v " $base ") \
			debs_root "$base" "$dir" --variant=extract --include="crun=$crun,runc=$runc" && break
	done
	for r in crun runc; do
		cp -L "$dir/usr/bin/$r" "$dir/$r"
		debs_adopt "$dir" "$dir/$r"
		"$dir/$r" --version | head -n 1 >&2
	done
	touch "$dir/done"
}

once rivals build
[ -e "$dir/done" ] || die "could not get crun and runc"
printf '%s\n' "$dir"
