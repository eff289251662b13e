/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a copy does to itself before it is a machine of its own: it was born in new namespaces, and gets a root with
 * nothing but the share and a proc, channels of its own in the places of the zygote's, no capability but those for
 * serving files, and the filter of system calls.  Its other threads come to life last.  Then it waits for the end of
 * whoever it was made for.
 *
 * Order: mounts first, they need privileges; descriptors before the filter; threads are made before the last privilege
 * goes (they get their numbers by it), and run after everything.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/mount.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/stat.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "zygote/zygote-internal.h"

#ifndef MNT_DETACH
#define MNT_DETACH 2
#endif
enum { CAPS_END = 64, STACK_MAX = 64 };

struct child {
	const struct fork_request *q;
	const struct inventory *have;
	const struct joey_zygote_setup *setup;
	const char *what; /* that could not be done */
};

static long did(struct child *c, long r, const char *what)
{
	if (r < 0 && !c->what)
		c->what = what;
	return r;
}

/* ---- mounts ----------------------------------------------------------------------------------------------------- */

static long new_fs(const char *type, const char *option, const char *value, unsigned attrs)
{
	long fs = SYS(SYS_fsopen, type, FSOPEN_CLOEXEC), r;

	if (fs < 0)
		return fs;
	/* Unknown to older kernels: subset=pid, which hides what is no process. */
	(void)SYS(SYS_fsconfig, fs, FSCONFIG_SET_STRING, option, value, 0);
	r = SYS(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, 0, 0, 0);
	if (r >= 0)
		r = SYS(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attrs);
	(void)SYS(SYS_close, fs);
	return r;
}

static long attach(struct child *c, long root, long mnt, const char *name)
{
	long r = did(c, SYS(SYS_mkdirat, root, name, 0755), "make a directory");

	if (r == 0)
		r = did(c, SYS(SYS_move_mount, mnt, "", root, name, MOVE_MOUNT_F_EMPTY_PATH), "attach a mount");
	return r;
}

static long mount_of(const char *path, uint64_t *ret)
{
	struct statx st;
	long r = SYS(SYS_statx, AT_FDCWD, path, AT_NO_AUTOMOUNT, STATX_MNT_ID, &st);

	*ret = st.stx_mnt_id;
	return r < 0 ? r : st.stx_mask & STATX_MNT_ID ? 0 : -ENOSYS;
}

/* As joey_drop_old_root(): until nothing lies over the new root. */
static long drop_old_root(void)
{
	for (int i = 0; i < STACK_MAX; i++) {
		uint64_t here = 0, top = 0;
		long r = mount_of(".", &here);

		if (r == 0)
			r = mount_of("/..", &top);
		if (r < 0)
			return r;
		if (here == top)
			return SYS(SYS_chdir, "/");
		r = SYS(SYS_umount2, ".", MNT_DETACH);
		if (r < 0)
			return r;
	}
	return -ELOOP;
}

static long change_root(struct child *c)
{
	const unsigned hard = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	struct mount_attr readonly = { .attr_set = MOUNT_ATTR_RDONLY };
	long root = did(c, new_fs("tmpfs", "size", "64k", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV), "make a root"), proc,
	     r;

	if (root < 0)
		return root;
	proc = did(c, new_fs("proc", "subset", "pid", MOUNT_ATTR_RDONLY | hard), "make a proc");
	if (proc < 0)
		return proc;
	r = attach(c, root, proc, "proc");
	if (r >= 0)
		r = attach(c, root, c->q->share, "share");
	if (r >= 0)
		r = did(c, SYS(SYS_mount_setattr, root, "", AT_EMPTY_PATH, &readonly, sizeof(readonly)),
			"seal the root");
	if (r >= 0)
		r = did(c, SYS(SYS_move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH), "mount the root");
	if (r >= 0)
		r = did(c, SYS(SYS_fchdir, root), "enter the root");
	if (r >= 0)
		r = did(c, SYS(SYS_pivot_root, ".", "."), "pivot_root");
	if (r >= 0)
		r = did(c, drop_old_root(), "unmount the zygote's root");
	(void)SYS(SYS_close, root);
	(void)SYS(SYS_close, proc);
	(void)SYS(SYS_close, c->q->share);
	return r;
}

/* ---- descriptors ------------------------------------------------------------------------------------------------ */

/* A tap's settings are in the tap: the guest's driver counts on those that it had. */
static long as_tap(int old, int new)
{
	unsigned offloads = tap_offloads(old);
	int size = 0;
	long r;

	if (SYS(SYS_ioctl, old, TUNGETVNETHDRSZ, &size) < 0)
		return 0;
	r = SYS(SYS_ioctl, new, TUNSETVNETHDRSZ, &size);
	return r < 0 ? r : SYS(SYS_ioctl, new, TUNSETOFFLOAD, offloads);
}

/* A device of the machine that has no network: nothing comes in by it, and what is sent is lost, as by the zygote's
 * tap, which leads nowhere; but a socket is made and gone in no time.  The other end stays open. */
