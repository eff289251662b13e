/* SPDX-License-Identifier: Apache-2.0 */
/* src/conf: joey.conf(5). */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "joey/conf.h"
#include "unit.h"

static int parse(struct joey_conf *c, const char *text, struct joey_err *err)
{
	char *copy = strdup(text);
	int r;

	assert_non_null(copy);
	r = joey_conf_parse(c, "f", copy, strlen(copy), err);
	free(copy); /* nothing may point into it */
	return r;
}

static void test_everything(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_conf c = JOEY_CONF_INIT;
	const struct joey_conf_profile *p;

	(void)state;
	assert_int_equal(
		parse(&c,
		      "# comment\n\n \t\n[runtime]\nroot = /srv/joey\ncgroup_manager=systemd\n  log\t=  journald:x  \n"
		      "log_format = json\nlog_level = debug\nrootless = false\n"
		      "[ sandbox ]\nallow = option, config\ndefault = vm\nwithout_kvm = refuse\ntemplate_trust = "
		      "container\n"
		      "profile = a-1.b\nprofiles_allowed = a-1.b b\nkernel_dirs = /k /usr/k\nhypervisor_dirs=/\n"
		      "image_dirs =\nmax_vcpus = 8\nmax_memory = 2G\n"
		      "[profile a-1.b]\nmemory = 512M\nvcpus = 2\nkernel = /k/v\ninitramfs = /k/i\nhypervisor = /q\n"
		      "share = block\nnetwork = tap\nnetwork_devices = 4\n#\n[profile\tb]\nmemory = 4194304",
		      &err),
		0);
	assert_string_equal(c.file, "f");
	assert_string_equal(c.runtime.root, "/srv/joey");
	assert_string_equal(c.runtime.cgroup_manager, "systemd");
	assert_string_equal(c.runtime.log, "journald:x");
	assert_string_equal(c.runtime.log_format, "json");
	assert_string_equal(c.runtime.rootless, "false");
	assert_int_equal(c.runtime.log_level, JOEY_CONF_LOG_DEBUG);
	assert_int_equal(c.sandbox.allow, JOEY_CONF_ALLOW_OPTION | JOEY_CONF_ALLOW_CONFIG);
	assert_int_equal(c.sandbox.isolation, JOEY_CONF_VM);
	assert_int_equal(c.sandbox.without_kvm, JOEY_CONF_KVM_REFUSE);
	assert_int_equal(c.sandbox.trust, JOEY_CONF_TRUST_CONTAINER);
	assert_string_equal(c.sandbox.profile, "a-1.b");
	assert_int_equal(c.sandbox.profiles_allowed.n, 2);
	assert_int_equal(c.sandbox.kernel_dirs.n, 2);
	assert_string_equal(c.sandbox.kernel_dirs.v[1], "/usr/k");
	assert_null(c.sandbox.kernel_dirs.v[2]);
	assert_string_equal(c.sandbox.hypervisor_dirs.v[0], "/");
	assert_int_equal(c.sandbox.image_dirs.n, 0);
	assert_int_equal(c.sandbox.max_vcpus, 8);
	assert_int_equal(c.sandbox.max_memory, (uint64_t)2 << 30);
	assert_int_equal(c.n_profiles, 2);
	p = joey_conf_profile(&c, "a-1.b");
	assert_int_equal(p->memory, (uint64_t)512 << 20);
	assert_int_equal(p->vcpus, 2);
	assert_string_equal(p->kernel, "/k/v");
	assert_string_equal(p->initramfs, "/k/i");
	assert_string_equal(p->hypervisor, "/q");
	assert_int_equal(p->share, JOEY_CONF_SHARE_BLOCK);
	assert_int_equal(p->network, JOEY_CONF_NETWORK_TAP);
	assert_int_equal(p->network_devices, JOEY_CONF_NETWORK_DEVICES_4);
	p = joey_conf_profile(&c, "b");
	assert_int_equal(p->memory, 4194304);
	assert_int_equal(p->vcpus, 0);
	assert_int_equal(p->share, JOEY_CONF_SHARE_UNSET);
	assert_int_equal(p->network_devices, JOEY_CONF_NETWORK_DEVICES_UNSET);
	joey_conf_done(&c);
}

