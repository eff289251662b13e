/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A smaller program that decides the same.  libseccomp spends an instruction or two on every call it knows, once per
 * architecture; the kernel then translates all of it, and walks it for every call number, when the filter is loaded:
 * on the critical path of each start.  But profiles allow long runs of neighbouring numbers, so most of it says the
 * same thing again and again.
 *
 *   1. Ask libseccomp's program what it answers for (arch, nr).  The answer can change only at numbers that it
 *      compares with, so asking there gives the whole function: ranges of numbers with one action, or with the place
 *      where it begins to look at arguments.
 *   2. Write a binary search over those ranges, and behind it the instructions that look at arguments, as they were.
 *   3. Ask the new program the same questions.  Any difference, or any instruction not known here, and the old
 *      program is used.
 */
#include <linux/bpf_common.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>

#include "linux/linux-internal.h"

enum {
	RANGES_MAX = 4 * BPF_MAXINSNS,
	NOWHERE = 0xffff,
	OPEN = 0xff,  /* marks a jump whose place is not known yet, in a field that it does not use */
	UNLISTED = 0, /* no AUDIT_ARCH_* has this value */
};

/* What a program does with a call: an action, or (dynamic) goes on at instruction v with a look at the arguments. */
struct answer {
	bool dynamic;
	uint32_t v;
};

struct range {
	uint32_t first; /* up to the next range's */
	struct answer answer;
};

struct layout {
	struct seccomp_limit limits[SECCOMP_ARCHS_MAX];
	size_t n_limits;
	const struct sock_filter *in;
	size_t n_in;
	struct sock_filter *out;
	size_t n_out;
	uint32_t *breaks; /* sorted, unique */
	size_t n_breaks;
	struct range *ranges; /* of one architecture */
	size_t n_ranges;
	uint16_t moved[BPF_MAXINSNS]; /* new place of an old instruction, from the start of the copied part */
	size_t copied_at;
	bool failed;
};

static bool same(struct answer a, struct answer b)
{
	return a.dynamic == b.dynamic && a.v == b.v;
}

/* ---- asking a program ------------------------------------------------------------------------------------------- */

/* Jumps on a known accumulator. false: not understood. */
static bool jump(const struct sock_filter *f, uint32_t a, size_t *pc)
{
	bool hit;

	switch (f->code) {
	case BPF_JMP | BPF_JA:
		*pc += f->k;
		return true;
	case BPF_JMP | BPF_JEQ | BPF_K:
		hit = a == f->k;
		break;
	case BPF_JMP | BPF_JGT | BPF_K:
		hit = a > f->k;
		break;
	case BPF_JMP | BPF_JGE | BPF_K:
		hit = a >= f->k;
		break;
	default:
		return false;
	}
	*pc += hit ? f->jt : f->jf;
	return true;
}

/* The architecture may only be compared for equality with one that the profile lists: then all others are alike. */
static bool asks_for_listed(const struct layout *l, const struct sock_filter *f)
{
	if (f->code == (BPF_JMP | BPF_JA))
		return true;
	for (size_t i = 0; i < l->n_limits; i++)
		if (f->code == (BPF_JMP | BPF_JEQ | BPF_K) && f->k == l->limits[i].arch)
			return true;
	return false;
}

static int ask(const struct layout *l, const struct sock_filter *f, size_t n, uint32_t arch, uint32_t nr,
	       struct answer *ret)
{
	bool has_arch = false;
	uint32_t a = 0;

	for (size_t pc = 0; pc < n; pc++) {
		if (f[pc].code == (BPF_RET | BPF_K)) {
			*ret = (struct answer){ false, f[pc].k };
			return 0;
		}
		if (f[pc].code != (BPF_LD | BPF_W | BPF_ABS)) {
			if ((has_arch && !asks_for_listed(l, &f[pc])) || !jump(&f[pc], a, &pc))
				return -EOPNOTSUPP;
			continue;
		}
		has_arch = f[pc].k == offsetof(struct seccomp_data, arch);
		if (has_arch) {
			a = arch;
		} else if (f[pc].k == offsetof(struct seccomp_data, nr)) {
			a = nr;
		} else {
			*ret = (struct answer){ true, (uint32_t)pc };
			return 0;
		}
	}
	return -EOPNOTSUPP;
}

