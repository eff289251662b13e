/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetlink(7): see rtnl.h. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "joey/util.h"
#include "linux/rtnl.h"

enum { ANSWER_MAX = 64 << 10, ANSWERS_MAX = 65536 };

int rtnl_open(void)
{
	const struct sockaddr_nl sa = { .nl_family = AF_NETLINK };
	/* the kernel answers at once; a lost answer must not hang us */
	const struct timeval limit = { 10, 0 };
	autoclose int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
		return -errno;
	return joey_take_fd(&fd);
}

int rtnl_open_in(int netns_fd, struct joey_err *err)
{
	autoclose int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int sock;

	if (own < 0)
		return joey_err_sys(err, errno, "open joey's network namespace");
	if (setns(netns_fd, CLONE_NEWNET) < 0)
		return joey_err_sys(err, errno, "enter the container's network namespace");
	sock = rtnl_open();
	if (setns(own, CLONE_NEWNET) < 0) {
		int saved = errno;

		joey_close(sock);
		return joey_err_sys(err, saved, "return to joey's network namespace");
	}
	return sock < 0 ? joey_err_sys(err, sock, "open a netlink socket in the container") : sock;
}

void rtnl_begin(struct rtnl_req *q, uint16_t type, uint16_t flags, const void *body, size_t len)
{
	memset(q, 0, sizeof(*q));
	if (len > sizeof(q->u.bytes) - NLMSG_HDRLEN) {
		q->failed = true;
		return;
	}
	q->u.head.nlmsg_len = (uint32_t)NLMSG_LENGTH(len);
	q->u.head.nlmsg_type = type;
	q->u.head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	memcpy(q->u.bytes + NLMSG_HDRLEN, body, len);
}

void rtnl_attr(struct rtnl_req *q, uint16_t type, const void *data, size_t len)
{
	size_t at = NLMSG_ALIGN(q->u.head.nlmsg_len);
	struct rtattr a = { .rta_type = type };

	/* at is within the buffer; every sum below is of small numbers once len is known to be one */
	if (q->failed || len > sizeof(q->u.bytes) || at + RTA_LENGTH(len) > sizeof(q->u.bytes)) {
		q->failed = true;
		return;
	}
	a.rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(q->u.bytes + at, &a, sizeof(a));
	memcpy(q->u.bytes + at + RTA_LENGTH(0), data, len);
	q->u.head.nlmsg_len = (uint32_t)(at + a.rta_len);
}

void rtnl_attr_u32(struct rtnl_req *q, uint16_t type, uint32_t value)
{
	rtnl_attr(q, type, &value, sizeof(value));
}

void rtnl_attr_text(struct rtnl_req *q, uint16_t type, const char *text)
{
	rtnl_attr(q, type, text, strlen(text) + 1);
}

/* 1: that was the last message; 0: more to come. */
static int one_message(const struct nlmsghdr *h, rtnl_answer_fn answer, void *arg)
{
	const char *body = (const char *)h + NLMSG_HDRLEN;
	size_t len = h->nlmsg_len - NLMSG_HDRLEN;
	int code;

	switch (h->nlmsg_type) {
	case NLMSG_NOOP:
		return 0;
	case NLMSG_DONE:
	case NLMSG_ERROR:
		/* both carry 0 or -errno first (a DONE may lack it) */
		if (len < sizeof(code))
			return h->nlmsg_type == NLMSG_DONE ? 1 : -EBADMSG;
		memcpy(&code, body, sizeof(code));
		return code < 0 ? code : 1;
	default:
		if (answer) {
			int r = answer(arg, h->nlmsg_type, body, len);

			if (r < 0)
				return r;
		}
		return 0;
	}
}

