/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be asked of a sandboxed container that exists.  Where the guest has to act it is asked, with a deadline;
 * where the host can do without it (kill -9, delete --force) a guest that does not answer changes nothing but the time.
 */
#include <poll.h>
#include <string.h>

#include "joey/json.h"
#include "joey/log.h"
#include "joey/syscalls.h"
#include "sandbox/sandbox-internal.h"

/* ---- signals ---------------------------------------------------------------------------------------------------- */

static int signal_guest(struct joey_container *c, int sig, bool all, struct joey_err *err)
{
	autolink struct vm_link l = VM_LINK_INIT;
	char json[96];
	const struct vm_call call = { .type = JOEY_WIRE_KILL,
				      .json = json,
				      .fd = -EBADF,
				      .timeout_ms = sig == SIGKILL ? VM_KILL_MS : VM_ANSWER_MS };
	int r = link_open(&l, c, err);

	if (r < 0)
		return r;
	snprintf(json, sizeof(json), "{\"c\":%u,\"signal\":%d,\"all\":%s}", l.data.handle, sig, all ? "true" : "false");
	return client_call(&l.cl, &call, NULL, NULL, err);
}

/* Without the guest's help: its proxy goes, and the sandbox process sees to the rest.  A frozen proxy as well. */
static int kill_proxy(struct joey_container *c, struct joey_err *err)
{
	autoclose int pidfd = joey_init_pidfd(&c->state);
	int r = pidfd < 0 ? pidfd : joey_sys_pidfd_send_signal(pidfd, SIGKILL, NULL, 0);

	return r < 0 && r != -ESRCH ? joey_err_sys(err, r, "kill the proxy of container %s", c->id) : 0;
}

int vm_signal(struct joey_container *c, int sig, unsigned flags, struct joey_err *err)
{
	autoerr struct joey_err sub = JOEY_ERR_INIT;
	bool frozen = false;
	int r;

	if (!joey_init_is_alive(&c->state))
		return flags & JOEY_SIGNAL_ALL ? 0 : joey_err_set(err, JOEY_EK_STATE, ESRCH, "container not running");
	if (sig == 0)
		return 0;
	r = signal_guest(c, sig, flags & JOEY_SIGNAL_ALL, &sub);
	if (sig == SIGKILL) {
		if (c->state.cgroup.path)
			(void)joey_cgroup_record_is_frozen(&c->state.cgroup, &frozen);
		return r < 0 || frozen ? kill_proxy(c, err) : 0;
	}
	return r < 0 ? joey_err_set(err, sub.kind, sub.errnum, "%s", joey_err_text(&sub)) : 0;
}

/* ---- pause ------------------------------------------------------------------------------------------------------ */

/* The guest first: when the host's cgroup is frozen, and the container counts as paused, nothing of it runs any more.
 */
int vm_set_paused(struct joey_container *c, bool paused, struct joey_err *err)
{
	autocgroup struct joey_cgroup *cg = NULL;
	int r = joey_init_cgroup(c, &cg, err);

	if (r < 0)
		return r;
	if (!cg)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, EOPNOTSUPP, "container %s runs without a cgroup", c->id);
	if (!paused) {
		r = joey_cgroup_set_frozen(cg, false, err);
		return r < 0 ? r : link_ask_once(c, JOEY_WIRE_RESUME, NULL, NULL, NULL, err);
	}
	r = link_ask_once(c, JOEY_WIRE_PAUSE, NULL, NULL, NULL, err);
	if (r == 0) {
		r = joey_cgroup_set_frozen(cg, true, err);
		if (r < 0)
			(void)link_ask_once(c, JOEY_WIRE_RESUME, NULL, NULL, NULL, NULL);
	}
	return r;
}

/* ---- limits and numbers ----------------------------------------------------------------------------------------- */

/* What the container has now is stored already. */
static int update_host(struct joey_container *c, struct joey_err *err)
{
	autocontainer struct joey_container *now = NULL;
	const struct joey_config *config = NULL;
	autolink struct vm_link l = VM_LINK_INIT;
	int r = data_load(c, &l.data, err);

	if (r == 0)
		r = place_open(&l.place, c->root_fd, l.data.sandbox, false, err);
	if (r == 0)
		r = place_load(&l.place, err);
	if (r < 0 || !l.place.host_limits)
		return r;
	r = joey_container_load(c->root_fd, c->id, false, &now, err);
	if (r == 0)
		r = joey_container_config(now, &config, err);
	return r < 0 ? r : limits_refresh(c, &l.place, config->resources, err);
}

