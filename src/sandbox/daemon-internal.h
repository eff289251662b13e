/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_DAEMON_INTERNAL_H
#define JOEY_DAEMON_INTERNAL_H

/* The sandbox process: what daemon.c, daemon_guest.c, daemon_host.c and daemon_table.c share. */

#include "sandbox/sandbox-internal.h"

enum {
	DAEMON_CONNS_MAX = 128,
	DAEMON_REQUESTS_MAX = 1024,
	DAEMON_OUT_MAX = 8 << 20,                                      /* towards the guest */
	DAEMON_CONN_OUT_MAX = 1 << 20,                                 /* towards a verb */
	DAEMON_PROC_OUT_MAX = 3 * (JOEY_WIRE_WINDOW * 2) + (16 << 10), /* towards a proxy: what it has granted */
	DAEMON_CLOCKS_MAX = 32,                                        /* questions for the time */
	DAEMON_HANDLES_OF_ZYGOTE = 16,
	DAEMON_RING = 32 << 10, /* of the guest's console */
};

/* A process in the guest, and its proxy. */
struct daemon_proc {
	uint32_t handle, container; /* container: the handle of its first process */
	int sock;                   /* -EBADF: the proxy is gone */
	bool exited, known;         /* known: the guest has been asked for it */
	struct joey_wire_in in;
	struct joey_wire_out out;
};

/* A verb. */
struct daemon_conn {
	int sock, fd;   /* fd: came along with the frame at hand */
	uint32_t watch; /* handle of a container, 0: none */
	struct joey_wire_in in;
	struct joey_wire_out out;
};

/* A request that the guest has and has not answered. */
struct daemon_request {
	uint32_t id, origin_id, subject; /* subject: handle of a container, of DROP */
	uint32_t process;                /* that CREATE or EXEC is about */
	struct daemon_conn *conn;        /* or */
	struct daemon_proc *proc;        /* or nobody */
	bool sent;
};

struct daemon {
	const struct vm_daemon_args *args;
	bool frozen; /* copies are made of it */
	bool copied; /* it is one */
	struct joey_vmm vm;
	int share_fd;
	bool cold, up; /* up: HELLO was answered */
	bool locked_up;
	uint64_t hello_until;
	unsigned clocks;
	struct joey_wire_in ctl_in, io_in;
	struct joey_wire_out ctl, io, held; /* held: for ctl as soon as it is up */
	struct daemon_proc **procs;
	struct daemon_conn **conns;
	struct daemon_request **requests;
	uint32_t *containers; /* handles of those that keep the machine */
	size_t n_procs, n_conns, n_requests, n_containers;
	uint32_t last_handle, last_request;
	bool had_container;
	char kernel[96]; /* release, as the guest says */
	char ring[DAEMON_RING];
	size_t ring_at;
	bool ring_full;
	const char *why; /* the machine is over */
};

/* ---- daemon_table.c -------------------------------------------------------------------------------------------- */

struct daemon_proc *daemon_proc_new(struct daemon *d, uint32_t container, int sock);
struct daemon_proc *daemon_proc_find(const struct daemon *d, uint32_t handle);
void daemon_proc_remove(struct daemon *d, struct daemon_proc *p);
/* It keeps the machine until it is removed, which may be tried more than once. */
int daemon_container_add(struct daemon *d, uint32_t handle);
void daemon_container_remove(struct daemon *d, uint32_t handle);
struct daemon_conn *daemon_conn_new(struct daemon *d, int sock);
void daemon_conn_remove(struct daemon *d, struct daemon_conn *c);
/* The request of that origin with that number, made when it is new; NULL: too many. */
struct daemon_request *daemon_request_get(struct daemon *d, struct daemon_conn *c, struct daemon_proc *p,
					  uint32_t origin_id);
struct daemon_request *daemon_request_find(const struct daemon *d, uint32_t id);
void daemon_request_remove(struct daemon *d, struct daemon_request *q);

/* ---- daemon_guest.c -------------------------------------------------------------------------------------------- */

enum guest_way { GUEST_COPIED, GUEST_RESTORED, GUEST_COLD };
int guest_begin(struct daemon *d, enum guest_way way, struct joey_err *err);
/* Something can be read from ctl, io, console or the monitor.  < 0: the machine is over, d->why. */
int guest_take_ctl(struct daemon *d);
int guest_take_io(struct daemon *d);
void guest_take_console(struct daemon *d);
int guest_put(struct daemon *d, unsigned type, uint32_t id, const void *data, size_t n);
int guest_flush(struct daemon *d);

/* ---- daemon_host.c -------------------------------------------------------------------------------------------- */

void host_accept(struct daemon *d);
/* < 0: this one is to be removed. */
int host_take_conn(struct daemon *d, struct daemon_conn *c);
int host_take_proc(struct daemon *d, struct daemon_proc *p);
/* The proxy is gone before its process. */
void host_proc_lost(struct daemon *d, struct daemon_proc *p);
/* The guest has not made it: no EXIT will come. */
void host_proc_refused(struct daemon *d, uint32_t handle);
void host_reply_error(struct daemon_conn *c, uint32_t id, int errnum, const char *text);
/* Nobody gets an answer any more: everybody is told, processes have died. */
void host_end_all(struct daemon *d);
/* The text with the last lines of the guest's console; heap. */
char *host_with_console(const struct daemon *d, const char *text);

#endif
