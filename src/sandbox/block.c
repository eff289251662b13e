/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A root that is a disk of the machine instead of a directory on the share: an image that the config names (vm.image),
 * or the one behind a rootfs that the engine has mounted read-only (joey.conf: share = block).  The disk is read-only
 * for everybody; its file system is parsed by the guest's kernel alone.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "joey/mountinfo.h"
#include "sandbox/sandbox-internal.h"

static int open_image(const char *path, int *ret, struct joey_err *err)
{
	autoclose int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return joey_err_sys(err, errno, "open image %s", path);
	if (fstat(fd, &st) < 0)
		return joey_err_sys(err, errno, "stat image %s", path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "image %s is neither a file nor a block device", path);
	*ret = joey_take_fd(&fd);
	return 0;
}

struct search {
	const char *target;
	char *source, *type; /* heap */
	bool whole, read_only;
};

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; p && *p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (strncmp(p, word, n) == 0 && (p[n] == ',' || !p[n]))
			return true;
	return false;
}

/* The last one lies on top. */
static int note(const struct joey_mountinfo *m, void *arg)
{
	struct search *s = arg;

	if (!joey_streq(m->target, s->target))
		return 0;
	free(s->source);
	free(s->type);
	s->source = strdup(m->source);
	s->type = strdup(m->fstype);
	s->whole = joey_streq(m->root, "/");
	s->read_only = has_word(m->super_options, "ro");
	return s->source && s->type ? 0 : -ENOMEM;
}

static int find_image(const char *rootfs, char **ret, struct joey_err *err)
{
	autofree char *target = realpath(rootfs, NULL);
	struct search s = { .target = target };
	int r = target ? joey_mountinfo_each("/proc/self/mountinfo", note, &s) : -errno;

	if (r < 0)
		(void)joey_err_sys(err, r, "find what is mounted on rootfs %s", rootfs);
	else if (!s.source || !s.whole || !s.read_only ||
		 (!joey_streq(s.type, "erofs") && !joey_streq(s.type, "ext4")) || *s.source != '/')
		r = joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
				 "share = block: rootfs %s is not a whole erofs or ext4 file system that is mounted "
				 "read-only, from a device or file",
				 rootfs);
	else
		*ret = joey_take_ptr(s.source);
	free(s.source);
	free(s.type);
	return r;
}

int block_open(const struct joey_create *a, int *ret, struct joey_err *err)
{
	autofree char *found = NULL;
	int r = 0;

	*ret = -EBADF;
	if (a->vm.image)
		return open_image(a->vm.image, ret, err);
	if (a->vm.block)
		r = find_image(a->rootfs, &found, err);
	return r < 0 || !found ? r : open_image(found, ret, err);
}
