/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the process half that need no privilege: parsers, capability arithmetic, environment, program search. */
#include "process_fixture.h"

#include "joey/blake2b.h"

/* ---- BLAKE2b: RFC 7693 appendix A, and the empty message of the reference's test vectors ------------------------ */

static void hex_of(const void *data, size_t len, size_t out_len, char *ret)
{
	struct joey_blake2b h;
	uint8_t d[64];

	joey_blake2b_init(&h, out_len);
	/* in two pieces: the split must not matter */
	joey_blake2b_add(&h, data, len / 3);
	joey_blake2b_add(&h, (const char *)data + len / 3, len - len / 3);
	joey_blake2b_finish(&h, d);
	for (size_t i = 0; i < out_len; i++)
		snprintf(ret + 2 * i, 3, "%02x", d[i]);
}

static void test_blake2b(void **state)
{
	char hex[129], block[300];

	(void)state;
	hex_of("abc", 3, 64, hex);
	assert_string_equal(hex, "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
				 "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
	hex_of("", 0, 64, hex);
	assert_string_equal(hex, "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419"
				 "d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce");
	hex_of("abc", 3, 32, hex);
	assert_string_equal(hex, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
	/* lengths around the block size, against what python's hashlib gives for bytes 0, 1, 2, ... */
	static const struct {
		size_t n;
		const char *want;
	} around[] = {
		{ 127, "f2fe67ff342e21b8f45e8f2e0bcd1d9243245d50ee6c78042e9c491388791c72" },
		{ 128, "c3582f71ebb2be66fa5dd750f80baae97554f3b015663c8be377cfcb2488c1d1" },
		{ 129, "f7f3c46ba2564ff4c4c162da1f5b605f9f1c4aa6a20652a9f9a337c1a2f5b9c9" },
		{ 256, "39a7eb9fedc19aabc83425c6755dd90e6f9d0c804964a1f4aaeea3b9fb599835" },
		{ 300, "3a486e3fe3ee414853000269ac020030aeef748cb05cd62ba85939ec298ef25c" },
	};
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)i;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(around); i++) {
		hex_of(block, around[i].n, 32, hex);
		assert_string_equal(hex, around[i].want);
	}
}

/* ---- passwd ---------------------------------------------------------------------------------------------------- */

