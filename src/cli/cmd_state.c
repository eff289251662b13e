/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/cli-internal.h"

static const struct opt opts[] = { OPT_END };

static int run(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	autofree char *json = NULL;
	int r = joey_rt_state(&g->rt, argv[0], &json, err);

	(void)opts_in;
	(void)argc;
	return r < 0 ? r : print_out(json, err);
}

const struct command cmd_state = {
	.name = "state",
	.operands = "CONTAINER",
	.summary = "print the state of a container as JSON",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.needs_runtime = true,
	.failure = 1,
	.run = run,
};
