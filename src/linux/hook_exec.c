/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks (runtime-spec config.md, "POSIX-platform Hooks"): foreign programs, so everything about them is bounded.
 *
 *  - the state is in a pipe (or, when it is long, in an unnamed file) before the hook starts: one that never reads
 *    can neither block joey nor kill it with SIGPIPE;
 *  - the end of the hook is the end of its process, told by a pidfd, never the end of its output: a daemon that it
 *    leaves behind may hold the pipes for ever;
 *  - output is kept up to a limit and thrown away beyond it;
 *  - the hook has its own process group, which is killed when time is up, and dies with joey (PR_SET_PDEATHSIG);
 *  - it gets the descriptors 0, 1, 2, the environment of the config and nothing else of ours.
 *
 * crun's annotations that send the output to a file are honoured where "file" means the host's: not for hooks that run
 * when the image's tree is "/".
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "joey/log.h"
#include "joey/syscalls.h"
#include "linux/linux-internal.h"

enum { OUTPUT_KEPT = 8192, PIPE_ROOM = 32 << 10, KILL_WAIT_MS = 10000 };

struct output {
	int fd;
	size_t len;
	char text[OUTPUT_KEPT + 1];
};

/* Parent's ends.  The child's are closed as soon as it exists. */
struct run {
	pid_t pid;
	int pidfd, status_fd;
	int exec_errno; /* from the child, 0: it was executed */
	struct output out, err;
};

struct child_fds {
	int in, out, err, status;
};

static void run_done(struct run *r)
{
	joey_close(r->pidfd);
	joey_close(r->status_fd);
	joey_close(r->out.fd);
	joey_close(r->err.fd);
}

static void child_fds_done(struct child_fds *c)
{
	c->in = joey_close(c->in);
	c->out = joey_close(c->out);
	c->err = joey_close(c->err);
	c->status = joey_close(c->status);
}

/* ---- standard input ------------------------------------------------------------------------------------------ */

