/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes that the host has handles of.  Their frames travel on another channel than the requests, so either may
 * come first: what comes early is kept in a record that CREATE or EXEC takes over later; what comes late, for a handle
 * whose process is over, is thrown away.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "agent/agent-internal.h"
#include "joey/syscalls.h"

/* ---- the table -------------------------------------------------------------------------------------------------- */

struct agent_proc *agent_proc_find(struct agent *a, uint32_t handle)
{
	for (struct agent_proc *p = a->procs; p; p = p->next)
		if (p->handle == handle)
			return p;
	return NULL;
}

static bool is_over(const struct agent *a, uint32_t handle)
{
	size_t n = a->n_ended < AGENT_ENDED ? a->n_ended : AGENT_ENDED;

	for (size_t i = 0; i < n; i++)
		if (a->ended[i] == handle)
			return true;
	return false;
}

static struct agent_proc *proc_new(struct agent *a, uint32_t handle)
{
	struct agent_proc *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	*p = (struct agent_proc){ .handle = handle,
				  .next = a->procs,
				  .master = -EBADF,
				  .listener = -EBADF,
				  .console = -EBADF,
				  .pidfd = -EBADF,
				  .worker_fds = { -EBADF, -EBADF, -EBADF },
				  .watch = { .fd = -EBADF } };
	joey_relay_init(&p->relay, handle);
	joey_relay_add(&p->relay, 0, -EBADF, JOEY_RELAY_RECEIVE, false, false);
	joey_relay_add(&p->relay, 1, -EBADF, JOEY_RELAY_SEND, false, false);
	joey_relay_add(&p->relay, 2, -EBADF, JOEY_RELAY_SEND, false, false);
	a->procs = p;
	a->n_procs++;
	return p;
}

static void close_worker_fds(struct agent_proc *p)
{
	for (int i = 0; i < 3; i++)
		p->worker_fds[i] = joey_close(p->worker_fds[i]);
}

static void close_terminal(struct agent_proc *p)
{
	/* Both streams have it; it is closed here, once. */
	if (p->terminal)
		p->relay.s[0].fd = p->relay.s[1].fd = -EBADF;
	p->master = joey_close(p->master);
}

static void close_listener(const struct agent *a, struct agent_proc *p)
{
	char path[300];

	if (p->listener < 0)
		return;
	snprintf(path, sizeof(path), "%s/%u.sock", a->dir, (unsigned)p->handle);
	(void)unlink(path);
	p->listener = joey_close(p->listener);
}

static void watch_done(struct agent_proc *p)
{
	if (p->watch.done)
		p->watch.done(&p->watch);
	p->watch = (struct joey_watch){ .fd = -EBADF };
}

void agent_proc_remove(struct agent *a, struct agent_proc *p)
{
	for (struct agent_proc **at = &a->procs; *at; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			break;
		}
	a->n_procs--;
	if (p->state == AGENT_EARLY_PROC)
		a->n_early--;
	a->ended[a->n_ended++ % AGENT_ENDED] = p->handle;
	close_terminal(p);
	joey_relay_done(&p->relay);
	close_worker_fds(p);
	close_listener(a, p);
	joey_close(p->console);
	watch_done(p);
	joey_close(p->pidfd);
	free(p->id);
	free(p);
}

/* The oldest is the last of the list: nobody may make the agent remember more than so many. */
static struct agent_proc *proc_early(struct agent *a, uint32_t handle)
{
	struct agent_proc *p, *oldest = NULL;

	if (a->n_early >= AGENT_EARLY) {
		for (p = a->procs; p; p = p->next)
			if (p->state == AGENT_EARLY_PROC)
				oldest = p;
		if (oldest)
			agent_proc_remove(a, oldest);
	}
	p = proc_new(a, handle);
	if (p)
		a->n_early++;
	return p;
}

/* ---- standard streams ------------------------------------------------------------------------------------------- */

static int make_pipes(struct agent_proc *p, struct joey_err *err)
{
	for (unsigned i = 0; i < 3; i++) {
		int fds[2], ours = i == 0 ? 1 : 0;

		if (pipe2(fds, O_CLOEXEC) < 0)
			return joey_err_sys(err, errno, "make a pipe");
		p->worker_fds[i] = fds[1 - ours];
		if (fcntl(fds[ours], F_SETFL, O_NONBLOCK) < 0) {
			joey_close(fds[ours]);
			return joey_err_sys(err, errno, "make a pipe non-blocking");
		}
		joey_relay_set(&p->relay, i, fds[ours]);
	}
	return 0;
}

