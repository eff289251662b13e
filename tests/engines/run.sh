#!/bin/bash
# Runs the engines' suites inside the test machine and prints TAP. usage: run.sh [RUNTIME [SUITE...]]
# The runtime is copied to the machine's own disk: an engine must not run it from a shared folder.
set -u
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
	timeout -k 10 900 bats --tap "$here/$suite.bats" || rc=1
done
exit $rc
