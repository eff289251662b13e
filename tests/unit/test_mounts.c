/* SPDX-License-Identifier: Apache-2.0 */
/* step_mounts: kinds, options, order, destinations (runtime-spec config.md, "Mounts"; oci-checklist section 4). */
#include "mounts_fixture.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "joey/syscalls.h"

#define TMPFS(dst, opts)     "{\"destination\":\"" dst "\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[" opts "]}"
#define BIND(src, dst, opts) "{\"destination\":\"" dst "\",\"source\":\"" src "\",\"options\":[\"rbind\"" opts "]}"
#define PROC                 "{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"}"

static void run(void **state, struct fx_case c)
{
	if (c.until == FX_PREPARED)
		c.until = FX_MOUNTED;
	fx_run(*state, &c);
}

/* ---- kinds ---- */

static void check_kinds(struct joey_setup *s)
{
	CHECK(fx_magic(s, "/proc") == PROC_SUPER_MAGIC);
	CHECK(fx_magic(s, "/sys") == SYSFS_MAGIC);
	CHECK(fx_magic(s, "/dev") == TMPFS_MAGIC);
	CHECK(fx_magic(s, "/dev/pts") == DEVPTS_SUPER_MAGIC);
	CHECK(fx_magic(s, "/dev/mqueue") == 0x19800202);
	CHECK(fx_magic(s, "/sys/fs/cgroup") == CGROUP2_SUPER_MAGIC);
	CHECK(fx_flags(s, "/sys") & ST_RDONLY);
	CHECK(fx_flags(s, "/sys") & ST_NOSUID);
	CHECK(fx_flags(s, "/sys/fs/cgroup") & ST_RDONLY);
	CHECK(!(fx_flags(s, "/proc") & ST_RDONLY));
}

static void test_kinds(void **state)
{
	run(state, (struct fx_case){ .unshare_flags = CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP,
				     .mounts = PROC "," TMPFS(
					     "/dev", "\"nosuid\",\"strictatime\",\"mode=755\",\"size="
						     "65536k\"") ","
								 "{\"destination\":\"/dev/"
								 "pts\",\"type\":\"devpts\",\"source\":"
								 "\"devpts\",\"options\":[\"nosuid\","
								 "\"noexec\",\"newinstance\",\"ptmxmode="
								 "0666\",\"mode=0620\",\"gid=5\"]}"
								 "," TMPFS("/dev/shm", "\"nosuid\",\"noexec\","
										       "\"nodev\",\"mode=1777\",\"size="
										       "65536k\"") ","
												   "{\"destination\":"
												   "\"/dev/"
												   "mqueue\",\"type\":"
												   "\"mqueue\","
												   "\"source\":"
												   "\"mqueue\","
												   "\"options\":["
												   "\"nosuid\"]},"
												   "{\"destination\":"
												   "\"/"
												   "sys\",\"type\":"
												   "\"sysfs\","
												   "\"source\":"
												   "\"sysfs\","
												   "\"options\":["
												   "\"nosuid\","
												   "\"noexec\","
												   "\"nodev\",\"ro\"]},"
												   "{\"destination\":"
												   "\"/sys/fs/"
												   "cgroup\",\"type\":"
												   "\"cgroup\","
												   "\"source\":"
												   "\"cgroup\","
												   "\"options\":["
												   "\"nosuid\","
												   "\"noexec\","
												   "\"nodev\","
												   "\"relatime\","
												   "\"ro\"]}",
				     .check = check_kinds });
}

static void check_source_name(struct joey_setup *s)
{
	char options[256], propagation[64], path[256];

	snprintf(path, sizeof(path), "%s/t", s->rootfs);
	fx_mountinfo(path, options, propagation);
	CHECK(strstr(options, "noatime") && strstr(options, "nodiratime") && strstr(options, "nosuid"));
	CHECK(strstr(options, "rw"));
}

static void test_attributes(void **state)
{
	run(state, (struct fx_case){ .mounts = TMPFS("/t", "\"noatime\",\"nodiratime\",\"nosuid\",\"nodev\",\"dev\""),
				     .check = check_source_name });
}

/* ---- tmpfs ---- */

