/* SPDX-License-Identifier: Apache-2.0 */
/* One kernel facility after the other, each in a child with namespaces of its own. */
#include "process_fixture.h"

#include <limits.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include "joey/syscalls.h"

static void private_mounts(int more)
{
	if (unshare(CLONE_NEWNS | more) < 0)
		SKIP_CHILD("no namespaces");
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
}

static void read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	CHECK(fd >= 0);
	n = read(fd, buf, size - 1);
	CHECK(n >= 0);
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	close(fd);
}

/* ---- uts, loopback, session ---------------------------------------------------------------------------------- */

static void names(void *arg)
{
	char host[] = "joey-host", domain[] = "joey.domain";
	struct joey_err err = JOEY_ERR_INIT;
	struct utsname u;
	struct bare b;

	(void)arg;
	private_mounts(CLONE_NEWUTS);
	bare_init(&b);
	CHECK(!wants_hostname(&b.setup) && !wants_domainname(&b.setup));
	b.config.hostname = host;
	b.config.domainname = domain;
	CHECK(wants_hostname(&b.setup) && wants_domainname(&b.setup));
	CHECK_OK(step_hostname(&b.setup, &err), &err);
	CHECK_OK(step_domainname(&b.setup, &err), &err);
	CHECK(uname(&u) == 0 && strcmp(u.nodename, host) == 0 && strcmp(u.domainname, domain) == 0);
}

static void loopback(void *arg)
{
	struct ifreq req = { .ifr_name = "lo" };
	struct joey_err err = JOEY_ERR_INIT;
	struct bare b;
	int fd;

	(void)arg;
	private_mounts(CLONE_NEWNET);
	bare_init(&b);
	CHECK(!wants_loopback(&b.setup));
	b.config.ns[JOEY_NS_NET].present = true;
	CHECK(wants_loopback(&b.setup));
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(ioctl(fd, SIOCGIFFLAGS, &req) == 0 && !(req.ifr_flags & IFF_UP));
	CHECK_OK(step_loopback(&b.setup, &err), &err);
	CHECK(ioctl(fd, SIOCGIFFLAGS, &req) == 0);
	CHECK((req.ifr_flags & IFF_UP) && (req.ifr_flags & IFF_LOOPBACK));
}

static void session(void *arg)
{
	struct joey_err err = JOEY_ERR_INIT;
	struct bare b;

	(void)arg;
	bare_init(&b);
	CHECK_OK(step_session(&b.setup, &err), &err);
	CHECK(getsid(0) == getpid());
	/* again: it is one already */
	CHECK_OK(step_session(&b.setup, &err), &err);
}

static void keyring(void *arg)
{
	struct joey_err err = JOEY_ERR_INIT;
	char text[256];
	struct bare b;
	long before = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0), after;

	(void)arg;
	if (before < 0 && errno == ENOSYS)
		SKIP_CHILD("no keyrings");
	bare_init(&b);
	b.setup.id = "unit-test-id";
	CHECK(wants_keyring(&b.setup));
	CHECK_OK(step_keyring(&b.setup, &err), &err);
	after = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
	CHECK(after > 0 && after != before);
	CHECK(syscall(SYS_keyctl, KEYCTL_DESCRIBE, after, text, sizeof(text)) > 0);
	CHECK(strstr(text, ";3f1b0000;_ses.unit-test-id"));
	/* an exec joins the same one */
	b.setup.exec_only = true;
	CHECK(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) > 0);
	CHECK_OK(step_keyring(&b.setup, &err), &err);
	CHECK(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0) == after);
}

/* ---- procfs, sysctl, labels ------------------------------------------------------------------------------------- */

