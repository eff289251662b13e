/* SPDX-License-Identifier: Apache-2.0 */
/* The machine that a container needs: what it is made of, its cgroup on the host, and the sandbox process that runs it.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "joey/log.h"
#include "sandbox/sandbox-internal.h"

enum { LISTEN_BACKLOG = 64 };
#define DEFAULT_MEMORY ((uint64_t)2 << 30)
#define LEAST_MEMORY   ((uint64_t)256 << 20)
#define MOST_MEMORY    ((uint64_t)1 << 40)

const struct joey_resources vm_no_limits;

/* Few sizes, so that few templates are needed: powers of two. */
static uint64_t machine_memory(const struct joey_vm_choice *vm, const struct joey_resources *r)
{
	uint64_t want = vm->memory, size = LEAST_MEMORY;

	if (want == 0 && r && r->memory.limit.set && r->memory.limit.v > 0)
		want = (uint64_t)r->memory.limit.v + LEAST_MEMORY / 2; /* kernel, agent, page cache of the share */
	if (want == 0)
		want = DEFAULT_MEMORY;
	while (size < want && size < MOST_MEMORY)
		size *= 2;
	return vm->max_memory && size > vm->max_memory ? vm->max_memory : size;
}

void machine_done(struct vm_machine *m)
{
	free(m->kernel);
	free(m->initramfs);
}

int machine_spec(const struct joey_vm_choice *vm, const struct joey_resources *limits, unsigned nets,
		 struct vm_machine *m, struct joey_err *err)
{
	autoclose int cache = joey_vmm_cache_open();
	autofree char *why = NULL;
	int r = 0;

	if (!vm->kernel || !vm->initramfs)
		r = joey_vmm_find_guest(&m->kernel, &m->initramfs, err);
	if (r < 0)
		return r;
	m->spec = (struct joey_vmm_spec){
		.hypervisor = vm->hypervisor,
		.kernel = vm->kernel ? vm->kernel : m->kernel,
		.initramfs = vm->initramfs ? vm->initramfs : m->initramfs,
		.trust = vm->trust,
		.memory = machine_memory(vm, limits),
		.vcpus = vm->vcpus ? vm->vcpus : 1,
		.nets = nets                      ? nets
			: vm->network_devices > 1 ? JOEY_VMM_NETS_MAX
						  : 1,
		.accel = joey_vmm_accel(cache, &why),
	};
	if (m->spec.accel != JOEY_ACCEL_KVM && vm->need_kvm)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP,
				    "a sandbox needs KVM here (joey.conf: without_kvm = refuse): %s", why ? why : "");
	return 0;
}

