/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library that makes a process one that can be forked (src/zygote), in a program that is no QEMU (zygote_target.c),
 * the filter of its copies, and how their client gets on with one that does not answer.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "joey/zygote.h"
#include "unit.h"
#include "vmm/vmm-internal.h"

enum { COMMANDS = 10, CONTROL = 11, ANSWER_MS = 10000, END_MS = 5000, CANNOT = 77 };

static char library[512], program[512];
static bool possible;

struct zygote {
	pid_t pid;
	int control, commands;
};
#define ZYGOTE_INIT       \
	{                 \
		0, -1, -1 \
	}

struct copy {
	int commands, life, pidfd;
};
#define COPY_INIT          \
	{                  \
		-1, -1, -1 \
	}

/* ---- a root with the target ------------------------------------------------------------------------------------- */

static bool show(const char *from, const char *to, bool is_dir)
{
	int fd = is_dir ? mkdir(to, 0755) : open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (!is_dir && fd >= 0)
		close(fd);
	return fd >= 0 && mount(from, to, NULL, MS_BIND | MS_REC, NULL) == 0;
}

/* Programs here are linked dynamically. */
static bool show_libraries(void)
{
	static const char *const dirs[] = { "/usr", "/lib", "/lib64", "/lib32" };

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(dirs); i++) {
		char target[256];
		ssize_t n = readlink(dirs[i], target, sizeof(target) - 1);
		struct stat st;

		if (n > 0) {
			target[n] = '\0';
			if (symlink(target, dirs[i] + 1) < 0)
				return false;
		} else if (stat(dirs[i], &st) == 0 && !show(dirs[i], dirs[i] + 1, true)) {
			return false;
		}
	}
	return true;
}

/* The working directory is the new root. */
static bool make_root(void)
{
	return unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tmpfs", "/mnt", "tmpfs", 0, "size=1m") == 0 && chdir("/mnt") == 0 && show_libraries() &&
	       show(program, "target", false) && show(library, "zygote.so", false) && mkdir("share", 0755) == 0 &&
	       mkdir("proc", 0755) == 0 && mount("proc", "proc", "proc", 0, NULL) == 0 &&
	       syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
}

static _Noreturn void become_target(int control, int commands)
{
	char name[] = "target", preload[] = "LD_PRELOAD=/zygote.so", number[] = JOEY_ZYGOTE_ENV "=11";
	char *const argv[] = { name, NULL }, *const env[] = { preload, number, NULL };
	int null = open("/dev/null", O_RDWR);

	/* out of the way of each other */
	control = fcntl(control, F_DUPFD, 64);
	commands = fcntl(commands, F_DUPFD, 64);
	for (int fd = 0; fd < 3; fd++)
		(void)dup2(null, fd);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || !make_root() || dup2(control, CONTROL) < 0 ||
	    dup2(commands, COMMANDS) < 0 || joey_close_range(3, COMMANDS - 1) < 0 ||
	    joey_close_range(CONTROL + 1, ~0U) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(CANNOT);
	(void)execve("/target", argv, env);
	_exit(CANNOT);
}

static void pair_of(int type, int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
}

static struct joey_zygote_answer hear(int sock, int *ret_fd)
{
	struct joey_zygote_answer a = { .errnum = EPIPE };
	struct pollfd p = { .fd = sock, .events = POLLIN };
	size_t n_fds = 0;
	int fd = -1;

	assert_int_equal(poll(&p, 1, ANSWER_MS), 1);
	(void)joey_recv_fds(sock, &a, sizeof(a), &fd, 1, &n_fds, 0);
	if (ret_fd && n_fds == 1)
		*ret_fd = fd;
	else if (n_fds == 1)
		close(fd);
	return a;
}

static void begin(struct zygote *z)
{
	int control[2], commands[2];

	pair_of(SOCK_SEQPACKET, control);
	pair_of(SOCK_SEQPACKET, commands);
	z->pid = fork();
	if (z->pid == 0)
		become_target(control[1], commands[1]);
	assert_true(z->pid > 0);
	close(control[1]);
	close(commands[1]);
	z->control = control[0];
	z->commands = commands[0];
}

