/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What QEMU's process does to itself before it is QEMU.  It was born in namespaces of its own; here it gets a root that
 * has the share, a proc of its own and, read-only, the libraries and firmware that QEMU loads while it starts: after
 * that QEMU changes its root to a directory with nothing but a proc.  (virtio-9p needs /proc/self/fd to make files.)
 *
 * Order: mounts first, they need privileges; descriptors before capabilities; execve last.  No allocation fails
 * silently: every step reports by name.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "joey/zygote.h"
#include "vmm/vmm-internal.h"

enum { NOFILE = 8192, FD_HIGH = 64 };

/* What serving files with any owner needs, and chroot(2), which QEMU calls when its libraries are loaded.  Not
 * CAP_MKNOD: QEMU makes no devices for a guest, and who took it over would make the host's disk. */
static const unsigned char kept_caps[] = { CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,
					   CAP_FSETID, CAP_SETFCAP,      CAP_SYS_CHROOT };
/* And what making copies in namespaces of their own needs, in the zygote alone: it runs nobody's code. */
static const unsigned char zygote_caps[] = { CAP_SYS_ADMIN, CAP_SETPCAP };

struct jail {
	struct vmm_spawn *s;
	struct vmm_jail_error *e;
	struct joey_arena arena;
	int root;
};

static int fail(struct jail *j, int r, const char *what)
{
	j->e->errnum = r < 0 ? -r : errno;
	snprintf(j->e->what, sizeof(j->e->what), "%s", what);
	return -1;
}

static int fail_on(struct jail *j, int r, const char *what, const char *object)
{
	j->e->errnum = r < 0 ? -r : errno;
	snprintf(j->e->what, sizeof(j->e->what), "%s %s", what, object);
	return -1;
}

/* ---- mounts ----------------------------------------------------------------------------------------------------- */

static int new_fs(const char *type, const char *const opts[][2], size_t n, unsigned attrs)
{
	autoclose int fs = joey_sys_fsopen(type, FSOPEN_CLOEXEC);
	int r;

	if (fs < 0)
		return fs;
	for (size_t i = 0; i < n; i++) {
		r = joey_sys_fsconfig(fs, FSCONFIG_SET_STRING, opts[i][0], opts[i][1], 0);
		/* hides what is no process's own; since Linux 5.8 */
		if (r < 0 && !(r == -EINVAL && joey_streq(opts[i][0], "subset")))
			return r;
	}
	r = joey_sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	return r < 0 ? r : joey_sys_fsmount(fs, FSMOUNT_CLOEXEC, attrs);
}

/* Directories on the way to path (relative), and the last one too unless it is to be a file. */
static int make_way(int root, const char *path, bool file)
{
	char part[VMM_TEXT_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		part[i] = '\0';
		if (i == len && file)
			return mknodat(root, part, S_IFREG | 0600, 0) < 0 && errno != EEXIST ? -errno : 0;
		if (mkdirat(root, part, 0755) < 0 && errno != EEXIST)
			return -errno;
		part[i] = path[i];
	}
	return 0;
}

static int attach(struct jail *j, int mnt, const char *path, bool file)
{
	int r = make_way(j->root, path, file);

	return r < 0 ? r : joey_sys_move_mount(mnt, "", j->root, path, MOVE_MOUNT_F_EMPTY_PATH);
}

enum { OPTIONAL = 1, WRITABLE_DEVICE = 2 };

/* The host's path at the same place in the jail, read-only; to: at another place. */
static int show(struct jail *j, const char *path, const char *to, unsigned how)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
				   .propagation = MS_PRIVATE };
	autoclose int mnt = joey_sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	struct stat st;
	int r;

	if ((mnt == -ENOENT || mnt == -ENOTDIR) && (how & OPTIONAL))
		return 0;
	if (mnt < 0)
		return fail_on(j, mnt, "clone the mount of", path);
	if (how & WRITABLE_DEVICE)
		attr.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
	r = joey_sys_mount_setattr(mnt, "", AT_EMPTY_PATH, &attr);
	if (r == 0 && fstat(mnt, &st) < 0)
		r = -errno;
	if (r == 0)
		r = attach(j, mnt, to ? to : path + 1, !S_ISDIR(st.st_mode));
	return r < 0 ? fail_on(j, r, "show", path) : 0;
}

/* /lib and the like: links to /usr on merged systems, else directories. */
static int show_root_dir(struct jail *j, const char *path)
{
	char target[256];
	ssize_t n = readlinkat(AT_FDCWD, path, target, sizeof(target) - 1);

	if (n < 0)
		return errno == ENOENT ? 0 : show(j, path, NULL, OPTIONAL);
	target[n] = '\0';
	if (symlinkat(target, j->root, path + 1) < 0 && errno != EEXIST)
		return fail_on(j, -errno, "make link", path);
	return 0;
}

