/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_MOUNTINFO_H
#define JOEY_MOUNTINFO_H

/*
 * proc_pid_mountinfo(5).  For finding host facts only: nothing that is security relevant is decided by it
 * (the table may be incomplete while mounts change; runc #2404).
 */

#include <stddef.h>

/* Strings are decoded (\040 and the like) and valid during the call only. */
struct joey_mountinfo {
	int id, parent;
	unsigned major, minor;
	const char *root, *target;
	const char *options;  /* of the mount */
	const char *optional; /* "shared:1 master:2"; "" when none */
	const char *fstype, *source;
	const char *super_options; /* of the file system */
};

/* 0: go on; > 0: stop, and return that; < 0: stop with an error. */
typedef int (*joey_mountinfo_fn)(const struct joey_mountinfo *m, void *arg);

/* Every line of a file such as /proc/self/mountinfo (by libmount where joey is linked against it). Returns what fn
 * returned last, 0 when it never stopped. */
int joey_mountinfo_each(const char *path, joey_mountinfo_fn fn, void *arg);

/* The same from memory, by joey's own parser in any build; lines that are not mountinfo are -EBADMSG. */
int joey_mountinfo_parse(const char *text, size_t len, joey_mountinfo_fn fn, void *arg);

#endif
