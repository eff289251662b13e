#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each header compiles alone, and twice.
set -u
top=${JOEY_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
cd "$top" || exit 1
cc=${CC:-cc}

n=0
bad=0
for header in include/joey/*.h src/*/*.h; do
	[ -e "$header" ] || continue
	case $header in
	include/*) name=${header#include/} ;;
	src/*) name=${header#src/} ;;
	esac
	n=$((n + 1))
	# shellcheck disable=SC2086  # CC may hold options
	if out=$(printf '#include "%s"\n#include "%s"\n' "$name" "$name" |
		$cc -std=gnu11 -Wall -Wextra -Werror -D_GNU_SOURCE -Iinclude -Isrc -fsyntax-only -xc - 2>&1); then
		echo "ok $n - $header"
	else
		bad=1
		echo "not ok $n - $header"
		printf '%s\n' "$out" | sed 's/^/# /'
	fi
done
echo "1..$n"
exit $bad
