/* SPDX-License-Identifier: Apache-2.0 */
/* What the parent sets on the child from outside, with the host's privilege: resource limits and the OOM score. */
#include <linux/magic.h>
#include <string.h>
#include <sys/resource.h>

#include "joey/syscalls.h"
#include "linux/linux-internal.h"

int joey_rlimits_apply(pid_t pid, const struct joey_process *p, struct joey_err *err)
{
	for (size_t i = 0; i < p->n_rlimits; i++) {
		const struct joey_rlimit *l = &p->rlimits[i];
		const struct rlimit64 lim = { .rlim_cur = l->soft, .rlim_max = l->hard };

		/* prlimit64(2) by number: glibc's wrapper has an enum for the resource */
		if (syscall(SYS_prlimit64, pid, l->resource, &lim, NULL) < 0)
			return joey_err_sys(err, errno, "set rlimit %d (soft %llu, hard %llu) of process %d",
					    l->resource, (unsigned long long)l->soft, (unsigned long long)l->hard,
					    (int)pid);
	}
	return 0;
}

int joey_oom_score_adj_apply(int host_proc_fd, pid_t pid, int64_t value, struct joey_err *err)
{
	autostr struct joey_str path = JOEY_STR_INIT;
	autostr struct joey_str text = JOEY_STR_INIT;
	autoclose int fd = -EBADF;

	joey_str_printf(&path, "%d/oom_score_adj", (int)pid);
	joey_str_printf(&text, "%lld", (long long)value);
	if (path.failed || text.failed)
		return joey_err_sys(err, ENOMEM, "set oom_score_adj");
	fd = joey_openat2(host_proc_fd, path.buf, O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0,
			  RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return joey_err_sys(err, fd, "open /proc/%s", path.buf);
	if (!fd_is_on(fd, PROC_SUPER_MAGIC))
		return joey_err_set(err, JOEY_EK_OTHER, ELOOP, "/proc/%s is not on procfs", path.buf);
	if (write(fd, text.buf, text.len) != (ssize_t)text.len)
		return joey_err_sys(err, errno, "write %s to /proc/%s", text.buf, path.buf);
	return 0;
}
