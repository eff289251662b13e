/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.sysctl: written below "sys" of the private procfs.  The kernel shows each process the values of its own
 * namespaces there; which keys are namespaced at all was checked when the config was parsed.
 */
#include <linux/magic.h>
#include <string.h>

#include "joey/syscalls.h"
#include "linux/linux-internal.h"

bool wants_sysctl(const struct joey_setup *s)
{
	return s->config->sysctl.n > 0;
}

bool sysctl_key_is_safe(const char *key)
{
	if (strlen(key) > 255)
		return false;
	for (const char *p = key;; p++) {
		size_t n = strcspn(p, "/");

		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		for (size_t i = 0; i < n; i++)
			if ((unsigned char)p[i] <= ' ' || (unsigned char)p[i] == 0x7f)
				return false;
		p += n;
		if (!*p)
			return true;
	}
}

static int write_one(int sys_fd, const struct joey_pair *pair, struct joey_err *err)
{
	autoclose int fd = -EBADF;
	size_t len = strlen(pair->value);
	ssize_t n;

	if (!sysctl_key_is_safe(pair->key))
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "sysctl \"%s\": malformed key", pair->key);
	fd = joey_openat2(sys_fd, pair->key, O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0,
			  RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return joey_err_sys(err, fd, "open /proc/sys/%s", pair->key);
	if (!fd_is_on(fd, PROC_SUPER_MAGIC))
		return joey_err_set(err, JOEY_EK_OTHER, ELOOP, "/proc/sys/%s is not on procfs", pair->key);
	n = write(fd, pair->value, len);
	if (n < 0)
		return joey_err_sys(err, errno, "write sysctl key %s", pair->key);
	if ((size_t)n != len)
		return joey_err_sys(err, EIO, "write sysctl key %s", pair->key);
	return 0;
}

int step_sysctl(struct joey_setup *s, struct joey_err *err)
{
	autoclose int sys_fd = -EBADF;
	int r = joey_setup_procfs(s, err);

	if (r < 0)
		return r;
	sys_fd = joey_openat2(s->proc_fd, "sys", O_PATH | O_DIRECTORY | O_CLOEXEC, 0,
			      RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);
	if (sys_fd < 0)
		return joey_err_sys(err, sys_fd, "open /proc/sys");
	for (size_t i = 0; i < s->config->sysctl.n; i++) {
		r = write_one(sys_fd, &s->config->sysctl.v[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}
