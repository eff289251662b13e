/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers and events from the guest.  Its answer is a document of the form that `joey events` prints; what is taken out
 * of it are numbers by name, nothing else: whatever the guest says, the host's line has the form that engines know.
 */
#include <poll.h>
#include <string.h>

#include "joey/json.h"
#include "sandbox/sandbox-internal.h"

enum { CPUS_MAX = 1024, RAW_MAX = 256, IO_MAX = 256, RAW_NAME_MAX = 64 };

static const struct joey_json *at(const struct joey_json *j, const char *a, const char *b, const char *c)
{
	j = joey_json_get(j, a);
	if (b)
		j = joey_json_get(j, b);
	return c ? joey_json_get(j, c) : j;
}

static const struct {
	const char *path[4];
	size_t offset;
} numbers[] = {
#define N(a, b, c, d, member)                                       \
	{                                                           \
		{ a, b, c, d }, offsetof(struct joey_stats, member) \
	}
	N("cpu", "usage", NULL, "total", cpu.total),
	N("cpu", "usage", NULL, "kernel", cpu.kernel),
	N("cpu", "usage", NULL, "user", cpu.user),
	N("cpu", "throttling", NULL, "periods", cpu.periods),
	N("cpu", "throttling", NULL, "throttledPeriods", cpu.throttled_periods),
	N("cpu", "throttling", NULL, "throttledTime", cpu.throttled_time),
	N("memory", NULL, NULL, "cache", memory.cache),
	N("memory", "usage", NULL, "limit", memory.use.limit),
	N("memory", "usage", NULL, "usage", memory.use.usage),
	N("memory", "usage", NULL, "max", memory.use.max),
	N("memory", "swap", NULL, "limit", memory.swap.limit),
	N("memory", "swap", NULL, "usage", memory.swap.usage),
	N("memory", "swap", NULL, "max", memory.swap.max),
	N("pids", NULL, NULL, "current", pids.current),
	N("pids", NULL, NULL, "limit", pids.limit),
#undef N
};

/* A number with two digits behind the point, as hundredths. */
static uint32_t average(const struct joey_json *line, const char *key)
{
	const struct joey_json *j = joey_json_get(line, key);
	char digits[24];
	size_t n = 0;
	uint32_t v;

	if (!j || j->type != JOEY_JSON_NUMBER)
		return 0;
	for (const char *p = j->u.text; *p && n < sizeof(digits) - 1; p++)
		if (*p != '.')
			digits[n++] = *p;
	digits[n] = '\0';
	return joey_parse_u32(digits, &v) < 0 ? 0 : v;
}

static void psi_line(const struct joey_json *line, struct joey_psi_line *ret)
{
	ret->avg10 = average(line, "avg10");
	ret->avg60 = average(line, "avg60");
	ret->avg300 = average(line, "avg300");
	(void)joey_json_get_u64(line, "total", &ret->total);
}

static void psi(const struct joey_json *of, struct joey_psi *ret)
{
	const struct joey_json *j = joey_json_get(of, "psi");

	if (!j)
		return;
	ret->set = true;
	psi_line(joey_json_get(j, "some"), &ret->some);
	psi_line(joey_json_get(j, "full"), &ret->full);
}

static int number_list(struct joey_arena *a, const struct joey_json *j, struct joey_number_list *ret)
{
	size_t n = j && j->type == JOEY_JSON_ARRAY ? j->u.array.n : 0;

	if (n == 0 || n > CPUS_MAX)
		return 0;
	ret->v = joey_arena_array(a, n, sizeof(*ret->v));
	if (!ret->v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct joey_json *v = j->u.array.v[i];
		uint32_t number;

		if (v->type == JOEY_JSON_NUMBER && joey_parse_u32(v->u.text, &number) == 0 && number <= UINT16_MAX)
			ret->v[ret->n++] = (uint16_t)number;
	}
	return 0;
}

static bool is_plain(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= RAW_NAME_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

static int raw_values(struct joey_arena *a, const struct joey_json *j, struct joey_stats *s)
{
	size_t n = j && j->type == JOEY_JSON_OBJECT ? j->u.object.n : 0;

	if (n == 0 || n > RAW_MAX)
		return 0;
	s->memory.raw = joey_arena_array(a, n, sizeof(*s->memory.raw));
	if (!s->memory.raw)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct joey_named_value *v = &s->memory.raw[s->memory.n_raw];

		if (!is_plain(j->u.object.keys[i]) || joey_json_get_u64(j, j->u.object.keys[i], &v->value) < 0)
			continue;
		v->name = joey_arena_strdup(a, j->u.object.keys[i]);
		if (!v->name)
			return -ENOMEM;
		s->memory.n_raw++;
	}
	return 0;
}

