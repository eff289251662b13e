/* SPDX-License-Identifier: Apache-2.0 */
/* state.json: what is accepted holds sane pids and paths, and survives being written and read again. */
#include <string.h>

#include "fuzz.h"
#include "state/state-internal.h"

static void check(const struct joey_state *st)
{
	FUZZ_ASSERT(st->pid >= 0 && st->creator_pid >= 0);
	FUZZ_ASSERT(joey_streq(st->id, "c1"));
	FUZZ_ASSERT(st->bundle[0] == '/' && st->rootfs[0] == '/' && st->backend[0]);
	FUZZ_ASSERT(!strstr(st->bundle, "/../"));
	FUZZ_ASSERT(!st->cgroup.path || (st->cgroup.path[0] == '/' && !strstr(st->cgroup.path, "/../")));
	FUZZ_ASSERT((unsigned)st->cgroup.driver < JOEY_CGROUP_DRIVER_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct joey_arena a = JOEY_ARENA_INIT, b = JOEY_ARENA_INIT;
	struct joey_err err = JOEY_ERR_INIT;
	struct joey_state st = { 0 }, again = { 0 };
	char *text = NULL;
	size_t len;

	if (state_decode((const char *)data, size, "c1", &a, &st, &err) == 0) {
		check(&st);
		FUZZ_ASSERT(state_encode(&st, &text, &len, &err) == 0);
		FUZZ_ASSERT(state_decode(text, len, "c1", &b, &again, &err) == 0);
		FUZZ_ASSERT(again.pid == st.pid && again.pid_start == st.pid_start);
		FUZZ_ASSERT(joey_streq(again.cgroup.path, st.cgroup.path));
	} else {
		FUZZ_ASSERT(err.errnum > 0 && err.msg && strncmp(err.msg, "state.json", 10) == 0);
	}
	free(text);
	joey_err_clear(&err);
	joey_arena_done(&a);
	joey_arena_done(&b);
	return 0;
}
