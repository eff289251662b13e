/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network namespace's device handed to a virtual machine: a tap beside it, and both redirected into each other by tc
 * (ingress qdisc, mirred), so that the machine's device stands where the namespace's stood, with its address.  The
 * device keeps its configuration for whoever looks at the namespace; nothing reaches the host's own stack through it
 * any more. All of it works on the network namespace of the calling process.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/neighbour.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/tc_act/tc_mirred.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "joey/json.h"
#include "linux/linux-internal.h"
#include "linux/rtnl.h"

#define TAP_NAME "joey-tap"

enum { FILTER_PRIORITY = 1, INGRESS = 0xffff0000 };

int joey_net_tap_open(int *ret_fd, struct joey_err *err)
{
	struct ifreq ifr = { .ifr_name = TAP_NAME, .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	autoclose int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return joey_err_sys(err, errno, "open /dev/net/tun");
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return joey_err_sys(err, errno,
				    errno == EBUSY ? "another sandbox has the container's network namespace"
						   : "make a tap in the container's network namespace");
	*ret_fd = joey_take_fd(&fd);
	return 0;
}

/* ---- what there is ---------------------------------------------------------------------------------------------- */

struct device {
	char name[IFNAMSIZ], other[IFNAMSIZ]; /* other: a second one */
	int index, tap;
	uint32_t mtu;
	uint8_t mac[ETH_ALEN];
	bool has_mac;
};

static int note_link(void *arg, uint16_t type, const void *body, size_t len)
{
	const struct rtattr *tb[IFLA_MAX + 1];
	struct device *d = arg;
	struct ifinfomsg i;
	const char *name;
	const void *data;

	if (type != RTM_NEWLINK || rtnl_parse(body, len, sizeof(i), tb, IFLA_MAX) < 0 || !tb[IFLA_IFNAME])
		return 0;
	memcpy(&i, body, sizeof(i));
	name = rtnl_data(tb[IFLA_IFNAME], 1);
	if (!name || strnlen(name, RTA_PAYLOAD(tb[IFLA_IFNAME])) >= IFNAMSIZ)
		return 0;
	if (strcmp(name, TAP_NAME) == 0) {
		d->tap = i.ifi_index;
		return 0;
	}
	/* Tunnels of loaded modules appear in every namespace, and are down. */
	if ((i.ifi_flags & IFF_LOOPBACK) || !(i.ifi_flags & IFF_UP))
		return 0;
	if (d->index) {
		snprintf(d->other, sizeof(d->other), "%s", name);
		return 0;
	}
	d->index = i.ifi_index;
	snprintf(d->name, sizeof(d->name), "%s", name);
	data = rtnl_data(tb[IFLA_MTU], sizeof(d->mtu));
	if (data)
		memcpy(&d->mtu, data, sizeof(d->mtu));
	data = rtnl_data(tb[IFLA_ADDRESS], ETH_ALEN);
	if (data) {
		memcpy(d->mac, data, ETH_ALEN);
		d->has_mac = true;
	}
	return 0;
}

struct notes {
	struct joey_json_out *o;
	int index;
};

static bool text_of(int family, const struct rtattr *a, char *ret, size_t size)
{
	const void *data = rtnl_data(a, family == AF_INET ? 4 : 16);

	return data && inet_ntop(family, data, ret, (socklen_t)size);
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
	joey_json_out_string(n->o, NULL, text);
	return 0;
}

/* But those that come with an address by themselves. */
static bool is_ours(const struct rtmsg *m, const struct rtattr *const *tb, int index)
{
	const void *data = rtnl_data(tb[RTA_OIF], sizeof(int));
	int oif = 0;

	if (data)
		memcpy(&oif, data, sizeof(oif));
	return oif == index && m->rtm_table == RT_TABLE_MAIN && m->rtm_type == RTN_UNICAST &&
	       m->rtm_protocol != RTPROT_KERNEL && (m->rtm_family == AF_INET || m->rtm_family == AF_INET6);
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
	if (!is_ours(&m, tb, n->index))
		return 0;
	joey_json_out_object(n->o, NULL);
	if (text_of(m.rtm_family, tb[RTA_DST], ip, sizeof(ip)))
		snprintf(text, sizeof(text), "%s/%u", ip, m.rtm_dst_len);
	else
		snprintf(text, sizeof(text), "%s", m.rtm_family == AF_INET ? "0.0.0.0/0" : "::/0");
	joey_json_out_string(n->o, "to", text);
	if (text_of(m.rtm_family, tb[RTA_GATEWAY], ip, sizeof(ip)))
		joey_json_out_string(n->o, "via", ip);
	joey_json_out_u64(n->o, "scope", m.rtm_scope);
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

static int describe(int sock, const struct device *d, char **ret, struct joey_err *err)
{
	static const struct {
		const char *key;
		uint16_t type;
		rtnl_answer_fn note;
	} lists[] = {
		{ "addresses", RTM_GETADDR, note_address },
		{ "routes", RTM_GETROUTE, note_route },
		{ "neighbours", RTM_GETNEIGH, note_neighbour },
	};
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	struct notes n = { o, d->index };
	char mac[18];
	int r = 0;

	joey_json_out_object(o, NULL);
	joey_json_out_string(o, "device", d->name);
	if (d->has_mac) {
		mac_text(d->mac, mac);
		joey_json_out_string(o, "mac", mac);
	}
	joey_json_out_u64(o, "mtu", d->mtu);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(lists) && r == 0; i++) {
		joey_json_out_array(o, lists[i].key);
		r = dump(sock, lists[i].type, lists[i].note, &n);
		joey_json_out_end(o);
	}
	joey_json_out_end(o);
	if (r == 0)
		r = joey_json_out_finish(o, ret, NULL);
	return r < 0 ? joey_err_sys(err, r, "read the configuration of network device %s", d->name) : 0;
}

/* ---- the redirection -------------------------------------------------------------------------------------------- */

struct nest { /* attributes within an attribute */
	char bytes[256];
	size_t len;
};

static void put(struct nest *n, uint16_t type, const void *data, size_t len)
{
	struct rtattr a = { .rta_type = type, .rta_len = (unsigned short)RTA_LENGTH(len) };

	if (n->len + RTA_SPACE(len) > sizeof(n->bytes))
		return; /* sizes are known here: it does not happen */
	memcpy(n->bytes + n->len, &a, sizeof(a));
	memcpy(n->bytes + n->len + RTA_LENGTH(0), data, len);
	n->len += RTA_SPACE(len);
}

static int add_qdisc(int sock, int index)
{
	const struct tcmsg m = { .tcm_ifindex = index, .tcm_handle = INGRESS, .tcm_parent = TC_H_INGRESS };
	struct rtnl_req q;

	rtnl_begin(&q, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	rtnl_attr_text(&q, TCA_KIND, "ingress");
	return rtnl_talk(sock, &q, NULL, NULL);
}

/* Everything that comes in goes out by the other device. */
static int add_redirect(int sock, int from, int to)
{
	const struct tcmsg m = { .tcm_ifindex = from,
				 .tcm_parent = INGRESS,
				 .tcm_info = TC_H_MAKE(FILTER_PRIORITY << 16, htons(ETH_P_ALL)) };
	const struct tc_mirred mirred = { .action = TC_ACT_STOLEN,
					  .eaction = TCA_EGRESS_REDIR,
					  .ifindex = (uint32_t)to };
	const struct tc_u32_sel sel = { .flags = TC_U32_TERMINAL, .nkeys = 1 };
	char match[sizeof(struct tc_u32_sel) + sizeof(struct tc_u32_key)] = { 0 }; /* mask 0: every packet */
	struct nest parms = { .len = 0 }, action = { .len = 0 }, actions = { .len = 0 }, options = { .len = 0 };
	struct rtnl_req q;

	put(&parms, TCA_MIRRED_PARMS, &mirred, sizeof(mirred));
	put(&action, TCA_ACT_KIND, "mirred", sizeof("mirred"));
	put(&action, TCA_ACT_OPTIONS | NLA_F_NESTED, parms.bytes, parms.len);
	put(&actions, 1 | NLA_F_NESTED, action.bytes, action.len);
	memcpy(match, &sel, sizeof(sel));
	put(&options, TCA_U32_SEL, match, sizeof(match));
	put(&options, TCA_U32_ACT | NLA_F_NESTED, actions.bytes, actions.len);
	rtnl_begin(&q, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	rtnl_attr_text(&q, TCA_KIND, "u32");
	rtnl_attr(&q, TCA_OPTIONS | NLA_F_NESTED, options.bytes, options.len);
	return rtnl_talk(sock, &q, NULL, NULL);
}

static int set_up(int sock, int index, uint32_t mtu)
{
	const struct ifinfomsg m = { .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct rtnl_req q;

	rtnl_begin(&q, RTM_NEWLINK, 0, &m, sizeof(m));
	if (mtu)
		rtnl_attr_u32(&q, IFLA_MTU, mtu);
	return rtnl_talk(sock, &q, NULL, NULL);
}

static int redirect(int sock, const struct device *d, struct joey_err *err)
{
	int r = set_up(sock, d->tap, d->mtu);

	if (r == 0)
		r = add_qdisc(sock, d->index);
	if (r == 0)
		r = add_qdisc(sock, d->tap);
	if (r == 0)
		r = add_redirect(sock, d->index, d->tap);
	if (r == 0)
		r = add_redirect(sock, d->tap, d->index);
	return r < 0 ? joey_err_sys(err, r, "redirect network device %s to the sandbox", d->name) : 0;
}

int joey_net_tap_connect(char **ret_json, struct joey_err *err)
{
	autoclose int sock = rtnl_open();
	struct device d = { .index = 0 };
	int r;

	*ret_json = NULL;
	if (sock < 0)
		return joey_err_sys(err, sock, "open a netlink socket");
	r = dump(sock, RTM_GETLINK, note_link, &d);
	if (r < 0)
		return joey_err_sys(err, r, "list network devices");
	if (d.index == 0)
		return 0;
	if (d.other[0])
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP,
				    "the network namespace has more devices than %s (%s): a sandbox takes one", d.name,
				    d.other);
	if (d.tap == 0)
		return joey_err_set(err, JOEY_EK_OTHER, ENODEV, "the sandbox's tap has gone");
	r = describe(sock, &d, ret_json, err);
	return r < 0 ? r : redirect(sock, &d, err);
}
