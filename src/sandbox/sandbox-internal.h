/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_SANDBOX_INTERNAL_H
#define JOEY_SANDBOX_INTERNAL_H

#include <signal.h>

#include "joey/backend.h"
#include "joey/init.h"
#include "joey/vmm.h"
#include "joey/wire.h"

/* How long a verb waits (milliseconds).  After that the machine is taken for dead. */
enum {
	VM_ANSWER_MS = 10000,  /* of a small request */
	VM_KILL_MS = 2000,     /* of one that has a way without the guest */
	VM_CREATE_MS = 120000, /* a template may have to be built first */
	VM_EXEC_MS = 60000,
	VM_LOCK_MS = 120000,
	VM_END_MS = 3000,
};

/* What a machine takes of the host beside its guest's memory: QEMU, its translator, the sandbox process (measured:
 * SANDBOX.md). */
#define VM_OVERHEAD ((uint64_t)64 << 20)

/* ---- place.c: <root>/@vm/<sandbox id>/, a name that no container can have --------------------------------------- */

#define VM_PLACES "@vm"
#define VM_SOCKET "sock" /* the sandbox process listens there */

struct vm_place {
	char *id;   /* of the sandbox: the pod's, or the container's own */
	int dir_fd; /* flock(2) on it is the lock: held while a machine is started or ended */
	int vm_fd;  /* <root>/@vm */
	bool locked;
	/* the sandbox process */
	pid_t pid;
	uint64_t pid_start;
	struct joey_cgroup_record cgroup; /* path is heap */
	bool host_limits;                 /* it has some: limits.c */
	/* its machine */
	enum joey_accel accel;
	uint64_t memory;
	uint32_t vcpus;
	int control; /* a descriptor of the sandbox process: where copies of the machine are asked for.  0: none are
			made */
};
#define VM_PLACE_INIT                             \
	{                                         \
		.dir_fd = -EBADF, .vm_fd = -EBADF \
	}

/* make: creates it (-ESTALE: it was removed meanwhile, try again).  JOEY_EK_NOT_FOUND when there is none. */
int place_open(struct vm_place *p, int root_fd, const char *id, bool make, struct joey_err *err);
int place_lock(struct vm_place *p, unsigned timeout_ms, struct joey_err *err);
void place_unlock(struct vm_place *p);
/* The record: reads what is there (pid 0: nothing), or replaces it. */
int place_load(struct vm_place *p, struct joey_err *err);
int place_save(const struct vm_place *p, struct joey_err *err);
/* What the machine is made of. */
void place_describe(struct vm_place *p, const struct joey_vmm_spec *spec);
bool place_is_alive(const struct vm_place *p);
/* SIGKILL for the sandbox process and everything in its cgroup, then the cgroup and the directory are removed. Locked.
 */
int place_destroy(struct vm_place *p, int root_fd, struct joey_err *err);
/* The processes alone. */
int place_kill(struct vm_place *p, struct joey_err *err);
/* Of the sandbox process; < 0: it has gone. */
int place_pidfd(const struct vm_place *p);
void place_done(struct vm_place *p);
#define autoplace __attribute__((cleanup(place_done)))

/* ---- client.c: a verb's connection to the sandbox process ------------------------------------------------------- */

struct vm_client {
	int sock;
	uint32_t last_id;
	struct joey_wire_in in;
	struct joey_wire_out out;
};
#define VM_CLIENT_INIT                                                                      \
	{                                                                                   \
		.sock = -EBADF, .in = JOEY_WIRE_IN_INIT, .out = JOEY_WIRE_OUT_INIT(8 << 20) \
	}

