#!/bin/bash
# The parts of ./check, one function each; run as `parts.sh NAME` under a time limit. A part prints TAP, or nothing that looks
# like it and its exit status counts. BUILD is where builds go. Status 77: skipped, the reason printed as TAP.
set -u
. "$(dirname "$0")/base.sh"
. "$TOP/tests/lib/deps.sh"
. "$TOP/tests/lib/debs.sh"
. "$TOP/tests/lib/tap.sh"
BUILD=${BUILD:-$TOP/build}
SRC=$BUILD/source
JOEY=$BUILD/gcc/joey
JOBS=$(nproc)

# skip REASON: this part cannot be run here, or has nothing to run yet.
skip() {
	echo "ok 1 $part # SKIP $*"
	exit 0
}

part_deps() { deps_install $DEPS_CHECK; }

# A copy, so that a configured source tree does not stand in the way of building beside it, and builds leave it alone.
part_source() {
	mkdir -p "$SRC"
	(cd "$TOP" && { git ls-files -co --exclude-standard 2>/dev/null || find . -type f ! -path './build*'; }) |
		grep -v '^\.git/' >"$BUILD/files"
	rsync -a --delete-missing-args --files-from="$BUILD/files" "$TOP/" "$SRC/" || return 1
	# What left the tree must leave the copy.
	(cd "$SRC" && find . -path ./build-aux -prune -o -type f \( -name '*.[ch]' -o -name '*.am' -o -name '*.bats' -o -name '*.sh' \) -printf '%P\n') |
		grep -vxFf "$BUILD/files" | (cd "$SRC" && xargs -r -d '\n' rm -f)
	cd "$SRC" || return 1
	[ -e configure ] && [ -z "$(find . -newer configure \( -name '*.am' -o -name configure.ac \) -print -quit)" ] ||
		GIT_DIR=$TOP/.git GIT_WORK_TREE=$TOP ./autogen.sh
}

# configure_in NAME OPTION...: a build directory, configured once for this configure and these options.
configure_in() {
	local dir=$BUILD/$1
	shift
	mkdir -p "$dir" && cd "$dir" || return 1
	if [ ! -e Makefile ] || [ "$SRC/configure" -nt config.status ] || [ "$(cat options 2>/dev/null)" != "$*" ]; then
		"$SRC/configure" "$@" && echo "$*" >options
	fi
}

