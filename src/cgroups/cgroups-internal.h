/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_CGROUPS_INTERNAL_H
#define JOEY_CGROUPS_INTERNAL_H

/*
 * Private to src/cgroups (and its unit tests).
 *
 * Everything below acts on descriptors: the cgroup2 mount, the parent, the container's directory.  The text
 * "path" of a cgroup is for opening it once and for messages.
 */

#include <fcntl.h>
#include <linux/bpf.h>

#include "joey/cgroup.h"

#define CGROUP_FREEZE_TIMEOUT_MS  10000u
#define CGROUP_DESTROY_TIMEOUT_MS 10000u
#define CGROUP_FILE_MAX           (16u << 20) /* no cgroup file that is read is longer */
#define CGROUP_DEPTH_MAX          16384       /* nested directories that a walk follows */

struct cgroup_driver;
struct cgroup_systemd;

struct joey_cgroup {
	enum joey_cgroup_driver kind;
	const struct cgroup_driver *driver;
	const char *mount;         /* for texts; static storage of host.c */
	char *path;                /* "/a/b/leaf"; NULL when disabled */
	int mnt_fd;                /* the cgroup2 mount, O_PATH */
	int parent_fd;             /* of path; opened on demand */
	int dir_fd;                /* of path; -EBADF: not made yet, gone, or disabled */
	struct cgroup_systemd *sd; /* the systemd driver's own; NULL: not yet, or another driver */
	char *payload;             /* run.oci.delegate-cgroup: where processes go, below path; NULL: path itself */
	bool rootless, path_given;
	bool created; /* before create: it will be made; afterwards: it was */
	uint64_t inode;
	/* Unit tests record the writes of limits here instead of having a kernel; NULL otherwise. */
	int (*write_hook)(void *arg, const char *file, const char *text);
	void *write_arg;
};

/*
 * What differs between drivers: who decides on the directory, who makes it and who takes it away.  Everything
 * else goes through dir_fd and is shared.  A driver is one file and one row in manager.c.
 */
struct cgroup_driver {
	/* Sets cg->path.  mnt_fd is open. */
	int (*locate)(struct joey_cgroup *cg, const char *cgroups_path, const char *id, struct joey_err *err);
	/* Settings from annotations, before create; NULL: has none. */
	int (*annotate)(struct joey_cgroup *cg, const struct joey_pairs *annotations, struct joey_err *err);
	/* Makes path and opens dir_fd; sets created and inode.  Undoes its own work on failure. */
	int (*create)(struct joey_cgroup *cg, const struct joey_resources *res, struct joey_err *err);
	/* Told of new limits before they are written to the files; NULL: nobody to tell. */
	int (*announce)(struct joey_cgroup *cg, const struct joey_resources *res, struct joey_err *err);
	/* The kernel did not let us move pid there (EACCES, EPERM); NULL: nobody who may. */
	int (*add)(struct joey_cgroup *cg, pid_t pid, struct joey_err *err);
	/* Removes an empty, childless cgroup.  -EBUSY: not yet.  -ENOENT counts as success. */
	int (*remove)(struct joey_cgroup *cg);
	/* Frees what is the driver's own; NULL: nothing. */
	void (*done)(struct joey_cgroup *cg);
};

extern const struct cgroup_driver cgroup_cgroupfs;
extern const struct cgroup_driver cgroup_systemd;

/* ---- manager.c ---- */
/* A cgroup around a directory of any file system; dir_fd is taken over. */
int cgroup_new_for_test(int dir_fd, struct joey_cgroup **ret);
/* "cgroup /a/b": for texts. */
const char *cgroup_name(const struct joey_cgroup *cg);
/* 8.1.3: no process in it, not frozen. */
int cgroup_check_unused(const struct joey_cgroup *cg, struct joey_err *err);

/* ---- host.c ---- */
int cgroup_host_open(int *ret_fd, const char **ret_mount, struct joey_err *err);
/* Directory above joey's own cgroup, as seen from the mount; heap. */
int cgroup_host_own_parent(int mnt_fd, char **ret, struct joey_err *err);
/* The path of the "0::" line in /proc/PID/cgroup text; heap. -ENOENT */
int cgroup_host_parse_own(const char *text, char **ret);

/* ---- io.c: one directory, one file ---- */
/* Below dirfd on the same mount, no symlinks. */
int cgroup_opendir_at(int dirfd, const char *path, int flags);
/* Content into buf, terminated, trailing newline dropped.  Length, or -errno (-EFBIG when it does not fit). */
ssize_t cgroup_read(int dirfd, const char *file, char *buf, size_t size);
int cgroup_write(int dirfd, const char *file, const char *text);
/* Value of a key in a flat keyed text ("populated 1\nfrozen 0"). -ENOENT */
int cgroup_flat_u64(const char *text, const char *key, uint64_t *ret);
/* Is the word one of the blank-separated words of list? */
bool cgroup_word_in(const char *list, const char *word);
bool cgroup_gone(int r); /* -ENOENT or -ENODEV: the cgroup vanished under us */
void cgroup_sleep_ms(unsigned ms);

