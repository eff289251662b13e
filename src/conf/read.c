/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gets joey.conf(5) from the disk.  The file decides what others may ask for, so it must be one that they cannot write:
 * that is looked at on the open descriptor.  Where there is no file this is one system call.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "conf/conf-internal.h"

#ifndef JOEY_SYSCONFDIR
#define JOEY_SYSCONFDIR "/usr/local/etc"
#endif

enum { OVERFLOW_UID = 65534 }; /* whose number has no meaning in this user namespace */

static int refuse(const char *file, const char *why, struct joey_err *err)
{
	return joey_err_set(err, JOEY_EK_CONFIG, EPERM, "%s: %s", file, why);
}

static int check_file(const struct stat *st, const char *file, bool in_userns, struct joey_err *err)
{
	bool host_owner = in_userns && st->st_uid == OVERFLOW_UID;

	if (!S_ISREG(st->st_mode))
		return refuse(file, "not a regular file", err);
	if (st->st_uid != 0 && st->st_uid != geteuid() && !host_owner)
		return refuse(file, "belongs neither to root nor to the user of joey", err);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return refuse(file, "others than its owner may write to it", err);
	return 0;
}

int joey_conf_read(struct joey_conf *conf, const char *file, bool in_userns, struct joey_err *err)
{
	const char *name = file ? file : JOEY_SYSCONFDIR "/joey/joey.conf";
	autoclose int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	autofree char *text = NULL;
	struct stat st;
	size_t len;
	int r;

	if (fd < 0 && errno == ENOENT && !file)
		return 0;
	if (fd < 0)
		return joey_err_sys(err, errno, "open %s", name);
	if (fstat(fd, &st) < 0)
		return joey_err_sys(err, errno, "stat %s", name);
	r = check_file(&st, name, in_userns, err);
	if (r < 0)
		return r;
	r = joey_read_fd(fd, CONF_FILE_MAX, &text, &len);
	if (r == -EFBIG)
		return refuse(name, "larger than 64 KiB", err);
	if (r < 0)
		return joey_err_sys(err, r, "read %s", name);
	return joey_conf_parse(conf, name, text, len, err);
}
