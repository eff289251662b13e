/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a payload can tell about itself where busybox has no word for it.  Linked statically, lives in the rootfs of
 * the test containers as /bin/probe.  Each subcommand prints one line a fact, in a form that a test can compare.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int cmd_fds(int argc, char **argv)
{
	(void)argc, (void)argv;
	DIR *d = opendir("/proc/self/fd");
	if (!d) { /* no procfs: probe the numbers */
		for (int fd = 0; fd < 4096; fd++)
			if (fcntl(fd, F_GETFD) >= 0)
				printf("%d\n", fd);
		return 0;
	}
	for (struct dirent *e; (e = readdir(d));) {
		char path[300], to[4096];
		if (e->d_name[0] == '.' || atoi(e->d_name) == dirfd(d))
			continue;
		snprintf(path, sizeof path, "/proc/self/fd/%s", e->d_name);
		ssize_t n = readlink(path, to, sizeof to - 1);
		to[n < 0 ? 0 : n] = 0;
		printf("%s %s\n", e->d_name, to);
	}
	return 0;
}

struct sched_attr_v0 {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

static int cmd_sched(int argc, char **argv)
{
	(void)argc, (void)argv;
	struct sched_attr_v0 a = { 0 };
	if (syscall(SYS_sched_getattr, 0, &a, sizeof a, 0) < 0)
		return perror("sched_getattr"), 1;
	printf("policy=%u flags=%llu nice=%d priority=%u runtime=%llu deadline=%llu period=%llu\n", a.policy,
	       (unsigned long long)a.flags, a.nice, a.priority, (unsigned long long)a.runtime,
	       (unsigned long long)a.deadline, (unsigned long long)a.period);
	return 0;
}

static int cmd_ioprio(int argc, char **argv)
{
	(void)argc, (void)argv;
	long v = syscall(SYS_ioprio_get, 1, 0);
	printf("class=%ld priority=%ld\n", v >> 13, v & 0x1fff);
	return v < 0;
}

static int cmd_mempolicy(int argc, char **argv)
{
	(void)argc, (void)argv;
	int mode = -1;
	unsigned long nodes[16] = { 0 };
	if (syscall(SYS_get_mempolicy, &mode, nodes, sizeof nodes * 8, 0, 0) < 0)
		return perror("get_mempolicy"), 1;
	printf("mode=%d nodes=%lx\n", mode, nodes[0]);
	return 0;
}

static int cmd_personality(int argc, char **argv)
{
	(void)argc, (void)argv;
	printf("%#x\n", (unsigned)personality(0xffffffff));
	return 0;
}

/* syscall NR [ARG...]: prints "ret=N errno=N". Arguments are numbers, or strings behind '@'. */
static int cmd_syscall(int argc, char **argv)
{
	long a[7] = { 0 };
	for (int i = 1; i < argc && i < 8; i++)
		a[i - 1] = argv[i][0] == '@' ? (long)(argv[i] + 1) : (long)strtoull(argv[i], NULL, 0);
	errno = 0;
	long r = syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
	printf("ret=%ld errno=%d\n", r, errno);
	return 0;
}

static int cmd_keyring(int argc, char **argv)
{
	(void)argc, (void)argv;
	char buf[512] = "";
	long n = syscall(SYS_keyctl, KEYCTL_DESCRIBE, KEY_SPEC_SESSION_KEYRING, buf, sizeof buf - 1);
	printf("%s\n", n < 0 ? strerror(errno) : buf);
	return 0;
}

static int cmd_clocks(int argc, char **argv)
{
	(void)argc, (void)argv;
	struct timespec m, b;
	clock_gettime(CLOCK_MONOTONIC, &m);
	clock_gettime(CLOCK_BOOTTIME, &b);
	printf("monotonic=%lld boottime=%lld\n", (long long)m.tv_sec, (long long)b.tv_sec);
	return 0;
}

static int cmd_tty(int argc, char **argv)
{
	(void)argc, (void)argv;
	struct winsize w = { 0 };
	ioctl(0, TIOCGWINSZ, &w);
	int fd = open("/dev/tty", O_RDWR);
	printf("tty=%d%d%d rows=%u cols=%u sid=%d pgrp=%d ctty=%d name=%s\n", isatty(0), isatty(1), isatty(2), w.ws_row,
	       w.ws_col, getsid(0) == getpid(), tcgetpgrp(0) == getpgrp(), fd >= 0, ttyname(0) ? ttyname(0) : "-");
	return 0;
}

static int cmd_sig(int argc, char **argv)
{
	(void)argc, (void)argv;
	int p = 0, sub = 0;
	prctl(PR_GET_PDEATHSIG, &p);
	prctl(PR_GET_CHILD_SUBREAPER, &sub);
	printf("pdeathsig=%d subreaper=%d dumpable=%d\n", p, sub, prctl(PR_GET_DUMPABLE));
	return 0;
}

static int cmd_affinity(int argc, char **argv)
{
	(void)argc, (void)argv;
	cpu_set_t s;
	CPU_ZERO(&s);
	sched_getaffinity(0, sizeof s, &s);
	printf("%d\n", CPU_COUNT(&s));
	return 0;
}

/* waitsig FILE: handles TERM, USR1, USR2, INT, HUP, RTMIN+3; says "ready"; prints the number that came, exits 10+n%50
 * on TERM. */
static volatile sig_atomic_t got[65];
static void on_sig(int s)
{
	got[s] = 1;
}

static int cmd_waitsig(int argc, char **argv)
{
	(void)argc, (void)argv;
	int sigs[] = { SIGTERM, SIGUSR1, SIGUSR2, SIGINT, SIGHUP, SIGRTMIN + 3, SIGWINCH, SIGQUIT };
	sigset_t all, old;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	sigemptyset(&old);
	for (size_t i = 0; i < sizeof sigs / sizeof *sigs; i++)
		signal(sigs[i], on_sig);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		sigsuspend(&old);
		for (int s = 1; s < 65; s++) {
			if (!got[s])
				continue;
			got[s] = 0;
			printf("signal %d\n", s);
			fflush(stdout);
			if (s == SIGTERM)
				return 42;
		}
	}
}

