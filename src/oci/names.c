/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every word of the OCI config that stands for a number, one table per subject, used by the parsers and by
 * `joey features`.  Where two words mean the same, the one to be printed comes first.  No logic.
 */
#include <string.h>

#include <linux/audit.h>
#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include "oci/oci-internal.h"

/* Kernel interfaces younger than the headers that joey must build with. */
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#define MODE_WEIGHTED_INTERLEAVE 6 /* MPOL_WEIGHTED_INTERLEAVE, Linux 6.9 */
#define POLICY_ISO               4 /* SCHED_ISO is reserved, never implemented */
#ifndef EM_LOONGARCH
#define EM_LOONGARCH 258
#endif
#ifndef AUDIT_ARCH_LOONGARCH64
#define AUDIT_ARCH_LOONGARCH64 (EM_LOONGARCH | __AUDIT_ARCH_64BIT | __AUDIT_ARCH_LE)
#endif

#define NAMES(table)                          \
	{                                     \
		table, JOEY_ARRAY_SIZE(table) \
	}

static const struct oci_name namespaces[] = {
	{ "user", JOEY_NS_USER }, { "pid", JOEY_NS_PID }, { "network", JOEY_NS_NET },   { "mount", JOEY_NS_MNT },
	{ "ipc", JOEY_NS_IPC },   { "uts", JOEY_NS_UTS }, { "cgroup", JOEY_NS_CGROUP }, { "time", JOEY_NS_TIME },
};
const struct oci_names oci_names_namespaces = NAMES(namespaces);

static const struct oci_name rlimits[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};
const struct oci_names oci_names_rlimits = NAMES(rlimits);

static const struct oci_name sched_policies[] = {
	{ "SCHED_OTHER", SCHED_NORMAL },      { "SCHED_FIFO", SCHED_FIFO }, { "SCHED_RR", SCHED_RR },
	{ "SCHED_BATCH", SCHED_BATCH },       { "SCHED_ISO", POLICY_ISO },  { "SCHED_IDLE", SCHED_IDLE },
	{ "SCHED_DEADLINE", SCHED_DEADLINE },
};
const struct oci_names oci_names_sched_policies = NAMES(sched_policies);