static const char *say(int commands, const char *what)
{
	static char text[256];
	struct pollfd p = { .fd = commands, .events = POLLIN };
	ssize_t n;

	assert_int_equal(send(commands, what, strlen(what), MSG_NOSIGNAL), (ssize_t)strlen(what));
	if (poll(&p, 1, ANSWER_MS) != 1)
		return "no answer";
	n = recv(commands, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? text : "gone";
}

/* Until it has all its threads and descriptors: the library is there before its main(). */
static void set_up(struct zygote *z)
{
	struct joey_err err = JOEY_ERR_INIT;

	begin(z);
	assert_int_equal(vmm_fork_setup(z->control, &err), 0);
	joey_err_clear(&err);
	assert_int_equal(hear(z->control, NULL).errnum, 0);
	assert_string_equal(say(z->commands, "report"), "ok");
}

static void end(struct zygote *z)
{
	if (z->pid > 0) {
		(void)kill(z->pid, SIGKILL);
		(void)waitpid(z->pid, NULL, 0);
	}
	close(z->control);
	close(z->commands);
}

/* ---- copies ----------------------------------------------------------------------------------------------------- */

static int make_share(const char *text)
{
	int fs = joey_sys_fsopen("tmpfs", FSOPEN_CLOEXEC), mnt, fd;

	assert_true(fs >= 0);
	assert_int_equal(joey_sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0), 0);
	mnt = joey_sys_fsmount(fs, FSMOUNT_CLOEXEC, 0);
	assert_true(mnt >= 0);
	fd = openat(mnt, "marker", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	close(fs);
	return mnt;
}

/* Asks; the reply's end.  The share, which is closed; cgroup: where there is none it is wrong. */
static int ask_with(const struct zygote *z, struct copy *c, int share, int cgroup)
{
	struct joey_zygote_fork f = { .magic = JOEY_ZYGOTE_MAGIC, .n = 1, .targets = { COMMANDS } };
	int reply[2], life[2], commands[2], fds[5];

	pair_of(SOCK_SEQPACKET, reply);
	pair_of(SOCK_STREAM, life);
	pair_of(SOCK_SEQPACKET, commands);
	fds[0] = reply[1];
	fds[1] = life[1];
	fds[2] = share;
	fds[3] = commands[1];
	fds[4] = cgroup;
	f.flags = cgroup >= 0 ? JOEY_ZYGOTE_CGROUP : 0;
	assert_int_equal(joey_send_fds(z->control, &f, sizeof(f), fds, cgroup >= 0 ? 5 : 4), sizeof(f));
	for (size_t i = 0; i < 4; i++)
		close(fds[i]);
	c->life = life[0];
	c->commands = commands[0];
	return reply[0];
}

static int ask(const struct zygote *z, struct copy *c, const char *share)
{
	return ask_with(z, c, make_share(share), -1);
}

/* Two answers, in any order. */
static int await(int reply, struct copy *c)
{
	int r = 0;

	for (int i = 0; i < 2 && r == 0; i++)
		r = hear(reply, &c->pidfd).errnum;
	close(reply);
	return r;
}

static int copy_of(const struct zygote *z, struct copy *c, const char *share)
{
	return await(ask(z, c, share), c);
}

static bool ends(const struct copy *c)
{
	struct pollfd p = { .fd = c->pidfd, .events = POLLIN };

	return poll(&p, 1, END_MS) == 1;
}

static void drop(struct copy *c)
{
	close(c->life);
	c->life = -1;
	if (c->pidfd >= 0)
		assert_true(ends(c));
	close(c->pidfd);
	close(c->commands);
}

static pid_t pid_of(const struct copy *c)
{
	autofree char *text = NULL;
	char path[48];
	const char *at;
	size_t len;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", c->pidfd);
	assert_int_equal(joey_read_file_at(AT_FDCWD, path, 0, 4096, &text, &len), 0);
	at = strstr(text, "\nPid:\t");
	assert_non_null(at);
	return (pid_t)strtoul(at + 6, NULL, 10);
}

/* ---- tests ------------------------------------------------------------------------------------------------------ */

#define NEED()                  \
	do {                    \
		if (!possible)  \
			skip(); \
	} while (0)

/* Whatever they did, they go on, in the copies and in the original, and can be ended and joined. */
static void threads_go_on(void **state)
{
	struct zygote z = ZYGOTE_INIT;
	struct copy last = COPY_INIT;

	(void)state;
	NEED();
	set_up(&z);
	assert_string_equal(say(z.commands, "report"), "ok");
	for (int i = 0; i < 8; i++) {
		struct copy c = COPY_INIT;

		assert_int_equal(copy_of(&z, &c, "x"), 0);
		assert_string_equal(say(c.commands, "report"), "ok");
		assert_string_equal(say(c.commands, "who"), "1");
		assert_string_equal(say(c.commands, i % 2 ? "finish" : "report"), "ok");
		drop(&c);
	}
	assert_int_equal(copy_of(&z, &last, "x"), 0);
	assert_string_equal(say(z.commands, "report"), "ok");
	assert_string_equal(say(z.commands, "finish"), "ok");
	/* and the copies outlive it */
	end(&z);
	assert_string_equal(say(last.commands, "report"), "ok");
	assert_string_equal(say(last.commands, "finish"), "ok");
	drop(&last);
}

/* Threads come and go meanwhile: it may say no, but what it makes is whole. */
static void threads_come_and_go(void **state)
{
	struct zygote z = ZYGOTE_INIT;
	unsigned made = 0;

	(void)state;
	NEED();
	set_up(&z);
	assert_string_equal(say(z.commands, "churn"), "ok");
	for (int i = 0; i < 10; i++) {
		struct copy c = COPY_INIT;
		int r = copy_of(&z, &c, "x");

		if (r == 0) {
			made++;
			assert_string_equal(say(c.commands, "report"), "ok");
			assert_string_equal(say(c.commands, "finish"), "ok");
		} else {
			assert_int_equal(r, EAGAIN);
		}
		drop(&c);
	}
	assert_true(made > 0);
	assert_string_equal(say(z.commands, "finish"), "ok");
	end(&z);
}

static void nothing_in_common(void **state)
{
	struct zygote z = ZYGOTE_INIT;
	struct copy a = COPY_INIT, b = COPY_INIT;
	char first[256];

	(void)state;
	NEED();
	set_up(&z);
	assert_int_equal(copy_of(&z, &a, "of a"), 0);
	assert_int_equal(copy_of(&z, &b, "of b"), 0);

	/* one wake that is there from the beginning; then those of others do not come */
	assert_string_equal(say(a.commands, "drain"), "ok");
	assert_string_equal(say(b.commands, "drain"), "ok");
	assert_string_equal(say(z.commands, "raise"), "ok");
	assert_string_equal(say(b.commands, "raise"), "ok");
	assert_string_equal(say(a.commands, "drain"), strerror(EAGAIN));
	assert_string_equal(say(b.commands, "drain"), "ok");
	assert_string_equal(say(z.commands, "drain"), "ok");

	assert_string_equal(say(b.commands, "hear"), "sigmask:\t0000000000000001");
	assert_string_equal(say(a.commands, "deafen"), "ok");
	assert_string_equal(say(a.commands, "hear"), "sigmask:\t0000000000000000");
	assert_string_equal(say(b.commands, "hear"), "sigmask:\t0000000000000001");
	assert_string_equal(say(z.commands, "hear"), "sigmask:\t0000000000000001");

	assert_string_equal(say(a.commands, "marker"), "of a");
	assert_string_equal(say(b.commands, "marker"), "of b");

	snprintf(first, sizeof(first), "%s", say(a.commands, "draw"));
	assert_int_equal(strlen(first), 32);
	assert_string_not_equal(say(b.commands, "draw"), first);
	drop(&a);
	assert_string_equal(say(b.commands, "report"), "ok");

	/* an epoll descriptor that watches nothing is another one in each */
	assert_string_equal(say(b.commands, "watch"), "ok");
	assert_string_equal(say(z.commands, "unwatch"), strerror(ENOENT));
	drop(&b);
	assert_string_equal(say(z.commands, "watch"), "ok");
	a = (struct copy)COPY_INIT;
	assert_int_equal(copy_of(&z, &a, "x"), ENOTUNIQ);
	drop(&a);
	assert_string_equal(say(z.commands, "unwatch"), "ok");

	/* nobody knows what a pipe would be in two processes */
	assert_string_equal(say(z.commands, "pipe"), "ok");
	a = (struct copy)COPY_INIT;
	assert_int_equal(copy_of(&z, &a, "x"), ENOTUNIQ);
	drop(&a);
	assert_string_equal(say(z.commands, "close pipe"), "ok");
	a = (struct copy)COPY_INIT;
	assert_int_equal(copy_of(&z, &a, "x"), 0);
	drop(&a);
	end(&z);
}

static void check_status(const char *path, const char *key, const char *want)
{
	autofree char *text = NULL;
	const char *at;
	size_t len;

	assert_int_equal(joey_read_file_at(AT_FDCWD, path, 0, 65536, &text, &len), 0);
	at = strstr(text, key);
	assert_non_null(at);
	at += strlen(key);
	assert_memory_equal(at, want, strlen(want));
	assert_int_equal(at[strlen(want)], '\n');
}

/* Beyond any chroot: from the mount namespace's own root. */
static int entries_of_root(pid_t pid)
{
	char path[48];
	int wstatus;
	pid_t child;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	child = fork();
	if (child == 0) {
		int fd = open(path, O_RDONLY | O_CLOEXEC), n = 0;
		DIR *d = fd >= 0 && setns(fd, CLONE_NEWNS) == 0 ? opendir("/") : NULL;

		for (const struct dirent *e; d && (e = readdir(d));)
			n += e->d_name[0] != '.';
		_exit(n);
	}
	assert_int_equal(waitpid(child, &wstatus, 0), child);
	return WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : -1;
}

static void confined(void **state)
{
	struct zygote z = ZYGOTE_INIT;
	struct copy c = COPY_INIT;
	char path[300], caps[20];
	const struct dirent *e;
	unsigned n = 0;
	DIR *d;

	(void)state;
	NEED();
	set_up(&z);
	assert_int_equal(copy_of(&z, &c, "x"), 0);
	assert_string_equal(say(c.commands, "look"), "ok");
	assert_int_equal(entries_of_root(pid_of(&c)), 2);
	snprintf(caps, sizeof(caps), "%016llx", (unsigned long long)vmm_jail_copy_caps());
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid_of(&c));
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)pid_of(&c), e->d_name);
		check_status(path, "CapPrm:\t", caps);
		check_status(path, "CapEff:\t", caps);
		check_status(path, "CapBnd:\t", caps);
		check_status(path, "CapInh:\t", "0000000000000000");
		check_status(path, "NoNewPrivs:\t", "1");
		check_status(path, "Seccomp:\t", "2");
		n++;
	}
	closedir(d);
	assert_true(n > 9);
	assert_string_equal(say(c.commands, "socket"), strerror(EACCES));
	assert_string_equal(say(c.commands, "clone3"), strerror(ENOSYS));
	assert_string_equal(say(c.commands, "churn"), "ok"); /* threads can be made */
	assert_string_equal(say(c.commands, "report"), "ok");
	drop(&c);
	end(&z);
}

