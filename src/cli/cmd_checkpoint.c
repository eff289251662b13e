/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli-internal.h"

#define C(member) offsetof(struct joey_checkpoint_opts, member)

static const struct opt opts[] = {
	IMAGE_OPTS(struct joey_checkpoint_opts) //
	{ "parent-path", 0, OPT_STRING, C(parent_path), "DIR",
	  "images of an earlier pre-dump, relative to image-path" },
	{ "page-server", 0, OPT_STRING, C(page_server), "ADDRESS:PORT", "send memory there" },
	{ "status-fd", 0, OPT_STRING, C(status_fd), "FD", "say there when lazy pages may be asked for" },
	{ "leave-running", 0, OPT_BOOL, C(leave_running), NULL, "let the container go on" },
	{ "pre-dump", 0, OPT_BOOL, C(pre_dump), NULL, "memory only, the container goes on" },
	OPT_END,
};

static int run(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	struct joey_checkpoint_opts o = *(const struct joey_checkpoint_opts *)opts_in;

	(void)argc;
	o.id = argv[0];
	return joey_rt_checkpoint(&g->rt, &o, err);
}

const struct command cmd_checkpoint = {
	.name = "checkpoint",
	.operands = "CONTAINER",
	.summary = "save a running container to files",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.needs_runtime = true,
	.failure = 1,
	.run = run,
	.opts_size = sizeof(struct joey_checkpoint_opts),
};