/* ---- cgroupfs.c ---- */
/* Lexical path rules of 8.1.1; own_parent is used when cgroups_path is relative or NULL; heap. */
int cgroup_path_build(const char *cgroups_path, const char *id, const char *own_parent, char **ret,
		      struct joey_err *err);
/* "/a/./b/../c//" -> "/a/c"; ".." stops at the top; heap. */
int cgroup_path_clean(const char *path, char **ret);
/* Opened once; borrowed. */
int cgroup_parent_open(struct joey_cgroup *cg, int *ret_fd);
const char *cgroup_leaf(const struct joey_cgroup *cg);

/* ---- payload.c ---- */
#define CGROUP_A_SUBGROUP "run.oci.systemd.subgroup"
#define CGROUP_A_PAYLOAD  "run.oci.delegate-cgroup"
#define CGROUP_A_FORCE_V1 "run.oci.systemd.force_cgroup_v1"
/* The name of a cgroup that an annotation gives; NULL: it is absent or empty. Heap. */
int cgroup_annotation_name(const struct joey_pairs *annotations, const char *key, char **ret, struct joey_err *err);

/* ---- delegate.c ---- */
int cgroup_delegate(int dir_fd, const char *name, uid_t uid, struct joey_err *err);

/* ---- controllers.c ---- */
/* All that a cgroup has are for its children as well; the last error, if any. */
int cgroup_controllers_hand_down(int dir_fd);
/* Fails when the mount does not offer a controller that res needs; spends nothing when res needs none. */
int cgroup_controllers_check(const struct joey_cgroup *cg, const struct joey_resources *res, struct joey_err *err);
/* Enables controllers from the mount down to the parent of cg. */
int cgroup_controllers_enable(struct joey_cgroup *cg, const struct joey_resources *res, struct joey_err *err);

/* ---- resources.c ---- */
/* One thing that res asks for: text goes into file, which belongs to controller. */
struct cgroup_knob_out;
typedef int (*cgroup_emit_fn)(struct cgroup_knob_out *out, const char *file, const char *text, unsigned flags,
			      struct joey_err *err);
enum {
	CGROUP_KNOB_TRY_ENOENT = 1, /* the caller copes with an absent file: no error text */
	CGROUP_KNOB_TRY_EINVAL = 2, /* likewise with a refused value */
	CGROUP_KNOB_NO_LIMIT = 4,   /* asks for what is there by default ("max"): an absent file is fine */
};
struct cgroup_knob_out {
	cgroup_emit_fn emit;
	void *arg;
	int dir_fd;             /* to look at present values; -EBADF: none */
	const char *key;        /* below linux.resources, for texts */
	const char *controller; /* not terminated */
	int controller_len;
	bool unified;
	bool whole_percents; /* CPU quota as systemd keeps it */
};
/* Runs over the knob table in the order of 8.2. */
int cgroup_knobs_each(const struct joey_resources *res, struct cgroup_knob_out *out, struct joey_err *err);
/* The file, or a unit test's stand-in for it. */
int cgroup_put(struct joey_cgroup *cg, const char *file, const char *text);
/* Writes what a row asks for; the errors that its flags name are returned without text. */
int cgroup_knob_write(struct joey_cgroup *cg, struct cgroup_knob_out *o, const char *file, const char *text,
		      unsigned flags, struct joey_err *err);
void cgroup_warn_ignored(const struct joey_resources *r);
uint64_t cgroup_weight_from_shares(uint64_t shares);
uint64_t cgroup_weight_from_blkio(uint32_t weight);
/* *ret as in memory.swap.max, -1 = max; *ret_set false: leave the file alone. */
int cgroup_swap_convert(const struct joey_opt_i64 *swap, const struct joey_opt_i64 *limit, bool *ret_set, int64_t *ret,
			struct joey_err *err);

/* ---- devices_compile.c ---- */
struct cgroup_devprog {
	struct bpf_insn *insns; /* heap */
	size_t n;
	bool allows_all;  /* no program is needed */
	bool only_allows; /* every rule of the config grants rwm: no protection is lost without a program */
};
int cgroup_devices_compile(const struct joey_device_rule *rules, size_t n, struct cgroup_devprog *ret,
			   struct joey_err *err);

/* ---- tree.c: the directories below one cgroup ---- */
struct cgroup_visit {
	int (*enter)(int fd, void *arg);                          /* before the children; the top included */
	int (*leave)(int parent_fd, const char *name, void *arg); /* after the children; not for the top */
};
/* Children that vanish meanwhile are passed over.  Constant number of descriptors at any depth. */
int cgroup_tree_walk(int top_fd, const struct cgroup_visit *visit, void *arg);
bool cgroup_has_children(int dir_fd);

/* ---- freeze.c, kill.c ---- */
int cgroup_freeze_wait(const struct joey_cgroup *cg, unsigned timeout_ms);
int cgroup_wait_empty(const struct joey_cgroup *cg, unsigned timeout_ms);
/* What joey_cgroup_kill() does on a kernel without cgroup.kill. */
int cgroup_kill_one_by_one(const struct joey_cgroup *cg);

#endif
