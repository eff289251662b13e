/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User and group id maps (user_namespaces(7)).
 *
 * The kernel takes a whole map in one write(2), at most 340 lines.  An unprivileged writer may map only its own id
 * (and must give up setgroups first); for more there are newuidmap(1) and newgidmap(1), which are setuid programs of
 * the host: opened from a fixed path, proved to be root's and unwritable by others, run by descriptor.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "joey/namespace.h"
#include "joey/syscalls.h"

enum { MAX_LINES = 340, HELPER_DEADLINE_MS = 10000 };

static int map_text(const struct joey_idmaps *maps, char sep, struct joey_str *s)
{
	if (maps->n > MAX_LINES)
		return -E2BIG;
	for (size_t i = 0; i < maps->n; i++)
		joey_str_printf(s, "%u %u %u%c", maps->v[i].container_id, maps->v[i].host_id, maps->v[i].size, sep);
	return s->failed ? -ENOMEM : 0;
}

static int write_map(int host_proc_fd, pid_t pid, const char *file, const struct joey_idmaps *maps,
		     struct joey_err *err)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	char name[48];
	int r = map_text(maps, '\n', &s);

	snprintf(name, sizeof(name), "%d/%s", (int)pid, file);
	if (r == 0)
		r = joey_write_file_at(host_proc_fd, name, s.buf ? s.buf : "");
	return r < 0 ? joey_err_sys(err, r, "write %s of the container's user namespace", file) : 0;
}

static int open_helper(const char *path, struct joey_err *err)
{
	autoclose int fd = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return joey_err_sys(err, errno, "open id map helper '%s' (package uidmap)", path);
	if (fstat(fd, &st) < 0)
		return joey_err_sys(err, errno, "stat id map helper '%s'", path);
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return joey_err_set(err, JOEY_EK_OTHER, EACCES,
				    "id map helper '%s' must belong to root and be writable by root only", path);
	return joey_take_fd(&fd);
}

/* "newuidmap PID container host size ..." */
static char **helper_argv(const char *path, pid_t pid, const struct joey_idmaps *maps, struct joey_str *text)
{
	char **argv, *p;
	size_t n = 0;

	joey_str_printf(text, "%s %d ", path, (int)pid);
	if (map_text(maps, ' ', text) < 0)
		return NULL;
	argv = calloc(maps->n * 3 + 3, sizeof(*argv));
	if (!argv)
		return NULL;
	for (p = strtok(text->buf, " "); p; p = strtok(NULL, " "))
		argv[n++] = p;
	return argv;
}

static int wait_helper(pid_t pid, int pidfd, const char *path, struct joey_err *err)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };
	bool late = false;
	int status, r;

	do
		r = poll(&pfd, 1, HELPER_DEADLINE_MS);
	while (r < 0 && errno == EINTR);
	if (r <= 0) {
		late = true;
		(void)joey_sys_pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	}
	r = joey_wait_pid(pid, &status);
	if (r < 0)
		return joey_err_sys(err, r, "wait for '%s'", path);
	if (late)
		return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT, "'%s' ran past %d s", path,
				    HELPER_DEADLINE_MS / 1000);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return joey_err_set(err, JOEY_EK_OTHER, EPERM,
				    "'%s' refused the id maps (are the ids in /etc/subuid and /etc/subgid?)", path);
	return 0;
}

static int run_helper(const char *path, pid_t target, const struct joey_idmaps *maps, struct joey_err *err)
{
	static char *const no_env[] = { NULL };
	autostr struct joey_str text = JOEY_STR_INIT;
	autofree char **argv = NULL;
	autoclose int fd = -EBADF, pidfd = -EBADF;
	struct clone_args args = { .flags = CLONE_PIDFD, .exit_signal = SIGCHLD };
	int pidfd_raw = -1;
	pid_t pid;

	fd = open_helper(path, err);
	if (fd < 0)
		return fd;
	argv = helper_argv(path, target, maps, &text);
	if (!argv)
		return joey_err_sys(err, ENOMEM, "run '%s'", path);
	args.pidfd = (uint64_t)(uintptr_t)&pidfd_raw;
	pid = joey_sys_clone3(&args);
	if (pid < 0)
		return joey_err_sys(err, pid, "fork '%s'", path);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		execveat(fd, "", argv, no_env, AT_EMPTY_PATH);
		_exit(127);
	}
	pidfd = pidfd_raw;
	return wait_helper(pid, pidfd, path, err);
}

/* The one map that the kernel accepts from a user without privilege: a single id, its own. */
static bool is_own_id(const struct joey_idmaps *maps, uint32_t own)
{
	return maps->n == 1 && maps->v[0].size == 1 && maps->v[0].host_id == own;
}

static int write_unprivileged(int host_proc_fd, pid_t pid, const struct joey_idmaps *uids,
			      const struct joey_idmaps *gids, struct joey_err *err)
{
	char name[48];
	int r;

	if (is_own_id(gids, getegid())) {
		snprintf(name, sizeof(name), "%d/setgroups", (int)pid);
		r = joey_write_file_at(host_proc_fd, name, "deny");
		if (r < 0)
			return joey_err_sys(err, r, "deny setgroups in the container's user namespace");
		r = write_map(host_proc_fd, pid, "gid_map", gids, err);
	} else {
		r = run_helper("/usr/bin/newgidmap", pid, gids, err);
	}
	if (r < 0)
		return r;
	if (is_own_id(uids, geteuid()))
		return write_map(host_proc_fd, pid, "uid_map", uids, err);
	return run_helper("/usr/bin/newuidmap", pid, uids, err);
}

