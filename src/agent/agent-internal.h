/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_AGENT_INTERNAL_H
#define JOEY_AGENT_INTERNAL_H

/*
 * The guest's first process.  One thread, one loop (loop.c); whatever can take time is done by a forked worker
 * (worker.c) that calls src/runtime as joey's command line does.
 */

#include <signal.h>

#include "joey/runtime.h"
#include "joey/setup.h"
#include "joey/wire.h"

enum {
	AGENT_WORKERS = 8,           /* at once; */
	AGENT_WORKERS_URGENT = 16,   /* so many with those that end things */
	AGENT_JOBS_WAITING = 32,     /* more are left in the channel */
	AGENT_BLOBS = 16,            /* requests whose BLOBs have begun */
	AGENT_BLOB_BYTES = 12 << 20, /* of all requests together */
	AGENT_CTL_OUT = 1 << 20,     /* bytes that may wait for the host */
	AGENT_IO_OUT = 256 << 10,    /* the same */
	AGENT_EARLY = 64,            /* processes that were heard of before their CREATE or EXEC */
	AGENT_ENDED = 4096,          /* handles remembered after their end */
	AGENT_STALLED_MS = 5000,     /* after a process's death its output waits for the host so long at most */
	AGENT_DRAIN_MS = 10000,      /* and when the host reads, but others write for ever */
	AGENT_TEXT = 60000,          /* of a worker's answer */
	AGENT_LOG = 4096,            /* of a worker's warnings */
	AGENT_SIGNAL_MAX = 64,
	AGENT_GROUPS = 64, /* namespaces that are kept for containers to share */
	AGENT_CLOCK_TRIES = 5,
	AGENT_CLOCK_NS = 40000000, /* a round trip that is short enough: the error is half of it at most */
};

#define AGENT_NETNS "/run/net" /* in a guest: the network namespace of all containers */

#define AGENT_CGROUP "/joey" /* of all containers */

/* ---- processes: proc.c ------------------------------------------------------------------------------------------ */

enum agent_proc_state {
	AGENT_EARLY_PROC, /* frames for it have come, its request has not */
	AGENT_STARTING,   /* a worker is at it */
	AGENT_LIVE,
	AGENT_DEAD, /* reaped; output is still on its way */
	AGENT_OVER, /* EXIT is sent; a container stays until it is dropped */
};

struct agent_proc {
	struct agent_proc *next;
	enum agent_proc_state state;
	uint32_t handle, container; /* container: that of its first process */
	char *id;                   /* first process: the container's */
	bool terminal, dropped;
	struct joey_relay relay;
	int worker_fds[3];             /* the worker's ends, until it is forked */
	int master, listener, console; /* console: the connection on which the master comes */
	uint16_t rows, cols;
	pid_t pid;
	int pidfd;
	int pending_signal; /* came before the pid was known */
	int wstatus;
	uint64_t dead_at, progress_at;
	struct joey_watch watch; /* of a container; fd -EBADF: none */
	bool oom_owed;           /* an EVENT is to be sent */
};

struct agent;
struct agent_job;

struct agent_proc *agent_proc_find(struct agent *a, uint32_t handle);
/* For CREATE and EXEC: a new one, or the early one of that handle. */
int agent_proc_add(struct agent *a, const struct agent_job *j, struct agent_proc **ret, struct joey_err *err);
void agent_proc_remove(struct agent *a, struct agent_proc *p);
/* The worker has told the pid. */
void agent_proc_started(struct agent *a, struct agent_proc *p, pid_t pid);
void agent_proc_reaped(struct agent_proc *p, int wstatus);
/* What a frame of the io channel (or a note) does; -EPROTO. */
int agent_proc_take(struct agent *a, const struct joey_frame *f);
/* Terminals, exits, events: everything that does not wait. */
void agent_proc_turn(struct agent *a, struct agent_proc *p);
/* What has happened at the terminal's socket, and at the host's end of it. */
void agent_proc_terminal(struct agent *a, struct agent_proc *p);
/* The container is gone: by DROP, or because it could not be made. */
void agent_container_gone(struct agent *a, uint32_t handle);

