/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update: under the lock, because what holds is read, changed and written.
 *
 *   1. what holds (config.json, or the last update's resources.json) and what is asked for become what will hold
 *   2. that is stored, as a whole
 *   3. the backend applies the difference, or puts everything back and fails; then the stored file is put back, too
 *
 * A SIGKILL between 2 and 3 leaves a record that is ahead of the container; the same update once more repairs it.
 */
#include <fcntl.h>

#include "runtime/runtime-internal.h"

struct update {
	struct rt_target t;
	const struct joey_config *config;
	struct joey_resources merged, apply;
};

static int read_asked(struct update *u, const char *file, struct joey_resources **ret, struct joey_err *err)
{
	bool standard_input = joey_streq(file, "-");
	autofree char *text = NULL;
	size_t len;
	int r;

	if (standard_input)
		r = joey_read_fd(STDIN_FILENO, JOEY_CONFIG_MAX_BYTES, &text, &len);
	else
		r = joey_read_file_at(AT_FDCWD, file, O_NONBLOCK, JOEY_CONFIG_MAX_BYTES, &text, &len);
	if (r < 0)
		return joey_err_sys(err, -r, "read resources from %s", standard_input ? "standard input" : file);
	r = joey_resources_parse(text, len, &u->t.c->arena, ret, err);
	return r < 0 ? joey_err_wrap(err, "resources from %s", standard_input ? "standard input" : file) : 0;
}

static int find(struct update *u, const struct joey_runtime *rt, const char *id, struct joey_err *err)
{
	struct joey_query q;
	int r = rt_target_find(&u->t, rt, id, err);

	if (r == 0)
		r = joey_container_lock(u->t.c, RT_LOCK_MS, err);
	if (r == 0)
		r = rt_target_load(&u->t, false, err);
	if (r == 0)
		r = rt_status(&u->t, &q, err);
	if (r == 0)
		r = joey_op_check(JOEY_OP_UPDATE, q.status, id, err);
	if (r == 0 && !u->t.be->update)
		r = rt_unsupported(&u->t, "update", err);
	return r < 0 ? r : joey_container_config(u->t.c, &u->config, err);
}

static int carry_out(struct update *u, const struct joey_update_opts *o, struct joey_err *err)
{
	const struct joey_update args = {
		.config = u->config,
		.apply = &u->apply,
		.l3_cache_schema = o->l3_cache_schema,
		.mem_bw_schema = o->mem_bw_schema,
	};
	autoerr struct joey_err sub = JOEY_ERR_INIT;
	int r = joey_container_save_resources(u->t.c, &u->merged, err);

	if (r < 0)
		return r;
	r = u->t.be->update(u->t.c, &args, err);
	if (r < 0 && joey_container_save_resources(u->t.c, u->config->resources, &sub) < 0)
		joey_warn("container %s: the stored resources are those of the failed update: %s", o->id,
			  joey_err_text(&sub));
	return r;
}

int joey_rt_update(const struct joey_runtime *rt, const struct joey_update_opts *o, struct joey_err *err)
{
	struct update u = { .t = RT_TARGET_INIT };
	struct joey_resources file_default = o->resources, *asked = &file_default;
	int r = find(&u, rt, o->id, err);

	if (r == 0 && o->resources_file)
		r = read_asked(&u, o->resources_file, &asked, err);
	if (r == 0)
		r = joey_resources_merge(&u.t.c->arena, u.config->resources, asked, &u.merged, &u.apply, err);
	if (r == 0)
		r = carry_out(&u, o, err);
	rt_target_done(&u.t);
	return r;
}
