/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --pid-file: decimal, no newline (engines use Atoi on the raw bytes), there as a whole or not at all.
 * Its existence tells conmon that the command succeeded, so it is written last.
 */
#include <string.h>

#include "runtime/runtime-internal.h"

int rt_pidfile_write(const char *path, pid_t pid, struct joey_err *err)
{
	autoclose int dir_fd = -EBADF;
	const char *name;
	char text[16];
	int r;

	if (!path)
		return 0;
	snprintf(text, sizeof(text), "%d", (int)pid);
	r = rt_path_parent(path, &dir_fd, &name);
	if (r == 0)
		r = joey_replace_file_at(dir_fd, name, 0644, text, strlen(text));
	return r < 0 ? joey_err_sys(err, -r, "write pid file %s", path) : 0;
}