int client_connect(struct vm_client *cl, const struct vm_place *p, struct joey_err *err);
struct vm_call {
	enum joey_wire_type type;
	const char *json; /* NULL: {} */
	const char *blob; /* NULL: none */
	size_t blob_len;
	int fd; /* sent along, or -EBADF */
	unsigned timeout_ms;
};
/* The result is heap (and may be NULL).  JOEY_EK_TIMEOUT when no answer came. */
int client_call(struct vm_client *cl, const struct vm_call *call, uint8_t **ret, size_t *ret_n, struct joey_err *err);
/* Hands the proxy's socket over (it is closed here then): a process of container, or, if 0, the first of a new one. */
int client_attach(struct vm_client *cl, uint32_t container, int *sock, uint32_t *ret_handle, struct joey_err *err);
/* What the sandbox process says of itself and its machine (JOEY_WIRE_INFO); in arena. */
int client_info(struct vm_client *cl, unsigned timeout_ms, struct joey_arena *arena, const struct joey_json **ret,
		struct joey_err *err);
void client_done(struct vm_client *cl);

/* ---- daemon.c: the sandbox process ------------------------------------------------------------------------------ */

struct vm_daemon_args {
	const char *id;
	bool pod;                       /* stays when its last container has ended; goes with the last one dropped */
	int listen_fd, client_fd;       /* client_fd: the first connection */
	int tap_fds[JOEY_VMM_NETS_MAX]; /* -EBADF: no network */
	int block_fd;                   /* -EBADF: no disk */
	int cgroup_fd;                  /* of the machine, where it has one */
	int zygote_fd;                  /* it is to be a copy of that; -EBADF: restored, or booted */
	bool to_fork;                   /* it is a zygote itself: stays when it was frozen (JOEY_WIRE_FREEZE) */
	const struct joey_vmm_spec *spec;
};
/* A process that lives longer than joey becomes nobody's: no descriptor but those of keep, whose places are sorted. */
void daemon_cast_off(const char *name, int *keep, size_t n);
/* Never returns.  Called in a child with nothing set up yet. */
_Noreturn void daemon_main(const struct vm_daemon_args *args);

/* ---- share.c ---------------------------------------------------------------------------------------------------- */

/* In the sandbox process: a mount namespace whose root holds nothing but /share (what the guest sees, read-only) and
 * /rw (the same tmpfs, writable, for mount points).  The old root stays reachable until share_close_root(). */
int share_init(int *ret_share_fd, struct joey_err *err);
int share_close_root(struct joey_err *err);

struct vm_source {
	char name[16];   /* "rootfs", "m3" */
	unsigned number; /* 0: the rootfs, 4: of config.mounts[3] */
	int fd;          /* detached mount */
	uint64_t attrs;  /* MOUNT_ATTR_* that the source's mount has on the host */
	char *link;      /* heap: it is a symbolic link, with this text, and shown as one */
	bool shm;        /* not shown: the guest has a tmpfs in its place */
};
struct vm_sources {
	struct vm_source *v;
	size_t n;
};
/* Opens the rootfs, unless it is a disk, and the sources of bind mounts on the host. */
int share_open(const struct joey_create *args, bool rootfs, struct vm_sources *ret, struct joey_err *err);
/* The "attrs" of CREATE. */
void share_write_attrs(const struct vm_sources *s, struct joey_json_out *o);
/* The "shm" of CREATE. */
void share_write_shm(const struct vm_sources *s, struct joey_json_out *o);
/* Puts them at /share/<handle>/<name> of the sandbox process's mount namespace. */
int share_attach(pid_t daemon, uint32_t handle, struct vm_sources *s, struct joey_err *err);
/* The root becomes read-only on the host, too. */
int share_seal(pid_t daemon, uint32_t handle, struct joey_err *err);
void share_detach(pid_t daemon, uint32_t handle);
void share_done(struct vm_sources *s);
#define autosources __attribute__((cleanup(share_done)))
/* A detached one; attrs: MOUNT_ATTR_* beside nodev and nosuid. */
int share_make_tmpfs(const char *size, uint64_t attrs, int *ret, struct joey_err *err);

/* ---- join.c: the "join" of CREATE ------------------------------------------------------------------------------- */

int join_write(const struct joey_container *c, const char *sandbox, const struct joey_config *config,
	       struct joey_json_out *o, struct joey_err *err);

/* ---- block.c ---------------------------------------------------------------------------------------------------- */

/* The disk that is the container's root; -EBADF where it is a directory. */
int block_open(const struct joey_create *a, int *ret, struct joey_err *err);

