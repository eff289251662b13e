/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli-internal.h"

struct kill_opts {
	bool all;
};

static const struct opt opts[] = {
	{ "all", 'a', OPT_BOOL, offsetof(struct kill_opts, all), NULL,
	  "signal every process of the container; none left is no error" },
	OPT_END,
};

static int run(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	const struct kill_opts *o = opts_in;
	int sig, r;

	r = signal_from_string(argc > 1 ? argv[1] : "TERM", &sig, err);
	return r < 0 ? r : joey_rt_kill(&g->rt, argv[0], sig, o->all, err);
}

const struct command cmd_kill = {
	.name = "kill",
	.operands = "CONTAINER [SIGNAL]",
	.summary = "send a signal (default: TERM) to a container",
	.opts = opts,
	.min_args = 1,
	.max_args = 2,
	.stop_at_operand = true,
	.needs_runtime = true,
	.failure = 1,
	.run = run,
	.opts_size = sizeof(struct kill_opts),
};
