/* SPDX-License-Identifier: Apache-2.0 */
/* Rootfs, pivot, devices, masks, read-only paths, standard streams, working directory. */
#include "mounts_fixture.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "joey/syscalls.h"

#define DEV_TMPFS \
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"nosuid\",\"mode=755\"]}"
#define PROC "{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"}"

static void run(void **state, struct fx_case c)
{
	fx_run(*state, &c);
}

/* ---- pivot ---- */

static void check_pivot(struct joey_setup *s)
{
	struct stat root, ours, cwd;
	char buf[256];

	CHECK(stat("/", &root) == 0 && fstat(s->root_fd, &ours) == 0 && stat(".", &cwd) == 0);
	CHECK(root.st_ino == ours.st_ino && root.st_dev == ours.st_dev && cwd.st_ino == root.st_ino);
	CHECK(access("/in-rootfs", F_OK) == 0);
	CHECK(access("/tmp/joey-host", F_OK) < 0 && access("/work", F_OK) < 0);
	CHECK(getcwd(buf, sizeof(buf)) && strcmp(buf, "/") == 0);
	/* ".." of the root is the root, and no old root lies over it */
	CHECK(stat("/..", &root) == 0 && root.st_ino == ours.st_ino);
	CHECK(s->host_root_fd < 0 && s->rootfs_fd < 0);
}

static void check_pivot_proc(struct joey_setup *s)
{
	FILE *in = fopen("/proc/self/mountinfo", "re");
	char line[4096];
	int n = 0;

	check_pivot(s);
	CHECK(in);
	while (fgets(line, sizeof(line), in))
		n++;
	/* "/" and "/proc": nothing of the host is left */
	CHECK(n == 2);
}

static void test_pivot(void **state)
{
	fx_file(*state, "rootfs/in-rootfs", "");
	run(state, (struct fx_case){ .until = FX_PIVOTED, .check = check_pivot });
	run(state, (struct fx_case){ .until = FX_PIVOTED, .mounts = PROC, .check = check_pivot_proc });
}

/* The host's tree stays mounted below ours, but no procfs or sysfs of it. */
static void check_no_host_proc(struct joey_setup *s)
{
	FILE *in = fopen("/proc/self/mountinfo", "re");
	char line[4096];

	CHECK(in);
	while (fgets(line, sizeof(line), in))
		CHECK(!strstr(line, " - sysfs ") && (!strstr(line, " - proc ") || strstr(line, " /proc ")));
	fclose(in);
	CHECK(fx_magic(s, "/proc") == PROC_SUPER_MAGIC);
}

static void test_no_pivot(void **state)
{
	fx_file(*state, "rootfs/in-rootfs", "");
	run(state, (struct fx_case){ .until = FX_PIVOTED, .no_pivot = true, .check = check_pivot });
	run(state,
	    (struct fx_case){ .until = FX_PIVOTED, .no_pivot = true, .mounts = PROC, .check = check_no_host_proc });
}

static void test_inherited_namespace(void **state)
{
	fx_file(*state, "rootfs/in-rootfs", "");
	run(state, (struct fx_case){ .until = FX_PIVOTED, .inherit_mntns = true, .check = check_pivot });
}

static void check_readonly(struct joey_setup *s)
{
	CHECK(!fx_writable(s, "/"));
	CHECK(fx_writable(s, "/t"));
	CHECK(fx_is(s, "/work/dir", S_IFDIR));
}

static void test_readonly_root_and_cwd(void **state)
{
	run(state, (struct fx_case){ .until = FX_DONE,
				     .root_json = ",\"readonly\":true",
				     .cwd = "/work/dir",
				     .mounts = "{\"destination\":\"/t\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}",
				     .check = check_readonly });
}

static void test_hostile_cwd(void **state)
{
	static const char *const cwds[] = { "/proc/self/fd/3", "/proc/self/cwd", "/proc/self/root", "/link" };

	fx_link(*state, "rootfs/link", "/proc/self/cwd");
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(cwds); i++)
		run(state,
		    (struct fx_case){ .until = FX_DONE, .mounts = PROC, .cwd = cwds[i], .error = "working directory" });
}

