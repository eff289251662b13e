# Each system call of a plain create fails once: faults.bash. All of them, in every run: this is the longest path.
load helpers
load faults

@test "[1.9 faults] each call of create fails once" {
	cmd sleep 100
	each nop created 1 create --bundle "$B" "$CID"
}
