/* SPDX-License-Identifier: Apache-2.0 */
/* mountinfo text: whatever it holds, entries are complete and the parser stays inside of it. */
#include <string.h>

#include "fuzz.h"
#include "joey/mountinfo.h"

static int look(const struct joey_mountinfo *m, void *arg)
{
	size_t *total = arg;

	FUZZ_ASSERT(m->id >= 0 && m->parent >= 0);
	*total += strlen(m->root) + strlen(m->target) + strlen(m->options) + strlen(m->optional) + strlen(m->fstype) +
		  strlen(m->source) + strlen(m->super_options);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t total = 0;

	(void)joey_mountinfo_parse((const char *)data, size, look, &total);
	FUZZ_ASSERT(total <= size);
	return 0;
}
