/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library that is loaded into a QEMU which is to be forked (include/joey/zygote.h): a thread beside QEMU's own,
 * which the C library knows nothing of, takes requests.  And functions in the place of the C library's: guest
 * memory must be in copies, which QEMU forbids, and what a tap was set to cannot be asked for later.  And those by
 * which the guest gets random numbers (its processor's and its device's): a generator's state would be the same in all
 * copies.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "zygote/zygote-internal.h"

#define EXPORT __attribute__((visibility("default")))

static struct joey_zygote_setup setup;
static int control = -1;

/* ---- in the place of the C library's ---------------------------------------------------------------------------- */

EXPORT int madvise(void *addr, size_t len, int advice)
{
	long r = control >= 0 && advice == MADV_DONTFORK ? 0 : SYS(SYS_madvise, addr, len, advice);

	if (r < 0)
		errno = (int)-r;
	return r < 0 ? -1 : 0;
}

enum { TAPS_MAX = 64 };
static unsigned offloads[TAPS_MAX];

unsigned tap_offloads(int fd)
{
	return fd >= 0 && fd < TAPS_MAX ? offloads[fd] : 0;
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	unsigned long arg;
	long r;

	va_start(ap, request);
	arg = va_arg(ap, unsigned long);
	va_end(ap);
	r = SYS(SYS_ioctl, fd, request, arg);
	if (r >= 0 && request == TUNSETOFFLOAD && fd >= 0 && fd < TAPS_MAX)
		offloads[fd] = (unsigned)arg;
	/* What stands for a tap in a machine without a network (child.c). */
	if (r == -ENOTTY && control >= 0 && (request == TUNSETOFFLOAD || request == TUNSETVNETHDRSZ))
		r = 0;
	if (r < 0)
		errno = (int)-r;
	return r < 0 ? -1 : (int)r;
}

/* By their names in two libraries, of which QEMU has the one or the other. */
EXPORT int gnutls_rnd(int level, void *data, size_t len);
EXPORT void gcry_randomize(void *data, size_t len, int level);

int gnutls_rnd(int level, void *data, size_t len)
{
	char *at = data;

	(void)level;
	while (len > 0) {
		long n = SYS(SYS_getrandom, at, len, 0);

		if (n < 0 && n != -EINTR)
			SYS(SYS_exit_group, 1);
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

void gcry_randomize(void *data, size_t len, int level)
{
	(void)gnutls_rnd(level, data, len);
}

/* ---- messages --------------------------------------------------------------------------------------------------- */

union ancillary {
	struct cmsghdr head;
	char room[CMSG_SPACE((JOEY_ZYGOTE_TARGETS_MAX + 4) * sizeof(int))];
};

/* No padding that the copy's memory would show through. */
void answer(int sock, long r, const char *what, int fd)
{
	struct joey_zygote_answer a;
	struct iovec iov = { &a, sizeof(a) };
	union ancillary anc;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	zero(&a, sizeof(a));
	a.errnum = r < 0 ? (int)-r : 0;
	for (unsigned i = 0; what && what[i] && i < sizeof(a.what) - 1; i++)
		a.what[i] = what[i];
	if (fd >= 0) {
		zero(&anc, sizeof(anc));
		m.msg_control = &anc;
		m.msg_controllen = CMSG_SPACE(sizeof(int));
		anc.head.cmsg_len = CMSG_LEN(sizeof(int));
		anc.head.cmsg_level = SOL_SOCKET;
		anc.head.cmsg_type = SCM_RIGHTS;
		*(int *)(void *)CMSG_DATA(&anc.head) = fd;
	}
	(void)SYS(SYS_sendmsg, sock, &m, MSG_NOSIGNAL);
}

static void close_all(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		(void)SYS(SYS_close, fds[i]);
}

/* < 0: nothing that could be answered. */
static long receive(struct fork_request *q)
{
	struct iovec iov = { &q->head, sizeof(q->head) };
	union ancillary anc;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &anc, .msg_controllen = sizeof(anc) };
	long n = SYS(SYS_recvmsg, control, &m, MSG_CMSG_CLOEXEC);
	unsigned n_fds, want;
	const int *fds;

	if (n <= 0)
		return n == 0 ? -EPIPE : n;
	if (m.msg_controllen < CMSG_LEN(0) || anc.head.cmsg_type != SCM_RIGHTS)
		return -EAGAIN;
	fds = (const int *)(const void *)CMSG_DATA(&anc.head);
	n_fds = (unsigned)((anc.head.cmsg_len - CMSG_LEN(0)) / sizeof(int));
	want = 3 + q->head.n + (q->head.flags & JOEY_ZYGOTE_CGROUP ? 1 : 0);
	if (n != (long)sizeof(q->head) || q->head.magic != JOEY_ZYGOTE_MAGIC || q->head.n > JOEY_ZYGOTE_TARGETS_MAX ||
	    q->head.n_nowhere > JOEY_ZYGOTE_TARGETS_MAX || n_fds != want) {
		close_all(fds, n_fds);
		return -EAGAIN;
	}
	q->reply = fds[0];
	q->life = fds[1];
	q->share = fds[2];
	for (unsigned i = 0; i < q->head.n; i++)
		q->fds[i] = fds[3 + i];
	q->cgroup = want > 3 + q->head.n ? fds[want - 1] : -1;
	return 0;
}

/* ---- forking ---------------------------------------------------------------------------------------------------- */

static long make_copy(const struct fork_request *q, int *ret_pidfd)
{
	struct clone_args args;

	zero(&args, sizeof(args));
	args.flags =
		CLONE_PIDFD | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP;
	args.exit_signal = SIGCHLD; /* which is ignored: nobody has to wait for it */
	args.pidfd = (uint64_t)(uintptr_t)ret_pidfd;
	if (q->cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)q->cgroup;
	}
	return SYS(SYS_clone3, &args, sizeof(args));
}

