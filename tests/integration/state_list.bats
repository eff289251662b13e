# state and list (checklist 12.1, 12.2, 12.13; engine contract 5.2, 5.3).
load helpers

@test "[12.1] the state document: keys, order, values" {
	cmd sleep 100
	cfg '.annotations={"a.b":"c","empty":""}'
	create
	rt_ok state "$CID"
	equals "$errout" ""
	equals "$(jq -r 'del(.sandbox)|keys_unsorted|join(",")' <<<"$output")" ociVersion,id,pid,status,bundle,rootfs,created,annotations,owner
	equals "$(jq -r .id <<<"$output")" "$CID"
	equals "$(jq -r .bundle <<<"$output")" "$B"
	equals "$(jq -r .rootfs <<<"$output")" "$B/rootfs"
	equals "$(jq -r '.annotations["a.b"]' <<<"$output")" c
	equals "$(jq -r .owner <<<"$output")" ""
	equals "$(jq -r '.pid|type' <<<"$output")" number
	[ -d "/proc/$(jq -r .pid <<<"$output")" ]
	[[ $(jq -r .created <<<"$output") =~ ^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]+)?Z$ ]]
	[[ $(jq -r .ociVersion <<<"$output") =~ ^1\. ]]
	has_line "  \"id\": \"$CID\","
}

@test "[12.1] created is the time of create" {
	cmd sleep 100
	local before after t
	before=$(date +%s)
	create
	after=$(date +%s)
	t=$(date -d "$("$RUNTIME" --root "$ROOT" state "$CID" | jq -r .created)" +%s)
	[ "$t" -ge "$before" ] && [ "$t" -le "$after" ]
}

@test "[12.1] no annotations: key absent or an object, never broken" {
	cmd sleep 100
	create
	rt_ok state "$CID"
	jq -e '(.annotations // {}) | type == "object"' <<<"$output"
}

@test "[12.1] status runs through created, running, stopped; pid 0 when stopped" {
	cmd sleep 100
	create
	has_status created
	start
	has_status running
	kill -9 "$(pid_of)"
	wait_status stopped
	equals "$(pid_of)" 0
}

@test "[12.2] paused is read from the cgroup" {
	is_joey || skip 'runc freezes by v1 on this host'
	local f
	f=$(cgroup2_mount)$CG/cgroup.freeze
	cmd sleep 100
	create
	start
	echo 1 >"$f"
	wait_status paused
	rt_fail 'not stopped: paused' delete "$CID"
	rt_ok kill "$CID" KILL
	echo 0 >"$f"
	wait_status stopped
}

@test "[12.2 12.7] paused: delete --force works" {
	is_joey || skip 'runc freezes by v1 on this host'
	cmd sleep 100
	create
	start
	echo 1 >"$(cgroup2_mount)$CG/cgroup.freeze"
	wait_status paused
	rt_ok delete --force "$CID"
}

@test "[12.13] list: table, -q, json" {
	cmd sleep 100
	create
	rt_ok list
	[[ $(head -n 1 <<<"$output") =~ ^ID\ +PID\ +STATUS\ +BUNDLE\ +CREATED\ +OWNER ]]
	has_match "^$CID +$(pid_of) +created +$B +20[^ ]+ +root"
	rt_ok list -q
	equals "$output" "$CID"
	rt_ok list --quiet
	rt_ok list -f json
	equals "$(jq -r '.[0]|del(.sandbox)|keys_unsorted|join(",")' <<<"$output")" ociVersion,id,pid,status,bundle,rootfs,created,owner
	equals "$(jq -r '.[0].owner' <<<"$output")" root
	rt_ok list --format table
	rt_fail 'format' list --format frob
}

@test "[12.13] an empty root: header only, null as JSON, nothing for -q" {
	mkdir -p "$ROOT"
	rt_ok list
	equals "$(wc -l <<<"$output")" 1
	rt_ok list --format json
	equals "$output" null
	rt_ok list -q
	equals "$output" ""
}

@test "[12.13] --root that does not exist" {
	rt list
	[ "$status" -ne 0 ]
	[[ $errout == *'no such file or directory'* ]]
}

@test "[12.13] a broken entry is a warning, the others are listed" {
	cmd sleep 100
	create
	mkdir "$ROOT/broken"
	another broken
	rt_ok list -q
	has_line "$CID"
	rt_ok list
	has_text "$CID"
	[ -n "$errout" ] || ! is_joey
}

@test "[12.1] bundle is absolute whatever was given" {
	cmd sleep 100
	cd "$T"
	rt_ok create --bundle ./bundle "$CID"
	rt_ok state "$CID"
	equals "$(jq -r .bundle <<<"$output")" "$B"
}

@test "[14] an annotation named bundle does not override the bundle" {
	cmd sleep 100
	cfg '.annotations={"bundle":"/etc"}'
	create
	rt_ok state "$CID"
	equals "$(jq -r .bundle <<<"$output")" "$B"
	rt_ok list -f json
	equals "$(jq -r '.[0].bundle' <<<"$output")" "$B"
}

@test "[12.1] state while it is created by another: never broken JSON" {
	cmd sleep 100
	local i
	(for i in 1 2 3 4 5 6; do
		timeout 10 "$RUNTIME" --root "$ROOT" create --bundle "$B" "$CID" </dev/null >/dev/null 2>&1
		timeout 10 "$RUNTIME" --root "$ROOT" delete -f "$CID" </dev/null >/dev/null 2>&1
	done; touch "$T/done") 3>&- 4>&- &
	while [ ! -e "$T/done" ]; do
		rt state "$CID"
		if [ "$status" -eq 0 ]; then
			jq -e .status <<<"$output" >/dev/null
		else
			[[ $errout == *'does not exist'* ]] || ! is_joey || { show; return 1; }
		fi
		rt list -q
	done
	wait
}

@test "[12.1] the state directory and its files are not for others" {
	is_joey || skip 'layout of joey'
	cmd sleep 100
	create
	equals "$(stat -c %a "$ROOT/$CID")" 700
	equals "$(stat -c %u "$ROOT/$CID")" 0
	[ "$(find "$ROOT/$CID" -type f -perm /022 | wc -l)" = 0 ]
	jq -e . "$ROOT/$CID/state.json" >/dev/null
	jq -e . "$ROOT/$CID/config.json" >/dev/null
}
