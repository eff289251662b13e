/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option parser.  Not getopt_long(3): engines write long options with one dash (go-runc: -no-subreaper), as Go's
 * flag package takes them, and that would be read as a bundle of short ones.
 */
#include <string.h>

#include "cli/cli-internal.h"

struct cursor {
	const struct opt *opts;
	void *into;
	char **argv;
	size_t argc, at;
	bool help;
	struct joey_err *err;
};

static const struct opt *find(const struct opt *opts, const char *name, size_t len)
{
	for (; opts->name; opts++)
		if ((strlen(opts->name) == len && memcmp(opts->name, name, len) == 0) ||
		    (opts->alias && len == 1 && opts->alias == *name))
			return opts;
	return NULL;
}

static bool takes_value(const struct opt *o)
{
	return o->kind == OPT_STRING || o->kind == OPT_UINT || o->kind == OPT_LIST || o->kind == OPT_NOTE;
}

/* What Go's strconv.ParseBool takes. */
static int bool_from_string(const char *s, bool *ret)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(yes); i++) {
		if (joey_streq(s, yes[i]) || joey_streq(s, no[i])) {
			*ret = joey_streq(s, yes[i]);
			return 0;
		}
	}
	return -EINVAL;
}

static int usage(const struct cursor *c, const char *what, const char *value, const char *name)
{
	if (value)
		return joey_err_set(c->err, JOEY_EK_USAGE, EINVAL, "invalid %s \"%s\" for flag -%s: parse error", what,
				    value, name);
	return joey_err_set(c->err, JOEY_EK_USAGE, EINVAL, "%s: -%s", what, name);
}

static int append(const struct cursor *c, struct joey_strlist *list, char *value)
{
	char **v = reallocarray(list->v, list->n + 1, sizeof(*v));

	if (!v)
		return joey_err_sys(c->err, ENOMEM, "parse options");
	v[list->n++] = value;
	list->v = v;
	return 0;
}

static int store(const struct cursor *c, const struct opt *o, char *value)
{
	void *p = (char *)c->into + o->offset;
	uint32_t number;
	bool flag;

	switch (o->kind) {
	case OPT_SWITCH:
	case OPT_BOOL:
	case OPT_MAYBE:
		if (bool_from_string(value ? value : "true", &flag) < 0)
			return usage(c, "boolean value", value, o->name);
		if (o->kind == OPT_BOOL)
			*(bool *)p = flag;
		else if (o->kind == OPT_MAYBE)
			*(struct joey_opt_bool *)p = (struct joey_opt_bool){ true, flag };
		return 0;
	case OPT_STRING:
		*(const char **)p = value;
		return 0;
	case OPT_UINT:
		if (joey_parse_u32(value, &number) < 0)
			return usage(c, "value", value, o->name);
		*(unsigned *)p = number;
		return 0;
	case OPT_LIST:
		return append(c, p, value);
	case OPT_NOTE:
		return 0;
	}
	return 0;
}

/* argv[at] begins with a dash and is not "-" or "--". */
static int take_option(struct cursor *c)
{
	char *name = c->argv[c->at] + 1, *value;
	const struct opt *o;
	size_t len;

	if (*name == '-')
		name++;
	len = strcspn(name, "=");
	value = name[len] ? name + len + 1 : NULL;
	o = find(c->opts, name, len);
	c->at++;
	if (!o && ((len == 4 && memcmp(name, "help", 4) == 0) || (len == 1 && *name == 'h'))) {
		c->help = true;
		return 0;
	}
	if (len == 0 || *name == '-')
		return joey_err_set(c->err, JOEY_EK_USAGE, EINVAL, "bad flag syntax: %s", c->argv[c->at - 1]);
	if (!o)
		return joey_err_set(c->err, JOEY_EK_USAGE, EINVAL, "flag provided but not defined: -%.*s", (int)len,
				    name);
	if (takes_value(o) && !value) {
		if (c->at == c->argc)
			return usage(c, "flag needs an argument", NULL, o->name);
		value = c->argv[c->at++];
	}
	return store(c, o, value);
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] != '\0';
}

int opts_parse(const struct opt *opts, void *into, char **argv, size_t argc, bool stop, size_t *ret_n, bool *ret_help,
	       struct joey_err *err)
{
	struct cursor c = { opts, into, argv, argc, 0, false, err };
	size_t n = 0;
	bool ended = false;
	int r;

	while (c.at < argc && !c.help) {
		if (!ended && joey_streq(argv[c.at], "--")) {
			ended = true;
			c.at++;
		} else if (!ended && is_option(argv[c.at])) {
			r = take_option(&c);
			if (r < 0)
				return r;
		} else {
			argv[n++] = argv[c.at++];
			ended = ended || stop;
		}
	}
	*ret_n = n;
	*ret_help = c.help;
	return 0;
}

int opts_parse_globals(const struct opt *opts, void *into, char **argv, size_t argc, size_t *ret_at, bool *ret_help,
		       struct joey_err *err)
{
	struct cursor c = { opts, into, argv, argc, 0, false, err };

	while (c.at < argc && !c.help && is_option(argv[c.at]) && !joey_streq(argv[c.at], "--")) {
		int r = take_option(&c);

		if (r < 0)
			return r;
	}
	*ret_at = c.at;
	*ret_help = c.help;
	return 0;
}
