/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sandbox's network devices, both ends: what a namespace has is described, and a description makes it again; taps,
 * redirections, and what a machine leaves.  In network namespaces of the test's own.
 */
#include "net_fixture.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <sys/ioctl.h>

#include "agent/agent-internal.h"
#include "linux/nettap.h"

/* In the order in which the kernel tells of them. */
static const char whole[] =
	"{\"devices\":["
	"{\"device\":\"eth1\",\"mac\":\"02:00:00:00:00:01\",\"mtu\":1400,"
	"\"addresses\":[{\"local\":\"192.0.2.1/24\",\"broadcast\":\"192.0.2.255\",\"metric\":77},"
	"{\"local\":\"198.51.100.1/32\",\"peer\":\"198.51.100.2\"},"
	"{\"local\":\"fd00::1/64\"},{\"local\":\"fd00:5::1/64\",\"flags\":512}],"
	"\"neighbours\":[{\"to\":\"192.0.2.9\",\"lladdr\":\"02:00:00:00:00:99\"},"
	"{\"to\":\"fd00::9\",\"lladdr\":\"02:00:00:00:00:98\"}]},"
	"{\"device\":\"eth0\",\"mac\":\"02:00:00:00:00:02\",\"mtu\":9000,"
	"\"addresses\":[{\"local\":\"169.254.7.7/16\",\"scope\":253},{\"local\":\"203.0.113.1/24\",\"flags\":512}],"
	"\"neighbours\":[]}],"
	"\"routes\":["
	"{\"to\":\"0.0.0.0/0\",\"metric\":100,\"hops\":[{\"device\":1,\"via\":\"203.0.113.2\"}]},"
	"{\"to\":\"0.0.0.0/0\",\"src\":\"198.51.100.1\",\"metric\":100,\"mtu\":1300,"
	"\"hops\":[{\"device\":0,\"via\":\"192.0.2.2\"}]},"
	"{\"to\":\"0.0.0.0/0\",\"metric\":200,\"hops\":[{\"device\":0,\"via\":\"192.0.2.3\"}]},"
	"{\"to\":\"10.1.0.0/16\",\"hops\":[{\"device\":1,\"via\":\"172.16.9.9\",\"onlink\":true}]},"
	"{\"to\":\"10.2.0.0/16\",\"hops\":[{\"device\":0,\"via\":\"fd00::2\"}]},"
	"{\"to\":\"203.0.113.0/24\",\"scope\":253,\"hops\":[{\"device\":1}]},"
	"{\"to\":\"fd01::/48\",\"src\":\"fd00:5::1\",\"metric\":300,\"hops\":[{\"device\":0,\"via\":\"fd00::2\"}]},"
	"{\"to\":\"fd02::/48\",\"metric\":1024,"
	"\"hops\":[{\"device\":0,\"via\":\"fd00::2\"},{\"device\":0,\"via\":\"fd00::3\",\"weight\":1}]},"
	"{\"to\":\"::/0\",\"metric\":1024,\"hops\":[{\"device\":0,\"via\":\"fd00::2\"}]}]}";

static void new_namespace(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		SKIP_CHILD("no network namespaces");
}

static void make(int sock, const char *name)
{
	int r = make_dummy(sock, name, 0);

	if (r == -EOPNOTSUPP)
		SKIP_CHILD("no dummy devices");
	CHECK(r == 0);
}

static void up(int sock, const char *name)
{
	const struct ifinfomsg m = { .ifi_index = (int)if_nametoindex(name),
				     .ifi_flags = IFF_UP,
				     .ifi_change = IFF_UP };
	struct rtnl_req q;

	CHECK(m.ifi_index > 0);
	rtnl_begin(&q, RTM_NEWLINK, 0, &m, sizeof(m));
	CHECK(rtnl_talk(sock, &q, NULL, NULL) == 0);
}

/* n dummies dum0, dum1, ... that are up. */
static int make_some(unsigned n)
{
	char name[IFNAMSIZ];
	int sock;

	new_namespace();
	sock = rtnl_open();
	CHECK(sock >= 0);
	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "dum%u", i % 100);
		make(sock, name);
		up(sock, name);
	}
	return sock;
}

