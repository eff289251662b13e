/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_OCI_H
#define JOEY_OCI_H

/*
 * The Linux part of an OCI config.json (runtime-spec 1.3.0) as plain data.
 *
 * Everything lives in the arena of struct joey_config and is freed by joey_config_free().  Strings are
 * NUL-terminated without embedded NUL.  An absent optional object is a NULL pointer or count 0; where absence
 * differs from zero, a joey_opt_* is used.  Parsing has already refused unknown values (error text holds the
 * JSON path), so enums hold valid members only.
 */

#include "joey/err.h"
#include "joey/util.h"

#define JOEY_OCI_VERSION      "1.3.0"
#define JOEY_CONFIG_MAX_BYTES (16u << 20)

struct joey_opt_u64 {
	bool set;
	uint64_t v;
};
struct joey_opt_i64 {
	bool set;
	int64_t v;
};
struct joey_opt_u32 {
	bool set;
	uint32_t v;
};
struct joey_opt_bool {
	bool set;
	bool v;
};

struct joey_pair {
	char *key, *value;
};
struct joey_pairs {
	struct joey_pair *v;
	size_t n;
};

/* The value of key; NULL if absent. */
static inline const char *joey_pairs_get(const struct joey_pairs *p, const char *key)
{
	for (size_t i = 0; i < p->n; i++)
		if (joey_streq(p->v[i].key, key))
			return p->v[i].value;
	return NULL;
}

/* ---- process (spec: config.md, process) ------------------------------------------------------------- */

struct joey_user {
	uint32_t uid, gid;
	struct joey_opt_u32 umask;
	uint32_t *additional_gids;
	size_t n_additional_gids;
};

struct joey_caps { /* bit N = capability number N; names unknown to libcap were warned about and dropped */
	uint64_t bounding, effective, inheritable, permitted, ambient;
};

struct joey_rlimit {
	int resource;
	uint64_t soft, hard;
}; /* resource: RLIMIT_* */

struct joey_scheduler {  /* sched_setattr(2) */
	uint32_t policy; /* SCHED_* */
	uint64_t flags;  /* SCHED_FLAG_* */
	int32_t nice, priority;
	uint64_t runtime, deadline, period; /* ns */
};

struct joey_io_priority {
	int class, priority;
}; /* class RT/BE/IDLE = 1/2/3 */

struct joey_process {
	bool terminal;
	uint32_t console_height, console_width; /* 0 = not given */
	char *cwd;
	struct joey_strlist args;
	struct joey_strlist env; /* deduplicated (last wins), each holds '=' and a non-empty name */
	struct joey_user user;
	struct joey_caps *caps; /* NULL: leave capabilities alone */
	struct joey_rlimit *rlimits;
	size_t n_rlimits;
	bool no_new_privileges;
	char *apparmor_profile;
	char *selinux_label;
	struct joey_opt_i64 oom_score_adj;
	struct joey_scheduler *scheduler;
	struct joey_io_priority *io_priority;
	char *cpu_affinity_initial, *cpu_affinity_final; /* cpu lists, exec only */
};

/* ---- mounts ------------------------------------------------------------------------------------------- */

struct joey_idmap {
	uint32_t container_id, host_id, size;
};
struct joey_idmaps {
	struct joey_idmap *v;
	size_t n;
};

struct joey_mount {
	char *destination, *type, *source; /* type, source may be NULL */
	struct joey_strlist options;
	struct joey_idmaps uid_mappings, gid_mappings;
	struct joey_mount_opts *opts; /* compiled from options by oci validation; see mount_opts.h; never NULL */
};

/* ---- hooks ---------------------------------------------------------------------------------------------- */

enum joey_hook_kind {
	JOEY_HOOK_PRESTART = 0,
	JOEY_HOOK_CREATE_RUNTIME,
	JOEY_HOOK_CREATE_CONTAINER,
	JOEY_HOOK_START_CONTAINER,
	JOEY_HOOK_POSTSTART,
	JOEY_HOOK_POSTSTOP,
	JOEY_HOOK_MAX,
};

struct joey_hook {
	char *path;
	struct joey_strlist args;
	struct joey_strlist env;
	bool has_env;
	uint32_t timeout; /* seconds, 0 = none */
};
struct joey_hooks {
	struct joey_hook *v;
	size_t n;
};

const char *joey_hook_kind_to_string(enum joey_hook_kind kind); /* "prestart", ... */

/* ---- linux ------------------------------------------------------------------------------------------------ */

