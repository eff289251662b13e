/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli-internal.h"
#include "joey/check.h"

struct check_opts {
	const char *format;
};

static const struct opt opts[] = {
	{ "format", 'f', OPT_STRING, offsetof(struct check_opts, format), "FORMAT", "text or json (default: text)" },
	OPT_END,
};

static int print_text(const struct joey_findings *f, bool usable, struct joey_err *err)
{
	static const char *const marks[JOEY_FINDING_LEVEL_MAX] = { "ok", "limited", "MISSING" };
	autostr struct joey_str s = JOEY_STR_INIT;
	autofree char *text = NULL;

	for (size_t i = 0; i < f->n; i++) {
		const struct joey_finding *one = &f->v[i];

		joey_str_printf(&s, "%-8s %-9s %-21s %s%s%s\n", marks[one->level], one->area, one->name, one->detail,
				one->cost ? ": " : "", one->cost ? one->cost : "");
	}
	joey_str_printf(&s, "containers %s run on this host\n", usable ? "can" : "cannot");
	text = joey_str_take(&s);
	return text ? print_out(text, err) : joey_err_sys(err, ENOMEM, "print the findings");
}

static int print_json(const struct joey_findings *f, bool usable, struct joey_err *err)
{
	autofree char *json = NULL;
	int r = joey_rt_check_json(f, usable, &json, err);

	if (r == 0)
		r = print_out(json, err);
	return r < 0 ? r : print_out("\n", err);
}

static int run(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	const struct check_opts *o = opts_in;
	struct joey_findings f = { JOEY_ARENA_INIT, NULL, 0, 0 };
	bool usable = false, json = joey_streq(o->format, "json");
	int r;

	(void)g;
	(void)argv;
	(void)argc;
	if (!json && o->format && !joey_streq(o->format, "text"))
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "check: format \"%s\" is not text or json", o->format);
	r = joey_rt_check(&f, &usable, err);
	if (r == 0)
		r = json ? print_json(&f, usable, err) : print_text(&f, usable, err);
	joey_findings_done(&f);
	return r < 0 ? r : !usable;
}

const struct command cmd_check = {
	.name = "check",
	.operands = "",
	.summary = "say what this host offers, and what a missing piece costs",
	.opts = opts,
	.min_args = 0,
	.max_args = 0,
	.failure = 1,
	.run = run,
	.opts_size = sizeof(struct check_opts),
};
