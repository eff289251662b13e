#!/bin/bash
# Runs the engines' suites inside the test machine and prints TAP. usage: run.sh [RUNTIME [SUITE...]]
# FILTER: only the tests whose names match this expression.
# The runtime is copied to the machine's own disk: an engine must not run it from a shared folder.
set -u -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
runtime=${1:-/usr/sbin/runc}
shift
[ $# -gt 0 ] || set -- containerd podman
case $runtime in /usr/*) ;; *) install -m 755 "$runtime" "/usr/local/bin/$(basename "$runtime")" && runtime=/usr/local/bin/$(basename "$runtime") ;; esac
export RUNTIME=$runtime
mkdir -p /etc/containers/containers.conf.d
name=$(basename "$runtime")
printf '[engine]\nruntime_supports_json=["%s"]\nruntime_supports_nocgroups=["%s"]\n[engine.runtimes]\n"%s"=["%s"]\n' \
	"$name" "$name" "$name" "$runtime" >/etc/containers/containers.conf.d/test.conf
rc=0
for suite in "$@"; do
	echo "# $suite with $("$runtime" --version | head -n 1)"
	timeout -k 10 900 bats --tap ${FILTER:+-f "$FILTER"} "$here/$suite.bats" || rc=1
done
[ -z "${FILTER:-}" ] || exit $rc
# Where the runtime has a systemd driver: what depends on the driver, once more with it.
again() {
	echo "# $1 with systemd's cgroups"
	CGROUPS=systemd timeout -k 10 600 bats --tap -f "$2" "$here/$1.bats" | sed "s/$1:/$1 with systemd:/" || rc=1
}
if "$runtime" features 2>/dev/null | jq -e '.linux.cgroup.systemd' >/dev/null; then
	for suite in "$@"; do
		case $suite in
		podman) again podman "exit code|cgroup's files|limit|memory|stop|pod with|exec|pause|update|left" ;;
		cri) again cri "comes and goes|limits|refuses|stop by|synchronously|restarted|left" ;;
		docker) again docker "runtime says|dockerd says|limits|--memory|exec with|pause|stop sends|live on|left" ;;
		esac
	done
fi
exit $rc
