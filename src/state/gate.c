/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate: a created container's process waits at it; start lets it go on to execve.  Whether a container is "created"
 * is not remembered anywhere; it is true exactly as long as init holds the start FIFO open, which the kernel ends at
 * execve (close-on-exec) or death.  So no SIGKILL of joey at any point can make state and truth differ.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "joey/init.h"

#define START_FIFO  "start"
#define REPORT_FIFO "report"

static int make_fifo(int dir, const char *name, int *ret, struct joey_err *err)
{
	int fd;

	if (mkfifoat(dir, name, 0600) < 0)
		return joey_err_sys(err, errno, "make the FIFO '%s' in the state directory", name);
	/* Both ends, so that neither side blocks or sees an end of file before init is gone (fifo(7)). */
	fd = openat(dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return joey_err_sys(err, errno, "open the FIFO '%s' in the state directory", name);
	*ret = fd;
	return 0;
}

int joey_gate_make(int state_dir, struct joey_gate *ret, struct joey_err *err)
{
	int r = make_fifo(state_dir, START_FIFO, &ret->start, err);

	return r < 0 ? r : make_fifo(state_dir, REPORT_FIFO, &ret->report, err);
}

void joey_gate_done(struct joey_gate *g)
{
	g->start = joey_close(g->start);
	g->report = joey_close(g->report);
}

bool joey_gate_is_shut(int state_dir)
{
	autoclose int fd = openat(state_dir, START_FIFO, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0;
}

/* At most PIPE_BUF long; errnum, kind, text: parse_report() reads it. */
int joey_gate_report(const struct joey_gate *g, const struct joey_err *err)
{
	char line[PIPE_BUF];
	int n = snprintf(line, sizeof(line), "%d %u %s", err->errnum, (unsigned)err->kind, joey_err_text(err));

	if (n <= 0)
		return -EIO;
	return write(g->report, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1) < 0 ? -errno : 0;
}

/* See joey_gate_report(). */
static int parse_report(char *line, struct joey_err *err)
{
	char *kind_text = strchr(line, ' '), *text = kind_text ? strchr(kind_text + 1, ' ') : NULL;
	uint32_t errnum, kind;

	if (!text)
		goto bad;
	*kind_text++ = '\0';
	*text++ = '\0';
	if (joey_parse_u32(line, &errnum) < 0 || joey_parse_u32(kind_text, &kind) < 0 || kind >= JOEY_EK_MAX ||
	    errnum > 4095)
		goto bad;
	return joey_err_set(err, (enum joey_err_kind)kind, (int)errnum, "%s", text);
bad:
	return joey_err_set(err, JOEY_EK_OTHER, EPROTO, "unreadable report from the container's init");
}

/* Waits until init has executed (end of file) or has said why not. */
static int read_report(int fd, struct joey_err *err)
{
	char line[PIPE_BUF + 1];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;
	int r;

	do
		r = poll(&p, 1, -1);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return joey_err_sys(err, errno, "wait for the container's init");
	do
		n = read(fd, line, PIPE_BUF);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return joey_err_sys(err, errno, "read the report of the container's init");
	if (n == 0)
		return 0;
	line[n] = '\0';
	return parse_report(line, err);
}

int joey_gate_open(struct joey_container *c, struct joey_err *err)
{
	autoclose int report = -EBADF, start = -EBADF;
	ssize_t n;
	int r;

	/* The report first: once go is written, init may close its end at any time. */
	report = openat(c->dir_fd, REPORT_FIFO, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (report < 0)
		return joey_err_sys(err, errno, "open the report FIFO of container %s", c->id);
	start = openat(c->dir_fd, START_FIFO, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (start < 0) {
		if (errno == ENXIO)
			return joey_err_set(err, JOEY_EK_STATE, ESRCH, "cannot start a container that has stopped");
		return joey_err_sys(err, errno, "open the start FIFO of container %s", c->id);
	}
	do
		n = write(start, "", 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		return joey_err_sys(err, n < 0 ? errno : EIO, "tell the container's init to start");
	start = joey_close(start);
	r = read_report(report, err);
	(void)unlinkat(c->dir_fd, START_FIFO, 0);
	(void)unlinkat(c->dir_fd, REPORT_FIFO, 0);
	return r;
}
