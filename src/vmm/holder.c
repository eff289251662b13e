/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The holder: a process whose only purpose is that two memory files exist.  It is a child of nobody who waits for it,
 * holds nothing else of its maker (descriptors, mounts, namespaces, cgroup, session), and sleeps until it is killed.
 * One engine's monitor does wait for it: conmon, for all processes that came from it, and Podman for conmon.
 */
#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "vmm/vmm-internal.h"

enum { CONMON_MS = 500 };

void joey_vmm_leave_cgroups(void)
{
	DIR *dir = opendir("/sys/fs/cgroup");
	const struct dirent *e;
	char path[300];

	if (!dir)
		return;
	(void)joey_write_file_at(dirfd(dir), "cgroup.procs", "0");
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.' || e->d_type != DT_DIR)
			continue;
		snprintf(path, sizeof(path), "%s/cgroup.procs", e->d_name);
		/* A directory of the unified hierarchy is somebody's cgroup, not a hierarchy's root. */
		if (faccessat(dirfd(dir), "cgroup.procs", F_OK, 0) < 0)
			(void)joey_write_file_at(dirfd(dir), path, "0");
	}
	closedir(dir);
}

/* An empty root in namespaces of its own: the maker's mounts can go. */
static int leave_mounts(void)
{
	struct mount_attr private = { .propagation = MS_PRIVATE };
	autoclose int fs = -EBADF, root = -EBADF;
	int r;

	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return -errno;
	r = joey_sys_mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &private);
	if (r < 0)
		return r;
	fs = joey_sys_fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0)
		return fs;
	r = joey_sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r < 0)
		return r;
	root = joey_sys_fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
	if (root < 0)
		return root;
	r = joey_sys_move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
	if (r < 0)
		return r;
	if (fchdir(root) < 0)
		return -errno;
	r = joey_sys_pivot_root(".", ".");
	return r < 0 ? r : joey_drop_old_root();
}

struct ends { /* the holder's */
	int report, leash;
	int waiting; /* the children of a conmon that we came from, or -EBADF */
};

/* Nobody else has us: we end with the conmon's container rather than keep it waiting for ever. */
static int open_conmon(void)
{
	pid_t pid = joey_find_ancestor("conmon");
	char path[64];

	if (pid <= 0)
		return -EBADF;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static bool is_its_last_child(int children)
{
	char text[32] = "", own[32];

	if (children < 0 || pread(children, text, sizeof(text) - 1, 0) <= 0)
		return false;
	snprintf(own, sizeof(own), "%d ", (int)getpid());
	return strcmp(text, own) == 0;
}

static int keep_files(const struct vmm_image *image, struct ends *ends)
{
	enum { HIGH = 16 };
	const int from[] = { image->ram_fd, image->state_fd, ends->report, ends->leash, ends->waiting };
	int high[JOEY_ARRAY_SIZE(from)];
	size_t n = JOEY_ARRAY_SIZE(from) - (ends->waiting < 0 ? 1 : 0);

	for (size_t i = 0; i < n; i++) {
		high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, HIGH);
		if (high[i] < 0)
			return -errno;
	}
	for (size_t i = 0; i < n; i++)
		if (dup3(high[i], VMM_HOLDER_RAM + (int)i, O_CLOEXEC) < 0)
			return -errno;
	ends->report = VMM_HOLDER_STATE + 1;
	ends->leash = VMM_HOLDER_STATE + 2;
	if (ends->waiting >= 0)
		ends->waiting = VMM_HOLDER_STATE + 3;
	for (int i = 0; i < 3; i++)
		joey_close(i);
	return joey_close_range(VMM_HOLDER_RAM + (unsigned)n, ~0U);
}

struct report {
	int errnum;
	pid_t pid;
};

static bool may_stay(int leash)
{
	ssize_t n;
	char c;

	do
		n = read(leash, &c, 1);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

static void __attribute__((noreturn)) hold(const struct vmm_image *image, struct ends ends)
{
	struct report rep = { 0, getpid() };
	sigset_t all;
	int r;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)setsid();
	(void)prctl(PR_SET_PDEATHSIG, 0);
	(void)prctl(PR_SET_NAME, "joey-template");
	joey_title_set("joey: holds a template", NULL);
	joey_vmm_leave_cgroups();
	ends.waiting = open_conmon();
	r = keep_files(image, &ends);
	if (r == 0)
		r = leave_mounts();
	rep.errnum = -r;
	if (write(ends.report, &rep, sizeof(rep)) != (ssize_t)sizeof(rep) || r < 0 || !may_stay(ends.leash))
		_exit(1);
	joey_close(ends.report);
	joey_close(ends.leash);
	(void)malloc_trim(0);
	while (!is_its_last_child(ends.waiting))
		(void)poll(NULL, 0, ends.waiting < 0 ? -1 : CONMON_MS);
	_exit(0);
}

static int start_holder(const struct vmm_image *image, int leash, struct report *rep, struct joey_err *err)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	autoclose int in = -EBADF, out = -EBADF;
	int fds[2];
	pid_t pid;
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return joey_err_sys(err, errno, "make a pipe");
	in = fds[0];
	out = fds[1];
	pid = joey_sys_clone3(&args);
	if (pid < 0)
		return joey_err_sys(err, pid, "clone the template's holder");
	if (pid == 0) {
		/* Its parent ends at once, so that nobody has to wait for the holder. */
		struct clone_args orphan = { .exit_signal = SIGCHLD };

		pid = joey_sys_clone3(&orphan);
		if (pid == 0)
			hold(image, (struct ends){ out, leash, -EBADF });
		_exit(pid < 0);
	}
	out = joey_close(out);
	(void)joey_wait_pid(pid, NULL);
	do
		n = read(in, rep, sizeof(*rep));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*rep))
		return joey_err_sys(err, n < 0 ? errno : ECHILD, "start the template's holder");
	return rep->errnum ? joey_err_sys(err, rep->errnum, "detach the template's holder") : 0;
}

int vmm_holder_start(const struct vmm_image *image, pid_t *ret_pid, uint64_t *ret_start, int *ret_leash,
		     struct joey_err *err)
{
	autoclose int theirs = -EBADF, ours = -EBADF;
	struct report rep = { 0, 0 };
	int fds[2], r;

	/* Not a pipe: nobody shall get a SIGPIPE from it. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return joey_err_sys(err, errno, "make a socket pair");
	theirs = fds[0];
	ours = fds[1];
	r = start_holder(image, theirs, &rep, err);
	if (r < 0)
		return r;
	r = joey_proc_stat(rep.pid, ret_start, NULL);
	if (r < 0)
		return joey_err_sys(err, r, "find the template's holder");
	*ret_pid = rep.pid;
	*ret_leash = joey_take_fd(&ours);
	return 0;
}
