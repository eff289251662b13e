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
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "joey/json.h"
#include "joey/log.h"
#include "sandbox/pool-internal.h"

#define POOL "pool"

enum { ADOPT_MS = 3000 }; /* a machine that takes longer is not worth it */

int pool_open(bool make)
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

int pool_key(const struct joey_vmm_spec *spec, char **ret, struct joey_err *err)
{
	int r = joey_vmm_key(spec, ret, err);

	if (r == 0)
		(*ret)[POOL_KEY_SHOWN] = '\0';
	return r;
}

int pool_each(int pool, int (*what)(struct vm_place *p, void *arg), void *arg)
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

/* ---- taking one ------------------------------------------------------------------------------------------------- */

struct taking {
	int pool;
	const char *key;
	struct vm_place *place;
	const struct vm_start *how;
	const struct joey_vmm_spec *spec;
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
		r = net_take_taps(from->hypervisor, t->how->netns_of, t->spec->nets, &err);
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
	struct taking t = { .pool = pool, .place = p, .how = how, .spec = spec, .cl = cl };
	autofree char *key = NULL;
	int r;

	if (pool < 0)
		return 0;
	r = pool_key(spec, &key, err);
	if (r < 0)
		return r;
	t.key = key;
	return pool_each(pool, take, &t);
}

/* ---- ending them ------------------------------------------------------------------------------------------------ */

struct draining {
	int pool;
	const char *key;
};

static int drain(struct vm_place *p, void *arg)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	const struct draining *d = arg;

	if (p->hypervisor == 0 || !d->key || joey_startswith(p->id, d->key))
		(void)place_destroy(p, d->pool, &err);
	return 0;
}

void pool_drain(const char *template)
{
	autoclose int pool = pool_open(false);
	autofree char *key = template ? strndup(template, POOL_KEY_SHOWN) : NULL;
	struct draining d = { .pool = pool, .key = key };

	if (pool >= 0)
		(void)pool_each(pool, drain, &d);
}
