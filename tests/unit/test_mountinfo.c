/* SPDX-License-Identifier: Apache-2.0 */
/* mountinfo: joey's parser on good and bad text, and the file reader (libmount in some builds) against it. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "joey/mountinfo.h"
#include "joey/util.h"

static const char table[] =
	"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
	"41 31 0:38 /sub /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
	"42 31 259:1 /a\\040b /mnt/tab\\011nl\\012bs\\134x ro master:3 propagate_from:2 - ext4 /dev/x\\040y "
	"ro,data=ordered\n"
	"43 31 0:50 / /none rw - tmpfs none rw\n"
	"44 31 0:51 / /mnt/- rw - tmpfs - rw\n";

struct seen {
	struct joey_str s;
	int stop_at, count;
};

static int note(const struct joey_mountinfo *m, void *arg)
{
	struct seen *s = arg;

	joey_str_printf(&s->s, "%d|%d|%u:%u|%s|%s|%s|%s|%s|%s|%s\n", m->id, m->parent, m->major, m->minor, m->root,
			m->target, m->options, m->optional, m->fstype, m->source, m->super_options);
	return ++s->count == s->stop_at ? 7 : 0;
}

static const char expected[] =
	"31|23|0:28|/|/sys/fs/cgroup|rw,relatime||tmpfs|tmpfs|rw,mode=755\n"
	"41|31|0:38|/sub|/sys/fs/cgroup/unified|rw,nosuid|shared:9|cgroup2|cgroup2|rw,nsdelegate\n"
	"42|31|259:1|/a b|/mnt/tab\tnl\nbs\\x|ro|master:3 propagate_from:2|ext4|/dev/x y|ro,data=ordered\n"
	"43|31|0:50|/|/none|rw||tmpfs|none|rw\n"
	"44|31|0:51|/|/mnt/-|rw||tmpfs|-|rw\n";

static void parses(void **state)
{
	struct seen s = { .s = JOEY_STR_INIT };

	(void)state;
	assert_int_equal(joey_mountinfo_parse(table, strlen(table), note, &s), 0);
	assert_string_equal(s.s.buf, expected);
	joey_str_done(&s.s);
}

static void stops_where_told(void **state)
{
	struct seen s = { .s = JOEY_STR_INIT, .stop_at = 2 };

	(void)state;
	assert_int_equal(joey_mountinfo_parse(table, strlen(table), note, &s), 7);
	assert_int_equal(s.count, 2);
	joey_str_done(&s.s);
}

static void last_line_needs_no_newline(void **state)
{
	struct seen s = { .s = JOEY_STR_INIT };

	(void)state;
	assert_int_equal(joey_mountinfo_parse(table, strlen(table) - 1, note, &s), 0);
	assert_string_equal(s.s.buf, expected);
	joey_str_done(&s.s);
}

static void refuses_other_text(void **state)
{
	static const char *const bad[] = {
		"hello\n",
		"1\n",
		"1 2\n",
		"1 2 3 / / rw - t s o\n",
		"1 2 3:x / / rw - t s o\n",
		"-1 2 0:1 / / rw - t s o\n",
		"99999999999 2 0:1 / / rw - t s o\n",
		"1 2 0:1 / / rw\n",
		"1 2 0:1 / / rw shared:1 tmpfs s o\n",
		"1 2 0:1 / / rw -\n",
		"1 2 0:1 / / rw - tmpfs\n",
		"1 2 0:1 / / rw - tmpfs src\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < JOEY_ARRAY_SIZE(bad); i++) {
		struct seen s = { .s = JOEY_STR_INIT };

		assert_int_equal(joey_mountinfo_parse(bad[i], strlen(bad[i]), note, &s), -EBADMSG);
		assert_int_equal(s.count, 0);
		joey_str_done(&s.s);
	}
	assert_int_equal(joey_mountinfo_parse("1 2 0:1 / /\0 rw - t s o\n", 24, note, NULL), -EBADMSG);
	assert_int_equal(joey_mountinfo_parse("", 0, note, NULL), 0);
}

static void reads_files(void **state)
{
	char path[] = "/tmp/joey-mountinfo-XXXXXX";
	autoclose int fd = mkstemp(path);
	struct seen s = { .s = JOEY_STR_INIT };
	int r;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(joey_write_all(fd, table, strlen(table)), 0);
	r = joey_mountinfo_each(path, note, &s);
	(void)unlink(path);
	assert_int_equal(r, 0);
	assert_string_equal(s.s.buf, expected);
	joey_str_done(&s.s);
	assert_true(joey_mountinfo_each("/nowhere/mountinfo", note, &s) < 0);
}

static void reads_this_host(void **state)
{
	struct seen each = { .s = JOEY_STR_INIT }, own = { .s = JOEY_STR_INIT };
	autofree char *text = NULL;
	size_t len;

	(void)state;
	assert_int_equal(joey_read_file_at(-1, "/proc/self/mountinfo", 0, 1u << 24, &text, &len), 0);
	assert_int_equal(joey_mountinfo_parse(text, len, note, &own), 0);
	assert_int_equal(joey_mountinfo_each("/proc/self/mountinfo", note, &each), 0);
	assert_true(own.count > 0);
	assert_int_equal(own.count, each.count);
	joey_str_done(&each.s);
	joey_str_done(&own.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(stops_where_told),
		cmocka_unit_test(last_line_needs_no_newline),
		cmocka_unit_test(refuses_other_text),
		cmocka_unit_test(reads_files),
		cmocka_unit_test(reads_this_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
