/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The streams of one process.  The books: a stream's first credit is JOEY_WIRE_WINDOW; what a receiver has in its
 * buffer, what it has written out and not granted again (owed), and what the sender may still send add up to that,
 * always.  So a buffer never grows past the window, and a sender without credit is proof of a reader that stands still.
 *
 * A receiver whose descriptor has failed says EOF and drops what was on its way; a sender that is told so closes its
 * descriptor, and the writer behind it gets EPIPE as it would without us.
 */
#include <string.h>

#include "wire/wire-internal.h"

/* Granted in big steps: a CREDIT frame costs a wake-up. A sender without credit is always given some at last, for the
 * whole window is owed then. */
enum { GRANT_FROM = JOEY_WIRE_WINDOW / 2 };

void joey_relay_init(struct joey_relay *r, uint32_t id)
{
	memset(r, 0, sizeof(*r));
	r->id = id;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(r->s); i++)
		r->s[i].fd = -EBADF;
}

void joey_relay_add(struct joey_relay *r, unsigned stream, int fd, enum joey_relay_way way, bool blocking, bool keep)
{
	r->s[stream] = (struct joey_relay_stream){
		.fd = fd < 0 ? -EBADF : fd,
		.way = way,
		.blocking = blocking,
		.keep_fd = keep,
		.open = true,
		.credit = JOEY_WIRE_WINDOW,
	};
}

static void drop_buf(struct joey_relay_stream *s)
{
	free(s->buf);
	s->buf = NULL;
	s->from = s->to = s->cap = 0;
}

static void drop_fd(struct joey_relay_stream *s)
{
	if (!s->keep_fd)
		joey_close(s->fd);
	s->fd = -EBADF;
}

void joey_relay_set(struct joey_relay *r, unsigned stream, int fd)
{
	struct joey_relay_stream *s = &r->s[stream];

	drop_fd(s);
	s->fd = fd;
	/* The stream ended before its descriptor came. */
	if (!s->open || (s->eof_after && s->from == s->to)) {
		s->open = false;
		drop_fd(s);
	}
}

void joey_relay_want(const struct joey_relay *r, bool room, struct pollfd p[3])
{
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(r->s); i++) {
		const struct joey_relay_stream *s = &r->s[i];
		bool want = s->way == JOEY_RELAY_SEND ? room && s->open && s->credit > 0 : s->from < s->to;

		p[i] = (struct pollfd){ .fd = want ? s->fd : -1,
					.events = s->way == JOEY_RELAY_SEND ? POLLIN : POLLOUT };
	}
}

/* ---- sending ---------------------------------------------------------------------------------------------------- */

static int send_eof(struct joey_relay *r, struct joey_relay_stream *s, struct joey_wire_out *out)
{
	int e = joey_wire_put(out, JOEY_WIRE_EOF, (unsigned)(s - r->s), r->id, NULL, 0);

	if (e < 0)
		return e;
	s->open = false;
	drop_fd(s);
	return 0;
}

/* 1: something was moved and more may follow; 0: nothing can be, now; -errno. */
static int send_some(struct joey_relay *r, struct joey_relay_stream *s, struct joey_wire_out *out)
{
	uint8_t buf[JOEY_WIRE_DATA_MAX];
	size_t room = wire_room(out), n = sizeof(buf);
	ssize_t got;
	int e;

	if (!s->open || s->fd < 0 || s->credit == 0 || room <= JOEY_WIRE_HEADER)
		return 0;
	if (n > room - JOEY_WIRE_HEADER)
		n = room - JOEY_WIRE_HEADER;
	if (n > s->credit)
		n = s->credit;
	got = wire_read_some(s->fd, s->blocking, buf, n);
	if (got == -EAGAIN)
		return 0;
	/* EIO: nobody has the other side of the terminal open any more. */
	if (got <= 0) {
		e = send_eof(r, s, out);
		return e < 0 ? e : 1;
	}
	e = joey_wire_put(out, JOEY_WIRE_DATA, (unsigned)(s - r->s), r->id, buf, (size_t)got);
	if (e < 0)
		return e;
	s->credit -= (uint32_t)got;
	return 1;
}

/* ---- receiving -------------------------------------------------------------------------------------------------- */

/* What can wait until there is room is left for the next call. */
static void settle(struct joey_relay *r, struct joey_relay_stream *s, struct joey_wire_out *out)
{
	unsigned stream = (unsigned)(s - r->s);

	if (s->eof_owed && joey_wire_put(out, JOEY_WIRE_EOF, stream, r->id, NULL, 0) == 0)
		s->eof_owed = false;
	if (!s->open || s->eof_after || s->owed < GRANT_FROM)
		return;
	if (joey_wire_put_u32(out, JOEY_WIRE_CREDIT, stream, r->id, s->owed) == 0) {
		s->credit += s->owed;
		s->owed = 0;
	}
}

static void fail_receive(struct joey_relay_stream *s)
{
	s->open = false;
	s->eof_owed = !s->peer_eof;
	drop_buf(s);
	drop_fd(s);
}

