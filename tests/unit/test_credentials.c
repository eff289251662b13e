/* SPDX-License-Identifier: Apache-2.0 */
/* From root to the payload: ids, groups, capability sets, umask, working directory, stdio, as the kernel shows them. */
#include "process_fixture.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>

#include "joey/log.h"
#include "joey/syscalls.h"

/* A field of /proc/self/status. */
static void status_field(const char *name, char *ret, size_t size)
{
	char text[8192], *line;
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	CHECK(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	CHECK(n > 0);
	close(fd);
	text[n] = '\0';
	line = strstr(text, name);
	CHECK(line);
	line += strlen(name) + 1;
	line += strspn(line, "\t ");
	line[strcspn(line, "\n")] = '\0';
	snprintf(ret, size, "%s", line);
}

static uint64_t status_hex(const char *name)
{
	char text[128];

	status_field(name, text, sizeof(text));
	return strtoull(text, NULL, 16);
}

#define ALL      UINT64_MAX
#define DEFAULTS 0xa80425fbULL /* what Docker and containerd give */

struct creds_case {
	uint32_t uid, gid;
	uint32_t groups[3];
	size_t n_groups;
	bool has_caps, nnp;
	struct joey_caps caps; /* bounding, effective, inheritable, permitted, ambient */
	/* beyond what joey itself has nothing is expected */
	uint64_t bnd, eff, inh, prm, amb;
	const char *groups_text;
};

static const struct creds_case cases[] = {
	{ 0, 0, { 0 }, 0, true, false, { ALL, ALL, 0, ALL, 0 }, ALL, ALL, 0, ALL, 0, "" },
	{ 0, 0, { 0 }, 0, true, true, { DEFAULTS, DEFAULTS, 0, DEFAULTS, 0 }, DEFAULTS, DEFAULTS, 0, DEFAULTS, 0, "" },
	{ 1000, 1000, { 0 }, 0, true, true, { DEFAULTS, 0, 0, 0, 0 }, DEFAULTS, 0, 0, 0, 0, "" },
	{ 1000,
	  100,
	  { 5, 6, 7 },
	  3,
	  true,
	  false,
	  { DEFAULTS, DEFAULTS, 0, DEFAULTS, 0 },
	  DEFAULTS,
	  DEFAULTS,
	  0,
	  DEFAULTS,
	  0,
	  "5 6 7" },
	{ 1000,
	  1000,
	  { 0 },
	  0,
	  true,
	  true,
	  { 0x400, 0x400, 0x400, 0x400, 0x400 },
	  0x400,
	  0x400,
	  0x400,
	  0x400,
	  0x400,
	  "" },
	/* ambient only where permitted and inheritable */
	{ 1000, 1000, { 0 }, 0, true, false, { 0xff, 0xff, 0x0f, 0x33, 0xff }, 0xff, 0x33, 0x0f, 0x33, 0x03, "" },
	{ 0, 0, { 10 }, 1, true, false, { 0, 0, 0, 0, 0 }, 0, 0, 0, 0, 0, "10" },
	/* no capabilities object: root keeps, another user loses, the bounding set stays */
	{ 0, 0, { 0 }, 0, false, false, { 0, 0, 0, 0, 0 }, ALL, ALL, 0, ALL, 0, "" },
	{ 1000, 1000, { 0 }, 0, false, false, { 0, 0, 0, 0, 0 }, ALL, 0, 0, 0, 0, "" },
	{ 4294967294u, 4294967294u, { 4294967294u }, 1, true, true, { 1, 1, 0, 1, 0 }, 1, 1, 0, 1, 0, "4294967294" },
};

static void check_ids(const struct creds_case *c)
{
	char text[256], want[256];

	status_field("Uid:", text, sizeof(text));
	snprintf(want, sizeof(want), "%u\t%u\t%u\t%u", c->uid, c->uid, c->uid, c->uid);
	CHECK(strcmp(text, want) == 0);
	status_field("Gid:", text, sizeof(text));
	snprintf(want, sizeof(want), "%u\t%u\t%u\t%u", c->gid, c->gid, c->gid, c->gid);
	CHECK(strcmp(text, want) == 0);
	status_field("Groups:", text, sizeof(text));
	if (text[0] && text[strlen(text) - 1] == ' ')
		text[strlen(text) - 1] = '\0';
	CHECK(strcmp(text, c->groups_text) == 0);
	status_field("NoNewPrivs:", text, sizeof(text));
	CHECK((text[0] == '1') == c->nnp);
	status_field("Umask:", text, sizeof(text));
	CHECK(strcmp(text, "0022") == 0);
}

static void run_case(void *arg)
{
	const struct creds_case *c = arg;
	struct joey_caps caps = c->caps;
	struct joey_err err = JOEY_ERR_INIT;
	uint32_t groups[3];
	uint64_t bnd, prm;
	struct bare b;

	bare_init(&b);
	memcpy(groups, c->groups, sizeof(groups));
	b.process.user = (struct joey_user){
		.uid = c->uid, .gid = c->gid, .additional_gids = groups, .n_additional_gids = c->n_groups
	};
	b.process.caps = c->has_caps ? &caps : NULL;
	b.process.no_new_privileges = c->nnp;
	CHECK(setgroups(2, (gid_t[]){ 77, 78 }) == 0);
	umask(0);
	bnd = status_hex("CapBnd:");
	prm = status_hex("CapPrm:");
	if (wants_no_new_privs(&b.setup))
		CHECK_OK(step_no_new_privs(&b.setup, &err), &err);
	CHECK_OK(step_chdir(&b.setup, &err), &err);
	CHECK_OK(step_credentials(&b.setup, &err), &err);
	check_ids(c);
	CHECK(status_hex("CapBnd:") == (c->bnd & bnd));
	CHECK(status_hex("CapPrm:") == (c->prm & prm));
	CHECK(status_hex("CapEff:") == (c->eff & prm));
	CHECK(status_hex("CapInh:") == (c->inh & prm));
	CHECK(status_hex("CapAmb:") == (c->amb & prm));
}

static void test_table(void **state)
{
	(void)state;
	ROOT_ONLY();
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(cases); i++) {
		struct creds_case c = cases[i];

		print_message("# case %zu\n", i);
		in_child(run_case, &c);
	}
}

