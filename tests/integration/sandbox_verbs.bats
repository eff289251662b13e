# Verbs that only make sense where there are sandboxes: template, logs --guest, ps --guest. Templates are kept in a /run/joey-cache of
# this file's own: nobody else's are listed or removed.
load helpers

setup() {
	sandbox_setup 120
	HOST=$(uname -r)
}

teardown() { own_cache_teardown; }

templates() { rt_ok template list -f json; }
n_templates() { templates && jq length <<<"$output"; }
# of KEY FIELD: of the template whose key begins so
of() { templates && jq -r --arg k "$1" --arg f "$2" '.[] | select(.key | startswith($k))[$f]' <<<"$output"; }
conf() { printf '%s\n' "$@" >"$T/joey.conf" && chmod 644 "$T/joey.conf"; }

@test "[S11] template build: what a run would make, once; a run makes no other; list shows it" {
	own_cache
	equals "$(n_templates)" 0
	rt_ok template build
	local key=$output
	[[ $key =~ ^[0-9a-f]{12}$ ]]
	equals "$errout" ''
	rt_ok template build
	equals "$output" "$key"
	cmd uname -r
	rt_ok run "${VM[@]}" --bundle "$B" "$CID"
	lacks_text "$HOST"
	equals "$(n_templates)" 1
	templates
	equals "$(jq -r '.[0] | .state, .memory, .vcpus, .networkDevices, .trust' <<<"$output" | paste -sd' ')" 'good 2147483648 1 1 host'
	[[ $(jq -r '.[0].accelerator' <<<"$output") =~ ^(kvm|tcg)$ ]]
	[ -e "$(jq -r '.[0].kernel' <<<"$output")" ]
	[ "$(jq '.[0].size' <<<"$output")" -gt 10000000 ]
	equals "$(cat "/proc/$(jq '.[0].holder' <<<"$output")/comm")" joey-template
	rt_ok template list
	has_match "^KEY +ACCEL +MEMORY +VCPUS +NETS +AGE +SIZE +HOLDER +ZYGOTE +KERNEL +STATE$"
	has_match "^$key +(kvm|tcg) +2G +1 +1 +[0-9]+[sm] +[0-9]+M +[0-9]+ +([0-9]+|-) +/.*/vmlinux +good$"
	rt_fail 'invalid format option' template list -f yaml
}

@test "[S11] a template that was made below a conmon, which waits for all that came from it, goes with its container" {
	own_cache
	cp "$TOOLS/launch" "$T/conmon"
	cmd true
	timeout -k 5 100 "$T/conmon" -c -r -- "$RUNTIME" --root "$ROOT" run "${VM[@]}" --bundle "$B" "$CID" </dev/null >"$T/stdout" 2>&1 3>&- 4>&- ||
		{ cat "$T/stdout"; return 1; }
	file_has "$T/stdout" 'runtime 0'
	# Another one is made where nobody waits.
	rt_ok run "${VM[@]}" --bundle "$B" "$CID"
	templates
	equals "$(jq -r '.[0].state' <<<"$output")" good
}

@test "[S11] template build: profile and memory are those of joey.conf's containers; limits and policy hold" {
	own_cache
	conf '[sandbox]' 'profile = little' 'max_memory = 1G' '[profile little]' 'memory = 256M' '[profile other]' 'memory = 512M'
	local c=(--config "$T/joey.conf")
	rt_ok "${c[@]}" template build
	equals "$(of "$output" memory)" 268435456
	rt_ok "${c[@]}" template build --profile other
	equals "$(of "$output" memory)" 536870912
	equals "$(n_templates)" 2
	cmd true
	rt_ok "${c[@]}" run "${VM[@]}" --bundle "$B" "$CID"
	rt_ok "${c[@]}" template build --memory 300M
	equals "$(n_templates)" 2
	rt_fail 'no profile nosuch' "${c[@]}" template build --profile nosuch
	rt_fail 'allows 1073741824 bytes' "${c[@]}" template build --memory 2G
	rt_fail 'invalid memory: much' template build --memory much
	conf '[sandbox]' 'template_trust = container'
	rt_fail template_trust "${c[@]}" template build
	equals "$(n_templates)" 2
}

