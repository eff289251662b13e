/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's network: loopback, and one device as the host's namespace had it. */
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "agent/agent-internal.h"

int agent_loopback_up(void)
{
	autoclose int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { .ifr_name = "lo" };

	if (fd < 0)
		return -errno;
	req.ifr_flags = IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &req) < 0 ? -errno : 0;
}

int agent_net(const struct joey_json *request, struct joey_err *err)
{
	(void)request;
	return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP, "guest: network devices are not supported yet");
}
