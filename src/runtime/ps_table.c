/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of `joey ps`: the host's own ps(1) with the caller's arguments, of which the lines are kept whose PID is
 * one of the container's.
 *
 * The program is opened at the places where distributions have it, not searched in $PATH, and must be one that only
 * root can write; it is run by its descriptor.  Pids are read first: a number that has gone to another process
 * meanwhile could be shown, as with any ps.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "joey/syscalls.h"
#include "runtime/runtime-internal.h"

enum { PS_DEADLINE_MS = 20000, PS_OUTPUT_MAX = 64 << 20, PS_CHUNK = 65536 };

static int open_ps(struct joey_err *err)
{
	static const char *const places[] = { "/usr/bin/ps", "/bin/ps" };
	struct stat st;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(places); i++) {
		int fd = open(places[i], O_PATH | O_CLOEXEC);

		if (fd < 0)
			continue;
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == 0 && !(st.st_mode & 022))
			return fd;
		joey_close(fd);
		return joey_err_set(err, JOEY_EK_OTHER, EPERM,
				    "ps: %s must belong to root and be writable by root only", places[i]);
	}
	return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP,
			    "ps: the host has no ps program (package procps); use --format json");
}

static char **make_argv(char *const *args, size_t n)
{
	static char name[] = "ps", all[] = "-ef";
	char **argv = calloc(n + 3, sizeof(*argv));

	if (!argv)
		return NULL;
	argv[0] = name;
	if (n == 0)
		argv[1] = all;
	for (size_t i = 0; i < n; i++)
		argv[1 + i] = args[i];
	return argv;
}

static _Noreturn void ps_child(int ps_fd, int out, char **argv)
{
	sigset_t none;

	(void)prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0UL, 0UL, 0UL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(out, STDOUT_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0)
		(void)execveat(ps_fd, "", argv, environ, AT_EMPTY_PATH);
	_exit(127);
}

/* Until its end of file or the deadline. */
static int collect(int fd, struct joey_str *s)
{
	uint64_t deadline = joey_now_ms() + PS_DEADLINE_MS;
	autofree char *chunk = malloc(PS_CHUNK);

	if (!chunk)
		return -ENOMEM;
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now = joey_now_ms();
		ssize_t n;

		if (now >= deadline)
			return -ETIMEDOUT;
		n = poll(&p, 1, (int)(deadline - now));
		if (n > 0)
			n = read(fd, chunk, PS_CHUNK);
		else if (n == 0)
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return s->failed ? -ENOMEM : 0;
		if (n > 0)
			joey_str_addn(s, chunk, (size_t)n);
		if (s->len > PS_OUTPUT_MAX)
			return -EFBIG;
	}
}

static int run_ps(char **argv, struct joey_str *out, struct joey_err *err)
{
	autoclose int ps = open_ps(err), in = -EBADF, child_end = -EBADF;
	int pipe_fds[2], wstatus, r;
	pid_t pid;

	if (ps < 0)
		return ps;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return joey_err_sys(err, errno, "ps: make a pipe");
	in = pipe_fds[0];
	child_end = pipe_fds[1];
	(void)signal(SIGCHLD, SIG_DFL); /* an inherited SIG_IGN would take the exit status away */
	pid = fork();
	if (pid < 0)
		return joey_err_sys(err, errno, "ps: fork");
	if (pid == 0)
		ps_child(ps, child_end, argv);
	child_end = joey_close(child_end);
	r = collect(in, out);
	if (r < 0)
		(void)kill(pid, SIGKILL);
	if (joey_wait_pid(pid, &wstatus) < 0)
		wstatus = 0;
	if (r < 0)
		return joey_err_sys(err, -r, "ps: read its output");
	if (rt_exit_code(wstatus) != 0)
		return joey_err_set(err, JOEY_EK_OTHER, EIO, "ps: exit status %d: %.*s", rt_exit_code(wstatus), 500,
				    out->buf ? out->buf : "");
	return 0;
}

/* Which blank-separated word of the header line is PID. */
static bool find_pid_column(const char *line, size_t *ret)
{
	for (size_t i = 0; *(line += strspn(line, " \t")) && *line != '\n'; i++) {
		size_t n = strcspn(line, " \t\n");

		if (n == 3 && memcmp(line, "PID", 3) == 0) {
			*ret = i;
			return true;
		}
		line += n;
	}
	return false;
}

static bool is_ours(const char *line, size_t column, const pid_t *pids, size_t n)
{
	char word[16];
	uint32_t pid;
	size_t len;

	for (line += strspn(line, " \t"); column > 0; column--) {
		line += strcspn(line, " \t\n");
		line += strspn(line, " \t");
	}
	len = strcspn(line, " \t\n");
	if (len >= sizeof(word))
		return false;
	memcpy(word, line, len);
	word[len] = '\0';
	if (joey_parse_u32(word, &pid) < 0) /* "-": a line about a thread */
		return false;
	for (size_t i = 0; i < n; i++)
		if ((uint32_t)pids[i] == pid)
			return true;
	return false;
}

int rt_ps_filter(const char *text, const pid_t *pids, size_t n, char **ret, struct joey_err *err)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	size_t column, len = strcspn(text, "\n");

	if (!find_pid_column(text, &column))
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "couldn't find PID field in ps output");
	for (bool header = true; *text; header = false) {
		len = strcspn(text, "\n");
		if (header || is_ours(text, column, pids, n)) {
			joey_str_addn(&s, text, len);
			joey_str_add(&s, "\n");
		}
		text += len;
		text += *text ? 1 : 0;
	}
	*ret = joey_str_take(&s);
	return *ret ? 0 : joey_err_sys(err, ENOMEM, "ps");
}

int joey_rt_ps_table(const struct joey_runtime *rt, const char *id, char *const *args, size_t n_args, char **ret,
		     struct joey_err *err)
{
	autofree char **argv = make_argv(args, n_args);
	autostr struct joey_str out = JOEY_STR_INIT;
	autofree pid_t *pids = NULL;
	size_t n;
	int r = joey_rt_ps(rt, id, &pids, &n, err);

	if (r == 0 && !argv)
		r = joey_err_sys(err, ENOMEM, "ps");
	if (r == 0)
		r = run_ps(argv, &out, err);
	return r < 0 ? r : rt_ps_filter(out.buf ? out.buf : "", pids, n, ret, err);
}