static void sysctls(void *arg)
{
	static char k1[] = "net/ipv4/ip_forward", v1[] = "?", k2[] = "kernel/domainname", v2[] = "by.sysctl",
		    evil[] = "../self/comm", missing[] = "net/nope";
	struct joey_pair pairs[] = { { k1, v1 }, { k2, v2 } }, bad = { evil, v1 };
	struct joey_err err = JOEY_ERR_INIT;
	char text[128];
	struct bare b;

	(void)arg;
	private_mounts(CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC);
	/* whatever lies over /proc does not matter */
	read_text("/proc/sys/net/ipv4/ip_forward", text, sizeof(text));
	v1[0] = text[0] == '0' ? '1' : '0';
	bare_init(&b);
	CHECK(!wants_sysctl(&b.setup) && !joey_setup_wants_procfs(&b.setup));
	b.config.sysctl = (struct joey_pairs){ pairs, 2 };
	CHECK(wants_sysctl(&b.setup) && joey_setup_wants_procfs(&b.setup));
	CHECK(mount("tmpfs", "/proc/sys", "tmpfs", 0, NULL) == 0);
	CHECK_OK(step_procfs(&b.setup, &err), &err);
	CHECK(fd_is_on(b.setup.proc_fd, PROC_SUPER_MAGIC));
	CHECK(fcntl(b.setup.proc_fd, F_GETFD) & FD_CLOEXEC);
	CHECK_OK(step_sysctl(&b.setup, &err), &err);
	CHECK(umount("/proc/sys") == 0);
	read_text("/proc/sys/net/ipv4/ip_forward", text, sizeof(text));
	CHECK(strcmp(text, v1) == 0);
	read_text("/proc/sys/kernel/domainname", text, sizeof(text));
	CHECK(strcmp(text, v2) == 0);
	b.config.sysctl = (struct joey_pairs){ &bad, 1 };
	CHECK(step_sysctl(&b.setup, &err) == -EINVAL);
	joey_err_clear(&err);
	bad.key = missing;
	CHECK(step_sysctl(&b.setup, &err) == -ENOENT);
	CHECK(strcmp(joey_err_text(&err), "open /proc/sys/net/nope: no such file or directory") == 0);
}

/* In a user namespace with something over a part of /proc the kernel gives no new procfs: the host's serves, and what
 * was put over it is refused. */
static void procfs_borrowed(void *arg)
{
	static char k1[] = "net/ipv4/ip_forward", v1[] = "?";
	struct joey_pair pair = { k1, v1 };
	struct joey_err err = JOEY_ERR_INIT;
	char text[128];
	struct bare b;
	int fd;

	(void)arg;
	private_mounts(0);
	CHECK(mount("tmpfs", "/proc/sysvipc", "tmpfs", 0, NULL) == 0);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET) < 0)
		SKIP_CHILD("no user namespaces");
	bare_init(&b);
	b.config.sysctl = (struct joey_pairs){ &pair, 1 };
	/* without the host's root there is nothing to fall back on */
	if (fork() == 0) {
		if (step_procfs(&b.setup, &err) == 0)
			SKIP_CHILD("the kernel gives a new procfs all the same");
		CHECK(err.errnum == EPERM);
		joey_err_clear(&err);
		b.setup.host_root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		CHECK_OK(step_procfs(&b.setup, &err), &err);
		read_text("/proc/sys/net/ipv4/ip_forward", text, sizeof(text));
		v1[0] = text[0] == '0' ? '1' : '0';
		CHECK_OK(step_sysctl(&b.setup, &err), &err);
		read_text("/proc/sys/net/ipv4/ip_forward", text, sizeof(text));
		CHECK(strcmp(text, v1) == 0);
		fd = procfs_open_self(&b.setup, "comm", O_RDONLY);
		CHECK(fd >= 0);
		/* over-mounted */
		CHECK(joey_openat2(b.setup.proc_fd, "sysvipc", O_PATH, 0, RESOLVE_NO_XDEV | RESOLVE_BENEATH) == -EXDEV);
		_exit(0);
	}
	{
		int st;

		CHECK(wait(&st) > 0 && WIFEXITED(st));
		_exit(WEXITSTATUS(st));
	}
}

static void self_files(void *arg)
{
	static char label[] = "profile";
	struct joey_err err = JOEY_ERR_INIT;
	char text[64];
	struct bare b;
	int fd;

	(void)arg;
	private_mounts(0);
	bare_init(&b);
	b.process.apparmor_profile = label;
	CHECK_OK(step_procfs(&b.setup, &err), &err);
	CHECK(prctl(PR_SET_NAME, "joey-unit") == 0);
	fd = procfs_open_self(&b.setup, "comm", O_RDONLY);
	CHECK(fd >= 0 && read(fd, text, sizeof(text)) == 10 && memcmp(text, "joey-unit\n", 10) == 0);
	/* links, magic ones above all, are not followed; nothing above is reached */
	CHECK(procfs_open_self(&b.setup, "exe", O_RDONLY) == -ELOOP);
	CHECK(procfs_open_self(&b.setup, "root/etc/passwd", O_RDONLY) == -ELOOP);
	CHECK(procfs_open_self(&b.setup, "../../../uptime", O_RDONLY) == -EXDEV);
	/* the processes alone */
	CHECK(faccessat(b.setup.proc_fd, "sysrq-trigger", F_OK, 0) < 0);
	CHECK(faccessat(b.setup.proc_fd, "1/status", F_OK, 0) == 0);
}

