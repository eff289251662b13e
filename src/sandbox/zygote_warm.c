/* SPDX-License-Identifier: Apache-2.0 */
/* The first container of a machine that is to be copied: joey's own, made as any other, so that what others need has
 * been run. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "joey/log.h"
#include "sandbox/zygote-internal.h"

enum { COPY_MAX = 128 << 10 };

/* A root with one program, /bin/sh, that does what programs do first. /last tells it to clean up instead. */
static int make_root(struct vm_sources *s, bool last, struct joey_err *err)
{
	static const char *const dirs[] = { "bin", "dev", "proc", "sys", "last" };
	off_t size;
	autoclose int program = joey_vmm_open_first(&size), to = -EBADF, bin = -EBADF;
	ssize_t n;
	int r;

	s->v = calloc(1, sizeof(*s->v));
	if (!s->v)
		return joey_err_sys(err, ENOMEM, "make a root");
	s->n = 1;
	snprintf(s->v[0].name, sizeof(s->v[0].name), "rootfs");
	r = share_make_tmpfs("256k", 0, &s->v[0].fd, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(dirs) - !last; i++)
		if (mkdirat(s->v[0].fd, dirs[i], 0755) < 0)
			return joey_err_sys(err, errno, "make /%s", dirs[i]);
	bin = openat(s->v[0].fd, "bin", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (bin < 0 || symlinkat("first", bin, "sh") < 0)
		return joey_err_sys(err, errno, "make /bin/sh");
	to = openat(bin, "first", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (program < 0 || to < 0)
		return joey_err_sys(err, errno, "copy a program");
	do
		n = sendfile(to, program, NULL, COPY_MAX);
	while (n > 0 || (n < 0 && errno == EINTR));
	/* It ends in a hole, which is read and takes no memory. */
	r = n < 0 || ftruncate(to, size) < 0 ? -errno : 0;
	return r < 0 ? joey_err_sys(err, r, "copy a program") : 0;
}

/* What every container has, without a terminal. */
static int make_config(char **ret, struct joey_err *err)
{
	static const char with[] = "\"terminal\": true";
	char *at;
	int r = joey_spec_default(false, 0, 0, ret, err);

	if (r < 0)
		return r;
	at = strstr(*ret, with);
	if (at)
		memcpy(at, "\"terminal\":false ", sizeof(with) - 1);
	return 0;
}

/* Until its proxy's end hears of its exit. */
static int wait_for_exit(int sock, struct joey_err *err)
{
	struct joey_wire_in in = JOEY_WIRE_IN_INIT;
	uint64_t until = joey_now_ms() + ZYGOTE_MAKE_MS;
	struct pollfd p = { .fd = sock, .events = POLLIN };
	struct joey_frame f;
	int r = -EAGAIN, n;

	while (r == -EAGAIN && joey_now_ms() < until) {
		(void)poll(&p, 1, 1000);
		r = joey_wire_read(&in, sock);
		while ((n = joey_wire_next(&in, &f)) > 0)
			if (f.type == JOEY_WIRE_EXIT)
				goto out;
		if (n == 0 && r >= 0)
			r = -EAGAIN;
	}
	r = joey_err_set(err, JOEY_EK_OTHER, EPIPE, "a first container does not end");
out:
	joey_wire_in_done(&in);
	return r < 0 && err->errnum ? r : 0;
}

int zygote_warm(const struct vm_place *p, struct vm_client *cl, bool last, struct joey_err *err)
{
	autosources struct vm_sources sources = { NULL, 0 };
	struct vm_call create = { .type = JOEY_WIRE_CREATE, .fd = -EBADF, .timeout_ms = ZYGOTE_MAKE_MS }, drop;
	autofree char *config = NULL;
	char json[64];
	uint32_t handle = 0;
	int pair[2], r = make_root(&sources, last, err);

	if (r == 0)
		r = make_config(&config, err);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return joey_err_sys(err, errno, "make a socket pair");
	r = client_attach(cl, 0, &pair[1], &handle, err);
	if (r == 0)
		r = share_attach(p->pid, handle, &sources, err);
	if (r == 0) {
		snprintf(json, sizeof(json), "{\"c\":%u,\"id\":\"warm\",\"run\":true,\"terminal\":false}", handle);
		create.json = json;
		create.blob = config;
		create.blob_len = strlen(config);
		r = client_call(cl, &create, NULL, NULL, err);
	}
	if (r == 0)
		r = wait_for_exit(pair[0], err);
	if (r == 0) {
		snprintf(json, sizeof(json), "{\"c\":%u}", handle);
		drop = (struct vm_call){
			.type = JOEY_WIRE_DROP, .json = json, .fd = -EBADF, .timeout_ms = ZYGOTE_MAKE_MS
		};
		r = client_call(cl, &drop, NULL, NULL, err);
	}
	joey_close(pair[0]);
	joey_close(pair[1]);
	if (handle)
		share_detach(p->pid, handle);
	return r;
}
