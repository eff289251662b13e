# shellcheck shell=bash
# Reads the logs of ./check's parts: TAP lines, and the summary that automake prints.

# tap_lines LOG: the result lines alone.
tap_lines() { grep -aE '^(not )?ok( |$)' "$1"; }

# tap_named NAME: TAP from stdin, with NAME in each line and no plan, fit to stand among others.
tap_named() { sed -E "s|^((not )?ok [0-9]+)( - )?|\1 $1: |; s|^(1\.\.)|# $1 \1|"; }

# tap_count STATUS LOG: prints "passed failed skipped". A part that prints no results is one result itself; one that ends
# badly without a failed result has failed.
tap_count() {
	tap_lines "$2" | awk -v rc="$1" '
		/# *[Ss][Kk][Ii][Pp]/ { skipped++; next }
		/^not ok/ { if (!/# *TODO/) failed++; next }
		{ passed++ }
		END {
			if (rc == 77 && !passed && !failed && !skipped) skipped = 1
			else if (rc != 0 && rc != 77 && !failed) failed = 1
			else if (!passed && !failed && !skipped) passed = 1
			print passed + 0, failed + 0, skipped + 0
		}'
}

# tap_failures STATUS LIMIT LOG: what failed, with the lines after it, or the end of the log.
tap_failures() {
	case $1 in 124 | 137) echo "    ran into its time limit of $2 s" ;; esac
	awk '/^not ok/ && !/# *TODO/ { n = 25 } /^ok|^1\.\./ { n = 0 } n-- > 0 { print "    " $0 }' "$3" | head -n 400
	tap_lines "$3" | grep -q '^not ok' || tail -n 40 "$3" | sed 's/^/    /'
}

# tap_skips LOG...: why things were skipped, and how often.
tap_skips() {
	grep -ahoE '^ok .*# *[Ss][Kk][Ii][Pp].*' "$@" 2>/dev/null | sed -E 's/.*# *[Ss][Kk][Ii][Pp][A-Za-z]* *//' | sort | uniq -c |
		sort -rn | sed 's/^/skipped /'
}
