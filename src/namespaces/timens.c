/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clock offsets of a new time namespace (time_namespaces(7)): they can be written after unshare(CLONE_NEWTIME) and
 * only until the first process enters it, so the writer is the parent-to-be of the container's init.
 */
#include "joey/namespace.h"

static void add(struct joey_str *s, const char *clock, const struct joey_time_offset *o)
{
	if (o->set)
		joey_str_printf(s, "%s %lld %u\n", clock, (long long)o->secs, o->nanosecs);
}

int joey_timens_write(int proc_self_fd, const struct joey_config *c, struct joey_err *err)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	autofree char *text = NULL;
	int r;

	add(&s, "monotonic", &c->time_monotonic);
	add(&s, "boottime", &c->time_boottime);
	text = joey_str_take(&s);
	if (!text)
		return joey_err_sys(err, ENOMEM, "write time namespace offsets");
	if (!*text)
		return 0;
	r = joey_write_file_at(proc_self_fd, "timens_offsets", text);
	return r < 0 ? joey_err_sys(err, r, "write time namespace offsets (linux.timeOffsets)") : 0;
}
