/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_WIRE_INTERNAL_H
#define JOEY_WIRE_INTERNAL_H

#include "joey/wire.h"

/* ---- frame.c ------------------------------------------------------------------------------------------------ */

enum {
	WIRE_FRAME_MAX = JOEY_WIRE_HEADER + JOEY_WIRE_PAYLOAD_MAX,
	WIRE_BUF_FIRST = 4096, /* what a buffer begins with, and what an idle channel keeps at most */
};

/* May a frame be like that?  0 or -EPROTO. */
int wire_check(unsigned type, unsigned stream, size_t len);

/* Bytes that may still be put. */
static inline size_t wire_room(const struct joey_wire_out *out)
{
	size_t waits = out->to - out->from;

	return waits < out->max ? out->max - waits : 0;
}

/* ---- relay_io.c: one read or write that does not block, whoever owns the descriptor ---------------------------- */

/* Bytes; 0 end of file (reading); -EAGAIN: not now; -errno: never again. */
ssize_t wire_read_some(int fd, bool blocking, void *buf, size_t n);
ssize_t wire_write_some(int fd, bool blocking, const void *buf, size_t n);

#endif
