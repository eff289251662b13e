#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Rules R1 and R3 of the security notes as a test: the code that sets a container up reaches nothing by a path string
# that starts at "/" or at the working directory, mounts and unmounts nothing by path, and opens nothing in an image
# but through openat2(2).  The few exceptions are listed below with their reason; one that is no longer used fails, too.
set -u
top=${JOEY_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
cd "$top" || exit 1

# file, function, how often, why
exceptions='
src/linux/mount_fs.c	mount	1	values that fsconfig(2) cannot take; the target is "." after fchdir(2)
src/linux/pivot.c	umount2	1	"." after fchdir(2) to a mount of the host
src/linux/pivot.c	chroot	1	"." after fchdir(2)
src/linux/pivot.c	chdir	1	"/" right after it became the container'\''s
src/linux/rootfs.c	openat(AT_FDCWD)	1	"/" of the mount namespace just entered
src/linux/creds.c	chdir	2	process.cwd below the container'\''s root; the second time with the user'\''s rights
src/linux/exec.c	stat	1	the program, below the container'\''s root, with the user'\''s rights
src/linux/exec.c	faccessat(AT_FDCWD)	1	the same
src/linux/procfs.c	open	1	"/" of a container that an exec has entered
src/linux/intelrdt.c	open	1	parent side: the host'\''s resctrl
src/linux/rtnl.c	open	1	parent side: joey'\''s own network namespace
src/linux/nettap.c	open	1	parent side: the host'\''s /dev/net/tun
src/linux/hook_exec.c	open	1	a host'\''s file that an annotation names, no link, regular
src/linux/probe.c	faccessat(AT_FDCWD)	1	joey check: no container exists
src/linux/probe.c	joey_read_file_at(AT_FDCWD)	1	the same
src/linux/probe_kvm.c	open	1	joey check: /dev/kvm
src/linux/unix.c	open	1	parent side: directory of a host'\''s socket
'

# What takes a path without a directory descriptor.
banned='open|open64|creat|fopen|freopen|opendir|scandir|ftw|nftw|glob|mkdir|rmdir|mknod|mkfifo|mkdtemp|mkstemp|mkostemp'
banned="$banned|chown|lchown|chmod|stat|lstat|stat64|lstat64|statfs|statvfs|access|euidaccess|eaccess|realpath"
banned="$banned|canonicalize_file_name|readlink|symlink|link|rename|unlink|remove|truncate|utime|utimes|lutimes"
banned="$banned|setxattr|lsetxattr|getxattr|lgetxattr|listxattr|llistxattr|removexattr|lremovexattr"
banned="$banned|mount|umount|umount2|pivot_root|chroot|chdir|swapon|acct"
banned="$banned|system|popen|execvp|execlp|execvpe|posix_spawn|posix_spawnp"

found=$(mktemp) || exit 1
trap 'rm -f "$found"' EXIT INT TERM

for file in src/linux/*.c src/native/child.c; do
	[ -e "$file" ] || continue
	awk -f tests/style/strip.awk "$file" | awk -v file="$file" -v banned="$banned" '
	{
		line = $0
		while (match(line, "(^|[^A-Za-z0-9_>.])(" banned ")[ \t]*\\(")) {
			name = substr(line, RSTART, RLENGTH)
			gsub(/[^A-Za-z0-9_]/, "", name)
			print file "\t" name "\t" NR
			line = substr(line, RSTART + RLENGTH)
		}
		line = $0
		while (match(line, /[a-z0-9_]+\(AT_FDCWD/)) {
			name = substr(line, RSTART, RLENGTH)
			print file "\t" name ")\t" NR
			line = substr(line, RSTART + RLENGTH)
		}
	}'
done >"$found"

n=0
bad=0
result() { # ok|not ok, description
	n=$((n + 1))
	[ "$1" = ok ] || bad=1
	printf '%s %d - %s\n' "$1" "$n" "$2"
}

for file in src/linux/*.c src/native/child.c; do
	[ -e "$file" ] || continue
	list=$(awk -F '\t' -v f="$file" '$1 == f { print $2 }' "$found" | sort | uniq -c)
	verdict=ok
	while read -r count name; do
		[ -n "$count" ] || continue
		allowed=$(printf '%s\n' "$exceptions" | awk -F '\t' -v f="$file" -v n="$name" '$1 == f && $2 == n { print $3 }')
		if [ "${allowed:-0}" -ne "$count" ]; then
			verdict='not ok'
			lines=$(awk -F '\t' -v f="$file" -v n="$name" '$1 == f && $2 == n { printf " %s", $3 }' "$found")
			echo "# $file: $name is called $count times, allowed ${allowed:-0}; lines:$lines"
		fi
	done <<-EOF
	$list
	EOF
	result "$verdict" "$file reaches nothing by path"
done

stale=ok
while IFS='	' read -r file name count why; do
	[ -n "$file" ] || continue
	if ! grep -q "^$file	$name	" "$found"; then
		stale='not ok'
		echo "# exception no longer needed: $file $name ($count: $why)"
	fi
done <<EOF
$exceptions
EOF
result "$stale" "every exception is in use"
echo "1..$n"
exit $bad