static long sink(struct child *c)
{
	long r = 0;

	for (unsigned i = 0; r >= 0 && i < c->q->head.n_nowhere; i++) {
		int pair[2], size;

		/* Where the zygote has no tap, this number is something else. */
		if (SYS(SYS_ioctl, c->q->head.nowhere[i], TUNGETVNETHDRSZ, &size) < 0)
			continue;
		r = did(c, SYS(SYS_socketpair, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
			"make a socket");
		if (r >= 0)
			r = did(c, SYS(SYS_shutdown, pair[1], SHUT_RD), "shut a socket down");
		if (r >= 0)
			r = did(c, SYS(SYS_dup3, pair[0], c->q->head.nowhere[i], O_CLOEXEC), "place a socket");
		if (r >= 0)
			(void)SYS(SYS_close, pair[0]);
	}
	return r;
}

/* fd becomes what stands at that number; fd < 0: an error. */
static long place(struct child *c, long fd, int to, const char *what)
{
	long r = did(c, fd, what);

	if (r >= 0)
		r = did(c, SYS(SYS_dup3, fd, to, O_CLOEXEC), what);
	if (fd >= 0)
		(void)SYS(SYS_close, fd);
	return r;
}

static long replace_fds(struct child *c)
{
	const struct inventory *v = c->have;
	long r = 0;

	for (unsigned i = 0; r >= 0 && i < c->q->head.n; i++) {
		int to = c->q->head.targets[i];

		r = did(c, as_tap(to, c->q->fds[i]), "set up the tap");
		if (r >= 0)
			r = did(c, SYS(SYS_dup3, c->q->fds[i], to, O_CLOEXEC), "place a descriptor");
	}
	for (unsigned i = 0; i < c->q->head.n; i++)
		(void)SYS(SYS_close, c->q->fds[i]);
	for (unsigned i = 0; r >= 0 && i < v->n_shares; i++)
		r = place(c, SYS(SYS_open, "/share", O_RDONLY | O_DIRECTORY | O_CLOEXEC), v->shares[i],
			  "place the share");
	/* What is written to one of these wakes whoever reads it: each copy needs its own.  One wake too many is none.
	 */
	for (unsigned i = 0; r >= 0 && i < v->n_events; i++)
		r = place(c, SYS(SYS_eventfd2, 1, O_NONBLOCK | O_CLOEXEC), v->events[i], "place an eventfd");
	for (unsigned i = 0; r >= 0 && i < v->n_signals; i++)
		r = place(c, SYS(SYS_signalfd4, -1, &v->masks[i], sizeof(v->masks[i]), O_NONBLOCK | O_CLOEXEC),
			  v->signals[i], "place a signalfd");
	for (unsigned i = 0; r >= 0 && i < v->n_polls; i++)
		r = place(c, SYS(SYS_epoll_create1, O_CLOEXEC), v->polls[i], "place an epoll descriptor");
	return r;
}

/* ---- privileges ------------------------------------------------------------------------------------------------- */

int caps_set(uint64_t mask)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++) {
		data[i].effective = data[i].permitted = (uint32_t)(mask >> (32 * i));
		data[i].inheritable = 0;
	}
	return (int)SYS(SYS_capset, &head, data);
}

/* All but those that are kept, and the one that the making of threads needs. */
static long drop_caps(struct child *c)
{
	uint64_t kept = c->setup->caps;

	for (unsigned cap = 0; cap < CAPS_END; cap++)
		if (!(kept & 1ULL << cap) && SYS(SYS_prctl, PR_CAPBSET_DROP, cap) == -EPERM)
			return did(c, -EPERM, "drop a capability");
	return did(c, caps_set(kept | 1ULL << CAP_SYS_ADMIN), "drop capabilities");
}

