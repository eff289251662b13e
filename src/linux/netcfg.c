/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network devices of this network namespace get the names, addresses and routes that they are told: in the guest of a
 * sandbox, what the host's namespace had.  Everything is text, checked here; devices are addressed by number.
 *
 * Order: names (which may be exchanged), then all devices up, then addresses, and routes when all of these are there: a
 * route's gateway and source may be another device's.
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

/* "address" or "address/prefix" */
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

/* ---- devices ---------------------------------------------------------------------------------------------------- */

static int set_flags(int sock, int index, bool up)
{
	const struct ifinfomsg m = { .ifi_index = index, .ifi_flags = up ? IFF_UP : 0, .ifi_change = IFF_UP };
	struct rtnl_req q;

	rtnl_begin(&q, RTM_NEWLINK, 0, &m, sizeof(m));
	return rtnl_talk(sock, &q, NULL, NULL);
}

static int rename_link(int sock, int index, const char *name)
{
	const struct ifinfomsg m = { .ifi_index = index };
	struct rtnl_req q;

	rtnl_begin(&q, RTM_NEWLINK, 0, &m, sizeof(m));
	rtnl_attr_text(&q, IFLA_IFNAME, name);
	return rtnl_talk(sock, &q, NULL, NULL);
}

static const struct joey_net_setup *called(const struct joey_net_setup *v, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (joey_streq(v[i].name, name))
			return &v[i];
	return NULL;
}

/* Whoever has a name that another is to get makes room.  The kernel would choose a number for "joey%d", but perhaps one
 * that is somebody's later. */
static int make_room(int sock, const struct joey_net_setup *v, size_t n, const int *index, struct joey_err *err)
{
	char name[IFNAMSIZ];
	unsigned number = 0;

	for (size_t i = 0; i < n; i++) {
		const struct joey_net_setup *other = called(v, n, v[i].current);
		int r;

		if (!other || other == &v[i])
			continue;
		do
			snprintf(name, sizeof(name), "joey%u", number++);
		while (called(v, n, name) || if_nametoindex(name) > 0);
		r = rename_link(sock, index[i], name);
		if (r < 0)
			return joey_err_sys(err, r, "rename %s to %s", v[i].current, name);
	}
	return 0;
}

static int change_link(int sock, int index, const struct joey_net_setup *n, struct joey_err *err)
{
	const struct ifinfomsg m = { .ifi_index = index };
	struct rtnl_req q;
	uint8_t mac[MAC];
	int r;

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
	r = set_flags(sock, index, true);
	return r < 0 ? joey_err_sys(err, r, "take %s up", n->name) : 0;
}

static int change_links(int sock, const struct joey_net_setup *v, size_t n, int *index, struct joey_err *err)
{
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		index[i] = (int)if_nametoindex(v[i].current);
		if (index[i] == 0)
			return joey_err_sys(err, errno, "find the network device %.32s", v[i].current);
		/* Down: a name, and on some devices an address, cannot be changed otherwise. */
		r = set_flags(sock, index[i], false);
		if (r < 0)
			return joey_err_sys(err, r, "take %s down", v[i].current);
	}
	r = make_room(sock, v, n, index, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = change_link(sock, index[i], &v[i], err);
	return r;
}

/* ---- addresses -------------------------------------------------------------------------------------------------- */

static int put_ip(struct rtnl_req *q, uint16_t type, const char *text, uint8_t family)
{
	struct ip ip;

	if (!text)
		return 0;
	if (parse_ip(text, &ip) < 0 || ip.family != family)
		return -EINVAL;
	rtnl_attr(q, type, ip.bytes, ip.len);
	return 0;
}

static int send_address(int sock, int index, const struct joey_net_address *a)
{
	struct ip ip;
	struct rtnl_req q;
	int r = parse_ip(a->local, &ip);

	if (r < 0 || a->scope > 255)
		return -EINVAL;
	const struct ifaddrmsg m = {
		.ifa_family = ip.family,
		.ifa_prefixlen = ip.prefix,
		.ifa_scope = (unsigned char)a->scope,
		.ifa_index = (uint32_t)index,
	};

	rtnl_begin(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof(m));
	rtnl_attr(&q, IFA_LOCAL, ip.bytes, ip.len);
	r = put_ip(&q, IFA_ADDRESS, a->peer ? a->peer : a->local, ip.family);
	if (r == 0)
		r = put_ip(&q, IFA_BROADCAST, a->broadcast, ip.family);
	/* Whether anybody else has it was asked when the host's device got it. */
	rtnl_attr_u32(&q, IFA_FLAGS, a->flags | (ip.family == AF_INET6 ? IFA_F_NODAD : 0));
	if (a->metric)
		rtnl_attr_u32(&q, IFA_RT_PRIORITY, a->metric);
	return r < 0 ? r : rtnl_talk(sock, &q, NULL, NULL);
}

