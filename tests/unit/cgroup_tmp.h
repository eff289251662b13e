/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_UNIT_CGROUP_TMP_H
#define JOEY_UNIT_CGROUP_TMP_H

/* A directory that stands in for a cgroup: plain files, so what was written can be read back. Include after unit.h. */

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "joey/util.h"

struct tmp_dir {
	char path[64];
	int fd;
};

static inline void tmp_make(struct tmp_dir *t)
{
	const char *base = getenv("TMPDIR");

	(void)snprintf(t->path, sizeof(t->path), "%s/joey-cg-XXXXXX", base && strlen(base) < 40 ? base : "/tmp");
	assert_non_null(mkdtemp(t->path));
	t->fd = open(t->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(t->fd >= 0);
}

static inline void tmp_file(const struct tmp_dir *t, const char *name, const char *text)
{
	autoclose int fd = openat(t->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(joey_write_all(fd, text, strlen(text)), 0);
}

static inline void tmp_expect(const struct tmp_dir *t, const char *name, const char *want)
{
	autofree char *text = NULL;

	assert_int_equal(joey_read_file_at(t->fd, name, 0, 1u << 20, &text, NULL), 0);
	assert_string_equal(text, want);
}

static inline void tmp_remove(struct tmp_dir *t)
{
	DIR *d = opendir(t->path);
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		(void)unlinkat(t->fd, e->d_name, 0);
	(void)closedir(d);
	t->fd = joey_close(t->fd);
	(void)rmdir(t->path);
}

#endif
