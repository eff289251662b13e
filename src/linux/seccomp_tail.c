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

/* x86_64 and x32 share an AUDIT_ARCH; x32 calls have this bit. */
#define X32_BIT 0x40000000u
/* 32-bit ARM keeps calls of its own (set_tls, cacheflush) at this number and above: they are not "new". */
#define ARM_PRIVATE 0x000f0000u

enum { PER_ARCH = 8 }; /* instructions at most */

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

/* If the call is newer than the profile: ENOSYS.  Else falls through with nr loaded. */
static void emit_limit(struct out *o, int64_t top, uint32_t above)
{
	if (top < 0)
		return;
	if (above != 0)
		emit(o, BPF_JMP | BPF_JGE | BPF_K, above, 2, 0);
	emit(o, BPF_JMP | BPF_JGT | BPF_K, (uint32_t)top, 0, 1);
	emit(o, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
}

/* x86_64: numbers with the x32 bit are another table, and no business of ours unless the profile lists it. */
static void emit_x86_64(struct out *o, const struct joey_seccomp *p)
{
	int64_t top64 = newest(p, SCMP_ARCH_X86_64), top32 = -1;
	int jump = o->n;

	if (lists(p, SCMP_ARCH_X32)) {
		top32 = newest(p, SCMP_ARCH_X32);
		if (top32 >= 0)
			top32 |= X32_BIT;
	}
	emit(o, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 0);
	emit_limit(o, top64, 0);
	if (top32 >= 0) {
		/* skip the x32 test: the number is below */
		emit(o, BPF_JMP | BPF_JA, 2, 0, 0);
		o->v[jump].jt = (uint8_t)(o->n - jump - 1);
		emit_limit(o, top32, 0);
	} else {
		o->v[jump].jt = (uint8_t)(o->n - jump - 1);
	}
}

static void emit_arch(struct out *o, const struct joey_seccomp *p, uint32_t arch)
{
	int test = o->n;

	/* architecture tokens of libseccomp are the kernel's AUDIT_ARCH values, but for x32 */
	emit(o, BPF_JMP | BPF_JEQ | BPF_K, arch, 0, 0);
	emit(o, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	if (arch == SCMP_ARCH_X86_64)
		emit_x86_64(o, p);
	else
		emit_limit(o, newest(p, arch), arch == SCMP_ARCH_ARM ? ARM_PRIVATE : 0);
	/* out of the prelude; the distance is filled in when its end is known */
	emit(o, BPF_JMP | BPF_JA, 0, 0, 0);
	o->v[test].jf = (uint8_t)(o->n - test - 1);
}

int seccomp_tail(const struct joey_seccomp *p, struct sock_filter buf[SECCOMP_TAIL_MAX])
{
	struct out o = { buf, 0 };
	uint32_t native = seccomp_arch_native();
	int ends[SECCOMP_TAIL_MAX / 4], n_ends = 0;

	if (!wanted(p))
		return 0;
	if (native == SCMP_ARCH_X32)
		native = SCMP_ARCH_X86_64;
	emit(&o, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	/* the native one first: it is asked for most */
	emit_arch(&o, p, native);
	ends[n_ends++] = o.n - 1;
	for (size_t i = 0; i < p->n_archs; i++) {
		uint32_t arch = p->archs[i];

		/* one place is kept for the x86_64 form, which is longer */
		if (arch == native || arch == SCMP_ARCH_NATIVE || arch == SCMP_ARCH_X32 ||
		    o.n > SECCOMP_TAIL_MAX - 2 * PER_ARCH)
			continue;
		emit_arch(&o, p, arch);
		ends[n_ends++] = o.n - 1;
	}
	for (int i = 0; i < n_ends; i++)
		buf[ends[i]].k = (uint32_t)(o.n - ends[i] - 1);
	return o.n;
}
