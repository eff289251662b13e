/* SPDX-License-Identifier: Apache-2.0 */
/* template: saved machines that sandboxed containers start from; one subcommand for each thing to be done with them. */
#include <string.h>

#include "cli/cli-internal.h"
#include "joey/json.h"

enum { SHORT_KEY = 12, COLUMNS = 11, GAP = 3 };

static const struct opt no_opts[] = { OPT_END };

/* ---- build ------------------------------------------------------------------------------------------------------ */

struct build_opts {
	const char *profile, *memory;
};

static const struct opt build_table[] = {
	{ "profile", 0, OPT_STRING, offsetof(struct build_opts, profile), "NAME",
	  "build: for containers of this profile of joey.conf (default: its default profile)" },
	{ "memory", 0, OPT_STRING, offsetof(struct build_opts, memory), "SIZE",
	  "build: for machines with so much memory (512M, 2G), rounded up to a power of two" },
	OPT_END,
};

static int run_build(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	const struct build_opts *in = opts_in;
	struct joey_template_opts o = { .profile = in->profile };
	autofree char *key = NULL;
	int64_t memory = 0;
	char line[SHORT_KEY + 2];
	int r;

	(void)argv;
	(void)argc;
	if (in->memory && (size_from_string(in->memory, &memory) < 0 || memory <= 0))
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "invalid memory: %s", in->memory);
	o.memory = (uint64_t)memory;
	r = joey_rt_template_build(&g->rt, &o, &key, err);
	if (r < 0)
		return r;
	snprintf(line, sizeof(line), "%.*s\n", SHORT_KEY, key);
	return print_out(line, err);
}

/* ---- list ------------------------------------------------------------------------------------------------------- */

struct list_opts {
	const char *format;
};
static const struct list_opts list_defaults = { .format = "table" };

static const struct opt list_table[] = {
	{ "format", 'f', OPT_STRING, offsetof(struct list_opts, format), "FORMAT",
	  "list: table or json (default: table)" },
	OPT_END,
};

struct row {
	char *cell[COLUMNS];
};

static void add_cell(struct row *r, size_t at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void add_cell(struct row *r, size_t at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&r->cell[at], fmt, ap) < 0)
		r->cell[at] = NULL;
	va_end(ap);
}

static void add_size(struct row *r, size_t at, uint64_t bytes)
{
	const uint64_t mib = bytes >> 20;

	if (mib >= 1024 && mib % 1024 == 0)
		add_cell(r, at, "%lluG", (unsigned long long)(mib / 1024));
	else
		add_cell(r, at, "%lluM", (unsigned long long)mib);
}

static void add_age(struct row *r, size_t at, uint64_t s)
{
	static const struct {
		uint64_t s;
		char unit;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	size_t i = 0;

	while (i + 1 < JOEY_ARRAY_SIZE(units) && s < 2 * units[i].s)
		i++;
	add_cell(r, at, "%llu%c", (unsigned long long)(s / units[i].s), units[i].unit);
}

static void add_pid(struct row *r, size_t at, pid_t pid)
{
	if (pid)
		add_cell(r, at, "%d", (int)pid);
	else
		add_cell(r, at, "-");
}

static void fill_row(struct row *r, const struct joey_template *t)
{
	add_cell(r, 0, "%.*s", SHORT_KEY, t->key);
	add_cell(r, 1, "%s", t->kernel ? t->accelerator : "-");
	add_size(r, 2, t->memory);
	add_cell(r, 3, "%u", t->vcpus);
	add_cell(r, 4, "%u", t->network_devices);
	add_age(r, 5, t->age);
	add_size(r, 6, t->size);
	add_pid(r, 7, t->holder);
	add_pid(r, 8, t->zygote);
	add_cell(r, 9, "%s", t->kernel ? t->kernel : "-");
	add_cell(r, 10, "%s%s", t->why ? "bad: " : "good", t->why ? t->why : "");
}

static void fill_header(struct row *r)
{
	static const char *const names[COLUMNS] = { "KEY",  "ACCEL",  "MEMORY", "VCPUS",  "NETS", "AGE",
						    "SIZE", "HOLDER", "ZYGOTE", "KERNEL", "STATE" };

	for (size_t i = 0; i < COLUMNS; i++)
		add_cell(r, i, "%s", names[i]);
}

static void add_rows(struct joey_str *s, const struct row *rows, size_t n)
{
	size_t width[COLUMNS] = { 0 };

	for (size_t i = 0; i < n; i++)
		for (size_t c = 0; c < COLUMNS; c++)
			if (!rows[i].cell[c])
				s->failed = true;
			else if (strlen(rows[i].cell[c]) > width[c])
				width[c] = strlen(rows[i].cell[c]);
	for (size_t i = 0; i < n && !s->failed; i++)
		for (size_t c = 0; c < COLUMNS; c++)
			if (c + 1 < COLUMNS)
				joey_str_printf(s, "%-*s", (int)width[c] + GAP, rows[i].cell[c]);
			else
				joey_str_printf(s, "%s\n", rows[i].cell[c]);
}

static void add_table(struct joey_str *s, const struct joey_templates *t)
{
	struct row *rows = calloc(t->n + 1, sizeof(*rows));

	if (!rows) {
		s->failed = true;
		return;
	}
	fill_header(&rows[0]);
	for (size_t i = 0; i < t->n; i++)
		fill_row(&rows[i + 1], &t->v[i]);
	add_rows(s, rows, t->n + 1);
	for (size_t i = 0; i <= t->n; i++)
		for (size_t c = 0; c < COLUMNS; c++)
			free(rows[i].cell[c]);
	free(rows);
}

static void put_text(struct joey_json_out *o, const char *key, const char *text)
{
	if (text)
		joey_json_out_string(o, key, text);
}

static void add_json(struct joey_str *s, const struct joey_templates *t)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	autofree char *text = NULL;

	joey_json_out_array(o, NULL);
	for (size_t i = 0; i < t->n; i++) {
		const struct joey_template *one = &t->v[i];

		joey_json_out_object(o, NULL);
		joey_json_out_string(o, "key", one->key);
		joey_json_out_string(o, "state", one->why ? "bad" : "good");
		put_text(o, "why", one->why);
		put_text(o, "accelerator", one->kernel ? one->accelerator : NULL);
		joey_json_out_u64(o, "memory", one->memory);
		joey_json_out_u64(o, "vcpus", one->vcpus);
		joey_json_out_u64(o, "networkDevices", one->network_devices);
		put_text(o, "kernel", one->kernel);
		put_text(o, "trust", one->trust);
		put_text(o, "created", one->created);
		joey_json_out_u64(o, "age", one->age);
		joey_json_out_u64(o, "size", one->size);
		joey_json_out_i64(o, "holder", one->holder);
		joey_json_out_i64(o, "zygote", one->zygote);
		joey_json_out_end(o);
	}
	joey_json_out_end(o);
	if (joey_json_out_finish(o, &text, NULL) < 0)
		s->failed = true;
	else
		joey_str_printf(s, "%s\n", text);
}

