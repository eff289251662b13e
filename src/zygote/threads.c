/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork(2) copies the caller alone.  So that a copy has all threads, each is sent a signal, and waits in the handler:
 * the kernel has put everything that it was onto its stack, which is copied.  In the copy a new thread is made for
 * each, with the old one's thread pointer, whose first step is the return from that signal.  Nothing depends on where
 * the threads were: locks that they hold are held in the copy, by the same threads.
 *
 * What a thread has beyond its memory and registers, it is given again: its number (locks of some kinds name their
 * owner by it), the place that is cleared when it ends (where its descriptor has the number; found by its value), the
 * robust list, and restartable sequences.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "zygote/zygote-internal.h"

enum {
	STOP_SIGNAL = SIGFPE, /* QEMU's threads block all signals but those of faults */
	TRIES = 5,
	STOP_MS = 500,
	DESCRIPTOR_MAX = 1024, /* how far into it the number may be */
	STACK = 4096,          /* of a new thread before it has its own again */
	RSEQ_SIGNATURE = 0x53053053,
};

struct thread {
	int tid;
	_Atomic uint32_t stopped; /* in this round */
	void *context;            /* ucontext_t in its signal frame */
	unsigned long tp;
	void *robust;
	size_t robust_len;
};

static struct thread threads[THREADS_MAX];
static unsigned n_threads;
static _Atomic uint32_t round; /* odd: they are to stop */
static char stacks[THREADS_MAX][STACK] __attribute__((aligned(64)));

/* Of the C library, where it has them. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

/* ---- stopping --------------------------------------------------------------------------------------------------- */

static void wait_for_change(_Atomic uint32_t *word, uint32_t value)
{
	(void)SYS(SYS_futex, word, FUTEX_WAIT, value, 0);
}

static void on_stop(int sig, siginfo_t *info, void *context)
{
	int tid = (int)SYS(SYS_gettid);
	uint32_t now = atomic_load(&round);

	(void)sig;
	if (info->si_code != SI_TKILL)
		SYS(SYS_exit_group, 128 + STOP_SIGNAL);
	/* One that was on its way for longer than it was waited for has an earlier round: it does not count. */
	for (unsigned i = 0; (now & 1) && i < n_threads; i++) {
		struct thread *t = &threads[i];

		if (t->tid != tid)
			continue;
		t->context = context;
		t->tp = thread_pointer();
		atomic_store(&t->stopped, now);
		while (atomic_load(&round) == now)
			wait_for_change(&round, now);
		return;
	}
}

extern void zygote_sigreturn(void);
__asm__(".text\n.type zygote_sigreturn, @function\nzygote_sigreturn:\n\tmov $15, %eax\n\tsyscall\n");

