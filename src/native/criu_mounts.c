/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's mounts and namespaces in CRIU's terms.
 *
 * What comes from the host (bind mounts, masks, devices of a user namespace, namespaces joined by path) is "external":
 * at checkpoint it gets a name, at restore the name gets an object, which is looked up in the new config and nowhere
 * else (security.md C13).  The other mounts are made again by CRIU from the image, so what came out is compared
 * with the config before the processes run.  Nobody mounts anything in that namespace then, so its mountinfo is whole.
 */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "joey/mount_opts.h"
#include "joey/mountinfo.h"
#include "joey/syscalls.h"
#include "native/criu.h"

#define NULL_DEVICE "/dev/null" /* the name of every mask */

/* "/x/y" without anything superfluous; heap. */
static char *clean_path(const char *path)
{
	autostr struct joey_str s = JOEY_STR_INIT;

	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (s.len > 0 && s.buf[--s.len] != '/')
				;
			if (s.buf)
				s.buf[s.len] = '\0';
		} else if (n > 0 && !(n == 1 && path[0] == '.')) {
			joey_str_add(&s, "/");
			joey_str_addn(&s, path, n);
		}
		path += n;
		path += strspn(path, "/");
	}
	if (s.len == 0)
		joey_str_add(&s, "/");
	return joey_str_take(&s);
}

static bool is_bind(const struct joey_mount *m)
{
	return (m->opts->bind || m->opts->rbind) && !m->opts->remount;
}

/* ---- looking into a container ------------------------------------------------------------------------------------ */

static int open_root(int host_proc_fd, pid_t init, int *ret_fd, struct joey_err *err)
{
	char name[32];

	snprintf(name, sizeof(name), "%d/root", (int)init);
	*ret_fd = openat(host_proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *ret_fd < 0 ? joey_err_sys(err, errno, "open the root of process %d", (int)init) : 0;
}

/* What a path of the container really names, without links; heap.  -ENOENT: nothing. */
static int real_path(int root_fd, const char *path, char **ret, struct stat *ret_st)
{
	autoclose int fd = joey_openat2(root_fd, path, O_PATH, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
	char self[48], text[PATH_MAX];
	ssize_t n;

	if (fd < 0)
		return fd == -ENOTDIR ? -ENOENT : fd;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	n = readlink(self, text, sizeof(text));
	if (n < 0 || fstat(fd, ret_st) < 0)
		return -errno;
	if (n == (ssize_t)sizeof(text))
		return -ENAMETOOLONG;
	*ret = strndup(text, (size_t)n);
	return *ret ? 0 : -ENOMEM;
}

/* ---- checkpoint ------------------------------------------------------------------------------------------------- */

static int name_mount(struct joey_str *opts, int root_fd, const char *path, const char *name, bool mask,
		      struct joey_err *err)
{
	autofree char *at = NULL;
	struct stat st;
	int r = real_path(root_fd, path, &at, &st);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return joey_err_sys(err, r, "find %s in the container", path);
	if (!mask || (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)))
		criu_add_pair(opts, CRIU_O_EXT_MOUNT, at, name);
	return 0;
}

/* Where devices cannot be made, they are the host's, mounted. */
static const char *const default_devices[] = { "/dev/null",   "/dev/zero",    "/dev/full",
					       "/dev/random", "/dev/urandom", "/dev/tty" };

static int name_mounts(struct joey_str *opts, const struct joey_config *c, int root_fd, struct joey_err *err)
{
	int r = 0;

	for (size_t i = 0; i < c->n_mounts && r == 0; i++) {
		autofree char *name = is_bind(&c->mounts[i]) ? clean_path(c->mounts[i].destination) : NULL;

		if (name)
			r = name_mount(opts, root_fd, name, name, false, err);
		else if (is_bind(&c->mounts[i]))
			r = joey_err_sys(err, ENOMEM, "name the container's mounts");
	}
	for (size_t i = 0; i < c->masked_paths.n && r == 0; i++)
		r = name_mount(opts, root_fd, c->masked_paths.v[i], NULL_DEVICE, true, err);
	for (size_t i = 0; i < c->n_devices && r == 0; i++)
		r = name_mount(opts, root_fd, c->devices[i].path, c->devices[i].path, false, err);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(default_devices) && r == 0 && c->ns[JOEY_NS_USER].present; i++)
		r = name_mount(opts, root_fd, default_devices[i], default_devices[i], false, err);
	return r;
}

