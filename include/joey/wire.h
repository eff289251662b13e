/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_WIRE_H
#define JOEY_WIRE_H

/*
 * What the processes of a sandbox say to each other: joey's verbs, the sandbox process, the proxies, and the agent in
 * the guest (docs/SANDBOX.md draws them).  One frame format for every channel:
 *
 *    u32 length of the payload | u16 type | u16 stream | u32 id | payload            (little endian)
 *
 * Channels are byte streams: a socket pair between host processes, a virtio-serial port to the guest.  Nobody trusts
 * the other end: a frame that is too long, of an unknown type, or beyond the credit that was granted is -EPROTO, and
 * the channel is not used again.  Nothing here blocks; memory is bounded by what the constants say.
 */

#include <poll.h>

#include "joey/err.h"
#include "joey/util.h"

#define JOEY_WIRE_VERSION 2

enum {
	JOEY_WIRE_HEADER = 12,
	JOEY_WIRE_PAYLOAD_MAX = 65536,  /* of any frame */
	JOEY_WIRE_DATA_MAX = 32768,     /* of a DATA frame */
	JOEY_WIRE_WINDOW = 65536,       /* first credit of each stream, and the most that may be outstanding */
	JOEY_WIRE_BLOB_MAX = 4 << 20,   /* all BLOB frames of one request */
	JOEY_WIRE_PROCESSES_MAX = 4096, /* of one sandbox */
};

/*
 * id is a request number for requests, BLOB and REPLY, else the process handle.  Handles are given out by the sandbox
 * process and never used twice; a container's handle is that of its first process.
 */
enum joey_wire_type {
	/* requests: JSON object (bounded, host to guest only); answered by exactly one REPLY of the same id */
	JOEY_WIRE_HELLO = 1, /* first of all; see SANDBOX.md */
	JOEY_WIRE_CREATE,    /* BLOBs before it: config.json */
	JOEY_WIRE_START,
	JOEY_WIRE_EXEC, /* BLOBs before it: the process object */
	JOEY_WIRE_KILL,
	JOEY_WIRE_PAUSE,
	JOEY_WIRE_RESUME,
	JOEY_WIRE_UPDATE, /* BLOBs before it: the resources object */
	JOEY_WIRE_STATS,
	JOEY_WIRE_PIDS,
	JOEY_WIRE_DROP, /* the container is to be removed, by force */
	JOEY_WIRE_NET,
	/* to the sandbox process only, never passed on */
	JOEY_WIRE_ATTACH, /* one descriptor: the proxy's socket.  Reply: u32 handle */
	JOEY_WIRE_FREEZE, /* the machine stands still from now on, and is copied */
	JOEY_WIRE_INFO,
	JOEY_WIRE_WATCH, /* from now on EVENTs of the container */
	JOEY_WIRE_CONSOLE,
	JOEY_WIRE_REQUEST_END, /* one more than the last */

	JOEY_WIRE_BLOB = 64, /* a part of what the request of this id needs */
	JOEY_WIRE_REPLY,     /* u32 errnum (0: success), u32 enum joey_err_kind, then text, or the result */

	/* streams of a process; frame.stream is 0, 1, 2, or 0 in and 1 out for a terminal */
	JOEY_WIRE_DATA = 96,
	JOEY_WIRE_EOF,    /* no more DATA; also: do not send me any */
	JOEY_WIRE_CREDIT, /* u32: so many more bytes of DATA may be sent */

	/* notes without an answer */
	JOEY_WIRE_SIGNAL = 128, /* u32 signal: to the process */
	JOEY_WIRE_RESIZE,       /* u16 rows, u16 columns */
	JOEY_WIRE_EXIT,         /* u32 status as of waitpid(2); travels behind the last DATA, on the same channel */
	JOEY_WIRE_EVENT,        /* u32 JOEY_EVENT_* */
	JOEY_WIRE_LOG,          /* text, for display only; from the guest */
	JOEY_WIRE_CLOCK,        /* from the guest, empty: what time is it?  To the guest: u64 ns */
};

/* Numbers in payloads are little endian as well. */
static inline uint32_t joey_wire_get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint16_t joey_wire_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline void joey_wire_put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static inline uint64_t joey_wire_get64(const uint8_t *p)
{
	return joey_wire_get32(p) | (uint64_t)joey_wire_get32(p + 4) << 32;
}

static inline void joey_wire_put64(uint8_t *p, uint64_t v)
{
	joey_wire_put32(p, (uint32_t)v);
	joey_wire_put32(p + 4, (uint32_t)(v >> 32));
}

static inline void joey_wire_put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

struct joey_frame {
	uint16_t type, stream;
	uint32_t id;
	uint32_t len;
	const uint8_t *data; /* into the reader's buffer, until the next call on it */
};

/* ---- frame.c ------------------------------------------------------------------------------------------------ */

/* Reads frames from a non-blocking byte stream. */
struct joey_wire_in {
	uint8_t *buf; /* heap; grows to what the frame at hand needs, at most header + JOEY_WIRE_PAYLOAD_MAX (x2) */
	size_t cap, from, to;
	bool ended;
};
#define JOEY_WIRE_IN_INIT            \
	{                            \
		NULL, 0, 0, 0, false \
	}

/* Takes what can be read now.  0; -EAGAIN when nothing was there; -ENODATA at the end of the stream; other -errno. */
int joey_wire_read(struct joey_wire_in *in, int fd);
/* The same with descriptors (SCM_RIGHTS): at most one each call; *ret_fd -EBADF when none came.  On an AF_UNIX stream
 * a descriptor comes with the first byte of the frame that it was sent with. */
