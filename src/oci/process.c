/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process object (spec config.md "Process"): of config.json, and alone for exec.  Its own rules are checked
 * here, at the field; nothing in it depends on the rest of the config.
 */
#include <string.h>

#include "joey/log.h"
#include "oci/oci-internal.h"

#define FIELD(key, type, member, parse)                                             \
	{                                                                           \
		key, JOEY_JSON_##type, offsetof(struct joey_process, member), parse \
	}

static int console_size(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		FIELD("height", NUMBER, console_height, oci_u32),
		FIELD("width", NUMBER, console_width, oci_u32),
	};

	return OCI_OBJECT(c, v, fields, field);
}

static int umask_value(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_opt_u32 *o = field;
	int r = oci_opt_u32(c, v, o);

	if (r == 0 && o->v > 0777)
		return oci_fail(c, "%s is not a file mode mask from 0 to 511", v->u.text);
	return r;
}

static int additional_gids(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_user *user = field;

	return oci_array(c, v, JOEY_JSON_NUMBER, sizeof(uint32_t), oci_id, &user->additional_gids,
			 &user->n_additional_gids);
}

static int user_object(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		{ "uid", JOEY_JSON_NUMBER, offsetof(struct joey_user, uid), oci_id },
		{ "gid", JOEY_JSON_NUMBER, offsetof(struct joey_user, gid), oci_id },
		{ "umask", JOEY_JSON_NUMBER, offsetof(struct joey_user, umask), umask_value },
		{ "additionalGids", JOEY_JSON_ARRAY, 0, additional_gids },
	};

	return OCI_OBJECT(c, v, fields, field);
}

static int cwd(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	if (!v->u.text[0])
		return oci_fail(c, "Cwd property must not be empty");
	if (v->u.text[0] != '/')
		return oci_fail(c, "Cwd must be an absolute path");
	return oci_any_string(c, v, field);
}

static int oom_score_adj(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_opt_i64 *o = field;
	int r = oci_opt_i64(c, v, o);

	if (r == 0 && (o->v < -1000 || o->v > 1000))
		return oci_fail(c, "%lld is not from -1000 to 1000", (long long)o->v);
	return r;
}

/* ---- rlimits ------------------------------------------------------------------------------------------------ */

static int rlimit_type(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	uint64_t value;

	if (!oci_name_lookup(&oci_names_rlimits, v->u.text, &value))
		return oci_fail(c, "wrong rlimit value: %s", v->u.text);
	*(int *)field = (int)value;
	return 0;
}

static int rlimit(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	static const struct oci_field fields[] = {
		{ "type", JOEY_JSON_STRING, offsetof(struct joey_rlimit, resource), rlimit_type },
		{ "soft", JOEY_JSON_NUMBER, offsetof(struct joey_rlimit, soft), oci_u64 },
		{ "hard", JOEY_JSON_NUMBER, offsetof(struct joey_rlimit, hard), oci_u64 },
	};
	const struct joey_rlimit *rl = element;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(fields); i++) {
		int r = oci_require(c, v, fields[i].key);

		if (r < 0)
			return r;
	}
	int r = OCI_OBJECT(c, v, fields, element);

	if (r == 0 && rl->soft > rl->hard)
		return oci_fail(c, "soft limit is above the hard limit");
	return r;
}

static int rlimits(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_process *p = field;
	uint64_t seen = 0;
	int r = oci_array(c, v, JOEY_JSON_OBJECT, sizeof(struct joey_rlimit), rlimit, &p->rlimits, &p->n_rlimits);

	if (r < 0)
		return r;
	for (size_t i = 0; i < p->n_rlimits; i++) {
		uint64_t bit = UINT64_C(1) << p->rlimits[i].resource;

		if (seen & bit)
			return oci_fail(c, "duplicate rlimit \"%s\"",
					oci_name_of(&oci_names_rlimits, (uint64_t)p->rlimits[i].resource));
		seen |= bit;
	}
	return 0;
}

/* ---- capabilities -------------------------------------------------------------------------------------------- */

static int capability_set(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	uint64_t *set = field;
	struct joey_strlist names = { NULL, 0 };
	int r = oci_strings(c, v, &names);

	for (size_t i = 0; r == 0 && i < names.n; i++) {
		unsigned number;

		if (joey_cap_from_string(names.v[i], &number) == 0)
			*set |= UINT64_C(1) << number;
	}
	return r;
}

