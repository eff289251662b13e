/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox process: one for each machine.  It starts QEMU, routes frames between the guest, the proxies and joey's
 * verbs, and ends with the last container; QEMU ends with it.  It holds no descriptor of whoever called joey, and has
 * no privilege left when the guest's first byte is read.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "joey/log.h"
#include "sandbox/daemon-internal.h"

enum { LAST_WORDS_MS = 1000, FAILURE_MS = 5000, ROOM = 256 << 10 };

/* ---- the loop --------------------------------------------------------------------------------------------------- */

enum { F_LISTEN, F_CTL, F_IO, F_QMP, F_CONSOLE, F_MACHINE, F_ZYGOTE, F_FIXED };

static bool has_room(const struct joey_wire_out *o)
{
	return o->to - o->from + ROOM < o->max;
}

static short out_events(const struct joey_wire_out *o, bool read)
{
	return (short)((read ? POLLIN : 0) | (joey_wire_waits(o) ? POLLOUT : 0));
}

/* Reading stops where what was read could not be kept. */
static size_t want(const struct daemon *d, struct pollfd *p)
{
	bool room = has_room(&d->ctl) && has_room(&d->io) && has_room(&d->held);
	size_t n = F_FIXED;

	p[F_LISTEN] =
		(struct pollfd){ .fd = d->n_conns < DAEMON_CONNS_MAX ? d->args->listen_fd : -1, .events = POLLIN };
	p[F_CTL] = (struct pollfd){ .fd = d->vm.ctl, .events = out_events(&d->ctl, true) };
	p[F_IO] = (struct pollfd){ .fd = d->vm.io, .events = out_events(&d->io, true) };
	p[F_QMP] = (struct pollfd){ .fd = d->vm.qmp, .events = POLLIN };
	p[F_CONSOLE] = (struct pollfd){ .fd = d->vm.console, .events = POLLIN };
	p[F_MACHINE] = (struct pollfd){ .fd = d->vm.pidfd, .events = POLLIN };
	p[F_ZYGOTE] = (struct pollfd){ .fd = d->vm.zygote };
	for (size_t i = 0; i < d->n_procs; i++)
		p[n++] = (struct pollfd){ .fd = d->procs[i]->sock, .events = out_events(&d->procs[i]->out, room) };
	for (size_t i = 0; i < d->n_conns; i++)
		p[n++] = (struct pollfd){ .fd = d->conns[i]->sock, .events = out_events(&d->conns[i]->out, room) };
	return n;
}

static bool readable(const struct pollfd *p)
{
	return p->revents & (POLLIN | POLLHUP | POLLERR);
}

static int take_guest(struct daemon *d, const struct pollfd *p)
{
	if (readable(&p[F_CONSOLE]))
		guest_take_console(d);
	if (readable(&p[F_CTL]) && guest_take_ctl(d) < 0)
		return -EPROTO;
	if (readable(&p[F_IO]) && guest_take_io(d) < 0)
		return -EPROTO;
	if (readable(&p[F_QMP]) && joey_vmm_monitor(&d->vm, NULL) < 0) {
		d->why = "the hypervisor reports a failure";
		return -EIO;
	}
	if (readable(&p[F_ZYGOTE])) {
		d->why = "nobody can ask for copies any more";
		return -EPIPE;
	}
	if (readable(&p[F_MACHINE])) {
		d->why = "the hypervisor has ended";
		return -EPIPE;
	}
	return 0;
}

/* From the back: removal puts the last one in the place of the removed one, and that was looked at already. */
static void take_host(struct daemon *d, const struct pollfd *p, size_t n_procs, size_t n_conns)
{
	for (size_t i = n_procs; i-- > 0;) {
		struct daemon_proc *pr = d->procs[i];

		if (pr->sock >= 0 && readable(&p[F_FIXED + i]) && host_take_proc(d, pr) < 0)
			host_proc_lost(d, pr);
	}
	for (size_t i = n_conns; i-- > 0;) {
		struct daemon_conn *c = d->conns[i];

		if (readable(&p[F_FIXED + n_procs + i]) && host_take_conn(d, c) < 0)
			daemon_conn_remove(d, c);
	}
	if (p[F_LISTEN].revents)
		host_accept(d);
}

