/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli-internal.h"

struct delete_opts {
	bool force;
};

static const struct opt opts[] = {
	{ "force", 'f', OPT_BOOL, offsetof(struct delete_opts, force), NULL,
	  "kill what runs, clean up whatever is left; no error if there is nothing" },
	OPT_END,
};

static int run(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	const struct delete_opts *o = opts_in;

	(void)argc;
	return joey_rt_delete(&g->rt, argv[0], o->force, err);
}

const struct command cmd_delete = {
	.name = "delete",
	.operands = "CONTAINER",
	.summary = "remove a container that has ended, and what it held",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.needs_runtime = true,
	.failure = 1,
	.run = run,
	.opts_size = sizeof(struct delete_opts),
};
