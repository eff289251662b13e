/* SPDX-License-Identifier: Apache-2.0 */
/* src/state: ids, time stamps, state.json round trip and refusals, directories, lock, list, removal. */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "state/state-internal.h"
#include "unit.h"

static void test_ids(void **state)
{
	static const char *const good[] = { "a", "A-Za-z0-9_+-.", "...", ".hidden", "0123456789abcdef" };
	static const char *const bad[] = { "", ".", "..", "a/b", "a b", "a\n", "\xc3\xa4", "a:b", "a\\", "~" };
	char longest[1026];
	size_t i;

	(void)state;
	for (i = 0; i < JOEY_ARRAY_SIZE(good); i++)
		assert_int_equal(joey_id_check(good[i], NULL), 0);
	for (i = 0; i < JOEY_ARRAY_SIZE(bad); i++)
		assert_int_equal(joey_id_check(bad[i], NULL), -EINVAL);
	assert_int_equal(joey_id_check(NULL, NULL), -EINVAL);
	memset(longest, 'x', sizeof(longest));
	longest[1025] = '\0';
	assert_int_equal(joey_id_check(longest, NULL), -EINVAL);
	longest[1024] = '\0';
	assert_int_equal(joey_id_check(longest, NULL), 0);
}

static void test_time(void **state)
{
	static const struct {
		int64_t sec;
		long nsec;
		bool nano;
		const char *text;
	} cases[] = {
		{ 0, 0, false, "1970-01-01T00:00:00Z" },
		{ 951782399, 5, true, "2000-02-28T23:59:59.000000005Z" },
		{ 951782400, 0, false, "2000-02-29T00:00:00Z" },
		{ 1709164800, 0, false, "2024-02-29T00:00:00Z" },
		{ 1735689599, 999999999, true, "2024-12-31T23:59:59.999999999Z" },
		{ 4102444800, 0, false, "2100-01-01T00:00:00Z" },
		{ 4107542400, 0, false, "2100-03-01T00:00:00Z" },
		{ -1, 0, false, "1969-12-31T23:59:59Z" },
	};
	char text[JOEY_TIME_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(cases); i++) {
		struct timespec ts = { cases[i].sec, cases[i].nsec };

		joey_time_rfc3339(&ts, cases[i].nano, text);
		assert_string_equal(text, cases[i].text);
	}
}

/* ---- codec ---------------------------------------------------------------------------------------------- */

#define GOOD                                                                                                         \
	"{\"version\":1,\"id\":\"c1\",\"ociVersion\":\"1.2.0\",\"bundle\":\"/b\",\"rootfs\":\"/b/rootfs\","          \
	"\"created\":\"2026-01-01T00:00:00Z\",\"backend\":\"native\",\"ownerUid\":0,\"creating\":false,\"hooks\":0," \
	"\"creator\":{\"pid\":5,\"time\":6},\"init\":{\"pid\":7,\"start\":8},"                                       \
	"\"cgroup\":{\"driver\":\"cgroupfs\",\"path\":\"/x\",\"created\":true,\"inode\":9},"                         \
	"\"annotations\":{\"k\":\"v\"}}"

static int decode(const char *text, size_t len, struct joey_arena *a, struct joey_state *st, struct joey_err *err)
{
	return state_decode(text, len, "c1", a, st, err);
}

