/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_BACKEND_H
#define JOEY_BACKEND_H

/*
 * The only door between what an operation means (src/runtime) and who carries it out: the host's own kernel
 * (src/native), a fake for unit tests (tests/unit), a VM (a later folder).
 *
 * The pid an engine sees is always a host process, so kill, state, pid files and exit codes need no second path.
 * A backend writes no state file: it fills c->state (pid, pid_start, cgroup, backend_data), the runtime saves.
 * A NULL op means "not supported by this backend".
 */

#include "joey/check.h"
#include "joey/container.h"

/* AUTO: a tap where the network namespace is given by path, or hooks may set it up. */
enum joey_vm_network { JOEY_VM_NETWORK_AUTO, JOEY_VM_NETWORK_NONE, JOEY_VM_NETWORK_TAP };

/* The machine of a sandboxed container, as it was chosen (src/runtime/choose.c).  NULL and 0: the backend's choice. */
struct joey_vm_choice {
	uint64_t memory;     /* bytes */
	uint64_t max_memory; /* the machine never has more; 0: no limit */
	uint32_t vcpus;
	const char *kernel, *initramfs, *hypervisor; /* absolute */
	const char *image;                           /* of the root, raw; absolute */
	bool block;                                  /* the root is the file system that is mounted on rootfs */
	const char *trust;                           /* one template for each trust domain */
	const char *pod;                             /* id of the pod whose containers share a machine */
	bool need_kvm;                               /* fail where only emulation is possible */
	bool fork;                                   /* emulated machines are copies of one that stands still */
	enum joey_vm_network network;
	unsigned network_devices; /* at least so many; 0: as there are */
};

/* Callbacks and options of one create. Strings and fds are borrowed. */
struct joey_create {
	const struct joey_config *config;
	const char *bundle; /* absolute */
	const char *rootfs; /* absolute */
	bool run;           /* create + start in one: the payload is executed before create returns */
	bool no_pivot, no_new_keyring;
	int console_sock;      /* connected AF_UNIX stream, or -EBADF */
	int *ret_pty;          /* run in the foreground with a terminal: gets the master; else NULL */
	int pidfd_sock;        /* connected, or -EBADF */
	int notify_dir_fd;     /* directory that holds notify.sock, to be bound at /run/notify; or -EBADF */
	unsigned preserve_fds; /* 3 .. 3+n-1 stay open in the payload */
	enum joey_cgroup_driver cgroup_driver;
	bool rootless; /* euid != 0, or joey runs inside a user namespace */
	struct joey_vm_choice vm;

	/* Called while the container is being made; arg is the runtime's. Return < 0 with err set to abort. */
	void *arg;
	/* state has changed and must survive a SIGKILL of joey.  Called twice: before the cgroup (or anything else
	 * outside the state directory) is made, when state names it and pid is 0; and when init is set up but still
	 * dies with joey (pid, inode known), before it is let go.  src/runtime/launch.c tells why no third time is
	 * needed. */
	int (*save)(void *arg, struct joey_err *err);
	/* namespaces and mounts exist, pivot not yet done: prestart and createRuntime hooks; state.pid is set.  NULL
	 * when there are none, so that no round trip is spent. */
	int (*runtime_hooks)(void *arg, struct joey_err *err);
};

/* One exec. Strings and fds are borrowed. */
struct joey_exec {
	const struct joey_config *config;   /* the container's, as it was at create */
	const struct joey_process *process; /* complete: rlimits and umask are the container's where it had none */
	int console_sock;                   /* connected, or -EBADF */
	int *ret_pty;                       /* foreground with terminal: gets the master; else NULL */
	int pidfd_sock;                     /* connected, or -EBADF */
	unsigned preserve_fds;              /* as in struct joey_create */
	const char *cgroup;                 /* below the container's cgroup; NULL: the container's own */
	bool rootless;
};

struct joey_update {
	const struct joey_config *config;            /* as it is before the update */
	const struct joey_resources *apply;          /* only what changes */
	const char *l3_cache_schema, *mem_bw_schema; /* of intelRdt; NULL: unchanged */
};

/* What checkpoint and restore share.  Directories are open, texts are for messages. */
struct joey_image {
	int image_fd, work_fd; /* work_fd: logs; may be the same */
	const char *work_path;
	const char *cgroups_mode; /* "soft", "full", "strict", "ignore"; NULL: the backend's choice */
	bool tcp_established, tcp_close, tcp_skip_in_flight, link_remap, ext_unix_sk, shell_job, file_locks, auto_dedup;
	bool lazy_pages, empty_net_ns;
};

struct joey_checkpoint {
	const struct joey_config *config;
	const struct joey_image *image;
	const char *parent; /* earlier images, relative to image_fd; NULL: none */
	bool pre_dump, leave_running;
	const char *page_server; /* address; NULL: pages go to files */
	uint16_t page_server_port;
	int status_fd; /* gets one NUL byte when lazy pages may be asked for, then is closed; -EBADF: none */
};

struct joey_restore {
	const struct joey_image *image;
	const char *lsm_profile, *lsm_mount_context; /* NULL: as in the images */
};

/* A saved machine that others are started from.  Texts are heap. */
struct joey_template {
	char *key;                      /* hexadecimal */
	char *why;                      /* it cannot be used: why; NULL: it can */
	char *kernel, *trust, *created; /* NULL: not known */
	const char *accelerator;        /* static */
	uint64_t memory, size, age;     /* of the machine; bytes that it takes; seconds */
	uint32_t vcpus, network_devices;
	pid_t holder; /* 0: none */
	pid_t zygote; /* sandbox process of the machine that others are copies of; 0: none */
};
struct joey_templates {
	struct joey_template *v;
	size_t n;
};

