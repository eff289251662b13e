# A guest that is hostile: its first process is tools/evil.c, which floods, lies, breaks off, or says nothing. joey's verbs
# come to an end with an error, what holds the guest's bytes stays small, and nothing is left.
load helpers

setup() {
	sandbox_setup 130
	evil_guest "$GUEST"
	CONF=$T/joey.conf
	printf '%s\n' '[sandbox]' 'profile = evil' '[profile evil]' "kernel = $BATS_FILE_TMPDIR/guest/vmlinux" \
		"initramfs = $BATS_FILE_TMPDIR/guest/initramfs.cpio" 'memory = 256M' >"$CONF"
	chmod 644 "$CONF"
	cmd sleep 1000
}

# The same kernel and modules, another /init. Made once, so that there is one template.
evil_guest() {
	local d=$BATS_FILE_TMPDIR/guest
	[ ! -e "$d" ] || return 0
	mkdir -p "$d/root"
	cp "$1/vmlinux" "$1/meta" "$d/" # meta: which machine the kernel is for
	cp "$TOOLS/evil" "$d/root/init"
	{ cat "$1/initramfs.cpio"; cd "$d/root" && echo init | "$BUSYBOX" cpio -o -H newc 2>/dev/null; } >"$d/initramfs.cpio"
}

evil() { # evil MODE: create with that guest; $took
	local from=$SECONDS
	CID=${CID%-*}-$1
	IDS+=("$CID")
	CG=/$CID
	rt --config "$CONF" create --sandbox=vm --bundle "$B" "$CID"
	took=$((SECONDS - from))
}
rss() { awk '/VmHWM/ { print $2 }' "/proc/$(jq .pid "$ROOT/@vm/$CID/sandbox.json")/status"; }
force_ends() {
	local from=$SECONDS
	rt_ok delete --force "$CID"
	[ $((SECONDS - from)) -le 8 ] || { echo "delete --force: $((SECONDS - from)) s"; return 1; }
	assert_nothing_left
}
refused() { # refused MODE...: create fails at once
	local m
	for m in "$@"; do
		evil "$m"
		[ "$status" -eq 1 ] && [ "$took" -le 25 ] || { echo "$m: $took s"; show; return 1; }
		case $errout in *"the guest"* | *"hypervisor"* | *"machine"* | *"malformed"*) ;; *) echo "$m" && show && return 1 ;; esac
		assert_nothing_left || { echo "$m"; return 1; }
	done
}

@test "[S10] a guest that breaks the rules: lengths, types, numbers that nobody asked for; create fails at once" {
	refused huge hugeio type staleid short credit close
}

@test "[S10] a guest that never answers the greeting: a cold boot, then an error" {
	evil mute
	[ "$status" -eq 1 ]
	[ "$took" -le 125 ]
	has_error 'does not answer'
	assert_nothing_left
}
has_error() { case $errout in *"$1"*) ;; *) show && return 1 ;; esac; }

@test "[S10] floods and silence: delete --force comes to an end, memory stays bounded" {
	local m p
	for m in silent half floodlog floodevent floodio; do
		CID=${CID%-*}-$m
		IDS+=("$CID")
		background "$RUNTIME" --root "$ROOT" --config "$CONF" create --sandbox=vm --bundle "$B" "$CID" >"$T/out.$m" 2>&1
		p=$!
		until_true test -e "$ROOT/@vm/$CID/sandbox.json"
		sleep 6
		[ "$(rss)" -lt 24576 ] || { echo "$m: $(rss) kB"; return 1; }
		force_ends || { echo "$m"; return 1; }
		until_true gone $p
		grep -q level=error "$T/out.$m"
	done
}

@test "[S10] lies about what has been created: verbs fail or show nothing of it, the host is unharmed" {
	evil midexec
	equals "$status" 0
	rt_ok start "$CID"
	rt --config "$CONF" exec "$CID" true
	[ "$status" -ne 0 ]
	has_status stopped
	force_ends
	evil twice
	rt exec "$CID" true
	[ "$status" -ne 0 ]
	force_ends
	evil stalehandle
	equals "$status" 0
	rt_fail "guest's list of processes" ps --guest "$CID"
	force_ends
	evil lies
	equals "$status" 0
	rt_ok start "$CID"
	rt events --stats "$CID"
	lacks_text '../'
	lacks_text $'\033'
	rt_ok ps --guest "$CID"
	has_text '? ../\x1b[31m'
	lacks_text $'\033'
	rt_ok logs --guest "$CID"
	lacks_text $'\033'
	force_ends
	evil deaf
	rt_ok start "$CID"
	local from=$SECONDS
	rt_ok kill "$CID" KILL
	[ $((SECONDS - from)) -le 5 ]
	wait_status stopped
	force_ends
	evil status
	force_ends
}
