/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oci: each allocation fails once.  calloc() and reallocarray() are ours (arena, scratch); yajl has malloc() and
 * realloc() for itself and is left alone.
 */
#include "oci_test.h"

#include <fcntl.h>

void *__real_calloc(size_t n, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);

static unsigned calls, fail_at; /* 0: never */

void *__wrap_calloc(size_t n, size_t size)
{
	return ++calls == fail_at ? NULL : __real_calloc(n, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return ++calls == fail_at ? NULL : __real_reallocarray(p, n, size);
}

static void test_each_allocation(void **state)
{
	const char *src = getenv("JOEY_SRCDIR");
	autofree char *path = NULL, *text = NULL;
	size_t len = 0;
	unsigned n = 0;
	int r = -1;

	(void)state;
	assert_true(asprintf(&path, "%s/tests/fuzz/corpus/config/everything.json", src ? src : ".") > 0);
	if (joey_read_file_at(AT_FDCWD, path, 0, 1 << 20, &text, &len) < 0)
		skip();
	while (r < 0) {
		autoerr struct joey_err err = JOEY_ERR_INIT;
		struct joey_config *c = NULL;

		calls = 0;
		fail_at = ++n;
		r = joey_config_parse(text, len, &c, &err);
		fail_at = 0;
		assert_int_equal(r == 0, c != NULL);
		if (r < 0)
			assert_int_equal(r, -ENOMEM);
		joey_config_free(c);
		assert_true(n < 1000);
	}
	print_message("%u allocations\n", n - 1);
	assert_true(n > 5);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_allocation),
	};

	return cmocka_run_group_tests_name("oci out of memory", tests, NULL, NULL);
}
