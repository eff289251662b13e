/* SPDX-License-Identifier: Apache-2.0 */
/* Who is connected to the sandbox process: proxies, verbs, and requests on their way.  Every table has a bound. */
#include "sandbox/daemon-internal.h"

/* v is an array of n pointers; returns a zeroed new object of that size, appended. */
static void *append(void ***v, size_t *n, size_t max, size_t size)
{
	void **grown, *p;

	if (*n >= max)
		return NULL;
	grown = reallocarray(*v, *n + 1, sizeof(**v));
	if (!grown)
		return NULL;
	*v = grown;
	p = calloc(1, size);
	if (p)
		grown[(*n)++] = p;
	return p;
}

static void take_out(void **v, size_t *n, const void *p)
{
	for (size_t i = 0; i < *n; i++) {
		if (v[i] != p)
			continue;
		v[i] = v[--*n];
		return;
	}
}

struct daemon_proc *daemon_proc_new(struct daemon *d, uint32_t container, int sock)
{
	struct daemon_proc *p = append((void ***)&d->procs, &d->n_procs, JOEY_WIRE_PROCESSES_MAX, sizeof(*p));

	if (!p)
		return NULL;
	p->handle = ++d->last_handle;
	p->container = container ? container : p->handle;
	p->sock = sock;
	p->in = (struct joey_wire_in)JOEY_WIRE_IN_INIT;
	p->out = (struct joey_wire_out)JOEY_WIRE_OUT_INIT(DAEMON_PROC_OUT_MAX);
	return p;
}

struct daemon_proc *daemon_proc_find(const struct daemon *d, uint32_t handle)
{
	for (size_t i = 0; i < d->n_procs; i++)
		if (d->procs[i]->handle == handle)
			return d->procs[i];
	return NULL;
}

void daemon_proc_remove(struct daemon *d, struct daemon_proc *p)
{
	take_out((void **)d->procs, &d->n_procs, p);
	for (size_t i = 0; i < d->n_requests; i++)
		if (d->requests[i]->proc == p)
			d->requests[i]->proc = NULL;
	joey_close(p->sock);
	joey_wire_in_done(&p->in);
	joey_wire_out_done(&p->out);
	free(p);
}

int daemon_container_add(struct daemon *d, uint32_t handle)
{
	uint32_t *grown;

	if (d->n_containers >= JOEY_WIRE_PROCESSES_MAX)
		return -ENOSPC;
	grown = reallocarray(d->containers, d->n_containers + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	d->containers = grown;
	grown[d->n_containers++] = handle;
	d->had_container = true;
	return 0;
}

void daemon_container_remove(struct daemon *d, uint32_t handle)
{
	for (size_t i = 0; i < d->n_containers; i++)
		if (d->containers[i] == handle) {
			d->containers[i] = d->containers[--d->n_containers];
			return;
		}
}

struct daemon_conn *daemon_conn_new(struct daemon *d, int sock)
{
	struct daemon_conn *c = append((void ***)&d->conns, &d->n_conns, DAEMON_CONNS_MAX, sizeof(*c));

	if (!c)
		return NULL;
	c->sock = sock;
	c->fd = -EBADF;
	c->in = (struct joey_wire_in)JOEY_WIRE_IN_INIT;
	c->out = (struct joey_wire_out)JOEY_WIRE_OUT_INIT(DAEMON_CONN_OUT_MAX);
	return c;
}

void daemon_conn_remove(struct daemon *d, struct daemon_conn *c)
{
	take_out((void **)d->conns, &d->n_conns, c);
	for (size_t i = 0; i < d->n_requests; i++)
		if (d->requests[i]->conn == c)
			d->requests[i]->conn = NULL;
	joey_close(c->sock);
	joey_close(c->fd);
	joey_wire_in_done(&c->in);
	joey_wire_out_done(&c->out);
	free(c);
}

struct daemon_request *daemon_request_get(struct daemon *d, struct daemon_conn *c, struct daemon_proc *p,
					  uint32_t origin_id)
{
	struct daemon_request *q;

	for (size_t i = 0; i < d->n_requests; i++) {
		q = d->requests[i];
		if (q->conn == c && q->proc == p && q->origin_id == origin_id && !q->sent)
			return q;
	}
	q = append((void ***)&d->requests, &d->n_requests, DAEMON_REQUESTS_MAX, sizeof(*q));
	if (!q)
		return NULL;
	q->id = ++d->last_request;
	q->origin_id = origin_id;
	q->conn = c;
	q->proc = p;
	return q;
}

struct daemon_request *daemon_request_find(const struct daemon *d, uint32_t id)
{
	for (size_t i = 0; i < d->n_requests; i++)
		if (d->requests[i]->id == id && d->requests[i]->sent)
			return d->requests[i];
	return NULL;
}

void daemon_request_remove(struct daemon *d, struct daemon_request *q)
{
	take_out((void **)d->requests, &d->n_requests, q);
	free(q);
}
