/* SPDX-License-Identifier: Apache-2.0 */
/* The namespace types, one row each, indexed by enum joey_ns. The order is also the order of joining (join.c). */
#include "joey/namespace.h"
#include "joey/syscalls.h"

const struct joey_ns_info joey_ns_table[JOEY_NS_MAX] = {
	[JOEY_NS_USER] = { "user", "user", CLONE_NEWUSER },
	[JOEY_NS_PID] = { "pid", "pid", CLONE_NEWPID },
	[JOEY_NS_NET] = { "network", "net", CLONE_NEWNET },
	[JOEY_NS_MNT] = { "mount", "mnt", CLONE_NEWNS },
	[JOEY_NS_IPC] = { "ipc", "ipc", CLONE_NEWIPC },
	[JOEY_NS_UTS] = { "uts", "uts", CLONE_NEWUTS },
	[JOEY_NS_CGROUP] = { "cgroup", "cgroup", CLONE_NEWCGROUP },
	[JOEY_NS_TIME] = { "time", "time", CLONE_NEWTIME },
};

uint64_t joey_ns_new_flags(const struct joey_config *c)
{
	uint64_t flags = 0;

	for (unsigned i = 0; i < JOEY_NS_MAX; i++)
		if (joey_config_new_ns(c, (enum joey_ns)i))
			flags |= joey_ns_table[i].clone_flag;
	return flags;
}
