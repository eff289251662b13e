/* SPDX-License-Identifier: Apache-2.0 */
/* Help texts come from the same tables as the parser. No stdio: it is not needed for a few lines. */
#include <string.h>

#include "cli/cli-internal.h"
#include "config.h"

enum { COLUMN = 28 };

int print_out(const char *text, struct joey_err *err)
{
	int r = joey_write_all(STDOUT_FILENO, text, strlen(text));

	return r < 0 ? joey_err_sys(err, -r, "write standard output") : 0;
}

static int print_str(struct joey_str *s, struct joey_err *err)
{
	return s->failed || !s->buf ? joey_err_sys(err, ENOMEM, "help text") : print_out(s->buf, err);
}

static void add_row(struct joey_str *s, size_t width, const char *text)
{
	joey_str_printf(s, "%*s%s\n", width < COLUMN ? (int)(COLUMN - width) : 2, "", text);
}

static void add_command(struct joey_str *s, const char *name, const char *summary)
{
	size_t start = s->len;

	joey_str_printf(s, "   %s", name);
	add_row(s, s->len - start, summary);
}

static void add_option(struct joey_str *s, const struct opt *o)
{
	size_t start = s->len;

	joey_str_printf(s, "   --%s", o->name);
	if (o->value)
		joey_str_printf(s, " %s", o->value);
	if (o->alias)
		joey_str_printf(s, ", -%c", o->alias);
	add_row(s, s->len - start, o->help);
}

static const struct opt help_option = { "help", 'h', OPT_SWITCH, 0, NULL, "show this help" };

static void add_rows(struct joey_str *s, const struct opt *o)
{
	for (; o->name; o++)
		add_option(s, o);
}

int help_program(struct joey_err *err)
{
	autostr struct joey_str s = JOEY_STR_INIT;

	joey_str_add(&s, "NAME:\n   joey - run containers from OCI bundles\n\n"
			 "USAGE:\n   joey [global options] command [command options] [operands]\n\nCOMMANDS:\n");
	for (size_t i = 0; commands[i]; i++)
		add_command(&s, commands[i]->name, commands[i]->summary);
	add_command(&s, "help", "show this help, or that of a command");
	joey_str_add(&s, "\nOPTIONS:\n");
	add_rows(&s, global_opts);
	add_option(&s, &help_option);
	return print_str(&s, err);
}

int help_command(const struct command *c, struct joey_err *err)
{
	autostr struct joey_str s = JOEY_STR_INIT;

	joey_str_printf(&s, "NAME:\n   joey %s - %s\n\nUSAGE:\n   joey %s [command options]%s%s\n", c->name, c->summary,
			c->name, *c->operands ? " " : "", c->operands);
	if (c->subs)
		joey_str_add(&s, "\nCOMMANDS:\n");
	for (size_t i = 0; c->subs && c->subs[i]; i++)
		add_command(&s, command_sub_name(c->subs[i]), c->subs[i]->summary);
	joey_str_add(&s, "\nOPTIONS:\n");
	for (size_t i = 0; c->subs && c->subs[i]; i++)
		add_rows(&s, c->subs[i]->opts);
	add_rows(&s, c->opts);
	add_option(&s, &help_option);
	return print_str(&s, err);
}

int help_version(struct joey_err *err)
{
	return print_out("joey version " JOEY_VERSION "\ncommit: " JOEY_COMMIT "\nspec: " JOEY_OCI_VERSION "\n", err);
}
