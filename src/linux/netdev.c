/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.netDevices: moves devices of joey's network namespace into the container's (runtime-spec config-linux.md).
 *
 * Per device: note its permanent global addresses, take it down, move and rename it in one request (the kernel does
 * both or neither), give the addresses back, take it up.  The kernel keeps the interface index across the move when it
 * is free there; where it is not, a free one is asked for, so the device is always addressed by number, never by a
 * name that somebody else may have.
 */
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "linux/linux-internal.h"
#include "linux/rtnl.h"

enum { ADDRS_MAX = 256, INDEX_STEP = 1000, INDEX_TRIES = 64, IP_MAX = 16 };

struct addr {
	uint8_t family, prefix, len, has_broadcast, has_local;
	uint8_t address[IP_MAX], local[IP_MAX], broadcast[IP_MAX];
	uint32_t flags;
};

struct device {
	const struct joey_net_device *cfg;
	int host, guest; /* sockets */
	int index, new_index;
	struct addr addrs[ADDRS_MAX];
	size_t n_addrs;
};

/* ---- links ---------------------------------------------------------------------------------------------------- */

static int note_index(void *arg, uint16_t type, const void *body, size_t len)
{
	struct ifinfomsg m;

	if (type != RTM_NEWLINK)
		return 0;
	if (len < sizeof(m))
		return -EBADMSG;
	memcpy(&m, body, sizeof(m));
	*(int *)arg = m.ifi_index;
	return 0;
}

static int find_by_name(int sock, const char *name, int *ret)
{
	const struct ifinfomsg m = { .ifi_family = AF_UNSPEC };
	struct rtnl_req q;

	*ret = 0;
	rtnl_begin(&q, RTM_GETLINK, 0, &m, sizeof(m));
	rtnl_attr_text(&q, IFLA_IFNAME, name);
	return rtnl_talk(sock, &q, note_index, ret);
}

/* -ENODEV: the number is free. */
static int find_by_index(int sock, int index)
{
	const struct ifinfomsg m = { .ifi_family = AF_UNSPEC, .ifi_index = index };
	struct rtnl_req q;
	int found = 0;

	rtnl_begin(&q, RTM_GETLINK, 0, &m, sizeof(m));
	return rtnl_talk(sock, &q, note_index, &found);
}

static int set_up(int sock, int index, bool up)
{
	const struct ifinfomsg m = {
		.ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = up ? IFF_UP : 0, .ifi_change = IFF_UP
	};
	struct rtnl_req q;

	rtnl_begin(&q, RTM_NEWLINK, 0, &m, sizeof(m));
	return rtnl_talk(sock, &q, NULL, NULL);
}

static int choose_index(struct device *d)
{
	int index = d->index, r;

	for (int i = 0; i < INDEX_TRIES; i++) {
		r = find_by_index(d->guest, index);
		if (r == -ENODEV) {
			d->new_index = index;
			return 0;
		}
		if (r < 0)
			return r;
		if (__builtin_add_overflow(index, INDEX_STEP + i, &index))
			break;
	}
	return -EBUSY;
}

