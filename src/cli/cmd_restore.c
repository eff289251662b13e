/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli-internal.h"

#define R(member) offsetof(struct joey_restore_opts, member)

static const struct opt opts[] = {
	IMAGE_OPTS(struct joey_restore_opts) //
	{ "bundle", 'b', OPT_STRING, R(create.bundle), "DIR", "bundle directory (default: the current one)" },
	{ "console-socket", 0, OPT_STRING, R(create.console_socket), "PATH",
	  "AF_UNIX socket that gets the master of the container's terminal" },
	{ "pidfd-socket", 0, OPT_STRING, R(create.pidfd_socket), "PATH",
	  "AF_UNIX socket that gets a pidfd of the container's first process" },
	{ "pid-file", 0, OPT_STRING, R(create.pid_file), "FILE",
	  "write the pid of the container's first process to FILE" },
	{ "detach", 'd', OPT_BOOL, R(create.detach), NULL, "do not wait for the container" },
	{ "lsm-profile", 0, OPT_STRING, R(lsm_profile), "TYPE:NAME", "LSM profile to restore with" },
	{ "lsm-mount-context", 0, OPT_STRING, R(lsm_mount_context), "CONTEXT", "LSM mount context to restore with" },
	{ "parent-path", 0, OPT_NOTE, 0, "DIR", "accepted and ignored: the images know their parent" },
	{ "preserve-fds", 0, OPT_NOTE, 0, "N", "accepted and ignored: descriptors are those of the images" },
	{ "no-pivot", 0, OPT_SWITCH, 0, NULL, "accepted and ignored" },
	{ "no-new-keyring", 0, OPT_SWITCH, 0, NULL, "accepted and ignored" },
	{ "no-subreaper", 0, OPT_SWITCH, 0, NULL, "accepted and ignored" },
	OPT_END,
};
static const struct joey_restore_opts defaults = { .create = { .bundle = "." } };

static int run(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	struct joey_restore_opts o = *(const struct joey_restore_opts *)opts_in;
	int code = 0, r;

	(void)argc;
	o.create.id = argv[0];
	r = joey_rt_restore(&g->rt, &o, &code, err);
	return r < 0 ? r : code;
}

const struct command cmd_restore = {
	.name = "restore",
	.operands = "CONTAINER",
	.summary = "start a container from saved files",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.needs_runtime = true,
	.failure = 1,
	.run = run,
	.opts_size = sizeof(struct joey_restore_opts),
	.defaults = &defaults,
};
