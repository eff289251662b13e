/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop: two ports, the ends of children, workers' answers, streams.
 *
 * A virtio port without a host end polls POLLHUP all the time, and there is none between the template and HELLO.  So
 * ports are watched edge-triggered, by an epoll(7) descriptor each: it wakes when something happens to the port, once.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "agent/agent-internal.h"

enum {
	CTL_ROOM = AGENT_CTL_OUT / 2,     /* less: no request is taken or begun, the host is to read first */
	IO_ROOM = 2 * JOEY_WIRE_DATA_MAX, /* less: no output is read */
	READS = 32,                       /* of one port in one turn */
};

static size_t room(const struct joey_wire_out *out)
{
	return out->max - (out->to - out->from);
}

/* ---- ctl -------------------------------------------------------------------------------------------------------- */

void agent_reply(struct agent *a, uint32_t id, const struct joey_err *err, const void *data, size_t n)
{
	int r;

	if (err)
		r = joey_wire_put_reply(&a->ctl.out, id, err->errnum, err->kind, joey_err_text(err),
					strlen(joey_err_text(err)));
	else
		r = joey_wire_put_reply(&a->ctl.out, id, 0, 0, data, n);
	if (r < 0)
		agent_die(a, "no room for an answer: %s", joey_errno_text(r));
}

/* For display only, so it may be lost. */
void agent_log(struct agent *a, uint32_t id, const char *text, size_t n)
{
	if (room(&a->ctl.out) > CTL_ROOM)
		(void)joey_wire_put(&a->ctl.out, JOEY_WIRE_LOG, 0, id, text, n < AGENT_LOG ? n : AGENT_LOG);
}

/* What the request is about must exist; what it makes gets a record. */
static int place(struct agent *a, struct agent_job *j, struct joey_err *err)
{
	const struct agent_proc *c = agent_proc_find(a, j->c);
	struct agent_proc *p;

	if (j->type == JOEY_WIRE_NET)
		return 0;
	if (j->type != JOEY_WIRE_CREATE) {
		if (!c || !c->id)
			return joey_err_set(err, JOEY_EK_NOT_FOUND, ENOENT, "container does not exist");
		j->name = joey_arena_strdup(&j->arena, c->id);
		if (!j->name)
			return joey_err_sys(err, ENOMEM, "guest: take a request");
	}
	if (j->type == JOEY_WIRE_CREATE || j->type == JOEY_WIRE_EXEC)
		return agent_proc_add(a, j, &p, err);
	return 0;
}

/* Not a part of HELLO: the host need not wait for it. */
static int need_share(struct agent *a, struct joey_err *err)
{
	int r = a->shared || a->test ? 0 : agent_mount_share(err);

	a->shared = r == 0;
	return r;
}

static void take_request(struct agent *a, const struct joey_frame *f)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct agent_job *j;
	int r = agent_request_parse(a, f, &j, &err);

	if (r < 0) {
		agent_reply(a, f->id, &err, NULL, 0);
		return;
	}
	r = j->type == JOEY_WIRE_CREATE ? need_share(a, &err) : 0;
	if (r == 0 && j->disk)
		r = agent_mount_disk(&err);
	if (r == 0)
		r = agent_join_prepare(a, j, &err);
	if (r == 0)
		r = agent_shm_prepare(a, j, &err);
	if (r == 0)
		r = place(a, j, &err);
	if (r == 0) {
		if (j->type == JOEY_WIRE_DROP)
			agent_jobs_cut(a, j->c);
		agent_job_submit(a, j);
		return;
	}
	/* Nothing is left of what never was. */
	agent_reply(a, j->id, j->type == JOEY_WIRE_DROP && err.kind == JOEY_EK_NOT_FOUND ? NULL : &err, NULL, 0);
	agent_job_free(a, j);
}

static void take_hello(struct agent *a, const struct joey_frame *f)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;

	if (agent_hello(a, f, &err) < 0)
		agent_reply(a, f->id, &err, NULL, 0);
}

int agent_take_ctl(struct agent *a, const struct joey_frame *f)
{
	if (f->type == JOEY_WIRE_HELLO) {
		take_hello(a, f);
		return 0;
	}
	if (!a->greeted)
		return -EPROTO;
	if (f->type == JOEY_WIRE_BLOB)
		return agent_blob_take(a, f);
	if (f->type == JOEY_WIRE_CLOCK)
		return agent_clock(a, f);
	if (f->type == JOEY_WIRE_SIGNAL || f->type == JOEY_WIRE_RESIZE)
		return agent_proc_take(a, f);
	if (f->type >= JOEY_WIRE_REQUEST_END)
		return -EPROTO;
	take_request(a, f);
	return 0;
}

