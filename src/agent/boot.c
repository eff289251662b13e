/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the kernel's first call of /init to a system in which containers can be made: modules, a root that pivot_root(2)
 * accepts, the kernel's file systems, cgroups, loopback, the two ports.
 *
 * Nothing here may draw a random number that lasts or read boot_id: a template is taken when the ports are open, and
 * what exists then is the same in all of its guests.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "agent/agent-internal.h"

enum { PORT_WAIT_MS = 20000 };

_Noreturn void agent_die(const struct agent *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	dprintf(STDERR_FILENO, "joey-agent: ");
	vdprintf(STDERR_FILENO, fmt, ap);
	dprintf(STDERR_FILENO, "\n");
	va_end(ap);
	/* The machine has no other way to end: -no-reboot makes it QEMU's end. */
	if ((!a || !a->test) && getpid() == 1)
		(void)reboot(RB_AUTOBOOT);
	_exit(1);
}

static void must(int r, const char *what, const char *object)
{
	if (r < 0)
		agent_die(NULL, "%s %s: %s", what, object, joey_errno_text(errno));
}

/* ---- modules ----------------------------------------------------------------------------------------------------- */

static void load_module(int dir, const char *name)
{
	autoclose int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	must(fd, "open module", name);
	if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
		agent_die(NULL, "load module %s: %s", name, joey_errno_text(errno));
	/* The archive's copy is memory that nothing else needs. */
	(void)unlinkat(dir, name, 0);
}

