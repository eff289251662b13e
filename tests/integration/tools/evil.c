/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of a guest that has gone over to the enemy (tests/integration/sandbox_evil.bats).  It says `ready`,
 * so that a template can be made, and when HELLO comes the host name in it says what to do: what is behind its last
 * '-'.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BLOB = 64, REPLY, DATA = 96, END, CREDIT, EXIT = 130, EVENT, LOG, HEADER = 12, MAX = 65536 };

static int ctl = -1, io = -1;
static uint8_t frame[HEADER + MAX];
static char mode[64];

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static int all(int fd, const void *data, size_t n)
{
	for (const char *p = data; n > 0;) {
		ssize_t w = write(fd, p, n);
		if (w <= 0)
			return -1;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

static int put(int fd, uint32_t len, unsigned type, unsigned stream, uint32_t id, const void *data, size_t n)
{
	uint8_t h[HEADER];
	put32(h, len);
	put32(h + 4, type | stream << 16);
	put32(h + 8, id);
	return all(fd, h, sizeof h) < 0 ? -1 : all(fd, data, n);
}

static void reply(uint32_t id, const void *data, uint32_t n)
{
	uint8_t b[4096] = { 0 };
	memcpy(b + 8, data, n);
	put(ctl, n + 8, REPLY, 0, id, b, n + 8);
}

static void forever(void)
{
	for (;;)
		sleep(1000);
}

static void flood(int fd, unsigned type, unsigned stream, uint32_t id, uint32_t n)
{
	static const char zero[MAX];
	while (put(fd, n, type, stream, id, zero, n) == 0)
		;
	forever();
}

static void die(void)
{
	reboot(RB_AUTOBOOT);
	forever();
}

static int is(const char *m)
{
	return !strcmp(mode, m);
}

/* What comes right after the greeting. */
static void misbehave(void)
{
	if (is("silent"))
		forever();
	if (is("floodlog"))
		flood(ctl, LOG, 0, 0, MAX);
	if (is("floodevent"))
		flood(ctl, EVENT, 0, 1, 4);
	if (is("floodio"))
		flood(io, CREDIT, 0, 4711, 4);
	if (is("credit"))
		flood(io, DATA, 1, 1, 32768);
	if (is("huge")) {
		put(ctl, 0x7fffffff, REPLY, 0, 1, "x", 1);
		forever();
	}
	if (is("hugeio")) {
		put(io, 0xffffffff, DATA, 1, 1, "x", 1);
		forever();
	}
	if (is("type")) {
		put(ctl, 0, 4, 0, 1, "", 0);
		forever();
	}
	if (is("staleid")) {
		reply(4711, "", 0);
		forever();
	}
	if (is("half")) {
		put(ctl, 1000, REPLY, 0, 1, "xxx", 3);
		forever();
	}
	if (is("stalehandle"))
		for (uint32_t h = 2; h < 5000; h++)
			put(io, 4, EXIT, 0, h, "\0\0\0\0", 4);
	if (is("close"))
		die();
}

/* "hostname":"...-MODE" */
static void find_mode(const uint8_t *json)
{
	const char *from = strstr((const char *)json, "\"hostname\":\""), *to, *p;

	from = from ? from + 12 : NULL;
	to = from ? strchr(from, '"') : NULL;
	p = to ? memrchr(from, '-', (size_t)(to - from)) : NULL;
	if (p)
		snprintf(mode, sizeof mode, "%.*s", (int)(to - p - 1), p + 1);
}

static void greet(const uint8_t *json, uint32_t id)
{
	static const uint8_t answer[] = { 1, 0, 0, 0, 'e', 'v', 'i', 'l' };

	find_mode(json);
	if (is("mute"))
		forever();
	reply(id, answer, sizeof answer);
	misbehave();
}

static void request(unsigned type, uint32_t id, const uint8_t *data)
{
	if (type == 1) {
		greet(data, id);
		return;
	}
	if (type == BLOB || type >= DATA)
		return;
	if (type == 4 && is("midexec"))
		die();
	if (type == 4 && is("twice")) {
		reply(id, "", 0);
		reply(id, "", 0);
		return;
	}
	if (type == 2 && is("status"))
		put(io, 4, EXIT, 0, 1, "\xff\xff\xff\xff", 4);
	if (type == 2 && is("short")) {
		put(ctl, 2, REPLY, 0, id, "\0\0", 2);
		return;
	}
	if (type == 5 && is("deaf"))
		return;
	if (type == 10 && is("lies")) {
		reply(id, "\1\0\0\0\0\0\0\0\33\0\0\0\10\0\0\0../\33[31m", 24);
		return;
	}
	if (type == 10 && is("stalehandle")) {
		reply(id, "\1\0\0\0\0\0\0\0S\0\0\0\377\377\377\377x", 17);
		return;
	}
	if (type == 9 && is("lies")) {
		reply(id,
		      "{\"data\":{\"cpu\":{\"usage\":{\"total\":-1}},\"memory\":{\"raw\":{\"../"
		      "x\":1,\"\\u001b[31m\":2}}}}",
		      84);
		return;
	}
	reply(id, "", 0);
}

static void serve(void)
{
	size_t have = 0;
	for (;;) {
		ssize_t n = read(ctl, frame + have, sizeof frame - have);
		if (n <= 0) {
			usleep(100000);
			continue;
		}
		have += (size_t)n;
		while (have >= HEADER && have >= HEADER + get32(frame)) {
			static uint8_t data[MAX + 1];
			uint32_t len = get32(frame);
			unsigned type = frame[4] | (unsigned)frame[5] << 8;
			uint32_t id = get32(frame + 8);
			memcpy(data, frame + HEADER, len);
			data[len] = 0;
			have -= HEADER + len;
			memmove(frame, frame + HEADER + len, have);
			request(type, id, data);
		}
	}
}

static void load_modules(void)
{
	char name[128], path[160];
	FILE *f = fopen("/modules/order", "re");
	while (f && fscanf(f, "%127s", name) == 1) {
		snprintf(path, sizeof path, "/modules/%s", name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		syscall(SYS_finit_module, fd, "", 0);
		close(fd);
	}
}

int main(void)
{
	mkdir("/dev", 0755);
	load_modules();
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	for (int i = 0; i < 20000 && (ctl < 0 || io < 0); i++) {
		char ports[2][32];
		for (int p = 0; p < 2; p++)
			snprintf(ports[p], sizeof ports[p], "/dev/vport%dp%d", i % 20, p + 1);
		if (ctl < 0)
			ctl = open(ports[0], O_RDWR | O_CLOEXEC);
		if (io < 0)
			io = open(ports[1], O_RDWR | O_CLOEXEC);
		usleep(500);
	}
	put(ctl, 5, LOG, 0, 0, "ready", 5);
	serve();
	return 0;
}
