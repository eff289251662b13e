/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_RUNTIME_H
#define JOEY_RUNTIME_H

/*
 * What src/cli may ask for: one call per verb.  Each takes the lock it needs, checks the state table, calls the
 * backend, saves, runs the host's hooks.
 */

#include "joey/backend.h"
#include "joey/conf.h"

struct joey_runtime {     /* global options */
	const char *root; /* state root, absolute */
	enum joey_cgroup_driver cgroup_driver;
	bool rootless;
	const struct joey_conf *conf; /* the administrator's settings; NULL: the defaults */
	bool called_vm;               /* the program was called as joey-vm */
};

struct joey_create_opts {
	const char *id, *bundle;                              /* bundle as given */
	const char *pid_file, *console_socket, *pidfd_socket; /* NULL = none */
	bool no_pivot, no_new_keyring;
	unsigned preserve_fds;
	/* run only */
	bool detach, keep;
	/* The agent of a guest changes what was written for the host, before it is used for anything; NULL: nothing is
	 * changed.  The copy that is kept stays as it came. */
	int (*adapt)(void *arg, struct joey_config *config, struct joey_err *err);
	void *adapt_arg;
	const char *sandbox; /* "vm", "none"; NULL: others say */
};

int joey_rt_create(const struct joey_runtime *rt, const struct joey_create_opts *o, struct joey_err *err);
int joey_rt_start(const struct joey_runtime *rt, const char *id, struct joey_err *err);
/* Foreground: *ret_exit is what joey should exit with (payload's status, 128+signal). */
int joey_rt_run(const struct joey_runtime *rt, const struct joey_create_opts *o, int *ret_exit, struct joey_err *err);

/* Of checkpoint and restore. */
struct joey_image_opts {
	const char *image_path, *work_path; /* NULL: ./checkpoint, and the same as image_path */
	struct joey_image image;            /* descriptors and work_path are filled in later */
	const char *empty_ns;               /* "network" */
};

struct joey_checkpoint_opts {
	struct joey_image_opts i;
	const char *id;
	const char *parent_path; /* relative to image_path */
	bool pre_dump, leave_running;
	const char *page_server; /* ADDRESS:PORT */
	const char *status_fd;   /* a number */
};
int joey_rt_checkpoint(const struct joey_runtime *rt, const struct joey_checkpoint_opts *o, struct joey_err *err);

struct joey_restore_opts {
	struct joey_image_opts i;
	struct joey_create_opts create;
	const char *lsm_profile, *lsm_mount_context;
};
/* As joey_rt_run(). */
int joey_rt_restore(const struct joey_runtime *rt, const struct joey_restore_opts *o, int *ret_exit,
		    struct joey_err *err);

struct joey_exec_opts {
	const char *id;
	const char *process_file; /* NULL: the members from args on count */
	const char *pid_file, *console_socket, *pidfd_socket;
	const char *cgroup;
	unsigned preserve_fds;
	bool detach, ignore_paused;
	/* As in struct joey_create_opts. */
	void (*adapt)(void *arg, struct joey_process *process);
	void *adapt_arg;
	/* command line form */
	char *const *args;
	size_t n_args;
	bool tty;
	const char *cwd, *user, *process_label, *apparmor;
	struct joey_opt_bool no_new_privs;
	struct joey_strlist env, caps, additional_gids; /* v[n] need not be NULL */
};

/* Foreground: *ret_exit is the process's status as above; detached: 0. */
int joey_rt_exec(const struct joey_runtime *rt, const struct joey_exec_opts *o, int *ret_exit, struct joey_err *err);
int joey_rt_kill(const struct joey_runtime *rt, const char *id, int sig, bool all, struct joey_err *err);
int joey_rt_pause(const struct joey_runtime *rt, const char *id, struct joey_err *err);
int joey_rt_resume(const struct joey_runtime *rt, const char *id, struct joey_err *err);
/* Host pids, heap. */
int joey_rt_ps(const struct joey_runtime *rt, const char *id, pid_t **ret, size_t *ret_n, struct joey_err *err);
/* The lines of the host's ps(1), called with args (none: -ef), that are about the container; heap. */
int joey_rt_ps_table(const struct joey_runtime *rt, const char *id, char *const *args, size_t n_args, char **ret,
		     struct joey_err *err);