/* The kinds that CRIU can leave out, and find again by an inherited descriptor of this name. */
static const struct {
	enum joey_ns ns;
	const char *kind, *key;
} outer[] = { { JOEY_NS_NET, "net", "extRootNetNS" }, { JOEY_NS_PID, "pid", "extRootPidNS" } };

int criu_add_external(struct joey_str *opts, const struct joey_config *config, pid_t init, int host_proc_fd,
		      struct joey_err *err)
{
	autoclose int root_fd = -EBADF;
	int r = open_root(host_proc_fd, init, &root_fd, err);

	if (r == 0)
		r = name_mounts(opts, config, root_fd, err);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(outer) && r == 0; i++) {
		char text[64];
		struct stat st;

		if (!config->ns[outer[i].ns].path)
			continue;
		snprintf(text, sizeof(text), "%d/ns/%s", (int)init, outer[i].kind);
		if (fstatat(host_proc_fd, text, &st, 0) < 0)
			return joey_err_sys(err, errno, "stat the container's %s namespace", outer[i].kind);
		snprintf(text, sizeof(text), "%s[%ju]:%s", outer[i].kind, (uintmax_t)st.st_ino, outer[i].key);
		joey_pb_string(opts, CRIU_O_EXTERNAL, text);
	}
	return r;
}

/* ---- restore ---------------------------------------------------------------------------------------------------- */

static int give_mounts(struct joey_str *opts, const struct native_plan *p, struct joey_err *err)
{
	const struct joey_config *c = p->config;

	for (size_t i = 0; i < c->n_mounts; i++) {
		const struct joey_mount *m = &c->mounts[i];
		autofree char *name = NULL, *source = NULL;

		if (!is_bind(m) || !m->source)
			continue;
		name = clean_path(m->destination);
		if (m->source[0] != '/' && asprintf(&source, "%s/%s", p->args->bundle, m->source) < 0)
			source = NULL;
		if (!name || (m->source[0] != '/' && !source))
			return joey_err_sys(err, ENOMEM, "name the container's mounts");
		criu_add_pair(opts, CRIU_O_EXT_MOUNT, name, source ? source : m->source);
	}
	if (c->masked_paths.n > 0)
		criu_add_pair(opts, CRIU_O_EXT_MOUNT, NULL_DEVICE, NULL_DEVICE);
	for (size_t i = 0; i < c->n_devices; i++)
		criu_add_pair(opts, CRIU_O_EXT_MOUNT, c->devices[i].path, c->devices[i].path);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(default_devices) && c->ns[JOEY_NS_USER].present; i++)
		criu_add_pair(opts, CRIU_O_EXT_MOUNT, default_devices[i], default_devices[i]);
	return 0;
}

static bool give_outer(struct joey_str *opts, enum joey_ns ns, int fd, int *fds, size_t *n_fds)
{
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(outer); i++) {
		if (outer[i].ns != ns)
			continue;
		criu_add_fd(opts, CRIU_O_INHERIT_FD, outer[i].key, CRIU_FIRST_FD + (int)*n_fds);
		fds[(*n_fds)++] = fd;
		return true;
	}
	return false;
}

static int give_namespaces(struct joey_str *opts, const struct native_plan *p, int *fds, size_t *n_fds,
			   struct joey_err *err)
{
	for (unsigned i = 0; i < JOEY_NS_MAX; i++) {
		char file[64];

		if (!p->config->ns[i].path || p->ns_fds[i] < 0 || give_outer(opts, i, p->ns_fds[i], fds, n_fds))
			continue;
		if (i != JOEY_NS_IPC && i != JOEY_NS_UTS && i != JOEY_NS_USER)
			return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP,
					    "restore cannot join the %s namespace at %s", joey_ns_table[i].oci_name,
					    p->config->ns[i].path);
		/* The descriptor that was verified, not the path once more. */
		snprintf(file, sizeof(file), "/proc/%d/fd/%d", (int)getpid(), p->ns_fds[i]);
		criu_add_pair(opts, CRIU_O_JOIN_NS, joey_ns_table[i].proc_name, file);
	}
	return 0;
}

int criu_give_external(struct joey_str *opts, const struct native_plan *p, int *fds, size_t *n_fds,
		       struct joey_err *err)
{
	int r = give_mounts(opts, p, err);

	return r < 0 ? r : give_namespaces(opts, p, fds, n_fds, err);
}

static _Noreturn void mount_and_end(struct native_plan *p, int sock)
{
	struct sync sync = { .fd = sock, .sigfd = -EBADF, .child = true };
	struct joey_err err = JOEY_ERR_INIT;

	child_begin(&sync);
	if (joey_setup_mount_points(&p->setup, &err) < 0) {
		sync_send_failed(&sync, &err);
		_exit(1);
	}
	_exit(0);
}

