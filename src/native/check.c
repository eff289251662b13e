/* SPDX-License-Identifier: Apache-2.0 */
#include "joey/check.h"
#include "native/native-internal.h"

int native_check(struct joey_findings *f)
{
	int r = joey_check_kernel(f);

	if (r == 0)
		r = joey_check_namespaces(f);
	return r < 0 ? r : joey_check_cgroup(f);
}