/* ---- proxy.c: the process that an engine sees ------------------------------------------------------------------- */

struct vm_proxy {
	/* to be filled in */
	const struct joey_process *process;
	int console_sock; /* gets the master of a terminal, or -EBADF */
	int *ret_pty;     /* or this does; NULL: nobody */
	int cgroup_fd;
	struct joey_cgroup *cgroup;   /* to move it there where it cannot be born in it; NULL: none */
	const struct joey_gate *gate; /* NULL: not waiting for start */
	int netns;                    /* to be joined, or -EBADF */
	bool new_netns;
	/* results */
	pid_t pid;
	int pidfd;
	int sock;  /* the sandbox process's end */
	int leash; /* the proxy dies with it until it is let go */
};
#define VM_PROXY_INIT                                                                                          \
	{                                                                                                      \
		.console_sock = -EBADF, .cgroup_fd = -EBADF, .netns = -EBADF, .pidfd = -EBADF, .sock = -EBADF, \
		.leash = -EBADF                                                                                \
	}
int proxy_spawn(struct vm_proxy *p, struct joey_err *err);
/* It no longer dies with joey. */
int proxy_let_go(struct vm_proxy *p, struct joey_err *err);
/* SIGKILL and reaped. */
void proxy_abort(struct vm_proxy *p);
void proxy_done(struct vm_proxy *p);

/* ---- net.c: in the network namespace of process pid ------------------------------------------------------------- */

/* Devices that are up; fails where a machine cannot have them. */
int net_count(pid_t pid, unsigned *ret, struct joey_err *err);
int net_open_taps(pid_t pid, unsigned n, int *ret_fds, struct joey_err *err);
/* *ret_json: the request for the guest; NULL: nothing to be done. */
int net_connect(pid_t pid, unsigned taps, char **ret_json, struct joey_err *err);
/* When the machine has ended: its redirections in that namespace, if it is still there. */
void net_release(const char *path);

/* ---- data.c: the backend's object in state.json ----------------------------------------------------------------- */

struct vm_data {
	const char *sandbox; /* id */
	uint32_t handle;     /* 0: not known yet */
	bool pod;
	/* what `joey state` shows */
	enum joey_accel accel;
	uint64_t memory;
	uint32_t vcpus;
	bool host_limits;
};
int data_save(struct joey_container *c, const struct vm_data *d, struct joey_err *err);
int data_load(const struct joey_container *c, struct vm_data *ret, struct joey_err *err);

/* ---- machine.c: which machine a container needs, and its sandbox process --------------------------------------- */

struct vm_start {
	const struct joey_create *args; /* of the container that it is started for */
	bool pod;
	int block_fd;    /* the disk, or -EBADF; borrowed */
	pid_t netns_of;  /* taps in this process's network namespace are to be the machine's; 0: none is */
	unsigned nets;   /* how many */
	bool *no_zygote; /* set when there is none that it could be a copy of, and there might be one */
};
/* In a cgroup of its own; writes the record.  Locked; cl becomes the first connection. */
int machine_start(struct vm_place *p, const struct vm_start *how, struct vm_client *cl, struct joey_err *err);
/* The sandbox process. args: but for the descriptors of its channels.  Writes the record. */
int machine_spawn(struct vm_place *p, const struct vm_daemon_args *args, struct joey_cgroup *cg, struct vm_client *cl,
		  struct joey_err *err);
/* What it is made of. limits: the container's, or NULL; nets: 0: what the choice says.  Even after a failure
 * machine_done() is to be called. */
struct vm_machine {
	struct joey_vmm_spec spec;
	char *kernel, *initramfs;
};
int machine_spec(const struct joey_vm_choice *vm, const struct joey_resources *limits, unsigned nets,
		 struct vm_machine *ret, struct joey_err *err);
void machine_done(struct vm_machine *m);
/* The guest enforces the container's limits; what is in its cgroup on the host are proxies. */
extern const struct joey_resources vm_no_limits;

/* ---- zygote.c, zygote_make.c: machines that others are copies of ------------------------------------------------ */

/* Where copies of the one for this spec are asked for; -errno: there is none (JOEY_EK_UNSUPPORTED: nor will there be).
 */
