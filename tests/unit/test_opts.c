/* SPDX-License-Identifier: Apache-2.0 */
/* src/cli: option parser, signal names. */
#include <signal.h>
#include <string.h>

#include "cli/cli-internal.h"
#include "unit.h"

struct values {
	const char *bundle;
	bool force, keep;
	unsigned number;
};

static const struct opt table[] = {
	{ "bundle", 'b', OPT_STRING, offsetof(struct values, bundle), "DIR", "" },
	{ "force", 'f', OPT_BOOL, offsetof(struct values, force), NULL, "" },
	{ "keep", 0, OPT_BOOL, offsetof(struct values, keep), NULL, "" },
	{ "number", 'n', OPT_UINT, offsetof(struct values, number), "N", "" },
	{ "later", 0, OPT_NOTE, 0, "X", "" },
	{ "no-subreaper", 0, OPT_SWITCH, 0, NULL, "" },
	OPT_END,
};

enum { MAX_WORDS = 12 };

static const struct {
	const char *line[MAX_WORDS];
	bool stop;
	const char *operands; /* joined by ',' */
	struct values values;
	bool help;
	const char *error;
} cases[] = {
	{ .line = { NULL }, .operands = "" },
	{ .line = { "--bundle", "x", "id" }, .operands = "id", .values = { .bundle = "x" } },
	{ .line = { "--bundle=x", "id" }, .operands = "id", .values = { .bundle = "x" } },
	{ .line = { "-bundle", "x", "id" }, .operands = "id", .values = { .bundle = "x" } },
	{ .line = { "-bundle=x=y", "id" }, .operands = "id", .values = { .bundle = "x=y" } },
	{ .line = { "-b", "x", "id" }, .operands = "id", .values = { .bundle = "x" } },
	{ .line = { "-b=x", "id" }, .operands = "id", .values = { .bundle = "x" } },
	{ .line = { "--b", "x" }, .operands = "", .values = { .bundle = "x" } },
	{ .line = { "--bundle=" }, .operands = "", .values = { .bundle = "" } },
	{ .line = { "--bundle", "x", "--bundle", "y" }, .operands = "", .values = { .bundle = "y" } },
	{ .line = { "--force", "--force" }, .operands = "", .values = { .force = true } },
	{ .line = { "--force=true" }, .operands = "", .values = { .force = true } },
	{ .line = { "--force=1", "--force=false" }, .operands = "" },
	{ .line = { "--force=F" }, .operands = "" },
	{ .line = { "--force", "false" }, .operands = "false", .values = { .force = true } },
	{ .line = { "-no-subreaper", "--later", "-x", "a" }, .operands = "a" },
	{ .line = { "id", "--force" }, .operands = "id", .values = { .force = true } },
	{ .line = { "id", "--force" }, .stop = true, .operands = "id,--force" },
	{ .line = { "--force", "id", "-9" }, .stop = true, .operands = "id,-9", .values = { .force = true } },
	{ .line = { "--", "--force", "x" }, .operands = "--force,x" },
	{ .line = { "a", "--", "-f" }, .operands = "a,-f" },
	{ .line = { "-", "-f" }, .operands = "-", .values = { .force = true } },
	{ .line = { "--bundle", "-f" }, .operands = "", .values = { .bundle = "-f" } },
	{ .line = { "-n", "4294967295" }, .operands = "", .values = { .number = 4294967295U } },
	{ .line = { "--help" }, .operands = "", .help = true },
	{ .line = { "-h" }, .operands = "", .help = true },
	{ .line = { "a", "-help", "--nonsense" }, .operands = "a", .help = true },
	{ .line = { "--bundle" }, .error = "flag needs an argument: -bundle" },
	{ .line = { "-b" }, .error = "flag needs an argument: -bundle" },
	{ .line = { "--later" }, .error = "flag needs an argument: -later" },
	{ .line = { "--nonsense" }, .error = "flag provided but not defined: -nonsense" },
	{ .line = { "-fb", "x" }, .error = "flag provided but not defined: -fb" },
	{ .line = { "--nonsense=5" }, .error = "flag provided but not defined: -nonsense" },
	{ .line = { "---force" }, .error = "bad flag syntax: ---force" },
	{ .line = { "--=x" }, .error = "bad flag syntax: --=x" },
	{ .line = { "-=x" }, .error = "bad flag syntax: -=x" },
	{ .line = { "--force=maybe" }, .error = "invalid boolean value \"maybe\" for flag -force: parse error" },
	{ .line = { "--force=" }, .error = "invalid boolean value \"\" for flag -force: parse error" },
	{ .line = { "-n", "-1" }, .error = "invalid value \"-1\" for flag -number: parse error" },
	{ .line = { "-n", "4294967296" }, .error = "invalid value \"4294967296\" for flag -number: parse error" },
	{ .line = { "-n=0x1" }, .error = "invalid value \"0x1\" for flag -number: parse error" },
};

static size_t copy_words(const char *const *from, char *words[MAX_WORDS])
{
	size_t n = 0;

	for (; n < MAX_WORDS && from[n]; n++)
		words[n] = strdup(from[n]);
	return n;
}

