/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile guest against the sandbox process's tables: bytes of ctl and io, in turns, against a container, a process
 * of it, a watcher and requests on their way.  Whatever comes, the bounds hold; a refusal has a reason.
 *
 * Input: pieces of a byte (bit 7: io, else ctl; the rest: length in units of 4) and so many bytes.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "sandbox/daemon-internal.h"

static void make_pair(int pair[2])
{
	FUZZ_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
}

static void check(const struct daemon *d)
{
	for (size_t i = 0; i < d->n_procs; i++)
		FUZZ_ASSERT(d->procs[i]->out.to - d->procs[i]->out.from <= DAEMON_PROC_OUT_MAX);
	for (size_t i = 0; i < d->n_conns; i++)
		FUZZ_ASSERT(d->conns[i]->out.to - d->conns[i]->out.from <= DAEMON_CONN_OUT_MAX);
	FUZZ_ASSERT(d->n_containers <= 1 && d->n_procs <= 2 && d->n_requests <= 3);
	for (const char *k = d->kernel; *k; k++)
		FUZZ_ASSERT(*k > ' ' && *k < 0x7f);
}

static void populate(struct daemon *d, int socks[2][2])
{
	struct daemon_request *q;
	struct daemon_conn *c;
	struct daemon_proc *p;
	int pair[2];

	make_pair(socks[0]);
	make_pair(socks[1]);
	make_pair(pair);
	close(pair[1]);
	p = daemon_proc_new(d, 0, socks[0][0]);
	FUZZ_ASSERT(p && daemon_container_add(d, p->handle) == 0);
	FUZZ_ASSERT(daemon_proc_new(d, p->handle, pair[0]));
	c = daemon_conn_new(d, socks[1][0]);
	FUZZ_ASSERT(c);
	c->watch = p->handle;
	for (uint32_t i = 1; i <= 3; i++) {
		q = daemon_request_get(d, i < 3 ? c : NULL, i < 3 ? NULL : p, i);
		FUZZ_ASSERT(q);
		q->sent = true;
		q->subject = i == 2 ? p->handle : 0;
	}
}

static void clear(struct daemon *d)
{
	while (d->n_requests)
		daemon_request_remove(d, d->requests[0]);
	while (d->n_procs)
		daemon_proc_remove(d, d->procs[0]);
	while (d->n_conns)
		daemon_conn_remove(d, d->conns[0]);
	free(d->requests);
	free(d->procs);
	free(d->conns);
	free(d->containers);
	joey_wire_in_done(&d->ctl_in);
	joey_wire_in_done(&d->io_in);
	joey_wire_out_done(&d->ctl);
	joey_wire_out_done(&d->held);
	joey_wire_out_done(&d->io);
}

static int feed(struct daemon *d, int ctl, int io, const uint8_t **p, const uint8_t *end)
{
	bool to_io = **p & 0x80;
	size_t n = (size_t)(**p & 0x7f) * 4;

	(*p)++;
	if (n > (size_t)(end - *p))
		n = (size_t)(end - *p);
	if (n > 0 && send(to_io ? io : ctl, *p, n, MSG_NOSIGNAL) != (ssize_t)n)
		return -EAGAIN;
	*p += n;
	return to_io ? guest_take_io(d) : guest_take_ctl(d);
}

/* The same bytes as an answer to PIDS. */
static void decode(const uint8_t *data, size_t size)
{
	struct joey_guest_processes p = { NULL, 0 };

	if (vm_decode_processes(data, size, &p, NULL) < 0)
		return;
	for (size_t i = 0; i < p.n; i++)
		for (const char *c = p.v[i].command; *c; c++)
			FUZZ_ASSERT((unsigned char)*c >= ' ' && *c != 0x7f);
	joey_guest_processes_done(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct vm_daemon_args args = { .id = "fuzz", .listen_fd = -EBADF, .client_fd = -EBADF };
	struct daemon d = { .args = &args };
	int ctl[2], io[2], socks[2][2], r = 0;
	const uint8_t *p = data, *end = data + size;

	decode(data, size);
	d.vm = (struct joey_vmm)JOEY_VMM_INIT;
	d.ctl = d.io = d.held = (struct joey_wire_out)JOEY_WIRE_OUT_INIT(DAEMON_OUT_MAX);
	make_pair(ctl);
	make_pair(io);
	d.vm.ctl = ctl[0];
	d.vm.io = io[0];
	populate(&d, socks);
	while (p < end && r == 0) {
		r = feed(&d, ctl[1], io[1], &p, end);
		check(&d);
		FUZZ_ASSERT(r >= 0 || r == -EAGAIN || d.why);
	}
	clear(&d);
	close(socks[0][1]);
	close(socks[1][1]);
	for (int i = 0; i < 2; i++) {
		close(ctl[i]);
		close(io[i]);
	}
	return 0;
}
