/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules between objects of one config.  oci_validate() looks at nothing but the config, because a stored config is
 * parsed again for start, exec and delete, when the host may have changed; joey_config_check_host() holds what is
 * asked of the host, once, at create.
 */
#include <string.h>

#include <sys/stat.h>

#include "oci/oci-internal.h"

typedef int (*rule_fn)(struct oci_ctx *c, struct joey_config *config);

static bool has_ns(const struct joey_config *config, enum joey_ns ns)
{
	return config->ns[ns].present;
}

static int check_names(struct oci_ctx *c, struct joey_config *config)
{
	if (config->hostname && !has_ns(config, JOEY_NS_UTS))
		return oci_fail_at(c, "hostname", "unable to set hostname without a private UTS namespace");
	if (config->domainname && !has_ns(config, JOEY_NS_UTS))
		return oci_fail_at(c, "domainname", "unable to set domainname without a private UTS namespace");
	return 0;
}

static int check_paths(struct oci_ctx *c, struct joey_config *config)
{
	bool masked = config->masked_paths.n > 0;

	if ((masked || config->readonly_paths.n > 0) && !has_ns(config, JOEY_NS_MNT))
		return oci_fail_at(c, masked ? "linux.maskedPaths" : "linux.readonlyPaths",
				   "unable to restrict sys entries without a private MNT namespace");
	/* They would be made on the host, and stay there. */
	if (config->n_mounts > 0 && !has_ns(config, JOEY_NS_MNT))
		return oci_fail_at(c, "mounts", "unable to mount without a private MNT namespace");
	return 0;
}

static int check_userns(struct oci_ctx *c, struct joey_config *config)
{
	bool uids = config->uid_mappings.n > 0, gids = config->gid_mappings.n > 0;

	if (!has_ns(config, JOEY_NS_USER)) {
		if (uids || gids)
			return oci_fail_at(
				c, uids ? "linux.uidMappings" : "linux.gidMappings",
				"user namespace mappings specified, but user namespace isn't enabled in the config");
		return 0;
	}
	if (config->ns[JOEY_NS_USER].path)
		return 0; /* whether the mappings are those of the namespace is checked when it is joined */
	if (!uids && !gids)
		return oci_fail_at(
			c, "linux.namespaces",
			"user namespaces enabled, but no namespace path to join nor mappings to apply specified");
	if (!uids || !gids)
		return oci_fail_at(c, uids ? "linux.gidMappings" : "linux.uidMappings",
				   "a new user namespace needs both uidMappings and gidMappings");
	return 0;
}

static int check_timens(struct oci_ctx *c, struct joey_config *config)
{
	if (!config->time_monotonic.set && !config->time_boottime.set)
		return 0;
	if (!has_ns(config, JOEY_NS_TIME))
		return oci_fail_at(c, "linux.timeOffsets",
				   "time namespace offsets specified, but time namespace isn't enabled in the config");
	if (config->ns[JOEY_NS_TIME].path)
		return oci_fail_at(c, "linux.timeOffsets",
				   "time namespace enabled, but both namespace path and time offsets specified -- "
				   "you may only provide one");
	return 0;
}

static int check_net_devices(struct oci_ctx *c, struct joey_config *config)
{
	if (config->n_net_devices > 0 && !has_ns(config, JOEY_NS_NET))
		return oci_fail_at(c, "linux.netDevices", "unable to move network devices without a NET namespace");
	return 0;
}

/* ---- sysctl ---------------------------------------------------------------------------------------------------- */

struct sysctl_rule {
	const char *key;
	bool prefix;
	enum joey_ns ns;
	const char *without; /* runc's text when the namespace is not there */
};

#define NOT_IPC "sysctl \"%.100s\" is not allowed in the hosts ipc namespace"
#define NOT_NET "sysctl \"%.100s\" not allowed in host network namespace"
#define NOT_NS  "sysctl \"%.100s\" is not in a separate kernel namespace"

