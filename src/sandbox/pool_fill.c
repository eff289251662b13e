/* SPDX-License-Identifier: Apache-2.0 */
/* The process that is left behind by a create and makes machines that wait (pool.c). */
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "joey/json.h"
#include "joey/log.h"
#include "sandbox/pool-internal.h"

enum {
	FILL_DELAY_MS = 200, /* the container that was made just now goes first */
	WARM_NICE = 10,
	WAIT_S = 600, /* where joey.conf does not say how long */
};

struct filling {
	int pool;
	char *key;
	unsigned n;
};

/* Those that wait, and what is left of those that have ended. */
static int count(struct vm_place *p, void *arg)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct filling *f = arg;

	if (!place_is_alive(p))
		(void)place_destroy(p, f->pool, &err);
	else if (p->hypervisor && joey_startswith(p->id, f->key))
		f->n++;
	return 0;
}

/* Which process is the machine, and is it one that was worth the trouble? */
static int read_info(struct vm_place *p, struct vm_client *cl, struct joey_err *err)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	const struct joey_json *j = NULL;
	bool restored = false;
	uint64_t pid = 0;
	int r = client_info(cl, VM_ANSWER_MS, &arena, &j, err);

	if (r == 0) {
		(void)joey_json_get_u64(j, "hypervisorPid", &pid);
		(void)joey_json_get_bool(j, "restored", &restored);
		if (!restored || pid == 0 || pid > INT32_MAX ||
		    !joey_streq(joey_json_get_string(j, "accelerator"), joey_accel_to_string(p->accel)))
			r = joey_err_set(err, JOEY_EK_OTHER, ENOTRECOVERABLE, "it was not restored from a template");
	}
	joey_arena_done(&arena);
	if (r == 0)
		p->hypervisor = (pid_t)pid;
	return r;
}

static int fill_place(struct vm_place *p, const struct joey_vmm_spec *spec, unsigned wait_s, struct joey_err *err)
{
	struct vm_daemon_args args = { .id = p->id, .block_fd = -EBADF, .spec = spec, .warm_s = wait_s };
	struct vm_client cl = VM_CLIENT_INIT;
	int r;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(args.tap_fds); i++)
		args.tap_fds[i] = -EBADF;
	place_describe(p, spec);
	r = machine_spawn(p, &args, NULL, &cl, err);
	if (r == 0)
		r = pool_warm(p, &cl, err);
	if (r == 0)
		r = read_info(p, &cl, err);
	if (r == 0)
		r = place_save(p, err); /* from now on it can be taken, by who gets the lock */
	client_done(&cl);
	return r;
}

static int fill(struct filling *f, const struct vm_machine *m, unsigned wait_s, struct joey_err *err)
{
	autoplace struct vm_place p = VM_PLACE_INIT;
	char name[POOL_KEY_SHOWN + 24];
	int r;

	snprintf(name, sizeof(name), "%s-%d-%u", f->key, (int)getpid(), f->n);
	r = place_open(&p, f->pool, name, true, err);
	if (r == 0)
		r = place_lock(&p, 0, err);
	if (r < 0)
		return r;
	r = fill_place(&p, &m->spec, wait_s, err);
	if (r < 0) {
		autoerr struct joey_err undo = JOEY_ERR_INIT;

		(void)place_destroy(&p, f->pool, &undo);
	}
	return r;
}

static int lock(const struct filling *f, const char *what, unsigned timeout_ms)
{
	uint64_t until = joey_now_ms() + timeout_ms;
	autoclose int fd = -EBADF;
	char name[POOL_KEY_SHOWN + 16];

	snprintf(name, sizeof(name), "%s-%s", what, f->key);
	fd = openat(f->pool, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (joey_now_ms() >= until)
			return -ETIMEDOUT;
		(void)poll(NULL, 0, 50);
	}
	return joey_take_fd(&fd);
}

/* One at a time, and one more that looks whether machines were taken meanwhile; who comes after that has nothing to do.
 */
static int fill_all(struct filling *f, const struct joey_create *a, const struct vm_machine *m, struct joey_err *err)
{
	autoclose int next = lock(f, "next", 0), now = -EBADF;
	int r = 0;

	if (next < 0)
		return 0;
	now = lock(f, "now", POOL_WARM_MS);
	if (now < 0)
		return 0;
	next = joey_close(next);
	(void)pool_each(f->pool, count, f);
	for (; r == 0 && f->n < a->vm.warm; f->n++)
		r = fill(f, m, a->vm.warm_time ? a->vm.warm_time : WAIT_S, err);
	return r;
}

static int fill_pool(const struct joey_create *a, unsigned nets, struct joey_err *err)
{
	autoclose int pool = pool_open(true);
	struct vm_machine m = { .kernel = NULL };
	struct filling f = { .pool = pool };
	int r;

	if (pool < 0)
		return pool;
	r = machine_spec(&a->vm, a->config->resources, nets, &m, err);
	if (r == 0)
		r = pool_key(&m.spec, &f.key, err);
	if (r == 0)
		r = fill_all(&f, a, &m, err);
	free(f.key);
	machine_done(&m);
	return r;
}

/* Can a higher nice value be taken back? */
static bool may_renice(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];

	return syscall(SYS_capget, &head, caps) == 0 && (caps[0].effective & (1u << CAP_SYS_NICE));
}

/* The arguments' texts live on in this copy of the process; its descriptors are all somebody's. */
static _Noreturn void fill_main(const struct joey_create *a, unsigned nets)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;

	daemon_cast_off("joey-warm", NULL, 0);
	joey_title_set("joey-warm", NULL);
	joey_vmm_leave_cgroups();
	if (may_renice())
		(void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + WARM_NICE);
	if (chdir("/") == 0) {
		(void)poll(NULL, 0, FILL_DELAY_MS);
		(void)fill_pool(a, nets, &err);
	}
	_exit(0);
}

void pool_refill(const struct joey_create *args, unsigned nets)
{
	int wstatus;
	pid_t pid;

	/* conmon, and Podman with it, waits for the end of every process that came from it. */
	if (args->vm.warm == 0 || joey_find_ancestor("conmon") > 0)
		return;
	pid = fork();
	if (pid == 0)
		_exit(fork() == 0 ? (fill_main(args, nets), 0) : 0);
	if (pid > 0)
		(void)joey_wait_pid(pid, &wstatus);
}