static int make_listener(const struct agent *a, struct agent_proc *p, struct joey_err *err)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };

	if (snprintf(name.sun_path, sizeof(name.sun_path), "%s/%u.sock", a->dir, (unsigned)p->handle) >=
	    (int)sizeof(name.sun_path))
		return joey_err_sys(err, ENAMETOOLONG, "make the terminal's socket");
	(void)unlink(name.sun_path);
	p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->listener < 0 || bind(p->listener, (struct sockaddr *)&name, sizeof(name)) < 0 ||
	    listen(p->listener, 1) < 0)
		return joey_err_sys(err, errno, "make the terminal's socket");
	p->relay.s[0].keep_fd = p->relay.s[1].keep_fd = true;
	p->relay.s[2].way = JOEY_RELAY_NONE;
	return 0;
}

int agent_proc_add(struct agent *a, const struct agent_job *j, struct agent_proc **ret, struct joey_err *err)
{
	bool first = j->type == JOEY_WIRE_CREATE;
	uint32_t handle = first ? j->c : j->p;
	struct agent_proc *p = agent_proc_find(a, handle);
	int r = 0;

	if ((p && p->state != AGENT_EARLY_PROC) || is_over(a, handle))
		return joey_err_set(err, JOEY_EK_EXISTS, EEXIST, "guest: handle %u was used before", (unsigned)handle);
	if (!p && a->n_procs >= JOEY_WIRE_PROCESSES_MAX)
		return joey_err_set(err, JOEY_EK_OTHER, EAGAIN, "guest: too many processes");
	if (p)
		a->n_early--;
	else
		p = proc_new(a, handle);
	if (!p)
		return joey_err_sys(err, ENOMEM, "guest: keep a process");
	p->state = AGENT_STARTING;
	p->container = j->c;
	p->terminal = j->terminal;
	if (!p->rows && !p->cols) {
		p->rows = j->rows;
		p->cols = j->cols;
	}
	if (first) {
		p->id = strdup(j->name);
		r = p->id ? 0 : joey_err_sys(err, ENOMEM, "guest: keep a process");
	}
	if (r == 0)
		r = p->terminal ? make_listener(a, p, err) : make_pipes(p, err);
	if (r < 0) {
		agent_proc_remove(a, p);
		return r;
	}
	*ret = p;
	return 0;
}

/* ---- terminal --------------------------------------------------------------------------------------------------- */

static void set_size(const struct agent_proc *p)
{
	const struct winsize ws = { .ws_row = p->rows, .ws_col = p->cols };

	if (p->master >= 0 && p->rows && p->cols)
		(void)ioctl(p->master, TIOCSWINSZ, &ws);
}

static void take_connection(const struct agent *a, struct agent_proc *p)
{
	int sock;

	if (p->listener < 0)
		return;
	sock = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
	if (sock < 0)
		return;
	/* One is all there ever is. */
	close_listener(a, p);
	p->console = sock;
}

static void take_master(struct agent_proc *p)
{
	char name[64];
	size_t n = 0;
	int fd;
	ssize_t r;

	if (p->console < 0)
		return;
	r = joey_recv_fds(p->console, name, sizeof(name), &fd, 1, &n, MSG_DONTWAIT);
	if (r == -EAGAIN)
		return;
	p->console = joey_close(p->console);
	if (r < 0 || n != 1)
		return;
	p->master = fd;
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	set_size(p);
	joey_relay_set(&p->relay, 0, fd);
	joey_relay_set(&p->relay, 1, fd);
}

void agent_proc_terminal(struct agent *a, struct agent_proc *p)
{
	take_connection(a, p);
	take_master(p);
	/* The host's terminal has hung up: so does ours, and the process gets its SIGHUP. */
	if (p->terminal && p->master >= 0 && !p->relay.s[0].open)
		close_terminal(p);
}

/* ---- its life --------------------------------------------------------------------------------------------------- */

static void send_signal(struct agent_proc *p, int sig)
{
	if (p->state == AGENT_LIVE)
		(void)joey_sys_pidfd_send_signal(p->pidfd, sig, NULL, 0);
	else if (p->state < AGENT_LIVE && p->pending_signal != SIGKILL)
		p->pending_signal = sig;
}

static void watch_begin(struct agent *a, struct agent_proc *p)
{
	char path[300];
	const struct joey_cgroup_record rec = { .driver = JOEY_CGROUP_CGROUPFS, .path = path, .created = true };
	autocgroup struct joey_cgroup *cg = NULL;
	autoerr struct joey_err err = JOEY_ERR_INIT;

	snprintf(path, sizeof(path), "%s/%u", a->cgroup, (unsigned)p->handle);
	if (joey_cgroup_open(&rec, &cg, &err) < 0 || joey_cgroup_watch(cg, &p->watch, &err) < 0) {
		p->watch = (struct joey_watch){ .fd = -EBADF };
		agent_log(a, p->handle, joey_err_text(&err), strlen(joey_err_text(&err)));
	}
}

