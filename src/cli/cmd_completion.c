/* SPDX-License-Identifier: Apache-2.0 */
/* Completion scripts for shells, made from the same tables as the parser and the help texts. */
#include <string.h>

#include "cli/cli-internal.h"

typedef void (*script_fn)(struct joey_str *s);

/* For a word in single quotes; the characters in special get a backslash as well. */
static void add_quoted(struct joey_str *s, const char *text, const char *special)
{
	for (; *text; text++) {
		if (*text == '\'')
			joey_str_add(s, "'\\''");
		else
			joey_str_printf(s, "%s%c", strchr(special, *text) ? "\\" : "", *text);
	}
}

static bool takes_value(const struct opt *o)
{
	return o->value;
}

/* Commands on an existing container; those that make one take a bundle. */
static bool wants_container(const struct command *c)
{
	if (!joey_startswith(c->operands, "CONTAINER"))
		return false;
	for (const struct opt *o = c->opts; o->name; o++)
		if (joey_streq(o->name, "bundle"))
			return false;
	return true;
}

/* A command's own options, and those of its subcommands. */
typedef void (*option_fn)(struct joey_str *s, const char *condition, const struct opt *o);

static void each_option(struct joey_str *s, const struct command *c, const char *condition, option_fn fn)
{
	for (const struct opt *o = c->opts; o->name; o++)
		fn(s, condition, o);
	for (size_t i = 0; c->subs && c->subs[i]; i++)
		each_option(s, c->subs[i], condition, fn);
}

static void add_subs(struct joey_str *s, const struct command *c)
{
	for (size_t i = 0; c->subs && c->subs[i]; i++)
		joey_str_printf(s, "%s ", command_sub_name(c->subs[i]));
}

static void option_word(struct joey_str *s, const char *condition, const struct opt *o)
{
	(void)condition;
	joey_str_printf(s, "--%s ", o->name);
}

/* ---- bash -------------------------------------------------------------------------------------------------- */

static void bash_globals_with_value(struct joey_str *s)
{
	const char *between = "\t\t";

	for (const struct opt *o = global_opts; o->name; o++) {
		if (!takes_value(o))
			continue;
		joey_str_printf(s, "%s--%s", between, o->name);
		between = " | ";
	}
	joey_str_add(s, ") i=$((i + 1)) ;;\n");
}

static void bash(struct joey_str *s)
{
	joey_str_add(s, "# bash completion for joey: source it, or install it as a completion file\n"
			"_joey() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} cmd='' words='' ids='' i\n"
			"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n\t\tcase ${COMP_WORDS[i]} in\n");
	bash_globals_with_value(s);
	joey_str_add(
		s,
		"\t\t-*) ;;\n\t\t*) cmd=${COMP_WORDS[i]} && break ;;\n\t\tesac\n\tdone\n\tcase $cmd in\n\t'') words='");
	for (const struct opt *o = global_opts; o->name; o++)
		option_word(s, NULL, o);
	joey_str_add(s, "--help");
	for (size_t i = 0; commands[i]; i++)
		joey_str_printf(s, " %s", commands[i]->name);
	joey_str_add(s, "' ;;\n");
	for (size_t i = 0; commands[i]; i++) {
		joey_str_printf(s, "\t%s) words='", commands[i]->name);
		add_subs(s, commands[i]);
		each_option(s, commands[i], NULL, option_word);
		joey_str_printf(s, "--help'%s ;;\n", wants_container(commands[i]) ? " ids=1" : "");
	}
	joey_str_add(s, "\tesac\n\t[[ -z $ids || $cur == -* ]] || words=$(joey list -q 2>/dev/null)\n"
			"\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\ncomplete -o default -F "
			"_joey joey\n");
}

/* ---- zsh --------------------------------------------------------------------------------------------------- */

static void zsh_option(struct joey_str *s, const char *condition, const struct opt *o)
{
	(void)condition;
	joey_str_printf(s, " \\\n\t\t'--%s[", o->name);
	add_quoted(s, o->help, "[]:");
	joey_str_add(s, "]");
	if (takes_value(o)) {
		joey_str_add(s, ":");
		add_quoted(s, o->value, "[]:");
		joey_str_add(s, ":_files");
	}
	joey_str_add(s, "'");
}