int joey_wire_read_fd(struct joey_wire_in *in, int sock, int *ret_fd);
/* 1: *ret is the next whole frame; 0: there is none yet; -EPROTO. */
int joey_wire_next(struct joey_wire_in *in, struct joey_frame *ret);
/* One frame out of bytes that are in memory; *ret_used.  For fuzzing, and what the reader does. */
int joey_wire_parse(const uint8_t *bytes, size_t n, struct joey_frame *ret, size_t *ret_used);
void joey_wire_in_done(struct joey_wire_in *in);

/* Frames that wait to be written.  max bounds the bytes that may wait. */
struct joey_wire_out {
	uint8_t *buf;
	size_t cap, from, to, max;
};
#define JOEY_WIRE_OUT_INIT(max_bytes)      \
	{                                  \
		NULL, 0, 0, 0, (max_bytes) \
	}

/* -ENOBUFS: the bound would be passed, nothing was added. */
int joey_wire_put(struct joey_wire_out *out, unsigned type, unsigned stream, uint32_t id, const void *data, size_t n);
int joey_wire_put_u32(struct joey_wire_out *out, unsigned type, unsigned stream, uint32_t id, uint32_t v);
int joey_wire_put_frame(struct joey_wire_out *out, const struct joey_frame *f);
/* errnum 0: data is the result; else data is the text. */
int joey_wire_put_reply(struct joey_wire_out *out, uint32_t id, int errnum, unsigned kind, const void *data, size_t n);
/* BLOB frames, as many as are needed. */
int joey_wire_put_blob(struct joey_wire_out *out, uint32_t id, const void *data, size_t n);
/* Writes what can be written now: 0 all is gone, 1 something waits, -errno (EPIPE: the other end is gone; no SIGPIPE on
 * sockets, the caller ignores the signal for other kinds). */
int joey_wire_flush(struct joey_wire_out *out, int fd);
static inline bool joey_wire_waits(const struct joey_wire_out *out)
{
	return out->from < out->to;
}
void joey_wire_out_done(struct joey_wire_out *out);

/* Payload readers: -EPROTO when the length is not that. */
int joey_frame_u32(const struct joey_frame *f, uint32_t *ret);
/* A REPLY; failure becomes err (text bounded and escaped, kinds out of range become OTHER).  On success *ret and *ret_n
 * are the result, inside the frame. */
int joey_frame_reply(const struct joey_frame *f, const uint8_t **ret, size_t *ret_n, struct joey_err *err);

/* ---- relay.c: the local descriptors of one process, and its streams --------------------------------------------- */

/*
 * The same on both ends.  The proxy reads the engine's descriptor 0 and writes 1 and 2; the agent writes the payload's
 * pipe 0 and reads 1 and 2.  With a terminal there are one descriptor and streams 0 (towards the payload) and 1.
 * A stream that cannot go on stalls only itself: nothing is read from a descriptor without credit, and credit is
 * granted when bytes have left.  Descriptors of the engine stay blocking (O_NONBLOCK would be seen by everybody who
 * shares them): poll(2) says when a chunk of PIPE_BUF fits.
 */
enum joey_relay_way { JOEY_RELAY_NONE, JOEY_RELAY_SEND, JOEY_RELAY_RECEIVE }; /* NONE: never added */

struct joey_relay_stream {
	int fd; /* -EBADF: none (any more) */
	enum joey_relay_way way;
	bool blocking;   /* the descriptor does not have O_NONBLOCK */
	bool keep_fd;    /* not to be closed here (0-2 of the proxy, a terminal that two streams share) */
	bool open;       /* the stream: no EOF was sent or received */
	uint32_t credit; /* SEND: may still be sent.  RECEIVE: the other end may still send */
	uint32_t owed;   /* RECEIVE: written out and not granted again yet */
	uint8_t *buf;    /* RECEIVE: not written out yet, at most JOEY_WIRE_WINDOW; allocated when first needed */
	size_t from, to, cap;
	bool eof_after; /* RECEIVE: EOF has come, close when buf is empty */
	bool peer_eof;  /* EOF has come: it comes once */
	bool eof_owed;  /* RECEIVE: the descriptor has failed, EOF is to be sent when there is room */
};

struct joey_relay {
	uint32_t id;
	struct joey_relay_stream s[3];
};

void joey_relay_init(struct joey_relay *r, uint32_t id);
/* keep: the descriptor is not closed with the stream.  fd -EBADF: it comes later, by joey_relay_set(). */
void joey_relay_add(struct joey_relay *r, unsigned stream, int fd, enum joey_relay_way way, bool blocking, bool keep);
void joey_relay_set(struct joey_relay *r, unsigned stream, int fd);
/* Fills p[0..2] for poll(2) (fd -1 where nothing is to be waited for).  room: frames may be put now (no SEND else). */
void joey_relay_want(const struct joey_relay *r, bool room, struct pollfd p[3]);
/* After poll: moves what can be moved; frames go to out.  0 or -errno (no memory). */
int joey_relay_move(struct joey_relay *r, const struct pollfd p[3], struct joey_wire_out *out);
/* DATA, EOF or CREDIT of this process; -EPROTO: it breaks the rules. */
int joey_relay_take(struct joey_relay *r, const struct joey_frame *f, struct joey_wire_out *out);
/* The process has ended: everything that can be read from SEND descriptors now is sent as credit allows; true when
 * nothing more is to be sent (end of file, or nothing there), so that EXIT may follow. */
bool joey_relay_drained(struct joey_relay *r, struct joey_wire_out *out);
/* Is anything left to be written out locally? */
bool joey_relay_pending(const struct joey_relay *r);
void joey_relay_done(struct joey_relay *r);

#endif
