/* SPDX-License-Identifier: Apache-2.0 */
/* tmpcopyup: the tmpfs starts with what its mount point held. */
#include "mounts_fixture.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define COPYUP(dst, more) \
	"{\"destination\":\"" dst "\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"tmpcopyup\"" more "]}"

static void path_of(const struct fixture *f, const char *name, char out[256])
{
	snprintf(out, 256, "%s/rootfs/%s", f->dir, name);
}

static void check_tree(struct joey_setup *s)
{
	char buf[256];
	struct stat st;
	ssize_t n;
	int fd;

	CHECK(fx_magic(s, "/t") == TMPFS_MAGIC);
	CHECK(fstatat(s->root_fd, "t", &st, 0) == 0 && (st.st_mode & 07777) == 02750 && st.st_uid == 21 &&
	      st.st_gid == 22);
	CHECK(fx_reads(s, "/t/a/b/file", "content"));
	CHECK(fstatat(s->root_fd, "t/a/b/file", &st, 0) == 0 && (st.st_mode & 07777) == 04755 && st.st_uid == 31 &&
	      st.st_gid == 32);
	CHECK(st.st_mtim.tv_sec == 1000000000);
	CHECK(fstatat(s->root_fd, "t/a", &st, 0) == 0 && (st.st_mode & 07777) == 01711);
	n = readlinkat(s->root_fd, "t/abs", buf, sizeof(buf));
	CHECK(n == 11 && memcmp(buf, "/etc/passwd", 11) == 0);
	CHECK(fstatat(s->root_fd, "t/fifo", &st, 0) == 0 && S_ISFIFO(st.st_mode) && (st.st_mode & 07777) == 0622);
	CHECK(fstatat(s->root_fd, "t/null", &st, 0) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
	fd = openat(s->root_fd, "t/a/b/file", O_RDONLY | O_CLOEXEC);
	n = fgetxattr(fd, "trusted.joey", buf, sizeof(buf));
	CHECK(n == 5 && memcmp(buf, "hello", 5) == 0);
	/* what is written from now on stays in the tmpfs */
	CHECK(fx_writable(s, "/t"));
}

static void test_tree(void **state)
{
	static const struct timespec times[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
	char path[256];

	if (geteuid() != 0)
		skip();
	fx_file(*state, "rootfs/t/a/b/file", "content");
	path_of(*state, "t/a/b/file", path);
	assert_int_equal(chown(path, 31, 32), 0);
	assert_int_equal(chmod(path, 04755), 0);
	assert_int_equal(setxattr(path, "trusted.joey", "hello", 5, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	path_of(*state, "t/a", path);
	assert_int_equal(chmod(path, 01711), 0);
	fx_link(*state, "rootfs/t/abs", "/etc/passwd");
	fx_link(*state, "rootfs/t/out", "../../outside");
	path_of(*state, "t/fifo", path);
	assert_int_equal(mkfifo(path, 0622), 0);
	assert_int_equal(chmod(path, 0622), 0);
	path_of(*state, "t/null", path);
	assert_int_equal(mknod(path, S_IFCHR | 0666, makedev(1, 3)), 0);
	path_of(*state, "t", path);
	assert_int_equal(chown(path, 21, 22), 0);
	assert_int_equal(chmod(path, 02750), 0);
	fx_run(*state, &(struct fx_case){ .mounts = COPYUP("/t", ""), .until = FX_MOUNTED, .check = check_tree });
}

static void check_asked(struct joey_setup *s)
{
	struct stat st;

	CHECK(fstatat(s->root_fd, "t", &st, 0) == 0 && (st.st_mode & 07777) == 0700 && st.st_uid == 5);
	CHECK(fx_reads(s, "/t/file", "x"));
}

static void check_readonly(struct joey_setup *s)
{
	CHECK(fx_reads(s, "/t/file", "x"));
	CHECK(!fx_writable(s, "/t"));
}

static void test_options_win(void **state)
{
	fx_file(*state, "rootfs/t/file", "x");
	fx_run(*state, &(struct fx_case){ .mounts = COPYUP("/t", ",\"mode=0700\",\"uid=5\""),
					  .until = FX_MOUNTED,
					  .check = check_asked });
	fx_run(*state,
	       &(struct fx_case){ .mounts = COPYUP("/t", ",\"ro\""), .until = FX_DONE, .check = check_readonly });
}

static void check_linked(struct joey_setup *s)
{
	CHECK(fx_reads(s, "/real/file", "x"));
	CHECK(fx_magic(s, "/real") == TMPFS_MAGIC);
}

static void test_through_link(void **state)
{
	fx_file(*state, "rootfs/real/file", "x");
	fx_link(*state, "rootfs/t", "/real");
	fx_run(*state, &(struct fx_case){ .mounts = COPYUP("/t", ""), .until = FX_MOUNTED, .check = check_linked });
}

static void test_too_deep(void **state)
{
	struct joey_str s = JOEY_STR_INIT;
	char path[512];

	joey_str_add(&s, "rootfs/t");
	for (int i = 0; i < 140; i++)
		joey_str_add(&s, "/d");
	snprintf(path, sizeof(path), "%s", s.buf);
	joey_str_done(&s);
	fx_dir(*state, path, 0755);
	fx_run(*state, &(struct fx_case){ .mounts = COPYUP("/t", ""),
					  .until = FX_MOUNTED,
					  .error = "copy the content of the mount point up" });
}

#define T FX_TEST

int main(void)
{
	const struct CMUnitTest tests[] = { T(test_tree), T(test_options_win), T(test_through_link), T(test_too_deep) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
