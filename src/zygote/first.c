/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs in a zygote's guest: what programs begin and end with, so that the guest's code for it is translated when
 * containers come.  Much data and little code: what was translated of it is thrown away block by block when its memory
 * is used for something else, and each time all of the emulator's way to find blocks.  So the last one of these before
 * copies are made (/last is there) does nothing but write on memory that was used before.  No C library; whatever fails
 * is as good.
 */
#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/stat.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "zygote/zygote-internal.h"

enum { PAGE = 4096, AGAIN = 1, USED = 8 << 20, SIZE = (JOEY_ZYGOTE_FIRST_SIZE + PAGE - 1) / PAGE * PAGE };

static char initialised[16 * PAGE + 100] __attribute__((aligned(PAGE))) = { 1 };
static char zeroes[16 * PAGE + 1];

static char buffer[2 * PAGE];
static long words[64];
static int pair[2];
static const char self[] = "/bin/sh", scratch[] = "/dev/shm/first";

static struct rseq_area {
	unsigned cpu_id_start, cpu_id;
	unsigned long long cs;
	unsigned flags, padding[3];
} __attribute__((aligned(32))) rseq;

static const struct call {
	long nr;
	/* The first argument: a; the result that was kept; the ends of the last pair. */
	enum { GIVEN, RESULT, FIRST, SECOND } from;
	bool keep;
	const void *a, *b, *c, *d, *e;
} calls[] = {
#define C(nr, from, keep, ...)                                         \
	{                                                              \
		SYS_##nr, from, keep, ARGS(__VA_ARGS__, 0, 0, 0, 0, 0) \
	}
#define ARGS(a, b, c, d, e, ...)                                                                            \
	(const void *)(long)(a), (const void *)(long)(b), (const void *)(long)(c), (const void *)(long)(d), \
		(const void *)(long)(e)
	/* as a loader and a C library do when they start */
	C(arch_prctl, GIVEN, false, ARCH_SET_FS, words),
	C(set_tid_address, GIVEN, false, words),
	C(set_robust_list, GIVEN, false, words, 24),
	C(rseq, GIVEN, false, &rseq, sizeof(rseq), 0, 0x53053053),
	C(prlimit64, GIVEN, false, 0, 3, 0, words),
	C(readlink, GIVEN, false, "/proc/self/exe", buffer, sizeof(buffer)),
	C(readlinkat, GIVEN, false, AT_FDCWD, self, buffer, sizeof(buffer)),
	C(getrandom, GIVEN, false, words, 8, 1),
	C(uname, GIVEN, false, buffer),
	C(mprotect, GIVEN, false, initialised + 2 * PAGE, PAGE, PROT_READ),
	C(mprotect, GIVEN, false, initialised + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE),
	C(prctl, GIVEN, false, PR_SET_NAME, self),
	C(prctl, GIVEN, false, PR_CAPBSET_READ, 1),
	C(access, GIVEN, false, "/etc/ld.so.preload", 4),
	C(getuid, GIVEN, false, 0),
	C(geteuid, GIVEN, false, 0),
	C(getgid, GIVEN, false, 0),
	C(getpid, GIVEN, false, 0),
	C(getppid, GIVEN, false, 0),
	C(getcwd, GIVEN, false, buffer, sizeof(buffer)),
	C(clock_gettime, GIVEN, false, 0, words),
	C(sysinfo, GIVEN, false, buffer),
	C(sched_getaffinity, GIVEN, false, 0, 128, buffer),
	C(ioctl, GIVEN, false, 0, 0x5401 /* TCGETS */, buffer),
	C(rt_sigprocmask, GIVEN, false, 0, 0, words, 8),
	C(rt_sigaction, GIVEN, false, 17, 0, buffer, 8),
	C(sigaltstack, GIVEN, false, 0, buffer),
	C(fcntl, GIVEN, false, 1, F_GETFL),
	C(umask, GIVEN, false, 022),
	/* directories, files, and what is not there */
	C(newfstatat, GIVEN, false, AT_FDCWD, "/bin/nothing", buffer),
	C(statx, GIVEN, false, AT_FDCWD, self, 0, STATX_BASIC_STATS, buffer),
	C(chdir, GIVEN, false, "/bin"),
	C(openat, GIVEN, true, AT_FDCWD, "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	C(getdents64, RESULT, false, 0, buffer, sizeof(buffer)),
	C(close, RESULT, false, 0),
	C(openat, GIVEN, true, AT_FDCWD, "/proc/self/stat", O_RDONLY | O_CLOEXEC),
	C(read, RESULT, false, 0, buffer, sizeof(buffer)),
	C(lseek, RESULT, false, 0, 0, 0),
	C(close, RESULT, false, 0),
	C(openat, GIVEN, true, AT_FDCWD, scratch, O_RDWR | O_CREAT | O_CLOEXEC, 0600),
	C(write, RESULT, false, 0, initialised, sizeof(initialised)),
	C(ftruncate, RESULT, false, 0, PAGE),
	C(fchmod, RESULT, false, 0, 0644),
	C(close, RESULT, false, 0),
	C(openat, GIVEN, true, AT_FDCWD, scratch, O_WRONLY | O_TRUNC | O_CLOEXEC),
	C(close, RESULT, false, 0),
	C(unlink, GIVEN, false, scratch),
	C(mkdir, GIVEN, false, scratch, 0755),
	C(rmdir, GIVEN, false, scratch),
	C(openat, GIVEN, true, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC),
	C(write, RESULT, false, 0, self, 4),
	C(close, RESULT, false, 0),
	/* what is waited for, and who is talked to */
	C(pipe2, GIVEN, false, pair, O_CLOEXEC),
	C(write, SECOND, false, 0, self, 4),
	C(read, FIRST, false, 0, buffer, 4),
	C(close, FIRST, false, 0),
	C(close, SECOND, false, 0),
	C(socketpair, GIVEN, false, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
	C(sendto, SECOND, false, 0, self, 4),
	C(recvfrom, FIRST, false, 0, buffer, 4),
	C(epoll_create1, GIVEN, true, EPOLL_CLOEXEC),
	C(epoll_wait, RESULT, false, 0, buffer, 4, 2),
	C(close, RESULT, false, 0),
	C(close, FIRST, false, 0),
	C(close, SECOND, false, 0),
	C(poll, GIVEN, false, buffer, 0, 3),
	C(socket, GIVEN, true, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
	C(close, RESULT, false, 0),
	C(write, GIVEN, false, 1, "joey\n", 5),
};

static void ask_all(void)
{
	long kept = -1;

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		const struct call *c = &calls[i];
		const long first[] = { [GIVEN] = (long)c->a, [RESULT] = kept, [FIRST] = pair[0], [SECOND] = pair[1] };
		long r = SYS(c->nr, first[c->from], c->b, c->c, c->d, c->e);

		if (c->keep)
			kept = r;
	}
}

/* Here and there, so that each time it is a page fault that reads the share. (To QEMU, code of the kernel that an
 * exception has entered is not the code that a system call has entered: another stack segment.) */
static void read_file(const volatile char *at, size_t size)
{
	enum { STEP = 77 * PAGE };

	for (size_t i = 0, to = 0; i < size; i += STEP, to = (to + 5 * STEP) % size)
		(void)at[to];
}

static void write_on(volatile char *at, size_t size)
{
	for (size_t i = 0; i < size; i += PAGE)
		at[i] = 1;
}

/* As a loader maps a library, and a C library gets memory. */
static void map(void)
{
	long top = SYS(SYS_brk, 0), fd = SYS(SYS_openat, AT_FDCWD, self, O_RDONLY | O_CLOEXEC), at;
	int pipe[2] = { -1, -1 };

	(void)SYS(SYS_brk, top + 32 * PAGE);
	write_on((volatile char *)top, 2 * PAGE);
	(void)SYS(SYS_read, fd, buffer, sizeof(buffer));
	(void)SYS(SYS_pread64, fd, buffer, 64, 64);
	(void)SYS(SYS_newfstatat, fd, "", words, AT_EMPTY_PATH);
	at = SYS(SYS_mmap, 0, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	(void)SYS(SYS_mmap, at + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0);
	(void)SYS(SYS_mmap, at + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1,
		  0);
	write_on((volatile char *)at + PAGE, 2 * PAGE);
	(void)SYS(SYS_mprotect, at + PAGE, PAGE, PROT_READ);
	/* the same by system calls that meet the fault */
	(void)SYS(SYS_pipe2, pipe, O_CLOEXEC);
	(void)SYS(SYS_write, pipe[1], at + SIZE - 5 * PAGE, PAGE);
	(void)SYS(SYS_write, pipe[1], at + SIZE / 2 + 5 * PAGE, PAGE);
	(void)SYS(SYS_read, pipe[0], at + PAGE, PAGE);
	(void)SYS(SYS_close, pipe[0]);
	(void)SYS(SYS_close, pipe[1]);
	(void)SYS(SYS_clock_gettime, 0, top + 8 * PAGE);
	read_file((volatile char *)at + 3 * PAGE, SIZE - 3 * PAGE);
	(void)SYS(SYS_munmap, at, SIZE);
	(void)SYS(SYS_close, fd);
}

/* Its own code is small, so what becomes of its memory does not matter. */
static void use_memory(void)
{
	long at = SYS(SYS_mmap, 0, USED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at <= 0)
		return;
	(void)SYS(SYS_madvise, at, USED, MADV_NOHUGEPAGE);
	write_on((volatile char *)at, USED);
}

static __attribute__((noreturn, used)) void zygote_first(const long *stack)
{
	static const char *const again[] = { self, "again", NULL }, *const env[] = { NULL };
	long child, status = 0;

	if (SYS(SYS_access, "/last", 0) == 0) {
		use_memory();
		SYS(SYS_exit_group, 0);
	}
	ask_all();
	map();
	write_on(initialised, sizeof(initialised));
	write_on(zeroes, sizeof(zeroes));
	if (stack[0] > AGAIN)
		SYS(SYS_exit_group, 0);
	child = SYS(SYS_fork);
	if (child == 0) {
		(void)SYS(SYS_dup2, 1, 2);
		(void)SYS(SYS_execve, self, again, env);
		SYS(SYS_exit_group, 1);
	}
	(void)SYS(SYS_wait4, -1, &status, 0, 0);
	SYS(SYS_exit_group, 0);
	__builtin_unreachable();
}

__asm__(".text\n.globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall zygote_first\n");
