/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for a guest that has nothing left to do, which only its hypervisor's use of the processor tells. */
#include <time.h>

#include "joey/vmm.h"

void joey_vmm_settle(pid_t hypervisor, unsigned quiet_ms)
{
	enum { STEP_MS = 25, LIMIT_MS = 4000, IDLE_NS = 400000 };
	const struct timespec step = { .tv_nsec = STEP_MS * 1000000L };
	struct timespec used;
	int64_t last = 0;
	clockid_t clock;

	if (clock_getcpuclockid(hypervisor, &clock) != 0)
		return;
	for (unsigned waited = 0, quiet = 0; waited < LIMIT_MS && quiet < quiet_ms; waited += STEP_MS) {
		int64_t now;

		(void)nanosleep(&step, NULL);
		if (clock_gettime(clock, &used) < 0)
			return;
		now = (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
		quiet = now - last < IDLE_NS ? quiet + STEP_MS : 0;
		last = now;
	}
}
