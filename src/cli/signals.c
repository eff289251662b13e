/* SPDX-License-Identifier: Apache-2.0 */
/* Signal names: with or without SIG, in any case, or a number, or RTMIN+n / RTMAX-n. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "cli/cli-internal.h"

#define S(name)                  \
	{                        \
#name, SIG##name \
	}

static const struct {
	const char *name;
	int number;
} signals[] = {
	S(ABRT),   S(ALRM),
	S(BUS),    S(CHLD),
	S(CONT),   S(FPE),
	S(HUP),    S(ILL),
	S(INT),    S(IO),
	S(IOT),    S(KILL),
	S(PIPE),   S(POLL),
	S(PROF),   S(PWR),
	S(QUIT),   S(SEGV),
	S(STKFLT), S(STOP),
	S(SYS),    S(TERM),
	S(TRAP),   S(TSTP),
	S(TTIN),   S(TTOU),
	S(URG),    S(USR1),
	S(USR2),   S(VTALRM),
	S(WINCH),  S(XCPU),
	S(XFSZ),   { "CLD", SIGCHLD },
};

/* The kernel's numbers: glibc keeps two for itself and moves SIGRTMIN, but kill(2) counts from 32 to 64; names mean
 * glibc's, as kill(1) has them. */
static int realtime(const char *name, int *ret)
{
	uint32_t n = 0;
	int base;

	if (strncasecmp(name, "RTMIN", 5) == 0)
		base = SIGRTMIN;
	else if (strncasecmp(name, "RTMAX", 5) == 0)
		base = SIGRTMAX;
	else
		return -EINVAL;
	if (name[5]) {
		char sign = base == SIGRTMIN ? '+' : '-';

		if (name[5] != sign || joey_parse_u32(name + 6, &n) < 0 || n > (uint32_t)(SIGRTMAX - SIGRTMIN))
			return -EINVAL;
		base += sign == '+' ? (int)n : -(int)n;
	}
	*ret = base;
	return 0;
}

int signal_from_string(const char *text, int *ret, struct joey_err *err)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	uint32_t number;

	if (joey_parse_u32(text, &number) == 0 && number <= 64) {
		*ret = (int)number;
		return 0;
	}
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(signals); i++) {
		if (strcasecmp(name, signals[i].name) == 0) {
			*ret = signals[i].number;
			return 0;
		}
	}
	if (realtime(name, ret) == 0)
		return 0;
	return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "unknown signal \"%s\"", text);
}
