/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New file systems, by fsopen(2) .. fsmount(2): detached, with their mount attributes from birth, attached by the
 * caller.  Data options become fsconfig(2) parameters; what the kernel says about a bad one is read from the context
 * and put into the error.
 *
 * "ro" is an attribute of the mount.  Only what lies on a device or a server gets it for the superblock as well: those
 * of proc, sysfs, mqueue are shared by all mounts of one namespace, those of debugfs and the like even with the host,
 * and making them read-only would do it to others.
 */
#include <ctype.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/xattr.h>

#include "joey/syscalls.h"
#include "linux/linux-internal.h"

enum { FS_VALUE_MAX = 255 }; /* fsconfig(2): strings of up to 256 bytes with the NUL */

static const struct {
	uint64_t flag;
	const char *on, *off;
} sb_flags[] = {
	{ MS_SYNCHRONOUS, "sync", "async" },
	{ MS_DIRSYNC, "dirsync", NULL },
	{ MS_MANDLOCK, "mand", "nomand" },
	{ MS_LAZYTIME, "lazytime", "nolazytime" },
};

static const struct {
	uint64_t attr;
	unsigned long flag;
} legacy_flags[] = {
	{ MOUNT_ATTR_RDONLY, MS_RDONLY },         { MOUNT_ATTR_NOSUID, MS_NOSUID },
	{ MOUNT_ATTR_NODEV, MS_NODEV },           { MOUNT_ATTR_NOEXEC, MS_NOEXEC },
	{ MOUNT_ATTR_NOATIME, MS_NOATIME },       { MOUNT_ATTR_STRICTATIME, MS_STRICTATIME },
	{ MOUNT_ATTR_NODIRATIME, MS_NODIRATIME }, { MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW },
};

struct fs_ctx {
	int fd;
	const char *fstype;
	struct joey_err *err;
};

/* The kernel's lines about this context: "e tmpfs: Bad value for 'size'". */
static int fs_error(const struct fs_ctx *c, int errnum, const char *what, const char *arg)
{
	autostr struct joey_str log = JOEY_STR_INIT;
	char line[256];

	for (int i = 0; i < 8; i++) {
		ssize_t n = read(c->fd, line, sizeof(line));

		if (n <= 2)
			break;
		while (n > 2 && isspace((unsigned char)line[n - 1]))
			n--;
		joey_str_add(&log, log.len ? ", " : " (");
		joey_str_addn(&log, line + 2, (size_t)(n - 2));
	}
	if (log.len)
		joey_str_add(&log, ")");
	return joey_err_sys(c->err, errnum < 0 ? -errnum : errnum, "%s%s%s%s", what, arg ? " " : "", arg ? arg : "",
			    log.len && !log.failed ? log.buf : "");
}

static int fs_string(const struct fs_ctx *c, const char *key, const char *value)
{
	int r = joey_sys_fsconfig(c->fd, FSCONFIG_SET_STRING, key, value, 0);

	return r < 0 ? fs_error(c, r, "set mount option", key) : 0;
}

static int fs_flag(const struct fs_ctx *c, const char *key)
{
	int r = joey_sys_fsconfig(c->fd, FSCONFIG_SET_FLAG, key, NULL, 0);

	return r < 0 ? fs_error(c, r, "set mount option", key) : 0;
}

/* One parameter, text modified: "key", "key=value" or key="value" as mount(8) writes security labels. */
static int fs_param(const struct fs_ctx *c, char *text)
{
	char *value = strchr(text, '=');
	size_t n;

	if (!*text)
		return 0;
	if (!value)
		return fs_flag(c, text);
	*value++ = '\0';
	n = strlen(value);
	if (n >= 2 && value[0] == '"' && value[n - 1] == '"') {
		value[n - 1] = '\0';
		value++;
	}
	return fs_string(c, text, value);
}

/* One entry of options may hold several, as in mount data: split at commas that are neither quoted nor escaped. */
static int fs_option(const struct fs_ctx *c, const char *option)
{
	autofree char *copy = strdup(option);
	char *start = copy, *p = copy;
	bool quoted = false;

	if (!copy)
		return joey_err_sys(c->err, ENOMEM, "copy mount options");
	for (;; p++) {
		bool end = !*p;

		if (*p == '"')
			quoted = !quoted;
		if (*p == '\\' && p[1]) {
			p++;
			continue;
		}
		if (end || (*p == ',' && !quoted)) {
			int r;

			*p = '\0';
			r = fs_param(c, start);
			if (r < 0 || end)
				return r;
			start = p + 1;
		}
	}
}

