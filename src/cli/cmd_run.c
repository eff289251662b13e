/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli-internal.h"

#define R(member) offsetof(struct joey_create_opts, member)

static const struct opt opts[] = {
	CREATE_OPTS{ "detach", 'd', OPT_BOOL, R(detach), NULL, "do not wait for the container" },
	{ "keep", 0, OPT_BOOL, R(keep), NULL, "do not delete the container when it has ended" },
	{ "no-subreaper", 0, OPT_SWITCH, 0, NULL, "accepted and ignored" },
	OPT_END,
};
static const struct joey_create_opts defaults = { .bundle = "." };

static int run(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	struct joey_create_opts o = *(const struct joey_create_opts *)opts_in;
	int code = 0, r;

	(void)argc;
	o.id = argv[0];
	r = joey_rt_run(&g->rt, &o, &code, err);
	return r < 0 ? r : code;
}

const struct command cmd_run = {
	.name = "run",
	.operands = "CONTAINER",
	.summary = "create and start a container, and wait for its end",
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
