/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_NATIVE_INTERNAL_H
#define JOEY_NATIVE_INTERNAL_H

#include <signal.h>

#include "joey/backend.h"
#include "joey/init.h"
#include "joey/namespace.h"
#include "joey/setup.h"
#include "native/sync.h"

/*
 * Everything that is decided before the first clone.  Filled by plan_init(); the child only reads it (it has its own
 * copy of the memory after the clone).
 */
struct native_plan {
	const struct joey_create *args;
	const struct joey_config *config;
	struct joey_container *container;
	struct joey_setup setup;
	int ns_fds[JOEY_NS_MAX]; /* namespaces to join, by path */
	uint64_t new_ns;         /* CLONE_NEW* to make */
	bool userns_new;
	bool staged; /* a process between joey and init is needed: see stage.c */
	int host_proc_fd;
	struct joey_gate gate;      /* none for run */
	int pty_pair[2];            /* [1] goes to the child as setup.pty_to_parent */
	struct joey_cgroup *cgroup; /* borrowed */
};

int plan_init(struct native_plan *p, struct joey_container *c, const struct joey_create *args, struct joey_err *err);
void plan_done(struct native_plan *p);

/* The container's first process as its maker sees it. */
struct native_child {
	pid_t pid;   /* init; 0 until known */
	int pidfd;   /* of init */
	pid_t stage; /* 0: none (any more) */
	struct sync sync;
};

/* Starts init (or the stage) inside the cgroup; on return init may already run its first steps. */
int spawn_child(struct native_plan *p, struct native_child *ch, struct joey_err *err);
/* Maps, oom score, and, staged, the pid of init: everything before set-up proper. */
int spawn_introduce(struct native_plan *p, struct native_child *ch, struct joey_err *err);
/* Answers init until it is created (or executed, for run). */
int spawn_serve(struct native_plan *p, struct native_child *ch, struct joey_err *err);
/* Kills and reaps whatever there is. */
void spawn_abort(struct native_child *ch);

/* Never returns: exits or executes the payload. */
_Noreturn void child_main(struct native_plan *p, struct sync *sync, bool joined);
_Noreturn void stage_main(struct native_plan *p, struct sync *sync);

/* Shared by child and stage. Joins every ns_fds entry but user; with may_fail, those that answer EPERM are left for
 * later and stay in ns_fds. */
int child_join_namespaces(struct native_plan *p, bool may_fail, struct joey_err *err);
/* After the maps are written: become root of the user namespace. */
int child_become_root(struct joey_err *err);
/* Dies with joey from now on. */
void child_tie_to_parent(void);
/* Signals at their defaults, warnings to the parent, death with the parent. */
void child_begin(struct sync *sync);
/* Closes every descriptor but 0-2, the preserved ones and those listed (-EBADF entries are fine; keep is sorted). */
int child_close_others(unsigned preserve_fds, int *keep, size_t n, struct joey_err *err);
/* Sends the pty, seccomp listener and so on; sync is the argument of struct joey_setup_parent. */
int child_give_listener(void *arg, int fd, struct joey_err *err);

/* data object in state.json */
int native_save_data(struct joey_container *c, const struct native_plan *p, bool rdt_created, struct joey_err *err);

/* Compiles s->config's profile into s->seccomp, by way of the host's cache. */
int native_compile_seccomp(struct joey_setup *s, struct joey_err *err);
/* A LISTENER frame goes on to the agent; the frame's descriptor is consumed. */
int native_send_listener(struct joey_container *c, const struct joey_config *config, enum joey_status status, pid_t pid,
			 struct sync_frame *f, struct joey_err *err);
/* SIGINT, SIGTERM and SIGHUP are readable from the descriptor that is returned, until old is put back. */
int native_block_signals(sigset_t *old);
/* create.c, for restore too: the cgroup, recorded and saved at each step; its limits. */
int native_make_cgroup(struct native_plan *p, struct joey_err *err);
int native_apply_limits(struct native_plan *p, struct joey_err *err);
int native_join_intel_rdt(struct native_plan *p, pid_t pid, struct joey_err *err);
/* The master that step_terminal has sent; nothing happens when ret_pty is NULL. */
int native_receive_pty(int sock, int *ret_pty, struct joey_err *err);

int native_check(struct joey_findings *f);
int native_create(struct joey_container *c, const struct joey_create *args, struct joey_err *err);
int native_checkpoint(struct joey_container *c, const struct joey_checkpoint *args, struct joey_err *err);
int native_restore(struct joey_container *c, const struct joey_create *args, const struct joey_restore *how,
		   struct joey_err *err);
int native_signal(struct joey_container *c, int sig, unsigned flags, struct joey_err *err);
int native_exec(struct joey_container *c, const struct joey_exec *args, pid_t *ret_pid, struct joey_err *err);
int native_set_paused(struct joey_container *c, bool paused, struct joey_err *err);
int native_update(struct joey_container *c, const struct joey_update *args, struct joey_err *err);
int native_stats(struct joey_container *c, struct joey_arena *arena, struct joey_stats *ret, struct joey_err *err);
int native_watch(struct joey_container *c, struct joey_watch *ret, struct joey_err *err);
int native_destroy(struct joey_container *c, struct joey_err *err);

#endif