/* A descriptor of the caller's mount namespace cannot be mounted from in this one, so it went by path. */
static int same_file(struct jail *j)
{
	struct stat a, b;

	if (fstatat(j->root, VMM_JAIL_QEMU, &a, 0) < 0 || fstat(j->s->in->hypervisor_fd, &b) < 0)
		return fail(j, 0, "stat the hypervisor");
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino ? 0 : fail(j, -ESTALE, "find the hypervisor again");
}

static int show_qemu(struct jail *j)
{
	static const char *const dirs[] = { "/lib", "/lib64" };
	const char *hypervisor = j->s->in->hypervisor, *dir;
	int r = show(j, hypervisor, VMM_JAIL_QEMU, 0);

	if (r == 0)
		r = same_file(j);

	for (int firmware = 0; r == 0 && firmware < 2; firmware++)
		for (unsigned i = 0; r == 0 && (dir = vmm_qemu_dir(hypervisor, i, firmware, &j->arena)); i++)
			r = show(j, dir, NULL, OPTIONAL);
	for (size_t i = 0; r == 0 && i < JOEY_ARRAY_SIZE(dirs); i++)
		r = show_root_dir(j, dirs[i]);
	if (r == 0)
		r = show(j, "/etc/ld.so.cache", NULL, OPTIONAL);
	if (r == 0 && j->s->zygote)
		r = show(j, j->s->zygote, VMM_JAIL_ZYGOTE, 0);
	if (r == 0 && j->s->in->spec.accel == JOEY_ACCEL_KVM)
		r = show(j, "/dev/kvm", NULL, WRITABLE_DEVICE);
	return r;
}

static int show_proc(struct jail *j)
{
	static const char *const opts[][2] = { { "subset", "pid" } };
	/* Read-only as well: without subset=pid there are the kernel's settings in it.  What /proc/self/fd leads to can
	 * be written all the same. */
	const unsigned attrs = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	autoclose int proc = new_fs("proc", opts, JOEY_ARRAY_SIZE(opts), attrs), again = -EBADF;
	int r;

	if (proc < 0)
		return fail(j, proc, "make a proc");
	r = attach(j, proc, "proc", false);
	if (r < 0)
		return fail(j, r, "mount proc");
	again = joey_sys_open_tree(j->root, "proc", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	r = again < 0 ? again : attach(j, again, VMM_JAIL_EMPTY "/proc", false);
	return r < 0 ? fail(j, r, "mount proc again") : 0;
}

/* The new root goes over "/", and what was there goes away: nothing of the host's tree stays in this namespace. */
static int change_root(struct jail *j)
{
	int r;

	if (fchdir(j->root) < 0)
		return fail(j, 0, "enter the jail");
	r = joey_sys_pivot_root(".", ".");
	if (r < 0)
		return fail(j, r, "pivot_root");
	r = joey_drop_old_root();
	return r < 0 ? fail(j, r, "unmount the host's tree") : 0;
}

static int make_root(struct jail *j)
{
	static const char *const opts[][2] = { { "size", "64k" }, { "nr_inodes", "64" }, { "mode", "0755" } };
	struct mount_attr private = { .propagation = MS_PRIVATE }, readonly = { .attr_set = MOUNT_ATTR_RDONLY };
	int r = joey_sys_mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &private);

	if (r < 0)
		return fail(j, r, "cut the mounts' propagation");
	j->root = new_fs("tmpfs", opts, JOEY_ARRAY_SIZE(opts), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (j->root < 0)
		return fail(j, j->root, "make the jail's root");
	r = joey_sys_move_mount(j->root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
	if (r < 0)
		return fail(j, r, "mount the jail's root");
	if (show_qemu(j) < 0 || show_proc(j) < 0)
		return -1;
	if (j->s->share >= 0) {
		r = attach(j, j->s->share, VMM_JAIL_SHARE, false);
		if (r < 0)
			return fail(j, r, "mount the share");
	}
	r = change_root(j);
	if (r < 0)
		return r;
	r = joey_sys_mount_setattr(AT_FDCWD, "/", 0, &readonly);
	return r < 0 ? fail(j, r, "make the jail's root read-only") : 0;
}

/* ---- descriptors ------------------------------------------------------------------------------------------------ */

/* A network device with the features of a tap, that leads nowhere: a template's device must find the same in each
 * clone. */
static int open_nowhere(struct jail *j)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return fail(j, -errno, "open /dev/net/tun");
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		joey_close(fd);
		return fail(j, -errno, "make a tap");
	}
	return fd;
}

