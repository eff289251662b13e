#!/bin/bash
# Runs the engines' suites on this host and prints TAP: in namespaces of their own, with a network, processes, a cgroup2 tree at
# /sys/fs/cgroup, /run, /etc and /var/lib of their own.  So nothing of the machine changes, whatever its cgroups are like, and
# what a test leaves ends here.
# usage: on-host.sh ENGINES RUNTIME SUITE...    ENGINES: the directory that tests/lib/engines.sh prints; RUNTIME: the name that
# joey is called by. FILTER: only the tests whose names match this expression.
set -u -o pipefail
here=$(cd "$(dirname "$0")" && pwd)

outside() {
	local tree cg work rc=0 left
	tree=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/mounts)
	[ -n "$tree" ] || { echo "ok 1 engines # SKIP no cgroup2 mount" && return 0; }
	cg=$tree/joey-engines-$$
	work=$(mktemp -d /var/tmp/joey-engines.XXXXXX) && mkdir "$cg" || return 1
	# SIGKILL for all processes in there when their first one ends; when we are to end, too, and what is theirs is removed then.
	sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$cg" \
		unshare -m -u -i -n -C -p -f --mount-proc --kill-child --propagation private -- bash "$0" --inside "$work" "$@" &
	trap 'kill -KILL $!' TERM INT HUP
	wait $!
	rc=$?
	left=$(cat "$cg"/cgroup.procs "$cg"/*/cgroup.procs 2>/dev/null | wc -l)
	echo 1 >"$cg/cgroup.kill"
	for _ in $(seq 50); do
		find "$cg" -depth -type d -exec rmdir {} + 2>/dev/null
		[ -e "$cg" ] || break
		sleep 0.1
	done
	rm -rf --one-file-system "$work"
	[ "$left" = 0 ] || { echo "not ok 1 engines: $left processes outlived their pid namespace" && rc=1; }
	return $rc
}

# overlay DIRECTORY: what is changed in there from now on is ours alone.
overlay() {
	mkdir -p "$work$1/upper" "$work$1/work"
	mount -t overlay -o "lowerdir=$1,upperdir=$work$1/upper,workdir=$work$1/work" overlay "$1"
}

make_world() {
	mount -t sysfs none /sys && mount -t cgroup2 none /sys/fs/cgroup || return 1
	mkdir /sys/fs/cgroup/init && echo $$ >/sys/fs/cgroup/init/cgroup.procs || return 1
	ip link set lo up
	overlay /etc && mount -t tmpfs none /run && mkdir -p "$work/lib" /run/lock /run/home || return 1
	mount --bind "$work/lib" /var/lib || return 1
	cp -a "$1/etc/containers" /etc/ && mkdir -p /etc/containers/containers.conf.d || return 1
	echo containers:1000000:1000000 | tee -a /etc/subuid >>/etc/subgid
	cat >/etc/containers/containers.conf.d/test.conf <<-CONF
		[containers]
		pids_limit = 0
		[engine]
		runtime_supports_json = ["joey", "joey-vm"]
		runtime_supports_nocgroups = ["joey", "joey-vm"]
		conmon_path = ["$1/bin/conmon"]
		helper_binaries_dir = ["$1/bin"]
		events_logger = "file"
		[engine.runtimes]
		joey = ["/run/joey-test/joey"]
		joey-vm = ["/run/joey-test/joey-vm"]
	CONF
	# The guest is found beside the program itself.
	mkdir -p /run/joey-test
	ln -s "$joey" /run/joey-test/joey
	ln -s "$joey" /run/joey-test/joey-vm
	# Before an engine needs them: with Podman they would go with the container that they were made for (docs/SANDBOX.md).
	{ "$joey" template build && "$joey" template build --memory 256M; } >/dev/null || return 1
	# For normal containers, whose limits the host might have no controllers for: engines set some unasked.
	mkdir /run/joey-test/no-limits
	cat >/run/joey-test/no-limits/joey <<-'SH'
		#!/bin/bash
		for ((i = 1; i < $#; i++)); do
			next=$((i + 1))
			[ "${!i}" != --bundle ] || { c=$(jq 'del(.linux.resources, .process.oomScoreAdj)' "${!next}/config.json") && cat >"${!next}/config.json" <<<"$c"; }
		done
		exec /run/joey-test/joey "$@"
	SH
	chmod 755 /run/joey-test/no-limits/joey
}

inside() {
	local work=$1 engines=$2 runtime=$3 joey suite rc=0
	shift 3
	joey=$(realpath "${JOEY:-$here/../../joey}")
	make_world "$engines" || { echo "not ok 1 engines: cannot make a place to run them in" && return 1; }
	printf '#!/bin/sh\nPYTHONHOME=%s exec %s "$@"\n' "$engines/usr" "$engines/bin/python3.13" >/run/joey-test/python3
	chmod 755 /run/joey-test/python3
	export PATH=/run/joey-test:$engines/bin:$PATH HOME=/run/home RUNTIME=/run/joey-test/$runtime NORMAL=/run/joey-test/no-limits/joey POD_NET=0
	export XTABLES_LIBDIR=$engines/usr/lib/x86_64-linux-gnu/xtables
	for suite in "$@"; do
		timeout -k 10 "${LIMIT:-380}" bats --tap ${TIMING:+--timing} ${FILTER:+-f "$FILTER"} "$here/$suite.bats"
		case $? in
		0) ;;
		124 | 137) echo "not ok $suite: time limit" && rc=1 ;;
		*) rc=1 ;;
		esac
	done
	return $rc
}

case ${1:-} in
--inside) shift && inside "$@" ;;
*) outside "$@" ;;
esac
