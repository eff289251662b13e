# joey check: the preflight that an operator runs on a host.
load helpers

@test "check: text has a line for each finding and says whether containers run" {
	is_joey || skip "joey's own command"
	run "$RUNTIME" check
	[ "$status" -eq 0 ]
	[[ $output == *'ok       kernel    clone3 '* ]]
	[[ ${lines[-1]} == 'containers can run on this host' ]]
}

@test "check: json says the same, and a cost wherever something is lost" {
	is_joey || skip "joey's own command"
	"$RUNTIME" check --format json >"$T/json"
	equals "$(jq .usable "$T/json")" true
	equals "$(jq '[.findings[] | select((.level != "ok") != has("cost"))] | length' "$T/json")" 0
	equals "$(jq '[.findings[] | select(.detail == "")] | length' "$T/json")" 0
	equals "$(jq '.findings | length' "$T/json")" "$(($("$RUNTIME" check | wc -l) - 1))"
}

@test "check: controllers are those of the cgroup2 mount" {
	is_joey || skip "joey's own command"
	local mount c
	mount=$(awk '$9 == "cgroup2" || $10 == "cgroup2" {print $5; exit}' /proc/self/mountinfo)
	for c in cpu memory pids hugetlb; do
		if grep -qw "$c" "$mount/cgroup.controllers"; then want=ok; else want=limited; fi
		equals "$c $("$RUNTIME" check -f json | jq -r --arg c "$c" '.findings[] | select(.area == "cgroup" and .name == $c).level')" "$c $want"
	done
}

@test "check: /dev/kvm is tried within a bounded time, and said why not" {
	is_joey || skip "joey's own command"
	local began=$SECONDS
	"$RUNTIME" check --format json >"$T/json"
	[ $((SECONDS - began)) -le 5 ]
	[ -n "$(jq -r '.findings[] | select(.name == "KVM").detail' "$T/json")" ]
}

@test "check: a format that does not exist is refused" {
	is_joey || skip "joey's own command"
	run "$RUNTIME" check --format yaml
	[ "$status" -eq 1 ]
	[[ $output == *'format \"yaml\" is not text or json'* ]]
}
