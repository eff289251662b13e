/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walk over nested cgroups.
 *
 * A container with its own cgroup namespace can nest directories thousands deep, so the walk neither recurses nor
 * keeps a descriptor per level: it holds one, and returns by "..", which inside one file system is safe because
 * cgroups cannot be renamed.
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "cgroups/cgroups-internal.h"
#include "joey/syscalls.h"

struct level {
	char *names; /* terminated names behind one another */
	size_t len, pos;
};

struct walk {
	struct level *levels;
	size_t n, cap;
	int fd;
};

bool cgroup_has_children(int dir_fd)
{
	struct stat st;

	/* kernfs keeps 2 + number of subdirectories in the link count; spares a getdents of ~60 files. */
	return fstat(dir_fd, &st) < 0 || st.st_nlink != 2;
}

static int read_names(int dir_fd, struct level *ret)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	struct dirent *e;
	DIR *d;
	int fd = cgroup_opendir_at(dir_fd, ".", O_RDONLY);

	if (fd < 0)
		return fd;
	d = fdopendir(fd);
	if (!d) {
		joey_close(fd);
		return -ENOMEM;
	}
	while ((errno = 0, e = readdir(d)) != NULL) {
		if (e->d_type != DT_DIR || strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		joey_str_addn(&s, e->d_name, strlen(e->d_name) + 1);
	}
	if (errno != 0) {
		int r = -errno;

		(void)closedir(d);
		return r;
	}
	(void)closedir(d);
	if (s.failed)
		return -ENOMEM;
	ret->len = s.len;
	ret->pos = 0;
	ret->names = joey_take_ptr(s.buf);
	s = (struct joey_str)JOEY_STR_INIT;
	return 0;
}

/* Opens the children list of the directory that w->fd is now. */
static int push(struct walk *w)
{
	struct level lv = { NULL, 0, 0 };
	int r;

	if (w->n == CGROUP_DEPTH_MAX)
		return -ELOOP;
	if (w->n == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 8;
		struct level *p = reallocarray(w->levels, cap, sizeof(*p));

		if (!p)
			return -ENOMEM;
		w->levels = p;
		w->cap = cap;
	}
	if (cgroup_has_children(w->fd)) {
		r = read_names(w->fd, &lv);
		if (r < 0 && !cgroup_gone(r))
			return r;
	}
	w->levels[w->n++] = lv;
	return 0;
}

/* Leaves the directory w->fd is: visits it from its parent. The top stays open. */
static int pop(struct walk *w, const struct cgroup_visit *visit, void *arg)
{
	struct level *up;
	int fd;

	free(w->levels[--w->n].names);
	if (w->n == 0)
		return 0;
	fd = joey_openat2(w->fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC, 0,
			  RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	if (fd < 0)
		return fd;
	joey_close(w->fd);
	w->fd = fd;
	up = &w->levels[w->n - 1];
	if (visit->leave) {
		const char *name = up->names + up->pos;

		up->pos += strlen(name) + 1;
		return visit->leave(w->fd, name, arg);
	}
	up->pos += strlen(up->names + up->pos) + 1;
	return 0;
}

static int step(struct walk *w, const struct cgroup_visit *visit, void *arg)
{
	struct level *lv = &w->levels[w->n - 1];
	const char *name;
	int fd, r;

	if (lv->pos >= lv->len)
		return pop(w, visit, arg);
	name = lv->names + lv->pos;
	fd = cgroup_opendir_at(w->fd, name, O_PATH);
	if (cgroup_gone(fd)) {
		lv->pos += strlen(name) + 1;
		return 0;
	}
	if (fd < 0)
		return fd;
	joey_close(w->fd);
	w->fd = fd;
	r = visit->enter ? visit->enter(w->fd, arg) : 0;
	return r < 0 ? r : push(w);
}

int cgroup_tree_walk(int top_fd, const struct cgroup_visit *visit, void *arg)
{
	struct walk w = { .fd = cgroup_opendir_at(top_fd, ".", O_PATH) };
	int r;

	if (w.fd < 0)
		return w.fd;
	r = visit->enter ? visit->enter(w.fd, arg) : 0;
	if (r == 0)
		r = push(&w);
	while (r == 0 && w.n > 0)
		r = step(&w, visit, arg);
	while (w.n > 0)
		free(w.levels[--w.n].names);
	free(w.levels);
	joey_close(w.fd);
	return r;
}
