/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_PROTOBUF_H
#define JOEY_PROTOBUF_H

/*
 * The protocol buffer wire format, as much as CRIU's RPC needs: varints and length-delimited fields are written, all
 * but groups are read.  No schema and no memory of its own: the writer appends to a growing string, the reader walks a
 * buffer and points into it.
 */

#include "joey/util.h"

/* ---- writer: failures stick to the string --------------------------------------------------------------------- */

void joey_pb_u64(struct joey_str *o, uint32_t field, uint64_t v); /* uint32, uint64, bool, enum */
void joey_pb_i32(struct joey_str *o, uint32_t field, int32_t v);  /* int32: negative ones take ten bytes */
void joey_pb_bool(struct joey_str *o, uint32_t field, bool v);
void joey_pb_bytes(struct joey_str *o, uint32_t field, const void *data, size_t len);
void joey_pb_string(struct joey_str *o, uint32_t field, const char *s);
/* A message that was written to a string of its own; its failure becomes o's. */
void joey_pb_message(struct joey_str *o, uint32_t field, const struct joey_str *m);

/* ---- reader ----------------------------------------------------------------------------------------------------- */

enum joey_pb_type { JOEY_PB_VARINT = 0, JOEY_PB_FIXED64 = 1, JOEY_PB_BYTES = 2, JOEY_PB_FIXED32 = 5 };

struct joey_pb_in {
	const uint8_t *p;
	size_t left;
};

struct joey_pb_field {
	uint32_t number;
	enum joey_pb_type type;
	uint64_t v; /* every type but BYTES */
	const uint8_t *data;
	size_t len; /* BYTES: within the buffer that is read */
};

/* 1: *ret is filled; 0: the end; -EPROTO: not a message. */
int joey_pb_next(struct joey_pb_in *in, struct joey_pb_field *ret);

#endif