static void zsh(struct joey_str *s)
{
	joey_str_add(s,
		     "#compdef joey\n# zsh completion for joey\n_joey_containers() {\n"
		     "\tcompadd -- ${(f)\"$(joey list -q 2>/dev/null)\"}\n}\n_joey() {\n\tlocal -a cmds\n\tcmds=(\n");
	for (size_t i = 0; commands[i]; i++) {
		joey_str_printf(s, "\t\t'%s:", commands[i]->name);
		add_quoted(s, commands[i]->summary, ":");
		joey_str_add(s, "'\n");
	}
	joey_str_add(s, "\t)\n\tlocal line state\n\t_arguments -C");
	for (const struct opt *o = global_opts; o->name; o++)
		zsh_option(s, NULL, o);
	joey_str_add(s,
		     " \\\n\t\t'1: :->command' '*:: :->rest'\n\tcase $state in\n\tcommand) _describe command cmds ;;\n"
		     "\trest)\n\t\tcase $line[1] in\n");
	for (size_t i = 0; commands[i]; i++) {
		joey_str_printf(s, "\t\t%s) _arguments", commands[i]->name);
		each_option(s, commands[i], NULL, zsh_option);
		if (commands[i]->subs) {
			joey_str_add(s, " '1:command:(");
			add_subs(s, commands[i]);
			joey_str_add(s, ")'");
		}
		joey_str_printf(s, " '%s' ;;\n",
				wants_container(commands[i]) ? "1:container:_joey_containers" : "*: :_files");
	}
	joey_str_add(s, "\t\tesac ;;\n\tesac\n}\n_joey \"$@\"\n");
}

/* ---- fish -------------------------------------------------------------------------------------------------- */

static void fish_option(struct joey_str *s, const char *condition, const struct opt *o)
{
	joey_str_printf(s, "complete -c joey -n '%s' -l %s", condition, o->name);
	if (o->alias)
		joey_str_printf(s, " -s %c", o->alias);
	joey_str_printf(s, "%s -d \"", takes_value(o) ? " -r" : "");
	for (const char *p = o->help; *p; p++)
		joey_str_printf(s, "%s%c", strchr("\"$\\", *p) ? "\\" : "", *p);
	joey_str_add(s, "\"\n");
}

static void fish(struct joey_str *s)
{
	autofree char *all = NULL;
	struct joey_str names = JOEY_STR_INIT;

	joey_str_add(&names, "not __fish_seen_subcommand_from");
	for (size_t i = 0; commands[i]; i++)
		joey_str_printf(&names, " %s", commands[i]->name);
	all = joey_str_take(&names);
	if (!all) {
		s->failed = true;
		return;
	}
	joey_str_add(s, "# fish completion for joey\ncomplete -c joey -f\n");
	for (const struct opt *o = global_opts; o->name; o++)
		fish_option(s, all, o);
	for (size_t i = 0; commands[i]; i++) {
		char condition[96];

		joey_str_printf(s, "complete -c joey -n '%s' -a %s -d \"%s\"\n", all, commands[i]->name,
				commands[i]->summary);
		snprintf(condition, sizeof(condition), "__fish_seen_subcommand_from %s", commands[i]->name);
		each_option(s, commands[i], condition, fish_option);
		if (commands[i]->subs) {
			joey_str_printf(s, "complete -c joey -n '%s' -a '", condition);
			add_subs(s, commands[i]);
			joey_str_add(s, "'\n");
		}
		if (wants_container(commands[i]))
			joey_str_printf(s, "complete -c joey -n '%s' -a '(joey list -q 2>/dev/null)'\n", condition);
	}
}

/* ------------------------------------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	script_fn make;
} shells[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };

static const struct opt opts[] = { OPT_END };

static int run(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	(void)g;
	(void)opts_in;
	(void)argc;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(shells); i++) {
		autostr struct joey_str s = JOEY_STR_INIT;

		if (!joey_streq(argv[0], shells[i].name))
			continue;
		shells[i].make(&s);
		return s.failed ? joey_err_sys(err, ENOMEM, "make the completion script") : print_out(s.buf, err);
	}
	return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "completion: shell \"%s\" is not bash, zsh or fish", argv[0]);
}

const struct command cmd_completion = {
	.name = "completion",
	.operands = "SHELL",
	.summary = "print a completion script for bash, zsh or fish",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.failure = 1,
	.run = run,
};
