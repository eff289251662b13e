/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_TESTS_OCI_TEST_H
#define JOEY_TESTS_OCI_TEST_H

/* Tables of config snippets: each is put between two halves of a config and parsed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "joey/log.h"
#include "joey/mount_opts.h"
#include "joey/oci.h"

#define ROOT    "\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"rootfs\"}"
#define PROCESS "\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"]}"
#define BASE    ROOT "," PROCESS

struct oci_case {
	const char *json;
	const char *error; /* NULL: is accepted; else the text after "config.json: "; '*' at its end: any rest */
};

struct warnings {
	unsigned n;
	char last[1024];
};

static inline void note_warning(void *arg, enum joey_log_level level, const char *text)
{
	struct warnings *w = arg;

	(void)level;
	w->n++;
	snprintf(w->last, sizeof(w->last), "%s", text);
}

static inline struct joey_config *parse_text(const char *text, struct joey_err *err)
{
	struct joey_config *config = NULL;
	int r = joey_config_parse(text, strlen(text), &config, err);

	assert_true(r <= 0);
	assert_int_equal(r < 0, config == NULL);
	if (r < 0) {
		assert_int_equal(r, -err->errnum);
		assert_int_equal(err->kind, JOEY_EK_CONFIG);
	} else {
		assert_null(err->msg);
	}
	return config;
}

/* before + snippet + after, which must be accepted */
static inline struct joey_config *parse_good(const char *before, const char *snippet, const char *after)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_config *config;

	joey_str_printf(&s, "%s%s%s", before, snippet, after);
	config = parse_text(s.buf, &err);
	if (!config)
		fail_msg("%s\nrefused: %s", s.buf, joey_err_text(&err));
	return config;
}

static inline void check_case(const char *before, const struct oci_case *test, const char *after)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_config *config;

	joey_str_printf(&s, "%s%s%s", before, test->json, after);
	config = parse_text(s.buf, &err);
	if (!test->error && !config)
		fail_msg("%s\nrefused: %s", s.buf, joey_err_text(&err));
	if (test->error && config)
		fail_msg("%s\naccepted, but should be refused: %s", s.buf, test->error);
	if (test->error) {
		bool prefix = test->error[strlen(test->error) - 1] == '*';

		assert_true(joey_startswith(joey_err_text(&err), "config.json: "));
		if (strncmp(joey_err_text(&err) + strlen("config.json: "), test->error,
			    strlen(test->error) + !prefix - prefix) != 0)
			fail_msg("%s\nexpected %s\n     got %s", s.buf, test->error, joey_err_text(&err));
	}
	joey_config_free(config);
}

#define CHECK_CASES(before, table, after)                              \
	do {                                                           \
		for (size_t i_ = 0; i_ < JOEY_ARRAY_SIZE(table); i_++) \
			check_case(before, &(table)[i_], after);       \
	} while (0)

#endif