static void forbidden(void **state)
{
	static const char *const deadly[] = { "fork", "execve", "unshare", "x32" };
	struct zygote z = ZYGOTE_INIT;

	(void)state;
	NEED();
	set_up(&z);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(deadly); i++) {
		struct copy c = COPY_INIT;

		assert_int_equal(copy_of(&z, &c, "x"), 0);
		assert_string_equal(say(c.commands, deadly[i]), "gone");
		assert_true(ends(&c));
		drop(&c);
	}
	assert_string_equal(say(z.commands, "report"), "ok");
	end(&z);
}

static void wrong_words(void **state)
{
	struct joey_zygote_fork f = { .magic = JOEY_ZYGOTE_MAGIC, .n = 1, .targets = { COMMANDS } };
	struct joey_zygote_setup s = { .magic = JOEY_ZYGOTE_MAGIC, .n = 7 };
	struct zygote z = ZYGOTE_INIT;
	struct copy c = COPY_INIT;
	int pair[2], wstatus;

	(void)state;
	NEED();
	begin(&z);
	assert_int_equal(send(z.control, &s, 40, 0), 40);
	assert_int_equal(hear(z.control, NULL).errnum, EPROTO);
	assert_int_equal(waitpid(z.pid, &wstatus, 0), z.pid);
	z.pid = 0;
	end(&z);

	set_up(&z);
	for (int i = 0; i < 5; i++) {
		struct joey_zygote_fork bad = f;
		int fds[4];

		pair_of(SOCK_SEQPACKET, pair);
		for (size_t k = 0; k < 4; k++)
			fds[k] = pair[1];
		bad.magic += i == 0;
		bad.n = i == 1 ? UINT32_MAX - 2 : i == 2 ? 2 : 1;
		bad.n_nowhere = i == 3 ? JOEY_ZYGOTE_TARGETS_MAX + 1 : 0;
		assert_true(joey_send_fds(z.control, &bad, sizeof(bad) - (i == 4), fds, 4) > 0);
		close(pair[1]);
		/* thrown away, descriptors and all */
		assert_int_equal(hear(pair[0], NULL).errnum, EPIPE);
		close(pair[0]);
	}
	assert_int_equal(send(z.control, &f, sizeof(f), 0), sizeof(f)); /* none at all */
	assert_int_equal(copy_of(&z, &c, "x"), 0);
	drop(&c);
	/* nobody can ask any more */
	close(z.control);
	z.control = -1;
	assert_int_equal(waitpid(z.pid, &wstatus, 0), z.pid);
	assert_true(WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 0);
	z.pid = 0;
	end(&z);
}