enum joey_ns {
	JOEY_NS_USER = 0,
	JOEY_NS_PID,
	JOEY_NS_NET,
	JOEY_NS_MNT,
	JOEY_NS_IPC,
	JOEY_NS_UTS,
	JOEY_NS_CGROUP,
	JOEY_NS_TIME,
	JOEY_NS_MAX,
};

struct joey_ns_entry {
	bool present;
	char *path;
}; /* present && !path: new namespace */

struct joey_device {
	char *path;
	char type; /* 'c' (also for u), 'b', 'p' */
	uint32_t major, minor;
	struct joey_opt_u32 file_mode; /* permission bits only */
	uint32_t uid, gid;
};

struct joey_device_rule {
	bool allow;
	char type;            /* 'a', 'b', 'c' */
	int64_t major, minor; /* -1 = any */
	unsigned access;      /* JOEY_DEV_* */
};
#define JOEY_DEV_READ  1u
#define JOEY_DEV_WRITE 2u
#define JOEY_DEV_MKNOD 4u

struct joey_throttle {
	uint32_t major, minor;
	uint64_t rate;
};
struct joey_throttles {
	struct joey_throttle *v;
	size_t n;
};
struct joey_weight_device {
	uint32_t major, minor;
	struct joey_opt_u32 weight, leaf_weight;
};
struct joey_hugepage_limit {
	char *page_size;
	uint64_t limit;
};
struct joey_rdma {
	char *device;
	struct joey_opt_u32 hca_handles, hca_objects;
};

struct joey_resources { /* absent fields: not set */
	struct joey_device_rule *devices;
	size_t n_devices;
	struct {
		struct joey_opt_i64 limit, reservation, swap, kernel, kernel_tcp;
		struct joey_opt_u64 swappiness;
		struct joey_opt_bool disable_oom_killer, use_hierarchy, check_before_update;
	} memory;
	struct {
		struct joey_opt_u64 shares, burst, period, realtime_period;
		struct joey_opt_i64 quota, realtime_runtime, idle;
		char *cpus, *mems;
	} cpu;
	struct joey_opt_i64 pids_limit;
	struct {
		struct joey_opt_u32 weight, leaf_weight;
		struct joey_weight_device *weight_device;
		size_t n_weight_device;
		struct joey_throttles read_bps, write_bps, read_iops, write_iops;
	} block_io;
	struct joey_hugepage_limit *hugepage;
	size_t n_hugepage;
	struct {
		struct joey_opt_u32 class_id;
		size_t n_priorities;
	} network;
	struct joey_rdma *rdma;
	size_t n_rdma;
	struct joey_pairs unified;
};

/* seccomp: values as libseccomp and the kernel define them */
struct joey_seccomp_arg {
	uint32_t index;
	uint64_t value, value_two;
	int op;
}; /* op: enum scmp_compare */
struct joey_seccomp_rule {
	struct joey_strlist names;
	uint32_t action; /* SCMP_ACT_* with the errno/trace value merged in */
	struct joey_seccomp_arg *args;
	size_t n_args;
};
struct joey_seccomp {
	uint32_t default_action; /* SCMP_ACT_* with errno merged in */
	uint32_t *archs;         /* SCMP_ARCH_* tokens */
	size_t n_archs;
	uint64_t filter_flags; /* SECCOMP_FILTER_FLAG_* asked for in "flags" (TSYNC dropped) */
	bool flags_given;      /* "flags" was present, even if [] */
	struct joey_seccomp_rule *rules;
	size_t n_rules;
	char *listener_path, *listener_metadata;
	bool uses_notify;
	bool fail_unknown_syscall; /* annotation run.oci.seccomp_fail_unknown_syscall */
};

struct joey_net_device {
	char *host_name, *name;
}; /* name: never NULL (defaults to host_name) */

struct joey_intel_rdt {
	char *clos_id;
	struct joey_strlist schemata;
	char *l3_cache_schema, *mem_bw_schema;
	bool enable_monitoring;
};

struct joey_memory_policy {
	int mode;
	unsigned flags;
	char *nodes;
}; /* MPOL_*, MPOL_F_*, nodelist text */

struct joey_time_offset {
	bool set;
	int64_t secs;
	uint32_t nanosecs;
};

struct joey_vm { /* OCI "vm" object; kept for the sandbox backend */
	char *hypervisor_path, *kernel_path, *kernel_initrd, *image_path, *image_format;
	struct joey_strlist hypervisor_parameters, kernel_parameters;
	struct joey_opt_u64 vcpus, memory; /* hwConfig */
	const char *hw_other;              /* another member that hwConfig has; static */
};

