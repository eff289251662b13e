/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox process towards the guest.  Every byte from there is hostile: a frame either fits what is going on, or
 * the machine is ended.  Answers are passed on by number, streams by handle; a stale number or handle goes nowhere.
 */
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "joey/json.h"
#include "joey/log.h"
#include "sandbox/daemon-internal.h"

enum { HELLO_RESTORED_MS = 10000, HELLO_COLD_MS = 60000, HELLO_ID = 0 };

static uint64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Entropy, clock and names. */
static int put_hello(struct daemon *d, struct joey_err *err)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	char entropy[129], machine[33], host[65];
	autofree char *text = NULL;
	uint8_t random[80];
	size_t len = 0;
	int r;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return joey_err_sys(err, errno, "get random bytes for the guest");
	joey_hex(random, 64, entropy);
	joey_hex(random + 64, 16, machine);
	snprintf(host, sizeof(host), "%s", d->args->id);
	joey_json_out_object(o, NULL);
	joey_json_out_u64(o, "version", JOEY_WIRE_VERSION);
	joey_json_out_u64(o, "time", realtime_ns());
	joey_json_out_string(o, "entropy", entropy);
	joey_json_out_string(o, "hostname", host);
	joey_json_out_string(o, "machineId", machine);
	joey_json_out_end(o);
	r = joey_json_out_finish(o, &text, &len);
	if (r == 0)
		r = joey_wire_put(&d->ctl, JOEY_WIRE_HELLO, 0, HELLO_ID, text, len);
	return r < 0 ? joey_err_sys(err, r, "greet the guest") : 0;
}

static void progress(void *arg, const char *text)
{
	struct daemon *d = arg;

	for (size_t i = 0; i < d->n_conns; i++) {
		(void)joey_wire_put(&d->conns[i]->out, JOEY_WIRE_LOG, 0, 0, text, strlen(text));
		(void)joey_wire_flush(&d->conns[i]->out, d->conns[i]->sock);
	}
}

static void forget_channels(struct daemon *d)
{
	joey_wire_in_done(&d->ctl_in);
	joey_wire_in_done(&d->io_in);
	d->ctl_in = d->io_in = (struct joey_wire_in)JOEY_WIRE_IN_INIT;
	joey_wire_out_done(&d->ctl);
	d->ctl = (struct joey_wire_out)JOEY_WIRE_OUT_INIT(DAEMON_OUT_MAX);
}

/* The zygote has just ended, or cannot do it. */
static int begin_otherwise(struct daemon *d, struct joey_err *err)
{
	joey_debug("%s", joey_err_text(err));
	joey_err_clear(err);
	return guest_begin(d, GUEST_RESTORED, err);
}

int guest_begin(struct daemon *d, enum guest_way way, struct joey_err *err)
{
	struct joey_vmm_spec spec = *d->args->spec;
	struct joey_vmm_start args = {
		.spec = &spec,
		.share_fd = d->share_fd,
		.cgroup_fd = -EBADF,
		.block_fd = d->args->block_fd,
		.zygote_fd = -EBADF,
		.to_fork = d->args->to_fork,
		.progress = progress,
		.arg = d,
	};
	int r;

	memcpy(args.tap_fds, d->args->tap_fds, sizeof(args.tap_fds));
	spec.no_template = spec.no_template || way == GUEST_COLD;
	forget_channels(d);
	d->copied = way == GUEST_COPIED;
	if (d->copied) {
		args.zygote_fd = d->args->zygote_fd;
		args.cgroup_fd = d->args->cgroup_fd;
	}
	r = joey_vmm_start(&args, &d->vm, err);
	if (r < 0 && d->copied)
		return begin_otherwise(d, err);
	if (r == 0)
		r = put_hello(d, err);
	d->cold = !d->vm.restored;
	d->hello_until = joey_now_ms() + (d->cold ? HELLO_COLD_MS : HELLO_RESTORED_MS);
	return r;
}

/* ---- towards the guest ----------------------------------------------------------------------------------------- */

int guest_put(struct daemon *d, unsigned type, uint32_t id, const void *data, size_t n)
{
	return joey_wire_put(d->up ? &d->ctl : &d->held, type, 0, id, data, n);
}

int guest_flush(struct daemon *d)
{
	int r = joey_wire_flush(&d->ctl, d->vm.ctl);

	if (r >= 0)
		r = joey_wire_flush(&d->io, d->vm.io);
	if (r < 0)
		d->why = "the machine has ended";
	return r < 0 ? r : 0;
}

/* ---- ctl ------------------------------------------------------------------------------------------------------- */

static int broke_rules(struct daemon *d)
{
	d->why = "the guest broke the protocol";
	return -EPROTO;
}

static int take_hello(struct daemon *d, const struct joey_frame *f)
{
	const uint8_t *data;
	size_t n;

	if (d->up || joey_frame_reply(f, &data, &n, NULL) < 0 || n < 4)
		return broke_rules(d);
	n = n - 4 < sizeof(d->kernel) ? n - 4 : sizeof(d->kernel) - 1;
	for (size_t i = 0; i < n; i++)
		d->kernel[i] = data[4 + i] > ' ' && data[4 + i] < 0x7f ? (char)data[4 + i] : '?';
	d->kernel[n] = '\0';
	d->up = true;
	/* What has been waiting for it.  Both have the same bound, and ctl is empty but for HELLO. */
	d->ctl.from = d->ctl.to = 0;
	joey_wire_out_done(&d->ctl);
	d->ctl = d->held;
	d->held = (struct joey_wire_out)JOEY_WIRE_OUT_INIT(DAEMON_OUT_MAX);
	return 0;
}

