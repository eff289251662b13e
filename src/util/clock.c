/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time stamps as text.  Not by gmtime_r(3): that looks for /etc/localtime on its first call, which costs system
 * calls on every create and would read a file that nobody asked for.
 */
#include "joey/util.h"

struct civil {
	int64_t year;
	unsigned month, day;
};

/* Days since 1970-01-01 to a date, in years that start in March so that the leap day comes last. */
static struct civil civil_from_days(int64_t days)
{
	int64_t shifted = days + 719468; /* since 0000-03-01 */
	int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	unsigned doe = (unsigned)(shifted - era * 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (5 * doy + 2) / 153;
	struct civil c;

	c.day = doy - (153 * mp + 2) / 5 + 1;
	c.month = mp < 10 ? mp + 3 : mp - 9;
	c.year = (int64_t)yoe + era * 400 + (c.month <= 2);
	return c;
}

void joey_time_rfc3339(const struct timespec *ts, bool nanoseconds, char ret[JOEY_TIME_TEXT_MAX])
{
	int64_t days = ts->tv_sec / 86400, rest = ts->tv_sec % 86400;
	unsigned sec;
	struct civil c;
	char frac[16] = "";

	if (rest < 0) {
		rest += 86400;
		days--;
	}
	c = civil_from_days(days);
	sec = (unsigned)rest;
	if (nanoseconds)
		snprintf(frac, sizeof(frac), ".%09u", (unsigned)ts->tv_nsec % 1000000000U);
	snprintf(ret, JOEY_TIME_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02u%sZ", (unsigned)c.year % 10000U, c.month, c.day,
		 sec / 3600, sec / 60 % 60, sec % 60, frac);
}
