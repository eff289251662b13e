/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From config and host facts to a plan: descriptors opened, namespaces chosen, filter compiled.  After this no name of
 * the host is looked up any more, but for bind sources (through host_root_fd, in the order of the mounts).
 *
 * Whether a stage is needed.  One clone3(2) makes init directly when every namespace can be made or joined by init
 * itself.  These cases need a process in between, which enters namespaces and then makes init as its sibling
 * (CLONE_PARENT):
 *  - a user namespace joined by path: the new namespaces must belong to it, so they are made after joining, and pid
 *    and time namespaces take effect for children only;
 *  - a new user namespace together with joined namespaces: those may belong to the old one and then must be joined
 *    before the new one is made;
 *  - a new time namespace: its offsets are written between unshare(2) and the first child;
 *  - a pid namespace joined by path: it takes effect for children only.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "joey/syscalls.h"
#include "native/native-internal.h"

static int open_dir(const char *path, int flags, int *ret, const char *what, struct joey_err *err)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | flags);

	if (fd < 0)
		return joey_err_sys(err, errno, "open %s '%s'", what, path);
	*ret = fd;
	return 0;
}

/* The final component must be a directory itself; links on the way there belong to the host. */
static int open_rootfs(struct native_plan *p, struct joey_err *err)
{
	int fd = open(p->args->rootfs, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0) {
		int e = errno;

		if (fstatat(AT_FDCWD, p->args->rootfs, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
			return joey_err_set(err, JOEY_EK_CONFIG, e,
					    "invalid rootfs '%s': not an absolute path, or a symlink", p->args->rootfs);
		return joey_err_sys(err, e, "open rootfs '%s'", p->args->rootfs);
	}
	p->setup.rootfs_fd = fd;
	return 0;
}

static int open_devnull(struct native_plan *p, struct joey_err *err)
{
	int fd = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return joey_err_sys(err, errno, "open the host's /dev/null");
	p->setup.devnull_fd = fd;
	if (fstat(fd, &st) < 0)
		return joey_err_sys(err, errno, "stat the host's /dev/null");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENODEV, "the host's /dev/null is not the null device");
	return 0;
}

static int open_host(struct native_plan *p, struct joey_err *err)
{
	int r = open_dir("/", 0, &p->setup.host_root_fd, "the host's root", err);

	if (r == 0)
		r = open_dir("/proc", 0, &p->host_proc_fd, "the host's procfs", err);
	if (r == 0)
		r = open_dir(p->args->bundle, 0, &p->setup.bundle_fd, "bundle", err);
	if (r == 0)
		r = open_rootfs(p, err);
	if (r == 0)
		r = open_devnull(p, err);
	return r;
}

static bool joins_any(const struct native_plan *p)
{
	for (unsigned i = 0; i < JOEY_NS_MAX; i++)
		if (i != JOEY_NS_USER && p->ns_fds[i] >= 0)
			return true;
	return false;
}

static int check_joined_userns(struct native_plan *p, struct joey_err *err)
{
	const struct joey_config *c = p->config;
	bool same = false;
	int r;

	if (p->ns_fds[JOEY_NS_USER] < 0 || (c->uid_mappings.n == 0 && c->gid_mappings.n == 0))
		return 0;
	r = joey_idmap_matches(p->ns_fds[JOEY_NS_USER], &c->uid_mappings, &c->gid_mappings, &same, err);
	if (r < 0)
		return r;
	if (!same)
		return joey_err_set(
			err, JOEY_EK_CONFIG, EINVAL,
			"user namespaces enabled, but both namespace path and non-matching mapping specified"
			" -- you may only provide one");
	return 0;
}

static int plan_namespaces(struct native_plan *p, struct joey_err *err)
{
	const struct joey_config *c = p->config;
	bool other = true;
	int r = joey_ns_open_paths(c, p->ns_fds, err);

	if (r < 0)
		return r;
	p->new_ns = joey_ns_new_flags(c);
	p->userns_new = p->new_ns & CLONE_NEWUSER;
	if (p->ns_fds[JOEY_NS_USER] >= 0) {
		r = joey_ns_is_other(p->ns_fds[JOEY_NS_USER], JOEY_NS_USER, &other);
		if (r < 0)
			return joey_err_sys(err, r, "compare user namespaces");
		/* setns(2) refuses to join the user namespace one is in */
		if (!other)
			p->ns_fds[JOEY_NS_USER] = joey_close(p->ns_fds[JOEY_NS_USER]);
	}
	p->setup.in_userns = p->userns_new || p->ns_fds[JOEY_NS_USER] >= 0;
	p->staged = p->ns_fds[JOEY_NS_USER] >= 0 || (p->userns_new && joins_any(p)) || (p->new_ns & CLONE_NEWTIME) ||
		    p->ns_fds[JOEY_NS_PID] >= 0;
	return check_joined_userns(p, err);
}

/* Compiled filters are kept for all containers of the host; without a place for them they are just compiled. */
static int open_filter_cache(bool rootless)
{
	char path[64];

	if (rootless)
		snprintf(path, sizeof(path), "/run/user/%u/joey-cache", (unsigned)geteuid());
	else
		snprintf(path, sizeof(path), "/run/joey-cache");
	for (int i = 0; i < 2; i++) {
		int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd >= 0 || errno != ENOENT || mkdir(path, 0700) < 0)
			return fd >= 0 ? fd : -EBADF;
	}
	return -EBADF;
}

