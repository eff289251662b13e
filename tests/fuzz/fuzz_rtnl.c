/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of a netlink answer. */
#include <string.h>

#include "fuzz.h"
#include "linux/rtnl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct rtattr *tb[16];
	char *body = malloc(size ? size : 1);

	if (!body)
		return 0;
	memcpy(body, data, size);
	if (rtnl_parse(body, size, sizeof(struct ifaddrmsg), tb, 15) == 0)
		for (size_t i = 0; i < 16; i++) {
			const char *p = rtnl_data(tb[i], 16);

			FUZZ_ASSERT(!p || (p >= body && p + 16 <= body + size));
		}
	free(body);
	return 0;
}