/* Hosts without the modules, like this one, must say so. */
static void labels(void *arg)
{
	static char label[] = "system_u:system_r:container_t:s0";
	struct joey_err err = JOEY_ERR_INIT;
	struct bare b;

	(void)arg;
	private_mounts(0);
	bare_init(&b);
	CHECK(!wants_apparmor(&b.setup) && !wants_selinux(&b.setup));
	b.process.apparmor_profile = label;
	b.process.selinux_label = label;
	CHECK(wants_apparmor(&b.setup) && wants_selinux(&b.setup));
	if (access("/sys/module/apparmor", F_OK) != 0) {
		CHECK(step_apparmor(&b.setup, &err) < 0);
		CHECK(strcmp(joey_err_text(&err), "apparmor: config provided but apparmor not supported") == 0);
		joey_err_clear(&err);
	}
	if (access("/sys/fs/selinux", F_OK) != 0) {
		CHECK(step_selinux(&b.setup, &err) < 0);
		CHECK(strcmp(joey_err_text(&err), "selinux label is specified in config, but selinux is disabled or "
						  "not supported") == 0);
	}
}

/* ---- scheduling ------------------------------------------------------------------------------------------------- */

static void scheduling(void *arg)
{
	struct joey_scheduler batch = { .policy = SCHED_BATCH, .nice = 7 };
	struct joey_io_priority io = { .class = 2, .priority = 6 };
	char cpus[] = "0", nodes[] = "0", bad[] = "1-", none[] = "99";
	struct joey_memory_policy mem = { .mode = 2 /* MPOL_BIND */, .nodes = nodes };
	struct joey_err err = JOEY_ERR_INIT;
	unsigned long mask = 0;
	struct bare b;
	cpu_set_t set;
	int mode = -1;

	(void)arg;
	bare_init(&b);
	CHECK(!wants_scheduler(&b.setup) && !wants_io_priority(&b.setup) && !wants_personality(&b.setup));
	CHECK(!wants_memory_policy(&b.setup));
	b.process.scheduler = &batch;
	b.process.io_priority = &io;
	b.config.memory_policy = &mem;
	b.config.personality = (struct joey_opt_u64){ true, PER_LINUX32 };
	CHECK_OK(step_scheduler(&b.setup, &err), &err);
	CHECK(sched_getscheduler(0) == SCHED_BATCH && getpriority(PRIO_PROCESS, 0) == 7);
	CHECK_OK(step_io_priority(&b.setup, &err), &err);
	CHECK(syscall(SYS_ioprio_get, 1, 0) == (2 << 13 | 6));
	CHECK_OK(step_personality(&b.setup, &err), &err);
	CHECK(personality(0xffffffff) == PER_LINUX32);
	if (syscall(SYS_get_mempolicy, &mode, &mask, 64UL, 0UL, 0UL) == 0) {
		CHECK_OK(step_memory_policy(&b.setup, &err), &err);
		CHECK(syscall(SYS_get_mempolicy, &mode, &mask, 1025UL, 0UL, 0UL) == 0 || errno == EINVAL);
		mem.nodes = bad;
		CHECK(step_memory_policy(&b.setup, &err) == -EINVAL);
		joey_err_clear(&err);
		mem.nodes = none;
		CHECK(step_memory_policy(&b.setup, &err) < 0);
		joey_err_clear(&err);
	}
	CHECK_OK(joey_cpu_affinity_apply(getpid(), cpus, &err), &err);
	CHECK(sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) == 1 && CPU_ISSET(0, &set));
	CHECK_OK(joey_cpu_affinity_apply(0, NULL, &err), &err);
	CHECK(sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) == sysconf(_SC_NPROCESSORS_ONLN));
	CHECK(joey_cpu_affinity_apply(0, "", &err) == -EINVAL);
	joey_err_clear(&err);
	batch.policy = 77;
	CHECK(step_scheduler(&b.setup, &err) == -EINVAL);
}

