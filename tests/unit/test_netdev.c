/* SPDX-License-Identifier: Apache-2.0 */
/* Moving network devices between two network namespaces of the test's own; rtnetlink answers that are not well formed.
 */
#include "net_fixture.h"

#include <arpa/inet.h>
#include <sys/ioctl.h>

/* ---- making things to move -------------------------------------------------------------------------------------- */

static void add_address(int sock, const char *name, int family, const char *text, uint8_t prefix, uint8_t scope)
{
	const struct ifaddrmsg m = { .ifa_family = (uint8_t)family,
				     .ifa_prefixlen = prefix,
				     .ifa_scope = scope,
				     .ifa_index = if_nametoindex(name) };
	uint8_t ip[16];
	struct rtnl_req q;
	size_t len = family == AF_INET ? 4 : 16;

	CHECK(inet_pton(family, text, ip) == 1);
	rtnl_begin(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	rtnl_attr(&q, IFA_LOCAL, ip, len);
	rtnl_attr(&q, IFA_ADDRESS, ip, len);
	CHECK(rtnl_talk(sock, &q, NULL, NULL) == 0);
}

static int note(void *arg, uint16_t type, const void *body, size_t len)
{
	const struct rtattr *tb[IFA_FLAGS + 1];
	struct joey_str *out = arg;
	struct ifaddrmsg m;
	char text[INET6_ADDRSTRLEN];

	if (type != RTM_NEWADDR || rtnl_parse(body, len, sizeof(m), tb, IFA_FLAGS) < 0)
		return 0;
	memcpy(&m, body, sizeof(m));
	if (m.ifa_scope != RT_SCOPE_UNIVERSE)
		return 0;
	inet_ntop(m.ifa_family, rtnl_data(tb[IFA_ADDRESS], m.ifa_family == AF_INET ? 4 : 16), text, sizeof(text));
	joey_str_printf(out, "%s/%u ", text, m.ifa_prefixlen);
	return 0;
}

static char *addresses(int sock)
{
	const struct ifaddrmsg m = { .ifa_family = AF_UNSPEC };
	struct joey_str s = JOEY_STR_INIT;
	struct rtnl_req q;

	rtnl_begin(&q, RTM_GETADDR, NLM_F_DUMP, &m, sizeof(m));
	CHECK(rtnl_talk(sock, &q, note, &s) == 0);
	return joey_str_take(&s);
}

struct nets {
	int host, guest, host_sock, guest_sock;
};

static void nets_init(struct nets *n)
{
	if (unshare(CLONE_NEWNET) < 0)
		SKIP_CHILD("no network namespaces");
	n->guest = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	n->guest_sock = rtnl_open();
	CHECK(unshare(CLONE_NEWNET) == 0);
	n->host = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	n->host_sock = rtnl_open();
	CHECK(n->guest >= 0 && n->host >= 0 && n->guest_sock >= 0 && n->host_sock >= 0);
	if (make_dummy(n->host_sock, "dum0", 0) == -EOPNOTSUPP)
		SKIP_CHILD("no dummy devices");
}

static int move_one(struct nets *n, const char *from, const char *to, struct joey_err *err)
{
	char a[32], b[32];
	struct joey_net_device dev = { a, b };
	struct bare bare;

	snprintf(a, sizeof(a), "%s", from);
	snprintf(b, sizeof(b), "%s", to);
	bare_init(&bare);
	bare.config.net_devices = &dev;
	bare.config.n_net_devices = 1;
	return joey_net_devices_move(&bare.config, n->guest, err);
}

static void same_namespace(int fd)
{
	struct stat a, b;

	CHECK(fstat(fd, &a) == 0 && stat("/proc/self/ns/net", &b) == 0);
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
}

/* ---- tests ------------------------------------------------------------------------------------------------------ */

static void moves(void *arg)
{
	struct joey_err err = JOEY_ERR_INIT;
	struct ifreq req = { .ifr_name = "eth0" };
	struct nets n;
	char *text;

	(void)arg;
	nets_init(&n);
	add_address(n.host_sock, "dum0", AF_INET, "10.1.2.3", 24, RT_SCOPE_UNIVERSE);
	add_address(n.host_sock, "dum0", AF_INET, "10.9.9.9", 32, RT_SCOPE_LINK);
	add_address(n.host_sock, "dum0", AF_INET6, "2001:db8::5", 64, RT_SCOPE_UNIVERSE);
	CHECK_OK(move_one(&n, "dum0", "eth0", &err), &err);
	same_namespace(n.host);
	CHECK(if_nametoindex("dum0") == 0 && if_nametoindex("eth0") == 0);
	CHECK(setns(n.guest, CLONE_NEWNET) == 0);
	CHECK(if_nametoindex("eth0") > 0);
	CHECK(ioctl(socket(AF_UNIX, SOCK_DGRAM, 0), SIOCGIFFLAGS, &req) == 0 && (req.ifr_flags & IFF_UP));
	text = addresses(n.guest_sock);
	CHECK(strstr(text, "10.1.2.3/24 ") && strstr(text, "2001:db8::5/64 ") && !strstr(text, "10.9.9.9"));
}

static void templates(void *arg)
{
	struct joey_err err = JOEY_ERR_INIT;
	struct nets n;

	(void)arg;
	nets_init(&n);
	CHECK(make_dummy(n.host_sock, "dum1", 0) == 0);
	CHECK_OK(move_one(&n, "dum0", "net%d", &err), &err);
	CHECK_OK(move_one(&n, "dum1", "net%d", &err), &err);
	CHECK(setns(n.guest, CLONE_NEWNET) == 0);
	CHECK(if_nametoindex("net0") > 0 && if_nametoindex("net1") > 0);
}

static void refusals(void *arg)
{
	struct joey_err err = JOEY_ERR_INIT;
	struct nets n;

	(void)arg;
	nets_init(&n);
	CHECK(make_dummy(n.guest_sock, "eth0", 0) == 0);
	CHECK(move_one(&n, "dum0", "eth0", &err) == -EEXIST);
	CHECK(strcmp(joey_err_text(&err), "network device eth0 of the container: file exists") == 0);
	joey_err_clear(&err);
	CHECK(if_nametoindex("dum0") > 0);
	CHECK(move_one(&n, "nope0", "eth1", &err) == -ENODEV);
	CHECK(strcmp(joey_err_text(&err), "find network device nope0: no such device") == 0);
	joey_err_clear(&err);
	/* lo belongs to its namespace */
	CHECK(move_one(&n, "lo", "lo7", &err) < 0);
	same_namespace(n.host);
}

/* The number is taken over there: another one is asked for, and the right device is configured. */
static void same_index(void *arg)
{
	struct joey_err err = JOEY_ERR_INIT;
	struct nets n;
	char *text;
	int index;

	(void)arg;
	nets_init(&n);
	index = (int)if_nametoindex("dum0");
	CHECK(index > 1);
	CHECK(make_dummy(n.guest_sock, "other", index) == 0 || errno == EBUSY);
	add_address(n.host_sock, "dum0", AF_INET, "10.1.2.3", 24, RT_SCOPE_UNIVERSE);
	CHECK_OK(move_one(&n, "dum0", "eth0", &err), &err);
	CHECK(setns(n.guest, CLONE_NEWNET) == 0);
	CHECK((int)if_nametoindex("other") == index && (int)if_nametoindex("eth0") != index);
	CHECK(if_nametoindex("eth0") > 0);
	text = addresses(n.guest_sock);
	CHECK(strcmp(text, "10.1.2.3/24 ") == 0);
}

#define CHILD_TEST(fn)                      \
	static void test_##fn(void **state) \
	{                                   \
		(void)state;                \
		ROOT_ONLY();                \
		in_child(fn, NULL);         \
	}
CHILD_TEST(moves)
CHILD_TEST(templates)
CHILD_TEST(refusals)
CHILD_TEST(same_index)

/* Attributes whose lengths lie. */
static void test_parse(void **state)
{
	static const struct {
		uint16_t len, type;
		size_t room;
		int want;
	} cases[] = {
		{ 8, IFLA_IFNAME, 8, 0 },
		{ 4, IFLA_IFNAME, 4, 0 },
		{ 3, IFLA_IFNAME, 8, -EBADMSG },
		{ 0, IFLA_IFNAME, 8, -EBADMSG },
		{ 9, IFLA_IFNAME, 8, -EBADMSG },
		{ 65535, IFLA_IFNAME, 8, -EBADMSG },
		{ 8, 60000, 8, 0 },
		{ 8, IFLA_IFNAME, 3, 0 },
	};
	const struct rtattr *tb[IFLA_IFNAME + 1];

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(cases); i++) {
		/* of the exact size, so that a sanitizer sees every step too far */
		size_t size = sizeof(struct ifinfomsg) + cases[i].room;
		const struct rtattr a = { cases[i].len, cases[i].type };
		char *buf = calloc(1, size);

		memcpy(buf + sizeof(struct ifinfomsg), &a, cases[i].room < sizeof(a) ? cases[i].room : sizeof(a));
		assert_int_equal(rtnl_parse(buf, size, sizeof(struct ifinfomsg), tb, IFLA_IFNAME), cases[i].want);
		if (cases[i].want == 0 && cases[i].type == IFLA_IFNAME && cases[i].room >= 4) {
			assert_non_null(tb[IFLA_IFNAME]);
			assert_int_equal(rtnl_data(tb[IFLA_IFNAME], 4) != NULL, cases[i].len == 8);
			assert_null(rtnl_data(tb[IFLA_IFNAME], 5));
		}
		free(buf);
	}
	assert_int_equal(rtnl_parse("", 0, sizeof(struct ifinfomsg), tb, IFLA_IFNAME), -EBADMSG);
	assert_null(rtnl_data(NULL, 0));
}

static void test_request_bounds(void **state)
{
	const struct ifinfomsg m = { 0 };
	char big[2048] = { 0 };
	struct rtnl_req q;

	(void)state;
	rtnl_begin(&q, RTM_GETLINK, 0, &m, sizeof(m));
	rtnl_attr(&q, IFLA_IFNAME, big, 900);
	assert_false(q.failed);
	rtnl_attr(&q, IFLA_IFNAME, big, 100);
	assert_true(q.failed);
	assert_int_equal(rtnl_talk(-1, &q, NULL, NULL), -EMSGSIZE);
	rtnl_begin(&q, RTM_GETLINK, 0, &m, sizeof(m));
	rtnl_attr(&q, IFLA_IFNAME, big, SIZE_MAX);
	assert_true(q.failed);
	rtnl_begin(&q, RTM_GETLINK, 0, big, sizeof(big));
	assert_true(q.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moves),    cmocka_unit_test(test_templates),
		cmocka_unit_test(test_refusals), cmocka_unit_test(test_same_index),
		cmocka_unit_test(test_parse),    cmocka_unit_test(test_request_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
