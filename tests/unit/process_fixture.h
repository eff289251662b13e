/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_UNIT_PROCESS_FIXTURE_H
#define JOEY_UNIT_PROCESS_FIXTURE_H

/*
 * The process steps change the process that runs them, so each case runs in a child.  There cmocka's assertions are of
 * no use (they would jump into the parent's stack): CHECK prints and exits.
 */
#include "unit.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "linux/linux-internal.h"

#define CHECK(cond)                                                                                    \
	do {                                                                                           \
		if (!(cond)) {                                                                         \
			fprintf(stderr, "# %s:%d: %s (errno %d)\n", __FILE__, __LINE__, #cond, errno); \
			_exit(2);                                                                      \
		}                                                                                      \
	} while (0)

#define CHECK_OK(expr, err)                                                                                  \
	do {                                                                                                 \
		if ((expr) < 0) {                                                                            \
			fprintf(stderr, "# %s:%d: %s: %s\n", __FILE__, __LINE__, #expr, joey_err_text(err)); \
			_exit(2);                                                                            \
		}                                                                                            \
	} while (0)

#define ROOT_ONLY()                                             \
	do {                                                    \
		if (geteuid() != 0) {                           \
			print_message("# skipped: not root\n"); \
			skip();                                 \
		}                                               \
	} while (0)

/* In the child: cannot be done here (no privilege). */
enum { CHILD_SKIP = 77 };
#define SKIP_CHILD(why)                                  \
	do {                                             \
		fprintf(stderr, "# skipped: %s\n", why); \
		_exit(CHILD_SKIP);                       \
	} while (0)

/* Forks, runs fn(arg), which returns on success; gives the wait status of anything else. */
static inline int child_status(void (*fn)(void *arg), void *arg)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(60);
		fn(arg);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return status;
}

static inline void in_child(void (*fn)(void *arg), void *arg)
{
	int status = child_status(fn, arg);

	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SKIP)
		skip();
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("child ended with wait status 0x%x", (unsigned)status);
}

/* A config that is all zero but for what pointers must not be NULL. */
struct bare {
	struct joey_resources resources;
	struct joey_config config;
	struct joey_process process;
	struct joey_setup setup;
};

static inline void bare_init(struct bare *b)
{
	static char slash[] = "/";

	memset(b, 0, sizeof(*b));
	joey_setup_init(&b->setup);
	b->process.cwd = slash;
	b->config.resources = &b->resources;
	b->config.process = &b->process;
	b->setup.config = &b->config;
	b->setup.process = &b->process;
	b->setup.id = "unit";
}

#endif