static void check_tmpfs_mode(struct joey_setup *s)
{
	struct stat st;

	CHECK(fstatat(s->root_fd, "kept", &st, 0) == 0 && (st.st_mode & 07777) == 0710);
	CHECK(fstatat(s->root_fd, "asked", &st, 0) == 0 && (st.st_mode & 07777) == 01700);
	CHECK(fstatat(s->root_fd, "fresh", &st, 0) == 0 && (st.st_mode & 07777) == 01777);
}

static void test_tmpfs_mode(void **state)
{
	fx_dir(*state, "rootfs/kept", 0710);
	fx_dir(*state, "rootfs/asked", 0710);
	run(state,
	    (struct fx_case){ .mounts = TMPFS("/kept", "") "," TMPFS("/asked", "\"mode=1700\"") "," TMPFS("/fresh", ""),
			      .check = check_tmpfs_mode });
}

static void check_ro_late(struct joey_setup *s)
{
	CHECK(!fx_writable(s, "/t"));
	CHECK(fx_writable(s, "/t/inner"));
	CHECK(fx_reads(s, "/t/file", "source"));
}

static void test_tmpfs_readonly_late(void **state)
{
	run(state, (struct fx_case){ .until = FX_DONE,
				     .mounts = TMPFS("/t", "\"ro\"") "," TMPFS("/t/inner", "") "," BIND("%s/src/file",
													"/t/file", ""),
				     .check = check_ro_late });
}

static void test_options_in_one_string(void **state)
{
	run(state, (struct fx_case){ .mounts = TMPFS("/t", "\"size=64k,mode=0700\"") });
}

static void test_bad_data_quotes_the_kernel(void **state)
{
	run(state, (struct fx_case){
			   .mounts = TMPFS("/t", "\"size=nonsense\""),
			   .error = "error mounting \"tmpfs\" to rootfs at \"/t\": set mount option size (tmpfs: " });
	run(state, (struct fx_case){ .mounts = TMPFS("/t", "\"no-such-option\""), .error = "invalid argument" });
	run(state, (struct fx_case){ .mounts = "{\"destination\":\"/t\",\"type\":\"nosuchfs\",\"source\":\"x\"}",
				     .error = "no such device" });
}

static void check_long_value(struct joey_setup *s)
{
	CHECK(fx_reads(s, "/o/low", "low"));
	CHECK(fx_flags(s, "/o") & ST_NOSUID);
}

/* fsconfig(2) takes 255 bytes; layers of an overlay need more. */
static void test_long_value(void **state)
{
	struct fixture *f = *state;
	char name[128] = "", mounts[2048], low[512];

	memset(name, 'n', 120);
	snprintf(low, sizeof(low), "src/%s/%s/low", name, name);
	fx_file(f, low, "low");
	snprintf(mounts, sizeof(mounts),
		 "{\"destination\":\"/o\",\"type\":\"overlay\",\"source\":\"overlay\",\"options\":[\"nosuid\","
		 "\"lowerdir=%%s/src/%s/%s:%%s/src/dir\",\"private\"]}",
		 name, name);
	run(state, (struct fx_case){ .mounts = mounts, .check = check_long_value });
}

/* ---- binds ---- */

static void check_bind(struct joey_setup *s)
{
	CHECK(fx_reads(s, "/f", "source"));
	CHECK(fx_is(s, "/f", S_IFREG));
	CHECK(fx_reads(s, "/d/inner", "inner"));
	CHECK(fx_reads(s, "/rel/inner", "inner"));
	CHECK(!fx_writable(s, "/ro"));
	CHECK(fx_flags(s, "/ro") & ST_NOEXEC);
	CHECK(fx_writable(s, "/rw"));
}

static void test_bind(void **state)
{
	run(state,
	    (struct fx_case){ .mounts = BIND("%s/src/file", "/f", "") "," BIND("%s/src/dir", "/d", "") "," BIND(
				      "src/dir", "/rel",
				      "") "," BIND("%s/src/dir", "/ro",
						   ",\"ro\",\"noexec\",\"rprivate\"") "," BIND("%s/src/dir", "/rw",
											       ",\"ro\",\"rw\""),
			      .check = check_bind });
}