struct joey_config {
	struct joey_arena arena;
	char *oci_version;
	char *rootfs; /* as written; absolute or relative to the bundle */
	bool rootfs_readonly;
	char *hostname, *domainname;
	struct joey_process *process; /* never NULL after validation */
	struct joey_mount *mounts;
	size_t n_mounts;
	struct joey_hooks hooks[JOEY_HOOK_MAX];
	struct joey_pairs annotations;
	struct joey_vm *vm;

	/* linux.* */
	struct joey_ns_entry ns[JOEY_NS_MAX];
	struct joey_idmaps uid_mappings, gid_mappings;
	struct joey_time_offset time_monotonic, time_boottime;
	struct joey_device *devices;
	size_t n_devices;
	struct joey_net_device *net_devices;
	size_t n_net_devices;
	char *cgroups_path;               /* NULL = not given */
	struct joey_resources *resources; /* never NULL; may be empty */
	struct joey_intel_rdt *intel_rdt;
	struct joey_memory_policy *memory_policy;
	struct joey_pairs sysctl;     /* keys with '/' separators, ready for openat under /proc/sys */
	struct joey_seccomp *seccomp; /* NULL when absent or the empty object */
	uint64_t rootfs_propagation;  /* MS_SHARED... | MS_REC, 0 = not given */
	uint64_t rootfs_attr;         /* MOUNT_ATTR_* to be set on the root; never in a document (a guest's agent) */
	struct joey_strlist masked_paths, readonly_paths;
	char *mount_label;
	struct joey_opt_u64 personality; /* PER_LINUX or PER_LINUX32 */
};

static inline bool joey_config_new_ns(const struct joey_config *c, enum joey_ns ns)
{
	return c->ns[ns].present && !c->ns[ns].path;
}

/*
 * Parses and validates.  text need not be NUL-terminated.  On success *ret is owned by the caller.
 * Warnings (unknown capability and the like) go to joey_warn().  Error kind JOEY_EK_CONFIG.
 */
int joey_config_parse(const char *text, size_t len, struct joey_config **ret, struct joey_err *err);
void joey_config_free(struct joey_config *c);

/*
 * What joey_config_parse() cannot know: rules that depend on the host, to be asked once, at create (a stored config is
 * parsed again for later verbs, when a joined namespace's path may be gone).  rootless_euid: geteuid() != 0.
 */
int joey_config_check_host(const struct joey_config *config, bool rootless_euid, struct joey_err *err);

/* A lone process object (exec --process); allocated in *arena. */
int joey_process_parse(const char *text, size_t len, struct joey_arena *arena, struct joey_process **ret,
		       struct joey_err *err);

/* A lone resources object (update --resources); allocated in *arena. */
int joey_resources_parse(const char *text, size_t len, struct joey_arena *arena, struct joey_resources **ret,
			 struct joey_err *err);

/*
 * update: what is asked for over what holds.  A zero, an empty text or an empty list in `ask` changes nothing (engines
 * without option types send them), but for pids.limit, cpu.idle, cpu.burst and rates.
 * *ret_merged: what holds afterwards; *ret_apply: what is to be written for it, with the values that only count as a
 * pair (quota and period, memory and swap, idle and shares) completed.  Devices stay those of `have` and are not in
 * *ret_apply. All three share members.
 */
int joey_resources_merge(struct joey_arena *arena, const struct joey_resources *have, const struct joey_resources *ask,
			 struct joey_resources *ret_merged, struct joey_resources *ret_apply, struct joey_err *err);

/* As joey_resources_parse() takes it, but without devices. */
struct joey_json_out;
void joey_resources_write(struct joey_json_out *o, const char *key, const struct joey_resources *res);
/* As joey_process_parse() takes it; but JSON is UTF-8, and other bytes in strings become U+FFFD. */
void joey_process_write(struct joey_json_out *o, const char *key, const struct joey_process *p);

/* NULL if absent. */
const char *joey_config_annotation(const struct joey_config *c, const char *key);

/* The documents of `joey spec` and `joey features`; heap strings ending in a newline. */
int joey_spec_default(bool rootless, uint32_t euid, uint32_t egid, char **ret, struct joey_err *err);
/* more: says what else is to be among the annotations; may be NULL. */
typedef void (*joey_say_fn)(void *arg, const char *key, const char *value);
int joey_features(const char *version, const char *commit, void (*more)(joey_say_fn say, void *arg), char **ret,
		  struct joey_err *err);

/* Capability set/name tables (libcap), shared by features and warnings. -ENOENT if unknown. */
int joey_cap_from_string(const char *name, unsigned *ret);

#endif
