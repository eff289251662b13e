/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules -> eBPF (oci-checklist 8.3).  The program text runs in a small interpreter here and is compared with the
 * rules read naively; where the kernel lets us, every program is also loaded, so that the verifier has its say.
 */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "cgroups/cgroups-internal.h"

#define R JOEY_DEV_READ
#define W JOEY_DEV_WRITE
#define M JOEY_DEV_MKNOD

/* ---- interpreter -------------------------------------------------------------------------------------------- */

static uint64_t alu(unsigned op, uint64_t dst, uint64_t src, bool wide)
{
	uint64_t v = 0;

	switch (op) {
	case BPF_MOV:
		v = src;
		break;
	case BPF_AND:
		v = dst & src;
		break;
	case BPF_RSH:
		v = wide ? dst >> (src & 63) : (uint32_t)dst >> (src & 31);
		break;
	default:
		fail_msg("unknown operation %#x", op);
	}
	return wide ? v : (uint32_t)v;
}

static bool jumps(unsigned op, uint32_t dst, uint32_t src)
{
	switch (op) {
	case BPF_JEQ:
		return dst == src;
	case BPF_JNE:
		return dst != src;
	case BPF_JGT:
		return dst > src;
	default:
		fail_msg("unknown jump %#x", op);
	}
	return false;
}

static int interpret(const struct cgroup_devprog *p, uint32_t type, uint32_t access, uint32_t major, uint32_t minor)
{
	struct bpf_cgroup_dev_ctx ctx = { .access_type = (access << 16) | type, .major = major, .minor = minor };
	uint64_t reg[11] = { 0 };
	size_t pc = 0;

	while (pc < p->n) {
		const struct bpf_insn *i = &p->insns[pc++];
		unsigned class = BPF_CLASS(i->code), op = BPF_OP(i->code);
		uint64_t src = BPF_SRC(i->code) == BPF_X ? reg[i->src_reg] : (uint64_t)(int64_t)i->imm;

		if (i->code == (BPF_JMP | BPF_EXIT))
			return (int)reg[0];
		if (i->code == (BPF_LD | BPF_DW | BPF_IMM)) {
			assert_true(pc < p->n);
			reg[i->dst_reg] = (uint32_t)i->imm | (uint64_t)(uint32_t)p->insns[pc++].imm << 32;
		} else if (i->code == (BPF_LDX | BPF_MEM | BPF_W)) {
			uint32_t v;

			assert_true(i->src_reg == 1 && i->off >= 0 && (size_t)i->off <= sizeof(ctx) - 4);
			memcpy(&v, (const char *)&ctx + i->off, sizeof(v));
			reg[i->dst_reg] = v;
		} else if (class == BPF_ALU || class == BPF_ALU64) {
			reg[i->dst_reg] = alu(op, reg[i->dst_reg], src, class == BPF_ALU64);
		} else if (class == BPF_JMP32) {
			if (jumps(op, (uint32_t)reg[i->dst_reg], (uint32_t)src)) {
				assert_true(i->off >= 0);
				pc += (size_t)i->off;
			}
		} else {
			fail_msg("unknown instruction %#x", i->code);
		}
	}
	fail_msg("ran off the end");
	return -1;
}

/* ---- the rules read naively ---------------------------------------------------------------------------------- */

static const struct joey_device_rule defaults[] = {
	{ true, 'c', -1, -1, M },       { true, 'b', -1, -1, M },          { true, 'c', 1, 3, R | W | M },
	{ true, 'c', 1, 8, R | W | M }, { true, 'c', 1, 7, R | W | M },    { true, 'c', 5, 0, R | W | M },
	{ true, 'c', 1, 5, R | W | M }, { true, 'c', 1, 9, R | W | M },    { true, 'c', 136, -1, R | W | M },
	{ true, 'c', 5, 2, R | W | M }, { true, 'c', 10, 200, R | W | M },
};

static bool says(const struct joey_device_rule *r, char type, int64_t major, int64_t minor, unsigned bit, bool before)
{
	if (r->type != 'a' && r->type != type)
		return before;
	if ((r->major >= 0 && r->major != major) || (r->minor >= 0 && r->minor != minor) || !(r->access & bit))
		return before;
	return r->allow;
}