static void test_bind_errors(void **state)
{
	run(state, (struct fx_case){ .mounts = BIND("%s/nothere", "/f", ""), .error = "no such file or directory" });
	fx_file(*state, "rootfs/plain", "");
	run(state, (struct fx_case){ .mounts = BIND("%s/src/dir", "/plain", ""),
				     .error = "to rootfs at \"/plain\": attach the mount: not a directory" });
	fx_dir(*state, "rootfs/adir", 0755);
	run(state, (struct fx_case){ .mounts = BIND("%s/src/file", "/adir", ""), .error = "not a directory" });
}

static void check_recursive(struct joey_setup *s)
{
	CHECK(!fx_writable(s, "/rro"));
	CHECK(!fx_writable(s, "/rro/sub"));
	CHECK(!fx_writable(s, "/ro"));
	CHECK(fx_writable(s, "/ro/sub"));
}

/* The second source is the first mount: opened in listed order, or it would not exist. */
static void test_order_and_recursive(void **state)
{
	struct fixture *f = *state;
	char mounts[2048];

	fx_dir(f, "rootfs/a/sub", 0755);
	snprintf(mounts, sizeof(mounts),
		 TMPFS("/a/sub",
		       "") ",{\"destination\":\"/rro\",\"source\":\"%s/rootfs/a\",\"options\":[\"rbind\",\"rro\"]},"
			   "{\"destination\":\"/ro\",\"source\":\"%s/rootfs/a\",\"options\":[\"rbind\",\"ro\"]}",
		 f->dir, f->dir);
	run(state, (struct fx_case){ .mounts = mounts, .check = check_recursive });
}

static void check_propagation(struct joey_setup *s)
{
	static const struct {
		const char *name, *want;
	} at[] = {
		{ "sh", "shared:" }, { "pr", "" }, { "sl", "master:" }, { "un", "unbindable" }, { "both", "master:" },
	};
	char options[256], propagation[64], path[256];

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(at); i++) {
		snprintf(path, sizeof(path), "%s/%s", s->rootfs, at[i].name);
		fx_mountinfo(path, options, propagation);
		CHECK(at[i].want[0] ? !!strstr(propagation, at[i].want) : !propagation[0]);
	}
	CHECK(strstr(propagation, "shared:"));
}

static void test_propagation(void **state)
{
	struct fixture *f = *state;
	char mounts[2048];

	snprintf(mounts, sizeof(mounts),
		 TMPFS("/sh", "\"shared\"") "," TMPFS(
			 "/pr",
			 "\"rprivate\"") ","
					 "{\"destination\":\"/sl\",\"source\":\"%s/rootfs/"
					 "sh\",\"options\":[\"bind\",\"slave\"]}," TMPFS(
						 "/un",
						 "\"unbindable\"") ","
								   "{\"destination\":\"/both\",\"source\":\"%s/rootfs/"
								   "sh\",\"options\":[\"bind\",\"ro\",\"rslave\","
								   "\"shared\"]}",
		 f->dir, f->dir);
	run(state, (struct fx_case){ .mounts = mounts, .check = check_propagation });
}

static void check_remount(struct joey_setup *s)
{
	CHECK(!fx_writable(s, "/t"));
	CHECK(fx_flags(s, "/t") & ST_NOEXEC);
}

static void test_remount(void **state)
{
	run(state,
	    (struct fx_case){ .mounts = TMPFS("/t", "\"noexec\"") "," TMPFS("/t", "\"remount\",\"ro\",\"size=128k\""),
			      .check = check_remount });
	run(state,
	    (struct fx_case){ .mounts = TMPFS("/none", "\"remount\",\"ro\""), .error = "no such file or directory" });
}

/* ---- links as sources and destinations ---- */

static void check_links(struct joey_setup *s)
{
	CHECK(fx_is(s, "/copied", S_IFLNK));
	CHECK(fx_is(s, "/nofollow", S_IFLNK));
	CHECK(fx_reads(s, "/dst", "source"));
	CHECK(fx_is(s, "/dst", S_IFREG));
}

