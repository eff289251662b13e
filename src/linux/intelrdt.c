/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel RDT by resctrl (Documentation/filesystems/resctrl.rst): one group directory per container.
 *
 * The group is removed again only if joey made it and no closID was asked for: others may share a named one.  The
 * root is reached by descriptor and must be a resctrl; names come from the config and are single components.
 *
 * Whoever makes a group holds the lock that the kernel's documentation names until its schemata are written: another
 * container with the same closID compares them.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "joey/log.h"
#include "joey/syscalls.h"
#include "linux/linux-internal.h"

#define RDTGROUP_MAGIC 0x7655821

enum { STATUS_MAX = 4096, LOCK_TRIES = 500, LOCK_PAUSE_NS = 10000000 };

static const char *const root_path = "/sys/fs/resctrl";

static int open_root(int *ret, struct joey_err *err)
{
	autoclose int fd = open(root_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || !fd_is_on(fd, RDTGROUP_MAGIC))
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENODEV,
				    "intelRdt is specified in config, but no resctrl is mounted on %s", root_path);
	*ret = joey_take_fd(&fd);
	return 0;
}

/* A holder that hangs must not hang us for ever. */
static int lock_root(int root_fd, struct joey_err *err)
{
	static const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };

	for (int i = 0; flock(root_fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return joey_err_sys(err, errno, "intelRdt: lock %s", root_path);
		if (i == LOCK_TRIES)
			return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT, "intelRdt: %s is locked by somebody else",
					    root_path);
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

static bool is_name(const char *s)
{
	return s[0] && !strchr(s, '/') && !joey_streq(s, ".") && !joey_streq(s, "..") && strlen(s) <= 255;
}

/* The kernel explains a refused write there, in one line. */
static int fail(int root_fd, int r, const char *what, struct joey_err *err)
{
	autofree char *status = NULL;
	size_t len = 0;

	if (joey_read_file_at(root_fd, "info/last_cmd_status", O_NOFOLLOW, STATUS_MAX, &status, &len) < 0 || len == 0)
		return joey_err_sys(err, r, "intelRdt: %s", what);
	status[strcspn(status, "\n")] = '\0';
	return joey_err_sys(err, r, "intelRdt: %s (last_cmd_status: %s)", what, status);
}

static int open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static bool has_schema(const struct joey_intel_rdt *rdt)
{
	return (rdt->l3_cache_schema && rdt->l3_cache_schema[0]) || (rdt->mem_bw_schema && rdt->mem_bw_schema[0]) ||
	       rdt->schemata.n > 0;
}

static int open_group(int root_fd, const struct joey_intel_rdt *rdt, const char *id, int *ret_fd, bool *ret_created,
		      struct joey_err *err)
{
	const char *name = rdt->clos_id && rdt->clos_id[0] ? rdt->clos_id : id;
	autoclose int fd = -EBADF;
	bool created = false;

	if (joey_streq(rdt->clos_id, "/")) {
		fd = open_dir(root_fd, ".");
	} else if (!is_name(name)) {
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "linux.intelRdt.closID: invalid value \"%s\"", name);
	} else {
		/* a closID without schemas means a group that somebody has set up */
		if (!rdt->clos_id || has_schema(rdt)) {
			created = mkdirat(root_fd, name, 0755) == 0;
			if (!created && errno != EEXIST)
				return fail(root_fd, errno, "make the group", err);
		}
		fd = open_dir(root_fd, name);
	}
	if (fd < 0) {
		if (created)
			(void)unlinkat(root_fd, name, AT_REMOVEDIR);
		return fail(root_fd, fd, rdt->clos_id ? "open the group of closID" : "open the group", err);
	}
	*ret_created = created;
	*ret_fd = joey_take_fd(&fd);
	return 0;
}

static int write_line(int root_fd, int group, const char *line, struct joey_err *err)
{
	autostr struct joey_str text = JOEY_STR_INIT;
	int r;

	if (!line || !line[0])
		return 0;
	joey_str_printf(&text, "%s\n", line);
	if (text.failed)
		return joey_err_sys(err, ENOMEM, "intelRdt");
	r = joey_write_file_at(group, "schemata", text.buf);
	return r < 0 ? fail(root_fd, r, "write schemata", err) : 0;
}

static int write_schemas(int root_fd, int group, const struct joey_intel_rdt *rdt, struct joey_err *err)
{
	int r = write_line(root_fd, group, rdt->l3_cache_schema, err);

	if (r == 0)
		r = write_line(root_fd, group, rdt->mem_bw_schema, err);
	for (size_t i = 0; r == 0 && i < rdt->schemata.n; i++)
		r = write_line(root_fd, group, rdt->schemata.v[i], err);
	return r;
}

static int write_task(int root_fd, int group, pid_t pid, const char *what, struct joey_err *err)
{
	char text[16];
	int r, n = snprintf(text, sizeof(text), "%d", (int)pid);

	if (n < 0 || (size_t)n >= sizeof(text))
		return joey_err_sys(err, EINVAL, "intelRdt");
	r = joey_write_file_at(group, "tasks", text);
	/* the process has ended already: nothing to account */
	return r < 0 && r != -ESRCH ? fail(root_fd, r, what, err) : 0;
}

static int join_monitor(int root_fd, int group, const char *id, pid_t pid, struct joey_err *err)
{
	autoclose int groups = open_dir(group, "mon_groups");
	autoclose int mon = -EBADF;

	if (groups < 0)
		return fail(root_fd, groups, "open mon_groups", err);
	if (mkdirat(groups, id, 0755) < 0 && errno != EEXIST)
		return fail(root_fd, errno, "make the monitoring group", err);
	mon = open_dir(groups, id);
	if (mon < 0)
		return fail(root_fd, mon, "open the monitoring group", err);
	return write_task(root_fd, mon, pid, "join the monitoring group", err);
}

