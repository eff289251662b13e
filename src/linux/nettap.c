/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network namespace's devices handed to a virtual machine: a tap beside each, and both redirected into each other by
 * tc (ingress qdisc, mirred), so that the machine's device stands where the namespace's stood, with its address.  The
 * devices keep their configuration for whoever looks at the namespace; nothing reaches the host's own stack through
 * them any more, until joey_net_tap_release().  All but that works on the network namespace of the calling process.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/tc_act/tc_mirred.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "linux/nettap.h"

enum { FILTER_PRIORITY = 1, INGRESS = 0xffff0000 };

/* ---- the taps --------------------------------------------------------------------------------------------------- */

static int open_tap(unsigned i, int *ret, struct joey_err *err)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	autoclose int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return joey_err_sys(err, errno, "open /dev/net/tun");
	nettap_name(i, ifr.ifr_name);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return joey_err_sys(err, errno,
				    errno == EBUSY ? "another sandbox has the container's network namespace"
						   : "make a tap in the container's network namespace");
	*ret = joey_take_fd(&fd);
	return 0;
}

int joey_net_tap_open(int *ret_fds, unsigned n, struct joey_err *err)
{
	for (unsigned i = 0; i < n; i++) {
		int r = open_tap(i, &ret_fds[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

int joey_net_tap_count(int netns_fd, unsigned *ret, struct joey_err *err)
{
	autoclose int sock = rtnl_open_in(netns_fd, err);
	struct tap_devices d = { .n = 0 };
	int r = sock < 0 ? sock : nettap_list(sock, &d, err);

	if (r == 0)
		r = nettap_check(&d, err);
	*ret = (unsigned)d.n;
	return r;
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

/* ---- what a machine leaves -------------------------------------------------------------------------------------- */

/* The redirection to a tap that has gone drops everything; the kernel shows it with no device. */
static bool is_dead_redirect(const struct rtattr *options)
{
	const struct rtattr *u32[TCA_U32_MAX + 1], *actions[2], *action[TCA_ACT_MAX + 1], *mirred[TCA_MIRRED_MAX + 1];
	struct tc_mirred m;

#define NESTED(a, tb, max) ((a) && rtnl_parse(rtnl_data(a, 0), RTA_PAYLOAD(a), 0, tb, max) == 0)
	if (!NESTED(options, u32, TCA_U32_MAX))
		return false;
	/* the table that the filter is in */
	if (!u32[TCA_U32_ACT])
		return u32[TCA_U32_DIVISOR] != NULL;
	if (!NESTED(u32[TCA_U32_ACT], actions, 1) || !NESTED(actions[1], action, TCA_ACT_MAX) ||
	    !NESTED(action[TCA_ACT_OPTIONS], mirred, TCA_MIRRED_MAX) || !rtnl_data(mirred[TCA_MIRRED_PARMS], sizeof(m)))
		return false;
#undef NESTED
	memcpy(&m, rtnl_data(mirred[TCA_MIRRED_PARMS], sizeof(m)), sizeof(m));
	return m.eaction == TCA_EGRESS_REDIR && m.ifindex == 0;
}

static int look_at_filter(void *arg, uint16_t type, const void *body, size_t len)
{
	const struct rtattr *tb[TCA_MAX + 1];
	bool *left = arg;
	const char *kind;
	struct tcmsg m;

	if (type != RTM_NEWTFILTER)
		return 0;
	if (rtnl_parse(body, len, sizeof(m), tb, TCA_MAX) < 0) {
		*left = false;
		return 0;
	}
	memcpy(&m, body, sizeof(m));
	kind = rtnl_data(tb[TCA_KIND], sizeof("u32"));
	if (TC_H_MAJ(m.tcm_info) >> 16 != FILTER_PRIORITY || !kind || memcmp(kind, "u32", sizeof("u32")) != 0 ||
	    (tb[TCA_OPTIONS] && !is_dead_redirect(tb[TCA_OPTIONS])))
		*left = false;
	return 0;
}

static int delete_qdisc(int sock, int index)
{
	const struct tcmsg m = { .tcm_ifindex = index, .tcm_handle = INGRESS, .tcm_parent = TC_H_INGRESS };
	struct rtnl_req q;

	rtnl_begin(&q, RTM_DELQDISC, 0, &m, sizeof(m));
	return rtnl_talk(sock, &q, NULL, NULL);
}

/* An ingress qdisc that has nothing, or only what a machine has left: 0 when it is gone. */
static int delete_left(int sock, int index)
{
	const struct tcmsg m = { .tcm_ifindex = index, .tcm_parent = INGRESS };
	struct rtnl_req q;
	bool left = true;
	int r;

	rtnl_begin(&q, RTM_GETTFILTER, NLM_F_DUMP, &m, sizeof(m));
	r = rtnl_talk(sock, &q, look_at_filter, &left);
	if (r == 0 && !left)
		r = -EEXIST;
	return r < 0 ? r : delete_qdisc(sock, index);
}

enum { QDISCS_MAX = 64 };

struct qdiscs {
	int index[QDISCS_MAX];
	size_t n;
};

static int note_qdisc(void *arg, uint16_t type, const void *body, size_t len)
{
	struct qdiscs *s = arg;
	struct tcmsg m;

	if (type != RTM_NEWQDISC || len < sizeof(m))
		return 0;
	memcpy(&m, body, sizeof(m));
	if (m.tcm_parent == TC_H_INGRESS && m.tcm_handle == INGRESS && s->n < QDISCS_MAX)
		s->index[s->n++] = m.tcm_ifindex;
	return 0;
}

int joey_net_tap_release(int netns_fd, struct joey_err *err)
{
	const struct tcmsg any = { .tcm_family = AF_UNSPEC };
	autoclose int sock = rtnl_open_in(netns_fd, err);
	struct qdiscs s = { .n = 0 };
	struct rtnl_req q;
	int r;

	if (sock < 0)
		return sock;
	rtnl_begin(&q, RTM_GETQDISC, NLM_F_DUMP, &any, sizeof(any));
	r = rtnl_talk(sock, &q, note_qdisc, &s);
	if (r < 0)
		return joey_err_sys(err, r, "list queueing disciplines");
	for (size_t i = 0; i < s.n; i++)
		(void)delete_left(sock, s.index[i]);
	return 0;
}

/* ---- all of it -------------------------------------------------------------------------------------------------- */

static int redirect(int sock, const struct tap_device *d, int tap, struct joey_err *err)
{
	bool added = false;
	int r = set_up(sock, tap, d->mtu);

	if (r == 0)
		r = add_qdisc(sock, d->index);
	if (r == -EEXIST && delete_left(sock, d->index) == 0)
		r = add_qdisc(sock, d->index);
	added = r == 0;
	if (r == 0)
		r = add_qdisc(sock, tap);
	if (r == 0)
		r = add_redirect(sock, d->index, tap);
	if (r == 0)
		r = add_redirect(sock, tap, d->index);
	if (r < 0 && added)
		(void)delete_qdisc(sock, d->index);
	return r < 0 ? joey_err_sys(err, r, "redirect network device %s to the sandbox", d->name) : 0;
}

static int too_many(const struct tap_devices *d, unsigned taps, struct joey_err *err)
{
	return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP,
			    "the network namespace has %zu devices that are up (%s, %s%s), and the sandbox was started "
			    "with %u, when nobody knew how many there would be: joey.conf(5), network_devices = %d",
			    d->n, d->v[0].name, d->v[1].name, d->n > 2 ? ", ..." : "", taps, (int)JOEY_NET_DEVICES_MAX);
}

static int redirect_all(int sock, const struct tap_devices *d, struct joey_err *err)
{
	int r = 0;
	size_t i;

	for (i = 0; i < d->n && r == 0; i++)
		r = redirect(sock, &d->v[i], d->taps[i], err);
	/* the last one has undone its own */
	for (i = i > 0 ? i - 1 : 0; r < 0 && i-- > 0;)
		(void)delete_qdisc(sock, d->v[i].index);
	return r;
}

int joey_net_tap_connect(unsigned taps, char **ret_json, struct joey_err *err)
{
	autoclose int sock = rtnl_open();
	struct tap_devices d = { .n = 0 };
	int r;

	*ret_json = NULL;
	if (sock < 0)
		return joey_err_sys(err, sock, "open a netlink socket");
	r = nettap_list(sock, &d, err);
	if (r == 0)
		r = nettap_check(&d, err);
	if (r < 0 || (d.n == 0 && taps == 1))
		return r;
	if (d.n > taps)
		return too_many(&d, taps, err);
	for (size_t i = 0; i < d.n; i++)
		if (d.taps[i] == 0)
			return joey_err_set(err, JOEY_EK_OTHER, ENODEV, "the sandbox's tap has gone");
	r = nettap_describe(sock, &d, ret_json, err);
	return r < 0 ? r : redirect_all(sock, &d, err);
}
