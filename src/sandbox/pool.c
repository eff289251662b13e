/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machines that wait for a container (joey.conf(5): warm): restored from the template that the container would start
 * from, greeted, and warmed by a first container that does nothing, so that under emulation the guest's code is
 * translated already.  They are made by a process that is left behind by a create, and are found as every machine is,
 * below /run/joey-cache/pool instead of joey's root.  Each serves one container or pod, and nothing of anybody has been
 * in it before.  One that nobody takes ends by itself; its directory goes with the next that is made.
 *
 * Locks: "now-KEY" is held by who makes machines of that template, "next-KEY" by the one who waits to look whether any
 * are missing after that; that of a machine's place by who makes or takes it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "joey/json.h"
#include "joey/log.h"
#include "joey/syscalls.h"
#include "sandbox/sandbox-internal.h"

#define POOL "pool"

enum {
	KEY_SHOWN = 24,      /* digits of the template's key in a name */
	ADOPT_MS = 3000,     /* a machine that takes longer is not worth it */
	FILL_DELAY_MS = 200, /* the container that was made just now goes first */
	WARM_MS = 60000,
	WARM_NICE = 10,
	WAIT_S = 600, /* where joey.conf does not say how long */
	COPY_MAX = 16 << 20,
};

static int pool_open(bool make)
{
	autoclose int cache = joey_vmm_cache_open();
	int fd;

	if (cache < 0)
		return cache;
	if (make && mkdirat(cache, POOL, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(cache, POOL, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* For each place of the pool that nobody else has locked; what: > 0 ends the walk and is returned. */
static int for_each(int pool, int (*what)(struct vm_place *p, void *arg), void *arg)
{
	autoclose int fd = openat(pool, VM_PLACES, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct dirent *e;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int r = 0;

	if (!dir)
		return 0;
	(void)joey_take_fd(&fd);
	while (r <= 0 && (e = readdir(dir))) {
		autoplace struct vm_place p = VM_PLACE_INIT;
		autoerr struct joey_err err = JOEY_ERR_INIT;

		if (e->d_name[0] == '.' || place_open(&p, pool, e->d_name, false, &err) < 0 ||
		    place_lock(&p, 0, &err) < 0 || place_load(&p, &err) < 0) {
			joey_debug("pool: %s", joey_err_text(&err));
			continue;
		}
		r = what(&p, arg);
	}
	closedir(dir);
	return r;
}

/* ---- taking one ---------------------------------------------------------------------------------------------------
 */

struct taking {
	int pool;
	const char *key;
	struct vm_place *place;
	const struct vm_start *how;
	struct vm_client *cl;
};

static int ask_for_adoption(const struct taking *t, const struct vm_place *from, struct joey_err *err)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	autoclose int listener = -EBADF;
	autofree char *json = NULL;
	struct vm_call call = { .type = JOEY_WIRE_ADOPT, .timeout_ms = ADOPT_MS };
	int r = machine_listen(t->place, &listener, err);

	if (r < 0)
		return r;
	joey_json_out_object(o, NULL);
	joey_json_out_string(o, "id", t->place->id);
	joey_json_out_bool(o, "pod", t->how->pod);
	joey_json_out_end(o);
	r = joey_json_out_finish(o, &json, NULL);
	if (r < 0)
		return joey_err_sys(err, r, "make a request to the sandbox");
	call.json = json;
	call.fd = listener;
	r = client_connect(t->cl, from, err);
	return r < 0 ? r : client_call(t->cl, &call, NULL, NULL, err);
}

/* What was made beside others' work is the container's own now: it runs as its starter does. */
static void restore_nice(pid_t pid)
{
	int nice = getpriority(PRIO_PROCESS, 0);
	char path[48];
	const struct dirent *e;
	uint32_t tid;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((e = readdir(dir)))
		if (joey_parse_u32(e->d_name, &tid) == 0)
			(void)setpriority(PRIO_PROCESS, tid, nice);
	closedir(dir);
}

static int move_in(const struct taking *t, pid_t hypervisor, struct joey_err *err)
{
	autocgroup struct joey_cgroup *cg = NULL;
	struct vm_place *p = t->place;
	int r = machine_cgroup(p, t->how, &cg, err);

	if (r == 0 && cg && joey_cgroup_fd(cg) >= 0) {
		r = joey_cgroup_add(cg, p->pid, err);
		if (r == 0)
			r = joey_cgroup_add(cg, hypervisor, err);
	}
	restore_nice(p->pid);
	restore_nice(hypervisor);
	return r;
}

/* 1: taken, 0: not this one. */
static int take(struct vm_place *from, void *arg)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	const struct taking *t = arg;
	struct vm_place *p = t->place;
	int r = 0;

	if (!joey_startswith(from->id, t->key) || from->hypervisor == 0 || !place_is_alive(from))
		return 0;
	if (t->how->netns_of)
		r = net_take_tap(from->hypervisor, t->how->netns_of, &err);
	if (r == 0)
		r = ask_for_adoption(t, from, &err);
	if (r == 0) {
		p->pid = from->pid;
		p->pid_start = from->pid_start;
		p->accel = from->accel;
		p->memory = from->memory;
		p->vcpus = from->vcpus;
		r = place_save(p, &err);
	}
	if (r == 0)
		r = move_in(t, from->hypervisor, &err);
	if (r == 0) {
		(void)place_remove(from, t->pool, &err);
		return 1;
	}
	joey_debug("pool: a waiting machine is of no use: %s", joey_err_text(&err));
	joey_err_clear(&err);
	client_done(t->cl);
	(void)place_destroy(from, t->pool, &err);
	p->pid = 0;
	return 0;
}

int pool_take(struct vm_place *p, const struct vm_start *how, const struct joey_vmm_spec *spec, struct vm_client *cl,
	      struct joey_err *err)
{
	autoclose int pool = pool_open(false);
	struct taking t = { .pool = pool, .place = p, .how = how, .cl = cl };
	autofree char *key = NULL;
	int r;

	if (pool < 0)
		return 0;
	r = joey_vmm_key(spec, &key, err);
	if (r < 0)
		return r;
	key[KEY_SHOWN] = '\0';
	t.key = key;
	return for_each(pool, take, &t);
}

/* ---- making some --------------------------------------------------------------------------------------------------
 */

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

/* A root with one program, /bin/sh, that does little: joey itself, which is static. */
static int make_root(struct vm_sources *s, struct joey_err *err)
{
	static const char *const dirs[] = { "bin", "dev", "proc", "sys" };
	autoclose int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to = -EBADF, bin = -EBADF;
	ssize_t n;
	int r;

	s->v = calloc(1, sizeof(*s->v));
	if (!s->v)
		return joey_err_sys(err, ENOMEM, "make a root");
	s->n = 1;
	snprintf(s->v[0].name, sizeof(s->v[0].name), "rootfs");
	r = share_make_tmpfs("16m", 0, &s->v[0].fd, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(dirs); i++)
		if (mkdirat(s->v[0].fd, dirs[i], 0755) < 0)
			return joey_err_sys(err, errno, "make /%s", dirs[i]);
	bin = openat(s->v[0].fd, "bin", O_PATH | O_DIRECTORY | O_CLOEXEC);
	to = openat(bin, "sh", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (program < 0 || to < 0)
		return joey_err_sys(err, errno, "copy a program");
	do
		n = sendfile(to, program, NULL, COPY_MAX);
	while (n > 0 || (n < 0 && errno == EINTR));
	r = n < 0 ? -errno : 0;
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
	uint64_t until = joey_now_ms() + WARM_MS;
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

static int run_one(const struct vm_place *p, struct vm_client *cl, struct joey_err *err)
{
	autosources struct vm_sources sources = { NULL, 0 };
	struct vm_call create = { .type = JOEY_WIRE_CREATE, .fd = -EBADF, .timeout_ms = WARM_MS }, drop;
	autofree char *config = NULL;
	char json[64];
	uint32_t handle = 0;
	int pair[2], r = make_root(&sources, err);

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
		drop = (struct vm_call){ .type = JOEY_WIRE_DROP, .json = json, .fd = -EBADF, .timeout_ms = WARM_MS };
		r = client_call(cl, &drop, NULL, NULL, err);
	}
	joey_close(pair[0]);
	joey_close(pair[1]);
	if (handle)
		share_detach(p->pid, handle);
	return r;
}

/* Which process is the machine, and is it one that was worth the trouble? */
static int read_info(struct vm_place *p, struct vm_client *cl, struct joey_err *err)
{
	const struct vm_call call = { .type = JOEY_WIRE_INFO, .fd = -EBADF, .timeout_ms = VM_ANSWER_MS };
	struct joey_arena arena = JOEY_ARENA_INIT;
	autofree uint8_t *text = NULL;
	struct joey_json *j = NULL;
	uint64_t pid = 0;
	bool restored = false;
	size_t n = 0;
	int r = client_call(cl, &call, &text, &n, err);

	if (r == 0)
		r = joey_json_parse((const char *)text, n, n, &arena, &j, err);
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
	const struct vm_daemon_args args = {
		.id = p->id, .tap_fd = -EBADF, .block_fd = -EBADF, .spec = spec, .warm_s = wait_s
	};
	struct vm_client cl = VM_CLIENT_INIT;
	int r;

	p->accel = spec->accel;
	p->memory = spec->memory;
	p->vcpus = spec->vcpus;
	r = machine_spawn(p, &args, NULL, &cl, err);
	if (r == 0)
		r = run_one(p, &cl, err);
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
	char name[KEY_SHOWN + 24];
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
	char name[KEY_SHOWN + 16];

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
	now = lock(f, "now", WARM_MS);
	if (now < 0)
		return 0;
	next = joey_close(next);
	(void)for_each(f->pool, count, f);
	for (; r == 0 && f->n < a->vm.warm; f->n++)
		r = fill(f, m, a->vm.warm_time ? a->vm.warm_time : WAIT_S, err);
	return r;
}

static int fill_pool(const struct joey_create *a, struct joey_err *err)
{
	autoclose int pool = pool_open(true);
	struct vm_machine m = { .kernel = NULL };
	struct filling f = { .pool = pool };
	int r;

	if (pool < 0)
		return pool;
	r = machine_spec(&a->vm, a->config->resources, &m, err);
	if (r == 0)
		r = joey_vmm_key(&m.spec, &f.key, err);
	if (r == 0) {
		f.key[KEY_SHOWN] = '\0';
		r = fill_all(&f, a, &m, err);
	}
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
static _Noreturn void fill_main(const struct joey_create *a)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		(void)dup2(null, fd);
	(void)joey_close_all_but(STDERR_FILENO + 1, NULL, 0);
	joey_log_set_sink(NULL, NULL, JOEY_LOG_ERROR);
	joey_signals_default();
	(void)setsid();
	(void)prctl(PR_SET_NAME, "joey-warm");
	joey_title_set("joey-warm", NULL);
	(void)prctl(PR_SET_DUMPABLE, 0UL, 0UL, 0UL, 0UL);
	joey_vmm_leave_cgroups();
	if (may_renice())
		(void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + WARM_NICE);
	if (chdir("/") == 0) {
		(void)poll(NULL, 0, FILL_DELAY_MS);
		(void)fill_pool(a, &err);
	}
	_exit(0);
}

void pool_refill(const struct joey_create *args)
{
	int wstatus;
	pid_t pid;

	if (args->vm.warm == 0)
		return;
	pid = fork();
	if (pid == 0)
		_exit(fork() == 0 ? (fill_main(args), 0) : 0);
	if (pid > 0)
		(void)joey_wait_pid(pid, &wstatus);
}

static int drain(struct vm_place *p, void *arg)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	const struct filling *f = arg;

	if (p->hypervisor == 0 || !f->key || joey_startswith(p->id, f->key))
		(void)place_destroy(p, f->pool, &err);
	return 0;
}

void pool_drain(const char *template)
{
	autoclose int pool = pool_open(false);
	autofree char *key = template ? strndup(template, KEY_SHOWN) : NULL;
	struct filling f = { .pool = pool, .key = key };

	if (pool >= 0)
		(void)for_each(pool, drain, &f);
}