/* Open descriptors, environment and sockets as sd_listen_fds(3) sees them. */
static int cmd_listen(int argc, char **argv)
{
	(void)argc, (void)argv;
	const char *n = getenv("LISTEN_FDS"), *p = getenv("LISTEN_PID"), *f = getenv("LISTEN_FDNAMES");
	printf("fds=%s pid=%s names=%s self=%d\n", n ? n : "-", p ? p : "-", f ? f : "-", getpid());
	return cmd_fds(0, NULL);
}

/* notify MESSAGE: sd_notify(3). */
static int cmd_notify(int argc, char **argv)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	if (!path || argc < 2)
		return printf("no NOTIFY_SOCKET\n"), 1;
	strncpy(sa.sun_path, path, sizeof sa.sun_path - 1);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (sendto(fd, argv[1], strlen(argv[1]), 0, (struct sockaddr *)&sa, sizeof sa) < 0)
		return perror("sendto"), 1;
	return 0;
}

/*
 * hunt SECONDS: the C4/C6 attacker.  For each foreign pid that shows up in /proc it tries to open exe (for reading and
 * for writing), mem for writing, and to reach root, cwd and fd/N; prints what succeeded against a process whose
 * executable is not one of the image.
 */
static int is_image_exe(const char *exe)
{
	return !strncmp(exe, "/bin/", 5) || !*exe;
}

static void hunt_one(const char *pid, int *wins)
{
	static const char *const what[] = { "exe",  "mem",  "root", "cwd",  "fd/3",
					    "fd/4", "fd/5", "fd/6", "fd/7", "ns/mnt" };
	char path[300], exe[4096] = "", dst[4096];
	snprintf(path, sizeof path, "/proc/%s/exe", pid);
	ssize_t n = readlink(path, exe, sizeof exe - 1);
	if (n < 0 || is_image_exe(exe))
		return;
	for (size_t i = 0; i < sizeof what / sizeof *what; i++) {
		snprintf(path, sizeof path, "/proc/%s/%s", pid, what[i]);
		int fd = open(path, (i == 1 ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			continue;
		ssize_t m = readlink(path, dst, sizeof dst - 1);
		dst[m < 0 ? 0 : m] = 0;
		printf("REACHED %s %s\n", path, dst);
		++*wins;
		if (i == 0) { /* CVE-2019-5736: wait for the text to be free, then write */
			char self[64];
			snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
			for (int t = 0; t < 1000; t++) {
				int w = open(self, O_WRONLY | O_CLOEXEC);
				if (w < 0)
					continue;
				printf("OVERWRITE possible: %s\n", exe);
				close(w);
				break;
			}
		}
		close(fd);
	}
}

static int cmd_hunt(int argc, char **argv)
{
	int wins = 0;
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 5);
	char self[32];
	snprintf(self, sizeof self, "%d", getpid());
	printf("hunting\n");
	fflush(stdout);
	while (time(NULL) < end && access("/tmp/stop", F_OK) != 0) {
		DIR *d = opendir("/proc");
		for (struct dirent *e; d && (e = readdir(d));)
			if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && strcmp(e->d_name, self) != 0 &&
			    strcmp(e->d_name, "1") != 0)
				hunt_one(e->d_name, &wins);
		if (d)
			closedir(d);
		fflush(stdout);
	}
	printf("wins=%d\n", wins);
	return 0;
}