static void flush_host(struct daemon *d)
{
	for (size_t i = d->n_procs; i-- > 0;)
		if (d->procs[i]->sock >= 0 && joey_wire_flush(&d->procs[i]->out, d->procs[i]->sock) < 0)
			host_proc_lost(d, d->procs[i]);
	for (size_t i = d->n_conns; i-- > 0;)
		if (joey_wire_flush(&d->conns[i]->out, d->conns[i]->sock) < 0)
			daemon_conn_remove(d, d->conns[i]);
}

/* A watcher does not keep a machine, a verb does until it has what it came for. */
static bool is_done(const struct daemon *d)
{
	if (d->args->to_fork)
		return !d->frozen && d->n_conns == 0;
	if (d->n_containers > 0 || d->n_procs > 0 || d->n_requests > 0)
		return false;
	return d->had_container || d->n_conns == 0;
}

/* A machine that does not greet: once more, a copy's from the template, then without it. 1: a new one was begun. */
static int no_hello(struct daemon *d)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;

	if (d->cold || d->up) {
		if (!d->why)
			d->why = "the guest does not answer";
		return -ETIMEDOUT;
	}
	if (!d->copied)
		joey_vmm_template_failed(d->args->spec);
	joey_vmm_end(&d->vm);
	d->why = NULL;
	if (guest_begin(d, d->copied ? GUEST_RESTORED : GUEST_COLD, &err) < 0) {
		d->why = strdup(joey_err_text(&err));
		return -EIO;
	}
	return 1;
}

/* The guest has greeted, no second machine will be needed: from here on there is nothing in reach but channels.  joey
 * itself attaches mounts (share.c); QEMU has our user id, so it can be killed. */
static int lock_up(struct daemon *d)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	autoerr struct joey_err err = JOEY_ERR_INIT;

	if (d->locked_up)
		return 0;
	if (share_close_root(&err) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) < 0 ||
	    prctl(PR_CAP_AMBIENT, (unsigned long)PR_CAP_AMBIENT_CLEAR_ALL, 0UL, 0UL, 0UL) < 0 ||
	    syscall(SYS_capset, &head, none) < 0) {
		d->why = "the sandbox process cannot give up its privileges";
		return -EPERM;
	}
	/* Who talks to a zygote says what is mounted where, and with which descriptors. */
	joey_close(d->args->zygote_fd);
	joey_close(d->args->cgroup_fd);
	d->locked_up = true;
	return 0;
}

static int step(struct daemon *d, struct pollfd *p)
{
	size_t n_procs = d->n_procs, n_conns = d->n_conns, n = want(d, p);
	uint64_t now = joey_now_ms();
	uint64_t until = d->up ? 0 : d->hello_until;
	int timeout = until ? (int)(now >= until ? 0 : until - now) : -1, r;

	r = poll(p, n, timeout);
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	if (!d->up && r == 0)
		return no_hello(d);
	if (take_guest(d, p) < 0)
		return d->up ? -EPIPE : no_hello(d);
	if (d->up && lock_up(d) < 0)
		return -EPERM;
	/* the guest's frames may have removed processes */
	if (d->n_procs == n_procs)
		take_host(d, p, n_procs, n_conns);
	if (d->why)
		return -EPIPE;
	if (guest_flush(d) < 0)
		return d->up ? -EPIPE : no_hello(d);
	flush_host(d);
	return 0;
}

static void loop(struct daemon *d)
{
	struct pollfd *p = NULL;
	size_t room = 0;

	while (!is_done(d)) {
		size_t need = F_FIXED + d->n_procs + d->n_conns + 1;

		if (need > room) {
			struct pollfd *grown = reallocarray(p, need + 16, sizeof(*p));

			if (!grown)
				break;
			p = grown;
			room = need + 16;
		}
		if (step(d, p) < 0)
			break;
	}
	free(p);
}

/* ---- begin and end ---------------------------------------------------------------------------------------------- */