static int move(struct device *d, int netns_fd)
{
	const struct ifinfomsg m = { .ifi_family = AF_UNSPEC, .ifi_index = d->index };
	struct rtnl_req q;

	rtnl_begin(&q, RTM_NEWLINK, 0, &m, sizeof(m));
	rtnl_attr_u32(&q, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	rtnl_attr_text(&q, IFLA_IFNAME, d->cfg->name);
	/* Linux 5.13; not sent where the number stays, so that older kernels serve the usual case */
	if (d->new_index != d->index)
		rtnl_attr_u32(&q, IFLA_NEW_IFINDEX, (uint32_t)d->new_index);
	return rtnl_talk(d->host, &q, NULL, NULL);
}

/* ---- addresses ------------------------------------------------------------------------------------------------ */

static bool copy_ip(const struct rtattr *a, uint8_t len, uint8_t out[IP_MAX])
{
	const void *p = rtnl_data(a, len);

	if (p)
		memcpy(out, p, len);
	return p != NULL;
}

/* What was configured by hand and is valid beyond the link: the rest comes back by itself. */
static int note_addr(void *arg, uint16_t type, const void *body, size_t len)
{
	const struct rtattr *tb[IFA_FLAGS + 1];
	struct device *d = arg;
	struct addr a = { 0 };
	struct ifaddrmsg m;
	const void *flags;
	int r;

	if (type != RTM_NEWADDR)
		return 0;
	r = rtnl_parse(body, len, sizeof(m), tb, IFA_FLAGS);
	if (r < 0)
		return r;
	memcpy(&m, body, sizeof(m));
	a.flags = m.ifa_flags;
	flags = rtnl_data(tb[IFA_FLAGS], sizeof(a.flags));
	if (flags)
		memcpy(&a.flags, flags, sizeof(a.flags));
	if ((int)m.ifa_index != d->index || !(a.flags & IFA_F_PERMANENT) || m.ifa_scope != RT_SCOPE_UNIVERSE)
		return 0;
	if (m.ifa_family != AF_INET && m.ifa_family != AF_INET6)
		return 0;
	if (d->n_addrs == ADDRS_MAX)
		return -E2BIG;
	a.family = m.ifa_family;
	a.prefix = m.ifa_prefixlen;
	a.len = m.ifa_family == AF_INET ? 4 : 16;
	if (!copy_ip(tb[IFA_ADDRESS], a.len, a.address))
		return -EBADMSG;
	a.has_local = copy_ip(tb[IFA_LOCAL], a.len, a.local);
	a.has_broadcast = copy_ip(tb[IFA_BROADCAST], a.len, a.broadcast);
	d->addrs[d->n_addrs++] = a;
	return 0;
}

static int note_addrs(struct device *d)
{
	const struct ifaddrmsg m = { .ifa_family = AF_UNSPEC };
	struct rtnl_req q;

	rtnl_begin(&q, RTM_GETADDR, NLM_F_DUMP, &m, sizeof(m));
	return rtnl_talk(d->host, &q, note_addr, d);
}

static int give_addr(const struct device *d, const struct addr *a)
{
	const struct ifaddrmsg m = {
		.ifa_family = a->family,
		.ifa_prefixlen = a->prefix,
		.ifa_scope = RT_SCOPE_UNIVERSE,
		.ifa_index = (uint32_t)d->new_index,
	};
	/* of the old flags only these can be asked for (ip-address(8)) */
	uint32_t flags = a->flags & (IFA_F_PERMANENT | IFA_F_NODAD | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN);
	struct rtnl_req q;

	rtnl_begin(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof(m));
	rtnl_attr(&q, IFA_ADDRESS, a->address, a->len);
	if (a->has_local)
		rtnl_attr(&q, IFA_LOCAL, a->local, a->len);
	if (a->has_broadcast)
		rtnl_attr(&q, IFA_BROADCAST, a->broadcast, a->len);
	rtnl_attr_u32(&q, IFA_FLAGS, flags);
	return rtnl_talk(d->guest, &q, NULL, NULL);
}

/* ---- one device ------------------------------------------------------------------------------------------------ */

static int move_device(struct device *d, int netns_fd, struct joey_err *err)
{
	const char *from = d->cfg->host_name, *to = d->cfg->name;
	int taken, r = find_by_name(d->host, from, &d->index);

	if (r == 0 && d->index <= 0)
		r = -ENODEV;
	if (r < 0)
		return joey_err_sys(err, r, "find network device %s", from);
	r = find_by_name(d->guest, to, &taken);
	if (r == 0)
		return joey_err_sys(err, EEXIST, "network device %s of the container", to);
	d->n_addrs = 0;
	r = note_addrs(d);
	if (r < 0)
		return joey_err_sys(err, r, "read addresses of network device %s", from);
	r = choose_index(d);
	if (r < 0)
		return joey_err_sys(err, r, "choose an index for network device %s", from);
	r = set_up(d->host, d->index, false);
	if (r < 0)
		return joey_err_sys(err, r, "take down network device %s", from);
	r = move(d, netns_fd);
	if (r < 0)
		return joey_err_sys(err, r, "move network device %s to the container as %s", from, to);
	for (size_t i = 0; i < d->n_addrs; i++) {
		r = give_addr(d, &d->addrs[i]);
		if (r < 0)
			return joey_err_sys(err, r, "restore address %zu of network device %s", i, to);
	}
	r = set_up(d->guest, d->new_index, true);
	if (r < 0)
		return joey_err_sys(err, r, "bring up network device %s", to);
	return 0;
}

int joey_net_devices_move(const struct joey_config *config, int netns_fd, struct joey_err *err)
{
	autofree struct device *d = NULL;
	autoclose int host = -EBADF;
	autoclose int guest = -EBADF;
	int r;

	if (config->n_net_devices == 0)
		return 0;
	d = calloc(1, sizeof(*d));
	if (!d)
		return joey_err_sys(err, ENOMEM, "network devices");
	host = rtnl_open();
	if (host < 0)
		return joey_err_sys(err, host, "open a netlink socket");
	guest = rtnl_open_in(netns_fd, err);
	r = guest < 0 ? guest : 0;
	for (size_t i = 0; r == 0 && i < config->n_net_devices; i++) {
		d->cfg = &config->net_devices[i];
		d->host = host;
		d->guest = guest;
		r = move_device(d, netns_fd, err);
	}
	return r;
}