/* ---- 1: the ranges ---------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

static void add_break(struct layout *l, int64_t at)
{
	if (at >= 0 && at <= UINT32_MAX)
		l->breaks[l->n_breaks++] = (uint32_t)at;
}

/* Equality and order change at K and after K only. */
static void find_breaks(struct layout *l)
{
	size_t n = 0;

	add_break(l, 0);
	for (size_t i = 0; i < l->n_in; i++) {
		if (BPF_CLASS(l->in[i].code) == BPF_JMP) {
			add_break(l, l->in[i].k);
			add_break(l, (int64_t)l->in[i].k + 1);
		}
	}
	for (size_t i = 0; i < l->n_limits; i++) {
		add_break(l, l->limits[i].top + 1);
		add_break(l, l->limits[i].top_x32 + 1);
		add_break(l, l->limits[i].none_above);
	}
	add_break(l, SECCOMP_X32_BIT);
	qsort(l->breaks, l->n_breaks, sizeof(l->breaks[0]), by_value);
	for (size_t i = 0; i < l->n_breaks; i++)
		if (n == 0 || l->breaks[i] != l->breaks[n - 1])
			l->breaks[n++] = l->breaks[i];
	l->n_breaks = n;
}

/* limit NULL: an architecture that the profile does not list. */
static int wanted_answer(const struct layout *l, const struct seccomp_limit *limit, uint32_t arch, uint32_t nr,
			 struct answer *ret)
{
	if (limit && seccomp_is_new(limit, nr)) {
		*ret = (struct answer){ false, SECCOMP_RET_ERRNO | ENOSYS };
		return 0;
	}
	return ask(l, l->in, l->n_in, arch, nr, ret);
}

static int find_ranges(struct layout *l, const struct seccomp_limit *limit, uint32_t arch)
{
	l->n_ranges = 0;
	for (size_t i = 0; i < l->n_breaks; i++) {
		struct answer a;
		int r = wanted_answer(l, limit, arch, l->breaks[i], &a);

		if (r < 0)
			return r;
		if (l->n_ranges == 0 || !same(a, l->ranges[l->n_ranges - 1].answer))
			l->ranges[l->n_ranges++] = (struct range){ l->breaks[i], a };
	}
	return 0;
}

/* ---- 2: writing ------------------------------------------------------------------------------------------------- */

static size_t emit(struct layout *l, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (l->n_out >= BPF_MAXINSNS) {
		l->failed = true;
		return 0;
	}
	l->out[l->n_out] = (struct sock_filter)BPF_JUMP(code, k, jt, jf);
	return l->n_out++;
}

/* Where the copied part will be is not known yet: k is the old place, patched by resolve(). */
static void emit_leaf(struct layout *l, struct answer a)
{
	if (a.dynamic)
		emit(l, BPF_JMP | BPF_JA, a.v, 0, OPEN);
	else
		emit(l, BPF_RET | BPF_K, a.v, 0, 0);
}

/* Binary search over ranges [from, to).  Depth is the logarithm of at most RANGES_MAX. */
static void emit_tree(struct layout *l, size_t from, size_t to)
{
	size_t mid = from + (to - from) / 2, test, hop;

	if (to - from == 1) {
		emit_leaf(l, l->ranges[from].answer);
		return;
	}
	/* a conditional jump reaches 255 instructions: the far side is reached by a plain one */
	test = emit(l, BPF_JMP | BPF_JGE | BPF_K, l->ranges[mid].first, 0, 1);
	hop = emit(l, BPF_JMP | BPF_JA, 0, 0, 0);
	emit_tree(l, from, mid);
	if (l->failed)
		return;
	if (l->n_out - test - 2 <= 254) {
		/* near enough: drop the hop */
		memmove(&l->out[hop], &l->out[hop + 1], (l->n_out - hop - 1) * sizeof(l->out[0]));
		l->n_out--;
		l->out[test].jt = (uint8_t)(l->n_out - test - 1);
		l->out[test].jf = 0;
	} else {
		l->out[hop].k = (uint32_t)(l->n_out - hop - 1);
	}
	emit_tree(l, mid, to);
}

/* Marks what can be reached from an old instruction.  Jumps go forward only, so one pass in order is enough. */
static int mark(struct layout *l, bool *used, size_t first)
{
	for (size_t pc = first; pc < l->n_in; pc++) {
		const struct sock_filter *f = &l->in[pc];

		if (!used[pc])
			continue;
		switch (f->code) {
		case BPF_RET | BPF_K:
			continue;
		case BPF_LD | BPF_W | BPF_ABS:
		case BPF_ALU | BPF_AND | BPF_K:
			if (pc + 1 >= l->n_in)
				return -EOPNOTSUPP;
			used[pc + 1] = true;
			continue;
		case BPF_JMP | BPF_JA:
			if (f->k >= l->n_in - pc - 1)
				return -EOPNOTSUPP;
			used[pc + 1 + f->k] = true;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
		case BPF_JMP | BPF_JGT | BPF_K:
		case BPF_JMP | BPF_JGE | BPF_K:
		case BPF_JMP | BPF_JSET | BPF_K:
			if (pc + 1 + f->jt >= l->n_in || pc + 1 + f->jf >= l->n_in)
				return -EOPNOTSUPP;
			used[pc + 1 + f->jt] = used[pc + 1 + f->jf] = true;
			continue;
		default:
			return -EOPNOTSUPP;
		}
	}
	return 0;
}

