/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_BLAKE2B_H
#define JOEY_BLAKE2B_H

/* BLAKE2b without key (RFC 7693): faster in portable C than SHA-2, with the same claim of collision resistance. */

#include <stddef.h>
#include <stdint.h>

struct joey_blake2b {
	uint64_t h[8], count;
	uint8_t block[128];
	size_t fill, out_len;
};

/* out_len: 1 .. 64 bytes. */
void joey_blake2b_init(struct joey_blake2b *b, size_t out_len);
void joey_blake2b_add(struct joey_blake2b *b, const void *data, size_t len);
void joey_blake2b_add_u64(struct joey_blake2b *b, uint64_t v);
/* With its NUL, so that no two texts run together. */
void joey_blake2b_add_text(struct joey_blake2b *b, const char *s);
/* Writes out_len bytes; b must be initialised again before it is used for anything else. */
void joey_blake2b_finish(struct joey_blake2b *b, uint8_t *ret);

#endif