static bool already_listed(const struct joey_str *list, const char *name)
{
	const char *at = list->buf;
	size_t len = strlen(name);

	if (len == 0)
		return true; /* nothing to show */
	while (at && (at = strstr(at, name))) {
		if ((at == list->buf || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
		at++;
	}
	return false;
}

/* One line for all sets, whatever their number: an engine that sends a new capability sends it five times. */
static void warn_unknown_capabilities(const struct joey_json *v)
{
	enum { ENOUGH = 512 };
	autostr struct joey_str unknown = JOEY_STR_INIT;
	unsigned number;

	for (size_t i = 0; i < v->u.object.n; i++) {
		const struct joey_json *set = v->u.object.v[i];

		for (size_t j = 0; set->type == JOEY_JSON_ARRAY && j < set->u.array.n && unknown.len < ENOUGH; j++) {
			const struct joey_json *name = set->u.array.v[j];

			if (name->type != JOEY_JSON_STRING || joey_cap_from_string(name->u.text, &number) == 0)
				continue;
			if (!already_listed(&unknown, name->u.text))
				joey_str_printf(&unknown, "%s%.64s", unknown.len > 0 ? " " : "", name->u.text);
		}
	}
	if (unknown.len > 0 && !unknown.failed)
		joey_warn("ignoring unknown or unavailable capabilities: [%s]", unknown.buf);
}

static int capabilities(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		{ "bounding", JOEY_JSON_ARRAY, offsetof(struct joey_caps, bounding), capability_set },
		{ "effective", JOEY_JSON_ARRAY, offsetof(struct joey_caps, effective), capability_set },
		{ "inheritable", JOEY_JSON_ARRAY, offsetof(struct joey_caps, inheritable), capability_set },
		{ "permitted", JOEY_JSON_ARRAY, offsetof(struct joey_caps, permitted), capability_set },
		{ "ambient", JOEY_JSON_ARRAY, offsetof(struct joey_caps, ambient), capability_set },
	};
	struct joey_caps *caps = joey_arena_alloc(c->arena, sizeof(*caps));
	int r;

	if (!caps)
		return oci_nomem(c);
	r = OCI_OBJECT(c, v, fields, caps);
	if (r < 0)
		return r;
	warn_unknown_capabilities(v);
	*(struct joey_caps **)field = caps;
	return 0;
}

/* ---- cpu affinity -------------------------------------------------------------------------------------------- */

static int cpu_list(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	if (v->u.text[0] && !oci_is_list(v->u.text))
		return oci_fail(c, "\"%.100s\" is not a list of CPUs", v->u.text);
	return oci_string(c, v, field);
}

static int cpu_affinity(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		FIELD("initial", STRING, cpu_affinity_initial, cpu_list),
		FIELD("final", STRING, cpu_affinity_final, cpu_list),
	};

	return OCI_OBJECT(c, v, fields, field);
}

/* ---- the object ------------------------------------------------------------------------------------------------ */

static int finish_process(struct oci_ctx *c, struct joey_process *p)
{
	if (!p->cwd)
		return oci_fail_at(c, "cwd", "Cwd property must not be empty");
	if (p->args.n == 0)
		return oci_fail_at(c, "args", "args must not be empty");
	/* The spec has it ignored without a terminal; TIOCSWINSZ takes 16 bits. */
	if (!p->terminal)
		p->console_height = p->console_width = 0;
	if (p->console_height > UINT16_MAX || p->console_width > UINT16_MAX)
		return oci_fail_at(c, "consoleSize", "height and width must be below 65536");
	return 0;
}

int oci_process(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		FIELD("terminal", BOOL, terminal, oci_bool),
		{ "consoleSize", JOEY_JSON_OBJECT, 0, console_size },
		FIELD("user", OBJECT, user, user_object),
		FIELD("args", ARRAY, args, oci_strings),
		FIELD("env", ARRAY, env, oci_env),
		FIELD("cwd", STRING, cwd, cwd),
		FIELD("capabilities", OBJECT, caps, capabilities),
		{ "rlimits", JOEY_JSON_ARRAY, 0, rlimits },
		FIELD("noNewPrivileges", BOOL, no_new_privileges, oci_bool),
		FIELD("apparmorProfile", STRING, apparmor_profile, oci_line),
		FIELD("selinuxLabel", STRING, selinux_label, oci_line),
		FIELD("oomScoreAdj", NUMBER, oom_score_adj, oom_score_adj),
		FIELD("scheduler", OBJECT, scheduler, oci_scheduler),
		FIELD("ioPriority", OBJECT, io_priority, oci_io_priority),
		{ "execCPUAffinity", JOEY_JSON_OBJECT, 0, cpu_affinity },
	};
	struct joey_process *p = joey_arena_alloc(c->arena, sizeof(*p));
	int r;

	if (!p)
		return oci_nomem(c);
	r = OCI_OBJECT(c, v, fields, p);
	if (r == 0)
		r = finish_process(c, p);
	if (r == 0)
		*(struct joey_process **)field = p;
	return r;
}
