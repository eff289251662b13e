#!/bin/bash
# build.sh DIRECTORY: compiles the helpers of the integration suite into DIRECTORY, once per content of the sources.
set -eu
src=$(cd "$(dirname "$0")" && pwd)
out=$1
mkdir -p "$out"
stamp=$(cat "$src"/*.c "$src/build.sh" | sha256sum | cut -c1-16)
exec 9>"$out/.lock"
flock -w 120 9
[ "$(cat "$out/.stamp" 2>/dev/null)" = "$stamp" ] && exit 0
CC=${CC:-gcc}
flags='-O1 -std=gnu11 -Wall -Wextra'
printf '#include <sys/syscall.h>\n' | $CC -E -dM - |
	sed -n 's/^#define __NR_\([a-z0-9_]*\) .*/{ "\1", __NR_\1 },/p' >"$out/syscall-names.inc"
for t in recv leftover launch racer; do $CC $flags -o "$out/$t" "$src/$t.c"; done
$CC $flags -I"$out" -o "$out/inject" "$src/inject.c"
for t in probe evil; do $CC $flags -static -o "$out/$t" "$src/$t.c"; done
printf '%s\n' "$stamp" >"$out/.stamp"
