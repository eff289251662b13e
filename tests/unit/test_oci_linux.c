/* SPDX-License-Identifier: Apache-2.0 */
/* oci: the linux object and the rules between it and the rest. */
#include "oci_test.h"

#include <linux/mempolicy.h>
#include <sys/mount.h>

#define BEFORE "{" BASE ",\"linux\":{"
#define AFTER  "}}"
#define NS(x)  "\"namespaces\":[" x "]"
#define T(x)   "{\"type\":\"" x "\"}"
#define MAPS                                                             \
	"\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}]," \
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}]"

static const struct oci_case namespaces[] = {
	{ "", NULL },
	{ "\"namespaces\":null", NULL },
	{ NS(T("pid") "," T("network") "," T("mount") "," T("ipc") "," T("uts") "," T("cgroup") "," T("time")), NULL },
	{ NS(T("pid") "," T("mount") "," T("foo")), "linux.namespaces[2].type: namespace \"foo\" does not exist" },
	{ NS(T("net")), "linux.namespaces[0].type: namespace \"net\" does not exist" },
	{ NS(T("")), "linux.namespaces[0].type: namespace \"\" does not exist" },
	{ NS("{}"), "linux.namespaces[0].type: must be given" },
	{ NS("{\"type\":\"pid\",\"path\":\"\"}"), NULL },
	{ NS("{\"type\":\"pid\",\"path\":\"proc/1/ns/pid\"}"), "linux.namespaces[0].path: must be an absolute path" },
	{ NS(T("pid") "," T("uts") "," T("pid")), "linux.namespaces: malformed spec file: duplicated ns \"pid\"" },
	{ "\"namespaces\":{}", "linux.namespaces: must be an array" },
	{ NS("\"pid\""), "linux.namespaces[0]: must be an object" },
};

static const struct oci_case userns[] = {
	{ NS(T("user")) "," MAPS, NULL },
	{ NS("{\"type\":\"user\",\"path\":\"/p\"}"), NULL },
	{ NS("{\"type\":\"user\",\"path\":\"/p\"}") "," MAPS, NULL },
	{ NS(T("user")),
	  "linux.namespaces: user namespaces enabled, but no namespace path to join nor mappings to apply specified" },
	{ NS(T("user")) ",\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}]",
	  "linux.gidMappings: a new user namespace needs both uidMappings and gidMappings" },
	{ MAPS,
	  "linux.uidMappings: user namespace mappings specified, but user namespace isn't enabled in the config" },
	{ NS(T("user")) ",\"uidMappings\":[{\"containerID\":4294967295,\"hostID\":1,\"size\":1}]",
	  "linux.uidMappings[0].containerID: 4294967295 is not a whole number from 0 to 4294967294" },
};

static const struct oci_case times[] = {
	{ NS(T("time")) ",\"timeOffsets\":{\"monotonic\":{\"secs\":-5,\"nanosecs\":999999999}}", NULL },
	{ NS(T("time")) ",\"timeOffsets\":{}", NULL },
	{ NS(T("time")) ",\"timeOffsets\":{\"realtime\":{}}",
	  "linux.timeOffsets: time offset for unknown clock \"realtime\"" },
	{ NS(T("time")) ",\"timeOffsets\":{\"boottime\":{\"nanosecs\":1000000000}}",
	  "linux.timeOffsets.boottime.nanosecs: 1000000000 is not below 1000000000" },
	{ "\"timeOffsets\":{\"boottime\":{\"secs\":1}}",
	  "linux.timeOffsets: time namespace offsets specified, but time namespace isn't enabled in the config" },
	{ NS("{\"type\":\"time\",\"path\":\"/p\"}") ",\"timeOffsets\":{\"boottime\":{\"secs\":1}}",
	  "linux.timeOffsets: time namespace enabled, but both namespace path and time offsets specified -- "
	  "you may only provide one" },
};

#define DEV(x) "\"devices\":[{" x "}]"

