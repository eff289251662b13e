/* SPDX-License-Identifier: Apache-2.0 */
/*
 * joey_openat2() and its stand-in: every case runs twice, the second time in a child where a seccomp filter answers
 * ENOSYS to openat2(2), and must give the same outcome.
 */
#include "unit.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "joey/util.h"

static const struct {
	const char *path;
	uint64_t flags, resolve;
	int expect; /* 0: opened and has the inode of the path in want; else -errno */
	const char *want;
} rows[] = {
	{ "dir/file", O_RDONLY, RESOLVE_IN_ROOT, 0, "dir/file" },
	{ "/dir/file", O_RDONLY, RESOLVE_IN_ROOT, 0, "dir/file" },
	{ "dir/../dir/./file", O_RDONLY, RESOLVE_IN_ROOT, 0, "dir/file" },
	{ "../../dir/file", O_RDONLY, RESOLVE_IN_ROOT, 0, "dir/file" },
	{ "abs/file", O_RDONLY, RESOLVE_IN_ROOT, 0, "dir/file" },
	{ "up/dir/file", O_RDONLY, RESOLVE_IN_ROOT, 0, "dir/file" },
	{ "abs", O_PATH, RESOLVE_IN_ROOT, 0, "dir" },
	{ "abs", O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT, 0, "dir" },
	{ "dir", O_PATH, RESOLVE_IN_ROOT, 0, "dir" },
	{ "dir", O_RDONLY | O_DIRECTORY, RESOLVE_IN_ROOT, 0, "dir" },
	{ "none", O_RDONLY, RESOLVE_IN_ROOT, -ENOENT, NULL },
	{ "dangling", O_RDONLY, RESOLVE_IN_ROOT, -ENOENT, NULL },
	{ "loop", O_RDONLY, RESOLVE_IN_ROOT, -ELOOP, NULL },
	{ "dir/file/x", O_RDONLY, RESOLVE_IN_ROOT, -ENOTDIR, NULL },
	{ "abs/file", O_RDONLY, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS, -ELOOP, NULL },
	{ "rel/file", O_RDONLY, RESOLVE_BENEATH, 0, "dir/file" },
	{ "abs/file", O_RDONLY, RESOLVE_BENEATH, -EXDEV, NULL },
	{ "../root/dir/file", O_RDONLY, RESOLVE_BENEATH, -EXDEV, NULL },
	{ "abs", O_RDONLY | O_NOFOLLOW, RESOLVE_IN_ROOT, -ELOOP, NULL },
	{ "dir/file", O_RDONLY, RESOLVE_IN_ROOT | RESOLVE_NO_XDEV, 0, "dir/file" },
};

static char base[64];

static int check_rows(void)
{
	autoclose int root = openat(AT_FDCWD, base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int failed = 0;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		autoclose int fd = joey_openat2(root, rows[i].path, rows[i].flags, 0, rows[i].resolve);
		struct stat a, b;
		bool ok;

		if (rows[i].expect < 0)
			ok = fd == rows[i].expect;
		else
			ok = fd >= 0 && fstat(fd, &a) == 0 && fstatat(root, rows[i].want, &b, 0) == 0 &&
			     a.st_ino == b.st_ino && a.st_dev == b.st_dev && (fcntl(fd, F_GETFD) & FD_CLOEXEC);
		if (!ok) {
			dprintf(2, "row %zu (%s): got %d\n", i, rows[i].path, fd);
			failed = 1;
		}
	}
	return failed;
}

static int hide_openat2(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { JOEY_ARRAY_SIZE(f), f };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static void run_in_child(bool hidden)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (hidden && hide_openat2() < 0)
			_exit(2);
		_exit(check_rows());
	}
	assert_int_equal(joey_wait_pid(pid, &status), 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void kernel_call(void **state)
{
	(void)state;
	run_in_child(false);
}

static void stand_in_gives_the_same(void **state)
{
	(void)state;
	run_in_child(true);
}

static void make_link(int dir, const char *target, const char *name)
{
	assert_int_equal(symlinkat(target, dir, name), 0);
}

static int make_tree(void **state)
{
	int dir, fd;

	(void)state;
	strcpy(base, "/tmp/joey-openat2-XXXXXX");
	assert_non_null(mkdtemp(base));
	dir = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(dir, "dir", 0755), 0);
	fd = openat(dir, "dir/file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	close(fd);
	make_link(dir, "/dir", "abs");
	make_link(dir, "dir", "rel");
	make_link(dir, "../../..", "up");
	make_link(dir, "/nowhere/at/all", "dangling");
	make_link(dir, "loop", "loop");
	close(dir);
	return 0;
}

static int remove_tree(void **state)
{
	static const char *const names[] = { "dir/file", "abs", "rel", "up", "dangling", "loop" };
	int dir = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(names); i++)
		unlinkat(dir, names[i], 0);
	unlinkat(dir, "dir", AT_REMOVEDIR);
	close(dir);
	return rmdir(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_call),
		cmocka_unit_test(stand_in_gives_the_same),
	};

	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
