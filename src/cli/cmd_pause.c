/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli-internal.h"

static const struct opt opts[] = { OPT_END };

static int run(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	(void)opts_in;
	(void)argc;
	return joey_rt_pause(&g->rt, argv[0], err);
}

const struct command cmd_pause = {
	.name = "pause",
	.operands = "CONTAINER",
	.summary = "freeze all processes of a container",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.needs_runtime = true,
	.failure = 1,
	.run = run,
};