struct kernel_sigaction {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

static int set_handler(void)
{
	const struct kernel_sigaction sa = { .handler = on_stop,
					     .flags = SA_SIGINFO | SA_RESTART | 0x04000000, /* SA_RESTORER */
					     .restorer = zygote_sigreturn,
					     .mask = ~0UL };

	return (int)SYS(SYS_rt_sigaction, STOP_SIGNAL, &sa, 0, sizeof(sa.mask));
}

struct entry { /* linux_dirent64 */
	uint64_t ino, off;
	unsigned short len;
	unsigned char type;
	char name[];
};

static int number(const char *s)
{
	int n = 0;

	for (; *s >= '0' && *s <= '9' && n < 100000000; s++)
		n = n * 10 + (*s - '0');
	return *s ? 0 : n;
}

int each_number(const char *dir, int (*what)(int number, void *arg), void *arg)
{
	static char buf[8192] __attribute__((aligned(8)));
	int fd = (int)SYS(SYS_open, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = fd < 0 ? fd : 0;
	long n = 0;

	while (r >= 0 && (n = SYS(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (long at = 0; at < n && r >= 0;) {
			const struct entry *e = (const struct entry *)(const void *)(buf + at);
			int k = e->name[0] == '.' ? -1 : number(e->name);

			if (k >= 0 && k != fd)
				r = what(k, arg);
			at += e->len;
		}
	if (fd >= 0)
		(void)SYS(SYS_close, fd);
	return n < 0 ? (int)n : r < 0 ? r : 0;
}

static int note(int tid, void *arg)
{
	struct thread *t = &threads[n_threads];

	if (tid == *(const int *)arg)
		return 0;
	if (n_threads >= THREADS_MAX)
		return -E2BIG;
	zero(t, sizeof(*t));
	t->tid = tid;
	(void)SYS(SYS_get_robust_list, tid, &t->robust, &t->robust_len);
	n_threads++;
	return 0;
}

static int count(int tid, void *arg)
{
	(void)tid;
	++*(unsigned *)arg;
	return 0;
}

static void nap(void)
{
	const long ts[2] = { 0, 100000 };

	(void)SYS(SYS_nanosleep, ts, 0);
}

static bool is_stopped(unsigned i)
{
	return atomic_load(&threads[i].stopped) == atomic_load(&round);
}

/* One that has ended is not waited for. */
static int stop_listed(void)
{
	int pid = (int)SYS(SYS_getpid);
	unsigned stopped = 0;

	for (unsigned i = 0; i < n_threads; i++)
		if (SYS(SYS_tgkill, pid, threads[i].tid, STOP_SIGNAL) < 0)
			return -EAGAIN;
	for (int i = 0; i < STOP_MS * 10 && stopped < n_threads; i++) {
		if (i > 0)
			nap();
		for (stopped = 0; stopped < n_threads && is_stopped(stopped); stopped++)
			;
		if (stopped < n_threads && SYS(SYS_tgkill, pid, threads[stopped].tid, 0) < 0)
			return -EAGAIN;
	}
	return stopped == n_threads ? 0 : -EAGAIN;
}

void threads_release(void)
{
	atomic_fetch_add(&round, 1);
	(void)SYS(SYS_futex, &round, FUTEX_WAKE, THREADS_MAX, 0);
}

/* A thread that ends or starts meanwhile: from the beginning. */
int threads_stop(void)
{
	static const char tasks[] = "/proc/self/task";
	int self = (int)SYS(SYS_gettid), r = set_handler();

	for (int i = 0; r == 0 && i < TRIES; i++) {
		unsigned all = 0;

		n_threads = 0;
		r = each_number(tasks, note, &self);
		if (r < 0)
			return r;
		atomic_fetch_add(&round, 1);
		if (stop_listed() == 0 && each_number(tasks, count, &all) == 0 && all == n_threads + 1)
			return 0;
		threads_release();
		nap();
	}
	return r < 0 ? r : -EAGAIN;
}

/* ---- in the copy ------------------------------------------------------------------------------------------------ */

/* Where descriptors have the number: the place at which it is in every thread's. */
static int find_number(void)
{
	for (int at = 0; at < DESCRIPTOR_MAX; at += (int)sizeof(int)) {
		unsigned same = 0;

		for (unsigned i = 0; i < n_threads; i++)
			same += *(const int *)(threads[i].tp + (unsigned long)at) == threads[i].tid;
		if (same == n_threads)
			return at;
	}
	return -ENOTRECOVERABLE;
}

static uint64_t caps;
static _Atomic uint32_t made, failed, go;

static __attribute__((noreturn, used)) void zygote_revived(struct thread *t)
{
	if (caps_set(caps) < 0)
		atomic_store(&failed, 1);
	if (t->robust)
		(void)SYS(SYS_set_robust_list, t->robust, t->robust_len);
#ifdef SYS_rseq
	if (&__rseq_offset && &__rseq_size && __rseq_size)
		(void)SYS(SYS_rseq, t->tp + (unsigned long)__rseq_offset, 32, 0, RSEQ_SIGNATURE);
#endif
	atomic_fetch_add(&made, 1);
	(void)SYS(SYS_futex, &made, FUTEX_WAKE, 1, 0);
	while (!atomic_load(&go))
		wait_for_change(&go, 0);
	/* The frame is the handler's, above the context is what it would have returned to: the kernel takes it from
	 * here. */
	__asm__ volatile("mov %0, %%rsp\n\tmov $15, %%eax\n\tsyscall\n\thlt" : : "r"(t->context) : "memory");
	__builtin_unreachable();
}

static long clone_thread(struct clone_args *a, void *run, void *arg)
{
	register void *r12 __asm__("r12") = run;
	register void *r13 __asm__("r13") = arg;
	long r;

	a->flags |= CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
	__asm__ volatile("syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\txor %%ebp, %%ebp\n\tmov %%r13, %%rdi\n\tcall "
			 "*%%r12\n\thlt\n1:"
			 : "=a"(r)
			 : "a"(SYS_clone3), "D"(a), "S"(sizeof(*a)), "r"(r12), "r"(r13)
			 : "rcx", "r11", "memory");
	return r;
}

int threads_revive(uint64_t keep)
{
	int at = find_number();

	if (at < 0)
		return at;
	caps = keep;
	atomic_fetch_add(&round, 1);
	for (unsigned i = 0; i < n_threads; i++) {
		struct thread *t = &threads[i];
		struct clone_args a;
		long r;

		zero(&a, sizeof(a));
		a.flags = CLONE_SETTLS | CLONE_CHILD_CLEARTID;
		a.stack = (uint64_t)(uintptr_t)stacks[i];
		a.stack_size = STACK;
		a.tls = t->tp;
		a.child_tid = t->tp + (unsigned long)at;
		a.set_tid = (uint64_t)(uintptr_t)&t->tid;
		a.set_tid_size = 1;
		r = clone_thread(&a, zygote_revived, t);
		if (r < 0)
			return (int)r;
	}
	for (uint32_t n; (n = atomic_load(&made)) < n_threads;)
		wait_for_change(&made, n);
	return atomic_load(&failed) ? -EPERM : 0;
}

void threads_go(void)
{
	atomic_store(&go, 1);
	(void)SYS(SYS_futex, &go, FUTEX_WAKE, THREADS_MAX, 0);
}

int thread_start(void (*run)(void *arg), void *arg)
{
	static char stack[256 << 10] __attribute__((aligned(64)));
	struct clone_args a;
	long r;

	zero(&a, sizeof(a));
	a.stack = (uint64_t)(uintptr_t)stack;
	a.stack_size = sizeof(stack);
	r = clone_thread(&a, run, arg);
	return r < 0 ? (int)r : 0;
}
