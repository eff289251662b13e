/* SPDX-License-Identifier: Apache-2.0 */
/* BLAKE2b after RFC 7693, unkeyed, messages up to 2^64-1 bytes. */
#include <endian.h>
#include <string.h>

#include "joey/blake2b.h"

enum { BLOCK = 128, ROUNDS = 12 };

static const uint64_t iv[8] = {
	0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
	0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

/* Rounds 10 and 11 use rows 0 and 1 again. */
static const uint8_t sigma[10][16] = {
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	{ 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3 },
	{ 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4 },
	{ 7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8 },
	{ 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13 },
	{ 2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9 },
	{ 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11 },
	{ 13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10 },
	{ 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5 },
	{ 10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0 },
};

static uint64_t rotr(uint64_t x, unsigned n)
{
	return x >> n | x << (64 - n);
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline void mix(uint64_t *v, unsigned a, unsigned b, unsigned c, unsigned d, uint64_t x, uint64_t y)
{
	v[a] += v[b] + x;
	v[d] = rotr(v[d] ^ v[a], 32);
	v[c] += v[d];
	v[b] = rotr(v[b] ^ v[c], 24);
	v[a] += v[b] + y;
	v[d] = rotr(v[d] ^ v[a], 16);
	v[c] += v[d];
	v[b] = rotr(v[b] ^ v[c], 63);
}

static void compress(struct joey_blake2b *s, const uint8_t *block, uint64_t last)
{
	uint64_t v[16], m[16];

	for (unsigned i = 0; i < 16; i++)
		m[i] = load64(block + 8 * i);
	memcpy(v, s->h, sizeof(s->h));
	memcpy(v + 8, iv, sizeof(iv));
	v[12] ^= s->count;
	v[14] ^= last;
	for (unsigned r = 0; r < ROUNDS; r++) {
		const uint8_t *g = sigma[r % 10];

		mix(v, 0, 4, 8, 12, m[g[0]], m[g[1]]);
		mix(v, 1, 5, 9, 13, m[g[2]], m[g[3]]);
		mix(v, 2, 6, 10, 14, m[g[4]], m[g[5]]);
		mix(v, 3, 7, 11, 15, m[g[6]], m[g[7]]);
		mix(v, 0, 5, 10, 15, m[g[8]], m[g[9]]);
		mix(v, 1, 6, 11, 12, m[g[10]], m[g[11]]);
		mix(v, 2, 7, 8, 13, m[g[12]], m[g[13]]);
		mix(v, 3, 4, 9, 14, m[g[14]], m[g[15]]);
	}
	for (unsigned i = 0; i < 8; i++)
		s->h[i] ^= v[i] ^ v[i + 8];
}

void joey_blake2b_init(struct joey_blake2b *b, size_t out_len)
{
	memset(b, 0, sizeof(*b));
	memcpy(b->h, iv, sizeof(iv));
	b->h[0] ^= 0x01010000 ^ out_len;
	b->out_len = out_len;
}

void joey_blake2b_add(struct joey_blake2b *b, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len > 0) {
		size_t n;

		/* a full block waits: the last one is compressed differently */
		if (b->fill == BLOCK) {
			b->count += BLOCK;
			compress(b, b->block, 0);
			b->fill = 0;
		}
		n = BLOCK - b->fill < len ? BLOCK - b->fill : len;
		memcpy(b->block + b->fill, p, n);
		b->fill += n;
		p += n;
		len -= n;
	}
}

void joey_blake2b_add_u64(struct joey_blake2b *b, uint64_t v)
{
	joey_blake2b_add(b, &v, sizeof(v));
}

void joey_blake2b_add_text(struct joey_blake2b *b, const char *s)
{
	joey_blake2b_add(b, s, strlen(s) + 1);
}

void joey_blake2b_finish(struct joey_blake2b *b, uint8_t *ret)
{
	memset(b->block + b->fill, 0, BLOCK - b->fill);
	b->count += b->fill;
	compress(b, b->block, UINT64_MAX);
	for (size_t i = 0; i < b->out_len; i++)
		ret[i] = (uint8_t)(b->h[i / 8] >> (8 * (i % 8)));
}
