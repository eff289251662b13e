# joey completion: what the scripts offer is what the option tables hold.
load helpers

complete_bash() { # WORD... : completes the last one
	bash -c 'joey() { "$JOEY_UNDER_TEST" --root "$JOEY_ROOT" "$@"; }
		source <("$JOEY_UNDER_TEST" completion bash)
		COMP_WORDS=(joey "$@") COMP_CWORD=$#
		_joey && printf "%s\n" "${COMPREPLY[@]}"' bash "$@"
}

@test "completion: bash offers commands, options of a command, and container names" {
	is_joey || skip "joey's own command"
	export JOEY_UNDER_TEST=$RUNTIME JOEY_ROOT=$ROOT
	complete_bash cre | grep -qx create
	complete_bash --ro | grep -qx -- --root
	complete_bash --root /x create --b | grep -qx -- --bundle
	complete_bash template pr | grep -qx prune
	complete_bash template build --p | grep -qx -- --profile
	[ -z "$(complete_bash create --nosuch)" ]
	cmd sleep 100
	rt_ok create --bundle "$B" "$CID"
	equals "$(complete_bash delete "${CID:0:3}")" "$CID"
}

@test "completion: every option of every command is in each script, and each shell at hand reads its own" {
	is_joey || skip "joey's own command"
	local shell c o
	for shell in bash zsh fish; do
		"$RUNTIME" completion "$shell" >"$T/$shell"
		! command -v "$shell" >/dev/null || "$shell" -n "$T/$shell"
		for c in create exec update template; do
			for o in $("$RUNTIME" "$c" --help | grep -o '^   --[a-z0-9-]*' | sed 's/^   --//' | grep -vx help); do
				grep -qE -- "(--|-l )$o\b" "$T/$shell" || { echo "$shell: $c --$o is missing"; return 1; }
			done
		done
	done
	run "$RUNTIME" completion tcsh
	[ "$status" -eq 1 ]
	[[ $output == *'is not bash, zsh or fish'* ]]
}