static void last_words(struct daemon *d)
{
	uint64_t until = joey_now_ms() + LAST_WORDS_MS;
	bool waits = true;

	host_end_all(d);
	while (waits && joey_now_ms() < until) {
		waits = false;
		flush_host(d);
		for (size_t i = 0; i < d->n_procs; i++)
			waits = waits || (d->procs[i]->sock >= 0 && joey_wire_waits(&d->procs[i]->out));
		for (size_t i = 0; i < d->n_conns; i++)
			waits = waits || joey_wire_waits(&d->conns[i]->out);
		if (waits)
			(void)poll(NULL, 0, 5);
	}
}

static int begin(struct daemon *d, struct joey_err *err)
{
	int r = share_init(&d->share_fd, err);

	return r < 0 ? r : guest_begin(d, d->args->zygote_fd >= 0 ? GUEST_COPIED : GUEST_RESTORED, err);
}

/* Nothing came of it: whoever asks hears why, until it has gone. */
static void tell_failure(struct daemon *d, const char *why)
{
	uint64_t until = joey_now_ms() + FAILURE_MS;
	autofree char *text = host_with_console(d, why);

	while (d->n_conns > 0 && joey_now_ms() < until) {
		struct daemon_conn *c = d->conns[0];
		struct joey_frame f;
		int r = joey_wire_read(&c->in, c->sock);

		while (joey_wire_next(&c->in, &f) > 0)
			if (f.type < JOEY_WIRE_REQUEST_END)
				host_reply_error(c, f.id, EIO, text ? text : why);
		if (joey_wire_flush(&c->out, c->sock) < 0 || (r < 0 && r != -EAGAIN))
			daemon_conn_remove(d, c);
		else
			(void)poll(NULL, 0, 2);
	}
}

/* Whoever called joey waits for the end of his pipes. */
void daemon_cast_off(const char *name, int *keep, size_t n)
{
	static const struct rlimit no_core = { 0, 0 };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	joey_log_set_sink(NULL, NULL, JOEY_LOG_ERROR);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		(void)dup2(null, fd);
	(void)joey_close_all_but(STDERR_FILENO + 1, keep, n);
	(void)setsid();
	(void)prctl(PR_SET_NAME, name);
	(void)prctl(PR_SET_PDEATHSIG, 0UL, 0UL, 0UL, 0UL);
	(void)prctl(PR_SET_DUMPABLE, 0UL, 0UL, 0UL, 0UL);
	(void)setrlimit(RLIMIT_CORE, &no_core);
	joey_signals_default();
	(void)signal(SIGPIPE, SIG_IGN);
}

void daemon_main(const struct vm_daemon_args *args)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	enum { SINGLE = 5 };
	int keep[SINGLE + JOEY_VMM_NETS_MAX] = { args->listen_fd, args->client_fd, args->block_fd, args->zygote_fd,
						 args->cgroup_fd };
	struct daemon *d = calloc(1, sizeof(*d));

	memcpy(keep + SINGLE, args->tap_fds, sizeof(args->tap_fds));
	daemon_cast_off(args->to_fork ? "joey-zygote" : "joey-sandbox", keep, JOEY_ARRAY_SIZE(keep));
	if (args->to_fork) {
		joey_title_set("joey-zygote", args->id);
		/* It outlives who has it made: a session, a service. */
		joey_vmm_leave_cgroups();
	}
	if (!d)
		_exit(1);
	d->args = args;
	/* The guest of a zygote has had some already. */
	d->last_handle = args->zygote_fd >= 0 ? DAEMON_HANDLES_OF_ZYGOTE : 0;
	d->vm = (struct joey_vmm)JOEY_VMM_INIT;
	d->share_fd = -EBADF;
	d->ctl = d->io = d->held = (struct joey_wire_out)JOEY_WIRE_OUT_INIT(DAEMON_OUT_MAX);
	if (!daemon_conn_new(d, args->client_fd))
		_exit(1);
	if (begin(d, &err) < 0)
		tell_failure(d, joey_err_text(&err));
	else
		loop(d);
	last_words(d);
	joey_vmm_end(&d->vm);
	_exit(0);
}