/* In the old order, so every distance stays or shrinks. */
static void copy_used(struct layout *l, const bool *used)
{
	uint16_t at = 0;

	l->copied_at = l->n_out;
	for (size_t pc = 0; pc < l->n_in; pc++)
		l->moved[pc] = used[pc] ? at++ : (uint16_t)NOWHERE;
	for (size_t pc = 0; pc < l->n_in; pc++) {
		struct sock_filter f = l->in[pc];

		if (!used[pc])
			continue;
		if (f.code == (BPF_JMP | BPF_JA)) {
			f.k = (uint32_t)(l->moved[pc + 1 + f.k] - l->moved[pc] - 1);
		} else if (BPF_CLASS(f.code) == BPF_JMP) {
			f.jt = (uint8_t)(l->moved[pc + 1 + f.jt] - l->moved[pc] - 1);
			f.jf = (uint8_t)(l->moved[pc + 1 + f.jf] - l->moved[pc] - 1);
		}
		emit(l, f.code, f.k, f.jt, f.jf);
	}
}

static bool is_open_leaf(const struct sock_filter *f)
{
	return f->code == (BPF_JMP | BPF_JA) && f->jf == OPEN;
}

static int resolve(struct layout *l)
{
	bool used[BPF_MAXINSNS] = { false };
	size_t trees = l->n_out;
	int r;

	for (size_t i = 0; i < trees; i++)
		if (is_open_leaf(&l->out[i]))
			used[l->out[i].k] = true;
	r = mark(l, used, 0);
	if (r < 0)
		return r;
	copy_used(l, used);
	for (size_t i = 0; i < trees; i++) {
		if (is_open_leaf(&l->out[i])) {
			l->out[i].k = (uint32_t)(l->copied_at + l->moved[l->out[i].k] - i - 1);
			l->out[i].jf = 0;
		}
	}
	return 0;
}

static int emit_arch(struct layout *l, const struct seccomp_limit *limit)
{
	int r = find_ranges(l, limit, limit->arch);
	size_t hop;

	if (r < 0)
		return r;
	emit(l, BPF_JMP | BPF_JEQ | BPF_K, limit->arch, 1, 0);
	hop = emit(l, BPF_JMP | BPF_JA, 0, 0, 0);
	emit(l, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	emit_tree(l, 0, l->n_ranges);
	if (l->failed)
		return -E2BIG;
	l->out[hop].k = (uint32_t)(l->n_out - hop - 1);
	return 0;
}

/* ---- 3: checking ------------------------------------------------------------------------------------------------ */

static int check_arch(const struct layout *l, const struct seccomp_limit *limit, uint32_t arch)
{
	for (size_t i = 0; i < l->n_breaks; i++) {
		struct answer want, got;
		int r = wanted_answer(l, limit, arch, l->breaks[i], &want);

		if (r == 0)
			r = ask(l, l->out, l->n_out, arch, l->breaks[i], &got);
		if (r < 0)
			return r;
		if (want.dynamic)
			want.v = (uint32_t)(l->copied_at + l->moved[want.v]);
		if (!same(want, got))
			return -EOPNOTSUPP;
	}
	return 0;
}

static int work(struct layout *l)
{
	int r = 0;

	find_breaks(l);
	emit(l, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	for (size_t i = 0; r == 0 && i < l->n_limits; i++)
		r = emit_arch(l, &l->limits[i]);
	if (r == 0)
		r = find_ranges(l, NULL, UNLISTED);
	/* whatever the number: libseccomp looks at the architecture first */
	if (r == 0 && l->n_ranges != 1)
		r = -EOPNOTSUPP;
	if (r < 0)
		return r;
	emit_leaf(l, l->ranges[0].answer);
	r = resolve(l);
	if (r == 0 && l->failed)
		r = -E2BIG;
	for (size_t i = 0; r == 0 && i < l->n_limits; i++)
		r = check_arch(l, &l->limits[i], l->limits[i].arch);
	return r < 0 ? r : check_arch(l, NULL, UNLISTED);
}

int seccomp_layout(const struct joey_seccomp *profile, const struct sock_filter *in, size_t n, struct sock_filter *out,
		   size_t *ret_n)
{
	autofree struct layout *l = calloc(1, sizeof(*l));
	autofree uint32_t *breaks = calloc(RANGES_MAX, sizeof(*breaks));
	autofree struct range *ranges = calloc(RANGES_MAX, sizeof(*ranges));
	int r;

	if (!l || !breaks || !ranges)
		return -ENOMEM;
	l->in = in;
	l->n_in = n;
	l->out = out;
	l->breaks = breaks;
	l->ranges = ranges;
	l->n_limits = seccomp_limits(profile, l->limits);
	r = work(l);
	if (r < 0)
		return r;
	*ret_n = l->n_out;
	return 0;
}