static void test_passwd(void **state)
{
	static const struct {
		const char *text;
		uint32_t uid;
		const char *home;
	} cases[] = {
		{ "root:x:0:0:root:/root:/bin/sh\n", 0, "/root" },
		{ "root:x:0:0:root:/root", 0, "/root" },
		{ "root:x:0:0:root:/root:", 0, "/root" },
		{ "root:x:0:0:root\n", 0, NULL },
		{ "root:x:0:0:root:\n", 0, NULL },
		{ "root:x:0:0:root::/bin/sh\n", 0, NULL },
		{ "# comment\n\n:::\nu:x:5:5::/five:/bin/sh\n", 5, "/five" },
		{ "a:x:1:1::/a:\nb:x:1:1::/b:\n", 1, "/a" },
		{ "b:x:+1:1::/b:\nc:x: 1:1::/c:\nd:x:0x1:1::/d:\n", 1, NULL },
		{ "a:x:4294967296:1::/wrap:\n", 0, NULL },
		{ "a:x:4294967295:1::/minus:\n", 4294967295u, NULL },
		{ "a:x:18446744073709551616:1::/wrap:\n", 0, NULL },
		{ "a:x::1::/empty:\n", 0, NULL },
		{ "a:x:7:7:ge:co:s:/x\n", 7, "co" },
		{ "", 0, NULL },
		{ "\n", 0, NULL },
		{ ":", 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(cases); i++) {
		const char *home = NULL;
		size_t len = 0;
		bool found = passwd_find_home(cases[i].text, strlen(cases[i].text), cases[i].uid, &home, &len);

		assert_int_equal(found, cases[i].home != NULL);
		if (found) {
			assert_int_equal(len, strlen(cases[i].home));
			assert_memory_equal(home, cases[i].home, len);
		}
	}
}

static void test_passwd_bounds(void **state)
{
	static const char nul[] = "a:x:3:3::/ho\0me:/bin/sh\n";
	autofree char *line = malloc(10000);
	const char *home;
	size_t len;

	(void)state;
	assert_false(passwd_find_home(nul, sizeof(nul) - 1, 3, &home, &len));
	/* a line beyond the limit is passed over, the next one is read */
	assert_non_null(line);
	memset(line, 'g', 9000);
	memcpy(line, "a:x:3:3:", 8);
	memcpy(line + 8900, ":/long:/sh\nb:x:3:3::/b:\n", 25);
	assert_true(passwd_find_home(line, 8924, 3, &home, &len));
	assert_memory_equal(home, "/b", len);
}

/* ---- bit lists, sysctl keys -------------------------------------------------------------------------------------- */

static void test_bitlist(void **state)
{
	static const struct {
		const char *text;
		int r;
		unsigned long low;
		unsigned top;
	} cases[] = {
		{ "0", 0, 1, 1 },           { "0-3", 0, 0xf, 4 },
		{ "1,3,5-6", 0, 0x6a, 7 },  { "5-6,1", 0, 0x62, 7 },
		{ "7,7", 0, 0x80, 8 },      { "", -EINVAL, 0, 0 },
		{ ",", -EINVAL, 0, 0 },     { "1,", -EINVAL, 0, 0 },
		{ "3-1", -EINVAL, 0, 0 },   { "-1", -EINVAL, 0, 0 },
		{ "1-", -EINVAL, 0, 0 },    { "1 2", -EINVAL, 0, 0 },
		{ "0x1", -EINVAL, 0, 0 },   { "128", -ERANGE, 0, 0 },
		{ "0-128", -ERANGE, 0, 0 }, { "4294967296", -ERANGE, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(cases); i++) {
		unsigned long map[128 / 8 / sizeof(long)] = { 0 };
		unsigned top = 0;

		assert_int_equal(bitlist_parse(cases[i].text, map, 128, &top), cases[i].r);
		if (cases[i].r == 0) {
			assert_true(map[0] == cases[i].low);
			assert_int_equal(top, cases[i].top);
		}
	}
}

static void test_sysctl_keys(void **state)
{
	static const char *const good[] = { "net/ipv4/ip_forward", "net/ipv4/conf/eno2.100/forwarding", "kernel/sem",
					    "a..b", "..." };
	static const char *const bad[] = {
		"",     "/",           "/net",    "net/",        "net//x",  ".",       "..",
		"../x", "net/../../x", "net/./x", "net/ipv4/..", "net/x y", "net/x\n", "\x7f"
	};
	char longest[300];

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(good); i++)
		assert_true(sysctl_key_is_safe(good[i]));
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(bad); i++)
		assert_false(sysctl_key_is_safe(bad[i]));
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_false(sysctl_key_is_safe(longest));
}

/* ---- capabilities ----------------------------------------------------------------------------------------------- */

static void test_caps_final(void **state)
{
	static const struct {
		struct joey_caps cfg;
		struct caps now, want;
	} cases[] = {
		/* bounding, effective, inheritable, permitted, ambient */
		{ { 7, 7, 0, 7, 0 }, { 7, 7, 0 }, { 7, 7, 0 } },
		{ { 0, 0, 0, 0, 0 }, { 7, 7, 7 }, { 0, 0, 0 } },
		{ { 7, 7, 7, 7, 7 }, { 1, 1, 0 }, { 1, 1, 1 } },
		{ { 1, 3, 3, 3, 0 }, { 7, 7, 0 }, { 3, 3, 1 } },
		/* effective never beyond permitted */
		{ { 7, 7, 0, 1, 0 }, { 7, 7, 0 }, { 1, 1, 0 } },
		/* inheritable beyond the bounding set only if it was so before */
		{ { 0, 0, 6, 6, 0 }, { 7, 7, 2 }, { 0, 6, 2 } },
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(cases); i++) {
		struct joey_caps cfg = cases[i].cfg;
		struct joey_process p = { .caps = &cfg };
		struct caps got;

		caps_final(&p, &cases[i].now, &got);
		assert_true(got.effective == cases[i].want.effective);
		assert_true(got.permitted == cases[i].want.permitted);
		assert_true(got.inheritable == cases[i].want.inheritable);
	}
}

