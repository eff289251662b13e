# Failure injection (faults.bash) into the other operations, sampled; JOEY_TEST_FULL=1: complete.
load helpers
load faults

@test "[1.9 faults] create of a container that uses everything" {
	cmd sleep 100
	everything
	each nop created 5 create --bundle "$B" --pid-file "$T/pid" "$CID"
}

@test "[1.9 faults] create with a user namespace" {
	have_userns || skip 'no user namespaces'
	userns
	cmd sleep 100
	each nop created 6 create --bundle "$B" "$CID"
}

@test "[1.9 faults] create with limits" {
	require_controller memory pids
	cfg '.linux.resources={"memory":{"limit":67108864},"pids":{"limit":50}}'
	cmd sleep 100
	each nop created 5 create --bundle "$B" "$CID"
}

@test "[1.9 faults] run in the foreground" {
	cmd echo hello
	each nop printed 5 run --bundle "$B" "$CID"
}

@test "[1.9 faults] run, detached" {
	cmd sleep 100
	each nop running 8 run -d --bundle "$B" "$CID"
}

@test "[faults] start" {
	cmd sleep 100
	each fresh running 2 start "$CID"
}

@test "[faults] kill, state, list" {
	cmd sleep 100
	each fresh_running fine 3 kill "$CID" KILL
	each fresh_running fine 4 state "$CID"
	each fresh_running fine 4 list
}

@test "[12.7 faults] delete of a stopped container" {
	cmd sleep 100
	each fresh_dead fine 3 delete "$CID"
}

@test "[12.7 faults] delete --force of a running container" {
	cmd sleep 100
	each fresh_running fine 2 delete --force "$CID"
}
