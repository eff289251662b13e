/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_CGROUPS_SYSTEMD_INTERNAL_H
#define JOEY_CGROUPS_SYSTEMD_INTERNAL_H

/* The parts of the systemd driver, private to it and its unit tests. */

#include "cgroups/cgroups-internal.h"

/* ---- systemd_unit.c: names, no system calls ---- */
struct cgroup_sd_unit {
	char *slice; /* "a-b.slice", "-.slice"; where the unit goes */
	char *unit;  /* "prefix-name.scope", or a slice */
	bool is_slice;
};
/* cgroupsPath "slice:prefix:name"; NULL or "": a scope in the default slice. */
int cgroup_sd_unit_parse(const char *cgroups_path, const char *id, bool user, struct cgroup_sd_unit *ret,
			 struct joey_err *err);
void cgroup_sd_unit_done(struct cgroup_sd_unit *u);
/* "a-b.slice" -> "/a.slice/a-b.slice"; "-.slice" -> "". Heap. */
int cgroup_sd_slice_expand(const char *slice, char **ret, struct joey_err *err);
/* Where systemd puts the unit, below the manager's own cgroup ("" or "/user.slice/..."). Heap. */
int cgroup_sd_unit_path(const struct cgroup_sd_unit *u, const char *manager, char **ret, struct joey_err *err);
/* "/user.slice/user-5.slice/user@5.service/...": the user whose manager keeps it. -ENOENT: the system's. */
int cgroup_sd_user_of_path(const char *path, uid_t *ret);
/* How long the part of path is that is the unit's: what is behind it is a cgroup in a scope. */
size_t cgroup_sd_unit_in_path(const char *path);

/* ---- systemd_props.c: lines "Name=GVariant text" ---- */
enum {
	CGROUP_SD_SLOTS = 3, /* processes besides the payload that are in the cgroup at first: helper, stage, init */
};
/* Limits.  starting: leaves room for CGROUP_SD_SLOTS. */
int cgroup_sd_props_limits(const struct joey_resources *res, bool starting, struct joey_str *s, struct joey_err *err);
int cgroup_sd_props_devices(const struct joey_resources *res, struct joey_str *s, struct joey_err *err);
/* "0-3,7" -> "[byte 0x8f]" */
int cgroup_sd_props_bits(const char *list, struct joey_str *s);
/* CPU time per second in microseconds, as systemd keeps it: whole percents, rounded up. */
uint64_t cgroup_sd_cpu_usec(int64_t quota, uint64_t period);
/* org.systemd.property.* */
int cgroup_sd_props_annotations(const struct joey_pairs *annotations, struct joey_str *s, struct joey_err *err);

/* ---- systemd_client.c: joey-sd-bus as a child process ---- */
struct cgroup_sd_client {
	pid_t pid; /* 0: not started */
	int sock;
	unsigned timeout_ms; /* 0: the default; else of a unit test */
	const char *address; /* NULL; else of a unit test */
	int program_fd;      /* -EBADF: looked for; else of a unit test */
};
#define CGROUP_SD_CLIENT_INIT                        \
	{                                            \
		.sock = -EBADF, .program_fd = -EBADF \
	}
/* The program, verified: nobody but its and joey's owner or root can have put or changed it. */
int cgroup_sd_find_program(int *ret_fd, struct joey_err *err);
/* Started on first use. */
int cgroup_sd_client_start(struct cgroup_sd_client *c, bool user, uid_t uid, struct joey_err *err);
/* One request and its reply within the deadline; when that passes, the program is killed.  *ret: heap; may be NULL. */
int cgroup_sd_client_ask(struct cgroup_sd_client *c, const char *request, size_t len, char **ret, struct joey_err *err);
/* Ends it. */
void cgroup_sd_client_done(struct cgroup_sd_client *c);

#endif
