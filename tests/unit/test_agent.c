/* SPDX-License-Identifier: Apache-2.0 */
/* src/agent: requests, BLOBs, the greeting, the process table, what becomes of a host's config.  No container is made.
 */
#include "unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "agent/agent-internal.h"
#include "joey/mount_opts.h"
#include "joey/syscalls.h"

static char root[] = "/tmp/joey-agent-unit-XXXXXX";
static struct agent a;
static int host_ctl, host_io;

static int set_up(void **state)
{
	int c[2], i[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, c), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, i), 0);
	host_ctl = c[0];
	host_io = i[0];
	agent_init(&a, c[1], i[1], root, "/joey-unit", true);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	agent_done(&a);
	close(host_ctl);
	close(host_io);
	return 0;
}

static struct joey_frame frame(unsigned type, uint32_t id, const char *text)
{
	return (struct joey_frame){ (uint16_t)type, 0, id, (uint32_t)strlen(text), (const uint8_t *)text };
}

static int parse(unsigned type, uint32_t id, const char *text, struct agent_job **ret, struct joey_err *err)
{
	const struct joey_frame f = frame(type, id, text);

	joey_err_clear(err);
	return agent_request_parse(&a, &f, ret, err);
}

static void requests_and_their_fields(void **state)
{
	static const struct {
		unsigned type;
		const char *json, *error;
	} rows[] = {
		{ JOEY_WIRE_START, "{\"c\":4294967295}", NULL },
		{ JOEY_WIRE_START, "{}", "guest: start: bad or missing \"c\"" },
		{ JOEY_WIRE_START, "{\"c\":\"1\"}", "guest: start: bad or missing \"c\"" },
		{ JOEY_WIRE_START, "{\"c\":1.5}", "guest: start: bad or missing \"c\"" },
		{ JOEY_WIRE_START, "{\"c\":4294967296}", "guest: start: bad or missing \"c\"" },
		{ JOEY_WIRE_START, "{\"c\":1}x", "guest: start: *" },
		{ JOEY_WIRE_START, "", "guest: start: *" },
		{ JOEY_WIRE_KILL, "{\"c\":1,\"signal\":64,\"all\":true}", NULL },
		{ JOEY_WIRE_KILL, "{\"c\":1,\"signal\":65}", "guest: kill: bad or missing \"signal\"" },
		{ JOEY_WIRE_KILL, "{\"c\":1}", "guest: kill: bad or missing \"signal\"" },
		{ JOEY_WIRE_KILL, "{\"c\":1,\"signal\":1,\"all\":1}", "guest: kill: bad or missing \"all\"" },
		{ JOEY_WIRE_CREATE, "{\"c\":1,\"id\":\"a\"}", "guest: create: nothing came before it" },
		{ JOEY_WIRE_START, "{\"c\":1,\"attrs\":[1,0,14]}", NULL },
		{ JOEY_WIRE_START, "{\"c\":1,\"attrs\":1}", "guest: start: bad or missing \"attrs\"" },
		{ JOEY_WIRE_START, "{\"c\":1,\"attrs\":[0,\"1\"]}", "guest: start: bad or missing \"attrs\"" },
		{ JOEY_WIRE_START, "{\"c\":1,\"attrs\":[-1]}", "guest: start: bad or missing \"attrs\"" },
		{ JOEY_WIRE_START, "{\"c\":1,\"attrs\":[1048576]}", "guest: start: bad or missing \"attrs\"" },
		{ JOEY_WIRE_START, "{\"c\":1,\"join\":[{\"type\":\"ipc\",\"of\":3},{\"type\":\"uts\",\"group\":9}]}",
		  NULL },
		{ JOEY_WIRE_START, "{\"c\":1,\"join\":[{\"type\":\"pid\",\"group\":3}]}",
		  "guest: start: bad or missing \"join\"" },
		{ JOEY_WIRE_START, "{\"c\":1,\"join\":[{\"type\":\"ipc\",\"of\":0}]}",
		  "guest: start: bad or missing \"join\"" },
		{ JOEY_WIRE_START, "{\"c\":1,\"join\":[{\"type\":\"x\",\"of\":1}]}",
		  "guest: start: bad or missing \"join\"" },
		{ JOEY_WIRE_START,
		  "{\"c\":1,\"shm\":[{\"mount\":3,\"key\":9,\"size\":65536,\"mode\":1023,\"uid\":0,\"gid\":5}]}",
		  NULL },
		{ JOEY_WIRE_START,
		  "{\"c\":1,\"shm\":[{\"mount\":3,\"key\":9,\"size\":65536,\"mode\":4096,\"uid\":0,\"gid\":5}]}",
		  "guest: start: bad or missing \"shm\"" },
		{ JOEY_WIRE_START, "{\"c\":1,\"shm\":[{\"mount\":3}]}", "guest: start: bad or missing \"shm\"" },
		{ JOEY_WIRE_EXEC, "{\"c\":1,\"p\":2,\"rows\":65536}", "guest: exec: bad or missing \"rows\"" },
		{ JOEY_WIRE_NET, "{}", NULL },
		{ JOEY_WIRE_FREEZE, "{}", "guest: request: not for the guest" },
	};
	autoerr struct joey_err err = JOEY_ERR_INIT;

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		struct agent_job *j = NULL;
		int r = parse(rows[i].type, 5, rows[i].json, &j, &err);
		size_t n = rows[i].error ? strlen(rows[i].error) : 0;

		assert_int_equal(r == 0, rows[i].error == NULL);
		if (r == 0)
			agent_job_free(&a, j);
		else if (rows[i].error[n - 1] == '*')
			assert_memory_equal(joey_err_text(&err), rows[i].error, n - 1);
		else
			assert_string_equal(joey_err_text(&err), rows[i].error);
	}
	assert_int_equal(a.blob_bytes, 0);
}

