/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_CHECK_H
#define JOEY_CHECK_H

/*
 * Findings of `joey check`: what this host offers, and what a missing piece costs.  Probes change nothing that
 * outlives them, need no container, and each ends within a bounded time.
 */

#include "joey/err.h"
#include "joey/util.h"

enum joey_finding_level {
	JOEY_FINDING_OK = 0,
	JOEY_FINDING_LIMITED, /* works, but something is lost: cost says what */
	JOEY_FINDING_MISSING, /* without it no container runs */
	JOEY_FINDING_LEVEL_MAX,
};

struct joey_finding {
	const char *area; /* "kernel", "cgroup", ... static */
	const char *name; /* static */
	enum joey_finding_level level;
	char *detail;     /* what was seen */
	const char *cost; /* NULL when nothing is lost */
};

struct joey_findings {
	struct joey_arena arena;
	struct joey_finding *v;
	size_t n, cap;
};

const char *joey_finding_level_to_string(enum joey_finding_level level);

/* Adds one; cost is kept only when the level is not OK.  -ENOMEM. */
int joey_findings_add(struct joey_findings *f, const char *area, const char *name, enum joey_finding_level level,
		      const char *cost, const char *detail_fmt, ...) __attribute__((format(printf, 6, 7)));
void joey_findings_done(struct joey_findings *f);

/* The probes, by layer. */
int joey_check_kernel(struct joey_findings *f);     /* system calls, seccomp, LSMs, keyrings */
int joey_check_kvm(struct joey_findings *f);        /* opens /dev/kvm and times a tiny guest: at most about 50 ms */
int joey_check_namespaces(struct joey_findings *f); /* kinds, user namespace limits, id map helpers */
int joey_check_cgroup(struct joey_findings *f);     /* mount, mode, controllers, kill */

#endif
