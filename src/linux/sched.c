/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the kernel is to run the payload: scheduling policy, I/O priority, memory policy, execution domain, CPU
 * affinity.  All are inherited across execve(2) and set before the privilege they need is dropped.
 */
#include <limits.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/syscall.h>

#include "joey/syscalls.h"
#include "linux/linux-internal.h"

#define BITS_PER_LONG (CHAR_BIT * sizeof(unsigned long))

enum {
	CPUS_MAX = 8192, /* NR_CPUS of the largest distribution kernels */
	NODES_MAX = 1024,
};

/* sched_setattr(2), first version of the struct; glibc declares it since 2.41 only */
struct sched_attr_v0 {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

bool wants_scheduler(const struct joey_setup *s)
{
	return s->process->scheduler != NULL;
}

int step_scheduler(struct joey_setup *s, struct joey_err *err)
{
	const struct joey_scheduler *c = s->process->scheduler;
	const struct sched_attr_v0 attr = {
		.size = sizeof(attr),
		.policy = c->policy,
		.flags = c->flags,
		.nice = c->nice,
		.priority = (uint32_t)c->priority,
		.runtime = c->runtime,
		.deadline = c->deadline,
		.period = c->period,
	};

	if (syscall(SYS_sched_setattr, 0, &attr, 0) == 0)
		return 0;
	if (errno == EPERM && s->config->resources && s->config->resources->cpu.cpus)
		return joey_err_set(err, JOEY_EK_CONFIG, EPERM,
				    "process scheduler can't be used together with AllowedCPUs");
	return joey_err_sys(err, errno, "set scheduler policy %u", c->policy);
}

bool wants_io_priority(const struct joey_setup *s)
{
	return s->process->io_priority != NULL;
}

int step_io_priority(struct joey_setup *s, struct joey_err *err)
{
	const struct joey_io_priority *p = s->process->io_priority;

	/* ioprio_set(2): IOPRIO_WHO_PROCESS 1, class above bit 13 */
	if (syscall(SYS_ioprio_set, 1, 0, p->class << 13 | p->priority) == 0)
		return 0;
	return joey_err_sys(err, errno, "set I/O priority %d of class %d", p->priority, p->class);
}

bool wants_personality(const struct joey_setup *s)
{
	return s->config->personality.set;
}

int step_personality(struct joey_setup *s, struct joey_err *err)
{
	if (personality((unsigned long)s->config->personality.v) < 0)
		return joey_err_sys(err, errno, "set personality 0x%llx", (unsigned long long)s->config->personality.v);
	return 0;
}

static int parse_number(const char **p, unsigned *ret)
{
	const char *c = *p;
	unsigned v = 0;

	if (*c < '0' || *c > '9')
		return -EINVAL;
	for (; *c >= '0' && *c <= '9'; c++)
		if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (unsigned)(*c - '0'), &v))
			return -ERANGE;
	*p = c;
	*ret = v;
	return 0;
}

int bitlist_parse(const char *text, unsigned long *map, unsigned n_bits, unsigned *ret_top)
{
	const char *p = text;
	unsigned top = 0;

	for (;; p++) {
		unsigned first, last;
		int r = parse_number(&p, &first);

		if (r < 0)
			return r;
		last = first;
		if (*p == '-') {
			p++;
			r = parse_number(&p, &last);
			if (r < 0)
				return r;
		}
		if (last < first)
			return -EINVAL;
		if (last >= n_bits)
			return -ERANGE;
		for (unsigned i = first; i <= last; i++)
			map[i / BITS_PER_LONG] |= 1UL << (i % BITS_PER_LONG);
		top = last + 1 > top ? last + 1 : top;
		if (!*p)
			break;
		if (*p != ',')
			return -EINVAL;
	}
	*ret_top = top;
	return 0;
}

bool wants_memory_policy(const struct joey_setup *s)
{
	return s->config->memory_policy != NULL;
}

int step_memory_policy(struct joey_setup *s, struct joey_err *err)
{
	const struct joey_memory_policy *m = s->config->memory_policy;
	const char *nodes = m->nodes ? m->nodes : "";
	unsigned long map[NODES_MAX / BITS_PER_LONG] = { 0 };
	unsigned long *mask = NULL;
	unsigned long n_bits = 0;
	unsigned top = 0;

	if (*nodes) {
		int r = bitlist_parse(nodes, map, NODES_MAX, &top);

		if (r < 0)
			return joey_err_set(err, JOEY_EK_CONFIG, r, "linux.memoryPolicy.nodes: invalid list \"%s\"",
					    nodes);
		mask = map;
		n_bits = top + 1UL; /* the kernel takes one off (mm/mempolicy.c, get_nodes) */
	}
	if (syscall(SYS_set_mempolicy, (int)((unsigned)m->mode | m->flags), mask, n_bits) == 0)
		return 0;
	return joey_err_sys(err, errno, "set memory policy %d for nodes \"%s\"", m->mode, nodes);
}

int joey_cpu_affinity_apply(pid_t pid, const char *cpus, struct joey_err *err)
{
	unsigned long map[CPUS_MAX / BITS_PER_LONG];
	unsigned top;

	memset(map, cpus ? 0 : 0xff, sizeof(map));
	if (cpus) {
		int r = bitlist_parse(cpus, map, CPUS_MAX, &top);

		if (r < 0)
			return joey_err_set(err, JOEY_EK_CONFIG, r, "invalid CPU list \"%s\"", cpus);
	}
	if (syscall(SYS_sched_setaffinity, pid, sizeof(map), map) == 0)
		return 0;
	return joey_err_sys(err, errno, "set CPU affinity \"%s\" of process %d", cpus ? cpus : "all", (int)pid);
}