static int blob(uint32_t id, size_t n)
{
	static char bytes[65536];
	const struct joey_frame f = { JOEY_WIRE_BLOB, 0, id, (uint32_t)n, (const uint8_t *)bytes };

	memset(bytes, 'x', sizeof(bytes));
	return agent_blob_take(&a, &f);
}

static void blobs_are_bounded(void **state)
{
	static const char exec[] = "{\"c\":1,\"p\":2}";
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct agent_job *j;

	(void)state;
	/* two requests' mixed */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(blob(1, 1000), 0);
		assert_int_equal(blob(2, 7), 0);
	}
	assert_int_equal(parse(JOEY_WIRE_EXEC, 2, exec, &j, &err), 0);
	assert_int_equal(j->n_blob, 21);
	agent_job_free(&a, j);
	assert_int_equal(parse(JOEY_WIRE_EXEC, 1, exec, &j, &err), 0);
	assert_int_equal(j->n_blob, 3000);
	agent_job_free(&a, j);
	assert_int_equal(a.blob_bytes, 0);
	/* one that is too big is refused, but not fatal */
	for (int i = 0; i < 70; i++)
		assert_int_equal(blob(3, 65536), 0);
	assert_int_equal(a.blob_bytes, 0);
	assert_int_equal(parse(JOEY_WIRE_EXEC, 3, exec, &j, &err), -ENOBUFS);
	/* all of them together */
	for (uint32_t id = 10; id < 10 + AGENT_BLOBS; id++)
		for (int i = 0; i < 64; i++)
			assert_int_equal(blob(id, 65536), 0);
	assert_true(a.blob_bytes <= AGENT_BLOB_BYTES);
	assert_int_equal(blob(99, 1), -EPROTO);
	for (uint32_t id = 10; id < 10 + AGENT_BLOBS; id++)
		if (parse(JOEY_WIRE_EXEC, id, exec, &j, &err) == 0)
			agent_job_free(&a, j);
	assert_int_equal(a.blob_bytes, 0);
	assert_int_equal(blob(99, 1), 0);
}