struct joey_template_ops {
	/* The one that a container with this choice, without limits of its own, starts from.  What takes long is said
	 * by joey_log().  Bounded in time. */
	int (*build)(const struct joey_vm_choice *vm, char **ret_key, struct joey_err *err);
	int (*list)(struct joey_templates *ret, struct joey_err *err);
	/* key: or its first digits.  Machines that run are not touched. */
	int (*remove)(const char *key, struct joey_err *err);
	/* What nothing can use any more; all: every one. */
	int (*prune)(bool all, size_t *ret_n, struct joey_err *err);
};
void joey_templates_done(struct joey_templates *t);

/* As the guest numbers and calls it. */
struct joey_guest_process {
	uint32_t pid, uid;
	char state;    /* a letter, or '?' */
	char *command; /* visible characters only; heap */
};
struct joey_guest_processes {
	struct joey_guest_process *v;
	size_t n;
};
static inline void joey_guest_processes_done(struct joey_guest_processes *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->v[i].command);
	free(p->v);
	*p = (struct joey_guest_processes){ NULL, 0 };
}

enum { JOEY_SIGNAL_ALL = 1 }; /* every process of the container, not just init */

struct joey_backend {
	const char *name; /* stored in state.json */

	/* Says what is to be known of it among the annotations of `joey features`.  Asks nothing that takes long. */
	void (*features)(joey_say_fn say, void *arg);

	/* What this host offers for it.  No container, no lock; bounded in time; 0 or -errno. */
	int (*check)(struct joey_findings *f);

	/* Does it have the hardware that it is meant for?  NULL: it needs none. */
	bool (*is_accelerated)(void);

	const struct joey_template_ops *templates; /* NULL: it has none */

	/* State on entry: c locked, state dir made, c->state filled but for pid and cgroup.  On success the container
	 * is "created" (or running, args->run).  On failure nothing is left: no process, mount, cgroup. Blocks for
	 * hooks and slow mounts. */
	int (*create)(struct joey_container *c, const struct joey_create *args, struct joey_err *err);

	/* Locked, status created.  Returns when the payload is executed; an exec or startContainer hook failure is
	 * returned as this call's error. */
	int (*start)(struct joey_container *c, struct joey_err *err);

	/* As create with args->run, but the processes come from images: everything else is made from args->config.  The
	 * container goes on where it was when this returns. */
	int (*restore)(struct joey_container *c, const struct joey_create *args, const struct joey_restore *how,
		       struct joey_err *err);

	/* Locked, container running or paused.  The processes are gone afterwards, unless leave_running or pre_dump. On
	 * failure they go on. */
	int (*checkpoint)(struct joey_container *c, const struct joey_checkpoint *args, struct joey_err *err);

	/* Not locked.  sig 0 probes. JOEY_EK_STATE "container not running" when there is nothing to signal. */
	int (*signal)(struct joey_container *c, int sig, unsigned flags, struct joey_err *err);

	/* Not locked, must not block. */
	int (*query)(struct joey_container *c, struct joey_query *ret, struct joey_err *err);

	/* Not locked, container created, running or paused (then the caller asked for it).  Returns when the process
	 * has executed its program; it is a child of the caller. */
	int (*exec)(struct joey_container *c, const struct joey_exec *args, pid_t *ret_pid, struct joey_err *err);

	/* Not locked, bounded in time.  Paused: no process of the container runs when it returns. */
	int (*set_paused)(struct joey_container *c, bool paused, struct joey_err *err);

	/* Locked.  On failure the container's limits are what they were. */
	int (*update)(struct joey_container *c, const struct joey_update *args, struct joey_err *err);

	/* Not locked.  Host pids of all processes, heap array; may be empty.  Without a way to know them all: init
	 * alone, with a warning. */
	int (*pids)(struct joey_container *c, pid_t **ret, size_t *ret_n, struct joey_err *err);

	/* Not locked.  The container's processes as its guest knows them; none if it has ended.  NULL: no guest. */
	int (*guest_processes)(struct joey_container *c, struct joey_guest_processes *ret, struct joey_err *err);

	/* Not locked.  What the guest's console printed last: any bytes, heap, a NUL behind.  NULL: no guest. */
	int (*guest_console)(struct joey_container *c, char **ret, size_t *ret_n, struct joey_err *err);

	/* Not locked. Texts and lists are in the arena. */
	int (*stats)(struct joey_container *c, struct joey_arena *arena, struct joey_stats *ret, struct joey_err *err);

	/* Not locked.  The watch outlives changes of c and is ended by its done(). */
	int (*watch)(struct joey_container *c, struct joey_watch *ret, struct joey_err *err);

	/* Waits for the end of init; only the process that created it (run). *ret_wstatus as waitpid(2). */
	int (*wait)(struct joey_container *c, int *ret_wstatus, struct joey_err *err);

	/* Kills whatever is left and removes everything the backend made, however far create got.  Bounded in time.
	 * Needs no lock (delete --force on a stuck container). Idempotent. */
	int (*destroy)(struct joey_container *c, struct joey_err *err);
};

/* By the name in a state file; NULL name: the default backend. src/runtime/backend.c */
const struct joey_backend *joey_backend_by_name(const char *name);

/* The one for sandboxed containers; NULL: none. */
const struct joey_backend *joey_backend_isolating(void);

extern const struct joey_backend joey_native_backend;
extern const struct joey_backend joey_vm_backend;

#endif
