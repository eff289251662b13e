/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a sandbox is found: a directory beside the containers, by a name that no container can have ('@').  Its record
 * names the sandbox process and its cgroup, so that everything can be killed and removed without asking anybody.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "joey/json.h"
#include "joey/syscalls.h"
#include "sandbox/sandbox-internal.h"

#define RECORD "sandbox.json"

enum { RECORD_MAX = 4096, KILL_DEADLINE_MS = 5000 };

static int open_dir(int dir, const char *name, bool make, int *ret)
{
	int fd;

	if (make && mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

int place_open(struct vm_place *p, int root_fd, const char *id, bool make, struct joey_err *err)
{
	int r = joey_id_check(id, err);

	if (r < 0)
		return r;
	p->id = strdup(id);
	if (!p->id)
		return joey_err_sys(err, ENOMEM, "open sandbox");
	r = open_dir(root_fd, VM_PLACES, make, &p->vm_fd);
	if (r == 0)
		r = open_dir(p->vm_fd, id, make, &p->dir_fd);
	/* somebody has removed it between the two */
	if (r == -ENOENT && make)
		return -ESTALE;
	if (r == -ENOENT)
		return joey_err_set(err, JOEY_EK_NOT_FOUND, ENOENT, "sandbox %s does not exist", id);
	return r < 0 ? joey_err_sys(err, r, "open the directory of sandbox %s", id) : 0;
}

static bool is_removed(const struct vm_place *p)
{
	struct stat st;

	return fstat(p->dir_fd, &st) == 0 && st.st_nlink == 0;
}

int place_lock(struct vm_place *p, unsigned timeout_ms, struct joey_err *err)
{
	uint64_t until = joey_now_ms() + timeout_ms;

	for (;;) {
		if (flock(p->dir_fd, LOCK_EX | LOCK_NB) == 0) {
			p->locked = true;
			return is_removed(p) ? -ESTALE : 0;
		}
		if (errno != EWOULDBLOCK && errno != EINTR)
			return joey_err_sys(err, errno, "lock sandbox %s", p->id);
		if (joey_now_ms() > until)
			return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT, "lock sandbox %s: timed out", p->id);
		(void)poll(NULL, 0, 5);
	}
}

void place_unlock(struct vm_place *p)
{
	if (p->locked)
		(void)flock(p->dir_fd, LOCK_UN);
	p->locked = false;
}

int place_load(struct vm_place *p, struct joey_err *err)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct joey_json *j = NULL;
	autofree char *text = NULL;
	uint64_t pid = 0, vcpus = 0, control = 0;
	size_t len;
	int r = joey_read_file_at(p->dir_fd, RECORD, O_NOFOLLOW, RECORD_MAX, &text, &len);

	p->pid = 0;
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return joey_err_sys(err, r, "read the record of sandbox %s", p->id);
	r = joey_json_parse(text, len, RECORD_MAX, &arena, &j, err);
	if (r == 0) {
		const char *path = joey_json_get_string(j, "cgroup");

		(void)joey_json_get_u64(j, "pid", &pid);
		(void)joey_json_get_u64(j, "start", &p->pid_start);
		(void)joey_json_get_u64(j, "inode", &p->cgroup.inode);
		(void)joey_json_get_bool(j, "created", &p->cgroup.created);
		(void)joey_json_get_bool(j, "limited", &p->host_limits);
		(void)joey_json_get_u64(j, "memory", &p->memory);
		(void)joey_json_get_u64(j, "vcpus", &vcpus);
		(void)joey_json_get_u64(j, "control", &control);
		p->control = control <= INT32_MAX ? (int)control : 0;
		p->vcpus = (uint32_t)vcpus;
		p->accel = joey_streq(joey_json_get_string(j, "accelerator"), joey_accel_to_string(JOEY_ACCEL_KVM))
				   ? JOEY_ACCEL_KVM
				   : JOEY_ACCEL_TCG;
		p->pid = pid <= INT32_MAX ? (pid_t)pid : 0;
		free(p->cgroup.path);
		p->cgroup.path = path ? strdup(path) : NULL;
		p->cgroup.driver = path ? JOEY_CGROUP_CGROUPFS : JOEY_CGROUP_DISABLED;
	}
	joey_arena_done(&arena);
	return r;
}

