/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.sysctl keys.  sysctl(8) takes "net.ipv4.ip_forward" and "net/ipv4/ip_forward"; the first separator tells
 * which of the two stands for the path, and the other is then part of a name: "net/ipv4/conf/eno2.100/rp_filter" and
 * "net.ipv4.conf.eno2/100.rp_filter" are the same file.  Kept as a path relative to /proc/sys, every component
 * checked, so that no key can leave that directory.
 */
#include <string.h>

#include "oci/oci-internal.h"

static bool is_safe_path(const char *path)
{
	for (;;) {
		size_t n = strcspn(path, "/");

		if (n == 0 || (n == 1 && path[0] == '.') || (n == 2 && memcmp(path, "..", 2) == 0))
			return false;
		path += n;
		if (!*path)
			return true;
		path++;
	}
}

static void swap_separators(char *text)
{
	for (; *text; text++) {
		if (*text == '.')
			*text = '/';
		else if (*text == '/')
			*text = '.';
	}
}

static int entry(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	struct joey_pair *p = element;
	const char *key = c->at->key;

	if (!key[0])
		return oci_fail(c, "a key must not be empty");
	p->key = joey_arena_strdup(c->arena, key);
	if (!p->key)
		return oci_nomem(c);
	if (key[strcspn(key, "./")] == '.')
		swap_separators(p->key);
	if (!is_safe_path(p->key))
		return oci_fail(c, "sysctl \"%s\" is not a name", key);
	return oci_any_string(c, v, &p->value);
}

int oci_sysctl(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_pairs *pairs = field;

	return oci_members(c, v, JOEY_JSON_STRING, sizeof(struct joey_pair), entry, &pairs->v, &pairs->n);
}