static void test_defaults(void **state)
{
	struct joey_conf c = JOEY_CONF_INIT;

	(void)state;
	assert_int_equal(parse(&c, "", NULL), 0);
	assert_int_equal(c.sandbox.allow, 15);
	assert_int_equal(c.sandbox.isolation, JOEY_CONF_NORMAL);
	assert_int_equal(c.sandbox.without_kvm, JOEY_CONF_KVM_COMPAT);
	assert_int_equal(c.sandbox.trust, JOEY_CONF_TRUST_SHARED);
	assert_null(c.runtime.root);
	assert_null(joey_conf_profile(&c, "x"));
	joey_conf_done(&c);
	assert_int_equal(parse(&c, "[sandbox]\nallow =\n", NULL), 0);
	assert_int_equal(c.sandbox.allow, 0);
	joey_conf_done(&c);
}

static const struct {
	const char *text, *error;
} bad[] = {
	{ "[nonsense]\n", "f:1: unknown section [nonsense]" },
	{ "\n\n[runtime", "f:3: no ] behind [runtime" },
	{ "[]", "f:1: unknown section []" },
	{ "[", "f:1: no ] behind [" },
	{ "[profile]", "f:1: [profile NAME] has a name" },
	{ "[profile ../x]", "f:1: bad name \"../x\" of a profile" },
	{ "[profile a b]", "f:1: bad name \"a b\" of a profile" },
	{ "[profile a]\n[profile a]", "f:2: [profile a] is there twice" },
	{ "[runtime]\n[sandbox]\n[runtime]", "f:3: [runtime] is there twice, first in line 1" },
	{ "root = /x", "f:1: root stands before the first [section]" },
	{ "[runtime]\nfoo = 1", "f:2: unknown key \"foo\" in [runtime]" },
	{ "[runtime]\nallow = option", "f:2: unknown key \"allow\" in [runtime]" },
	{ "[profile x]\nnetwork_devices = 2", "f:2: network_devices: bad value \"2\": wanted is one of 1, 4" },
	{ "[profile x]\nroot = /", "f:2: unknown key \"root\" in [profile]" },
	{ "[runtime]\nRoot = /", "f:2: unknown key \"Root\"" },
	{ "[runtime]\n= /", "f:2: unknown key \"\"" },
	{ "[runtime]\nroot /x", "f:2: neither [section] nor key = value: root /x" },
	{ "[runtime]\nroot = /x\nroot = /x", "f:3: root is set twice, first in line 2" },
	{ "[runtime]\nroot = /x # mine", "f:2: root: a comment has a line of its own" },
	{ "[runtime]\nroot = /x\r\n", "f:2: control character 0x0d in column 10" },
	{ "[runtime]\nroot = \x1b[2J", "f:2: control character 0x1b in column 8" },
	{ "[runtime]\nroot =", "f:2: root: bad value \"\": wanted is an absolute path" },
	{ "[runtime]\nroot = x", "f:2: root: bad value \"x\"" },
	{ "[runtime]\nroot = /x/", "f:2: root: bad value" },
	{ "[runtime]\nroot = //", "f:2: root: bad value" },
	{ "[runtime]\nroot = /a//b", "f:2: root: bad value" },
	{ "[runtime]\nroot = /a/../b", "f:2: root: bad value" },
	{ "[runtime]\nroot = /..", "f:2: root: bad value" },
	{ "[runtime]\nroot = /a/.", "f:2: root: bad value" },
	{ "[runtime]\nlog = x.log", "f:2: log: bad value" },
	{ "[runtime]\nlog = file:x.log", "f:2: log: bad value" },
	{ "[runtime]\ncgroup_manager = Systemd",
	  "f:2: cgroup_manager: bad value \"Systemd\": wanted is one of cgroupfs, " },
	{ "[runtime]\nlog_level =", "f:2: log_level: bad value \"\": wanted is one of warning, debug" },
	{ "[sandbox]\nallow = option root", "f:2: allow: bad value \"option root\": wanted are any of option, " },
	{ "[sandbox]\nkernel_dirs = /a b", "f:2: kernel_dirs: bad value" },
	{ "[sandbox]\nmax_vcpus = 0", "f:2: max_vcpus: bad value \"0\": wanted is a number from 1 to 1024" },
	{ "[sandbox]\nmax_vcpus = 1K", "f:2: max_vcpus: bad value" },
	{ "[sandbox]\nmax_vcpus = 4294967297", "f:2: max_vcpus: bad value" },
	{ "[sandbox]\nmax_memory = -1", "f:2: max_memory: bad value" },
	{ "[sandbox]\nmax_memory = M", "f:2: max_memory: bad value" },
	{ "[sandbox]\nmax_memory = 1MB", "f:2: max_memory: bad value" },
	{ "[sandbox]\nmax_memory = 1.5G", "f:2: max_memory: bad value" },
	{ "[sandbox]\nmax_memory = 20000000000000T", "f:2: max_memory: bad value" },
	{ "[sandbox]\nmax_memory = 99999999999999999999", "f:2: max_memory: bad value" },
	{ "[sandbox]\n\nprofile = x\n\n", "f:3: there is no [profile x]" },
	{ "[sandbox]\nprofiles_allowed = a, b\n[profile a]", "f:2: there is no [profile b]" },
	{ "[sandbox]\nprofiles_allowed = a, *\n[profile a]", "f:2: profiles_allowed: bad value" },
	{ "[profile x]\nshare =\n", "f:2: share: bad value" },
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(bad); i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;
		struct joey_conf c = JOEY_CONF_INIT;

		assert_int_equal(parse(&c, bad[i].text, &err), -EINVAL);
		assert_int_equal(err.kind, JOEY_EK_CONFIG);
		if (strncmp(joey_err_text(&err), bad[i].error, strlen(bad[i].error)) != 0)
			fail_msg("%s: got \"%s\"", bad[i].error, joey_err_text(&err));
		joey_conf_done(&c);
	}
}