static void test_round_trip(void **state)
{
	struct joey_pair pair = { (char *)(uintptr_t) "key \"\\\n\xc3\xa4", (char *)(uintptr_t) "" };
	struct joey_arena a = JOEY_ARENA_INIT, b = JOEY_ARENA_INIT;
	struct joey_state in = { 0 }, out = { 0 };
	static const char data[] = "{\"x\":[1,2,{\"y\":18446744073709551615}]}";
	autofree char *text = NULL, *again = NULL;
	struct joey_json *backend_data;
	size_t len, len2;

	(void)state;
	in.id = joey_arena_strdup(&a, "c1");
	in.bundle = joey_arena_strdup(&a, "/bun dle");
	in.rootfs = joey_arena_strdup(&a, "/bun dle/rootfs");
	in.oci_version = joey_arena_strdup(&a, "1.0.2-dev");
	in.backend = joey_arena_strdup(&a, "native");
	in.created = joey_arena_strdup(&a, "2026-01-01T00:00:00.000000001Z");
	in.owner_uid = UINT32_MAX;
	in.creating = true;
	in.hooks = 63;
	in.creator_pid = 4194304;
	in.creator_start = UINT64_MAX;
	in.pid = 12;
	in.pid_start = 34;
	in.cgroup.driver = JOEY_CGROUP_DISABLED;
	in.annotations.v = &pair;
	in.annotations.n = 1;
	assert_int_equal(joey_json_parse(data, strlen(data), 1000, &a, &backend_data, NULL), 0);
	in.backend_data = backend_data;
	assert_int_equal(state_encode(&in, &text, &len, NULL), 0);
	assert_null(strchr(text, '\n'));
	assert_int_equal(decode(text, len, &b, &out, NULL), 0);
	assert_string_equal(out.bundle, in.bundle);
	assert_int_equal(out.owner_uid, UINT32_MAX);
	assert_int_equal(out.creator_pid, 4194304);
	assert_true(out.creator_start == UINT64_MAX);
	assert_true(out.creating);
	assert_int_equal(out.cgroup.driver, JOEY_CGROUP_DISABLED);
	assert_null(out.cgroup.path);
	assert_string_equal(out.annotations.v[0].key, pair.key);
	assert_int_equal(state_encode(&out, &again, &len2, NULL), 0);
	assert_string_equal(text, again);
	joey_arena_done(&a);
	joey_arena_done(&b);
}

/* One change of a good document each. */
static const struct {
	const char *find, *put, *error;
} damages[] = {
	{ "{\"version\":1", "[1", "parse error" },
	{ "\"version\":1", "\"version\":2", "version 2 is not known" },
	{ "\"version\":1", "\"version\":\"1\"", "version: missing" },
	{ "\"version\":1,", "", "version: missing" },
	{ "\"c1\"", "\"c2\"", "id: not the name" },
	{ "\"c1\"", "\"../c1\"", "id: not the name" },
	{ "\"bundle\":\"/b\"", "\"bundle\":\"b\"", "bundle: not a clean absolute path" },
	{ "\"bundle\":\"/b\"", "\"bundle\":\"/b/../c\"", "bundle: not a clean absolute path" },
	{ "\"bundle\":\"/b\"", "\"bundle\":7", "bundle: not a string" },
	{ "\"bundle\":\"/b\"", "\"bundle\":null", "bundle: missing" },
	{ "\"backend\":\"native\"", "\"backend\":\"\"", "backend: empty" },
	{ "\"ownerUid\":0", "\"ownerUid\":4294967296", "ownerUid: out of range" },
	{ "\"ownerUid\":0", "\"ownerUid\":-1", "ownerUid: not a number" },
	{ "\"creating\":false", "\"creating\":0", "creating: not a boolean" },
	{ "\"pid\":7", "\"pid\":-7", "init.pid: not a number" },
	{ "\"pid\":7", "\"pid\":4194305", "init.pid: not a pid" },
	{ "\"pid\":7", "\"pid\":7.5", "init.pid: not a number" },
	{ "\"pid\":7", "\"pid\":18446744073709551616", "init.pid: not a number" },
	{ "\"start\":8", "\"start\":\"8\"", "init.start: not a number" },
	{ "\"init\":{\"pid\":7,\"start\":8}", "\"init\":[]", "init: not an object" },
	{ "\"path\":\"/x\"", "\"path\":\"/x/../../y\"", "cgroup.path: not a clean" },
	{ "\"path\":\"/x\"", "\"path\":\"x\"", "cgroup.path: not a clean" },
	{ "\"cgroupfs\"", "\"v1\"", "cgroup.driver: unknown" },
	{ "{\"k\":\"v\"}", "{\"k\":1}", "annotations.k: not a string" },
	{ "{\"k\":\"v\"}", "[]", "annotations: not an object" },
	{ "\"annotations\":{\"k\":\"v\"}", "\"backendData\":5", "backendData: not an object" },
	{ "\"hooks\":0", "\"hooks\":true", "hooks: not a number" },
};

