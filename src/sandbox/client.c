/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verb's connection to the sandbox process: one request at a time, each with a deadline.  The answer comes from the
 * guest in the end, so nothing but its length and its two numbers is believed (joey_frame_reply()).
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "joey/json.h"
#include "joey/log.h"
#include "sandbox/sandbox-internal.h"

/* By way of the directory's descriptor: a socket's path may be too long for sun_path. */
int client_connect(struct vm_client *cl, const struct vm_place *p, struct joey_err *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	cl->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (cl->sock < 0)
		return joey_err_sys(err, errno, "make a socket");
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/" VM_SOCKET, p->dir_fd);
	if (connect(cl->sock, (const struct sockaddr *)&a, sizeof(a)) < 0) {
		int e = errno;

		cl->sock = joey_close(cl->sock);
		return joey_err_sys(err, e, "connect to sandbox %s", p->id);
	}
	(void)fcntl(cl->sock, F_SETFL, O_NONBLOCK);
	return 0;
}

static int wait_for(const struct vm_client *cl, short events, uint64_t until, struct joey_err *err)
{
	struct pollfd p = { .fd = cl->sock, .events = events };
	uint64_t now = joey_now_ms();
	int r = now >= until ? 0 : poll(&p, 1, (int)(until - now));

	if (r > 0 || (r < 0 && errno == EINTR))
		return 0;
	if (r < 0)
		return joey_err_sys(err, errno, "wait for the sandbox");
	return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT, "the sandbox does not answer");
}

/* The descriptor goes with the first bytes of its frame. */
static int send_request(struct vm_client *cl, const struct vm_call *call, uint64_t until, struct joey_err *err)
{
	const char *json = call->json ? call->json : "{}";
	int r = 0;

	if (call->blob)
		r = joey_wire_put_blob(&cl->out, cl->last_id, call->blob, call->blob_len);
	if (r == 0)
		r = joey_wire_put(&cl->out, call->type, 0, cl->last_id, json, strlen(json));
	if (r < 0)
		return joey_err_sys(err, r, "make a request to the sandbox");
	if (call->fd >= 0) {
		ssize_t n =
			joey_send_fds(cl->sock, cl->out.buf + cl->out.from, cl->out.to - cl->out.from, &call->fd, 1);

		if (n < 0)
			return joey_err_sys(err, (int)n, "send a request to the sandbox");
		cl->out.from += (size_t)n;
	}
	for (;;) {
		r = joey_wire_flush(&cl->out, cl->sock);
		if (r <= 0)
			return r < 0 ? joey_err_sys(err, r, "send a request to the sandbox") : 0;
		r = wait_for(cl, POLLOUT, until, err);
		if (r < 0)
			return r;
	}
}

static int take_result(const struct joey_frame *f, uint8_t **ret, size_t *ret_n, struct joey_err *err)
{
	const uint8_t *data;
	size_t n;
	int r = joey_frame_reply(f, &data, &n, err);

	if (r < 0 || !ret)
		return r;
	*ret = malloc(n + 1);
	if (!*ret)
		return joey_err_sys(err, ENOMEM, "read the sandbox's answer");
	memcpy(*ret, data, n);
	(*ret)[n] = '\0';
	*ret_n = n;
	return 0;
}

/* Frames up to the reply; what else there is can only be text. 1: the reply was taken. */
static int take_frames(struct vm_client *cl, uint8_t **ret, size_t *ret_n, struct joey_err *err)
{
	struct joey_frame f;
	int r;

	while ((r = joey_wire_next(&cl->in, &f)) > 0) {
		if (f.type == JOEY_WIRE_LOG)
			joey_log(JOEY_LOG_INFO, "%.*s", (int)f.len, (const char *)f.data);
		if (f.type != JOEY_WIRE_REPLY || f.id != cl->last_id)
			continue;
		r = take_result(&f, ret, ret_n, err);
		return r < 0 ? r : 1;
	}
	return r < 0 ? joey_err_sys(err, r, "read the sandbox's answer") : 0;
}

int client_call(struct vm_client *cl, const struct vm_call *call, uint8_t **ret, size_t *ret_n, struct joey_err *err)
{
	uint64_t until = joey_now_ms() + call->timeout_ms;
	int r;

	cl->last_id++;
	r = send_request(cl, call, until, err);
	while (r == 0) {
		r = take_frames(cl, ret, ret_n, err);
		if (r != 0)
			return r < 0 ? r : 0;
		r = wait_for(cl, POLLIN, until, err);
		if (r < 0)
			return r;
		r = joey_wire_read(&cl->in, cl->sock);
		if (r == -EAGAIN)
			r = 0;
		if (r < 0)
			return joey_err_set(err, JOEY_EK_OTHER, EPIPE, "the sandbox has ended");
	}
	return r;
}

int client_attach(struct vm_client *cl, uint32_t container, int *sock, uint32_t *ret_handle, struct joey_err *err)
{
	char json[32];
	const struct vm_call call = {
		/* a new container's machine may be on its way still */
		.type = JOEY_WIRE_ATTACH,
		.json = json,
		.fd = *sock,
		.timeout_ms = container ? VM_ANSWER_MS : VM_CREATE_MS,
	};
	autofree uint8_t *reply = NULL;
	size_t n = 0;
	int r;

	snprintf(json, sizeof(json), "{\"c\":%u}", container);
	r = client_call(cl, &call, &reply, &n, err);
	if (r < 0)
		return r;
	if (n != 4)
		return joey_err_set(err, JOEY_EK_OTHER, EPROTO, "the sandbox gave no handle");
	*sock = joey_close(*sock);
	*ret_handle = joey_wire_get32(reply);
	return 0;
}

int client_info(struct vm_client *cl, unsigned timeout_ms, struct joey_arena *arena, const struct joey_json **ret,
		struct joey_err *err)
{
	const struct vm_call call = { .type = JOEY_WIRE_INFO, .fd = -EBADF, .timeout_ms = timeout_ms };
	autofree uint8_t *text = NULL;
	struct joey_json *j = NULL;
	size_t n = 0;
	int r = client_call(cl, &call, &text, &n, err);

	if (r == 0)
		r = joey_json_parse((const char *)text, n, n, arena, &j, err);
	*ret = j;
	return r;
}

void client_done(struct vm_client *cl)
{
	joey_close(cl->sock);
	joey_wire_in_done(&cl->in);
	joey_wire_out_done(&cl->out);
	*cl = (struct vm_client)VM_CLIENT_INIT;
}