int joey_idmap_write(int host_proc_fd, pid_t pid, const struct joey_idmaps *uids, const struct joey_idmaps *gids,
		     bool privileged, struct joey_err *err)
{
	int r;

	if (!privileged)
		return write_unprivileged(host_proc_fd, pid, uids, gids, err);
	r = write_map(host_proc_fd, pid, "gid_map", gids, err);
	return r < 0 ? r : write_map(host_proc_fd, pid, "uid_map", uids, err);
}

/* ---- a process that exists only to have a user namespace -------------------------------------------- */

struct holder {
	pid_t pid;
	int pidfd;
};

/* join_fd < 0: in a new user namespace; else in that one.  The holder waits to be killed. */
static int holder_start(int join_fd, struct holder *h, struct joey_err *err)
{
	struct clone_args args = { .flags = CLONE_PIDFD | (join_fd < 0 ? CLONE_NEWUSER : 0), .exit_signal = SIGCHLD };
	autoclose int ready = -EBADF, ready_w = -EBADF;
	int pidfd = -1, p[2];
	char byte = 0;
	ssize_t n;

	if (pipe2(p, O_CLOEXEC) < 0)
		return joey_err_sys(err, errno, "make a pipe to the user namespace holder");
	ready = p[0];
	ready_w = p[1];
	args.pidfd = (uint64_t)(uintptr_t)&pidfd;
	h->pid = joey_sys_clone3(&args);
	if (h->pid < 0)
		return joey_err_sys(err, h->pid, "make a user namespace for id mapping");
	if (h->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (join_fd >= 0 && setns(join_fd, CLONE_NEWUSER) < 0)
			_exit(1);
		if (write(ready_w, &byte, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	h->pidfd = pidfd;
	ready_w = joey_close(ready_w);
	do
		n = read(ready, &byte, 1);
	while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : joey_err_set(err, JOEY_EK_OTHER, EPERM, "enter the user namespace to read its id maps");
}

static void holder_stop(struct holder *h)
{
	int status;

	if (h->pid <= 0)
		return;
	(void)joey_sys_pidfd_send_signal(h->pidfd, SIGKILL, NULL, 0);
	(void)joey_wait_pid(h->pid, &status);
	joey_close(h->pidfd);
}

static int open_host_proc(struct joey_err *err)
{
	int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? joey_err_sys(err, errno, "open the host's /proc") : fd;
}

int joey_idmap_userns_fd(const struct joey_idmaps *uids, const struct joey_idmaps *gids, int *ret_fd,
			 struct joey_err *err)
{
	__attribute__((cleanup(holder_stop))) struct holder h = { 0, -EBADF };
	autoclose int proc = open_host_proc(err);
	char name[48];
	int r, fd;

	if (proc < 0)
		return proc;
	r = holder_start(-EBADF, &h, err);
	if (r < 0)
		return r;
	r = joey_idmap_write(proc, h.pid, uids, gids, true, err);
	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "%d/ns/user", (int)h.pid);
	fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return joey_err_sys(err, errno, "open the user namespace made for id mapping");
	*ret_fd = fd;
	return 0;
}

bool joey_idmap_to_host(const struct joey_idmaps *maps, uint32_t id, uint32_t *ret)
{
	if (maps->n == 0) {
		*ret = id;
		return true;
	}
	for (size_t i = 0; i < maps->n; i++) {
		const struct joey_idmap *m = &maps->v[i];

		if (id >= m->container_id && id - m->container_id < m->size) {
			*ret = m->host_id + (id - m->container_id);
			return true;
		}
	}
	return false;
}

/* Compares "  container host size" lines with the config's list, order included (the kernel keeps it). */
static bool same_map(char *text, const struct joey_idmaps *maps)
{
	size_t i = 0;
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save), i++) {
		unsigned c, h, n;

		if (i >= maps->n || sscanf(line, "%u %u %u", &c, &h, &n) != 3 || c != maps->v[i].container_id ||
		    h != maps->v[i].host_id || n != maps->v[i].size)
			return false;
	}
	return i == maps->n;
}

static int read_and_compare(int proc, pid_t pid, const char *file, const struct joey_idmaps *maps, bool *ret,
			    struct joey_err *err)
{
	autofree char *text = NULL;
	char name[48];
	int r;

	snprintf(name, sizeof(name), "%d/%s", (int)pid, file);
	r = joey_read_file_at(proc, name, 0, 65536, &text, NULL);
	if (r < 0)
		return joey_err_sys(err, r, "read %s of the joined user namespace", file);
	*ret = same_map(text, maps);
	return 0;
}

int joey_idmap_matches(int userns_fd, const struct joey_idmaps *uids, const struct joey_idmaps *gids, bool *ret,
		       struct joey_err *err)
{
	__attribute__((cleanup(holder_stop))) struct holder h = { 0, -EBADF };
	autoclose int proc = open_host_proc(err);
	bool same = false;
	int r;

	if (proc < 0)
		return proc;
	r = holder_start(userns_fd, &h, err);
	if (r == 0)
		r = read_and_compare(proc, h.pid, "uid_map", uids, &same, err);
	if (r == 0 && same)
		r = read_and_compare(proc, h.pid, "gid_map", gids, &same, err);
	if (r == 0)
		*ret = same;
	return r;
}
