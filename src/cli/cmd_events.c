/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli-internal.h"

struct events_opts {
	const char *interval;
	bool stats;
};

static const struct opt opts[] = {
	{ "interval", 0, OPT_STRING, offsetof(struct events_opts, interval), "DURATION",
	  "time between two samples, such as 500ms or 1m30s (default: 5s)" },
	{ "stats", 0, OPT_BOOL, offsetof(struct events_opts, stats), NULL, "one sample, then exit" },
	OPT_END,
};
static const struct events_opts defaults = { .interval = "5s" };

static int print_line(void *arg, const char *text, struct joey_err *err)
{
	autostr struct joey_str s = JOEY_STR_INIT;

	(void)arg;
	joey_str_printf(&s, "%s\n", text);
	return s.failed ? joey_err_sys(err, ENOMEM, "events") : print_out(s.buf, err);
}

static int run(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	const struct events_opts *o = opts_in;
	struct joey_events_opts e = { .id = argv[0], .once = o->stats, .line = print_line };

	(void)argc;
	if (duration_from_string(o->interval, &e.interval_ms) < 0)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "invalid value \"%s\" for flag -interval: parse error",
				    o->interval);
	if (e.interval_ms == 0)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "duration interval must be greater than 0");
	return joey_rt_events(&g->rt, &e, err);
}

const struct command cmd_events = {
	.name = "events",
	.operands = "CONTAINER",
	.summary = "show statistics and out-of-memory events of a container",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.needs_runtime = true,
	.failure = 1,
	.run = run,
	.opts_size = sizeof(struct events_opts),
	.defaults = &defaults,
};
