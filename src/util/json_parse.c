/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON in: yajl's streaming parser feeds a stack of values; each closed array or object is copied, in its exact
 * size, into the caller's arena.  Owns the bounds on hostile input (depth, counts, string and node limits) and the
 * strictness that yajl lacks: duplicate keys, embedded NUL, overlong UTF-8 and surrogates are refused.
 * Must not interpret values: numbers keep their text.
 */
#include <string.h>

#include <yajl/yajl_parse.h>

#include "joey/json.h"
#include "util/json-internal.h"

enum {
	MAX_DEPTH = 64,
	MAX_CHILDREN = 65536,
	MAX_NODES = 1 << 20,
	MAX_STRING = 1 << 20,
	MAX_NUMBER = 1024,
	SMALL_OBJECT = 16, /* up to here, comparing all keys beats sorting them */
};

struct slot {
	const char *key; /* NULL in an array */
	struct joey_json *value;
};

struct frame {
	size_t start; /* first slot of this array or object */
	bool object;
};

struct builder {
	struct joey_arena *arena;
	struct slot *slots;
	size_t n_slots, cap_slots;
	struct frame frames[MAX_DEPTH];
	unsigned depth;
	size_t nodes;
	const char *key; /* seen, its value not yet */
	const char *reason;
	const char *culprit; /* the key that is there twice */
	int errnum;
};

static int refuse(struct builder *b, int errnum, const char *reason)
{
	b->errnum = errnum;
	b->reason = reason;
	return 0; /* tells yajl to stop */
}

static int push(struct builder *b, struct joey_json *value)
{
	size_t start = b->depth > 0 ? b->frames[b->depth - 1].start : 0;

	if (b->n_slots - start >= MAX_CHILDREN)
		return refuse(b, E2BIG, "too many elements in one array or object");
	if (b->n_slots == b->cap_slots) {
		size_t cap = b->cap_slots > 0 ? b->cap_slots * 2 : 256;
		struct slot *grown = reallocarray(b->slots, cap, sizeof(*grown));

		if (!grown)
			return refuse(b, ENOMEM, "out of memory");
		b->slots = grown;
		b->cap_slots = cap;
	}
	b->slots[b->n_slots++] = (struct slot){ b->key, value };
	b->key = NULL;
	return 1;
}

static struct joey_json *new_node(struct builder *b, enum joey_json_type type)
{
	struct joey_json *node;

	if (b->nodes >= MAX_NODES) {
		refuse(b, E2BIG, "too many values");
		return NULL;
	}
	node = joey_arena_alloc(b->arena, sizeof(*node));
	if (!node) {
		refuse(b, ENOMEM, "out of memory");
		return NULL;
	}
	b->nodes++;
	node->type = type;
	return node;
}

static int on_null(void *ctx)
{
	struct builder *b = ctx;
	struct joey_json *node = new_node(b, JOEY_JSON_NULL);

	return node ? push(b, node) : 0;
}

static int on_boolean(void *ctx, int value)
{
	struct builder *b = ctx;
	struct joey_json *node = new_node(b, JOEY_JSON_BOOL);

	if (!node)
		return 0;
	node->u.boolean = value != 0;
	return push(b, node);
}

/* Copies a string or number; NULL with the refusal noted. */
static const char *keep_text(struct builder *b, const char *text, size_t len)
{
	char *copy;

	if (len > MAX_STRING) {
		refuse(b, E2BIG, "string too long");
		return NULL;
	}
	if (len > 0 && memchr(text, '\0', len)) {
		refuse(b, EINVAL, "string contains a NUL character");
		return NULL;
	}
	if (json_utf8_span(text, len) != len) {
		refuse(b, EILSEQ, "string is not valid UTF-8");
		return NULL;
	}
	copy = joey_arena_strndup(b->arena, text, len);
	if (!copy)
		refuse(b, ENOMEM, "out of memory");
	return copy;
}

static int on_number(void *ctx, const char *text, size_t len)
{
	struct builder *b = ctx;
	struct joey_json *node;

	if (len > MAX_NUMBER)
		return refuse(b, E2BIG, "number too long");
	node = new_node(b, JOEY_JSON_NUMBER);
	if (!node)
		return 0;
	node->u.text = keep_text(b, text, len);
	return node->u.text ? push(b, node) : 0;
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
	struct builder *b = ctx;
	struct joey_json *node = new_node(b, JOEY_JSON_STRING);

	if (!node)
		return 0;
	node->u.text = keep_text(b, (const char *)text, len);
	return node->u.text ? push(b, node) : 0;
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
	struct builder *b = ctx;

	b->key = keep_text(b, (const char *)text, len);
	return b->key != NULL;
}

/* The node is pushed before its children; they follow it on the stack. */
static int on_start(struct builder *b, enum joey_json_type type)
{
	struct joey_json *node;

	if (b->depth == MAX_DEPTH)
		return refuse(b, E2BIG, "nested too deeply");
	node = new_node(b, type);
	if (!node || !push(b, node))
		return 0;
	b->frames[b->depth++] = (struct frame){ b->n_slots, type == JOEY_JSON_OBJECT };
	return 1;
}

