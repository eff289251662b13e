/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Create: a machine is found or started, a proxy is born in the container's cgroup, the sources of its mounts are shown
 * to the guest, and the agent makes the container.  As with the native backend a SIGKILL of joey at any point leaves
 * only what state.json names: the cgroup is recorded before it is made, the proxy dies with joey until it is let go,
 * and when a proxy dies the sandbox process has its payload killed; the machine of a container alone ends with it.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "joey/json.h"
#include "joey/log.h"
#include "joey/setup.h"
#include "sandbox/sandbox-internal.h"

enum { LISTEN_BACKLOG = 64 };
#define DEFAULT_MEMORY ((uint64_t)2 << 30)
#define LEAST_MEMORY   ((uint64_t)256 << 20)
#define MOST_MEMORY    ((uint64_t)1 << 40)

/* The guest enforces the container's limits; what is in its cgroup on the host are proxies. */
static const struct joey_resources no_limits;

/* ---- what a sandbox cannot do ------------------------------------------------------------------------------------ */

static int refuse(struct joey_err *err, const char *what)
{
	return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP, "%s is not supported in a sandbox", what);
}

int vm_check_config(const struct joey_create *args, struct joey_err *err)
{
	const struct joey_config *c = args->config;

	if (args->rootless)
		return refuse(err, "rootless operation");
	if (!c->ns[JOEY_NS_NET].present)
		return refuse(err, "linux.namespaces: the host's network (no network namespace)");
	if (!c->ns[JOEY_NS_MNT].present)
		return refuse(err, "linux.namespaces: the host's mounts (no mount namespace)");
	if (args->preserve_fds > 0)
		return refuse(err, "handing over descriptors (--preserve-fds, LISTEN_FDS)");
	if (args->notify_dir_fd >= 0)
		return refuse(err, "sd_notify (NOTIFY_SOCKET)");
	if (c->n_net_devices > 0)
		return refuse(err, "linux.netDevices");
	if (c->intel_rdt)
		return refuse(err, "linux.intelRdt");
	if (c->seccomp && c->seccomp->listener_path)
		return refuse(err, "linux.seccomp.listenerPath");
	for (size_t i = 0; i < c->n_mounts; i++)
		if (c->mounts[i].opts->idmap)
			return refuse(err, "mounts: an idmapped mount");
	/* a program of the host, in namespaces of the guest */
	if (c->hooks[JOEY_HOOK_CREATE_CONTAINER].n > 0)
		return refuse(err, "hooks.createContainer");
	if (c->memory_policy)
		return refuse(err, "linux.memoryPolicy");
	/* They are names of the host's policies, which do not hold in a kernel of its own; engines set them unasked. */
	if (c->process->apparmor_profile || c->process->selinux_label || c->mount_label)
		joey_debug("the host's AppArmor and SELinux labels have no meaning in a sandbox");
	return 0;
}

/* ---- the machine ---------------------------------------------------------------------------------------------------
 */

/* Few sizes, so that few templates are needed: powers of two. */
static uint64_t machine_memory(const struct joey_create *args)
{
	const struct joey_resources *r = args->config->resources;
	uint64_t want = args->vm.memory, size = LEAST_MEMORY;

	if (want == 0 && r && r->memory.limit.set && r->memory.limit.v > 0)
		want = (uint64_t)r->memory.limit.v + LEAST_MEMORY / 2; /* kernel, agent, page cache of the share */
	if (want == 0)
		want = DEFAULT_MEMORY;
	while (size < want && size < MOST_MEMORY)
		size *= 2;
	return size;
}

int machine_cache(void)
{
	int fd = open("/run/joey-cache", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -EBADF : fd;
}

struct machine {
	struct joey_vmm_spec spec;
	char *kernel, *initramfs;
};

static void machine_done(struct machine *m)
{
	free(m->kernel);
	free(m->initramfs);
}

static int machine_spec(const struct joey_create *args, struct machine *m, struct joey_err *err)
{
	autoclose int cache = machine_cache();
	autofree char *why = NULL;
	int r = 0;

	if (!args->vm.kernel || !args->vm.initramfs)
		r = joey_vmm_find_guest(&m->kernel, &m->initramfs, err);
	if (r < 0)
		return r;
	m->spec = (struct joey_vmm_spec){
		.hypervisor = args->vm.hypervisor,
		.kernel = args->vm.kernel ? args->vm.kernel : m->kernel,
		.initramfs = args->vm.initramfs ? args->vm.initramfs : m->initramfs,
		.trust = args->vm.trust,
		.memory = machine_memory(args),
		.vcpus = args->vm.vcpus ? args->vm.vcpus : 1,
		.accel = joey_vmm_accel(cache, &why),
	};
	if (m->spec.accel != JOEY_ACCEL_KVM && args->vm.need_kvm)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP,
				    "a sandbox needs KVM here (joey.conf: without_kvm = refuse): %s", why ? why : "");
	return 0;
}