/* Ambient capabilities that joey was started with (AmbientCapabilities= of a unit) do not reach the payload. */
static void inherited_ambient(void *arg)
{
	struct joey_caps caps = { .bounding = ALL, .permitted = ALL, .effective = ALL };
	struct joey_err err = JOEY_ERR_INIT;
	struct caps now;
	struct bare b;

	(void)arg;
	CHECK(caps_get(&now) == 0);
	now.inheritable = now.permitted;
	CHECK(caps_apply(&now) == 0);
	CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0) == 0);
	CHECK(status_hex("CapAmb:") == 1);
	bare_init(&b);
	b.process.caps = &caps;
	CHECK_OK(step_credentials(&b.setup, &err), &err);
	CHECK(status_hex("CapAmb:") == 0);
	CHECK(status_hex("CapInh:") == 0);
}

static void test_inherited_ambient(void **state)
{
	(void)state;
	ROOT_ONLY();
	in_child(inherited_ambient, NULL);
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* Only 0 is mapped, and setgroups is denied: as rootless without newgidmap. */
static void enter_single_map(void)
{
	if (unshare(CLONE_NEWUSER) < 0)
		SKIP_CHILD("no user namespaces");
	write_text("/proc/self/setgroups", "deny");
	write_text("/proc/self/uid_map", "0 0 1");
	write_text("/proc/self/gid_map", "0 0 1");
}

static void unmapped(void *arg)
{
	struct joey_err err = JOEY_ERR_INIT;
	uint32_t gid = 5;
	struct bare b;

	(void)arg;
	enter_single_map();
	bare_init(&b);
	b.setup.in_userns = true;
	b.process.user = (struct joey_user){ .uid = 1000 };
	CHECK(step_credentials(&b.setup, &err) == -EINVAL);
	CHECK(strcmp(joey_err_text(&err), "cannot setuid to unmapped uid 1000 in user namespace") == 0);
	joey_err_clear(&err);
	b.process.user = (struct joey_user){ .gid = 7 };
	CHECK(step_credentials(&b.setup, &err) == -EINVAL);
	CHECK(strcmp(joey_err_text(&err), "cannot setgid to unmapped gid 7 in user namespace") == 0);
	joey_err_clear(&err);
	b.process.user = (struct joey_user){ .additional_gids = &gid, .n_additional_gids = 1 };
	CHECK(step_credentials(&b.setup, &err) == -EPERM);
	CHECK(strcmp(joey_err_text(&err), "cannot set any additional groups in a rootless container") == 0);
	joey_err_clear(&err);
	b.process.user = (struct joey_user){ .uid = 0 };
	CHECK_OK(step_credentials(&b.setup, &err), &err);
}

static void test_unmapped(void **state)
{
	(void)state;
	ROOT_ONLY();
	in_child(unmapped, NULL);
}

/* EPERM without a user namespace is an error: groups are never kept by accident. */
static void groups_must_go(void *arg)
{
	struct joey_err err = JOEY_ERR_INIT;
	struct caps c;
	struct bare b;

	(void)arg;
	CHECK(caps_get(&c) == 0);
	c.effective &= ~(1ULL << CAP_SETGID);
	c.permitted = c.effective;
	CHECK(caps_apply(&c) == 0);
	bare_init(&b);
	CHECK(step_credentials(&b.setup, &err) == -EPERM);
	joey_err_clear(&err);
	b.setup.in_userns = true;
	CHECK(step_credentials(&b.setup, &err) == -EPERM);
}

static void test_groups_must_go(void **state)
{
	(void)state;
	ROOT_ONLY();
	in_child(groups_must_go, NULL);
}

static void keep_groups(void *arg)
{
	char key[] = "run.oci.keep_original_groups", one[] = "1", text[64];
	struct joey_pair pair = { key, one };
	struct joey_err err = JOEY_ERR_INIT;
	struct bare b;

	(void)arg;
	bare_init(&b);
	b.config.annotations = (struct joey_pairs){ &pair, 1 };
	CHECK(setgroups(1, (gid_t[]){ 77 }) == 0);
	CHECK_OK(step_credentials(&b.setup, &err), &err);
	status_field("Groups:", text, sizeof(text));
	CHECK(strncmp(text, "77", 2) == 0);
}

static void test_keep_groups(void **state)
{
	(void)state;
	ROOT_ONLY();
	in_child(keep_groups, NULL);
}

static void umasks(void *arg)
{
	static const struct {
		bool exec, own_set, init_set;
		uint32_t own, init;
		mode_t want;
	} table[] = {
		{ false, false, false, 0, 0, 0022 },  { false, true, false, 0, 0, 0 },
		{ false, true, true, 0077, 0, 0077 }, { true, false, false, 0, 0, 0123 },
		{ true, false, true, 0, 0027, 0027 }, { true, true, true, 0, 0027, 0 },
	};
	struct joey_err err = JOEY_ERR_INIT;

	(void)arg;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(table); i++) {
		struct joey_process own = { 0 };
		struct bare b;

		bare_init(&b);
		own.cwd = b.process.cwd;
		b.setup.exec_only = table[i].exec;
		b.setup.process = &own;
		own.user.umask = (struct joey_opt_u32){ table[i].own_set, table[i].own };
		b.process.user.umask = (struct joey_opt_u32){ table[i].init_set, table[i].init };
		umask(0123);
		CHECK_OK(step_credentials(&b.setup, &err), &err);
		CHECK(umask(0) == table[i].want);
	}
}