static int take_reply(struct daemon *d, const struct joey_frame *f)
{
	struct daemon_request *q;
	const uint8_t *data;
	size_t n;

	if (f->id == HELLO_ID)
		return take_hello(d, f);
	q = daemon_request_find(d, f->id);
	if (!q)
		return broke_rules(d);
	if (q->conn)
		(void)joey_wire_put(&q->conn->out, JOEY_WIRE_REPLY, 0, q->origin_id, f->data, f->len);
	if (q->proc && q->proc->sock >= 0)
		(void)joey_wire_put(&q->proc->out, JOEY_WIRE_REPLY, 0, q->origin_id, f->data, f->len);
	if (joey_frame_reply(f, &data, &n, NULL) == 0)
		daemon_container_remove(d, q->subject); /* handle 0 is nobody's */
	else
		host_proc_refused(d, q->process);
	daemon_request_remove(d, q);
	return 0;
}

/* At once: the guest takes half of the round trip for the way. */
static int take_clock(struct daemon *d, const struct joey_frame *f)
{
	uint8_t now[8];

	if (f->len > 0 || ++d->clocks > DAEMON_CLOCKS_MAX)
		return broke_rules(d);
	joey_wire_put64(now, realtime_ns());
	if (joey_wire_put(&d->ctl, JOEY_WIRE_CLOCK, 0, 0, now, sizeof(now)) < 0)
		return broke_rules(d);
	return guest_flush(d);
}

static void take_event(struct daemon *d, const struct joey_frame *f)
{
	for (size_t i = 0; i < d->n_conns; i++)
		if (d->conns[i]->watch == f->id && f->id != 0)
			(void)joey_wire_put_frame(&d->conns[i]->out, f);
}

/* read, next: what joey_wire_read() and, at last, joey_wire_next() have said of a channel. */
static int taken(struct daemon *d, int read, int next)
{
	if (next < 0)
		return broke_rules(d);
	if (read == -EAGAIN)
		return 0;
	if (read < 0)
		d->why = "the machine has ended";
	return read;
}

int guest_take_ctl(struct daemon *d)
{
	struct joey_frame f;
	int r = joey_wire_read(&d->ctl_in, d->vm.ctl), n;

	while ((n = joey_wire_next(&d->ctl_in, &f)) > 0) {
		if (f.type == JOEY_WIRE_REPLY && take_reply(d, &f) < 0)
			return -EPROTO;
		if (f.type == JOEY_WIRE_EVENT)
			take_event(d, &f);
		if (f.type == JOEY_WIRE_CLOCK && take_clock(d, &f) < 0)
			return -EPROTO;
		if (f.type != JOEY_WIRE_REPLY && f.type != JOEY_WIRE_EVENT && f.type != JOEY_WIRE_LOG &&
		    f.type != JOEY_WIRE_CLOCK)
			return broke_rules(d);
	}
	return taken(d, r, n);
}

/* ---- io -------------------------------------------------------------------------------------------------------- */

/* A proxy knows of one process, whose number is 0. */
static int take_stream(struct daemon *d, struct joey_frame *f)
{
	struct daemon_proc *p = daemon_proc_find(d, f->id);

	if (!p || p->exited)
		return 0;
	if (f->type == JOEY_WIRE_EXIT) {
		p->exited = true;
		/* In a pod the container is there until it is dropped; alone it was the reason for the machine. */
		if (p->handle == p->container && !d->args->pod)
			daemon_container_remove(d, p->handle);
	}
	if (p->sock < 0) {
		if (p->exited)
			daemon_proc_remove(d, p);
		return 0;
	}
	/* The bound is more than the proxy has granted. */
	f->id = 0;
	return joey_wire_put_frame(&p->out, f) < 0 ? broke_rules(d) : 0;
}

int guest_take_io(struct daemon *d)
{
	struct joey_frame f;
	int r = joey_wire_read(&d->io_in, d->vm.io), n;

	while ((n = joey_wire_next(&d->io_in, &f)) > 0)
		switch (f.type) {
		case JOEY_WIRE_DATA:
		case JOEY_WIRE_EOF:
		case JOEY_WIRE_CREDIT:
		case JOEY_WIRE_EXIT:
			if (take_stream(d, &f) < 0)
				return -EPROTO;
			break;
		default:
			return broke_rules(d);
		}
	return taken(d, r, n);
}

void guest_take_console(struct daemon *d)
{
	char chunk[4096];
	ssize_t n = read(d->vm.console, chunk, sizeof(chunk));

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		d->vm.console = joey_close(d->vm.console);
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		d->ring[d->ring_at++] = chunk[i];
		if (d->ring_at == sizeof(d->ring)) {
			d->ring_at = 0;
			d->ring_full = true;
		}
	}
}
