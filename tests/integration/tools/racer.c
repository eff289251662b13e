/* SPDX-License-Identifier: Apache-2.0 */
/*
 * racer A B: exchanges the two names by renameat2(RENAME_EXCHANGE) as fast as it can, until it is killed, its parent
 * dies or 60 s have passed.  Stands for a second container that shares the volume.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(60);
	for (;;)
		if (renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) < 0)
			usleep(50);
}
