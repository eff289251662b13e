/* SPDX-License-Identifier: Apache-2.0 */
/* Exec: one more proxy, one more process in the guest. */
#include "joey/json.h"
#include "joey/setup.h"
#include "sandbox/sandbox-internal.h"

struct exec {
	struct joey_container *c;
	const struct joey_exec *args;
	struct vm_link link;
	struct joey_cgroup *cg;
	struct vm_proxy proxy;
	int cgroup_fd;
	uint32_t handle;
};

static int find(struct exec *x, struct joey_err *err)
{
	int r;

	if (x->args->preserve_fds > 0)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP,
				    "handing over descriptors (--preserve-fds) is not supported in a sandbox");
	r = link_open(&x->link, x->c, err);
	if (r == 0)
		r = joey_init_cgroup(x->c, &x->cg, err);
	/* The proxy stays in the container's own cgroup: --cgroup is about the guest's. */
	if (r == 0 && x->cg)
		r = joey_cgroup_open_for_exec(x->cg, NULL, x->c->state.pid, &x->cgroup_fd, err);
	return r;
}

static int process_text(const struct joey_process *p, char **ret, size_t *ret_len)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);

	joey_process_write(o, NULL, p);
	return joey_json_out_finish(o, ret, ret_len);
}

static int ask_guest(struct exec *x, struct joey_err *err)
{
	const struct joey_process *p = x->args->process;
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	autofree char *json = NULL, *process = NULL;
	struct vm_call call = { .type = JOEY_WIRE_EXEC, .fd = -EBADF, .timeout_ms = VM_EXEC_MS };
	size_t len;
	int r = process_text(p, &process, &call.blob_len);

	joey_json_out_object(o, NULL);
	joey_json_out_u64(o, "c", x->link.data.handle);
	joey_json_out_u64(o, "p", x->handle);
	if (x->args->cgroup)
		joey_json_out_string(o, "cgroup", x->args->cgroup);
	joey_json_out_bool(o, "terminal", p->terminal);
	joey_json_out_u64(o, "rows", p->console_height);
	joey_json_out_u64(o, "cols", p->console_width);
	joey_json_out_bool(o, "ignorePaused", true); /* the host has judged */
	joey_json_out_end(o);
	if (r == 0)
		r = joey_json_out_finish(o, &json, &len);
	if (r < 0)
		return joey_err_sys(err, r, "make a request to the sandbox");
	call.json = json;
	call.blob = process;
	return client_call(&x->link.cl, &call, NULL, NULL, err);
}

static int exec(struct exec *x, struct joey_err *err)
{
	int r = find(x, err);

	if (r < 0)
		return r;
	x->proxy.process = x->args->process;
	x->proxy.console_sock = x->args->console_sock;
	x->proxy.ret_pty = x->args->ret_pty;
	x->proxy.cgroup = x->cg;
	x->proxy.cgroup_fd = x->cgroup_fd;
	r = proxy_spawn(&x->proxy, err);
	if (r == 0)
		r = client_attach(&x->link.cl, x->link.data.handle, &x->proxy.sock, &x->handle, err);
	if (r == 0)
		r = ask_guest(x, err);
	if (r == 0 && x->args->pidfd_sock >= 0)
		r = joey_send_one_fd(x->args->pidfd_sock, "setns", x->proxy.pidfd, err);
	return r < 0 ? r : proxy_let_go(&x->proxy, err);
}

int vm_exec(struct joey_container *c, const struct joey_exec *args, pid_t *ret_pid, struct joey_err *err)
{
	struct exec x = { .c = c, .args = args, .link = VM_LINK_INIT, .proxy = VM_PROXY_INIT, .cgroup_fd = -EBADF };
	int r = exec(&x, err);

	if (r == 0)
		*ret_pid = x.proxy.pid;
	else
		proxy_abort(&x.proxy);
	link_done(&x.link);
	proxy_done(&x.proxy);
	joey_close(x.cgroup_fd);
	joey_cgroup_free(x.cg);
	return r;
}
