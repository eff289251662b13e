/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text form of id maps in the mount option `idmap=uids=0-1000-10#10-2000-5;gids=@0-0-10` (crun's, used by
 * Podman): entries are container-host-size, separated by '#'; '@' makes the host ids relative to the container's
 * user namespace.
 */
#include <string.h>

#include "oci/oci-internal.h"

enum { MAX_ENTRIES = 340 }; /* of a uid_map, user_namespaces(7) */

static int number(const char **p, char end, uint32_t *ret)
{
	char digits[16];
	size_t n = strspn(*p, "0123456789");

	if (n == 0 || n >= sizeof(digits) || ((*p)[n] != end && end != '\0'))
		return -EINVAL;
	memcpy(digits, *p, n);
	digits[n] = '\0';
	*p += n + (end != '\0');
	return joey_parse_u32(digits, ret);
}

static int entry(const char **p, struct joey_idmap *ret)
{
	if (number(p, '-', &ret->container_id) < 0 || number(p, '-', &ret->host_id) < 0 ||
	    number(p, '\0', &ret->size) < 0 || ret->size == 0)
		return -EINVAL;
	return 0;
}

/* Up to ';' or the end. */
static int entries(struct joey_arena *arena, const char **p, struct joey_idmaps *ret, bool *ret_relative)
{
	struct joey_idmap found[MAX_ENTRIES];
	size_t n = 0;

	*ret_relative = **p == '@';
	*p += *ret_relative;
	for (;;) {
		if (n == MAX_ENTRIES || entry(p, &found[n]) < 0)
			return -EINVAL;
		n++;
		if (**p != '#')
			break;
		(*p)++;
	}
	if (**p != ';' && **p != '\0')
		return -EINVAL;
	*p += **p == ';';
	ret->n = n;
	ret->v = NULL;
	if (!arena)
		return 0;
	ret->v = joey_arena_array(arena, n, sizeof(found[0]));
	if (!ret->v)
		return -ENOMEM;
	memcpy(ret->v, found, n * sizeof(found[0]));
	return 0;
}

int mount_opts_parse_idmap(struct joey_arena *arena, const char *text, struct oci_idmap_text *ret)
{
	struct oci_idmap_text out = { 0 };
	const char *p = text;

	while (*p) {
		bool uids = joey_startswith(p, "uids=");
		struct joey_idmaps *maps = uids ? &out.uids : &out.gids;
		int r;

		if (!uids && !joey_startswith(p, "gids="))
			return -EINVAL;
		if (maps->n > 0)
			return -EINVAL;
		p += strlen("uids=");
		r = entries(arena, &p, maps, uids ? &out.uids_relative : &out.gids_relative);
		if (r < 0)
			return r;
	}
	if (out.uids.n == 0 || out.gids.n == 0)
		return -EINVAL;
	*ret = out;
	return 0;
}
