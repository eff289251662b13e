/* SPDX-License-Identifier: Apache-2.0 */
/* The only file that names backends.  The first row is the default. */
#include "joey/backend.h"

static const struct joey_backend *const backends[] = {
	&joey_native_backend,
	&joey_vm_backend,
};

const struct joey_backend *joey_backend_by_name(const char *name)
{
	if (!name)
		return backends[0];
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(backends); i++)
		if (joey_streq(backends[i]->name, name))
			return backends[i];
	return NULL;
}

const struct joey_backend *joey_backend_isolating(void)
{
	return &joey_vm_backend;
}
