/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_RUNTIME_FIXTURE_H
#define JOEY_RUNTIME_FIXTURE_H

/* A root, a bundle and a place for files, in one temporary directory; the fake backend is reset. */

#include "fake_backend.h"
#include "unit.h"

struct fixture {
	char dir[64], root[80], bundle[80], pid_file[80];
	struct joey_runtime rt;
	struct joey_create_opts o;
	struct joey_err err;
	char *warnings;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* config.json: hooks is a JSON object, "" for none. */
void fixture_config(struct fixture *f, bool terminal, const char *hooks);
bool fixture_exists(const struct fixture *f, const char *name); /* below root */
enum joey_status fixture_status(struct fixture *f, const char *id);

#define assert_error(f, call, text)                                         \
	do {                                                                \
		assert_true((call) < 0);                                    \
		if (!strstr(joey_err_text(&(f)->err), text))                \
			fail_msg("error is: %s", joey_err_text(&(f)->err)); \
		joey_err_clear(&(f)->err);                                  \
	} while (0)

#define assert_ok(f, call)                                               \
	do {                                                             \
		if ((call) < 0)                                          \
			fail_msg("error: %s", joey_err_text(&(f)->err)); \
		assert_null((f)->err.msg);                               \
	} while (0)

#define test_with_fixture(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)

#endif
