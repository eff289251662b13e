/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a network namespace has, for a machine that is to have the same: the devices that are up, their addresses and
 * permanent neighbours, and the routes of the main table by them.  Nothing is changed here.
 */
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/socket.h>

#include "joey/json.h"
#include "linux/nettap.h"

void nettap_name(unsigned i, char ret[IFNAMSIZ])
{
	if (i == 0)
		snprintf(ret, IFNAMSIZ, "joey-tap");
	else
		snprintf(ret, IFNAMSIZ, "joey-tap%u", i % JOEY_NET_DEVICES_MAX);
}

static int dump(int sock, uint16_t type, rtnl_answer_fn note, void *arg)
{
	const struct rtmsg any = { .rtm_family = AF_UNSPEC };
	const struct ifinfomsg link = { .ifi_family = AF_UNSPEC };
	struct rtnl_req q;

	if (type == RTM_GETLINK)
		rtnl_begin(&q, type, NLM_F_DUMP, &link, sizeof(link));
	else
		rtnl_begin(&q, type, NLM_F_DUMP, &any, sizeof(any));
	return rtnl_talk(sock, &q, note, arg);
}

static uint32_t number_of(const struct rtattr *a)
{
	const void *data = rtnl_data(a, sizeof(uint32_t));
	uint32_t v = 0;

	if (data)
		memcpy(&v, data, sizeof(v));
	return v;
}

/* ---- devices ---------------------------------------------------------------------------------------------------- */

static bool note_tap(struct tap_devices *d, const char *name, int index)
{
	char tap[IFNAMSIZ];

	for (unsigned i = 0; i < JOEY_NET_DEVICES_MAX; i++) {
		nettap_name(i, tap);
		if (strcmp(name, tap) == 0) {
			d->taps[i] = index;
			return true;
		}
	}
	return false;
}

static void add_device(struct tap_devices *d, const struct tap_device *one)
{
	size_t at = d->n;

	if (d->n == JOEY_ARRAY_SIZE(d->v)) {
		d->more++;
		return;
	}
	for (; at > 0 && d->v[at - 1].index > one->index; at--)
		d->v[at] = d->v[at - 1];
	d->v[at] = *one;
	d->n++;
}

static int note_link(void *arg, uint16_t type, const void *body, size_t len)
{
	const struct rtattr *tb[IFLA_MAX + 1];
	struct tap_device one = { .index = 0 };
	struct tap_devices *d = arg;
	struct ifinfomsg i;
	const char *name;
	const void *mac;

	if (type != RTM_NEWLINK || rtnl_parse(body, len, sizeof(i), tb, IFLA_MAX) < 0 || !tb[IFLA_IFNAME])
		return 0;
	memcpy(&i, body, sizeof(i));
	name = rtnl_data(tb[IFLA_IFNAME], 1);
	if (!name || strnlen(name, RTA_PAYLOAD(tb[IFLA_IFNAME])) >= IFNAMSIZ || note_tap(d, name, i.ifi_index))
		return 0;
	/* Tunnels of loaded modules appear in every namespace, and are down. */
	if ((i.ifi_flags & IFF_LOOPBACK) || !(i.ifi_flags & IFF_UP))
		return 0;
	snprintf(one.name, sizeof(one.name), "%s", name);
	one.index = i.ifi_index;
	one.type = i.ifi_type;
	one.mtu = number_of(tb[IFLA_MTU]);
	one.master = number_of(tb[IFLA_MASTER]);
	/* one of another namespace otherwise */
	one.link = tb[IFLA_LINK_NETNSID] ? 0 : number_of(tb[IFLA_LINK]);
	mac = rtnl_data(tb[IFLA_ADDRESS], ETH_ALEN);
	if (mac) {
		memcpy(one.mac, mac, ETH_ALEN);
		one.has_mac = true;
	}
	add_device(d, &one);
	return 0;
}

int nettap_list(int sock, struct tap_devices *ret, struct joey_err *err)
{
	int r = dump(sock, RTM_GETLINK, note_link, ret);

	return r < 0 ? joey_err_sys(err, r, "list network devices") : 0;
}

