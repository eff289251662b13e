/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_MOUNT_OPTS_H
#define JOEY_MOUNT_OPTS_H

/*
 * Compiled mount options (runtime-spec config.md, "Linux mount options"; mount_setattr(2)).
 * Options are applied left to right: a later one undoes an earlier one ("ro,rw" is rw).
 */

#include "joey/util.h"

/* One propagation change; the spec lets several follow each other. */
struct joey_propagation {
	uint64_t type;
	bool recursive;
}; /* MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE */

struct joey_mount_opts {
	bool bind, rbind; /* "rbind" sets both */
	bool remount;
	bool tmpcopyup;
	bool idmap, ridmap; /* "ridmap" sets both; config validation also sets idmap when the mount has mappings */
	bool copy_symlink, src_nofollow, dest_nofollow; /* crun's options, sent by Podman */
	uint64_t attr_set, attr_clear;                  /* MOUNT_ATTR_*, top mount */
	uint64_t rattr_set, rattr_clear; /* MOUNT_ATTR_*, AT_RECURSIVE; atime changes have MOUNT_ATTR__ATIME in clear */
	uint64_t sb_set, sb_clear; /* MS_SYNCHRONOUS, MS_DIRSYNC, MS_MANDLOCK, MS_LAZYTIME, MS_I_VERSION, MS_SILENT */
	struct joey_propagation propagation[8];
	size_t n_propagation;
	struct joey_strlist data; /* unknown options: "key" or "key=value", in order */
	char *idmap_text;         /* crun's idmap=uids=..;gids=.. form, NULL if not used */
};

/*
 * options may have n == 0.  Allocates in arena.  -EINVAL with *ret_bad pointing at the offending option
 * (too many propagation flags; `idmap=` text malformed).  Unknown options are data, never an error.
 */
int joey_mount_opts_compile(struct joey_arena *arena, char *const *options, size_t n, struct joey_mount_opts **ret,
			    const char **ret_bad);

/* Every option name known, sorted, for `features`; NULL-terminated static array. */
const char *const *joey_mount_opts_names(void);

#endif
