/* SPDX-License-Identifier: Apache-2.0 */
/* /etc/passwd of an image: the first byte is the uid that is looked for. */
#include <string.h>

#include "fuzz.h"
#include "linux/linux-internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *home = NULL;
	size_t len = 0;
	char *text;

	if (size < 1)
		return 0;
	/* of the exact size, without a terminator */
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	if (passwd_find_home(text, size - 1, data[0], &home, &len)) {
		FUZZ_ASSERT(home >= text && len > 0 && home + len <= text + size - 1);
		FUZZ_ASSERT(!memchr(home, '\n', len) && !memchr(home, '\0', len) && !memchr(home, ':', len));
	}
	free(text);
	return 0;
}
