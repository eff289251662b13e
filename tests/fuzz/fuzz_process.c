/* SPDX-License-Identifier: Apache-2.0 */
/* The process object of exec --process. */
#include "fuzz.h"
#include "joey/oci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct joey_err err = JOEY_ERR_INIT;
	struct joey_process *p = NULL;
	int r = joey_process_parse((const char *)data, size, &arena, &p, &err);

	FUZZ_ASSERT((r == 0) == (p != NULL) && (r == 0) == (err.errnum == 0));
	if (r == 0)
		FUZZ_ASSERT(p->args.n > 0 && p->cwd[0] == '/' && (p->terminal || p->console_width == 0));
	joey_err_clear(&err);
	joey_arena_done(&arena);
	return 0;
}
