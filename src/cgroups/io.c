/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single cgroup files and directories, by descriptor.
 *
 * Owns no policy and no texts: 0 or -errno.  cgroup files are read and written whole, by one system call.
 */
#include <string.h>
#include <time.h>

#include "cgroups/cgroups-internal.h"
#include "joey/syscalls.h"

int cgroup_opendir_at(int dirfd, const char *path, int flags)
{
	return joey_openat2(dirfd, path, (uint64_t)(O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW | flags), 0,
			    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS);
}

ssize_t cgroup_read(int dirfd, const char *file, char *buf, size_t size)
{
	autoclose int fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do
		n = read(fd, buf, size - 1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if ((size_t)n == size - 1)
		return -EFBIG;
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return n;
}

int cgroup_write(int dirfd, const char *file, const char *text)
{
	return joey_write_file_at(dirfd, file, text);
}

int cgroup_flat_u64(const char *text, const char *key, uint64_t *ret)
{
	size_t len = strlen(key);
	const char *line = text;

	while (line && *line) {
		if (strncmp(line, key, len) == 0 && line[len] == ' ') {
			char num[24];
			const char *v = line + len + 1;
			size_t n = strcspn(v, "\n");

			if (n >= sizeof(num))
				return -ERANGE;
			memcpy(num, v, n);
			num[n] = '\0';
			return joey_parse_u64(num, ret);
		}
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return -ENOENT;
}

bool cgroup_word_in(const char *list, const char *word)
{
	size_t len = strlen(word);
	const char *p = list;

	while (*(p += strspn(p, " \n"))) {
		size_t n = strcspn(p, " \n");

		if (n == len && memcmp(p, word, n) == 0)
			return true;
		p += n;
	}
	return false;
}

bool cgroup_gone(int r)
{
	return r == -ENOENT || r == -ENODEV;
}

void cgroup_sleep_ms(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&t, NULL);
}
