/* SPDX-License-Identifier: Apache-2.0 */
/* Paths as texts. Nothing here touches a file that a container could change. */
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "runtime/runtime-internal.h"

/* Appends the components of path; ".." takes one away, as far as there is one. */
static void append_clean(struct joey_str *s, const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (s->len > 0 && s->buf[--s->len] != '/')
				;
			if (s->buf)
				s->buf[s->len] = '\0';
		} else if (n > 0 && !(n == 1 && path[0] == '.')) {
			joey_str_addn(s, "/", 1);
			joey_str_addn(s, path, n);
		}
		path += n;
		path += strspn(path, "/");
	}
}

char *rt_path_join(const char *base, const char *path)
{
	autostr struct joey_str s = JOEY_STR_INIT;

	if (*path != '/')
		append_clean(&s, base);
	append_clean(&s, path);
	if (s.len == 0)
		joey_str_add(&s, "/");
	return joey_str_take(&s);
}

int rt_path_of_fd(int fd, char **ret)
{
	char link[32], path[PATH_MAX + 1];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return -errno;
	path[n] = '\0';
	if (path[0] != '/')
		return -ENOENT; /* "(unreachable)..." */
	*ret = strdup(path);
	return *ret ? 0 : -ENOMEM;
}

int rt_path_parent(const char *path, int *ret_dir_fd, const char **ret_name)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	autofree char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int fd;

	if (!dir)
		return -ENOMEM;
	if (!*name || joey_streq(name, ".") || joey_streq(name, ".."))
		return -EISDIR;
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_dir_fd = fd;
	*ret_name = name;
	return 0;
}