/* ---- guest.c: of sandboxed containers only ---------------------------------------------------------------------- */

int joey_rt_guest_processes(const struct joey_runtime *rt, const char *id, struct joey_guest_processes *ret,
			    struct joey_err *err);
/* Any bytes, heap. */
int joey_rt_guest_console(const struct joey_runtime *rt, const char *id, char **ret, size_t *ret_n,
			  struct joey_err *err);

struct joey_update_opts {
	const char *id;
	const char *resources_file; /* JSON; "-": standard input; NULL: resources counts */
	struct joey_resources resources;
	const char *l3_cache_schema, *mem_bw_schema;
};
int joey_rt_update(const struct joey_runtime *rt, const struct joey_update_opts *o, struct joey_err *err);

struct joey_events_opts {
	const char *id;
	uint64_t interval_ms;
	bool once; /* one sample, no waiting */
	/* Gets one JSON object without newline; < 0 ends everything. */
	int (*line)(void *arg, const char *text, struct joey_err *err);
	void *arg;
};
/* Until the container is empty. */
int joey_rt_events(const struct joey_runtime *rt, const struct joey_events_opts *o, struct joey_err *err);
int joey_rt_delete(const struct joey_runtime *rt, const char *id, bool force, struct joey_err *err);
/* state document, heap, indent 2, ends without newline */
int joey_rt_state(const struct joey_runtime *rt, const char *id, char **ret_json, struct joey_err *err);

/* The features document, with what the backends say of themselves; heap. */
int joey_rt_features(const char *version, const char *commit, char **ret, struct joey_err *err);

/* Findings of the backends; *ret_usable: containers can run.  The caller frees ret. */
int joey_rt_check(struct joey_findings *ret, bool *ret_usable, struct joey_err *err);
/* {"usable":..., "findings":[...]}, indent 2, heap. */
int joey_rt_check_json(const struct joey_findings *f, bool usable, char **ret, struct joey_err *err);

/* ---- template.c: saved machines that sandboxed containers start from ------------------------------------------- */

struct joey_template_opts {
	const char *profile; /* of joey.conf(5); NULL: the default one, if there is one */
	uint64_t memory;     /* bytes; 0: the profile's or the default */
};
/* The one that a container of this profile starts from; made unless there is one. Heap. */
int joey_rt_template_build(const struct joey_runtime *rt, const struct joey_template_opts *o, char **ret_key,
			   struct joey_err *err);
int joey_rt_template_list(struct joey_templates *ret, struct joey_err *err);
int joey_rt_template_remove(const char *key, struct joey_err *err);
int joey_rt_template_prune(bool all, size_t *ret_n, struct joey_err *err);

struct joey_list_entry {
	char *id, *bundle, *created, *owner;
	pid_t pid;
	enum joey_status status;
	char *kind; /* "vm/kvm", "vm/tcg"; NULL: a normal container */
	char *json; /* the state object with owner, one line; NULL when it was not asked for */
};
struct joey_list {
	struct joey_list_entry *v;
	size_t n;
};
int joey_rt_list(const struct joey_runtime *rt, bool json, struct joey_list *ret, struct joey_err *err);
void joey_list_done(struct joey_list *l);

/* src/runtime/lifecycle.c: which verbs are legal in which state, with runc's texts. */
enum joey_op {
	JOEY_OP_START,
	JOEY_OP_KILL,
	JOEY_OP_DELETE,
	JOEY_OP_EXEC,
	JOEY_OP_PAUSE,
	JOEY_OP_RESUME,
	JOEY_OP_UPDATE,
	JOEY_OP_EVENTS,
	JOEY_OP_CHECKPOINT,
	JOEY_OP_MAX
};
int joey_op_check(enum joey_op op, enum joey_status st, const char *id, struct joey_err *err);

#endif
