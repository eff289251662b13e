/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The five capability sets (capabilities(7)).  This file knows the kernel's rules for them; when each change is made
 * is the business of creds.c and seccomp_load.c.  What cannot be granted is left out with a warning, as the spec asks:
 * the sets may only ever be smaller than those of the config.
 */
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "joey/log.h"
#include "joey/syscalls.h"
#include "linux/linux-internal.h"

enum { CAPS_BITS = 64 };

int caps_get(struct caps *ret)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	*ret = (struct caps){
		.effective = data[0].effective | (uint64_t)data[1].effective << 32,
		.permitted = data[0].permitted | (uint64_t)data[1].permitted << 32,
		.inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32,
	};
	return 0;
}

int caps_apply(const struct caps *c)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{ (uint32_t)c->effective, (uint32_t)c->permitted, (uint32_t)c->inheritable },
		{ (uint32_t)(c->effective >> 32), (uint32_t)(c->permitted >> 32), (uint32_t)(c->inheritable >> 32) },
	};

	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

void caps_final(const struct joey_process *p, const struct caps *now, struct caps *ret)
{
	const struct joey_caps *c = p->caps;

	if (!c) {
		/* Left alone; but a change from root to another user has always cleared them. */
		*ret = *now;
		if (p->user.uid != 0)
			ret->effective = ret->permitted = 0;
		return;
	}
	ret->permitted = c->permitted & now->permitted;
	ret->effective = c->effective & ret->permitted;
	/* cap_capset(): nothing new beyond the bounding set, nor beyond what we are permitted */
	ret->inheritable = c->inheritable & (now->inheritable | (c->bounding & now->permitted));
}

/* One prctl(2) for each capability that is not wanted; the first number that the kernel does not know ends it. */
int caps_drop_bounding(const struct joey_process *p, struct joey_err *err)
{
	if (!p->caps)
		return 0;
	for (unsigned cap = 0; cap < CAPS_BITS; cap++) {
		if (p->caps->bounding >> cap & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL)
			return 0;
		/* without CAP_SETPCAP it is in order only when there is nothing to drop */
		if (errno == EPERM && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 0)
			continue;
		return joey_err_sys(err, EPERM, "drop capability %u from the bounding set", cap);
	}
	return 0;
}

void caps_raise_ambient(const struct joey_process *p, const struct caps *final)
{
	uint64_t possible = final->permitted & final->inheritable, want;

	/* capset(2) has cut the ambient set down to these, so with none there is nothing to clear. */
	if (!p->caps)
		return;
	want = p->caps->ambient;
	if (possible != 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		joey_warn("clear ambient capabilities: %s", joey_errno_text(errno));
	for (unsigned cap = 0; want >> cap; cap++) {
		if (!(want >> cap & 1))
			continue;
		if (!(possible >> cap & 1) || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			joey_warn("ambient capability %u cannot be raised", cap);
		if (cap == CAPS_BITS - 1)
			break;
	}
}