static int fs_superblock_flags(const struct fs_ctx *c, const struct joey_mount_opts *o)
{
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(sb_flags); i++) {
		int r = 0;

		if (o->sb_set & sb_flags[i].flag)
			r = fs_flag(c, sb_flags[i].on);
		else if ((o->sb_clear & sb_flags[i].flag) && sb_flags[i].off)
			r = fs_flag(c, sb_flags[i].off);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A device or a server: "/dev/sda1", "host:/export", "//host/share". */
static bool source_is_storage(const char *source)
{
	return source && (source[0] == '/' || strchr(source, ':'));
}

static int fs_configure(const struct fs_ctx *c, const struct mount_fs_args *a)
{
	int r = 0;

	if (a->source)
		r = fs_string(c, "source", a->source);
	if (r == 0 && a->dir) {
		char mode[8];

		snprintf(mode, sizeof(mode), "%04o", (unsigned)a->dir->st_mode & 07777);
		r = fs_string(c, "mode", mode);
	}
	for (size_t i = 0; r == 0 && a->params && a->params[i]; i++)
		r = fs_option(c, a->params[i]);
	if (r == 0 && (a->attrs & MOUNT_ATTR_RDONLY) && source_is_storage(a->source))
		r = fs_flag(c, "ro");
	if (r == 0 && a->mount) {
		r = fs_superblock_flags(c, a->mount->opts);
		for (size_t i = 0; r == 0 && i < a->mount->opts->data.n; i++)
			r = fs_option(c, a->mount->opts->data.v[i]);
	}
	if (r == 0 && a->label && a->label_key)
		r = fs_string(c, a->label_key, a->label);
	return r;
}

/* A file system that takes no context= is labelled like a file. fsmount(2) gives O_PATH, so "." is opened. */
static int label_root(int mnt_fd, const char *label, struct joey_err *err)
{
	autoclose int fd = openat(mnt_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsetxattr(fd, "security.selinux", label, strlen(label), 0) < 0)
		return joey_err_sys(err, errno, "set the SELinux label of the mount");
	return 0;
}

int mount_fs_make(const struct mount_fs_args *a, int *ret_fd, struct joey_err *err)
{
	autoclose int fs = joey_sys_fsopen(a->fstype, FSOPEN_CLOEXEC), mnt = -EBADF;
	struct fs_ctx c = { .fd = fs, .fstype = a->fstype, .err = err };
	int r;

	if (fs < 0)
		return joey_err_sys(err, -fs, "open a %s file system", a->fstype);
	r = fs_configure(&c, a);
	if (r < 0)
		return r;
	r = joey_sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r < 0)
		return fs_error(&c, r, "create a file system of type", a->fstype);
	mnt = joey_sys_fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)a->attrs);
	if (mnt < 0)
		return fs_error(&c, mnt, "mount a file system of type", a->fstype);
	if (a->label && !a->label_key) {
		r = label_root(mnt, a->label, err);
		if (r < 0)
			return r;
	}
	*ret_fd = joey_take_fd(&mnt);
	return 0;
}

bool mount_fs_needs_legacy(const struct joey_mount *m)
{
	if (m->opts->sb_set & MS_I_VERSION)
		return true;
	if (m->source && strlen(m->source) > FS_VALUE_MAX)
		return true;
	for (size_t i = 0; i < m->opts->data.n; i++)
		if (strlen(m->opts->data.v[i]) > FS_VALUE_MAX)
			return true;
	return false;
}

int mount_fs_legacy(const struct mount_fs_args *a, int target_fd, int back_fd, struct joey_err *err)
{
	const struct joey_mount_opts *o = a->mount->opts;
	autostr struct joey_str data = JOEY_STR_INIT;
	unsigned long flags = (unsigned long)o->sb_set;
	int r, e;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(legacy_flags); i++)
		if ((a->attrs & legacy_flags[i].attr) == legacy_flags[i].attr)
			flags |= legacy_flags[i].flag;
	if (a->dir)
		joey_str_printf(&data, "mode=%04o", (unsigned)a->dir->st_mode & 07777);
	for (size_t i = 0; i < o->data.n; i++)
		joey_str_printf(&data, "%s%s", data.len ? "," : "", o->data.v[i]);
	if (a->label && a->label_key)
		joey_str_printf(&data, "%s%s=\"%s\"", data.len ? "," : "", a->label_key, a->label);
	if (data.failed)
		return joey_err_sys(err, ENOMEM, "join mount options");
	/* "." is the only name for a directory descriptor that mount(2) takes without a trip through procfs. */
	if (fchdir(target_fd) < 0)
		return joey_err_sys(err, errno, "enter the mount point");
	r = mount(a->source ? a->source : a->fstype, ".", a->fstype, flags, data.len ? data.buf : NULL);
	e = errno;
	if (fchdir(back_fd) < 0)
		return joey_err_sys(err, errno, "leave the mount point");
	return r < 0 ? joey_err_sys(err, e, "mount a file system of type %s", a->fstype) : 0;
}

int mount_fs_reconfigure(int mnt_fd, const struct joey_mount *m, struct joey_err *err)
{
	autoclose int fs = (int)joey_sysret(syscall(SYS_fspick, mnt_fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH));
	struct fs_ctx c = { .fd = fs, .err = err };
	int r;

	if (fs < 0)
		return joey_err_sys(err, -fs, "open the file system of the mount");
	r = fs_superblock_flags(&c, m->opts);
	for (size_t i = 0; r == 0 && i < m->opts->data.n; i++)
		r = fs_option(&c, m->opts->data.v[i]);
	if (r < 0)
		return r;
	r = joey_sys_fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0);
	return r < 0 ? fs_error(&c, r, "change the options of the file system", NULL) : 0;
}
