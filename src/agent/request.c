/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests: JSON objects with a handful of fields each, and the BLOBs that came before.  The host is trusted with what
 * it asks for, but a malformed request is answered with an error, and never takes more memory than agent-internal.h
 * says.
 */
#include <string.h>

#include "agent/agent-internal.h"
#include "joey/json.h"
#include "joey/syscalls.h"

#define AGENT_ATTRS                                                                                \
	((uint64_t)(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | \
		    MOUNT_ATTR_NOATIME | MOUNT_ATTR_STRICTATIME | MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW))

enum {
	F_C = 1,
	F_P = 2,
	F_NAME = 4,
	F_SIGNAL = 8,
	F_BLOB = 16,
};

static const struct rule {
	unsigned type;
	const char *name;
	unsigned needs;
} rules[] = {
	{ JOEY_WIRE_CREATE, "create", F_C | F_NAME | F_BLOB },
	{ JOEY_WIRE_START, "start", F_C },
	{ JOEY_WIRE_EXEC, "exec", F_C | F_P | F_BLOB },
	{ JOEY_WIRE_KILL, "kill", F_C | F_SIGNAL },
	{ JOEY_WIRE_PAUSE, "pause", F_C },
	{ JOEY_WIRE_RESUME, "resume", F_C },
	{ JOEY_WIRE_UPDATE, "update", F_C | F_BLOB },
	{ JOEY_WIRE_STATS, "stats", F_C },
	{ JOEY_WIRE_PIDS, "pids", F_C },
	{ JOEY_WIRE_DROP, "drop", F_C },
	{ JOEY_WIRE_NET, "net", 0 },
};

/* ---- BLOBs ------------------------------------------------------------------------------------------------------ */

static struct agent_blob *blob_find(struct agent *a, uint32_t id)
{
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(a->blobs); i++)
		if (a->blobs[i].used && a->blobs[i].id == id)
			return &a->blobs[i];
	return NULL;
}

static void blob_lose(struct agent *a, struct agent_blob *b)
{
	a->blob_bytes -= b->cap;
	free(b->data);
	*b = (struct agent_blob){ .id = b->id, .used = b->used, .lost = true };
}

static int blob_add(struct agent *a, struct agent_blob *b, const struct joey_frame *f)
{
	size_t cap = b->cap ? b->cap : 4096;
	char *p;

	while (cap < b->n + f->len)
		cap *= 2;
	if (b->n + f->len > JOEY_WIRE_BLOB_MAX || a->blob_bytes - b->cap + cap > AGENT_BLOB_BYTES)
		return -ENOBUFS;
	if (cap > b->cap) {
		p = realloc(b->data, cap);
		if (!p)
			return -ENOMEM;
		a->blob_bytes += cap - b->cap;
		b->data = p;
		b->cap = cap;
	}
	memcpy(b->data + b->n, f->data, f->len);
	b->n += f->len;
	return 0;
}

/* What is too much is forgotten, and its request refused when it comes. */
int agent_blob_take(struct agent *a, const struct joey_frame *f)
{
	struct agent_blob *b = blob_find(a, f->id);

	for (size_t i = 0; !b && i < JOEY_ARRAY_SIZE(a->blobs); i++)
		if (!a->blobs[i].used) {
			b = &a->blobs[i];
			*b = (struct agent_blob){ .id = f->id, .used = true };
		}
	if (!b)
		return -EPROTO;
	if (!b->lost && blob_add(a, b, f) < 0)
		blob_lose(a, b);
	return 0;
}

/* To the job; its bytes count until the job is freed. */
static int blob_give(struct agent *a, struct agent_job *j, struct joey_err *err)
{
	struct agent_blob *b = blob_find(a, j->id);
	bool lost = b && b->lost;

	if (!b)
		return 0;
	j->blob = b->data;
	j->n_blob = b->n;
	a->blob_bytes -= b->cap - b->n;
	*b = (struct agent_blob){ .used = false };
	return lost ? joey_err_set(err, JOEY_EK_OTHER, ENOBUFS, "the guest has no room for so much at once") : 0;
}

void agent_job_free(struct agent *a, struct agent_job *j)
{
	a->blob_bytes -= j->n_blob;
	joey_arena_done(&j->arena);
	joey_close(j->pipe);
	free(j->blob);
	free(j->answer);
	free(j);
}

/* ---- fields ------------------------------------------------------------------------------------------------------ */

int agent_request_bad(struct joey_err *err, const char *key)
{
	return joey_err_set(err, JOEY_EK_OTHER, EINVAL, "bad or missing \"%s\"", key);
}

static int number(const struct joey_json *o, const char *key, uint64_t max, bool needed, uint64_t *ret,
		  struct joey_err *err)
{
	uint64_t v = 0;
	int r = joey_json_get_u64(o, key, &v);

	if (r == -ENOENT && !needed)
		return 0;
	if (r < 0 || v > max)
		return agent_request_bad(err, key);
	*ret = v;
	return 0;
}

static int flag(const struct joey_json *o, const char *key, bool *ret, struct joey_err *err)
{
	int r = joey_json_get_bool(o, key, ret);

	return r < 0 && r != -ENOENT ? agent_request_bad(err, key) : 0;
}