static void test_umasks(void **state)
{
	(void)state;
	ROOT_ONLY();
	in_child(umasks, NULL);
}

/* ---- working directory ------------------------------------------------------------------------------------------- */

static int try_cwd(char *cwd, uint32_t uid, struct joey_err *err)
{
	struct bare b;
	int r;

	bare_init(&b);
	b.process.cwd = cwd;
	b.process.user = (struct joey_user){ .uid = uid, .gid = uid };
	r = step_chdir(&b.setup, err);
	return r < 0 ? r : step_credentials(&b.setup, err);
}

static void private_tmp(void)
{
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("tmpfs", "/mnt", "tmpfs", 0, NULL) == 0);
}

static void cwd_missing(void *arg)
{
	char path[] = "/nonexistent/dir";
	struct joey_err err = JOEY_ERR_INIT;

	(void)arg;
	CHECK(try_cwd(path, 0, &err) == -ENOENT);
	CHECK(strcmp(joey_err_text(&err), "chdir to cwd (\"/nonexistent/dir\") set in config.json failed: "
					  "no such file or directory") == 0);
}

/* Root may, the user may not: allowed, as runc does.  Root may not, the user may: allowed as well. */
static void cwd_modes(void *arg)
{
	char roots[] = "/mnt/roots", users[] = "/mnt/users";
	struct joey_err err = JOEY_ERR_INIT;
	struct caps c;
	pid_t pid;
	int st;

	(void)arg;
	private_tmp();
	CHECK(mkdir(roots, 0700) == 0 && mkdir(users, 0700) == 0 && chown(users, 1000, 1000) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK_OK(try_cwd(roots, 1000, &err), &err);
		_exit(0);
	}
	CHECK(waitpid(pid, &st, 0) == pid && st == 0);
	CHECK(caps_get(&c) == 0);
	c.effective &= ~(1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_DAC_READ_SEARCH);
	c.permitted = c.effective;
	CHECK(caps_apply(&c) == 0);
	CHECK(chdir(users) < 0 && errno == EACCES);
	CHECK_OK(try_cwd(users, 1000, &err), &err);
}

