/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of the other end: the parser alone and the reader must see the same frames; replies are looked at; streams go
 * to a relay whose stream 0 is written out, whose stream 1 is read, and whose stream 2 has no descriptor yet.
 */
#include <fcntl.h>
#include <string.h>

#include "fuzz.h"
#include "joey/wire.h"

static void check_books(const struct joey_relay *r)
{
	for (int i = 0; i < 3; i++) {
		const struct joey_relay_stream *s = &r->s[i];

		FUZZ_ASSERT(s->credit <= JOEY_WIRE_WINDOW && s->owed <= JOEY_WIRE_WINDOW);
		FUZZ_ASSERT(s->from <= s->to && s->to <= s->cap && s->cap <= JOEY_WIRE_WINDOW);
		if (s->way == JOEY_RELAY_RECEIVE && s->open)
			FUZZ_ASSERT(s->credit + s->owed + (s->to - s->from) == JOEY_WIRE_WINDOW);
	}
}

static void look_at(const struct joey_frame *f, struct joey_relay *r, struct joey_wire_out *out)
{
	struct joey_err err = JOEY_ERR_INIT;
	const uint8_t *data;
	uint32_t v;
	size_t n;
	int e;

	FUZZ_ASSERT(f->len <= JOEY_WIRE_PAYLOAD_MAX && f->stream <= 2);
	FUZZ_ASSERT((joey_frame_u32(f, &v) == 0) == (f->len == 4));
	e = joey_frame_reply(f, &data, &n, &err);
	FUZZ_ASSERT((e == 0) == (err.errnum == 0));
	if (e == 0)
		FUZZ_ASSERT(f->type == JOEY_WIRE_REPLY && data + n == f->data + f->len);
	for (const char *p = joey_err_text(&err); *p; p++)
		FUZZ_ASSERT((unsigned char)*p >= 0x20 && *p != 0x7f);
	joey_err_clear(&err);
	r->id = f->id;
	e = joey_relay_take(r, f, out);
	FUZZ_ASSERT(e == 0 || e == -EPROTO);
	check_books(r);
	FUZZ_ASSERT(out->to - out->from <= out->max);
	out->from = out->to;
}

static int parse_all(const uint8_t *data, size_t size, struct joey_relay *r, struct joey_wire_out *out, size_t *frames)
{
	struct joey_frame f;
	size_t used;
	int e;

	while ((e = joey_wire_parse(data, size, &f, &used)) == 1) {
		FUZZ_ASSERT(used <= size && f.data + f.len == data + used);
		look_at(&f, r, out);
		data += used;
		size -= used;
		++*frames;
	}
	return e;
}

/* The same bytes in the pieces in which a pipe gives them. */
static void read_all(const uint8_t *data, size_t size, size_t frames, int result)
{
	struct joey_wire_in in = JOEY_WIRE_IN_INIT;
	struct joey_frame f;
	size_t at = 0;
	int p[2], e = 0;

	FUZZ_ASSERT(pipe2(p, O_NONBLOCK) == 0);
	while (at < size && e == 0) {
		size_t piece = size - at > 777 ? 777 : size - at;

		FUZZ_ASSERT(write(p[1], data + at, piece) == (ssize_t)piece);
		at += piece;
		while ((e = joey_wire_read(&in, p[0])) == 0) {
			while ((e = joey_wire_next(&in, &f)) == 1)
				frames--;
			if (e < 0)
				break;
		}
		if (e == -EAGAIN)
			e = 0;
	}
	FUZZ_ASSERT(e == result && frames == 0 && in.cap <= JOEY_WIRE_HEADER + JOEY_WIRE_PAYLOAD_MAX);
	joey_wire_in_done(&in);
	close(p[0]);
	close(p[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(100000);
	struct joey_relay r;
	size_t frames = 0;
	int from[2], to[2], e;

	FUZZ_ASSERT(pipe2(from, O_NONBLOCK) == 0 && pipe2(to, O_NONBLOCK) == 0);
	FUZZ_ASSERT(write(from[1], "output", 6) == 6);
	joey_relay_init(&r, 0);
	joey_relay_add(&r, 0, to[1], JOEY_RELAY_RECEIVE, size & 1, false);
	joey_relay_add(&r, 1, from[0], JOEY_RELAY_SEND, size & 2, false);
	joey_relay_add(&r, 2, -EBADF, JOEY_RELAY_RECEIVE, false, false);
	(void)joey_relay_drained(&r, &out);
	e = parse_all(data, size, &r, &out, &frames);
	joey_relay_done(&r);
	close(from[1]);
	close(to[0]);
	joey_wire_out_done(&out);
	read_all(data, size, frames, e);
	return 0;
}
