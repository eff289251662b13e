/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_SYSCALLS_H
#define JOEY_SYSCALLS_H

/*
 * Raw system calls and constants that glibc 2.36 or its headers lack.  One line each, no policy.
 * Every wrapper returns a non-negative result or -errno.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif
#ifndef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP 0x00100000
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif
#ifndef MOVE_MOUNT_SET_GROUP
#define MOVE_MOUNT_SET_GROUP 0x00000100
#endif
#ifndef FSCONFIG_CMD_CREATE_EXCL
#define FSCONFIG_CMD_CREATE_EXCL 8
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

static inline long joey_sysret(long r)
{
	return r < 0 ? -errno : r;
}

static inline int joey_sys_open_tree(int dirfd, const char *path, unsigned flags)
{
	return (int)joey_sysret(syscall(SYS_open_tree, dirfd, path, flags));
}

static inline int joey_sys_move_mount(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	return (int)joey_sysret(syscall(SYS_move_mount, from_fd, from, to_fd, to, flags));
}

static inline int joey_sys_fsopen(const char *fstype, unsigned flags)
{
	return (int)joey_sysret(syscall(SYS_fsopen, fstype, flags));
}

static inline int joey_sys_fsconfig(int fd, unsigned cmd, const char *key, const void *value, int aux)
{
	return (int)joey_sysret(syscall(SYS_fsconfig, fd, cmd, key, value, aux));
}

static inline int joey_sys_fsmount(int fd, unsigned flags, unsigned attrs)
{
	return (int)joey_sysret(syscall(SYS_fsmount, fd, flags, attrs));
}

static inline int joey_sys_mount_setattr(int dirfd, const char *path, unsigned flags, struct mount_attr *attr)
{
	return (int)joey_sysret(syscall(SYS_mount_setattr, dirfd, path, flags, attr, sizeof(*attr)));
}

static inline int joey_sys_pivot_root(const char *new_root, const char *put_old)
{
	return (int)joey_sysret(syscall(SYS_pivot_root, new_root, put_old));
}

static inline int joey_sys_pidfd_open(pid_t pid, unsigned flags)
{
	return (int)joey_sysret(syscall(SYS_pidfd_open, pid, flags));
}

static inline int joey_sys_pidfd_send_signal(int pidfd, int sig, siginfo_t *info, unsigned flags)
{
	return (int)joey_sysret(syscall(SYS_pidfd_send_signal, pidfd, sig, info, flags));
}

static inline int joey_sys_pidfd_getfd(int pidfd, int target_fd, unsigned flags)
{
	return (int)joey_sysret(syscall(SYS_pidfd_getfd, pidfd, target_fd, flags));
}

static inline int joey_sys_clone3(struct clone_args *args)
{
	return (int)joey_sysret(syscall(SYS_clone3, args, sizeof(*args)));
}

static inline int joey_sys_close_range(unsigned first, unsigned last, unsigned flags)
{
	return (int)joey_sysret(syscall(SYS_close_range, first, last, flags));
}

static inline int joey_sys_openat2(int dirfd, const char *path, struct open_how *how)
{
	return (int)joey_sysret(syscall(SYS_openat2, dirfd, path, how, sizeof(*how)));
}

#endif
