/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One network device of this network namespace gets the name, address and routes that it is told: in the guest of a
 * sandbox, what the host's namespace had.  Everything is text, checked here; the device is addressed by number.
 */
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "linux/linux-internal.h"
#include "linux/rtnl.h"

enum { MAC = 6, IP = 16 };

struct ip {
	uint8_t family, len, prefix;
	uint8_t bytes[IP];
};

/* "address" or "address/prefix"; "default" when any is fine (family: which, if the text does not say). */
static int parse_ip(const char *text, struct ip *ret)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	uint32_t prefix;

	*ret = (struct ip){ .family = strchr(text, ':') ? AF_INET6 : AF_INET };
	ret->len = ret->family == AF_INET ? 4 : 16;
	if (n >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, n);
	address[n] = '\0';
	if (inet_pton(ret->family, address, ret->bytes) != 1)
		return -EINVAL;
	prefix = 8u * ret->len;
	if (slash && (joey_parse_u32(slash + 1, &prefix) < 0 || prefix > 8u * ret->len))
		return -EINVAL;
	ret->prefix = (uint8_t)prefix;
	return 0;
}

static int parse_mac(const char *text, uint8_t ret[MAC])
{
	static const char digits[] = "0123456789abcdef";

	if (strlen(text) != 3 * MAC - 1)
		return -EINVAL;
	for (size_t i = 0; i < MAC; i++) {
		const char *high = memchr(digits, text[3 * i] | 0x20, 16),
			   *low = memchr(digits, text[3 * i + 1] | 0x20, 16);

		if (!high || !low || (i + 1 < MAC && text[3 * i + 2] != ':'))
			return -EINVAL;
		ret[i] = (uint8_t)((high - digits) << 4 | (low - digits));
	}
	return 0;
}

static int change_link(int sock, int index, const struct joey_net_setup *n, struct joey_err *err)
{
	struct ifinfomsg m = { .ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_change = IFF_UP };
	struct rtnl_req q;
	uint8_t mac[MAC];
	int r;

	/* Down: a name, and on some devices an address, cannot be changed otherwise. */
	rtnl_begin(&q, RTM_NEWLINK, 0, &m, sizeof(m));
	r = rtnl_talk(sock, &q, NULL, NULL);
	if (r < 0)
		return joey_err_sys(err, r, "take %s down", n->current);
	rtnl_begin(&q, RTM_NEWLINK, 0, &m, sizeof(m));
	if (!joey_streq(n->current, n->name))
		rtnl_attr_text(&q, IFLA_IFNAME, n->name);
	if (n->mac) {
		if (parse_mac(n->mac, mac) < 0)
			return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "bad hardware address %.32s", n->mac);
		rtnl_attr(&q, IFLA_ADDRESS, mac, MAC);
	}
	if (n->mtu)
		rtnl_attr_u32(&q, IFLA_MTU, n->mtu);
	r = rtnl_talk(sock, &q, NULL, NULL);
	if (r < 0)
		return joey_err_sys(err, r, "set name, address and MTU of %s", n->name);
	m.ifi_flags = IFF_UP;
	rtnl_begin(&q, RTM_NEWLINK, 0, &m, sizeof(m));
	r = rtnl_talk(sock, &q, NULL, NULL);
	return r < 0 ? joey_err_sys(err, r, "take %s up", n->name) : 0;
}

static int add_address(int sock, int index, const char *text, struct joey_err *err)
{
	struct ip ip;
	struct rtnl_req q;
	int r = parse_ip(text, &ip);

	if (r == 0) {
		const struct ifaddrmsg m = {
			.ifa_family = ip.family,
			.ifa_prefixlen = ip.prefix,
			.ifa_scope = RT_SCOPE_UNIVERSE,
			.ifa_index = (uint32_t)index,
		};

		rtnl_begin(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof(m));
		rtnl_attr(&q, IFA_LOCAL, ip.bytes, ip.len);
		rtnl_attr(&q, IFA_ADDRESS, ip.bytes, ip.len);
		/* Whether anybody else has it was asked when the host's device got it. */
		rtnl_attr_u32(&q, IFA_FLAGS, ip.family == AF_INET6 ? IFA_F_NODAD : 0);
		r = rtnl_talk(sock, &q, NULL, NULL);
	}
	return r < 0 ? joey_err_sys(err, r, "add the address %.64s", text) : 0;
}

