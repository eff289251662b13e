/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines for journald and syslog, spoken without their libraries.
 *
 * journald: one datagram of fields, "NAME=value\n", or, for values with line feeds, "NAME\n", their length in 64 bits
 * of little endian, the value, "\n".  What is too long for a datagram goes as a sealed memory file. syslog: one
 * datagram "<priority>name[pid]: text"; the daemon puts the time to it.
 *
 * Nothing here waits for long: a daemon that hangs must not hang a container engine.
 */
#include <endian.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>

#include "cli/cli-internal.h"

enum { SEND_SECONDS = 2 };

static const int priorities[] = {
	[JOEY_LOG_ERROR] = LOG_ERR,
	[JOEY_LOG_WARNING] = LOG_WARNING,
	[JOEY_LOG_INFO] = LOG_INFO,
	[JOEY_LOG_DEBUG] = LOG_DEBUG,
};

static void add_field(struct joey_str *s, const char *name, const char *value)
{
	size_t len = strlen(value);
	uint64_t le = htole64(len);

	joey_str_add(s, name);
	if (memchr(value, '\n', len)) {
		joey_str_add(s, "\n");
		joey_str_addn(s, (const char *)&le, sizeof(le));
	} else {
		joey_str_add(s, "=");
	}
	joey_str_addn(s, value, len);
	joey_str_add(s, "\n");
}

void log_journal_encode(struct joey_str *s, const struct log_record *rec)
{
	joey_str_printf(s, "PRIORITY=%d\n", priorities[rec->level]);
	add_field(s, "SYSLOG_IDENTIFIER", rec->name);
	joey_str_printf(s, "SYSLOG_PID=%d\n", (int)getpid());
	if (rec->container)
		add_field(s, "ID", rec->container);
	if (rec->code)
		add_field(s, "JOEY_CODE", rec->code);
	add_field(s, "MESSAGE", rec->text);
}

void log_syslog_encode(struct joey_str *s, const struct log_record *rec)
{
	joey_str_printf(s, "<%d>", LOG_USER | priorities[rec->level]);
	log_add_plain(s, rec->name);
	joey_str_printf(s, "[%d]: ", (int)getpid());
	log_add_plain(s, rec->text);
}

int log_socket_open(void)
{
	const struct timeval wait = { .tv_sec = SEND_SECONDS };
	autoclose int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0)
		return -errno;
	return joey_take_fd(&fd);
}

static int sealed_copy(const struct joey_str *s)
{
	autoclose int fd = memfd_create("joey-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	r = joey_write_all(fd, s->buf, s->len);
	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return -errno;
	return joey_take_fd(&fd);
}

static int send_to(int sock, const struct sockaddr_un *to, const struct joey_str *s, int pass)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct sockaddr_un name = *to;
	struct iovec iov = { s->buf, s->len };
	struct msghdr msg = { .msg_name = &name, .msg_namelen = sizeof(name) };
	ssize_t n;

	if (pass < 0) {
		msg.msg_iov = &iov;
		msg.msg_iovlen = 1;
	} else {
		struct cmsghdr *c = &control.align;

		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass, sizeof(int));
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int log_socket_send(int sock, const char *path, const struct joey_str *s, bool may_pass)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	autoclose int copy = -EBADF;
	int r;

	if (s->failed)
		return -ENOMEM;
	if (strlen(path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	memcpy(to.sun_path, path, strlen(path));
	r = send_to(sock, &to, s, -EBADF);
	if (!may_pass || (r != -EMSGSIZE && r != -ENOBUFS))
		return r;
	copy = sealed_copy(s);
	return copy < 0 ? copy : send_to(sock, &to, s, copy);
}
