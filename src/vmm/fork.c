/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machines that are copies of one that stands still: what is said to the library in its QEMU (include/joey/zygote.h).
 * The zygote runs nobody's code and is trusted; it answers in milliseconds, or it is not used.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "joey/zygote.h"
#include "vmm/vmm-internal.h"

enum { ANSWER_MS = 3000, AGAIN_MS = 5 };

/* ---- setup ------------------------------------------------------------------------------------------------------ */

int vmm_fork_setup(int control, struct joey_err *err)
{
	struct joey_zygote_setup s = { .magic = JOEY_ZYGOTE_MAGIC, .caps = vmm_jail_copy_caps() };
	size_t n = 0, len;
	int r = vmm_filter(s.filter, JOEY_ZYGOTE_FILTER_MAX, &n, err);

	if (r < 0)
		return r;
	s.n = (uint32_t)n;
	len = offsetof(struct joey_zygote_setup, filter) + n * sizeof(*s.filter);
	return send(control, &s, len, MSG_NOSIGNAL) == (ssize_t)len
		       ? 0
		       : joey_err_sys(err, errno, "set up a machine that is to be forked");
}

/* ret_fd: what came with it, if anything did. */
static int take_answer(int sock, int *ret_fd, struct joey_err *err)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	struct joey_zygote_answer a;
	autoclose int fd = -EBADF;
	size_t n_fds = 0;
	ssize_t n;

	if (poll(&p, 1, ANSWER_MS) <= 0)
		return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT, "fork a machine: no answer");
	n = joey_recv_fds(sock, &a, sizeof(a), &fd, 1, &n_fds, 0);
	if (n != (ssize_t)sizeof(a))
		return joey_err_set(err, JOEY_EK_OTHER, EPIPE, "fork a machine: it is gone");
	a.what[sizeof(a.what) - 1] = '\0';
	if (a.errnum)
		return joey_err_sys(err, a.errnum > 0 ? a.errnum : EPROTO, "fork a machine: %s", a.what);
	if (ret_fd)
		*ret_fd = joey_take_fd(&fd);
	return 0;
}

int vmm_fork_ready(int control, struct joey_err *err)
{
	return take_answer(control, NULL, err);
}

/* ---- a copy ----------------------------------------------------------------------------------------------------- */

struct ends { /* the copy's */
	int reply, life, share;
	int theirs[VMM_FD_END];
};

static void close_ends(struct ends *e)
{
	joey_close(e->reply);
	joey_close(e->life);
	joey_close(e->share);
	for (int i = 0; i < VMM_FD_END; i++)
		joey_close(e->theirs[i]);
}

/* In the zygote they are as QEMU has made them. */
static int unblock(struct ends *e, struct joey_err *err)
{
	for (int i = 0; i < VMM_FD_END; i++)
		if (e->theirs[i] >= 0 && fcntl(e->theirs[i], F_SETFL, O_RDWR | O_NONBLOCK) < 0)
			return joey_err_sys(err, errno, "make a channel non-blocking");
	return 0;
}

/* The socket takes few at once, and does not block (launch.c): one that stands still would keep us for ever. */
static int send_request(int sock, const struct joey_zygote_fork *f, const int *fds, size_t n)
{
	uint64_t until = joey_now_ms() + ANSWER_MS;
	ssize_t r;

	while ((r = joey_send_fds(sock, f, sizeof(*f), fds, n)) == -EAGAIN && joey_now_ms() < until)
		(void)poll(NULL, 0, AGAIN_MS);
	return r < 0 ? (int)r : 0;
}

static int request(const struct joey_vmm_start *a, const struct ends *e, struct joey_err *err)
{
	struct joey_zygote_fork f = { .magic = JOEY_ZYGOTE_MAGIC };
	int fds[JOEY_ZYGOTE_TARGETS_MAX + 4] = { e->reply, e->life, e->share };
	size_t n = 3;
	int r;

	for (int i = 0; i < VMM_FD_END; i++)
		if (e->theirs[i] >= 0) {
			f.targets[f.n++] = i;
			fds[n++] = e->theirs[i];
		}
	/* What QEMU complains about is said where the guest's kernel speaks. */
	f.targets[f.n++] = VMM_FD_ERR;
	fds[n++] = e->theirs[VMM_FD_CONSOLE];
	for (unsigned i = 0; i < (a->spec->nets > 1 ? JOEY_VMM_NETS_MAX : 1); i++)
		if (a->tap_fds[i] >= 0) {
			f.targets[f.n++] = vmm_fd_of_tap(i);
			fds[n++] = a->tap_fds[i];
		} else {
			f.nowhere[f.n_nowhere++] = vmm_fd_of_tap(i);
		}
	if (a->cgroup_fd >= 0) {
		f.flags |= JOEY_ZYGOTE_CGROUP;
		fds[n++] = a->cgroup_fd;
	}
	r = send_request(a->zygote_fd, &f, fds, n);
	if (r == -EAGAIN)
		return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT, "ask for a copy of a machine: timed out");
	return r < 0 ? joey_err_sys(err, r, "ask for a copy of a machine") : 0;
}