static int stdin_file(const char *text, size_t len)
{
	autoclose int fd = memfd_create("joey-state", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = joey_write_all(fd, text, len);
	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return joey_take_fd(&fd);
}

/* A pipe takes 64 KiB without a reader, but only one page once a user has many (pipe(7)): a short write falls back. */
static int stdin_for(const char *text, size_t len)
{
	autoclose int in = -EBADF;
	autoclose int out = -EBADF;
	int p[2];

	if (len > PIPE_ROOM)
		return stdin_file(text, len);
	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	in = p[0];
	out = p[1];
	if (write(out, text, len) != (ssize_t)len)
		return stdin_file(text, len);
	/* the flag belongs to the open pipe end that the hook gets */
	if (fcntl(in, F_SETFL, 0) < 0)
		return -errno;
	return joey_take_fd(&in);
}

/* ---- the child ------------------------------------------------------------------------------------------------ */

/* A caller with closed 0..2 may have let our pipes take these numbers. */
static int above_stdio(int fd)
{
	return fd > 2 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static void reset_signals(void)
{
	static const int reset[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGCHLD, SIGUSR1, SIGUSR2 };
	sigset_t none;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(reset); i++)
		(void)signal(reset[i], SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int become_hook(const struct joey_hook *hook, char *const *env, int dir_fd, const struct child_fds *c,
		       int status)
{
	char *const lone[] = { hook->path, NULL };
	char *const *argv = hook->args.n > 0 ? hook->args.v : lone;
	static char *const empty[] = { NULL };
	int in = above_stdio(c->in), out = above_stdio(c->out), err = above_stdio(c->err);

	if (in < 0 || out < 0 || err < 0 || status < 0)
		return errno;
	if (dup3(in, 0, 0) < 0 || dup3(out, 1, 0) < 0 || dup3(err, 2, 0) < 0)
		return errno;
	if (dir_fd >= 0 && fchdir(dir_fd) < 0)
		return errno;
	if (joey_cloexec_from(3) < 0)
		return EBADF;
	reset_signals();
	execve(hook->path, argv, env ? env : empty);
	return errno;
}

static _Noreturn void child_main(const struct joey_hook *hook, char *const *env, int dir_fd, const struct child_fds *c,
				 pid_t parent)
{
	int status = above_stdio(c->status), e;

	/* asked for after the parent's death, the signal would never come */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
		_exit(127);
	(void)setpgid(0, 0);
	e = become_hook(hook, env, dir_fd, c, status);
	(void)joey_write_all(status, &e, sizeof(e));
	_exit(127);
}

/* ---- starting it ---------------------------------------------------------------------------------------------- */

/* fork(2) that gives a pidfd as well; clone3(2) may be hidden by a seccomp profile around us. */
static pid_t fork_pidfd(int *ret_pidfd)
{
	int pidfd = -EBADF;
	struct clone_args args = { .flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&pidfd, .exit_signal = SIGCHLD };
	pid_t pid = joey_sys_clone3(&args);

	if (pid == -ENOSYS || pid == -EPERM) {
		pid = fork();
		if (pid < 0)
			return -errno;
		if (pid > 0)
			pidfd = joey_sys_pidfd_open(pid, 0);
	}
	if (pid > 0)
		*ret_pidfd = pidfd;
	return pid;
}

static int output_pipe(int *ret_read, int *ret_write)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	*ret_read = p[0];
	*ret_write = p[1];
	if (fcntl(p[0], F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

/* Where output goes instead of to us; -EBADF: to us. */
struct hook_files {
	int out, err;
};

static int output_to(int file, int *ret_read, int *ret_write)
{
	if (file < 0)
		return output_pipe(ret_read, ret_write);
	*ret_write = fcntl(file, F_DUPFD_CLOEXEC, 3);
	return *ret_write < 0 ? -errno : 0;
}

static int start(const struct joey_hook *hook, const char *state_json, char *const *env, int dir_fd,
		 const struct hook_files *files, struct run *run)
{
	struct child_fds c = { -EBADF, -EBADF, -EBADF, -EBADF };
	pid_t parent = getpid();
	int r;

	c.in = stdin_for(state_json, strlen(state_json));
	r = c.in < 0 ? c.in : output_to(files->out, &run->out.fd, &c.out);
	if (r >= 0)
		r = output_to(files->err, &run->err.fd, &c.err);
	if (r >= 0)
		r = output_pipe(&run->status_fd, &c.status);
	if (r >= 0) {
		run->pid = fork_pidfd(&run->pidfd);
		if (run->pid == 0)
			child_main(hook, env, dir_fd, &c, parent);
		r = run->pid < 0 ? run->pid : 0;
	}
	child_fds_done(&c);
	if (r == 0 && run->pidfd < 0) {
		/* no way to wait for it with a deadline */
		(void)kill(run->pid, SIGKILL);
		(void)joey_wait_pid(run->pid, NULL);
		r = run->pidfd;
	}
	return r;
}

/* ---- waiting for it -------------------------------------------------------------------------------------------- */

/* Reads what is there now; at most a pipe's worth, so a hook that writes without end cannot hold us. */
static void drain(struct output *o)
{
	char junk[4096];

	for (int rounds = 0; o->fd >= 0 && rounds < 64; rounds++) {
		size_t room = OUTPUT_KEPT - o->len;
		ssize_t n = read(o->fd, room ? o->text + o->len : junk, room ? room : sizeof(junk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			o->fd = joey_close(o->fd);
			return;
		}
		if (room)
			o->len += (size_t)n;
	}
}

static void read_status(struct run *run)
{
	int e;
	ssize_t n = read(run->status_fd, &e, sizeof(e));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == (ssize_t)sizeof(e))
		run->exec_errno = e > 0 ? e : EIO;
	run->status_fd = joey_close(run->status_fd);
}

/* 0: the process has ended.  deadline 0: none. */
static int watch(struct run *run, uint64_t deadline)
{
	for (;;) {
		struct pollfd p[4] = {
			{ .fd = run->pidfd, .events = POLLIN },
			{ .fd = run->out.fd, .events = POLLIN },
			{ .fd = run->err.fd, .events = POLLIN },
			{ .fd = run->status_fd, .events = POLLIN },
		};
		uint64_t now = deadline ? joey_now_ms() : 0;
		int wait = -1;

		if (deadline) {
			if (now >= deadline)
				return -ETIMEDOUT;
			wait = deadline - now > 1000000 ? 1000000 : (int)(deadline - now);
		}
		if (poll(p, 4, wait) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (p[1].revents)
			drain(&run->out);
		if (p[2].revents)
			drain(&run->err);
		if (p[3].revents)
			read_status(run);
		if (p[0].revents)
			return 0;
	}
}

static void kill_hook(struct run *run)
{
	(void)kill(-run->pid, SIGKILL);
	(void)joey_sys_pidfd_send_signal(run->pidfd, SIGKILL, NULL, 0);
	/* a process in an uninterruptible sleep may not die at once: not waited for without end */
	(void)watch(run, joey_now_ms() + KILL_WAIT_MS);
}

static int reap(const struct run *run, int *ret_wstatus)
{
	pid_t r;

	do
		r = waitpid(run->pid, ret_wstatus, WNOHANG);
	while (r < 0 && errno == EINTR);
	return r == run->pid ? 0 : -ECHILD;
}

/* ---- telling what happened -------------------------------------------------------------------------------------- */

/* One line: an error is one line of a log. */
static const char *tidy(struct output *o)
{
	while (o->len > 0 && (unsigned char)o->text[o->len - 1] <= ' ')
		o->len--;
	for (size_t i = 0; i < o->len; i++)
		if ((unsigned char)o->text[i] < ' ' || o->text[i] == 0x7f)
			o->text[i] = ' ';
	o->text[o->len] = '\0';
	return o->text;
}

static int bad_end(struct run *run, int wstatus, struct joey_err *err)
{
	const char *out = tidy(&run->out), *text = tidy(&run->err);

	if (WIFEXITED(wstatus))
		return joey_err_set(err, JOEY_EK_OTHER, EIO, "exit status %d, stdout: %s, stderr: %s",
				    WEXITSTATUS(wstatus), out, text);
	return joey_err_set(err, JOEY_EK_OTHER, EIO, "signal: %d, stdout: %s, stderr: %s", WTERMSIG(wstatus), out,
			    text);
}

static int finish(const struct joey_hook *hook, struct run *run, struct joey_err *err)
{
	uint64_t deadline = hook->timeout ? joey_now_ms() + 1000ull * hook->timeout : 0;
	int wstatus = 0, r = watch(run, deadline);

	if (r < 0) {
		kill_hook(run);
		(void)reap(run, &wstatus);
		if (r == -ETIMEDOUT)
			return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT, "hook ran past specified timeout of %u.0s",
					    hook->timeout);
		return joey_err_sys(err, r, "wait for %s", hook->path);
	}
	r = reap(run, &wstatus);
	if (r < 0)
		return joey_err_sys(err, r, "wait for %s", hook->path);
	if (run->status_fd >= 0)
		read_status(run);
	if (run->exec_errno)
		return joey_err_sys(err, run->exec_errno, "fork/exec %s", hook->path);
	if (WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 0)
		return 0;
	drain(&run->out);
	drain(&run->err);
	return bad_end(run, wstatus, err);
}

static int hook_run(const struct joey_hook *hook, enum joey_hook_kind kind, size_t index, const char *state_json,
		    char *const *default_env, int dir_fd, const struct hook_files *files, struct joey_err *err)
{
	char *const *env = hook->has_env ? hook->env.v : default_env;
	autofree struct run *run = calloc(1, sizeof(*run));
	int r;

	if (!run)
		return joey_err_sys(err, ENOMEM, "error running %s hook #%zu", joey_hook_kind_to_string(kind), index);
	run->pidfd = run->status_fd = run->out.fd = run->err.fd = -EBADF;
	r = start(hook, state_json, env, dir_fd, files, run);
	if (r < 0)
		joey_err_sys(err, r, "start %s", hook->path);
	else
		r = finish(hook, run, err);
	run_done(run);
	if (r < 0)
		return joey_err_wrap(err, "error running %s hook #%zu", joey_hook_kind_to_string(kind), index);
	return 0;
}

static int open_output(const struct joey_config *config, const char *key, int *ret_fd, struct joey_err *err)
{
	const char *path = joey_config_annotation(config, key);
	autoclose int fd = -EBADF;
	struct stat st;

	if (!path || !path[0])
		return 0;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	if (fd < 0)
		return joey_err_sys(err, errno, "annotation %s: open %s", key, path);
	if (fstat(fd, &st) < 0)
		return joey_err_sys(err, errno, "annotation %s: stat %s", key, path);
	if (!S_ISREG(st.st_mode))
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "annotation %s: %s is not a regular file", key, path);
	*ret_fd = joey_take_fd(&fd);
	return 0;
}

static int open_outputs(const struct joey_config *config, enum joey_hook_kind kind, int *ret_out, int *ret_err,
			struct joey_err *err)
{
	int r;

	if (config->hooks[kind].n == 0 || kind == JOEY_HOOK_START_CONTAINER)
		return 0;
	r = open_output(config, "run.oci.hooks.stdout", ret_out, err);
	return r < 0 ? r : open_output(config, "run.oci.hooks.stderr", ret_err, err);
}

int joey_hooks_run(const struct joey_config *config, enum joey_hook_kind kind, const char *state_json,
		   char *const *default_env, int dir_fd, struct joey_err *err)
{
	const struct joey_hooks *hooks = &config->hooks[kind];
	autoclose int out_fd = -EBADF;
	autoclose int err_fd = -EBADF;
	int r = open_outputs(config, kind, &out_fd, &err_fd, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < hooks->n; i++) {
		const struct hook_files files = { out_fd, err_fd };
		autoerr struct joey_err one = JOEY_ERR_INIT;
		struct joey_err *to = kind == JOEY_HOOK_POSTSTOP ? &one : err;

		r = hook_run(&hooks->v[i], kind, i, state_json, default_env, dir_fd, &files, to);
		if (r < 0 && kind != JOEY_HOOK_POSTSTOP)
			return r;
		if (r < 0)
			joey_warn("%s", joey_err_text(&one));
	}
	return 0;
}
