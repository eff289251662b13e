/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Normal container or sandboxed one?  Who may say so is the administrator's business (joey.conf(5), [sandbox]).
 * Annotations and the vm object come from whoever may start a container, so they select among what the administrator
 * has set up and can ask for more isolation, never for less; paths are taken only from directories that he has named.
 */
#include <string.h>

#include "joey/log.h"
#include "runtime/runtime-internal.h"

#define KEY_PREFIX  "io.joey."
#define KEY_SANDBOX "io.joey.sandbox"
#define KEY_PROFILE "io.joey.profile"

const char rt_annotations[] = KEY_PROFILE " " KEY_SANDBOX;

static const struct joey_conf no_conf = JOEY_CONF_INIT;

static int check_annotations(const struct joey_config *c, struct joey_err *err)
{
	for (size_t i = 0; i < c->annotations.n; i++) {
		const char *k = c->annotations.v[i].key;

		if (joey_startswith(k, KEY_PREFIX) && !joey_streq(k, KEY_SANDBOX) && !joey_streq(k, KEY_PROFILE))
			return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "annotations: unknown key %s", k);
	}
	return 0;
}

static int not_allowed(struct joey_err *err, const char *what)
{
	return joey_err_set(err, JOEY_EK_CONFIG, EPERM,
			    "%s: joey.conf does not let it choose a sandbox ([sandbox] allow)", what);
}

/* 1: sandboxed, 0: normal. */
static int parse_kind(const char *what, const char *value, struct joey_err *err)
{
	if (joey_streq(value, "vm"))
		return 1;
	if (joey_streq(value, "none"))
		return 0;
	return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "invalid %s: %s (vm or none)", what, value);
}

struct wish {
	const char *what;
	unsigned allow;
	int kind; /* -1: says nothing */
};

/* In this order: the first that says something is heard. */
static int wishes(const struct rt_launch *l, struct wish w[4], struct joey_err *err)
{
	const char *option = l->o->sandbox, *note = joey_config_annotation(l->config, KEY_SANDBOX);

	w[0] = (struct wish){ "--sandbox", JOEY_CONF_ALLOW_OPTION, -1 };
	w[1] = (struct wish){ "joey-vm", JOEY_CONF_ALLOW_PROGRAM, l->rt->called_vm ? 1 : -1 };
	w[2] = (struct wish){ "annotation " KEY_SANDBOX, JOEY_CONF_ALLOW_ANNOTATION, -1 };
	w[3] = (struct wish){ "vm (config.json)", JOEY_CONF_ALLOW_CONFIG, l->config->vm ? 1 : -1 };
	if (option) {
		w[0].kind = parse_kind("--sandbox", option, err);
		if (w[0].kind < 0)
			return w[0].kind;
	}
	if (note) {
		w[2].kind = parse_kind("annotation " KEY_SANDBOX, note, err);
		if (w[2].kind < 0)
			return w[2].kind;
	}
	return 0;
}

static int find_kind(const struct rt_launch *l, const struct joey_conf *conf, bool *ret, struct joey_err *err)
{
	bool vm = conf->sandbox.isolation == JOEY_CONF_VM;
	struct wish w[4];
	int r = wishes(l, w, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(w); i++) {
		if (w[i].kind < 0)
			continue;
		if (!(conf->sandbox.allow & w[i].allow))
			return not_allowed(err, w[i].what);
		if (w[i].kind == 0 && vm && i >= 2)
			return joey_err_set(err, JOEY_EK_CONFIG, EPERM,
					    "%s: cannot ask for less isolation than joey.conf", w[i].what);
		*ret = w[i].kind;
		return 0;
	}
	*ret = vm;
	return 0;
}

/* ---- the machine ------------------------------------------------------------------------------------------------ */

static int find_profile(const struct rt_launch *l, const struct joey_conf *conf, const struct joey_conf_profile **ret,
			struct joey_err *err)
{
	const char *name = joey_config_annotation(l->config, KEY_PROFILE);

