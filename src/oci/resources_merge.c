/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources of an update over those that hold.  What a number means is src/cgroups' business; here is only which
 * of two values counts, and which values mean something only together.
 */
#include <string.h>

#include "joey/oci.h"

/* ---- single values ------------------------------------------------------------------------------------------- */

enum kind { K_I64, K_U64, K_U32, K_BOOL };

static const struct {
	enum kind kind;
	size_t offset;
	bool zero_counts;
} values[] = {
	{ K_I64, offsetof(struct joey_resources, memory.limit), false },
	{ K_I64, offsetof(struct joey_resources, memory.reservation), false },
	{ K_I64, offsetof(struct joey_resources, memory.swap), false },
	{ K_I64, offsetof(struct joey_resources, memory.kernel), false },
	{ K_I64, offsetof(struct joey_resources, memory.kernel_tcp), false },
	{ K_U64, offsetof(struct joey_resources, memory.swappiness), false },
	{ K_BOOL, offsetof(struct joey_resources, memory.disable_oom_killer), false },
	{ K_BOOL, offsetof(struct joey_resources, memory.use_hierarchy), false },
	{ K_BOOL, offsetof(struct joey_resources, memory.check_before_update), false },
	{ K_U64, offsetof(struct joey_resources, cpu.shares), false },
	{ K_U64, offsetof(struct joey_resources, cpu.burst), true },
	{ K_U64, offsetof(struct joey_resources, cpu.period), false },
	{ K_U64, offsetof(struct joey_resources, cpu.realtime_period), false },
	{ K_I64, offsetof(struct joey_resources, cpu.quota), false },
	{ K_I64, offsetof(struct joey_resources, cpu.realtime_runtime), false },
	{ K_I64, offsetof(struct joey_resources, cpu.idle), true },
	{ K_I64, offsetof(struct joey_resources, pids_limit), true },
	{ K_U32, offsetof(struct joey_resources, block_io.weight), false },
	{ K_U32, offsetof(struct joey_resources, block_io.leaf_weight), false },
	{ K_U32, offsetof(struct joey_resources, network.class_id), false },
};

#define TAKE(type)                                                                    \
	do {                                                                          \
		const type *a = (const void *)((const char *)ask + values[i].offset); \
		if (a->set && (a->v != 0 || values[i].zero_counts)) {                 \
			*(type *)(void *)((char *)merged + values[i].offset) = *a;    \
			*(type *)(void *)((char *)apply + values[i].offset) = *a;     \
		}                                                                     \
	} while (0)

static void merge_values(const struct joey_resources *ask, struct joey_resources *merged, struct joey_resources *apply)
{
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(values); i++) {
		switch (values[i].kind) {
		case K_I64:
			TAKE(struct joey_opt_i64);
			break;
		case K_U64:
			TAKE(struct joey_opt_u64);
			break;
		case K_U32:
			TAKE(struct joey_opt_u32);
			break;
		case K_BOOL:
			TAKE(struct joey_opt_bool);
			break;
		}
	}
	if (ask->cpu.cpus && *ask->cpu.cpus)
		merged->cpu.cpus = apply->cpu.cpus = ask->cpu.cpus;
	if (ask->cpu.mems && *ask->cpu.mems)
		merged->cpu.mems = apply->cpu.mems = ask->cpu.mems;
	apply->network.n_priorities = ask->network.n_priorities;
	/* Each update asks for itself. */
	merged->memory.check_before_update = (struct joey_opt_bool){ 0 };
}

static void complete_pairs(struct joey_resources *merged, struct joey_resources *apply)
{
	if (apply->memory.limit.set && apply->memory.limit.v == -1 && !apply->memory.swap.set)
		merged->memory.swap = (struct joey_opt_i64){ true, -1 };
	/* The limit of memory and swap is made of both. */
	if (apply->memory.limit.set || apply->memory.swap.set) {
		apply->memory.limit = merged->memory.limit;
		apply->memory.swap = merged->memory.swap;
	}
	/* One file holds both. */
	if (apply->cpu.quota.set || apply->cpu.period.set) {
		apply->cpu.quota = merged->cpu.quota;
		apply->cpu.period = merged->cpu.period;
	}
	/* An idle cgroup takes no weight, and one that is idle no more has the default one. */
	if (apply->cpu.idle.set || apply->cpu.shares.set) {
		apply->cpu.idle = merged->cpu.idle;
		apply->cpu.shares = merged->cpu.shares;
	}
}