int vm_update(struct joey_container *c, const struct joey_update *args, struct joey_err *err)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	autofree char *text = NULL;
	size_t len;
	int r;

	if (args->l3_cache_schema || args->mem_bw_schema)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP, "linux.intelRdt is not supported in a sandbox");
	joey_resources_write(o, NULL, args->apply);
	r = joey_json_out_finish(o, &text, &len);
	if (r < 0)
		return joey_err_sys(err, r, "make a request to the sandbox");
	r = link_ask_once(c, JOEY_WIRE_UPDATE, text, NULL, NULL, err);
	return r < 0 ? r : update_host(c, err);
}

/* ---- the end ---------------------------------------------------------------------------------------------------- */

/* 0: the machine lives and has forgotten the container; else it is to be ended. */
static int drop(struct vm_link *l, struct joey_container *c)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	int r;

	if (!place_is_alive(&l->place) || client_connect(&l->cl, &l->place, &err) < 0)
		return -ESRCH;
	r = l->data.handle ? link_ask(l, JOEY_WIRE_DROP, NULL, VM_KILL_MS, NULL, NULL, &err) : 0;
	if (r < 0) {
		joey_debug("container %s: %s", c->id, joey_err_text(&err));
		return r;
	}
	/* alone it takes everything with it */
	if (l->data.pod)
		share_detach(l->place.pid, l->data.handle);
	return 0;
}

/* A sandbox process that has gone meanwhile has none. */
static bool has_others(struct vm_link *l, bool unknown)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	const struct joey_json *j = NULL;
	uint64_t n = 0;

	if (l->data.pod && client_info(&l->cl, VM_KILL_MS, &arena, &j, NULL) == 0)
		(void)joey_json_get_u64(j, "containers", &n);
	joey_arena_done(&arena);
	return n > (unknown ? 1 : 0);
}

static bool ends_soon(const struct vm_place *p)
{
	const struct joey_state st = { .pid = p->pid, .pid_start = p->pid_start };
	autoclose int pidfd = joey_init_pidfd(&st);
	struct pollfd pf = { .fd = pidfd, .events = POLLIN };

	return pidfd < 0 || poll(&pf, 1, VM_END_MS) > 0;
}

/* Others of the pod may be in the machine: then it stays, if it is in order. */
static int leave_sandbox(struct joey_container *c, struct joey_err *err)
{
	autoerr struct joey_err sub = JOEY_ERR_INIT;
	autolink struct vm_link l = VM_LINK_INIT;
	bool unknown = false; /* which of the containers in there it is */
	int r;

	/* A state that was never written, or is broken: the sandbox of that name, if nobody else is in there. */
	if (data_load(c, &l.data, NULL) < 0) {
		l.data = (struct vm_data){ .sandbox = c->id, .pod = true };
		unknown = true;
	}
	r = place_open(&l.place, c->root_fd, l.data.sandbox, false, &sub);
	if (r == 0)
		r = place_lock(&l.place, VM_ANSWER_MS, &sub);
	if (r == -ENOENT || r == -ESTALE || r == -EPROTO)
		return 0;
	if (r == 0)
		r = place_load(&l.place, &sub);
	if (r == 0 && drop(&l, c) == 0) {
		if (has_others(&l, unknown))
			return limits_refresh(c, &l.place, NULL, err);
		client_done(&l.cl);
		(void)ends_soon(&l.place);
	}
	return place_destroy(&l.place, c->root_fd, err);
}

int vm_destroy(struct joey_container *c, struct joey_err *err)
{
	autocgroup struct joey_cgroup *cg = NULL;
	const struct joey_config *config = NULL;
	int r = leave_sandbox(c, err);

	if (r == 0 && joey_container_config(c, &config, NULL) == 0 && config->ns[JOEY_NS_NET].path)
		net_release(config->ns[JOEY_NS_NET].path);
	if (r == 0)
		r = joey_init_cgroup(c, &cg, err);
	if (r == 0)
		r = joey_init_kill(c, cg, err);
	return r < 0 || !cg ? r : joey_cgroup_destroy(cg, err);
}
