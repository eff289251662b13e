/* SPDX-License-Identifier: Apache-2.0 */
/* state: no lock, so that it answers whatever else is going on. */
#include "runtime/runtime-internal.h"

/* Key order is runc's. */
int rt_state_document(const struct joey_state *st, const struct joey_query *q, const char *owner, unsigned indent,
		      char **ret, struct joey_err *err)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(indent);
	const struct joey_json *shown;
	int r;

	if (!o)
		return joey_err_sys(err, ENOMEM, "write state");
	joey_json_out_object(o, NULL);
	joey_json_out_string(o, "ociVersion", st->oci_version);
	joey_json_out_string(o, "id", st->id);
	joey_json_out_i64(o, "pid", q->pid);
	joey_json_out_string(o, "status", joey_status_to_string(q->status));
	joey_json_out_string(o, "bundle", st->bundle);
	joey_json_out_string(o, "rootfs", st->rootfs);
	joey_json_out_string(o, "created", st->created);
	if (st->annotations.n > 0) {
		joey_json_out_object(o, "annotations");
		for (size_t i = 0; i < st->annotations.n; i++)
			joey_json_out_string(o, st->annotations.v[i].key, st->annotations.v[i].value);
		joey_json_out_end(o);
	}
	joey_json_out_string(o, "owner", owner);
	/* What a backend wants users to know. */
	shown = joey_json_get(st->backend_data, "shown");
	if (shown)
		joey_json_out_value(o, "sandbox", shown);
	joey_json_out_end(o);
	r = joey_json_out_finish(o, ret, NULL);
	return r < 0 ? joey_err_sys(err, -r, "write state") : 0;
}

int joey_rt_state(const struct joey_runtime *rt, const char *id, char **ret_json, struct joey_err *err)
{
	autotarget struct rt_target t = RT_TARGET_INIT;
	struct joey_query q;
	int r = rt_target_find(&t, rt, id, err);

	if (r == 0)
		r = rt_target_load(&t, false, err);
	if (r == 0)
		r = rt_status(&t, &q, err);
	return r < 0 ? r : rt_state_document(&t.c->state, &q, "", 2, ret_json, err);
}
