/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The linux object: namespaces, time offsets, propagation, paths; the larger subjects have files of their own.
 */
#include <string.h>

#include "joey/log.h"
#include "oci/oci-internal.h"

/* ---- namespaces ------------------------------------------------------------------------------------------------ */

struct ns_element {
	enum joey_ns ns;
	char *path;
};

static int ns_type(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	uint64_t ns;

	if (!oci_name_lookup(&oci_names_namespaces, v->u.text, &ns))
		return oci_fail(c, "namespace \"%s\" does not exist", v->u.text);
	*(enum joey_ns *)field = (enum joey_ns)ns;
	return 0;
}

static int ns_object(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	static const struct oci_field fields[] = {
		{ "type", JOEY_JSON_STRING, offsetof(struct ns_element, ns), ns_type },
		{ "path", JOEY_JSON_STRING, offsetof(struct ns_element, path), oci_abs_path },
	};
	int r = oci_require(c, v, "type");

	return r < 0 ? r : OCI_OBJECT(c, v, fields, element);
}

static int namespaces(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_ns_entry *table = field;
	struct ns_element *list = NULL;
	size_t n = 0;
	int r = oci_array(c, v, JOEY_JSON_OBJECT, sizeof(*list), ns_object, &list, &n);

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (table[list[i].ns].present)
			return oci_fail(c, "malformed spec file: duplicated ns \"%s\"",
					oci_name_of(&oci_names_namespaces, list[i].ns));
		table[list[i].ns] = (struct joey_ns_entry){ true, list[i].path };
	}
	return r;
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

static int nanosecs(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	int r = oci_u32(c, v, field);

	if (r == 0 && *(uint32_t *)field > 999999999)
		return oci_fail(c, "%s is not below 1000000000", v->u.text);
	return r;
}

static int secs(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_opt_i64 value = { false, 0 };
	int r = oci_opt_i64(c, v, &value);

	if (r == 0)
		*(int64_t *)field = value.v;
	return r;
}

static int time_offset(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		{ "secs", JOEY_JSON_NUMBER, offsetof(struct joey_time_offset, secs), secs },
		{ "nanosecs", JOEY_JSON_NUMBER, offsetof(struct joey_time_offset, nanosecs), nanosecs },
	};
	struct joey_time_offset *o = field;

	o->set = true;
	return OCI_OBJECT(c, v, fields, o);
}

#define FIELD(key, type, member, parse)                                            \
	{                                                                          \
		key, JOEY_JSON_##type, offsetof(struct joey_config, member), parse \
	}

/* Keys are clock names here: an unknown one is an unsupported value, not an extension. */
static int time_offsets(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		FIELD("monotonic", OBJECT, time_monotonic, time_offset),
		FIELD("boottime", OBJECT, time_boottime, time_offset),
	};

	for (size_t i = 0; i < v->u.object.n; i++)
		if (!joey_streq(v->u.object.keys[i], "monotonic") && !joey_streq(v->u.object.keys[i], "boottime"))
			return oci_fail(c, "time offset for unknown clock \"%s\"", v->u.object.keys[i]);
	return OCI_OBJECT(c, v, fields, field);
}

/* ---- the rest --------------------------------------------------------------------------------------------------- */

static int rootfs_propagation(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	if (v->u.text[0] && !oci_name_lookup(&oci_names_propagations, v->u.text, field))
		return oci_fail(c, "rootfsPropagation=%s is not supported", v->u.text);
	return 0;
}

static int domain(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_opt_u64 *o = field;

	if (!oci_name_lookup(&oci_names_personalities, v->u.text, &o->v))
		return oci_fail(c, "invalid personality domain %s", v->u.text);
	o->set = true;
	return 0;
}

static int personality_flags(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	(void)c;
	(void)field;
	if (v->u.array.n > 0)
		return oci_fail(c, "personality flags are not supported");
	return 0;
}

static int personality(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		{ "domain", JOEY_JSON_STRING, 0, domain },
		{ "flags", JOEY_JSON_ARRAY, 0, personality_flags },
	};
	int r = oci_require(c, v, "domain");

	return r < 0 ? r : OCI_OBJECT(c, v, fields, field);
}

int oci_linux(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		FIELD("namespaces", ARRAY, ns, namespaces),
		FIELD("uidMappings", ARRAY, uid_mappings, oci_idmaps),
		FIELD("gidMappings", ARRAY, gid_mappings, oci_idmaps),
		{ "timeOffsets", JOEY_JSON_OBJECT, 0, time_offsets },
		{ "devices", JOEY_JSON_ARRAY, 0, oci_devices },
		{ "netDevices", JOEY_JSON_OBJECT, 0, oci_net_devices },
		FIELD("cgroupsPath", STRING, cgroups_path, oci_line),
		FIELD("resources", OBJECT, resources, oci_resources),
		FIELD("intelRdt", OBJECT, intel_rdt, oci_intel_rdt),
		FIELD("memoryPolicy", OBJECT, memory_policy, oci_memory_policy),
		FIELD("sysctl", OBJECT, sysctl, oci_sysctl),
		FIELD("seccomp", OBJECT, seccomp, oci_seccomp),
		FIELD("rootfsPropagation", STRING, rootfs_propagation, rootfs_propagation),
		FIELD("maskedPaths", ARRAY, masked_paths, oci_abs_paths),
		FIELD("readonlyPaths", ARRAY, readonly_paths, oci_abs_paths),
		FIELD("mountLabel", STRING, mount_label, oci_line),
		FIELD("personality", OBJECT, personality, personality),
	};

	return OCI_OBJECT(c, v, fields, field);
}
