# Sandboxed containers: what clones of one template must not have in common, and templates made over and over.
# JOEY_TEST_CLONES, JOEY_TEST_TEMPLATES: how many (50 and 3; with JOEY_TEST_FULL 200 of each). Templates are kept in a
# /run/joey-cache of each test's own.
load helpers

CLONES=${JOEY_TEST_CLONES:-${JOEY_TEST_FULL:+200}}
TEMPLATES=${JOEY_TEST_TEMPLATES:-${JOEY_TEST_FULL:+200}}
CLONES=${CLONES:-50} TEMPLATES=${TEMPLATES:-3}

setup() {
	sandbox_setup 120
	own_cache
}
teardown() { own_cache_teardown; }

# distinct KEY: no two clones told the same, and all told something.
distinct() {
	local n
	n=$(sed -n "s/^$1=//p" "$T"/clone.* | grep -c . || true)
	equals "$1: $n" "$1: $CLONES"
	n=$(sed -n "s/^$1=//p" "$T"/clone.* | sort -u | wc -l)
	equals "$1: $n distinct" "$1: $CLONES distinct"
}
said() { sed -n "s/^$1=//p" "$T/clone.$2"; }
largest() { sed -n "s/^$1=-\?//p" "$T"/clone.* | sort -n | tail -n 1; }
# number_at_most A B: of numbers with a fraction
at_most() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a <= b) }' || { echo "$3: $1, more than $2"; return 1; }; }

@test "[S14] clones of a template: random bytes, ids, layout of the payload are distinct; host name and clock are right" {
	local i from=$SECONDS
	# In the agent's pid and uts namespaces, so that what is the guest's own can be seen.
	cfg '.linux.namespaces |= map(select(.type|IN("pid","uts")|not)) | del(.hostname)'
	caps '["CAP_SYS_PTRACE"]'
	cmd probe clone
	for ((i = 0; i < CLONES; i++)); do
		# the last ones are those of an old template
		[ -z "${JOEY_TEST_FULL:-}" ] || [ $i -ne $((CLONES - 20)) ] || until [ $((SECONDS - from)) -ge 120 ]; do sleep 1; done
		another "$CID-$i"
		timeout -k 1 90 "$HERE/tools/clone.py" "$RUNTIME" --root "$ROOT" run "${VM[@]}" --bundle "$B" "$CID-$i" \
			>"$T/clone.$i" 2>"$T/stderr" 3>&- || { cat "$T/clone.$i" "$T/stderr"; return 1; }
		equals "$(said hostname $i)" "$CID-$i"
		at_most "$(said clock_error $i | tr -d -)" 50 "clone $i: clock error (ms)"
	done
	for i in getrandom urandom at_random boot_id uuid machine_id stack map; do distinct $i; done
	echo "# $CLONES clones: clock error at most $(largest clock_error) ms (middle: $(largest clock_offset) ms)," \
		"round trips at most $(largest round_trip) ms; the template was $((SECONDS - from)) s old at last" >&3
}

@test "[S14] with a network: the guest's device has the MAC of the container's, one after the other of the same template" {
	command -v ip >/dev/null || skip 'no ip'
	local i p n=$((CLONES / 4)) macs=
	cmd cat /sys/class/net/eth0/address
	for ((i = 0; i < n; i++)); do
		background unshare -n sleep 1000
		p=$!
		until_true nsenter -t "$p" -n sh -c '[ "$(readlink /proc/self/ns/net)" != "$(readlink /proc/$PPID/ns/net)" ]'
		nsenter -t "$p" -n ip link add eth0 type veth peer name far0
		nsenter -t "$p" -n ip link set eth0 up
		cfg '.linux.namespaces |= map(if .type == "network" then .path=$p else . end)' --arg p "/proc/$p/ns/net"
		rt_ok run "${VM[@]}" --bundle "$B" "$CID"
		equals "$output" "$(nsenter -t "$p" -n ip -o link show eth0 | sed 's/.*ether \([^ ]*\).*/\1/')"
		macs+="$output "
		kill -9 "$p"
	done
	equals "$(tr ' ' '\n' <<<"$macs" | grep . | sort -u | wc -l)" "$n"
}

@test "[S15] templates made, used and removed in a row: none hangs" {
	local i t longest=0 slow=0
	cmd uname -r
	for ((i = 0; i < TEMPLATES; i++)); do
		t=$SECONDS
		rt_ok run "${VM[@]}" --bundle "$B" "$CID" || { echo "the ${i}th"; return 1; }
		lacks_text "$(uname -r)"
		rt_ok template list -f json
		equals "$(jq -r 'length, .[0].state' <<<"$output" | paste -sd' ')" '1 good' || { echo "the ${i}th"; return 1; }
		t=$((SECONDS - t))
		[ $t -le $longest ] || longest=$t
		[ $t -lt 30 ] || slow=$((slow + 1))
		rt_ok template prune --all
		has_match '^1\b'
	done
	echo "# $TEMPLATES templates: the longest took $longest s, $slow longer than one try may take" >&3
}
