/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object: which driver, which directory, opened once; and the order of a removal.
 *
 * Only a directory whose inode is the recorded one is acted upon.  An inode of 0 stands for a create that was
 * killed between saving its intention and making the directory: joey had seen that nobody else had it.
 */
#include <string.h>
#include <sys/stat.h>

#include "cgroups/systemd-internal.h"
#include "joey/log.h"
#include "joey/syscalls.h"

static const struct {
	const char *name;
	const struct cgroup_driver *ops;
} drivers[JOEY_CGROUP_DRIVER_MAX] = {
	[JOEY_CGROUP_CGROUPFS] = { "cgroupfs", &cgroup_cgroupfs },
	[JOEY_CGROUP_SYSTEMD] = { "systemd", &cgroup_systemd },
	[JOEY_CGROUP_DISABLED] = { "disabled", NULL },
};

const char *joey_cgroup_driver_to_string(enum joey_cgroup_driver d)
{
	return (unsigned)d < JOEY_CGROUP_DRIVER_MAX ? drivers[d].name : "unknown";
}

int joey_cgroup_driver_from_string(const char *s, enum joey_cgroup_driver *ret)
{
	unsigned i;

	for (i = 0; i < JOEY_CGROUP_DRIVER_MAX; i++) {
		if (!joey_streq(s, drivers[i].name))
			continue;
		*ret = (enum joey_cgroup_driver)i;
		return 0;
	}
	return -EINVAL;
}

const char *cgroup_name(const struct joey_cgroup *cg)
{
	return cg->path ? cg->path : "the container's cgroup";
}

static struct joey_cgroup *alloc_cgroup(enum joey_cgroup_driver kind)
{
	struct joey_cgroup *cg = calloc(1, sizeof(*cg));

	if (!cg)
		return NULL;
	cg->kind = kind;
	cg->mnt_fd = cg->parent_fd = cg->dir_fd = -EBADF;
	return cg;
}

void joey_cgroup_free(struct joey_cgroup *cg)
{
	if (!cg)
		return;
	if (cg->driver && cg->driver->done)
		cg->driver->done(cg);
	joey_close(cg->dir_fd);
	joey_close(cg->parent_fd);
	joey_close(cg->mnt_fd);
	free(cg->payload);
	free(cg->path);
	free(cg);
}

/* Driver and mount of a new object; a disabled one gets neither. */
static int attach_driver(struct joey_cgroup *cg, struct joey_err *err)
{
	if ((unsigned)cg->kind >= JOEY_CGROUP_DRIVER_MAX)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "cgroup: unknown manager");
	if (cg->kind == JOEY_CGROUP_DISABLED)
		return 0;
	cg->driver = drivers[cg->kind].ops;
	return cgroup_host_open(&cg->mnt_fd, &cg->mount, err);
}

/* dir_fd and, if the record has none yet, inode.  -ENOENT also when the directory is another one. */
static int open_dir(struct joey_cgroup *cg)
{
	autoclose int fd = cgroup_opendir_at(cg->mnt_fd, cg->path + 1, O_PATH);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (cg->inode != 0 && cg->inode != st.st_ino)
		return -ENOENT;
	cg->inode = st.st_ino;
	cg->dir_fd = joey_take_fd(&fd);
	return 0;
}

int cgroup_check_unused(const struct joey_cgroup *cg, struct joey_err *err)
{
	autofree pid_t *pids = NULL;
	bool busy = false, frozen = false;
	size_t n = 0;
	int r;

	r = joey_cgroup_is_populated(cg, &busy);
	if (r < 0)
		return joey_err_sys(err, -r, "cgroup: look for processes in %s", cgroup_name(cg));
	if (busy) {
		/* Processes of another pid namespace are in it, but have no number here. */
		r = joey_cgroup_pids(cg, &pids, &n, err);
		if (r < 0)
			return r;
		return joey_err_set(err, JOEY_EK_STATE, EBUSY, "container's cgroup is not empty: %zu process(es) found",
				    n);
	}
	r = joey_cgroup_is_frozen(cg, &frozen, err);
	if (r < 0)
		return r;
	if (frozen)
		return joey_err_set(err, JOEY_EK_STATE, EBUSY, "container's cgroup unexpectedly frozen");
	return 0;
}