/* ---- requests: request.c ---------------------------------------------------------------------------------------- */

/* A namespace that a new container shares with others of the machine: join.c */
struct agent_join {
	enum joey_ns ns;
	uint32_t of;          /* handle of the container whose it is, or 0: */
	uint64_t group;       /* for all who say the same number */
	const char *hostname; /* of a group's uts namespace */
};
struct agent_group {
	enum joey_ns ns;
	uint64_t key;
	int fd;
};

/* A bind mount whose source is to be a tmpfs of the guest: shm.c */
struct agent_shm {
	uint32_t mount; /* of the config */
	uint64_t key;   /* the same for all who share it */
	uint64_t size;
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

struct agent_job {
	struct agent_job *next;
	uint32_t id; /* of the request */
	unsigned type;
	bool silent; /* the agent's own: nobody gets a REPLY */
	struct joey_arena arena;
	uint32_t c, p;
	const char *name; /* "id" */
	const char *cgroup;
	bool run, terminal, no_pivot, no_new_keyring, all, ignore_paused;
	bool disk; /* the root is the machine's disk, not on the share */
	uint16_t rows, cols;
	int signal;
	uint64_t *attrs; /* in arena; struct agent_adapt */
	size_t n_attrs;
	struct agent_join joins[JOEY_NS_MAX];
	size_t n_joins;
	struct agent_shm shm[4];
	size_t n_shm;
	const struct joey_json *json;
	char *blob; /* heap */
	size_t n_blob;
	/* worker.c */
	pid_t worker;
	int pipe; /* its answer */
	char *answer;
	size_t n_answer;
	bool ended;
	int wstatus;
};

/* Each element of the request's array of that name, if there is one. */
int agent_request_each(struct agent_job *j, const char *key,
		       int (*take)(struct agent_job *j, const struct joey_json *element, struct joey_err *err),
		       struct joey_err *err);
int agent_request_bad(struct joey_err *err, const char *key);

struct agent_blob {
	uint32_t id;
	char *data;
	size_t n, cap;
	bool used, lost; /* lost: more than is allowed, thrown away */
};

/* The parsed request, with the BLOBs that came before; err is for the REPLY. */
int agent_request_parse(struct agent *a, const struct joey_frame *f, struct agent_job **ret, struct joey_err *err);
int agent_blob_take(struct agent *a, const struct joey_frame *f);
void agent_job_free(struct agent *a, struct agent_job *j);

struct agent_hello {
	uint64_t time; /* ns */
	uint8_t entropy[64];
	char hostname[65], machine_id[33];
};
/* hello.c */
int agent_hello_parse(const struct joey_frame *f, struct agent_hello *ret, struct joey_err *err);
int agent_hello(struct agent *a, const struct joey_frame *f, struct joey_err *err);
/* The host's answer to our question for the time: it may be asked again. */
int agent_clock(struct agent *a, const struct joey_frame *f);

/* ---- workers: worker.c ------------------------------------------------------------------------------------------ */

/* Forks when there is a place; else it waits. */
void agent_job_submit(struct agent *a, struct agent_job *j);
void agent_jobs_turn(struct agent *a);
/* Whatever makes that container stops, and answers that it was cut short; what it has left is swept up after it. */
void agent_jobs_cut(struct agent *a, uint32_t c);
void agent_job_read(struct agent *a, struct agent_job *j);
/* Every child that has ended. */
void agent_reap(struct agent *a);

/* carry.c: in the worker.  Text is the result. */
struct agent_result {
	pid_t pid;
	char *text; /* heap */
	size_t n;
};
int agent_carry_out(const struct agent *a, const struct agent_job *j, struct agent_result *ret, struct joey_err *err);

/* adapt.c: a host's config becomes one for the guest. */
struct agent_adapt {
	const char *share, *cgroup; /* the mount of the share; directory of all containers' cgroups */
	const char *netns;
	uint32_t handle;
	uint16_t rows, cols; /* of the terminal, or 0 */
	bool disk;           /* its root is at AGENT_DISK_ROOT */
	/* MOUNT_ATTR_* that the mounts of the rootfs and, from 1 on, of the config's bind sources have on the host */
	const uint64_t *attrs;
	size_t n_attrs;
	char ns_path[JOEY_NS_MAX][40]; /* "": a new one */
	const char *dir;               /* where tmpfs for shm are */
	const struct agent_shm *shm;
	size_t n_shm;
};
int agent_adapt(void *arg, struct joey_config *config, struct joey_err *err);
void agent_adapt_process(void *arg, struct joey_process *process);

/* join.c: "join" of CREATE; what it needs made, before the worker is forked; in the worker: the paths. */
int agent_join_parse(struct agent_job *j, struct joey_err *err);
int agent_join_prepare(struct agent *a, const struct agent_job *j, struct joey_err *err);
int agent_join_paths(const struct agent *a, const struct agent_job *j, struct agent_adapt *ret, struct joey_err *err);
void agent_join_done(struct agent *a);

/* shm.c: the same of "shm" */
int agent_shm_parse(struct agent_job *j, struct joey_err *err);
int agent_shm_prepare(const struct agent *a, const struct agent_job *j, struct joey_err *err);
void agent_shm_path(const char *dir, const struct agent_shm *shm, char *ret, size_t size);

/* net.c */
struct agent_net_request { /* texts are the request's */
	struct joey_net_setup devices[JOEY_NET_DEVICES_MAX];
	size_t n;
	const struct joey_net_route *routes;
	size_t n_routes;
};
int agent_net_parse(const struct joey_json *o, struct joey_arena *arena, struct agent_net_request *ret,
		    struct joey_err *err);
int agent_net(const struct joey_json *request, struct joey_err *err);
int agent_loopback_up(void);

/* ---- boot.c ----------------------------------------------------------------------------------------------------- */

/* From the initramfs to two open ports; never returns in failure. */
void agent_boot(int *ret_ctl, int *ret_io);
int agent_mount_share(struct joey_err *err);
/* The machine's disk with a layer of memory over it, which takes what is written: the root of one container. */
#define AGENT_DISK_ROOT "/run/root"
int agent_mount_disk(struct joey_err *err);
/* Says why on the console, and ends the machine (test mode: the process). */
_Noreturn void agent_die(const struct agent *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- the agent -------------------------------------------------------------------------------------------------- */

struct agent_port {
	int fd, epoll_fd;
	bool more; /* there may be something to read, whatever poll(2) says */
	struct joey_wire_in in;
	struct joey_wire_out out;
};

struct agent {
	bool test;                      /* --fds: not in a guest */
	bool greeted, clocked;          /* clocked: the clock is right */
	uint64_t asked_at, clock_doubt; /* CLOCK_MONOTONIC, ns: of the question; the shortest way there and back */
	unsigned clock_asked;           /* times */
	bool shared;                    /* the share is mounted */
	const char *cgroup;             /* "/joey" */
	const char *netns;
	char rt_root[256], dir[256], share[256]; /* the runtime's root; bundles and sockets; the share's mount */
	struct agent_port ctl, io;
	int sigfd;
	struct agent_proc *procs;
	size_t n_procs, n_early;
	unsigned first; /* whose turn it is to be the first */
	uint32_t ended[AGENT_ENDED];
	size_t n_ended;
	struct agent_blob blobs[AGENT_BLOBS];
	size_t blob_bytes;
	struct agent_group groups[AGENT_GROUPS];
	size_t n_groups;
	struct agent_job *waiting, *running;
	size_t n_waiting, n_running;
};

void agent_init(struct agent *a, int ctl, int io, const char *root, const char *cgroup, bool test);
_Noreturn void agent_loop(struct agent *a);
void agent_done(struct agent *a); /* tests */
/* A REPLY; when there is no room the host has broken a bound. */
void agent_reply(struct agent *a, uint32_t id, const struct joey_err *err, const void *data, size_t n);
void agent_log(struct agent *a, uint32_t id, const char *text, size_t n);
/* One frame of ctl; -EPROTO. */
int agent_take_ctl(struct agent *a, const struct joey_frame *f);

#endif