static int take(const char *text, size_t len, struct joey_arena *arena, struct joey_stats *ret, struct joey_err *err)
{
	struct joey_json *j = NULL;
	const struct joey_json *data;
	int r = joey_json_parse(text, len, JOEY_WIRE_PAYLOAD_MAX, arena, &j, err);

	if (r < 0)
		return joey_err_wrap(err, "the guest's statistics");
	data = joey_json_get(j, "data");
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(numbers); i++) {
		const char *const *p = numbers[i].path;

		(void)joey_json_get_u64(at(data, p[0], p[1], p[2]), p[3],
					(uint64_t *)((char *)ret + numbers[i].offset));
	}
	psi(joey_json_get(data, "cpu"), &ret->cpu.psi);
	psi(joey_json_get(data, "memory"), &ret->memory.psi);
	psi(joey_json_get(data, "blkio"), &ret->io_psi);
	r = number_list(arena, at(data, "cpuset", "cpus", NULL), &ret->cpus);
	if (r == 0)
		r = number_list(arena, at(data, "cpuset", "mems", NULL), &ret->mems);
	if (r == 0)
		r = raw_values(arena, at(data, "memory", "raw", NULL), ret);
	return r < 0 ? joey_err_sys(err, r, "read the guest's statistics") : 0;
}

/* Whoever asks while it ends hears of the end, not of what the machine's end looks like. */
static bool has_ended(const struct joey_container *c)
{
	enum { LAST_MS = 1000 };
	autoclose int pidfd = joey_init_pidfd(&c->state);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return pidfd < 0 || poll(&p, 1, LAST_MS) > 0;
}

int vm_stats(struct joey_container *c, struct joey_arena *arena, struct joey_stats *ret, struct joey_err *err)
{
	autofree uint8_t *text = NULL;
	size_t len = 0;
	int r = link_ask_once(c, JOEY_WIRE_STATS, NULL, &text, &len, err);

	*ret = (struct joey_stats){ .pids.current = 0 };
	if (r < 0 && has_ended(c)) {
		joey_err_clear(err);
		return joey_err_set(err, JOEY_EK_STATE, ESRCH, "container not running");
	}
	return r < 0 ? r : take((const char *)text, len, arena, ret, err);
}

/* ---- events ----------------------------------------------------------------------------------------------------- */

struct watch {
	struct vm_link link;
	struct joey_state init;
};

static unsigned watch_take(struct joey_watch *w)
{
	struct watch *x = w->source;
	struct joey_frame f;
	unsigned seen = 0;
	uint32_t v;
	int r;

	do
		r = joey_wire_read(&x->link.cl.in, x->link.cl.sock);
	while (r == 0);
	while (joey_wire_next(&x->link.cl.in, &f) > 0)
		if (f.type == JOEY_WIRE_EVENT && joey_frame_u32(&f, &v) == 0)
			seen |= v & JOEY_EVENT_OOM;
	if (r != -EAGAIN || !joey_init_is_alive(&x->init))
		seen |= JOEY_EVENT_EMPTY;
	return seen;
}

static void watch_done(struct joey_watch *w)
{
	struct watch *x = w->source;

	link_done(&x->link);
	free(x);
	w->source = NULL;
	w->fd = -EBADF;
}

int vm_watch(struct joey_container *c, struct joey_watch *ret, struct joey_err *err)
{
	struct watch *x = calloc(1, sizeof(*x));
	struct joey_watch w = { .fd = -EBADF, .source = x, .take = watch_take, .done = watch_done };
	int r;

	if (!x)
		return joey_err_sys(err, ENOMEM, "watch container %s", c->id);
	x->link = (struct vm_link)VM_LINK_INIT;
	x->init = (struct joey_state){ .pid = c->state.pid, .pid_start = c->state.pid_start };
	r = link_open(&x->link, c, err);
	if (r == 0)
		r = link_ask(&x->link, JOEY_WIRE_WATCH, NULL, VM_ANSWER_MS, NULL, NULL, err);
	if (r < 0) {
		watch_done(&w);
		return r;
	}
	w.fd = x->link.cl.sock;
	*ret = w;
	return 0;
}