static void limits(void *arg)
{
	struct joey_rlimit l[] = { { RLIMIT_NOFILE, 100, 200 },
				   { RLIMIT_CORE, 0, 0 },
				   { RLIMIT_CPU, UINT64_MAX, UINT64_MAX } };
	struct joey_process p = { .rlimits = l, .n_rlimits = 3 };
	struct joey_err err = JOEY_ERR_INIT;
	int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char path[64], text[64];
	struct rlimit got;
	pid_t pid = fork();

	(void)arg;
	if (pid == 0)
		for (;;)
			pause();
	CHECK_OK(joey_rlimits_apply(pid, &p, &err), &err);
	CHECK(prlimit(pid, RLIMIT_NOFILE, NULL, &got) == 0 && got.rlim_cur == 100 && got.rlim_max == 200);
	CHECK(prlimit(pid, RLIMIT_CPU, NULL, &got) == 0 && got.rlim_cur == RLIM_INFINITY);
	l[0].soft = 300;
	CHECK(joey_rlimits_apply(pid, &p, &err) == -EINVAL);
	joey_err_clear(&err);
	CHECK_OK(joey_oom_score_adj_apply(proc, pid, 321, &err), &err);
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	read_text(path, text, sizeof(text));
	CHECK(strcmp(text, "321") == 0);
	CHECK(joey_oom_score_adj_apply(proc, pid, 2000, &err) == -EINVAL);
	joey_err_clear(&err);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK(joey_oom_score_adj_apply(proc, pid, 0, &err) < 0);
	joey_err_clear(&err);
	CHECK(joey_rlimits_apply(pid, &p, &err) == -ESRCH);
}

/* ---- terminal --------------------------------------------------------------------------------------------------- */

