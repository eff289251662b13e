/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of the set-up channel (sync.h draws it).  Frames are length-checked before use; the peer is joey's own
 * code, but once it has entered the container's namespaces it is treated as less trusted: the table below decides what
 * is legal in which phase, anything else ends the create.
 */
#include "native/sync.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "joey/log.h"

enum { FROM_CHILD = 1, FROM_PARENT = 2 };

static const struct {
	enum sync_msg type;
	unsigned from;
	enum sync_phase first, last; /* legal from .. to */
	enum sync_phase next;
	bool carries_fd;
} rules[SYNC_MAX] = {
	[SYNC_NEED_MAPS] = { SYNC_NEED_MAPS, FROM_CHILD, SYNC_P_START, SYNC_P_START, SYNC_P_START, false },
	[SYNC_MAPPED] = { SYNC_MAPPED, FROM_PARENT, SYNC_P_START, SYNC_P_START, SYNC_P_START, false },
	[SYNC_INIT] = { SYNC_INIT, FROM_CHILD, SYNC_P_START, SYNC_P_START, SYNC_P_START, false },
	[SYNC_PROCEED] = { SYNC_PROCEED, FROM_PARENT, SYNC_P_START, SYNC_P_START, SYNC_P_START, false },
	[SYNC_SOURCE] = { SYNC_SOURCE, FROM_CHILD, SYNC_P_START, SYNC_P_SETUP, SYNC_P_SETUP, false },
	[SYNC_SOURCE_FD] = { SYNC_SOURCE_FD, FROM_PARENT, SYNC_P_SETUP, SYNC_P_SETUP, SYNC_P_SETUP, true },
	[SYNC_HOOKS] = { SYNC_HOOKS, FROM_CHILD, SYNC_P_START, SYNC_P_SETUP, SYNC_P_SETUP, false },
	[SYNC_HOOKS_DONE] = { SYNC_HOOKS_DONE, FROM_PARENT, SYNC_P_SETUP, SYNC_P_SETUP, SYNC_P_SETUP, false },
	[SYNC_READY] = { SYNC_READY, FROM_CHILD, SYNC_P_START, SYNC_P_SETUP, SYNC_P_ARMED, false },
	[SYNC_GO] = { SYNC_GO, FROM_PARENT, SYNC_P_ARMED, SYNC_P_ARMED, SYNC_P_ARMED, false },
	[SYNC_LISTENER] = { SYNC_LISTENER, FROM_CHILD, SYNC_P_ARMED, SYNC_P_ARMED, SYNC_P_ARMED, true },
	[SYNC_DONE] = { SYNC_DONE, FROM_CHILD, SYNC_P_ARMED, SYNC_P_ARMED, SYNC_P_END, false },
	[SYNC_LOG] = { SYNC_LOG, FROM_CHILD, SYNC_P_START, SYNC_P_ARMED, SYNC_P_MAX, false },
	[SYNC_FAILED] = { SYNC_FAILED, FROM_CHILD | FROM_PARENT, SYNC_P_START, SYNC_P_END, SYNC_P_END, false },
};

enum { HEADER = offsetof(struct sync_frame, text) };

int sync_pair(int ret_fds[2], struct joey_err *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds) < 0)
		return joey_err_sys(err, errno, "make the set-up channel");
	return 0;
}

/* Is it legal now; and if so, move on. */
static bool advance(struct sync *s, uint32_t type, bool sent_by_child)
{
	if (type == 0 || type >= SYNC_MAX || !(rules[type].from & (sent_by_child ? FROM_CHILD : FROM_PARENT)) ||
	    s->phase < rules[type].first || s->phase > rules[type].last)
		return false;
	if (rules[type].next != SYNC_P_MAX)
		s->phase = rules[type].next;
	return true;
}

static int send_frame(struct sync *s, struct sync_frame *f, const char *text, int fd)
{
	size_t n = text ? strlen(text) : 0;
	ssize_t r;

	if (!advance(s, f->type, s->child))
		return -EPROTO;
	if (n >= SYNC_TEXT_MAX)
		n = SYNC_TEXT_MAX - 1;
	if (n > 0)
		memcpy(f->text, text, n);
	/* Init sends its last words under the container's seccomp profile: write(2) is what every profile allows. */
	if (s->child && fd < 0)
		r = write(s->fd, f, HEADER + n) < 0 ? -errno : 0;
	else
		r = joey_send_fds(s->fd, f, HEADER + n, &fd, fd >= 0 ? 1 : 0);
	return r < 0 ? (int)r : 0;
}

