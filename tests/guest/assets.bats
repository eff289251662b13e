#!/usr/bin/env bats
# The guest's kernels and initramfs (guest/): made from the cache or afresh, booted in QEMU with guest/test-agent.
# BUILDDIR: a configured build tree. JOEY_GUEST_BOOTS: cold boots in a row of each kernel (20).

bats_require_minimum_version 1.5.0
TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
GUEST=$TOP/guest
BOOTS=${JOEY_GUEST_BOOTS:-20}

setup_file() {
	export W=$BATS_FILE_TMPDIR
	make -C "${BUILDDIR:-$TOP}" guest/test-agent >&2 || return 1
	export AGENT=${BUILDDIR:-$TOP}/guest/test-agent
	mkdir "$W/share" && echo A >"$W/share/marker"
}

# made KIND: the guest, made once for all tests.
made() {
	[ -e "$W/$1/meta" ] || "$TOP/guest/make.sh" "$1" "$AGENT" "$W/$1"
}

# reported KIND: what the kernel says about itself.
reported() {
	made "$1"
	[ -s "$W/$1.report" ] || "$GUEST/boot.py" --report --deadline 180 --share "$W/share" "$W/$1" >"$W/$1.report"
	cat "$W/$1.report" >&2
}
value() { sed -n "s/^$2=//p" "$W/$1.report"; }
# has KIND KEY WORD...: the words are among the key's.
has() {
	local words word
	words=" $(value "$1" "$2") "
	for word in "${@:3}"; do
		[[ $words == *" $word "* ]] || { echo "$2 lacks $word" >&2 && return 1; }
	done
}

kernel_serves() {
	local now
	reported "$1"
	[ "$(value "$1" release)" = "$(sed -n 's/^kernel=//p' "$W/$1/meta")" ]
	has "$1" controllers cpuset cpu io memory hugetlb pids
	has "$1" namespaces cgroup ipc mnt net pid time user uts
	has "$1" block vda vdb
	has "$1" net lo eth0
	has "$1" ports vport1p1 vport1p2 || [ "$(value "$1" ports | wc -w)" = 2 ]
	has "$1" rng virtio_rng.0
	has "$1" share marker
	[ "$(value "$1" mount.9p)" = ok ]
	[ "$(value "$1" mount.mqueue)" = ok ]
	[ "$(value "$1" mount.overlay)" = ok ]
	# tsc-early becomes tsc a second later.
	[[ $(value "$1" clocksource) == tsc* ]] || [ "$(uname -m)" != x86_64 ]
	# The clock chip counts seconds.
	now=$(value "$1" realtime)
	[ $(($(stat -c %Y "$W/$1.report") - ${now%.*})) -lt 10 ]
}

answers() {
	made "$1"
	run "$GUEST/boot.py" --boots "$BOOTS" --deadline 180 "$W/$1"
	echo "$output"
	echo "# ${lines[-1]}" >&3
	[ "$status" = 0 ]
}

@test "the initramfs is the same bytes whoever makes it, from the same program" {
	local first open
	"$GUEST/initramfs.sh" "$AGENT" "$W/a.cpio" "$GUEST/kernel"
	first=$(sha256sum <"$W/a.cpio")
	# Another user, other times, umask, locale.
	open=$(mktemp -d /tmp/joey-guest.XXXXXX)
	cp -r "$GUEST" "$open/scripts" && cp "$AGENT" "$open/agent"
	touch -d 2001-02-03 "$open"/scripts/kernel/* "$open/agent"
	chown -R 65534:65534 "$open"
	run setpriv --reuid 65534 --regid 65534 --clear-groups env TZ=Asia/Tokyo LC_ALL=C.UTF-8 JOEY_CACHE="$open" \
		bash -c 'umask 077; "$0" "$@"' "$open/scripts/initramfs.sh" "$open/agent" "$open/b.cpio" "$open/scripts/kernel"
	cp "$open/b.cpio" "$W/" || :
	rm -rf "$open"
	echo "$output"
	[ "$status" = 0 ]
	[ "$(sha256sum <"$W/b.cpio")" = "$first" ]
	cpio --quiet -it <"$W/a.cpio" >"$W/list"
	grep -qx init "$W/list" && grep -qx dev/console "$W/list" && grep -qx modules/common.config "$W/list"
}

@test "a boot image that is none is refused in words" {
	head -c 100000 /dev/zero >"$W/zeros"
	run "$GUEST/extract-vmlinux.sh" "$W/zeros" "$W/zeros.out"
	[ "$status" = 1 ]
	[[ $output == *"not an x86 boot image"* ]]
	[ ! -e "$W/zeros.out" ]
}

@test "a fragment's line that does not hold fails the build" {
	printf 'CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_D="x"\n' >"$W/config"
	printf 'CONFIG_A=y\n# CONFIG_B is not set\n# CONFIG_C is not set\nCONFIG_D="x"\n' >"$W/good"
	printf '# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_D="y"\n' >"$W/bad"
	awk -f "$GUEST/kernel/verify.awk" "$W/config" "$W/good"
	run awk -f "$GUEST/kernel/verify.awk" "$W/config" "$W/bad"
	[ "$status" = 1 ]
	[ "${#lines[@]}" = 3 ]
}

@test "the small kernel has what its fragments ask for" {
	made small
	awk -f "$GUEST/kernel/verify.awk" "$W/small/config" "$GUEST/kernel/common.config" "$GUEST/kernel/$(uname -m).config"
}

@test "Debian's kernel has all that a sandbox needs" { kernel_serves debian; }

@test "the small kernel has all that a sandbox needs" { kernel_serves small; }

@test "Debian's kernel boots again and again" { answers debian; }

@test "the small kernel boots again and again" { answers small; }
