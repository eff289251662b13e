/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent's end of a seccomp listener: one connection to the agent, one message with the descriptor
 * (runtime-spec config-linux.md, "containerprocessstate").
 */
#include <string.h>
#include <sys/socket.h>

#include "joey/json.h"
#include "linux/linux-internal.h"

enum { STATE_MAX = 16 << 20 };

static int make_message(const char *metadata, const char *oci_state_json, pid_t pid, char **ret, size_t *ret_len,
			struct joey_err *err)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	autojsonout struct joey_json_out *o = NULL;
	struct joey_json *state;
	int r = joey_json_parse(oci_state_json, strlen(oci_state_json), STATE_MAX, &arena, &state, err);

	if (r < 0) {
		joey_arena_done(&arena);
		return r;
	}
	o = joey_json_out_new(0);
	joey_json_out_object(o, NULL);
	joey_json_out_string(o, "ociVersion", JOEY_OCI_VERSION);
	joey_json_out_array(o, "fds");
	joey_json_out_string(o, NULL, "seccompFd");
	joey_json_out_end(o);
	joey_json_out_i64(o, "pid", pid);
	if (metadata && metadata[0])
		joey_json_out_string(o, "metadata", metadata);
	joey_json_out_value(o, "state", state);
	joey_json_out_end(o);
	r = joey_json_out_finish(o, ret, ret_len);
	joey_arena_done(&arena);
	return r < 0 ? joey_err_sys(err, r, "seccomp agent: make the message") : 0;
}

/* The descriptor goes with the first bytes; a stream may take the rest in pieces. */
static int send_all(int sock, const char *text, size_t len, int fd)
{
	ssize_t n = joey_send_fds(sock, text, len, &fd, 1);
	size_t done;

	if (n < 0)
		return (int)n;
	for (done = (size_t)n; done < len; done += (size_t)n) {
		n = joey_send_fds(sock, text + done, len - done, NULL, 0);
		if (n < 0)
			return (int)n;
	}
	return 0;
}

int joey_seccomp_send_listener(const char *listener_path, const char *metadata, const char *oci_state_json, pid_t pid,
			       int listener_fd, struct joey_err *err)
{
	autofree char *text = NULL;
	autoclose int sock = -EBADF;
	size_t len = 0;
	int r = make_message(metadata, oci_state_json, pid, &text, &len, err);

	if (r < 0)
		return r;
	r = joey_unix_connect(listener_path, &sock, err);
	if (r < 0)
		return joey_err_wrap(err, "seccomp agent");
	r = send_all(sock, text, len, listener_fd);
	if (r < 0)
		return joey_err_sys(err, r, "seccomp agent: send to %s", listener_path);
	return 0;
}
