/* SPDX-License-Identifier: Apache-2.0 */
/* Host and domain name in the container's UTS namespace; the parser has refused a config without one. */
#include <string.h>
#include <unistd.h>

#include "linux/linux-internal.h"

bool wants_hostname(const struct joey_setup *s)
{
	return s->config->hostname && s->config->hostname[0];
}

int step_hostname(struct joey_setup *s, struct joey_err *err)
{
	const char *name = s->config->hostname;

	if (sethostname(name, strlen(name)) < 0)
		return joey_err_sys(err, errno, "sethostname %s", name);
	return 0;
}

bool wants_domainname(const struct joey_setup *s)
{
	return s->config->domainname && s->config->domainname[0];
}

int step_domainname(struct joey_setup *s, struct joey_err *err)
{
	const char *name = s->config->domainname;

	if (setdomainname(name, strlen(name)) < 0)
		return joey_err_sys(err, errno, "setdomainname %s", name);
	return 0;
}