static int machine_listen(const struct vm_place *p, int *ret, struct joey_err *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return joey_err_sys(err, errno, "make a socket");
	(void)unlinkat(p->dir_fd, VM_SOCKET, 0);
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/" VM_SOCKET, p->dir_fd);
	if (bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
		return joey_err_sys(err, errno, "listen for sandbox %s", p->id);
	*ret = joey_take_fd(&fd);
	return 0;
}

static int record_cgroup(struct vm_place *p, const struct joey_cgroup *cg, struct joey_err *err)
{
	struct joey_cgroup_record rec;

	joey_cgroup_get_record(cg, &rec);
	free(p->cgroup.path);
	p->cgroup = rec;
	p->cgroup.path = rec.path ? strdup(rec.path) : NULL;
	return place_save(p, err);
}

static int machine_cgroup(struct vm_place *p, const struct vm_start *how, struct joey_cgroup **ret,
			  struct joey_err *err)
{
	const char *path_of_container = how->args->config->cgroups_path;
	autofree char *path = NULL;
	struct vm_cpu sum = { .quota = 0 };
	char name[96];
	struct stat st;
	const char *slash = how->args->cgroup_driver == JOEY_CGROUP_CGROUPFS && path_of_container
				    ? strrchr(path_of_container, '/')
				    : NULL;
	int r;

	if (how->args->cgroup_driver == JOEY_CGROUP_DISABLED)
		return 0;
	/* ids are unique for one --root only */
	if (fstat(p->dir_fd, &st) < 0)
		return joey_err_sys(err, errno, "read the directory of sandbox %s", p->id);
	snprintf(name, sizeof(name), "joey-vm-%.64s-%llx", p->id, (unsigned long long)st.st_ino);
	if (asprintf(&path, "%.*s/%s", slash ? (int)(slash - path_of_container) : 0, slash ? path_of_container : "",
		     name) < 0)
		return joey_err_sys(err, ENOMEM, "name the cgroup of sandbox %s", p->id);
	r = joey_cgroup_new(JOEY_CGROUP_CGROUPFS, path, name, how->args->rootless, ret, err);
	if (r == 0)
		r = record_cgroup(p, *ret, err);
	if (r == 0) {
		r = joey_cgroup_create(*ret, &vm_no_limits, err);
		if (r < 0) {
			p->cgroup.created = false;
			(void)place_save(p, NULL);
		}
	}
	if (r == 0) {
		limits_add(&sum, how->args->config->resources);
		r = limits_apply(*ret, p, &sum, err);
	}
	return r < 0 ? r : record_cgroup(p, *ret, err);
}

int machine_spawn(struct vm_place *p, const struct vm_daemon_args *args, struct joey_cgroup *cg, struct vm_client *cl,
		  struct joey_err *err)
{
	autoclose int listener = -EBADF, pidfd = -EBADF;
	int pair[2], r = machine_listen(p, &listener, err);
	struct vm_daemon_args all = *args;
	bool moved = false;
	pid_t pid;

	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return joey_err_sys(err, errno, "make a socket pair");
	all.listen_fd = listener;
	all.client_fd = pair[1];
	pid = joey_clone_into(0, cg ? joey_cgroup_fd(cg) : -EBADF, &pidfd, &moved);
	if (pid == 0)
		daemon_main(&all);
	joey_close(pair[1]);
	cl->sock = pair[0];
	if (pid < 0)
		return joey_err_sys(err, pid, "clone the sandbox process");
	if (cg && joey_cgroup_fd(cg) >= 0 && !moved)
		r = joey_cgroup_add(cg, pid, err);
	if (r < 0)
		return r;
	p->pid = pid;
	r = joey_proc_stat(pid, &p->pid_start, NULL);
	return r < 0 ? joey_err_sys(err, r, "read the start time of the sandbox process") : place_save(p, err);
}

/* One that has a disk of its own is none that could be copied. */
static void find_zygote(const struct vm_start *how, const struct joey_vmm_spec *spec, int *ret)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;

	if (!how->args->vm.fork || how->block_fd >= 0 || !joey_vmm_can_fork(spec))
		return;
	if (zygote_open(spec, ret, &err) < 0) {
		joey_debug("no copy of a machine: %s", joey_err_text(&err));
		*how->no_zygote = err.kind != JOEY_EK_UNSUPPORTED;
	}
}

static int start(struct vm_place *p, const struct vm_start *how, const struct joey_vmm_spec *spec, struct vm_client *cl,
		 struct joey_err *err)
{
	autocgroup struct joey_cgroup *cg = NULL;
	struct vm_daemon_args args = { .id = p->id, .pod = how->pod, .block_fd = how->block_fd, .spec = spec };
	autoclose int zygote = -EBADF;
	int r;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(args.tap_fds); i++)
		args.tap_fds[i] = -EBADF;
	r = how->netns_of ? net_open_taps(how->netns_of, spec->nets, args.tap_fds, err) : 0;

	place_describe(p, spec); /* the cgroup's limits follow from it */
	if (r == 0)
		r = machine_cgroup(p, how, &cg, err);
	if (r == 0) {
		args.cgroup_fd = cg ? joey_cgroup_fd(cg) : -EBADF;
		find_zygote(how, spec, &zygote);
		args.zygote_fd = zygote;
		r = machine_spawn(p, &args, cg, cl, err);
	}
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(args.tap_fds); i++)
		joey_close(args.tap_fds[i]);
	return r;
}

int machine_start(struct vm_place *p, const struct vm_start *how, struct vm_client *cl, struct joey_err *err)
{
	const struct joey_create *a = how->args;
	struct vm_machine m = { .kernel = NULL };
	int r = machine_spec(&a->vm, a->config->resources, how->nets, &m, err);

	if (r == 0)
		r = start(p, how, &m.spec, cl, err);
	machine_done(&m);
	return r < 0 ? r : 0;
}
