/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/cli-internal.h"

struct list_opts {
	const char *format;
	bool quiet;
};

static const struct opt opts[] = {
	{ "format", 'f', OPT_STRING, offsetof(struct list_opts, format), "FORMAT", "table or json (default: table)" },
	{ "quiet", 'q', OPT_BOOL, offsetof(struct list_opts, quiet), NULL, "print ids only" },
	OPT_END,
};
static const struct list_opts defaults = { .format = "table" };

enum { COLUMNS = 7, GAP = 3, MIN_WIDTH = 12 };

struct row {
	const char *cell[COLUMNS];
	char pid[16];
};

static void fill_row(struct row *r, const struct joey_list_entry *e)
{
	snprintf(r->pid, sizeof(r->pid), "%d", (int)e->pid);
	r->cell[0] = e->id;
	r->cell[1] = r->pid;
	r->cell[2] = joey_status_to_string(e->status);
	r->cell[3] = e->bundle;
	r->cell[4] = e->created;
	r->cell[5] = e->owner;
	r->cell[6] = e->kind ? e->kind : "-";
}

static void widen(size_t width[COLUMNS], const struct row *r)
{
	for (size_t i = 0; i < COLUMNS; i++)
		if (strlen(r->cell[i]) + GAP > width[i])
			width[i] = strlen(r->cell[i]) + GAP;
}

static void add_padding(struct joey_str *s, size_t n)
{
	static const char blanks[] = "                ";

	for (size_t part; n > 0; n -= part) {
		part = n < sizeof(blanks) - 1 ? n : sizeof(blanks) - 1;
		joey_str_addn(s, blanks, part);
	}
}

/* printf would cost more than all else that is done for a container here. */
static void add_row(struct joey_str *s, const size_t width[COLUMNS], size_t columns, const struct row *r)
{
	for (size_t i = 0; i + 1 < columns; i++) {
		size_t n = strlen(r->cell[i]);

		joey_str_addn(s, r->cell[i], n);
		add_padding(s, width[i] - n);
	}
	joey_str_add(s, r->cell[columns - 1]);
	joey_str_add(s, "\n");
}

static void add_table(struct joey_str *s, const struct joey_list *l)
{
	static const struct row header = { .cell = { "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER", "SANDBOX" } };
	size_t width[COLUMNS],
		columns = COLUMNS - 1; /* the last one where there is a sandbox: the rest is runc's table */
	struct row r;

	for (size_t i = 0; i < COLUMNS; i++)
		width[i] = MIN_WIDTH;
	for (size_t i = 0; i < l->n; i++) {
		fill_row(&r, &l->v[i]);
		widen(width, &r);
		if (l->v[i].kind)
			columns = COLUMNS;
	}
	add_row(s, width, columns, &header);
	for (size_t i = 0; i < l->n; i++) {
		fill_row(&r, &l->v[i]);
		add_row(s, width, columns, &r);
	}
}

static void add_json(struct joey_str *s, const struct joey_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		joey_str_printf(s, "%s%s", i ? "," : "[", l->v[i].json);
	joey_str_add(s, l->n ? "]\n" : "null\n");
}

static void add_ids(struct joey_str *s, const struct joey_list *l)
{
	joey_str_add(s, "");
	for (size_t i = 0; i < l->n; i++)
		joey_str_printf(s, "%s\n", l->v[i].id);
}

static int run(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	const struct list_opts *o = opts_in;
	bool json = joey_streq(o->format, "json");
	autostr struct joey_str s = JOEY_STR_INIT;
	struct joey_list l = { NULL, 0 };
	int r;

	(void)argv;
	(void)argc;
	if (!json && !joey_streq(o->format, "table"))
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "invalid format option: %s", o->format);
	log_sinks_show_warnings();
	r = joey_rt_list(&g->rt, json && !o->quiet, &l, err);
	if (r == -ENOENT && !g->root)
		joey_err_clear(err); /* nobody has made a container yet */
	else if (r < 0)
		return r;
	if (o->quiet)
		add_ids(&s, &l);
	else if (json)
		add_json(&s, &l);
	else
		add_table(&s, &l);
	joey_list_done(&l);
	return s.failed ? joey_err_sys(err, ENOMEM, "list") : print_out(s.buf ? s.buf : "", err);
}

const struct command cmd_list = {
	.name = "list",
	.operands = "",
	.summary = "list the containers below the root",
	.opts = opts,
	.min_args = 0,
	.max_args = 0,
	.needs_runtime = true,
	.failure = 1,
	.run = run,
	.opts_size = sizeof(struct list_opts),
	.defaults = &defaults,
};
