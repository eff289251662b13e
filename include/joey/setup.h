/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_SETUP_H
#define JOEY_SETUP_H

/*
 * What the container's first process does to itself, as a list of steps (src/linux/steps.c holds the table and
 * explains the order).  The parent fills a struct joey_setup before the clone: plain data and descriptors,
 * no JSON, no lookups left.  The steps run in the child, single-threaded, after the fork; malloc is legal there
 * because joey never has a second thread.
 *
 * Rules for every step (shared/reference/security.md, R1-R4):
 *  - nothing is reached by a path string from the host's "/": a (directory fd, relative name) pair, openat2 with
 *    RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS in trees the image controls, then act on the resulting fd;
 *  - mounts are made detached and attached fd to fd by move_mount(2); no remount by path;
 *  - /proc is read and written through joey_setup_procfs() only;
 *  - a step that fails returns the error: nothing is skipped in silence, but for what the spec says.
 */

#include <linux/filter.h>

#include "joey/mount_opts.h"
#include "joey/oci.h"
#include "joey/stats.h"

enum joey_phase {
	JOEY_PHASE_MOUNTS = 0, /* namespaces are entered; ends before createRuntime/createContainer hooks */
	JOEY_PHASE_PIVOT,      /* pivot_root .. everything that needs privilege; ends at READY */
	JOEY_PHASE_EXEC,       /* credentials, seccomp; also what an exec'd process does */
	JOEY_PHASE_MAX,
};

/* A compiled filter; prog.filter may point into a private mapping of a cache file. */
struct joey_seccomp_prog {
	struct sock_fprog prog;
	unsigned flags; /* SECCOMP_FILTER_FLAG_* for seccomp(2) */
	bool notify;    /* a listener fd will be made */
};

/* Requests that need the parent (host mount namespace, host privilege). Only used when in_userns. */
struct joey_setup_parent {
	void *arg;
	/* A detached mount of config->mounts[index]'s source: open_tree(2) clone, idmapped when asked for. */
	int (*mount_source)(void *arg, size_t index, int *ret_fd, struct joey_err *err);
	/* Sends the seccomp listener (fd number in this process) to the parent, by way of pidfd_getfd(2). */
	int (*seccomp_listener)(void *arg, int fd, struct joey_err *err);
};

struct joey_setup {
	/* filled by the parent */
	const struct joey_config *config;
	const struct joey_process *process;
	const char *id;
	const char *bundle, *rootfs; /* absolute; for texts and for opening before the rootfs fd exists */
	bool in_userns;              /* the container's user namespace is not joey's */
	bool rootless;               /* joey itself has no privilege on the host */
	bool no_pivot, no_new_keyring;
	bool exec_only;        /* this is an exec into a running container: only JOEY_PHASE_EXEC */
	int bundle_fd;         /* O_PATH: relative bind sources start here */
	int host_root_fd;      /* O_PATH of joey's "/": absolute bind sources start here */
	int rootfs_fd;         /* O_PATH|O_DIRECTORY of rootfs on the host, verified to be the resolved path */
	int devnull_fd;        /* O_PATH of the host's /dev/null, verified to be char 1:3 */
	int cgroup_fd;         /* container's cgroup directory or -EBADF */
	int console_sock;      /* where the pty master goes, or -EBADF */
	int pty_to_parent;     /* socket for the master in a foreground run with terminal, or -EBADF */
	int notify_dir_fd;     /* bound on /run/notify, or -EBADF */
	unsigned preserve_fds; /* 3 .. 3+n-1 survive the exec */
	struct joey_seccomp_prog *seccomp; /* NULL: none */
	struct joey_setup_parent parent;

	/* made by the steps */
	int root_fd;               /* O_PATH of the container's root as mounted by us; "/" after the pivot */
	int proc_fd;               /* private detached procfs of the container's pid namespace, opened on demand */
	int masked_dir_fd;         /* detached read-only empty tmpfs */
	int exec_fd;               /* O_PATH of the program, found by resolve_executable; -EBADF before */
	char *exec_path;           /* as it is given to execve */
	char **envp;               /* final environment (heap) */
	bool cwd_done;             /* step_chdir succeeded as the first user; else it is tried again as the final one */
	bool *mount_readonly_late; /* per config mount: to be made read-only in PIVOT phase (heap, n_mounts) */
	int *mount_fds;            /* per config mount: O_PATH of the mount where kept for later, else -EBADF (heap) */
};