int criu_make_mount_points(struct native_plan *p, struct joey_err *err)
{
	int socks[2], status = -1, r = sync_pair(socks, err);
	autoclose int pidfd = -EBADF, mine = -EBADF;
	struct sync sync;
	bool moved;
	pid_t pid;

	if (r < 0)
		return r;
	mine = socks[0];
	/* mqueue belongs to the ipc namespace: the host's need not be shown */
	pid = joey_clone_into(CLONE_NEWNS | CLONE_NEWIPC, -EBADF, &pidfd, &moved);
	if (pid == 0)
		mount_and_end(p, socks[1]);
	joey_close(socks[1]);
	if (pid < 0)
		return joey_err_sys(err, pid, "clone a process that makes mount points");
	sync = (struct sync){ .fd = mine, .sigfd = -EBADF };
	do {
		struct sync_frame f;

		r = sync_recv(&sync, &f, err);
		if (r > 0 && f.type == SYNC_LOG)
			sync_log(&f);
		if (r > 0)
			joey_close(f.fd);
	} while (r > 0);
	(void)joey_wait_pid(pid, &status);
	if (r == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		r = joey_err_set(err, JOEY_EK_OTHER, EIO, "the process that makes mount points died");
	return r < 0 ? joey_err_wrap(err, "make mount points") : 0;
}

int criu_own_mounts(const struct native_plan *p, struct joey_err *err)
{
	struct joey_setup s = p->setup; /* this process's copy */

	if (unshare(CLONE_NEWNS) < 0)
		return joey_err_sys(err, errno, "make a mount namespace for CRIU");
	return joey_setup_rootfs(&s, err);
}

/* CRIU puts a root there that can be written to, whatever the original was. */
int criu_readonly_root(const struct native_plan *p, pid_t init, struct joey_err *err)
{
	autoclose int ns = -EBADF, pidfd = -EBADF;
	char name[32];
	int status = -1;
	bool moved;
	pid_t pid;

	if (!p->config->rootfs_readonly)
		return 0;
	snprintf(name, sizeof(name), "%d/ns/mnt", (int)init);
	ns = openat(p->host_proc_fd, name, O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return joey_err_sys(err, errno, "open the restored container's mount namespace");
	pid = joey_clone_into(0, -EBADF, &pidfd, &moved);
	if (pid == 0) {
		struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
		int r = setns(ns, CLONE_NEWNS) < 0 ? -errno : joey_sys_mount_setattr(AT_FDCWD, "/", 0, &ro);

		_exit(r < 0 ? -r & 0xff : 0);
	}
	if (pid < 0)
		return joey_err_sys(err, pid, "clone a process for the restored mounts");
	(void)joey_wait_pid(pid, &status);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return joey_err_sys(err, WIFEXITED(status) ? WEXITSTATUS(status) : EIO,
				    "make the restored / read-only");
	return 0;
}

/* ---- what came out ---------------------------------------------------------------------------------------------- */

struct place {      /* where the config wants something to be mounted */
	char *path; /* heap */
	const char *fstype;
	uint64_t attrs;
	bool found;
};

struct table {
	struct place *v;
	size_t n;
	dev_t devs[64]; /* file systems that the config brings in */
	size_t n_devs;
	struct joey_err *err;
};

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (; *list; list += strcspn(list, ","), list += *list == ',')
		if (strcspn(list, ",") == len && strncmp(list, word, len) == 0)
			return true;
	return false;
}

static struct place *find_place(const struct table *t, const char *path)
{
	for (size_t i = t->n; i-- > 0;)
		if (joey_streq(t->v[i].path, path))
			return &t->v[i];
	return NULL;
}

static int check_place(const struct place *pl, const struct joey_mountinfo *m, struct joey_err *err)
{
	static const struct {
		uint64_t attr;
		const char *word;
	} words[] = { { MOUNT_ATTR_RDONLY, "ro" },
		      { MOUNT_ATTR_NOSUID, "nosuid" },
		      { MOUNT_ATTR_NODEV, "nodev" },
		      { MOUNT_ATTR_NOEXEC, "noexec" } };

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(words); i++)
		if ((pl->attrs & words[i].attr) && !has_word(m->options, words[i].word))
			return joey_err_set(err, JOEY_EK_OTHER, EPERM, "the image has %s without the option %s",
					    m->target, words[i].word);
	if (pl->fstype && !joey_streq(pl->fstype, m->fstype))
		return joey_err_set(err, JOEY_EK_OTHER, EPERM, "the image has %s at %s, the config %s", m->fstype,
				    m->target, pl->fstype);
	return 0;
}

