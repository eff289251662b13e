/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.json: struct joey_state as one line of JSON, and back.
 *
 * Reading trusts nothing: type and range of each member are checked, pids are pids, paths are absolute, the id must be
 * the directory's name.  Unknown keys are ignored, an unknown version is refused: whoever changes the meaning of a
 * key raises JOEY_STATE_VERSION.  One table per object serves both directions.
 */
#include <stddef.h>
#include <string.h>

#include "state/state-internal.h"

enum { PID_LIMIT = 4194304 }; /* PID_MAX_LIMIT of the kernel on 64-bit machines */

enum field_type { F_STRING, F_PATH, F_PID, F_U32, F_U64, F_BOOL };

struct field {
	const char *key;
	enum field_type type;
	size_t offset;
	bool required;
};

#define FIELD(key, type, member, required)                               \
	{                                                                \
		key, type, offsetof(struct joey_state, member), required \
	}

static const struct field top_fields[] = {
	FIELD("id", F_STRING, id, true),           FIELD("ociVersion", F_STRING, oci_version, true),
	FIELD("bundle", F_PATH, bundle, true),     FIELD("rootfs", F_PATH, rootfs, true),
	FIELD("created", F_STRING, created, true), FIELD("backend", F_STRING, backend, true),
	FIELD("ownerUid", F_U32, owner_uid, true), FIELD("creating", F_BOOL, creating, true),
	FIELD("hooks", F_U32, hooks, true),
};

static const struct field creator_fields[] = {
	FIELD("pid", F_PID, creator_pid, true),
	FIELD("time", F_U64, creator_start, true),
};

static const struct field init_fields[] = {
	FIELD("pid", F_PID, pid, true),
	FIELD("start", F_U64, pid_start, true),
};

static const struct field cgroup_fields[] = {
	FIELD("path", F_PATH, cgroup.path, false),
	FIELD("created", F_BOOL, cgroup.created, true),
	FIELD("inode", F_U64, cgroup.inode, true),
};

static const struct {
	const char *key;
	const struct field *fields;
	size_t n;
} objects[] = {
	{ "creator", creator_fields, JOEY_ARRAY_SIZE(creator_fields) },
	{ "init", init_fields, JOEY_ARRAY_SIZE(init_fields) },
	{ "cgroup", cgroup_fields, JOEY_ARRAY_SIZE(cgroup_fields) },
};

/* ---- out ---------------------------------------------------------------------------------------------- */

static void put_field(struct joey_json_out *o, const struct field *f, const struct joey_state *st)
{
	const void *p = (const char *)st + f->offset;
	const char *text;

	switch (f->type) {
	case F_STRING:
	case F_PATH:
		text = *(char *const *)p;
		if (text)
			joey_json_out_string(o, f->key, text);
		break;
	case F_PID:
		joey_json_out_i64(o, f->key, *(const pid_t *)p);
		break;
	case F_U32:
		joey_json_out_u64(o, f->key, *(const uint32_t *)p);
		break;
	case F_U64:
		joey_json_out_u64(o, f->key, *(const uint64_t *)p);
		break;
	case F_BOOL:
		joey_json_out_bool(o, f->key, *(const bool *)p);
		break;
	}
}

static void put_fields(struct joey_json_out *o, const struct field *f, size_t n, const struct joey_state *st)
{
	for (size_t i = 0; i < n; i++)
		put_field(o, &f[i], st);
}

static void put_annotations(struct joey_json_out *o, const struct joey_pairs *p)
{
	joey_json_out_object(o, "annotations");
	for (size_t i = 0; i < p->n; i++)
		joey_json_out_string(o, p->v[i].key, p->v[i].value);
	joey_json_out_end(o);
}