/* All fds -EBADF, everything else zero. */
void joey_setup_init(struct joey_setup *s);
void joey_setup_done(struct joey_setup *s);
/* All phases are run: closes the directories and mounts they kept, so that a waiting init holds none. */
void joey_setup_close(struct joey_setup *s);

/* Runs the steps of one phase in order; the error is wrapped with the step's name. */
int joey_setup_run(struct joey_setup *s, enum joey_phase phase, struct joey_err *err);

/* Private procfs handle (R4): fsopen("proc") in the container's pid namespace, or in a user namespace where that
 * is refused a verified clone.  Kept in s->proc_fd (close-on-exec).  Call before the pivot if it is needed after it
 * in a user namespace. */
int joey_setup_procfs(struct joey_setup *s, struct joey_err *err);

/* Does any later step need s->proc_fd (LSM labels, sysctl, ...)? */
bool joey_setup_wants_procfs(const struct joey_setup *s);

/* Everything is ready: closes or marks descriptors and execve()s.  Returns only on failure; the text is
 * `exec /path: <errno text>`. */
int joey_setup_exec(struct joey_setup *s, struct joey_err *err);

/* In a process with a mount namespace of its own: the rootfs as a mount over its directory. */
int joey_setup_rootfs(struct joey_setup *s, struct joey_err *err);
/* The same, and every mount of the config: what stays when the namespace is gone are the mount points. */
int joey_setup_mount_points(struct joey_setup *s, struct joey_err *err);

/* ---- parent-side helpers of the same facilities ------------------------------------------------------- */

/* A detached clone of a bind source (open_tree), with idmap applied when the mount asks for it and userns_fd
 * (a namespace with the mapping) is >= 0.  Source is resolved from host_root_fd or bundle_fd. */
int joey_mount_source_open(const struct joey_mount *m, int host_root_fd, int bundle_fd, int userns_fd, int *ret_fd,
			   struct joey_err *err);

/* prlimit(2) of all of p->rlimits on pid. */
int joey_rlimits_apply(pid_t pid, const struct joey_process *p, struct joey_err *err);

/* CPU affinity of pid: a cpu list ("0-3,8"), or every CPU when cpus is NULL (the kernel keeps it within the cpuset). */
int joey_cpu_affinity_apply(pid_t pid, const char *cpus, struct joey_err *err);

/* /proc/PID/oom_score_adj through an fd of the host's /proc. */
int joey_oom_score_adj_apply(int host_proc_fd, pid_t pid, int64_t value, struct joey_err *err);

/* Compiles the profile, or maps it from cache_dir_fd (may be -EBADF: no cache).  The cache key is a hash over the
 * parsed profile, libseccomp's version, kernel and format version; files are verified (owner, mode, size, digest).
 * *ret is heap; joey_seccomp_prog_free() it. */
int joey_seccomp_compile(const struct joey_seccomp *profile, int cache_dir_fd, struct joey_seccomp_prog **ret,
			 struct joey_err *err);
void joey_seccomp_prog_free(struct joey_seccomp_prog *p);

/* Sends the OCI seccomp state message with the listener fd to listener_path (oci-checklist 9.9). */
int joey_seccomp_send_listener(const char *listener_path, const char *metadata, const char *oci_state_json, pid_t pid,
			       int listener_fd, struct joey_err *err);

/* Moves config->net_devices into the network namespace netns_fd (oci-checklist section 7); run in joey's netns. */
int joey_net_devices_move(const struct joey_config *config, int netns_fd, struct joey_err *err);

enum { JOEY_NET_DEVICES_MAX = 4 }; /* of a sandbox */

