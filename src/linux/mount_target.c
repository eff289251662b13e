/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a mount may go.  A destination is first opened without any symbolic link: then its text says what it is.  With
 * links it is opened inside the root, and a result on procfs is refused.  proc and sysfs must be covered at a real
 * directory, and under /proc only a few files may be covered: otherwise labels and sysctls would be written into
 * something else.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "joey/syscalls.h"
#include "linux/linux-internal.h"

/* What may be covered inside /proc: files that lxcfs and checkpoint/restore provide. */
static const char *const proc_files[] = {
	"cpuinfo",
	"diskstats",
	"meminfo",
	"stat",
	"swaps",
	"uptime",
	"loadavg",
	"slabinfo",
	"sys/kernel/ns_last_pid",
	"sys/crypto/fips_enabled",
};

static bool is_on_procfs(int fd)
{
	struct statfs sfs;

	return fstatfs(fd, &sfs) == 0 && sfs.f_type == PROC_SUPER_MAGIC;
}

/* For a place that was reached through links: not being able to tell is as bad as procfs. */
static bool may_be_procfs(int fd)
{
	struct statfs sfs;

	return fstatfs(fd, &sfs) < 0 || sfs.f_type == PROC_SUPER_MAGIC;
}

static int refuse_inside_proc(const struct mount_target *t, struct joey_err *err)
{
	return joey_err_set(err, JOEY_EK_CONFIG, EPERM, "\"%s\" cannot be mounted because it is inside /proc", t->dest);
}

/* By the text of the destination, before anything is looked up. */
static int check_text(const struct mount_target *t, struct joey_err *err)
{
	if (t->dest[1] == '\0')
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "mounting over the container's root is not possible");
	if (!joey_startswith(t->dest, "/proc/"))
		return 0;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(proc_files); i++)
		if (joey_streq(t->dest + strlen("/proc/"), proc_files[i]))
			return 0;
	return refuse_inside_proc(t, err);
}

static bool must_be_real(const struct mount_target *t)
{
	return t->real_dir_for || joey_streq(t->dest, "/proc") || joey_streq(t->dest, "/sys");
}

static int refuse_link(const struct mount_target *t, struct joey_err *err)
{
	return joey_err_set(err, JOEY_EK_CONFIG, ELOOP, "filesystem \"%s\" must be mounted on ordinary directory",
			    t->real_dir_for ? t->real_dir_for : t->dest + 1);
}

int mount_target_find(struct mount_target *t, bool nofollow, struct joey_err *err)
{
	int flags = O_PATH | (nofollow ? O_NOFOLLOW : 0), fd, r = check_text(t, err);

	if (r < 0)
		return r;
	fd = inroot_open(t->root_fd, t->dest, flags, RESOLVE_NO_SYMLINKS);
	if (fd == -ELOOP) {
		if (must_be_real(t))
			return refuse_link(t, err);
		fd = inroot_open(t->root_fd, t->dest, flags, 0);
		t->on_proc = fd >= 0 && may_be_procfs(fd);
	}
	if (fd < 0 && fd != -ENOENT)
		return joey_err_sys(err, -fd, "open mount point");
	t->fd = fd < 0 ? -EBADF : fd;
	return 0;
}

int mount_target_make(struct mount_target *t, enum inroot_kind kind, struct joey_err *err)
{
	int fd = inroot_make(t->root_fd, t->dest, kind, 0755);

	if (fd >= 0 && must_be_real(t)) {
		/* It was not there a moment ago, and may be anything by now. */
		joey_close(fd);
		fd = inroot_open(t->root_fd, t->dest, O_PATH, RESOLVE_NO_SYMLINKS);
		if (fd == -ELOOP)
			return refuse_link(t, err);
	}
	if (fd < 0)
		return joey_err_sys(err, -fd, "create mount point");
	t->on_proc = may_be_procfs(fd);
	t->fd = fd;
	return 0;
}

int mount_target_check(const struct mount_target *t, int mnt_fd, struct joey_err *err)
{
	if (joey_streq(t->dest, "/proc") && !is_on_procfs(mnt_fd))
		return joey_err_set(err, JOEY_EK_CONFIG, EPERM,
				    "\"%s\" cannot be mounted because it is not of type proc", t->dest);
	return t->on_proc && !joey_startswith(t->dest, "/proc/") ? refuse_inside_proc(t, err) : 0;
}

static bool is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

int mount_target_attach(const struct mount_target *t, int mnt_fd, struct joey_err *err)
{
	int r = mount_target_check(t, mnt_fd, err);

	if (r < 0)
		return r;
	r = mount_attach(mnt_fd, t->fd, "");
	if (r == -EINVAL && is_directory(mnt_fd) != is_directory(t->fd))
		r = -ENOTDIR; /* what mount(2) says, and engines look for */
	return r < 0 ? joey_err_sys(err, -r, "attach the mount") : 0;
}