static const struct oci_name sched_flags[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK },
	{ "SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM },
	{ "SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN },
	{ "SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY },
	{ "SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS },
	{ "SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX },
};
const struct oci_names oci_names_sched_flags = NAMES(sched_flags);

static const struct oci_name io_classes[] = {
	{ "IOPRIO_CLASS_RT", IOPRIO_CLASS_RT },
	{ "IOPRIO_CLASS_BE", IOPRIO_CLASS_BE },
	{ "IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE },
};
const struct oci_names oci_names_io_classes = NAMES(io_classes);

static const struct oci_name propagations[] = {
	{ "private", MS_PRIVATE },       { "rprivate", MS_PRIVATE | MS_REC },
	{ "shared", MS_SHARED },         { "rshared", MS_SHARED | MS_REC },
	{ "slave", MS_SLAVE },           { "rslave", MS_SLAVE | MS_REC },
	{ "unbindable", MS_UNBINDABLE }, { "runbindable", MS_UNBINDABLE | MS_REC },
};
const struct oci_names oci_names_propagations = NAMES(propagations);

static const struct oci_name mpol_modes[] = {
	{ "MPOL_DEFAULT", MPOL_DEFAULT },
	{ "MPOL_PREFERRED", MPOL_PREFERRED },
	{ "MPOL_BIND", MPOL_BIND },
	{ "MPOL_INTERLEAVE", MPOL_INTERLEAVE },
	{ "MPOL_LOCAL", MPOL_LOCAL },
	{ "MPOL_PREFERRED_MANY", MPOL_PREFERRED_MANY },
	{ "MPOL_WEIGHTED_INTERLEAVE", MODE_WEIGHTED_INTERLEAVE },
};
const struct oci_names oci_names_mpol_modes = NAMES(mpol_modes);

static const struct oci_name mpol_flags[] = {
	{ "MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING },
	{ "MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES },
	{ "MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES },
};
const struct oci_names oci_names_mpol_flags = NAMES(mpol_flags);

static const struct oci_name personalities[] = {
	{ "LINUX", PER_LINUX },
	{ "LINUX32", PER_LINUX32 },
};
const struct oci_names oci_names_personalities = NAMES(personalities);

static const struct oci_name seccomp_actions[] = {
	{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
	{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
	{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0) },
	{ "SCMP_ACT_TRACE", SCMP_ACT_TRACE(0) },
	{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
	{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
	{ "SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY },
};
const struct oci_names oci_names_seccomp_actions = NAMES(seccomp_actions);

static const struct oci_name seccomp_operators[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE },
	{ "SCMP_CMP_LT", SCMP_CMP_LT },
	{ "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
	{ "SCMP_CMP_GE", SCMP_CMP_GE },
	{ "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
};
const struct oci_names oci_names_seccomp_operators = NAMES(seccomp_operators);

static const struct oci_name seccomp_archs[] = {
	{ "SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64 },
	{ "SCMP_ARCH_ARM", SCMP_ARCH_ARM },
	{ "SCMP_ARCH_LOONGARCH64", AUDIT_ARCH_LOONGARCH64 },
	{ "SCMP_ARCH_M68K", AUDIT_ARCH_M68K },
	{ "SCMP_ARCH_MIPS", SCMP_ARCH_MIPS },
	{ "SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64 },
	{ "SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32 },
	{ "SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL },
	{ "SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64 },
	{ "SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32 },
	{ "SCMP_ARCH_PARISC", SCMP_ARCH_PARISC },
	{ "SCMP_ARCH_PARISC64", SCMP_ARCH_PARISC64 },
	{ "SCMP_ARCH_PPC", SCMP_ARCH_PPC },
	{ "SCMP_ARCH_PPC64", SCMP_ARCH_PPC64 },
	{ "SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE },
	{ "SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64 },
	{ "SCMP_ARCH_S390", SCMP_ARCH_S390 },
	{ "SCMP_ARCH_S390X", SCMP_ARCH_S390X },
	{ "SCMP_ARCH_SH", AUDIT_ARCH_SHEL },
	{ "SCMP_ARCH_SHEB", AUDIT_ARCH_SH },
	{ "SCMP_ARCH_X32", SCMP_ARCH_X32 },
	{ "SCMP_ARCH_X86", SCMP_ARCH_X86 },
	{ "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64 },
};
const struct oci_names oci_names_seccomp_archs = NAMES(seccomp_archs);

static const struct oci_name seccomp_flags[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
};
const struct oci_names oci_names_seccomp_flags = NAMES(seccomp_flags);

static const struct oci_name hooks[] = {
	{ "prestart", JOEY_HOOK_PRESTART },
	{ "createRuntime", JOEY_HOOK_CREATE_RUNTIME },
	{ "createContainer", JOEY_HOOK_CREATE_CONTAINER },
	{ "startContainer", JOEY_HOOK_START_CONTAINER },
	{ "poststart", JOEY_HOOK_POSTSTART },
	{ "poststop", JOEY_HOOK_POSTSTOP },
};
const struct oci_names oci_names_hooks = NAMES(hooks);

static const struct oci_name image_formats[] = {
	{ "raw", 0 }, { "qcow2", 1 }, { "vdi", 2 }, { "vmdk", 3 }, { "vhd", 4 },
};
const struct oci_names oci_names_image_formats = NAMES(image_formats);

const struct oci_names *const oci_names_all[] = {
	&oci_names_namespaces,    &oci_names_rlimits,         &oci_names_sched_policies,    &oci_names_sched_flags,
	&oci_names_io_classes,    &oci_names_propagations,    &oci_names_mpol_modes,        &oci_names_mpol_flags,
	&oci_names_personalities, &oci_names_seccomp_actions, &oci_names_seccomp_operators, &oci_names_seccomp_archs,
	&oci_names_seccomp_flags, &oci_names_hooks,           &oci_names_image_formats,     NULL,
};

bool oci_name_lookup(const struct oci_names *names, const char *name, uint64_t *ret)
{
	for (size_t i = 0; i < names->n; i++) {
		if (strcmp(names->v[i].name, name) != 0)
			continue;
		*ret = names->v[i].value;
		return true;
	}
	return false;
}

const char *oci_name_of(const struct oci_names *names, uint64_t value)
{
	for (size_t i = 0; i < names->n; i++)
		if (names->v[i].value == value)
			return names->v[i].name;
	return NULL;
}

const char *joey_hook_kind_to_string(enum joey_hook_kind kind)
{
	return oci_name_of(&oci_names_hooks, kind);
}
