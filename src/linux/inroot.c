/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking and making names in a tree that the image controls.  Owns the rule that every such name is resolved by
 * openat2(2) RESOLVE_IN_ROOT, and that what is created is created as (directory fd, one component), which follows no
 * link.
 *
 * A destination may run through a dangling link (/etc/resolv.conf -> ../run/x in many images): its text is spliced
 * into the path, and the whole is resolved again from the root, so that ".." and absolute targets stay inside.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "joey/syscalls.h"
#include "linux/linux-internal.h"

enum { MAX_LINKS = 40 }; /* as the kernel: path_resolution(7) */

int inroot_open(int root_fd, const char *path, int flags, uint64_t more)
{
	return joey_openat2(root_fd, path, (uint64_t)(unsigned)flags, 0,
			    RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | more);
}

char *inroot_clean(const char *path)
{
	size_t len = strlen(path), n = 0;
	char *out = malloc(len + 2);

	if (!out)
		return NULL;
	while (*path) {
		size_t c = strcspn(path, "/");

		if (c == 2 && path[0] == '.' && path[1] == '.') {
			while (n > 0 && out[--n] != '/')
				;
		} else if (c > 0 && !(c == 1 && path[0] == '.')) {
			out[n++] = '/';
			memcpy(out + n, path, c);
			n += c;
		}
		path += c;
		path += strspn(path, "/");
	}
	if (n == 0)
		out[n++] = '/';
	out[n] = '\0';
	return out;
}

/* The longest prefix, without the last component at least, that is a directory: its fd, and its length. */
static int open_prefix(int root_fd, char *path, size_t *ret_len)
{
	size_t len = strlen(path);

	for (;;) {
		char saved;
		int fd;

		while (len > 0 && path[len - 1] == '/')
			len--;
		while (len > 0 && path[len - 1] != '/')
			len--;
		saved = path[len];
		path[len] = '\0';
		fd = inroot_open(root_fd, len ? path : "/", O_PATH | O_DIRECTORY, 0);
		path[len] = saved;
		if (fd != -ENOENT || len == 0) {
			*ret_len = len;
			return fd;
		}
	}
}

/* path[0..at) + link's text + path[end..): the same name with the link read. */
static int splice_link(char **path, size_t at, size_t end, int link_fd)
{
	char target[PATH_MAX];
	autostr struct joey_str s = JOEY_STR_INIT;
	ssize_t n = readlinkat(link_fd, "", target, sizeof(target));

	if (n < 0)
		return -errno;
	if (n == 0 || (size_t)n >= sizeof(target))
		return -ENAMETOOLONG;
	if (target[0] != '/')
		joey_str_addn(&s, *path, at);
	joey_str_addn(&s, target, (size_t)n);
	joey_str_add(&s, *path + end);
	if (s.len >= PATH_MAX)
		return -ENAMETOOLONG;
	free(*path);
	*path = joey_str_take(&s);
	return *path ? 0 : -ENOMEM;
}

static int make_component(int dir, const char *name, enum inroot_kind kind, mode_t mode, bool *ret_existed)
{
	int r = kind == INROOT_DIR ? mkdirat(dir, name, mode) : mknodat(dir, name, S_IFREG | mode, 0);

	if (r < 0 && errno != EEXIST)
		return -errno;
	*ret_existed = r < 0;
	r = openat(dir, name,
		   O_PATH | O_NOFOLLOW | O_CLOEXEC | (kind == INROOT_DIR && !*ret_existed ? O_DIRECTORY : 0));
	return r < 0 ? -errno : r;
}

/* One pass over the components behind the existing prefix. 1: a link was spliced into *path, go again. */
static int make_pass(int root_fd, char **path, enum inroot_kind kind, mode_t mode, int *ret_fd)
{
	char name[NAME_MAX + 1];
	size_t at;
	autoclose int dir = open_prefix(root_fd, *path, &at);

	if (dir < 0)
		return dir;
	while ((*path)[at += strspn(*path + at, "/")]) {
		size_t n = strcspn(*path + at, "/");
		bool last = (*path)[at + n + strspn(*path + at + n, "/")] == '\0', existed = false;
		struct stat st;
		int fd;

		if (n > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, *path + at, n);
		name[n] = '\0';
		/* Behind something that does not exist yet ".." has no meaning that both kernel and reader share. */
		if (joey_streq(name, ".."))
			return -ENOENT;
		fd = make_component(dir, name, last ? kind : INROOT_DIR, last ? mode : 0755, &existed);
		if (fd < 0)
			return fd;
		joey_close(dir);
		dir = fd;
		if (existed) {
			if (fstat(fd, &st) < 0)
				return -errno;
			if (S_ISLNK(st.st_mode)) {
				int r = splice_link(path, at, at + n, fd);

				return r < 0 ? r : 1;
			}
			if (!S_ISDIR(st.st_mode) && !(last && kind == INROOT_FILE))
				return -ENOTDIR;
		}
		at += n;
	}
	*ret_fd = joey_take_fd(&dir);
	return 0;
}

int inroot_make(int root_fd, const char *path, enum inroot_kind kind, mode_t mode)
{
	autofree char *text = strdup(path);

	if (!text)
		return -ENOMEM;
	for (int links = 0; links <= MAX_LINKS; links++) {
		int fd = -EBADF, r = make_pass(root_fd, &text, kind, mode, &fd);

		if (r <= 0)
			return r < 0 ? r : fd;
	}
	return -ELOOP;
}

int inroot_make_parent(int root_fd, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	autofree char *parent = NULL;
	int fd;

	if (!slash || slash == path) {
		fd = openat(root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
	} else {
		parent = strndup(path, (size_t)(slash - path));
		if (!parent)
			return -ENOMEM;
		fd = inroot_open(root_fd, parent, O_PATH | O_DIRECTORY, 0);
		if (fd == -ENOENT)
			fd = inroot_make(root_fd, parent, INROOT_DIR, 0755);
		if (fd < 0)
			return fd;
	}
	*ret_name = slash ? slash + 1 : path;
	return fd;
}