/* ---- lists: an element replaces the one of the same name -------------------------------------------------------- */

typedef bool (*same_fn)(const void *a, const void *b);

static bool same_weight_device(const void *a, const void *b)
{
	const struct joey_weight_device *x = a, *y = b;

	return x->major == y->major && x->minor == y->minor;
}

static bool same_throttle(const void *a, const void *b)
{
	const struct joey_throttle *x = a, *y = b;

	return x->major == y->major && x->minor == y->minor;
}

static bool same_hugepage(const void *a, const void *b)
{
	const struct joey_hugepage_limit *x = a, *y = b;

	return joey_streq(x->page_size, y->page_size);
}

static bool same_rdma(const void *a, const void *b)
{
	const struct joey_rdma *x = a, *y = b;

	return joey_streq(x->device, y->device);
}

static bool same_pair(const void *a, const void *b)
{
	const struct joey_pair *x = a, *y = b;

	return joey_streq(x->key, y->key);
}

/* *list holds n elements of have on entry, and everything afterwards. */
static int merge_list(struct joey_arena *arena, void *list, size_t *n, const void *ask, size_t n_ask, size_t size,
		      same_fn same)
{
	char *have, *v;
	size_t total, at;

	if (n_ask == 0)
		return 0;
	if (__builtin_add_overflow(*n, n_ask, &total))
		return -ENOMEM;
	memcpy(&have, list, sizeof(have));
	v = joey_arena_array(arena, total, size);
	if (!v)
		return -ENOMEM;
	if (*n > 0)
		memcpy(v, have, *n * size);
	for (size_t i = 0; i < n_ask; i++) {
		const char *element = (const char *)ask + i * size;

		for (at = 0; at < *n && !same(v + at * size, element); at++)
			;
		memcpy(v + at * size, element, size);
		if (at == *n)
			(*n)++;
	}
	memcpy(list, &v, sizeof(v));
	return 0;
}

#define MERGE(member, count, same_as) \
	merge_list(arena, &to->member, &to->count, ask->member, ask->count, sizeof(*to->member), same_as)

static int merge_lists(struct joey_arena *arena, const struct joey_resources *ask, struct joey_resources *to)
{
	int r = MERGE(block_io.weight_device, block_io.n_weight_device, same_weight_device);

	if (r == 0)
		r = MERGE(block_io.read_bps.v, block_io.read_bps.n, same_throttle);
	if (r == 0)
		r = MERGE(block_io.write_bps.v, block_io.write_bps.n, same_throttle);
	if (r == 0)
		r = MERGE(block_io.read_iops.v, block_io.read_iops.n, same_throttle);
	if (r == 0)
		r = MERGE(block_io.write_iops.v, block_io.write_iops.n, same_throttle);
	if (r == 0)
		r = MERGE(hugepage, n_hugepage, same_hugepage);
	if (r == 0)
		r = MERGE(rdma, n_rdma, same_rdma);
	if (r == 0)
		r = MERGE(unified.v, unified.n, same_pair);
	return r;
}

int joey_resources_merge(struct joey_arena *arena, const struct joey_resources *have, const struct joey_resources *ask,
			 struct joey_resources *ret_merged, struct joey_resources *ret_apply, struct joey_err *err)
{
	struct joey_resources merged = *have, apply = { 0 };
	int r;

	merge_values(ask, &merged, &apply);
	complete_pairs(&merged, &apply);
	r = merge_lists(arena, ask, &merged);
	if (r == 0)
		r = merge_lists(arena, ask, &apply);
	if (r < 0)
		return joey_err_sys(err, -r, "merge resources");
	*ret_merged = merged;
	*ret_apply = apply;
	return 0;
}