static bool takes_requests(const struct agent *a)
{
	return a->n_waiting < AGENT_JOBS_WAITING && room(&a->ctl.out) > CTL_ROOM;
}

/* ---- ports ------------------------------------------------------------------------------------------------------ */

static void port_failed(const struct agent *a, const char *name, int r)
{
	if (r == -EPROTO)
		agent_die(a, "%s: the host broke the protocol", name);
	if (r == -ENODATA && a->test)
		_exit(0);
	if (r != -ENODATA && r != -EAGAIN && r != -EPIPE)
		agent_die(a, "%s: %s", name, joey_errno_text(r));
}

static void port_read(struct agent *a, struct agent_port *port, const char *name,
		      int (*take)(struct agent *a, const struct joey_frame *f))
{
	struct joey_frame f;
	int r = 0;

	for (int reads = 0; port->more && reads < READS; reads++) {
		for (;;) {
			if (port == &a->ctl && !takes_requests(a))
				return;
			r = joey_wire_next(&port->in, &f);
			if (r == 1)
				r = take(a, &f);
			else if (r == 0)
				break;
			if (r < 0)
				port_failed(a, name, r);
		}
		r = joey_wire_read(&port->in, port->fd);
		if (r < 0) {
			port->more = false;
			port_failed(a, name, r);
		}
	}
}

static void port_flush(const struct agent *a, struct agent_port *port, const char *name)
{
	int r = joey_wire_waits(&port->out) ? joey_wire_flush(&port->out, port->fd) : 0;

	if (r < 0)
		port_failed(a, name, r);
}

static void port_woken(struct agent_port *port)
{
	struct epoll_event e;

	(void)epoll_wait(port->epoll_fd, &e, 1, 0);
	port->more = true;
}

