/* SPDX-License-Identifier: Apache-2.0 */
/* linux.intelRdt and linux.memoryPolicy, and the syntax of number lists. */
#include <linux/mempolicy.h>
#include <string.h>

#include "oci/oci-internal.h"

/* ---- lists ------------------------------------------------------------------------------------------------------ */

/* One number of at most five digits, below 65536. */
static bool list_number(const char **p, unsigned *ret)
{
	unsigned value = 0;
	size_t n = strspn(*p, "0123456789");

	if (n == 0 || n > 5)
		return false;
	for (size_t i = 0; i < n; i++)
		value = value * 10 + (unsigned)((*p)[i] - '0');
	*p += n;
	*ret = value;
	return value <= UINT16_MAX;
}

bool oci_is_list(const char *text)
{
	for (;;) {
		unsigned first, last;

		if (!list_number(&text, &first))
			return false;
		if (*text == '-') {
			text++;
			if (!list_number(&text, &last) || last < first)
				return false;
		}
		if (!*text)
			return true;
		if (*text++ != ',')
			return false;
	}
}

bool oci_is_word(const char *text)
{
	if (!*text)
		return false;
	for (; *text; text++)
		if ((unsigned char)*text <= 0x20 || (unsigned char)*text >= 0x7f)
			return false;
	return true;
}

/* ---- resctrl ---------------------------------------------------------------------------------------------------- */

/* The name of a directory of resctrl; "/" is its root. */
static int clos_id(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	const char *id = v->u.text;

	if (joey_streq(id, ".") || joey_streq(id, "..") || (strchr(id, '/') && !joey_streq(id, "/")))
		return oci_fail(c, "invalid intelRdt.ClosID \"%s\"", id);
	return oci_line(c, v, field);
}

static int schemata_line(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	if (strchr(v->u.text, '\n'))
		return oci_fail(c, "must be one line");
	return oci_any_string(c, v, element);
}

static int schemata(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_strlist *list = field;

	return oci_array(c, v, JOEY_JSON_STRING, sizeof(char *), schemata_line, &list->v, &list->n);
}

#define FIELD(key, type, member, parse)                                               \
	{                                                                             \
		key, JOEY_JSON_##type, offsetof(struct joey_intel_rdt, member), parse \
	}

int oci_intel_rdt(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		FIELD("closID", STRING, clos_id, clos_id),
		FIELD("schemata", ARRAY, schemata, schemata),
		FIELD("l3CacheSchema", STRING, l3_cache_schema, oci_string),
		FIELD("memBwSchema", STRING, mem_bw_schema, oci_string),
		FIELD("enableMonitoring", BOOL, enable_monitoring, oci_bool),
	};
	struct joey_intel_rdt *rdt = joey_arena_alloc(c->arena, sizeof(*rdt));
	int r;

	if (!rdt)
		return oci_nomem(c);
	r = OCI_OBJECT(c, v, fields, rdt);
	if (r == 0)
		*(struct joey_intel_rdt **)field = rdt;
	return r;
}
#undef FIELD

/* ---- NUMA ------------------------------------------------------------------------------------------------------- */

static int mode(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	uint64_t value;

	if (!oci_name_lookup(&oci_names_mpol_modes, v->u.text, &value))
		return oci_fail(c, "invalid memory policy mode \"%s\"", v->u.text);
	*(int *)field = (int)value;
	return 0;
}

static int mode_flag(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	if (!oci_name_lookup(&oci_names_mpol_flags, v->u.text, element))
		return oci_fail(c, "invalid memory policy flag \"%s\"", v->u.text);
	return 0;
}

static int mode_flags(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	uint64_t *list = NULL;
	size_t n = 0;
	int r = oci_array(c, v, JOEY_JSON_STRING, sizeof(uint64_t), mode_flag, &list, &n);

	for (size_t i = 0; r == 0 && i < n; i++)
		*(unsigned *)field |= (unsigned)list[i];
	return r;
}

static int nodes(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	if (v->u.text[0] && !oci_is_list(v->u.text))
		return oci_fail(c, "\"%.100s\" is not a list of nodes", v->u.text);
	return oci_string(c, v, field);
}

/* set_mempolicy(2): which modes want nodes. */
static int check_policy(struct oci_ctx *c, const struct joey_memory_policy *p)
{
	const char *name = oci_name_of(&oci_names_mpol_modes, (uint64_t)p->mode);
	bool wants_none = p->mode == MPOL_DEFAULT || p->mode == MPOL_LOCAL;

	if (wants_none && p->nodes)
		return oci_fail_at(c, "nodes", "memory policy mode %s does not take nodes", name);
	if (wants_none && p->flags)
		return oci_fail_at(c, "flags", "memory policy mode %s does not take flags", name);
	if (!wants_none && p->mode != MPOL_PREFERRED && !p->nodes)
		return oci_fail_at(c, "nodes", "memory policy mode %s requires at least one node", name);
	if ((p->flags & MPOL_F_STATIC_NODES) && (p->flags & MPOL_F_RELATIVE_NODES))
		return oci_fail_at(c, "flags", "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other");
	return 0;
}

int oci_memory_policy(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		{ "mode", JOEY_JSON_STRING, offsetof(struct joey_memory_policy, mode), mode },
		{ "flags", JOEY_JSON_ARRAY, offsetof(struct joey_memory_policy, flags), mode_flags },
		{ "nodes", JOEY_JSON_STRING, offsetof(struct joey_memory_policy, nodes), nodes },
	};
	struct joey_memory_policy *p = joey_arena_alloc(c->arena, sizeof(*p));
	int r;

	if (!p)
		return oci_nomem(c);
	r = oci_require(c, v, "mode");
	if (r == 0)
		r = OCI_OBJECT(c, v, fields, p);
	if (r == 0)
		r = check_policy(c, p);
	if (r == 0)
		*(struct joey_memory_policy **)field = p;
	return r;
}
