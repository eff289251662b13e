/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HELLO: what makes one guest of a template differ from the others, before anything of a workload exists.  Order:
 * random generator, clock, names.
 */
#include <fcntl.h>
#include <linux/random.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <time.h>

#include "agent/agent-internal.h"
#include "joey/json.h"

#ifndef RNDRESEEDCRNG
#define RNDRESEEDCRNG _IO('R', 0x07)
#endif

#define NS ((uint64_t)1000000000)

static uint64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int unhex(const char *text, uint8_t *ret, size_t n)
{
	if (!text || strlen(text) != 2 * n)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

int agent_hello_parse(const struct joey_frame *f, struct agent_hello *ret, struct joey_err *err)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	const char *host, *machine;
	struct joey_json *json;
	uint64_t version = 0;
	uint8_t raw[16];
	int r = joey_json_parse((const char *)f->data, f->len, JOEY_WIRE_PAYLOAD_MAX, &arena, &json, err);

	if (r < 0)
		goto out;
	r = joey_json_get_u64(json, "version", &version);
	if (r < 0 || version != JOEY_WIRE_VERSION) {
		r = joey_err_set(err, JOEY_EK_UNSUPPORTED, EPROTONOSUPPORT,
				 "the guest speaks version %d of the protocol, not %llu", JOEY_WIRE_VERSION,
				 (unsigned long long)version);
		goto out;
	}
	host = joey_json_get_string(json, "hostname");
	machine = joey_json_get_string(json, "machineId");
	if (unhex(joey_json_get_string(json, "entropy"), ret->entropy, sizeof(ret->entropy)) < 0 ||
	    unhex(machine, raw, sizeof(raw)) < 0 || joey_json_get_u64(json, "time", &ret->time) < 0 || !host) {
		r = joey_err_set(err, JOEY_EK_OTHER, EINVAL, "malformed HELLO");
		goto out;
	}
	snprintf(ret->hostname, sizeof(ret->hostname), "%s", host);
	snprintf(ret->machine_id, sizeof(ret->machine_id), "%s", machine);
out:
	joey_arena_done(&arena);
	return r;
}

static int seed(const uint8_t *bytes, size_t n, struct joey_err *err)
{
	const int head[2] = { 8 * (int)n, (int)n }; /* struct rand_pool_info: entropy_count, buf_size, buf[] */
	int pool[2 + 16];
	autoclose int fd = open("/dev/random", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return joey_err_sys(err, errno, "open /dev/random");
	memcpy(pool, head, sizeof(head));
	memcpy(pool + 2, bytes, n < sizeof(pool) - sizeof(head) ? n : sizeof(pool) - sizeof(head));
	if (ioctl(fd, RNDADDENTROPY, pool) < 0)
		return joey_err_sys(err, errno, "seed the random generator");
	/* Until now its state is that of every other guest of the template. */
	if (ioctl(fd, RNDRESEEDCRNG) < 0)
		return joey_err_sys(err, errno, "reseed the random generator");
	explicit_bzero(pool, sizeof(pool));
	return 0;
}

static int become(const struct agent_hello *h, struct joey_err *err)
{
	struct timespec now = { .tv_sec = (time_t)(h->time / NS), .tv_nsec = (long)(h->time % NS) };
	int r = seed(h->entropy, sizeof(h->entropy), err);

	if (r < 0)
		return r;
	/* It has been on the way since before the machine was restored: CLOCK is exact. */
	if (clock_settime(CLOCK_REALTIME, &now) < 0)
		return joey_err_sys(err, errno, "set the clock");
	if (sethostname(h->hostname, strlen(h->hostname)) < 0)
		return joey_err_sys(err, errno, "set the host name");
	return 0;
}

static int keep_machine_id(const struct agent *a, const struct agent_hello *h, struct joey_err *err)
{
	char path[300], line[40];
	autoclose int fd = -EBADF;
	int n = snprintf(line, sizeof(line), "%s\n", h->machine_id);

	if (a->test)
		snprintf(path, sizeof(path), "%s/machine-id", a->dir);
	else
		snprintf(path, sizeof(path), "/run/machine-id");
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0444);
	if (fd < 0)
		return joey_err_sys(err, errno, "make %s", path);
	return joey_write_all(fd, line, (size_t)n) < 0 ? joey_err_sys(err, EIO, "write %s", path) : 0;
}

/* A question to the host that is put at once; what is behind it in the channel waits less. */
static void ask_for_time(struct agent *a)
{
	a->clocked = a->test || joey_wire_put(&a->ctl.out, JOEY_WIRE_CLOCK, 0, 0, NULL, 0) < 0;
	a->asked_at = monotonic_ns();
	a->clock_asked++;
}

/* What the host has read of its clock lies between question and answer, wherever: the middle is off by half of that at
 * most.  A busy host is asked again; the best answer counts. */
int agent_clock(struct agent *a, const struct joey_frame *f)
{
	uint64_t took = monotonic_ns() - a->asked_at, now;
	struct timespec t;

	if (f->len != 8 || a->clocked)
		return -EPROTO;
	if (a->clock_asked == 1 || took < a->clock_doubt) {
		now = joey_wire_get64(f->data) + took / 2;
		t = (struct timespec){ .tv_sec = (time_t)(now / NS), .tv_nsec = (long)(now % NS) };
		if (clock_settime(CLOCK_REALTIME, &t) < 0)
			return -EPROTO;
		a->clock_doubt = took;
	}
	a->clocked = a->clock_doubt <= AGENT_CLOCK_NS || a->clock_asked >= AGENT_CLOCK_TRIES;
	if (!a->clocked)
		ask_for_time(a);
	return 0;
}

int agent_hello(struct agent *a, const struct joey_frame *f, struct joey_err *err)
{
	uint8_t answer[4 + sizeof(((struct utsname *)0)->release)];
	struct agent_hello h;
	struct utsname uts;
	int r = agent_hello_parse(f, &h, err);

	if (r == 0 && !a->test)
		r = become(&h, err);
	if (r == 0)
		r = keep_machine_id(a, &h, err);
	explicit_bzero(h.entropy, sizeof(h.entropy));
	if (r < 0)
		return r;
	a->greeted = true;
	a->clock_asked = 0;
	ask_for_time(a);
	(void)uname(&uts);
	joey_wire_put32(answer, JOEY_WIRE_VERSION);
	memcpy(answer + 4, uts.release, strlen(uts.release));
	agent_reply(a, f->id, NULL, answer, 4 + strlen(uts.release));
	return 0;
}
