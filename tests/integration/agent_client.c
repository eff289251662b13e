/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of joey-agent for tests: starts "joey-agent --fds" with the arguments given, and carries out commands
 * from its standard input, one a line.  Every command prints one line or more; "wait" conditions end with an error
 * after 20 s.
 *
 *   hello                              the greeting
 *   req TYPE JSON [FILE]               a request by number or name, FILE as BLOBs before it; prints the reply
 *   async TYPE JSON [FILE]             the same, without waiting for the reply
 *   send P TEXT | feed P FILE | eof P STREAM | signal P N | resize P ROWS COLS
 *   hold P STREAM | let P STREAM       withholds credit, and what came; gives it back
 *   exit P                             waits for EXIT: "exit N" or "signal N"
 *   output P STREAM TEXT               waits until the output of P contains TEXT
 *   show P STREAM | size P STREAM | sum P STREAM
 *   event P                            waits for an EVENT
 *   raw CTL-OR-IO HEX | pause MS | alive | cpu
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "joey/wire.h"

enum { PROCS = 1024, WAIT_MS = 20000 };

struct stream {
	char *data;
	size_t n, cap, owed;
	unsigned long long total;
	uint32_t sum;
	bool held, eof, keep;
};

struct proc {
	uint32_t handle;
	bool used, exited, event;
	uint32_t status, credit;
	struct stream s[3];
};

static struct proc procs[PROCS];
static struct joey_wire_in ctl_in = JOEY_WIRE_IN_INIT, io_in = JOEY_WIRE_IN_INIT;
static struct joey_wire_out ctl_out = JOEY_WIRE_OUT_INIT(16 << 20), io_out = JOEY_WIRE_OUT_INIT(16 << 20);
static int ctl = -1, io = -1;
static pid_t agent;
static uint32_t requests, replied;
static char reply[70000];
static bool closed;

static struct proc *proc(uint32_t handle)
{
	for (int i = 0; i < PROCS; i++) {
		if (!procs[i].used)
			procs[i] = (struct proc){ .handle = handle, .used = true, .credit = JOEY_WIRE_WINDOW };
		if (procs[i].handle == handle)
			return &procs[i];
	}
	fprintf(stderr, "too many processes\n");
	exit(3);
}

static void broken(const char *why)
{
	printf("broken: %s\n", why);
	exit(4);
}

static void grant(struct proc *p, unsigned stream)
{
	struct stream *s = &p->s[stream];

	if (s->held || s->eof || s->owed < JOEY_WIRE_WINDOW / 4)
		return;
	if (joey_wire_put_u32(&io_out, JOEY_WIRE_CREDIT, stream, p->handle, (uint32_t)s->owed) < 0)
		broken("too much to send");
	s->owed = 0;
}

static void take_data(struct proc *p, const struct joey_frame *f)
{
	struct stream *s = &p->s[f->stream];

	s->owed += f->len;
	s->total += f->len;
	if (s->owed > JOEY_WIRE_WINDOW)
		broken("more data than credit");
	for (uint32_t i = 0; i < f->len; i++)
		s->sum = s->sum * 31 + f->data[i];
	if (s->n < 1 << 20) {
		if (s->n + f->len + 1 > s->cap) {
			s->cap = (s->n + f->len + 1) * 2;
			s->data = realloc(s->data, s->cap);
			if (!s->data)
				exit(3);
		}
		memcpy(s->data + s->n, f->data, f->len);
		s->n += f->len;
		s->data[s->n] = '\0';
	}
	grant(p, f->stream);
}

static void take_io(const struct joey_frame *f)
{
	struct proc *p = proc(f->id);
	uint32_t v = 0;

	if (p->exited)
		broken("a frame behind EXIT");
	(void)joey_frame_u32(f, &v);
	if (f->type == JOEY_WIRE_DATA)
		take_data(p, f);
	else if (f->type == JOEY_WIRE_EOF)
		p->s[f->stream].eof = true;
	else if (f->type == JOEY_WIRE_CREDIT)
		p->credit += v;
	else if (f->type == JOEY_WIRE_EXIT) {
		p->exited = true;
		p->status = v;
	} else
		broken("unexpected frame on io");
}

