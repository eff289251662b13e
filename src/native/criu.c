/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRIU's process and the conversation with it.
 *
 * The program is opened by an absolute path of the host, verified, and executed by that descriptor with an environment
 * of our making (security.md C14).  There is no death signal on it: a CRIU that is killed half way leaves processes
 * with foreign code in them, while one that loses its peer undoes what it did.  For the same reason the deadline is
 * generous, and SIGTERM comes before SIGKILL.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "joey/log.h"
#include "joey/syscalls.h"
#include "native/criu.h"

enum {
	SILENCE_MS = 600000, /* no word for so long: it hangs */
	END_MS = 30000,      /* after its last word */
	GIVE_UP_MS = 10000,  /* to undo what it did */
	TERM_MS = 5000,
	SOCK_FD = 3,
	HIGH_FD = 128, /* above every number that is given away */
	MESSAGE_MAX = 65536,
	TAIL_BYTES = 65536,
	TAIL_LINES = 5,
};

struct peer {
	int sock, stderr_fd;
	pid_t pid;
	int pidfd;
};

/* ---- the program ------------------------------------------------------------------------------------------------ */

static int open_program(struct joey_err *err)
{
	static const char *const places[] = { "/usr/sbin/criu", "/usr/local/sbin/criu", "/usr/bin/criu",
					      "/usr/local/bin/criu" };

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(places); i++) {
		autoclose int fd = open(places[i], O_PATH | O_CLOEXEC);
		struct stat st;

		if (fd < 0)
			continue;
		if (fstat(fd, &st) < 0)
			return joey_err_sys(err, errno, "stat %s", places[i]);
		if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
			return joey_err_set(err, JOEY_EK_OTHER, EACCES,
					    "%s must belong to root and be writable by root only", places[i]);
		return joey_take_fd(&fd);
	}
	return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOENT,
			    "CRIU is not installed: checkpoint and restore need %s (package criu)", places[0]);
}

/* ---- its process ------------------------------------------------------------------------------------------------ */

/* CRIU mounts below these directories, which is possible only where its own mount namespace has them. */
static int reopen_dir(int fd)
{
	char self[32], path[PATH_MAX];
	struct stat a, b;
	ssize_t n;
	int now;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	n = readlink(self, path, sizeof(path));
	if (n < 0)
		return -errno;
	if (n == (ssize_t)sizeof(path))
		return -ENAMETOOLONG;
	path[n] = '\0';
	now = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (now < 0)
		return -errno;
	if (fstat(fd, &a) < 0 || fstat(now, &b) < 0 || a.st_dev != b.st_dev || a.st_ino != b.st_ino) {
		joey_close(now);
		return -ESTALE;
	}
	return now;
}

/* Processes of a user namespace open images by themselves while they are restored: on this mount root's files are
 * theirs.  Where the file system cannot do that, its permissions decide. */
static int open_images(const struct criu_call *call)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)call->userns_fd };
	autoclose int dir = reopen_dir(call->image->image_fd), tree = -EBADF;
	int fd;

	if (dir < 0 || call->userns_fd < 0)
		return joey_take_fd(&dir);
	tree = joey_sys_open_tree(dir, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0 || joey_sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr) < 0)
		return joey_take_fd(&dir);
	fd = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* What becomes 3, 4, ... in CRIU, in this order. */
static int list_descriptors(const struct criu_call *call, int sock, int *list, size_t max, size_t *ret_n)
{
	size_t n = 0;

	if (call->n_fds + CRIU_FIRST_FD - SOCK_FD > max)
		return -EMFILE;
	list[n++] = sock;
	if (call->image) {
		list[n++] = call->prepare ? open_images(call) : call->image->image_fd;
		list[n++] = call->prepare ? reopen_dir(call->image->work_fd) : call->image->work_fd;
	}
	for (size_t i = 0; i < call->n_fds; i++)
		list[n++] = call->fds[i];
	*ret_n = n;
	return 0;
}

/* Everything to numbers above all targets first, so that no target overwrites a source. */
static int give_descriptors(const struct criu_call *call, int sock, int stderr_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), list[64];
	size_t n = 0;
	int r = null < 0 ? -errno : list_descriptors(call, sock, list, JOEY_ARRAY_SIZE(list), &n);

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (list[i] < 0)
			return list[i];
		list[i] = fcntl(list[i], F_DUPFD_CLOEXEC, HIGH_FD);
		if (list[i] < 0)
			r = -errno;
	}
	for (int fd = 0; r == 0 && fd <= 2 && !call->keep_stdio; fd++)
		if (dup2(fd == 2 ? stderr_fd : null, fd) < 0)
			r = -errno;
	for (size_t i = 0; r == 0 && i < n; i++)
		if (dup2(list[i], SOCK_FD + (int)i) < 0)
			r = -errno;
	return r < 0 ? r : joey_cloexec_from(SOCK_FD + (unsigned)n);
}

