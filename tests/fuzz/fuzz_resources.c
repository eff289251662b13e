/* SPDX-License-Identifier: Apache-2.0 */
/* The resources object of update --resources. */
#include <string.h>

#include "fuzz.h"
#include "joey/oci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct joey_err err = JOEY_ERR_INIT;
	struct joey_resources *res = NULL;
	int r = joey_resources_parse((const char *)data, size, &arena, &res, &err);

	FUZZ_ASSERT((r == 0) == (res != NULL) && (r == 0) == (err.errnum == 0));
	for (size_t i = 0; r == 0 && i < res->unified.n; i++)
		FUZZ_ASSERT(!strchr(res->unified.v[i].key, '/') && strchr(res->unified.v[i].key, '.'));
	for (size_t i = 0; r == 0 && i < res->n_hugepage; i++)
		FUZZ_ASSERT(!strchr(res->hugepage[i].page_size, '/'));
	joey_err_clear(&err);
	joey_arena_done(&arena);
	return 0;
}