static const struct oci_case devices[] = {
	{ DEV("\"path\":\"/dev/x\",\"type\":\"c\",\"major\":4095,\"minor\":1048575,\"fileMode\":8630"), NULL },
	{ DEV("\"path\":\"/dev/x\",\"type\":\"p\",\"major\":-1,\"minor\":-1"), NULL },
	{ DEV("\"path\":\"/dev/x\",\"type\":\"u\",\"major\":1,\"minor\":3"), NULL },
	{ DEV("\"path\":\"/dev/x\",\"type\":\"x\",\"major\":1,\"minor\":3"),
	  "linux.devices[0].type: invalid device type \"x\"" },
	{ DEV("\"path\":\"/dev/x\",\"type\":\"\",\"major\":1,\"minor\":3"),
	  "linux.devices[0].type: invalid device type \"\"" },
	{ DEV("\"path\":\"/dev/x\",\"major\":1,\"minor\":3"), "linux.devices[0].type: must be given" },
	{ DEV("\"path\":\"dev/x\",\"type\":\"c\",\"major\":1,\"minor\":3"),
	  "linux.devices[0].path: must be an absolute path" },
	{ DEV("\"path\":\"\",\"type\":\"c\",\"major\":1,\"minor\":3"),
	  "linux.devices[0].path: must be an absolute path" },
	{ DEV("\"type\":\"c\",\"major\":1,\"minor\":3"), "linux.devices[0].path: must be given" },
	{ DEV("\"path\":\"/dev/x\",\"type\":\"b\",\"minor\":3"), "linux.devices[0].major: must be given" },
	{ DEV("\"path\":\"/dev/x\",\"type\":\"b\",\"major\":3"), "linux.devices[0].minor: must be given" },
	{ DEV("\"path\":\"/dev/x\",\"type\":\"c\",\"major\":4096,\"minor\":3"),
	  "linux.devices[0].major: 4096 is not a whole number from 0 to 4095" },
	{ DEV("\"path\":\"/dev/x\",\"type\":\"c\",\"major\":1,\"minor\":-1"),
	  "linux.devices[0].minor: -1 is not a whole number from 0 to 1048575" },
};

#define NET(x) NS(T("network")) ",\"netDevices\":{" x "}"

static const struct oci_case net_devices[] = {
	{ NET("\"eth0\":{\"name\":\"c0\"},\"eth1\":{}"), NULL },
	{ NET("\"eth0\":{\"name\":\"c%d\"},\"eth1\":{\"name\":\"c%d\"}"), NULL },
	{ NET("\"eth0\":null"), NULL },
	{ NET("\"fifteen-letters\":{}"), NULL },
	{ NET("\"sixteen-letters!\":{}"),
	  "linux.netDevices.sixteen-letters!: invalid network device name \"sixteen-letters!\"" },
	{ NET("\"a/b\":{}"), "linux.netDevices.a/b: invalid network device name \"a/b\"" },
	{ NET("\"\":{}"), "linux.netDevices.: invalid network device name \"\"" },
	{ NET("\"eth0\":{\"name\":\"..\"}"), "linux.netDevices.eth0.name: invalid network device name \"..\"" },
	{ NET("\"eth0\":{\"name\":\"a b\"}"), "linux.netDevices.eth0.name: invalid network device name \"a b\"" },
	{ NET("\"eth0\":{\"name\":\"a:b\"}"), "linux.netDevices.eth0.name: invalid network device name \"a:b\"" },
	{ NET("\"eth0\":{\"name\":\"a%d%d\"}"), "linux.netDevices.eth0.name: invalid network device name \"a%d%d\"" },
	{ NET("\"eth0\":{\"name\":\"a%s\"}"), "linux.netDevices.eth0.name: invalid network device name \"a%s\"" },
	{ NET("\"eth0\":{\"name\":\"x\"},\"eth1\":{\"name\":\"x\"}"),
	  "linux.netDevices: two network devices would be named \"x\"" },
	{ "\"netDevices\":{\"eth0\":{}}", "linux.netDevices: unable to move network devices without a NET namespace" },
};

