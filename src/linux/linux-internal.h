/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_LINUX_INTERNAL_H
#define JOEY_LINUX_INTERNAL_H

/* Private to src/linux.  Two sections: the file system half and the process half; steps.c owns the order. */

#include <sys/stat.h>

#include "joey/setup.h"

/* ======== mounts: rootfs.c, mount*.c, inroot.c, devices.c, paths_ro.c ======================================== */

/*
 * inroot.c: the only way to reach a name in a tree that the image controls (R1, R2).  A path is taken relative to
 * root_fd whether it starts with '/' or not; links are followed inside the root, magic links never.
 * Everything returns an fd (or 0) or -errno.
 */
/* openat2(2) with RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | more. */
int inroot_open(int root_fd, const char *path, int flags, uint64_t more);
enum inroot_kind { INROOT_DIR, INROOT_FILE };
/* The path as a directory or an empty regular file, made with its parents (0755) where missing; O_PATH.
 * What a dangling link names is made inside the root.  Existing objects are left as they are. */
int inroot_make(int root_fd, const char *path, enum inroot_kind kind, mode_t mode);
/* The directory of path's last component (made where missing) as O_PATH, and that component within path. */
int inroot_make_parent(int root_fd, const char *path, const char **ret_name);
/* Lexical: absolute, no empty, "." or ".." component, no final slash.  Heap; NULL when memory ran out. */
char *inroot_clean(const char *path);

/* mount_attr.c: thin words for mount_setattr(2) and move_mount(2) on descriptors; 0 or -errno. */
int mount_attr(int mnt_fd, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation);
int mount_attach(int mnt_fd, int dir_fd, const char *name); /* name "": dir_fd itself */
/* Attributes, and with propagate the propagation changes, of m in the fewest calls; made: the file system was mounted
 * with its attributes. */
int mount_attr_options(int mnt_fd, const struct joey_mount *m, bool made, bool propagate, struct joey_err *err);
int mount_attr_propagation(int mnt_fd, const struct joey_mount *m, size_t from, struct joey_err *err);

/* mount_target.c */
struct mount_target {
	int root_fd;
	const char *dest;         /* clean */
	const char *real_dir_for; /* a file system that must cover a real directory, or NULL */
	int fd;                   /* O_PATH of what is covered, -EBADF while it does not exist */
	bool on_proc;             /* reached through links, and on procfs */
};
/* Refuses what may not be covered; fd stays -EBADF when nothing is there. */
int mount_target_find(struct mount_target *t, bool nofollow, struct joey_err *err);
int mount_target_make(struct mount_target *t, enum inroot_kind kind, struct joey_err *err);
/* Whether what mnt_fd is on may go there; attach includes it. */
int mount_target_check(const struct mount_target *t, int mnt_fd, struct joey_err *err);
int mount_target_attach(const struct mount_target *t, int mnt_fd, struct joey_err *err);

/* mount.c */
bool mount_is_at(const struct joey_mount *m, const char *clean); /* destination, cleaned */
bool wants_mounts(const struct joey_setup *s);
int step_mounts(struct joey_setup *s, struct joey_err *err);

/* mount_bind.c */
int mount_bind_source(struct joey_setup *s, size_t index, int *ret_fd, struct joey_err *err);
/* A directory that the parent opened, which another mount namespace cannot clone, found again in this one. */
int mount_clone_dir(struct joey_setup *s, int fd, int *ret_fd);

/* mount_fs.c: a detached mount of a file system; dir: what it will cover (tmpfs takes its mode), or NULL. */
struct mount_fs_args {
	const char *fstype, *source;
	const struct joey_mount *mount; /* options; NULL: none */
	const char *const *params;      /* more options, NULL-terminated; NULL: none */
	uint64_t attrs;                 /* MOUNT_ATTR_* */
	const struct stat *dir;
	const char *label; /* context to put on it, or NULL */
	const char *label_key;
};
int mount_fs_make(const struct mount_fs_args *a, int *ret_fd, struct joey_err *err);
/* Values that fsconfig(2) cannot take (256 bytes) or flags it has no key for: mount(2) on target_fd. */
bool mount_fs_needs_legacy(const struct joey_mount *m);
int mount_fs_legacy(const struct mount_fs_args *a, int target_fd, int back_fd, struct joey_err *err);
/* Superblock options of a present mount. */
int mount_fs_reconfigure(int mnt_fd, const struct joey_mount *m, struct joey_err *err);

/* tmpcopyup.c: copies what dir_fd holds below the (detached) mount root to_fd. */
int tmpcopyup(int dir_fd, int to_fd, bool keep_root_owner, struct joey_err *err);