static int run_list(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	const struct list_opts *o = opts_in;
	bool json = joey_streq(o->format, "json");
	autostr struct joey_str s = JOEY_STR_INIT;
	struct joey_templates t = { NULL, 0 };
	int r;

	(void)g;
	(void)argv;
	(void)argc;
	if (!json && !joey_streq(o->format, "table"))
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "invalid format option: %s", o->format);
	r = joey_rt_template_list(&t, err);
	if (r < 0)
		return r;
	(json ? add_json : add_table)(&s, &t);
	joey_templates_done(&t);
	return s.failed ? joey_err_sys(err, ENOMEM, "list the templates") : print_out(s.buf, err);
}

/* ---- remove, prune ---------------------------------------------------------------------------------------------- */

/* All that can be; the first error counts. */
static int run_remove(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	int failed = 0;

	(void)g;
	(void)opts_in;
	for (size_t i = 0; i < argc; i++) {
		autoerr struct joey_err sub = JOEY_ERR_INIT;
		int r = joey_rt_template_remove(argv[i], failed ? &sub : err);

		if (!failed)
			failed = r;
	}
	return failed;
}

struct prune_opts {
	bool all;
};

static const struct opt prune_table[] = {
	{ "all", 'a', OPT_BOOL, offsetof(struct prune_opts, all), NULL, "prune: every one, good ones too" },
	OPT_END,
};

static int run_prune(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	const struct prune_opts *o = opts_in;
	char line[64];
	size_t n = 0;
	int r = joey_rt_template_prune(o->all, &n, err);

	(void)g;
	(void)argv;
	(void)argc;
	snprintf(line, sizeof(line), "%zu removed\n", n);
	return r < 0 ? r : print_out(line, err);
}

/* ----------------------------------------------------------------------------------------------------------------- */

static const struct command cmd_build = {
	.name = "template build",
	.operands = "",
	.summary = "make the one that a container would start from, unless it is there",
	.opts = build_table,
	.needs_runtime = true,
	.failure = 1,
	.run = run_build,
	.opts_size = sizeof(struct build_opts),
};

static const struct command cmd_template_list = {
	.name = "template list",
	.operands = "",
	.summary = "list them, with those that cannot be used",
	.opts = list_table,
	.needs_runtime = true,
	.failure = 1,
	.run = run_list,
	.opts_size = sizeof(struct list_opts),
	.defaults = &list_defaults,
};

static const struct command cmd_remove = {
	.name = "template remove",
	.operands = "KEY...",
	.summary = "remove some; the first digits of a key will do",
	.opts = no_opts,
	.min_args = 1,
	.max_args = SIZE_MAX,
	.needs_runtime = true,
	.failure = 1,
	.run = run_remove,
};

static const struct command cmd_prune = {
	.name = "template prune",
	.operands = "",
	.summary = "remove those that nothing can use any more",
	.opts = prune_table,
	.needs_runtime = true,
	.failure = 1,
	.run = run_prune,
	.opts_size = sizeof(struct prune_opts),
};

static const struct command *const subs[] = { &cmd_build, &cmd_template_list, &cmd_remove, &cmd_prune, NULL };

const struct command cmd_template = {
	.name = "template",
	.operands = "COMMAND [KEY...]",
	.summary = "show and manage the saved machines that sandboxed containers start from",
	.subs = subs,
	.opts = no_opts,
	.min_args = 1,
	.max_args = SIZE_MAX,
	.stop_at_operand = true,
	.failure = 1,
};
