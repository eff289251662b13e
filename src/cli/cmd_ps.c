/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli-internal.h"

struct ps_opts {
	const char *format;
	bool guest;
};

static const struct opt opts[] = {
	{ "format", 'f', OPT_STRING, offsetof(struct ps_opts, format), "FORMAT", "table or json (default: table)" },
	{ "guest", 0, OPT_BOOL, offsetof(struct ps_opts, guest), NULL,
	  "of a sandboxed container: its processes as the guest numbers them" },
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

static void add_guest_json(struct joey_str *s, const struct joey_guest_processes *p)
{
	joey_str_add(s, "[");
	for (size_t i = 0; i < p->n; i++)
		joey_str_printf(s, "%s%u", i ? "," : "", p->v[i].pid);
	joey_str_add(s, "]\n");
}

static void add_guest_table(struct joey_str *s, const struct joey_guest_processes *p)
{
	joey_str_printf(s, "%10s %10s S CMD\n", "PID", "UID");
	for (size_t i = 0; i < p->n; i++)
		joey_str_printf(s, "%10u %10u %c %s\n", p->v[i].pid, p->v[i].uid, p->v[i].state, p->v[i].command);
}

static int show_guest(const struct globals *g, const char *id, bool json, struct joey_err *err)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	struct joey_guest_processes p = { NULL, 0 };
	int r = joey_rt_guest_processes(&g->rt, id, &p, err);

	if (r < 0)
		return r;
	(json ? add_guest_json : add_guest_table)(&s, &p);
	joey_guest_processes_done(&p);
	return s.failed ? joey_err_sys(err, ENOMEM, "ps") : print_out(s.buf, err);
}

static int run(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	const struct ps_opts *o = opts_in;

	bool json = joey_streq(o->format, "json");

	if (!json && !joey_streq(o->format, "table"))
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "invalid format option: %s", o->format);
	if (o->guest && argc > 1)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "ps: --guest takes no options of ps(1)");
	if (o->guest)
		return show_guest(g, argv[0], json, err);
	return json ? show_json(g, argv[0], err) : show_table(g, argv, argc, err);
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