static void test_link_options(void **state)
{
	fx_link(*state, "src/link", "dir/inner");
	fx_link(*state, "rootfs/nofollow", "elsewhere");
	run(state, (struct fx_case){ .mounts = BIND("%s/src/link", "/copied", ",\"copy-symlink\"") "," BIND(
					     "%s/src/link", "/nofollow",
					     ",\"src-nofollow\",\"dest-nofollow\"") "," BIND("%s/src/file", "/dst",
											     ",\"copy-symlink\""),
				     .check = check_links });
}

static void check_dangling(struct joey_setup *s)
{
	CHECK(fx_reads(s, "/etc/resolv.conf", "source"));
	CHECK(fx_reads(s, "/run/systemd/resolve/stub-resolv.conf", "source"));
	CHECK(fx_is(s, "/etc/resolv.conf", S_IFLNK));
}

static void test_dangling_destination(void **state)
{
	fx_link(*state, "rootfs/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf");
	run(state, (struct fx_case){ .mounts = BIND("%s/src/file", "/etc/resolv.conf", ""), .check = check_dangling });
}

static const char *hostile_type(const char *destination)
{
	if (strcmp(destination, "/proc") == 0)
		return "proc";
	return strcmp(destination, "/sys") == 0 ? "sysfs" : "tmpfs";
}

/* The text that the run must end with; NULL: it may well succeed, inside the rootfs. */
static const char *hostile_error(const char *destination, bool loop)
{
	if (strcmp(hostile_type(destination), "tmpfs") != 0)
		return "must be mounted on ordinary directory";
	return loop ? "too many levels of symbolic links" : NULL;
}

static void hostile_one(const char *destination, const char *prefix, const char *tail, bool own_path)
{
	void *inner;
	struct fixture *f;
	char target[256], at[64], mounts[512];

	assert_int_equal(fx_setup(&inner), 0);
	f = inner;
	snprintf(target, sizeof(target), "%s%s%s", prefix, own_path ? f->dir : "", tail);
	snprintf(at, sizeof(at), "rootfs%s", destination);
	fx_link(f, at, target);
	snprintf(mounts, sizeof(mounts), "{\"destination\":\"%s\",\"type\":\"%s\",\"source\":\"x\"}", destination,
		 hostile_type(destination));
	fx_run(f,
	       &(struct fx_case){ .mounts = mounts, .until = FX_DEVICES, .error = hostile_error(destination, !*tail) });
	fx_teardown(&inner);
}

/* Each destination as each kind of link: the mount lands inside or is refused, and outside/ stays as it was. */
static void test_hostile_destinations(void **state)
{
	static const char *const destinations[] = { "/dev",     "/dev/pts", "/dev/shm",       "/dev/mqueue",
						    "/proc",    "/sys",     "/sys/fs/cgroup", "/etc",
						    "/var/tmp", "/run",     "/volume" };

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(destinations); i++) {
		const char *d = destinations[i];

		hostile_one(d, "", "/outside", true);
		hostile_one(d, "/../../..", "/outside", true);
		hostile_one(d, "../../../../../../../..", "/outside", true);
		hostile_one(d, "", "../outside", false);
		hostile_one(d, "", "/nothere", false);
		hostile_one(d, "", "../../../nothere/x", false);
		hostile_one(d, "", "/proc/self/root", false);
		/* a link to a link to itself */
		if (strrchr(d, '/') == d)
			hostile_one(d, d + 1, "", false);
	}
}

/* A directory of the rootfs (a shared volume) that turns into a link and back while mounts are made below it: each
 * round ends inside the rootfs or with a clean error. */
static void test_raced_destination(void **state)
{
	struct fixture *f = *state;
	char path[128];
	pid_t racer;
	int dir;

	if (geteuid() != 0)
		skip();
	fx_dir(f, "rootfs/d/x", 0755);
	fx_link(f, "rootfs/l", "../../../../../../../../../tmp");
	fx_link(f, "rootfs/m", f->dir);
	snprintf(path, sizeof(path), "%s/rootfs", f->dir);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	fflush(NULL);
	racer = fork();
	assert_true(racer >= 0);
	if (racer == 0)
		for (;;) {
			syscall(SYS_renameat2, dir, "d", dir, "l", 2 /* RENAME_EXCHANGE */);
			syscall(SYS_renameat2, dir, "d", dir, "m", 2);
		}
	for (int i = 0; i < 60; i++)
		fx_run(f, &(struct fx_case){ .until = FX_MOUNTED,
					     .any_result = true,
					     .mounts = TMPFS("/d/x", "") "," BIND("%s/src/file", "/d/y", "") "," BIND(
						     "%s/src/dir", "/d/outside", "") });
	kill(racer, SIGKILL);
	assert_int_equal(joey_wait_pid(racer, NULL), 0);
	close(dir);
	assert_int_not_equal(access("/tmp/y", F_OK), 0);
	snprintf(path, sizeof(path), "%s/y", f->dir);
	assert_int_not_equal(access(path, F_OK), 0);
}

