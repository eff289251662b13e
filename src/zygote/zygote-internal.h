/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_ZYGOTE_INTERNAL_H
#define JOEY_ZYGOTE_INTERNAL_H

/*
 * Everything here runs in a QEMU, beside its C library or, in a new copy, instead of it: only system calls, no errno,
 * no thread-local storage, no allocation, no lock.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "joey/zygote.h"

/* ---- machine-dependent: the only one that has been tried ------------------------------------------------------- */

#ifdef __x86_64__

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

/* The thread's descriptor of the C library, whose start the register points to. */
static inline unsigned long thread_pointer(void)
{
	unsigned long tp;

	__asm__("mov %%fs:0, %0" : "=r"(tp));
	return tp;
}

#endif

#define SYS(nr, ...)                    SYS_(nr, ##__VA_ARGS__, 0L, 0L, 0L, 0L, 0L, 0L)
#define SYS_(nr, a, b, c, d, e, f, ...) sys6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* A loop of our own: the compiler may not make a call of the C library of it. */
static inline void zero(void *p, size_t n)
{
	for (volatile char *c = p; n-- > 0;)
		*c++ = 0;
}

/* ---- threads.c: all others of the process, held in a signal handler, and brought to life in a copy ----------------
 */

enum { THREADS_MAX = 256 };

/* They stay where they are until threads_release(). */
int threads_stop(void);
void threads_release(void);
/* In a copy, which has none yet; it needs CAP_SYS_ADMIN.  They have these capabilities, and wait for threads_go(). */
int threads_revive(uint64_t keep);
void threads_go(void);
/* A thread that the C library knows nothing of; with the thread pointer of its maker, which it may not use. */
int thread_start(void (*run)(void *arg), void *arg);
/* Of a directory of /proc; < 0 ends the walk and is returned. */
int each_number(const char *dir, int (*what)(int number, void *arg), void *arg);

/* ---- child.c: a copy's first steps ------------------------------------------------------------------------------ */

struct fork_request {
	struct joey_zygote_fork head;
	int reply, life, share, cgroup;
	int fds[JOEY_ZYGOTE_TARGETS_MAX];
};

/* What there is in the zygote that copies may not have in common.  Looked at before each fork, which is not made where
 * there is something that cannot be replaced. */
struct inventory {
	int events[64], signals[4], shares[8], polls[8];
	uint64_t masks[4]; /* of signals */
	unsigned n_events, n_signals, n_shares, n_polls;
};
int inventory_take(const struct fork_request *q, int control, struct inventory *ret);

/* Never returns to the zygote's loop. */
_Noreturn void child_main(const struct fork_request *q, const struct inventory *have,
			  const struct joey_zygote_setup *setup);
int caps_set(uint64_t mask);
void answer(int sock, long r, const char *what, int fd);

/* ---- zygote.c --------------------------------------------------------------------------------------------------- */

/* The last offloads that QEMU has set for a tap; 0: none. */
unsigned tap_offloads(int fd);

#endif