/*
 * spin: the C6 attacker.  As the container's init it asks for the newest pid and tries on each, until it is gone,
 * whatever needs ptrace access.  The payload of these execs cannot be reached either (a program that may not be read is
 * not dumpable), so every success counts.  On TERM: "seen=N early=N tries=N wins=N"; early: rounds of tries on a
 * process that had not executed its program yet.
 */
struct spin {
	unsigned long seen, early, tries, wins, empty;
};

static void spin_won(struct spin *s, pid_t pid, const char *what)
{
	if (s->wins++ < 20)
		printf("WON %d %s\n", pid, what);
	fflush(stdout);
}

static void spin_open(struct spin *s, pid_t pid, const char *what, int flags)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/%s", pid, what);
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);
	s->tries++;
	if (fd < 0)
		return;
	spin_won(s, pid, what);
	close(fd);
}

/* A process without memory (a zombie; exiting) has VmSize no more. */
static int has_memory(pid_t pid)
{
	char path[32], buf[4096] = "";
	snprintf(path, sizeof path, "/proc/%d/status", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, buf, sizeof buf - 1);
	close(fd);
	return n > 0 && strstr(buf, "\nVmSize:") != NULL;
}

/*
 * Before Linux 6.16 mem of a process that has no memory any more can be opened by whoever owns its directory: there is
 * nothing to check access to, and reading gives end of file.  That is not a success, but only if the process was dead
 * before: one that lives yet has given us memory, joey's or (after an execve meanwhile) what has been joey's.  Memory
 * that is there gives EIO at an address where nothing is mapped.
 */
static void spin_mem(struct spin *s, pid_t pid)
{
	char path[64], byte;
	snprintf(path, sizeof path, "/proc/%d/mem", pid);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	s->tries++;
	if (fd < 0)
		return;
	if (pread(fd, &byte, 1, 0x1000) != 0 || has_memory(pid))
		spin_won(s, pid, "mem");
	else
		s->empty++;
	close(fd);
}

static void spin_one(struct spin *s, pid_t pid)
{
	static const char *const links[] = { "root", "cwd",  "ns/mnt", "ns/user", "ns/net", "fd/0",  "fd/3", "fd/4",
					     "fd/5", "fd/6", "fd/7",   "fd/8",    "fd/9",   "fd/10", "fd/11" };
	char buf[64];
	struct iovec local = { buf, sizeof buf }, remote = { (void *)0x1000, sizeof buf };
	spin_open(s, pid, "exe", O_RDONLY);
	spin_mem(s, pid);
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		spin_open(s, pid, links[i], O_PATH);
	s->tries += 3;
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0)
		spin_won(s, pid, "ptrace");
	if (process_vm_readv(pid, &local, 1, &remote, 1, 0) >= 0 || errno == EFAULT)
		spin_won(s, pid, "process_vm_readv");
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd >= 0) {
		for (int n = 0; n < 12; n++) {
			int fd = syscall(SYS_pidfd_getfd, pidfd, n, 0);
			if (fd >= 0) {
				spin_won(s, pid, "pidfd_getfd");
				close(fd);
			}
		}
		close(pidfd);
	}
}

static pid_t newest_pid(int loadavg)
{
	char buf[128] = "";
	ssize_t n = pread(loadavg, buf, sizeof buf - 1, 0);
	char *last = n > 0 ? strrchr(buf, ' ') : NULL;
	return last ? atoi(last) : 0;
}

