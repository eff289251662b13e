# verify.awk .config FRAGMENT...: prints each line of the fragments that does not hold in .config, and fails if there is one.
function parse(line) {
	if (line ~ /^CONFIG_[A-Za-z0-9_]+=/) {
		name = value = line
		sub(/=.*/, "", name)
		sub(/^[^=]*=/, "", value)
		return 1
	}
	if (line ~ /^# CONFIG_[A-Za-z0-9_]+ is not set$/) {
		split(line, word, " ")
		name = word[2]
		value = "n"
		return 1
	}
	return 0
}
FILENAME == ARGV[1] {
	if (parse($0))
		have[name] = value
	next
}
parse($0) {
	got = name in have ? have[name] : "n"
	if (got != value) {
		printf "%s: asked for %s, got %s\n", name, value, got
		bad = 1
	}
}
END { exit bad }