static void test_nul(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_conf c = JOEY_CONF_INIT;
	char text[] = "[runtime]\nroot = /x\0y\n";

	(void)state;
	assert_int_equal(joey_conf_parse(&c, "f", text, sizeof(text) - 1, &err), -EINVAL);
	assert_string_equal(joey_err_text(&err), "f:2: control character 0x00 in column 10");
	joey_conf_done(&c);
}

static void test_too_many(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autostr struct joey_str s = JOEY_STR_INIT;
	struct joey_conf c = JOEY_CONF_INIT;

	(void)state;
	for (int i = 0; i < 257; i++)
		joey_str_printf(&s, "[profile p%d]\n", i);
	assert_int_equal(parse(&c, s.buf, &err), -EINVAL);
	assert_string_equal(joey_err_text(&err), "f:257: more than 256 profiles");
	joey_conf_done(&c);
	joey_str_done(&s);
	joey_err_clear(&err);
	joey_str_add(&s, "[sandbox]\nimage_dirs =");
	for (int i = 0; i < 65; i++)
		joey_str_printf(&s, " /%d", i);
	assert_int_equal(parse(&c, s.buf, &err), -EINVAL);
	assert_non_null(strstr(joey_err_text(&err), "too many words"));
	joey_conf_done(&c);
}