static int is_early(pid_t pid)
{
	char path[32], comm[32] = "";
	snprintf(path, sizeof path, "/proc/%d/comm", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, comm, sizeof comm - 1);
	close(fd);
	return n > 0 && strncmp(comm, "sleep", 5) != 0;
}

static int cmd_spin(int argc, char **argv)
{
	(void)argc, (void)argv;
	struct spin s = { 0 };
	pid_t last = 1;
	int loadavg = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	signal(SIGTERM, on_sig);
	printf("ready\n");
	fflush(stdout);
	while (!got[SIGTERM]) {
		pid_t p = newest_pid(loadavg);
		if (p <= 1 || (kill(p, 0) < 0 && errno == ESRCH))
			continue;
		s.seen += p != last;
		last = p;
		int early = is_early(p);
		spin_one(&s, p);
		s.early += early && is_early(p);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	printf("seen=%lu early=%lu tries=%lu wins=%lu\n", s.seen, s.early, s.tries, s.wins);
	printf("empty=%lu\n", s.empty);
	return 0;
}

/* eat MIB: touches that much memory. */
static int cmd_eat(int argc, char **argv)
{
	size_t n = (size_t)(argc > 1 ? atoi(argv[1]) : 1) << 20;
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return perror("mmap"), 1;
	memset(p, 1, n);
	printf("ate %zu\n", n);
	return 0;
}

/* forks N: how many of N sleeping children could be made. */
static int cmd_forks(int argc, char **argv)
{
	int want = argc > 1 ? atoi(argv[1]) : 10, made = 0;
	for (; made < want; made++) {
		pid_t p = fork();
		if (p < 0)
			break;
		if (p == 0) {
			pause();
			_exit(0);
		}
	}
	printf("forks=%d\n", made);
	fflush(stdout);
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	return 0;
}

/* dev PATH: can it be opened? prints errno */
static int cmd_open(int argc, char **argv)
{
	int mode = argc > 2 ? (*argv[2] == 'w' ? O_WRONLY : *argv[2] == 'b' ? O_RDWR : O_RDONLY) : O_RDONLY;
	int fd = open(argv[1], mode | O_CLOEXEC | O_NONBLOCK);
	printf("%s\n", fd < 0 ? strerror(errno) : "ok");
	return 0;
}

/* reopen PATH GO: keeps a read-only descriptor of it, waits for the file GO, then tries to get a writable one out of
 * that, as CVE-2019-5736 did: waits while the file is busy; writes nothing. */
static int cmd_reopen(int argc, char **argv)
{
	char self[64];
	int w = -1, fd = argc > 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	printf("holding %d\n", fd >= 0);
	fflush(stdout);
	if (fd < 0)
		return 1;
	for (int i = 0; i < 20000 && access(argv[2], F_OK) != 0; i++)
		usleep(1000);
	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	for (int i = 0; i < 5000; i++) {
		w = open(self, O_WRONLY | O_CLOEXEC);
		if (w >= 0 || errno != ETXTBSY)
			break;
		usleep(1000);
	}
	printf("%s\n", w >= 0 ? "WRITABLE" : strerror(errno));
	return 0;
}

/* mknod PATH TYPE MAJ MIN */
static int cmd_mknod(int argc, char **argv)
{
	if (argc < 5)
		return 2;
	int r = mknod(argv[1], (*argv[2] == 'b' ? S_IFBLK : S_IFCHR) | 0600,
		      (dev_t)((strtoul(argv[3], 0, 0) << 8) | strtoul(argv[4], 0, 0)));
	printf("%s\n", r < 0 ? strerror(errno) : "ok");
	return 0;
}

/* shm make KEY | shm find KEY: a System V segment, in the ipc namespace */
static int cmd_shm(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	int make = !strcmp(argv[1], "make");
	int id = shmget((key_t)atoi(argv[2]), 4096, make ? IPC_CREAT | 0600 : 0);
	printf("%s\n", id >= 0 ? "found" : strerror(errno));
	return 0;
}

/* mapped FILE SECONDS: makes it, maps it, and shows what others write to it. */
static int cmd_mapped(int argc, char **argv)
{
	int fd = argc > 2 ? open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
	char *p = fd < 0 || ftruncate(fd, 4096) < 0 ? MAP_FAILED
						    : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return perror("map"), 1;
	p[4095] = 1;
	printf("ready\n");
	fflush(stdout);
	for (int i = 100 * atoi(argv[2]); i > 0 && !*(volatile char *)p; i--)
		usleep(10000);
	printf("%.100s\n", p);
	return 0;
}

static void print_file(const char *name, const char *path)
{
	char buf[256] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof buf - 1);
	buf[strcspn(buf, "\n")] = 0;
	printf("%s=%s\n", name, n < 0 ? strerror(errno) : buf);
	close(fd);
}

