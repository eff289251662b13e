/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of joey.conf(5): "[section]", "[profile NAME]", "key = value", and lines that begin with '#'.  Strict:
 * what is not understood is an error with its line, for a line that is passed over may have been somebody's protection.
 */
#include <string.h>

#include "conf/conf-internal.h"

struct parser {
	struct joey_conf *conf;
	const char *file;
	unsigned line;
	const char *section; /* NULL: none yet */
	void *base;          /* what its offsets count from */
	unsigned *seen;      /* by row: the line where the present section has set it */
	unsigned profile_line, profiles_line, runtime_line, sandbox_line;
	struct joey_err *err;
};

static int complain(const struct parser *p, unsigned line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int complain(const struct parser *p, unsigned line, const char *fmt, ...)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	joey_str_vprintf(&s, fmt, ap);
	va_end(ap);
	return joey_err_set(p->err, JOEY_EK_CONFIG, EINVAL, "%s:%u: %s", p->file, line, s.failed ? "bad line" : s.buf);
}

static int no_memory(const struct parser *p)
{
	return joey_err_sys(p->err, ENOMEM, "read %s", p->file);
}

static int add_profile(struct parser *p, char *name)
{
	struct joey_conf *c = p->conf;

	if (!conf_name_valid(name))
		return complain(p, p->line, "bad name \"%.64s\" of a profile: letters, digits, _ . -, at most %d", name,
				CONF_NAME_MAX);
	if (joey_conf_profile(c, name))
		return complain(p, p->line, "[profile %s] is there twice", name);
	if (c->n_profiles == CONF_PROFILES_MAX)
		return complain(p, p->line, "more than %d profiles", CONF_PROFILES_MAX);
	if (!c->profiles)
		c->profiles = joey_arena_array(&c->arena, CONF_PROFILES_MAX, sizeof(*c->profiles));
	name = joey_arena_strdup(&c->arena, name);
	if (!c->profiles || !name)
		return no_memory(p);
	c->profiles[c->n_profiles].name = name;
	p->base = &c->profiles[c->n_profiles++];
	p->section = "profile";
	return 0;
}

static int begin_section(struct parser *p, char *line)
{
	size_t len = strlen(line);
	unsigned *before;

	if (line[len - 1] != ']')
		return complain(p, p->line, "no ] behind %.64s", line);
	line[len - 1] = '\0';
	line = joey_str_trim(line + 1);
	memset(p->seen, 0, conf_n_keys * sizeof(*p->seen));
	if (joey_startswith(line, "profile ") || joey_startswith(line, "profile\t"))
		return add_profile(p, joey_str_trim(line + strlen("profile ")));
	if (joey_streq(line, "profile"))
		return complain(p, p->line, "[profile NAME] has a name");
	if (!conf_section_known(line))
		return complain(p, p->line, "unknown section [%.64s]", line);
	p->section = joey_streq(line, "runtime") ? "runtime" : "sandbox";
	before = joey_streq(line, "runtime") ? &p->runtime_line : &p->sandbox_line;
	if (*before)
		return complain(p, p->line, "[%s] is there twice, first in line %u", p->section, *before);
	*before = p->line;
	p->base = p->conf;
	return 0;
}

