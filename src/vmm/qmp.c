/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's monitor: one JSON object a line.  QEMU is as hostile as its guest: lines are bounded, answers are matched to
 * what was asked, and every wait has a deadline.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "vmm/vmm-internal.h"

const char vmm_qmp_hello[] = "{\"execute\":\"qmp_capabilities\"}\n";
const char vmm_qmp_ignore_shared[] = "{\"execute\":\"migrate-set-capabilities\",\"arguments\":{\"capabilities\":"
				     "[{\"capability\":\"x-ignore-shared\",\"state\":true}]}}\n";

enum { ERROR_TEXT_MAX = 512, FREEZE_MS = 10000, END_MS = 10000 };

/* For display only: QEMU's words may be the guest's. */
static const char *printable(const char *s, struct joey_arena *arena)
{
	char *copy = s ? joey_arena_strndup(arena, s, strnlen(s, ERROR_TEXT_MAX)) : NULL;

	for (char *p = copy; p && *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = ' ';
	return copy ? copy : "(no text)";
}

int vmm_qmp_parse(const char *line, size_t len, struct joey_arena *arena, struct vmm_qmp_message *ret)
{
	struct vmm_qmp_message m = { .has_id = false };
	const struct joey_json *error;
	struct joey_json *root;
	autoerr struct joey_err ignored = JOEY_ERR_INIT;

	if (len > VMM_QMP_LINE_MAX || joey_json_parse(line, len, VMM_QMP_LINE_MAX, arena, &root, &ignored) < 0 ||
	    root->type != JOEY_JSON_OBJECT)
		return -EPROTO;
	m.has_id = joey_json_get_u64(root, "id", &m.id) == 0;
	m.body = joey_json_get(root, "return");
	error = joey_json_get(root, "error");
	if (error) {
		m.kind = VMM_QMP_ERROR;
		m.text = printable(joey_json_get_string(error, "desc"), arena);
	} else if (m.body) {
		m.kind = VMM_QMP_RETURN;
	} else if (joey_json_get(root, "event")) {
		m.kind = VMM_QMP_EVENT;
		m.text = printable(joey_json_get_string(root, "event"), arena);
		m.body = joey_json_get(root, "data");
	} else if (joey_json_get(root, "QMP")) {
		m.kind = VMM_QMP_GREETING;
	} else {
		return -EPROTO;
	}
	*ret = m;
	return 0;
}

/* 1: a line was taken, 0: none is whole */
static int take_line(struct joey_vmm_monitor_state *q, struct joey_arena *arena, struct vmm_qmp_message *ret)
{
	const char *end;
	size_t n;
	int r;

	for (;;) {
		end = q->len ? memchr(q->buf, '\n', q->len) : NULL;
		if (!end)
			return q->len >= VMM_QMP_LINE_MAX ? -EPROTO : 0;
		n = (size_t)(end - q->buf);
		r = 0;
		if (n > 0 && !(n == 1 && q->buf[0] == '\r')) {
			r = vmm_qmp_parse(q->buf, n, arena, ret);
			if (r == 0)
				r = 1;
		}
		q->len -= n + 1;
		memmove(q->buf, q->buf + n + 1, q->len);
		if (r != 0)
			return r;
	}
}

static int fill(struct joey_vmm_monitor_state *q, int fd)
{
	enum { STEP = 4096 };
	ssize_t n;

	if (q->cap - q->len < STEP && q->cap < VMM_QMP_LINE_MAX) {
		size_t cap = q->cap ? q->cap * 2 : STEP;
		char *p = realloc(q->buf, cap);

		if (!p)
			return -ENOMEM;
		q->buf = p;
		q->cap = cap;
	}
	do
		n = recv(fd, q->buf + q->len, q->cap - q->len, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -ENODATA : -errno;
	q->len += (size_t)n;
	return n == 0 ? -ENODATA : 0;
}

int vmm_qmp_read(struct joey_vmm_monitor_state *q, int fd, struct joey_arena *arena, struct vmm_qmp_message *ret)
{
	int r = take_line(q, arena, ret);

	while (r == 0) {
		r = fill(q, fd);
		if (r == -EAGAIN)
			return 0;
		if (r == 0)
			r = take_line(q, arena, ret);
	}
	return r;
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

static int send_command(int sock, const char *text, size_t len, int send_fd, struct joey_err *err)
{
	ssize_t n;

	if (send_fd >= 0) {
		n = joey_send_fds(sock, text, len, &send_fd, 1);
	} else {
		do
			n = send(sock, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		while (n < 0 && errno == EINTR);
		n = n < 0 ? -errno : n;
	}
	if (n < 0)
		return joey_err_sys(err, (int)-n, "write to the hypervisor's monitor");
	if ((size_t)n != len)
		return joey_err_set(err, JOEY_EK_OTHER, EPROTO, "the hypervisor does not read its monitor");
	return 0;
}

static int await(struct joey_vmm_monitor_state *q, int sock, uint64_t id, uint64_t deadline, struct joey_arena *arena,
		 struct vmm_qmp_message *ret, struct joey_err *err)
{
	for (;;) {
		struct pollfd p = { .fd = sock, .events = POLLIN };
		int r = vmm_qmp_read(q, sock, arena, ret);
		uint64_t now = joey_now_ms();

		if (r == -ENODATA)
			return joey_err_set(err, JOEY_EK_OTHER, EPIPE, "the hypervisor is gone");
		if (r < 0)
			return joey_err_sys(err, r, "read the hypervisor's monitor");
		if (r > 0 && (ret->kind == VMM_QMP_RETURN || ret->kind == VMM_QMP_ERROR) && ret->has_id &&
		    ret->id == id)
			return 0;
		if (now >= deadline)
			return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT, "the hypervisor does not answer");
		if (r == 0 && poll(&p, 1, (int)(deadline - now)) < 0 && errno != EINTR)
			return joey_err_sys(err, errno, "wait for the hypervisor");
	}
}

int vmm_qmp_call(struct joey_vmm_monitor_state *q, int sock, const char *command, int send_fd, uint64_t deadline,
		 struct joey_arena *arena, const struct joey_json **ret, struct joey_err *err)
{
	autostr struct joey_str line = JOEY_STR_INIT;
	struct vmm_qmp_message m;
	uint64_t id = ++q->next_id;
	int r;

	joey_str_printf(&line, "{%s,\"id\":%llu}\n", command, (unsigned long long)id);
	if (line.failed)
		return joey_err_sys(err, ENOMEM, "ask the hypervisor");
	r = send_command(sock, line.buf, line.len, send_fd, err);
	if (r == 0)
		r = await(q, sock, id, deadline, arena, &m, err);
	if (r < 0)
		return r;
	if (m.kind == VMM_QMP_ERROR)
		return joey_err_set(err, JOEY_EK_OTHER, EPROTO, "the hypervisor refuses: %s", m.text);
	if (ret)
		*ret = m.body;
	return 0;
}

/* ---- the running machine ---------------------------------------------------------------------------------------- */

static int need_state(struct joey_vmm *vm, struct joey_err *err)
{
	if (!vm->monitor)
		vm->monitor = calloc(1, sizeof(*vm->monitor));
	return vm->monitor ? 0 : joey_err_sys(err, ENOMEM, "read the hypervisor's monitor");
}

int joey_vmm_monitor(struct joey_vmm *vm, struct joey_err *err)
{
	int r = need_state(vm, err);

	/* A flood is taken in turns with everything else that the caller does. */
	for (int i = 0; r == 0 && i < 64; i++) {
		struct joey_arena arena = JOEY_ARENA_INIT;
		struct vmm_qmp_message m;
		int got = vmm_qmp_read(vm->monitor, vm->qmp, &arena, &m);

		if (got == -ENODATA)
			r = joey_err_set(err, JOEY_EK_OTHER, EPIPE, "the hypervisor is gone");
		else if (got < 0)
			r = joey_err_sys(err, got, "read the hypervisor's monitor");
		else if (got > 0 && m.kind == VMM_QMP_ERROR)
			r = joey_err_set(err, JOEY_EK_OTHER, EPROTO, "the hypervisor says: %s", m.text);
		joey_arena_done(&arena);
		if (got <= 0)
			break;
	}
	return r;
}

int joey_vmm_freeze(struct joey_vmm *vm, struct joey_err *err)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	int r = need_state(vm, err);

	if (r == 0)
		r = vmm_qmp_call(vm->monitor, vm->qmp, "\"execute\":\"stop\"", -EBADF, joey_now_ms() + FREEZE_MS,
				 &arena, NULL, err);
	joey_arena_done(&arena);
	return r < 0 ? r : vmm_fork_ready(vm->zygote, err);
}

void joey_vmm_end(struct joey_vmm *vm)
{
	struct pollfd p = { .fd = vm->pidfd, .events = POLLIN };

	if (vm->pidfd >= 0) {
		(void)joey_sys_pidfd_send_signal(vm->pidfd, SIGKILL, NULL, 0);
		/* A copy is its zygote's child. */
		if (vm->life >= 0)
			(void)poll(&p, 1, END_MS);
		else
			(void)joey_wait_pid(vm->pid, NULL);
	}
	vm->zygote = joey_close(vm->zygote);
	vm->life = joey_close(vm->life);
	vm->pidfd = joey_close(vm->pidfd);
	vm->ctl = joey_close(vm->ctl);
	vm->io = joey_close(vm->io);
	vm->qmp = joey_close(vm->qmp);
	vm->console = joey_close(vm->console);
	if (vm->monitor)
		free(vm->monitor->buf);
	free(vm->monitor);
	vm->monitor = NULL;
	vm->pid = 0;
}