static void test_caps_final_absent(void **state)
{
	const struct caps now = { 3, 7, 1 };
	struct joey_process p = { .user.uid = 0 };
	struct caps got;

	(void)state;
	caps_final(&p, &now, &got);
	assert_true(got.effective == 3 && got.permitted == 7 && got.inheritable == 1);
	p.user.uid = 1000;
	caps_final(&p, &now, &got);
	assert_true(got.effective == 0 && got.permitted == 0 && got.inheritable == 1);
}

/* ---- environment and program, in a root of the test's own ------------------------------------------------------- */

struct tree {
	char dir[32];
	int fd;
};

static void put(int at, const char *path, mode_t mode, const char *text)
{
	autoclose int fd = openat(at, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
}

static int tree_setup(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	strcpy(t->dir, "/tmp/joey-unit.XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	assert_int_equal(chmod(t->dir, 0755), 0);
	t->fd = open(t->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(t->fd >= 0);
	assert_int_equal(mkdirat(t->fd, "etc", 0755), 0);
	assert_int_equal(mkdirat(t->fd, "bin", 0755), 0);
	assert_int_equal(mkdirat(t->fd, "bin2", 0755), 0);
	assert_int_equal(mkdirat(t->fd, "bin/dir", 0755), 0);
	put(t->fd, "bin/good", 0755, "#!/bin/sh\n");
	put(t->fd, "bin/plain", 0644, "x");
	put(t->fd, "bin2/plain", 0755, "#!/bin/sh\n");
	*state = t;
	return 0;
}

static int tree_teardown(void **state)
{
	struct tree *t = *state;
	char cmd[64];

	joey_close(t->fd);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", t->dir);
	assert_int_equal(system(cmd), 0);
	free(t);
	return 0;
}

static const char *home_of(struct tree *t, char **env, size_t n, uint32_t uid, char *buf, size_t size)
{
	struct bare b;
	autoerr struct joey_err err = JOEY_ERR_INIT;

	bare_init(&b);
	b.process.env = (struct joey_strlist){ env, n };
	b.process.user.uid = uid;
	b.setup.root_fd = fcntl(t->fd, F_DUPFD_CLOEXEC, 3);
	assert_int_equal(step_environment(&b.setup, &err), 0);
	buf[0] = '\0';
	for (size_t i = 0; b.setup.envp[i]; i++)
		if (strncmp(b.setup.envp[i], "HOME=", 5) == 0) {
			assert_int_equal(buf[0], '\0'); /* once */
			snprintf(buf, size, "%s", b.setup.envp[i]);
		}
	joey_setup_done(&b.setup);
	return buf;
}

static void test_environment(void **state)
{
	struct tree *t = *state;
	static char path[] = "PATH=/bin", given[] = "HOME=/given", empty[] = "HOME=", homer[] = "HOMER=/x";
	char *with[] = { path, given }, *without[] = { path, homer }, *blank[] = { empty, path };
	char buf[64];

	/* no passwd at all */
	assert_string_equal(home_of(t, without, 2, 0, buf, sizeof(buf)), "HOME=/");
	put(t->fd, "etc/passwd", 0644, "root:x:0:0::/root:/bin/sh\nu:x:1000:1000::/home/u:/bin/sh\n");
	assert_string_equal(home_of(t, without, 2, 0, buf, sizeof(buf)), "HOME=/root");
	assert_string_equal(home_of(t, without, 2, 1000, buf, sizeof(buf)), "HOME=/home/u");
	assert_string_equal(home_of(t, without, 2, 1001, buf, sizeof(buf)), "HOME=/");
	assert_string_equal(home_of(t, with, 2, 1000, buf, sizeof(buf)), "HOME=/given");
	assert_string_equal(home_of(t, blank, 2, 1000, buf, sizeof(buf)), "HOME=/home/u");
	assert_string_equal(home_of(t, NULL, 0, 1000, buf, sizeof(buf)), "HOME=/home/u");
}

/* What an image may put in the place of the file: never opened, never followed out of the root, never waited for. */
static void test_environment_hostile(void **state)
{
	struct tree *t = *state;
	char buf[64], *none[] = { NULL };

	assert_int_equal(mkfifoat(t->fd, "etc/passwd", 0666), 0);
	assert_string_equal(home_of(t, none, 0, 0, buf, sizeof(buf)), "HOME=/");
	assert_int_equal(unlinkat(t->fd, "etc/passwd", 0), 0);
	assert_int_equal(mkdirat(t->fd, "etc/passwd", 0755), 0);
	assert_string_equal(home_of(t, none, 0, 0, buf, sizeof(buf)), "HOME=/");
	assert_int_equal(unlinkat(t->fd, "etc/passwd", AT_REMOVEDIR), 0);
	/* the host's file must not be read through a link; root's home there is /root */
	assert_int_equal(symlinkat("/../../../../etc/passwd", t->fd, "etc/passwd"), 0);
	assert_string_equal(home_of(t, none, 0, 0, buf, sizeof(buf)), "HOME=/");
	assert_int_equal(unlinkat(t->fd, "etc/passwd", 0), 0);
	assert_int_equal(symlinkat("/proc/self/fd/0", t->fd, "etc/passwd"), 0);
	assert_string_equal(home_of(t, none, 0, 0, buf, sizeof(buf)), "HOME=/");
	assert_int_equal(unlinkat(t->fd, "etc/passwd", 0), 0);
	{
		autoclose int fd = openat(t->fd, "etc/passwd", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		assert_int_equal(write(fd, "root:x:0:0::/big:\n", 18), 18);
		assert_int_equal(ftruncate(fd, 2 << 20), 0);
	}
	assert_string_equal(home_of(t, none, 0, 0, buf, sizeof(buf)), "HOME=/");
}

static void test_resolve(void **state)
{
	struct tree *t = *state;
	char path[128], cwd[256];
	/* %s is the tree; want: the path found, or the text of the error */
	static const struct {
		const char *name, *path, *want;
		int errnum;
	} cases[] = {
		{ "good", "PATH=%s/bin2:%s/bin", "%s/bin/good", 0 },
		{ "plain", "PATH=%s/bin:%s/bin2", "%s/bin2/plain", 0 },
		{ "good", "PATH=/nonexistent:%s/bin", "%s/bin/good", 0 },
		{ "%s/bin/good", "PATH=", "%s/bin/good", 0 },
		{ "bin/good", "PATH=", "bin/good", 0 },
		{ "good", "PATH=:/nonexistent", "exec: \"good\": executable file not found in $PATH", ENOENT },
		{ "nope", "PATH=%s/bin", "exec: \"nope\": executable file not found in $PATH", ENOENT },
		{ "dir", "PATH=%s/bin", "exec: \"dir\": executable file not found in $PATH", ENOENT },
		{ "good", "PATH=", "exec: \"good\": executable file not found in $PATH", ENOENT },
		{ "good", "NOPATH=%s/bin", "exec: \"good\": executable file not found in $PATH", ENOENT },
		{ "", "PATH=%s/bin", "exec: \"\": executable file not found in $PATH", ENOENT },
		{ "/nope", "PATH=%s/bin", "exec: \"/nope\": stat /nope: no such file or directory", ENOENT },
		{ "%s/bin/good/x", "PATH=/", "exec: \"%s/bin/good/x\": stat %s/bin/good/x: not a directory", ENOTDIR },
		{ "%s/bin/plain", "PATH=/", "exec: \"%s/bin/plain\": permission denied", EACCES },
		{ "%s/bin/dir", "PATH=/", "exec: \"%s/bin/dir\": is a directory", EISDIR },
	};

	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_int_equal(chdir(t->dir), 0);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(cases); i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;
		char name[128], want[256], *env[] = { path }, *args[] = { name, NULL };
		struct bare b;
		int r;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(name, sizeof(name), cases[i].name, t->dir);
		snprintf(path, sizeof(path), cases[i].path, t->dir, t->dir);
		snprintf(want, sizeof(want), cases[i].want, t->dir, t->dir);
#pragma GCC diagnostic pop
		bare_init(&b);
		b.process.args = (struct joey_strlist){ args, 1 };
		b.process.env = (struct joey_strlist){ env, 1 };
		r = step_resolve_executable(&b.setup, &err);
		assert_int_equal(r, -cases[i].errnum);
		assert_string_equal(r == 0 ? b.setup.exec_path : joey_err_text(&err), want);
		joey_setup_done(&b.setup);
	}
	assert_int_equal(chdir(cwd), 0);
}

/* `exec /path: <errno>`, and one line only */
static void test_exec_text(void **state)
{
	struct tree *t = *state;
	autoerr struct joey_err err = JOEY_ERR_INIT;
	char name[64], want[128], *args[] = { name, NULL }, *env[] = { NULL };
	struct bare b;

	put(t->fd, "bin/bad", 0755, "#!/nonexistent/interpreter\n");
	snprintf(name, sizeof(name), "%s/bin/bad", t->dir);
	bare_init(&b);
	b.process.args = (struct joey_strlist){ args, 1 };
	b.setup.exec_path = strdup(name);
	b.setup.envp = env;
	assert_true(joey_setup_exec(&b.setup, &err) < 0);
	snprintf(want, sizeof(want), "exec %s: no such file or directory", name);
	assert_string_equal(joey_err_text(&err), want);
	b.setup.envp = NULL;
	joey_setup_done(&b.setup);
}

/* ---- sockets ---------------------------------------------------------------------------------------------------- */

static void test_unix_connect(void **state)
{
	struct tree *t = *state;
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autostr struct joey_str path = JOEY_STR_INIT;
	int fd = -EBADF;

	joey_str_printf(&path, "%s/none", t->dir);
	assert_int_equal(joey_unix_connect(path.buf, &fd, &err), -ENOENT);
	assert_int_equal(fd, -EBADF);
	joey_err_clear(&err);
	/* far beyond sun_path, and the directory is there */
	for (int i = 0; i < 3; i++) {
		joey_str_done(&path);
		path = (struct joey_str)JOEY_STR_INIT;
		joey_str_printf(&path, "%s", t->dir);
		for (int j = 0; j <= i; j++)
			joey_str_printf(&path, "/%060d", j);
		assert_int_equal(mkdir(path.buf, 0755), 0);
	}
	joey_str_add(&path, "/sock");
	assert_int_equal(joey_unix_connect(path.buf, &fd, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blake2b),
		cmocka_unit_test(test_passwd),
		cmocka_unit_test(test_passwd_bounds),
		cmocka_unit_test(test_bitlist),
		cmocka_unit_test(test_sysctl_keys),
		cmocka_unit_test(test_caps_final),
		cmocka_unit_test(test_caps_final_absent),
		cmocka_unit_test_setup_teardown(test_environment, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_environment_hostile, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_resolve, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_exec_text, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_unix_connect, tree_setup, tree_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
