#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The arrows of the architecture as a test: which folder may include which header (docs: ARCHITECTURE).
#   cli > runtime > { native > linux, namespaces, cgroups }, state > oci > util
set -u
top=${JOEY_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
cd "$top" || exit 1

# Which folder answers for a shared header.
owners='
util	err log util syscalls json blake2b mountinfo protobuf gvariant sdbus check
oci	oci mount_opts stats
conf	conf
namespaces	namespace
cgroups	cgroup
linux	setup
state	container init
wire	wire
vmm	vmm
zygote	zygote
backend	backend
runtime	runtime
'

# Whose headers a folder may include.  backend.h and container.h are plain data to those who fill them in.
may='
util	util
oci	oci util
conf	conf util
namespaces	namespaces oci util
cgroups	cgroups oci util
linux	linux oci util
state	state cgroups oci util
wire	wire util
vmm	vmm zygote wire util
zygote	zygote
sandbox	backend state vmm wire linux namespaces cgroups oci util
agent	runtime backend state wire linux namespaces cgroups oci util
native	backend state linux namespaces cgroups oci util
runtime	runtime backend state cgroups oci conf util
cli	runtime backend state oci conf util
sdbus	sdbus util
'

# The engine-facing side of the runtime runs the host's hooks and connects console and pidfd sockets, before and after any
# backend: three files may see the facilities that do this.
exceptions='
src/runtime/exec.c	joey/setup.h
src/runtime/hooks.c	joey/setup.h
src/runtime/prepare.c	joey/setup.h
'

owner_of() { printf '%s\n' "$owners" | awk -v h="$1" '{ for (i = 2; i <= NF; i++) if ($i == h) print $1 }'; }
allowed_for() { printf '%s\n' "$may" | awk -v f="$1" '$1 == f { $1 = ""; print $0 " " }'; }

n=0
bad=0
result() {
	n=$((n + 1))
	[ "$1" = ok ] || bad=1
	printf '%s %d - %s\n' "$1" "$n" "$2"
}

# "file<TAB>header" of each include with quotes
includes() {
	awk 'match($0, /^[ \t]*#[ \t]*include[ \t]*"[^"]*"/) {
		s = substr($0, RSTART, RLENGTH); sub(/^[^"]*"/, "", s); sub(/"$/, "", s); print FILENAME "\t" s }' "$@"
}

check_folder() { # folder
	verdict=ok
	allowed=$(allowed_for "$1")
	if [ -z "$allowed" ]; then
		echo "# src/$1 is not in the table of this test"
		verdict='not ok'
	fi
	tab='	'
	while IFS="$tab" read -r file header; do
		[ -n "$file" ] || continue
		case $header in
		config.h) continue ;;
		joey/*)
			name=${header#joey/}
			owner=$(owner_of "${name%.h}")
			if [ -z "$owner" ]; then
				echo "# $file: $header is not in the table of this test"
				verdict='not ok'
				continue
			fi
			case $allowed in
			*" $owner "*) continue ;;
			esac
			;;
		"$1"/*.h) continue ;;
		esac
		printf '%s\n' "$exceptions" | grep -qx "$file	$header" && continue
		echo "# $file: may not include \"$header\""
		verdict='not ok'
	done <<-EOF
	$2
	EOF
	result "$verdict" "src/$1 includes only what is below it"
}

for dir in src/*/; do
	folder=${dir#src/}
	folder=${folder%/}
	set -- "$dir"*.[ch]
	[ -e "$1" ] || continue
	check_folder "$folder" "$(includes "$@")"
done

# Shared headers include shared headers of the same height or below.
verdict=ok
for header in include/joey/*.h; do
	name=${header##*/}
	owner=$(owner_of "${name%.h}")
	case $owner in
	'')
		echo "# $header: nobody answers for it in the table of this test"
		verdict='not ok'
		continue
		;;
	backend) allowed=' backend state cgroups oci util ' ;;
	*) allowed=$(allowed_for "$owner") ;;
	esac
	for other in $(includes "$header" | cut -f 2); do
		case $other in
		joey/*) other=${other#joey/} ;;
		*)
			echo "# $header: may not include \"$other\""
			verdict='not ok'
			continue
			;;
		esac
		case $allowed in
		*" $(owner_of "${other%.h}") "*) ;;
		*)
			echo "# $header: may not include \"joey/$other\""
			verdict='not ok'
			;;
		esac
	done
done
result "$verdict" "include/joey includes nothing above itself"

# Exactly one file knows which backends there are.
verdict=ok
for file in src/*/*.c; do
	case $file in
	src/runtime/backend.c | src/agent/backend.c | src/native/* | src/sandbox/*) continue ;;
	esac
	if grep -qE '\bjoey_(native|sandbox|vm)_backend\b' "$file"; then
		echo "# $file names a backend"
		verdict='not ok'
	fi
done
result "$verdict" "only src/runtime/backend.c names the backends"
echo "1..$n"
exit $bad