static int walk(const char *buf, size_t len, uint32_t seq, rtnl_answer_fn answer, void *arg)
{
	while (len > 0) {
		struct nlmsghdr h;
		size_t step;
		int r;

		if (len < NLMSG_HDRLEN)
			return -EBADMSG;
		memcpy(&h, buf, sizeof(h));
		if (h.nlmsg_len < NLMSG_HDRLEN || h.nlmsg_len > len)
			return -EBADMSG;
		if (h.nlmsg_seq == seq) {
			/* the buffer is aligned, and every message starts at a multiple of NLMSG_ALIGNTO */
			r = one_message((const struct nlmsghdr *)(const void *)buf, answer, arg);
			if (r != 0)
				return r;
		}
		step = NLMSG_ALIGN(h.nlmsg_len);
		if (step >= len)
			break;
		buf += step;
		len -= step;
	}
	return 0;
}

/* Only the kernel's own answers count: any process may send to a netlink socket (netlink(7)). */
static ssize_t receive(int sock, void *buf, size_t size)
{
	struct sockaddr_nl from;
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg;

	for (;;) {
		ssize_t n;

		memset(&from, 0, sizeof(from));
		msg = (struct msghdr){
			.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1
		};
		n = recvmsg(sock, &msg, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (msg.msg_flags & MSG_TRUNC)
			return -EMSGSIZE;
		if (from.nl_pid == 0)
			return n;
	}
}

/* A dump ends by NLMSG_DONE.  The flag's bits mean REPLACE and EXCL in requests that make something. */
static bool is_dump(const struct nlmsghdr *h)
{
	return (h->nlmsg_type == RTM_GETLINK || h->nlmsg_type == RTM_GETADDR || h->nlmsg_type == RTM_GETROUTE ||
		h->nlmsg_type == RTM_GETNEIGH || h->nlmsg_type == RTM_GETQDISC || h->nlmsg_type == RTM_GETTFILTER) &&
	       (h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
}

int rtnl_talk(int sock, struct rtnl_req *q, rtnl_answer_fn answer, void *arg)
{
	static uint32_t seq;
	autofree char *buf = NULL;

	if (q->failed)
		return -EMSGSIZE;
	buf = malloc(ANSWER_MAX);
	if (!buf)
		return -ENOMEM;
	q->u.head.nlmsg_seq = ++seq;
	if (!is_dump(&q->u.head))
		q->u.head.nlmsg_flags |= NLM_F_ACK;
	if (send(sock, q->u.bytes, q->u.head.nlmsg_len, 0) != (ssize_t)q->u.head.nlmsg_len)
		return errno > 0 ? -errno : -EIO;
	for (unsigned i = 0; i < ANSWERS_MAX; i++) {
		ssize_t n = receive(sock, buf, ANSWER_MAX);
		int r;

		if (n < 0)
			return (int)n;
		r = walk(buf, (size_t)n, seq, answer, arg);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return -EOVERFLOW;
}

int rtnl_parse(const void *body, size_t len, size_t head, const struct rtattr **tb, uint16_t max)
{
	const char *p = body;

	memset(tb, 0, sizeof(tb[0]) * (max + 1u));
	if (len < head)
		return -EBADMSG;
	head = NLMSG_ALIGN(head);
	if (len <= head)
		return 0;
	p += head;
	len -= head;
	while (len >= sizeof(struct rtattr)) {
		struct rtattr a;
		size_t step;

		memcpy(&a, p, sizeof(a));
		if (a.rta_len < sizeof(a) || a.rta_len > len)
			return -EBADMSG;
		if ((a.rta_type & NLA_TYPE_MASK) <= max)
			tb[a.rta_type & NLA_TYPE_MASK] = (const struct rtattr *)(const void *)p;
		step = RTA_ALIGN(a.rta_len);
		if (step >= len)
			break;
		p += step;
		len -= step;
	}
	return 0;
}

const void *rtnl_data(const struct rtattr *a, size_t need)
{
	if (!a || a->rta_len < RTA_LENGTH(need))
		return NULL;
	return (const char *)a + RTA_LENGTH(0);
}