/* First all out of the way of each other, then each to its number. */
static int place_fds(struct jail *j)
{
	int *fds = j->s->fds;
	int status = fcntl(j->s->status, F_DUPFD_CLOEXEC, FD_HIGH);

	if (status < 0)
		return fail(j, 0, "move a descriptor");
	for (int i = 0; i < VMM_FD_END; i++) {
		if (fds[i] < 0)
			continue;
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FD_HIGH);
		if (fds[i] < 0)
			return fail(j, 0, "move a descriptor");
	}
	for (int i = 0; i < VMM_FD_END; i++) {
		if (fds[i] >= 0 && dup2(fds[i], i) < 0)
			return fail(j, 0, "place a descriptor");
		if (fds[i] < 0)
			joey_close(i);
	}
	/* The report's end is closed by execve. */
	if (dup3(status, VMM_FD_END, O_CLOEXEC) < 0)
		return fail(j, 0, "place a descriptor");
	j->s->status = VMM_FD_END;
	return joey_close_range(VMM_FD_END + 1, ~0U) < 0 ? fail(j, 0, "close descriptors") : 0;
}

/* ---- privileges ------------------------------------------------------------------------------------------------- */

static uint64_t mask_of(const unsigned char *caps, size_t n)
{
	uint64_t m = 0;

	for (size_t i = 0; i < n; i++)
		m |= 1ULL << caps[i];
	return m;
}

uint64_t vmm_jail_copy_caps(void)
{
	return mask_of(kept_caps, sizeof(kept_caps)) & ~(1ULL << CAP_SYS_CHROOT);
}

static int drop_privileges(struct jail *j)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint64_t kept =
		mask_of(kept_caps, sizeof(kept_caps)) | (j->s->zygote ? mask_of(zygote_caps, sizeof(zygote_caps)) : 0);

	for (unsigned cap = 0; cap < 64; cap++)
		if (!(kept & 1ULL << cap) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
			if (errno == EINVAL)
				break;
			return fail(j, 0, "drop a capability");
		}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (int i = 0; i < 2; i++) {
		data[i].effective = data[i].permitted = (uint32_t)(kept >> (32 * i));
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, data) < 0)
		return fail(j, 0, "drop capabilities");
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? fail(j, 0, "set no_new_privs") : 0;
}

static int set_limits(struct jail *j)
{
	const struct rlimit none = { 0, 0 };
	struct rlimit files = { NOFILE, NOFILE }, now;

	if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_max < files.rlim_max)
		files.rlim_cur = files.rlim_max = now.rlim_max;
	if (setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_NOFILE, &files) < 0)
		return fail(j, 0, "set limits");
	return 0;
}

/* The parent may have died before the death signal was asked for: then nobody reads the report any more. */
static int die_with_parent(struct jail *j)
{
	struct pollfd p = { .fd = j->s->status, .events = 0 };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return fail(j, 0, "set the parent death signal");
	return poll(&p, 1, 0) > 0 && (p.revents & POLLERR) ? fail(j, -ESRCH, "find the parent") : 0;
}

void vmm_jail_exec(struct vmm_spawn *s, struct vmm_jail_error *e)
{
	struct jail j = { .s = s, .e = e, .root = -EBADF };
	/* The translator's thread would grow an arena of its own, a page and an mprotect(2) at a time. */
	static char tunables[] = "GLIBC_TUNABLES=glibc.malloc.arena_max=1:glibc.malloc.top_pad=1048576";
	static char preload[] = "LD_PRELOAD=/" VMM_JAIL_ZYGOTE;
	static char control[sizeof(JOEY_ZYGOTE_ENV) + 8];
	char *const env[] = { tunables, s->zygote ? preload : NULL, control, NULL };

	snprintf(control, sizeof(control), JOEY_ZYGOTE_ENV "=%d", VMM_FD_ZYGOTE);
	joey_signals_default();
	if (die_with_parent(&j) < 0)
		return;
	if (s->no_cgroup)
		joey_vmm_leave_cgroups();
	(void)setsid();
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	(void)umask(0);
	(void)sethostname("sandbox", strlen("sandbox"));
	for (unsigned i = 0; s->in->tun && i < s->in->spec.nets; i++) {
		int *fd = &s->fds[vmm_fd_of_tap(i)];

		if (*fd < 0)
			*fd = open_nowhere(&j);
		if (*fd < 0)
			return;
	}
	if (make_root(&j) < 0 || place_fds(&j) < 0 || set_limits(&j) < 0 || drop_privileges(&j) < 0)
		return;
	(void)execve("/" VMM_JAIL_QEMU, s->argv, env);
	(void)fail_on(&j, -errno, "execute", s->in->hypervisor);
}
