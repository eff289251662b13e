/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process between joey and init, for the cases that plan.c names.  It enters or makes the user namespace, makes
 * the namespaces that must belong to it, and clones init as joey's child (CLONE_PARENT), so that exit status and
 * reaping stay where an engine expects them.  It says init's pid and exits.
 *
 * A joined pid namespace and a new time namespace take effect for children only, which also makes them the stage's.
 * A namespace to join may belong to the host's user namespace or to the container's: joining is tried before the user
 * namespace is entered, and what answered EPERM is tried again afterwards.
 */
#include <fcntl.h>
#include <sys/prctl.h>

#include "joey/syscalls.h"
#include "native/native-internal.h"

static int enter_userns(struct native_plan *p, struct sync *sync, struct joey_err *err)
{
	struct sync_frame f;
	int r;

	if (!p->setup.in_userns)
		return 0;
	if (!p->userns_new)
		return joey_ns_join(p->ns_fds[JOEY_NS_USER], JOEY_NS_USER, p->config->ns[JOEY_NS_USER].path, err);
	if (unshare(CLONE_NEWUSER) < 0)
		return joey_err_sys(err, errno, "make a user namespace");
	r = sync_send(sync, SYNC_NEED_MAPS, 0, NULL, -EBADF, err);
	return r < 0 ? r : sync_expect(sync, SYNC_MAPPED, &f, err);
}

static int make_namespaces(struct native_plan *p, int proc_self, struct joey_err *err)
{
	/* pid is left to the clone; cgroup to init, which is already in its cgroup then; user is there. */
	uint64_t flags = p->new_ns & ~(uint64_t)(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWCGROUP);

	if (flags && unshare((int)flags) < 0)
		return joey_err_sys(err, errno, "make namespaces in the container's user namespace");
	return (flags & CLONE_NEWTIME) ? joey_timens_write(proc_self, p->config, err) : 0;
}

static int stage_run(struct native_plan *p, struct sync *sync, struct joey_err *err)
{
	struct clone_args args = { .flags = CLONE_PARENT | (p->new_ns & CLONE_NEWPID) };
	autoclose int proc_self = openat(p->host_proc_fd, "self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	pid_t pid;
	int r;

	if (proc_self < 0)
		return joey_err_sys(err, errno, "open /proc/self");
	r = child_join_namespaces(p, true, err);
	if (r == 0)
		r = enter_userns(p, sync, err);
	if (r == 0 && p->setup.in_userns)
		r = child_become_root(err);
	if (r == 0)
		r = child_join_namespaces(p, false, err);
	if (r < 0)
		return r;
	/* The id change made /proc/self the global root's; timens_offsets must be ours to write. */
	(void)prctl(PR_SET_DUMPABLE, 1);
	r = make_namespaces(p, proc_self, err);
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (r < 0)
		return r;
	pid = joey_sys_clone3(&args);
	if (pid < 0)
		return joey_err_sys(err, pid, "clone the container's init");
	if (pid == 0) {
		struct sync_frame f;
		struct joey_err child_err = JOEY_ERR_INIT;

		child_tie_to_parent();
		if (sync_expect(sync, SYNC_PROCEED, &f, &child_err) < 0)
			_exit(1);
		child_main(p, sync, true);
	}
	return sync_send(sync, SYNC_INIT, (uint32_t)pid, NULL, -EBADF, err);
}

void stage_main(struct native_plan *p, struct sync *sync)
{
	struct joey_err err = JOEY_ERR_INIT;

	child_tie_to_parent();
	if (stage_run(p, sync, &err) < 0) {
		sync_send_failed(sync, &err);
		_exit(1);
	}
	_exit(0);
}