static int add_addresses(int sock, int index, const struct joey_net_setup *n, struct joey_err *err)
{
	/* They are in the order in which the kernel tells of them, the first one first where all else is the same: a
	 * new address is the last one in IPv4, and the first one in IPv6. */
	for (size_t i = 0; i < 2 * n->n_addresses; i++) {
		bool v6 = i >= n->n_addresses;
		const struct joey_net_address *a = &n->addresses[v6 ? 2 * n->n_addresses - 1 - i : i];
		int r = (strchr(a->local, ':') != NULL) == v6 ? send_address(sock, index, a) : 0;

		if (r < 0)
			return joey_err_sys(err, r, "add the address %.64s", a->local);
	}
	return 0;
}

/* ---- routes ----------------------------------------------------------------------------------------------------- */

struct attrs { /* that are within another one */
	char bytes[700];
	size_t len;
};

static int add_bytes(struct attrs *a, const void *data, size_t len)
{
	if (len > sizeof(a->bytes) - a->len)
		return -EMSGSIZE;
	memcpy(a->bytes + a->len, data, len);
	a->len += len;
	return 0;
}

/* The gateway as an attribute: of the route's family, or (struct rtvia) of another. */
static int gateway_of(const char *via, uint8_t family, struct attrs *ret)
{
	struct rtattr a = { .rta_type = RTA_GATEWAY };
	uint16_t other;
	struct ip ip;
	int r = parse_ip(via, &ip);

	if (r < 0 || (ip.family != family && family != AF_INET))
		return -EINVAL;
	other = ip.family;
	a.rta_len = (unsigned short)RTA_LENGTH(ip.len);
	if (ip.family != family) {
		a.rta_type = RTA_VIA;
		a.rta_len = (unsigned short)RTA_LENGTH(sizeof(other) + ip.len);
	}
	r = add_bytes(ret, &a, sizeof(a));
	if (r == 0 && a.rta_type == RTA_VIA)
		r = add_bytes(ret, &other, sizeof(other));
	if (r == 0)
		r = add_bytes(ret, ip.bytes, ip.len);
	/* the next one's place */
	return r < 0 ? r : add_bytes(ret, "\0\0\0", RTA_ALIGN(a.rta_len) - a.rta_len);
}

static int put_hops(struct rtnl_req *q, uint8_t family, const int *index, const struct joey_net_route *route,
		    unsigned flags)
{
	struct attrs all = { .len = 0 };

	for (size_t i = 0; i < route->n_hops; i++) {
		const struct joey_net_hop *h = &route->hops[i];
		struct rtnexthop nh = { .rtnh_ifindex = index[h->device], .rtnh_hops = (unsigned char)h->weight };
		struct attrs via = { .len = 0 };
		int r = h->via ? gateway_of(h->via, family, &via) : 0;

		nh.rtnh_flags = (unsigned char)(!h->via ? 0 : h->onlink ? RTNH_F_ONLINK : flags);
		nh.rtnh_len = (unsigned short)(sizeof(nh) + via.len);
		if (r == 0)
			r = add_bytes(&all, &nh, sizeof(nh));
		if (r == 0)
			r = add_bytes(&all, via.bytes, via.len);
		if (r < 0)
			return r;
	}
	rtnl_attr(q, RTA_MULTIPATH, all.bytes, all.len);
	return 0;
}

static int put_hop(struct rtnl_req *q, uint8_t family, const int *index, const struct joey_net_hop *h)
{
	struct attrs via = { .len = 0 };
	struct rtattr a;
	int r = h->via ? gateway_of(h->via, family, &via) : 0;

	if (r < 0)
		return r;
	if (via.len > 0) {
		memcpy(&a, via.bytes, sizeof(a));
		rtnl_attr(q, a.rta_type, via.bytes + sizeof(a), a.rta_len - sizeof(a));
	}
	rtnl_attr_u32(q, RTA_OIF, (uint32_t)index[h->device]);
	return 0;
}

