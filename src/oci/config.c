/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json as a whole: the top-level object and the entry points of src/oci.  The JSON tree and the result share
 * the config's arena, so that strings need no copy.
 */
#include <string.h>

#include "oci/oci-internal.h"

#define FIELD(key, type, member, parse)                                            \
	{                                                                          \
		key, JOEY_JSON_##type, offsetof(struct joey_config, member), parse \
	}

/* Semantic Versioning 2.0.0, loosely: three numbers, then anything after '-' or '+'. */
static bool parse_semver(const char *text, unsigned *ret_major)
{
	for (unsigned i = 0; i < 3; i++) {
		size_t n = strspn(text, "0123456789");
		unsigned value = 0;

		if (n == 0 || n > 6)
			return false;
		for (size_t j = 0; j < n; j++)
			value = value * 10 + (unsigned)(text[j] - '0');
		if (i == 0)
			*ret_major = value;
		text += n;
		if (i < 2 && *text++ != '.')
			return false;
	}
	return *text == '\0' || ((*text == '-' || *text == '+') && text[1]);
}

/* Any 1.x: later minor versions add properties, and unknown ones are ignored. */
static int version(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	unsigned major;

	if (!parse_semver(v->u.text, &major))
		return oci_fail(c, "\"%.100s\" is not a semantic version", v->u.text);
	if (major != 1)
		return oci_fail(c, "version %.100s is not supported, only 1.x", v->u.text);
	return oci_any_string(c, v, field);
}

static int root(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		FIELD("path", STRING, rootfs, oci_string),
		FIELD("readonly", BOOL, rootfs_readonly, oci_bool),
	};
	struct joey_config *config = field;
	int r = OCI_OBJECT(c, v, fields, config);

	if (r == 0 && !config->rootfs)
		return oci_fail_at(c, "path", "must be given");
	return r;
}

static int mounts(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_config *config = field;

	return oci_array(c, v, JOEY_JSON_OBJECT, sizeof(struct joey_mount), oci_mount, &config->mounts,
			 &config->n_mounts);
}

static const struct oci_field config_fields[] = {
	FIELD("ociVersion", STRING, oci_version, version),
	FIELD("process", OBJECT, process, oci_process),
	{ "root", JOEY_JSON_OBJECT, 0, root },
	FIELD("hostname", STRING, hostname, oci_string),
	FIELD("domainname", STRING, domainname, oci_string),
	{ "mounts", JOEY_JSON_ARRAY, 0, mounts },
	FIELD("hooks", OBJECT, hooks, oci_hooks),
	FIELD("annotations", OBJECT, annotations, oci_pairs),
	{ "linux", JOEY_JSON_OBJECT, 0, oci_linux },
	FIELD("vm", OBJECT, vm, oci_vm),
};

static int finish(struct oci_ctx *c, struct joey_config *config)
{
	const char *strict = joey_config_annotation(config, "run.oci.seccomp_fail_unknown_syscall");

	if (!config->oci_version)
		return oci_fail_at(c, "ociVersion", "must be given");
	if (!config->rootfs)
		return oci_fail(c, "root must be specified");
	if (!config->process)
		return oci_fail(c, "process property must not be empty");
	if (!config->resources)
		config->resources = joey_arena_alloc(c->arena, sizeof(*config->resources));
	if (!config->resources)
		return oci_nomem(c);
	if (config->seccomp && strict)
		config->seccomp->fail_unknown_syscall = !joey_streq(strict, "0");
	return oci_validate(c, config);
}

static int read_document(struct oci_ctx *c, const char *text, size_t len, struct joey_json **ret)
{
	int r = joey_json_parse(text, len, JOEY_CONFIG_MAX_BYTES, c->arena, ret, c->err);

	if (r < 0)
		return joey_err_wrap(c->err, "%s", c->document);
	if ((*ret)->type == JOEY_JSON_NULL)
		return oci_fail(c, "config cannot be null");
	if ((*ret)->type != JOEY_JSON_OBJECT)
		return oci_fail(c, "must be an object");
	return 0;
}

static int fill(struct joey_config *config, const char *text, size_t len, struct joey_err *err)
{
	struct oci_ctx c = { .document = "config.json", .arena = &config->arena, .err = err };
	struct joey_json *doc;
	int r = read_document(&c, text, len, &doc);

	if (r == 0)
		r = OCI_OBJECT(&c, doc, config_fields, config);
	return r == 0 ? finish(&c, config) : r;
}

int joey_config_parse(const char *text, size_t len, struct joey_config **ret, struct joey_err *err)
{
	struct joey_config *config = calloc(1, sizeof(*config));
	int r;

	if (!config)
		return joey_err_set(err, JOEY_EK_OTHER, ENOMEM, "config.json: cannot allocate memory");
	r = fill(config, text, len, err);
	if (r < 0)
		joey_config_free(config);
	else
		*ret = config;
	return r;
}

void joey_config_free(struct joey_config *c)
{
	if (!c)
		return;
	joey_arena_done(&c->arena);
	free(c);
}

/* A document that is one object of the config. */
static int parse_alone(const char *document, const char *text, size_t len, struct joey_arena *arena, oci_parser parse,
		       void *ret, struct joey_err *err)
{
	struct oci_ctx c = { .document = document, .arena = arena, .err = err };
	struct joey_json *doc;
	int r = read_document(&c, text, len, &doc);

	return r < 0 ? r : parse(&c, doc, ret);
}

int joey_process_parse(const char *text, size_t len, struct joey_arena *arena, struct joey_process **ret,
		       struct joey_err *err)
{
	return parse_alone("process", text, len, arena, oci_process, ret, err);
}

int joey_resources_parse(const char *text, size_t len, struct joey_arena *arena, struct joey_resources **ret,
			 struct joey_err *err)
{
	return parse_alone("resources", text, len, arena, oci_resources, ret, err);
}

const char *joey_config_annotation(const struct joey_config *c, const char *key)
{
	return joey_pairs_get(&c->annotations, key);
}
