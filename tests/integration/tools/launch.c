/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch [OPTION...] -- COMMAND: a caller with known descriptors and traits.
 *   -c          close everything above 2 first
 *   -d N        open N directory descriptors of "/" without close-on-exec, from the lowest free number on
 *   -f FD=FILE  open FILE read-write as FD without close-on-exec
 *   -l N        LISTEN_PID=own pid and LISTEN_FDS=N in the environment
 *   -r          become child subreaper and, after COMMAND ended, wait for orphans: prints "reaped STATUS"
 *   -k          ask to be killed with the parent (PR_SET_PDEATHSIG), as go-runc's callers do
 *   -e          empty environment
 *   -g LIST     supplementary groups, comma separated
 *   -u UID      become that user before exec
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int o, reap = 0, listen = 0;
	uid_t uid = 0;
	while ((o = getopt(argc, argv, "+cd:f:l:rkeg:u:")) != -1) {
		switch (o) {
		case 'c':
			syscall(SYS_close_range, 3, ~0U, 0);
			break;
		case 'd':
			for (int i = atoi(optarg); i > 0; i--)
				if (open("/", O_RDONLY | O_DIRECTORY) < 0)
					return perror("launch: open"), 1;
			break;
		case 'f': {
			int want = atoi(optarg);
			int fd = open(strchr(optarg, '=') + 1, O_RDWR | O_CREAT, 0644);
			if (fd < 0 || (fd != want && dup2(fd, want) < 0))
				return perror("launch: dup2"), 1;
			if (fd != want)
				close(fd);
			break;
		}
		case 'l':
			listen = atoi(optarg);
			break;
		case 'r':
			reap = 1;
			break;
		case 'k':
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			break;
		case 'e':
			clearenv();
			break;
		case 'g': {
			gid_t g[64];
			size_t n = 0;
			for (char *p = strtok(optarg, ","); p && n < 64; p = strtok(NULL, ","))
				g[n++] = (gid_t)atoi(p);
			if (setgroups(n, g) < 0)
				return perror("launch: setgroups"), 1;
			break;
		}
		case 'u':
			uid = (uid_t)atoi(optarg);
			break;
		default:
			return 2;
		}
	}
	if (uid && (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0))
		return perror("launch: setresuid"), 1;
	if (listen) {
		char num[32];
		snprintf(num, sizeof num, "%d", listen);
		setenv("LISTEN_FDS", num, 1);
		snprintf(num, sizeof num, "%d", getpid());
		setenv("LISTEN_PID", num, 1);
	}
	if (!reap) {
		execvp(argv[optind], argv + optind);
		return perror("launch: exec"), 127;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid_t child = fork();
	if (child == 0) {
		execvp(argv[optind], argv + optind);
		_exit(127);
	}
	int st, rc = 0;
	for (pid_t p; (p = wait(&st)) > 0;) {
		if (p == child) {
			rc = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
			printf("runtime %d\n", rc);
		} else {
			printf("reaped %d\n", WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st));
		}
		fflush(stdout);
	}
	return rc;
}
