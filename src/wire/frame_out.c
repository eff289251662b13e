/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames into a byte stream, by way of a bounded buffer: putting never blocks and never writes, flushing writes what
 * can be written.  A frame is put whole or not at all, and never one that the reader at the other end would refuse.
 */
#include <string.h>
#include <sys/socket.h>

#include "wire/wire-internal.h"

/* n more bytes behind out->to. */
static int make_room(struct joey_wire_out *out, size_t n)
{
	size_t waits = out->to - out->from, cap = out->cap ? out->cap : WIRE_BUF_FIRST;
	uint8_t *p;

	if (n > wire_room(out))
		return -ENOBUFS;
	if (out->from > 0 && out->to + n > out->cap) {
		memmove(out->buf, out->buf + out->from, waits);
		out->from = 0;
		out->to = waits;
	}
	while (cap < waits + n)
		cap *= 2;
	if (cap > out->cap) {
		p = realloc(out->buf, cap);
		if (!p)
			return -ENOMEM;
		out->buf = p;
		out->cap = cap;
	}
	return 0;
}

static int put_parts(struct joey_wire_out *out, const struct joey_frame *f, const uint8_t *head, size_t n_head)
{
	size_t len = n_head + f->len;
	uint8_t *p;
	int r = wire_check(f->type, f->stream, len) < 0 ? -EINVAL : make_room(out, JOEY_WIRE_HEADER + len);

	if (r < 0)
		return r;
	p = out->buf + out->to;
	joey_wire_put32(p, (uint32_t)len);
	joey_wire_put16(p + 4, f->type);
	joey_wire_put16(p + 6, f->stream);
	joey_wire_put32(p + 8, f->id);
	p += JOEY_WIRE_HEADER;
	if (n_head > 0)
		memcpy(p, head, n_head);
	if (f->len > 0)
		memcpy(p + n_head, f->data, f->len);
	out->to += JOEY_WIRE_HEADER + len;
	return 0;
}

int joey_wire_put(struct joey_wire_out *out, unsigned type, unsigned stream, uint32_t id, const void *data, size_t n)
{
	const struct joey_frame f = { (uint16_t)type, (uint16_t)stream, id, (uint32_t)n, data };

	if (type > UINT16_MAX || stream > UINT16_MAX || n > JOEY_WIRE_PAYLOAD_MAX)
		return -EINVAL;
	return put_parts(out, &f, NULL, 0);
}

int joey_wire_put_u32(struct joey_wire_out *out, unsigned type, unsigned stream, uint32_t id, uint32_t v)
{
	uint8_t bytes[4];

	joey_wire_put32(bytes, v);
	return joey_wire_put(out, type, stream, id, bytes, sizeof(bytes));
}

int joey_wire_put_frame(struct joey_wire_out *out, const struct joey_frame *f)
{
	return joey_wire_put(out, f->type, f->stream, f->id, f->data, f->len);
}

int joey_wire_put_reply(struct joey_wire_out *out, uint32_t id, int errnum, unsigned kind, const void *data, size_t n)
{
	struct joey_frame f = { JOEY_WIRE_REPLY, 0, id, 0, data };
	uint8_t head[8];

	if (n > JOEY_WIRE_PAYLOAD_MAX - sizeof(head)) {
		if (errnum == 0)
			return -EINVAL;
		n = JOEY_WIRE_PAYLOAD_MAX - sizeof(head);
	}
	joey_wire_put32(head, (uint32_t)(errnum < 0 ? -errnum : errnum));
	joey_wire_put32(head + 4, kind);
	f.len = (uint32_t)n;
	return put_parts(out, &f, head, sizeof(head));
}

int joey_wire_put_blob(struct joey_wire_out *out, uint32_t id, const void *data, size_t n)
{
	size_t frames = (n + JOEY_WIRE_PAYLOAD_MAX - 1) / JOEY_WIRE_PAYLOAD_MAX;
	const uint8_t *p = data;
	int r = n > JOEY_WIRE_BLOB_MAX ? -EFBIG : make_room(out, n + frames * JOEY_WIRE_HEADER);

	for (; r == 0 && n > 0;) {
		size_t part = n < JOEY_WIRE_PAYLOAD_MAX ? n : JOEY_WIRE_PAYLOAD_MAX;

		r = joey_wire_put(out, JOEY_WIRE_BLOB, 0, id, p, part);
		p += part;
		n -= part;
	}
	return r;
}

static ssize_t write_now(int fd, const uint8_t *p, size_t n)
{
	ssize_t w = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

	return w < 0 && errno == ENOTSOCK ? write(fd, p, n) : w;
}

int joey_wire_flush(struct joey_wire_out *out, int fd)
{
	while (out->from < out->to) {
		ssize_t n = write_now(fd, out->buf + out->from, out->to - out->from);

		if (n > 0)
			out->from += (size_t)n;
		else if (n == 0 || errno == EAGAIN)
			return 1;
		else if (errno != EINTR)
			return -errno;
	}
	out->from = out->to = 0;
	if (out->cap > WIRE_BUF_FIRST)
		joey_wire_out_done(out);
	return 0;
}

void joey_wire_out_done(struct joey_wire_out *out)
{
	free(out->buf);
	out->buf = NULL;
	out->cap = out->from = out->to = 0;
}
