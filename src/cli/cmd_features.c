/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli-internal.h"
#include "config.h"

static const struct opt opts[] = { OPT_END };

static int run(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	autofree char *json = NULL;
	int r = joey_rt_features(JOEY_VERSION, JOEY_COMMIT, &json, err);

	(void)g;
	(void)opts_in;
	(void)argv;
	(void)argc;
	return r < 0 ? r : print_out(json, err);
}

const struct command cmd_features = {
	.name = "features",
	.operands = "",
	.summary = "print what this joey supports, as JSON",
	.opts = opts,
	.min_args = 0,
	.max_args = 0,
	.failure = 1,
	.run = run,
};
