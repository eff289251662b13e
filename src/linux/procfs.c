/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The private procfs handle, the only way by which the steps reach /proc.
 *
 * A volume over /proc, or an image's own files there, would otherwise decide what a label write means: a fake file
 * turns the label off, and a real but wrong procfs file turns it into a write to core_pattern (CVE-2019-16884,
 * CVE-2025-52881).  The handle is a detached mount that nobody else can reach.  It must not be attached anywhere, and
 * every walk in it refuses links and mount points.
 */
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "joey/syscalls.h"
#include "linux/linux-internal.h"

/* PROC_ROOT_INO of include/linux/proc_ns.h */
enum { PROC_ROOT_INODE = 1 };

bool fd_is_on(int fd, uint64_t magic)
{
	struct statfs sfs;

	/* f_type is a signed long on some architectures */
	return fstatfs(fd, &sfs) == 0 && (uint32_t)sfs.f_type == (uint32_t)magic;
}

static bool is_proc_root(int fd)
{
	struct stat st;

	return fd_is_on(fd, PROC_SUPER_MAGIC) && fstat(fd, &st) == 0 && st.st_ino == PROC_ROOT_INODE;
}

static int mount_private(bool whole)
{
	autoclose int fs = joey_sys_fsopen("proc", 1 /* FSOPEN_CLOEXEC */);
	int r;

	if (fs < 0)
		return fs;
	if (!whole) {
		/* The processes alone are enough for labels; kernels before 5.8 lack the option. */
		r = joey_sys_fsconfig(fs, FSCONFIG_SET_STRING, "subset", "pid", 0);
		if (r < 0 && r != -EINVAL)
			return r;
	}
	r = joey_sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r < 0)
		return r;
	return joey_sys_fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

/*
 * In a user namespace the kernel gives out a new procfs only where a whole one is visible already.  The host's own,
 * taken before the container's tree exists, serves as well: sysctls and thread-self mean the calling process, not the
 * mount.  Whatever is mounted over a part of it is refused by RESOLVE_NO_XDEV.
 */
static int borrow_host(const struct joey_setup *s)
{
	if (s->host_root_fd < 0)
		return -EBADF;
	return joey_openat2(s->host_root_fd, "proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0,
			    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

bool joey_setup_wants_procfs(const struct joey_setup *s)
{
	return s->process->apparmor_profile || s->process->selinux_label || (!s->exec_only && s->config->sysctl.n > 0);
}

int joey_setup_procfs(struct joey_setup *s, struct joey_err *err)
{
	autoclose int fd = -EBADF;

	if (s->proc_fd >= 0)
		return 0;
	fd = mount_private(!s->exec_only && s->config->sysctl.n > 0);
	if (fd == -EPERM || fd == -ENOSYS || fd == -ENODEV) {
		int host = borrow_host(s);

		if (host >= 0)
			fd = host;
	}
	if (fd < 0)
		return joey_err_sys(err, fd, "mount a private procfs");
	if (!is_proc_root(fd))
		return joey_err_set(err, JOEY_EK_OTHER, ELOOP, "private procfs: not the root of a procfs");
	s->proc_fd = joey_take_fd(&fd);
	return 0;
}

int step_procfs(struct joey_setup *s, struct joey_err *err)
{
	return joey_setup_procfs(s, err);
}

int procfs_open_self(struct joey_setup *s, const char *name, int flags)
{
	autoclose int self = -EBADF;
	autoclose int fd = -EBADF;

	/* "thread-self" is a link, but an honest one: the kernel's own, in a procfs that was verified. */
	self = joey_openat2(s->proc_fd, "thread-self", O_PATH | O_DIRECTORY | O_CLOEXEC, 0,
			    RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS);
	if (self < 0)
		return self;
	fd = joey_openat2(self, name, (uint64_t)flags | O_NOFOLLOW | O_CLOEXEC, 0,
			  RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return fd;
	if (!fd_is_on(fd, PROC_SUPER_MAGIC))
		return -ELOOP;
	return joey_take_fd(&fd);
}

int setup_root_fd(struct joey_setup *s, struct joey_err *err)
{
	if (s->root_fd >= 0)
		return s->root_fd;
	s->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->root_fd < 0) {
		s->root_fd = -EBADF;
		return joey_err_sys(err, errno, "open the container's /");
	}
	return s->root_fd;
}
