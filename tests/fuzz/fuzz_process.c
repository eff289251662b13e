/* SPDX-License-Identifier: Apache-2.0 */
/* The process object of exec --process; what was read can be written and read again. */
#include "fuzz.h"
#include "joey/json.h"
#include "joey/oci.h"

static void again(const struct joey_process *p)
{
	struct joey_json_out *o = joey_json_out_new(0);
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct joey_err err = JOEY_ERR_INIT;
	struct joey_process *q = NULL;
	char *text = NULL;
	size_t len;

	joey_process_write(o, NULL, p);
	FUZZ_ASSERT(joey_json_out_finish(o, &text, &len) == 0);
	FUZZ_ASSERT(joey_process_parse(text, len, &arena, &q, &err) == 0);
	FUZZ_ASSERT(q->args.n == p->args.n && q->env.n == p->env.n && q->n_rlimits == p->n_rlimits);
	free(text);
	joey_json_out_free(o);
	joey_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct joey_err err = JOEY_ERR_INIT;
	struct joey_process *p = NULL;
	int r = joey_process_parse((const char *)data, size, &arena, &p, &err);

	FUZZ_ASSERT((r == 0) == (p != NULL) && (r == 0) == (err.errnum == 0));
	if (r == 0) {
		FUZZ_ASSERT(p->args.n > 0 && p->cwd[0] == '/' && (p->terminal || p->console_width == 0));
		again(p);
	}
	joey_err_clear(&err);
	joey_arena_done(&arena);
	return 0;
}