#define SYS(ns, key) NS(ns) ",\"sysctl\":{\"" key "\":\"1\"}"

static const struct oci_case sysctls[] = {
	{ SYS(T("network"), "net.ipv4.ip_forward"), NULL },
	{ SYS("{\"type\":\"network\",\"path\":\"/p\"}", "net.ipv4.ip_forward"), NULL },
	{ SYS("", "net.ipv4.ip_forward"),
	  "linux.sysctl: sysctl \"net.ipv4.ip_forward\" not allowed in host network namespace" },
	{ SYS("", "net/ipv4/conf/eno2.100/x"),
	  "linux.sysctl: sysctl \"net.ipv4.conf.eno2/100.x\" not allowed in host network namespace" },
	{ SYS(T("ipc"), "kernel.msgmax"), NULL },
	{ SYS(T("ipc"), "kernel.shm_rmid_forced"), NULL },
	{ SYS(T("ipc"), "fs.mqueue.msg_max"), NULL },
	{ SYS("", "kernel.sem"), "linux.sysctl: sysctl \"kernel.sem\" is not allowed in the hosts ipc namespace" },
	{ SYS("", "fs/mqueue/msg_max"),
	  "linux.sysctl: sysctl \"fs.mqueue.msg_max\" is not allowed in the hosts ipc namespace" },
	{ SYS(T("uts"), "kernel.domainname"), NULL },
	{ SYS("", "kernel.domainname"),
	  "linux.sysctl: sysctl \"kernel.domainname\" is not in a separate kernel namespace" },
	{ SYS(T("uts"), "kernel.hostname"),
	  "linux.sysctl: sysctl \"kernel.hostname\" is not allowed as it conflicts with the OCI \"hostname\" field" },
	{ SYS("", "kernel.hostname"),
	  "linux.sysctl: sysctl \"kernel.hostname\" is not in a separate kernel namespace" },
	{ SYS("", "user.max_user_namespaces"),
	  "linux.sysctl: sysctl \"user.max_user_namespaces\" is not in a separate kernel namespace" },
	{ SYS(T("user"), "user.max_user_namespaces") "," MAPS, NULL },
	{ SYS(T("ipc"), "kernel.core_pattern"),
	  "linux.sysctl: sysctl \"kernel.core_pattern\" is not in a separate kernel namespace" },
	{ SYS(T("ipc"), "vm.overcommit_memory"),
	  "linux.sysctl: sysctl \"vm.overcommit_memory\" is not in a separate kernel namespace" },
	{ SYS(T("network"), "net/../kernel/core_pattern"),
	  "linux.sysctl.net/../kernel/core_pattern: sysctl \"net/../kernel/core_pattern\" is not a name" },
	{ SYS(T("network"), "net.//.kernel"), "linux.sysctl.net.//.kernel: sysctl \"net.//.kernel\" is not a name" },
	{ SYS(T("network"), "net//x"), "linux.sysctl.net//x: sysctl \"net//x\" is not a name" },
	{ SYS(T("network"), "/net/x"), "linux.sysctl./net/x: sysctl \"/net/x\" is not a name" },
	{ SYS(T("network"), "net.x."), "linux.sysctl.net.x.: sysctl \"net.x.\" is not a name" },
	{ SYS(T("network"), ""), "linux.sysctl.: a key must not be empty" },
	{ "\"sysctl\":{\"net.x\":1}", "linux.sysctl.net.x: must be a string" },
};

#define RDT(x)  "\"intelRdt\":{" x "}"
#define MPOL(x) "\"memoryPolicy\":{" x "}"