static void configure(const char *json, const char *const *current)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct joey_err err = JOEY_ERR_INIT;
	struct agent_net_request q;
	struct joey_json *root;

	CHECK_OK(joey_json_parse(json, strlen(json), 65536, &arena, &root, &err), &err);
	CHECK_OK(agent_net_parse(root, &arena, &q, &err), &err);
	for (size_t i = 0; i < q.n; i++)
		q.devices[i].current = current[i];
	CHECK_OK(joey_net_configure(q.devices, q.n, q.routes, q.n_routes, &err), &err);
	joey_arena_done(&arena);
}

static void is_described(int sock, const char *want)
{
	struct tap_devices d = { .n = 0 };
	struct joey_err err = JOEY_ERR_INIT;
	char *text = NULL;

	CHECK_OK(nettap_list(sock, &d, &err), &err);
	CHECK_OK(nettap_check(&d, &err), &err);
	CHECK_OK(nettap_describe(sock, &d, &text, &err), &err);
	if (strcmp(text, want) != 0)
		fprintf(stderr, "# got  %s\n# want %s\n", text, want);
	CHECK(strcmp(text, want) == 0);
	free(text);
}

static void same_again(void *arg)
{
	static const char odd[] = "{\"devices\":[{\"device\":\"a\\\"b\\\\c$\xc3\xa9\",\"mac\":\"02:00:00:00:00:01\","
				  "\"mtu\":68,\"addresses\":[],\"neighbours\":[]}],\"routes\":[]}";
	static const char *const current[] = { "eth0", "eth1" };
	int sock;

	(void)arg;
	new_namespace();
	sock = rtnl_open();
	CHECK(sock >= 0);
	make(sock, "eth0");
	configure(odd, current);
	is_described(sock, odd);
	new_namespace();
	if (access("/proc/net/if_inet6", F_OK) < 0)
		SKIP_CHILD("no IPv6");
	sock = rtnl_open();
	CHECK(sock >= 0);
	make(sock, "eth0");
	make(sock, "eth1");
	make(sock, "joey0"); /* a name that might be used while names are exchanged */
	configure(whole, current);
	is_described(sock, whole);
}

static void test_same_again(void **state)
{
	(void)state;
	ROOT_ONLY();
	in_child(same_again, NULL);
}

static void fails_with(int r, struct joey_err *err, const char *text)
{
	if (r >= 0 || !strstr(joey_err_text(err), text))
		fprintf(stderr, "# %d: '%s', not '%s'\n", r, joey_err_text(err), text);
	CHECK(r < 0 && strstr(joey_err_text(err), text));
	joey_err_clear(err);
}

static int count(unsigned *ret, struct joey_err *err)
{
	int ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), r = joey_net_tap_count(ns, ret, err);

	close(ns);
	return r;
}

