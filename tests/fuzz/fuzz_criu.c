/* SPDX-License-Identifier: Apache-2.0 */
/* CRIU's answers, and descriptors.json of an image directory. */
#include <string.h>

#include "fuzz.h"
#include "native/criu.h"

static void answer(const uint8_t *data, size_t size)
{
	struct joey_pb_in in = { data, size };
	struct joey_pb_field f;
	struct criu_answer a;

	while (joey_pb_next(&in, &f) > 0)
		FUZZ_ASSERT(f.number > 0 && (f.type != JOEY_PB_BYTES || (f.data >= data && f.len <= size)));
	if (criu_answer_decode(data, size, &a) == 0)
		FUZZ_ASSERT(memchr(a.text, '\0', sizeof(a.text)) && memchr(a.script, '\0', sizeof(a.script)) &&
			    !memchr(a.text, '\n', strlen(a.text)));
}

static void streams(const uint8_t *data, size_t size)
{
	struct joey_err err = JOEY_ERR_INIT;
	struct criu_stdio s;

	if (criu_stdio_parse((const char *)data, size, &s, &err) == 0) {
		for (size_t i = 0; i < CRIU_N_STDIO; i++)
			FUZZ_ASSERT(!s.v[i] || strlen(s.v[i]) < CRIU_STDIO_MAX);
		criu_stdio_done(&s);
	}
	joey_err_clear(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1); /* of the exact size, but never nothing */

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	answer(copy, size);
	streams(copy, size);
	free(copy);
	return 0;
}