void agent_proc_started(struct agent *a, struct agent_proc *p, pid_t pid)
{
	close_worker_fds(p);
	if (p->state != AGENT_STARTING)
		return;
	p->pid = pid;
	p->pidfd = joey_sys_pidfd_open(pid, 0);
	p->state = AGENT_LIVE;
	if (p->handle == p->container)
		watch_begin(a, p);
	if (p->pending_signal)
		send_signal(p, p->pending_signal);
}

void agent_proc_reaped(struct agent_proc *p, int wstatus)
{
	p->state = AGENT_DEAD;
	p->wstatus = wstatus;
	p->pid = 0;
	p->pidfd = joey_close(p->pidfd);
	p->dead_at = p->progress_at = joey_now_ms();
}

static void over(struct agent *a, struct agent_proc *p)
{
	p->state = AGENT_OVER;
	close_terminal(p);
	joey_relay_done(&p->relay);
	watch_done(p);
	if (p->handle != p->container || p->dropped)
		agent_proc_remove(a, p);
}

static void tell_oom(struct agent *a, struct agent_proc *p)
{
	if (p->oom_owed && joey_wire_put_u32(&a->ctl.out, JOEY_WIRE_EVENT, 0, p->handle, JOEY_EVENT_OOM) == 0)
		p->oom_owed = false;
}

/* p may be gone afterwards. */
static void try_exit(struct agent *a, struct agent_proc *p)
{
	uint32_t before = p->relay.s[1].credit + p->relay.s[2].credit;
	uint64_t now = joey_now_ms();
	bool drained;

	drained = joey_relay_drained(&p->relay, &a->io.out);
	if (p->relay.s[1].credit + p->relay.s[2].credit != before)
		p->progress_at = now;
	/* The kernel says so a little later than it kills. */
	if (p->watch.take && (p->watch.take(&p->watch) & JOEY_EVENT_OOM))
		p->oom_owed = true;
	if (!drained && now < p->progress_at + AGENT_STALLED_MS && now < p->dead_at + AGENT_DRAIN_MS)
		return;
	if (joey_wire_put_u32(&a->io.out, JOEY_WIRE_EXIT, 0, p->handle, (uint32_t)p->wstatus) < 0)
		return;
	tell_oom(a, p);
	over(a, p);
}

void agent_proc_turn(struct agent *a, struct agent_proc *p)
{
	tell_oom(a, p);
	agent_proc_terminal(a, p);
	if (p->state == AGENT_DEAD)
		try_exit(a, p);
}

void agent_container_gone(struct agent *a, uint32_t handle)
{
	struct agent_proc *p = agent_proc_find(a, handle);

	if (!p)
		return;
	p->dropped = true;
	if (p->state == AGENT_STARTING || p->state == AGENT_EARLY_PROC || p->state == AGENT_OVER)
		agent_proc_remove(a, p);
}

/* ---- frames ----------------------------------------------------------------------------------------------------- */

static int take_note(struct agent_proc *p, const struct joey_frame *f)
{
	uint32_t v = 0;

	if (f->type == JOEY_WIRE_SIGNAL) {
		if (joey_frame_u32(f, &v) < 0 || v == 0 || v > AGENT_SIGNAL_MAX)
			return -EPROTO;
		send_signal(p, (int)v);
		return 0;
	}
	p->rows = joey_wire_get16(f->data);
	p->cols = joey_wire_get16(f->data + 2);
	set_size(p);
	return 0;
}

int agent_proc_take(struct agent *a, const struct joey_frame *f)
{
	struct agent_proc *p = agent_proc_find(a, f->id);

	if (!p && is_over(a, f->id))
		return 0;
	if (!p)
		p = proc_early(a, f->id);
	if (!p)
		return -ENOMEM;
	if (p->state == AGENT_OVER)
		return 0;
	switch (f->type) {
	case JOEY_WIRE_DATA:
	case JOEY_WIRE_EOF:
	case JOEY_WIRE_CREDIT:
		p->progress_at = joey_now_ms();
		return joey_relay_take(&p->relay, f, &a->io.out);
	case JOEY_WIRE_SIGNAL:
	case JOEY_WIRE_RESIZE:
		return take_note(p, f);
	default:
		return -EPROTO;
	}
}