/* ---- /proc rules ---- */

static void test_proc_rules(void **state)
{
	fx_dir(*state, "rootfs/proc", 0755);
	fx_link(*state, "rootfs/alias", "/proc/sys");
	run(state, (struct fx_case){ .mounts = TMPFS("/proc", ""),
				     .error = "cannot be mounted because it is not of type proc" });
	run(state, (struct fx_case){ .mounts = BIND("%s/src/dir", "/proc", ""),
				     .error = "cannot be mounted because it is not of type proc" });
	run(state, (struct fx_case){ .mounts = BIND("/proc", "/proc", "") });
	run(state, (struct fx_case){ .mounts = PROC "," BIND("%s/src/file", "/proc/uptime", "") });
	run(state, (struct fx_case){ .mounts = PROC "," BIND("%s/src/file", "/proc/self/attr/exec", ""),
				     .error = "cannot be mounted because it is inside /proc" });
	run(state, (struct fx_case){ .mounts = PROC "," TMPFS("/alias", ""),
				     .error = "cannot be mounted because it is inside /proc" });
	run(state, (struct fx_case){ .mounts = PROC "," TMPFS("/foo/../proc/sys", ""),
				     .error = "cannot be mounted because it is inside /proc" });
}

/* ---- user namespace, notify, late descriptors ---- */

static void check_notify(struct joey_setup *s)
{
	CHECK(fx_reads(s, "/run/notify/inner", "inner"));
}

static void test_notify(void **state)
{
	run(state, (struct fx_case){ .notify = 1, .check = check_notify });
	run(state, (struct fx_case){ .notify = 2, .check = check_notify });
}

static void test_source_open(void **state)
{
	struct fixture *f = *state;
	struct joey_mount_opts opts = { .bind = true };
	struct joey_mount m = { .opts = &opts };
	struct joey_err err = JOEY_ERR_INIT;
	int root = open("/", O_PATH | O_CLOEXEC), bundle = open(f->dir, O_PATH | O_CLOEXEC), fd = -1;
	char path[128];

	if (geteuid() != 0)
		skip();
	snprintf(path, sizeof(path), "%s/src/file", f->dir);
	m.source = path;
	assert_int_equal(joey_mount_source_open(&m, root, bundle, -EBADF, &fd, &err), 0);
	close(fd);
	m.source = NULL;
	assert_int_equal(joey_mount_source_open(&m, root, bundle, -EBADF, &fd, &err), -EINVAL);
	joey_err_clear(&err);
	snprintf(path, sizeof(path), "src/nothere");
	m.source = path;
	assert_int_equal(joey_mount_source_open(&m, root, bundle, -EBADF, &fd, &err), -ENOENT);
	assert_string_equal(joey_err_text(&err), "open bind source src/nothere: no such file or directory");
	joey_err_clear(&err);
	close(root);
	close(bundle);
}

#define T FX_TEST

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_kinds),
		T(test_attributes),
		T(test_tmpfs_mode),
		T(test_tmpfs_readonly_late),
		T(test_options_in_one_string),
		T(test_bad_data_quotes_the_kernel),
		T(test_long_value),
		T(test_bind),
		T(test_bind_errors),
		T(test_order_and_recursive),
		T(test_propagation),
		T(test_remount),
		T(test_link_options),
		T(test_dangling_destination),
		cmocka_unit_test(test_hostile_destinations),
		T(test_raced_destination),
		T(test_proc_rules),
		T(test_notify),
		T(test_source_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
