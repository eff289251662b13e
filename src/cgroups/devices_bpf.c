/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device access of a cgroup: loading the program that devices_compile.c writes, and attaching it.
 *
 * A cgroup that joey has just made has no program.  One that was there before may carry one of an earlier
 * container: it is replaced in place, never stacked upon, because stacked programs are ANDed.
 */
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "cgroups/cgroups-internal.h"
#include "joey/log.h"

#ifndef BPF_F_REPLACE
#define BPF_F_REPLACE (1U << 2)
#endif

#define OLD_PROGRAMS_MAX 64 /* the kernel's own limit per cgroup and type */

static int sys_bpf(int cmd, union bpf_attr *attr)
{
	int r;

	do
		r = (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
	while (r < 0 && (errno == EAGAIN || errno == EINTR));
	return r < 0 ? -errno : r;
}

static uint64_t ptr64(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static int load_once(const struct cgroup_devprog *p)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = ptr64(p->insns);
	attr.insn_cnt = (uint32_t)p->n;
	attr.license = ptr64("Apache-2.0");
	memcpy(attr.prog_name, "joey_devices", sizeof("joey_devices"));
	return sys_bpf(BPF_PROG_LOAD, &attr);
}

/* joey_cgroup_preload_devices() */
static struct {
	struct cgroup_devprog prog;
	uint32_t id;
} kept;

static int open_kept(const struct cgroup_devprog *p)
{
	union bpf_attr attr;

	if (kept.id == 0 || p->n != kept.prog.n || memcmp(p->insns, kept.prog.insns, p->n * sizeof(*p->insns)) != 0)
		return -ENOENT;
	memset(&attr, 0, sizeof(attr));
	attr.prog_id = kept.id;
	return sys_bpf(BPF_PROG_GET_FD_BY_ID, &attr);
}

/* Before 5.11 programs count against RLIMIT_MEMLOCK, and exceeding it is EPERM. */
static int load(const struct cgroup_devprog *p)
{
	struct rlimit old, big = { RLIM_INFINITY, RLIM_INFINITY };
	int r = open_kept(p);

	if (r >= 0)
		return r;
	r = load_once(p);
	if (r != -EPERM || getrlimit(RLIMIT_MEMLOCK, &old) < 0 || old.rlim_cur == RLIM_INFINITY)
		return r;
	if (setrlimit(RLIMIT_MEMLOCK, &big) < 0)
		return r;
	r = load_once(p);
	(void)setrlimit(RLIMIT_MEMLOCK, &old); /* lowering cannot fail */
	return r;
}

static int attach(int cgroup_fd, int prog_fd, int replace_fd)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)prog_fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (replace_fd >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)replace_fd;
	}
	return sys_bpf(BPF_PROG_ATTACH, &attr);
}

static int detach(int cgroup_fd, int prog_fd)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)prog_fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	return sys_bpf(BPF_PROG_DETACH, &attr);
}

struct old_programs {
	int fds[OLD_PROGRAMS_MAX];
	size_t n;
	uint32_t flags;
};

static void old_done(struct old_programs *old)
{
	while (old->n > 0)
		joey_close(old->fds[--old->n]);
}

static int old_find(int cgroup_fd, struct old_programs *old)
{
	uint32_t ids[OLD_PROGRAMS_MAX];
	union bpf_attr attr;
	size_t i;
	int r;

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = (uint32_t)cgroup_fd;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = ptr64(ids);
	attr.query.prog_cnt = OLD_PROGRAMS_MAX;
	r = sys_bpf(BPF_PROG_QUERY, &attr);
	if (r < 0)
		return r;
	old->flags = attr.query.attach_flags;
	for (i = 0; i < attr.query.prog_cnt && i < OLD_PROGRAMS_MAX; i++) {
		union bpf_attr by_id;

		memset(&by_id, 0, sizeof(by_id));
		by_id.prog_id = ids[i];
		r = sys_bpf(BPF_PROG_GET_FD_BY_ID, &by_id);
		if (r == -ENOENT) /* detached meanwhile */
			continue;
		if (r < 0)
			return r;
		old->fds[old->n++] = r;
	}
	return 0;
}

static int attach_instead(int cgroup_fd, int prog_fd)
{
	__attribute__((cleanup(old_done))) struct old_programs old = { .n = 0 };
	size_t i, from = 0;
	int r = old_find(cgroup_fd, &old);

	if (r < 0)
		return r;
	if (old.n == 0)
		return attach(cgroup_fd, prog_fd, -EBADF);
	if (old.flags & BPF_F_ALLOW_MULTI) {
		/* The new one takes the first one's place: at no moment is the cgroup without a filter. */
		r = attach(cgroup_fd, prog_fd, old.fds[0]);
		from = 1;
	}
	for (i = from; r == 0 && i < old.n; i++)
		r = detach(cgroup_fd, old.fds[i]);
	if (r == 0 && from == 0)
		r = attach(cgroup_fd, prog_fd, -EBADF);
	return r;
}

int joey_cgroup_apply_devices(struct joey_cgroup *cg, const struct joey_resources *res, bool in_userns,
			      struct joey_err *err)
{
	struct cgroup_devprog prog = { 0 };
	autofree struct bpf_insn *insns = NULL;
	autoclose int fd = -EBADF;
	int r;

	if (cg->dir_fd < 0)
		return 0;
	r = cgroup_devices_compile(res->devices, res->n_devices, &prog, err);
	if (r < 0)
		return r;
	insns = prog.insns;
	if (prog.allows_all && cg->created)
		return 0;
	if (prog.allows_all) {
		static const struct bpf_insn allow[] = {
			{ .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
			{ .code = BPF_JMP | BPF_EXIT },
		};
		insns = malloc(sizeof(allow));
		if (!insns)
			return joey_err_sys(err, ENOMEM, "cgroup: load the device filter");
		memcpy(insns, allow, sizeof(allow));
		prog.insns = insns;
		prog.n = JOEY_ARRAY_SIZE(allow);
	}
	fd = load(&prog);
	r = fd < 0 ? fd : cg->created ? attach(cg->dir_fd, fd, -EBADF) : attach_instead(cg->dir_fd, fd);
	if (r == -EPERM && (in_userns || prog.only_allows)) {
		joey_debug("cgroup: no permission for a device filter on %s; left out", cgroup_name(cg));
		return 0;
	}
	if (r < 0)
		return joey_err_sys(err, -r, "cgroup: %s the device filter (bpf) %s %s", fd < 0 ? "load" : "attach",
				    fd < 0 ? "of" : "to", cgroup_name(cg));
	return 0;
}

static int program_id(int fd, uint32_t *ret)
{
	struct bpf_prog_info info;
	union bpf_attr attr;
	int r;

	memset(&info, 0, sizeof(info));
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = ptr64(&info);
	r = sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
	*ret = info.id;
	return r;
}

int joey_cgroup_preload_devices(int cgroup_fd, struct joey_err *err)
{
	static const struct joey_device_rule none = {
		.type = 'a', .major = -1, .minor = -1, .access = JOEY_DEV_READ | JOEY_DEV_WRITE | JOEY_DEV_MKNOD
	};
	autoclose int fd = -EBADF;
	int r = cgroup_devices_compile(&none, 1, &kept.prog, err);

	if (r < 0)
		return r;
	fd = load_once(&kept.prog);
	r = fd < 0 ? fd : attach(cgroup_fd, fd, -EBADF);
	if (r >= 0)
		r = program_id(fd, &kept.id);
	return r < 0 ? joey_err_sys(err, r, "cgroup: keep a device filter") : 0;
}