	*ret = NULL;
	if (name && !(conf->sandbox.allow & JOEY_CONF_ALLOW_ANNOTATION))
		return not_allowed(err, "annotation " KEY_PROFILE);
	if (name && !joey_conf_profile_allowed(conf, name))
		return joey_err_set(err, JOEY_EK_CONFIG, EPERM,
				    "annotation " KEY_PROFILE ": profile %s is not allowed here", name);
	if (!name)
		name = conf->sandbox.profile;
	if (!name)
		return 0;
	*ret = joey_conf_profile(conf, name);
	return *ret ? 0 : joey_err_set(err, JOEY_EK_CONFIG, ENOENT, "joey.conf has no profile %s", name);
}

static void apply_profile(const struct joey_conf_profile *p, struct joey_vm_choice *vm)
{
	if (!p)
		return;
	vm->block = p->share == JOEY_CONF_SHARE_BLOCK;
	vm->network = p->network == JOEY_CONF_NETWORK_TAP    ? JOEY_VM_NETWORK_TAP
		      : p->network == JOEY_CONF_NETWORK_NONE ? JOEY_VM_NETWORK_NONE
							     : JOEY_VM_NETWORK_AUTO;
	vm->network_devices = p->network_devices == JOEY_CONF_NETWORK_DEVICES_4 ? 4 : 1;
	vm->memory = p->memory;
	vm->vcpus = p->vcpus;
	vm->kernel = p->kernel;
	vm->initramfs = p->initramfs;
	vm->hypervisor = p->hypervisor;
}

static int take_path(const char *what, const char *path, const struct joey_strlist *dirs, const char **ret,
		     struct joey_err *err)
{
	if (!path)
		return 0;
	if (!joey_conf_dir_allowed(dirs, path))
		return joey_err_set(err, JOEY_EK_CONFIG, EPERM, "%s: joey.conf allows no such path: %s", what, path);
	*ret = path;
	return 0;
}

static int apply_object(const struct joey_vm *o, const struct joey_conf *conf, struct joey_vm_choice *vm,
			struct joey_err *err)
{
	int r;

	if (!o)
		return 0;
	if (o->hypervisor_parameters.n > 0 || o->kernel_parameters.n > 0)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP, "vm: parameters are not taken from a config");
	if (o->image_path && !joey_streq(o->image_format, "raw"))
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP, "vm.image.format: only raw is supported");
	if (o->hw_other)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP, "vm.hwConfig.%s: not supported", o->hw_other);
	r = take_path("vm.hypervisor.path", o->hypervisor_path, &conf->sandbox.hypervisor_dirs, &vm->hypervisor, err);
	if (r == 0)
		r = take_path("vm.kernel.path", o->kernel_path, &conf->sandbox.kernel_dirs, &vm->kernel, err);
	if (r == 0)
		r = take_path("vm.kernel.initrd", o->kernel_initrd, &conf->sandbox.kernel_dirs, &vm->initramfs, err);
	if (r == 0)
		r = take_path("vm.image.path", o->image_path, &conf->sandbox.image_dirs, &vm->image, err);
	if (r == 0 && o->vcpus.set)
		vm->vcpus = o->vcpus.v > UINT32_MAX ? UINT32_MAX : (uint32_t)o->vcpus.v;
	if (r == 0 && o->memory.set)
		vm->memory = o->memory.v;
	return r;
}

static int apply_limits(const struct joey_conf *conf, struct joey_vm_choice *vm, struct joey_err *err)
{
	if (conf->sandbox.max_vcpus && vm->vcpus > conf->sandbox.max_vcpus)
		return joey_err_set(err, JOEY_EK_CONFIG, EPERM, "vCPUs of a machine: joey.conf allows %u (max_vcpus)",
				    (unsigned)conf->sandbox.max_vcpus);
	if (conf->sandbox.max_memory && vm->memory > conf->sandbox.max_memory)
		return joey_err_set(err, JOEY_EK_CONFIG, EPERM,
				    "memory of a machine: joey.conf allows %llu bytes (max_memory)",
				    (unsigned long long)conf->sandbox.max_memory);
	vm->max_memory = conf->sandbox.max_memory;
	return 0;
}