static bool naive(const struct joey_device_rule *rules, size_t n, char type, uint32_t access, int64_t major,
		  int64_t minor)
{
	unsigned bit;

	for (bit = 1; bit <= 4; bit <<= 1) {
		bool ok = false;
		size_t i;

		if (!(access & bit))
			continue;
		for (i = 0; i < n; i++)
			ok = says(&rules[i], type, major, minor, bit, ok);
		for (i = 0; i < JOEY_ARRAY_SIZE(defaults); i++)
			ok = says(&defaults[i], type, major, minor, bit, ok);
		if (!ok)
			return false;
	}
	return true;
}

static uint32_t kernel_access(unsigned access)
{
	return ((access & R) ? (unsigned)BPF_DEVCG_ACC_READ : 0) | ((access & W) ? (unsigned)BPF_DEVCG_ACC_WRITE : 0) |
	       ((access & M) ? (unsigned)BPF_DEVCG_ACC_MKNOD : 0);
}

/* ---- checks -------------------------------------------------------------------------------------------------- */

static int load(const struct cgroup_devprog *p)
{
	static char log[1 << 16];
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)p->insns;
	attr.insn_cnt = (uint32_t)p->n;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
	attr.log_buf = (uint64_t)(uintptr_t)log;
	attr.log_size = sizeof(log);
	attr.log_level = 1;
	log[0] = '\0';
	fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	if (fd < 0 && errno != EPERM && errno != ENOSYS)
		print_message("# verifier: %s\n", log);
	return fd < 0 ? -errno : fd;
}

static const int64_t numbers[] = { 0, 1, 2, 3, 5, 7, 8, 9, 10, 31, 32, 63, 64, 136, 200, 1000, 4294967295 };

static void check(const struct joey_device_rule *rules, size_t n, bool into_kernel)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct cgroup_devprog p = { 0 };
	size_t a, b;
	unsigned acc;
	int fd;

	assert_int_equal(cgroup_devices_compile(rules, n, &p, &err), 0);
	for (a = 0; a < JOEY_ARRAY_SIZE(numbers); a++) {
		for (b = 0; b < JOEY_ARRAY_SIZE(numbers); b++) {
			for (acc = 1; acc <= 7; acc++) {
				static const char types[] = "bc";
				int t;

				for (t = 0; t < 2; t++) {
					uint32_t kt = types[t] == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
					bool want = naive(rules, n, types[t], acc, numbers[a], numbers[b]);
					int got = p.allows_all ? 1
							       : interpret(&p, kt, kernel_access(acc),
									   (uint32_t)numbers[a], (uint32_t)numbers[b]);

					if (got != want)
						fail_msg("%c %lld:%lld access %u: %d instead of %d", types[t],
							 (long long)numbers[a], (long long)numbers[b], acc, got, want);
				}
			}
		}
	}
	if (into_kernel && !p.allows_all) {
		fd = load(&p);
		if (fd != -EPERM && fd != -ENOSYS)
			assert_true(fd >= 0);
		joey_close(fd);
	}
	free(p.insns);
}

static void tables(void **state)
{
	static const struct joey_device_rule deny[] = { { false, 'a', -1, -1, R | W | M } };
	static const struct joey_device_rule all[] = { { true, 'a', -1, -1, R | W | M } };
	static const struct joey_device_rule docker[] = {
		{ false, 'a', -1, -1, R | W | M }, { true, 'c', 1, 5, R | W | M },     { true, 'c', 1, 3, R | W | M },
		{ true, 'c', 1, 9, R | W | M },    { true, 'c', 1, 8, R | W | M },     { true, 'c', 5, 0, R | W | M },
		{ true, 'c', 5, 1, R | W | M },    { false, 'c', 10, 229, R | W | M }, { true, 'b', 8, 0, R },
	};
	static const struct joey_device_rule holes[] = {
		{ true, 'a', -1, -1, R | W | M }, { false, 'b', -1, -1, W | M }, { false, 'c', 1, 3, W },
		{ true, 'b', 8, -1, R | W },      { false, 'b', 8, 3, R },       { false, 'a', 7, -1, R | W | M },
	};
	static const struct joey_device_rule both_types[] = {
		{ false, 'c', 1, 3, R | W | M },
		{ true, 'b', -1, -1, R | W | M },
		{ true, 'c', -1, -1, R | W | M },
	};
	static const struct joey_device_rule reset_late[] = {
		{ true, 'c', 200, 200, R | W | M },
		{ false, 'a', -1, -1, R | W | M },
		{ true, 'c', -1, 7, R },
		{ false, 'c', 1, -1, M },
	};
	static const struct joey_device_rule no_default_left[] = { { false, 'c', 5, 2, R | W | M },
								   { false, 'a', -1, -1, R | W } };

	(void)state;
	check(NULL, 0, true);
	check(deny, 1, true);
	check(all, 1, true);
	check(docker, JOEY_ARRAY_SIZE(docker), true);
	check(holes, JOEY_ARRAY_SIZE(holes), true);
	check(both_types, JOEY_ARRAY_SIZE(both_types), true);
	check(reset_late, JOEY_ARRAY_SIZE(reset_late), true);
	check(no_default_left, JOEY_ARRAY_SIZE(no_default_left), true);
}

