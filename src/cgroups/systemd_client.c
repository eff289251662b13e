/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program joey-sd-bus as a child: found, verified, run by descriptor with an empty environment, asked with a
 * deadline, killed when that passes or when it is no longer needed.  Protocol: joey/sdbus.h.
 *
 * Nothing of what it says is believed where it matters: systemd.c compares with what the kernel shows.
 */
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "cgroups/systemd-internal.h"
#include "config.h"
#include "joey/sdbus.h"
#include "joey/syscalls.h"

#ifndef JOEY_LIBEXECDIR
#define JOEY_LIBEXECDIR "/usr/local/libexec/joey"
#endif

#define EXEC_FAILED 127

/* ---- finding it ---------------------------------------------------------------------------------------- */

static bool trusted(const struct stat *st, uid_t joey_owner)
{
	return (st->st_uid == 0 || st->st_uid == joey_owner) && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* -ENOENT: not here. */
static int open_in(const char *dir, uid_t joey_owner, int *ret_fd, struct joey_err *err)
{
	autoclose int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int fd = -EBADF;
	struct stat st;

	if (dir_fd < 0)
		return -ENOENT;
	fd = openat(dir_fd, JOEY_SDBUS_PROGRAM, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -ENOENT;
	if (fstat(dir_fd, &st) < 0 || !trusted(&st, joey_owner))
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, EPERM,
				    "systemd: %s/%s is not used: others than root may write to its directory", dir,
				    JOEY_SDBUS_PROGRAM);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !trusted(&st, joey_owner))
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, EPERM,
				    "systemd: %s/%s is not used: not a regular file that only root may write to", dir,
				    JOEY_SDBUS_PROGRAM);
	*ret_fd = joey_take_fd(&fd);
	return 0;
}

/* Beside joey (in a build directory), else where it is installed. */
static int find_program(int *ret_fd, struct joey_err *err)
{
	char exe[PATH_MAX], *slash;
	struct stat st;
	int n;
	int r = -ENOENT;

	n = snprintf(exe, sizeof(exe), "%s", joey_self_path());
	if (n <= 0 || (size_t)n >= sizeof(exe) || stat("/proc/self/exe", &st) < 0)
		return joey_err_sys(err, errno, "systemd: find joey's own program");
	slash = strrchr(exe, '/');
	if (slash && slash > exe) {
		*slash = '\0';
		r = open_in(exe, st.st_uid, ret_fd, err);
	}
	if (r == -ENOENT)
		r = open_in(JOEY_LIBEXECDIR, st.st_uid, ret_fd, err);
	if (r == -ENOENT)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOENT,
				    "systemd: the program %s, which the systemd cgroup driver needs, is not installed "
				    "in %s; use --cgroup-manager=cgroupfs",
				    JOEY_SDBUS_PROGRAM, JOEY_LIBEXECDIR);
	return r;
}

int cgroup_sd_find_program(int *ret_fd, struct joey_err *err)
{
#ifdef HAVE_SYSTEMD
	return find_program(ret_fd, err);
#else
	(void)find_program;
	(void)ret_fd;
	return joey_err_set(
		err, JOEY_EK_UNSUPPORTED, ENOTSUP,
		"the systemd cgroup driver (--systemd-cgroup) is not supported by this build of joey, which "
		"was made without libsystemd; use --cgroup-manager=cgroupfs");
#endif
}

/* ---- running it ---------------------------------------------------------------------------------------- */