/* rootfs.c, pivot.c */
bool rootfs_cuts_host(const struct joey_setup *s); /* every mount of the host is a slave or private from the start */
int step_prepare_rootfs(struct joey_setup *s, struct joey_err *err);
int step_pivot(struct joey_setup *s, struct joey_err *err);
bool wants_root_propagation(const struct joey_setup *s);
int step_root_propagation(struct joey_setup *s, struct joey_err *err);
bool wants_readonly_root(const struct joey_setup *s);
int step_readonly_root(struct joey_setup *s, struct joey_err *err);
bool wants_readonly_late(const struct joey_setup *s);
int step_readonly_late(struct joey_setup *s, struct joey_err *err);

/* devices.c */
bool wants_devices(const struct joey_setup *s); /* false: /dev is a bind mount, and not ours to fill */
int step_devices(struct joey_setup *s, struct joey_err *err);

/* paths_ro.c */
bool wants_masks(const struct joey_setup *s);
int step_prepare_masks(struct joey_setup *s, struct joey_err *err);
bool wants_readonly_paths(const struct joey_setup *s);
int step_readonly_paths(struct joey_setup *s, struct joey_err *err);
bool wants_masked_paths(const struct joey_setup *s);
int step_masked_paths(struct joey_setup *s, struct joey_err *err);

/* stdio.c */
int step_stdio_devnull(struct joey_setup *s, struct joey_err *err);
int step_make_cwd(struct joey_setup *s, struct joey_err *err);

/* ======== process: everything else =========================================================================== */

/* procfs.c */
int step_procfs(struct joey_setup *s, struct joey_err *err);
/* A file of this thread's directory in the private procfs ("attr/exec"); verified to be procfs, no links, no mounts.
 * Returns the fd or -errno. */
int procfs_open_self(struct joey_setup *s, const char *name, int flags);
/* fstatfs(2) says that fd is on the given file system. */
bool fd_is_on(int fd, uint64_t magic);

/* root_fd of the container's "/", opened on demand (an exec has not made one). */
int setup_root_fd(struct joey_setup *s, struct joey_err *err);

/* session.c, terminal.c */
int step_session(struct joey_setup *s, struct joey_err *err);
bool wants_terminal(const struct joey_setup *s);
int step_terminal(struct joey_setup *s, struct joey_err *err);

/* keyring.c */
bool wants_keyring(const struct joey_setup *s);
int step_keyring(struct joey_setup *s, struct joey_err *err);

/* loopback.c */
bool wants_loopback(const struct joey_setup *s);
int step_loopback(struct joey_setup *s, struct joey_err *err);

/* uts.c */
bool wants_hostname(const struct joey_setup *s);
int step_hostname(struct joey_setup *s, struct joey_err *err);
bool wants_domainname(const struct joey_setup *s);
int step_domainname(struct joey_setup *s, struct joey_err *err);

/* lsm.c */
bool wants_apparmor(const struct joey_setup *s);
int step_apparmor(struct joey_setup *s, struct joey_err *err);
bool wants_selinux(const struct joey_setup *s);
int step_selinux(struct joey_setup *s, struct joey_err *err);
/* The label of keys made from now on; "" resets. */
int lsm_set_keycreate(struct joey_setup *s, const char *label, struct joey_err *err);

/* sysctl.c */
bool wants_sysctl(const struct joey_setup *s);
int step_sysctl(struct joey_setup *s, struct joey_err *err);
/* Relative, no empty, "." or ".." component, no control byte. */
bool sysctl_key_is_safe(const char *key);

/* sched.c */
bool wants_scheduler(const struct joey_setup *s);
int step_scheduler(struct joey_setup *s, struct joey_err *err);
bool wants_io_priority(const struct joey_setup *s);
int step_io_priority(struct joey_setup *s, struct joey_err *err);
bool wants_personality(const struct joey_setup *s);
int step_personality(struct joey_setup *s, struct joey_err *err);
bool wants_memory_policy(const struct joey_setup *s);
int step_memory_policy(struct joey_setup *s, struct joey_err *err);
/* "0-3,8" into a zeroed bit map of n_bits; *ret_top is one above the highest bit. -EINVAL, -ERANGE. */
int bitlist_parse(const char *text, unsigned long *map, unsigned n_bits, unsigned *ret_top);

/* creds.c */
bool wants_no_new_privs(const struct joey_setup *s);
int step_no_new_privs(struct joey_setup *s, struct joey_err *err);
int step_chdir(struct joey_setup *s, struct joey_err *err);
int step_credentials(struct joey_setup *s, struct joey_err *err);

