/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames out of a byte stream.  Everything about a frame that can be judged from its header is judged as soon as the
 * header is there, so a bad length never makes the buffer grow.  What a payload means is not known here.
 */
#include <string.h>
#include <sys/socket.h>

#include "wire/wire-internal.h"

/* What is known of a type before its payload is looked at. */
static const struct rule {
	uint16_t first, last;
	uint16_t streams; /* frame.stream is below that */
	uint32_t min, max;
} rules[] = {
	{ JOEY_WIRE_HELLO, JOEY_WIRE_REQUEST_END - 1, 1, 0, JOEY_WIRE_PAYLOAD_MAX },
	{ JOEY_WIRE_BLOB, JOEY_WIRE_BLOB, 1, 1, JOEY_WIRE_PAYLOAD_MAX },
	{ JOEY_WIRE_REPLY, JOEY_WIRE_REPLY, 1, 8, JOEY_WIRE_PAYLOAD_MAX },
	{ JOEY_WIRE_DATA, JOEY_WIRE_DATA, 3, 1, JOEY_WIRE_DATA_MAX },
	{ JOEY_WIRE_EOF, JOEY_WIRE_EOF, 3, 0, 0 },
	{ JOEY_WIRE_CREDIT, JOEY_WIRE_CREDIT, 3, 4, 4 },
	{ JOEY_WIRE_SIGNAL, JOEY_WIRE_SIGNAL, 1, 4, 4 },
	{ JOEY_WIRE_RESIZE, JOEY_WIRE_RESIZE, 1, 4, 4 },
	{ JOEY_WIRE_EXIT, JOEY_WIRE_EXIT, 1, 4, 4 },
	{ JOEY_WIRE_EVENT, JOEY_WIRE_EVENT, 1, 4, 4 },
	{ JOEY_WIRE_LOG, JOEY_WIRE_LOG, 1, 0, JOEY_WIRE_PAYLOAD_MAX },
	{ JOEY_WIRE_CLOCK, JOEY_WIRE_CLOCK, 1, 0, 8 },
};

int wire_check(unsigned type, unsigned stream, size_t len)
{
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rules); i++)
		if (type >= rules[i].first && type <= rules[i].last)
			return stream < rules[i].streams && len >= rules[i].min && len <= rules[i].max ? 0 : -EPROTO;
	return -EPROTO;
}

int joey_wire_parse(const uint8_t *bytes, size_t n, struct joey_frame *ret, size_t *ret_used)
{
	struct joey_frame f;

	if (n < JOEY_WIRE_HEADER)
		return 0;
	f.len = joey_wire_get32(bytes);
	f.type = joey_wire_get16(bytes + 4);
	f.stream = joey_wire_get16(bytes + 6);
	f.id = joey_wire_get32(bytes + 8);
	f.data = bytes + JOEY_WIRE_HEADER;
	if (wire_check(f.type, f.stream, f.len) < 0)
		return -EPROTO;
	if (n - JOEY_WIRE_HEADER < f.len)
		return 0;
	*ret = f;
	*ret_used = JOEY_WIRE_HEADER + (size_t)f.len;
	return 1;
}

/* ---- reader --------------------------------------------------------------------------------------------------- */

/* Room for at least one byte, and for all of the frame at hand.  0: there is none, whole frames wait; -EPROTO. */
static int make_room(struct joey_wire_in *in)
{
	size_t have = in->to - in->from, need = WIRE_BUF_FIRST;
	uint8_t *p;

	if (have >= JOEY_WIRE_HEADER) {
		const uint8_t *h = in->buf + in->from;

		if (wire_check(joey_wire_get16(h + 4), joey_wire_get16(h + 6), joey_wire_get32(h)) < 0)
			return -EPROTO;
		/* A stream of big frames is not read in pieces of odd sizes. */
		if (JOEY_WIRE_HEADER + (size_t)joey_wire_get32(h) > need)
			need = WIRE_FRAME_MAX;
	}
	if (in->from > 0 && (have == 0 || in->from >= in->cap / 2 || in->cap - in->from < need)) {
		if (have > 0)
			memmove(in->buf, in->buf + in->from, have);
		in->from = 0;
		in->to = have;
	}
	if (need > in->cap) {
		p = realloc(in->buf, need);
		if (!p)
			return -ENOMEM;
		in->buf = p;
		in->cap = need;
	}
	return in->to < in->cap;
}

