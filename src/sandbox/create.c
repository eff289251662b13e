/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Create: a machine is found or started, a proxy is born in the container's cgroup, the sources of its mounts are shown
 * to the guest, and the agent makes the container.  As with the native backend a SIGKILL of joey at any point leaves
 * only what state.json names: the cgroup is recorded before it is made, the proxy dies with joey until it is let go,
 * and when a proxy dies the sandbox process has its payload killed; the machine of a container alone ends with it.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "joey/json.h"
#include "joey/log.h"
#include "joey/namespace.h"
#include "joey/setup.h"
#include "sandbox/sandbox-internal.h"

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

/* ---- create ----------------------------------------------------------------------------------------------------- */

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
	int block_fd;
	unsigned nets; /* network devices of the machine, if it is ours to choose */
	bool started;  /* the machine, by us: its network is ours to set up */
	bool no_zygote;
};

/* A new network namespace stays empty unless a hook fills it. */
static bool wants_network(const struct joey_create *a)
{
	if (a->vm.network == JOEY_VM_NETWORK_NONE)
		return false;
	return a->vm.network == JOEY_VM_NETWORK_TAP || a->config->ns[JOEY_NS_NET].path || a->runtime_hooks;
}

/* What is there already counts; what hooks add is only known to the administrator (joey.conf: network_devices). */
static int count_nets(struct create *k, struct joey_err *err)
{
	const struct joey_create *a = k->args;
	unsigned n = 0;
	int r = wants_network(a) && a->config->ns[JOEY_NS_NET].path ? net_count(k->proxy.pid, &n, err) : 0;

	k->nets = n > 1 || (wants_network(a) && a->vm.network_devices > 1) ? JOEY_VMM_NETS_MAX : 1;
	return r;
}

static int find_machine(struct create *k, struct joey_err *err)
{
	autoerr struct joey_err sub = JOEY_ERR_INIT;
	struct vm_start how = { .args = k->args,
				.pod = k->data.pod,
				.block_fd = k->block_fd,
				.netns_of = wants_network(k->args) ? k->proxy.pid : 0,
				.no_zygote = &k->no_zygote };
	int r = place_load(&k->place, err);

	if (r < 0)
		return r;
	if (place_is_alive(&k->place) && client_connect(&k->cl, &k->place, &sub) == 0)
		return k->block_fd < 0 ? limits_refresh(k->c, &k->place, k->args->config->resources, err)
				       : joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP,
						      "a root that is a disk is for a pod's first container: its "
						      "machine runs already");
	k->started = true;
	r = count_nets(k, err);
	how.nets = k->nets;
	return r < 0 ? r : machine_start(&k->place, &how, &k->cl, err);
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

/* Its one device would be taken from the host: nothing came in by it any more. */
static int refuse_hosts_network(int ns, struct joey_err *err)
{
	struct stat st, init;
	bool other = false;

	if (joey_ns_is_other(ns, JOEY_NS_NET, &other) < 0 || fstat(ns, &st) < 0)
		return joey_err_sys(err, errno, "compare network namespaces");
	if (!other || (stat("/proc/1/ns/net", &init) == 0 && init.st_dev == st.st_dev && init.st_ino == st.st_ino))
		return refuse(err, "linux.namespaces: the host's network (by its path)");
	return 0;
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
		r = refuse_hosts_network(ns, err);
		if (r < 0)
			return r;
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
	int r = client_attach(&k->cl, 0, &k->proxy.sock, &k->data.handle, err);

	if (r < 0)
		return r;
	k->data.accel = k->place.accel;
	k->data.memory = k->place.memory;
	k->data.vcpus = k->place.vcpus;
	k->data.host_limits = k->place.host_limits;
	return data_save(k->c, &k->data, err);
}

/* Asked for only where KVM was meant to be used: it may have turned out not to run the guest, and emulation was taken.
 */
static int check_accelerator(struct create *k, struct joey_err *err)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	const struct joey_json *j = NULL;
	int r;

	if (!k->started || k->place.accel != JOEY_ACCEL_KVM)
		return 0;
	r = client_info(&k->cl, VM_CREATE_MS, &arena, &j, err);
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
	joey_json_out_bool(o, "disk", k->block_fd >= 0);
	share_write_attrs(&k->sources, o);
	share_write_shm(&k->sources, o);
	r = join_write(k->c, k->data.sandbox, k->args->config, o, err);
	if (r < 0)
		return r;
	joey_json_out_end(o);
	r = joey_json_out_finish(o, &json, &len);
	if (r < 0)
		return joey_err_sys(err, r, "make a request to the sandbox");
	call.json = json;
	call.blob = config;
	call.blob_len = config_len;
	return client_call(&k->cl, &call, NULL, NULL, err);
}

static int connect_network(struct create *k, struct joey_err *err)
{
	struct vm_call call = { .type = JOEY_WIRE_NET, .fd = -EBADF, .timeout_ms = VM_CREATE_MS };
	autofree char *json = NULL;
	int r = net_connect(k->proxy.pid, k->nets, &json, err);

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
		.resources = &vm_no_limits,
		.rootless = a->rootless,
		.save = a->save,
		.arg = a->arg,
	};
	int r = vm_check_config(a, err);

	if (r == 0)
		r = data_save(k->c, &k->data, err);
	if (r == 0)
		r = block_open(a, &k->block_fd, err);
	if (r == 0)
		r = share_open(a, k->block_fd < 0, &k->sources, err);
	if (r == 0)
		r = open_place(k, err);
	if (r == 0)
		r = joey_init_make_cgroup(k->c, &cg, &k->cg, err);
	if (r == 0)
		r = make_proxy(k, err);
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
	if (r == 0 && k->started && wants_network(a))
		r = connect_network(k, err);
	if (r == 0)
		r = ask_guest(k, err);
	if (r == 0 && a->config->rootfs_readonly && k->block_fd < 0)
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
		.block_fd = -EBADF,
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
	joey_close(k.block_fd);
	place_done(&k.place);
	if (r == 0 && k.no_zygote)
		zygote_make_later(args, k.nets);
	return r;
}