/* Devices of the own network namespace as they shall be (the guest of a sandbox). */
struct joey_net_address {
	const char *local;             /* "address/prefix" */
	const char *peer, *broadcast;  /* NULL: none */
	uint32_t scope, flags, metric; /* RT_SCOPE_*, IFA_F_*; of the route that comes with it, 0: the usual one */
};
struct joey_net_neighbour {
	const char *to, *lladdr;
};
struct joey_net_setup {
	const char *current, *name; /* what it is called now, and then */
	const char *mac;            /* NULL: as it is */
	uint32_t mtu;               /* 0: as it is */
	const struct joey_net_address *addresses;
	size_t n_addresses;
	const struct joey_net_neighbour *neighbours;
	size_t n_neighbours;
};
struct joey_net_hop {
	size_t device;   /* which one of them */
	const char *via; /* NULL: on the link itself */
	uint32_t weight; /* as rtnh_hops */
	bool onlink;
};
struct joey_net_route {
	const char *to, *src;        /* "address/prefix"; src: NULL: the kernel's choice */
	uint32_t scope, metric, mtu; /* RT_SCOPE_*; 0: the usual one */
	const struct joey_net_hop *hops;
	size_t n_hops;
};
/* current of all is read before anything is changed: names may be exchanged. */
int joey_net_configure(const struct joey_net_setup *devices, size_t n, const struct joey_net_route *routes,
		       size_t n_routes, struct joey_err *err);

/* The host's side of it, in the calling process's network namespace: n taps that live as long as their descriptors
 * (even after a failure those that are not -EBADF are to be closed) ... */
int joey_net_tap_open(int *ret_fds, unsigned n, struct joey_err *err);
/* ... and, once the namespace is set up, its devices redirected to the taps and back.  *ret_json: what the guest's
 * devices have to be given (heap; the request NET of the agent); NULL: there is no device but lo, and one tap. */
int joey_net_tap_connect(unsigned n, char **ret_json, struct joey_err *err);
/* How many devices are there for a sandbox?  Fails where it cannot have them. */
int joey_net_tap_count(int netns_fd, unsigned *ret, struct joey_err *err);
/* When the machine has ended: the devices are the host's again.  What others have set up is left alone. */
int joey_net_tap_release(int netns_fd, struct joey_err *err);

/* Intel RDT group of the container: *ret_created tells whether to remove it.  A group of closID that is there must have
 * the schemata of rdt. */
int joey_intel_rdt_apply(const struct joey_intel_rdt *rdt, const char *id, pid_t pid, bool *ret_created,
			 struct joey_err *err);
/* Another process; schemata are left alone. */
int joey_intel_rdt_join(const struct joey_intel_rdt *rdt, const char *id, pid_t pid, struct joey_err *err);
/* Other schemata. */
int joey_intel_rdt_update(const struct joey_intel_rdt *rdt, const char *id, struct joey_err *err);
bool joey_intel_rdt_mounted(void);
int joey_intel_rdt_stats(const struct joey_intel_rdt *rdt, const char *id, struct joey_arena *arena,
			 struct joey_rdt_use *ret, struct joey_err *err);
int joey_intel_rdt_remove(const struct joey_intel_rdt *rdt, const char *id, bool created, struct joey_err *err);

/* Connects an AF_UNIX stream socket to path (also when longer than sun_path, by way of an O_PATH fd). */
int joey_unix_connect(const char *path, int *ret_fd, struct joey_err *err);
/* One message: name as payload, one fd (the console and pidfd socket protocol). */
int joey_send_one_fd(int sock, const char *name, int fd, struct joey_err *err);

/* All hooks of a kind in order: fork, exec, stdin = state_json, deadline; default_env is for those without env; dir_fd:
 * working directory or -EBADF.  Stops at the first failure, but for poststop, where failures are warnings:
 * "error running createRuntime hook #0: exit status 1, stdout: ..., stderr: ...". */
int joey_hooks_run(const struct joey_config *config, enum joey_hook_kind kind, const char *state_json,
		   char *const *default_env, int dir_fd, struct joey_err *err);

#endif