int sync_send(struct sync *s, enum sync_msg type, uint32_t arg, const char *text, int fd, struct joey_err *err)
{
	struct sync_frame f;
	int r;

	f.type = type;
	f.arg = arg;
	f.errnum = 0;
	f.kind = 0;
	r = send_frame(s, &f, text, fd);
	return r < 0 ? joey_err_sys(err, r, "send message %u on the set-up channel", type) : 0;
}

void sync_send_failed(struct sync *s, const struct joey_err *err)
{
	struct sync_frame f;

	f.type = SYNC_FAILED;
	f.arg = 0;
	f.errnum = err->errnum;
	f.kind = err->kind;
	(void)send_frame(s, &f, joey_err_text(err), -EBADF);
}

static int failed_to_err(const struct sync_frame *f, struct joey_err *err)
{
	enum joey_err_kind kind = f->kind < JOEY_EK_MAX ? (enum joey_err_kind)f->kind : JOEY_EK_OTHER;

	return joey_err_set(err, kind, f->errnum, "%s", f->text);
}

/* Only the parent has a sigfd: whoever interrupts joey wants the create undone, not left half-way. */
static int wait_readable(struct sync *s, struct joey_err *err)
{
	struct pollfd p[2] = { { .fd = s->fd, .events = POLLIN }, { .fd = s->sigfd, .events = POLLIN } };
	int r;

	if (s->sigfd < 0)
		return 0;
	do
		r = poll(p, 2, -1);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return joey_err_sys(err, errno, "wait on the set-up channel");
	if (p[1].revents)
		return joey_err_set(err, JOEY_EK_OTHER, ECANCELED, "interrupted by a signal");
	return 0;
}

int sync_recv(struct sync *s, struct sync_frame *f, struct joey_err *err)
{
	size_t n_fds = 0;
	ssize_t n;

	f->fd = -EBADF;
	if (wait_readable(s, err) < 0)
		return -err->errnum;
	n = joey_recv_fds(s->fd, f, HEADER + SYNC_TEXT_MAX - 1, &f->fd, 1, &n_fds, 0);
	if (n == 0 || n == -ECONNRESET)
		return 0;
	if (n < 0)
		return joey_err_sys(err, (int)n, "receive on the set-up channel");
	if (n_fds == 0)
		f->fd = -EBADF;
	if ((size_t)n < HEADER || f->type >= SYNC_MAX || rules[f->type].carries_fd != (n_fds == 1) ||
	    !advance(s, f->type, !s->child)) {
		f->fd = joey_close(f->fd);
		return joey_err_set(err, JOEY_EK_OTHER, EPROTO, "unexpected message on the set-up channel");
	}
	f->text[(size_t)n - HEADER] = '\0';
	return f->type == SYNC_FAILED ? failed_to_err(f, err) : 1;
}

void sync_log(const struct sync_frame *f)
{
	joey_log(f->arg <= JOEY_LOG_DEBUG ? (enum joey_log_level)f->arg : JOEY_LOG_WARNING, "%s", f->text);
}

int sync_expect(struct sync *s, enum sync_msg type, struct sync_frame *f, struct joey_err *err)
{
	for (;;) {
		int r = sync_recv(s, f, err);

		if (r < 0)
			return r;
		if (r == 0)
			return joey_err_set(err, JOEY_EK_OTHER, EPIPE, "the other side of the set-up channel is gone");
		if (f->type == (uint32_t)type)
			return 0;
		if (f->type == SYNC_LOG) {
			sync_log(f);
			continue;
		}
		f->fd = joey_close(f->fd);
		return joey_err_set(err, JOEY_EK_OTHER, EPROTO, "message %u where %u was expected", f->type, type);
	}
}

void sync_take_failed(struct sync *s, struct joey_err *err)
{
	struct timeval limit = { .tv_sec = 2 };
	struct sync_frame f;

	if (s->fd < 0)
		return;
	/* A half-made init that still waits for a message gets end of file, and so do we, soon. */
	(void)shutdown(s->fd, SHUT_WR);
	(void)setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	for (int i = 0; i < 64; i++) {
		size_t n_fds = 0;
		ssize_t n = joey_recv_fds(s->fd, &f, HEADER + SYNC_TEXT_MAX - 1, &f.fd, 1, &n_fds, 0);

		if (n_fds == 1)
			joey_close(f.fd);
		if (n <= HEADER)
			return;
		f.text[(size_t)n - HEADER] = '\0';
		if (f.type == SYNC_FAILED) {
			failed_to_err(&f, err);
			return;
		}
	}
}
