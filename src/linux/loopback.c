/* SPDX-License-Identifier: Apache-2.0 */
/* Brings up "lo" of a new network namespace (netdevice(7)). */
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "linux/linux-internal.h"

bool wants_loopback(const struct joey_setup *s)
{
	return joey_config_new_ns(s->config, JOEY_NS_NET);
}

int step_loopback(struct joey_setup *s, struct joey_err *err)
{
	/* Device ioctls work on any socket; AF_UNIX exists on every kernel and is the cheapest. */
	autoclose int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { .ifr_name = "lo" };

	(void)s;
	if (fd < 0)
		return joey_err_sys(err, errno, "open a socket");
	/* The kernel keeps the flags that are not ours to change (dev_change_flags), so none are read first. */
	req.ifr_flags = IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &req) < 0)
		return joey_err_sys(err, errno, "bring up lo");
	return 0;
}