int zygote_open(const struct joey_vmm_spec *spec, int *ret, struct joey_err *err);
/* Unless there is one, or there cannot be one.  Seconds.  wait: for another who makes it. */
int zygote_make(const struct joey_vmm_spec *spec, bool wait, struct joey_err *err);
/* By a process of its own, for the containers to come. */
void zygote_make_later(const struct joey_create *args, unsigned nets);
/* The sandbox process of the one for this template; 0: there is none. */
pid_t zygote_of(const char *template);
/* Those of templates that nothing can use any more end: they would never be found again. */
void zygote_tidy(void);
/* The one for this template ends; NULL: all.  Copies go on. */
void zygote_drain(const char *template);

/* ---- limits.c: of the machine's cgroup on the host, as far as there are controllers ---------------------------- */

struct vm_cpu {         /* what the containers of a machine may use together */
	int64_t quota;  /* of 100 ms */
	bool unlimited; /* one of them */
	uint64_t shares;
};
void limits_add(struct vm_cpu *sum, const struct joey_resources *r);
uint64_t limits_memory(enum joey_accel accel, uint64_t guest);
/* Sets p->host_limits.  cg may be NULL. */
int limits_apply(struct joey_cgroup *cg, struct vm_place *p, const struct vm_cpu *sum, struct joey_err *err);
/* Anew, for all containers in it: c with these, or without c. */
int limits_refresh(const struct joey_container *c, struct vm_place *p, const struct joey_resources *own,
		   struct joey_err *err);

/* ---- link.c: a container that exists, and a connection to its sandbox process ----------------------------------- */

struct vm_link {
	struct vm_data data;
	struct vm_place place;
	struct vm_client cl;
};
#define VM_LINK_INIT                                         \
	{                                                    \
		.place = VM_PLACE_INIT, .cl = VM_CLIENT_INIT \
	}

int link_open(struct vm_link *l, struct joey_container *c, struct joey_err *err);
/* A request that needs nothing but the handle and perhaps a document. */
int link_ask(struct vm_link *l, enum joey_wire_type type, const char *blob, unsigned timeout_ms, uint8_t **ret,
	     size_t *ret_n, struct joey_err *err);
void link_done(struct vm_link *l);
#define autolink __attribute__((cleanup(link_done)))
/* The three in one. */
int link_ask_once(struct joey_container *c, enum joey_wire_type type, const char *blob, uint8_t **ret, size_t *ret_n,
		  struct joey_err *err);

/* ---- template.c ------------------------------------------------------------------------------------------------- */

extern const struct joey_template_ops vm_templates;

/* ---- the operations --------------------------------------------------------------------------------------------- */

int vm_check_config(const struct joey_create *args, struct joey_err *err);
int vm_create(struct joey_container *c, const struct joey_create *args, struct joey_err *err);
int vm_exec(struct joey_container *c, const struct joey_exec *args, pid_t *ret_pid, struct joey_err *err);
int vm_signal(struct joey_container *c, int sig, unsigned flags, struct joey_err *err);
int vm_set_paused(struct joey_container *c, bool paused, struct joey_err *err);
int vm_update(struct joey_container *c, const struct joey_update *args, struct joey_err *err);
void vm_features(joey_say_fn say, void *arg);
int vm_check(struct joey_findings *f);
/* "full" or "compat" */
const char *vm_isolation(enum joey_accel accel);
int vm_guest_processes(struct joey_container *c, struct joey_guest_processes *ret, struct joey_err *err);
int vm_guest_console(struct joey_container *c, char **ret, size_t *ret_n, struct joey_err *err);
/* A reply to PIDS, whatever is in it. */
int vm_decode_processes(const uint8_t *data, size_t n, struct joey_guest_processes *ret, struct joey_err *err);
int vm_stats(struct joey_container *c, struct joey_arena *arena, struct joey_stats *ret, struct joey_err *err);
int vm_watch(struct joey_container *c, struct joey_watch *ret, struct joey_err *err);
int vm_destroy(struct joey_container *c, struct joey_err *err);

#endif
