/* Times several commands against each other in turn: every round runs each once, in an order of its own, so that
 * whatever else the machine does, and what the command before left to clean up, falls on all alike.
 *
 * usage: interleave [--in-order] ROUNDS NAME COMMAND... [-- NAME COMMAND...]...
 * --in-order: no shuffling, for commands of which one undoes what the one before has done.
 * One line a command: name, median, 10th and 90th percentile in microseconds, peak resident memory of its tree in KiB.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

enum { MAX_COMMANDS = 16, WARM_UP = 5 };

extern char **environ;

struct command {
	char *name;
	char **argv;
	long *us;
	long peak;
};

static long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static int by_value(const void *a, const void *b)
{
	long x = *(const long *)a;
	long y = *(const long *)b;

	return (x > y) - (x < y);
}

static long run(struct command *c, const posix_spawn_file_actions_t *quiet)
{
	long start = now_us();
	struct rusage usage;
	int status;
	pid_t pid;

	if (posix_spawn(&pid, c->argv[0], quiet, NULL, c->argv, environ) || wait4(pid, &status, 0, &usage) != pid) {
		perror(c->argv[0]);
		exit(1);
	}
	start = now_us() - start;
	if (status) {
		fprintf(stderr, "%s: ended with wait status %#x\n", c->name, (unsigned int)status);
		exit(1);
	}
	if (usage.ru_maxrss > c->peak)
		c->peak = usage.ru_maxrss;
	return start;
}

/* A new order, by an own generator: the same orders in every run. */
static void shuffle(int *order, int n)
{
	static unsigned int seed = 1;

	for (int i = n - 1; i > 0; i--) {
		int j, old = order[i];

		seed = seed * 1103515245U + 12345U;
		j = (int)((seed >> 16) % (unsigned int)(i + 1));
		order[i] = order[j];
		order[j] = old;
	}
}

int main(int argc, char **argv)
{
	int order[MAX_COMMANDS];
	struct command commands[MAX_COMMANDS] = { 0 };
	posix_spawn_file_actions_t quiet;
	bool in_order = argc > 1 && !strcmp(argv[1], "--in-order");
	int rounds, n = 0;

	argv += in_order;
	argc -= in_order;
	rounds = argc > 3 ? atoi(argv[1]) : 0;
	if (rounds < 1) {
		fprintf(stderr, "usage: interleave [--in-order] ROUNDS NAME COMMAND... [-- NAME COMMAND...]...\n");
		return 2;
	}
	for (char **arg = argv + 2; *arg && arg[1] && n < MAX_COMMANDS; n++) {
		commands[n] =
			(struct command){ .name = arg[0], .argv = arg + 1, .us = calloc((size_t)rounds, sizeof(long)) };
		while (*arg && strcmp(*arg, "--"))
			arg++;
		if (*arg)
			*arg++ = NULL;
	}
	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	for (int i = 0; i < n; i++)
		order[i] = i;
	for (int round = -WARM_UP; round < rounds; round++) {
		if (!in_order)
			shuffle(order, n);
		for (int i = 0; i < n; i++) {
			struct command *c = &commands[order[i]];
			long us = run(c, &quiet);

			if (round >= 0)
				c->us[round] = us;
		}
	}
	for (int i = 0; i < n; i++) {
		struct command *c = &commands[i];

		qsort(c->us, (size_t)rounds, sizeof(long), by_value);
		printf("%s %ld %ld %ld %ld\n", c->name, c->us[rounds / 2], c->us[rounds / 10], c->us[rounds * 9 / 10],
		       c->peak);
		free(c->us);
	}
	return 0;
}
