/* SPDX-License-Identifier: Apache-2.0 */
/* linux.devices (nodes), linux.resources.devices (rules) and linux.netDevices. */
#include <string.h>

#include "oci/oci-internal.h"

/* ---- device nodes ---------------------------------------------------------------------------------------------- */

static int node_type(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	const char *t = v->u.text;

	if (strlen(t) != 1 || !strchr("cubp", t[0]))
		return oci_fail(c, "invalid device type \"%.40s\"", t);
	*(char *)field = t[0] == 'u' ? 'c' : t[0]; /* unbuffered: the same to Linux */
	return 0;
}

static int file_mode(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_opt_u32 *mode = field;
	int r = oci_opt_u32(c, v, mode);

	mode->v &= 07777; /* engines leave S_IFCHR and the like in */
	return r;
}

#define FIELD(key, type, member, parse)                                            \
	{                                                                          \
		key, JOEY_JSON_##type, offsetof(struct joey_device, member), parse \
	}

static int node(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	static const struct oci_field fields[] = {
		FIELD("path", STRING, path, oci_abs_path),
		FIELD("type", STRING, type, node_type),
		FIELD("major", NUMBER, major, oci_dev_major),
		FIELD("minor", NUMBER, minor, oci_dev_minor),
		FIELD("fileMode", NUMBER, file_mode, file_mode),
		FIELD("uid", NUMBER, uid, oci_id),
		FIELD("gid", NUMBER, gid, oci_id),
	};
	/* Numbers of a pipe mean nothing: engines send -1 or anything. */
	static const struct oci_field pipe_fields[] = {
		FIELD("path", STRING, path, oci_abs_path),
		FIELD("type", STRING, type, node_type),
		FIELD("fileMode", NUMBER, file_mode, file_mode),
		FIELD("uid", NUMBER, uid, oci_id),
		FIELD("gid", NUMBER, gid, oci_id),
	};
	struct joey_device *d = element;
	bool is_pipe = joey_streq(joey_json_get_string(v, "type"), "p");
	int r = oci_require(c, v, "type");

	if (r == 0)
		r = oci_require(c, v, "path");
	if (r == 0 && !is_pipe)
		r = oci_require(c, v, "major");
	if (r == 0 && !is_pipe)
		r = oci_require(c, v, "minor");
	if (r == 0)
		r = is_pipe ? OCI_OBJECT(c, v, pipe_fields, d) : OCI_OBJECT(c, v, fields, d);
	if (r == 0 && !d->path)
		return oci_fail_at(c, "path", "must be an absolute path");
	return r;
}
#undef FIELD

int oci_devices(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_config *config = field;

	return oci_array(c, v, JOEY_JSON_OBJECT, sizeof(struct joey_device), node, &config->devices,
			 &config->n_devices);
}

/* ---- device rules ----------------------------------------------------------------------------------------------- */

static int rule_type(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	const char *t = v->u.text[0] ? v->u.text : "a";

	if (strlen(t) != 1 || !strchr("abc", t[0]))
		return oci_fail(c, "invalid cgroup device type \"%.40s\"", t);
	*(char *)field = t[0];
	return 0;
}

static int rule_number(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_opt_i64 value = { false, 0 };
	int r = oci_opt_i64(c, v, &value);

	if (r < 0)
		return r;
	if (value.v < -1 || value.v > UINT32_MAX)
		return oci_fail(c, "%s is not a device number", v->u.text);
	*(int64_t *)field = value.v;
	return 0;
}

static int rule_access(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	unsigned access = 0;

	if (!v->u.text[0])
		return oci_fail(c, "device access at %zu field cannot be empty", c->at->up->index);
	for (const char *p = v->u.text; *p; p++) {
		if (*p == 'r')
			access |= JOEY_DEV_READ;
		else if (*p == 'w')
			access |= JOEY_DEV_WRITE;
		else if (*p == 'm')
			access |= JOEY_DEV_MKNOD;
		else
			return oci_fail(c, "\"%.40s\" is not made of r, w and m", v->u.text);
	}
	*(unsigned *)field = access;
	return 0;
}

#define FIELD(key, type, member, parse)                                                 \
	{                                                                               \
		key, JOEY_JSON_##type, offsetof(struct joey_device_rule, member), parse \
	}

static int rule(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	static const struct oci_field fields[] = {
		FIELD("allow", BOOL, allow, oci_bool),        FIELD("type", STRING, type, rule_type),
		FIELD("major", NUMBER, major, rule_number),   FIELD("minor", NUMBER, minor, rule_number),
		FIELD("access", STRING, access, rule_access),
	};
	struct joey_device_rule *r = element;

	*r = (struct joey_device_rule){ false, 'a', -1, -1, JOEY_DEV_READ | JOEY_DEV_WRITE | JOEY_DEV_MKNOD };
	return OCI_OBJECT(c, v, fields, r);
}
#undef FIELD

int oci_device_rules(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_resources *res = field;

	return oci_array(c, v, JOEY_JSON_OBJECT, sizeof(struct joey_device_rule), rule, &res->devices, &res->n_devices);
}

/* ---- network devices -------------------------------------------------------------------------------------------- */

enum { IF_NAME_MAX = 15 }; /* IFNAMSIZ less the NUL */

/* As dev_valid_name() of the kernel; a target may hold one %d, which the kernel replaces. */
static bool is_if_name(const char *name, bool is_template)
{
	size_t len = strlen(name);
	const char *percent = strchr(name, '%');

	if (len == 0 || len > IF_NAME_MAX || joey_streq(name, ".") || joey_streq(name, ".."))
		return false;
	if (strpbrk(name, "/: \t\n\v\f\r"))
		return false;
	if (percent && is_template)
		return percent[1] == 'd' && !strchr(percent + 1, '%');
	return true;
}

static int target_name(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	if (v->u.text[0] && !is_if_name(v->u.text, true))
		return oci_fail(c, "invalid network device name \"%.100s\"", v->u.text);
	return oci_string(c, v, field);
}

static int net_device(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	static const struct oci_field fields[] = {
		{ "name", JOEY_JSON_STRING, offsetof(struct joey_net_device, name), target_name },
	};
	struct joey_net_device *d = element;
	int r;

	if (!is_if_name(c->at->key, false))
		return oci_fail(c, "invalid network device name \"%.100s\"", c->at->key);
	d->host_name = (char *)(uintptr_t)c->at->key;
	r = OCI_OBJECT(c, v, fields, d);
	if (!d->name)
		d->name = d->host_name;
	return r;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int refuse_equal_targets(struct oci_ctx *c, const struct joey_config *config)
{
	autofree char **sorted = reallocarray(NULL, config->n_net_devices + 1, sizeof(*sorted));

	if (!sorted)
		return oci_nomem(c);
	for (size_t i = 0; i < config->n_net_devices; i++)
		sorted[i] = config->net_devices[i].name;
	qsort(sorted, config->n_net_devices, sizeof(*sorted), compare_names);
	for (size_t i = 1; i < config->n_net_devices; i++)
		if (joey_streq(sorted[i - 1], sorted[i]) && !strchr(sorted[i], '%'))
			return oci_fail(c, "two network devices would be named \"%s\"", sorted[i]);
	return 0;
}

int oci_net_devices(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_config *config = field;
	int r = oci_members(c, v, JOEY_JSON_OBJECT, sizeof(struct joey_net_device), net_device, &config->net_devices,
			    &config->n_net_devices);

	return r < 0 ? r : refuse_equal_targets(c, config);
}