/* caps.c */
struct caps {
	uint64_t effective, permitted, inheritable;
};
int caps_get(struct caps *ret);
int caps_apply(const struct caps *c);
/* What the payload is to have, given what this process has now. */
void caps_final(const struct joey_process *p, const struct caps *now, struct caps *ret);
int caps_drop_bounding(const struct joey_process *p, struct joey_err *err);
void caps_raise_ambient(const struct joey_process *p, const struct caps *final);

/* user.c */
int step_environment(struct joey_setup *s, struct joey_err *err);
/* Home directory of uid in the text of a passwd file: points into text (not terminated). false: none. */
bool passwd_find_home(const char *text, size_t len, uint32_t uid, const char **ret_home, size_t *ret_len);

/* exec.c */
int step_resolve_executable(struct joey_setup *s, struct joey_err *err);
/* What an exec does that a new container does in the earlier phases: keyring, terminal, labels, scheduling. */
bool wants_exec_prepare(const struct joey_setup *s);
int step_exec_prepare(struct joey_setup *s, struct joey_err *err);

/* seccomp_load.c */
bool wants_seccomp_late(const struct joey_setup *s);
int step_seccomp_late(struct joey_setup *s, struct joey_err *err);

/* seccomp.c, seccomp_tail.c, seccomp_layout.c, seccomp_cache.c: one heap block, so that a cache file is read into
 * place. */
struct seccomp_file { /* also the format of a cache file, native byte order */
	char magic[8];
	uint32_t version, n_insns;
	uint32_t flags, notify;
	uint8_t digest[32]; /* of everything with this field zero */
	uint32_t reserved[2];
	struct sock_filter insns[];
};
struct seccomp_block {
	struct joey_seccomp_prog prog;
	struct seccomp_file file;
};
/* libseccomp's program, without ENOSYS answers; room for BPF_MAXINSNS. */
int seccomp_generate(const struct joey_seccomp *profile, struct sock_filter *ret, size_t *ret_n, struct joey_err *err);
/* The highest number that a profile names, per architecture as the kernel names it; -1: no ENOSYS there. */
struct seccomp_limit {
	uint32_t arch;
	uint32_t none_above; /* numbers from here on are no newer calls (0: there are none) */
	int64_t top, top_x32;
};
/* x86_64 and x32 share an AUDIT_ARCH; x32 calls have this bit. */
#define SECCOMP_X32_BIT 0x40000000u
enum { SECCOMP_ARCHS_MAX = 16, SECCOMP_TAIL_MAX = 1 + 8 * SECCOMP_ARCHS_MAX };
/* All architectures of the profile, the native one first. */
size_t seccomp_limits(const struct joey_seccomp *profile, struct seccomp_limit ret[SECCOMP_ARCHS_MAX]);
/* Is ENOSYS the answer to nr? */
bool seccomp_is_new(const struct seccomp_limit *l, uint32_t nr);
/* The same program, ENOSYS answers included, as one search tree per architecture: out has room for BPF_MAXINSNS.
 * -EOPNOTSUPP: in has instructions that this does not understand; it is to be used as it is. */
int seccomp_layout(const struct joey_seccomp *profile, const struct sock_filter *in, size_t n, struct sock_filter *out,
		   size_t *ret_n);
struct seccomp_block *seccomp_block_new(size_t n_insns);
/* Points prog into file. */
void seccomp_block_seal(struct seccomp_block *b);
/* Instructions that answer ENOSYS to calls newer than the profile; returns how many (0: none wanted). */
int seccomp_tail(const struct joey_seccomp *profile, struct sock_filter out[SECCOMP_TAIL_MAX]);
/* Name of the cache file: hex, NUL-terminated. */
void seccomp_cache_key(const struct joey_seccomp *profile, char ret[65]);
/* A verified entry or -errno (-ENOENT: none; -EBADMSG, -EPERM: refused). */
int seccomp_cache_get(int dir_fd, const char *key, struct seccomp_block **ret);
void seccomp_cache_put(int dir_fd, const char *key, struct seccomp_block *b);

/* intelrdt_compare.c: an error that names the first difference. */
int intelrdt_compare(int root_fd, int group, const struct joey_intel_rdt *rdt, struct joey_err *err);
/* intelrdt.c: the same with the resctrl root given, for tests. */
int intelrdt_apply_at(int root_fd, const struct joey_intel_rdt *rdt, const char *id, pid_t pid, bool *ret_created,
		      struct joey_err *err);
int intelrdt_update_at(int root_fd, const struct joey_intel_rdt *rdt, const char *id, struct joey_err *err);
/* monitored: the group that counts what the container uses. */
int intelrdt_stats_at(int root_fd, int group, int monitored, struct joey_arena *arena, struct joey_rdt_use *ret,
		      struct joey_err *err);
int intelrdt_remove_at(int root_fd, const struct joey_intel_rdt *rdt, const char *id, bool created,
		       struct joey_err *err);

#endif
