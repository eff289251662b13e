/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs in a zygote's guest: the system calls that programs begin and end with, so that the guest's code for them
 * is translated when containers come.  Small, for what was translated of it is thrown away page by page when its memory
 * is used for something else, and that costs a copy more than it gains.  No C library; whatever fails is as good.
 */
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "zygote/zygote-internal.h"

enum { PAGE = 4096, AGAIN = 1 };

static char file[2 * PAGE];

/* As a loader and a C library do when they start. */
static void start(void)
{
	static long limit[2], info[64];
	long top = SYS(SYS_brk, 0), fd, at;

	(void)SYS(SYS_brk, top + 32 * PAGE);
	((volatile char *)top)[PAGE] = 1;
	(void)SYS(SYS_set_tid_address, info);
	(void)SYS(SYS_set_robust_list, info, 24);
	(void)SYS(SYS_prlimit64, 0, 3, 0, limit);
	(void)SYS(SYS_readlink, "/proc/self/exe", file, sizeof(file));
	(void)SYS(SYS_getrandom, info, 8, 1);
	(void)SYS(SYS_uname, file);
	(void)SYS(SYS_access, "/etc/ld.so.preload", 4);
	fd = SYS(SYS_openat, AT_FDCWD, "/proc/self/exe", O_RDONLY | O_CLOEXEC, 0);
	(void)SYS(SYS_read, fd, file, sizeof(file));
	(void)SYS(SYS_pread64, fd, file, 64, 64);
	(void)SYS(SYS_newfstatat, fd, "", info, AT_EMPTY_PATH);
	at = SYS(SYS_mmap, 0, 4 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	(void)SYS(SYS_mmap, at + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0);
	*(volatile char *)(at + PAGE) = *(volatile char *)at;
	(void)SYS(SYS_mmap, at + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1,
		  0);
	*(volatile char *)(at + 2 * PAGE) = 1;
	(void)SYS(SYS_mprotect, at + PAGE, PAGE, PROT_READ);
	(void)SYS(SYS_munmap, at, 4 * PAGE);
	(void)SYS(SYS_close, fd);
}

static void look_around(void)
{
	static char entries[1024];
	long fd = SYS(SYS_openat, AT_FDCWD, "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), pipes[1], t[2];

	(void)SYS(SYS_getdents64, fd, entries, sizeof(entries));
	(void)SYS(SYS_close, fd);
	(void)SYS(SYS_newfstatat, AT_FDCWD, "/bin/nothing", entries, 0);
	(void)SYS(SYS_getcwd, entries, sizeof(entries));
	(void)SYS(SYS_getpid);
	(void)SYS(SYS_getppid);
	(void)SYS(SYS_geteuid);
	(void)SYS(SYS_clock_gettime, 0, t);
	(void)SYS(SYS_ioctl, 0, 0x5401 /* TCGETS */, entries);
	(void)SYS(SYS_rt_sigprocmask, 0, 0, entries, 8);
	(void)SYS(SYS_pipe2, pipes, O_CLOEXEC);
	(void)SYS(SYS_fcntl, 1, F_GETFL);
	(void)SYS(SYS_write, 1, "joey\n", 5);
}

static __attribute__((noreturn, used)) void zygote_first(const long *stack)
{
	const char *again[] = { "/bin/sh", "again", 0 }, *env[] = { 0 };
	long child, status = 0;

	start();
	look_around();
	if (stack[0] > AGAIN)
		SYS(SYS_exit_group, 0);
	child = SYS(SYS_fork);
	if (child == 0) {
		(void)SYS(SYS_dup2, 1, 2);
		(void)SYS(SYS_execve, again[0], again, env);
		SYS(SYS_exit_group, 1);
	}
	(void)SYS(SYS_wait4, -1, &status, 0, 0);
	SYS(SYS_exit_group, 0);
	__builtin_unreachable();
}

__asm__(".text\n.globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall zygote_first\n");