/* A machine of its own asks for it; an agent on this host has the right one. */
static void tell_time(void)
{
	struct timespec t;
	uint8_t now[8];

	if (clock_gettime(CLOCK_REALTIME, &t) < 0)
		broken("no clock");
	joey_wire_put64(now, (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec);
	if (joey_wire_put(&ctl_out, JOEY_WIRE_CLOCK, 0, 0, now, sizeof(now)) < 0)
		broken("no room for the time");
}

static void take_ctl(const struct joey_frame *f)
{
	struct joey_err err = JOEY_ERR_INIT;
	const uint8_t *data;
	size_t n = 0;

	if (f->type == JOEY_WIRE_EVENT)
		proc(f->id)->event = true;
	else if (f->type == JOEY_WIRE_REPLY) {
		int r = joey_frame_reply(f, &data, &n, &err);

		if (r < 0)
			snprintf(reply, sizeof(reply), "error %s %d: %s", joey_err_kind_to_string(err.kind), -r,
				 joey_err_text(&err));
		else if (n >= 4 && n % 4 == 0 && data[3] == 0 && data[0] != '{') {
			size_t at = (size_t)snprintf(reply, sizeof(reply), "ok");

			for (size_t i = 0; i + 4 <= n && at < sizeof(reply); i += 4)
				at += (size_t)snprintf(reply + at, sizeof(reply) - at, " %u",
						       data[i] | (unsigned)data[i + 1] << 8 |
							       (unsigned)data[i + 2] << 16);
		} else
			snprintf(reply, sizeof(reply), "ok %.*s", (int)n, n ? (const char *)data : "");
		replied = f->id;
		joey_err_clear(&err);
	} else if (f->type == JOEY_WIRE_CLOCK)
		tell_time();
	else if (f->type == JOEY_WIRE_LOG)
		fprintf(stderr, "log %u: %.*s\n", f->id, (int)f->len, (const char *)f->data);
	else
		broken("unexpected frame on ctl");
}

static void read_port(struct joey_wire_in *in, int fd, void (*take)(const struct joey_frame *f))
{
	struct joey_frame f;
	int r = joey_wire_read(in, fd), n;

	while ((n = joey_wire_next(in, &f)) == 1)
		take(&f);
	if (n < 0)
		broken("a malformed frame");
	if (r == -ENODATA)
		closed = true;
}

static void turn(int ms)
{
	struct pollfd p[2] = { { .fd = ctl, .events = POLLIN }, { .fd = io, .events = POLLIN } };

	if (joey_wire_flush(&ctl_out, ctl) < 0 || joey_wire_flush(&io_out, io) < 0)
		closed = true;
	if (joey_wire_waits(&ctl_out))
		p[0].events |= POLLOUT;
	if (joey_wire_waits(&io_out))
		p[1].events |= POLLOUT;
	if (poll(p, 2, ms) <= 0)
		return;
	if (p[0].revents & ~POLLOUT)
		read_port(&ctl_in, ctl, take_ctl);
	if (p[1].revents & ~POLLOUT)
		read_port(&io_in, io, take_io);
}

static bool wait_for(bool (*done)(const void *arg), const void *arg)
{
	uint64_t until = joey_now_ms() + WAIT_MS;

	while (!done(arg)) {
		if (closed || joey_now_ms() > until)
			return false;
		turn(50);
	}
	return true;
}

static bool have_reply(const void *arg)
{
	(void)arg;
	return replied == requests;
}

static bool have_exit(const void *arg)
{
	return ((const struct proc *)arg)->exited;
}

static bool have_event(const void *arg)
{
	return ((const struct proc *)arg)->event;
}

struct wanted {
	const struct stream *s;
	const char *text;
};

static bool have_text(const void *arg)
{
	const struct wanted *w = arg;

	return w->s->data && memmem(w->s->data, w->s->n, w->text, strlen(w->text));
}

static bool have_credit(const void *arg)
{
	return ((const struct proc *)arg)->credit > 0;
}

static void say(bool ok, const char *text)
{
	printf("%s\n", ok ? text : closed ? "closed" : "timeout");
}

/* ---- commands --------------------------------------------------------------------------------------------------- */

static unsigned type_of(const char *name)
{
	static const char *const names[] = { "",       "hello",  "create", "start", "exec", "kill", "pause",
					     "resume", "update", "stats",  "pids",  "drop", "net" };

	for (unsigned i = 1; i < JOEY_ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return (unsigned)atoi(name);
}

static void request(unsigned type, const char *json, const char *file, bool wait)
{
	char *blob = NULL;
	size_t n = 0;

	requests++;
	if (file && joey_read_file_at(AT_FDCWD, file, 0, 16 << 20, &blob, &n) < 0) {
		printf("cannot read %s\n", file);
		return;
	}
	if (file)
		(void)joey_wire_put_blob(&ctl_out, requests, blob, n);
	free(blob);
	if (joey_wire_put(&ctl_out, type, 0, requests, json, strlen(json)) < 0)
		printf("not a request\n");
	else if (!wait)
		printf("asked\n");
	else
		say(wait_for(have_reply, NULL), reply);
}

static void send_bytes(struct proc *p, const char *data, size_t n)
{
	while (n > 0 && wait_for(have_credit, p) && !p->exited) {
		size_t part = n < p->credit ? n : p->credit;

		part = part < JOEY_WIRE_DATA_MAX ? part : JOEY_WIRE_DATA_MAX;
		(void)joey_wire_put(&io_out, JOEY_WIRE_DATA, 0, p->handle, data, part);
		p->credit -= (uint32_t)part;
		data += part;
		n -= part;
		turn(0);
	}
	say(n == 0, "sent");
}

static void feed(struct proc *p, const char *file)
{
	char *data = NULL;
	size_t n = 0;

	if (joey_read_file_at(AT_FDCWD, file, 0, 64 << 20, &data, &n) < 0)
		printf("cannot read %s\n", file);
	else
		send_bytes(p, data, n);
	free(data);
}

static void raw(const char *where, const char *hex)
{
	uint8_t bytes[4096];
	size_t n = 0;
	unsigned v;

	while (n < sizeof(bytes) && sscanf(hex, "%2x", &v) == 1) {
		bytes[n++] = (uint8_t)v;
		hex += 2;
	}
	(void)joey_wire_flush(&ctl_out, ctl);
	if (write(where[0] == 'c' ? ctl : io, bytes, n) < 0)
		closed = true;
	printf("sent\n");
}

static bool command_of_stream(const char *verb, struct proc *p, unsigned n, const char *rest)
{
	struct stream *s = &p->s[n < 3 ? n : 0];
	const struct wanted w = { s, rest };

	if (strcmp(verb, "hold") == 0 || strcmp(verb, "let") == 0) {
		s->held = verb[0] == 'h';
		grant(p, n);
		printf("%s\n", verb);
	} else if (strcmp(verb, "output") == 0) {
		say(wait_for(have_text, &w), "yes");
	} else if (strcmp(verb, "show") == 0) {
		printf("%s\n", s->data ? s->data : "");
	} else if (strcmp(verb, "size") == 0) {
		printf("%llu\n", s->total);
	} else if (strcmp(verb, "sum") == 0) {
		printf("%08x\n", s->sum);
	} else if (strcmp(verb, "eof") == 0) {
		(void)joey_wire_put(&io_out, JOEY_WIRE_EOF, n, p->handle, NULL, 0);
		printf("sent\n");
	} else
		return false;
	return true;
}

static bool command_of_proc(const char *verb, char *rest)
{
	char *end = NULL;
	struct proc *p = proc((uint32_t)strtoul(rest, &end, 10));
	unsigned a, b;

	while (*end == ' ')
		end++;
	if (strcmp(verb, "exit") == 0) {
		if (!wait_for(have_exit, p))
			say(false, "");
		else if (WIFSIGNALED((int)p->status))
			printf("signal %d\n", WTERMSIG((int)p->status));
		else
			printf("exit %d\n", WEXITSTATUS((int)p->status));
	} else if (strcmp(verb, "event") == 0) {
		say(wait_for(have_event, p), "event");
	} else if (strcmp(verb, "send") == 0) {
		char line[4096];
		int n = snprintf(line, sizeof(line), "%s\n", end);

		send_bytes(p, line, (size_t)n);
	} else if (strcmp(verb, "feed") == 0) {
		feed(p, end);
	} else if (strcmp(verb, "signal") == 0) {
		(void)joey_wire_put_u32(&io_out, JOEY_WIRE_SIGNAL, 0, p->handle, (uint32_t)atoi(end));
		printf("sent\n");
	} else if (strcmp(verb, "resize") == 0 && sscanf(end, "%u %u", &a, &b) == 2) {
		const uint8_t size[4] = { (uint8_t)a, (uint8_t)(a >> 8), (uint8_t)b, (uint8_t)(b >> 8) };

		(void)joey_wire_put(&io_out, JOEY_WIRE_RESIZE, 0, p->handle, size, 4);
		printf("sent\n");
	} else {
		a = (unsigned)strtoul(end, &end, 10);
		while (*end == ' ')
			end++;
		return command_of_stream(verb, p, a, end);
	}
	return true;
}

static void hello(void)
{
	char json[400], zeros[129];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	memset(zeros, '5', 128);
	zeros[128] = '\0';
	snprintf(json, sizeof(json),
		 "{\"version\":2,\"time\":%lld,\"entropy\":\"%s\",\"hostname\":\"guest\",\"machineId\":\"%.32s\"}",
		 (long long)now.tv_sec * 1000000000 + now.tv_nsec, zeros, zeros);
	request(JOEY_WIRE_HELLO, json, NULL, true);
}

/* What the command has used since the last time. */
static void show_cpu(void)
{
	static unsigned long long before;
	static uint64_t wall;
	unsigned long long user, sys;
	autofree char *text = NULL;
	char path[40], *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)agent);
	if (joey_read_file_at(AT_FDCWD, path, 0, 4096, &text, NULL) < 0 || !(at = strrchr(text, ')')) ||
	    sscanf(at + 2, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu", &user, &sys) != 2)
		return;
	printf("cpu %llu ms wall %llu ms\n", (user + sys - before) * 1000 / (unsigned long long)sysconf(_SC_CLK_TCK),
	       (unsigned long long)(joey_now_ms() - wall));
	before = user + sys;
	wall = joey_now_ms();
}

static void command(char *line)
{
	char *rest = line + strcspn(line, " "), *json;
	uint64_t until;

	if (*rest)
		*rest++ = '\0';
	if (strcmp(line, "hello") == 0) {
		hello();
	} else if (strcmp(line, "req") == 0 || strcmp(line, "async") == 0) {
		char *file;

		json = rest + strcspn(rest, " ");
		if (*json)
			*json++ = '\0';
		file = strstr(json, "} ");
		if (file) {
			file[1] = '\0';
			file += 2;
		}
		request(type_of(rest), json, file, line[0] == 'r');
	} else if (strcmp(line, "raw") == 0) {
		json = rest + strcspn(rest, " ");
		if (*json)
			*json++ = '\0';
		raw(rest, json);
	} else if (strcmp(line, "pause") == 0) {
		for (until = joey_now_ms() + (unsigned)atoi(rest); joey_now_ms() < until && !closed;)
			turn(10);
		printf("%s\n", closed ? "closed" : "paused");
	} else if (strcmp(line, "cpu") == 0) {
		show_cpu();
	} else if (strcmp(line, "alive") == 0) {
		turn(0);
		printf("%s\n", closed || waitpid(agent, NULL, WNOHANG) != 0 ? "no" : "yes");
	} else if (!command_of_proc(line, rest)) {
		printf("what?\n");
	}
}

/* "@CTL@" and "@IO@" of an argument become the numbers of the descriptors. */
static char *expand(const char *arg, int c, int i)
{
	static const char *const marks[] = { "@CTL@", "@IO@" };
	char *text = strdup(arg), *at, *new;

	for (int k = 0; k < 2 && text; k++)
		while (text && (at = strstr(text, marks[k]))) {
			if (asprintf(&new, "%.*s%d%s", (int)(at - text), text, k ? i : c, at + strlen(marks[k])) < 0)
				new = NULL;
			free(text);
			text = new;
		}
	return text;
}

static void start_agent(char **argv, int argc)
{
	int c[2], i[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, c) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, i) < 0)
		exit(3);
	agent = fork();
	if (agent < 0)
		exit(3);
	if (agent == 0) {
		char **args = calloc((size_t)argc + 1, sizeof(*args));

		(void)prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0UL, 0UL, 0UL);
		close(c[0]);
		close(i[0]);
		for (int k = 0; args && k < argc; k++)
			args[k] = expand(argv[k], c[1], i[1]);
		if (args)
			execvp(args[0], args);
		_exit(127);
	}
	close(c[1]);
	close(i[1]);
	ctl = c[0];
	io = i[0];
}

int main(int argc, char **argv)
{
	char line[66000];

	if (argc < 2)
		return 2;
	(void)signal(SIGPIPE, SIG_IGN);
	start_agent(argv + 1, argc - 1);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (*line)
			command(line);
		fflush(stdout);
	}
	return 0;
}
