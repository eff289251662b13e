/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: words are separated by newlines. Operands come from the line, in its order. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli-internal.h"
#include "fuzz.h"

enum { MAX_WORDS = 64 };

struct values {
	const char *text;
	bool flag;
	unsigned number;
};

static const struct opt table[] = {
	{ "text", 't', OPT_STRING, offsetof(struct values, text), "X", "" },
	{ "flag", 'f', OPT_BOOL, offsetof(struct values, flag), NULL, "" },
	{ "number", 'n', OPT_UINT, offsetof(struct values, number), "N", "" },
	OPT_END,
};

static void parse(char **words, size_t argc, bool stop)
{
	struct joey_err err = JOEY_ERR_INIT;
	char *argv[MAX_WORDS];
	struct values v = { 0 };
	size_t n = 0, from = 0;
	bool help = false;

	memcpy(argv, words, sizeof(argv));
	if (opts_parse(table, &v, argv, argc, stop, &n, &help, &err) == 0) {
		FUZZ_ASSERT(n <= argc);
		for (size_t i = 0; i < n; i++, from++)
			while (words[from] != argv[i])
				FUZZ_ASSERT(++from < argc);
	} else {
		FUZZ_ASSERT(err.kind == JOEY_EK_USAGE && err.msg);
	}
	joey_err_clear(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1), *words[MAX_WORDS] = { NULL };
	size_t argc = 0;
	int sig;

	FUZZ_ASSERT(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	copy[size] = '\0';
	if (signal_from_string(copy, &sig, NULL) == 0)
		FUZZ_ASSERT(sig >= 0 && sig <= 64);
	for (char *p = copy; p && argc < MAX_WORDS; argc++) {
		words[argc] = p;
		p = strchr(p, '\n');
		if (p)
			*p++ = '\0';
	}
	parse(words, argc, false);
	parse(words, argc, true);
	free(copy);
	return 0;
}
