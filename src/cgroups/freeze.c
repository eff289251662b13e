/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup.freeze and the waiting for cgroup.events.
 *
 * Freezing is asynchronous: each process stops at its next return to user space.  cgroup.events wakes poll(2) when
 * a value in it changes.  Whether a container is paused is what cgroup.freeze says, its own switch, not the effect,
 * which a frozen ancestor has too.  A freeze that fails is taken back on every path: a container must
 * never stay frozen because of an error.
 */
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "cgroups/cgroups-internal.h"
#include "joey/syscalls.h"

/* Until `key` of cgroup.events is `value`.  -ETIMEDOUT; -ENODEV when the cgroup goes away meanwhile. */
static int wait_event(const struct joey_cgroup *cg, const char *key, uint64_t value, unsigned timeout_ms)
{
	autoclose int fd = openat(cg->dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t deadline = joey_now_ms() + timeout_ms;

	if (fd < 0)
		return -errno;
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLPRI };
		char text[256];
		uint64_t v, now;
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
		int r;

		if (n < 0)
			return -errno;
		text[n] = '\0';
		r = cgroup_flat_u64(text, key, &v);
		if (r < 0)
			return r;
		if (v == value)
			return 0;
		now = joey_now_ms();
		if (now >= deadline)
			return -ETIMEDOUT;
		/* Not all the way in one go: a missed wake-up costs a tenth of a second, not the deadline. */
		if (poll(&p, 1, deadline - now < 100 ? (int)(deadline - now) : 100) < 0 && errno != EINTR)
			return -errno;
	}
}

int cgroup_freeze_wait(const struct joey_cgroup *cg, unsigned timeout_ms)
{
	return wait_event(cg, "frozen", 1, timeout_ms);
}

int cgroup_wait_empty(const struct joey_cgroup *cg, unsigned timeout_ms)
{
	return wait_event(cg, "populated", 0, timeout_ms);
}

static int no_cgroup(const struct joey_cgroup *cg, struct joey_err *err)
{
	if (cg->kind == JOEY_CGROUP_DISABLED)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, EOPNOTSUPP,
				    "cgroup: the container runs without a cgroup and cannot be frozen");
	return joey_err_set(err, JOEY_EK_STATE, ENODEV, "cgroup: %s is gone", cgroup_name(cg));
}

int joey_cgroup_set_frozen(struct joey_cgroup *cg, bool frozen, struct joey_err *err)
{
	int r;

	if (cg->dir_fd < 0)
		return no_cgroup(cg, err);
	r = cgroup_write(cg->dir_fd, "cgroup.freeze", frozen ? "1" : "0");
	if (r == 0 && !frozen)
		return 0;
	if (r == 0)
		r = cgroup_freeze_wait(cg, CGROUP_FREEZE_TIMEOUT_MS);
	if (r == 0)
		return 0;
	if (frozen)
		(void)cgroup_write(cg->dir_fd, "cgroup.freeze", "0");
	if (cgroup_gone(r))
		return no_cgroup(cg, err);
	if (r == -ETIMEDOUT)
		return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT,
				    "cgroup: %s is not frozen after %u s (a process in an uninterruptible wait?)",
				    cgroup_name(cg), CGROUP_FREEZE_TIMEOUT_MS / 1000);
	return joey_err_sys(err, -r, "cgroup: %s %s", frozen ? "freeze" : "thaw", cgroup_name(cg));
}

int joey_cgroup_is_frozen(const struct joey_cgroup *cg, bool *ret, struct joey_err *err)
{
	char text[16];
	ssize_t n;

	if (cg->dir_fd < 0) {
		*ret = false;
		return 0;
	}
	n = cgroup_read(cg->dir_fd, "cgroup.freeze", text, sizeof(text));
	if (n < 0 && !cgroup_gone((int)n))
		return joey_err_sys(err, (int)-n, "cgroup: read cgroup.freeze of %s", cgroup_name(cg));
	*ret = n > 0 && text[0] == '1';
	return 0;
}

static int kept_mount = -EBADF;

void joey_cgroup_keep_mount(void)
{
	const char *mount;

	if (kept_mount < 0 && cgroup_host_open(&kept_mount, &mount, NULL) < 0)
		kept_mount = -EBADF;
}

int joey_cgroup_record_is_frozen(const struct joey_cgroup_record *rec, bool *ret)
{
	autoclose int own_mount = -EBADF, fd = -EBADF;
	char path[PATH_MAX], text[16];
	const char *mount;
	ssize_t n;

	if (kept_mount < 0 && cgroup_host_open(&own_mount, &mount, NULL) < 0)
		return -ENOENT;
	if ((size_t)snprintf(path, sizeof(path), "%s/cgroup.freeze", rec->path + 1) >= sizeof(path))
		return -ENAMETOOLONG;
	fd = joey_openat2(kept_mount >= 0 ? kept_mount : own_mount, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0,
			  RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS);
	if (fd < 0)
		return fd;
	n = read(fd, text, sizeof(text));
	if (n < 0)
		return -errno;
	*ret = n > 0 && text[0] == '1';
	return 0;
}

int joey_cgroup_is_populated(const struct joey_cgroup *cg, bool *ret)
{
	char text[256];
	uint64_t v = 0;
	ssize_t n;
	int r;

	if (cg->dir_fd >= 0) {
		n = cgroup_read(cg->dir_fd, "cgroup.events", text, sizeof(text));
		if (n < 0 && !cgroup_gone((int)n))
			return (int)n;
		r = n < 0 ? 0 : cgroup_flat_u64(text, "populated", &v);
		if (r < 0)
			return r;
	}
	*ret = v != 0;
	return 0;
}
