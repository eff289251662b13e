/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces that the config names by path.  A path is opened once, on the host, and proved to be an nsfs file of the
 * wanted type; from then on only the descriptor counts.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "joey/namespace.h"

static int open_path(const struct joey_ns_entry *entry, enum joey_ns ns, int *ret_fd, struct joey_err *err)
{
	const struct joey_ns_info *info = &joey_ns_table[ns];
	autoclose int fd = open(entry->path, O_RDONLY | O_CLOEXEC);
	struct statfs sfs;
	int type;

	if (fd < 0)
		return joey_err_sys(err, errno, "open %s namespace '%s'", info->oci_name, entry->path);
	if (fstatfs(fd, &sfs) < 0)
		return joey_err_sys(err, errno, "stat %s namespace '%s'", info->oci_name, entry->path);
	type = sfs.f_type == NSFS_MAGIC ? ioctl(fd, NS_GET_NSTYPE) : -1;
	if (type < 0 || (uint64_t)type != info->clone_flag)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
				    "config.json: linux.namespaces: '%s' is not a %s namespace", entry->path,
				    info->oci_name);
	*ret_fd = joey_take_fd(&fd);
	return 0;
}

int joey_ns_open_paths(const struct joey_config *c, int fds[JOEY_NS_MAX], struct joey_err *err)
{
	int r = 0;

	for (unsigned i = 0; i < JOEY_NS_MAX; i++)
		fds[i] = -EBADF;
	for (unsigned i = 0; i < JOEY_NS_MAX && r == 0; i++)
		if (c->ns[i].present && c->ns[i].path)
			r = open_path(&c->ns[i], (enum joey_ns)i, &fds[i], err);
	if (r < 0)
		for (unsigned i = 0; i < JOEY_NS_MAX; i++)
			fds[i] = joey_close(fds[i]);
	return r;
}

int joey_ns_join(int fd, enum joey_ns ns, const char *path, struct joey_err *err)
{
	if (setns(fd, (int)joey_ns_table[ns].clone_flag) < 0)
		return joey_err_sys(err, errno, "join %s namespace '%s'", joey_ns_table[ns].oci_name, path);
	return 0;
}

int joey_ns_is_other(int fd, enum joey_ns ns, bool *ret)
{
	char own_path[32];
	struct stat own, other;

	snprintf(own_path, sizeof(own_path), "/proc/self/ns/%s", joey_ns_table[ns].proc_name);
	if (stat(own_path, &own) < 0 || fstat(fd, &other) < 0)
		return -errno;
	*ret = own.st_dev != other.st_dev || own.st_ino != other.st_ino;
	return 0;
}