/* A leaked descriptor of a directory that is not below our root (CVE-2024-21626). */
static void cwd_leaked(void *arg)
{
	struct joey_err err = JOEY_ERR_INIT;
	char cwd[64];
	int fd;

	(void)arg;
	private_tmp();
	fd = open("/mnt", O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0);
	CHECK(umount2("/mnt", MNT_DETACH) == 0);
	snprintf(cwd, sizeof(cwd), "/proc/self/fd/%d", fd);
	CHECK(try_cwd(cwd, 0, &err) == -EXDEV);
	CHECK(strstr(joey_err_text(&err), "outside of container mount namespace root"));
	joey_err_clear(&err);
	/* outside of a chroot */
	CHECK(mount("tmpfs", "/mnt", "tmpfs", 0, NULL) == 0 && mkdir("/mnt/proc", 0755) == 0);
	CHECK(mount("/proc", "/mnt/proc", NULL, MS_BIND | MS_REC, NULL) == 0);
	fd = open("/usr", O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0 && chdir("/mnt") == 0 && chroot(".") == 0);
	snprintf(cwd, sizeof(cwd), "/proc/self/fd/%d", fd);
	CHECK(try_cwd(cwd, 0, &err) == -EXDEV);
	joey_err_clear(&err);
	/* removed */
	strcpy(cwd, "/gone");
	CHECK(mkdir(cwd, 0755) == 0);
	fd = open(cwd, O_RDONLY | O_DIRECTORY);
	CHECK(rmdir(cwd) == 0);
	snprintf(cwd, sizeof(cwd), "/proc/self/fd/%d", fd);
	CHECK(try_cwd(cwd, 0, &err) == -ENOENT);
}

static void test_cwd(void **state)
{
	(void)state;
	ROOT_ONLY();
	in_child(cwd_missing, NULL);
	in_child(cwd_modes, NULL);
	in_child(cwd_leaked, NULL);
}

/* ---- stdio ------------------------------------------------------------------------------------------------------ */

static void stdio_owner(void *arg)
{
	struct joey_err err = JOEY_ERR_INIT;
	struct stat st;
	struct bare b;
	int p[2], null;

	(void)arg;
	CHECK(pipe2(p, O_CLOEXEC) == 0);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	CHECK(dup2(null, 0) == 0 && dup2(p[1], 1) == 1);
	close(2);
	bare_init(&b);
	b.process.user = (struct joey_user){ .uid = 1000, .gid = 2000 };
	if (step_credentials(&b.setup, &err) < 0)
		_exit(3);
	if (fstat(p[1], &st) < 0 || st.st_uid != 1000 || st.st_gid == 2000)
		_exit(4);
	if (fstat(null, &st) < 0 || st.st_uid != 0)
		_exit(5);
}

static void test_stdio_owner(void **state)
{
	(void)state;
	ROOT_ONLY();
	in_child(stdio_owner, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),       cmocka_unit_test(test_inherited_ambient),
		cmocka_unit_test(test_unmapped),    cmocka_unit_test(test_groups_must_go),
		cmocka_unit_test(test_keep_groups), cmocka_unit_test(test_umasks),
		cmocka_unit_test(test_cwd),         cmocka_unit_test(test_stdio_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
