/* SPDX-License-Identifier: Apache-2.0 */
/* The hooks object (spec config.md "POSIX-platform Hooks"). */
#include "oci/oci-internal.h"

static int timeout(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	int32_t seconds = 0;
	int r = oci_i32(c, v, &seconds);

	if (r < 0)
		return r;
	if (seconds <= 0)
		return oci_fail(c, "hook timeout must be greater than zero");
	*(uint32_t *)field = (uint32_t)seconds;
	return 0;
}

static int path(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	if (v->u.text[0] != '/')
		return oci_fail(c, "hook path \"%.200s\" is not absolute", v->u.text);
	return oci_any_string(c, v, field);
}

#define FIELD(key, type, member, parse)                                          \
	{                                                                        \
		key, JOEY_JSON_##type, offsetof(struct joey_hook, member), parse \
	}

static int hook(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	static const struct oci_field fields[] = {
		FIELD("path", STRING, path, path),
		FIELD("args", ARRAY, args, oci_strings),
		FIELD("env", ARRAY, env, oci_strings),
		FIELD("timeout", NUMBER, timeout, timeout),
	};
	struct joey_hook *h = element;
	int r = oci_require(c, v, "path");

	h->has_env = oci_has(v, "env");
	return r < 0 ? r : OCI_OBJECT(c, v, fields, h);
}

static int list(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_hooks *hooks = field;

	return oci_array(c, v, JOEY_JSON_OBJECT, sizeof(struct joey_hook), hook, &hooks->v, &hooks->n);
}

#define KIND(key, kind)                                                      \
	{                                                                    \
		key, JOEY_JSON_ARRAY, kind * sizeof(struct joey_hooks), list \
	}

int oci_hooks(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		KIND("prestart", JOEY_HOOK_PRESTART),
		KIND("createRuntime", JOEY_HOOK_CREATE_RUNTIME),
		KIND("createContainer", JOEY_HOOK_CREATE_CONTAINER),
		KIND("startContainer", JOEY_HOOK_START_CONTAINER),
		KIND("poststart", JOEY_HOOK_POSTSTART),
		KIND("poststop", JOEY_HOOK_POSTSTOP),
	};

	return OCI_OBJECT(c, v, fields, field);
}
