/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events: one JSON object a line.  A sample each interval, and each out-of-memory kill when it happens, until the
 * container is empty.  No lock; the container is not touched.
 */
#include <poll.h>

#include "runtime/runtime-internal.h"

enum { LOOK_MS = 5000 }; /* a lost wake-up delays the end by no more */

struct events {
	struct rt_target t;
	const struct joey_events_opts *o;
	struct joey_watch watch;
};

static int say(const struct events *e, const struct joey_stats *stats, const char *type, struct joey_err *err)
{
	autofree char *line = NULL;
	int r = rt_event_line(e->o->id, type, stats, &line, err);

	return r < 0 ? r : e->o->line(e->o->arg, line, err);
}

static int sample(struct events *e, struct joey_err *err)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct joey_stats s;
	int r = e->t.be->stats(e->t.c, &arena, &s, err);

	if (r == 0)
		r = say(e, &s, "stats", err);
	joey_arena_done(&arena);
	return r;
}

/* 0: the deadline or an event. */
static int wait_until(const struct events *e, uint64_t deadline, struct joey_err *err)
{
	struct pollfd p = { .fd = e->watch.fd, .events = POLLIN };
	uint64_t now = joey_now_ms(), left = now < deadline ? deadline - now : 0;

	if (poll(&p, 1, left < LOOK_MS ? (int)left : LOOK_MS) < 0 && errno != EINTR)
		return joey_err_sys(err, errno, "wait for events of container %s", e->o->id);
	return 0;
}

static int follow(struct events *e, struct joey_err *err)
{
	uint64_t next = joey_now_ms() + e->o->interval_ms;

	for (;;) {
		autoerr struct joey_err sub = JOEY_ERR_INIT;
		unsigned seen;
		int r = wait_until(e, next, err);

		if (r < 0)
			return r;
		seen = e->watch.take(&e->watch);
		if (seen & JOEY_EVENT_OOM) {
			r = say(e, NULL, "oom", err);
			if (r < 0)
				return r;
		}
		if (seen & JOEY_EVENT_EMPTY)
			return 0;
		if (joey_now_ms() < next)
			continue;
		next = joey_now_ms() + e->o->interval_ms;
		r = sample(e, &sub);
		if (r < 0 && sub.kind == JOEY_EK_STATE) /* gone since take() */
			return 0;
		if (r < 0)
			return rt_err_move(err, &sub);
	}
}

static int find(struct events *e, const struct joey_runtime *rt, struct joey_err *err)
{
	struct joey_query q;
	int r = rt_target_find(&e->t, rt, e->o->id, err);

	if (r == 0)
		r = rt_target_load(&e->t, false, err);
	if (r == 0)
		r = rt_status(&e->t, &q, err);
	if (r == 0)
		r = joey_op_check(JOEY_OP_EVENTS, q.status, e->o->id, err);
	if (r == 0 && (!e->t.be->stats || !e->t.be->watch))
		r = rt_unsupported(&e->t, "events", err);
	return r;
}

int joey_rt_events(const struct joey_runtime *rt, const struct joey_events_opts *o, struct joey_err *err)
{
	struct events e = { .t = RT_TARGET_INIT, .o = o, .watch = { .fd = -EBADF } };
	int r = find(&e, rt, err);

	if (r == 0 && o->once)
		r = sample(&e, err);
	else if (r == 0)
		r = e.t.be->watch(e.t.c, &e.watch, err);
	if (r == 0 && !o->once)
		r = follow(&e, err);
	if (e.watch.done)
		e.watch.done(&e.watch);
	rt_target_done(&e.t);
	return r;
}