int state_encode(const struct joey_state *st, char **ret, size_t *ret_len, struct joey_err *err)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	const char *driver = joey_cgroup_driver_to_string(st->cgroup.driver);
	int r;

	if (!o)
		return joey_err_sys(err, ENOMEM, "encode state");
	joey_json_out_object(o, NULL);
	joey_json_out_u64(o, "version", JOEY_STATE_VERSION);
	put_fields(o, top_fields, JOEY_ARRAY_SIZE(top_fields), st);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(objects); i++) {
		joey_json_out_object(o, objects[i].key);
		if (objects[i].fields == cgroup_fields && driver)
			joey_json_out_string(o, "driver", driver);
		put_fields(o, objects[i].fields, objects[i].n, st);
		joey_json_out_end(o);
	}
	put_annotations(o, &st->annotations);
	if (st->backend_data)
		joey_json_out_value(o, "backendData", st->backend_data);
	joey_json_out_end(o);
	r = joey_json_out_finish(o, ret, ret_len);
	return r < 0 ? joey_err_sys(err, -r, "encode state") : 0;
}

/* ---- in ------------------------------------------------------------------------------------------------- */

struct reader {
	struct joey_arena *arena;
	struct joey_state *st;
	struct joey_err *err;
};

static int bad(const struct reader *rd, const char *where, const char *key, const char *why)
{
	return joey_err_set(rd->err, JOEY_EK_OTHER, EPROTO, STATE_FILE ": %s%s%s: %s", where, *where ? "." : "", key,
			    why);
}

/* Absolute, and no component that climbs. */
static bool path_is_plain(const char *p)
{
	if (*p != '/')
		return false;
	while (*p) {
		size_t n = strcspn(p, "/");

		if (n == 2 && p[0] == '.' && p[1] == '.')
			return false;
		p += n;
		while (*p == '/')
			p++;
	}
	return true;
}

static int get_text(const struct reader *rd, const struct joey_json *o, const char *where, const struct field *f)
{
	const struct joey_json *v = joey_json_get(o, f->key);
	void *p = (char *)rd->st + f->offset;
	char *copy;

	if (v->type != JOEY_JSON_STRING)
		return bad(rd, where, f->key, "not a string");
	if (!*v->u.text)
		return bad(rd, where, f->key, "empty");
	if (f->type == F_PATH && !path_is_plain(v->u.text))
		return bad(rd, where, f->key, "not a clean absolute path");
	copy = joey_arena_strdup(rd->arena, v->u.text);
	if (!copy)
		return joey_err_sys(rd->err, ENOMEM, "read " STATE_FILE);
	memcpy(p, &copy, sizeof(copy));
	return 0;
}

static int get_number(const struct reader *rd, const struct joey_json *o, const char *where, const struct field *f)
{
	void *p = (char *)rd->st + f->offset;
	uint64_t v;

	if (joey_json_get_u64(o, f->key, &v) < 0)
		return bad(rd, where, f->key, "not a number that fits");
	if (f->type == F_PID) {
		if (v > PID_LIMIT)
			return bad(rd, where, f->key, "not a pid");
		*(pid_t *)p = (pid_t)v;
	} else if (f->type == F_U32) {
		if (v > UINT32_MAX)
			return bad(rd, where, f->key, "out of range");
		*(uint32_t *)p = (uint32_t)v;
	} else {
		*(uint64_t *)p = v;
	}
	return 0;
}

static int get_fields(const struct reader *rd, const struct joey_json *o, const char *where, const struct field *f,
		      size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		if (!joey_json_get(o, f[i].key)) {
			r = f[i].required ? bad(rd, where, f[i].key, "missing") : 0;
		} else if (f[i].type == F_STRING || f[i].type == F_PATH) {
			r = get_text(rd, o, where, &f[i]);
		} else if (f[i].type == F_BOOL) {
			void *p = (char *)rd->st + f[i].offset;

			if (joey_json_get_bool(o, f[i].key, p) < 0)
				r = bad(rd, where, f[i].key, "not a boolean");
		} else {
			r = get_number(rd, o, where, &f[i]);
		}
	}
	return r;
}

static int get_annotations(const struct reader *rd, const struct joey_json *o)
{
	struct joey_pairs *p = &rd->st->annotations;

	if (!o)
		return 0;
	if (o->type != JOEY_JSON_OBJECT)
		return bad(rd, "", "annotations", "not an object");
	p->v = joey_arena_array(rd->arena, o->u.object.n, sizeof(*p->v));
	if (!p->v && o->u.object.n)
		return joey_err_sys(rd->err, ENOMEM, "read " STATE_FILE);
	for (size_t i = 0; i < o->u.object.n; i++) {
		if (o->u.object.v[i]->type != JOEY_JSON_STRING)
			return bad(rd, "annotations", o->u.object.keys[i], "not a string");
		p->v[i].key = joey_arena_strdup(rd->arena, o->u.object.keys[i]);
		p->v[i].value = joey_arena_strdup(rd->arena, o->u.object.v[i]->u.text);
		if (!p->v[i].key || !p->v[i].value)
			return joey_err_sys(rd->err, ENOMEM, "read " STATE_FILE);
	}
	p->n = o->u.object.n;
	return 0;
}

