/* SPDX-License-Identifier: Apache-2.0 */
/*
 * joey's entry: global options, one command, one result.  The only place that prints an error and makes an exit
 * code.  `--version` and `--help` touch nothing but standard output.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli-internal.h"

/* A caller that closed 0, 1 or 2 must not find a state file or a rootfs there. */
static int fill_standard_fds(struct joey_err *err)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) < 0)
			return joey_err_sys(err, errno, "open /dev/null");
	return 0;
}

static int check_args(const struct command *c, size_t n, struct joey_err *err)
{
	if (n >= c->min_args && n <= c->max_args)
		return 0;
	(void)print_out("Incorrect Usage.\n\n", NULL);
	(void)help_command(c, NULL);
	if (c->min_args == c->max_args)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "joey: \"%s\" requires exactly %zu argument(s)",
				    c->name, c->min_args);
	if (n < c->min_args)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "joey: \"%s\" requires a minimum of %zu argument(s)",
				    c->name, c->min_args);
	return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "joey: \"%s\" requires a maximum of %zu argument(s)", c->name,
			    c->max_args);
}

static void incorrect_usage(const struct joey_err *err)
{
	autostr struct joey_str s = JOEY_STR_INIT;

	joey_str_printf(&s, "Incorrect Usage: %s\n\n", joey_err_text(err));
	if (!s.failed)
		(void)print_out(s.buf, NULL);
}

static int run_sub(const struct command *c, struct globals *g, char **argv, size_t argc, struct joey_err *err);

static int run_command(const struct command *c, struct globals *g, char **argv, size_t argc, struct joey_err *err)
{
	autofree void *opts = calloc(1, c->opts_size ? c->opts_size : 1);
	bool help = false;
	size_t n = 0;
	int r, c_r = 0;

	if (!opts)
		return joey_err_sys(err, ENOMEM, "options");
	if (c->defaults)
		memcpy(opts, c->defaults, c->opts_size);
	r = opts_parse(c->opts, opts, argv, argc, c->stop_at_operand, &n, &help, err);
	if (c->needs_runtime && !help)
		c_r = globals_conf(g, r < 0 ? NULL : err);
	if (r < 0) {
		incorrect_usage(err);
		(void)help_command(c, NULL);
		return r;
	}
	if (help)
		return help_command(c, err);
	if (c_r < 0)
		return c_r;
	if (n > 0 && joey_startswith(c->operands, "CONTAINER"))
		log_sinks_container(argv[0]);
	r = check_args(c, n, err);
	if (r == 0 && c->subs)
		return run_sub(c, g, argv, n, err);
	if (r == 0)
		r = fill_standard_fds(err);
	if (r == 0 && c->needs_runtime)
		r = globals_finish(g, err);
	return r < 0 ? r : c->run(g, opts, argv, n, err);
}

static int run_sub(const struct command *c, struct globals *g, char **argv, size_t argc, struct joey_err *err)
{
	const struct command *sub = command_find_sub(c, argv[0]);

	if (!sub)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "joey: unknown command \"%s %s\"; see joey %s --help",
				    c->name, argv[0], c->name);
	return run_command(sub, g, argv + 1, argc - 1, err);
}

static int run_help(char **argv, size_t argc, struct joey_err *err)
{
	const struct command *c = argc > 0 ? command_find(argv[0]) : NULL;

	if (argc > 0 && !c)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "joey: unknown command \"%s\"", argv[0]);
	if (argc > 1 && command_find_sub(c, argv[1]))
		c = command_find_sub(c, argv[1]);
	return c ? help_command(c, err) : help_program(err);
}

/* argv: the command's own words, from its name on. */
static int enter_command(const struct command *c, struct globals *g, char **argv, size_t argc, char *const *all,
			 struct joey_err *err)
{
	int r = c->enters ? joey_self_protect(all) : 0;

	if (r < 0)
		return joey_err_sys(err, r, "take joey's own program out of the container's reach");
	return run_command(c, g, argv + 1, argc - 1, err);
}

static int dispatch(struct globals *g, char **argv, size_t argc, int *ret_failure, struct joey_err *err)
{
	const struct command *c;
	size_t at = 0;
	bool help = false;
	int r;

	r = opts_parse_globals(global_opts, g, argv, argc, &at, &help, err);
	if (r < 0) {
		(void)globals_log(g, NULL);
		incorrect_usage(err);
		return r;
	}
	if (g->version)
		return help_version(err);
	r = globals_log(g, err);
	if (r < 0)
		return r;
	if (at < argc && joey_streq(argv[at], "--"))
		at++;
	if (help || at == argc)
		return help_program(err);
	if (joey_streq(argv[at], "help") || joey_streq(argv[at], "h"))
		return run_help(argv + at + 1, argc - at - 1, err);
	c = command_find(argv[at]);
	if (!c)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "joey: unknown command \"%s\"; see joey --help",
				    argv[at]);
	*ret_failure = c->failure;
	return enter_command(c, g, argv + at, argc - at, argv - 1, err);
}

/* Engines have one line of configuration for a runtime: its program. */
static bool is_called(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');

	return joey_streq(slash ? slash + 1 : path, name);
}

int main(int argc, char **argv)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct globals g = { .conf = JOEY_CONF_INIT };
	int failure = 1, r;

	g.rt.called_vm = argc > 0 && is_called(argv[0], "joey-vm");
	r = argc > 0 ? dispatch(&g, argv + 1, (size_t)argc - 1, &failure, &err) : help_program(&err);
	free(g.root_path);
	if (r >= 0) {
		log_sinks_success();
	} else {
		log_sinks_error(&err);
		r = failure;
	}
	joey_conf_done(&g.conf);
	return r;
}