static void counts(void *arg)
{
	struct joey_err err = JOEY_ERR_INIT;
	struct bridge {
		struct rtattr a;
		uint32_t index;
	} master = { { RTA_LENGTH(4), IFLA_MASTER }, 0 };
	int sock = make_some(4);
	unsigned n = 9;

	(void)arg;
	CHECK_OK(count(&n, &err), &err);
	CHECK(n == 4);
	make(sock, "down");
	make(sock, "joey-tap3"); /* ours by its name */
	up(sock, "joey-tap3");
	CHECK_OK(count(&n, &err), &err);
	CHECK(n == 4);
	up(sock, "down");
	fails_with(count(&n, &err), &err,
		   "5 devices that are up (dum0, dum1, dum2, dum3, ...): a sandbox takes 4 at most");
	sock = make_some(2);
	if (make_kind(sock, "bridge", "br", 0) == 0) {
		const struct ifinfomsg m = { .ifi_index = (int)if_nametoindex("dum1") };
		struct rtnl_req q;

		master.index = if_nametoindex("br");
		rtnl_begin(&q, RTM_NEWLINK, 0, &m, sizeof(m));
		rtnl_attr(&q, IFLA_MASTER, &master.index, sizeof(master.index));
		CHECK(rtnl_talk(sock, &q, NULL, NULL) == 0);
		fails_with(count(&n, &err), &err, "network device dum1 is part of another: a sandbox cannot have it");
	}
	sock = make_some(1);
	{
		const struct ifinfomsg m = { 0 };
		struct {
			struct rtattr a;
			char kind[8];
		} info = { { RTA_LENGTH(8), IFLA_INFO_KIND }, "macvlan" };
		struct rtnl_req q;

		rtnl_begin(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
		rtnl_attr_text(&q, IFLA_IFNAME, "above");
		rtnl_attr_u32(&q, IFLA_LINK, if_nametoindex("dum0"));
		rtnl_attr(&q, IFLA_LINKINFO, &info, info.a.rta_len);
		if (rtnl_talk(sock, &q, NULL, NULL) == 0) {
			up(sock, "above");
			fails_with(count(&n, &err), &err,
				   "network device above lies on dum0: a sandbox cannot have it");
		}
	}
}

static void test_counts(void **state)
{
	(void)state;
	ROOT_ONLY();
	in_child(counts, NULL);
}

/* ---- taps ------------------------------------------------------------------------------------------------------- */

static void open_taps(int fds[4], unsigned n)
{
	struct joey_err err = JOEY_ERR_INIT;

	if (access("/dev/net/tun", R_OK | W_OK) < 0)
		SKIP_CHILD("no /dev/net/tun");
	CHECK_OK(joey_net_tap_open(fds, n, &err), &err);
}

struct found {
	int index;
	unsigned n;
};

static int note_ingress(void *arg, uint16_t type, const void *body, size_t len)
{
	struct found *f = arg;
	struct tcmsg m;

	CHECK(type == RTM_NEWQDISC && len >= sizeof(m));
	memcpy(&m, body, sizeof(m));
	f->n += m.tcm_parent == TC_H_INGRESS && m.tcm_ifindex == f->index;
	return 0;
}

static bool is_redirected(int sock, const char *name)
{
	const struct tcmsg m = { 0 };
	struct found f = { (int)if_nametoindex(name), 0 };
	struct rtnl_req q;

	CHECK(f.index > 0);
	rtnl_begin(&q, RTM_GETQDISC, NLM_F_DUMP, &m, sizeof(m));
	CHECK(rtnl_talk(sock, &q, note_ingress, &f) == 0);
	return f.n > 0;
}

/* An ingress qdisc with a filter that lets everything through. */
static void somebody_elses(int sock, const char *name)
{
	struct tcmsg m = { .tcm_ifindex = (int)if_nametoindex(name),
			   .tcm_handle = 0xffff0000,
			   .tcm_parent = TC_H_INGRESS };
	struct {
		struct rtattr class;
		uint32_t id;
		struct rtattr match;
		char bytes[sizeof(struct tc_u32_sel) + sizeof(struct tc_u32_key)];
	} opts = { .class = { RTA_LENGTH(4), TCA_U32_CLASSID },
		   .id = 1,
		   .match = { RTA_LENGTH(sizeof(opts.bytes)), TCA_U32_SEL } };
	const struct tc_u32_sel sel = { .flags = TC_U32_TERMINAL, .nkeys = 1 };
	struct rtnl_req q;

	memcpy(opts.bytes, &sel, sizeof(sel));
	rtnl_begin(&q, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	rtnl_attr_text(&q, TCA_KIND, "ingress");
	CHECK(rtnl_talk(sock, &q, NULL, NULL) == 0);
	m.tcm_handle = 0;
	m.tcm_parent = 0xffff0000;
	m.tcm_info = TC_H_MAKE(1 << 16, htons(ETH_P_ALL));
	rtnl_begin(&q, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	rtnl_attr_text(&q, TCA_KIND, "u32");
	rtnl_attr(&q, TCA_OPTIONS | NLA_F_NESTED, &opts, sizeof(opts));
	CHECK(rtnl_talk(sock, &q, NULL, NULL) == 0);
}

static void release(void)
{
	struct joey_err err = JOEY_ERR_INIT;
	int ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	CHECK_OK(joey_net_tap_release(ns, &err), &err);
	close(ns);
}

static void close_taps(int fds[4])
{
	for (unsigned i = 0; i < 4; i++)
		fds[i] = joey_close(fds[i]);
}

static void redirections(void *arg)
{
	struct joey_err err = JOEY_ERR_INIT;
	int sock = make_some(2), fds[4] = { -EBADF, -EBADF, -EBADF, -EBADF };
	char *text = NULL;

	(void)arg;
	open_taps(fds, 4);
	CHECK(if_nametoindex("joey-tap") && if_nametoindex("joey-tap1") && if_nametoindex("joey-tap3"));
	fails_with(joey_net_tap_open(&(int){ -1 }, 1, &err), &err, "another sandbox has the container's network");
	fails_with(joey_net_tap_connect(1, &text, &err), &err,
		   "2 devices that are up (dum0, dum1), and the sandbox was started with 1, when nobody knew how many "
		   "there would be: joey.conf(5), network_devices = 4");
	CHECK(!is_redirected(sock, "dum0"));
	if (joey_net_tap_connect(4, &text, &err) == -EOPNOTSUPP || err.errnum == ENOENT)
		SKIP_CHILD("no ingress, u32 or mirred");
	CHECK_OK(-err.errnum, &err);
	CHECK(strstr(text, "\"dum0\"") < strstr(text, "\"dum1\"") && !strstr(text, "joey-tap"));
	free(text);
	CHECK(is_redirected(sock, "dum0") && is_redirected(sock, "dum1") && is_redirected(sock, "joey-tap1"));
	CHECK(!is_redirected(sock, "joey-tap2"));
	/* a machine has it: nothing is taken from that */
	release();
	CHECK(is_redirected(sock, "dum0") && is_redirected(sock, "dum1"));
	/* the machine has ended, and nobody has cleaned up */
	close_taps(fds);
	CHECK(!if_nametoindex("joey-tap1") && is_redirected(sock, "dum1"));
	open_taps(fds, 4);
	CHECK_OK(joey_net_tap_connect(4, &text, &err), &err);
	free(text);
	close_taps(fds);
	/* and now somebody does */
	release();
	CHECK(!is_redirected(sock, "dum0") && !is_redirected(sock, "dum1"));
	/* what is another's stays, and a failure leaves nothing */
	somebody_elses(sock, "dum1");
	open_taps(fds, 4);
	fails_with(joey_net_tap_connect(4, &text, &err), &err,
		   "redirect network device dum1 to the sandbox: file exists");
	CHECK(!is_redirected(sock, "dum0") && is_redirected(sock, "dum1"));
	close_taps(fds);
	release();
	CHECK(is_redirected(sock, "dum1"));
}

static void test_redirections(void **state)
{
	(void)state;
	ROOT_ONLY();
	in_child(redirections, NULL);
}

/* A namespace without devices: nothing for one tap, and for several that all are to go. */
static void nothing_there(void *arg)
{
	struct joey_err err = JOEY_ERR_INIT;
	int fds[4] = { -EBADF, -EBADF, -EBADF, -EBADF };
	char *text = NULL;

	(void)arg;
	new_namespace();
	open_taps(fds, 4);
	CHECK_OK(joey_net_tap_connect(1, &text, &err), &err);
	CHECK(!text);
	CHECK_OK(joey_net_tap_connect(4, &text, &err), &err);
	CHECK(strcmp(text, "{\"devices\":[],\"routes\":[]}") == 0);
	free(text);
}

static void test_nothing_there(void **state)
{
	(void)state;
	ROOT_ONLY();
	in_child(nothing_there, NULL);
}

/* ---- requests --------------------------------------------------------------------------------------------------- */

static void test_bad_requests(void **state)
{
#define DEVICES(more) "{\"devices\":[{\"device\":\"eth0\"" more
	static const struct {
		const char *json, *key; /* key: NULL: it is good */
	} rows[] = {
		{ "{}", "devices" },
		{ "{\"devices\":{}}", "devices" },
		{ "{\"devices\":[1]}", "devices" },
		{ "{\"devices\":[]}", NULL },
		{ DEVICES("}]}"), NULL },
		{ DEVICES("},{\"device\":\"b\"},{\"device\":\"c\"},{\"device\":\"d\"}]}"), NULL },
		{ DEVICES("},{\"device\":\"b\"},{\"device\":\"c\"},{\"device\":\"d\"},{\"device\":\"e\"}]}"),
		  "devices" },
		{ "{\"devices\":[{\"device\":\"0123456789abcdef\"}]}", "device" },
		{ "{\"devices\":[{}]}", "device" },
		{ DEVICES(",\"mtu\":65536}]}"), "mtu" },
		{ DEVICES(",\"addresses\":[\"10.0.0.1/8\"]}]}"), "addresses" },
		{ DEVICES(",\"addresses\":[{}]}]}"), "addresses" },
		{ DEVICES(",\"addresses\":[{\"local\":\"10.0.0.1/8\",\"scope\":256}]}]}"), "scope" },
		{ DEVICES(",\"neighbours\":[{\"to\":\"10.0.0.1\"}]}]}"), "neighbours" },
		{ DEVICES("}],\"routes\":[{\"to\":\"::/0\",\"hops\":[{\"device\":3}]}]}"), NULL },
		{ DEVICES("}],\"routes\":[{\"to\":\"::/0\",\"hops\":[{\"device\":4}]}]}"), "device" },
		{ DEVICES("}],\"routes\":[{\"to\":\"::/0\",\"hops\":[]}]}"), "hops" },
		{ DEVICES("}],\"routes\":[{\"to\":\"::/0\"}]}"), "hops" },
		{ DEVICES("}],\"routes\":[{\"hops\":[{\"device\":0}]}]}"), "routes" },
		{ DEVICES("}],\"routes\":[{\"to\":\"::/0\",\"metric\":-1,\"hops\":[{\"device\":0}]}]}"), "metric" },
		{ DEVICES("}],\"routes\":[{\"to\":\"::/0\",\"hops\":[{\"device\":0,\"weight\":256}]}]}"), "weight" },
		{ DEVICES("}],\"routes\":[{\"to\":\"::/0\",\"hops\":[{\"device\":0,\"onlink\":1}]}]}"), "onlink" },
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		struct joey_arena arena = JOEY_ARENA_INIT;
		autoerr struct joey_err err = JOEY_ERR_INIT;
		struct agent_net_request q;
		struct joey_json *root;
		char want[80];
		int r;

		assert_int_equal(joey_json_parse(rows[i].json, strlen(rows[i].json), 65536, &arena, &root, &err), 0);
		r = agent_net_parse(root, &arena, &q, &err);
		snprintf(want, sizeof(want), "guest: net: bad or missing \"%s\"", rows[i].key ? rows[i].key : "");
		assert_string_equal(r < 0 ? joey_err_text(&err) : "", rows[i].key ? want : "");
		joey_arena_done(&arena);
	}
}

static void test_bad_routes(void **state)
{
	static const struct joey_net_hop none = { .device = 1, .via = "10.0.0.2" };
	static const struct joey_net_route nowhere = { .to = "10.0.0.0/8", .hops = &none, .n_hops = 1 };
	struct joey_net_setup five[JOEY_NET_DEVICES_MAX + 1] = { { .name = "a" } };
	autoerr struct joey_err err = JOEY_ERR_INIT;

	(void)state;
	assert_int_equal(joey_net_configure(five, 0, &nowhere, 1, &err), -EINVAL);
	assert_string_equal(joey_err_text(&err), "the route to 10.0.0.0/8: there is no device 1");
	joey_err_clear(&err);
	assert_int_equal(joey_net_configure(five, JOEY_ARRAY_SIZE(five), NULL, 0, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_again),   cmocka_unit_test(test_counts),
		cmocka_unit_test(test_redirections), cmocka_unit_test(test_nothing_there),
		cmocka_unit_test(test_bad_requests), cmocka_unit_test(test_bad_routes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