int intelrdt_remove_at(int root_fd, const struct joey_intel_rdt *rdt, const char *id, bool created,
		       struct joey_err *err)
{
	const char *name = rdt->clos_id && rdt->clos_id[0] ? rdt->clos_id : id;
	autoclose int group = -EBADF;

	if (!is_name(id))
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "intelRdt: invalid name \"%s\"", id);
	if (joey_streq(rdt->clos_id, "/"))
		group = open_dir(root_fd, ".");
	else if (is_name(name))
		group = open_dir(root_fd, name);
	if (group >= 0 && rdt->enable_monitoring) {
		autoclose int groups = open_dir(group, "mon_groups");

		if (groups >= 0 && unlinkat(groups, id, AT_REMOVEDIR) < 0 && errno != ENOENT)
			return fail(root_fd, errno, "remove the monitoring group", err);
	}
	if (!created || rdt->clos_id)
		return 0;
	if (unlinkat(root_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return fail(root_fd, errno, "remove the group", err);
	return 0;
}

int intelrdt_apply_at(int root_fd, const struct joey_intel_rdt *rdt, const char *id, pid_t pid, bool *ret_created,
		      struct joey_err *err)
{
	autoclose int group = -EBADF;
	bool created = false;
	int r;

	if (!is_name(id))
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "intelRdt: invalid name \"%s\"", id);
	r = open_group(root_fd, rdt, id, &group, &created, err);
	if (r < 0)
		return r;
	/* An existing group of the container's own name can only be one that it has left behind. */
	if (rdt->clos_id && !created && has_schema(rdt))
		r = intelrdt_compare(root_fd, group, rdt, err);
	else
		r = write_schemas(root_fd, group, rdt, err);
	if (r == 0)
		r = write_task(root_fd, group, pid, "join the group", err);
	if (r == 0 && rdt->enable_monitoring)
		r = join_monitor(root_fd, group, id, pid, err);
	if (r < 0) {
		autoerr struct joey_err ignored = JOEY_ERR_INIT;

		if (intelrdt_remove_at(root_fd, rdt, id, created, &ignored) < 0)
			joey_warn("%s", joey_err_text(&ignored));
		return r;
	}
	*ret_created = created;
	return 0;
}

int joey_intel_rdt_apply(const struct joey_intel_rdt *rdt, const char *id, pid_t pid, bool *ret_created,
			 struct joey_err *err)
{
	autoclose int root = -EBADF;
	int r = open_root(&root, err);

	if (r == 0 && has_schema(rdt))
		r = lock_root(root, err);
	return r < 0 ? r : intelrdt_apply_at(root, rdt, id, pid, ret_created, err);
}

int joey_intel_rdt_join(const struct joey_intel_rdt *rdt, const char *id, pid_t pid, struct joey_err *err)
{
	/* The schemata may have been changed since. */
	const struct joey_intel_rdt plain = { .clos_id = rdt->clos_id, .enable_monitoring = rdt->enable_monitoring };
	bool created;

	return joey_intel_rdt_apply(&plain, id, pid, &created, err);
}

static int open_existing(int root_fd, const struct joey_intel_rdt *rdt, const char *id, int *ret, struct joey_err *err)
{
	const char *name = rdt->clos_id && rdt->clos_id[0] ? rdt->clos_id : id;
	int fd;

	if (joey_streq(rdt->clos_id, "/"))
		fd = open_dir(root_fd, ".");
	else if (is_name(name))
		fd = open_dir(root_fd, name);
	else
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "intelRdt: invalid name \"%s\"", name);
	if (fd < 0)
		return fail(root_fd, fd, "open the group", err);
	*ret = fd;
	return 0;
}

int intelrdt_update_at(int root_fd, const struct joey_intel_rdt *rdt, const char *id, struct joey_err *err)
{
	autoclose int group = -EBADF;
	int r = open_existing(root_fd, rdt, id, &group, err);

	return r < 0 ? r : write_schemas(root_fd, group, rdt, err);
}

bool joey_intel_rdt_mounted(void)
{
	autoclose int root = -EBADF;
	autoerr struct joey_err ignored = JOEY_ERR_INIT;

	return open_root(&root, &ignored) == 0;
}

int joey_intel_rdt_stats(const struct joey_intel_rdt *rdt, const char *id, struct joey_arena *arena,
			 struct joey_rdt_use *ret, struct joey_err *err)
{
	autoclose int root = -EBADF, group = -EBADF, groups = -EBADF, own = -EBADF;
	int r = open_root(&root, err);

	if (r == 0)
		r = open_existing(root, rdt, id, &group, err);
	if (r < 0)
		return r;
	if (rdt->enable_monitoring && is_name(id))
		groups = open_dir(group, "mon_groups");
	if (groups >= 0)
		own = open_dir(groups, id);
	return intelrdt_stats_at(root, group, own >= 0 ? own : group, arena, ret, err);
}

int joey_intel_rdt_update(const struct joey_intel_rdt *rdt, const char *id, struct joey_err *err)
{
	autoclose int root = -EBADF;
	int r = open_root(&root, err);

	if (r == 0)
		r = lock_root(root, err);
	return r < 0 ? r : intelrdt_update_at(root, rdt, id, err);
}

int joey_intel_rdt_remove(const struct joey_intel_rdt *rdt, const char *id, bool created, struct joey_err *err)
{
	autoclose int root = -EBADF;
	autoerr struct joey_err ignored = JOEY_ERR_INIT;

	/* unmounted since: its groups are gone with it */
	if (open_root(&root, &ignored) < 0)
		return 0;
	return intelrdt_remove_at(root, rdt, id, created, err);
}