static unsigned entries(pid_t pid, const char *name)
{
	const struct dirent *e;
	unsigned n = 0;
	char path[48];
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* A step that fails is told of, and leaves nothing: no process, no descriptor, no thread that stands still. */
static void steps_fail(void **state)
{
	struct zygote z = ZYGOTE_INIT;
	unsigned fds, threads;

	(void)state;
	NEED();
	set_up(&z);
	fds = entries(z.pid, "fd");
	threads = entries(z.pid, "task");
	for (int i = 0; i < 4; i++) {
		int null = open("/dev/null", O_RDONLY | O_CLOEXEC), reply;
		struct copy c = COPY_INIT;

		/* no cgroup; no mount; as it should be */
		reply = ask_with(&z, &c, i % 3 == 1 ? dup(null) : make_share("x"), i % 3 == 0 ? null : -1);
		if (i % 3 == 2)
			assert_int_equal(await(reply, &c), 0);
		else
			assert_true(await(reply, &c) > 0);
		assert_true(i % 3 != 0 || c.pidfd < 0);
		assert_true(i % 3 != 1 || c.pidfd < 0 || ends(&c));
		drop(&c);
		close(null);
	}
	assert_string_equal(say(z.commands, "report"), "ok");
	assert_int_equal(entries(z.pid, "fd"), fds);
	assert_int_equal(entries(z.pid, "task"), threads);
	end(&z);
}

/* All of its threads. */
static void stop(const struct zygote *z)
{
	int wstatus;

	assert_int_equal(kill(z->pid, SIGSTOP), 0);
	assert_int_equal(waitpid(z->pid, &wstatus, WUNTRACED), z->pid);
	assert_true(WIFSTOPPED(wstatus));
}

/* What nobody waits for any more is not made; and a copy that has lost its holder while it was made ends. */
static void unwanted(void **state)
{
	struct zygote z = ZYGOTE_INIT;
	struct copy c[3] = { COPY_INIT, COPY_INIT, COPY_INIT };
	int reply[3];

	(void)state;
	NEED();
	set_up(&z);
	stop(&z);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(c); i++)
		reply[i] = ask(&z, &c[i], "x");
	close(c[0].life);
	close(c[1].life);
	assert_int_equal(kill(z.pid, SIGCONT), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(await(reply[i], &c[i]), ECANCELED);
		assert_int_equal(c[i].pidfd, -1);
		close(c[i].commands);
	}
	assert_int_equal(await(reply[2], &c[2]), 0);
	assert_string_equal(say(c[2].commands, "report"), "ok");
	/* killed half-way */
	stop(&z);
	reply[0] = ask(&z, &c[0], "x");
	assert_int_equal(kill(z.pid, SIGKILL), 0);
	assert_int_equal(await(reply[0], &c[0]), EPIPE);
	close(c[0].life);
	close(c[0].commands);
	assert_string_equal(say(c[2].commands, "report"), "ok");
	drop(&c[2]);
	end(&z);
}