static void load_modules(void)
{
	autoclose int dir = open("/modules", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autofree char *order = NULL;
	char *save = NULL;

	if (dir < 0)
		return;
	if (joey_read_file_at(dir, "order", 0, 65536, &order, NULL) < 0)
		agent_die(NULL, "cannot read /modules/order");
	for (char *name = strtok_r(order, "\n", &save); name; name = strtok_r(NULL, "\n", &save))
		load_module(dir, name);
}

/* ---- file systems ------------------------------------------------------------------------------------------------ */

static void put(const char *type, const char *target, unsigned long flags, const char *data)
{
	if (mkdir(target, 0755) < 0 && errno != EEXIST)
		must(-1, "make", target);
	must(mount(type, target, type, flags, data), "mount", target);
}

/* The initramfs itself cannot be moved away from, only covered (switch_root(8) does the same). */
static void leave_initramfs(void)
{
	static const char *const places[] = { "newroot/proc", "newroot/sys",   "newroot/dev",
					      "newroot/run",  "newroot/share", "newroot/tmp" };

	must(chdir("/"), "enter", "/");
	must(mkdir("newroot", 0755), "make", "/newroot");
	must(mount("tmpfs", "newroot", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=64k"), "mount", "the new root");
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(places); i++)
		must(mkdir(places[i], 0755), "make", places[i]);
	must(chdir("newroot"), "enter", "the new root");
	must(mount(".", "/", NULL, MS_MOVE, NULL), "move", "the new root");
	must(chroot("."), "chroot to", "the new root");
	must(chdir("/"), "enter", "/");
}

static void mount_all(void)
{
	put("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	put("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	put("devtmpfs", "/dev", MS_NOSUID, "mode=755");
	put("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=620,gid=5,ptmxmode=666");
	put("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755");
	put("cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	put("tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777,size=64m");
	/* Containers are found by pivot_root(2) in mount namespaces of their own; nothing goes back and forth. */
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make private", "/");
	must(mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, "mode=755,size=64k"),
	     "make read-only", "/");
}

static void enable_controllers(const char *path)
{
	autoclose int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autofree char *names = NULL;
	char *save = NULL, word[64];

	must(dir, "open", path);
	if (joey_read_file_at(dir, "cgroup.controllers", 0, 4096, &names, NULL) < 0)
		return;
	/* One by one: the kernel takes all of a line or nothing. */
	for (char *name = strtok_r(names, " \n", &save); name; name = strtok_r(NULL, " \n", &save)) {
		snprintf(word, sizeof(word), "+%s", name);
		(void)joey_write_file_at(dir, "cgroup.subtree_control", word);
	}
}

/* Most containers' filter is the same.  Without it they are no worse off. */
static void keep_device_filter(void)
{
	static const char path[] = "/sys/fs/cgroup/filter";
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autoclose int dir = -EBADF;

	must(mkdir(path, 0755), "make the cgroup", path);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(dir, "open", path);
	if (joey_cgroup_preload_devices(dir, &err) < 0)
		dprintf(STDERR_FILENO, "joey-agent: %s\n", joey_err_text(&err));
}

/* The directory of all containers is made here, once for all guests of a template: a cgroup with every controller takes
 * the kernel longer than a process. */
static void make_cgroups(void)
{
	enable_controllers("/sys/fs/cgroup");
	must(mkdir("/sys/fs/cgroup" AGENT_CGROUP, 0755), "make the cgroup", AGENT_CGROUP);
	enable_controllers("/sys/fs/cgroup" AGENT_CGROUP);
	keep_device_filter();
}

/* Not 0, 1 or 2: the kernel leaves them closed when it finds no console. */
static int open_high(const char *path)
{
	autoclose int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -EBADF : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static void open_console(void)
{
	autoclose int fd = open_high("/dev/console"), null = open_high("/dev/null");

	if (fd < 0)
		return;
	must(dup2(null >= 0 ? null : fd, STDIN_FILENO), "open", "standard input");
	must(dup2(fd, STDOUT_FILENO), "open", "the console");
	must(dup2(fd, STDERR_FILENO), "open", "the console");
}

/* ---- ports ------------------------------------------------------------------------------------------------------- */

static bool has_name(int class, const char *port, const char *name)
{
	autofree char *text = NULL;
	char path[300];

	if (snprintf(path, sizeof(path), "%s/name", port) >= (int)sizeof(path) ||
	    joey_read_file_at(class, path, 0, 4096, &text, NULL) < 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	return joey_streq(text, name);
}

static int find_port(const char *name)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *e;
	char path[300];
	int fd = -ENOENT;

	if (!dir)
		return -errno;
	while (fd < 0 && (e = readdir(dir))) {
		if (e->d_name[0] == '.' || !has_name(dirfd(dir), e->d_name, name))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", e->d_name);
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
		if (fd < 0)
			fd = -errno;
	}
	closedir(dir);
	return fd;
}

/* Ports are announced by messages of the device, some time after its driver has started. */
static int open_port(const char *name)
{
	const struct timespec moment = { .tv_nsec = 1000000 };
	uint64_t until = joey_now_ms() + PORT_WAIT_MS;
	int fd;

	while ((fd = find_port(name)) < 0) {
		if (joey_now_ms() > until)
			agent_die(NULL, "no port \"%s\": %s", name, joey_errno_text(fd));
		(void)nanosleep(&moment, NULL);
	}
	return fd;
}

/* Workers put the soft limit back: what a container inherits is the usual pair. */
static void raise_limits(void)
{
	const struct rlimit files = { 524288, 524288 }, core = { 0, RLIM_INFINITY };

	(void)setrlimit(RLIMIT_NOFILE, &files);
	(void)setrlimit(RLIMIT_CORE, &core);
}

/*
 * The containers' network namespace is the machine's first one, and not the agent's own: so that it is one to join, in
 * which network sysctls may be set, and not "the host's".
 */
static void leave_network(void)
{
	autoclose int file = open(AGENT_NETNS, O_WRONLY | O_CREAT | O_CLOEXEC, 0400);

	must(file, "make", AGENT_NETNS);
	must(mount("/proc/self/ns/net", AGENT_NETNS, NULL, MS_BIND, NULL), "keep", "the network namespace");
	must(unshare(CLONE_NEWNET), "leave", "the network namespace");
}

void agent_boot(int *ret_ctl, int *ret_io)
{
	(void)umask(022);
	(void)clearenv();
	load_modules();
	leave_initramfs();
	mount_all();
	open_console();
	make_cgroups();
	raise_limits();
	/* The agent's death would be everybody's. */
	(void)joey_write_file_at(AT_FDCWD, "/proc/self/oom_score_adj", "-1000");
	if (agent_loopback_up() < 0)
		agent_die(NULL, "cannot bring up lo");
	leave_network();
	*ret_ctl = open_port("ctl");
	*ret_io = open_port("io");
}

int agent_mount_share(struct joey_err *err)
{
	/*
	 * access=client: permissions are checked here, and a new file belongs to who made it (with access=any all
	 * would belong to root).  cache=mmap: reads see what the host changes, and programs can be mapped.
	 */
	static const char options[] = "trans=virtio,version=9p2000.L,msize=262144,cache=mmap,access=client";

	if (mount("share", "/share", "9p", 0, options) < 0 && errno != EBUSY)
		return joey_err_sys(err, errno, "mount the share");
	return 0;
}

#define DISK "/run/disk"
#define TOP  "/run/top"

static int make_dirs(struct joey_err *err)
{
	static const char *const dirs[] = { DISK, TOP, AGENT_DISK_ROOT };

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(dirs); i++)
		if (mkdir(dirs[i], 0755) < 0)
			return errno == EEXIST ? joey_err_set(err, JOEY_EK_OTHER, EBUSY,
							      "the machine's disk is the root of another container")
					       : joey_err_sys(err, errno, "make %s", dirs[i]);
	return 0;
}

int agent_mount_disk(struct joey_err *err)
{
	/* Nobody writes to it, so a journal that is not empty stays so. */
	static const struct {
		const char *type, *options;
	} types[] = { { "erofs", NULL }, { "ext4", "noload" } };
	int r = make_dirs(err), failed = -ENODEV;

	for (size_t i = 0; r == 0 && failed < 0 && i < JOEY_ARRAY_SIZE(types); i++)
		failed =
			mount("/dev/vda", DISK, types[i].type, MS_RDONLY | MS_NODEV, types[i].options) < 0 ? -errno : 0;
	if (r == 0 && failed < 0)
		r = joey_err_sys(err, failed, "mount the machine's disk, which is to be erofs or ext4");
	if (r < 0)
		return r;
	if (mount("tmpfs", TOP, "tmpfs", MS_NODEV, "mode=755") < 0 || mkdir(TOP "/upper", 0755) < 0 ||
	    mkdir(TOP "/work", 0755) < 0)
		return joey_err_sys(err, errno, "make a layer over the machine's disk");
	if (mount("overlay", AGENT_DISK_ROOT, "overlay", MS_NODEV,
		  "lowerdir=" DISK ",upperdir=" TOP "/upper,workdir=" TOP "/work") < 0)
		return joey_err_sys(err, errno, "mount a layer over the machine's disk");
	return 0;
}
