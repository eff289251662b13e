/* SPDX-License-Identifier: Apache-2.0 */
/* Walking and making names below a root that an image controls. */
#include "mounts_fixture.h"

#include <fcntl.h>
#include <string.h>

#include "joey/syscalls.h"

static int open_root(const struct fixture *f, const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static bool exists(const struct fixture *f, const char *name)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	return lstat(path, &st) == 0;
}

static void test_clean(void **state)
{
	static const char *const cases[][2] = {
		{ "/a/b", "/a/b" },
		{ "a/b/", "/a/b" },
		{ "//a///b//", "/a/b" },
		{ "/", "/" },
		{ "", "/" },
		{ "..", "/" },
		{ "/../../a", "/a" },
		{ "/a/../../../b", "/b" },
		{ "/a/..", "/" },
		{ "/./a/.", "/a" },
		{ "/a/...", "/a/..." },
		{ "/a/..b", "/a/..b" },
		{ "/aa/bb/../cc", "/aa/cc" },
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(cases); i++) {
		char *got = inroot_clean(cases[i][0]);

		assert_string_equal(got, cases[i][1]);
		free(got);
	}
}

struct make_case {
	const char *link, *target; /* made first, below rootfs */
	const char *path;
	enum inroot_kind kind;
	int error;        /* 0: success */
	const char *made; /* below rootfs */
};

static const struct make_case make_cases[] = {
	{ NULL, NULL, "/a/b/c", INROOT_DIR, 0, "a/b/c" },
	{ NULL, NULL, "a/b/c", INROOT_FILE, 0, "a/b/c" },
	{ NULL, NULL, "/a//b/./c/", INROOT_DIR, 0, "a/b/c" },
	/* absolute, relative, climbing: all end inside */
	{ "etc/l", "/run/x/y", "/etc/l", INROOT_FILE, 0, "run/x/y" },
	{ "etc/l", "../run/x/y", "/etc/l", INROOT_FILE, 0, "run/x/y" },
	{ "etc/l", "../../../../../../../../run/z", "/etc/l", INROOT_DIR, 0, "run/z" },
	{ "var/run", "/run", "/var/run/app/sock", INROOT_FILE, 0, "run/app/sock" },
	{ "var/run", "../../outside", "/var/run/new", INROOT_FILE, 0, "outside/new" },
	{ "var/run", "/tmp", "/var/run/joey-must-not", INROOT_FILE, 0, "tmp/joey-must-not" },
	/* ".." behind what does not exist */
	{ "l", "nothere/../x", "/l", INROOT_DIR, ENOENT, NULL },
	{ "l", "l", "/l/x", INROOT_DIR, ELOOP, NULL },
	{ "l", "/l/deeper", "/l/x", INROOT_DIR, ELOOP, NULL },
	/* a file in the way */
	{ NULL, NULL, "/plain/x", INROOT_DIR, ENOTDIR, NULL },
	{ NULL, NULL, "/plain", INROOT_DIR, ENOTDIR, NULL },
	{ NULL, NULL, "/plain", INROOT_FILE, 0, "plain" },
	{ NULL, NULL, "/there", INROOT_DIR, 0, "there" },
};

static void test_make(void **state)
{
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(make_cases); i++) {
		const struct make_case *c = &make_cases[i];
		void *inner;
		struct fixture *f;
		char name[128];
		int root, fd;

		(void)state;
		assert_int_equal(fx_setup(&inner), 0);
		f = inner;
		fx_file(f, "rootfs/plain", "x");
		fx_dir(f, "rootfs/there", 0755);
		if (c->link) {
			snprintf(name, sizeof(name), "rootfs/%s", c->link);
			fx_link(f, name, c->target);
		}
		root = open_root(f, "rootfs");
		fd = inroot_make(root, c->path, c->kind, 0755);
		if (c->error) {
			assert_int_equal(fd, -c->error);
		} else {
			assert_true(fd >= 0);
			snprintf(name, sizeof(name), "rootfs/%s", c->made);
			assert_true(exists(f, name));
			close(fd);
		}
		assert_false(exists(f, "outside/new"));
		assert_int_not_equal(access("/tmp/joey-must-not", F_OK), 0);
		close(root);
		fx_teardown(&inner);
	}
}

/* A directory that becomes a link and back while names are made in it: nothing may appear outside. */
static void test_make_raced(void **state)
{
	struct fixture *f = *state;
	int root = open_root(f, "rootfs"), made = 0;
	pid_t racer;

	fx_dir(f, "rootfs/d", 0755);
	fx_dir(f, "outside/target", 0777);
	fx_link(f, "rootfs/l", "../outside/target");
	fflush(NULL);
	racer = fork();
	assert_true(racer >= 0);
	if (racer == 0)
		for (;;)
			syscall(SYS_renameat2, root, "d", root, "l", 2 /* RENAME_EXCHANGE */);
	for (int i = 0; i < 3000; i++) {
		char path[64];
		int fd;

		snprintf(path, sizeof(path), "/d/x%d/y", i);
		fd = inroot_make(root, path, i & 1 ? INROOT_DIR : INROOT_FILE, 0755);
		made += fd >= 0;
		joey_close(fd);
	}
	kill(racer, SIGKILL);
	assert_int_equal(joey_wait_pid(racer, NULL), 0);
	assert_true(made > 0);
	/* outside/target is empty: it can be removed */
	{
		char path[128];

		snprintf(path, sizeof(path), "%s/outside/target", f->dir);
		assert_int_equal(rmdir(path), 0);
	}
	close(root);
}

static void test_open_refuses_magic(void **state)
{
	int root = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_equal(inroot_open(root, "/root", O_PATH, 0), -ELOOP);
	assert_int_equal(inroot_open(root, "/fd/0", O_PATH, 0), -ELOOP);
	close(root);
}

static void test_make_parent(void **state)
{
	struct fixture *f = *state;
	int root = open_root(f, "rootfs"), fd;
	const char *name = NULL;

	fd = inroot_make_parent(root, "/a/b/c", &name);
	assert_true(fd >= 0);
	assert_string_equal(name, "c");
	close(fd);
	assert_true(exists(f, "rootfs/a/b"));
	assert_false(exists(f, "rootfs/a/b/c"));
	fd = inroot_make_parent(root, "/top", &name);
	assert_true(fd >= 0);
	assert_string_equal(name, "top");
	close(fd);
	close(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_make),
		cmocka_unit_test_setup_teardown(test_make_raced, fx_setup, fx_teardown),
		cmocka_unit_test(test_open_refuses_magic),
		cmocka_unit_test_setup_teardown(test_make_parent, fx_setup, fx_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
