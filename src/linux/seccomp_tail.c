/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls newer than the profile.  A profile that answers EPERM by default was written when the newest calls did not
 * exist; a C library takes ENOSYS, not EPERM, as the word to fall back (clone3, faccessat2).  So every number above
 * the highest that the profile names gets ENOSYS, per architecture, before libseccomp's rules are asked.
 *
 * The instructions are of the kind that the kernel can evaluate at load time (load of nr and arch, compare, return;
 * kernel/seccomp.c, seccomp_is_const_allow), so allowed calls keep their fast path.
 */
#include <linux/audit.h>
#include <linux/bpf_common.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>

#include "linux/linux-internal.h"

/* 32-bit ARM keeps calls of its own (set_tls, cacheflush) at this number and above: they are not "new". */
#define ARM_PRIVATE 0x000f0000u

struct out {
	struct sock_filter *v;
	int n;
};

static void emit(struct out *o, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	o->v[o->n++] = (struct sock_filter)BPF_JUMP(code, k, jt, jf);
}

static bool is_permissive(uint32_t action)
{
	uint32_t kind = action & SECCOMP_RET_ACTION_FULL;

	/* a tracer or supervisor is expected to deal with new calls itself */
	return kind == SECCOMP_RET_ALLOW || kind == SECCOMP_RET_LOG || kind == SECCOMP_RET_TRACE ||
	       kind == SECCOMP_RET_USER_NOTIF;
}

static bool wanted(const struct joey_seccomp *p)
{
	return !is_permissive(p->default_action) && p->default_action != SCMP_ACT_ERRNO(ENOSYS);
}

/* The highest number that the profile names; -1 if none. */
static int64_t newest(const struct joey_seccomp *p, uint32_t arch)
{
	int64_t top = -1;

	for (size_t i = 0; i < p->n_rules; i++) {
		for (size_t j = 0; j < p->rules[i].names.n; j++) {
			int nr = seccomp_syscall_resolve_name_arch(arch, p->rules[i].names.v[j]);

			/* negative: not known, or a libseccomp number for a call this architecture lacks */
			if (nr < 0 || (arch == SCMP_ARCH_ARM && (uint32_t)nr >= ARM_PRIVATE))
				continue;
			if (nr > top)
				top = nr;
		}
	}
	return top;
}

static bool lists(const struct joey_seccomp *p, uint32_t arch)
{
	if (arch == seccomp_arch_native())
		return true;
	for (size_t i = 0; i < p->n_archs; i++)
		if (p->archs[i] == arch)
			return true;
	return false;
}

/* The kernel's name for an architecture: libseccomp's own, but for x32. */
static uint32_t audit_arch(uint32_t token)
{
	if (token == SCMP_ARCH_NATIVE)
		token = seccomp_arch_native();
	return token == SCMP_ARCH_X32 ? (uint32_t)SCMP_ARCH_X86_64 : token;
}

static void add_limit(const struct joey_seccomp *p, uint32_t arch, struct seccomp_limit *v, size_t *n)
{
	struct seccomp_limit *l = &v[*n];

	for (size_t i = 0; i < *n; i++)
		if (v[i].arch == arch)
			return;
	if (*n == SECCOMP_ARCHS_MAX)
		return;
	*l = (struct seccomp_limit){ .arch = arch, .top = -1, .top_x32 = -1 };
	(*n)++;
	if (!wanted(p))
		return;
	l->top = newest(p, arch);
	if (arch == SCMP_ARCH_ARM)
		l->none_above = ARM_PRIVATE;
	if (arch == SCMP_ARCH_X86_64) {
		l->none_above = SECCOMP_X32_BIT;
		if (lists(p, SCMP_ARCH_X32))
			l->top_x32 = newest(p, SCMP_ARCH_X32);
		/* a number as the kernel sees it, or none */
		l->top_x32 = l->top_x32 < 0 ? -1 : l->top_x32 | SECCOMP_X32_BIT;
	}
}

size_t seccomp_limits(const struct joey_seccomp *p, struct seccomp_limit ret[SECCOMP_ARCHS_MAX])
{
	size_t n = 0;

	/* the native one first: it is asked for most */
	add_limit(p, audit_arch(SCMP_ARCH_NATIVE), ret, &n);
	for (size_t i = 0; i < p->n_archs; i++)
		add_limit(p, audit_arch(p->archs[i]), ret, &n);
	return n;
}

bool seccomp_is_new(const struct seccomp_limit *l, uint32_t nr)
{
	if (l->arch == SCMP_ARCH_X86_64 && nr >= SECCOMP_X32_BIT)
		return l->top_x32 >= 0 && nr > l->top_x32;
	return l->top >= 0 && nr > l->top && (l->none_above == 0 || nr < l->none_above);
}

/* If the number is below end (0: in any case) and above top: ENOSYS. */
static void emit_limit(struct out *o, int64_t top, uint32_t end)
{
	if (top < 0)
		return;
	if (end != 0)
		emit(o, BPF_JMP | BPF_JGE | BPF_K, end, 2, 0);
	emit(o, BPF_JMP | BPF_JGT | BPF_K, (uint32_t)top, 0, 1);
	emit(o, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
}

static void emit_arch(struct out *o, const struct seccomp_limit *l)
{
	int test = o->n;

	emit(o, BPF_JMP | BPF_JEQ | BPF_K, l->arch, 0, 0);
	emit(o, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	emit_limit(o, l->top, l->none_above);
	/* every x32 number is above every other one */
	emit_limit(o, l->top_x32, 0);
	/* out of the prelude; the distance is filled in when its end is known */
	emit(o, BPF_JMP | BPF_JA, 0, 0, 0);
	o->v[test].jf = (uint8_t)(o->n - test - 1);
}

int seccomp_tail(const struct joey_seccomp *p, struct sock_filter buf[SECCOMP_TAIL_MAX])
{
	struct seccomp_limit limits[SECCOMP_ARCHS_MAX];
	struct out o = { buf, 0 };
	size_t n = seccomp_limits(p, limits);
	int ends[SECCOMP_ARCHS_MAX];

	if (!wanted(p))
		return 0;
	emit(&o, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	for (size_t i = 0; i < n; i++) {
		emit_arch(&o, &limits[i]);
		ends[i] = o.n - 1;
	}
	for (size_t i = 0; i < n; i++)
		buf[ends[i]].k = (uint32_t)(o.n - ends[i] - 1);
	return o.n;
}
