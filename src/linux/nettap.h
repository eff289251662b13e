/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_LINUX_NETTAP_H
#define JOEY_LINUX_NETTAP_H

/* What nettap.c and netread.c share: devices of a network namespace that a sandbox is to have. */

#include <linux/if_ether.h>
#include <net/if.h>

#include "linux/linux-internal.h"
#include "linux/rtnl.h"

struct tap_device {
	char name[IFNAMSIZ];
	int index;
	uint32_t link, master; /* the device of the same namespace that it lies on, is part of; 0: none */
	uint32_t mtu;
	uint16_t type; /* ARPHRD_* */
	uint8_t mac[ETH_ALEN];
	bool has_mac;
};

struct tap_devices {
	struct tap_device v[JOEY_NET_DEVICES_MAX]; /* in the order of their numbers */
	size_t n, more;                            /* more: those that there is no room for */
	int taps[JOEY_NET_DEVICES_MAX];            /* 0: is not there */
};

/* "joey-tap", "joey-tap1", ... */
void nettap_name(unsigned i, char ret[IFNAMSIZ]);

/* Those that are up, but lo, and the taps. */
int nettap_list(int sock, struct tap_devices *ret, struct joey_err *err);
/* Can a sandbox have them? */
int nettap_check(const struct tap_devices *d, struct joey_err *err);
/* What the guest's devices have to be given: the request NET of the agent; heap. */
int nettap_describe(int sock, const struct tap_devices *d, char **ret, struct joey_err *err);

#endif