/* A channel at rest keeps no big buffer. */
static void at_rest(struct joey_wire_in *in)
{
	if (in->from == in->to && in->cap > WIRE_BUF_FIRST)
		joey_wire_in_done(in);
}

static int took(struct joey_wire_in *in, ssize_t n, int e)
{
	if (n > 0) {
		in->to += (size_t)n;
		return 0;
	}
	at_rest(in);
	if (n == 0 || e == ECONNRESET) {
		in->ended = true;
		return -ENODATA;
	}
	return e == EAGAIN ? -EAGAIN : -e;
}

int joey_wire_read(struct joey_wire_in *in, int fd)
{
	int r = make_room(in);
	ssize_t n;

	if (r <= 0)
		return r;
	do
		n = read(fd, in->buf + in->to, in->cap - in->to);
	while (n < 0 && errno == EINTR);
	return took(in, n, n < 0 ? errno : 0);
}

int joey_wire_read_fd(struct joey_wire_in *in, int sock, int *ret_fd)
{
	size_t n_fds = 0;
	int r = make_room(in), fd = -EBADF;
	ssize_t n;

	*ret_fd = -EBADF;
	if (r <= 0)
		return r;
	do
		n = joey_recv_fds(sock, in->buf + in->to, in->cap - in->to, &fd, 1, &n_fds, MSG_DONTWAIT);
	while (n == -EINTR);
	if (n < 0)
		return took(in, -1, (int)-n);
	r = took(in, n, 0);
	if (n_fds > 0)
		*ret_fd = fd;
	return r;
}

int joey_wire_next(struct joey_wire_in *in, struct joey_frame *ret)
{
	size_t used = 0;
	int r = in->buf ? joey_wire_parse(in->buf + in->from, in->to - in->from, ret, &used) : 0;

	in->from += used;
	return r;
}

void joey_wire_in_done(struct joey_wire_in *in)
{
	free(in->buf);
	in->buf = NULL;
	in->cap = in->from = in->to = 0;
}

/* ---- payloads --------------------------------------------------------------------------------------------------- */

int joey_frame_u32(const struct joey_frame *f, uint32_t *ret)
{
	if (f->len != 4)
		return -EPROTO;
	*ret = joey_wire_get32(f->data);
	return 0;
}

int joey_frame_reply(const struct joey_frame *f, const uint8_t **ret, size_t *ret_n, struct joey_err *err)
{
	enum { TEXT_MAX = 4096, ERRNO_MAX = 4095 };
	autostr struct joey_str text = JOEY_STR_INIT;
	uint32_t errnum, kind;

	if (f->type != JOEY_WIRE_REPLY || f->len < 8)
		return joey_err_set(err, JOEY_EK_OTHER, EPROTO, "malformed reply");
	errnum = joey_wire_get32(f->data);
	kind = joey_wire_get32(f->data + 4);
	if (errnum == 0) {
		*ret = f->data + 8;
		*ret_n = f->len - 8;
		return 0;
	}
	joey_str_add_visible(&text, f->data + 8, f->len - 8 > TEXT_MAX ? TEXT_MAX : f->len - 8, "");
	return joey_err_set(err, kind < JOEY_EK_MAX ? (enum joey_err_kind)kind : JOEY_EK_OTHER,
			    errnum <= ERRNO_MAX ? (int)errnum : EIO, "%s", text.buf ? text.buf : "no reason given");
}
