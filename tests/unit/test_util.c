/* SPDX-License-Identifier: Apache-2.0 */
/* src/util: errors, arena, strings, numbers, files, descriptor passing. */
#include "unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "joey/err.h"
#include "joey/log.h"
#include "joey/util.h"

static void err_sys_appends_lower_case_errno(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;

	(void)state;
	assert_int_equal(joey_err_sys(&err, ENOENT, "open '%s'", "/x"), -ENOENT);
	assert_string_equal(joey_err_text(&err), "open '/x': no such file or directory");
	assert_int_equal(joey_err_wrap(&err, "create %s", "c1"), -ENOENT);
	assert_string_equal(joey_err_text(&err), "create c1: open '/x': no such file or directory");
}

static void err_number_is_never_zero(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;

	(void)state;
	assert_int_equal(joey_err_set(&err, JOEY_EK_STATE, 0, "x"), -EINVAL);
	assert_int_equal(err.kind, JOEY_EK_STATE);
	assert_int_equal(joey_err_sys(&err, -EPERM, "y"), -EPERM);
	assert_int_equal(joey_err_sys(NULL, EPERM, "nobody listens"), -EPERM);
}

static void errno_texts_are_gos(void **state)
{
	static const struct {
		int errnum;
		const char *text;
	} rows[] = {
		{ EPERM, "operation not permitted" },
		{ ENOENT, "no such file or directory" },
		{ ESRCH, "no such process" },
		{ EACCES, "permission denied" },
		{ EBUSY, "device or resource busy" },
		{ ENOTDIR, "not a directory" },
		{ EISDIR, "is a directory" },
		{ EINVAL, "invalid argument" },
		{ EXDEV, "invalid cross-device link" },
		{ EIO, "input/output error" },
		{ ELOOP, "too many levels of symbolic links" },
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		assert_string_equal(joey_errno_text(rows[i].errnum), rows[i].text);
		assert_string_equal(joey_errno_text(-rows[i].errnum), rows[i].text);
	}
	assert_string_equal(joey_errno_text(99999), "unknown error");
}

static char logged[128];

static void keep(void *arg, enum joey_log_level level, const char *text)
{
	(void)arg;
	snprintf(logged, sizeof(logged), "%d %s", (int)level, text);
}

static void log_respects_level(void **state)
{
	(void)state;
	joey_log_set_sink(keep, NULL, JOEY_LOG_WARNING);
	joey_warn("w%d", 1);
	assert_string_equal(logged, "1 w1");
	joey_debug("quiet");
	assert_string_equal(logged, "1 w1");
	joey_log_set_sink(NULL, NULL, JOEY_LOG_DEBUG);
	joey_warn("gone");
	assert_string_equal(logged, "1 w1");
}

static void arena_is_zeroed_and_checks_overflow(void **state)
{
	struct joey_arena a = JOEY_ARENA_INIT;
	unsigned char *p;

	(void)state;
	for (size_t n = 0; n < 300; n++) {
		p = joey_arena_alloc(&a, n);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n);
	}
	assert_non_null(joey_arena_alloc(&a, 1 << 20));
	assert_null(joey_arena_alloc(&a, SIZE_MAX));
	assert_null(joey_arena_array(&a, SIZE_MAX / 2, 4));
	assert_string_equal(joey_arena_printf(&a, "%s-%d", "a", 7), "a-7");
	assert_string_equal(joey_arena_strndup(&a, "abcdef", 3), "abc");
	joey_arena_done(&a);
	joey_arena_done(&a);
}

static void str_grows_and_is_handed_over(void **state)
{
	struct joey_str s = JOEY_STR_INIT;
	char *p;

	(void)state;
	for (int i = 0; i < 1000; i++)
		joey_str_printf(&s, "%d,", i);
	joey_str_addn(&s, "xyz", 2);
	p = joey_str_take(&s);
	assert_non_null(p);
	assert_memory_equal(p, "0,1,2,", 6);
	assert_string_equal(p + strlen(p) - 6, "999,xy");
	free(p);
	p = joey_str_take(&s);
	assert_string_equal(p, "");
	free(p);
}