static uint32_t rnd(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % n;
}

static void random_rules(void **state)
{
	uint32_t seed = 2026;
	unsigned round;

	(void)state;
	for (round = 0; round < 600; round++) {
		struct joey_device_rule v[24];
		size_t n = rnd(&seed, JOEY_ARRAY_SIZE(v)), i;

		for (i = 0; i < n; i++) {
			static const char types[] = "abc";

			v[i].allow = rnd(&seed, 2);
			v[i].type = types[rnd(&seed, 3)];
			v[i].major = rnd(&seed, 4) ? numbers[rnd(&seed, 17)] : -1;
			v[i].minor = rnd(&seed, 4) ? numbers[rnd(&seed, 17)] : -1;
			v[i].access = 1 + rnd(&seed, 7);
		}
		check(v, n, round % 4 == 0);
	}
}

static void shortcuts(void **state)
{
	static const struct joey_device_rule all = { true, 'a', -1, -1, R | W | M };
	static const struct joey_device_rule deny = { false, 'a', -1, -1, R | W | M };
	static const struct joey_device_rule some = { true, 'c', 1, 1, R };
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct cgroup_devprog p = { 0 };

	(void)state;
	assert_int_equal(cgroup_devices_compile(&all, 1, &p, &err), 0);
	assert_true(p.allows_all && p.only_allows && !p.insns);
	assert_int_equal(cgroup_devices_compile(&deny, 1, &p, &err), 0);
	assert_false(p.allows_all || p.only_allows);
	/* The usual filter stays short: its load time is a good part of a create. */
	assert_true(p.n <= 34);
	free(p.insns);
	assert_int_equal(cgroup_devices_compile(&some, 1, &p, &err), 0);
	assert_false(p.allows_all || p.only_allows);
	free(p.insns);
}

static void refused(void **state)
{
	static const struct joey_device_rule no_access[] = { { true, 'c', 1, 1, R }, { true, 'c', 1, 1, 0 } };
	static const struct joey_device_rule big = { true, 'c', 1LL << 32, 1, R };
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct cgroup_devprog p = { 0 };
	struct joey_device_rule *many;
	size_t i;

	(void)state;
	assert_int_equal(cgroup_devices_compile(no_access, 2, &p, &err), -EINVAL);
	assert_non_null(strstr(joey_err_text(&err), "device access at 1 field cannot be empty"));
	joey_err_clear(&err);
	assert_int_equal(cgroup_devices_compile(&big, 1, &p, &err), -EINVAL);
	joey_err_clear(&err);
	many = calloc(65537, sizeof(*many));
	assert_non_null(many);
	for (i = 0; i < 65537; i++)
		many[i] = (struct joey_device_rule){ true, 'c', (int64_t)i, 1000, R };
	assert_int_equal(cgroup_devices_compile(many, 65537, &p, &err), -E2BIG);
	joey_err_clear(&err);
	assert_int_equal(cgroup_devices_compile(many, 65536, &p, &err), -E2BIG); /* a jump would be too long */
	joey_err_clear(&err);
	assert_int_equal(cgroup_devices_compile(many, 1000, &p, &err), 0);
	free(p.insns);
	free(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables),
		cmocka_unit_test(random_rules),
		cmocka_unit_test(shortcuts),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