static int send_route(int sock, const int *index, const struct joey_net_route *route, unsigned flags)
{
	bool one = route->n_hops == 1;
	struct attrs metrics = { .len = 0 };
	struct rtattr mtu = { RTA_LENGTH(sizeof(route->mtu)), RTAX_MTU };
	struct rtnl_req q;
	struct ip to;
	int r = parse_ip(route->to, &to);

	if (r < 0 || route->scope > 255 || route->n_hops == 0)
		return -EINVAL;
	const struct rtmsg m = {
		.rtm_family = to.family,
		.rtm_dst_len = to.prefix,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = (unsigned char)route->scope,
		.rtm_type = RTN_UNICAST,
		.rtm_flags = one && route->hops[0].via && route->hops[0].onlink ? RTNH_F_ONLINK
			     : one                                              ? flags
										: 0,
	};

	/* Those with the same destination and metric are told apart by their order. */
	rtnl_begin(&q, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, &m, sizeof(m));
	if (m.rtm_dst_len > 0)
		rtnl_attr(&q, RTA_DST, to.bytes, to.len);
	if (route->metric)
		rtnl_attr_u32(&q, RTA_PRIORITY, route->metric);
	if (route->mtu) {
		(void)add_bytes(&metrics, &mtu, sizeof(mtu));
		(void)add_bytes(&metrics, &route->mtu, sizeof(route->mtu));
		rtnl_attr(&q, RTA_METRICS, metrics.bytes, metrics.len);
	}
	r = put_ip(&q, RTA_PREFSRC, route->src, to.family);
	if (r == 0)
		r = one ? put_hop(&q, to.family, index, route->hops) : put_hops(&q, to.family, index, route, flags);
	return r < 0 ? r : rtnl_talk(sock, &q, NULL, NULL);
}

static bool by_gateway(const struct joey_net_route *route)
{
	for (size_t i = 0; i < route->n_hops; i++)
		if (route->hops[i].via)
			return true;
	return false;
}

static int add_route(int sock, const int *index, const struct joey_net_route *route, struct joey_err *err)
{
	int r = send_route(sock, index, route, 0);

	/* The small kernel has no IP_ROUTE_MULTIPATH: one route for each way, of which the first is taken. */
	if (r == -EINVAL && route->n_hops > 1) {
		for (size_t i = 0; i < route->n_hops; i++) {
			struct joey_net_route one = *route;

			one.hops = &route->hops[i];
			one.n_hops = 1;
			r = add_route(sock, index, &one, err);
			if (r < 0)
				return r;
		}
		return 0;
	}
	/* A gateway outside of every prefix, as point-to-point set-ups have it. */
	if ((r == -ENETUNREACH || r == -EHOSTUNREACH) && by_gateway(route))
		r = send_route(sock, index, route, RTNH_F_ONLINK);
	return r < 0 && r != -EEXIST ? joey_err_sys(err, r, "add the route to %.64s", route->to) : 0;
}

/* The ways to gateways before what goes by them. */
static int add_routes(int sock, const int *index, size_t n, const struct joey_net_route *routes, size_t n_routes,
		      struct joey_err *err)
{
	int r = 0;

	for (size_t i = 0; i < n_routes; i++)
		for (size_t j = 0; j < routes[i].n_hops; j++)
			if (routes[i].hops[j].device >= n)
				return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
						    "the route to %.64s: there is no device %zu", routes[i].to,
						    routes[i].hops[j].device);
	for (int second = 0; second < 2; second++)
		for (size_t i = 0; r == 0 && i < n_routes; i++)
			if (by_gateway(&routes[i]) == (second == 1))
				r = add_route(sock, index, &routes[i], err);
	return r;
}

/* ---- neighbours ------------------------------------------------------------------------------------------------- */

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

int joey_net_configure(const struct joey_net_setup *devices, size_t n, const struct joey_net_route *routes,
		       size_t n_routes, struct joey_err *err)
{
	autoclose int sock = rtnl_open();
	int index[JOEY_NET_DEVICES_MAX], r;

	if (sock < 0)
		return joey_err_sys(err, sock, "open a netlink socket");
	if (n > JOEY_ARRAY_SIZE(index))
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "%zu network devices: at most %d", n,
				    (int)JOEY_NET_DEVICES_MAX);
	r = change_links(sock, devices, n, index, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_addresses(sock, index[i], &devices[i], err);
	if (r == 0)
		r = add_routes(sock, index, n, routes, n_routes, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		for (size_t j = 0; r == 0 && j < devices[i].n_neighbours; j++)
			r = add_neighbour(sock, index[i], &devices[i].neighbours[j], err);
	return r;
}
