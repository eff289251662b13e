/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules -> program text of type BPF_PROG_TYPE_CGROUP_DEVICE.  Touches no kernel.
 *
 * Meaning, for each of read, write and mknod on its own: the last rule that matches the device and names the
 * access decides; a rule for everything resets what stands before it; without one the start is "deny".  A request
 * passes when every access in it does.
 *
 * So rules are looked at from the last to the first.  r3 holds the accesses that are still undecided: a matching
 * "allow" takes its bits away (none left: pass), a matching "deny" that meets one of them refuses.  Neighbouring
 * rules with the same verdict commute, so such a run is sorted by type and major number, and minor numbers below 64
 * become one bit test.  That matters: the verifier's time is most of what a device filter costs at create.
 *
 * Registers: r0 verdict, r2 type, r3 undecided accesses, r4 major, r5 minor, r6 scratch.
 */
#include <string.h>

#include "cgroups/cgroups-internal.h"

enum { T_ANY = 0, T_BLOCK = BPF_DEVCG_DEV_BLOCK, T_CHAR = BPF_DEVCG_DEV_CHAR, T_MAX = 3 };

#define ACC_ALL   ((unsigned)(BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE))
#define RULES_MAX 65536

struct rule {
	bool allow;
	unsigned type, access; /* as in struct bpf_cgroup_dev_ctx */
	int64_t major, minor;  /* -1 = any */
};

/* 8.3.2: what every container may do, after the rules of the config. */
static const struct rule defaults[] = {
	{ true, T_CHAR, BPF_DEVCG_ACC_MKNOD, -1, -1 },
	{ true, T_BLOCK, BPF_DEVCG_ACC_MKNOD, -1, -1 },
	{ true, T_CHAR, ACC_ALL, 1, 3 },    /* null */
	{ true, T_CHAR, ACC_ALL, 1, 5 },    /* zero */
	{ true, T_CHAR, ACC_ALL, 1, 7 },    /* full */
	{ true, T_CHAR, ACC_ALL, 1, 8 },    /* random */
	{ true, T_CHAR, ACC_ALL, 1, 9 },    /* urandom */
	{ true, T_CHAR, ACC_ALL, 5, 0 },    /* tty */
	{ true, T_CHAR, ACC_ALL, 5, 2 },    /* ptmx */
	{ true, T_CHAR, ACC_ALL, 136, -1 }, /* pts */
	{ true, T_CHAR, ACC_ALL, 10, 200 }, /* tun */
};

struct code {
	struct bpf_insn *v;
	size_t n, cap;
	int error;
};

static size_t emit(struct code *c, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	if (c->error)
		return 0;
	if (c->n == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 128;
		struct bpf_insn *p = reallocarray(c->v, cap, sizeof(*p));

		if (!p) {
			c->error = -ENOMEM;
			return 0;
		}
		c->v = p;
		c->cap = cap;
	}
	c->v[c->n] = (struct bpf_insn){ .code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm };
	return c->n++;
}

static void emit_mov(struct code *c, uint8_t dst, uint32_t value)
{
	/* 32-bit moves clear the upper half */
	emit(c, BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, (int32_t)value);
}

static void emit_mov64(struct code *c, uint8_t dst, uint64_t value)
{
	emit(c, BPF_LD | BPF_DW | BPF_IMM, dst, 0, 0, (int32_t)(uint32_t)value);
	emit(c, 0, 0, 0, 0, (int32_t)(uint32_t)(value >> 32));
}

/* A jump whose target is not known yet. */
static size_t emit_jump32(struct code *c, uint8_t op, uint8_t reg, uint32_t value)
{
	return emit(c, (uint8_t)(BPF_JMP32 | op | BPF_K), reg, 0, 0, (int32_t)value);
}

static void land_here(struct code *c, size_t jump)
{
	size_t off;

	if (c->error)
		return;
	off = c->n - jump - 1;
	if (off > INT16_MAX)
		c->error = -E2BIG;
	else
		c->v[jump].off = (int16_t)off;
}