/* The channel is made here: CRIU looks directory numbers up in the table of the process that made it, and these
 * directories are of its own mount namespace. */
static int make_channel(int to_parent)
{
	int socks[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return -errno;
	r = (int)joey_send_fds(to_parent, "", 1, &socks[0], 1);
	joey_close(socks[0]);
	return r < 0 ? r : socks[1];
}

static int become_criu(const struct criu_call *call, int program, int to_parent, int stderr_fd, struct joey_err *err)
{
	static char name[] = "criu", verb[] = "swrk", number[] = "3";
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	static char *argv[] = { name, verb, number, NULL }, *env[] = { path, NULL };
	int exe = fcntl(program, F_DUPFD_CLOEXEC, HIGH_FD), sock, r;

	joey_signals_default();
	if (call->own_session)
		(void)setsid();
	/* Serving pages, it listens to others than joey; ended then, it lets the container go on. */
	if (call->endless)
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	r = call->prepare ? call->prepare(call->arg, err) : 0;
	if (r < 0)
		return r;
	sock = make_channel(to_parent);
	if (sock < 0)
		return joey_err_sys(err, sock, "make CRIU's channel");
	r = give_descriptors(call, sock, stderr_fd);
	if (r < 0)
		return joey_err_sys(err, r, "give CRIU its descriptors");
	execveat(exe, "", argv, env, AT_EMPTY_PATH);
	return joey_err_sys(err, errno, "execute CRIU");
}

static _Noreturn void run_program(const struct criu_call *call, int program, int to_parent, int stderr_fd)
{
	int report = fcntl(stderr_fd, F_DUPFD_CLOEXEC, HIGH_FD);
	struct joey_err err = JOEY_ERR_INIT;

	(void)become_criu(call, program, to_parent, stderr_fd, &err);
	(void)dprintf(report, "Error: %s\n", joey_err_text(&err));
	_exit(127);
}

static int take_channel(struct peer *p, int from, struct joey_err *err)
{
	size_t n = 0;
	char byte;
	int fd;
	ssize_t r = joey_recv_fds(from, &byte, 1, &fd, 1, &n, 0);

	if (r < 0)
		return joey_err_sys(err, (int)r, "receive CRIU's channel");
	if (n != 1)
		return joey_err_set(err, JOEY_EK_OTHER, EPIPE, "CRIU could not be started");
	p->sock = fd;
	return 0;
}

static int launch(const struct criu_call *call, struct peer *p, struct joey_err *err)
{
	autoclose int program = open_program(err), mine = -EBADF;
	int socks[2], cgroup_fd = call->cgroup ? joey_cgroup_fd(call->cgroup) : -EBADF, r;
	bool moved = false;

	if (program < 0)
		return program;
	p->stderr_fd = memfd_create("criu-stderr", MFD_CLOEXEC);
	if (p->stderr_fd < 0)
		return joey_err_sys(err, errno, "make a place for CRIU's messages");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return joey_err_sys(err, errno, "make CRIU's channel");
	mine = socks[0];
	p->pid = joey_clone_into(0, cgroup_fd, &p->pidfd, &moved);
	if (p->pid == 0) {
		joey_close(socks[0]);
		run_program(call, program, socks[1], p->stderr_fd);
	}
	joey_close(socks[1]);
	if (p->pid < 0)
		return joey_err_sys(err, p->pid, "clone a process for CRIU");
	r = cgroup_fd >= 0 && !moved ? joey_cgroup_add(call->cgroup, p->pid, err) : 0;
	return r < 0 ? r : take_channel(p, mine, err);
}

static bool ends_within(const struct peer *p, int ms)
{
	struct pollfd f = { .fd = p->pidfd, .events = POLLIN };
	int r;

	do
		r = poll(&f, 1, ms);
	while (r < 0 && errno == EINTR);
	return r > 0;
}

/* The channel's end tells it to give up; *ret_status as of waitpid(2), -1 when it had to be killed. */
static void finish(struct peer *p, int ms, int *ret_status)
{
	int status = -1;
	bool ended;

	p->sock = joey_close(p->sock);
	if (p->pid <= 0)
		return;
	ended = ends_within(p, ms);
	if (!ended) {
		(void)joey_sys_pidfd_send_signal(p->pidfd, SIGTERM, NULL, 0);
		if (!ends_within(p, TERM_MS))
			(void)joey_sys_pidfd_send_signal(p->pidfd, SIGKILL, NULL, 0);
	}
	if (joey_wait_pid(p->pid, &status) == 0 && ended)
		*ret_status = status;
	p->pidfd = joey_close(p->pidfd);
	p->pid = 0;
}

/* ---- what went wrong -------------------------------------------------------------------------------------------- */

/* The last bytes of a file, heap; NULL when there are none. */
static char *read_tail(int fd)
{
	struct stat st;
	off_t from;
	ssize_t n;
	char *text;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
		return NULL;
	from = st.st_size > TAIL_BYTES ? st.st_size - TAIL_BYTES : 0;
	text = malloc(TAIL_BYTES + 1);
	if (!text)
		return NULL;
	n = pread(fd, text, TAIL_BYTES, from);
	if (n <= 0) {
		free(text);
		return NULL;
	}
	for (ssize_t i = 0; i < n; i++)
		if (text[i] != '\n' && ((unsigned char)text[i] < ' ' || text[i] == 0x7f))
			text[i] = ' ';
	text[n] = '\0';
	return text;
}

/* "; "-joined: the last lines that have word in them. word "": simply the last lines. */
static void last_lines(const char *text, const char *word, struct joey_str *out)
{
	const char *line[TAIL_LINES];
	size_t n = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");

		if (len > 0 && memmem(text, len, word, strlen(word)))
			line[n++ % TAIL_LINES] = text;
		text += len + (text[len] == '\n');
	}
	for (size_t i = n > TAIL_LINES ? n - TAIL_LINES : 0; i < n; i++) {
		const char *s = line[i % TAIL_LINES];
		size_t len = strcspn(s, "\n");

		joey_str_add(out, out->len > 0 ? "; " : "");
		joey_str_addn(out, s, len < 512 ? len : 512);
	}
}