/* ---- propagation ---- */

static void check_slave(struct joey_setup *s)
{
	char options[256], propagation[64];

	(void)s;
	fx_mountinfo("/", options, propagation);
	CHECK(!strstr(propagation, "shared"));
}

static void check_shared(struct joey_setup *s)
{
	char options[256], propagation[64];

	(void)s;
	fx_mountinfo("/", options, propagation);
	CHECK(strstr(propagation, "shared:"));
}

static void check_unbindable(struct joey_setup *s)
{
	char options[256], propagation[64];

	(void)s;
	fx_mountinfo("/", options, propagation);
	CHECK(strstr(propagation, "unbindable"));
}

static void test_root_propagation(void **state)
{
	static const struct {
		const char *json;
		void (*check)(struct joey_setup *);
	} cases[] = {
		{ "", check_slave },
		{ ",\"rootfsPropagation\":\"rprivate\"", check_slave },
		{ ",\"rootfsPropagation\":\"private\"", check_slave },
		{ ",\"rootfsPropagation\":\"slave\"", check_slave },
		{ ",\"rootfsPropagation\":\"rslave\"", check_slave },
		{ ",\"rootfsPropagation\":\"shared\"", check_shared },
		{ ",\"rootfsPropagation\":\"rshared\"", check_shared },
		{ ",\"rootfsPropagation\":\"unbindable\"", check_unbindable },
	};

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(cases); i++)
		run(state,
		    (struct fx_case){
			    .until = FX_DONE, .mounts = PROC, .linux_json = cases[i].json, .check = cases[i].check });
}

/* A host whose mounts are shared: mounts of the container must not appear there.  fx_run compares the table of the
 * process that forked, so the peers are made in a child of their own. */
