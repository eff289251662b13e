/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts[] and id mappings.  Compiles each mount's options and checks what one mount alone can get wrong; what needs
 * the namespaces is in validate.c.
 */
#include <string.h>

#include "joey/log.h"
#include "oci/oci-internal.h"

enum { MAX_IDMAPS = 340 }; /* user_namespaces(7) */

static int idmap(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	static const struct oci_field fields[] = {
		{ "containerID", JOEY_JSON_NUMBER, offsetof(struct joey_idmap, container_id), oci_id },
		{ "hostID", JOEY_JSON_NUMBER, offsetof(struct joey_idmap, host_id), oci_id },
		{ "size", JOEY_JSON_NUMBER, offsetof(struct joey_idmap, size), oci_u32 },
	};
	struct joey_idmap *m = element;
	int r = OCI_OBJECT(c, v, fields, m);

	if (r < 0)
		return r;
	if (m->size == 0)
		return oci_fail_at(c, "size", "must be larger than zero");
	if ((uint64_t)m->container_id + m->size > UINT32_MAX || (uint64_t)m->host_id + m->size > UINT32_MAX)
		return oci_fail(c, "the range of ids goes beyond %u", UINT32_MAX - 1);
	return 0;
}

int oci_idmaps(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_idmaps *maps = field;

	if (v->u.array.n > MAX_IDMAPS)
		return oci_fail(c, "more than %d id mappings", MAX_IDMAPS);
	return oci_array(c, v, JOEY_JSON_OBJECT, sizeof(struct joey_idmap), idmap, &maps->v, &maps->n);
}

/* Does the path, cleaned of "." and "..", name the root? */
static bool is_root(const char *path)
{
	size_t depth = 0;

	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && memcmp(path, "..", 2) == 0)
			depth -= depth > 0;
		else if (n > 0 && !(n == 1 && path[0] == '.'))
			depth++;
		path += n;
		path += *path == '/';
	}
	return depth == 0;
}

static int fix_destination(struct oci_ctx *c, struct joey_mount *m)
{
	if (!m->destination)
		return oci_fail_at(c, "destination", "must be given");
	if (m->destination[0] != '/') {
		joey_warn("mount \"%.200s\": relative destination path is **deprecated**, using it as relative to /",
			  m->destination);
		m->destination = joey_arena_printf(c->arena, "/%s", m->destination);
		if (!m->destination)
			return oci_nomem(c);
	}
	if (is_root(m->destination))
		return oci_fail_at(c, "destination", "mounting over the container's root \"/\" is not supported");
	return 0;
}

static int compile_options(struct oci_ctx *c, struct joey_mount *m)
{
	const char *bad = "";
	int r = joey_mount_opts_compile(c->arena, m->options.v, m->options.n, &m->opts, &bad);

	if (r == -ENOMEM)
		return oci_nomem(c);
	if (r < 0)
		return oci_fail_at(c, "options", "invalid mount option \"%.200s\"", bad);
	return 0;
}

static int check_bind(struct oci_ctx *c, const struct joey_mount *m)
{
	if (m->opts->data.n > 0)
		return oci_fail_at(c, "options",
				   "bind mounts cannot have any filesystem-specific options applied (\"%.100s\")",
				   m->opts->data.v[0]);
	if (!m->source && !m->opts->remount)
		return oci_fail_at(c, "source", "must be given for a bind mount");
	return 0;
}

static int check_fresh(struct oci_ctx *c, const struct joey_mount *m)
{
	if (joey_streq(m->type, "bind"))
		return oci_fail_at(c, "options", "a mount of type \"bind\" needs the option \"bind\" or \"rbind\"");
	if (!m->type && !m->opts->remount)
		return oci_fail_at(c, "type", "must be given unless the options hold \"bind\" or \"rbind\"");
	if (m->opts->idmap || m->uid_mappings.n > 0 || m->gid_mappings.n > 0)
		return oci_fail(c, "id-mapped mounts are only supported for bind-mounts");
	if (m->opts->copy_symlink || m->opts->src_nofollow)
		return oci_fail_at(c, "options", "copy-symlink and src-nofollow are for bind mounts only");
	if (m->opts->tmpcopyup && !joey_streq(m->type, "tmpfs"))
		return oci_fail_at(c, "options", "tmpcopyup is for mounts of type tmpfs only");
	return 0;
}

#define FIELD(key, type, member, parse)                                           \
	{                                                                         \
		key, JOEY_JSON_##type, offsetof(struct joey_mount, member), parse \
	}

int oci_mount(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	static const struct oci_field fields[] = {
		FIELD("destination", STRING, destination, oci_string),
		FIELD("type", STRING, type, oci_string),
		FIELD("source", STRING, source, oci_string),
		FIELD("options", ARRAY, options, oci_strings),
		FIELD("uidMappings", ARRAY, uid_mappings, oci_idmaps),
		FIELD("gidMappings", ARRAY, gid_mappings, oci_idmaps),
	};
	struct joey_mount *m = element;
	int r = OCI_OBJECT(c, v, fields, m);

	if (r == 0)
		r = fix_destination(c, m);
	if (r == 0)
		r = compile_options(c, m);
	if (r < 0)
		return r;
	if (m->opts->tmpcopyup && m->opts->bind)
		return oci_fail_at(c, "options", "tmpcopyup is for mounts of type tmpfs only");
	return m->opts->bind ? check_bind(c, m) : check_fresh(c, m);
}
