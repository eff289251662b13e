/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol buffer wire format: a message is a sequence of (field number << 3 | type) followed by the value; integers
 * are little-endian groups of seven bits.  The reader takes foreign bytes: every length is compared with what is left
 * before it is believed.
 */
#include <string.h>

#include "joey/protobuf.h"

enum { VARINT_MAX_BYTES = 10, FIELD_MAX = (1 << 29) - 1 };

static void add_varint(struct joey_str *o, uint64_t v)
{
	char bytes[VARINT_MAX_BYTES];
	size_t n = 0;

	do {
		bytes[n++] = (char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
		v >>= 7;
	} while (v);
	joey_str_addn(o, bytes, n);
}

static void add_tag(struct joey_str *o, uint32_t field, enum joey_pb_type type)
{
	add_varint(o, (uint64_t)field << 3 | type);
}

void joey_pb_u64(struct joey_str *o, uint32_t field, uint64_t v)
{
	add_tag(o, field, JOEY_PB_VARINT);
	add_varint(o, v);
}

void joey_pb_i32(struct joey_str *o, uint32_t field, int32_t v)
{
	joey_pb_u64(o, field, (uint64_t)(int64_t)v);
}

void joey_pb_bool(struct joey_str *o, uint32_t field, bool v)
{
	joey_pb_u64(o, field, v);
}

void joey_pb_bytes(struct joey_str *o, uint32_t field, const void *data, size_t len)
{
	add_tag(o, field, JOEY_PB_BYTES);
	add_varint(o, len);
	joey_str_addn(o, data, len);
}

void joey_pb_string(struct joey_str *o, uint32_t field, const char *s)
{
	joey_pb_bytes(o, field, s, strlen(s));
}

void joey_pb_message(struct joey_str *o, uint32_t field, const struct joey_str *m)
{
	joey_pb_bytes(o, field, m->buf ? m->buf : "", m->len);
	if (m->failed)
		o->failed = true;
}

static int take_varint(struct joey_pb_in *in, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < VARINT_MAX_BYTES && in->left > 0; i++) {
		uint8_t byte = *in->p++;

		in->left--;
		/* the tenth byte has room for one bit */
		if (i == VARINT_MAX_BYTES - 1 && byte > 1)
			return -EPROTO;
		v |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80)) {
			*ret = v;
			return 0;
		}
	}
	return -EPROTO;
}

static int take_fixed(struct joey_pb_in *in, unsigned bytes, uint64_t *ret)
{
	uint64_t v = 0;

	if (in->left < bytes)
		return -EPROTO;
	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)in->p[i] << (8 * i);
	in->p += bytes;
	in->left -= bytes;
	*ret = v;
	return 0;
}

static int take_bytes(struct joey_pb_in *in, struct joey_pb_field *f)
{
	uint64_t len;
	int r = take_varint(in, &len);

	if (r < 0 || len > in->left)
		return -EPROTO;
	f->data = in->p;
	f->len = (size_t)len;
	in->p += len;
	in->left -= (size_t)len;
	return 0;
}

int joey_pb_next(struct joey_pb_in *in, struct joey_pb_field *ret)
{
	struct joey_pb_field f = { 0 };
	uint64_t tag;
	int r;

	if (in->left == 0)
		return 0;
	r = take_varint(in, &tag);
	if (r < 0 || tag >> 3 == 0 || tag >> 3 > FIELD_MAX)
		return -EPROTO;
	f.number = (uint32_t)(tag >> 3);
	switch (tag & 7) {
	case JOEY_PB_VARINT:
		f.type = JOEY_PB_VARINT;
		r = take_varint(in, &f.v);
		break;
	case JOEY_PB_FIXED64:
		f.type = JOEY_PB_FIXED64;
		r = take_fixed(in, 8, &f.v);
		break;
	case JOEY_PB_BYTES:
		f.type = JOEY_PB_BYTES;
		r = take_bytes(in, &f);
		break;
	case JOEY_PB_FIXED32:
		f.type = JOEY_PB_FIXED32;
		r = take_fixed(in, 4, &f.v);
		break;
	default: /* groups are long out of use */
		r = -EPROTO;
	}
	if (r < 0)
		return r;
	*ret = f;
	return 1;
}
