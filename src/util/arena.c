/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bump allocator for documents: many small pieces, freed at once.  Memory is zeroed.  The first block is small so that
 * a container without much configuration stays small; later ones double up to 64 KiB; larger requests get their own.
 */
#include <stdalign.h>
#include <string.h>

#include "joey/util.h"

struct joey_arena_block {
	struct joey_arena_block *next;
	size_t used, size;
	alignas(max_align_t) unsigned char data[];
};

enum { FIRST_BLOCK = 4096 - 64, MAX_BLOCK = 65536 - 64 };

static struct joey_arena_block *add_block(struct joey_arena *a, size_t need)
{
	size_t size = a->blocks ? a->blocks->size * 2 : FIRST_BLOCK;
	struct joey_arena_block *b;

	if (size > MAX_BLOCK)
		size = MAX_BLOCK;
	if (size < need)
		size = need;
	if (size > SIZE_MAX - sizeof(*b))
		return NULL;
	b = calloc(1, sizeof(*b) + size);
	if (!b)
		return NULL;
	b->size = size;
	b->next = a->blocks;
	a->blocks = b;
	return b;
}

void *joey_arena_alloc(struct joey_arena *a, size_t size)
{
	struct joey_arena_block *b = a->blocks;
	void *p;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (!b || b->size - b->used < size) {
		b = add_block(a, size);
		if (!b)
			return NULL;
	}
	p = b->data + b->used;
	b->used += size;
	return p;
}

void *joey_arena_array(struct joey_arena *a, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	return joey_arena_alloc(a, bytes);
}

char *joey_arena_strndup(struct joey_arena *a, const char *s, size_t n)
{
	char *p = n < SIZE_MAX ? joey_arena_alloc(a, n + 1) : NULL;

	if (p)
		memcpy(p, s, n);
	return p;
}

char *joey_arena_strdup(struct joey_arena *a, const char *s)
{
	return joey_arena_strndup(a, s, strlen(s));
}

char *joey_arena_printf(struct joey_arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	p = joey_arena_alloc(a, (size_t)n + 1);
	if (!p)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

void joey_arena_done(struct joey_arena *a)
{
	struct joey_arena_block *b = a->blocks, *next;

	for (; b; b = next) {
		next = b->next;
		free(b);
	}
	a->blocks = NULL;
}