@test "[S11] template build: says what it does on a terminal; one that is killed leaves nothing; two at once make one" {
	own_cache
	output=$(timeout 100 "$HERE/../lib/on-terminal.py" -- "$RUNTIME" template build --memory 256M 3>&- 4>&-)
	has_text 'joey: making a template of the guest'
	has_text 'joey: the template of the guest is ready'
	# and so does the first start that needs one
	conf '[sandbox]' 'profile = little' '[profile little]' 'memory = 512M'
	cmd echo hello
	output=$(timeout 100 "$HERE/../lib/on-terminal.py" -- "$RUNTIME" --root "$ROOT" --config "$T/joey.conf" run --sandbox=vm --bundle "$B" "$CID" 3>&- 4>&-)
	has_text 'joey: making a template of the guest'
	has_text hello
	rt_ok template remove "$(templates && jq -r '.[] | select(.memory == 536870912).key' <<<"$output")"
	background "$RUNTIME" template build
	sleep 1
	kill -9 "$!"
	wait "$!" || true
	equals "$(n_templates)" 1
	background "$RUNTIME" template build >"$T/1" 2>&1
	local other=$!
	rt_ok template build
	local key=$output
	wait "$other"
	equals "$(<"$T/1")" "$key"
	equals "$(n_templates)" 2
}

@test "[S11] template remove: by the first digits; the holder ends, what runs goes on" {
	own_cache
	rt_ok template build --memory 256M
	local key=$output holder prefix
	cmd sleep 1000
	conf '[sandbox]' 'profile = little' '[profile little]' 'memory = 256M'
	rt_ok --config "$T/joey.conf" create "${VM[@]}" --bundle "$B" "$CID"
	start
	equals "$(n_templates)" 1
	rt_ok template build --memory 512M
	holder=$(of "$key" holder)
	rt_fail "there is no template 'x'" template remove x
	rt_fail 'requires a minimum of 1 argument' template remove
	for prefix in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do
		[ "$(of "$prefix" key | wc -l)" -ne 2 ] || rt_fail 'more than one template begins with' template remove "$prefix"
	done
	rt_ok template remove "${key:0:7}"
	gone "$holder"
	equals "$(n_templates)" 1
	equals "$(find "$T/cache" -name "$key*" | wc -l)" 0
	rt_ok exec "$CID" uname -r
	lacks_text "$HOST"
	rt_fail 'unknown command "template reboot"' template reboot
	rt_fail '' template
}

