/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Birth of QEMU: one clone with all its namespaces, in its cgroup, and a report of what the jail (jail.c) could not do.
 * The caller waits until execve(2) has happened, not for QEMU.
 */
#include <string.h>

#include "vmm/vmm-internal.h"

/* End of file: executed. */
static int wait_executed(int status, struct joey_err *err)
{
	struct vmm_jail_error e;
	ssize_t n;

	do
		n = read(status, &e, sizeof(e));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	if (n != (ssize_t)sizeof(e))
		return joey_err_sys(err, n < 0 ? errno : EPROTO, "start the hypervisor");
	e.what[sizeof(e.what) - 1] = '\0';
	(void)joey_err_sys(err, e.errnum > 0 ? e.errnum : EPROTO, "%s", e.what);
	return joey_err_wrap(err, "start the hypervisor");
}

/* On a kernel without CLONE_INTO_CGROUP. */
static int move_into(int cgroup_fd, pid_t pid, struct joey_err *err)
{
	char text[16];
	int r;

	snprintf(text, sizeof(text), "%d", (int)pid);
	r = joey_write_file_at(cgroup_fd, "cgroup.procs", text);
	return r < 0 ? joey_err_sys(err, r, "move the hypervisor into its cgroup") : 0;
}

static void __attribute__((noreturn)) in_child(struct vmm_spawn *s, int out)
{
	struct vmm_jail_error e = { 0, "" };

	s->status = out;
	vmm_jail_exec(s, &e);
	_exit(write(s->status, &e, sizeof(e)) == (ssize_t)sizeof(e) ? 127 : 126);
}

int vmm_spawn(struct vmm_spawn *s, pid_t *ret_pid, int *ret_pidfd, struct joey_err *err)
{
	/* The copies of a zygote, which have process namespaces of their own, outlive it: it may not be the first of
	 * one that they are in. */
	const uint64_t flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP |
			       (s->zygote ? 0 : CLONE_NEWPID);
	autoclose int in = -EBADF, out = -EBADF, pidfd = -EBADF;
	int fds[2], r = 0;
	bool moved;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return joey_err_sys(err, errno, "make a pipe");
	in = fds[0];
	out = fds[1];
	pid = joey_clone_into(flags, s->cgroup_fd, &pidfd, &moved);
	if (pid < 0)
		return joey_err_sys(err, -pid, "clone the hypervisor's process");
	if (pid == 0) {
		joey_close(in);
		in_child(s, out);
	}
	out = joey_close(out);
	if (!moved && s->cgroup_fd >= 0)
		r = move_into(s->cgroup_fd, pid, err);
	if (r == 0)
		r = wait_executed(in, err);
	if (r < 0) {
		(void)joey_sys_pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
		(void)joey_wait_pid(pid, NULL);
		return r;
	}
	*ret_pid = pid;
	*ret_pidfd = joey_take_fd(&pidfd);
	return 0;
}
