/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_INIT_H
#define JOEY_INIT_H

/*
 * The process that stands for a container on the host, whichever backend made it: is it that process still, which state
 * is the container in, the gate at which it waits for start, its end.  All of it works from state.json and the state
 * directory alone, so that it does after a SIGKILL of any earlier joey.
 */

#include "joey/container.h"

/* The process of the record, and not another one with its pid; no zombie. */
bool joey_init_is_alive(const struct joey_state *st);
/* A pidfd of it; -ESRCH when it is gone. */
int joey_init_pidfd(const struct joey_state *st);
/* From the process, the cgroup's freezer and the gate.  Never blocks; does not fail. */
int joey_init_query(struct joey_container *c, struct joey_query *ret, struct joey_err *err);
/* Its end, for the process whose child it is. */
int joey_init_wait(struct joey_container *c, int *ret_wstatus, struct joey_err *err);
/* Everybody in the container's cgroup, heap array; without one the process alone, with a warning. */
int joey_init_pids(struct joey_container *c, pid_t **ret, size_t *ret_n, struct joey_err *err);
/* NULL when the container has none. */
int joey_init_cgroup(struct joey_container *c, struct joey_cgroup **ret, struct joey_err *err);
/* SIGKILL, to everybody in cg as well (NULL: none), and waits for the end; JOEY_EK_TIMEOUT after 10 s. */
int joey_init_kill(struct joey_container *c, struct joey_cgroup *cg, struct joey_err *err);

/*
 * The container's cgroup is made, in the order that a SIGKILL of joey at any point demands: the record in c->state
 * names it before it exists, and says afterwards what joey did make.  save is called in between.
 */
struct joey_init_cgroup_args {
	enum joey_cgroup_driver driver;
	const char *path; /* linux.cgroupsPath; NULL: the driver's choice */
	const struct joey_pairs *annotations;
	const struct joey_resources *resources;
	bool rootless;
	int (*save)(void *arg, struct joey_err *err);
	void *arg;
};
int joey_init_make_cgroup(struct joey_container *c, const struct joey_init_cgroup_args *args, struct joey_cgroup **ret,
			  struct joey_err *err);

/* ---- the gate: two FIFOs in the state directory. A container is created as long as its process holds them ------ */

struct joey_gate {
	int start;  /* one byte arrives: go */
	int report; /* why it could not start; closed: it has */
};
#define JOEY_GATE_INIT         \
	{                      \
		-EBADF, -EBADF \
	}

/* Both ends are open, so neither side blocks or sees an end of file before the process has closed them. */
int joey_gate_make(int state_dir, struct joey_gate *ret, struct joey_err *err);
void joey_gate_done(struct joey_gate *g);
/* One write, so it is whole or not there. */
int joey_gate_report(const struct joey_gate *g, const struct joey_err *err);
bool joey_gate_is_shut(int state_dir);
/* Lets the process go on, waits until it has executed or said why not, removes the FIFOs. */
int joey_gate_open(struct joey_container *c, struct joey_err *err);

#endif
