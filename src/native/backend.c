/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backend that runs containers on the host's own kernel: the table of its operations, and the small ones.
 * All of them work from state.json alone, so that they do after a SIGKILL of any earlier joey.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "joey/syscalls.h"
#include "native/native-internal.h"

enum { DEATH_DEADLINE_MS = 10000 };

/* ---- the backend's own object in state.json --------------------------------------------------------------- */

static struct joey_json *json_bool(struct joey_arena *a, bool v)
{
	struct joey_json *j = joey_arena_alloc(a, sizeof(*j));

	if (j) {
		j->type = JOEY_JSON_BOOL;
		j->u.boolean = v;
	}
	return j;
}

/* privatePids: killing init ends everything.  rdtGroup: the resctrl directory named by the id is to be removed. */
int native_save_data(struct joey_container *c, const struct native_plan *p, bool rdt_created, struct joey_err *err)
{
	static const char *const names[] = { "privatePids", "rdtGroup" };
	struct joey_json *o = joey_arena_alloc(&c->arena, sizeof(*o));
	const char **keys = joey_arena_array(&c->arena, 2, sizeof(*keys));
	struct joey_json **v = joey_arena_array(&c->arena, 2, sizeof(*v));

	if (!o || !keys || !v)
		return joey_err_sys(err, ENOMEM, "make the backend's state");
	keys[0] = names[0];
	keys[1] = names[1];
	v[0] = json_bool(&c->arena, joey_config_new_ns(p->config, JOEY_NS_PID));
	v[1] = json_bool(&c->arena, rdt_created);
	if (!v[0] || !v[1])
		return joey_err_sys(err, ENOMEM, "make the backend's state");
	o->type = JOEY_JSON_OBJECT;
	o->u.object.keys = keys;
	o->u.object.v = v;
	o->u.object.n = 2;
	c->state.backend_data = o;
	return 0;
}

static bool data_bool(const struct joey_container *c, const char *key)
{
	bool v = false;

	(void)joey_json_get_bool(c->state.backend_data, key, &v);
	return v;
}

/* ---- init's process ----------------------------------------------------------------------------------------- */

bool native_is_alive(const struct joey_state *st)
{
	uint64_t start;
	char letter;

	return st->pid > 0 && joey_proc_stat(st->pid, &start, &letter) == 0 && start == st->pid_start &&
	       letter != 'Z' && letter != 'X';
}

/* A pid names a process for sure only once a descriptor is held and the start time was compared after that. */
static int open_init(const struct joey_state *st)
{
	int fd;

	if (st->pid <= 0)
		return -ESRCH;
	fd = joey_sys_pidfd_open(st->pid, 0);
	if (fd < 0)
		return fd;
	if (!native_is_alive(st)) {
		joey_close(fd);
		return -ESRCH;
	}
	return fd;
}

int native_open_cgroup(struct joey_container *c, struct joey_cgroup **ret, struct joey_err *err)
{
	*ret = NULL;
	if (!c->state.cgroup.path)
		return 0;
	return joey_cgroup_open(&c->state.cgroup, ret, err);
}

/* ---- query ------------------------------------------------------------------------------------------------------ */

static bool waits_for_start(const struct joey_container *c)
{
	autoclose int fd = openat(c->dir_fd, NATIVE_START_FIFO, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0;
}

static bool is_frozen(const struct joey_container *c)
{
	bool frozen = false;

	return c->state.cgroup.path && joey_cgroup_record_is_frozen(&c->state.cgroup, &frozen) == 0 && frozen;
}

int native_query(struct joey_container *c, struct joey_query *ret, struct joey_err *err)
{
	const struct joey_state *st = &c->state;

	(void)err;
	*ret = (struct joey_query){ JOEY_ST_STOPPED, 0 };
	if (!native_is_alive(st)) {
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
		ret->status = waits_for_start(c) ? JOEY_ST_CREATED : JOEY_ST_RUNNING;
	return 0;
}

/* ---- signal -------------------------------------------------------------------------------------------------------
 */

static int signal_all(struct joey_container *c, int sig, struct joey_err *err)
{
	autocgroup struct joey_cgroup *cg = NULL;
	int r = native_open_cgroup(c, &cg, err);

	if (r < 0 || !cg || joey_cgroup_fd(cg) < 0)
		return r;
	return sig == SIGKILL ? joey_cgroup_kill(cg, err) : joey_cgroup_signal(cg, sig, err);
}

int native_signal(struct joey_container *c, int sig, unsigned flags, struct joey_err *err)
{
	autoclose int pidfd = open_init(&c->state);
	int r;

	if ((flags & JOEY_SIGNAL_ALL) && c->state.cgroup.path)
		return signal_all(c, sig, err);
	if (pidfd < 0)
		return flags & JOEY_SIGNAL_ALL ? 0 : joey_err_set(err, JOEY_EK_STATE, ESRCH, "container not running");
	r = joey_sys_pidfd_send_signal(pidfd, sig, NULL, 0);
	if (r == -ESRCH)
		return joey_err_set(err, JOEY_EK_STATE, ESRCH, "container not running");
	if (r < 0)
		return joey_err_sys(err, r, "send signal %d to container %s", sig, c->id);
	/* Without a pid namespace of its own, init's death takes nobody with it. */
	if (sig == SIGKILL && !data_bool(c, "privatePids"))
		return signal_all(c, sig, err);
	return 0;
}

int native_wait(struct joey_container *c, int *ret_wstatus, struct joey_err *err)
{
	int r = joey_wait_pid(c->state.pid, ret_wstatus);

	return r < 0 ? joey_err_sys(err, r, "wait for the container's init") : 0;
}

/* ---- destroy ------------------------------------------------------------------------------------------------------
 */

/* By the cgroup, which takes everybody and works on a frozen one, and by init's pid where there is no cgroup. */
static int kill_init(struct joey_container *c, struct joey_cgroup *cg, struct joey_err *err)
{
	autoclose int pidfd = open_init(&c->state);
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

static int remove_rdt(struct joey_container *c, struct joey_err *err)
{
	const struct joey_config *config;
	int r;

	if (!data_bool(c, "rdtGroup"))
		return 0;
	r = joey_container_config(c, &config, err);
	if (r < 0 || !config->intel_rdt)
		return r;
	return joey_intel_rdt_remove(config->intel_rdt, c->id, true, err);
}

int native_destroy(struct joey_container *c, struct joey_err *err)
{
	autocgroup struct joey_cgroup *cg = NULL;
	int r;

	r = native_open_cgroup(c, &cg, err);
	if (r == 0)
		r = kill_init(c, cg, err);
	if (r == 0 && cg)
		r = joey_cgroup_destroy(cg, err);
	if (r == 0)
		r = remove_rdt(c, err);
	return r;
}

const struct joey_backend joey_native_backend = {
	.name = "native",
	.check = native_check,
	.create = native_create,
	.restore = native_restore,
	.checkpoint = native_checkpoint,
	.start = native_start,
	.signal = native_signal,
	.query = native_query,
	.exec = native_exec,
	.set_paused = native_set_paused,
	.update = native_update,
	.pids = native_pids,
	.stats = native_stats,
	.watch = native_watch,
	.wait = native_wait,
	.destroy = native_destroy,
};