static void greetings(void **state)
{
#define HEX32 "0123456789abcdef0123456789abcdef"
	static const struct {
		const char *json;
		int result;
	} rows[] = {
		{ "{\"version\":2,\"time\":5,\"entropy\":\"" HEX32 HEX32 HEX32 HEX32
		  "\",\"hostname\":\"h\",\"machineId\":\"" HEX32 "\"}",
		  0 },
		{ "{\"version\":1}", -EPROTONOSUPPORT },
		{ "{}", -EPROTONOSUPPORT },
		{ "{\"version\":2}", -EINVAL },
		{ "{\"version\":2,\"time\":5,\"entropy\":\"" HEX32 "\",\"hostname\":\"h\",\"machineId\":\"" HEX32 "\"}",
		  -EINVAL },
		{ "{\"version\":2,\"time\":5,\"entropy\":\"" HEX32 HEX32 HEX32 HEX32
		  "\",\"hostname\":\"h\",\"machineId\":\"../456789abcdef0123456789abcdef00\"}",
		  -EINVAL },
		{ "[]", -EPROTONOSUPPORT },
		{ "x", -EINVAL },
	};
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct agent_hello h;

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		const struct joey_frame f = frame(JOEY_WIRE_HELLO, 0, rows[i].json);

		joey_err_clear(&err);
		assert_int_equal(agent_hello_parse(&f, &h, &err), rows[i].result);
	}
	{
		const struct joey_frame f = frame(JOEY_WIRE_HELLO, 0, rows[0].json);

		assert_int_equal(agent_hello_parse(&f, &h, &err), 0);
		assert_int_equal(h.time, 5);
		assert_int_equal(h.entropy[1], 0x23);
		assert_int_equal(h.entropy[63], 0xef);
		assert_string_equal(h.machine_id, HEX32);
	}
}

