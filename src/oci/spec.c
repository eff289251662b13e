/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The document of `joey spec`: runc's default, and its --rootless variant, whose differences are marked in the
 * tables.  Data first, one writer below.
 */
#include <string.h>

#include "oci/oci-internal.h"

static const char *const args[] = { "sh", NULL };
static const char *const env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"TERM=xterm",
	NULL,
};
static const char *const caps[] = { "CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE", NULL };
static const char *const cap_sets[] = { "bounding", "effective", "permitted", NULL };

static const char *const masked_paths[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/proc/sched_debug",
	"/sys/firmware",
	"/proc/scsi",
	"/sys/devices/virtual/tpm",
	NULL,
};
static const char *const readonly_paths[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
};

enum { ALWAYS, ROOTFUL, ROOTLESS };

struct spec_ns {
	const char *type;
	int when;
};

/* Without privilege the host's network stays: a new one would have no way out. */
static const struct spec_ns namespaces[] = {
	{ "pid", ALWAYS },   { "network", ROOTFUL }, { "ipc", ALWAYS },    { "uts", ALWAYS },
	{ "mount", ALWAYS }, { "cgroup", ALWAYS },   { "user", ROOTLESS },
};

struct spec_mount {
	const char *destination, *type, *source;
	const char *options[8];
	int when;
};

/* Rootless: a sysfs needs an owned network namespace, so the host's is bound; gid 5 is not mapped. */
static const struct spec_mount mounts[] = {
	{ "/proc", "proc", "proc", { NULL }, ALWAYS },
	{ "/dev", "tmpfs", "tmpfs", { "nosuid", "strictatime", "mode=755", "size=65536k" }, ALWAYS },
	{ "/dev/pts",
	  "devpts",
	  "devpts",
	  { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" },
	  ROOTFUL },
	{ "/dev/pts",
	  "devpts",
	  "devpts",
	  { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620" },
	  ROOTLESS },
	{ "/dev/shm", "tmpfs", "shm", { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" }, ALWAYS },
	{ "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" }, ALWAYS },
	{ "/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro" }, ROOTFUL },
	{ "/sys", "none", "/sys", { "rbind", "nosuid", "noexec", "nodev", "ro" }, ROOTLESS },
	{ "/sys/fs/cgroup", "cgroup", "cgroup", { "nosuid", "noexec", "nodev", "relatime", "ro" }, ALWAYS },
};

static bool wanted(int when, bool rootless)
{
	return when == ALWAYS || (when == ROOTLESS) == rootless;
}

static void put_strings(struct joey_json_out *o, const char *key, const char *const *list)
{
	joey_json_out_array(o, key);
	for (; *list; list++)
		joey_json_out_string(o, NULL, *list);
	joey_json_out_end(o);
}

static void put_process(struct joey_json_out *o)
{
	joey_json_out_object(o, "process");
	joey_json_out_bool(o, "terminal", true);
	joey_json_out_object(o, "user");
	joey_json_out_u64(o, "uid", 0);
	joey_json_out_u64(o, "gid", 0);
	joey_json_out_end(o);
	put_strings(o, "args", args);
	put_strings(o, "env", env);
	joey_json_out_string(o, "cwd", "/");
	joey_json_out_object(o, "capabilities");
	for (const char *const *set = cap_sets; *set; set++)
		put_strings(o, *set, caps);
	joey_json_out_end(o);
	joey_json_out_array(o, "rlimits");
	joey_json_out_object(o, NULL);
	joey_json_out_string(o, "type", "RLIMIT_NOFILE");
	joey_json_out_u64(o, "hard", 1024);
	joey_json_out_u64(o, "soft", 1024);
	joey_json_out_end(o);
	joey_json_out_end(o);
	joey_json_out_bool(o, "noNewPrivileges", true);
	joey_json_out_end(o);
}

static void put_mounts(struct joey_json_out *o, bool rootless)
{
	joey_json_out_array(o, "mounts");
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(mounts); i++) {
		const struct spec_mount *m = &mounts[i];

		if (!wanted(m->when, rootless))
			continue;
		joey_json_out_object(o, NULL);
		joey_json_out_string(o, "destination", m->destination);
		joey_json_out_string(o, "type", m->type);
		joey_json_out_string(o, "source", m->source);
		if (m->options[0])
			put_strings(o, "options", m->options);
		joey_json_out_end(o);
	}
	joey_json_out_end(o);
}

static void put_idmap(struct joey_json_out *o, const char *key, uint32_t host_id)
{
	joey_json_out_array(o, key);
	joey_json_out_object(o, NULL);
	joey_json_out_u64(o, "containerID", 0);
	joey_json_out_u64(o, "hostID", host_id);
	joey_json_out_u64(o, "size", 1);
	joey_json_out_end(o);
	joey_json_out_end(o);
}

static void put_resources(struct joey_json_out *o)
{
	joey_json_out_object(o, "resources");
	joey_json_out_array(o, "devices");
	joey_json_out_object(o, NULL);
	joey_json_out_bool(o, "allow", false);
	joey_json_out_string(o, "access", "rwm");
	joey_json_out_end(o);
	joey_json_out_end(o);
	joey_json_out_end(o);
}

static void put_linux(struct joey_json_out *o, bool rootless, uint32_t euid, uint32_t egid)
{
	joey_json_out_object(o, "linux");
	if (rootless) {
		put_idmap(o, "uidMappings", euid);
		put_idmap(o, "gidMappings", egid);
	} else {
		put_resources(o);
	}
	joey_json_out_array(o, "namespaces");
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(namespaces); i++) {
		if (!wanted(namespaces[i].when, rootless))
			continue;
		joey_json_out_object(o, NULL);
		joey_json_out_string(o, "type", namespaces[i].type);
		joey_json_out_end(o);
	}
	joey_json_out_end(o);
	put_strings(o, "maskedPaths", masked_paths);
	put_strings(o, "readonlyPaths", readonly_paths);
	joey_json_out_end(o);
}

int joey_spec_default(bool rootless, uint32_t euid, uint32_t egid, char **ret, struct joey_err *err)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(4);

	joey_json_out_object(o, NULL);
	joey_json_out_string(o, "ociVersion", JOEY_OCI_VERSION);
	put_process(o);
	joey_json_out_object(o, "root");
	joey_json_out_string(o, "path", "rootfs");
	joey_json_out_bool(o, "readonly", true);
	joey_json_out_end(o);
	joey_json_out_string(o, "hostname", "joey");
	put_mounts(o, rootless);
	put_linux(o, rootless, euid, egid);
	joey_json_out_end(o);
	return oci_finish_document(o, "the default spec", ret, err);
}