static void test_refusals(void **state)
{
	struct joey_arena a = JOEY_ARENA_INIT;
	struct joey_state st = { 0 };

	(void)state;
	assert_int_equal(decode(GOOD, strlen(GOOD), &a, &st, NULL), 0);
	assert_int_equal(st.pid, 7);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(damages); i++) {
		const char *at = strstr(GOOD, damages[i].find);
		autoerr struct joey_err err = JOEY_ERR_INIT;
		autostr struct joey_str s = JOEY_STR_INIT;

		assert_non_null(at);
		joey_str_addn(&s, GOOD, (size_t)(at - GOOD));
		joey_str_add(&s, damages[i].put);
		joey_str_add(&s, at + strlen(damages[i].find));
		st.pid = 99;
		if (decode(s.buf, s.len, &a, &st, &err) == 0)
			fail_msg("accepted: %s", s.buf);
		assert_int_equal(st.pid, 99); /* nothing written */
		if (!strstr(joey_err_text(&err), damages[i].error) || strncmp(joey_err_text(&err), "state.json", 10))
			fail_msg("%s: %s", damages[i].put, joey_err_text(&err));
	}
	joey_arena_done(&a);
}

/* Every truncation of the text is refused, and nothing is read behind its end. */
static void test_truncated(void **state)
{
	(void)state;
	for (size_t n = 0; n < strlen(GOOD); n++) {
		struct joey_arena a = JOEY_ARENA_INIT;
		autofree char *copy = malloc(n + 1);
		struct joey_state st = { 0 };

		assert_non_null(copy);
		memcpy(copy, GOOD, n);
		assert_true(decode(copy, n, &a, &st, NULL) < 0);
		joey_arena_done(&a);
	}
}

static void test_unknown_keys(void **state)
{
	static const char good[] = GOOD;
	autostr struct joey_str s = JOEY_STR_INIT;
	struct joey_arena a = JOEY_ARENA_INIT;
	struct joey_state st = { 0 };

	(void)state;
	joey_str_add(&s, "{\"later\":{\"a\":[1]},");
	joey_str_add(&s, &good[1]);
	assert_int_equal(decode(s.buf, s.len, &a, &st, NULL), 0);
	joey_arena_done(&a);
}

/* ---- directories ------------------------------------------------------------------------------------------- */

struct dir {
	char path[64];
	int fd;
};

static int setup(void **state)
{
	struct dir *d = calloc(1, sizeof(*d));

	strcpy(d->path, "/tmp/joey-state-XXXXXX");
	assert_non_null(mkdtemp(d->path));
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = d;
	return d->fd < 0;
}

static int teardown(void **state)
{
	struct dir *d = *state;
	int r = state_empty_dir(d->fd);

	joey_close(d->fd);
	if (rmdir(d->path) < 0)
		r = -1;
	free(d);
	return r;
}

static void fill(struct joey_container *c)
{
	c->state.bundle = joey_arena_strdup(&c->arena, "/b");
	c->state.rootfs = joey_arena_strdup(&c->arena, "/b/r");
	c->state.oci_version = joey_arena_strdup(&c->arena, "1.0.0");
	c->state.backend = joey_arena_strdup(&c->arena, "native");
	c->state.created = joey_arena_strdup(&c->arena, "x");
}

