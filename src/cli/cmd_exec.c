/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli-internal.h"

#define E(member) offsetof(struct joey_exec_opts, member)

static const struct opt opts[] = {
	{ "console-socket", 0, OPT_STRING, E(console_socket), "PATH",
	  "AF_UNIX socket that gets the master of the terminal" },
	{ "pidfd-socket", 0, OPT_STRING, E(pidfd_socket), "PATH", "AF_UNIX socket that gets a pidfd of the process" },
	{ "pid-file", 0, OPT_STRING, E(pid_file), "FILE", "write the pid of the process to FILE" },
	{ "detach", 'd', OPT_BOOL, E(detach), NULL, "do not wait for the process" },
	{ "cwd", 0, OPT_STRING, E(cwd), "DIR", "working directory in the container" },
	{ "env", 'e', OPT_LIST, E(env), "NAME=VALUE", "set an environment variable" },
	{ "tty", 't', OPT_BOOL, E(tty), NULL, "give it a terminal" },
	{ "user", 'u', OPT_STRING, E(user), "UID[:GID]", "run as this user" },
	{ "additional-gids", 'g', OPT_LIST, E(additional_gids), "GID", "add a group" },
	{ "process", 'p', OPT_STRING, E(process_file), "FILE", "take everything from a process.json" },
	{ "process-label", 0, OPT_STRING, E(process_label), "LABEL", "SELinux label" },
	{ "apparmor", 0, OPT_STRING, E(apparmor), "PROFILE", "AppArmor profile" },
	{ "no-new-privs", 0, OPT_MAYBE, E(no_new_privs), NULL, "set no_new_privs" },
	{ "cap", 'c', OPT_LIST, E(caps), "CAP", "add a capability" },
	{ "preserve-fds", 0, OPT_UINT, E(preserve_fds), "N", "pass N more descriptors on, from 3" },
	{ "cgroup", 0, OPT_STRING, E(cgroup), "PATH", "run in a cgroup below the container's" },
	{ "ignore-paused", 0, OPT_BOOL, E(ignore_paused), NULL, "allow it in a paused container" },
	OPT_END,
};

static int run(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	struct joey_exec_opts o = *(const struct joey_exec_opts *)opts_in;
	int code = 0, r;

	o.id = argv[0];
	o.args = argv + 1;
	o.n_args = argc - 1;
	r = joey_rt_exec(&g->rt, &o, &code, err);
	return r < 0 ? r : code;
}

const struct command cmd_exec = {
	.name = "exec",
	.operands = "CONTAINER [COMMAND [ARGUMENT...]]",
	.summary = "run another process in a container",
	.opts = opts,
	.min_args = 1,
	.max_args = SIZE_MAX,
	.stop_at_operand = true,
	.needs_runtime = true,
	.enters = true,
	.failure = 255,
	.run = run,
	.opts_size = sizeof(struct joey_exec_opts),
};