static void print_bytes(const char *name, const unsigned char *b, ssize_t n)
{
	printf("%s=", name);
	for (ssize_t i = 0; i < n; i++)
		printf("%02x", b[i]);
	printf("\n");
}

/*
 * clone: as its first act it draws random bytes; then it tells what makes one guest differ from another, a line each,
 * "ready", and for each line of standard input what the clock says (ns).
 */
static int cmd_clone(int argc, char **argv)
{
	static const char *const files[][2] = {
		{ "boot_id", "/proc/sys/kernel/random/boot_id" }, { "uuid", "/proc/sys/kernel/random/uuid" },
		{ "machine_id", "/proc/1/root/run/machine-id" },  { "hostname", "/proc/sys/kernel/hostname" },
		{ "mac", "/sys/class/net/eth0/address" },
	};
	static int in_image;
	unsigned char first[32], dev[32];
	ssize_t n = syscall(SYS_getrandom, first, sizeof first, 0), m;
	struct timespec t;
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	(void)argc, (void)argv;
	m = read(fd, dev, sizeof dev);
	print_bytes("getrandom", first, n);
	print_bytes("urandom", dev, m);
	print_bytes("at_random", (unsigned char *)getauxval(AT_RANDOM), 16);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		print_file(files[i][0], files[i][1]);
	printf("stack=%p\nheap=%p\nmap=%p\nvdso=%#lx\nimage=%p\n", (void *)&t, sbrk(0),
	       mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), getauxval(AT_SYSINFO_EHDR),
	       (void *)&in_image);
	printf("ready\n");
	fflush(stdout);
	while (getchar() != EOF) {
		clock_gettime(CLOCK_REALTIME, &t);
		printf("%lld\n", t.tv_sec * 1000000000LL + t.tv_nsec);
		fflush(stdout);
	}
	return 0;
}

/* What the processor says is random: in a sandbox, what the hypervisor says. */
static int cmd_rdrand(int argc, char **argv)
{
	(void)argc;
	(void)argv;
#ifdef __x86_64__
	for (int i = 0; i < 4; i++) {
		unsigned long r = 0;
		unsigned char ok = 0;

		__asm__ volatile("rdrand %0; setc %1" : "=r"(r), "=q"(ok));
		if (ok)
			printf("%016lx\n", r);
	}
#endif
	return 0;
}

static const struct cmd {
	const char *name;
	int (*fn)(int, char **);
} cmds[] = {
	{ "rdrand", cmd_rdrand },
	{ "fds", cmd_fds },
	{ "sched", cmd_sched },
	{ "ioprio", cmd_ioprio },
	{ "mempolicy", cmd_mempolicy },
	{ "personality", cmd_personality },
	{ "syscall", cmd_syscall },
	{ "keyring", cmd_keyring },
	{ "clocks", cmd_clocks },
	{ "tty", cmd_tty },
	{ "sig", cmd_sig },
	{ "affinity", cmd_affinity },
	{ "waitsig", cmd_waitsig },
	{ "listen", cmd_listen },
	{ "notify", cmd_notify },
	{ "hunt", cmd_hunt },
	{ "eat", cmd_eat },
	{ "forks", cmd_forks },
	{ "open", cmd_open },
	{ "mknod", cmd_mknod },
	{ "reopen", cmd_reopen },
	{ "spin", cmd_spin },
	{ "clone", cmd_clone },
	{ "shm", cmd_shm },
	{ "mapped", cmd_mapped },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof cmds / sizeof *cmds; i++)
		if (!strcmp(cmds[i].name, argv[1]))
			return cmds[i].fn(argc - 1, argv + 1);
	fprintf(stderr, "probe: unknown subcommand\n");
	return 2;
}
