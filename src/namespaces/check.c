/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces and id maps of this host, for `joey check`. */
#include <fcntl.h>
#include <unistd.h>

#include "joey/check.h"
#include "joey/namespace.h"

static int check_kinds(struct joey_findings *f)
{
	autostr struct joey_str missing = JOEY_STR_INIT;

	for (unsigned i = 0; i < JOEY_NS_MAX; i++) {
		char path[48];

		snprintf(path, sizeof(path), "/proc/self/ns/%s", joey_ns_table[i].proc_name);
		if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			joey_str_printf(&missing, "%s%s", missing.len ? ", " : "", joey_ns_table[i].oci_name);
	}
	if (missing.failed)
		return -ENOMEM;
	return joey_findings_add(f, "kernel", "namespaces", missing.len ? JOEY_FINDING_LIMITED : JOEY_FINDING_OK,
				 "configs that ask for a missing kind are refused", "%s%s",
				 missing.len ? "missing: " : "all kinds", missing.len ? missing.buf : "");
}

static int check_userns(struct joey_findings *f)
{
	autofree char *text = NULL;
	bool off = joey_read_file_at(AT_FDCWD, "/proc/sys/user/max_user_namespaces", 0, 64, &text, NULL) < 0 ||
		   text[0] == '0';

	return joey_findings_add(f, "kernel", "user namespaces", off ? JOEY_FINDING_LIMITED : JOEY_FINDING_OK,
				 "no rootless containers, no user namespaces in containers",
				 off ? "switched off (user.max_user_namespaces)" : "allowed");
}

static int check_helpers(struct joey_findings *f)
{
	bool both = access("/usr/bin/newuidmap", X_OK) == 0 && access("/usr/bin/newgidmap", X_OK) == 0;

	return joey_findings_add(f, "programs", "newuidmap, newgidmap", both ? JOEY_FINDING_OK : JOEY_FINDING_LIMITED,
				 "rootless containers have a single user id (package uidmap)",
				 both ? "installed" : "not installed");
}

int joey_check_namespaces(struct joey_findings *f)
{
	int r = check_kinds(f);

	if (r == 0)
		r = check_userns(f);
	return r < 0 ? r : check_helpers(f);
}
