/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Out-of-memory kills and the end of the last process, as they happen.
 *
 * memory.events and cgroup.events wake poll(2) with POLLPRI when a value in them changes; an epoll descriptor makes one
 * of the two.  Not inotify(7): that takes paths, and its instances are few (128 a user by default) and shared with
 * everything else of that user.  What counts is the value read afterwards, so a wake-up for another key says nothing,
 * and what happened before the watch began is not told again.
 */
#include <string.h>
#include <sys/epoll.h>

#include "cgroups/cgroups-internal.h"

struct source {
	int epoll_fd, memory_fd, cgroup_fd;
	uint64_t oom_kills;
	bool oom_known;
};

/* 0: v holds the value.  Negative: gone. */
static int read_key(int fd, const char *key, uint64_t *v)
{
	char text[512];
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return -ENODEV;
	text[n] = '\0';
	return cgroup_flat_u64(text, key, v);
}

static unsigned watch_take(struct joey_watch *w)
{
	struct source *s = w->source;
	struct epoll_event seen[2];
	uint64_t v;
	unsigned events = 0;

	while (epoll_wait(s->epoll_fd, seen, 2, 0) < 0 && errno == EINTR)
		;
	/* Memory first: the kill may have been what emptied the cgroup. */
	if (read_key(s->memory_fd, "oom_kill", &v) == 0) {
		if (s->oom_known && v > s->oom_kills)
			events |= JOEY_EVENT_OOM;
		s->oom_kills = v;
		s->oom_known = true;
	}
	if (read_key(s->cgroup_fd, "populated", &v) < 0 || v == 0)
		events |= JOEY_EVENT_EMPTY;
	return events;
}

static void watch_done(struct joey_watch *w)
{
	struct source *s = w->source;

	if (s) {
		joey_close(s->memory_fd);
		joey_close(s->cgroup_fd);
		joey_close(s->epoll_fd);
		free(s);
	}
	w->source = NULL;
	w->fd = -EBADF;
}

static int add(struct source *s, int fd)
{
	struct epoll_event e = { .events = EPOLLPRI };

	/* The unit tests' stand-in, a plain file, cannot be polled (EPERM). */
	return fd >= 0 && epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 && errno != EPERM ? -errno : 0;
}

static int open_source(const struct joey_cgroup *cg, struct source *s)
{
	int r;

	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0)
		return -errno;
	s->cgroup_fd = openat(cg->dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (s->cgroup_fd < 0)
		return -errno;
	/* Without the memory controller nobody is killed on this cgroup's account. */
	s->memory_fd = openat(cg->dir_fd, "memory.events", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (s->memory_fd < 0 && errno != ENOENT)
		return -errno;
	r = add(s, s->cgroup_fd);
	return r < 0 ? r : add(s, s->memory_fd);
}

int joey_cgroup_watch(const struct joey_cgroup *cg, struct joey_watch *ret, struct joey_err *err)
{
	struct joey_watch w = { .fd = -EBADF, .take = watch_take, .done = watch_done };
	struct source *s;
	int r;

	if (cg->kind == JOEY_CGROUP_DISABLED)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, EOPNOTSUPP,
				    "cgroup: the container runs without a cgroup and has no events");
	if (cg->dir_fd < 0)
		return joey_err_set(err, JOEY_EK_STATE, ENODEV, "cgroup: %s is gone", cgroup_name(cg));
	s = calloc(1, sizeof(*s));
	if (!s)
		return joey_err_sys(err, ENOMEM, "cgroup: watch %s", cgroup_name(cg));
	s->epoll_fd = s->memory_fd = s->cgroup_fd = -EBADF;
	w.source = s;
	r = open_source(cg, s);
	if (r < 0) {
		watch_done(&w);
		return joey_err_sys(err, -r, "cgroup: watch %s", cgroup_name(cg));
	}
	w.fd = s->epoll_fd;
	(void)read_key(s->memory_fd, "oom_kill", &s->oom_kills);
	s->oom_known = true;
	*ret = w;
	return 0;
}