static int refuse(struct joey_err *err, const char *name, const char *why, const char *other)
{
	return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP, "network device %s %s%s: a sandbox cannot have it", name,
			    why, other);
}

/* What comes in goes to the machine before the host's kernel has looked at tags or bridges.  The two ends of a veth lie
 * on each other, and on nothing. */
static const struct tap_device *lies_on(const struct tap_devices *d, const struct tap_device *one)
{
	for (size_t i = 0; i < d->n; i++)
		if (one->link && (uint32_t)d->v[i].index == one->link && d->v[i].link != (uint32_t)one->index)
			return &d->v[i];
	return NULL;
}

int nettap_check(const struct tap_devices *d, struct joey_err *err)
{
	if (d->more)
		return joey_err_set(
			err, JOEY_EK_UNSUPPORTED, ENOTSUP,
			"the network namespace has %zu devices that are up (%s, %s, %s, %s, ...): a sandbox "
			"takes %d at most",
			d->n + d->more, d->v[0].name, d->v[1].name, d->v[2].name, d->v[3].name,
			(int)JOEY_NET_DEVICES_MAX);
	for (size_t i = 0; i < d->n; i++) {
		const struct tap_device *one = &d->v[i], *below = lies_on(d, one);

		if (one->type != ARPHRD_ETHER)
			return refuse(err, one->name, "is not an Ethernet device", "");
		if (one->master)
			return refuse(err, one->name, "is part of another", "");
		if (below)
			return refuse(err, one->name, "lies on ", below->name);
	}
	return 0;
}

/* ---- their configuration ---------------------------------------------------------------------------------------- */

struct notes {
	struct joey_json_out *o;
	const struct tap_devices *devices;
	int index; /* of the one at hand */
};

static bool text_of(int family, const struct rtattr *a, char *ret, size_t size)
{
	const void *data = rtnl_data(a, family == AF_INET ? 4 : 16);

	return data && inet_ntop(family, data, ret, (socklen_t)size);
}

static void put_text(struct joey_json_out *o, const char *key, int family, const struct rtattr *a)
{
	char ip[INET6_ADDRSTRLEN];

	if (text_of(family, a, ip, sizeof(ip)))
		joey_json_out_string(o, key, ip);
}

static void put_number(struct joey_json_out *o, const char *key, uint32_t v)
{
	if (v)
		joey_json_out_u64(o, key, v);
}

static int note_address(void *arg, uint16_t type, const void *body, size_t len)
{
	char ip[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 8];
	const struct rtattr *tb[IFA_MAX + 1];
	const struct notes *n = arg;
	struct ifaddrmsg m;

	if (type != RTM_NEWADDR || rtnl_parse(body, len, sizeof(m), tb, IFA_MAX) < 0)
		return 0;
	memcpy(&m, body, sizeof(m));
	/* a link-local address follows from the MAC in the guest as well */
	if ((int)m.ifa_index != n->index || (m.ifa_family == AF_INET6 && m.ifa_scope == RT_SCOPE_LINK) ||
	    (m.ifa_family != AF_INET && m.ifa_family != AF_INET6))
		return 0;
	if (!text_of(m.ifa_family, tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS], ip, sizeof(ip)))
		return 0;
	snprintf(text, sizeof(text), "%s/%u", ip, m.ifa_prefixlen);
	joey_json_out_object(n->o, NULL);
	joey_json_out_string(n->o, "local", text);
	if (tb[IFA_LOCAL] && text_of(m.ifa_family, tb[IFA_ADDRESS], text, sizeof(text)) && strcmp(text, ip) != 0)
		joey_json_out_string(n->o, "peer", text);
	put_text(n->o, "broadcast", m.ifa_family, tb[IFA_BROADCAST]);
	put_number(n->o, "scope", m.ifa_scope);
	put_number(n->o, "flags", number_of(tb[IFA_FLAGS]) & IFA_F_NOPREFIXROUTE);
	put_number(n->o, "metric", number_of(tb[IFA_RT_PRIORITY]));
	joey_json_out_end(n->o);
	return 0;
}

