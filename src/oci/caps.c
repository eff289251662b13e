/* SPDX-License-Identifier: Apache-2.0 */
/* Capability names, by libcap's table.  OCI writes them as CAP_* in upper case, libcap would take any case. */
#include <string.h>

#include <sys/capability.h>

#include "oci/oci-internal.h"

int joey_cap_from_string(const char *name, unsigned *ret)
{
	cap_value_t value;

	if (strncmp(name, "CAP_", 4) != 0 || strspn(name + 4, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") != strlen(name + 4))
		return -ENOENT;
	if (cap_from_name(name, &value) < 0 || value < 0 || value > 63)
		return -ENOENT;
	*ret = (unsigned)value;
	return 0;
}