/* Under test nobody asks, so nobody may answer; a length that is wrong is not taken either. */
static void clock_is_told(void **state)
{
	const uint8_t bytes[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	const struct joey_frame f = { JOEY_WIRE_CLOCK, 0, 0, sizeof(bytes), bytes },
				none = { JOEY_WIRE_CLOCK, 0, 0, 0, NULL };

	(void)state;
	assert_int_equal(joey_wire_get64(bytes), 0x0807060504030201);
	assert_int_equal(agent_take_ctl(&a, &f), -EPROTO);
	a.greeted = a.clocked = true;
	assert_int_equal(agent_take_ctl(&a, &f), -EPROTO);
	a.clocked = false;
	assert_int_equal(agent_take_ctl(&a, &none), -EPROTO);
}

/* ---- the table of processes ------------------------------------------------------------------------------------- */

static int io(unsigned type, unsigned stream, uint32_t id, const void *data, size_t n)
{
	const struct joey_frame f = { (uint16_t)type, (uint16_t)stream, id, (uint32_t)n, data };

	return agent_proc_take(&a, &f);
}

static void frames_before_their_request(void **state)
{
	struct agent_job j = { .type = JOEY_WIRE_CREATE, .c = 7, .name = "seven" };
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct agent_proc *p;
	char buf[16];

	(void)state;
	assert_int_equal(io(JOEY_WIRE_DATA, 0, 7, "early", 5), 0);
	assert_int_equal(io(JOEY_WIRE_EOF, 0, 7, NULL, 0), 0);
	assert_int_equal(io(JOEY_WIRE_SIGNAL, 0, 7, "\x0f\0\0\0", 4), 0);
	assert_int_equal(io(JOEY_WIRE_RESIZE, 0, 7, "\x0a\0\x14\0", 4), 0);
	assert_int_equal(io(JOEY_WIRE_CREDIT, 1, 7, "\1\0\0\0", 4), -EPROTO);
	assert_int_equal(a.n_early, 1);
	assert_int_equal(agent_proc_add(&a, &j, &p, &err), 0);
	assert_int_equal(a.n_early, 0);
	assert_int_equal(p->pending_signal, 15);
	assert_int_equal(p->rows, 10);
	assert_int_equal(p->cols, 20);
	/* what it held goes out as soon as there is a turn */
	{
		struct pollfd f[3];

		joey_relay_want(&p->relay, true, f);
		assert_true(poll(f, 3, 0) > 0);
		assert_int_equal(joey_relay_move(&p->relay, f, &a.io.out), 0);
	}
	assert_int_equal(read(p->worker_fds[0], buf, sizeof(buf)), 5);
	assert_int_equal(read(p->worker_fds[0], buf, sizeof(buf)), 0);
	assert_int_equal(agent_proc_add(&a, &j, &p, &err), -EEXIST);
	joey_err_clear(&err);
	agent_proc_remove(&a, agent_proc_find(&a, 7));
	/* over is over */
	assert_int_equal(agent_proc_add(&a, &j, &p, &err), -EEXIST);
	assert_int_equal(io(JOEY_WIRE_DATA, 0, 7, "late", 4), 0);
	assert_null(agent_proc_find(&a, 7));
}

static void unknown_handles_do_not_pile_up(void **state)
{
	(void)state;
	for (uint32_t h = 1; h < 5000; h++)
		assert_int_equal(io(JOEY_WIRE_DATA, 0, h, "x", 1), 0);
	assert_int_equal(a.n_procs, AGENT_EARLY);
	assert_int_equal(a.n_early, AGENT_EARLY);
	/* the youngest are kept */
	assert_non_null(agent_proc_find(&a, 4999));
	assert_null(agent_proc_find(&a, 1));
}

static void notes_are_checked(void **state)
{
	(void)state;
	assert_int_equal(io(JOEY_WIRE_SIGNAL, 0, 1, "\0\0\0\0", 4), -EPROTO);
	assert_int_equal(io(JOEY_WIRE_SIGNAL, 0, 1, "\x41\0\0\0", 4), -EPROTO);
	assert_int_equal(io(JOEY_WIRE_EXIT, 0, 1, "\0\0\0\0", 4), -EPROTO);
	assert_int_equal(io(JOEY_WIRE_DATA, 1, 1, "x", 1), -EPROTO);
}

static void ctl_before_the_greeting(void **state)
{
	struct joey_frame f = frame(JOEY_WIRE_START, 1, "{\"c\":1}");

	(void)state;
	assert_int_equal(agent_take_ctl(&a, &f), -EPROTO);
	a.greeted = true;
	assert_int_equal(agent_take_ctl(&a, &f), 0);
	f.type = JOEY_WIRE_DATA;
	assert_int_equal(agent_take_ctl(&a, &f), -EPROTO);
	f.type = JOEY_WIRE_REPLY;
	assert_int_equal(agent_take_ctl(&a, &f), -EPROTO);
}

/* ---- configs ---------------------------------------------------------------------------------------------------- */

static struct joey_config *config(const char *text)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_config *c = NULL;

	if (joey_config_parse(text, strlen(text), &c, &err) < 0)
		fail_msg("%s", joey_err_text(&err));
	return c;
}

#define HEAD "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"/host/rootfs\",\"readonly\":true},"
#define RUN  "\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"],\"apparmorProfile\":\"p\",\"selinuxLabel\":\"s\"}"