int place_save(const struct vm_place *p, struct joey_err *err)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	autofree char *text = NULL;
	size_t len;
	int r;

	joey_json_out_object(o, NULL);
	joey_json_out_u64(o, "pid", (uint64_t)p->pid);
	joey_json_out_u64(o, "start", p->pid_start);
	joey_json_out_string(o, "accelerator", joey_accel_to_string(p->accel));
	joey_json_out_u64(o, "memory", p->memory);
	joey_json_out_u64(o, "vcpus", p->vcpus);
	if (p->control)
		joey_json_out_u64(o, "control", (uint64_t)p->control);
	if (p->cgroup.path) {
		joey_json_out_string(o, "cgroup", p->cgroup.path);
		joey_json_out_u64(o, "inode", p->cgroup.inode);
		joey_json_out_bool(o, "created", p->cgroup.created);
		joey_json_out_bool(o, "limited", p->host_limits);
	}
	joey_json_out_end(o);
	r = joey_json_out_finish(o, &text, &len);
	if (r == 0)
		r = joey_replace_file_at(p->dir_fd, RECORD, 0600, text, len);
	return r < 0 ? joey_err_sys(err, r, "write the record of sandbox %s", p->id) : 0;
}

static struct joey_state as_state(const struct vm_place *p)
{
	return (struct joey_state){ .pid = p->pid, .pid_start = p->pid_start };
}

void place_describe(struct vm_place *p, const struct joey_vmm_spec *spec)
{
	p->accel = spec->accel;
	p->memory = spec->memory;
	p->vcpus = spec->vcpus;
}

bool place_is_alive(const struct vm_place *p)
{
	struct joey_state st = as_state(p);

	return joey_init_is_alive(&st);
}

/* QEMU goes with the sandbox process (parent death signal), and by the cgroup where there is one. */
static int kill_processes(const struct vm_place *p, struct joey_cgroup *cg, struct joey_err *err)
{
	struct joey_state st = as_state(p);
	autoclose int pidfd = joey_init_pidfd(&st);
	struct pollfd pf = { .fd = pidfd, .events = POLLIN };
	int r = cg && joey_cgroup_fd(cg) >= 0 ? joey_cgroup_kill(cg, err) : 0;

	if (r < 0 || pidfd < 0)
		return r;
	(void)joey_sys_pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	if (poll(&pf, 1, KILL_DEADLINE_MS) == 0)
		return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT, "sandbox process %d does not end", (int)p->pid);
	return 0;
}

int place_kill(struct vm_place *p, struct joey_err *err)
{
	return kill_processes(p, NULL, err);
}

int place_pidfd(const struct vm_place *p)
{
	struct joey_state st = as_state(p);

	return joey_init_pidfd(&st);
}

static int place_remove(struct vm_place *p, int root_fd, struct joey_err *err)
{
	(void)unlinkat(p->dir_fd, VM_SOCKET, 0);
	(void)unlinkat(p->dir_fd, RECORD, 0);
	if (unlinkat(p->vm_fd, p->id, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return joey_err_sys(err, errno, "remove the directory of sandbox %s", p->id);
	(void)unlinkat(root_fd, VM_PLACES, AT_REMOVEDIR); /* of the last one */
	return 0;
}

int place_destroy(struct vm_place *p, int root_fd, struct joey_err *err)
{
	autocgroup struct joey_cgroup *cg = NULL;
	int r = place_load(p, err);

	if (r == 0 && p->cgroup.path)
		r = joey_cgroup_open(&p->cgroup, &cg, err);
	if (r == 0)
		r = kill_processes(p, cg, err);
	if (r == 0 && cg)
		r = joey_cgroup_destroy(cg, err);
	return r < 0 ? r : place_remove(p, root_fd, err);
}

void place_done(struct vm_place *p)
{
	place_unlock(p);
	joey_close(p->dir_fd);
	joey_close(p->vm_fd);
	free(p->id);
	free(p->cgroup.path);
	*p = (struct vm_place)VM_PLACE_INIT;
}