/* Containers of one pod share a machine: what containerd's CRI plugin, CRI-O and dockershim's heirs say of it. */
static const char *find_pod(const struct joey_config *c)
{
	static const char *const keys[][2] = {
		{ "io.kubernetes.cri.container-type", "io.kubernetes.cri.sandbox-id" },
		{ "io.kubernetes.cri-o.ContainerType", "io.kubernetes.cri-o.SandboxID" },
		{ "io.kubernetes.docker.type", "io.kubernetes.sandbox.id" },
	};

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(keys); i++) {
		const char *id = joey_config_annotation(c, keys[i][0]) ? joey_config_annotation(c, keys[i][1]) : NULL;

		if (id && joey_id_check(id, NULL) == 0)
			return id;
	}
	return NULL;
}

/* Would every sandbox become a normal container? */
static bool without_use(const struct joey_conf *conf)
{
	const struct joey_backend *be = joey_backend_isolating();

	return conf->sandbox.without_kvm == JOEY_CONF_KVM_NORMAL && be && be->is_accelerated && !be->is_accelerated();
}

int rt_choose_machine(const struct joey_runtime *rt, const struct joey_template_opts *o, struct joey_vm_choice *ret,
		      struct joey_err *err)
{
	const struct joey_conf *conf = rt->conf ? rt->conf : &no_conf;
	const char *name = o->profile ? o->profile : conf->sandbox.profile;
	const struct joey_conf_profile *profile = name ? joey_conf_profile(conf, name) : NULL;

	if (conf->sandbox.trust == JOEY_CONF_TRUST_CONTAINER)
		return joey_err_set(
			err, JOEY_EK_CONFIG, EPERM,
			"joey.conf wants a template for each container (template_trust): none can be made before");
	if (without_use(conf))
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP,
				    "no usable KVM: containers are normal ones then, as joey.conf says (without_kvm)");
	if (name && !profile)
		return joey_err_set(err, JOEY_EK_CONFIG, ENOENT, "joey.conf has no profile %s", name);
	apply_profile(profile, ret);
	if (o->memory)
		ret->memory = o->memory;
	ret->need_kvm = conf->sandbox.without_kvm == JOEY_CONF_KVM_REFUSE;
	ret->fork = conf->sandbox.fork == JOEY_CONF_FORK_ON;
	return apply_limits(conf, ret, err);
}

int rt_choose(struct rt_launch *l, struct joey_err *err)
{
	const struct joey_conf *conf = l->rt->conf ? l->rt->conf : &no_conf;
	const struct joey_backend *be = joey_backend_isolating();
	const struct joey_conf_profile *profile = NULL;
	bool vm = false;
	int r = check_annotations(l->config, err);

	if (r == 0)
		r = find_kind(l, conf, &vm, err);
	if (r < 0 || !vm)
		return r;
	if (!be)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP, "this joey has no sandboxes");
	if (without_use(conf)) {
		joey_warn("no usable KVM: %s becomes a normal container, as joey.conf says (without_kvm)", l->o->id);
		return 0;
	}
	r = find_profile(l, conf, &profile, err);
	if (r < 0)
		return r;
	apply_profile(profile, &l->vm);
	r = apply_object(l->config->vm, conf, &l->vm, err);
	if (r == 0)
		r = apply_limits(conf, &l->vm, err);
	if (r < 0)
		return r;
	l->vm.pod = find_pod(l->config);
	l->vm.need_kvm = conf->sandbox.without_kvm == JOEY_CONF_KVM_REFUSE;
	l->vm.trust = conf->sandbox.trust == JOEY_CONF_TRUST_CONTAINER ? (l->vm.pod ? l->vm.pod : l->o->id) : NULL;
	/* Nobody would need the second copy of a machine that is for one container. */
	l->vm.fork = !l->vm.trust && conf->sandbox.fork == JOEY_CONF_FORK_ON;
	l->be = be;
	return 0;
}
