/* SPDX-License-Identifier: Apache-2.0 */
/* The floor of the benchmark: what the kernel alone asks for a container of the default config.json. It makes the same
 * namespaces, mounts, device nodes, masked and read-only paths, pivots and runs /bin/true, with no runtime around it:
 * no config, no state, no cgroup, no checks, no error text.
 *
 * usage: floor ROOTFS
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SAFE     (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV)

static const struct {
	const char *name;
	unsigned int major, minor;
} nodes[] = {
	{ "null", 1, 3 }, { "zero", 1, 5 }, { "full", 1, 7 }, { "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

static const char *const links[][2] = {
	{ "/proc/self/fd", "fd" },       { "/proc/self/fd/0", "stdin" }, { "/proc/self/fd/1", "stdout" },
	{ "/proc/self/fd/2", "stderr" }, { "/proc/kcore", "core" },      { "pts/ptmx", "ptmx" },
};

static const char *const masked[] = {
	"proc/acpi",       "proc/asound",      "proc/kcore",       "proc/keys",    "proc/latency_stats",
	"proc/timer_list", "proc/timer_stats", "proc/sched_debug", "sys/firmware", "proc/scsi",
};

static const char *const readonly[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger" };

static void need(int good, int step)
{
	if (!good)
		_exit(step);
}

/* A new file system with up to four key=value settings, as a detached mount. */
static int fs_new(const char *type, const char *const settings[][2], size_t n, unsigned int attr)
{
	int fs = fsopen(type, FSOPEN_CLOEXEC);
	int mnt;

	for (size_t i = 0; i < n; i++)
		fsconfig(fs, FSCONFIG_SET_STRING, settings[i][0], settings[i][1], 0);
	fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, attr);
	close(fs);
	return mnt;
}

static void attach(int mnt, int dir, const char *path)
{
	need(move_mount(mnt, "", dir, path, MOVE_MOUNT_F_EMPTY_PATH) == 0, 10);
	close(mnt);
}

static int dev_new(void)
{
	static const char *const size[][2] = { { "mode", "755" }, { "size", "65536k" } };
	int dev = fs_new("tmpfs", size, COUNT(size), MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME);

	need(dev >= 0, 11);
	for (size_t i = 0; i < COUNT(nodes); i++)
		need(mknodat(dev, nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) == 0, 12);
	for (size_t i = 0; i < COUNT(links); i++)
		need(symlinkat(links[i][0], dev, links[i][1]) == 0, 13);
	need(mkdirat(dev, "pts", 0755) == 0 && mkdirat(dev, "shm", 0755) == 0 && mkdirat(dev, "mqueue", 0755) == 0, 14);
	return dev;
}

static void mounts(int root)
{
	static const char *const pts[][2] = { { "ptmxmode", "0666" }, { "mode", "0620" }, { "gid", "5" } };
	static const char *const shm[][2] = { { "mode", "1777" }, { "size", "65536k" } };
	int dev = dev_new();
	int dev_path;

	attach(fs_new("proc", NULL, 0, 0), root, "proc");
	dev_path = openat(root, "dev", O_PATH | O_CLOEXEC);
	need(move_mount(dev, "", dev_path, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0, 15);
	attach(fs_new("devpts", pts, COUNT(pts), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC), dev, "pts");
	attach(fs_new("tmpfs", shm, COUNT(shm), SAFE), dev, "shm");
	attach(fs_new("mqueue", NULL, 0, SAFE), dev, "mqueue");
	attach(fs_new("sysfs", NULL, 0, SAFE | MOUNT_ATTR_RDONLY), root, "sys");
	attach(fs_new("cgroup2", NULL, 0, SAFE | MOUNT_ATTR_RDONLY), root, "sys/fs/cgroup");
}

/* After the pivot: hide files behind /dev/null and directories behind one empty file system; make others read-only. */
static void paths(void)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	int empty = -1;

	for (size_t i = 0; i < COUNT(readonly); i++) {
		int mnt = open_tree(AT_FDCWD, readonly[i], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

		if (mnt < 0)
			continue;
		need(mount_setattr(mnt, "", AT_EMPTY_PATH | AT_RECURSIVE, &ro, sizeof(ro)) == 0, 20);
		attach(mnt, AT_FDCWD, readonly[i]);
	}
	for (size_t i = 0; i < COUNT(masked); i++) {
		int at = open(masked[i], O_PATH | O_CLOEXEC);
		struct stat st;
		int mnt;

		if (at < 0)
			continue;
		need(fstat(at, &st) == 0, 21);
		if (!S_ISDIR(st.st_mode)) {
			mnt = open_tree(AT_FDCWD, "dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		} else if (empty < 0) {
			mnt = empty = fs_new("tmpfs", NULL, 0, MOUNT_ATTR_RDONLY);
		} else {
			mnt = open_tree(empty, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		}
		need(move_mount(mnt, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0, 22);
		close(at);
		if (mnt != empty)
			close(mnt);
	}
	close(empty);
}

static void loopback_up(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	need(ioctl(fd, SIOCSIFFLAGS, &lo) == 0, 30);
	close(fd);
}

static void process(void)
{
	const uint32_t keep = 1U << CAP_AUDIT_WRITE | 1U << CAP_KILL | 1U << CAP_NET_BIND_SERVICE;
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { .effective = keep, .permitted = keep } };
	struct rlimit files = { 1024, 1024 };

	setsid();
	sethostname("floor", 5);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	setrlimit(RLIMIT_NOFILE, &files);
	for (int cap = 0; cap <= CAP_CHECKPOINT_RESTORE; cap++) {
		if (cap != CAP_AUDIT_WRITE && cap != CAP_KILL && cap != CAP_NET_BIND_SERVICE)
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	}
	need(syscall(SYS_capset, &head, data) == 0, 31);
}

static int child(void *rootfs)
{
	static char *const argv[] = { "/bin/true", NULL };
	static char *const envp[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm",
				      NULL };
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	int root;

	need(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0, 2);
	root = open_tree(AT_FDCWD, rootfs, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	need(root >= 0, 3);
	need(move_mount(root, "", AT_FDCWD, rootfs, MOVE_MOUNT_F_EMPTY_PATH) == 0, 4);
	loopback_up();
	mounts(root);
	need(fchdir(root) == 0 && syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0, 5);
	need(chdir("/") == 0, 6);
	paths();
	need(mount_setattr(root, "", AT_EMPTY_PATH, &ro, sizeof(ro)) == 0, 7);
	process();
	execve(argv[0], argv, envp);
	_exit(8);
}

int main(int argc, char **argv)
{
	static char stack[65536] __attribute__((aligned(16)));
	const int namespaces =
		CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWCGROUP;
	int status;
	pid_t pid;

	if (argc != 2)
		return 1;
	/* As vfork: the child borrows this address space until it has exec'd, nothing is copied. */
	pid = clone(child, stack + sizeof(stack), namespaces | CLONE_VM | CLONE_VFORK | SIGCHLD, argv[1]);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
