#!/bin/bash
# The options in the OPTIONS sections of man/*.8 are those of `joey [COMMAND] --help`, and every command that is carried
# out has a page. Prints TAP. $JOEY: the binary (default: ./joey of the build directory, else the fake one's).
set -u
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
joey=${JOEY:-${JOEY_BUILDDIR:-$top}/joey}
[ -x "$joey" ] || joey=${JOEY_BUILDDIR:-$top}/tests/unit/joey-fake
[ -x "$joey" ] || { echo "1..0 # SKIP no joey at $joey"; exit 0; }
n=0 failed=0

verdict() { # OK? NAME [DETAIL...]
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		failed=1
		echo "not ok $n - $2"
		shift 2
		printf '# %s\n' "$@"
	fi
}

# "--name" and "-x" of the option rows, one a line.
of_help() {
	sed -n '/^OPTIONS:/,$p' | awk -F'   *' '/^   --/ { print $2 }' | grep -oE '(^|, )--?[a-z0-9-]+' | tr -d ', ' | sort -u
}
of_page() { # FILE
	sed -n '/^\.SH \(GLOBAL \)\{0,1\}OPTIONS/,/^\.SH [^OG]/p' "$1" | grep -A1 '^\.TP' | grep '\\fB\\-' |
		grep -o '\\fB\\-[a-z0-9\\-]*\\fR' | sed 's/\\f[BR]//g;s/\\-/-/g' | sort -u
}

compare() { # PAGE HELP-TEXT NAME
	local diff
	diff=$(diff <(of_page "$1") <(of_help <<<"$2"))
	verdict $? "$3: options of page and help agree" "< page, > help" "${diff//$'\n'/$'\n'# }"
}

compare "$top/man/joey.8" "$("$joey" --help)" joey
while read -r cmd summary; do
	[ "$cmd" != help ] || continue
	case $summary in *"not implemented yet"*) continue ;; esac
	page=$top/man/joey-$cmd.8
	[ -f "$page" ]
	verdict $? "$cmd: has a page" "no $page"
	[ -f "$page" ] || continue
	compare "$page" "$("$joey" "$cmd" --help)" "$cmd"
	grep -q "man/joey-$cmd.8" "$top/man/Makemodule.am"
	verdict $? "$cmd: page is installed" "man/Makemodule.am lacks it"
	grep -q "joey\\\\-$cmd (8)" "$top/man/joey.8"
	verdict $? "$cmd: joey(8) names it"
done < <("$joey" --help | sed -n '/^COMMANDS:/,/^$/s/^   \([a-z]*\) */\1 /p')

# The keys of joey.conf(5), section by section.
conf_rows() { sed -n 's/^[\t ]*\(RUNTIME\|SANDBOX\|PROFILE\)("\([a-z0-9_]*\)".*/\L\1\E \2/p' "$top/src/conf/keys.c"; }
conf_page() {
	awk '/^\.SS \[/ { s = $2; gsub(/[][]/, "", s) } /^\.SH/ { s = "" } s != "" && p == ".TP" && /^\\fB/ {
		k = $1; gsub(/\\f[BR]/, "", k); print s, k } { p = $0 }' "$top/man/joey.conf.5"
}
diff=$(diff <(conf_page) <(conf_rows))
verdict $? 'joey.conf: keys of page and table agree, in their order' '< page, > table' "${diff//$'\n'/$'\n'# }"
[ "$(conf_rows | wc -l)" -ge 20 ]
verdict $? 'joey.conf: the table has been found'
diff=$(diff <(conf_rows) <(awk '/^#?\[/ { s = $1; gsub(/[][#]/, "", s) } /^#[a-z0-9_]+ = / { print s, substr($1, 2) }' "$top/contrib/joey.conf" |
	awk '!seen[$0]++'))
verdict $? 'joey.conf: the example has every key, in their order' '< table, > contrib/joey.conf' "${diff//$'\n'/$'\n'# }"
grep -q 'man/joey.conf.5' "$top/man/Makemodule.am"
verdict $? 'joey.conf: page is installed'

if command -v groff >/dev/null; then
	for page in "$top"/man/*.[58]; do
		said=$(groff -man -Tutf8 -ww -z "$page" 2>&1)
		[ -z "$said" ]
		verdict $? "${page##*/}: groff has no complaint" "$said"
	done
fi
echo "1..$n"
exit $failed