int joey_cgroup_new(enum joey_cgroup_driver driver, const char *cgroups_path, const char *id, bool rootless,
		    struct joey_cgroup **ret, struct joey_err *err)
{
	autocgroup struct joey_cgroup *cg = alloc_cgroup(driver);
	int r;

	if (!cg)
		return joey_err_sys(err, ENOMEM, "cgroup: prepare");
	cg->rootless = rootless;
	cg->path_given = cgroups_path && *cgroups_path;
	r = attach_driver(cg, err);
	if (r < 0)
		return r;
	if (cg->driver) {
		r = cg->driver->locate(cg, cgroups_path, id, err);
		if (r < 0)
			return r;
		r = open_dir(cg);
		if (r == 0)
			r = cgroup_check_unused(cg, err);
		else if (cgroup_gone(r)) {
			cg->created = true;
			r = 0;
		} else
			r = joey_err_sys(err, -r, "cgroup: open %s%s", cg->mount, cg->path);
		if (r < 0)
			return r;
	}
	*ret = joey_take_ptr(cg);
	return 0;
}

int joey_cgroup_open(const struct joey_cgroup_record *rec, struct joey_cgroup **ret, struct joey_err *err)
{
	autocgroup struct joey_cgroup *cg = alloc_cgroup(rec->path ? rec->driver : JOEY_CGROUP_DISABLED);
	autoerr struct joey_err why = JOEY_ERR_INIT;
	autofree char *clean = NULL;
	int r;

	if (!cg)
		return joey_err_sys(err, ENOMEM, "cgroup: open");
	if (rec->path) {
		r = cgroup_path_clean(rec->path, &clean);
		if (r < 0)
			return joey_err_sys(err, -r, "cgroup: open");
		/* Only what locate() can have written. */
		if (strcmp(clean, rec->path) != 0 || clean[1] == '\0')
			return joey_err_set(err, JOEY_EK_OTHER, EBADMSG,
					    "cgroup: recorded path \"%s\" is not a cgroup path", rec->path);
		cg->path = joey_take_ptr(clean);
		cg->created = rec->created;
		cg->inode = rec->inode;
		r = attach_driver(cg, &why);
		/* The mount went away after create: nothing there can be reached or removed any more. */
		if (r < 0 && cg->driver && why.kind == JOEY_EK_UNSUPPORTED) {
			joey_warn("%s", joey_err_text(&why));
			r = 0;
		}
		if (r < 0) {
			*err = why;
			why = (struct joey_err)JOEY_ERR_INIT;
			return r;
		}
	}
	/* Neither made nor ever entered: a create that failed or was killed before. */
	if (cg->mnt_fd >= 0 && (cg->created || cg->inode != 0)) {
		r = open_dir(cg);
		if (r < 0 && !cgroup_gone(r))
			return joey_err_sys(err, -r, "cgroup: open %s%s", cg->mount, cg->path);
	}
	*ret = joey_take_ptr(cg);
	return 0;
}

int cgroup_new_for_test(int dir_fd, struct joey_cgroup **ret)
{
	struct joey_cgroup *cg = alloc_cgroup(JOEY_CGROUP_CGROUPFS);

	if (!cg)
		return -ENOMEM;
	cg->driver = &cgroup_cgroupfs;
	cg->mount = "/fake";
	cg->path = strdup("/test");
	cg->dir_fd = dir_fd;
	*ret = cg;
	return 0;
}

void joey_cgroup_get_record(const struct joey_cgroup *cg, struct joey_cgroup_record *ret)
{
	*ret = (struct joey_cgroup_record){
		.driver = cg->kind,
		.path = cg->path,
		.created = cg->created,
		.inode = cg->inode,
	};
}

int joey_cgroup_create(struct joey_cgroup *cg, const struct joey_resources *res, struct joey_err *err)
{
	if (!cg->driver || cg->kind == JOEY_CGROUP_DISABLED)
		return 0;
	return cg->driver->create(cg, res, err);
}