static void emit_exit(struct code *c, bool allow)
{
	if (!allow) /* r0 is 1 from the first instruction on */
		emit_mov(c, BPF_REG_0, 0);
	emit(c, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* The device matches: decide on `access`. */
static void emit_verdict(struct code *c, bool allow, unsigned access)
{
	size_t over;

	if (access == 0)
		return;
	if (access == ACC_ALL) {
		emit_exit(c, allow);
		return;
	}
	if (allow) {
		emit(c, BPF_ALU | BPF_AND | BPF_K, BPF_REG_3, 0, 0, (int32_t)(ACC_ALL & ~access));
		over = emit_jump32(c, BPF_JNE, BPF_REG_3, 0);
	} else {
		emit(c, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_3, 0, 0);
		emit(c, BPF_ALU | BPF_AND | BPF_K, BPF_REG_6, 0, 0, (int32_t)access);
		over = emit_jump32(c, BPF_JEQ, BPF_REG_6, 0);
	}
	emit_exit(c, allow);
	land_here(c, over);
}

/* Rules of one type and major with minors below 64: a bit set for each combination of accesses. */
static void emit_minor_set(struct code *c, bool allow, unsigned access, uint64_t set)
{
	unsigned top = 63 - (unsigned)__builtin_clzll(set);
	size_t out_of_range, no;

	if ((set & (set - 1)) == 0) {
		no = emit_jump32(c, BPF_JNE, BPF_REG_5, top);
		emit_verdict(c, allow, access);
		land_here(c, no);
		return;
	}
	out_of_range = emit_jump32(c, BPF_JGT, BPF_REG_5, top);
	if (top < 32)
		emit_mov(c, BPF_REG_6, (uint32_t)set);
	else
		emit_mov64(c, BPF_REG_6, set);
	emit(c, BPF_ALU64 | BPF_RSH | BPF_X, BPF_REG_6, BPF_REG_5, 0, 0);
	emit(c, BPF_ALU | BPF_AND | BPF_K, BPF_REG_6, 0, 0, 1);
	no = emit_jump32(c, BPF_JEQ, BPF_REG_6, 0);
	emit_verdict(c, allow, access);
	land_here(c, no);
	land_here(c, out_of_range);
}

/* v[0..n): same verdict, type and major, sorted by minor. */
static void emit_minors(struct code *c, const struct rule *v, size_t n)
{
	uint64_t sets[ACC_ALL + 1] = { 0 };
	unsigned any = 0, a;
	size_t i;

	for (i = 0; i < n; i++) {
		if (v[i].minor < 0)
			any |= v[i].access;
		else if (v[i].minor < 64)
			sets[v[i].access] |= 1ULL << v[i].minor;
	}
	emit_verdict(c, v->allow, any);
	if (any == ACC_ALL)
		return;
	for (a = 1; a <= ACC_ALL; a++)
		if (sets[a])
			emit_minor_set(c, v->allow, a, sets[a]);
	for (i = 0; i < n; i++) {
		size_t no;

		if (v[i].minor < 64)
			continue;
		no = emit_jump32(c, BPF_JNE, BPF_REG_5, (uint32_t)v[i].minor);
		emit_verdict(c, v->allow, v[i].access);
		land_here(c, no);
	}
}

/* v[0..n): same verdict and type, sorted by major. */
static void emit_majors(struct code *c, const struct rule *v, size_t n)
{
	size_t i = 0;

	while (i < n) {
		size_t end = i, no = 0;

		while (end < n && v[end].major == v[i].major)
			end++;
		if (v[i].major >= 0)
			no = emit_jump32(c, BPF_JNE, BPF_REG_4, (uint32_t)v[i].major);
		emit_minors(c, v + i, end - i);
		if (v[i].major >= 0)
			land_here(c, no);
		i = end;
	}
}

static int by_number(const void *pa, const void *pb)
{
	const struct rule *a = pa, *b = pb;

	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->major != b->major)
		return a->major < b->major ? -1 : 1;
	return a->minor == b->minor ? 0 : a->minor < b->minor ? -1 : 1;
}

/* v[0..n): same verdict; sorted in place.  True: every request is decided, and what would follow is unreachable, which
 * the verifier refuses. */
static bool emit_run(struct code *c, struct rule *v, size_t n)
{
	unsigned wild[T_MAX] = { 0 }, both;
	size_t i, kept = 0;

	/* Rules for whole types: what holds for both types needs no type check. */
	for (i = 0; i < n; i++) {
		if (v[i].major < 0 && v[i].minor < 0)
			wild[v[i].type] |= v[i].access;
		else
			v[kept++] = v[i];
	}
	both = wild[T_ANY] | (wild[T_BLOCK] & wild[T_CHAR]);
	emit_verdict(c, v->allow, both);
	if (both == ACC_ALL)
		return true;
	qsort(v, kept, sizeof(*v), by_number);
	for (i = 0; i < T_MAX; i++) {
		unsigned rest = i != T_ANY && (wild[i] & ~both) ? wild[i] : 0;
		size_t start = 0, end, no = 0;

		while (start < kept && v[start].type < i)
			start++;
		for (end = start; end < kept && v[end].type == i; end++)
			;
		if (rest == 0 && start == end)
			continue;
		if (i != T_ANY)
			no = emit_jump32(c, BPF_JNE, BPF_REG_2, (uint32_t)i);
		emit_verdict(c, v->allow, rest);
		if (rest != ACC_ALL)
			emit_majors(c, v + start, end - start);
		if (i != T_ANY)
			land_here(c, no);
	}
	return false;
}

static int convert(const struct joey_device_rule *in, size_t index, struct rule *ret, struct joey_err *err)
{
	*ret = (struct rule){
		.allow = in->allow,
		.type = in->type == 'b'   ? T_BLOCK
			: in->type == 'c' ? T_CHAR
					  : T_ANY,
		.access = ((in->access & JOEY_DEV_READ) ? (unsigned)BPF_DEVCG_ACC_READ : 0) |
			  ((in->access & JOEY_DEV_WRITE) ? (unsigned)BPF_DEVCG_ACC_WRITE : 0) |
			  ((in->access & JOEY_DEV_MKNOD) ? (unsigned)BPF_DEVCG_ACC_MKNOD : 0),
		.major = in->major < 0 ? -1 : in->major,
		.minor = in->minor < 0 ? -1 : in->minor,
	};
	if (ret->access == 0)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
				    "linux.resources.devices[%zu].access: device access at %zu field cannot be empty",
				    index, index);
	if (ret->major > UINT32_MAX || ret->minor > UINT32_MAX)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
				    "linux.resources.devices[%zu]: device number out of range", index);
	return 0;
}

