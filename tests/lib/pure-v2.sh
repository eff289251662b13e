# shellcheck shell=bash
# crun refuses a host whose controllers are spread over both cgroup versions. There, a script that calls pure_v2 first runs
# in a private mount namespace where the cgroup2 mount stands at its usual place; the host's own mounts stay as they are.

# pure_v2 SCRIPT ARGUMENT...: returns inside of such a namespace.
pure_v2() {
	local unified
	[ -z "${PURE_V2:-}" ] || return 0
	[ "$(id -u)" = 0 ] || die "needs root"
	unified=$(awk '$9 == "cgroup2" || $10 == "cgroup2" {print $5; exit}' /proc/self/mountinfo)
	[ -n "$unified" ] || die "this host has no cgroup2 mount"
	exec env PURE_V2=1 unshare --mount \
		sh -c '[ "$1" = /sys/fs/cgroup ] || mount --bind "$1" /sys/fs/cgroup; shift; exec bash "$@"' sh "$unified" "$@"
}