int joey_cgroup_driver_check(enum joey_cgroup_driver driver, struct joey_err *err)
{
	autoclose int fd = -EBADF;

	return driver == JOEY_CGROUP_SYSTEMD ? cgroup_sd_find_program(&fd, err) : 0;
}

int joey_cgroup_fd(const struct joey_cgroup *cg)
{
	return cg->dir_fd;
}

int joey_cgroup_add(struct joey_cgroup *cg, pid_t pid, struct joey_err *err)
{
	char text[16];
	int r;

	if (cg->kind == JOEY_CGROUP_DISABLED)
		return 0;
	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	r = cg->dir_fd < 0 ? -ENODEV : cgroup_write(cg->dir_fd, "cgroup.procs", text);
	if ((r == -EACCES || r == -EPERM) && cg->driver->add)
		return cg->driver->add(cg, pid, err);
	if (cgroup_gone(r))
		return joey_err_set(err, JOEY_EK_STATE, ENODEV, "cgroup: add process %d: %s is gone", (int)pid,
				    cgroup_name(cg));
	if (r < 0)
		return joey_err_sys(err, -r, "cgroup: add process %d to %s%s", (int)pid, cg->mount, cg->path);
	return 0;
}

static int remove_child(int parent_fd, const char *name, void *arg)
{
	(void)arg;
	/* EBUSY: still dying, or refilled; the next round comes back to it. */
	if (unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT && errno != EBUSY)
		return -errno;
	return 0;
}

static unsigned time_left(uint64_t deadline)
{
	uint64_t now = joey_now_ms();

	return now >= deadline ? 0 : (unsigned)(deadline - now);
}

static int destroy_failed(const struct joey_cgroup *cg, int r, struct joey_err *err)
{
	if (r == -EBUSY || r == -ETIMEDOUT)
		return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT,
				    "cgroup: remove %s%s: still busy after %u s (a process that cannot be killed?)",
				    cg->mount, cg->path, CGROUP_DESTROY_TIMEOUT_MS / 1000);
	return joey_err_sys(err, -r, "cgroup: remove %s%s", cg->mount, cg->path);
}

/* One round: whoever is in it is killed, then everything empty goes, innermost first. */
static int empty_and_remove(struct joey_cgroup *cg, uint64_t deadline, struct joey_err *err)
{
	static const struct cgroup_visit children = { .leave = remove_child };
	bool busy = false;
	int r = joey_cgroup_is_populated(cg, &busy);

	if (r == 0 && busy) {
		r = joey_cgroup_kill(cg, err);
		if (r < 0)
			return r;
		r = cgroup_wait_empty(cg, time_left(deadline));
	}
	if (r < 0)
		return cgroup_gone(r) ? 0 : r;
	if (!cg->created)
		return 0;
	if (cgroup_has_children(cg->dir_fd)) {
		r = cgroup_tree_walk(cg->dir_fd, &children, NULL);
		if (r < 0 && !cgroup_gone(r))
			return r;
	}
	return cg->driver->remove(cg);
}

int joey_cgroup_destroy(struct joey_cgroup *cg, struct joey_err *err)
{
	uint64_t deadline;
	unsigned pause = 1;
	int r;

	if (cg->dir_fd < 0)
		return 0;
	/* Nearly always init was alone and is dead by now. */
	r = cg->created ? cg->driver->remove(cg) : -EBUSY;
	deadline = r == 0 ? 0 : joey_now_ms() + CGROUP_DESTROY_TIMEOUT_MS;
	while (r == -EBUSY || r == -ENOTEMPTY) {
		autoerr struct joey_err step = JOEY_ERR_INIT;

		r = empty_and_remove(cg, deadline, &step);
		if (r < 0 && step.errnum != 0) {
			*err = step;
			step = (struct joey_err)JOEY_ERR_INIT;
			return r;
		}
		if (r != -EBUSY && r != -ENOTEMPTY)
			break;
		if (time_left(deadline) == 0) {
			r = -ETIMEDOUT;
			break;
		}
		cgroup_sleep_ms(pause);
		pause = pause < 64 ? pause * 2 : 100;
	}
	if (r < 0)
		return destroy_failed(cg, r, err);
	cg->dir_fd = joey_close(cg->dir_fd);
	return 0;
}