# unit_tap DIRECTORY: the unit tests' own TAP, one log a program, which automake has kept; the program named in each line.
unit_tap() {
	local log name found=1
	for log in "$1"/tests/unit/*.log "$1"/tests/fuzz/*.log; do
		[ -e "${log%.log}.trs" ] || continue
		name=$(basename "${log%.log}")
		found=0
		grep -vE '^(PASS|FAIL|SKIP|XFAIL): ' "$log" | tap_named "$name"
		if ! has_results "$log"; then
			echo "not ok $name: no result; $(tail -n 1 "$log")"
		elif grep -q '^ERROR: ' "$log"; then
			echo "not ok $name: $(grep -m 1 '^ERROR: ' "$log")"
			grep -m 3 -A 9 -E '==ERROR|runtime error' "$log" | sed 's/^/# /'
		fi
	done
	return $found
}
has_results() { grep -qE '^(not )?ok |^1\.\.0' "$1"; }

# The unit tests of `make check` (its style tests are a part of their own): their logs say what failed.
make_check() {
	make -j"$JOBS" all && make -j"$JOBS" check TESTS= || return 1
	find . -name '*.trs' -delete
	make -k check TESTS='$(unit_tests) $(fuzz_tests)' >check.out 2>&1
	unit_tap . >unit.tap || { tail -n 40 check.out && return 1; }
	cat unit.tap
	! grep -q '^not ok' unit.tap
}

part_build() { configure_in gcc --enable-werror && make -j"$JOBS" && ls -l joey && ./joey --version; }
part_unit() { configure_in gcc --enable-werror && make_check; }
part_clang() { configure_in clang CC=clang --enable-werror && make -j"$JOBS" all && make -j"$JOBS" check TESTS=; }

part_sanitize() {
	export ASAN_OPTIONS=abort_on_error=0:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1
	configure_in sanitize --enable-asan --enable-ubsan CFLAGS='-O1 -g' && make_check
}

part_style() {
	local t rc=0 out=$BUILD/style.out
	cd "$TOP" || return 1
	for t in tests/style/*.sh; do
		[ -e "$t" ] || continue
		if ! bash "$t" >"$out" 2>&1; then rc=1 && has_results "$out" || echo "not ok 1 $t"; fi
		tap_named "$t" <"$out"
	done
	if git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format --dry-run -Werror >"$out" 2>&1; then
		echo "ok 1 formatted as .clang-format says"
	else
		echo "not ok 1 formatted as .clang-format says (make fmt)" && rc=1
		sed 's/^/# /' "$out" | head -n 30
	fi
	return $rc
}

# The integration tests' helper programs, built here for the test machine too: a compiler is slow in there.
test_tools() { bash "$SRC/tests/integration/tools/build.sh" "$BUILD/tools"; }

# The files side by side, as many as there are cores; each file's output in one piece.
part_host() {
	cd "$SRC" || return 1
	export RUNTIME=$JOEY JOEY_TEST_TOOLS=$BUILD/tools
	test_tools && mkdir -p "$BUILD/host" && rm -f "$BUILD"/host/* || return 1
	printf '%s\n' tests/integration/*.bats | grep -v '/sandbox' | xargs -P "$JOBS" -I{} sh -c \
		'out=$1/$(basename "$2"); timeout -k 10 300 bats --tap "$2" >"$out" 2>&1 || [ $? -lt 124 ] || echo "not ok $2: time limit" >>"$out"' \
		sh "$BUILD/host" {}
	cat "$BUILD"/host/*.bats
	! grep -q '^not ok' "$BUILD"/host/*.bats
}

# Containers in virtual machines: their own tests, and the rest of the suite with every container sandboxed, but for the files that
# sandbox-skip.txt names as a whole. Debian's kernel, for the small one takes five minutes to build (it is used where somebody has
# made it: make guest-kernel).
sandboxed_files() {
	local f name
	for f in tests/integration/*.bats; do
		name=$(basename "$f" .bats)
		case $name in
		sandbox*) echo "- $name" ;;
		*) grep -q "^$name	[*]	" tests/integration/sandbox-skip.txt || echo "vm $name" ;;
		esac
	done | sort
}
part_sandbox() {
	local out=$BUILD/sandbox
	command -v "qemu-system-$(uname -m)" >/dev/null || skip "no qemu-system-$(uname -m)"
	cd "$BUILD/gcc" && make guest || return 1
	cd "$SRC" || return 1
	export RUNTIME=$JOEY JOEY_TEST_TOOLS=$BUILD/tools
	test_tools && mkdir -p "$out" && rm -f "$out"/* || return 1
	sandboxed_files | xargs -n 2 -P "$JOBS" sh -c \
		'[ "$2" != vm ] || export JOEY_TEST_BACKEND=vm
		timeout -k 10 400 bats --tap "tests/integration/$3.bats" >"$1/$3" 2>&1 || [ $? -lt 124 ] || echo "not ok $3: time limit" >>"$1/$3"' sh "$out"
	cat "$out"/*
	! grep -q '^not ok' "$out"/*
}

part_cross() {
	local packages="libseccomp-dev libseccomp2 libcap-dev libcap2 libyajl-dev libyajl2" root lib=usr/lib/aarch64-linux-gnu
	root=$CACHE/arm64-$(sha256sum <<<"$packages" | cut -c1-12)
	if [ ! -e "$root/done" ]; then
		debs_open arm64 arm64 bookworm || return 1
		debs_unpack arm64 "$root" $packages || return 1
		touch "$root/done"
	fi
	export PKG_CONFIG_LIBDIR=$root/$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
	configure_in cross --host=aarch64-linux-gnu --enable-werror \
		CPPFLAGS="-isystem $root/usr/include -isystem $root/usr/include/aarch64-linux-gnu" LDFLAGS="-L$root/$lib" &&
		make -j"$JOBS" joey joey-agent && file joey && file joey | grep -q 'ARM aarch64'
}

# The guest of the other architecture, in full emulation; the program is part_cross's.
part_aarch64() {
	[ -x "$BUILD/cross/joey-agent" ] || skip "nothing was built for aarch64"
	make -C "$BUILD/gcc" tests/integration/agent-client || return 1
	"$TOP/tests/cross/aarch64.sh" "$BUILD/cross/joey-agent" "$BUILD/gcc/tests/integration/agent-client" "$BUILD/aarch64"
}

# Every fuzz target, on its corpus, for FUZZ_SECONDS each, two at a time.
part_fuzz() {
	local target name n=0 rc=0
	compgen -G "$SRC/tests/fuzz/*.c" >/dev/null || skip "no fuzz targets"
	configure_in fuzz CC=clang --enable-fuzzing-engine --enable-asan --enable-ubsan CFLAGS='-O1 -g' &&
		make -j"$JOBS" check TESTS= || return 1
	rm -rf "$BUILD/fuzz/run" && mkdir -p "$BUILD/fuzz/run" && cd "$BUILD/fuzz/run" || return 1
	for target in "$BUILD"/fuzz/tests/fuzz/fuzz_*; do [ -x "$target" ] && echo "$target"; done |
		xargs -P "$JOBS" -I{} sh -c '
			name=$(basename "$1"); seeds=$2/tests/fuzz/corpus/${name#fuzz_}; mkdir -p new.$name; [ -d "$seeds" ] || seeds=
			timeout -k 5 100 "$1" -max_total_time="$3" -timeout=10 -rss_limit_mb=2048 new.$name $seeds >$name.log 2>&1
			echo $? >$name.rc' sh {} "$SRC" "${FUZZ_SECONDS:-20}"
	for target in *.rc; do
		name=${target%.rc} n=$((n + 1))
		if [ "$(cat "$target")" = 0 ]; then
			echo "ok $n $name, $(grep -oE 'Done [0-9]+ runs' "$name.log")"
		else
			echo "not ok $n $name" && tail -n 30 "$name.log" | sed 's/^/# /' && rc=1
		fi
	done
	return $rc
}

part_dist() {
	configure_in gcc --enable-werror && rm -rf joey-*.tar.* && make dist || return 1
	rm -rf "$BUILD/dist" && mkdir "$BUILD/dist" && tar -C "$BUILD/dist" --strip-components=1 -xf joey-*.tar.xz &&
		cd "$BUILD/dist" && ./configure && make -j"$JOBS" && ./joey --version && make install DESTDIR="$BUILD/dist/install" &&
		find install -type f
}

part_demo() { make -C "$BUILD/gcc" guest && JOEY=$JOEY "$TOP/demo"; }
# figures COMMAND...: marks the lines of its output that ./check shows.
figures() {
	JOEY=$JOEY "$@" | sed -u '/ at most /s/^/# figure: /'
	return "${PIPESTATUS[0]}"
}
part_bench() { figures "$TOP/bench/run.sh" --rounds 100; }
part_scale() { figures "$TOP/bench/scale.sh" --rounds 50 --limits; }
part_soak() { "$TOP/tests/soak/run.sh" "$JOEY"; }
part_image() { "$TOP/tests/vm/image.sh"; }

# in_vm KIND LIMIT ARGUMENT...: run tests/vm/suite.sh in the test machine; what it brings out is in $BUILD/vm-KIND.
in_vm() {
	local kind=$1 limit=$2
	shift 2
	vm_ready "$kind" && a_vm "$kind" "$limit" "$@"
}
# Nobody has taken any of the work yet.
vm_ready() { test_tools && rm -rf "$BUILD/vm-$1/taken" && mkdir -p "$BUILD/vm-$1"; }
a_vm() {
	local kind=$1 limit=$2
	shift 2
	"$TOP/tests/vm/run.sh" "--$kind" --timeout "$limit" --share "$SRC:/source:ro" --share "$BUILD/gcc:/build:ro" \
		--share "$BUILD/tools:/tools:ro" --out "$BUILD/vm-$kind" ${VM_SHARE:+--share "$VM_SHARE"} -- bash /source/tests/vm/suite.sh "$@"
}
# in_two LIMIT ARGUMENTS ARGUMENTS: two quick machines side by side, for each has one processor only.
in_two() {
	local rc=0
	vm_ready uml || return 1
	# shellcheck disable=SC2086 # words
	a_vm uml "$1" $2 >"$BUILD/vm-uml/first" 2>&1 &
	# shellcheck disable=SC2086
	a_vm uml "$1" $3 || rc=1
	wait $! || rc=1
	cat "$BUILD/vm-uml/first"
	return $rc
}
part_vm() { in_two 1400 'unit integration' 'integration unit'; }

# Against the specification, and against crun and runc: here, where they are quick, and in the test machine what needs the
# controllers that a host may lack.
part_conformance() {
	local rc=0
	"$TOP/tests/conformance/run.sh" --all "$JOEY" || rc=1
	in_vm uml 200 conformance || rc=1
	return $rc
}
part_differential() {
	local rivals rc=0
	rivals=$("$TOP/tests/lib/rivals.sh") || return 1
	RIVALS=$rivals "$TOP/tests/differential/run.sh" "$JOEY" || rc=1
	# The newest of both run with the loader and libraries beside them, which must be where they were.
	VM_SHARE=$rivals:$rivals:ro in_vm uml 250 differential || rc=1
	return $rc
}
part_engines() { in_two 1100 engines engines2; }
# The same engines with sandboxed containers, on this host: half of the suites beside the other half.
part_engines-vm() {
	local engines out=$BUILD/engines-vm
	command -v "qemu-system-$(uname -m)" >/dev/null || skip "no qemu-system-$(uname -m)"
	cd "$BUILD/gcc" && make guest || return 1
	engines=$("$TOP/tests/lib/engines.sh") && mkdir -p "$out" || return 1
	export JOEY LIMIT=450
	"$SRC/tests/engines/on-host.sh" "$engines" joey-vm sandbox_cri cri sandbox_podman docker >"$out/cri" 2>&1 &
	"$SRC/tests/engines/on-host.sh" "$engines" joey-vm sandbox_containerd containerd sandbox_cni podman sandbox_docker >"$out/others" 2>&1
	wait
	cat "$out"/*
	! grep -q '^not ok' "$out"/*
}

# What user-mode Linux cannot show, the full machine runs: every bats test that was skipped in there, and the unit tests of
# live cgroups, and Podman's checkpoints.
part_qemu() {
	grep -hE '^ok .*# *skip' "$BUILD/log/vm.log" | sed -E 's/^ok [0-9]+ //; s/ # *skip.*//' |
		grep -v '^test_' >"$BUILD/skipped-in-vm"
	[ -s "$BUILD/skipped-in-vm" ] || skip "nothing was skipped in the quick machine"
	mkdir -p "$BUILD/vm-qemu" && cp "$BUILD/skipped-in-vm" "$BUILD/vm-qemu/names"
	in_vm qemu 1400 cgroups named engines_criu
}

part=${1:?part}
"part_$part"