static const struct sysctl_rule sysctl_rules[] = {
	{ "kernel/msgmax", false, JOEY_NS_IPC, NOT_IPC }, { "kernel/msgmnb", false, JOEY_NS_IPC, NOT_IPC },
	{ "kernel/msgmni", false, JOEY_NS_IPC, NOT_IPC }, { "kernel/sem", false, JOEY_NS_IPC, NOT_IPC },
	{ "kernel/shmall", false, JOEY_NS_IPC, NOT_IPC }, { "kernel/shmmax", false, JOEY_NS_IPC, NOT_IPC },
	{ "kernel/shmmni", false, JOEY_NS_IPC, NOT_IPC }, { "kernel/shm_rmid_forced", false, JOEY_NS_IPC, NOT_IPC },
	{ "fs/mqueue/", true, JOEY_NS_IPC, NOT_IPC },     { "net/", true, JOEY_NS_NET, NOT_NET },
	{ "user/", true, JOEY_NS_USER, NOT_NS },          { "kernel/domainname", false, JOEY_NS_UTS, NOT_NS },
};

static const struct sysctl_rule *find_sysctl_rule(const char *key)
{
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(sysctl_rules); i++) {
		const struct sysctl_rule *r = &sysctl_rules[i];

		if (r->prefix ? joey_startswith(key, r->key) : joey_streq(key, r->key))
			return r;
	}
	return NULL;
}

/* The key as runc prints it: '.' between components. */
static int fail_sysctl(struct oci_ctx *c, const char *key, const char *why)
{
	char shown[128];
	size_t n = strnlen(key, sizeof(shown) - 1);

	for (size_t i = 0; i < n; i++)
		shown[i] = key[i] == '/' ? '.' : key[i] == '.' ? '/' : key[i];
	shown[n] = '\0';
	if (strcmp(why, NOT_IPC) == 0)
		return oci_fail_at(c, "linux.sysctl", NOT_IPC, shown);
	if (strcmp(why, NOT_NET) == 0)
		return oci_fail_at(c, "linux.sysctl", NOT_NET, shown);
	return oci_fail_at(c, "linux.sysctl", NOT_NS, shown);
}

static int check_sysctl(struct oci_ctx *c, struct joey_config *config)
{
	for (size_t i = 0; i < config->sysctl.n; i++) {
		const char *key = config->sysctl.v[i].key;
		const struct sysctl_rule *r = find_sysctl_rule(key);

		if (joey_streq(key, "kernel/hostname") && has_ns(config, JOEY_NS_UTS))
			return oci_fail_at(c, "linux.sysctl",
					   "sysctl \"kernel.hostname\" is not allowed as it conflicts with the OCI "
					   "\"hostname\" field");
		if (!r)
			return fail_sysctl(c, key, NOT_NS);
		if (!has_ns(config, r->ns))
			return fail_sysctl(c, key, r->without);
	}
	return 0;
}

/* ---- id-mapped mounts ------------------------------------------------------------------------------------------- */

/* '@': the host side of each entry is an id of the container's user namespace. */
static int translate(struct oci_ctx *c, struct joey_idmaps *maps, const struct joey_idmaps *userns)
{
	for (size_t i = 0; i < maps->n; i++) {
		struct joey_idmap *m = &maps->v[i];
		bool found = false;

		for (size_t j = 0; j < userns->n && !found; j++) {
			const struct joey_idmap *u = &userns->v[j];

			if (m->host_id < u->container_id || m->host_id - u->container_id >= u->size ||
			    m->size > u->size - (m->host_id - u->container_id))
				continue;
			m->host_id = u->host_id + (m->host_id - u->container_id);
			found = true;
		}
		if (!found)
			return oci_fail_at(c, "options", "idmap: no mapping of the user namespace holds id %u",
					   m->host_id);
	}
	return 0;
}

static int expand_idmap_text(struct oci_ctx *c, const struct joey_config *config, struct joey_mount *m)
{
	struct oci_idmap_text text;
	int r;

	if (m->uid_mappings.n > 0 || m->gid_mappings.n > 0)
		return oci_fail_at(c, "options", "id mappings are given twice, by the option and by the mount");
	if (mount_opts_parse_idmap(c->arena, m->opts->idmap_text, &text) < 0)
		return oci_nomem(c); /* its syntax was checked before */
	r = text.uids_relative ? translate(c, &text.uids, &config->uid_mappings) : 0;
	if (r == 0 && text.gids_relative)
		r = translate(c, &text.gids, &config->gid_mappings);
	m->uid_mappings = text.uids;
	m->gid_mappings = text.gids;
	return r;
}