static bool is_reset(const struct rule *r)
{
	return r->type == T_ANY && r->major < 0 && r->minor < 0 && r->access == ACC_ALL;
}

/* The rules that can still decide anything, in v[0..*n); *start_allow: what holds where none does. */
static void drop_idle(struct rule *v, size_t *n, bool *start_allow)
{
	size_t first = *n;

	*start_allow = false;
	while (first > 0 && !is_reset(&v[first - 1]))
		first--;
	if (first > 0)
		*start_allow = v[first - 1].allow;
	/* Right after the start, a rule that says the same as the start says nothing. */
	while (first < *n && v[first].allow == *start_allow)
		first++;
	*n -= first;
	memmove(v, v + first, *n * sizeof(*v));
}

static int generate(struct rule *v, size_t n, bool start_allow, struct code *c)
{
	bool decided = false;

	emit(c, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_3, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
	emit(c, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_4, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, major), 0);
	emit(c, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_5, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
	emit(c, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_3, 0, 0);
	emit(c, BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff);
	emit(c, BPF_ALU | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16);
	emit_mov(c, BPF_REG_0, 1);
	while (n > 0 && !decided) {
		size_t run = 1;

		while (run < n && v[n - run - 1].allow == v[n - 1].allow)
			run++;
		n -= run;
		decided = emit_run(c, v + n, run);
	}
	if (!decided)
		emit_exit(c, start_allow);
	return c->error;
}

int cgroup_devices_compile(const struct joey_device_rule *rules, size_t n, struct cgroup_devprog *ret,
			   struct joey_err *err)
{
	autofree struct rule *v = NULL;
	struct code c = { NULL, 0, 0, 0 };
	bool start_allow, only_allows = true;
	size_t i;
	int r;

	if (n > RULES_MAX)
		return joey_err_set(err, JOEY_EK_CONFIG, E2BIG, "linux.resources.devices: more than %d rules",
				    RULES_MAX);
	v = reallocarray(NULL, n + JOEY_ARRAY_SIZE(defaults), sizeof(*v));
	if (!v)
		return joey_err_sys(err, ENOMEM, "compile device rules");
	for (i = 0; i < n; i++) {
		r = convert(&rules[i], i, &v[i], err);
		if (r < 0)
			return r;
		only_allows &= v[i].allow && v[i].access == ACC_ALL;
	}
	memcpy(v + n, defaults, sizeof(defaults));
	n += JOEY_ARRAY_SIZE(defaults);
	drop_idle(v, &n, &start_allow);
	if (n > 0 || !start_allow) {
		r = generate(v, n, start_allow, &c);
		if (r < 0) {
			free(c.v);
			if (r == -E2BIG)
				return joey_err_set(err, JOEY_EK_CONFIG, E2BIG,
						    "linux.resources.devices: too many rules for one program");
			return joey_err_sys(err, -r, "compile device rules");
		}
	}
	*ret = (struct cgroup_devprog){
		.insns = c.v,
		.n = c.n,
		.allows_all = n == 0 && start_allow,
		.only_allows = only_allows,
	};
	return 0;
}