static void test_shared_host(void **state)
{
	static const char *const propagations[] = { "", ",\"rootfsPropagation\":\"shared\"",
						    ",\"rootfsPropagation\":\"private\"" };
	struct fixture *f = *state;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL) < 0)
			_exit(3);
		for (size_t i = 0; i < JOEY_ARRAY_SIZE(propagations); i++)
			fx_run(f, &(struct fx_case){ .until = FX_DONE,
						     .linux_json = propagations[i],
						     .mounts = PROC "," DEV_TMPFS });
		_exit(0);
	}
	assert_int_equal(joey_wait_pid(pid, &status), 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- devices ---- */

static bool is_node(struct joey_setup *s, const char *name, mode_t mode, unsigned major, unsigned minor)
{
	struct stat st;

	return fstatat(s->root_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mode == mode &&
	       st.st_rdev == makedev(major, minor);
}

static bool is_link(struct joey_setup *s, const char *name, const char *target)
{
	char buf[256];
	ssize_t n = readlinkat(s->root_fd, name, buf, sizeof(buf));

	return n == (ssize_t)strlen(target) && memcmp(buf, target, (size_t)n) == 0;
}

static void check_default_devices(struct joey_setup *s)
{
	CHECK(is_node(s, "dev/null", S_IFCHR | 0666, 1, 3));
	CHECK(is_node(s, "dev/zero", S_IFCHR | 0666, 1, 5));
	CHECK(is_node(s, "dev/full", S_IFCHR | 0666, 1, 7));
	CHECK(is_node(s, "dev/random", S_IFCHR | 0666, 1, 8));
	CHECK(is_node(s, "dev/urandom", S_IFCHR | 0666, 1, 9));
	CHECK(is_node(s, "dev/tty", S_IFCHR | 0666, 5, 0));
	CHECK(is_link(s, "dev/fd", "/proc/self/fd") && is_link(s, "dev/stdin", "/proc/self/fd/0"));
	CHECK(is_link(s, "dev/stdout", "/proc/self/fd/1") && is_link(s, "dev/stderr", "/proc/self/fd/2"));
	CHECK(is_link(s, "dev/ptmx", "pts/ptmx"));
}

static void check_devices(struct joey_setup *s)
{
	struct stat st;

	CHECK(is_node(s, "dev/zero", S_IFCHR | 0600, 1, 5));
	CHECK(is_node(s, "dev/full", S_IFCHR | 0666, 1, 7));
	CHECK(is_node(s, "dev/sub/loop", S_IFBLK | 0640, 7, 5));
	CHECK(fstatat(s->root_fd, "dev/sub/loop", &st, 0) == 0 && st.st_uid == 11 && st.st_gid == 12);
	CHECK(fstatat(s->root_fd, "srv/pipe", &st, 0) == 0 && S_ISFIFO(st.st_mode) && (st.st_mode & 07777) == 0666);
	CHECK(is_link(s, "dev/ptmx", "pts/ptmx"));
}

#define DEVICES                                                                                                       \
	",\"devices\":[{\"path\":\"/dev/zero\",\"type\":\"c\",\"major\":1,\"minor\":5,\"fileMode\":384},"             \
	"{\"path\":\"/dev/sub/loop\",\"type\":\"b\",\"major\":7,\"minor\":5,\"fileMode\":416,\"uid\":11,\"gid\":12}," \
	"{\"path\":\"/dev/ptmx\",\"type\":\"c\",\"major\":5,\"minor\":2},"                                            \
	"{\"path\":\"/srv/pipe\",\"type\":\"p\"}]"

static void test_devices(void **state)
{
	run(state, (struct fx_case){ .until = FX_DEVICES, .mounts = DEV_TMPFS, .check = check_default_devices });
	run(state, (struct fx_case){
			   .until = FX_DEVICES, .mounts = DEV_TMPFS, .linux_json = DEVICES, .check = check_devices });
	/* no mount on /dev: nodes go into the rootfs, and a second time they are found right */
	run(state, (struct fx_case){ .until = FX_DEVICES, .linux_json = DEVICES, .check = check_devices });
	run(state, (struct fx_case){ .until = FX_DEVICES, .linux_json = DEVICES, .check = check_devices });
}

static void check_untouched_dev(struct joey_setup *s)
{
	CHECK(faccessat(s->root_fd, "dev/ptmx", F_OK, AT_SYMLINK_NOFOLLOW) < 0);
	CHECK(fx_reads(s, "/dev/inner", "inner"));
}

static void test_bound_dev_is_left_alone(void **state)
{
	run(state, (struct fx_case){
			   .until = FX_DEVICES,
			   .check = check_untouched_dev,
			   .mounts = "{\"destination\":\"/dev/\",\"source\":\"%s/src/dir\",\"options\":[\"rbind\"]}" });
}

static void check_bound_nodes(struct joey_setup *s)
{
	struct stat st;

	CHECK(fstatat(s->root_fd, "dev/null", &st, 0) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
	CHECK(fstatat(s->root_fd, "dev/tty", &st, 0) == 0 && st.st_rdev == makedev(5, 0));
	CHECK(is_link(s, "dev/ptmx", "pts/ptmx"));
}

static void test_devices_in_userns_are_bound(void **state)
{
	run(state, (struct fx_case){
			   .until = FX_DEVICES, .in_userns = true, .mounts = DEV_TMPFS, .check = check_bound_nodes });
	run(state,
	    (struct fx_case){
		    .until = FX_DEVICES,
		    .in_userns = true,
		    .mounts = DEV_TMPFS,
		    .linux_json = ",\"devices\":[{\"path\":\"/dev/full\",\"type\":\"c\",\"major\":240,\"minor\":77}]",
		    .error = "the host has no such device" });
}

static void test_wrong_device_in_image(void **state)
{
	fx_file(*state, "rootfs/dev/null", "not the device");
	run(state, (struct fx_case){ .until = FX_DEVICES,
				     .error = "create device /dev/null: something else is already there" });
}

static void test_link_as_device(void **state)
{
	fx_link(*state, "rootfs/dev/null", "../../outside/null");
	run(state, (struct fx_case){ .until = FX_DEVICES, .error = "something else is already there" });
	/* bound over the link itself, which nobody follows then */
	run(state, (struct fx_case){ .until = FX_DEVICES, .in_userns = true, .check = check_bound_nodes });
}

static void test_link_as_dev(void **state)
{
	static const char *const targets[] = { "../outside", "/outside", "/nothere", "dev", "/tmp" };

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(targets); i++) {
		void *inner;

		(void)state;
		fx_setup(&inner);
		fx_link(inner, "rootfs/dev", targets[i]);
		fx_run(inner, &(struct fx_case){ .until = FX_DEVICES,
						 .error = "/dev of the rootfs, which must be a directory" });
		fx_teardown(&inner);
	}
}

/* ---- masks ---- */

#define MASKS                                                                                                       \
	",\"maskedPaths\":[\"/m/file\",\"/m/dir\",\"/m/file2\",\"/m/dir2\",\"/m/file\",\"/m/dir\",\"/not/there\"]," \
	"\"readonlyPaths\":[\"/r/dir\",\"/r/file\",\"/not/there\",\"/r/dir\"]"

static void check_masks(struct joey_setup *s)
{
	static const char *const files[] = { "m/file", "m/file2" }, *const dirs[] = { "m/dir", "m/dir2" };
	struct stat st;

	for (int i = 0; i < 2; i++) {
		CHECK(fstatat(s->root_fd, files[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode) &&
		      st.st_rdev == makedev(1, 3));
		CHECK(fstatat(s->root_fd, dirs[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode));
		CHECK(fx_magic(s, dirs[i]) == TMPFS_MAGIC);
		CHECK(!fx_writable(s, dirs[i]));
	}
	CHECK(fx_reads(s, "m/visible", "visible"));
	CHECK(!fx_writable(s, "r/dir"));
	CHECK(fx_writable(s, "r"));
	CHECK(faccessat(s->root_fd, "r/file", W_OK, AT_EACCESS) < 0 && errno == EROFS);
}

static void make_mask_tree(void **state)
{
	fx_file(*state, "rootfs/m/file", "secret");
	fx_file(*state, "rootfs/m/file2", "secret");
	fx_file(*state, "rootfs/m/visible", "visible");
	fx_file(*state, "rootfs/m/dir/secret", "secret");
	fx_file(*state, "rootfs/m/dir2/secret", "secret");
	fx_file(*state, "rootfs/r/file", "x");
	fx_dir(*state, "rootfs/r/dir", 0755);
}

static void test_masks(void **state)
{
	make_mask_tree(state);
	run(state, (struct fx_case){ .until = FX_DONE, .linux_json = MASKS, .check = check_masks });
	run(state, (struct fx_case){ .until = FX_DONE, .linux_json = MASKS, .check = check_masks, .no_pivot = true });
}

/* The container's own null device is not what masks are made of. */
static void test_masks_ignore_fake_null(void **state)
{
	make_mask_tree(state);
	fx_link(*state, "rootfs/dev/null", "/m/visible");
	run(state,
	    (struct fx_case){ .until = FX_DONE, .linux_json = MASKS, .check = check_masks, .mounts = DEV_TMPFS });
}

/* ---- standard streams ---- */

static void check_stdio(struct joey_setup *s)
{
	struct stat null, in;

	CHECK(fstatat(s->root_fd, "dev/null", &null, 0) == 0 && fstat(0, &in) == 0);
	CHECK(in.st_dev == null.st_dev && in.st_ino == null.st_ino);
	CHECK(!(fcntl(0, F_GETFD) & FD_CLOEXEC));
}

static void test_stdio(void **state)
{
	int saved = dup(0), null = open("/dev/null", O_RDWR | O_CLOEXEC);

	dup2(null, 0);
	run(state, (struct fx_case){ .until = FX_DONE, .mounts = DEV_TMPFS, .check = check_stdio });
	dup2(saved, 0);
	close(saved);
	close(null);
}

#define T FX_TEST

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_pivot),
		T(test_no_pivot),
		T(test_inherited_namespace),
		T(test_readonly_root_and_cwd),
		T(test_hostile_cwd),
		T(test_root_propagation),
		T(test_shared_host),
		T(test_devices),
		T(test_bound_dev_is_left_alone),
		T(test_devices_in_userns_are_bound),
		T(test_wrong_device_in_image),
		T(test_link_as_device),
		cmocka_unit_test(test_link_as_dev),
		T(test_masks),
		T(test_masks_ignore_fake_null),
		T(test_stdio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