static int pid_of(int pidfd, pid_t *ret, struct joey_err *err)
{
	autofree char *text = NULL;
	const char *at;
	char path[48];
	uint32_t pid;
	size_t len;
	int r;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	r = joey_read_file_at(AT_FDCWD, path, 0, 4096, &text, &len);
	if (r < 0)
		return joey_err_sys(err, r, "read %s", path);
	at = strstr(text, "\nPid:\t");
	if (!at)
		return joey_err_set(err, JOEY_EK_OTHER, ESRCH, "fork a machine: it has ended");
	at += strlen("\nPid:\t");
	text[at - text + (ptrdiff_t)strcspn(at, "\n")] = '\0';
	if (joey_parse_u32(at, &pid) < 0 || pid == 0 || pid > INT32_MAX)
		return joey_err_set(err, JOEY_EK_OTHER, ESRCH, "fork a machine: it has ended");
	*ret = (pid_t)pid;
	return 0;
}

/* Of the zygote, with the copy's pidfd, and of the copy: whichever comes first. */
static int take_answers(int reply, struct joey_vmm *vm, struct joey_err *err)
{
	int r = 0;

	for (int i = 0; r == 0 && i < 2; i++) {
		autoclose int fd = -EBADF;

		r = take_answer(reply, &fd, err);
		if (r == 0 && fd >= 0 && vm->pidfd < 0)
			vm->pidfd = joey_take_fd(&fd);
	}
	if (r == 0 && vm->pidfd < 0)
		r = joey_err_set(err, JOEY_EK_OTHER, EPROTO, "fork a machine: it does not say which process it is");
	return r < 0 ? r : pid_of(vm->pidfd, &vm->pid, err);
}

static int make_copy(const struct joey_vmm_start *a, struct joey_vmm *vm, struct ends *e, struct joey_err *err)
{
	static const char go[] = "{\"execute\":\"cont\"}\n";
	autoclose int reply = -EBADF;
	int r = vmm_channels(vm, e->theirs, err);

	if (r == 0)
		r = unblock(e, err);
	if (r == 0)
		r = vmm_pair(SOCK_SEQPACKET, &reply, &e->reply, err);
	if (r == 0)
		r = vmm_pair(SOCK_STREAM, &vm->life, &e->life, err);
	if (r == 0)
		r = vmm_clone_share(a->share_fd, &e->share, err);
	if (r == 0 && send(vm->qmp, go, strlen(go), MSG_NOSIGNAL) != (ssize_t)strlen(go))
		r = joey_err_sys(err, errno, "write the monitor's commands");
	if (r == 0)
		r = request(a, e, err);
	/* Both answer by ends of theirs: when they are gone nobody will. */
	e->reply = joey_close(e->reply);
	return r < 0 ? r : take_answers(reply, vm, err);
}

/* What a child has of its parent, and a copy of the zygote's: as far as it may be set. */
static void as_caller(pid_t pid)
{
	autofree char *score = NULL;
	int nice = getpriority(PRIO_PROCESS, 0);
	const struct dirent *e;
	cpu_set_t cpus;
	bool known;
	char path[48];
	uint32_t tid;
	size_t len;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	if (joey_read_file_at(AT_FDCWD, "/proc/self/oom_score_adj", 0, 64, &score, &len) == 0)
		(void)joey_write_file_at(AT_FDCWD, path, score);
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	known = sched_getaffinity(0, sizeof(cpus), &cpus) == 0;
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		if (joey_parse_u32(e->d_name, &tid) < 0)
			continue;
		(void)setpriority(PRIO_PROCESS, tid, nice);
		if (known)
			(void)sched_setaffinity((pid_t)tid, sizeof(cpus), &cpus);
	}
	if (dir)
		closedir(dir);
}

int vmm_fork(const struct joey_vmm_start *a, struct joey_vmm *ret, struct joey_err *err)
{
	struct ends e = { .reply = -EBADF, .life = -EBADF, .share = -EBADF };
	struct joey_vmm vm = JOEY_VMM_INIT;
	int r;

	for (int i = 0; i < VMM_FD_END; i++)
		e.theirs[i] = -EBADF;
	r = make_copy(a, &vm, &e, err);
	close_ends(&e);
	/* One that hangs would cost everybody as much: its keeper, which has the same socket, ends it. */
	if (r < 0 && err->kind == JOEY_EK_TIMEOUT)
		(void)shutdown(a->zygote_fd, SHUT_RDWR);
	if (r < 0) {
		joey_vmm_end(&vm);
		return r;
	}
	as_caller(vm.pid);
	vm.restored = true;
	vm.accel = a->spec->accel;
	*ret = vm;
	return 0;
}