static void port_init(const struct agent *a, struct agent_port *port, int fd, size_t out_max)
{
	struct epoll_event e = { .events = (uint32_t)(EPOLLIN | EPOLLOUT | EPOLLET) };

	*port = (struct agent_port){ .fd = fd,
				     .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
				     .more = true,
				     .in = JOEY_WIRE_IN_INIT,
				     .out = JOEY_WIRE_OUT_INIT(out_max) };
	if (port->epoll_fd < 0 || epoll_ctl(port->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		agent_die(a, "watch a port: %s", joey_errno_text(errno));
}

static int take_io(struct agent *a, const struct joey_frame *f)
{
	if (f->type < JOEY_WIRE_DATA)
		return -EPROTO;
	return agent_proc_take(a, f);
}

/* ---- one turn --------------------------------------------------------------------------------------------------- */

enum { P_CTL, P_IO, P_SIG, P_JOBS }; /* then the jobs' pipes, then five for each process */
enum { PER_PROC = 5, P_TERMINAL = 3, P_WATCH = 4 };

static struct pollfd *fds_of(size_t n)
{
	static struct pollfd *fds;
	static size_t cap;

	if (n > cap) {
		struct pollfd *p = reallocarray(fds, n + 64, sizeof(*p));

		if (!p)
			return NULL;
		fds = p;
		cap = n + 64;
	}
	return fds;
}

static void want_proc(const struct agent *a, const struct agent_proc *p, struct pollfd *at)
{
	joey_relay_want(&p->relay, room(&a->io.out) > IO_ROOM, at);
	at[P_TERMINAL] = (struct pollfd){ .fd = p->listener >= 0 ? p->listener : p->console, .events = POLLIN };
	at[P_WATCH] = (struct pollfd){ .fd = p->watch.fd, .events = POLLIN };
}

static size_t fill(struct agent *a, struct pollfd *fds)
{
	size_t n = P_JOBS;

	fds[P_CTL] = (struct pollfd){ .fd = a->ctl.epoll_fd, .events = POLLIN };
	fds[P_IO] = (struct pollfd){ .fd = a->io.epoll_fd, .events = POLLIN };
	fds[P_SIG] = (struct pollfd){ .fd = a->sigfd, .events = POLLIN };
	for (const struct agent_job *j = a->running; j; j = j->next)
		fds[n++] = (struct pollfd){ .fd = j->pipe, .events = POLLIN };
	for (const struct agent_proc *p = a->procs; p; p = p->next, n += PER_PROC)
		want_proc(a, p, fds + n);
	return n;
}

/* Output of the dead is waited for with a deadline. */
static int timeout(const struct agent *a)
{
	if ((a->ctl.more && takes_requests(a)) || (a->greeted && a->io.more))
		return 0;
	for (const struct agent_proc *p = a->procs; p; p = p->next)
		if (p->state == AGENT_DEAD)
			return 200;
	return -1;
}

static void move_streams(struct agent *a, const struct pollfd *at)
{
	for (struct agent_proc *p = a->procs; p; p = p->next, at += PER_PROC) {
		int r = joey_relay_move(&p->relay, at, &a->io.out);

		if (r < 0)
			agent_die(a, "move a stream: %s", joey_errno_text(r));
		if (at[P_WATCH].revents && (p->watch.take(&p->watch) & JOEY_EVENT_OOM))
			p->oom_owed = true;
	}
}

/* Whoever is first gets what room there is; next time it is the last. */
static void rotate(struct agent *a)
{
	struct agent_proc *first = a->procs, **at = &a->procs;

	if (!first || !first->next)
		return;
	while (*at)
		at = &(*at)->next;
	*at = first;
	a->procs = first->next;
	first->next = NULL;
}

static void turn_procs(struct agent *a)
{
	for (struct agent_proc *p = a->procs, *next; p; p = next) {
		next = p->next;
		agent_proc_turn(a, p);
	}
	rotate(a);
}

static void take_signals(struct agent *a)
{
	struct signalfd_siginfo si;

	while (read(a->sigfd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		;
	agent_reap(a);
}

static void turn(struct agent *a)
{
	struct pollfd *fds = fds_of(P_JOBS + a->n_running + PER_PROC * a->n_procs);
	size_t at = P_JOBS, n;

	if (!fds)
		agent_die(a, "out of memory");
	n = fill(a, fds);
	if (poll(fds, n, timeout(a)) < 0) {
		if (errno != EINTR)
			agent_die(a, "poll: %s", joey_errno_text(errno));
		return;
	}
	/* Streams first: nothing has changed the list yet. */
	move_streams(a, fds + P_JOBS + a->n_running);
	for (struct agent_job *j = a->running, *next; j; j = next) {
		next = j->next;
		if (fds[at++].revents)
			agent_job_read(a, j);
	}
	if (fds[P_SIG].revents)
		take_signals(a);
	if (fds[P_CTL].revents)
		port_woken(&a->ctl);
	if (fds[P_IO].revents)
		port_woken(&a->io);
	port_read(a, &a->ctl, "ctl", agent_take_ctl);
	if (a->greeted)
		port_read(a, &a->io, "io", take_io);
	turn_procs(a);
	/* Nothing of a workload runs before the clock is right. */
	if (a->clocked && room(&a->ctl.out) > CTL_ROOM)
		agent_jobs_turn(a);
	port_flush(a, &a->ctl, "ctl");
	port_flush(a, &a->io, "io");
	/* While the host prepares the first container; what fails is reported with that.  Not before the clock is set:
	 * it would be late by as much. */
	if (a->clocked && !a->shared)
		(void)need_share(a, NULL);
}

void agent_init(struct agent *a, int ctl, int io, const char *root, const char *cgroup, bool test)
{
	sigset_t set;

	memset(a, 0, sizeof(*a));
	a->test = test;
	a->cgroup = cgroup;
	a->netns = test ? "/proc/self/ns/net" : AGENT_NETNS;
	if (snprintf(a->rt_root, sizeof(a->rt_root), "%s/joey", root) >= (int)sizeof(a->rt_root) - 16)
		agent_die(a, "the root directory's name is too long");
	snprintf(a->dir, sizeof(a->dir), "%s/joey-agent", root);
	if (test)
		snprintf(a->share, sizeof(a->share), "%s/share", root);
	else
		snprintf(a->share, sizeof(a->share), "/share");
	port_init(a, &a->ctl, ctl, AGENT_CTL_OUT);
	port_init(a, &a->io, io, AGENT_IO_OUT);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	a->sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (a->sigfd < 0)
		agent_die(a, "signalfd: %s", joey_errno_text(errno));
}

static void port_done(struct agent_port *port)
{
	joey_close(port->fd);
	joey_close(port->epoll_fd);
	joey_wire_in_done(&port->in);
	joey_wire_out_done(&port->out);
}

static void jobs_done(struct agent *a, struct agent_job *list)
{
	for (struct agent_job *j = list, *next; j; j = next) {
		next = j->next;
		agent_job_free(a, j);
	}
}

void agent_done(struct agent *a)
{
	while (a->procs)
		agent_proc_remove(a, a->procs);
	jobs_done(a, a->waiting);
	jobs_done(a, a->running);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(a->blobs); i++)
		free(a->blobs[i].data);
	agent_join_done(a);
	port_done(&a->ctl);
	port_done(&a->io);
	joey_close(a->sigfd);
}

void agent_loop(struct agent *a)
{
	for (;;)
		turn(a);
}
