/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli-internal.h"

static const struct opt opts[] = { CREATE_OPTS OPT_END };
static const struct joey_create_opts defaults = { .bundle = "." };

static int run(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	struct joey_create_opts o = *(const struct joey_create_opts *)opts_in;

	(void)argc;
	o.id = argv[0];
	return joey_rt_create(&g->rt, &o, err);
}

const struct command cmd_create = {
	.name = "create",
	.operands = "CONTAINER",
	.summary = "set a container up, its process waits for start",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.needs_runtime = true,
	.enters = true,
	.failure = 1,
	.run = run,
	.opts_size = sizeof(struct joey_create_opts),
	.defaults = &defaults,
};