static int send_route(int sock, int index, const struct joey_net_route *route, unsigned flags)
{
	struct ip to = { .family = 0 }, via = { .family = 0 };
	bool any = !route->to || joey_streq(route->to, "default");
	struct rtnl_req q;
	int r = any ? 0 : parse_ip(route->to, &to);

	if (r == 0 && route->via)
		r = parse_ip(route->via, &via);
	if (r < 0 || (any && !route->via) || (!any && route->via && to.family != via.family) || route->scope > 255)
		return -EINVAL;
	const struct rtmsg m = {
		.rtm_family = any ? via.family : to.family,
		.rtm_dst_len = any ? 0 : to.prefix,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = (unsigned char)(route->via ? RT_SCOPE_UNIVERSE : route->scope),
		.rtm_type = RTN_UNICAST,
		.rtm_flags = flags,
	};

	rtnl_begin(&q, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof(m));
	if (m.rtm_dst_len > 0)
		rtnl_attr(&q, RTA_DST, to.bytes, to.len);
	if (route->via)
		rtnl_attr(&q, RTA_GATEWAY, via.bytes, via.len);
	rtnl_attr_u32(&q, RTA_OIF, (uint32_t)index);
	return rtnl_talk(sock, &q, NULL, NULL);
}

static int add_route(int sock, int index, const struct joey_net_route *route, struct joey_err *err)
{
	int r = send_route(sock, index, route, 0);

	/* A gateway outside of every prefix, as point-to-point set-ups have it. */
	if ((r == -ENETUNREACH || r == -EHOSTUNREACH) && route->via)
		r = send_route(sock, index, route, RTNH_F_ONLINK);
	if (r < 0 && r != -EEXIST)
		return joey_err_sys(err, r, "add the route to %.64s", route->to ? route->to : "default");
	return 0;
}

static int add_neighbour(int sock, int index, const struct joey_net_neighbour *n, struct joey_err *err)
{
	struct rtnl_req q;
	uint8_t mac[MAC];
	struct ip ip;
	int r = parse_ip(n->to, &ip);

	if (r == 0)
		r = parse_mac(n->lladdr, mac);
	if (r == 0) {
		const struct ndmsg m = { .ndm_family = ip.family, .ndm_ifindex = index, .ndm_state = NUD_PERMANENT };

		rtnl_begin(&q, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof(m));
		rtnl_attr(&q, NDA_DST, ip.bytes, ip.len);
		rtnl_attr(&q, NDA_LLADDR, mac, MAC);
		r = rtnl_talk(sock, &q, NULL, NULL);
	}
	return r < 0 ? joey_err_sys(err, r, "add the neighbour %.64s", n->to) : 0;
}

int joey_net_configure(const struct joey_net_setup *n, struct joey_err *err)
{
	autoclose int sock = rtnl_open();
	int index = (int)if_nametoindex(n->current), r;

	if (sock < 0)
		return joey_err_sys(err, sock, "open a netlink socket");
	if (index == 0)
		return joey_err_sys(err, errno, "find the network device %.32s", n->current);
	r = change_link(sock, index, n, err);
	for (size_t i = 0; r == 0 && i < n->addresses.n; i++)
		r = add_address(sock, index, n->addresses.v[i], err);
	/* The ways to gateways before what goes by them. */
	for (int by_gateway = 0; by_gateway < 2; by_gateway++)
		for (size_t i = 0; r == 0 && i < n->n_routes; i++)
			if (!!n->routes[i].via == !!by_gateway)
				r = add_route(sock, index, &n->routes[i], err);
	for (size_t i = 0; r == 0 && i < n->n_neighbours; i++)
		r = add_neighbour(sock, index, &n->neighbours[i], err);
	return r;
}