/* Of all threads. */
static long set_filter(struct child *c)
{
	struct sock_fprog prog = { .len = (unsigned short)c->setup->n,
				   .filter = (struct sock_filter *)(uintptr_t)c->setup->filter };
	long r = SYS(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog);

	return did(c, r > 0 ? -EBUSY : r, "set the system call filter");
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

_Noreturn void child_main(const struct fork_request *q, const struct inventory *have,
			  const struct joey_zygote_setup *setup)
{
	struct child c = { .q = q, .have = have, .setup = setup };
	struct pollfd life = { .fd = q->life };
	long r;

	(void)SYS(SYS_setsid);
	r = change_root(&c);
	if (r >= 0)
		r = sink(&c);
	if (r >= 0)
		r = replace_fds(&c);
	if (r >= 0)
		r = drop_caps(&c);
	if (r >= 0)
		r = did(&c, threads_revive(setup->caps), "revive the threads");
	if (r >= 0)
		r = did(&c, caps_set(setup->caps), "drop the last capability");
	if (r >= 0)
		r = set_filter(&c);
	/* What is heard there is ours: the guest's code has not run yet. */
	answer(q->reply, r, c.what, -1);
	(void)SYS(SYS_close, q->reply);
	if (r < 0)
		SYS(SYS_exit_group, 1);
	threads_go();
	while (SYS(SYS_poll, &life, 1, -1) != 1)
		;
	SYS(SYS_exit_group, 0);
	__builtin_unreachable();
}

/* ---- before the fork -------------------------------------------------------------------------------------------- */

struct look {
	const struct fork_request *q;
	struct inventory *v;
	struct statx share;
	int control;
};

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static bool starts(const char *s, const char *with)
{
	while (*with && *s == *with)
		s++, with++;
	return !*with;
}

/* Something else comes there in a copy, or it is closed. */
static bool goes(const struct look *l, int fd)
{
	const struct fork_request *q = l->q;
	bool found = fd == l->control || fd == q->reply || fd == q->life || fd == q->share || fd == q->cgroup;

	for (unsigned i = 0; i < q->head.n; i++)
		found = found || fd == q->fds[i] || fd == q->head.targets[i];
	return found;
}

static void path_of(char *ret, const char *dir, int fd)
{
	char digits[12];
	unsigned k = 0;

	while (*dir)
		*ret++ = *dir++;
	for (; fd > 0 || k == 0; fd /= 10)
		digits[k++] = (char)('0' + fd % 10);
	while (k > 0)
		*ret++ = digits[--k];
	*ret = '\0';
}

enum { INFO_MAX = 256 };

/* What follows a key in what the kernel says of a descriptor; NULL: it does not say. */
static const char *info_of(int fd, char text[INFO_MAX], const char *key)
{
	char path[40];
	const char *at = text;
	long n;

	path_of(path, "/proc/self/fdinfo/", fd);
	fd = (int)SYS(SYS_open, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? fd : SYS(SYS_read, fd, text, INFO_MAX - 1);
	if (fd >= 0)
		(void)SYS(SYS_close, fd);
	text[n > 0 ? n : 0] = '\0';
	while (*at && !starts(at, key))
		at++;
	while (*at && *key)
		at++, key++;
	return *key ? NULL : at;
}

/* What a signalfd hears. */
static int mask_of(int fd, uint64_t *ret)
{
	char text[INFO_MAX];
	const char *at = info_of(fd, text, "sigmask:\t");

	if (!at)
		return -ENODATA;
	for (*ret = 0; *at && *at != '\n'; at++)
		*ret = *ret << 4 | (uint64_t)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
	return 0;
}

/* QEMU has one that is for many descriptors, where it has no io_uring, and never comes to use it. */
static bool polls_nothing(int fd)
{
	char text[INFO_MAX];

	return info_of(fd, text, "pos:") && !info_of(fd, text, "tfd:");
}

static int keep(int fd, int *list, unsigned *n, size_t max)
{
	if (*n == max)
		return -E2BIG;
	list[(*n)++] = fd;
	return 0;
}
#define KEEP(fd, list, n) keep(fd, list, n, sizeof(list) / sizeof(*(list)))

static int look_at(int fd, void *arg)
{
	struct look *l = arg;
	struct inventory *v = l->v;
	struct statx st;
	char path[40], text[64];
	long len;

	path_of(path, "/proc/self/fd/", fd);
	len = SYS(SYS_readlink, path, text, sizeof(text) - 1);
	if (goes(l, fd) || len <= 0)
		return 0;
	text[len] = '\0';
	if (same(text, "anon_inode:[eventfd]"))
		return KEEP(fd, v->events, &v->n_events);
	if (same(text, "anon_inode:[signalfd]")) {
		int r = KEEP(fd, v->signals, &v->n_signals);

		return r < 0 ? r : mask_of(fd, &v->masks[v->n_signals - 1]);
	}
	if (same(text, "anon_inode:[eventpoll]") && polls_nothing(fd))
		return KEEP(fd, v->polls, &v->n_polls);
	/* Nobody knows what it would be in two processes. */
	if (starts(text, "anon_inode:") || starts(text, "socket:") || starts(text, "pipe:") || starts(text, "/share/"))
		return -ENOTUNIQ;
	if (SYS(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_INO, &st) == 0 && st.stx_ino == l->share.stx_ino &&
	    st.stx_dev_major == l->share.stx_dev_major && st.stx_dev_minor == l->share.stx_dev_minor)
		return KEEP(fd, v->shares, &v->n_shares);
	return 0;
}

int inventory_take(const struct fork_request *q, int control, struct inventory *v)
{
	struct look l = { .q = q, .v = v, .control = control };
	long r = SYS(SYS_statx, AT_FDCWD, "/share", 0, STATX_INO, &l.share);

	v->n_events = v->n_signals = v->n_shares = v->n_polls = 0;
	if (r >= 0)
		r = each_number("/proc/self/fd", look_at, &l);
	return r < 0 ? (int)r : v->n_shares == 0 || v->n_events == 0 ? -ENOENT : 0;
}