static int listen_at(const struct vm_place *p, int *ret, struct joey_err *err)
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

/* Beside the container's: what an engine kills or reads is the container's alone.  Recorded before it is made. */
static int make_cgroup(struct vm_place *p, const struct vm_start *how, struct joey_cgroup **ret, struct joey_err *err)
{
	autofree char *path = NULL;
	char name[96];
	struct stat st;
	const char *slash =
		how->driver == JOEY_CGROUP_CGROUPFS && how->cgroups_path ? strrchr(how->cgroups_path, '/') : NULL;
	int r;

	if (how->driver == JOEY_CGROUP_DISABLED)
		return 0;
	/* ids are unique for one --root only */
	if (fstat(p->dir_fd, &st) < 0)
		return joey_err_sys(err, errno, "read the directory of sandbox %s", p->id);
	snprintf(name, sizeof(name), "joey-vm-%.64s-%llx", p->id, (unsigned long long)st.st_ino);
	if (asprintf(&path, "%.*s/%s", slash ? (int)(slash - how->cgroups_path) : 0, slash ? how->cgroups_path : "",
		     name) < 0)
		return joey_err_sys(err, ENOMEM, "name the cgroup of sandbox %s", p->id);
	r = joey_cgroup_new(JOEY_CGROUP_CGROUPFS, path, name, how->rootless, ret, err);
	if (r == 0)
		r = record_cgroup(p, *ret, err);
	if (r == 0) {
		r = joey_cgroup_create(*ret, &no_limits, err);
		if (r < 0) {
			p->cgroup.created = false;
			(void)place_save(p, NULL);
		}
	}
	return r < 0 ? r : record_cgroup(p, *ret, err);
}

static int start_daemon(struct vm_place *p, const struct vm_start *how, struct joey_cgroup *cg, struct vm_client *cl,
			struct joey_err *err)
{
	autoclose int listener = -EBADF, pidfd = -EBADF;
	int pair[2], r = listen_at(p, &listener, err);
	bool moved = false;
	pid_t pid;

	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return joey_err_sys(err, errno, "make a socket pair");
	pid = joey_clone_into(0, cg ? joey_cgroup_fd(cg) : -EBADF, &pidfd, &moved);
	if (pid == 0) {
		const struct vm_daemon_args args = {
			.id = p->id,
			.pod = how->pod,
			.listen_fd = listener,
			.client_fd = pair[1],
			.tap_fd = how->tap_fd,
			.spec = how->spec,
		};

		daemon_main(&args);
	}
	joey_close(pair[1]);
	cl->sock = pair[0];
	if (pid < 0)
		return joey_err_sys(err, pid, "clone the sandbox process");
	if (cg && joey_cgroup_fd(cg) >= 0 && !moved && joey_cgroup_add(cg, pid, err) < 0)
		return -err->errnum;
	p->pid = pid;
	r = joey_proc_stat(pid, &p->pid_start, NULL);
	return r < 0 ? joey_err_sys(err, r, "read the start time of the sandbox process") : place_save(p, err);
}

int sandbox_start(struct vm_place *p, const struct vm_start *how, struct vm_client *cl, struct joey_err *err)
{
	autocgroup struct joey_cgroup *cg = NULL;
	int r = make_cgroup(p, how, &cg, err);

	return r < 0 ? r : start_daemon(p, how, cg, cl, err);
}

/* ---- create
 * ---------------------------------------------------------------------------------------------------------- */

struct create {
	struct joey_container *c;
	const struct joey_create *args;
	struct vm_place place;
	struct vm_client cl;
	struct vm_sources sources;
	struct joey_cgroup *cg;
	struct joey_gate gate;
	struct vm_proxy proxy;
	struct vm_data data;
	int tap_fd;
	bool started; /* the machine, by us: its network is ours to set up */
};

static int find_machine(struct create *k, struct joey_err *err)
{
	autoerr struct joey_err sub = JOEY_ERR_INIT;
	struct machine m = { .kernel = NULL };
	const struct vm_start how = {
		.spec = &m.spec,
		.pod = k->data.pod,
		.driver = k->args->cgroup_driver,
		.cgroups_path = k->args->config->cgroups_path,
		.rootless = k->args->rootless,
		.tap_fd = k->tap_fd,
	};
	int r = place_load(&k->place, err);

	if (r == 0 && place_is_alive(&k->place) && client_connect(&k->cl, &k->place, &sub) == 0)
		return 0;
	if (r == 0)
		r = machine_spec(k->args, &m, err);
	if (r == 0) {
		k->place.accel = m.spec.accel;
		k->place.memory = m.spec.memory;
		k->place.vcpus = m.spec.vcpus;
		k->started = true;
		r = sandbox_start(&k->place, &how, &k->cl, err);
	}
	machine_done(&m);
	return r;
}