/* Bytes written out; what fails ends the stream. */
static size_t write_out(struct joey_relay_stream *s, const uint8_t *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t w = wire_write_some(s->fd, s->blocking, p + done, n - done);

		if (w == -EAGAIN)
			break;
		if (w < 0) {
			fail_receive(s);
			return n;
		}
		done += (size_t)w;
	}
	s->owed += (uint32_t)done;
	return done;
}

static void receive_some(struct joey_relay_stream *s)
{
	if (s->fd < 0 || s->from == s->to)
		return;
	s->from += write_out(s, s->buf + s->from, s->to - s->from);
	if (!s->open || s->from < s->to)
		return;
	drop_buf(s);
	if (s->eof_after) {
		s->open = false;
		drop_fd(s);
	}
}

static int keep(struct joey_relay_stream *s, const uint8_t *p, size_t n)
{
	size_t have = s->to - s->from, cap = s->cap ? s->cap : 4096;

	if (s->from > 0) {
		memmove(s->buf, s->buf + s->from, have);
		s->from = 0;
		s->to = have;
	}
	while (cap < have + n)
		cap *= 2;
	if (cap > s->cap) {
		uint8_t *buf = realloc(s->buf, cap);

		if (!buf)
			return -ENOMEM;
		s->buf = buf;
		s->cap = cap;
	}
	memcpy(s->buf + have, p, n);
	s->to += n;
	return 0;
}

static int take_data(struct joey_relay_stream *s, const struct joey_frame *f)
{
	size_t done = 0;

	if (s->way != JOEY_RELAY_RECEIVE || s->peer_eof || f->len > s->credit)
		return -EPROTO;
	s->credit -= f->len;
	if (!s->open)
		return 0;
	/* Mostly there is room in the pipe. */
	if (s->from == s->to && s->fd >= 0)
		done = write_out(s, f->data, f->len);
	return s->open && done < f->len ? keep(s, f->data + done, f->len - done) : 0;
}

static int take_eof(struct joey_relay_stream *s)
{
	if (s->peer_eof)
		return -EPROTO;
	s->peer_eof = true;
	s->eof_owed = false;
	if (s->way == JOEY_RELAY_RECEIVE && s->open) {
		s->eof_after = true;
		if (s->from < s->to || s->fd < 0)
			return 0;
	}
	s->open = false;
	drop_fd(s);
	return 0;
}

static int take_credit(struct joey_relay_stream *s, const struct joey_frame *f)
{
	uint32_t more;

	if (s->way != JOEY_RELAY_SEND || joey_frame_u32(f, &more) < 0 || more == 0)
		return -EPROTO;
	if (more > JOEY_WIRE_WINDOW - s->credit)
		return -EPROTO;
	s->credit += more;
	return 0;
}

int joey_relay_take(struct joey_relay *r, const struct joey_frame *f, struct joey_wire_out *out)
{
	struct joey_relay_stream *s = &r->s[f->stream < JOEY_ARRAY_SIZE(r->s) ? f->stream : 0];
	int e = -EPROTO;

	if (f->id != r->id || f->stream >= JOEY_ARRAY_SIZE(r->s) || s->way == JOEY_RELAY_NONE)
		return -EPROTO;
	if (f->type == JOEY_WIRE_DATA)
		e = take_data(s, f);
	else if (f->type == JOEY_WIRE_EOF)
		e = take_eof(s);
	else if (f->type == JOEY_WIRE_CREDIT)
		e = take_credit(s, f);
	if (e == 0)
		settle(r, s, out);
	return e;
}

/* ---- all of them ------------------------------------------------------------------------------------------------ */

int joey_relay_move(struct joey_relay *r, const struct pollfd p[3], struct joey_wire_out *out)
{
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(r->s); i++) {
		struct joey_relay_stream *s = &r->s[i];
		int e = 0;

		if (s->way == JOEY_RELAY_SEND && p[i].revents)
			e = send_some(r, s, out);
		else if (s->way == JOEY_RELAY_RECEIVE && p[i].revents)
			receive_some(s);
		if (e < 0 && e != -ENOBUFS)
			return e;
		if (s->way == JOEY_RELAY_RECEIVE)
			settle(r, s, out);
	}
	return 0;
}

bool joey_relay_drained(struct joey_relay *r, struct joey_wire_out *out)
{
	bool all = true;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(r->s); i++) {
		struct joey_relay_stream *s = &r->s[i];
		struct pollfd p = { .fd = s->fd, .events = POLLIN };

		if (s->way != JOEY_RELAY_SEND)
			continue;
		while (send_some(r, s, out) > 0)
			;
		/* Still there: for want of credit or room, or because another process has the stream. */
		if (s->open && s->fd >= 0 && poll(&p, 1, 0) != 0)
			all = false;
	}
	return all;
}

bool joey_relay_pending(const struct joey_relay *r)
{
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(r->s); i++)
		if (r->s[i].way == JOEY_RELAY_RECEIVE && r->s[i].from < r->s[i].to)
			return true;
	return false;
}

void joey_relay_done(struct joey_relay *r)
{
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(r->s); i++) {
		drop_buf(&r->s[i]);
		drop_fd(&r->s[i]);
		r->s[i].open = false;
	}
}
