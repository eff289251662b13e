/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_CONF_INTERNAL_H
#define JOEY_CONF_INTERNAL_H

#include "joey/conf.h"

enum { CONF_FILE_MAX = 64 << 10, CONF_LIST_MAX = 64, CONF_NAME_MAX = 64, CONF_PROFILES_MAX = 256 };

enum conf_type {
	CONF_WORD,  /* one of words; its number into an int */
	CONF_TEXT,  /* one of words; const char * */
	CONF_WORDS, /* any of words: bits of an unsigned */
	CONF_COUNT, /* uint32_t, min to max */
	CONF_SIZE,  /* uint64_t: bytes, or with K, M, G or T; min to max */
	CONF_PATH,  /* const char *: absolute, plain */
	CONF_PATHS, /* struct joey_strlist */
	CONF_DEST,  /* const char *: what --log takes; a path must be absolute */
	CONF_NAME,  /* const char *: of a profile */
	CONF_NAMES, /* struct joey_strlist, or "*" */
};

struct conf_key {
	const char *section, *key;
	enum conf_type type;
	size_t offset;            /* in struct joey_conf; of a profile: in struct joey_conf_profile */
	const char *const *words; /* NULL-terminated; NULL in it: none has this number */
	uint64_t min, max;
};

/* keys.c: every key there is. */
extern const struct conf_key conf_keys[];
extern const size_t conf_n_keys;
bool conf_section_known(const char *section);
/* NULL: unknown. */
const struct conf_key *conf_key_find(const char *section, const char *key);

/* values.c: value into what row says of base.  -EINVAL with *ret_why, which says what is wanted; -ENOMEM. */
int conf_value_set(struct joey_arena *arena, const struct conf_key *row, void *base, char *value, const char **ret_why);
bool conf_name_valid(const char *name);

#endif