/* Who has asked may not have waited. */
static bool is_wanted(const struct fork_request *q)
{
	struct pollfd p = { .fd = q->life };

	return SYS(SYS_poll, &p, 1, 0) == 0;
}

static void serve(const struct fork_request *q)
{
	static struct inventory have;
	const char *what = "clone";
	int pidfd = -1;
	long r = is_wanted(q) ? threads_stop() : -ECANCELED;

	if (r < 0) {
		answer(q->reply, r, "stop the threads", -1);
		return;
	}
	r = inventory_take(q, control, &have);
	if (r >= 0)
		r = make_copy(q, &pidfd);
	else
		what = "look at the descriptors";
	if (r == 0) {
		(void)SYS(SYS_close, control);
		if (q->cgroup >= 0)
			(void)SYS(SYS_close, q->cgroup);
		child_main(q, &have, &setup);
	}
	threads_release();
	if (pidfd >= 0)
		answer(q->reply, 0, 0, pidfd);
	else
		answer(q->reply, r, what, -1);
	(void)SYS(SYS_close, pidfd);
}

static void run(void *arg)
{
	static struct fork_request q;
	long n = SYS(SYS_recvfrom, control, &setup, sizeof(setup), 0, 0, 0), r;
	const size_t head = offsetof(struct joey_zygote_setup, filter);

	(void)arg;
	if (n < (long)head || setup.magic != JOEY_ZYGOTE_MAGIC || setup.n == 0 || setup.n > JOEY_ZYGOTE_FILTER_MAX ||
	    (size_t)n != head + setup.n * sizeof(*setup.filter)) {
		answer(control, -EPROTO, "setup", -1);
		SYS(SYS_exit_group, 1);
	}
	answer(control, 0, 0, -1);
	while ((r = receive(&q)) == 0 || r == -EAGAIN || r == -EINTR) {
		if (r < 0)
			continue;
		serve(&q);
		close_all(q.fds, q.head.n);
		close_all((const int[]){ q.reply, q.life, q.share, q.cgroup }, 4);
	}
	/* Nobody can ask any more. */
	SYS(SYS_exit_group, 0);
	__builtin_unreachable();
}

/* Before QEMU's main(): it has one thread, and the new one is born with all signals blocked. */
static __attribute__((constructor)) void begin(void)
{
	const unsigned long all = ~0UL;
	const void *ignore[4] = { SIG_IGN, 0, 0, 0 }; /* struct kernel_sigaction */
	const char *number = getenv(JOEY_ZYGOTE_ENV);
	unsigned long before = 0;

	if (!number)
		return;
	for (control = 0; *number >= '0' && *number <= '9' && control < 1000; number++)
		control = control * 10 + (*number - '0');
	(void)SYS(SYS_fcntl, control, F_SETFD, FD_CLOEXEC);
	(void)SYS(SYS_rt_sigaction, SIGCHLD, ignore, 0, sizeof(all));
	(void)SYS(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof(all));
	if (thread_start(run, 0) < 0)
		SYS(SYS_exit_group, 1);
	/* Of the process; its copies' is that of the thread which was just made. */
	(void)SYS(SYS_prctl, PR_SET_NAME, "qemu-zygote");
	(void)SYS(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof(all));
}
