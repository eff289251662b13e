/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.env: each entry NAME=VALUE; of entries with the same name only the last is kept, at the last one's place,
 * because getenv(3) of most libraries finds the first.  Costs n log n.
 */
#include <stdlib.h>
#include <string.h>

#include "oci/oci-internal.h"

struct entry {
	const char *text;
	size_t name_len, index;
};

static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	size_t n = x->name_len < y->name_len ? x->name_len : y->name_len;
	int r = memcmp(x->text, y->text, n);

	if (r != 0)
		return r;
	if (x->name_len != y->name_len)
		return x->name_len < y->name_len ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

static bool same_name(const struct entry *a, const struct entry *b)
{
	return a->name_len == b->name_len && memcmp(a->text, b->text, a->name_len) == 0;
}

static int variable(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	const char *eq = strchr(v->u.text, '=');

	if (!eq)
		return oci_fail(c, "invalid environment variable: missing '='");
	if (eq == v->u.text)
		return oci_fail(c, "invalid environment variable: name cannot be empty");
	return oci_any_string(c, v, element);
}

static int drop_overridden(struct oci_ctx *c, struct joey_strlist *list)
{
	autofree struct entry *sorted = NULL;
	size_t kept = 0;

	if (list->n < 2)
		return 0;
	sorted = reallocarray(NULL, list->n, sizeof(*sorted));
	if (!sorted)
		return oci_nomem(c);
	for (size_t i = 0; i < list->n; i++)
		sorted[i] = (struct entry){ list->v[i], strcspn(list->v[i], "="), i };
	qsort(sorted, list->n, sizeof(*sorted), compare);
	for (size_t i = 0; i + 1 < list->n; i++)
		if (same_name(&sorted[i], &sorted[i + 1]))
			list->v[sorted[i].index] = NULL;
	for (size_t i = 0; i < list->n; i++)
		if (list->v[i])
			list->v[kept++] = list->v[i];
	list->n = kept;
	list->v[kept] = NULL;
	return 0;
}

int oci_env(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_strlist *list = field;
	int r = oci_array(c, v, JOEY_JSON_STRING, sizeof(char *), variable, &list->v, &list->n);

	return r < 0 ? r : drop_overridden(c, list);
}
