/* SPDX-License-Identifier: Apache-2.0 */
/* Mount options, one per line. */
#include <string.h>

#include "fuzz.h"
#include "joey/mount_opts.h"

enum { MAX_OPTIONS = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct joey_mount_opts *opts = NULL;
	const char *bad = NULL;
	char *options[MAX_OPTIONS];
	char *text = joey_arena_strndup(&arena, (const char *)data, size);
	size_t n = 0;
	int r;

	for (char *line = text; line && n < MAX_OPTIONS; n++) {
		char *end = strchr(line, '\n');

		options[n] = line;
		if (end)
			*end++ = '\0';
		line = end;
	}
	r = joey_mount_opts_compile(&arena, options, n, &opts, &bad);
	FUZZ_ASSERT((r == 0) == (opts != NULL) && (r != -EINVAL || bad));
	if (r == 0) {
		FUZZ_ASSERT(opts->data.n <= n && (!opts->rbind || opts->bind) && (!opts->ridmap || opts->idmap));
		FUZZ_ASSERT((opts->sb_set & opts->sb_clear) == 0);
	}
	joey_arena_done(&arena);
	return 0;
}
