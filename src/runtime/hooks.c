/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks of the runtime's namespace: prestart, createRuntime, poststart, poststop. The backend runs the others. */
#include <fcntl.h>

#include "joey/setup.h"
#include "runtime/runtime-internal.h"

uint32_t rt_hooks_mask(const struct joey_config *config)
{
	uint32_t mask = 0;

	for (int k = 0; k < JOEY_HOOK_MAX; k++)
		if (config->hooks[k].n > 0)
			mask |= 1U << k;
	return mask;
}

static int hook_input(const struct joey_state *st, enum joey_status status, pid_t pid, char **ret, struct joey_err *err)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	int r;

	if (!o)
		return joey_err_sys(err, ENOMEM, "state for hooks");
	joey_json_out_object(o, NULL);
	joey_state_write_oci(o, st, status, pid);
	joey_json_out_end(o);
	r = joey_json_out_finish(o, ret, NULL);
	return r < 0 ? joey_err_sys(err, -r, "state for hooks") : 0;
}

int rt_hooks_run(struct joey_container *c, enum joey_hook_kind kind, enum joey_status status, pid_t pid,
		 struct joey_err *err)
{
	const struct joey_config *config;
	autofree char *json = NULL;
	autoclose int dir_fd = -EBADF;
	int r;

	if (!(c->state.hooks & (1U << kind)))
		return 0;
	r = joey_container_config(c, &config, err);
	if (r == 0)
		r = hook_input(&c->state, status, pid, &json, err);
	if (r < 0)
		return r;
	/* runc's hooks start in the bundle; it may be gone at poststop. */
	dir_fd = open(c->state.bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return joey_hooks_run(config, kind, json, environ, dir_fd < 0 ? -EBADF : dir_fd, err);
}
