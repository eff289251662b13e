/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.seccomp: words to libseccomp's and the kernel's values, and the rules on what may be combined.  Names of
 * system calls are kept as text: which of them exist depends on the architecture and is src/linux's to find out.
 */
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>

#include "oci/oci-internal.h"

enum { ERRNO_MAX = 4095 }; /* MAX_ERRNO of the kernel */

struct rule_text {
	struct joey_seccomp_rule *rule;
	uint64_t action;
	struct joey_opt_u32 errno_ret;
};

struct profile_text {
	struct joey_seccomp *profile;
	bool has_action;
	uint64_t action;
	struct joey_opt_u32 errno_ret;
};

static int action_name(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	if (!oci_name_lookup(&oci_names_seccomp_actions, v->u.text, field))
		return oci_fail(c, "string %s is not a valid action for seccomp", v->u.text);
	return 0;
}

static int errno_ret(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_opt_u32 *o = field;
	int r = oci_opt_u32(c, v, o);

	if (r == 0 && o->v > ERRNO_MAX)
		return oci_fail(c, "%s is not from 0 to %d", v->u.text, ERRNO_MAX);
	return r;
}

/* Puts the errno into an action that has one. */
static int merge_errno(struct oci_ctx *c, const char *key, uint64_t action, struct joey_opt_u32 value, uint32_t *ret)
{
	if (action == SCMP_ACT_ERRNO(0) || action == SCMP_ACT_TRACE(0)) {
		*ret = (uint32_t)action | (value.set ? value.v : EPERM);
		return 0;
	}
	if (value.set)
		return oci_fail_at(c, key, "%s does not take an errno",
				   oci_name_of(&oci_names_seccomp_actions, action));
	*ret = (uint32_t)action;
	return 0;
}

/* ---- syscalls[] ------------------------------------------------------------------------------------------------- */

static int arg_index(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	uint32_t *index = field;
	int r = oci_u32(c, v, index);

	if (r == 0 && *index > 5)
		return oci_fail(c, "%s is not an argument index from 0 to 5", v->u.text);
	return r;
}

static int arg_op(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	uint64_t op;

	if (!oci_name_lookup(&oci_names_seccomp_operators, v->u.text, &op))
		return oci_fail(c, "string %s is not a valid operator for seccomp", v->u.text);
	*(int *)field = (int)op;
	return 0;
}

#define FIELD(key, type, member, parse)                                                 \
	{                                                                               \
		key, JOEY_JSON_##type, offsetof(struct joey_seccomp_arg, member), parse \
	}

static int arg(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	static const struct oci_field fields[] = {
		FIELD("index", NUMBER, index, arg_index),
		FIELD("value", NUMBER, value, oci_u64),
		FIELD("valueTwo", NUMBER, value_two, oci_u64),
		FIELD("op", STRING, op, arg_op),
	};
	static const char *const required[] = { "index", "value", "op" };

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(required); i++) {
		int r = oci_require(c, v, required[i]);

		if (r < 0)
			return r;
	}
	return OCI_OBJECT(c, v, fields, element);
}
#undef FIELD

static int rule_args(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_seccomp_rule *rule = ((struct rule_text *)field)->rule;

	return oci_array(c, v, JOEY_JSON_OBJECT, sizeof(struct joey_seccomp_arg), arg, &rule->args, &rule->n_args);
}

static int syscall_name(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	if (!v->u.text[0])
		return oci_fail(c, "empty string is not a valid syscall");
	return oci_any_string(c, v, element);
}

static int rule_names(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_strlist *names = &((struct rule_text *)field)->rule->names;

	return oci_array(c, v, JOEY_JSON_STRING, sizeof(char *), syscall_name, &names->v, &names->n);
}

static int check_notify(struct oci_ctx *c, const struct joey_seccomp_rule *rule)
{
	if (rule->action != SCMP_ACT_NOTIFY)
		return 0;
	/* The runtime itself must be able to say over a socket where the listener is. */
	for (size_t i = 0; i < rule->names.n; i++)
		if (joey_streq(rule->names.v[i], "write"))
			return oci_fail(c, "SCMP_ACT_NOTIFY cannot be used for the write syscall");
	return 0;
}