@test "[S11] template prune: what has changed, has lost its holder or has failed; --all takes the good ones" {
	own_cache
	local good changed dead c=(--config "$T/joey.conf")
	mkdir "$T/guest"
	cp "$GUEST"/* "$T/guest/"
	conf '[profile mine]' 'memory = 256M' "kernel = $T/guest/vmlinux" "initramfs = $T/guest/initramfs.cpio"
	rt_ok template build --memory 256M
	good=$output
	rt_ok "${c[@]}" template build --profile mine
	changed=$output
	rt_ok template build --memory 512M
	dead=$output
	rt_ok template prune
	equals "$output" '0 removed'
	kill -9 "$(of "$dead" holder)"
	touch "$T/guest/vmlinux"
	printf xxx >"$T/cache/templates/$(printf '%064d' 7).bad"
	equals "$(n_templates)" 4
	equals "$(of "$good" state) $(of "$changed" state) $(of "$dead" state) $(of 0000 state)" 'good bad bad bad'
	equals "$(of "$changed" why)" 'what it was made of has changed'
	equals "$(of "$dead" why)" "the template's holder is gone"
	equals "$(of 0000 why)" 'failed 3 times'
	rt_ok template list
	has_match "^$changed .* bad: what it was made of has changed$"
	local holder
	holder=$(of "$changed" holder)
	rt_ok template prune
	equals "$output" '3 removed'
	gone "$holder"
	equals "$(templates && jq -r '.[].key[:12]' <<<"$output")" "$good"
	rt_ok template prune --all
	equals "$output" '1 removed'
	equals "$(ls "$T/cache/templates")" ''
}

@test "[S16] features and check say whether sandboxes work here, and as what" {
	own_cache
	note() { jq -r --arg k "io.joey.sandbox.$1" '.annotations[$k] // "unknown"' <<<"$output"; }
	level() { jq -r --arg n "$1" '.findings[] | select(.area == "sandbox" and .name == $n).level' <<<"$output"; }
	rt_ok features
	[ ! -e "$T/cache/kvm-verdict" ] # asks nobody
	equals "$(note supported)" true
	[ -x "$(note hypervisor)" ]
	[ -e "$(note kernel)" ]
	[ ! -e /dev/kvm ] || equals "$(note accelerator)" unknown
	rt_ok check -f json
	equals "$(level hypervisor) $(level guest) $(level template)" 'ok ok limited'
	rt_ok template build --memory 256M
	rt_ok check -f json
	equals "$(level template)" ok
	rt_ok features
	local accel isolation
	accel=$(note accelerator) isolation=$(note isolation)
	[[ $accel+$isolation =~ ^(kvm\+full|tcg\+compat)$ ]]
	equals "$(jq -r '.[0].accelerator' <<<"$(templates && echo "$output")")" "$accel"
	rt_ok check
	has_match '^(ok|limited) +sandbox +containers +can be sandboxed'
	has_match '^(ok|limited) +sandbox +KVM '
	equals "$(tail -n 1 <<<"$output")" 'containers can run on this host'
	# what is missing is said, and costs normal containers nothing
	mkdir "$T/empty"
	cp "$REAL" "$T/empty/joey"
	if [ ! -e /usr/libexec/joey/guest ] && [ ! -e /usr/local/libexec/joey/guest ]; then
		RUNTIME=$T/empty/joey
		rt_ok check
		has_match '^limited +sandbox +guest +no kernel for the guest .*make guest'
		has_match '^limited +sandbox +containers +cannot be sandboxed'
		rt_ok features
		equals "$(note kernel)" unknown
		RUNTIME=$T/joey-own
	fi
}

# inject_own ARGS...: tools/inject among the templates of this test
inject_own() {
	unshare -m sh -c 'mount --bind "$0" /run/joey-cache && exec "$@"' "$T/cache" "$TOOLS/inject" "$@" </dev/null >"$T/stdout" 2>"$T/stderr" 3>&- 4>&- 9<&-
}
# each ARGS...: every system call of that command fails once: it works, or says what failed; it ends
each() {
	local errnos=(1 12 5 24 38 4 28 13) p n name rc startup failures=0 i=0
	inject_own -o "$T/trace" -- "$REAL" --root "$ROOT" "$@" || { echo "does not work undisturbed: $*"; cat "$T/stderr"; return 1; }
	startup=$(startup_calls "$T/trace")
	while read -r p n name <&9; do
		[[ $name != faccessat* ]] || continue # EACCES on /dev/net/tun is an answer: the template is another one then
		rc=0 i=$((i + 1))
		inject_own -f "$p:$n=${errnos[$(((n + p) % 8))]}" -- "$REAL" --root "$ROOT" "$@" || rc=$?
		if [ $rc -ge 124 ] && [[ $startup != *" $n "* ]]; then
			echo "$* $p:$n $name: exit $rc" && failures=$((failures + 1))
		elif [ $rc -ne 0 ] && [ "$p" = 0 ] && [ "$name" != write ] && [[ $startup != *" $n "* ]] && ! grep -qE 'msg=".{12,}' "$T/stderr"; then
			echo "$* $p:$n $name: exit $rc without words" && failures=$((failures + 1))
		fi
		[ $failures -lt 12 ] || break
	done 9< <(points "$T/trace" 3)
	[ "$i" -gt 5 ] && [ $failures -eq 0 ]
}

@test "[S11] each system call of template list and prune, of logs and ps --guest fails once" {
	"$TOOLS/inject" true || skip 'no ptrace here'
	own_cache
	rt_ok template build --memory 256M
	rt_ok template build --memory 512M
	conf '[sandbox]' 'profile = little' '[profile little]' 'memory = 256M'
	cmd sleep 1000
	rt_ok --config "$T/joey.conf" create "${VM[@]}" --bundle "$B" "$CID"
	start
	each template list
	each template list -f json
	each logs --guest "$CID"
	each ps --guest "$CID"
	each features
	equals "$(n_templates)" 2
	each template prune
	equals "$(n_templates)" 2
	rt_ok exec "$CID" true
}

# ---- a look inside ---------------------------------------------------------------------------------------------------

kmsg() { # the container can print on the guest's console
	all_caps
	cfg '.linux.devices=[{"path":"/dev/kmsg","type":"c","major":1,"minor":11,"fileMode":438,"uid":0,"gid":0}] | .linux.resources={devices:[{"allow":true,"access":"rwm"}]}'
}
vm_up() { cmd sleep 1000 && rt_ok create "${VM[@]}" --bundle "$B" "$CID" && start; }

@test "[S12] logs --guest: what the guest's console printed, nothing of it reaches a terminal's ears; raw into a file" {
	kmsg
	vm_up
	rt_ok exec "$CID" sh -c 'printf "<0>hello \033[31mred\001 \303\251 \302\233 end\n" >/dev/kmsg'
	said() { rt_ok logs --guest "$CID" && has_text hello; }
	until_true said
	has_match '^\[ .*\] hello \\x1b\[31mred\\x01 é \\xc2\\x9b end$'
	lacks_text $'\r'
	rt_ok logs --guest --raw "$CID"
	has_text $'hello \033[31mred\001 \303\251 \302\233 end'
	output=$(timeout 60 "$HERE/../lib/on-terminal.py" -- "$RUNTIME" --root "$ROOT" logs --guest --raw "$CID" 3>&- 4>&-)
	has_text 'hello \x1b[31mred'
	lacks_text $'\033'
	# bounded
	rt_ok exec "$CID" sh -c 'for i in $(seq 1000); do echo "<0>line $i xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" >/dev/kmsg; done'
	last() { rt_ok logs --guest "$CID" && has_text 'line 1000 '; }
	until_true last
	[ "${#output}" -le 32768 ] && [ "${#output}" -ge 30000 ]
	lacks_text 'line 1 '
}

@test "[S12] logs --guest: answers when the machine stands still; what there is no console of is said" {
	vm_up
	local q
	q=$(hypervisor_of "$CID")
	kill -STOP "$q"
	rt_ok logs --guest "$CID"
	kill -9 "$q"
	wait_status stopped
	ended() { rt logs --guest "$CID" && [ "$status" -eq 1 ]; }
	until_true ended
	case $errout in *'has ended, and its console with it'*) ;; *) show && return 1 ;; esac
	rt_fail "engine does" logs "$CID"
	rt_fail 'container does not exist' logs --guest nosuch
	rt_ok delete "$CID"
	RUNTIME=$(realpath "$RUNTIME") # not as joey-vm
	rt_ok create --bundle "$B" "$CID"
	rt_fail "container $CID is not sandboxed: it has no guest" logs --guest "$CID"
	rt_fail "container $CID is not sandboxed: it has no guest" ps --guest "$CID"
}

@test "[S13] ps --guest: the guest's own numbers, as table and json; after the end there are none" {
	vm_up
	rt_ok exec -d --user 1000 "$CID" sh -c "sleep 999; echo 'no tail call'"
	sleeps() { rt_ok ps --guest "$CID" && has_match ' 1000 [SD] sleep 999$'; }
	until_true sleeps
	has_match '^ +PID +UID S CMD$'
	has_match '^ +[0-9]+ +0 [SD] sleep 1000$'
	has_match "^ +[0-9]+ +1000 [SD] sh -c sleep 999; echo 'no tail call'$"
	local table json
	table=$(awk 'NR > 1 { print $1 }' <<<"$output")
	rt_ok ps --guest -f json "$CID"
	json=$output
	equals "$(jq -r '.[]' <<<"$json")" "$table"
	rt_ok ps -f json "$CID"
	equals "$(jq length <<<"$output")" 2 # proxies
	[ "$output" != "$json" ]
	rt_fail 'takes no options of ps' ps --guest "$CID" -o pid
	rt_fail 'invalid format' ps --guest -f xml "$CID"
	rt_ok pause "$CID"
	rt_ok ps --guest -f json "$CID"
	equals "$output" "$json"
	rt_ok resume "$CID"
	rt_ok kill "$CID" KILL
	wait_status stopped
	rt_ok ps --guest -f json "$CID"
	equals "$output" '[]'
}
