/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_NATIVE_SYNC_H
#define JOEY_NATIVE_SYNC_H

/*
 * The conversation between joey and the container's first process, over one SOCK_SEQPACKET pair.
 *
 *   joey (parent)                 stage (only if needed)        init (child)
 *      |        <---- NEED_MAPS ------ |    or, without stage, ------ |
 *      | ----- MAPPED ---------------> |                              |
 *      |        <---- INIT pid ------- | (exits)                      |
 *      | ----- PROCEED ---------------------------------------------> |   staged only
 *      |        <---- SOURCE index ---------------------------------- |   any number, user namespace only
 *      | ----- SOURCE_FD + fd --------------------------------------> |
 *      |        <---- HOOKS ----------------------------------------- |   if there are such hooks
 *      | ----- HOOKS_DONE ------------------------------------------> |
 *      |        <---- READY ----------------------------------------- |
 *      | ----- GO --------------------------------------------------> |
 *      |        <---- LISTENER + fd ---------------------------------- |   seccomp notify
 *      |        <---- DONE ------------------------------------------ |   create; for run: end of file = executed
 *
 * LOG may come from the child at any time.  FAILED{errnum, kind, text} is legal from either side at any time.
 * End of file before the last phase is an error.  The table in sync.c says who may send what and when.
 */

#include "joey/err.h"
#include "joey/util.h"

enum sync_msg {
	SYNC_NEED_MAPS = 1,
	SYNC_MAPPED,
	SYNC_INIT,
	SYNC_PROCEED,
	SYNC_SOURCE,
	SYNC_SOURCE_FD,
	SYNC_HOOKS,
	SYNC_HOOKS_DONE,
	SYNC_READY,
	SYNC_GO,
	SYNC_LISTENER,
	SYNC_DONE,
	SYNC_LOG,
	SYNC_FAILED,
	SYNC_MAX,
};

enum sync_phase { SYNC_P_START = 0, SYNC_P_SETUP, SYNC_P_ARMED, SYNC_P_END, SYNC_P_MAX };

enum { SYNC_TEXT_MAX = 8192 };

struct sync_frame {
	uint32_t type; /* enum sync_msg */
	uint32_t arg;  /* index, pid, level */
	int32_t errnum;
	uint32_t kind;
	char text[SYNC_TEXT_MAX]; /* NUL-terminated by sync_recv() */
	int fd;                   /* received descriptor, or -EBADF; the receiver owns it */
};

struct sync {
	int fd;
	int sigfd; /* parent: a signal readable here ends the wait; -EBADF: none */
	bool child;
	enum sync_phase phase;
};

int sync_pair(int ret_fds[2], struct joey_err *err);

/* fd < 0: none.  text may be NULL. */
int sync_send(struct sync *s, enum sync_msg type, uint32_t arg, const char *text, int fd, struct joey_err *err);

/* Waits for one frame and checks it against the table.  0: end of file.  1: *f is filled.
 * A FAILED frame becomes this call's error. */
int sync_recv(struct sync *s, struct sync_frame *f, struct joey_err *err);

/* sync_recv() until the given type arrives; end of file is an error.  LOG frames go to the log sink. */
int sync_expect(struct sync *s, enum sync_msg type, struct sync_frame *f, struct joey_err *err);

/* A LOG frame to the log sink. */
void sync_log(const struct sync_frame *f);

/* Best effort: the error object as a FAILED frame. */
void sync_send_failed(struct sync *s, const struct joey_err *err);

/* After the peer is gone or was killed: if it had sent a FAILED frame, that becomes *err. Bounded in time. */
void sync_take_failed(struct sync *s, struct joey_err *err);

#endif