static const struct oci_case others[] = {
	{ "\"rootfsPropagation\":\"rslave\"", NULL },
	{ "\"rootfsPropagation\":\"\"", NULL },
	{ "\"rootfsPropagation\":\"foo\"", "linux.rootfsPropagation: rootfsPropagation=foo is not supported" },
	{ NS(T("mount")) ",\"maskedPaths\":[\"/a\"],\"readonlyPaths\":[\"/b\"]", NULL },
	{ "\"maskedPaths\":[],\"readonlyPaths\":null", NULL },
	{ "\"maskedPaths\":[\"/a\"]",
	  "linux.maskedPaths: unable to restrict sys entries without a private MNT namespace" },
	{ "\"readonlyPaths\":[\"/a\"]",
	  "linux.readonlyPaths: unable to restrict sys entries without a private MNT namespace" },
	{ "\"namespaces\":[]},\"mounts\":[{\"destination\":\"/a\",\"type\":\"tmpfs\"}],\"x\":{",
	  "mounts: unable to mount without a private MNT namespace" },
	{ NS(T("mount")) ",\"maskedPaths\":[\"/a\",\"b\"]", "linux.maskedPaths[1]: must be an absolute path" },
	{ NS(T("mount")) ",\"readonlyPaths\":[\"\"]", "linux.readonlyPaths[0]: must be an absolute path" },
	{ "\"personality\":{\"domain\":\"LINUX32\",\"flags\":[]}", NULL },
	{ "\"personality\":{\"domain\":\"LINUX64\"}", "linux.personality.domain: invalid personality domain LINUX64" },
	{ "\"personality\":{\"domain\":\"LINUX\",\"flags\":[\"ADDR_NO_RANDOMIZE\"]}",
	  "linux.personality.flags: personality flags are not supported" },
	{ "\"personality\":{}", "linux.personality.domain: must be given" },
	{ RDT("\"closID\":\"a\",\"schemata\":[\"L3:0=f\"],\"enableMonitoring\":true,\"enableCMT\":true"), NULL },
	{ RDT("\"closID\":\"/\""), NULL },
	{ RDT("\"closID\":\"..\""), "linux.intelRdt.closID: invalid intelRdt.ClosID \"..\"" },
	{ RDT("\"closID\":\".\""), "linux.intelRdt.closID: invalid intelRdt.ClosID \".\"" },
	{ RDT("\"closID\":\"a/b\""), "linux.intelRdt.closID: invalid intelRdt.ClosID \"a/b\"" },
	{ RDT("\"schemata\":[\"a\\nb\"]"), "linux.intelRdt.schemata[0]: must be one line" },
	{ MPOL("\"mode\":\"MPOL_INTERLEAVE\",\"nodes\":\"0-1\",\"flags\":[\"MPOL_F_STATIC_NODES\"]"), NULL },
	{ MPOL("\"mode\":\"MPOL_PREFERRED\""), NULL },
	{ MPOL("\"mode\":\"MPOL_LOCAL\""), NULL },
	{ MPOL(""), "linux.memoryPolicy.mode: must be given" },
	{ MPOL("\"mode\":\"BIND\""), "linux.memoryPolicy.mode: invalid memory policy mode \"BIND\"" },
	{ MPOL("\"mode\":\"MPOL_BIND\""),
	  "linux.memoryPolicy.nodes: memory policy mode MPOL_BIND requires at least one node" },
	{ MPOL("\"mode\":\"MPOL_WEIGHTED_INTERLEAVE\",\"nodes\":\"\""),
	  "linux.memoryPolicy.nodes: memory policy mode MPOL_WEIGHTED_INTERLEAVE requires at least one node" },
	{ MPOL("\"mode\":\"MPOL_DEFAULT\",\"nodes\":\"0\""),
	  "linux.memoryPolicy.nodes: memory policy mode MPOL_DEFAULT does not take nodes" },
	{ MPOL("\"mode\":\"MPOL_LOCAL\",\"flags\":[\"MPOL_F_STATIC_NODES\"]"),
	  "linux.memoryPolicy.flags: memory policy mode MPOL_LOCAL does not take flags" },
	{ MPOL("\"mode\":\"MPOL_BIND\",\"nodes\":\"x\""), "linux.memoryPolicy.nodes: \"x\" is not a list of nodes" },
	{ MPOL("\"mode\":\"MPOL_BIND\",\"nodes\":\"0\",\"flags\":[\"X\"]"),
	  "linux.memoryPolicy.flags[0]: invalid memory policy flag \"X\"" },
	{ MPOL("\"mode\":\"MPOL_BIND\",\"nodes\":\"0\",\"flags\":[\"MPOL_F_STATIC_NODES\",\"MPOL_F_RELATIVE_NODES\"]"),
	  "linux.memoryPolicy.flags: MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other" },
	{ "\"cgroupsPath\":\"a:b:c\"", NULL },
	{ "\"cgroupsPath\":\"a\\nb\"", "linux.cgroupsPath: must not contain control characters" },
	{ "\"mountLabel\":\"a\\nb\"", "linux.mountLabel: must not contain control characters" },
};