static void what_becomes_of_a_config(void **state)
{
	struct agent_adapt ad = { .share = "/share", .cgroup = "/joey", .netns = "/run/net", .handle = 12 };
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_config *c = config(
		HEAD RUN ",\"hostname\":\"h\",\"annotations\":{\"io.joey.sandbox\":\"vm\",\"a\":\"b\",\"io.joey."
			 "profile\":\"x\"},"
			 "\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
			 "{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"/etc\",\"options\":[\"bind\",\"ro\"]},"
			 "{\"destination\":\"/b\",\"source\":\"rel/../..\",\"options\":[\"rbind\"]},"
			 "{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\"}],"
			 "\"hooks\":{\"prestart\":[{\"path\":\"/x\"}],\"createRuntime\":[{\"path\":\"/x\"}],"
			 "\"createContainer\":[{\"path\":\"/x\"}],\"startContainer\":[{\"path\":\"/x\"}],"
			 "\"poststart\":[{\"path\":\"/x\"}],\"poststop\":[{\"path\":\"/x\"}]},"
			 "\"linux\":{\"cgroupsPath\":\"/host/path\",\"intelRdt\":{\"closID\":\"x\"},"
			 "\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\",\"path\":\"/proc/1/ns/pid\"},"
			 "{\"type\":\"ipc\",\"path\":\"/proc/1/ns/ipc\"},{\"type\":\"uts\"},{\"type\":\"network\"}],"
			 "\"sysctl\":{\"net.ipv4.ip_forward\":\"1\"}}}");

	(void)state;
	assert_int_equal(agent_adapt(&ad, c, &err), 0);
	assert_string_equal(c->rootfs, "/share/12/rootfs");
	assert_true(c->rootfs_readonly);
	assert_string_equal(c->cgroups_path, "/joey/12");
	assert_string_equal(c->mounts[0].source, "proc");
	assert_string_equal(c->mounts[1].source, "/share/12/m1");
	assert_string_equal(c->mounts[2].source, "/share/12/m2");
	assert_string_equal(c->mounts[3].type, "sysfs");
	for (unsigned i = 0; i < JOEY_NS_MAX; i++)
		if (i != JOEY_NS_NET)
			assert_null(c->ns[i].path);
	assert_true(joey_config_new_ns(c, JOEY_NS_PID) && joey_config_new_ns(c, JOEY_NS_IPC));
	assert_false(c->ns[JOEY_NS_CGROUP].present);
	assert_string_equal(c->ns[JOEY_NS_NET].path, "/run/net");
	for (unsigned k = 0; k < JOEY_HOOK_MAX; k++)
		assert_int_equal(c->hooks[k].n, k == JOEY_HOOK_CREATE_CONTAINER || k == JOEY_HOOK_START_CONTAINER);
	assert_null(c->process->apparmor_profile);
	assert_null(c->process->selinux_label);
	assert_null(c->intel_rdt);
	assert_int_equal(c->annotations.n, 1);
	assert_string_equal(c->annotations.v[0].key, "a");
	joey_config_free(c);
}

static void user_namespaces(void **state)
{
	struct agent_adapt ad = { .share = "/share", .cgroup = "/joey", .netns = "/run/net", .handle = 1 };
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_config *c = config(
		HEAD RUN
		",\"mounts\":[{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\",\"options\":[\"ro\"]}],"
		"\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"user\"}],"
		"\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":10}],"
		"\"gidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":10}]}}");

	(void)state;
	assert_int_equal(agent_adapt(&ad, c, &err), 0);
	assert_string_equal(c->mounts[0].type, "bind");
	assert_string_equal(c->mounts[0].source, "/sys");
	assert_true(c->mounts[0].opts->rbind);
	joey_config_free(c);
	c = config(
		HEAD RUN
		",\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"user\",\"path\":\"/proc/1/ns/user\"}]}}");
	assert_int_equal(agent_adapt(&ad, c, &err), -ENOTSUP);
	joey_config_free(c);
}