static void test_new_save_load(void **state)
{
	struct dir *d = *state;
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_container *c = NULL, *other = NULL;
	struct stat st;

	assert_int_equal(joey_container_new(d->fd, "c1", &c, &err), 0);
	assert_true(c->locked);
	assert_int_equal(fstatat(d->fd, "c1", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(joey_container_new(d->fd, "c1", &other, &err), -EEXIST);
	assert_int_equal(err.kind, JOEY_EK_EXISTS);
	assert_non_null(strstr(err.msg, "container with given ID already exists"));
	assert_int_equal(joey_container_load(d->fd, "c1", false, &other, &err), -ENOENT);
	assert_int_equal(err.kind, JOEY_EK_NOT_FOUND);
	assert_int_equal(joey_container_load(d->fd, "c1", true, &other, &err), 0);
	assert_true(other->state.creating);
	joey_container_free(other);
	other = NULL;

	fill(c);
	assert_int_equal(joey_container_save(c, &err), 0);
	assert_int_equal(fstatat(c->dir_fd, "state.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(joey_container_load(d->fd, "c1", false, &other, &err), 0);
	assert_string_equal(other->state.bundle, "/b");
	/* the lock of one is not the other's */
	assert_int_equal(joey_container_lock(other, 30, &err), -ETIMEDOUT);
	assert_int_equal(err.kind, JOEY_EK_TIMEOUT);
	joey_container_unlock(c);
	assert_int_equal(joey_container_lock(other, 30, &err), 0);
	joey_container_free(other);

	assert_false(joey_container_is_gone(c));
	assert_int_equal(joey_container_remove_dir(c, &err), 0);
	assert_true(joey_container_is_gone(c));
	assert_int_equal(joey_container_remove_dir(c, &err), 0);
	assert_true(joey_container_save(c, &err) < 0);
	joey_container_free(c);
	assert_int_equal(joey_container_load(d->fd, "c1", true, &other, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "container does not exist"));
}

/* The old container's handle must not take away a new one of the same name. */
static void test_remove_is_not_by_name(void **state)
{
	struct dir *d = *state;
	struct joey_container *old = NULL, *new = NULL;

	assert_int_equal(joey_container_new(d->fd, "c1", &old, NULL), 0);
	assert_int_equal(unlinkat(d->fd, "c1", AT_REMOVEDIR), 0);
	assert_int_equal(joey_container_new(d->fd, "c1", &new, NULL), 0);
	assert_int_equal(joey_container_remove_dir(old, NULL), 0);
	assert_false(joey_container_is_gone(new));
	joey_container_free(old);
	joey_container_free(new);
}

static void test_remove_everything(void **state)
{
	struct dir *d = *state;
	struct joey_container *c = NULL;
	struct stat st;

	assert_int_equal(joey_container_new(d->fd, "c1", &c, NULL), 0);
	assert_int_equal(mkdirat(c->dir_fd, "notify", 0755), 0);
	assert_int_equal(mknodat(c->dir_fd, "notify/sock", S_IFIFO | 0600, 0), 0);
	assert_int_equal(mknodat(c->dir_fd, "exec.fifo", S_IFIFO | 0622, 0), 0);
	assert_int_equal(symlinkat(d->path, c->dir_fd, "link"), 0);
	close(openat(c->dir_fd, ".state.json.123", O_CREAT | O_WRONLY, 0600));
	assert_int_equal(joey_container_remove_dir(c, NULL), 0);
	assert_int_equal(fstatat(d->fd, "c1", &st, 0), -1);
	assert_int_equal(stat(d->path, &st), 0);
	joey_container_free(c);
}

static void test_hostile_directory(void **state)
{
	struct dir *d = *state;
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_container *c = NULL;
	int fd;

	/* a symlink is not a container */
	assert_int_equal(symlinkat("/", d->fd, "link"), 0);
	assert_true(joey_container_load(d->fd, "link", true, &c, &err) < 0);
	/* writable by others */
	assert_int_equal(mkdirat(d->fd, "open", 0700), 0);
	assert_int_equal(fchmodat(d->fd, "open", 0777, 0), 0);
	assert_int_equal(joey_container_load(d->fd, "open", true, &c, &err), -EPERM);
	assert_non_null(strstr(err.msg, "not trusted"));
	/* state.json that would block, or is a link, or nonsense */
	assert_int_equal(mkdirat(d->fd, "fifo", 0700), 0);
	assert_int_equal(mknodat(d->fd, "fifo/state.json", S_IFIFO | 0600, 0), 0);
	assert_int_equal(joey_container_load(d->fd, "fifo", true, &c, &err), -EPROTO);
	assert_int_equal(mkdirat(d->fd, "sym", 0700), 0);
	assert_int_equal(symlinkat("/etc/passwd", d->fd, "sym/state.json"), 0);
	assert_int_equal(joey_container_load(d->fd, "sym", true, &c, &err), -ELOOP);
	assert_int_equal(mkdirat(d->fd, "bad", 0700), 0);
	fd = openat(d->fd, "bad/state.json", O_CREAT | O_WRONLY, 0600);
	assert_int_equal(joey_write_all(fd, "nonsense", 8), 0);
	close(fd);
	assert_int_equal(joey_container_load(d->fd, "bad", true, &c, &err), -EPROTO);
	assert_null(c);
	/* a file in the root */
	close(openat(d->fd, "file", O_CREAT | O_WRONLY, 0600));
	assert_int_equal(joey_container_load(d->fd, "file", true, &c, &err), -ENOTDIR);
}

static void test_list_sorted(void **state)
{
	static const char *const ids[] = { "b", "a", "C", "a1", "_x" };
	static const char *const sorted[] = { "C", "_x", "a", "a1", "b" };
	struct dir *d = *state;
	char **names = NULL;
	size_t n = 99;

	assert_int_equal(joey_container_list(d->fd, &names, &n, NULL), 0);
	assert_int_equal(n, 0);
	free(names);
	names = NULL;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(ids); i++)
		assert_int_equal(mkdirat(d->fd, ids[i], 0700), 0);
	assert_int_equal(mkdirat(d->fd, "no id", 0700), 0);
	close(openat(d->fd, "file", O_CREAT | O_WRONLY, 0600));
	assert_int_equal(joey_container_list(d->fd, &names, &n, NULL), 0);
	assert_int_equal(n, JOEY_ARRAY_SIZE(sorted));
	assert_null(names[n]);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(names[i], sorted[i]);
		free(names[i]);
	}
	free(names);
}

static void test_root(void **state)
{
	struct dir *d = *state;
	char path[128];
	struct stat st;
	int fd = -1;

	snprintf(path, sizeof(path), "%s/x/y/z", d->path);
	assert_int_equal(joey_root_open(path, false, &fd, NULL), -ENOENT);
	assert_int_equal(joey_root_open(path, true, &fd, NULL), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(!!(st.st_mode & S_ISVTX), geteuid() != 0);
	joey_close(fd);
	assert_int_equal(joey_root_open(path, true, &fd, NULL), 0);
	joey_close(fd);
}

static void test_creator(void **state)
{
	struct joey_state st = { 0 };
	int wstatus;
	pid_t pid;

	(void)state;
	assert_false(joey_creator_is_alive(&st));
	joey_creator_stamp(&st);
	assert_true(joey_creator_is_alive(&st));
	joey_creator_kill(&st); /* never oneself */
	/* a pid that was reused: that process started after the stamp */
	st.creator_start = 1;
	assert_false(joey_creator_is_alive(&st));

	pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	st.creator_pid = pid;
	st.creator_start = 1;
	joey_creator_kill(&st);
	assert_int_equal(waitpid(pid, &wstatus, WNOHANG), 0);
	st.creator_start = UINT64_MAX;
	joey_creator_kill(&st);
	assert_int_equal(waitpid(pid, &wstatus, 0), pid);
	assert_int_equal(WTERMSIG(wstatus), SIGKILL);
	assert_false(joey_creator_is_alive(&st));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_unknown_keys),
		cmocka_unit_test_setup_teardown(test_new_save_load, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove_is_not_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove_everything, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list_sorted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_root, setup, teardown),
		cmocka_unit_test(test_creator),
	};

	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
