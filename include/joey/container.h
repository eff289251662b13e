/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_CONTAINER_H
#define JOEY_CONTAINER_H

/*
 * A container as joey knows it: its state directory, its record, its configuration.
 *
 * <root>/<id>/            0700, made with O_EXCL semantics; flock(2) on it is the container's lock
 *   state.json            versioned, replaced by rename
 *   config.json           private copy of the bundle's, taken at create
 *   resources.json        linux.resources (without devices) as the last update left them; absent before the first
 *   (backend files)       e.g. native's start and report FIFOs
 */

#include <signal.h>
#include <time.h>

#include "joey/cgroup.h"
#include "joey/err.h"
#include "joey/json.h"
#include "joey/oci.h"

#define JOEY_STATE_VERSION 1

enum joey_status {
	JOEY_ST_CREATING = 0,
	JOEY_ST_CREATED,
	JOEY_ST_RUNNING,
	JOEY_ST_PAUSED,
	JOEY_ST_STOPPED,
	JOEY_ST_MAX,
};

const char *joey_status_to_string(enum joey_status st);

struct joey_query {
	enum joey_status status;
	pid_t pid; /* 0 when stopped */
};

/* What state.json holds. Strings are in the arena of the container. */
struct joey_state {
	char *id, *bundle, *rootfs, *oci_version;
	char *backend; /* name of the backend that owns it */
	char *created; /* RFC 3339 with nanoseconds, UTC */
	uint32_t owner_uid;
	bool creating;     /* true until create has finished: a leftover of a killed create */
	pid_t creator_pid; /* of that create, for delete --force */
	uint64_t creator_start;
	pid_t pid;          /* init as the host sees it; 0 = not known yet */
	uint64_t pid_start; /* its start time, proc_pid_stat(5) field 22 */
	struct joey_cgroup_record cgroup;
	uint32_t hooks; /* bit N: config has hooks of enum joey_hook_kind N (saves start and delete a parse) */
	struct joey_pairs annotations;
	const struct joey_json *backend_data; /* the backend's own object; NULL if none */
};

struct joey_container {
	struct joey_arena arena; /* of everything below */
	char *id;
	int root_fd; /* the --root directory; borrowed: stays open as long as the container */
	int dir_fd;  /* the state directory; -EBADF in unit tests of the fake backend */
	bool locked;
	struct joey_state state;
	struct joey_config *config; /* loaded on demand: joey_container_config() */
};

/* ---- src/state -------------------------------------------------------------------------------------- */

/* Letters, digits, "_+-.", not "." or "..", at most 1024 bytes (runc's rule). */
int joey_id_check(const char *id, struct joey_err *err);

/* Opens (make: creates, mode 0700 and parents) the root directory. */
int joey_root_open(const char *path, bool make, int *ret_fd, struct joey_err *err);

/* New, locked state directory; JOEY_EK_EXISTS when taken. */
int joey_container_new(int root_fd, const char *id, struct joey_container **ret, struct joey_err *err);
/* Loads state.json. JOEY_EK_NOT_FOUND ("container does not exist") when there is none.
 * A directory without state.json (killed create) loads only if allow_partial; then state.creating is true. */
int joey_container_load(int root_fd, const char *id, bool allow_partial, struct joey_container **ret,
			struct joey_err *err);
/* Opens the directory and reads nothing: for delete --force of a state that cannot be read. */
int joey_container_open(int root_fd, const char *id, struct joey_container **ret, struct joey_err *err);
void joey_container_free(struct joey_container *c); /* unlocks */
static inline void joey_container_freep(struct joey_container **c)
{
	joey_container_free(*c);
}
#define autocontainer __attribute__((cleanup(joey_container_freep)))

/* flock(2) with a deadline; JOEY_EK_TIMEOUT. Reload after locking. */
int joey_container_lock(struct joey_container *c, unsigned timeout_ms, struct joey_err *err);
/* For every holder of the descriptor, so also for a child that inherited it. */
void joey_container_unlock(struct joey_container *c);
/* JOEY_EK_NOT_FOUND: no state.json; EPROTO: it cannot be understood. */
int joey_container_reload(struct joey_container *c, struct joey_err *err);
int joey_container_save(struct joey_container *c, struct joey_err *err);
int joey_container_save_config(struct joey_container *c, const char *text, size_t len, struct joey_err *err);
/* From the next joey_container_config() on, in every process, these are its resources. */
int joey_container_save_resources(struct joey_container *c, const struct joey_resources *res, struct joey_err *err);
/* The frozen configuration, with the resources of the last update. */
int joey_container_config(struct joey_container *c, const struct joey_config **ret, struct joey_err *err);
/* Removes every file and the directory; success when it is gone already. */
int joey_container_remove_dir(struct joey_container *c, struct joey_err *err);

/* Was the directory removed, by joey or by anybody else? */
bool joey_container_is_gone(const struct joey_container *c);
/* Fills creator_pid and creator_start with this process; tells whether that process still runs. */
void joey_creator_stamp(struct joey_state *st);
bool joey_creator_is_alive(const struct joey_state *st);
/* SIGKILL by pidfd, so that no other process is hit when the pid was reused. */
void joey_creator_kill(const struct joey_state *st);

/* Names below root, heap list of heap strings, sorted; NULL-terminated. */
int joey_container_list(int root_fd, char ***ret, size_t *ret_n, struct joey_err *err);

/* Appends "ociVersion","id","status","pid","bundle","annotations" of the OCI state to an open object:
 * what hooks get on stdin. */
void joey_state_write_oci(struct joey_json_out *o, const struct joey_state *st, enum joey_status status, pid_t pid);

#endif