static int explain(const struct criu_call *call, const struct peer *p, struct joey_err *err)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	autoclose int log = -EBADF;
	autofree char *text = NULL;

	if (call->log)
		log = openat(call->image->work_fd, call->log, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	text = read_tail(log);
	if (!text)
		text = read_tail(p->stderr_fd);
	if (!text)
		return -err->errnum;
	last_lines(text, "Error", &s);
	if (s.len == 0)
		last_lines(text, "", &s);
	if (s.failed || s.len == 0)
		return -err->errnum;
	if (log < 0)
		return joey_err_set(err, err->kind, err->errnum, "%s: %s", joey_err_text(err), s.buf);
	return joey_err_set(err, err->kind, err->errnum, "%s (%s/%s: %s)", joey_err_text(err), call->image->work_path,
			    call->log, s.buf);
}

/* ---- the conversation ------------------------------------------------------------------------------------------- */

static int say(const struct peer *p, const struct joey_str *m, struct joey_err *err)
{
	ssize_t n;

	if (m->failed)
		return joey_err_sys(err, ENOMEM, "make a message for CRIU");
	do
		n = send(p->sock, m->buf, m->len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? joey_err_sys(err, errno, "speak to CRIU") : 0;
}

static int wait_for_word(const struct criu_call *call, const struct peer *p, struct joey_err *err)
{
	struct pollfd f[] = { { .fd = p->sock, .events = POLLIN },
			      { .fd = call->prepare ? call->sigfd : -EBADF, .events = POLLIN } };
	int r;

	do
		r = poll(f, JOEY_ARRAY_SIZE(f), call->endless ? -1 : SILENCE_MS);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return joey_err_sys(err, errno, "wait for CRIU");
	if (r == 0)
		return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT, "CRIU has not answered for %d minutes",
				    SILENCE_MS / 60000);
	return f[0].revents ? 0 : joey_err_set(err, JOEY_EK_OTHER, EINTR, "interrupted by a signal");
}

static int hear(const struct criu_call *call, const struct peer *p, struct criu_answer *a, int *ret_fd,
		struct joey_err *err)
{
	autofree char *buf = malloc(MESSAGE_MAX);
	size_t n_fds = 0;
	ssize_t n;
	int r, fd = -EBADF;