/* Its socket is full: the client has had enough some time, and a machine is restored. */
static void stands_still(void **state)
{
	struct joey_vmm_spec spec = { .memory = 64 << 20, .vcpus = 1, .nets = 1, .accel = JOEY_ACCEL_TCG };
	struct joey_vmm_start a = { .spec = &spec, .cgroup_fd = -EBADF, .block_fd = -EBADF };
	struct joey_vmm vm = JOEY_VMM_INIT;
	struct joey_err err = JOEY_ERR_INIT;
	int pair[2];

	(void)state;
	NEED();
	pair_of(SOCK_SEQPACKET, pair);
	assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0); /* as vmm_launch() does */
	while (send(pair[0], "x", 1, 0) == 1)
		;
	assert_int_equal(errno, EAGAIN);
	for (int i = 0; i < JOEY_VMM_NETS_MAX; i++)
		a.tap_fds[i] = -EBADF;
	a.zygote_fd = pair[0];
	a.share_fd = make_share("x");
	(void)alarm(20);
	assert_true(vmm_fork(&a, &vm, &err) < 0);
	(void)alarm(0);
	assert_int_equal(vm.pidfd, -EBADF);
	joey_err_clear(&err);
	close(a.share_fd);
	close(pair[0]);
	close(pair[1]);
}