static void numbers_are_strict(void **state)
{
	static const char *const bad[] = { "", " 1", "1 ", "+1", "0x1", "1x", "-", "--1", "1-", "1e3", "\xd9\xa1" };
	uint64_t u = 7;
	int64_t i = 7;
	uint32_t w = 7;

	(void)state;
	for (size_t n = 0; n < JOEY_ARRAY_SIZE(bad); n++) {
		assert_int_equal(joey_parse_u64(bad[n], &u), -EINVAL);
		assert_int_equal(joey_parse_i64(bad[n], &i), -EINVAL);
		assert_int_equal(joey_parse_id(bad[n], &w), -EINVAL);
	}
	assert_int_equal(joey_parse_u64("-1", &u), -EINVAL);
	assert_int_equal(joey_parse_u64(NULL, &u), -EINVAL);
	assert_int_equal(u, 7);
	assert_int_equal(joey_parse_u64("18446744073709551615", &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(joey_parse_u64("18446744073709551616", &u), -ERANGE);
	assert_int_equal(joey_parse_i64("-9223372036854775808", &i), 0);
	assert_true(i == INT64_MIN);
	assert_int_equal(joey_parse_i64("-9223372036854775809", &i), -ERANGE);
	assert_int_equal(joey_parse_i64("9223372036854775808", &i), -ERANGE);
	assert_int_equal(joey_parse_id("4294967294", &w), 0);
	assert_int_equal(w, 4294967294u);
	assert_int_equal(joey_parse_id("4294967295", &w), -ERANGE);
	assert_int_equal(joey_parse_u32("4294967296", &w), -ERANGE);
}

static int tmpdir(char *path)
{
	strcpy(path, "/tmp/joey-unit-XXXXXX");
	assert_non_null(mkdtemp(path));
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void files_are_replaced_whole(void **state)
{
	char path[32], *text = NULL;
	int dir = tmpdir(path);
	struct stat st;
	size_t len;

	(void)state;
	assert_int_equal(joey_replace_file_at(dir, "f", 0600, "one", 3), 0);
	assert_int_equal(joey_replace_file_at(dir, "f", 0600, "second", 6), 0);
	assert_int_equal(joey_read_file_at(dir, "f", O_NOFOLLOW, 100, &text, &len), 0);
	assert_string_equal(text, "second");
	assert_int_equal(len, 6);
	free(text);
	assert_int_equal(joey_read_file_at(dir, "f", 0, 5, &text, &len), -EFBIG);
	assert_int_equal(joey_read_file_at(dir, "none", 0, 5, &text, &len), -ENOENT);
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(symlinkat("f", dir, "l"), 0);
	assert_int_equal(joey_write_file_at(dir, "l", "x"), -ELOOP);
	unlinkat(dir, "l", 0);
	unlinkat(dir, "f", 0);
	close(dir);
	assert_int_equal(rmdir(path), 0); /* no temporary file left */
}

static void fds_travel_with_cloexec(void **state)
{
	int s[2], p[2], got[4] = { -1, -1, -1, -1 };
	size_t n = 9;
	char buf[8];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(joey_send_fds(s[0], "hi", 2, p, 2), 2);
	assert_int_equal(joey_recv_fds(s[1], buf, sizeof(buf), got, 4, &n, 0), 2);
	assert_int_equal(n, 2);
	assert_int_equal(fcntl(got[0], F_GETFD), FD_CLOEXEC);
	close(got[0]);
	close(got[1]);
	/* more descriptors than were asked for: none is kept, the call fails */
	assert_int_equal(joey_send_fds(s[0], "hi", 2, p, 2), 2);
	assert_int_equal(joey_recv_fds(s[1], buf, sizeof(buf), got, 1, &n, 0), -EMSGSIZE);
	/* a message longer than the buffer is refused */
	assert_int_equal(joey_send_fds(s[0], "0123456789", 10, NULL, 0), 10);
	assert_int_equal(joey_recv_fds(s[1], buf, sizeof(buf), got, 1, &n, 0), -EMSGSIZE);
	close(s[0]);
	assert_int_equal(joey_recv_fds(s[1], buf, sizeof(buf), got, 1, &n, 0), 0);
	close(s[1]);
	close(p[0]);
	close(p[1]);
}

static void own_process_has_a_start_time(void **state)
{
	uint64_t a, b;
	char letter;

	(void)state;
	assert_int_equal(joey_proc_stat(getpid(), &a, &letter), 0);
	assert_int_equal(letter, 'R');
	assert_int_equal(joey_proc_stat(getpid(), &b, NULL), 0);
	assert_true(a == b && a > 0);
	assert_int_equal(joey_proc_stat(0x3fffffff, &a, NULL), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_sys_appends_lower_case_errno),
		cmocka_unit_test(err_number_is_never_zero),
		cmocka_unit_test(errno_texts_are_gos),
		cmocka_unit_test(log_respects_level),
		cmocka_unit_test(arena_is_zeroed_and_checks_overflow),
		cmocka_unit_test(str_grows_and_is_handed_over),
		cmocka_unit_test(numbers_are_strict),
		cmocka_unit_test(files_are_replaced_whole),
		cmocka_unit_test(fds_travel_with_cloexec),
		cmocka_unit_test(own_process_has_a_start_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