static _Noreturn void child(int program_fd, int sock, const char *const argv[], pid_t parent)
{
	static char *const no_env[] = { NULL };
	char *args[8] = { NULL };
	int null;

	memcpy(args, argv, sizeof(args) - sizeof(args[0]));
	/* Descriptors 0..2 may be what we hold: move ours out of the way first. */
	sock = fcntl(sock, F_DUPFD_CLOEXEC, 10);
	program_fd = fcntl(program_fd, F_DUPFD_CLOEXEC, 10);
	if (sock < 0 || program_fd < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
		_exit(EXEC_FAILED);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (dup2(sock, 0) < 0 || null < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || chdir("/") < 0)
		_exit(EXEC_FAILED);
	if (joey_cloexec_from(3) < 0)
		_exit(EXEC_FAILED);
	joey_signals_default();
	(void)syscall(SYS_execveat, program_fd, "", args, no_env, AT_EMPTY_PATH);
	_exit(EXEC_FAILED);
}

static int start(struct cgroup_sd_client *c, int program_fd, const char *const argv[], struct joey_err *err)
{
	pid_t parent = getpid(), pid;
	int socks[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return joey_err_sys(err, errno, "systemd: make a socket");
	pid = fork();
	if (pid == 0)
		child(program_fd, socks[1], argv, parent);
	joey_close(socks[1]);
	if (pid < 0) {
		joey_close(socks[0]);
		return joey_err_sys(err, errno, "systemd: start %s", JOEY_SDBUS_PROGRAM);
	}
	c->pid = pid;
	c->sock = socks[0];
	return 0;
}

int cgroup_sd_client_start(struct cgroup_sd_client *c, bool user, uid_t uid, struct joey_err *err)
{
	autoclose int found = -EBADF;
	const char *argv[8] = { JOEY_SDBUS_PROGRAM };
	char uid_text[16];
	size_t n = 1;
	int r;

	if (c->pid > 0)
		return 0;
	if (c->address) {
		argv[n++] = "--address";
		argv[n++] = c->address;
	}
	argv[n++] = user ? "user" : "system";
	if (user) {
		(void)snprintf(uid_text, sizeof(uid_text), "%u", (unsigned)uid);
		argv[n] = uid_text;
	}
	if (c->program_fd < 0) {
		r = cgroup_sd_find_program(&found, err);
		if (r < 0)
			return r;
	}
	return start(c, c->program_fd < 0 ? found : c->program_fd, argv, err);
}

void cgroup_sd_client_done(struct cgroup_sd_client *c)
{
	c->sock = joey_close(c->sock);
	if (c->pid > 0) {
		/* not yet waited for, so the number is still its own */
		(void)kill(c->pid, SIGKILL);
		(void)joey_wait_pid(c->pid, NULL);
	}
	c->pid = 0;
}

/* ---- asking it ----------------------------------------------------------------------------------------- */

/* 0: there is something to read, or the other end is gone. */
static int wait_reply(int sock, uint64_t deadline)
{
	for (;;) {
		struct pollfd p = { .fd = sock, .events = POLLIN };
		uint64_t now = joey_now_ms();
		int r;

		if (now >= deadline)
			return -ETIMEDOUT;
		r = poll(&p, 1, (int)(deadline - now));
		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return -errno;
	}
}

static int take_reply(char *text, char **ret, struct joey_err *err)
{
	char *rest = text, *word = strsep(&rest, " "), *number;
	uint32_t e;

	if (joey_streq(word, "ok")) {
		char *value = ret ? strdup(rest ? rest : "") : NULL;

		if (ret && !value)
			return joey_err_sys(err, ENOMEM, "systemd: read an answer");
		if (ret)
			*ret = value;
		return 0;
	}
	number = strsep(&rest, " ");
	if (!joey_streq(word, "error") || !number || !rest || joey_parse_u32(number, &e) < 0 || e == 0 || e > 4095)
		return joey_err_set(err, JOEY_EK_OTHER, EBADMSG, "systemd: %s gave no sense", JOEY_SDBUS_PROGRAM);
	return joey_err_set(err, e == ETIMEDOUT ? JOEY_EK_TIMEOUT : JOEY_EK_OTHER, (int)e, "systemd: %s", rest);
}

static int ask(struct cgroup_sd_client *c, const char *request, size_t len, char **ret, struct joey_err *err)
{
	unsigned timeout = c->timeout_ms ? c->timeout_ms : JOEY_SDBUS_TIMEOUT_MS;
	autofree char *buf = malloc(JOEY_SDBUS_MESSAGE_MAX + 1);
	ssize_t n;
	int r;

	if (!buf)
		return joey_err_sys(err, ENOMEM, "systemd: ask");
	n = joey_send_fds(c->sock, request, len, NULL, 0);
	if (n < 0 && n != -EPIPE)
		return joey_err_sys(err, (int)n, "systemd: ask %s", JOEY_SDBUS_PROGRAM);
	r = wait_reply(c->sock, joey_now_ms() + timeout);
	if (r == -ETIMEDOUT)
		return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT,
				    "systemd: no answer within %u ms to: %.*s (is the bus overloaded?)", timeout,
				    (int)strcspn(request, "\n"), request);
	if (r < 0)
		return joey_err_sys(err, r, "systemd: wait for an answer");
	n = recv(c->sock, buf, JOEY_SDBUS_MESSAGE_MAX, MSG_TRUNC);
	if (n <= 0 || (size_t)n > JOEY_SDBUS_MESSAGE_MAX || memchr(buf, '\0', (size_t)n))
		return joey_err_set(err, JOEY_EK_OTHER, EPIPE, "systemd: %s ended without an answer to: %.*s",
				    JOEY_SDBUS_PROGRAM, (int)strcspn(request, "\n"), request);
	buf[n] = '\0';
	return take_reply(buf, ret, err);
}

int cgroup_sd_client_ask(struct cgroup_sd_client *c, const char *request, size_t len, char **ret, struct joey_err *err)
{
	int r;

	if (c->pid <= 0)
		return joey_err_set(err, JOEY_EK_OTHER, EPIPE, "systemd: %s is not running", JOEY_SDBUS_PROGRAM);
	if (len > JOEY_SDBUS_MESSAGE_MAX)
		return joey_err_set(err, JOEY_EK_CONFIG, E2BIG, "systemd: properties of the unit are too long");
	r = ask(c, request, len, ret, err);
	/* What it would say later is nobody's answer. */
	if (r < 0)
		cgroup_sd_client_done(c);
	return r;
}