/* A namespace of another container, which must live; no file system is needed to find it. */
static void namespaces_are_joined(void **state)
{
	struct agent_job j = { .n_joins = 1, .joins = { { .ns = JOEY_NS_IPC, .of = 5 } } };
	struct agent_job create = { .type = JOEY_WIRE_CREATE, .c = 5, .name = "five" };
	struct agent_adapt ad = { .handle = 6 };
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct agent_proc *p;

	(void)state;
	assert_int_equal(agent_join_prepare(&a, &j, &err), 0);
	assert_int_equal(agent_join_paths(&a, &j, &ad, &err), -ESRCH);
	joey_err_clear(&err);
	assert_int_equal(agent_proc_add(&a, &create, &p, &err), 0);
	p->state = AGENT_LIVE;
	p->pid = 4711;
	assert_int_equal(agent_join_paths(&a, &j, &ad, &err), 0);
	assert_string_equal(ad.ns_path[JOEY_NS_IPC], "/proc/4711/ns/ipc");
	assert_string_equal(ad.ns_path[JOEY_NS_UTS], "");
	p->pid = 0;
	agent_proc_remove(&a, p);
}

/* Flags of the sources' mounts on the host: kept until the config clears them, locked in a user namespace. */
static void attributes_of_sources(void **state)
{
	static const uint64_t attrs[] = { MOUNT_ATTR_NOSUID, 0, MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME,
					  MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOATIME };
	static const char mounts[] =
		HEAD RUN ",\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
			 "{\"destination\":\"/a\",\"source\":\"/etc\",\"options\":[\"bind\"]},"
			 "{\"destination\":\"/b\",\"source\":\"/etc\",\"options\":[\"bind\",\"exec\"]},"
			 "{\"destination\":\"/c\",\"source\":\"/etc\",\"options\":[\"bind\",\"strictatime\"]}],"
			 "\"linux\":{\"namespaces\":[{\"type\":\"mount\"}%s]}}";
	struct agent_adapt ad = {
		.share = "/share", .cgroup = "/joey", .netns = "/run/net", .attrs = attrs, .n_attrs = 5
	};
	autoerr struct joey_err err = JOEY_ERR_INIT;
	char text[2048];
	struct joey_config *c;

	(void)state;
	snprintf(text, sizeof(text), mounts, "");
	c = config(text);
	assert_int_equal(agent_adapt(&ad, c, &err), 0);
	assert_int_equal(c->rootfs_attr, MOUNT_ATTR_NOSUID);
	assert_int_equal(c->mounts[1].opts->attr_set, MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME);
	assert_int_equal(c->mounts[1].opts->attr_clear, MOUNT_ATTR__ATIME);
	assert_int_equal(c->mounts[2].opts->attr_set, MOUNT_ATTR_RDONLY);
	assert_int_equal(c->mounts[2].opts->attr_clear, MOUNT_ATTR_NOEXEC);
	assert_int_equal(c->mounts[3].opts->attr_set, MOUNT_ATTR_STRICTATIME);
	joey_config_free(c);
	snprintf(text, sizeof(text), mounts,
		 ",{\"type\":\"user\"}],\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,"
		 "\"size\":10}],\"gidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":10}");
	c = config(text);
	assert_int_equal(agent_adapt(&ad, c, &err), -EPERM);
	assert_non_null(strstr(joey_err_text(&err), "\"/b\": set mount attributes"));
	joey_config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(requests_and_their_fields, set_up, tear_down),
		cmocka_unit_test_setup_teardown(blobs_are_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(greetings, set_up, tear_down),
		cmocka_unit_test_setup_teardown(clock_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(frames_before_their_request, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unknown_handles_do_not_pile_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(notes_are_checked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ctl_before_the_greeting, set_up, tear_down),
		cmocka_unit_test(what_becomes_of_a_config),
		cmocka_unit_test(user_namespaces),
		cmocka_unit_test(attributes_of_sources),
		cmocka_unit_test_setup_teardown(namespaces_are_joined, set_up, tear_down),
	};
	int r;

	if (!mkdtemp(root))
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	(void)rmdir(root);
	return r;
}