static int check_idmap(struct oci_ctx *c, const struct joey_config *config, struct joey_mount *m)
{
	bool uids, gids;

	if (m->opts->idmap_text) {
		int r = expand_idmap_text(c, config, m);

		if (r < 0)
			return r;
	}
	uids = m->uid_mappings.n > 0;
	gids = m->gid_mappings.n > 0;
	if (uids && gids) {
		m->opts->idmap = true; /* mappings without the option: as if it were there */
		return 0;
	}
	/* The option alone: the mappings of the container's user namespace, new or joined. */
	if (!uids && !gids && (!m->opts->idmap || has_ns(config, JOEY_NS_USER)))
		return 0;
	return oci_fail(c, "id-mapped mounts must have both uid and gid mappings specified");
}

static int check_mounts(struct oci_ctx *c, struct joey_config *config)
{
	struct oci_frame list = { c->at, "mounts", 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < config->n_mounts; i++) {
		struct oci_frame f = { &list, NULL, i };

		c->at = &f;
		r = check_idmap(c, config, &config->mounts[i]);
		c->at = list.up;
	}
	return r;
}

int oci_validate(struct oci_ctx *c, struct joey_config *config)
{
	static const rule_fn rules[] = {
		check_names, check_paths, check_userns, check_timens, check_net_devices, check_sysctl, check_mounts,
	};

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rules); i++) {
		int r = rules[i](c, config);

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- questions to the host -------------------------------------------------------------------------------------- */

static int check_joined_netns(struct oci_ctx *c, const struct joey_config *config)
{
	const char *path = config->ns[JOEY_NS_NET].path;
	struct stat joined, own;

	if (!path)
		return 0;
	for (size_t i = 0; i < config->sysctl.n; i++) {
		if (!joey_startswith(config->sysctl.v[i].key, "net/"))
			continue;
		if (stat(path, &joined) < 0)
			return joey_err_sys(c->err, errno, "invalid netns path: stat %s", path);
		if (stat("/proc/self/ns/net", &own) < 0)
			return joey_err_sys(c->err, errno, "invalid netns path: stat /proc/self/ns/net");
		if (joined.st_dev == own.st_dev && joined.st_ino == own.st_ino)
			return fail_sysctl(c, config->sysctl.v[i].key, NOT_NET);
		return 0;
	}
	return 0;
}

static bool is_mapped(const struct joey_idmaps *maps, uint32_t id)
{
	for (size_t i = 0; i < maps->n; i++)
		if (id >= maps->v[i].container_id && id - maps->v[i].container_id < maps->v[i].size)
			return true;
	return false;
}

/* Without privilege the kernel refuses ids that the user namespace does not map with a mere EINVAL. */
static int check_rootless_data(struct oci_ctx *c, const struct joey_config *config, const char *option)
{
	bool uid = joey_startswith(option, "uid="), gid = joey_startswith(option, "gid=");
	const struct joey_idmaps *maps = uid ? &config->uid_mappings : &config->gid_mappings;
	uint32_t id;

	if ((!uid && !gid) || config->ns[JOEY_NS_USER].path)
		return 0;
	if (joey_parse_id(option + 4, &id) < 0 || !is_mapped(maps, id))
		return oci_fail(c, "cannot specify %.40s mount option for rootless container: no mapping", option);
	return 0;
}

static int check_rootless_mounts(struct oci_ctx *c, const struct joey_config *config)
{
	struct oci_frame list = { c->at, "mounts", 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < config->n_mounts; i++) {
		const struct joey_mount *m = &config->mounts[i];
		struct oci_frame f = { &list, NULL, i };

		c->at = &f;
		if (m->opts->idmap)
			r = oci_fail(c, "id-mapped mounts are not supported for rootless containers");
		for (size_t j = 0; r == 0 && j < m->opts->data.n; j++)
			r = check_rootless_data(c, config, m->opts->data.v[j]);
		c->at = list.up;
	}
	return r;
}

static int check_rootless(struct oci_ctx *c, const struct joey_config *config)
{
	if (!has_ns(config, JOEY_NS_USER))
		return oci_fail_at(c, "linux.namespaces", "rootless container requires user namespaces");
	if (config->n_net_devices > 0)
		return oci_fail_at(c, "linux.netDevices", "network devices are not supported for rootless containers");
	return check_rootless_mounts(c, config);
}

int joey_config_check_host(const struct joey_config *config, bool rootless_euid, struct joey_err *err)
{
	struct oci_ctx c = { .document = "config.json", .err = err };
	int r = check_joined_netns(&c, config);

	return r == 0 && rootless_euid ? check_rootless(&c, config) : r;
}