static int rule(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	static const struct oci_field fields[] = {
		{ "names", JOEY_JSON_ARRAY, 0, rule_names },
		{ "action", JOEY_JSON_STRING, offsetof(struct rule_text, action), action_name },
		{ "errnoRet", JOEY_JSON_NUMBER, offsetof(struct rule_text, errno_ret), errno_ret },
		{ "args", JOEY_JSON_ARRAY, 0, rule_args },
	};
	struct rule_text text = { .rule = element };
	int r = oci_require(c, v, "action");

	if (r == 0)
		r = OCI_OBJECT(c, v, fields, &text);
	if (r == 0 && text.rule->names.n == 0)
		return oci_fail_at(c, "names", "must not be empty");
	if (r == 0)
		r = merge_errno(c, "errnoRet", text.action, text.errno_ret, &text.rule->action);
	return r < 0 ? r : check_notify(c, text.rule);
}

/* ---- the profile ------------------------------------------------------------------------------------------------ */

static int default_action(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct profile_text *text = field;

	if (!v->u.text[0])
		return 0;
	text->has_action = true;
	return action_name(c, v, &text->action);
}

static int arch(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	uint64_t value;

	if (!oci_name_lookup(&oci_names_seccomp_archs, v->u.text, &value))
		return oci_fail(c, "string %s is not a valid arch for seccomp", v->u.text);
	*(uint32_t *)element = (uint32_t)value;
	return 0;
}

static int archs(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_seccomp *p = ((struct profile_text *)field)->profile;

	return oci_array(c, v, JOEY_JSON_STRING, sizeof(uint32_t), arch, &p->archs, &p->n_archs);
}

static int flag(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	if (!oci_name_lookup(&oci_names_seccomp_flags, v->u.text, element))
		return oci_fail(c, "seccomp flag %s is not known to joey", v->u.text);
	return 0;
}

/* TSYNC is for processes with threads: the payload is one that has none yet. */
static int flags(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_seccomp *p = ((struct profile_text *)field)->profile;
	uint64_t *list = NULL;
	size_t n = 0;
	int r = oci_array(c, v, JOEY_JSON_STRING, sizeof(uint64_t), flag, &list, &n);

	p->flags_given = true;
	for (size_t i = 0; r == 0 && i < n; i++)
		p->filter_flags |= list[i];
	p->filter_flags &= ~(uint64_t)SECCOMP_FILTER_FLAG_TSYNC;
	return r;
}

static int syscalls(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_seccomp *p = ((struct profile_text *)field)->profile;

	return oci_array(c, v, JOEY_JSON_OBJECT, sizeof(struct joey_seccomp_rule), rule, &p->rules, &p->n_rules);
}

static int listener_path(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	return oci_abs_path(c, v, &((struct profile_text *)field)->profile->listener_path);
}

static int listener_metadata(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	return oci_string(c, v, &((struct profile_text *)field)->profile->listener_metadata);
}

static int check_profile(struct oci_ctx *c, struct joey_seccomp *p)
{
	if (p->default_action == SCMP_ACT_NOTIFY)
		return oci_fail_at(c, "defaultAction", "SCMP_ACT_NOTIFY cannot be used as default action");
	for (size_t i = 0; i < p->n_rules; i++)
		p->uses_notify |= p->rules[i].action == SCMP_ACT_NOTIFY;
	if (p->uses_notify && !p->listener_path)
		return oci_fail(c, "seccomp listenerPath is not set");
	if (p->listener_metadata && !p->listener_path)
		return oci_fail_at(c, "listenerMetadata", "seccomp listenerMetadata needs a listenerPath");
	return 0;
}

int oci_seccomp(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		{ "defaultAction", JOEY_JSON_STRING, 0, default_action },
		{ "defaultErrnoRet", JOEY_JSON_NUMBER, offsetof(struct profile_text, errno_ret), errno_ret },
		{ "architectures", JOEY_JSON_ARRAY, 0, archs },
		{ "flags", JOEY_JSON_ARRAY, 0, flags },
		{ "listenerPath", JOEY_JSON_STRING, 0, listener_path },
		{ "listenerMetadata", JOEY_JSON_STRING, 0, listener_metadata },
		{ "syscalls", JOEY_JSON_ARRAY, 0, syscalls },
	};
	struct profile_text text = { .profile = joey_arena_alloc(c->arena, sizeof(struct joey_seccomp)) };
	int r;

	if (!text.profile)
		return oci_nomem(c);
	r = OCI_OBJECT(c, v, fields, &text);
	if (r < 0)
		return r;
	if (!text.has_action && text.profile->n_rules == 0)
		return 0; /* the empty object: seccomp is off */
	if (!text.has_action)
		return oci_fail_at(c, "defaultAction", "must be given");
	r = merge_errno(c, "defaultErrnoRet", text.action, text.errno_ret, &text.profile->default_action);
	if (r == 0)
		r = check_profile(c, text.profile);
	if (r == 0)
		*(struct joey_seccomp **)field = text.profile;
	return r;
}