static int numbers(const struct rule *rule, struct agent_job *j, struct joey_err *err)
{
	const struct {
		const char *key;
		uint64_t max;
		bool needed;
	} rows[] = {
		{ "c", UINT32_MAX, rule->needs & F_C },
		{ "p", UINT32_MAX, rule->needs & F_P },
		{ "rows", UINT16_MAX, false },
		{ "cols", UINT16_MAX, false },
		{ "signal", AGENT_SIGNAL_MAX, rule->needs & F_SIGNAL },
	};
	uint64_t v[JOEY_ARRAY_SIZE(rows)] = { 0 };

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		int r = number(j->json, rows[i].key, rows[i].max, rows[i].needed, &v[i], err);

		if (r < 0)
			return r;
	}
	j->c = (uint32_t)v[0];
	j->p = (uint32_t)v[1];
	j->rows = (uint16_t)v[2];
	j->cols = (uint16_t)v[3];
	j->signal = (int)v[4];
	return 0;
}

int agent_request_each(struct agent_job *j, const char *key,
		       int (*take)(struct agent_job *j, const struct joey_json *element, struct joey_err *err),
		       struct joey_err *err)
{
	const struct joey_json *v = joey_json_get(j->json, key);
	int r = 0;

	if (v && v->type != JOEY_JSON_ARRAY)
		return agent_request_bad(err, key);
	for (size_t i = 0; v && i < v->u.array.n && r == 0; i++)
		r = take(j, v->u.array.v[i], err);
	return r;
}

/* "attrs": a number for each mount; what follows the last one that is not 0 is left out. */
static int attrs(struct agent_job *j, struct joey_err *err)
{
	const struct joey_json *v = joey_json_get(j->json, "attrs");

	if (!v)
		return 0;
	if (v->type != JOEY_JSON_ARRAY)
		return agent_request_bad(err, "attrs");
	j->attrs = joey_arena_alloc(&j->arena, (v->u.array.n + 1) * sizeof(*j->attrs));
	if (!j->attrs)
		return joey_err_sys(err, ENOMEM, "take a request");
	for (size_t i = 0; i < v->u.array.n; i++) {
		const struct joey_json *e = v->u.array.v[i];

		if (e->type != JOEY_JSON_NUMBER || joey_parse_u64(e->u.text, &j->attrs[i]) < 0 ||
		    j->attrs[i] & ~AGENT_ATTRS)
			return agent_request_bad(err, "attrs");
	}
	j->n_attrs = v->u.array.n;
	return 0;
}

static int fields(const struct rule *rule, struct agent_job *j, struct joey_err *err)
{
	const struct {
		const char *key;
		bool *ret;
	} flags[] = {
		{ "run", &j->run },          { "terminal", &j->terminal },
		{ "noPivot", &j->no_pivot }, { "noNewKeyring", &j->no_new_keyring },
		{ "all", &j->all },          { "ignorePaused", &j->ignore_paused },
		{ "disk", &j->disk },
	};
	int r = numbers(rule, j, err);

	for (size_t i = 0; r == 0 && i < JOEY_ARRAY_SIZE(flags); i++)
		r = flag(j->json, flags[i].key, flags[i].ret, err);
	if (r == 0)
		r = attrs(j, err);
	if (r == 0)
		r = agent_join_parse(j, err);
	if (r == 0)
		r = agent_shm_parse(j, err);
	if (r < 0)
		return r;
	j->name = joey_json_get_string(j->json, "id");
	j->cgroup = joey_json_get_string(j->json, "cgroup");
	if (j->cgroup && !*j->cgroup)
		j->cgroup = NULL;
	if ((rule->needs & F_NAME) && (!j->name || joey_id_check(j->name, NULL) < 0))
		return agent_request_bad(err, "id");
	if ((rule->needs & F_BLOB) && !j->blob)
		return joey_err_set(err, JOEY_EK_OTHER, EINVAL, "nothing came before it");
	return 0;
}

static int parse(struct agent *a, const struct rule *rule, const struct joey_frame *f, struct agent_job *j,
		 struct joey_err *err)
{
	struct joey_json *json;
	int r = blob_give(a, j, err);

	if (r == 0)
		r = joey_json_parse((const char *)f->data, f->len, JOEY_WIRE_PAYLOAD_MAX, &j->arena, &json, err);
	if (r < 0)
		return r;
	j->json = json;
	return fields(rule, j, err);
}

int agent_request_parse(struct agent *a, const struct joey_frame *f, struct agent_job **ret, struct joey_err *err)
{
	const struct rule *rule = NULL;
	struct agent_job *j;
	int r;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rules); i++)
		if (rules[i].type == f->type)
			rule = &rules[i];
	j = calloc(1, sizeof(*j));
	if (!j)
		return joey_err_sys(err, ENOMEM, "take a request");
	j->pipe = -EBADF;
	j->id = f->id;
	j->type = f->type;
	r = rule ? parse(a, rule, f, j, err) : joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP, "not for the guest");
	if (r < 0) {
		agent_job_free(a, j);
		return joey_err_wrap(err, "guest: %s", rule ? rule->name : "request");
	}
	*ret = j;
	return 0;
}
