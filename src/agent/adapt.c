/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A config that was written for the host becomes one for the guest.  By rule, not by what the host says: rootfs and
 * bind sources are found on the share, by handle and number; every namespace is new, but for the network, which is the
 * guest's, and those that join.c has found. What needs the host (its hooks, devices, resctrl, labels of its LSM) is not
 * for us.
 */
#include <string.h>

#include "agent/agent-internal.h"
#include "joey/mount_opts.h"
#include "joey/syscalls.h"

static int no_memory(struct joey_err *err)
{
	return joey_err_sys(err, ENOMEM, "adapt the configuration to the guest");
}

static int adapt_namespaces(const struct agent_adapt *a, struct joey_config *c, struct joey_err *err)
{
	if (c->ns[JOEY_NS_USER].path && c->uid_mappings.n == 0 && !*a->ns_path[JOEY_NS_USER])
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP,
				    "a sandboxed container cannot join a user namespace of the host");
	for (unsigned i = 0; i < JOEY_NS_MAX; i++) {
		c->ns[i].path = *a->ns_path[i] ? joey_arena_strdup(&c->arena, a->ns_path[i]) : NULL;
		if (*a->ns_path[i] && !c->ns[i].path)
			return no_memory(err);
	}
	c->ns[JOEY_NS_NET].present = true;
	c->ns[JOEY_NS_NET].path = joey_arena_strdup(&c->arena, a->netns);
	return c->ns[JOEY_NS_NET].path ? 0 : no_memory(err);
}

/*
 * Flags of the source's mount on the host: a clone of it would have them there until they are cleared, and a user
 * namespace could not clear them.
 */
static int adapt_attrs(const struct joey_config *c, const struct joey_mount *m, uint64_t attrs, struct joey_err *err)
{
	struct joey_mount_opts *o = m->opts;
	uint64_t cleared = o->attr_clear | o->rattr_clear, set = attrs & ~(uint64_t)MOUNT_ATTR__ATIME;

	if (c->ns[JOEY_NS_USER].present && (set & cleared))
		return joey_err_sys(err, EPERM,
				    "error mounting \"%s\" to rootfs at \"%s\": set mount attributes: flags of the "
				    "source's mount are locked",
				    m->source, m->destination);
	o->attr_set |= set & ~cleared;
	/* A time option that the config has is instead of the host's. */
	if ((attrs & MOUNT_ATTR__ATIME) && !(cleared & MOUNT_ATTR__ATIME)) {
		o->attr_set |= attrs & MOUNT_ATTR__ATIME;
		o->attr_clear |= MOUNT_ATTR__ATIME;
	}
	return 0;
}

static char *bind_source(const struct agent_adapt *a, struct joey_config *c, size_t i)
{
	char path[320];

	for (size_t k = 0; k < a->n_shm; k++)
		if (a->shm[k].mount == i) {
			agent_shm_path(a->dir, &a->shm[k], path, sizeof(path));
			return joey_arena_strdup(&c->arena, path);
		}
	return joey_arena_printf(&c->arena, "%s/%u/m%zu", a->share, (unsigned)a->handle, i);
}

/* The host has mapped ids where the mount asks for it; 9p cannot. */
static int adapt_bind(const struct agent_adapt *a, struct joey_config *c, size_t i, struct joey_err *err)
{
	struct joey_mount *m = &c->mounts[i];

	if (i + 1 < a->n_attrs && adapt_attrs(c, m, a->attrs[i + 1], err) < 0)
		return -EPERM;
	m->source = bind_source(a, c, i);
	m->uid_mappings.n = m->gid_mappings.n = 0;
	/* A link that is not to be followed is one on the share, too. */
	m->opts->idmap = m->opts->ridmap = false;
	m->opts->idmap_text = NULL;
	return m->source ? 0 : no_memory(err);
}

/* A user namespace that does not own the network namespace may not mount a sysfs. */
static int adapt_sysfs(struct joey_config *c, struct joey_mount *m, struct joey_err *err)
{
	m->source = joey_arena_strdup(&c->arena, "/sys");
	m->type = joey_arena_strdup(&c->arena, "bind");
	m->opts->bind = m->opts->rbind = true;
	m->opts->data.n = 0;
	return m->source && m->type ? 0 : no_memory(err);
}

static int adapt_mounts(const struct agent_adapt *a, struct joey_config *c, struct joey_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n_mounts; i++) {
		struct joey_mount *m = &c->mounts[i];

		if (m->opts->bind)
			r = adapt_bind(a, c, i, err);
		else if (joey_streq(m->type, "sysfs") && c->ns[JOEY_NS_USER].present)
			r = adapt_sysfs(c, m, err);
	}
	return r;
}

static void drop_what_is_the_hosts(struct joey_config *c)
{
	static const enum joey_hook_kind hosts[] = { JOEY_HOOK_PRESTART, JOEY_HOOK_CREATE_RUNTIME, JOEY_HOOK_POSTSTART,
						     JOEY_HOOK_POSTSTOP };

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(hosts); i++)
		c->hooks[hosts[i]].n = 0;
	c->n_net_devices = 0;
	c->intel_rdt = NULL;
	c->memory_policy = NULL;
	c->vm = NULL;
	c->mount_label = NULL;
}

/* Another kernel, without that LSM; and the size that the terminal has now, for a program that asks at once. */
void agent_adapt_process(void *arg, struct joey_process *p)
{
	const struct agent_adapt *a = arg;

	p->apparmor_profile = p->selinux_label = NULL;
	if (p->terminal && a->rows && a->cols) {
		p->console_height = a->rows;
		p->console_width = a->cols;
	}
}

/* The choice of a sandbox has been made. */
static void drop_choice(struct joey_pairs *annotations)
{
	size_t n = 0;

	for (size_t i = 0; i < annotations->n; i++)
		if (!joey_startswith(annotations->v[i].key, "io.joey."))
			annotations->v[n++] = annotations->v[i];
	annotations->n = n;
}

int agent_adapt(void *arg, struct joey_config *c, struct joey_err *err)
{
	const struct agent_adapt *a = arg;
	int r = adapt_namespaces(a, c, err);

	if (r == 0)
		r = adapt_mounts(a, c, err);
	if (r < 0)
		return r;
	drop_what_is_the_hosts(c);
	c->rootfs_attr = a->n_attrs > 0 ? a->attrs[0] : 0;
	agent_adapt_process(arg, c->process);
	drop_choice(&c->annotations);
	c->rootfs = a->disk ? joey_arena_strdup(&c->arena, AGENT_DISK_ROOT)
			    : joey_arena_printf(&c->arena, "%s/%u/rootfs", a->share, (unsigned)a->handle);
	c->cgroups_path = joey_arena_printf(&c->arena, "%s/%u", a->cgroup, (unsigned)a->handle);
	return c->rootfs && c->cgroups_path ? 0 : no_memory(err);
}
