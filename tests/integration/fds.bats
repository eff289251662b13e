# Descriptors (checklist 5.6, 5.5, 2.3; engine contract 6; security C5): what reaches the payload, what init holds while
# it waits, what a caller's leak can do.
# How these tests were shown to bite: docs/CONFORMANCE.md, "Tests that fail without their defence".
load helpers

@test "[5.6] only 0, 1 and 2 reach the payload, 50 inherited directories or not" {
	cmd probe fds
	rt_ok run --bundle "$B" "$CID"
	equals "$(cut -d' ' -f1 <<<"$output" | xargs)" "0 1 2"
	output=$("$TOOLS/launch" -c -d 50 -- "$RUNTIME" --root "$ROOT" run --bundle "$B" "$CID" </dev/null 2>/dev/null)
	equals "$(cut -d' ' -f1 <<<"$output" | xargs)" "0 1 2"
}

# What init may hold while it waits for start: 0-2, its wait and report channels, and nothing that shows the host's tree.
@test "[5.6 C5] created: init holds no host directory, no foreign file" {
	cmd sleep 100
	"$TOOLS/launch" -c -d 50 -- "$RUNTIME" --root "$ROOT" create --bundle "$B" "$CID" </dev/null >"$T/o" 2>"$T/e"
	local p f to n=0
	p=$(pid_of)
	for f in "/proc/$p/fd/"*; do
		to=$(readlink "$f")
		n=$((n + 1))
		case ${f##*/} in [012]) continue ;; esac
		if [ -d "$f" ]; then # the container's own root, or a private procfs
			[ "$(stat -Lfc %T "$f")" = proc ] || [ "$(stat -Lc %d:%i "$f")" = "$(stat -Lc %d:%i "/proc/$p/root")" ] || {
				echo "init holds a directory: $f -> $to"
				return 1
			}
			continue
		fi
		case $to in
		/runc) ! is_joey ;;
		pipe:* | socket:* | anon_inode:* | /memfd:* | "$ROOT/$CID/"* | /bin/* | */rootfs/bin/* | /proc/* | /*/task/*) ;;
		*) echo "init holds $f -> $to"; return 1 ;;
		esac
	done
	[ "$n" -lt 16 ]
}

@test "[5.6] running: the same from outside" {
	cmd sleep 100
	"$TOOLS/launch" -c -d 50 -- "$RUNTIME" --root "$ROOT" run -d --bundle "$B" "$CID" </dev/null >"$T/o" 2>"$T/e"
	equals "$(ls "/proc/$(pid_of)/fd" | xargs)" "0 1 2"
}

@test "[2.3 C5] cwd through a leaked descriptor never shows the host" {
	echo secret >"$T/canary"
	script 'pwd; cat '"$T"'/canary ../../../../../'"$T"'/canary 2>/dev/null; ls'
	local n d
	for n in 3 4 5 6 7 8 9 10 12 20; do
		for d in /proc/self/fd/$n /proc/thread-self/fd/$n /proc/1/fd/$n; do
			cfg '.process.cwd=$d' --arg d "$d"
			rc=0
			"$TOOLS/launch" -c -d 20 -- timeout 20 "$RUNTIME" --root "$ROOT" run --bundle "$B" "$CID" </dev/null >"$T/o" 2>"$T/e" || rc=$?
			if grep -q -e secret -e '^work$' -e lost+found "$T/o"; then
				echo "cwd=$d shows the host"
				cat "$T/o"
				return 1
			fi
			[ "$rc" -ne 124 ]
		done
	done
}

@test "[2.3 C5] cwd that names a descriptor by a symlink of the image is refused" {
	local n
	script 'pwd; ls -d /work 2>/dev/null'
	for n in 3 5 7; do
		ln -sfn "/proc/self/fd/$n" "$B/rootfs/esc"
		cfg '.process.cwd="/esc"'
		rt run --bundle "$B" "$CID"
		[ "$status" -ne 0 ] || lacks_text /work
	done
	ln -sfn /proc/1/cwd "$B/rootfs/esc"
	rt run --bundle "$B" "$CID"
	lacks_text /work
	cfg '.process.cwd="/proc/1/cwd"'
	rt run --bundle "$B" "$CID"
	lacks_text /work
}

@test "[engine6] --preserve-fds: same numbers, others closed" {
	cmd probe fds
	echo x >"$T/a"
	echo y >"$T/b"
	output=$("$TOOLS/launch" -c -f "3=$T/a" -f "4=$T/b" -f "5=$T/c" -- "$RUNTIME" --root "$ROOT" run --preserve-fds 2 \
		--bundle "$B" "$CID" </dev/null)
	equals "$(cut -d' ' -f1 <<<"$output" | xargs)" "0 1 2 3 4"
}

@test "[engine6] --preserve-fds: a missing descriptor is an error before anything is made" {
	require_joey 'the Go runtime has taken the number by then'
	output=$("$TOOLS/launch" -c -f "3=$T/a" -- "$RUNTIME" --root "$ROOT" run --preserve-fds 2 --bundle "$B" "$CID" 2>&1 </dev/null) && return 1
	has_text 'unable to stat preserved-fd'
	assert_nothing_left
}

@test "[engine6] LISTEN_FDS: passed with LISTEN_PID=1 when they are for us" {
	cmd probe listen
	output=$("$TOOLS/launch" -c -f "3=$T/a" -f "4=$T/b" -f "5=$T/c" -l 2 -- "$RUNTIME" --root "$ROOT" run --bundle "$B" "$CID" </dev/null)
	has_match '^fds=2 pid=1 names=- self=1'
	equals "$(grep -oE '^[0-9]+ ' <<<"$output" | xargs)" "0 1 2 3 4"
}

@test "[engine6] LISTEN_FDS for another process are not passed" {
	cmd probe listen
	output=$(LISTEN_FDS=2 LISTEN_PID=1 "$TOOLS/launch" -c -f "3=$T/a" -f "4=$T/b" -- "$RUNTIME" --root "$ROOT" run --bundle "$B" "$CID" </dev/null)
	has_match '^fds=- pid=-'
	equals "$(grep -oE '^[0-9]+ ' <<<"$output" | xargs)" "0 1 2"
}

@test "[engine6] LISTEN_FDS and --preserve-fds add up" {
	cmd probe listen
	output=$("$TOOLS/launch" -c -f "3=$T/a" -f "4=$T/b" -f "5=$T/c" -l 1 -- "$RUNTIME" --root "$ROOT" run --preserve-fds 1 --bundle "$B" "$CID" </dev/null)
	has_match '^fds=1 pid=1'
	equals "$(grep -oE '^[0-9]+ ' <<<"$output" | xargs)" "0 1 2 3 4"
}

@test "[5.5] stdio on the host's /dev/null becomes the container's" {
	script 'stat -L -c "%t:%T %d" /proc/self/fd/0 /dev/null; echo end'
	rt_ok run -d --bundle "$B" "$CID"
	until_true file_has "$T/stdout" end
	output=$(grep -v end "$T/stdout")
	equals "$(head -n 1 <<<"$output")" "$(tail -n 1 <<<"$output")"
	has_match '^1:3 '
}

@test "[2.6] stdio files are given to the container's user" {
	cfg '.process.user={"uid":1000,"gid":1000}'
	script 'stat -L -c %u /proc/self/fd/1; echo x >/proc/self/fd/2'
	rt_ok run --bundle "$B" "$CID"
	has_line 1000
}

@test "[5.6 12.19] the state directory cannot be reached from the container" {
	script 'ls -la /proc/1/fd /proc/self/fd; cat /proc/self/mountinfo'
	rt_ok run --bundle "$B" "$CID"
	lacks_text "$ROOT"
}
