/* SPDX-License-Identifier: Apache-2.0 */
/* The process that stands for a container on the host: found again by pid and start time, never by pid alone. */
#include <poll.h>

#include "joey/init.h"
#include "joey/log.h"
#include "joey/syscalls.h"

enum { DEATH_DEADLINE_MS = 10000 };

bool joey_init_is_alive(const struct joey_state *st)
{
	uint64_t start;
	char letter;

	return st->pid > 0 && joey_proc_stat(st->pid, &start, &letter) == 0 && start == st->pid_start &&
	       letter != 'Z' && letter != 'X';
}

/* A pid names a process for sure only once a descriptor is held and the start time was compared after that. */
int joey_init_pidfd(const struct joey_state *st)
{
	int fd;

	if (st->pid <= 0)
		return -ESRCH;
	fd = joey_sys_pidfd_open(st->pid, 0);
	if (fd < 0)
		return fd;
	if (!joey_init_is_alive(st)) {
		joey_close(fd);
		return -ESRCH;
	}
	return fd;
}

int joey_init_cgroup(struct joey_container *c, struct joey_cgroup **ret, struct joey_err *err)
{
	*ret = NULL;
	if (!c->state.cgroup.path)
		return 0;
	return joey_cgroup_open(&c->state.cgroup, ret, err);
}

static bool is_frozen(const struct joey_container *c)
{
	bool frozen = false;

	return c->state.cgroup.path && joey_cgroup_record_is_frozen(&c->state.cgroup, &frozen) == 0 && frozen;
}

int joey_init_query(struct joey_container *c, struct joey_query *ret, struct joey_err *err)
{
	const struct joey_state *st = &c->state;

	(void)err;
	*ret = (struct joey_query){ JOEY_ST_STOPPED, 0 };
	if (!joey_init_is_alive(st)) {
		uint64_t start;

		/* before the clone it is the creator who makes "creating" true */
		if (st->creating && st->pid == 0 && joey_proc_stat(st->creator_pid, &start, NULL) == 0 &&
		    start == st->creator_start)
			ret->status = JOEY_ST_CREATING;
		return 0;
	}
	ret->pid = st->pid;
	if (is_frozen(c))
		ret->status = JOEY_ST_PAUSED;
	else if (st->creating)
		ret->status = JOEY_ST_CREATING;
	else
		ret->status = joey_gate_is_shut(c->dir_fd) ? JOEY_ST_CREATED : JOEY_ST_RUNNING;
	return 0;
}

int joey_init_wait(struct joey_container *c, int *ret_wstatus, struct joey_err *err)
{
	int r = joey_wait_pid(c->state.pid, ret_wstatus);

	return r < 0 ? joey_err_sys(err, r, "wait for the container's init") : 0;
}

static int init_alone(const struct joey_container *c, pid_t **ret, size_t *ret_n, struct joey_err *err)
{
	pid_t *v = malloc(sizeof(*v));

	if (!v)
		return joey_err_sys(err, ENOMEM, "list processes");
	joey_warn("container %s runs without a cgroup: of its processes only the first is known", c->id);
	v[0] = c->state.pid;
	*ret = v;
	*ret_n = joey_init_is_alive(&c->state) ? 1 : 0;
	return 0;
}

int joey_init_pids(struct joey_container *c, pid_t **ret, size_t *ret_n, struct joey_err *err)
{
	autocgroup struct joey_cgroup *cg = NULL;
	int r = joey_init_cgroup(c, &cg, err);

	if (r < 0)
		return r;
	return cg ? joey_cgroup_pids(cg, ret, ret_n, err) : init_alone(c, ret, ret_n, err);
}

/* By the cgroup, which takes everybody and works on a frozen one, and by the pid where there is no cgroup. */
int joey_init_kill(struct joey_container *c, struct joey_cgroup *cg, struct joey_err *err)
{
	autoclose int pidfd = joey_init_pidfd(&c->state);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int r = 0;

	if (pidfd < 0)
		return 0;
	if (cg && joey_cgroup_fd(cg) >= 0)
		r = joey_cgroup_kill(cg, err);
	if (r < 0)
		return r;
	(void)joey_sys_pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	do
		r = poll(&p, 1, DEATH_DEADLINE_MS);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT, "container init still running");
	return 0;
}

/* ---- the cgroup ------------------------------------------------------------------------------------------------ */

/* The state outlives the cgroup object, so it needs the path for itself. */
static int record_cgroup(struct joey_container *c, const struct joey_cgroup *cg, struct joey_err *err)
{
	struct joey_cgroup_record rec;

	joey_cgroup_get_record(cg, &rec);
	if (rec.path && !joey_streq(rec.path, c->state.cgroup.path)) {
		rec.path = joey_arena_strdup(&c->arena, rec.path);
		if (!rec.path)
			return joey_err_sys(err, ENOMEM, "record cgroup");
	} else if (rec.path) {
		rec.path = c->state.cgroup.path;
	}
	c->state.cgroup = rec;
	return 0;
}

int joey_init_make_cgroup(struct joey_container *c, const struct joey_init_cgroup_args *args, struct joey_cgroup **ret,
			  struct joey_err *err)
{
	int r = joey_cgroup_new(args->driver, args->path, c->id, args->rootless, ret, err);

	if (r < 0)
		return r;
	r = joey_cgroup_annotate(*ret, args->annotations, err);
	if (r == 0)
		r = record_cgroup(c, *ret, err);
	if (r == 0)
		r = args->save(args->arg, err);
	if (r == 0) {
		r = joey_cgroup_create(*ret, args->resources, err);
		/* what a failed create did not make belongs to others, and the undoing must know that */
		if (r < 0)
			c->state.cgroup.created = false;
	}
	return r < 0 ? r : record_cgroup(c, *ret, err);
}
