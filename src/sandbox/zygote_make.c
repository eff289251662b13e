/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The making of a zygote (zygote.c): by `joey template build`, or by a process that the create which has missed it
 * leaves behind.  The place's lock is held meanwhile, so there is one maker.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "joey/json.h"
#include "joey/log.h"
#include "sandbox/zygote-internal.h"

enum {
	DELAY_MS = 200, /* the container that was made just now goes first */
	MAKER_NICE = 10,
	ROUNDS = 3,
	/* An RCU grace period and more: what a container's cgroup leaves behind is dropped in several. */
	QUIET_MS = 300,
};

/* ---- one -------------------------------------------------------------------------------------------------------- */

/* A number that the machine's sandbox process tells of it. */
static int read_info(struct vm_client *cl, const char *key, int *ret, struct joey_err *err)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	const struct joey_json *j = NULL;
	uint64_t v = 0;
	int r = client_info(cl, VM_ANSWER_MS, &arena, &j, err);

	if (r == 0) {
		(void)joey_json_get_u64(j, key, &v);
		if (v == 0 || v > INT32_MAX)
			r = joey_err_set(err, JOEY_EK_OTHER, EPROTO, "it does not say its %s", key);
	}
	joey_arena_done(&arena);
	if (r == 0)
		*ret = (int)v;
	return r;
}

static int make_at(struct vm_place *p, const struct joey_vmm_spec *spec, struct joey_err *err)
{
	struct vm_daemon_args args = {
		.id = p->id, .block_fd = -EBADF, .zygote_fd = -EBADF, .cgroup_fd = -EBADF, .to_fork = true, .spec = spec
	};
	const struct vm_call freeze = { .type = JOEY_WIRE_FREEZE, .fd = -EBADF, .timeout_ms = ZYGOTE_MAKE_MS };
	struct vm_client cl = VM_CLIENT_INIT;
	int hypervisor = 0, r;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(args.tap_fds); i++)
		args.tap_fds[i] = -EBADF;
	place_describe(p, spec);
	r = machine_spawn(p, &args, NULL, &cl, err);
	if (r == 0)
		r = read_info(&cl, "hypervisorPid", &hypervisor, err);
	for (int i = 0; r == 0 && i < ROUNDS; i++) {
		r = zygote_warm(p, &cl, i == ROUNDS - 1, err);
		/* What the first one has left can be dropped beside the second. */
		if (r == 0 && i > 0)
			joey_vmm_settle(hypervisor, QUIET_MS);
	}
	if (r == 0)
		r = client_call(&cl, &freeze, NULL, NULL, err);
	if (r == 0)
		r = read_info(&cl, "control", &p->control, err);
	client_done(&cl);
	return r < 0 ? r : place_save(p, err); /* from now on it is used */
}

static int make(int dir, const char *name, const struct joey_vmm_spec *spec, unsigned wait_ms, struct joey_err *err)
{
	autoplace struct vm_place p = VM_PLACE_INIT;
	int r = place_open(&p, dir, name, true, err);

	if (r == 0)
		r = place_lock(&p, wait_ms, err);
	if (r == 0)
		r = place_load(&p, err);
	if (r < 0)
		return r;
	if (p.control > 0 && place_is_alive(&p))
		return 0;
	/* What an earlier maker, or machine, has left. */
	if (p.pid > 0 && place_is_alive(&p))
		(void)place_kill(&p, err);
	p.control = 0;
	r = make_at(&p, spec, err);
	if (r < 0) {
		autoerr struct joey_err undo = JOEY_ERR_INIT;

		(void)place_destroy(&p, dir, &undo);
		zygote_note_failure(dir, name);
	}
	return r;
}

int zygote_make(const struct joey_vmm_spec *spec, bool wait, struct joey_err *err)
{
	autoclose int dir = -EBADF;
	autofree char *name = NULL;
	int r;

	if (!joey_vmm_can_fork(spec) || !joey_vmm_has_template(spec))
		return 0;
	dir = zygote_dir(true);
	r = dir < 0 ? joey_err_sys(err, dir, "make the zygotes' directory") : zygote_name(spec, &name, err);
	if (r < 0 || zygote_is_hopeless(dir, name))
		return r;
	r = make(dir, name, spec, wait ? ZYGOTE_MAKE_MS : 0, err);
	/* Its own template may have been removed meanwhile. */
	if (r == 0)
		zygote_tidy();
	return r;
}

/* ---- left behind by a create ------------------------------------------------------------------------------------ */

/* Can a higher nice value be taken back? */
static bool may_renice(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];

	return syscall(SYS_capget, &head, caps) == 0 && (caps[0].effective & (1u << CAP_SYS_NICE));
}

/* The arguments' texts live on in this copy of the process; its descriptors are all somebody's. */
static _Noreturn void make_main(const struct joey_create *a, unsigned nets)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct vm_machine m = { .kernel = NULL };
	int r;

	daemon_cast_off("joey-maker", NULL, 0);
	joey_title_set("joey-maker", NULL);
	joey_vmm_leave_cgroups();
	if (may_renice())
		(void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + MAKER_NICE);
	if (chdir("/") < 0)
		_exit(1);
	(void)poll(NULL, 0, DELAY_MS);
	r = machine_spec(&a->vm, a->config->resources, nets, &m, &err);
	if (r == 0)
		r = zygote_make(&m.spec, false, &err);
	_exit(r < 0);
}

void zygote_make_later(const struct joey_create *args, unsigned nets)
{
	int wstatus;
	pid_t pid;

	/* conmon, and Podman with it, waits for the end of every process that came from it. */
	if (joey_find_ancestor("conmon") > 0)
		return;
	pid = fork();
	if (pid == 0)
		_exit(fork() == 0 ? (make_main(args, nets), 0) : 0);
	if (pid > 0)
		(void)joey_wait_pid(pid, &wstatus);
}
