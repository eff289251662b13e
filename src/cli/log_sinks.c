/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where lines go (engine-contract 5.1).
 *
 *   error     one line per failed command: to --log, and its plain text to stderr; without --log as a log
 *             line to stderr.
 *   warning   to --log when the command has succeeded (of a failed one, Podman reads the whole file as one object), and
 *             to stderr only when that is a terminal (go-runc parses stderr together with stdout), or for `list`; with
 *             --debug to the log at once.
 *   info      what takes long: to stderr when that is a terminal; with --debug to the log.
 *   debug     with --debug, to the log.
 *
 * --log is a file, or the socket of journald or syslog (log_socket.c).  It is opened when the first line comes: most
 * runs write none, and until then no descriptor number is taken that --preserve-fds might mean.  One write(2) with
 * O_APPEND per line, for files are shared.  Where --log cannot be reached, that is said on stderr once, and the command
 * goes on.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>

#include "cli/cli-internal.h"
#include "joey/json.h"

static struct {
	const char *file;                                                 /* the file or the socket; NULL: stderr */
	void (*encode)(struct joey_str *s, const struct log_record *rec); /* of a socket */
	const char *name, *container;
	bool json, debug, show_warnings;
	int fd;
	bool failed;          /* the file cannot be opened: everything goes to stderr */
	struct joey_str held; /* the warnings of a command that may still fail: time, NUL, text, NUL */
} sinks = { .name = "joey", .fd = -EBADF, .held = JOEY_STR_INIT };

static const struct {
	const char *prefix, *path;
	void (*encode)(struct joey_str *s, const struct log_record *rec);
} backends[] = {
	{ "file:", NULL, NULL },
	{ "journald:", "/run/systemd/journal/socket", log_journal_encode },
	{ "syslog:", "/dev/log", log_syslog_encode },
};

enum { HELD_MAX = 16384 };

static const char *const level_names[] = {
	[JOEY_LOG_ERROR] = "error",
	[JOEY_LOG_WARNING] = "warning",
	[JOEY_LOG_INFO] = "info",
	[JOEY_LOG_DEBUG] = "debug",
};

static void to_stderr(const char *text, size_t len)
{
	(void)joey_write_all(STDERR_FILENO, text, len);
}

/* Containers have a say in error texts: no control bytes for the caller's terminal, and one line. */
void log_add_plain(struct joey_str *s, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '\n' || c == '\t' || c == '\r')
			joey_str_add(s, " ");
		else if (c < 0x20 || c == 0x7f)
			joey_str_printf(s, "\\x%02x", c);
		else
			joey_str_addn(s, text, 1);
	}
}

static void plain_to_stderr(const char *prefix, const char *text)
{
	autostr struct joey_str s = JOEY_STR_INIT;

	joey_str_add(&s, prefix);
	log_add_plain(&s, text);
	joey_str_add(&s, "\n");
	if (!s.failed)
		to_stderr(s.buf, s.len);
}

/* Like Go's %q. */
static void add_quoted(struct joey_str *s, const char *text)
{
	joey_str_add(s, "\"");
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			joey_str_printf(s, "\\%c", c);
		else if (c == '\n')
			joey_str_add(s, "\\n");
		else if (c == '\t')
			joey_str_add(s, "\\t");
		else if (c < 0x20 || c == 0x7f)
			joey_str_printf(s, "\\x%02x", c);
		else
			joey_str_addn(s, text, 1);
	}
	joey_str_add(s, "\"");
}

static char *json_line(const char *level, const char *text, const char *time, const char *code)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	char *line = NULL;

	if (!o)
		return NULL;
	joey_json_out_object(o, NULL);
	joey_json_out_string(o, "level", level);
	joey_json_out_string(o, "msg", text);
	joey_json_out_string(o, "time", time);
	if (code)
		joey_json_out_string(o, "code", code);
	joey_json_out_end(o);
	return joey_json_out_finish(o, &line, NULL) < 0 ? NULL : line;
}

static void give_up(const char *what, int errnum)
{
	autostr struct joey_str s = JOEY_STR_INIT;

	if (!sinks.failed) {
		joey_str_printf(&s, "%s %s: %s", what, sinks.file, joey_errno_text(errnum));
		plain_to_stderr("joey: ", s.buf ? s.buf : what);
	}
	sinks.failed = true;
	sinks.fd = joey_close(sinks.fd);
}

