/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount attributes, by descriptor.  mount_setattr(2) changes what it is told to and keeps the rest, so that flags
 * which a user namespace locks (mount_namespaces(7)) survive without being read first; asking to clear a locked flag
 * is EPERM, which is what the spec wants.
 */
#include "joey/syscalls.h"
#include "linux/linux-internal.h"

int mount_attr(int mnt_fd, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation)
{
	struct mount_attr a = { .attr_set = set, .attr_clr = clear, .propagation = propagation };

	return joey_sys_mount_setattr(mnt_fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &a);
}

int mount_attach(int mnt_fd, int dir_fd, const char *name)
{
	return joey_sys_move_mount(mnt_fd, "", dir_fd, name,
				   MOVE_MOUNT_F_EMPTY_PATH | (*name ? 0 : MOVE_MOUNT_T_EMPTY_PATH));
}

/* The kernel changes propagation and attributes of one call together: the first propagation change of the same reach
 * rides along. */
static int apply(int fd, const struct joey_mount_opts *o, bool recursive, bool merge, size_t *next)
{
	uint64_t set = recursive ? o->rattr_set : o->attr_set, clear = recursive ? o->rattr_clear : o->attr_clear;
	uint64_t propagation = 0;

	if (!set && !clear)
		return 0;
	if (merge && *next < o->n_propagation && o->propagation[*next].recursive == recursive)
		propagation = o->propagation[(*next)++].type;
	return mount_attr(fd, recursive, set, clear, propagation);
}

int mount_attr_options(int mnt_fd, const struct joey_mount *m, bool made, bool propagate, struct joey_err *err)
{
	size_t next = 0;
	int r = 0;

	if (!made) {
		r = apply(mnt_fd, m->opts, true, propagate, &next);
		if (r == 0)
			r = apply(mnt_fd, m->opts, false, propagate, &next);
		if (r < 0)
			return joey_err_sys(err, -r, "set mount attributes");
	}
	return propagate ? mount_attr_propagation(mnt_fd, m, next, err) : 0;
}

int mount_attr_propagation(int mnt_fd, const struct joey_mount *m, size_t from, struct joey_err *err)
{
	for (size_t i = from; i < m->opts->n_propagation; i++) {
		const struct joey_propagation *p = &m->opts->propagation[i];
		int r = mount_attr(mnt_fd, p->recursive, 0, 0, p->type);

		if (r < 0)
			return joey_err_sys(err, -r, "set mount propagation");
	}
	return 0;
}