static void test_cases(void **state)
{
	(void)state;
	CHECK_CASES(BEFORE, namespaces, AFTER);
	CHECK_CASES(BEFORE, userns, AFTER);
	CHECK_CASES(BEFORE, times, AFTER);
	CHECK_CASES(BEFORE, devices, AFTER);
	CHECK_CASES(BEFORE, net_devices, AFTER);
	CHECK_CASES(BEFORE, sysctls, AFTER);
	CHECK_CASES(BEFORE, others, AFTER);
}

static void test_values(void **state)
{
	struct joey_config *c = parse_good(
		BEFORE,
		NS(T("pid") ",{\"type\":\"network\",\"path\":\"/run/netns/a\"}," T(
			"time")) ","
				 "\"timeOffsets\":{\"boottime\":{\"secs\":-9223372036854775808,\"nanosecs\":7}},"
				 "\"devices\":[{\"path\":\"/dev/"
				 "x\",\"type\":\"u\",\"major\":1,\"minor\":3,\"fileMode\":8630,\"uid\":5,"
				 "\"gid\":6},{\"path\":\"/dev/p\",\"type\":\"p\",\"major\":-1}],"
				 "\"netDevices\":{\"eth0\":{\"name\":\"in0\"},\"eth1\":{}},\"rootfsPropagation\":"
				 "\"rshared\","
				 "\"sysctl\":{\"net.ipv4.conf.eno2/100.rp_filter\":\"1\",\"net/core/somaxconn\":\"\"},"
				 "\"personality\":{\"domain\":\"LINUX32\"},\"cgroupsPath\":\"/a/b\","
				 "\"memoryPolicy\":{\"mode\":\"MPOL_PREFERRED_MANY\",\"nodes\":\"0,2-3\","
				 "\"flags\":[\"MPOL_F_RELATIVE_NODES\"]},"
				 "\"intelRdt\":{\"l3CacheSchema\":\"L3:0=f\",\"schemata\":[\"MB:0=10\"],"
				 "\"enableMonitoring\":true}",
		AFTER);

	(void)state;
	assert_true(joey_config_new_ns(c, JOEY_NS_PID));
	assert_false(joey_config_new_ns(c, JOEY_NS_NET));
	assert_false(joey_config_new_ns(c, JOEY_NS_UTS));
	assert_string_equal(c->ns[JOEY_NS_NET].path, "/run/netns/a");
	assert_true(c->time_boottime.set && c->time_boottime.secs == INT64_MIN && c->time_boottime.nanosecs == 7);
	assert_false(c->time_monotonic.set);
	assert_int_equal(c->n_devices, 2);
	assert_int_equal(c->devices[0].type, 'c');
	assert_true(c->devices[0].file_mode.set);
	assert_int_equal(c->devices[0].file_mode.v, 0666);
	assert_int_equal(c->devices[0].uid, 5);
	assert_int_equal(c->devices[1].type, 'p');
	assert_false(c->devices[1].file_mode.set);
	assert_string_equal(c->net_devices[0].name, "in0");
	assert_string_equal(c->net_devices[1].name, "eth1");
	assert_int_equal(c->rootfs_propagation, MS_SHARED | MS_REC);
	assert_string_equal(c->sysctl.v[0].key, "net/ipv4/conf/eno2.100/rp_filter");
	assert_string_equal(c->sysctl.v[1].key, "net/core/somaxconn");
	assert_string_equal(c->sysctl.v[1].value, "");
	assert_true(c->personality.set && c->personality.v == 8);
	assert_string_equal(c->cgroups_path, "/a/b");
	assert_int_equal(c->memory_policy->mode, MPOL_PREFERRED_MANY);
	assert_int_equal(c->memory_policy->flags, MPOL_F_RELATIVE_NODES);
	assert_string_equal(c->intel_rdt->schemata.v[0], "MB:0=10");
	assert_null(c->intel_rdt->clos_id);
	joey_config_free(c);
}

