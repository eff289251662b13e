/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_LINUX_RTNL_H
#define JOEY_LINUX_RTNL_H

/*
 * As much of rtnetlink(7) as moving a device takes.  Requests are built in a fixed buffer with a sticky failure flag;
 * answers are walked with every length checked against what was received.
 */

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "joey/err.h"

struct rtnl_req {
	union {
		struct nlmsghdr head;
		char bytes[1024];
	} u;
	bool failed;
};

/* A NETLINK_ROUTE socket of the calling process's network namespace, or -errno. */
int rtnl_open(void);
/* The same of another one: sockets keep the namespace they were made in, so this process is there for one socket(2)
 * only. */
int rtnl_open_in(int netns_fd, struct joey_err *err);

/* Starts a message; body is struct ifinfomsg or ifaddrmsg. */
void rtnl_begin(struct rtnl_req *q, uint16_t type, uint16_t flags, const void *body, size_t len);
void rtnl_attr(struct rtnl_req *q, uint16_t type, const void *data, size_t len);
void rtnl_attr_u32(struct rtnl_req *q, uint16_t type, uint32_t value);
void rtnl_attr_text(struct rtnl_req *q, uint16_t type, const char *text);

/* Called for each answer with the body and the attributes; < 0 ends the walk and is returned. */
typedef int (*rtnl_answer_fn)(void *arg, uint16_t type, const void *body, size_t len);

/* Sends and reads until the acknowledgement or the end of the dump.  answer may be NULL. 0 or -errno. */
int rtnl_talk(int sock, struct rtnl_req *q, rtnl_answer_fn answer, void *arg);

/* The attributes after a body of size head: tb[0..max], NULL where absent.  -EBADMSG when malformed. */
int rtnl_parse(const void *body, size_t len, size_t head, const struct rtattr **tb, uint16_t max);
/* Payload of an attribute, or NULL when it is shorter than need. */
const void *rtnl_data(const struct rtattr *a, size_t need);

#endif
