/* SPDX-License-Identifier: Apache-2.0 */
/*
 * joey-sd-bus: does what joey asks for over its standard input (joey/sdbus.h), one request after the other.
 *
 * Reads no environment and no file; holds no state but the connection, which is made by the first request.
 */
#include <string.h>
#include <sys/socket.h>

#include "joey/sdbus.h"
#include "sdbus/sdbus-internal.h"

static int reply(const char *text)
{
	ssize_t n;

	do
		n = send(STDIN_FILENO, text, strlen(text), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static int reply_result(int r, const char *value, const struct joey_err *err)
{
	autostr struct joey_str s = JOEY_STR_INIT;

	if (r < 0)
		joey_str_printf(&s, "error %d %s", err->errnum, joey_err_text(err));
	else
		joey_str_printf(&s, "ok%s%s", value ? " " : "", value ? value : "");
	return reply(s.failed ? "error 12 out of memory" : s.buf);
}

static int serve(struct sdbus *s, char *request)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autofree char *value = NULL;
	char *props = request, *line = strsep(&props, "\n");
	char *unit = line, *verb = strsep(&unit, " ");
	char none[1] = "";
	uint32_t pid;
	int r;

	if (!props)
		props = none;
	s->deadline = joey_now_ms() + s->timeout_ms;
	r = sdbus_connect(s, &err);
	if (r < 0)
		return reply_result(r, NULL, &err);
	if (joey_streq(verb, "where"))
		r = sdbus_where(s, &value, &err);
	else if (unit && joey_streq(verb, "start"))
		r = sdbus_start(s, unit, props, &value, &err);
	else if (unit && joey_streq(verb, "set"))
		r = sdbus_set(s, unit, props, &err);
	else if (unit && joey_streq(verb, "attach") && joey_parse_u32(strsep(&props, "\n"), &pid) == 0)
		r = sdbus_attach(s, unit, pid, props ? props : none, &err);
	else if (unit && joey_streq(verb, "stop"))
		r = sdbus_stop(s, unit, &err);
	else
		r = joey_err_set(&err, JOEY_EK_USAGE, EINVAL, "unknown request");
	return reply_result(r, value, &err);
}

/* Until joey closes its end. */
static int loop(struct sdbus *s)
{
	autofree char *buf = malloc(JOEY_SDBUS_MESSAGE_MAX + 1);
	ssize_t n;
	int r = 0;

	if (!buf)
		return -ENOMEM;
	while (r == 0) {
		n = recv(STDIN_FILENO, buf, JOEY_SDBUS_MESSAGE_MAX, MSG_TRUNC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		if ((size_t)n > JOEY_SDBUS_MESSAGE_MAX || memchr(buf, '\0', (size_t)n))
			return -EMSGSIZE;
		buf[n] = '\0';
		r = serve(s, buf);
	}
	return r;
}

static int usage(void)
{
	fputs("usage: joey-sd-bus [--address ADDRESS] [--timeout-ms N] system|user UID\n"
	      "Started by joey; not for use by hand.\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	struct sdbus s = { .timeout_ms = JOEY_SDBUS_TIMEOUT_MS - JOEY_SDBUS_MARGIN_MS };
	int i = 1, r;

	for (; i + 1 < argc && joey_startswith(argv[i], "--"); i += 2) {
		if (joey_streq(argv[i], "--address"))
			s.address = argv[i + 1];
		else if (!joey_streq(argv[i], "--timeout-ms") || joey_parse_u32(argv[i + 1], &s.timeout_ms) < 0)
			return usage();
	}
	if (i >= argc)
		return usage();
	s.user = joey_streq(argv[i], "user");
	if (s.user ? argc != i + 2 || joey_parse_id(argv[i + 1], &s.uid) < 0
		   : argc != i + 1 || !joey_streq(argv[i], "system"))
		return usage();
	r = loop(&s);
	sdbus_done(&s);
	return r < 0;
}
