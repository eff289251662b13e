#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# docs/CONFORMANCE.md says for each row of the runtime's requirements which tests cover it, or why none does.  This keeps
# it true: a test of tests/integration names its rows in brackets at the start of its name ("[4.2 C1] ..."), and
#   - each row that a test names is in the table;
#   - the third column of the table lists exactly the tests that name the row;
#   - a row without a test gives a reason.
# conformance.sh --write brings the third column up to date (a reason is kept).  TAP.
set -u
top=${JOEY_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
cd "$top" || exit 1
doc=docs/CONFORMANCE.md

# row TAB file: rest of the name
tests_by_row() {
	local f
	for f in tests/integration/*.bats; do
		sed -n 's/^@test "\[\([^]]*\)\] *\(.*\)" {.*$/\1\t\2/p' "$f" |
			awk -F '\t' -v f="$(basename "$f" .bats)" '{
				n = split($1, rows, " "); text = $2
				gsub(/\\/, "", text); gsub(/\|/, "/", text)
				for (i = 1; i <= n; i++) print rows[i] "\t" f ": " text
			}'
	done
}

# The document with its third column made anew.
rendered() {
	awk -F '|' -v OFS='|' 'NR == FNR { split($0, a, "\t"); t[a[1]] = t[a[1]] (t[a[1]] == "" ? "" : "<br>") a[2]; next }
		/^\| [^|]+ \|/ && NF == 5 {
			row = $2; gsub(/ /, "", row)
			if (row != "row" && row !~ /^-+$/ && (row in t)) $4 = " " t[row] " "
		}
		{ print }' "$1" "$doc"
}

map=$(mktemp) && new=$(mktemp) || exit 1
trap 'rm -f "$map" "$new"' EXIT INT TERM
tests_by_row >"$map"
rendered "$map" >"$new"
if [ "${1:-}" = --write ]; then
	cat "$new" >"$doc"
	exit 0
fi

n=0 bad=0
result() { # STATUS TEXT
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		bad=1
	fi
}
echo "1..3"
unknown=$(cut -f1 "$map" | sort -u | while read -r row; do
	grep -q "^| $(printf '%s' "$row" | sed 's/[.]/\\./g') |" "$doc" || printf '%s ' "$row"
done)
[ -z "$unknown" ]
result $? "every row that a test names is in $doc"
[ -z "$unknown" ] || echo "# not there: $unknown"
cmp -s "$new" "$doc"
result $? "the table lists exactly the tests there are"
cmp -s "$new" "$doc" || diff "$doc" "$new" | sed 's/^/# /; s/$/ /' | cut -c1-160 | head -n 20
empty=$(awk -F '|' '/^\| [^|]+ \|/ && NF == 5 && $2 !~ /^ *(row|-+) *$/ { c = $4; gsub(/ /, "", c); if (c == "") print $2 }' "$doc" | xargs)
[ -z "$empty" ]
result $? "every row has a test or a reason"
[ -z "$empty" ] || echo "# neither: $empty"
exit $bad