static void check_values(const struct values *got, const struct values *want)
{
	if (want->bundle)
		assert_string_equal(got->bundle, want->bundle);
	else
		assert_null(got->bundle);
	assert_int_equal(got->force, want->force);
	assert_int_equal(got->keep, want->keep);
	assert_int_equal(got->number, want->number);
}

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(cases); i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;
		autostr struct joey_str joined = JOEY_STR_INIT;
		char *words[MAX_WORDS] = { NULL }, *argv[MAX_WORDS];
		size_t argc = copy_words(cases[i].line, words), n = 99;
		struct values v = { 0 };
		bool help = false;
		int r;

		memcpy(argv, words, sizeof(argv));
		r = opts_parse(table, &v, argv, argc, cases[i].stop, &n, &help, &err);
		print_message("# case %zu\n", i);
		if (cases[i].error) {
			assert_int_equal(r, -EINVAL);
			assert_int_equal(err.kind, JOEY_EK_USAGE);
			assert_string_equal(joey_err_text(&err), cases[i].error);
		} else {
			assert_int_equal(r, 0);
			assert_int_equal(help, cases[i].help);
			joey_str_add(&joined, "");
			for (size_t k = 0; k < n; k++)
				joey_str_printf(&joined, "%s%s", k ? "," : "", argv[k]);
			assert_string_equal(joined.buf, cases[i].operands);
			check_values(&v, &cases[i].values);
		}
		for (size_t k = 0; k < argc; k++)
			free(words[k]);
	}
}

static void test_signals(void **state)
{
	const struct {
		const char *text;
		int number;
	} good[] = {
		{ "KILL", SIGKILL },
		{ "sigkill", SIGKILL },
		{ "SigTerm", SIGTERM },
		{ "9", 9 },
		{ "0", 0 },
		{ "64", 64 },
		{ "USR1", SIGUSR1 },
		{ "CLD", SIGCHLD },
		{ "RTMIN", SIGRTMIN },
		{ "SIGRTMIN+3", SIGRTMIN + 3 },
		{ "rtmax-1", SIGRTMAX - 1 },
		{ "WINCH", SIGWINCH },
	};
	static const char *const bad[] = { "",        "65",     "-9",       "SIG",     "SIG9", "KIL",       "KILLX",
					   "RTMIN-1", "RTMIN+", "RTMIN+99", "RTMAX+1", "9 ",   "SIGSIGKILL" };

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(good); i++) {
		int sig = -1;

		assert_int_equal(signal_from_string(good[i].text, &sig, NULL), 0);
		assert_int_equal(sig, good[i].number);
	}
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(bad); i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;
		int sig = -1;

		assert_int_equal(signal_from_string(bad[i], &sig, &err), -EINVAL);
		assert_int_equal(sig, -1);
		assert_non_null(strstr(joey_err_text(&err), "unknown signal \""));
	}
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = {
		{ "5s", 5000 },           { "0", 0 },         { "0s", 0 },       { "500ms", 500 },
		{ "1m30s", 90000 },       { "1.5s", 1500 },   { "2h", 7200000 }, { "1us", 1 },
		{ "1h1m1s1ms", 3661001 }, { "0.25m", 15000 }, { "1500us", 2 },   { "0.0001s", 1 },
	};
	static const char *const bad[] = { "",
					   "5",
					   "s",
					   "-5s",
					   "+5s",
					   "5 s",
					   "5S",
					   "5s5",
					   "1..5s",
					   ".5s",
					   "1.s",
					   "5ns",
					   "1e3s",
					   "99999999999999999999s",
					   "99999999999h",
					   "5sx" };

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(good); i++) {
		uint64_t ms = 4711;

		assert_int_equal(duration_from_string(good[i].text, &ms), 0);
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(bad); i++) {
		uint64_t ms = 4711;

		assert_true(duration_from_string(bad[i], &ms) < 0);
		assert_int_equal(ms, 4711);
	}
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		int64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "-1", -1 },
		{ "4096", 4096 },
		{ "512M", 536870912 },
		{ "512m", 536870912 },
		{ "1k", 1024 },
		{ "1KB", 1024 },
		{ "1KiB", 1024 },
		{ "1.5G", 1610612736 },
		{ "32 b", 32 },
		{ "2t", 2199023255552 },
		{ "1p", 1125899906842624 },
		{ "9223372036854775807", INT64_MAX },
	};
	static const char *const bad[] = { "",      "-2",
					   "M",     "1x",
					   "1 ",    "1MM",
					   "1iB",   "0x10",
					   " 1",    "1.M",
					   "1,5M",  "9223372036854775808",
					   "8192P", "99999999999999999999999" };

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(good); i++) {
		int64_t v = 4711;

		if (size_from_string(good[i].text, &v) < 0 || v != good[i].bytes)
			fail_msg("%s is %lld", good[i].text, (long long)v);
	}
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(bad); i++) {
		int64_t v = 4711;

		if (size_from_string(bad[i], &v) >= 0 || v != 4711)
			fail_msg("\"%s\" is %lld", bad[i], (long long)v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests_name("opts", tests, NULL, NULL);
}