int native_compile_seccomp(struct joey_setup *s, struct joey_err *err)
{
	autoclose int cache = -EBADF;

	if (!s->config->seccomp)
		return 0;
	cache = open_filter_cache(s->rootless);
	return joey_seccomp_compile(s->config->seccomp, cache, &s->seccomp, err);
}

static int plan_channels(struct native_plan *p, struct joey_err *err)
{
	int r = p->args->run ? 0 : joey_gate_make(p->container->dir_fd, &p->gate, err);

	if (r == 0 && p->args->ret_pty) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p->pty_pair) < 0)
			return joey_err_sys(err, errno, "make the terminal channel");
		p->setup.pty_to_parent = p->pty_pair[1];
	}
	return r;
}

int plan_init(struct native_plan *p, struct joey_container *c, const struct joey_create *args, struct joey_err *err)
{
	int r;

	*p = (struct native_plan){
		.args = args,
		.config = args->config,
		.container = c,
		.host_proc_fd = -EBADF,
		.gate = JOEY_GATE_INIT,
		.pty_pair = { -EBADF, -EBADF },
	};
	for (unsigned i = 0; i < JOEY_NS_MAX; i++)
		p->ns_fds[i] = -EBADF;
	joey_setup_init(&p->setup);
	p->setup.config = args->config;
	p->setup.process = args->config->process;
	p->setup.id = c->id;
	p->setup.bundle = args->bundle;
	p->setup.rootfs = args->rootfs;
	p->setup.rootless = args->rootless;
	p->setup.no_pivot = args->no_pivot;
	p->setup.no_new_keyring = args->no_new_keyring;
	p->setup.console_sock = args->console_sock;
	p->setup.notify_dir_fd = args->notify_dir_fd;
	p->setup.preserve_fds = args->preserve_fds;

	/* Not args->rootless: root of a user namespace (rootless Podman) may do without a further one. */
	r = joey_config_check_host(args->config, geteuid() != 0, err);
	if (r == 0)
		r = open_host(p, err);
	if (r == 0)
		r = plan_namespaces(p, err);
	if (r == 0)
		r = native_compile_seccomp(&p->setup, err);
	if (r == 0)
		r = plan_channels(p, err);
	return r;
}

void plan_done(struct native_plan *p)
{
	struct joey_setup *s = &p->setup;

	joey_close(s->host_root_fd);
	joey_close(s->bundle_fd);
	joey_close(s->rootfs_fd);
	joey_close(s->devnull_fd);
	joey_close(p->host_proc_fd);
	joey_gate_done(&p->gate);
	joey_close(p->pty_pair[0]);
	joey_close(p->pty_pair[1]);
	for (unsigned i = 0; i < JOEY_NS_MAX; i++)
		joey_close(p->ns_fds[i]);
	joey_seccomp_prog_free(s->seccomp);
	joey_setup_done(s);
}