static void filters(void **state)
{
	struct sock_filter f[JOEY_ZYGOTE_FILTER_MAX];
	struct joey_err err = JOEY_ERR_INIT;
	size_t n = 0;

	(void)state;
	assert_int_equal(vmm_filter(f, JOEY_ARRAY_SIZE(f), &n, &err), 0);
	assert_true(n > 50 && n < JOEY_ARRAY_SIZE(f));
	assert_true(vmm_filter(f, n, &n, &err) < 0); /* it does not fit, or may be cut */
	assert_int_equal(err.errnum, E2BIG);
	joey_err_clear(&err);
}

/* ---- begin ------------------------------------------------------------------------------------------------------ */

static int group_setup(void **state)
{
	const char *build = getenv("JOEY_BUILDDIR");
	struct zygote z = ZYGOTE_INIT;
	char path[512];

	(void)state;
	snprintf(path, sizeof(path), "%.400s/guest/zygote.so", build ? build : ".");
	if (!realpath(path, library) || geteuid() != 0)
		goto no;
	snprintf(path, sizeof(path), "%.400s/tests/unit/zygote_target", build ? build : ".");
	if (!realpath(path, program))
		goto no;
	/* Where nothing can be mounted it ends before it answers. */
	begin(&z);
	(void)vmm_fork_setup(z.control, NULL);
	possible = hear(z.control, NULL).errnum == 0;
	end(&z);
	if (possible)
		return 0;
no:
	print_message("# no zygote here (root, x86_64 and make guest/zygote.so are needed): skipped\n");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_go_on),     cmocka_unit_test(threads_come_and_go),
		cmocka_unit_test(nothing_in_common), cmocka_unit_test(confined),
		cmocka_unit_test(forbidden),         cmocka_unit_test(wrong_words),
		cmocka_unit_test(steps_fail),        cmocka_unit_test(unwanted),
		cmocka_unit_test(stands_still),      cmocka_unit_test(filters),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
