/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start: let the waiting init go on to execve.  Whether a container is "created" is not remembered anywhere; it is true
 * exactly as long as init holds the start FIFO open, which the kernel ends at execve (close-on-exec) or death.  So no
 * SIGKILL of joey at any point can make state and truth differ.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "native/native-internal.h"

enum { REPORT_MAX = 4096 };

/* "errnum kind text", see report_to_start() in child.c. */
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
	char line[REPORT_MAX + 1];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;
	int r;

	do
		r = poll(&p, 1, -1);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return joey_err_sys(err, errno, "wait for the container's init");
	do
		n = read(fd, line, REPORT_MAX);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return joey_err_sys(err, errno, "read the report of the container's init");
	if (n == 0)
		return 0;
	line[n] = '\0';
	return parse_report(line, err);
}

int native_start(struct joey_container *c, struct joey_err *err)
{
	autoclose int report = -EBADF, start = -EBADF;
	ssize_t n;
	int r;

	/* The report first: once go is written, init may close its end at any time. */
	report = openat(c->dir_fd, NATIVE_REPORT_FIFO, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (report < 0)
		return joey_err_sys(err, errno, "open the report FIFO of container %s", c->id);
	start = openat(c->dir_fd, NATIVE_START_FIFO, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
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
	(void)unlinkat(c->dir_fd, NATIVE_START_FIFO, 0);
	(void)unlinkat(c->dir_fd, NATIVE_REPORT_FIFO, 0);
	return r;
}
