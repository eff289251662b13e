/* SPDX-License-Identifier: Apache-2.0 */
/* src/cli/log_socket.c: what journald and syslog are sent, read back by a parser of journald's protocol. */
#include <endian.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cli/cli-internal.h"
#include "unit.h"

enum { MAX_FIELDS = 8 };

struct field {
	char *name, *value;
	size_t len;
};

/* As journald reads a datagram; false: not its protocol. */
static bool decode(const char *p, size_t len, struct field *fields, size_t *ret_n)
{
	const char *end = p + len;
	size_t n = 0;

	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		const char *eq = eol ? memchr(p, '=', (size_t)(eol - p)) : NULL;
		uint64_t size;

		if (!eol || n == MAX_FIELDS)
			return false;
		if (eq) {
			fields[n++] = (struct field){ strndup(p, (size_t)(eq - p)),
						      strndup(eq + 1, (size_t)(eol - eq - 1)), (size_t)(eol - eq - 1) };
			p = eol + 1;
			continue;
		}
		if (end - eol - 1 < (ptrdiff_t)sizeof(size))
			return false;
		memcpy(&size, eol + 1, sizeof(size));
		size = le64toh(size);
		if (size > (uint64_t)(end - eol) || size + 1 + sizeof(size) > (uint64_t)(end - eol - 1))
			return false;
		fields[n++] =
			(struct field){ strndup(p, (size_t)(eol - p)), strndup(eol + 1 + sizeof(size), size), size };
		p = eol + 1 + sizeof(size) + size;
		if (*p++ != '\n')
			return false;
	}
	*ret_n = n;
	return true;
}

static const struct field *find(const struct field *fields, size_t n, const char *name)
{
	const struct field *found = NULL;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(fields[i].name, name) != 0)
			continue;
		assert_null(found); /* twice: a value has made a field of its own */
		found = &fields[i];
	}
	return found;
}

static void is(const struct field *fields, size_t n, const char *name, const char *value)
{
	const struct field *f = find(fields, n, name);

	if (!value) {
		assert_null(f);
		return;
	}
	assert_non_null(f);
	assert_int_equal(f->len, strlen(value));
	assert_string_equal(f->value, value);
}

static void check_journal(const struct log_record *rec, const char *priority)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	struct field fields[MAX_FIELDS] = { 0 };
	size_t n = 0;

	log_journal_encode(&s, rec);
	assert_true(decode(s.buf, s.len, fields, &n));
	is(fields, n, "PRIORITY", priority);
	is(fields, n, "SYSLOG_IDENTIFIER", rec->name);
	is(fields, n, "ID", rec->container);
	is(fields, n, "JOEY_CODE", rec->code);
	is(fields, n, "MESSAGE", rec->text);
	assert_int_equal(n, 4 + !!rec->container + !!rec->code);
	for (size_t i = 0; i < n; i++) {
		free(fields[i].name);
		free(fields[i].value);
	}
}

static const char *const hostile[] = {
	"",
	"plain",
	"a=b",
	"\n",
	"=",
	"x\nPRIORITY=0\n_UID=0",
	"\nMESSAGE\n\x05\0\0\0\0\0\0\0",
	"tail\n",
	"\x1b[31mred\x07 \xff\xfe \x01",
	"\n\n\n\n\n\n\n\n\n\n\n\n",
};

static void test_journal(void **state)
{
	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(hostile); i++) {
		const char *h = hostile[i];

		check_journal(&(struct log_record){ JOEY_LOG_ERROR, h, "", "other", "joey", "c1" }, "3");
		check_journal(&(struct log_record){ JOEY_LOG_WARNING, "text", "", NULL, h, h }, "4");
		check_journal(&(struct log_record){ JOEY_LOG_INFO, h, "", NULL, "joey", NULL }, "6");
		check_journal(&(struct log_record){ JOEY_LOG_DEBUG, h, "", h, h, h }, "7");
	}
}

static void test_syslog(void **state)
{
	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(hostile); i++) {
		autostr struct joey_str s = JOEY_STR_INIT;

		log_syslog_encode(&s, &(struct log_record){ JOEY_LOG_WARNING, hostile[i], "", NULL, hostile[i], NULL });
		assert_memory_equal(s.buf, "<12>", 4);
		for (size_t k = 0; k < s.len; k++)
			assert_true((unsigned char)s.buf[k] >= 0x20 && s.buf[k] != 0x7f);
	}
}

/* ---- sending ----------------------------------------------------------------------------------------------- */

struct peer {
	char dir[40], path[80];
	int fd, sock;
};

static void peer_open(struct peer *p)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	strcpy(p->dir, "/tmp/joey-log-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/socket", p->dir);
	strcpy(sa.sun_path, p->path);
	p->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(p->fd >= 0);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	p->sock = log_socket_open();
	assert_true(p->sock >= 0);
}

static void peer_close(struct peer *p)
{
	close(p->fd);
	close(p->sock);
	unlink(p->path);
	rmdir(p->dir);
}

static void fill(struct joey_str *s, size_t len)
{
	while (s->len < len)
		joey_str_addn(s, "0123456789abcdef", 16);
}

static void test_send(void **state)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	struct peer p;
	char got[64];

	(void)state;
	peer_open(&p);
	fill(&s, 48);
	assert_int_equal(log_socket_send(p.sock, p.path, &s, true), 0);
	assert_int_equal(recv(p.fd, got, sizeof(got), 0), 48);
	assert_memory_equal(got, s.buf, 48);
	assert_int_equal(log_socket_send(p.sock, "/nonexistent/socket", &s, true), -ENOENT);
	peer_close(&p);
}

static void test_send_big(void **state)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	autofree char *copy = NULL;
	struct peer p;
	char byte;
	int fd = -1;
	size_t n = 0, len = 0;

	(void)state;
	peer_open(&p);
	fill(&s, (size_t)4 << 20);
	assert_int_equal(log_socket_send(p.sock, p.path, &s, false), -EMSGSIZE);
	assert_int_equal(log_socket_send(p.sock, p.path, &s, true), 0);
	assert_int_equal(joey_recv_fds(p.fd, &byte, 1, &fd, 1, &n, 0), 0);
	assert_int_equal(n, 1);
	assert_int_equal(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(joey_read_fd(fd, (size_t)8 << 20, &copy, &len), 0);
	assert_int_equal(len, s.len);
	assert_memory_equal(copy, s.buf, len);
	close(fd);
	peer_close(&p);
}

/* A daemon that reads nothing: its queue is full after some lines. */
static void test_send_to_mute(void **state)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	struct peer p;
	int r = 0;

	(void)state;
	peer_open(&p);
	fill(&s, 16);
	for (int i = 0; i < 100000 && r == 0; i++)
		r = log_socket_send(p.sock, p.path, &s, true);
	assert_int_equal(r, -EAGAIN);
	peer_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_journal),  cmocka_unit_test(test_syslog),       cmocka_unit_test(test_send),
		cmocka_unit_test(test_send_big), cmocka_unit_test(test_send_to_mute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
