/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_NAMESPACE_H
#define JOEY_NAMESPACE_H

/* Namespaces: the table, joining by path, id maps, time offsets (namespaces(7), user_namespaces(7)). */

#include "joey/err.h"
#include "joey/oci.h"

struct joey_ns_info {
	const char *oci_name;  /* "network" */
	const char *proc_name; /* "net" */
	uint64_t clone_flag;
};

/* Indexed by enum joey_ns. */
extern const struct joey_ns_info joey_ns_table[JOEY_NS_MAX];

/* CLONE_NEW* of every entry without a path. */
uint64_t joey_ns_new_flags(const struct joey_config *c);

/* Opens each entry's path, verifying that it is an nsfs file of that type (NS_GET_NSTYPE). fds[] gets -EBADF where
 * there is none.  Borrowed by nobody: the caller closes them. */
int joey_ns_open_paths(const struct joey_config *c, int fds[JOEY_NS_MAX], struct joey_err *err);

int joey_ns_join(int fd, enum joey_ns ns, const char *path, struct joey_err *err);

/* Is the namespace that fd names another one than joey's own? */
int joey_ns_is_other(int fd, enum joey_ns ns, bool *ret);

/* Writes setgroups, gid_map, uid_map of pid through host_proc_fd; with newuidmap/newgidmap (host-owned, opened and
 * verified, no PATH search) when joey may not write them itself. */
int joey_idmap_write(int host_proc_fd, pid_t pid, const struct joey_idmaps *uids, const struct joey_idmaps *gids,
		     bool privileged, struct joey_err *err);

/* A new user namespace with the given maps, kept by fd only (helper process is gone on return): for idmapped mounts. */
int joey_idmap_userns_fd(const struct joey_idmaps *uids, const struct joey_idmaps *gids, int *ret_fd,
			 struct joey_err *err);

/* Host id of a container id; false when unmapped. n == 0 maps: identity. */
bool joey_idmap_to_host(const struct joey_idmaps *maps, uint32_t id, uint32_t *ret);

/* Do the maps of the user namespace fd (seen through /proc/PID/{u,g}id_map of a helper) equal the config's? */
int joey_idmap_matches(int userns_fd, const struct joey_idmaps *uids, const struct joey_idmaps *gids, bool *ret,
		       struct joey_err *err);

/* /proc/self/timens_offsets after unshare(CLONE_NEWTIME), before the first child. */
int joey_timens_write(int proc_self_fd, const struct joey_config *c, struct joey_err *err);

#endif