/* A root with /dev on a tmpfs and a devpts; both ends of a console socket. */
static void terminal_root(struct bare *b, int sv[2], const char *options)
{
	private_mounts(0);
	CHECK(mount("tmpfs", "/mnt", "tmpfs", 0, NULL) == 0);
	CHECK(mkdir("/mnt/dev", 0755) == 0 && mkdir("/mnt/dev/pts", 0755) == 0);
	if (options)
		CHECK(mount("devpts", "/mnt/dev/pts", "devpts", 0, options) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == 0);
	bare_init(b);
	b->process.terminal = true;
	b->process.console_height = 33;
	b->process.console_width = 111;
	b->setup.console_sock = sv[1];
	b->setup.root_fd = open("/mnt", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(setsid() > 0);
}

static const char *const DEVPTS = "newinstance,ptmxmode=0666,mode=0620,gid=5";

static void terminal(void *arg)
{
	struct joey_err err = JOEY_ERR_INIT;
	int sv[2], master = -EBADF;
	struct winsize ws;
	char text[64] = "";
	struct stat st, con;
	struct bare b;
	size_t n;

	(void)arg;
	terminal_root(&b, sv, DEVPTS);
	CHECK_OK(step_terminal(&b.setup, &err), &err);
	CHECK(joey_recv_fds(sv[0], text, sizeof(text), &master, 1, &n, MSG_DONTWAIT) > 0 && n == 1);
	for (int fd = 0; fd < 3; fd++)
		CHECK(fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && major(st.st_rdev) == 136 && isatty(fd));
	CHECK(stat("/mnt/dev/console", &con) == 0 && con.st_rdev == st.st_rdev && con.st_dev == st.st_dev);
	CHECK(ioctl(0, TIOCGWINSZ, &ws) == 0 && ws.ws_row == 33 && ws.ws_col == 111);
	CHECK(ioctl(0, TIOCGSID, &n) == 0 && (pid_t) * (int *)&n == getpid());
	CHECK(write(1, "hi", 2) == 2 && read(master, text, sizeof(text)) == 2 && memcmp(text, "hi", 2) == 0);
}

static void terminal_exec(void *arg)
{
	struct joey_err err = JOEY_ERR_INIT;
	struct stat st;
	struct bare b;
	int sv[2];

	(void)arg;
	terminal_root(&b, sv, DEVPTS);
	b.setup.exec_only = true;
	CHECK_OK(step_terminal(&b.setup, &err), &err);
	CHECK(stat("/mnt/dev/console", &st) < 0 && errno == ENOENT);
	CHECK(isatty(0));
}

static void terminal_stdio_closed(void *arg)
{
	struct joey_err err = JOEY_ERR_INIT;
	struct bare b;
	int sv[2];

	(void)arg;
	terminal_root(&b, sv, DEVPTS);
	close(0);
	close(1);
	if (step_terminal(&b.setup, &err) < 0)
		_exit(5);
	if (!isatty(0) || !isatty(1) || !isatty(2) || (fcntl(0, F_GETFD) & FD_CLOEXEC))
		_exit(6);
}

/* What an image or a volume may put there. */
static void terminal_hostile(void *arg)
{
	struct joey_err err = JOEY_ERR_INIT;
	struct stat before, after;
	struct bare b;
	int sv[2];

	(void)arg;
	terminal_root(&b, sv, NULL);
	CHECK(step_terminal(&b.setup, &err) < 0 && strstr(joey_err_text(&err), "/dev/pts is not a devpts"));
	joey_err_clear(&err);
	CHECK(mount("devpts", "/mnt/dev/pts", "devpts", 0, DEVPTS) == 0);
	/* a file over ptmx */
	CHECK(mknod("/mnt/fake", S_IFREG | 0666, 0) == 0);
	CHECK(mount("/mnt/fake", "/mnt/dev/pts/ptmx", NULL, MS_BIND, NULL) == 0);
	CHECK(step_terminal(&b.setup, &err) == -EXDEV);
	joey_err_clear(&err);
	CHECK(umount("/mnt/dev/pts/ptmx") == 0);
	/* /dev/console leads out of the root, to a device, to a directory */
	CHECK(symlink("../fake", "/mnt/dev/console") == 0);
	CHECK(step_terminal(&b.setup, &err) == -ELOOP);
	joey_err_clear(&err);
	CHECK(unlink("/mnt/dev/console") == 0 && mkdir("/mnt/dev/console", 0755) == 0);
	CHECK(step_terminal(&b.setup, &err) == -ELOOP);
	joey_err_clear(&err);
	CHECK(rmdir("/mnt/dev/console") == 0);
	/* the whole of /dev/pts elsewhere, above the root */
	CHECK(umount("/mnt/dev/pts") == 0 && rmdir("/mnt/dev/pts") == 0);
	CHECK(symlink("/../../../../../../dev/pts", "/mnt/dev/pts") == 0);
	CHECK(step_terminal(&b.setup, &err) == -ELOOP);
	joey_err_clear(&err);
	CHECK(unlink("/mnt/dev/pts") == 0 && mkdir("/mnt/dev/pts", 0755) == 0);
	CHECK(mount("devpts", "/mnt/dev/pts", "devpts", 0, DEVPTS) == 0);
	/* a FIFO as mount point is covered, never opened */
	CHECK(mkfifo("/mnt/dev/console", 0666) == 0 && lstat("/mnt/dev/console", &before) == 0);
	CHECK_OK(step_terminal(&b.setup, &err), &err);
	CHECK(lstat("/mnt/dev/console", &after) == 0 && S_ISCHR(after.st_mode) && before.st_ino != after.st_ino);
}

static void terminal_nowhere(void *arg)
{
	struct joey_err err = JOEY_ERR_INIT;
	struct bare b;
	int sv[2];

	(void)arg;
	terminal_root(&b, sv, DEVPTS);
	b.setup.exec_only = true;
	b.setup.console_sock = -EBADF;
	CHECK(step_terminal(&b.setup, &err) == -EINVAL);
	joey_err_clear(&err);
	/* the engine has gone: an error, no SIGPIPE */
	b.setup.pty_to_parent = sv[1];
	close(sv[0]);
	CHECK(step_terminal(&b.setup, &err) == -EPIPE);
}

/* ---- resctrl, on a plain directory ------------------------------------------------------------------------------ */

static void put(const char *path)
{
	joey_close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

static void put_text(const char *path, const char *text)
{
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(joey_write_all(fd, text, strlen(text)) == 0);
}

/* Is what is wanted there? */
static void rdt_compare(void *arg)
{
	static const struct {
		const char *l3, *mb, *why; /* NULL: it is */
	} rows[] = {
		{ "L3:0=7ff", NULL, NULL },
		{ "L3:0=0x7FF;1=00f", NULL, NULL },
		{ " L3 : 1 = f ; 0=7ff;\n\nMB:0=50", NULL, NULL },
		{ NULL, "MB:0=50;1=100", NULL },
		{ NULL, "MB:0=41", NULL },
		{ NULL, "MB:1=100", NULL },
		{ "", "", NULL },
		{ "L3:0=7fe", NULL, "L3:0=7fe is another value" },
		{ "L3:0=7ff;2=f", NULL, "L3:2=f is not there" },
		{ "L2:0=f", NULL, "L2:0=f is not there" },
		{ "L3CODE:0=f", NULL, "L3CODE:0=f is not there" },
		{ NULL, "MB:0=51", "MB:0=51 is another value" },
		{ NULL, "MB:0=40", "MB:0=40 is another value" },
		{ NULL, "MB:2=1", NULL },
		{ NULL, "MB:1=1", "MB:1=1 is another value" },
		{ "L3:0=xyz", NULL, "L3:0=xyz cannot be read" },
		{ "L3:0", NULL, "L3:0 cannot be read" },
		{ "L3:-1=f", NULL, "L3:-1=f cannot be read" },
		{ "L3:0=11111111111111111", NULL, "cannot be read" },
	};
	int fd;

	(void)arg;
	private_mounts(0);
	CHECK(mount("tmpfs", "/mnt", "tmpfs", 0, NULL) == 0);
	CHECK(mkdir("/mnt/info", 0755) == 0 && mkdir("/mnt/info/MB", 0755) == 0);
	put_text("/mnt/info/MB/bandwidth_gran", "10\n");
	put_text("/mnt/info/MB/min_bandwidth", "20\n");
	put_text("/mnt/schemata", "    MB:0= 50;1=100;2= 20\n    L3:0=7ff;1=f\n");
	fd = open("/mnt", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;
		char l3[64] = "", mb[64] = "";
		struct joey_intel_rdt want = { .l3_cache_schema = l3, .mem_bw_schema = mb };
		int r;

		strcpy(l3, rows[i].l3 ? rows[i].l3 : "");
		strcpy(mb, rows[i].mb ? rows[i].mb : "");
		r = intelrdt_compare(fd, fd, &want, &err);
		if (!rows[i].why)
			CHECK_OK(r, &err);
		else
			CHECK(r == -EINVAL && strstr(joey_err_text(&err), rows[i].why));
	}
}

static void rdt_stats(void *arg)
{
	static const char *const dirs[] = { "/mnt/info",
					    "/mnt/info/L3",
					    "/mnt/info/MB",
					    "/mnt/info/L3_MON",
					    "/mnt/g",
					    "/mnt/g/mon_data",
					    "/mnt/g/mon_data/mon_L3_00",
					    "/mnt/g/mon_data/mon_L3_02" };
	struct joey_err err = JOEY_ERR_INIT;
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct joey_rdt_use u = { 0 };
	int root, group;

	(void)arg;
	private_mounts(0);
	CHECK(mount("tmpfs", "/mnt", "tmpfs", 0, NULL) == 0);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(dirs); i++)
		CHECK(mkdir(dirs[i], 0755) == 0);
	put_text("/mnt/schemata", "    MB:0=100;2=100\n    L3:0=7ff;2=7ff\n");
	put_text("/mnt/g/schemata", "    MB:0= 50;2=100\n    L3:0=00f;2=7ff\n");
	root = open("/mnt", O_PATH | O_DIRECTORY | O_CLOEXEC);
	group = open("/mnt/g", O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* the least that there can be */
	CHECK_OK(intelrdt_stats_at(root, group, group, &arena, &u, &err), &err);
	CHECK(u.set && !u.l3.set && !u.mb.set && !u.l3.own && u.n_mbm == 0 && u.n_llc == 0 && u.schemata.n == 2);
	put_text("/mnt/info/L3/cbm_mask", "7ff\n");
	put_text("/mnt/info/L3/min_cbm_bits", "2\n");
	put_text("/mnt/info/L3/num_closids", "16\n");
	put_text("/mnt/info/MB/num_closids", "8\n");
	put_text("/mnt/info/MB/bandwidth_gran", "10\n");
	put_text("/mnt/info/L3_MON/mon_features", "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n");
	put_text("/mnt/g/mon_data/mon_L3_00/llc_occupancy", "65536\n");
	put_text("/mnt/g/mon_data/mon_L3_00/mbm_total_bytes", "Unavailable\n");
	put_text("/mnt/g/mon_data/mon_L3_02/mbm_total_bytes", "7\n");
	put_text("/mnt/g/mon_data/mon_L3_02/mbm_local_bytes", "5\n");
	CHECK_OK(intelrdt_stats_at(root, group, group, &arena, &u, &err), &err);
	CHECK(u.l3.set && joey_streq(u.l3.cbm_mask, "7ff") && u.l3.min_cbm_bits == 2 && u.l3.num_closids == 16);
	CHECK(joey_streq(u.l3.root, "L3:0=7ff;2=7ff") && joey_streq(u.l3.own, "L3:0=00f;2=7ff"));
	CHECK(u.mb.set && u.mb.bandwidth_gran == 10 && joey_streq(u.mb.own, "MB:0= 50;2=100"));
	CHECK(u.n_llc == 2 && u.llc[0] == 65536 && u.llc[1] == 0);
	CHECK(u.n_mbm == 2 && u.mbm[0].total == 0 && u.mbm[1].total == 7 && u.mbm[1].local == 5);
	joey_arena_done(&arena);
}

static void rdt(void *arg)
{
	static char clos[] = "clos", slash[] = "/", dots[] = "..", nested[] = "a/b", mb[] = "MB:0=50", l3[] = "L3:0=f",
		    other[] = "L2:0=1";
	char *list[] = { other }, text[64];
	struct joey_intel_rdt named = { .clos_id = clos,
					.l3_cache_schema = l3,
					.mem_bw_schema = mb,
					.schemata = { list, 1 } },
			      bare = { .clos_id = clos }, own = { .clos_id = NULL }, root = { .clos_id = slash };
	struct joey_err err = JOEY_ERR_INIT;
	bool created = true;
	int fd;

	(void)arg;
	private_mounts(0);
	CHECK(mount("tmpfs", "/mnt", "tmpfs", 0, NULL) == 0);
	fd = open("/mnt", O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* not there, and no schema to make it with */
	CHECK(intelrdt_apply_at(fd, &bare, "id", 7, &created, &err) == -ENOENT && access("/mnt/clos", F_OK) < 0);
	joey_err_clear(&err);
	CHECK(mkdir("/mnt/clos", 0755) == 0);
	put("/mnt/clos/tasks");
	put_text("/mnt/clos/schemata", "    MB:0=50;1=100\n    L3:0=f;1=ff\n    L2:0=1\n");
	CHECK_OK(intelrdt_apply_at(fd, &named, "id", 7, &created, &err), &err);
	CHECK(!created);
	read_text("/mnt/clos/tasks", text, sizeof(text));
	CHECK(strcmp(text, "7") == 0);
	read_text("/mnt/clos/schemata", text, sizeof(text));
	CHECK(strcmp(text, "    MB:0=50;1=100") == 0); /* as it was: its first line */
	l3[5] = 'e';
	CHECK(intelrdt_apply_at(fd, &named, "id", 7, &created, &err) == -EINVAL);
	CHECK(strstr(joey_err_text(&err), "not those of the config: L3:0=e is another value"));
	joey_err_clear(&err);
	CHECK_OK(intelrdt_update_at(fd, &named, "id", &err), &err);
	read_text("/mnt/clos/schemata", text, sizeof(text));
	CHECK(strcmp(text, "L2:0=1") == 0);
	CHECK_OK(intelrdt_remove_at(fd, &named, "id", created, &err), &err);
	CHECK(access("/mnt/clos", F_OK) == 0);
	/* made by us, fails (no files in a tmpfs), removed */
	CHECK(intelrdt_apply_at(fd, &own, "id", 7, &created, &err) == -ENOENT && access("/mnt/id", F_OK) < 0);
	joey_err_clear(&err);
	put("/mnt/tasks");
	CHECK_OK(intelrdt_apply_at(fd, &root, "id", 9, &created, &err), &err);
	CHECK(!created);
	own.clos_id = dots;
	CHECK(intelrdt_apply_at(fd, &own, "id", 7, &created, &err) == -EINVAL);
	joey_err_clear(&err);
	own.clos_id = nested;
	CHECK(intelrdt_apply_at(fd, &own, "id", 7, &created, &err) == -EINVAL);
	joey_err_clear(&err);
	/* the kernel's own words are passed on */
	CHECK(mkdir("/mnt/info", 0755) == 0);
	fd = open("/mnt/info/last_cmd_status", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	CHECK(write(fd, "no room\n", 8) == 8);
	fd = open("/mnt", O_PATH | O_DIRECTORY | O_CLOEXEC);
	own.clos_id = NULL;
	CHECK(intelrdt_apply_at(fd, &own, "id", 7, &created, &err) < 0);
	CHECK(strstr(joey_err_text(&err), "(last_cmd_status: no room)"));
}

/* ---- execve ----------------------------------------------------------------------------------------------------- */

/* 3 and 4 are to be kept, whatever else was left open, and by whomever, is not. */
static void exec_descriptors(void *arg)
{
	static char
		sh[] = "/bin/sh",
		dash_c[] = "-c",
		script[] =
			"for f in /proc/self/fd/*; do n=${f##*/}; case $n in [0-4]) ;; *) test -e $f && exit 9;; esac;"
			" done; test -e /proc/self/fd/3 && test -e /proc/self/fd/4 && test \"$VAR\" = 1";
	static char var[] = "VAR=1", home[] = "HOME=/";
	char *args[] = { sh, dash_c, script, NULL }, *env[] = { var, home };
	struct joey_err err = JOEY_ERR_INIT;
	int null = open("/dev/null", O_RDWR);
	struct bare b;

	(void)arg;
	CHECK(dup2(null, 3) == 3 && dup2(null, 4) == 4 && dup2(null, 5) == 5 && dup2(null, 300) == 300);
	if (null > 5)
		close(null);
	bare_init(&b);
	b.process.args = (struct joey_strlist){ args, 3 };
	b.process.env = (struct joey_strlist){ env, 2 };
	b.setup.preserve_fds = 2;
	CHECK_OK(step_environment(&b.setup, &err), &err);
	CHECK_OK(step_resolve_executable(&b.setup, &err), &err);
	joey_setup_exec(&b.setup, &err);
	CHECK(!"execve failed");
}

static void in_child_as_root(void (*fn)(void *))
{
	ROOT_ONLY();
	in_child(fn, NULL);
}

#define CHILD_TEST(fn)                      \
	static void test_##fn(void **state) \
	{                                   \
		(void)state;                \
		in_child_as_root(fn);       \
	}
CHILD_TEST(names)
CHILD_TEST(loopback)
CHILD_TEST(session)
CHILD_TEST(keyring)
CHILD_TEST(sysctls)
CHILD_TEST(procfs_borrowed)
CHILD_TEST(self_files)
CHILD_TEST(labels)
CHILD_TEST(scheduling)
CHILD_TEST(limits)
CHILD_TEST(terminal)
CHILD_TEST(terminal_exec)
CHILD_TEST(terminal_stdio_closed)
CHILD_TEST(terminal_hostile)
CHILD_TEST(terminal_nowhere)
CHILD_TEST(rdt)
CHILD_TEST(rdt_compare)
CHILD_TEST(rdt_stats)
CHILD_TEST(exec_descriptors)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_keyring),
		cmocka_unit_test(test_sysctls),
		cmocka_unit_test(test_procfs_borrowed),
		cmocka_unit_test(test_self_files),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_scheduling),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_terminal_exec),
		cmocka_unit_test(test_terminal_stdio_closed),
		cmocka_unit_test(test_terminal_hostile),
		cmocka_unit_test(test_terminal_nowhere),
		cmocka_unit_test(test_rdt),
		cmocka_unit_test(test_rdt_compare),
		cmocka_unit_test(test_rdt_stats),
		cmocka_unit_test(test_exec_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
