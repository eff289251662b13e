/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which id mapping a mount gets: its own, that of crun's idmap= option, or the container's.  The namespace that
 * carries the mapping is made by src/namespaces; the kernel reads it once, in mount_setattr(2).
 *
 * idmap=uids=FROM-TO-COUNT[#...][;gids=...]: FROM is the id in the file system, TO what it becomes; with a leading
 * '@' TO is an id of the container's user namespace.
 */
#include <fcntl.h>
#include <string.h>

#include "joey/namespace.h"
#include "linux/linux-internal.h"

enum { MAX_RANGES = 340 }; /* kernel: UID_GID_MAP_MAX_EXTENTS */

bool mount_wants_idmap(const struct joey_mount *m)
{
	return m->opts->idmap || m->opts->ridmap || m->opts->idmap_text || m->uid_mappings.n || m->gid_mappings.n;
}

/* Next field of *p up to one of stops, as a number; *p is put behind it. */
static int take_number(const char **p, const char *stops, uint32_t *ret)
{
	size_t n = strcspn(*p, stops);
	char digits[12];

	if (n == 0 || n >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, *p, n);
	digits[n] = '\0';
	*p += n;
	return joey_parse_u32(digits, ret);
}

static int parse_range(const char **p, const struct joey_idmaps *container, struct joey_idmap *ret)
{
	bool relative = **p == '@';

	*p += relative;
	if (take_number(p, "-", &ret->container_id) < 0 || *(*p)++ != '-' || take_number(p, "-", &ret->host_id) < 0 ||
	    *(*p)++ != '-' || take_number(p, "#;", &ret->size) < 0 || ret->size == 0)
		return -EINVAL;
	if (relative && !joey_idmap_to_host(container, ret->host_id, &ret->host_id))
		return -EINVAL;
	return 0;
}

static int parse_list(const char **p, const struct joey_idmaps *container, struct joey_idmaps *ret)
{
	ret->v = calloc(MAX_RANGES, sizeof(*ret->v));
	if (!ret->v)
		return -ENOMEM;
	do {
		int r;

		*p += **p == '#';
		if (ret->n == MAX_RANGES)
			return -E2BIG;
		r = parse_range(p, container, &ret->v[ret->n]);
		if (r < 0)
			return r;
		ret->n++;
	} while (**p == '#');
	return 0;
}

static int parse_text(const char *p, const struct joey_config *c, struct joey_idmaps *uids, struct joey_idmaps *gids)
{
	while (*p) {
		bool u = joey_startswith(p, "uids=");
		struct joey_idmaps *to = u ? uids : gids;
		int r;

		if ((!u && !joey_startswith(p, "gids=")) || to->v)
			return -EINVAL;
		p += strlen("uids=");
		r = parse_list(&p, u ? &c->uid_mappings : &c->gid_mappings, to);
		if (r < 0)
			return r;
		if (*p == ';')
			p++;
	}
	return uids->n && gids->n ? 0 : -EINVAL;
}

static int open_from_text(const struct joey_config *c, const struct joey_mount *m, int *ret_fd, struct joey_err *err)
{
	struct joey_idmaps uids = { NULL, 0 }, gids = { NULL, 0 };
	int r = parse_text(m->opts->idmap_text, c, &uids, &gids);

	if (r < 0)
		joey_err_set(err, JOEY_EK_CONFIG, -r, "invalid id mapping '%s'", m->opts->idmap_text);
	else
		r = joey_idmap_userns_fd(&uids, &gids, ret_fd, err);
	free(uids.v);
	free(gids.v);
	return r;
}

int joey_mount_userns_open(const struct joey_config *c, const struct joey_mount *m, int *ret_fd, struct joey_err *err)
{
	if (!mount_wants_idmap(m)) {
		*ret_fd = -EBADF;
		return 0;
	}
	if (!m->opts->bind && !m->opts->rbind)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "only bind mounts can be id-mapped");
	if (m->uid_mappings.n || m->gid_mappings.n) {
		if (!m->uid_mappings.n || !m->gid_mappings.n)
			return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
					    "a mount needs both uidMappings and gidMappings, or neither");
		return joey_idmap_userns_fd(&m->uid_mappings, &m->gid_mappings, ret_fd, err);
	}
	if (m->opts->idmap_text && *m->opts->idmap_text)
		return open_from_text(c, m, ret_fd, err);
	if (!c->ns[JOEY_NS_USER].present)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
				    "an id-mapped mount needs uidMappings and gidMappings, or a user namespace");
	if (c->ns[JOEY_NS_USER].path) {
		int fds[JOEY_NS_MAX], r = joey_ns_open_paths(c, fds, err);

		if (r < 0)
			return r;
		for (unsigned i = 0; i < JOEY_NS_MAX; i++)
			if (i != JOEY_NS_USER)
				joey_close(fds[i]);
		*ret_fd = fds[JOEY_NS_USER];
		return 0;
	}
	return joey_idmap_userns_fd(&c->uid_mappings, &c->gid_mappings, ret_fd, err);
}
