/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox process towards the host: verbs, which are trusted as root is, and proxies. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "joey/json.h"
#include "sandbox/daemon-internal.h"

enum { CONSOLE_TAIL = 600 };

void host_accept(struct daemon *d)
{
	int fd = accept4(d->args->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0 && !daemon_conn_new(d, fd))
		joey_close(fd);
}

/* ---- answers --------------------------------------------------------------------------------------------------- */

static void reply(struct daemon_conn *c, uint32_t id, const void *data, size_t n)
{
	(void)joey_wire_put_reply(&c->out, id, 0, 0, data, n);
}

void host_reply_error(struct daemon_conn *c, uint32_t id, int errnum, const char *text)
{
	(void)joey_wire_put_reply(&c->out, id, errnum, JOEY_EK_OTHER, text, strlen(text));
}

static size_t ring_copy(const struct daemon *d, char *ret, size_t max)
{
	size_t have = d->ring_full ? sizeof(d->ring) : d->ring_at, n = have < max ? have : max;

	for (size_t i = 0; i < n; i++)
		ret[i] = d->ring[(d->ring_at + sizeof(d->ring) - n + i) % sizeof(d->ring)];
	return n;
}

char *host_with_console(const struct daemon *d, const char *text)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	char tail[CONSOLE_TAIL];
	size_t n = ring_copy(d, tail, sizeof(tail));

	joey_str_add(&s, text);
	joey_str_add(&s, n ? "; the guest's console ends with: " : "");
	for (size_t i = 0; i < n; i++) {
		char c = tail[i] == '\n' ? '|' : tail[i];

		if (c >= ' ' && c < 0x7f)
			joey_str_addn(&s, &c, 1);
	}
	return joey_str_take(&s);
}

void host_end_all(struct daemon *d)
{
	autofree char *text = host_with_console(d, d->why ? d->why : "the machine has ended");

	while (d->n_requests > 0) {
		struct daemon_request *q = d->requests[0];

		if (q->conn)
			host_reply_error(q->conn, q->origin_id, EPIPE, text ? text : "the machine has ended");
		daemon_request_remove(d, q);
	}
	for (size_t i = 0; i < d->n_procs; i++) {
		struct daemon_proc *p = d->procs[i];

		/* What of its output has not been taken yet may be in the way: the end is what counts. */
		if (p->sock >= 0 && !p->exited && joey_wire_put_u32(&p->out, JOEY_WIRE_EXIT, 0, p->handle, SIGKILL) < 0)
			p->sock = joey_close(p->sock);
	}
}

/* ---- requests that are ours -------------------------------------------------------------------------------------- */

static int attach(struct daemon *d, struct daemon_conn *c, const struct joey_frame *f, const struct joey_json *j)
{
	uint64_t container = 0;
	struct daemon_proc *p;
	uint8_t handle[4];

	(void)joey_json_get_u64(j, "c", &container);
	if (c->fd < 0 || container > UINT32_MAX)
		return -EPROTO;
	p = daemon_proc_new(d, (uint32_t)container, joey_take_fd(&c->fd));
	if (p && container == 0 && daemon_container_add(d, p->handle) < 0) {
		daemon_proc_remove(d, p);
		p = NULL;
	}
	if (!p) {
		host_reply_error(c, f->id, EAGAIN, "too many processes in the sandbox");
		return 0;
	}
	joey_wire_put32(handle, p->handle);
	reply(c, f->id, handle, sizeof(handle));
	return 0;
}

/* Nothing of anybody is in it. */
static int freeze(struct daemon *d, struct daemon_conn *c, const struct joey_frame *f)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;

	if (!d->args->to_fork || !d->up || !d->vm.restored || d->n_procs > 0 || d->n_containers > 0)
		host_reply_error(c, f->id, EBUSY, "this machine is none that can be copied");
	else if (joey_vmm_freeze(&d->vm, &err) < 0)
		host_reply_error(c, f->id, err.errnum, joey_err_text(&err));
	else {
		d->frozen = true;
		reply(c, f->id, "", 0);
	}
	return 0;
}

static int info(struct daemon *d, struct daemon_conn *c, const struct joey_frame *f)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	autofree char *text = NULL;
	size_t len = 0;

	joey_json_out_object(o, NULL);
	joey_json_out_string(o, "accelerator", joey_accel_to_string(d->vm.accel));
	joey_json_out_bool(o, "restored", d->vm.restored);
	joey_json_out_string(o, "kernel", d->kernel);
	joey_json_out_i64(o, "hypervisorPid", d->vm.pid);
	if (d->frozen)
		joey_json_out_u64(o, "control", (uint64_t)d->vm.zygote);
	joey_json_out_bool(o, "copied", d->copied);
	joey_json_out_u64(o, "memory", d->args->spec->memory);
	joey_json_out_u64(o, "vcpus", d->args->spec->vcpus);
	joey_json_out_u64(o, "containers", d->n_containers);
	joey_json_out_u64(o, "processes", d->n_procs);
	joey_json_out_end(o);
	if (joey_json_out_finish(o, &text, &len) == 0)
		reply(c, f->id, text, len);
	return 0;
}

static int console(struct daemon *d, struct daemon_conn *c, const struct joey_frame *f)
{
	static char copy[DAEMON_RING];

	reply(c, f->id, copy, ring_copy(d, copy, sizeof(copy)));
	return 0;
}