/* A place that is removed while we wait for it is made again. */
static int open_place(struct create *k, struct joey_err *err)
{
	for (int i = 0; i < 16; i++) {
		int r = place_open(&k->place, k->c->root_fd, k->data.sandbox, true, err);

		if (r == 0)
			r = place_lock(&k->place, VM_LOCK_MS, err);
		if (r != -ESTALE)
			return r;
		place_done(&k->place);
	}
	return joey_err_set(err, JOEY_EK_OTHER, EAGAIN, "sandbox %s comes and goes", k->data.sandbox);
}

static int make_proxy(struct create *k, struct joey_err *err)
{
	const struct joey_config *c = k->args->config;
	const char *netns = c->ns[JOEY_NS_NET].path;
	struct joey_state *st = &k->c->state;
	autoclose int ns = -EBADF;
	int r = k->args->run ? 0 : joey_gate_make(k->c->dir_fd, &k->gate, err);

	if (r < 0)
		return r;
	if (netns) {
		ns = open(netns, O_RDONLY | O_CLOEXEC);
		if (ns < 0)
			return joey_err_sys(err, errno, "open network namespace %s", netns);
	}
	k->proxy.process = c->process;
	k->proxy.console_sock = k->args->console_sock;
	k->proxy.ret_pty = k->args->ret_pty;
	k->proxy.cgroup = k->cg;
	k->proxy.cgroup_fd = joey_cgroup_fd(k->cg);
	k->proxy.gate = k->args->run ? NULL : &k->gate;
	k->proxy.netns = ns;
	k->proxy.new_netns = !netns;
	r = proxy_spawn(&k->proxy, err);
	if (r < 0)
		return r;
	st->pid = k->proxy.pid;
	r = joey_proc_stat(st->pid, &st->pid_start, NULL);
	return r < 0 ? joey_err_sys(err, r, "read the start time of the proxy process") : 0;
}

static int attach(struct create *k, struct joey_err *err)
{
	const struct vm_call call = { .type = JOEY_WIRE_ATTACH, .fd = k->proxy.sock, .timeout_ms = VM_CREATE_MS };
	autofree uint8_t *reply = NULL;
	size_t n = 0;
	int r = client_call(&k->cl, &call, &reply, &n, err);

	if (r < 0)
		return r;
	if (n != 4)
		return joey_err_set(err, JOEY_EK_OTHER, EPROTO, "the sandbox gave no handle");
	k->proxy.sock = joey_close(k->proxy.sock);
	k->data.handle =
		(uint32_t)reply[0] | (uint32_t)reply[1] << 8 | (uint32_t)reply[2] << 16 | (uint32_t)reply[3] << 24;
	k->data.accel = k->place.accel;
	k->data.memory = k->place.memory;
	k->data.vcpus = k->place.vcpus;
	return data_save(k->c, &k->data, err);
}

/* Asked for only where KVM was meant to be used: it may have turned out not to run the guest, and emulation was taken.
 */
static int check_accelerator(struct create *k, struct joey_err *err)
{
	const struct vm_call call = { .type = JOEY_WIRE_INFO, .fd = -EBADF, .timeout_ms = VM_CREATE_MS };
	struct joey_arena arena = JOEY_ARENA_INIT;
	autofree uint8_t *text = NULL;
	struct joey_json *j = NULL;
	size_t n = 0;
	int r;

	if (!k->started || k->place.accel != JOEY_ACCEL_KVM)
		return 0;
	r = client_call(&k->cl, &call, &text, &n, err);
	if (r == 0)
		r = joey_json_parse((const char *)text, n, n, &arena, &j, err);
	if (r == 0 && !joey_streq(joey_json_get_string(j, "accelerator"), joey_accel_to_string(JOEY_ACCEL_KVM))) {
		k->place.accel = k->data.accel = JOEY_ACCEL_TCG;
		r = k->args->vm.need_kvm
			    ? joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP,
					   "a sandbox needs KVM here (joey.conf: without_kvm = refuse), and "
					   "/dev/kvm does not run a guest")
			    : place_save(&k->place, err);
		if (r == 0)
			r = data_save(k->c, &k->data, err);
	}
	joey_arena_done(&arena);
	return r;
}

