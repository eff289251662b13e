/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON reader, and that what the writer makes of its tree reads back as the same. */
#include <string.h>

#include "fuzz.h"
#include "joey/json.h"

static char *write_tree(const struct joey_json *v, unsigned indent, size_t *ret_len)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(indent);
	char *text = NULL;

	joey_json_out_value(o, NULL, v);
	FUZZ_ASSERT(joey_json_out_finish(o, &text, ret_len) == 0);
	return text;
}

static void read_back(const char *text, size_t len)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct joey_err err = JOEY_ERR_INIT;
	struct joey_json *v = NULL;
	size_t again_len = 0;
	char *again;

	FUZZ_ASSERT(joey_json_parse(text, len, SIZE_MAX, &arena, &v, &err) == 0);
	again = write_tree(v, 0, &again_len);
	FUZZ_ASSERT(again_len <= len);
	free(again);
	joey_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct joey_err err = JOEY_ERR_INIT;
	struct joey_json *v = NULL;
	int r = joey_json_parse((const char *)data, size, 1 << 20, &arena, &v, &err);

	FUZZ_ASSERT((r == 0) == (v != NULL) && (r == 0) == (err.errnum == 0));
	for (unsigned indent = 0; r == 0 && indent <= 4; indent += 4) {
		size_t len = 0;
		char *text = write_tree(v, indent, &len);

		read_back(text, len);
		free(text);
	}
	joey_err_clear(&err);
	joey_arena_done(&arena);
	return 0;
}