static void test_allowed(void **state)
{
	struct joey_conf c = JOEY_CONF_INIT;
	const struct joey_strlist *dirs = &c.sandbox.image_dirs;

	(void)state;
	assert_int_equal(parse(&c,
			       "[sandbox]\nprofile = a\nprofiles_allowed = b\nimage_dirs = /i/j\nkernel_dirs = /\n"
			       "[profile a]\n[profile b]\n[profile c]\n",
			       NULL),
			 0);
	assert_true(joey_conf_profile_allowed(&c, "a"));
	assert_true(joey_conf_profile_allowed(&c, "b"));
	assert_false(joey_conf_profile_allowed(&c, "c"));
	assert_false(joey_conf_profile_allowed(&c, "*"));
	assert_true(joey_conf_dir_allowed(dirs, "/i/j/k"));
	assert_true(joey_conf_dir_allowed(dirs, "/i/j/k/l"));
	assert_false(joey_conf_dir_allowed(dirs, "/i/j"));
	assert_false(joey_conf_dir_allowed(dirs, "/i/j/"));
	assert_false(joey_conf_dir_allowed(dirs, "/i/jk"));
	assert_false(joey_conf_dir_allowed(dirs, "/i"));
	assert_true(joey_conf_dir_allowed(&c.sandbox.kernel_dirs, "/x"));
	assert_false(joey_conf_dir_allowed(&c.sandbox.kernel_dirs, "x"));
	assert_false(joey_conf_dir_allowed(&c.sandbox.hypervisor_dirs, "/x"));
	joey_conf_done(&c);
	assert_int_equal(parse(&c, "[sandbox]\nprofiles_allowed = *\n", NULL), 0);
	assert_true(joey_conf_profile_allowed(&c, "c"));
	assert_false(joey_conf_profile_allowed(&c, NULL));
	joey_conf_done(&c);
}

/* ---- the file ------------------------------------------------------------------------------------------------ */

static char dir[40], file[64];

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/joey-conf-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/joey.conf", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(dir);
}

static void put(const char *text, size_t len, mode_t mode)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(joey_write_all(fd, text, len), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void read_fails(bool in_userns, const char *why)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_conf c = JOEY_CONF_INIT;

	assert_true(joey_conf_read(&c, file, in_userns, &err) < 0);
	if (!strstr(joey_err_text(&err), why) || !strstr(joey_err_text(&err), file))
		fail_msg("got \"%s\"", joey_err_text(&err));
	joey_conf_done(&c);
}

static void read_works(bool in_userns)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_conf c = JOEY_CONF_INIT;

	assert_int_equal(joey_conf_read(&c, file, in_userns, &err), 0);
	assert_string_equal(c.file, file);
	joey_conf_done(&c);
}

static void test_file(void **state)
{
	autofree char *big = malloc(65537);

	(void)state;
	read_fails(false, "no such file or directory");
	put("", 0, 0644);
	read_works(false);
	put("[runtime]\n", 10, 0400);
	read_works(false);
	put("[runtime]\n", 10, 0620);
	read_fails(false, "others than its owner may write to it");
	put("[runtime]\n", 10, 0602);
	read_fails(false, "others than its owner may write to it");
	memset(big, '\n', 65537);
	put(big, 65536, 0600);
	read_works(false);
	put(big, 65537, 0600);
	read_fails(false, "larger than 64 KiB");
	unlink(file);
	assert_int_equal(mkfifo(file, 0600), 0);
	read_fails(false, "not a regular file");
	unlink(file);
	assert_int_equal(mkdir(file, 0700), 0);
	read_fails(false, "not a regular file");
	rmdir(file);
}

static void test_owner(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	put("", 0, 0644);
	assert_int_equal(chown(file, 1234, 0), 0);
	read_fails(false, "belongs neither to root nor to the user of joey");
	read_fails(true, "belongs neither to root nor to the user of joey");
	assert_int_equal(chown(file, 65534, 0), 0);
	read_fails(false, "belongs neither to root nor to the user of joey");
	read_works(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_allowed),
		cmocka_unit_test_setup_teardown(test_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_owner, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