/* ---- what is asked of the host ---------------------------------------------------------------------------------- */

static void check_host(const char *top, bool rootless, const char *error)
{
	struct joey_config *c = parse_good("{" ROOT ",", top, "}");
	autoerr struct joey_err err = JOEY_ERR_INIT;
	int r = joey_config_check_host(c, rootless, &err);

	if (error) {
		assert_true(r < 0);
		assert_string_equal(err.msg, error);
	} else {
		assert_int_equal(r, 0);
	}
	joey_config_free(c);
}

#define LINUX(x) PROCESS ",\"linux\":{" x "}"

static void test_host(void **state)
{
	(void)state;
	check_host(PROCESS, false, NULL);
	check_host(LINUX(SYS("{\"type\":\"network\",\"path\":\"/proc/self/ns/net\"}", "net.core.somaxconn")), false,
		   "config.json: linux.sysctl: sysctl \"net.core.somaxconn\" not allowed in host network namespace");
	check_host(LINUX(SYS("{\"type\":\"network\",\"path\":\"/proc/self/ns/uts\"}", "net.core.somaxconn")), false,
		   NULL);
	check_host(LINUX(NS("{\"type\":\"network\",\"path\":\"/nonexistent/ns\"}")), false, NULL);
	check_host(LINUX(SYS("{\"type\":\"network\",\"path\":\"/nonexistent/ns\"}", "net.core.somaxconn")), false,
		   "invalid netns path: stat /nonexistent/ns: no such file or directory");
}

#define USER     LINUX(NS(T("user") "," T("network") "," T("mount")) "," MAPS)
#define MOUNT(x) USER ",\"mounts\":[{\"destination\":\"/a\"," x "}]"

static void test_host_rootless(void **state)
{
	(void)state;
	check_host(USER, true, NULL);
	check_host(PROCESS, true, "config.json: linux.namespaces: rootless container requires user namespaces");
	check_host(LINUX(NS(T("user") "," T("network")) "," MAPS ",\"netDevices\":{\"e\":{}}"), true,
		   "config.json: linux.netDevices: network devices are not supported for rootless containers");
	check_host(MOUNT("\"source\":\"/b\",\"options\":[\"bind\",\"idmap\"]"), true,
		   "config.json: mounts[0]: id-mapped mounts are not supported for rootless containers");
	check_host(MOUNT("\"type\":\"devpts\",\"options\":[\"gid=5\"]"), true,
		   "config.json: mounts[0]: cannot specify gid=5 mount option for rootless container: no mapping");
	check_host(MOUNT("\"type\":\"devpts\",\"options\":[\"gid=5\"]"), false, NULL);
	check_host(MOUNT("\"type\":\"devpts\",\"options\":[\"gid=0\",\"uid=0\"]"), true, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_host_rootless),
	};

	return cmocka_run_group_tests_name("oci linux", tests, NULL, NULL);
}