static void open_file(void)
{
	if (sinks.fd >= 0 || sinks.failed)
		return;
	if (sinks.encode) {
		sinks.fd = log_socket_open();
		if (sinks.fd < 0)
			give_up("open a socket for log", sinks.fd);
		return;
	}
	sinks.fd = open(sinks.file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
	if (sinks.fd < 0)
		give_up("open log file", errno);
}

static void add_line(struct joey_str *s, const struct log_record *rec)
{
	if (sinks.json) {
		autofree char *line = json_line(level_names[rec->level], rec->text, rec->time, rec->code);

		if (!line)
			return;
		joey_str_add(s, line);
	} else {
		joey_str_printf(s, "time=\"%s\" level=%s msg=", rec->time, level_names[rec->level]);
		add_quoted(s, rec->text);
	}
	joey_str_add(s, "\n");
}

static void emit(const struct log_record *rec)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	int r;

	(sinks.encode ? sinks.encode : add_line)(&s, rec);
	if (s.failed || s.len == 0)
		return;
	if (sinks.file)
		open_file();
	if (sinks.fd >= 0 && sinks.encode) {
		r = log_socket_send(sinks.fd, sinks.file, &s, sinks.encode == log_journal_encode);
		if (r < 0)
			give_up("send to log", r);
	} else if (sinks.fd >= 0) {
		(void)joey_write_all(sinks.fd, s.buf, s.len);
	} else if (!sinks.file) {
		to_stderr(s.buf, s.len);
	}
}

static void time_now(char ret[JOEY_TIME_TEXT_MAX])
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_REALTIME, &now);
	joey_time_rfc3339(&now, false, ret);
}

static void log_line(enum joey_log_level level, const char *text, const char *code)
{
	char time[JOEY_TIME_TEXT_MAX];

	time_now(time);
	emit(&(struct log_record){ level, text, time, code, sinks.name, sinks.container });
}

static void hold(const char *text)
{
	char time[JOEY_TIME_TEXT_MAX];

	if (sinks.held.len >= HELD_MAX)
		return;
	time_now(time);
	joey_str_addn(&sinks.held, time, strlen(time) + 1);
	joey_str_addn(&sinks.held, text, strlen(text) + 1);
}

static bool stderr_is_terminal(void)
{
	struct termios t;

	return tcgetattr(STDERR_FILENO, &t) == 0;
}

static void sink(void *arg, enum joey_log_level level, const char *text)
{
	(void)arg;
	if (sinks.debug)
		log_line(level, text, NULL);
	else if (sinks.file && level == JOEY_LOG_WARNING)
		hold(text);
	if (level == JOEY_LOG_WARNING && (!sinks.debug || sinks.file) && (sinks.show_warnings || stderr_is_terminal()))
		plain_to_stderr("joey: warning: ", text);
	if (level == JOEY_LOG_INFO && (!sinks.debug || sinks.file) && stderr_is_terminal())
		plain_to_stderr("joey: ", text);
}

void log_sinks_init(const char *to, bool json, bool debug)
{
	sinks.file = to;
	for (size_t i = 0; to && i < JOEY_ARRAY_SIZE(backends); i++) {
		const char *rest = to + strlen(backends[i].prefix);

		if (!joey_startswith(to, backends[i].prefix))
			continue;
		sinks.file = backends[i].path ? backends[i].path : rest;
		sinks.encode = backends[i].encode;
		if (sinks.encode && *rest)
			sinks.name = rest;
		break;
	}
	sinks.json = json;
	sinks.debug = debug;
	joey_log_set_sink(sink, NULL, debug ? JOEY_LOG_DEBUG : JOEY_LOG_INFO);
}

void log_sinks_show_warnings(void)
{
	sinks.show_warnings = true;
}

void log_sinks_container(const char *id)
{
	sinks.container = id;
}

void log_sinks_success(void)
{
	size_t at = 0;

	if (sinks.held.failed)
		return;
	while (at < sinks.held.len) {
		const char *time = sinks.held.buf + at, *text = time + strlen(time) + 1;

		emit(&(struct log_record){ JOEY_LOG_WARNING, text, time, NULL, sinks.name, sinks.container });
		at = (size_t)(text + strlen(text) + 1 - sinks.held.buf);
	}
	joey_str_done(&sinks.held);
}

void log_sinks_error(const struct joey_err *err)
{
	log_line(JOEY_LOG_ERROR, joey_err_text(err), joey_err_kind_to_string(err->kind));
	if (sinks.file)
		plain_to_stderr("", joey_err_text(err));
}