	if (!buf)
		return joey_err_sys(err, ENOMEM, "hear CRIU");
	r = wait_for_word(call, p, err);
	if (r < 0)
		return r;
	n = joey_recv_fds(p->sock, buf, MESSAGE_MAX, &fd, 1, &n_fds, 0);
	if (n < 0)
		return joey_err_sys(err, (int)n, "hear CRIU");
	if (n == 0)
		return joey_err_set(err, JOEY_EK_OTHER, EPIPE, "CRIU ended without an answer");
	if (n == MESSAGE_MAX || criu_answer_decode(buf, (size_t)n, a) < 0) {
		joey_close(n_fds ? fd : -EBADF);
		return joey_err_set(err, JOEY_EK_OTHER, EPROTO, "CRIU's answer cannot be understood");
	}
	*ret_fd = n_fds ? fd : -EBADF;
	return 0;
}

static int answer_notification(const struct criu_call *call, const struct peer *p, const struct criu_answer *a, int *fd,
			       struct joey_err *err)
{
	autostr struct joey_str m = JOEY_STR_INIT;
	int r, sent;

	joey_debug("CRIU: %s %d", a->script, (int)a->pid);
	r = call->notify ? call->notify(call->arg, a, fd, err) : 0;
	criu_notify_answer(&m, r == 0);
	sent = say(p, &m, r < 0 ? NULL : err);
	return r < 0 ? r : sent;
}

static int converse(const struct criu_call *call, const struct peer *p, struct criu_answer *a, struct joey_err *err)
{
	int r = say(p, call->request, err);

	while (r == 0) {
		autoclose int fd = -EBADF;

		r = hear(call, p, a, &fd, err);
		if (r < 0)
			return r;
		/* A notification is not a verdict, whatever its success says. */
		if (a->type != CRIU_NOTIFY) {
			if (a->success)
				return 0;
			return joey_err_set(err, JOEY_EK_OTHER, a->errnum > 0 && a->errnum < 4096 ? a->errnum : EIO,
					    "criu failed: type %u errno %d%s%s", a->type, a->errnum,
					    a->text[0] && !call->log ? ": " : "", call->log ? "" : a->text);
		}
		r = answer_notification(call, p, a, &fd, err);
	}
	return r;
}

/* CRIU may fail after its answer, and a pre-dump that is not followed by another is no failure. */
static int check_end(const struct criu_answer *a, int status, struct joey_err *err)
{
	if (a->type == CRIU_PRE_DUMP || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return 0;
	if (status >= 0 && WIFSIGNALED(status))
		return joey_err_set(err, JOEY_EK_OTHER, EIO, "criu failed: killed by signal %d", WTERMSIG(status));
	return joey_err_set(err, JOEY_EK_OTHER, EIO, "criu failed: exit status %d",
			    status < 0 ? -1 : WEXITSTATUS(status));
}

int criu_call(const struct criu_call *call, struct criu_answer *ret, struct joey_err *err)
{
	struct peer p = { .sock = -EBADF, .stderr_fd = -EBADF, .pidfd = -EBADF };
	int status = -1, r = launch(call, &p, err);

	if (r == 0)
		r = converse(call, &p, ret, err);
	finish(&p, r < 0 ? GIVE_UP_MS : END_MS, &status);
	if (r == 0)
		r = check_end(ret, status, err);
	if (r < 0 && err)
		r = explain(call, &p, err);
	joey_close(p.stderr_fd);
	return r;
}

/* ---- questions -------------------------------------------------------------------------------------------------- */

static int ask(const struct joey_str *request, struct criu_answer *a, struct joey_err *err)
{
	const struct criu_call call = { .request = request };

	return criu_call(&call, a, err);
}

int criu_check_version(struct joey_err *err)
{
	autostr struct joey_str m = JOEY_STR_INIT;
	struct criu_answer a;
	int r;

	criu_request(&m, CRIU_VERSION, NULL);
	r = ask(&m, &a, err);
	if (r < 0)
		return joey_err_wrap(err, "CRIU version check failed");
	if (a.version < CRIU_VERSION_MIN)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP, "CRIU version %u must be %d or higher",
				    a.version, CRIU_VERSION_MIN);
	return 0;
}

int criu_check_features(bool mem_track, bool lazy_pages, struct joey_err *err)
{
	autostr struct joey_str m = JOEY_STR_INIT;
	struct criu_answer a;
	int r;

	criu_features_request(&m);
	r = ask(&m, &a, err);
	if (r < 0)
		return joey_err_wrap(err, "CRIU feature check failed");
	if ((mem_track && !a.mem_track) || (lazy_pages && !a.lazy_pages))
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP, "CRIU is missing features: [%s]",
				    mem_track && !a.mem_track ? "MemTrack" : "LazyPages");
	return 0;
}