static int on_known_mount(const struct joey_mountinfo *m, void *arg)
{
	struct table *t = arg;
	struct place *pl = find_place(t, m->target);

	if (!pl)
		return 0;
	pl->found = true;
	if (t->n_devs < JOEY_ARRAY_SIZE(t->devs))
		t->devs[t->n_devs++] = makedev(m->major, m->minor);
	return check_place(pl, m, t->err);
}

/* Mounts that the container had made itself: of file systems without a source, or of what it has anyway. */
static int on_other_mount(const struct joey_mountinfo *m, void *arg)
{
	static const char *const inner[] = { "proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup2", "cgroup" };
	struct table *t = arg;

	if (find_place(t, m->target))
		return 0;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(inner); i++)
		if (joey_streq(m->fstype, inner[i]))
			return 0;
	for (size_t i = 0; i < t->n_devs; i++)
		if (t->devs[i] == makedev(m->major, m->minor))
			return 0;
	return joey_err_set(t->err, JOEY_EK_OTHER, EPERM, "the image has a mount of %s at %s, the config has none",
			    m->fstype, m->target);
}

static int add_place(struct table *t, int root_fd, const char *path, const char *fstype, uint64_t attrs,
		     struct joey_err *err)
{
	struct place *pl = &t->v[t->n];
	struct stat st;
	int r = real_path(root_fd, path, &pl->path, &st);

	if (r < 0 && r != -ENOENT)
		return joey_err_sys(err, r, "find %s in the restored container", path);
	if (r < 0)
		return 0;
	pl->fstype = fstype;
	pl->attrs = attrs;
	t->n++;
	return 0;
}

static const char *fstype_of(const struct joey_mount *m)
{
	static const char *const fixed[] = { "proc", "sysfs", "tmpfs", "devpts", "mqueue" };

	for (size_t i = 0; !is_bind(m) && m->type && i < JOEY_ARRAY_SIZE(fixed); i++)
		if (joey_streq(m->type, fixed[i]))
			return fixed[i];
	return NULL;
}

static int fill_table(struct table *t, const struct joey_config *c, int root_fd, struct joey_err *err)
{
	int r;

	t->v = calloc(1 + c->n_mounts + c->masked_paths.n + c->readonly_paths.n + c->n_devices, sizeof(*t->v));
	if (!t->v)
		return joey_err_sys(err, ENOMEM, "check the restored mounts");
	r = add_place(t, root_fd, "/", NULL, c->rootfs_readonly ? MOUNT_ATTR_RDONLY : 0, err);
	for (size_t i = 0; i < c->n_mounts && r == 0; i++)
		if (!c->mounts[i].opts->remount)
			r = add_place(t, root_fd, c->mounts[i].destination, fstype_of(&c->mounts[i]),
				      c->mounts[i].opts->attr_set, err);
	for (size_t i = 0; i < c->readonly_paths.n && r == 0; i++)
		r = add_place(t, root_fd, c->readonly_paths.v[i], NULL, MOUNT_ATTR_RDONLY, err);
	for (size_t i = 0; i < c->masked_paths.n && r == 0; i++)
		r = add_place(t, root_fd, c->masked_paths.v[i], NULL, 0, err);
	return r;
}

int criu_check_mounts(const struct native_plan *p, pid_t init, struct joey_err *err)
{
	struct table t = { .err = err };
	autoclose int root_fd = -EBADF;
	char file[48];
	int r = open_root(p->host_proc_fd, init, &root_fd, err);

	if (r == 0)
		r = fill_table(&t, p->config, root_fd, err);
	snprintf(file, sizeof(file), "/proc/%d/mountinfo", (int)init);
	if (r == 0)
		r = joey_mountinfo_each(file, on_known_mount, &t);
	if (r == 0)
		r = joey_mountinfo_each(file, on_other_mount, &t);
	if (r < 0 && err && !err->errnum)
		r = joey_err_sys(err, r, "read the mounts of the restored container");
	for (size_t i = 0; i < t.n; i++) {
		if (r == 0 && !t.v[i].found)
			r = joey_err_set(err, JOEY_EK_OTHER, EPERM,
					 "the image has nothing mounted at %s, the config has", t.v[i].path);
		free(t.v[i].path);
	}
	free(t.v);
	return r;
}
