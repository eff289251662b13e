/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backend that runs containers on the host's own kernel: the table of its operations, and the small ones.
 * All of them work from state.json alone, so that they do after a SIGKILL of any earlier joey.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "joey/init.h"
#include "joey/syscalls.h"
#include "native/native-internal.h"

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

/* ---- signal ----------------------------------------------------------------------------------------------------- */

static int signal_all(struct joey_container *c, int sig, struct joey_err *err)
{
	autocgroup struct joey_cgroup *cg = NULL;
	int r = joey_init_cgroup(c, &cg, err);

	if (r < 0 || !cg || joey_cgroup_fd(cg) < 0)
		return r;
	return sig == SIGKILL ? joey_cgroup_kill(cg, err) : joey_cgroup_signal(cg, sig, err);
}

int native_signal(struct joey_container *c, int sig, unsigned flags, struct joey_err *err)
{
	autoclose int pidfd = joey_init_pidfd(&c->state);
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

/* ---- destroy ---------------------------------------------------------------------------------------------------- */

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

	r = joey_init_cgroup(c, &cg, err);
	if (r == 0)
		r = joey_init_kill(c, cg, err);
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
	.start = joey_gate_open,
	.signal = native_signal,
	.query = joey_init_query,
	.exec = native_exec,
	.set_paused = native_set_paused,
	.update = native_update,
	.pids = joey_init_pids,
	.stats = native_stats,
	.watch = native_watch,
	.wait = joey_init_wait,
	.destroy = native_destroy,
};