static int ask_guest(struct create *k, struct joey_err *err)
{
	const struct joey_process *p = k->args->config->process;
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	autofree char *json = NULL, *config = NULL;
	size_t len, config_len;
	struct vm_call call = { .type = JOEY_WIRE_CREATE, .fd = -EBADF, .timeout_ms = VM_CREATE_MS };
	int r = joey_read_file_at(k->c->dir_fd, "config.json", O_NOFOLLOW, JOEY_CONFIG_MAX_BYTES, &config, &config_len);

	if (r < 0)
		return joey_err_sys(err, r, "read the container's config.json");
	joey_json_out_object(o, NULL);
	joey_json_out_u64(o, "c", k->data.handle);
	joey_json_out_string(o, "id", k->c->id);
	joey_json_out_bool(o, "run", k->args->run);
	joey_json_out_bool(o, "terminal", p->terminal);
	joey_json_out_u64(o, "rows", p->console_height);
	joey_json_out_u64(o, "cols", p->console_width);
	joey_json_out_bool(o, "noPivot", k->args->no_pivot);
	joey_json_out_bool(o, "noNewKeyring", k->args->no_new_keyring);
	joey_json_out_end(o);
	r = joey_json_out_finish(o, &json, &len);
	if (r < 0)
		return joey_err_sys(err, r, "make a request to the sandbox");
	call.json = json;
	call.blob = config;
	call.blob_len = config_len;
	return client_call(&k->cl, &call, NULL, NULL, err);
}

/* A new network namespace stays empty unless a hook fills it. */
static bool wants_network(const struct joey_create *a)
{
	if (a->vm.network == JOEY_VM_NETWORK_NONE)
		return false;
	return a->vm.network == JOEY_VM_NETWORK_TAP || a->config->ns[JOEY_NS_NET].path || a->runtime_hooks;
}

static int connect_network(struct create *k, struct joey_err *err)
{
	struct vm_call call = { .type = JOEY_WIRE_NET, .fd = -EBADF, .timeout_ms = VM_CREATE_MS };
	autofree char *json = NULL;
	int r = net_connect(k->proxy.pid, &json, err);

	if (r < 0 || !json)
		return r;
	call.json = json;
	return client_call(&k->cl, &call, NULL, NULL, err);
}

static int create(struct create *k, struct joey_err *err)
{
	const struct joey_create *a = k->args;
	const struct joey_init_cgroup_args cg = {
		.driver = a->cgroup_driver,
		.path = a->config->cgroups_path,
		.annotations = &a->config->annotations,
		.resources = &no_limits,
		.rootless = a->rootless,
		.save = a->save,
		.arg = a->arg,
	};
	int r = vm_check_config(a, err);

	if (r == 0)
		r = data_save(k->c, &k->data, err);
	if (r == 0)
		r = share_open(a, &k->sources, err);
	if (r == 0)
		r = open_place(k, err);
	if (r == 0)
		r = joey_init_make_cgroup(k->c, &cg, &k->cg, err);
	if (r == 0)
		r = make_proxy(k, err);
	if (r == 0 && wants_network(a))
		r = net_open_tap(k->proxy.pid, &k->tap_fd, err);
	if (r == 0)
		r = find_machine(k, err);
	if (r == 0)
		r = attach(k, err);
	if (r == 0)
		r = check_accelerator(k, err);
	if (r == 0)
		r = a->save(a->arg, err);
	place_unlock(&k->place);
	if (r == 0)
		r = share_attach(k->place.pid, k->data.handle, &k->sources, err);
	if (r == 0 && a->runtime_hooks)
		r = a->runtime_hooks(a->arg, err);
	if (r == 0 && k->started && k->tap_fd >= 0)
		r = connect_network(k, err);
	if (r == 0)
		r = ask_guest(k, err);
	if (r == 0 && a->config->rootfs_readonly)
		r = share_seal(k->place.pid, k->data.handle, err);
	if (r == 0 && a->pidfd_sock >= 0)
		r = joey_send_one_fd(a->pidfd_sock, "standard", k->proxy.pidfd, err);
	if (r == 0)
		r = a->save(a->arg, err);
	return r < 0 ? r : proxy_let_go(&k->proxy, err);
}

int vm_create(struct joey_container *c, const struct joey_create *args, struct joey_err *err)
{
	struct create k = {
		.c = c,
		.args = args,
		.place = VM_PLACE_INIT,
		.cl = VM_CLIENT_INIT,
		.gate = JOEY_GATE_INIT,
		.proxy = VM_PROXY_INIT,
		.tap_fd = -EBADF,
		.data = { .sandbox = args->vm.pod ? args->vm.pod : c->id, .pod = args->vm.pod },
	};
	int r = create(&k, err);

	if (r < 0) {
		autoerr struct joey_err undo = JOEY_ERR_INIT;

		place_unlock(&k.place);
		proxy_abort(&k.proxy);
		if (vm_destroy(c, &undo) < 0)
			joey_warn("undo create: %s", joey_err_text(&undo));
		c->state.pid = 0;
	}
	client_done(&k.cl);
	proxy_done(&k.proxy);
	joey_gate_done(&k.gate);
	share_done(&k.sources);
	joey_cgroup_free(k.cg);
	joey_close(k.tap_fd);
	place_done(&k.place);
	return r;
}
