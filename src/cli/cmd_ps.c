/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli-internal.h"

struct ps_opts {
	const char *format;
};

static const struct opt opts[] = {
	{ "format", 'f', OPT_STRING, offsetof(struct ps_opts, format), "FORMAT", "table or json (default: table)" },
	OPT_END,
};
static const struct ps_opts defaults = { .format = "table" };

static int show_json(const struct globals *g, const char *id, struct joey_err *err)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	autofree pid_t *pids = NULL;
	size_t n;
	int r = joey_rt_ps(&g->rt, id, &pids, &n, err);

	if (r < 0)
		return r;
	joey_str_add(&s, "[");
	for (size_t i = 0; i < n; i++)
		joey_str_printf(&s, "%s%d", i ? "," : "", (int)pids[i]);
	joey_str_add(&s, "]\n");
	return s.failed ? joey_err_sys(err, ENOMEM, "ps") : print_out(s.buf, err);
}

static int show_table(const struct globals *g, char **argv, size_t argc, struct joey_err *err)
{
	autofree char *text = NULL;
	int r = joey_rt_ps_table(&g->rt, argv[0], argv + 1, argc - 1, &text, err);

	return r < 0 ? r : print_out(text, err);
}

static int run(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	const struct ps_opts *o = opts_in;

	if (joey_streq(o->format, "json"))
		return show_json(g, argv[0], err);
	if (joey_streq(o->format, "table"))
		return show_table(g, argv, argc, err);
	return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "invalid format option: %s", o->format);
}

const struct command cmd_ps = {
	.name = "ps",
	.operands = "CONTAINER [PS-OPTION...]",
	.summary = "show the processes of a container",
	.opts = opts,
	.min_args = 1,
	.max_args = SIZE_MAX,
	.stop_at_operand = true,
	.needs_runtime = true,
	.failure = 1,
	.run = run,
	.opts_size = sizeof(struct ps_opts),
	.defaults = &defaults,
};
