/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ^C and friends while a container is being made: the first one is noted, and create stops at its next safe point
 * and undoes everything.  The second one kills joey as usual, for a create that hangs; init dies with it and
 * `delete --force` does the rest.
 * Handlers, not a blocked mask: hooks and the payload inherit a mask over execve(2), but not handlers.
 */
#include <string.h>

#include "runtime/runtime-internal.h"

static volatile sig_atomic_t noted;

static const int polite[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
static struct sigaction before[JOEY_ARRAY_SIZE(polite)];

static void note(int sig)
{
	noted = sig;
}

void rt_interrupt_begin(void)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_DFL;
	/* An inherited SIG_IGN would make the kernel reap our children before we can ask for their status. */
	(void)sigaction(SIGCHLD, &sa, NULL);

	noted = 0;
	sa.sa_handler = note;
	sa.sa_flags = (int)SA_RESETHAND;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(polite); i++) {
		(void)sigaction(polite[i], &sa, &before[i]);
		if (before[i].sa_handler == SIG_IGN) /* nohup */
			(void)sigaction(polite[i], &before[i], NULL);
	}
}

int rt_interrupt_pending(void)
{
	return noted;
}

int rt_interrupt_check(struct joey_err *err)
{
	if (!noted)
		return 0;
	return joey_err_set(err, JOEY_EK_OTHER, EINTR, "interrupted by signal %d", (int)noted);
}

void rt_interrupt_allow(sigset_t *ret_old)
{
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(polite); i++)
		(void)sigaddset(&set, polite[i]);
	(void)sigprocmask(SIG_UNBLOCK, &set, ret_old);
}

void rt_interrupt_end(void)
{
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(polite); i++)
		(void)sigaction(polite[i], &before[i], NULL);
}