static int watch(struct daemon_conn *c, const struct joey_frame *f, const struct joey_json *j)
{
	uint64_t handle = 0;

	if (joey_json_get_u64(j, "c", &handle) < 0 || handle > UINT32_MAX)
		return -EPROTO;
	c->watch = (uint32_t)handle;
	reply(c, f->id, "", 0);
	return 0;
}

/* ---- requests for the guest ------------------------------------------------------------------------------------- */

/* The guest hears of a process: its handle. */
static uint32_t set_known(struct daemon *d, const struct joey_json *j, const char *key)
{
	uint64_t handle = 0;
	struct daemon_proc *p;

	(void)joey_json_get_u64(j, key, &handle);
	p = handle <= UINT32_MAX ? daemon_proc_find(d, (uint32_t)handle) : NULL;
	if (!p)
		return 0;
	p->known = true;
	return p->handle;
}

static int pass_on(struct daemon *d, struct daemon_conn *c, struct daemon_proc *p, const struct joey_frame *f,
		   const struct joey_json *j)
{
	struct daemon_request *q = daemon_request_get(d, c, p, f->id);
	uint64_t subject = 0;
	int r;

	if (!q) {
		if (c)
			host_reply_error(c, f->id, EAGAIN, "too many requests at once");
		return 0;
	}
	r = guest_put(d, f->type, q->id, f->data, f->len);
	if (f->type == JOEY_WIRE_BLOB && r == 0)
		return 0;
	q->sent = true;
	if (f->type == JOEY_WIRE_CREATE || f->type == JOEY_WIRE_EXEC)
		q->process = set_known(d, j, f->type == JOEY_WIRE_CREATE ? "c" : "p");
	if (f->type == JOEY_WIRE_DROP && joey_json_get_u64(j, "c", &subject) == 0) {
		q->subject = (uint32_t)subject;
	}
	if (r < 0) {
		if (c)
			host_reply_error(c, f->id, -r, "too much is on its way to the guest");
		daemon_request_remove(d, q);
	}
	return 0;
}

static int take_request(struct daemon *d, struct daemon_conn *c, const struct joey_frame *f)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct joey_json *j = NULL;
	int r = 0;

	if (f->type != JOEY_WIRE_BLOB)
		r = joey_json_parse((const char *)f->data, f->len, JOEY_WIRE_PAYLOAD_MAX, &arena, &j, NULL);
	if (r == 0)
		switch (f->type) {
		case JOEY_WIRE_ATTACH:
			r = attach(d, c, f, j);
			break;
		case JOEY_WIRE_FREEZE:
			r = freeze(d, c, f);
			break;
		case JOEY_WIRE_INFO:
			r = info(d, c, f);
			break;
		case JOEY_WIRE_CONSOLE:
			r = console(d, c, f);
			break;
		case JOEY_WIRE_WATCH:
			r = watch(c, f, j);
			break;
		default:
			r = f->type < JOEY_WIRE_REQUEST_END || f->type == JOEY_WIRE_BLOB ? pass_on(d, c, NULL, f, j)
											 : -EPROTO;
			break;
		}
	joey_arena_done(&arena);
	return r;
}

int host_take_conn(struct daemon *d, struct daemon_conn *c)
{
	struct joey_frame f;
	int fd, r = joey_wire_read_fd(&c->in, c->sock, &fd), n;

	if (fd >= 0) {
		joey_close(c->fd);
		c->fd = fd;
	}
	while ((n = joey_wire_next(&c->in, &f)) > 0)
		if (take_request(d, c, &f) < 0)
			return -EPROTO;
	return n < 0 ? n : r == -EAGAIN ? 0 : r;
}

/* ---- proxies ---------------------------------------------------------------------------------------------------- */

static int take_from_proc(struct daemon *d, struct daemon_proc *p, struct joey_frame *f)
{
	char json[32];
	struct joey_frame start = *f;

	switch (f->type) {
	case JOEY_WIRE_DATA:
	case JOEY_WIRE_EOF:
	case JOEY_WIRE_CREDIT:
		f->id = p->handle;
		return joey_wire_put_frame(&d->io, f);
	case JOEY_WIRE_SIGNAL:
	case JOEY_WIRE_RESIZE:
		return guest_put(d, f->type, p->handle, f->data, f->len);
	case JOEY_WIRE_START:
		start.data = (const uint8_t *)json;
		start.len = (uint32_t)snprintf(json, sizeof(json), "{\"c\":%u}", p->container);
		return pass_on(d, NULL, p, &start, NULL);
	default:
		return -EPROTO;
	}
}

int host_take_proc(struct daemon *d, struct daemon_proc *p)
{
	struct joey_frame f;
	int r = joey_wire_read(&p->in, p->sock), n;

	while ((n = joey_wire_next(&p->in, &f)) > 0)
		if (take_from_proc(d, p, &f) < 0)
			return -EPROTO;
	return n < 0 ? n : r == -EAGAIN ? 0 : r;
}

void host_proc_refused(struct daemon *d, uint32_t handle)
{
	struct daemon_proc *p = daemon_proc_find(d, handle);

	if (!p)
		return;
	p->known = false;
	if (p->sock < 0)
		host_proc_lost(d, p);
}

void host_proc_lost(struct daemon *d, struct daemon_proc *p)
{
	const uint8_t kill[4] = { SIGKILL };

	p->sock = joey_close(p->sock);
	/* joey was killed before it asked the guest for it */
	if (!p->known)
		daemon_container_remove(d, p->handle);
	if (p->exited || !p->known) {
		daemon_proc_remove(d, p);
		return;
	}
	(void)guest_put(d, JOEY_WIRE_SIGNAL, p->handle, kill, sizeof(kill));
}
