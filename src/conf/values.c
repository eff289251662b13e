/* SPDX-License-Identifier: Apache-2.0 */
/* What a value may look like, type by type.  Nothing is guessed: what is not exactly right is refused with what is
 * wanted. */
#include <string.h>

#include "conf/conf-internal.h"

typedef int (*item_fn)(char *item, const char **ret_why);

static int refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EINVAL;
}

static const char *wanted(struct joey_arena *arena, const char *const *words, const char *what)
{
	const char *text = what, *between = " ";

	for (; *words; words++) {
		if (!**words)
			continue;
		text = joey_arena_printf(arena, "%s%s%s", text ? text : "", between, *words);
		between = ", ";
	}
	return text ? text : what;
}

static int word_number(const char *const *words, const char *value)
{
	for (int i = 0; words[i]; i++)
		if (*value && joey_streq(words[i], value))
			return i;
	return -EINVAL;
}

bool conf_name_valid(const char *name)
{
	static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	size_t len = strlen(name);

	return len > 0 && len <= CONF_NAME_MAX && strchr(first, *name) &&
	       name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")] == '\0';
}

/* Plain: a comparison of texts must tell what is below what. */
static int check_path(char *path, const char **ret_why)
{
	static const char why[] = "wanted is an absolute path without \".\", \"..\", and doubled or closing slashes";
	const char *p = path;

	if (*p != '/' || strlen(p) >= 4096)
		return refuse(ret_why, why);
	while (p[1] || p == path) {
		size_t len = strcspn(++p, "/");

		if (!*p && p == path + 1)
			return 0; /* "/" */
		if (len == 0 || (len <= 2 && strncmp(p, "..", len) == 0))
			return refuse(ret_why, why);
		p += len;
		if (!*p)
			return 0;
	}
	return refuse(ret_why, why);
}

static int check_name(char *name, const char **ret_why)
{
	return conf_name_valid(name) ? 0 : refuse(ret_why, "wanted is a profile's name: letters, digits, _ . -");
}

static int check_dest(char *value, const char **ret_why)
{
	if (joey_startswith(value, "journald:") || joey_startswith(value, "syslog:"))
		return 0;
	return check_path(joey_startswith(value, "file:") ? value + strlen("file:") : value, ret_why);
}

/* The next word of a list, or NULL.  Commas and blanks are alike. */
static char *next_word(char **at)
{
	char *word = *at + strspn(*at, ", \t"), *end = word + strcspn(word, ", \t");

	if (!*word)
		return NULL;
	*at = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

static int set_list(struct joey_arena *arena, struct joey_strlist *list, char *value, item_fn check,
		    const char **ret_why)
{
	char **v = joey_arena_array(arena, CONF_LIST_MAX + 1, sizeof(*v)), *word;
	size_t n = 0;

	if (!v)
		return -ENOMEM;
	while ((word = next_word(&value))) {
		int r = check(word, ret_why);

		if (r < 0)
			return r;
		if (n == CONF_LIST_MAX)
			return refuse(ret_why, "too many words");
		v[n] = joey_arena_strdup(arena, word);
		if (!v[n++])
			return -ENOMEM;
	}
	*list = (struct joey_strlist){ v, n };
	return 0;
}

static int set_names(struct joey_arena *arena, struct joey_strlist *list, char *value, const char **ret_why)
{
	struct joey_strlist star = { joey_arena_array(arena, 2, sizeof(char *)), 1 };

	if (!joey_streq(value, "*"))
		return set_list(arena, list, value, check_name, ret_why);
	if (!star.v)
		return -ENOMEM;
	star.v[0] = joey_arena_strdup(arena, "*");
	if (!star.v[0])
		return -ENOMEM;
	*list = star;
	return 0;
}

static int set_words(struct joey_arena *arena, const struct conf_key *row, unsigned *bits, char *value,
		     const char **ret_why)
{
	unsigned got = 0;
	char *word;

	while ((word = next_word(&value))) {
		int i = word_number(row->words, word);

		if (i < 0)
			return refuse(ret_why, wanted(arena, row->words, "wanted are any of"));
		got |= 1U << i;
	}
	*bits = got;
	return 0;
}

static int get_number(char *value, bool size, uint64_t *ret)
{
	size_t len = strlen(value);
	const char *unit = size && len > 1 ? strchr("KMGT", value[len - 1]) : NULL;
	uint64_t v = 0;
	int r;

	if (unit)
		value[len - 1] = '\0';
	r = joey_parse_u64(value, &v);
	if (r == 0 && unit && __builtin_mul_overflow(v, (uint64_t)1 << (10 * (unit - "KMGT" + 1)), &v))
		r = -ERANGE;
	if (r == 0)
		*ret = v;
	return r;
}

static int set_number(struct joey_arena *arena, const struct conf_key *row, void *to, char *value, const char **ret_why)
{
	bool size = row->type == CONF_SIZE;
	uint64_t v = 0;

	if (get_number(value, size, &v) < 0 || v < row->min || v > row->max) {
		const char *why = joey_arena_printf(arena, "wanted is a %s from %llu to %llu",
						    size ? "size (bytes, or a number with K, M, G or T)" : "number",
						    (unsigned long long)row->min, (unsigned long long)row->max);

		return refuse(ret_why, why ? why : "wanted is a number");
	}
	if (size)
		*(uint64_t *)to = v;
	else
		*(uint32_t *)to = (uint32_t)v;
	return 0;
}

static int set_text(struct joey_arena *arena, const char **to, char *value, int checked)
{
	const char *copy;

	if (checked < 0)
		return checked;
	copy = joey_arena_strdup(arena, value);
	if (!copy)
		return -ENOMEM;
	*to = copy;
	return 0;
}

int conf_value_set(struct joey_arena *arena, const struct conf_key *row, void *base, char *value, const char **ret_why)
{
	void *to = (char *)base + row->offset;
	int i;

	switch (row->type) {
	case CONF_WORD:
	case CONF_TEXT:
		i = word_number(row->words, value);
		if (i < 0)
			return refuse(ret_why, wanted(arena, row->words, "wanted is one of"));
		if (row->type == CONF_WORD)
			*(int *)to = i;
		else
			*(const char **)to = row->words[i];
		return 0;
	case CONF_WORDS:
		return set_words(arena, row, to, value, ret_why);
	case CONF_COUNT:
	case CONF_SIZE:
		return set_number(arena, row, to, value, ret_why);
	case CONF_PATH:
		return set_text(arena, to, value, check_path(value, ret_why));
	case CONF_DEST:
		return set_text(arena, to, value, check_dest(value, ret_why));
	case CONF_NAME:
		return set_text(arena, to, value, check_name(value, ret_why));
	case CONF_PATHS:
		return set_list(arena, to, value, check_path, ret_why);
	case CONF_NAMES:
		return set_names(arena, to, value, ret_why);
	}
	return -EINVAL;
}
