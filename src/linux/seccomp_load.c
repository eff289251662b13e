/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads the filter: the last step before the payload, whatever no_new_privs says, so that a profile need not know the
 * runtime's own calls.  With no_new_privs nothing follows but execve(2) (and what the runtime waits for in between);
 * without it capset(2), for creds.c has kept CAP_SYS_ADMIN permitted for this moment.
 *
 * A listener: from the moment the filter is in force any call of this process may wait for an agent that does not
 * have the listener yet, write(2) and sendmsg(2) included.  So the descriptor is handed over by a helper that the
 * filter does not bind: a task that shares memory and descriptors, started before.  It has to be a thread group
 * member: a child process would be left to the payload as a zombie, and an init cannot give a child to its own parent
 * (CLONE_PARENT).  The two never run joey's code at the same time: this side spins on a word of memory, without a
 * single call, until the helper is through; so the single-thread rule of malloc and errno holds.
 */
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "joey/syscalls.h"
#include "linux/linux-internal.h"

enum { HELPER_STACK = 256 << 10, HANDOVER_SECONDS = 60 };

enum handover {
	LOADING = 0,
	LOADED,     /* listener holds the number */
	NOT_LOADED, /* helper: go away */
	PASSED,     /* the parent has it */
	REFUSED,    /* err is filled */
};

struct helper {
	struct joey_setup *s;
	struct joey_err *err;
	int listener;
	int result;
	_Atomic int state;
};

bool wants_seccomp_late(const struct joey_setup *s)
{
	return s->seccomp != NULL;
}

static int set_filter(const struct joey_seccomp_prog *p)
{
	return (int)joey_sysret(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, p->flags, &p->prog));
}

static int load_error(const struct joey_seccomp_prog *p, int r, struct joey_err *err)
{
	/* flags are checked first (seccomp_set_mode_filter), and an unknown one is EINVAL like a bad program */
	if (r == -EINVAL && p->flags != 0)
		return joey_err_sys(err, r, "load seccomp filter (flags 0x%x, maybe not supported by the kernel)",
				    p->flags);
	if (r == -EBUSY && p->notify)
		return joey_err_sys(err, r, "load seccomp filter: another filter with a listener is in force");
	return joey_err_sys(err, r, "load seccomp filter");
}

/* ---- the helper: runs without the filter ---------------------------------------------------------------------- */

static int helper_main(void *arg)
{
	const struct timespec nap = { 0, 50000 };
	struct helper *h = arg;
	int state;

	while ((state = atomic_load(&h->state)) == LOADING)
		(void)syscall(SYS_nanosleep, &nap, NULL);
	if (state == LOADED) {
		h->result = h->s->parent.seccomp_listener(h->s->parent.arg, h->listener, h->err);
		atomic_store(&h->state, h->result < 0 ? REFUSED : PASSED);
	}
	/* this task only: returning would run the C library's end of a process */
	syscall(SYS_exit, 0);
	__builtin_trap();
}

/* One mapping holds the stack and the words shared with it.  It is never unmapped: execve(2) does that, and the helper
 * may still look at it when this side has moved on. */
static int helper_start(struct joey_setup *s, struct helper **ret, struct joey_err *err)
{
	const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
	char *map = mmap(NULL, HELPER_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	struct helper *h;

	if (map == MAP_FAILED)
		return joey_err_sys(err, errno, "stack of the seccomp helper");
	h = (struct helper *)(void *)map;
	*h = (struct helper){ .s = s, .err = err, .listener = -EBADF };
	if (clone(helper_main, map + HELPER_STACK, flags, h) < 0) {
		int saved = errno;

		munmap(map, HELPER_STACK);
		return joey_err_sys(err, saved, "start the seccomp helper");
	}
	*ret = h;
	return 0;
}

/* Without a system call: clock_gettime() is answered by the vDSO. */
static int wait_for(struct helper *h, struct joey_err *err)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		int state = atomic_load(&h->state);

		if (state == PASSED)
			return 0;
		if (state == REFUSED)
			return h->result;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec > HANDOVER_SECONDS)
			return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT, "hand over the seccomp listener");
	}
}

static int load_with_listener(struct joey_setup *s, struct joey_err *err)
{
	struct helper *h;
	int r;

	if (!s->parent.seccomp_listener)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "seccomp listenerPath is not set");
	r = helper_start(s, &h, err);
	if (r < 0)
		return r;
	r = set_filter(s->seccomp);
	if (r < 0) {
		atomic_store(&h->state, NOT_LOADED);
		return load_error(s->seccomp, r, err);
	}
	h->listener = r;
	atomic_store(&h->state, LOADED);
	return wait_for(h, err);
}

/* ---- around it --------------------------------------------------------------------------------------------------- */

/* Makes CAP_SYS_ADMIN effective if it is needed and there. */
static int raise_admin(const struct joey_setup *s, struct caps *now, struct joey_err *err)
{
	const uint64_t admin = 1ULL << CAP_SYS_ADMIN;
	struct caps c;
	int r = caps_get(now);

	if (r < 0)
		return joey_err_sys(err, r, "read capabilities");
	if (s->process->no_new_privileges || (now->effective & admin) || !(now->permitted & admin))
		return 0;
	c = *now;
	c.effective |= admin;
	r = caps_apply(&c);
	if (r < 0)
		return joey_err_sys(err, r, "raise CAP_SYS_ADMIN to load the seccomp filter");
	*now = c;
	return 0;
}

static bool caps_equal(const struct caps *a, const struct caps *b)
{
	return a->effective == b->effective && a->permitted == b->permitted && a->inheritable == b->inheritable;
}

int step_seccomp_late(struct joey_setup *s, struct joey_err *err)
{
	struct caps now, final;
	int r = joey_cloexec_from(3 + s->preserve_fds);

	if (r < 0)
		return joey_err_sys(err, r, "mark descriptors close-on-exec");
	r = raise_admin(s, &now, err);
	if (r < 0)
		return r;
	caps_final(s->process, &now, &final);
	if (s->seccomp->notify) {
		r = load_with_listener(s, err);
	} else {
		r = set_filter(s->seccomp);
		if (r < 0)
			r = load_error(s->seccomp, r, err);
	}
	if (r < 0)
		return r;
	if (!caps_equal(&now, &final)) {
		r = caps_apply(&final);
		if (r < 0)
			return joey_err_sys(err, r, "drop the capability that loaded the seccomp filter");
	}
	return 0;
}
