/* SPDX-License-Identifier: Apache-2.0 */
/* src/namespaces: the table, paths, id maps, time offsets. Cases that need root skip without it. */
#include "unit.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "joey/namespace.h"
#include "joey/syscalls.h"

static struct joey_idmap some_maps[] = { { 0, 100000, 1000 }, { 1000, 5, 1 }, { 1001, 200000, 7 } };
static const struct joey_idmaps maps = { some_maps, 3 };

static void need_root(void)
{
	if (geteuid() != 0) {
		print_message("needs root\n");
		skip();
	}
}

static void table_matches_the_kernel(void **state)
{
	(void)state;
	for (unsigned i = 0; i < JOEY_NS_MAX; i++) {
		char path[64];
		bool other = true;
		int fd;

		snprintf(path, sizeof(path), "/proc/self/ns/%s", joey_ns_table[i].proc_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue; /* kernel without it */
		assert_int_equal(joey_ns_is_other(fd, (enum joey_ns)i, &other), 0);
		assert_false(other);
		close(fd);
	}
}

static void new_flags_leave_out_joined_ones(void **state)
{
	static char path[] = "/proc/self/ns/net";
	struct joey_config c = { 0 };

	(void)state;
	c.ns[JOEY_NS_PID].present = true;
	c.ns[JOEY_NS_MNT].present = true;
	c.ns[JOEY_NS_NET].present = true;
	c.ns[JOEY_NS_NET].path = path;
	assert_true(joey_ns_new_flags(&c) == (CLONE_NEWPID | CLONE_NEWNS));
}

static void paths_must_be_namespaces_of_their_type(void **state)
{
	static char net[] = "/proc/self/ns/net", file[] = "/dev/null", none[] = "/nonexistent/ns";
	static const struct {
		enum joey_ns ns;
		char *path;
		const char *text; /* NULL: good */
	} rows[] = {
		{ JOEY_NS_NET, net, NULL },
		{ JOEY_NS_UTS, net, "config.json: linux.namespaces: '/proc/self/ns/net' is not a uts namespace" },
		{ JOEY_NS_NET, file, "config.json: linux.namespaces: '/dev/null' is not a network namespace" },
		{ JOEY_NS_NET, none, "open network namespace '/nonexistent/ns': no such file or directory" },
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;
		struct joey_config c = { 0 };
		int fds[JOEY_NS_MAX], r;

		c.ns[rows[i].ns].present = true;
		c.ns[rows[i].ns].path = rows[i].path;
		r = joey_ns_open_paths(&c, fds, &err);
		if (rows[i].text) {
			assert_true(r < 0);
			assert_string_equal(joey_err_text(&err), rows[i].text);
		} else {
			assert_int_equal(r, 0);
			assert_true(fds[rows[i].ns] >= 0);
			close(fds[rows[i].ns]);
		}
	}
}

static void container_ids_become_host_ids(void **state)
{
	static const struct joey_idmaps identity = { NULL, 0 };
	uint32_t id = 1;

	(void)state;
	assert_true(joey_idmap_to_host(&maps, 0, &id));
	assert_int_equal(id, 100000);
	assert_true(joey_idmap_to_host(&maps, 999, &id));
	assert_int_equal(id, 100999);
	assert_true(joey_idmap_to_host(&maps, 1000, &id));
	assert_int_equal(id, 5);
	assert_true(joey_idmap_to_host(&maps, 1007, &id));
	assert_int_equal(id, 200006);
	assert_false(joey_idmap_to_host(&maps, 1008, &id));
	assert_true(joey_idmap_to_host(&identity, 77, &id));
	assert_int_equal(id, 77);
}

static void userns_is_kept_by_descriptor_only(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_idmap changed[3];
	struct joey_idmaps other_maps = { changed, 3 };
	bool same = false, other = false;
	int fd = -1, r;

	(void)state;
	need_root();
	memcpy(changed, some_maps, sizeof(changed));
	changed[2].size = 6;
	r = joey_idmap_userns_fd(&maps, &maps, &fd, &err);
	if (r < 0)
		fail_msg("%s", joey_err_text(&err));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* the holder is gone and reaped */
	assert_int_equal(joey_ns_is_other(fd, JOEY_NS_USER, &other), 0);
	assert_true(other);
	assert_int_equal(joey_idmap_matches(fd, &maps, &maps, &same, &err), 0);
	assert_true(same);
	assert_int_equal(joey_idmap_matches(fd, &maps, &other_maps, &same, &err), 0);
	assert_false(same);
	other_maps.n = 2;
	assert_int_equal(joey_idmap_matches(fd, &other_maps, &maps, &same, &err), 0);
	assert_false(same);
	close(fd);
}

static void map_that_the_kernel_refuses_is_an_error(void **state)
{
	static struct joey_idmap overlap[] = { { 0, 1000, 10 }, { 5, 2000, 10 } };
	static const struct joey_idmaps bad = { overlap, 2 };
	autoerr struct joey_err err = JOEY_ERR_INIT;
	int fd = -1;

	(void)state;
	need_root();
	assert_int_equal(joey_idmap_userns_fd(&bad, &bad, &fd, &err), -EINVAL);
	assert_string_equal(joey_err_text(&err), "write gid_map of the container's user namespace: invalid argument");
	assert_int_equal(fd, -1);
}

static void time_offsets_reach_the_first_child(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	need_root();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct joey_config c = { 0 };
		char text[256] = "";
		int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC), fd;

		c.time_monotonic = (struct joey_time_offset){ true, 1000, 5 };
		c.time_boottime = (struct joey_time_offset){ true, -1, 0 };
		if (unshare(CLONE_NEWTIME) < 0)
			_exit(77);
		if (joey_timens_write(self, &c, NULL) < 0)
			_exit(1);
		fd = openat(self, "timens_offsets", O_RDONLY | O_CLOEXEC);
		if (read(fd, text, sizeof(text) - 1) <= 0)
			_exit(2);
		_exit(strstr(text, "1000") && strstr(text, "-1") ? 0 : 3);
	}
	assert_int_equal(joey_wait_pid(pid, &status), 0);
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_matches_the_kernel),
		cmocka_unit_test(new_flags_leave_out_joined_ones),
		cmocka_unit_test(paths_must_be_namespaces_of_their_type),
		cmocka_unit_test(container_ids_become_host_ids),
		cmocka_unit_test(userns_is_kept_by_descriptor_only),
		cmocka_unit_test(map_that_the_kernel_refuses_is_an_error),
		cmocka_unit_test(time_offsets_reach_the_first_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