static int set_key(struct parser *p, char *line)
{
	char *value = strchr(line, '='), *key = line;
	const struct conf_key *row;
	const char *why = "bad value";
	autofree char *shown = NULL;
	int r;

	if (!value)
		return complain(p, p->line, "neither [section] nor key = value: %.64s", line);
	*value++ = '\0';
	key = joey_str_trim(key);
	value = joey_str_trim(value);
	if (!p->section)
		return complain(p, p->line, "%.64s stands before the first [section]", key);
	row = conf_key_find(p->section, key);
	if (!row)
		return complain(p, p->line, "unknown key \"%.64s\" in [%s]", key, p->section);
	if (p->seen[row - conf_keys])
		return complain(p, p->line, "%s is set twice, first in line %u", key, p->seen[row - conf_keys]);
	p->seen[row - conf_keys] = p->line;
	if (strstr(value, " #") || strstr(value, "\t#"))
		return complain(p, p->line, "%s: a comment has a line of its own", key);
	shown = strndup(value, 64);
	r = conf_value_set(&p->conf->arena, row, p->base, value, &why);
	if (r == -ENOMEM || !shown)
		return no_memory(p);
	if (r < 0)
		return complain(p, p->line, "%s: bad value \"%s\": %s", key, shown, why);
	if (row->type == CONF_NAME)
		p->profile_line = p->line;
	if (row->type == CONF_NAMES)
		p->profiles_line = p->line;
	return 0;
}

static int take_line(struct parser *p, char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)line[i] < 0x20 && line[i] != '\t') || line[i] == 0x7f)
			return complain(p, p->line, "control character 0x%02x in column %zu", (unsigned char)line[i],
					i + 1);
	line = joey_str_trim(line);
	if (*line == '\0' || *line == '#')
		return 0;
	return *line == '[' ? begin_section(p, line) : set_key(p, line);
}

/* Names of profiles may stand before the profile. */
static int check_names(const struct parser *p)
{
	const struct joey_conf *c = p->conf;

	if (c->sandbox.profile && !joey_conf_profile(c, c->sandbox.profile))
		return complain(p, p->profile_line, "there is no [profile %s]", c->sandbox.profile);
	for (size_t i = 0; i < c->sandbox.profiles_allowed.n; i++) {
		const char *name = c->sandbox.profiles_allowed.v[i];

		if (!joey_streq(name, "*") && !joey_conf_profile(c, name))
			return complain(p, p->profiles_line, "there is no [profile %s]", name);
	}
	return 0;
}

int joey_conf_parse(struct joey_conf *conf, const char *file, char *text, size_t len, struct joey_err *err)
{
	struct parser p = { .conf = conf, .file = file, .err = err };
	char *end = text + len;

	p.seen = joey_arena_array(&conf->arena, conf_n_keys, sizeof(*p.seen));
	conf->file = joey_arena_strdup(&conf->arena, file);
	if (!p.seen || !conf->file)
		return no_memory(&p);
	while (text < end) {
		char *eol = memchr(text, '\n', (size_t)(end - text));
		int r;

		if (!eol)
			eol = end;
		*eol = '\0';
		p.line++;
		r = take_line(&p, text, (size_t)(eol - text));
		if (r < 0)
			return r;
		text = eol + 1;
	}
	return check_names(&p);
}

const struct joey_conf_profile *joey_conf_profile(const struct joey_conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->n_profiles; i++)
		if (joey_streq(conf->profiles[i].name, name))
			return &conf->profiles[i];
	return NULL;
}

bool joey_conf_profile_allowed(const struct joey_conf *conf, const char *name)
{
	const struct joey_strlist *allowed = &conf->sandbox.profiles_allowed;

	if (joey_streq(conf->sandbox.profile, name))
		return name != NULL;
	for (size_t i = 0; name && i < allowed->n; i++)
		if (joey_streq(allowed->v[i], "*") || joey_streq(allowed->v[i], name))
			return true;
	return false;
}

bool joey_conf_dir_allowed(const struct joey_strlist *dirs, const char *path)
{
	for (size_t i = 0; i < dirs->n; i++) {
		size_t len = strlen(dirs->v[i]);

		if (joey_streq(dirs->v[i], "/"))
			len = 0;
		if (strncmp(path, dirs->v[i], len) == 0 && path[len] == '/' && path[len + 1])
			return true;
	}
	return false;
}

void joey_conf_done(struct joey_conf *conf)
{
	joey_arena_done(&conf->arena);
	*conf = (struct joey_conf)JOEY_CONF_INIT;
}
