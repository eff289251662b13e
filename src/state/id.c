/* SPDX-License-Identifier: Apache-2.0 */
/* Container ids: one path component that needs no quoting anywhere, in the same set as runc's. */
#include <string.h>

#include "joey/container.h"

enum { ID_MAX_BYTES = 1024 };

static bool id_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '+' ||
	       c == '-' || c == '.';
}

int joey_id_check(const char *id, struct joey_err *err)
{
	size_t n = id ? strnlen(id, ID_MAX_BYTES + 1) : 0;

	if (n == 0)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "container id cannot be empty");
	if (n > ID_MAX_BYTES)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "invalid container id format: more than %d bytes",
				    ID_MAX_BYTES);
	if (joey_streq(id, ".") || joey_streq(id, ".."))
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "invalid container id format: \"%s\"", id);
	for (size_t i = 0; i < n; i++)
		if (!id_byte(id[i]))
			return joey_err_set(
				err, JOEY_EK_USAGE, EINVAL,
				"invalid container id format: only letters, digits and \"_+-.\" may be used");
	return 0;
}
