/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the systemd driver makes of foreign text; the first byte chooses.
 * g: GVariant text: what is read has a signature that fits it; a: an annotation, of which at most one line comes, with
 * an allowed name and a value that is read again; p: a cgroupsPath, which stays below slices.
 */
#include <string.h>

#include "cgroups/systemd-internal.h"
#include "fuzz.h"
#include "joey/gvariant.h"

static void check(const struct joey_gv *v, const char **sig)
{
	char type = v->type == 'r' ? '(' : v->type;

	FUZZ_ASSERT(**sig == type);
	(*sig)++;
	if (v->type == 'a') {
		const char *element = *sig;

		for (size_t i = 0; i < v->u.kids.n; i++) {
			const char *s = element;

			check(v->u.kids.v[i], &s);
			*sig = s;
		}
	} else if (v->type == 'r') {
		for (size_t i = 0; i < v->u.kids.n; i++)
			check(v->u.kids.v[i], sig);
		FUZZ_ASSERT(**sig == ')');
		(*sig)++;
	} else if (v->type == 's') {
		FUZZ_ASSERT(v->u.s != NULL);
	}
}

static void value(const char *text)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct joey_err err = JOEY_ERR_INIT;
	struct joey_gv *v = NULL;

	if (joey_gv_parse(text, &arena, &v, &err) == 0) {
		const char *sig = v->sig;

		FUZZ_ASSERT(!strchr(text, '\n'));
		check(v, &sig);
	} else {
		FUZZ_ASSERT(err.errnum != 0);
	}
	joey_arena_done(&arena);
	joey_err_clear(&err);
}

static void annotation(char *text)
{
	char prefix[256] = "org.systemd.property.", *name = strsep(&text, "=");
	struct joey_pair pair = { prefix, text };
	struct joey_pairs pairs = { &pair, 1 };
	struct joey_str s = JOEY_STR_INIT;
	struct joey_err err = JOEY_ERR_INIT;

	if (!text || strlen(name) > 200)
		return;
	strcat(prefix, name);
	if (cgroup_sd_props_annotations(&pairs, &s, &err) == 0) {
		char *newline = strchr(s.buf, '\n'), *equals = strchr(s.buf, '=');

		FUZZ_ASSERT(newline && newline[1] == '\0' && equals);
		FUZZ_ASSERT(strncmp(s.buf, "Slice", 5) != 0 && strncmp(s.buf, "PIDs", 4) != 0);
		*newline = '\0';
		value(equals + 1);
	}
	joey_str_done(&s);
	joey_err_clear(&err);
}

static void path(const char *text)
{
	struct cgroup_sd_unit u = { 0 };
	struct joey_err err = JOEY_ERR_INIT;
	char *p = NULL, *clean = NULL;

	if (cgroup_sd_unit_parse(text, "id", false, &u, &err) == 0) {
		FUZZ_ASSERT(!strchr(u.unit, '/') && !strpbrk(u.unit, "\n' ") && !strpbrk(u.slice, "/\n' "));
		if (cgroup_sd_unit_path(&u, "", &p, &err) == 0 && *p) {
			FUZZ_ASSERT(cgroup_path_clean(p, &clean) == 0);
			FUZZ_ASSERT(strcmp(p, clean) == 0);
		}
	}
	free(p);
	free(clean);
	cgroup_sd_unit_done(&u);
	joey_err_clear(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	FUZZ_ASSERT(text != NULL);
	if (data[0] == 'g')
		value(text);
	else if (data[0] == 'a')
		annotation(text);
	else if (data[0] == 'p')
		path(text);
	free(text);
	return 0;
}