static int get_driver(const struct reader *rd, const struct joey_json *cgroup)
{
	const char *name = joey_json_get_string(cgroup, "driver");

	if (!name || joey_cgroup_driver_from_string(name, &rd->st->cgroup.driver) < 0)
		return bad(rd, "cgroup", "driver", "unknown");
	return 0;
}

static int check_version(const struct reader *rd, const struct joey_json *top)
{
	uint64_t version;

	if (top->type != JOEY_JSON_OBJECT || joey_json_get_u64(top, "version", &version) < 0)
		return bad(rd, "", "version", "missing");
	if (version != JOEY_STATE_VERSION)
		return joey_err_set(rd->err, JOEY_EK_UNSUPPORTED, EPROTO,
				    STATE_FILE ": version %llu is not known to this joey (it knows %d)",
				    (unsigned long long)version, JOEY_STATE_VERSION);
	return 0;
}

static int get_objects(const struct reader *rd, const struct joey_json *top)
{
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(objects); i++) {
		const struct joey_json *o = joey_json_get(top, objects[i].key);
		int r;

		if (!o || o->type != JOEY_JSON_OBJECT)
			return bad(rd, "", objects[i].key, "not an object");
		r = get_fields(rd, o, objects[i].key, objects[i].fields, objects[i].n);
		if (r < 0)
			return r;
	}
	return get_driver(rd, joey_json_get(top, "cgroup"));
}

int state_decode(const char *text, size_t len, const char *id, struct joey_arena *arena, struct joey_state *ret,
		 struct joey_err *err)
{
	struct joey_state st = { 0 };
	struct reader rd = { arena, &st, err };
	const struct joey_json *data;
	struct joey_json *top;
	int r;

	r = joey_json_parse(text, len, STATE_MAX_BYTES, arena, &top, err);
	if (r < 0)
		return joey_err_wrap(err, STATE_FILE);
	r = check_version(&rd, top);
	if (r == 0)
		r = get_fields(&rd, top, "", top_fields, JOEY_ARRAY_SIZE(top_fields));
	if (r == 0)
		r = get_objects(&rd, top);
	if (r == 0)
		r = get_annotations(&rd, joey_json_get(top, "annotations"));
	if (r < 0)
		return r;
	if (!joey_streq(st.id, id))
		return bad(&rd, "", "id", "not the name of the directory");
	data = joey_json_get(top, "backendData");
	if (data && data->type != JOEY_JSON_OBJECT)
		return bad(&rd, "", "backendData", "not an object");
	st.backend_data = data;
	*ret = st;
	return 0;
}

/* ---- for people and hooks ------------------------------------------------------------------------------------ */

static const char *const status_names[JOEY_ST_MAX] = {
	[JOEY_ST_CREATING] = "creating", [JOEY_ST_CREATED] = "created", [JOEY_ST_RUNNING] = "running",
	[JOEY_ST_PAUSED] = "paused",     [JOEY_ST_STOPPED] = "stopped",
};

const char *joey_status_to_string(enum joey_status st)
{
	return (unsigned)st < JOEY_ST_MAX ? status_names[st] : "unknown";
}

void joey_state_write_oci(struct joey_json_out *o, const struct joey_state *st, enum joey_status status, pid_t pid)
{
	joey_json_out_string(o, "ociVersion", st->oci_version);
	joey_json_out_string(o, "id", st->id);
	joey_json_out_string(o, "status", joey_status_to_string(status));
	if (pid > 0)
		joey_json_out_i64(o, "pid", pid);
	joey_json_out_string(o, "bundle", st->bundle);
	if (st->annotations.n > 0)
		put_annotations(o, &st->annotations);
}
