/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.scheduler and process.ioPriority: what sched_setattr(2) and ioprio_set(2) take, and which attribute goes
 * with which policy.
 */
#include <linux/sched.h>

#include "oci/oci-internal.h"

static int policy(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	uint64_t value;

	if (!v->u.text[0])
		return oci_fail(c, "scheduler policy is required");
	if (!oci_name_lookup(&oci_names_sched_policies, v->u.text, &value))
		return oci_fail(c, "invalid scheduler policy: %s", v->u.text);
	*(uint32_t *)field = (uint32_t)value;
	return 0;
}

static int flag(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	if (!oci_name_lookup(&oci_names_sched_flags, v->u.text, element))
		return oci_fail(c, "invalid scheduler flag: %s", v->u.text);
	return 0;
}

static int flags(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	uint64_t *list = NULL;
	size_t n = 0;
	int r = oci_array(c, v, JOEY_JSON_STRING, sizeof(uint64_t), flag, &list, &n);

	for (size_t i = 0; r == 0 && i < n; i++)
		*(uint64_t *)field |= list[i];
	return r;
}

static int check_scheduler(struct oci_ctx *c, const struct joey_scheduler *s)
{
	if (s->nice < -20 || s->nice > 19)
		return oci_fail(c, "invalid scheduler.nice: %d", (int)s->nice);
	if (s->nice != 0 && s->policy != SCHED_NORMAL && s->policy != SCHED_BATCH)
		return oci_fail(c, "scheduler.nice can only be specified for SchedOther or SchedBatch policy");
	if (s->priority != 0 && s->policy != SCHED_FIFO && s->policy != SCHED_RR)
		return oci_fail(c, "scheduler.priority can only be specified for SchedFIFO or SchedRR policy");
	if ((s->runtime || s->deadline || s->period) && s->policy != SCHED_DEADLINE)
		return oci_fail(c, "scheduler runtime/deadline/period can only be specified for SchedDeadline policy");
	return 0;
}

#define FIELD(key, type, member, parse)                                               \
	{                                                                             \
		key, JOEY_JSON_##type, offsetof(struct joey_scheduler, member), parse \
	}

int oci_scheduler(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		FIELD("policy", STRING, policy, policy),      FIELD("nice", NUMBER, nice, oci_i32),
		FIELD("priority", NUMBER, priority, oci_i32), FIELD("flags", ARRAY, flags, flags),
		FIELD("runtime", NUMBER, runtime, oci_u64),   FIELD("deadline", NUMBER, deadline, oci_u64),
		FIELD("period", NUMBER, period, oci_u64),
	};
	struct joey_scheduler *s = joey_arena_alloc(c->arena, sizeof(*s));
	int r;

	if (!s)
		return oci_nomem(c);
	if (!oci_has(v, "policy"))
		return oci_fail(c, "scheduler policy is required");
	r = OCI_OBJECT(c, v, fields, s);
	if (r == 0)
		r = check_scheduler(c, s);
	if (r == 0)
		*(struct joey_scheduler **)field = s;
	return r;
}

static int io_class(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	uint64_t value;

	if (!oci_name_lookup(&oci_names_io_classes, v->u.text, &value))
		return oci_fail(c, "invalid ioPriority.Class: \"%s\"", v->u.text);
	*(int *)field = (int)value;
	return 0;
}

static int io_level(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	int32_t value = 0;
	int r = oci_i32(c, v, &value);

	if (r < 0)
		return r;
	if (value < 0 || value > 7)
		return oci_fail(c, "invalid ioPriority.Priority: %d", (int)value);
	*(int *)field = (int)value;
	return 0;
}

int oci_io_priority(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		{ "class", JOEY_JSON_STRING, offsetof(struct joey_io_priority, class), io_class },
		{ "priority", JOEY_JSON_NUMBER, offsetof(struct joey_io_priority, priority), io_level },
	};
	struct joey_io_priority *p = joey_arena_alloc(c->arena, sizeof(*p));
	int r;

	if (!p)
		return oci_nomem(c);
	r = OCI_OBJECT(c, v, fields, p);
	if (r < 0)
		return r;
	if (p->class == 0)
		return oci_fail_at(c, "class", "invalid ioPriority.Class: \"\"");
	*(struct joey_io_priority **)field = p;
	return 0;
}
