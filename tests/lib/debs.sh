# shellcheck shell=bash
# Fetches single packages of other Debian suites or architectures, and unpacks them, through a private apt
# configuration under the cache: the machine's own sources, lists and package state never change. Needs base.sh.

# The Debian mirror that the machine itself is set up with.
debs_mirror() {
	local uri
	uri=${JOEY_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		grep -E '/debian/?$' | head -n 1)}
	[ -n "$uri" ] || die "no Debian mirror found in the machine's apt sources (set JOEY_MIRROR)"
	printf '%s\n' "${uri%/}"
}

# debs_open NAME ARCH SUITE...: make (or find) the private configuration NAME and bring its lists up to date, at most once a day.
debs_open() {
	local name=$1 arch=$2 dir=$CACHE/apt/$1 suite mirror
	shift 2
	mirror=$(debs_mirror) || return 1
	mkdir -p "$dir"/{lists/partial,cache/archives/partial,empty}
	for suite in "$@"; do
		printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$mirror" "$suite"
	done >"$dir/sources.new"
	cat >"$dir/apt.conf" <<-CONF
		Dir::Etc::SourceList "$dir/sources.list";
		Dir::Etc::SourceParts "$dir/empty";
		Dir::Etc::Preferences "$dir/none";
		Dir::Etc::PreferencesParts "$dir/empty";
		Dir::State::Lists "$dir/lists";
		Dir::State::status "$dir/status";
		Dir::Cache "$dir/cache";
		APT::Architecture "$arch";
		APT::Architectures { "$arch"; };
		APT::Sandbox::User "root";
		Acquire::Languages "none";
		Acquire::Check-Valid-Until "false";
	CONF
	: >>"$dir/status"
	if ! cmp -s "$dir/sources.new" "$dir/sources.list" || [ -z "$(find "$dir/stamp" -mtime -1 2>/dev/null)" ]; then
		mv "$dir/sources.new" "$dir/sources.list"
		debs_apt "$name" -q update >"$dir/update.log" 2>&1 || { tail -n 5 "$dir/update.log" >&2; return 1; }
		touch "$dir/stamp"
	fi
}

debs_apt() {
	local name=$1
	shift
	timeout 300 apt-get -c "$CACHE/apt/$name/apt.conf" "$@"
}

# debs_version NAME PACKAGE: the newest version of PACKAGE in that configuration.
debs_version() {
	apt-cache -c "$CACHE/apt/$1/apt.conf" madison "$2" 2>/dev/null | awk '{print $3}' |
		while read -r v; do
			if [ -z "${best:-}" ] || dpkg --compare-versions "$v" gt "$best"; then
				best=$v
				printf '%s\n' "$v"
			fi
		done | tail -n 1
}

# debs_unpack NAME DIRECTORY PACKAGE[=VERSION]...: fetch the packages and unpack them all into DIRECTORY.
debs_unpack() {
	local name=$1 to=$2 tmp deb
	shift 2
	tmp=$(mktemp -d "$CACHE/apt/$name/get.XXXXXX") || return 1
	if ! (cd "$tmp" && debs_apt "$name" -q download "$@") >"$CACHE/apt/$name/get.log" 2>&1; then
		tail -n 5 "$CACHE/apt/$name/get.log" >&2
		rm -rf "$tmp"
		return 1
	fi
	mkdir -p "$to"
	local rc=0
	for deb in "$tmp"/*.deb; do dpkg-deb -x "$deb" "$to" || rc=1; done
	rm -rf "$tmp"
	return $rc
}

# debs_root SUITE DIRECTORY OPTION...: a Debian root made by mmdebstrap with these options. DEBS_SOURCES: more source lines.
debs_root() {
	local suite=$1 to=$2 log
	log=$CACHE/$(basename "$to").log
	shift 2
	rm -rf --one-file-system "$to"
	if ! timeout 1200 mmdebstrap --mode=root --format=directory --aptopt='APT::Install-Recommends "false"' \
		--aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Languages "none"' "$@" \
		"$suite" "$to" "deb $(debs_mirror) $suite main" ${DEBS_SOURCES:+"$DEBS_SOURCES"} >"$log" 2>&1 </dev/null; then
		tail -n 20 "$log" >&2
		return 1
	fi
	rm -f "$log"
}

# debs_adopt ROOT BINARY: make a binary of an unpacked root run on this host, with that root's loader and libraries.
debs_adopt() {
	local lib=$1/usr/lib/x86_64-linux-gnu
	patchelf --set-interpreter "$lib/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$lib" "$2"
}
