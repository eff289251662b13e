/* SPDX-License-Identifier: Apache-2.0 */
/* A session of its own, so that the caller's terminal cannot be controlled from inside (TIOCSTI). */
#include <unistd.h>

#include "linux/linux-internal.h"

int step_session(struct joey_setup *s, struct joey_err *err)
{
	(void)s;
	if (setsid() >= 0)
		return 0;
	/* setsid(2): EPERM for a process group leader, which a session leader also is */
	if (errno == EPERM && getsid(0) == getpid())
		return 0;
	return joey_err_sys(err, errno, "setsid");
}
