/* SPDX-License-Identifier: Apache-2.0 */
/* Finding an existing container, and what state it is in. */
#include "runtime/runtime-internal.h"

bool rt_is_partial(const struct joey_container *c)
{
	return !c->state.backend;
}

static int find_backend(struct rt_target *t, struct joey_err *err)
{
	t->be = joey_backend_by_name(t->c->state.backend);
	if (!t->be)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP,
				    "container %s was made by backend \"%s\", which this joey does not have", t->c->id,
				    t->c->state.backend);
	return 0;
}

int rt_target_find(struct rt_target *t, const struct joey_runtime *rt, const char *id, struct joey_err *err)
{
	int r = joey_id_check(id, err);

	if (r < 0)
		return r;
	r = joey_root_open(rt->root, false, &t->root_fd, err);
	if (r == -ENOENT)
		return joey_err_set(err, JOEY_EK_NOT_FOUND, ENOENT, "container does not exist");
	return r < 0 ? r : joey_container_open(t->root_fd, id, &t->c, err);
}

int rt_target_load(struct rt_target *t, bool allow_partial, struct joey_err *err)
{
	autoerr struct joey_err sub = JOEY_ERR_INIT;

	if (joey_container_reload(t->c, &sub) < 0 && !(allow_partial && sub.kind == JOEY_EK_NOT_FOUND))
		return rt_err_move(err, &sub);
	return find_backend(t, err);
}

int rt_unsupported(const struct rt_target *t, const char *verb, struct joey_err *err)
{
	return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP, "%s is not supported by backend %s", verb, t->be->name);
}

void rt_target_done(struct rt_target *t)
{
	joey_container_free(t->c);
	t->c = NULL;
	t->root_fd = joey_close(t->root_fd);
}

int rt_status(const struct rt_target *t, struct joey_query *ret, struct joey_err *err)
{
	const struct joey_state *st = &t->c->state;
	struct joey_query q = { JOEY_ST_STOPPED, 0 };
	int r;

	if (st->creating) {
		/* The leftover of a killed create is stopped: its init died with its creator. */
		if (joey_creator_is_alive(st))
			q = (struct joey_query){ JOEY_ST_CREATING, st->pid };
	} else {
		r = t->be->query(t->c, &q, err);
		if (r < 0)
			return r;
	}
	if (q.status == JOEY_ST_STOPPED)
		q.pid = 0;
	*ret = q;
	return 0;
}
