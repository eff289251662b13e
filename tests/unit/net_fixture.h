/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_UNIT_NET_FIXTURE_H
#define JOEY_UNIT_NET_FIXTURE_H

/* Network devices for tests, in network namespaces of the test's own. */
#include "process_fixture.h"

#include <linux/if_link.h>
#include <net/if.h>
#include <sys/socket.h>

#include "linux/rtnl.h"

/* index 0: the kernel's choice */
static inline int make_kind(int sock, const char *kind, const char *name, int index)
{
	const struct ifinfomsg m = { .ifi_family = AF_UNSPEC, .ifi_index = index };
	struct {
		struct rtattr a;
		char kind[8];
	} info = { { (unsigned short)RTA_LENGTH(strlen(kind) + 1), IFLA_INFO_KIND }, "" };
	struct rtnl_req q;

	memcpy(info.kind, kind, strlen(kind) + 1);
	rtnl_begin(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	rtnl_attr_text(&q, IFLA_IFNAME, name);
	rtnl_attr(&q, IFLA_LINKINFO, &info, info.a.rta_len);
	return rtnl_talk(sock, &q, NULL, NULL);
}

/* Not every kernel has dummy devices; a veth brings a peer that nobody asks for. */
static inline int make_dummy(int sock, const char *name, int index)
{
	int r = make_kind(sock, "dummy", name, index);

	return r == -EOPNOTSUPP ? make_kind(sock, "veth", name, index) : r;
}

#endif