static void mac_text(const uint8_t *m, char ret[18])
{
	snprintf(ret, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

/* Those that somebody has put there; the others are found again. */
static int note_neighbour(void *arg, uint16_t type, const void *body, size_t len)
{
	const struct rtattr *tb[NDA_MAX + 1];
	const struct notes *n = arg;
	char ip[INET6_ADDRSTRLEN], mac[18];
	struct ndmsg m;

	if (type != RTM_NEWNEIGH || rtnl_parse(body, len, sizeof(m), tb, NDA_MAX) < 0)
		return 0;
	memcpy(&m, body, sizeof(m));
	if (m.ndm_ifindex != n->index || !(m.ndm_state & NUD_PERMANENT) || !rtnl_data(tb[NDA_LLADDR], ETH_ALEN) ||
	    (m.ndm_family != AF_INET && m.ndm_family != AF_INET6) ||
	    !text_of(m.ndm_family, tb[NDA_DST], ip, sizeof(ip)))
		return 0;
	mac_text(rtnl_data(tb[NDA_LLADDR], ETH_ALEN), mac);
	joey_json_out_object(n->o, NULL);
	joey_json_out_string(n->o, "to", ip);
	joey_json_out_string(n->o, "lladdr", mac);
	joey_json_out_end(n->o);
	return 0;
}

static int describe_device(int sock, const struct tap_device *d, struct notes *n)
{
	char mac[18];
	int r;

	n->index = d->index;
	joey_json_out_object(n->o, NULL);
	joey_json_out_string(n->o, "device", d->name);
	if (d->has_mac) {
		mac_text(d->mac, mac);
		joey_json_out_string(n->o, "mac", mac);
	}
	joey_json_out_u64(n->o, "mtu", d->mtu);
	joey_json_out_array(n->o, "addresses");
	r = dump(sock, RTM_GETADDR, note_address, n);
	joey_json_out_end(n->o);
	joey_json_out_array(n->o, "neighbours");
	if (r == 0)
		r = dump(sock, RTM_GETNEIGH, note_neighbour, n);
	joey_json_out_end(n->o);
	joey_json_out_end(n->o);
	return r;
}

/* ---- routes ----------------------------------------------------------------------------------------------------- */

struct hop {
	uint32_t index, weight;
	bool onlink;
	const struct rtattr *gateway, *via; /* via: of another family */
};

/* Its number in the request; -1: not one of ours. */
static int place_of(const struct tap_devices *d, uint32_t index)
{
	for (size_t i = 0; i < d->n; i++)
		if ((uint32_t)d->v[i].index == index)
			return (int)i;
	return -1;
}

static void put_hop(const struct notes *n, int family, const struct hop *h)
{
	const struct rtvia *via = rtnl_data(h->via, sizeof(struct rtvia) + 16);
	int place = place_of(n->devices, h->index);
	char ip[INET6_ADDRSTRLEN];

	if (place < 0)
		return;
	joey_json_out_object(n->o, NULL);
	joey_json_out_u64(n->o, "device", (uint64_t)place);
	put_text(n->o, "via", family, h->gateway);
	if (via && via->rtvia_family == AF_INET6 && inet_ntop(AF_INET6, via->rtvia_addr, ip, sizeof(ip)))
		joey_json_out_string(n->o, "via", ip);
	put_number(n->o, "weight", h->weight);
	if (h->onlink)
		joey_json_out_bool(n->o, "onlink", true);
	joey_json_out_end(n->o);
}

/* Several ways for one route: struct rtnexthop with attributes, one after the other. */
static size_t each_hop(const struct rtattr *a, const struct notes *n, int family, bool put)
{
	const char *p = a ? (const char *)a + RTA_LENGTH(0) : NULL;
	size_t left = a ? a->rta_len - RTA_LENGTH(0) : 0, ours = 0;
	struct rtnexthop nh;

	while (left >= sizeof(nh)) {
		const struct rtattr *tb[RTA_MAX + 1];
		size_t step;

		memcpy(&nh, p, sizeof(nh));
		if (nh.rtnh_len < sizeof(nh) || nh.rtnh_len > left ||
		    rtnl_parse(p, nh.rtnh_len, sizeof(nh), tb, RTA_MAX) < 0)
			break;
		if (put) {
			const struct hop h = { (uint32_t)nh.rtnh_ifindex, nh.rtnh_hops,
					       (nh.rtnh_flags & RTNH_F_ONLINK) != 0, tb[RTA_GATEWAY], tb[RTA_VIA] };

			put_hop(n, family, &h);
		}
		ours += place_of(n->devices, (uint32_t)nh.rtnh_ifindex) >= 0;
		step = NLMSG_ALIGN(nh.rtnh_len);
		if (step >= left)
			break;
		p += step;
		left -= step;
	}
	return ours;
}

/* But those that come with an address by themselves. */
static bool is_ours(const struct rtmsg *m, const struct rtattr *const *tb, const struct notes *n)
{
	if (m->rtm_table != RT_TABLE_MAIN || m->rtm_type != RTN_UNICAST || m->rtm_protocol == RTPROT_KERNEL ||
	    (m->rtm_flags & RTM_F_CLONED) || (m->rtm_family != AF_INET && m->rtm_family != AF_INET6))
		return false;
	return tb[RTA_OIF] ? place_of(n->devices, number_of(tb[RTA_OIF])) >= 0
			   : each_hop(tb[RTA_MULTIPATH], n, m->rtm_family, false) > 0;
}

static uint32_t mtu_of(const struct rtattr *metrics)
{
	const struct rtattr *tb[RTAX_MAX + 1];

	if (!metrics || rtnl_parse(rtnl_data(metrics, 0), RTA_PAYLOAD(metrics), 0, tb, RTAX_MAX) < 0)
		return 0;
	return number_of(tb[RTAX_MTU]);
}

static int note_route(void *arg, uint16_t type, const void *body, size_t len)
{
	char ip[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 8];
	const struct rtattr *tb[RTA_MAX + 1];
	const struct notes *n = arg;
	struct rtmsg m;

	if (type != RTM_NEWROUTE || rtnl_parse(body, len, sizeof(m), tb, RTA_MAX) < 0)
		return 0;
	memcpy(&m, body, sizeof(m));
	if (!is_ours(&m, tb, n))
		return 0;
	joey_json_out_object(n->o, NULL);
	if (text_of(m.rtm_family, tb[RTA_DST], ip, sizeof(ip)))
		snprintf(text, sizeof(text), "%s/%u", ip, m.rtm_dst_len);
	else
		snprintf(text, sizeof(text), "%s", m.rtm_family == AF_INET ? "0.0.0.0/0" : "::/0");
	joey_json_out_string(n->o, "to", text);
	put_text(n->o, "src", m.rtm_family, tb[RTA_PREFSRC]);
	put_number(n->o, "scope", m.rtm_scope);
	put_number(n->o, "metric", number_of(tb[RTA_PRIORITY]));
	put_number(n->o, "mtu", mtu_of(tb[RTA_METRICS]));
	joey_json_out_array(n->o, "hops");
	if (tb[RTA_OIF]) {
		const struct hop h = { number_of(tb[RTA_OIF]), 0, (m.rtm_flags & RTNH_F_ONLINK) != 0, tb[RTA_GATEWAY],
				       tb[RTA_VIA] };

		put_hop(n, m.rtm_family, &h);
	} else {
		(void)each_hop(tb[RTA_MULTIPATH], n, m.rtm_family, true);
	}
	joey_json_out_end(n->o);
	joey_json_out_end(n->o);
	return 0;
}

int nettap_describe(int sock, const struct tap_devices *d, char **ret, struct joey_err *err)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	struct notes n = { o, d, 0 };
	int r = 0;

	joey_json_out_object(o, NULL);
	joey_json_out_array(o, "devices");
	for (size_t i = 0; i < d->n && r == 0; i++)
		r = describe_device(sock, &d->v[i], &n);
	joey_json_out_end(o);
	joey_json_out_array(o, "routes");
	if (r == 0 && d->n > 0)
		r = dump(sock, RTM_GETROUTE, note_route, &n);
	joey_json_out_end(o);
	joey_json_out_end(o);
	if (r == 0)
		r = joey_json_out_finish(o, ret, NULL);
	return r < 0 ? joey_err_sys(err, r, "read the configuration of the network devices") : 0;
}
