/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_CGROUP_H
#define JOEY_CGROUP_H

/*
 * cgroup v2 of one container (kernel: Documentation/admin-guide/cgroup-v2.rst).
 *
 * A joey_cgroup is held by a directory descriptor; every action goes through it, and removal compares the
 * inode recorded at creation, so that nothing which joey did not create is ever removed.
 * cgroup v1 is not supported.
 */

#include "joey/err.h"
#include "joey/oci.h"
#include "joey/stats.h"

enum joey_cgroup_driver {
	JOEY_CGROUP_CGROUPFS = 0,
	JOEY_CGROUP_SYSTEMD,
	JOEY_CGROUP_DISABLED,
	JOEY_CGROUP_DRIVER_MAX,
};

const char *joey_cgroup_driver_to_string(enum joey_cgroup_driver d);
int joey_cgroup_driver_from_string(const char *s, enum joey_cgroup_driver *ret);

struct joey_cgroup; /* opaque */

/* What the state file keeps. */
struct joey_cgroup_record {
	enum joey_cgroup_driver driver;
	char *path;     /* relative to the cgroup2 mount, begins with '/'; NULL when disabled */
	bool created;   /* by joey */
	uint64_t inode; /* of the directory, 0 = not known yet */
};

/*
 * Works out mount and path: cgroups_path as in oci-checklist 8.1.1 (NULL = below joey's own cgroup).
 * Touches nothing yet.  JOEY_EK_UNSUPPORTED when the host has no cgroup2 mount.
 * Checks that an existing cgroup is empty and not frozen (8.1.3).
 */
int joey_cgroup_new(enum joey_cgroup_driver driver, const char *cgroups_path, const char *id, bool rootless,
		    struct joey_cgroup **ret, struct joey_err *err);

/* From a state file.  A cgroup that is gone is not an error: the object then answers "empty". */
int joey_cgroup_open(const struct joey_cgroup_record *rec, struct joey_cgroup **ret, struct joey_err *err);
void joey_cgroup_free(struct joey_cgroup *cg);
static inline void joey_cgroup_freep(struct joey_cgroup **cg)
{
	joey_cgroup_free(*cg);
}
#define autocgroup __attribute__((cleanup(joey_cgroup_freep)))

/* Strings belong to cg.  Before create: created says whether create would make the directory (inode is 0 then).
 * Ask again after create, also when it failed: what it did not make is not the container's to remove. */
void joey_cgroup_get_record(const struct joey_cgroup *cg, struct joey_cgroup_record *ret);

/* Can this driver be used at all?  Says in words why not; asks nobody. */
int joey_cgroup_driver_check(enum joey_cgroup_driver driver, struct joey_err *err);

/* Annotations on the cgroup (org.systemd.property.*, run.oci.systemd.subgroup, run.oci.delegate-cgroup), checked and
 * kept for create; the path may become another one. */
int joey_cgroup_annotate(struct joey_cgroup *cg, const struct joey_pairs *annotations, struct joey_err *err);

/* mkdir of all levels, controllers that res needs (and others if possible) enabled on the way.  An absent
 * controller for a limit that is set is an error naming controller and key; res without limits needs none.
 * With the disabled driver, or rootless without permission and without limits and path: does nothing. */
int joey_cgroup_create(struct joey_cgroup *cg, const struct joey_resources *res, struct joey_err *err);

/* O_PATH or O_RDONLY directory fd for CLONE_INTO_CGROUP; -EBADF when there is no cgroup. Borrowed. */
int joey_cgroup_fd(const struct joey_cgroup *cg);

/* Adds a process by writing cgroup.procs: only where CLONE_INTO_CGROUP was not possible. */
int joey_cgroup_add(struct joey_cgroup *cg, pid_t pid, struct joey_err *err);

/* Once pid, init, has made its cgroup namespace and the limits are written: moves it to the cgroup that
 * run.oci.delegate-cgroup names, which becomes uid's.  Nothing to do without that annotation. */
int joey_cgroup_enter_payload(struct joey_cgroup *cg, pid_t pid, uid_t uid, struct joey_err *err);

/* Directory for an exec'd process: sub below the container's cgroup (NULL: that itself, or where init is when the
 * kernel has no processes in it any more).  The caller closes *ret_fd; untouched (and 0) when there is no cgroup. */
int joey_cgroup_open_for_exec(const struct joey_cgroup *cg, const char *sub, pid_t init, int *ret_fd,
			      struct joey_err *err);

/* All limits (8.2 order) but devices. */
int joey_cgroup_apply(struct joey_cgroup *cg, const struct joey_resources *res, struct joey_err *err);

/* update: writes what res asks for (devices are never touched); when one write fails, what the ones before it replaced
 * is put back. */
int joey_cgroup_update(struct joey_cgroup *cg, const struct joey_resources *res, struct joey_err *err);

/* Device rules as an eBPF program (8.3), defaults appended.  in_userns: EPERM is skipped. */
int joey_cgroup_apply_devices(struct joey_cgroup *cg, const struct joey_resources *res, bool in_userns,
			      struct joey_err *err);

/* The program of a config that allows no device of its own, attached to a cgroup of nobody's for as long as that is
 * there: this process and its children use it instead of loading the same again, which costs the verifier's time. */
int joey_cgroup_preload_devices(int cgroup_fd, struct joey_err *err);

/* chown for delegation (8.1.6). */
int joey_cgroup_delegate(struct joey_cgroup *cg, uid_t uid, struct joey_err *err);

/* cgroup.freeze, waits for cgroup.events; deadline 10 s, thaws again on failure. */
int joey_cgroup_set_frozen(struct joey_cgroup *cg, bool frozen, struct joey_err *err);
int joey_cgroup_is_frozen(const struct joey_cgroup *cg, bool *ret, struct joey_err *err);
/* The same of a record, without an object: one file is read. -errno */
int joey_cgroup_record_is_frozen(const struct joey_cgroup_record *rec, bool *ret);
/* Where many are asked, with nothing started in between: the mount stays open until the process ends. */
void joey_cgroup_keep_mount(void);
int joey_cgroup_is_populated(const struct joey_cgroup *cg, bool *ret);

/* cgroup.kill (fallback: signals to every pid, frozen first). Recursive. */
int joey_cgroup_kill(struct joey_cgroup *cg, struct joey_err *err);
/* Sends sig to every process, recursively; pids come from cgroup.procs. */
int joey_cgroup_signal(struct joey_cgroup *cg, int sig, struct joey_err *err);
/* Host pids, recursive; heap array. */
int joey_cgroup_pids(const struct joey_cgroup *cg, pid_t **ret, size_t *ret_n, struct joey_err *err);

/* Numbers of the cgroup's files, in the arena; files that are absent leave theirs at zero. */
int joey_cgroup_stats(const struct joey_cgroup *cg, struct joey_arena *arena, struct joey_stats *ret,
		      struct joey_err *err);
/* cg may be freed before the watch is done. */
int joey_cgroup_watch(const struct joey_cgroup *cg, struct joey_watch *ret, struct joey_err *err);

/* Kills what is left (deadline 10 s), removes nested cgroups depth-first, then the container's own when joey
 * created it and its inode matches; levels above are left.  Gone already = success. */
int joey_cgroup_destroy(struct joey_cgroup *cg, struct joey_err *err);

/* Is a cgroup limit that res asks for set by nobody here?  Used for texts and by the sandbox later. */
bool joey_resources_has_limits(const struct joey_resources *res);

/* Host facts, cached per process. *ret_mount: where cgroup2 is mounted. -ENOENT if nowhere. */
int joey_cgroup2_mountpoint(const char **ret_mount);

#endif
