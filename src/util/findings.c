/* SPDX-License-Identifier: Apache-2.0 */
/* The list that the probes of `joey check` fill (check.h). */
#include "joey/check.h"

static const char *const level_names[JOEY_FINDING_LEVEL_MAX] = {
	[JOEY_FINDING_OK] = "ok",
	[JOEY_FINDING_LIMITED] = "limited",
	[JOEY_FINDING_MISSING] = "missing",
};

const char *joey_finding_level_to_string(enum joey_finding_level level)
{
	return level_names[level];
}

int joey_findings_add(struct joey_findings *f, const char *area, const char *name, enum joey_finding_level level,
		      const char *cost, const char *detail_fmt, ...)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	struct joey_finding *one;
	va_list ap;

	if (f->n == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 32;
		struct joey_finding *v = reallocarray(f->v, cap, sizeof(*v));

		if (!v)
			return -ENOMEM;
		f->v = v;
		f->cap = cap;
	}
	va_start(ap, detail_fmt);
	joey_str_vprintf(&s, detail_fmt, ap);
	va_end(ap);
	one = &f->v[f->n];
	*one = (struct joey_finding){ area, name, level, NULL, level == JOEY_FINDING_OK ? NULL : cost };
	one->detail = s.failed ? NULL : joey_arena_strdup(&f->arena, s.buf ? s.buf : "");
	if (!one->detail)
		return -ENOMEM;
	f->n++;
	return 0;
}

void joey_findings_done(struct joey_findings *f)
{
	joey_arena_done(&f->arena);
	free(f->v);
	*f = (struct joey_findings){ JOEY_ARENA_INIT, NULL, 0, 0 };
}
