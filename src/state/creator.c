/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which process makes this container?  A pid alone is reused, so a time goes with it.  Not the process's own start
 * time, which costs a read of /proc/self/stat on every create, but the time of writing: the creator is alive then,
 * and two processes never have one pid at one time.  So whoever has that pid later and started before that
 * moment is the creator; whoever started after it is not.
 */
#include <time.h>

#include "joey/container.h"
#include "joey/syscalls.h"

static uint64_t ticks_since_boot(void)
{
	struct timespec ts = { 0 };

	/* proc_pid_stat(5) field 22 counts the same clock in USER_HZ, which is 100 on every architecture we know. */
	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 100 + (uint64_t)ts.tv_nsec / 10000000;
}

void joey_creator_stamp(struct joey_state *st)
{
	st->creator_pid = getpid();
	st->creator_start = ticks_since_boot();
}

bool joey_creator_is_alive(const struct joey_state *st)
{
	uint64_t start = 0;
	char letter = 0;

	if (st->creator_pid <= 0 || joey_proc_stat(st->creator_pid, &start, &letter) < 0)
		return false;
	return start <= st->creator_start && letter != 'Z' && letter != 'X';
}

void joey_creator_kill(const struct joey_state *st)
{
	autoclose int pidfd = -EBADF;

	if (st->creator_pid <= 0 || st->creator_pid == getpid())
		return;
	pidfd = joey_sys_pidfd_open(st->creator_pid, 0);
	/* The pidfd pins the process; only now the answer about its identity cannot change any more. */
	if (pidfd >= 0 && joey_creator_is_alive(st))
		(void)joey_sys_pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
}
