/* SPDX-License-Identifier: Apache-2.0 */
/* list: every container below the root, by name. One that cannot be read is a warning, never the end of the list. */
#include <string.h>

#include "runtime/runtime-internal.h"

void rt_list_entry_done(struct joey_list_entry *e)
{
	free(e->id);
	free(e->bundle);
	free(e->created);
	free(e->owner);
	free(e->kind);
	free(e->json);
	memset(e, 0, sizeof(*e));
}

void joey_list_done(struct joey_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		rt_list_entry_done(&l->v[i]);
	free(l->v);
	*l = (struct joey_list){ NULL, 0 };
}

static int fill_entry(const struct rt_target *t, struct rt_listing *ls, struct joey_list_entry *e, struct joey_err *err)
{
	const struct joey_state *st = &t->c->state;
	const struct joey_json *shown = joey_json_get(st->backend_data, "shown");
	struct joey_query q;
	int r = rt_status(t, &q, err);

	if (r < 0)
		return r;
	e->id = strdup(st->id);
	e->bundle = strdup(st->bundle);
	e->created = strdup(st->created);
	e->owner = rt_owner_name(&ls->users, st->owner_uid);
	e->pid = q.pid;
	if (shown && asprintf(&e->kind, "%s/%s", joey_json_get_string(shown, "kind"),
			      joey_json_get_string(shown, "accelerator")) < 0)
		return joey_err_sys(err, ENOMEM, "list");
	e->status = q.status;
	if (!e->id || !e->bundle || !e->created || !e->owner)
		return joey_err_sys(err, ENOMEM, "list");
	return ls->json ? rt_state_document(st, &q, e->owner, 0, &e->json, err) : 0;
}

/* Deleted meanwhile, or just being made: no news.  Half made and left by its creator: the user may want to know. */
static void explain_missing_state(int root_fd, const char *id)
{
	autocontainer struct joey_container *c = NULL;

	if (joey_container_open(root_fd, id, &c, NULL) < 0 || joey_container_lock(c, 0, NULL) < 0)
		return;
	if (!joey_container_is_gone(c) && joey_container_reload(c, NULL) < 0)
		joey_warn("container %s: left by an interrupted create; remove it with delete --force", id);
}

/* *ret_done: entry is filled. */
static void load_entry(struct rt_listing *ls, const char *id, struct joey_list_entry *e, bool *ret_done)
{
	autocontainer struct joey_container *c = NULL;
	autoerr struct joey_err sub = JOEY_ERR_INIT;
	struct rt_target t = { ls->root_fd, NULL, NULL };
	int r = joey_container_load(ls->root_fd, id, false, &c, &sub);

	*ret_done = false;
	if (r < 0 && sub.kind == JOEY_EK_NOT_FOUND) {
		explain_missing_state(ls->root_fd, id);
		return;
	}
	if (r == 0) {
		t.c = c;
		t.be = joey_backend_by_name(c->state.backend);
		r = t.be ? fill_entry(&t, ls, e, &sub)
			 : joey_err_set(&sub, JOEY_EK_UNSUPPORTED, ENOTSUP, "backend \"%s\" is not known",
					c->state.backend);
	}
	if (r < 0)
		joey_warn("load container %s: %s", id, joey_err_text(&sub));
	*ret_done = r == 0;
}

void rt_list_slice(struct rt_listing *ls, const struct rt_slice *slice, struct joey_list *l)
{
	for (size_t i = 0; i < slice->n; i++) {
		bool done;

		load_entry(ls, slice->names[i], &l->v[l->n], &done);
		if (done)
			l->n++;
		else
			rt_list_entry_done(&l->v[l->n]);
	}
}

static int list_names(struct rt_listing *ls, char **names, size_t n, struct joey_list *l, struct joey_err *err)
{
	l->v = calloc(n, sizeof(*l->v));
	if (!l->v)
		return joey_err_sys(err, ENOMEM, "list");
	rt_list_shared(ls, names, n, l);
	return 0;
}

int joey_rt_list(const struct joey_runtime *rt, bool json, struct joey_list *ret, struct joey_err *err)
{
	autoclose int root_fd = -EBADF;
	struct rt_listing ls = { -EBADF, json, { NULL, false } };
	struct joey_list l = { NULL, 0 };
	char **names = NULL;
	size_t n = 0;
	int r = joey_root_open(rt->root, false, &root_fd, err);

	ls.root_fd = root_fd;
	joey_cgroup_keep_mount();
	if (r == 0)
		r = joey_container_list(root_fd, &names, &n, err);
	if (r == 0 && n > 0)
		r = list_names(&ls, names, n, &l, err);
	rt_users_done(&ls.users);
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
	if (r == 0)
		*ret = l;
	return r;
}