static int on_start_map(void *ctx)
{
	return on_start(ctx, JOEY_JSON_OBJECT);
}

static int on_start_array(void *ctx)
{
	return on_start(ctx, JOEY_JSON_ARRAY);
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Two equal keys among n; NULL if there are none or, with *ret_nomem set, memory ran out. */
static const char *find_duplicate(const char *const *keys, size_t n, bool *ret_nomem)
{
	autofree const char **sorted = NULL;

	if (n <= SMALL_OBJECT) {
		for (size_t i = 1; i < n; i++)
			for (size_t j = 0; j < i; j++)
				if (*keys[i] == *keys[j] && strcmp(keys[i], keys[j]) == 0)
					return keys[i];
		return NULL;
	}
	sorted = reallocarray(NULL, n, sizeof(*sorted));
	if (!sorted) {
		*ret_nomem = true;
		return NULL;
	}
	memcpy(sorted, keys, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_keys);
	for (size_t i = 1; i < n; i++)
		if (strcmp(sorted[i - 1], sorted[i]) == 0)
			return sorted[i];
	return NULL;
}

static int fill_object(struct builder *b, struct joey_json *node, const struct slot *slots, size_t n)
{
	bool nomem = false;

	node->u.object.keys = joey_arena_array(b->arena, n, sizeof(char *));
	node->u.object.v = joey_arena_array(b->arena, n, sizeof(struct joey_json *));
	if (!node->u.object.keys || !node->u.object.v)
		return refuse(b, ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		node->u.object.keys[i] = slots[i].key;
		node->u.object.v[i] = slots[i].value;
	}
	node->u.object.n = n;
	b->culprit = find_duplicate(node->u.object.keys, n, &nomem);
	if (nomem)
		return refuse(b, ENOMEM, "out of memory");
	return b->culprit ? refuse(b, EINVAL, "duplicate key") : 1;
}

static int fill_array(struct builder *b, struct joey_json *node, const struct slot *slots, size_t n)
{
	node->u.array.v = joey_arena_array(b->arena, n, sizeof(struct joey_json *));
	if (!node->u.array.v)
		return refuse(b, ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		node->u.array.v[i] = slots[i].value;
	node->u.array.n = n;
	return 1;
}

static int on_end(void *ctx)
{
	struct builder *b = ctx;
	const struct frame *f = &b->frames[--b->depth];
	const struct slot *slots = &b->slots[f->start];
	size_t n = b->n_slots - f->start;
	struct joey_json *node = b->slots[f->start - 1].value;

	b->n_slots = f->start;
	if (n == 0)
		return 1;
	return f->object ? fill_object(b, node, slots, n) : fill_array(b, node, slots, n);
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_start_map,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end,
	.yajl_start_array = on_start_array,
	.yajl_end_array = on_end,
};

/* yajl's texts end in a newline and have a prefix such as "parse error: ". */
static int report_yajl(yajl_handle h, size_t len, struct joey_err *err)
{
	size_t consumed = yajl_get_bytes_consumed(h);
	size_t at = consumed < len ? consumed : len; /* yajl feeds itself a blank at the end */
	unsigned char *text = yajl_get_error(h, 0, NULL, 0);
	const char *reason = text ? (const char *)text : "parse error";
	int r;

	r = joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "%.*s at byte %zu", (int)strcspn(reason, "\n"), reason, at);
	if (text)
		yajl_free_error(h, text);
	return r;
}

static int report_own(const struct builder *b, yajl_handle h, struct joey_err *err)
{
	size_t at = yajl_get_bytes_consumed(h);

	if (b->culprit)
		return joey_err_set(err, JOEY_EK_CONFIG, b->errnum, "%s \"%.100s\" at byte %zu", b->reason, b->culprit,
				    at);
	return joey_err_set(err, JOEY_EK_CONFIG, b->errnum, "%s at byte %zu", b->reason, at);
}

static int run(yajl_handle h, struct builder *b, const char *text, size_t len, struct joey_err *err)
{
	yajl_status st;

	/* Our own check is the stricter one. */
	yajl_config(h, yajl_dont_validate_strings, 1);
	st = yajl_parse(h, (const unsigned char *)text, len);
	if (st == yajl_status_ok)
		st = yajl_complete_parse(h);
	if (b->reason)
		return report_own(b, h, err);
	if (st != yajl_status_ok)
		return report_yajl(h, len, err);
	if (b->depth != 0 || b->n_slots != 1)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "parse error: premature EOF at byte %zu", len);
	return 0;
}

int joey_json_parse(const char *text, size_t len, size_t max_bytes, struct joey_arena *arena, struct joey_json **ret,
		    struct joey_err *err)
{
	struct builder b = { .arena = arena };
	yajl_handle h;
	int r;

	if (len > max_bytes)
		return joey_err_set(err, JOEY_EK_CONFIG, EFBIG, "larger than %zu bytes", max_bytes);
	h = yajl_alloc(&callbacks, NULL, &b);
	if (!h)
		return joey_err_set(err, JOEY_EK_OTHER, ENOMEM, "out of memory");
	r = run(h, &b, text, len, err);
	if (r == 0)
		*ret = b.slots[0].value;
	yajl_free(h);
	free(b.slots);
	return r;
}
