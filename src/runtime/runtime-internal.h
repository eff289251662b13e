/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_RUNTIME_INTERNAL_H
#define JOEY_RUNTIME_INTERNAL_H

#include <poll.h>
#include <termios.h>

#include "joey/log.h"
#include "joey/runtime.h"

enum { RT_LOCK_MS = 10000 };

/* Hands an error over to the caller's object, which may be NULL; returns -errnum. */
static inline int rt_err_move(struct joey_err *to, struct joey_err *from)
{
	int r = -from->errnum;

	if (to) {
		joey_err_clear(to);
		*to = *from;
		*from = (struct joey_err)JOEY_ERR_INIT;
	}
	return r;
}

/* ---- target.c: an existing container and who carries out operations on it ------------------------------- */

struct rt_target {
	int root_fd;
	struct joey_container *c;
	const struct joey_backend *be;
};

#define RT_TARGET_INIT             \
	{                          \
		-EBADF, NULL, NULL \
	}

/* Opens root and state directory. JOEY_EK_NOT_FOUND also when the root is missing. */
int rt_target_find(struct rt_target *t, const struct joey_runtime *rt, const char *id, struct joey_err *err);
/* Reads the state (again) and looks up the backend.  allow_partial: no state.json is fine.
 * EPROTO: it cannot be understood. */
int rt_target_load(struct rt_target *t, bool allow_partial, struct joey_err *err);
void rt_target_done(struct rt_target *t);
#define autotarget __attribute__((cleanup(rt_target_done)))

/* "<verb> is not supported by backend x" */
int rt_unsupported(const struct rt_target *t, const char *verb, struct joey_err *err);

/* Does the directory lack a state (a create that was killed before its first save)? */
bool rt_is_partial(const struct joey_container *c);
/* The one place that derives the status (oci-checklist 12.2). */
int rt_status(const struct rt_target *t, struct joey_query *ret, struct joey_err *err);

/* ---- hooks.c --------------------------------------------------------------------------------------------- */

uint32_t rt_hooks_mask(const struct joey_config *config);
/* Of the runtime's namespace; costs nothing when c->state.hooks has none of the kind. */
int rt_hooks_run(struct joey_container *c, enum joey_hook_kind kind, enum joey_status status, pid_t pid,
		 struct joey_err *err);

/* ---- state.c --------------------------------------------------------------------------------------------- */

int rt_state_document(const struct joey_state *st, const struct joey_query *q, const char *owner, unsigned indent,
		      char **ret, struct joey_err *err);

/* ---- owner.c --------------------------------------------------------------------------------------------- */

struct rt_users {
	char *text; /* /etc/passwd; NULL: not read yet, or not there */
	bool tried;
};
/* Name, or the number if there is none; heap. */
char *rt_owner_name(struct rt_users *u, uint32_t uid);
void rt_users_done(struct rt_users *u);

/* ---- list.c, list_workers.c ------------------------------------------------------------------------------ */

struct rt_listing {
	int root_fd;
	bool json;
	struct rt_users users;
};
struct rt_slice {
	char **names;
	size_t n;
};
/* Appends what can be listed of the slice; l->v has room.  What cannot is a warning. */
void rt_list_slice(struct rt_listing *ls, const struct rt_slice *slice, struct joey_list *l);
/* The same for all names, by several processes where that is worth it; in the order of the names. */
void rt_list_shared(struct rt_listing *ls, char **names, size_t n, struct joey_list *l);
void rt_list_entry_done(struct joey_list_entry *e);

/* ---- path.c ---------------------------------------------------------------------------------------------- */

/* "base/path" or path if absolute, lexically cleaned like Go's filepath.Join; heap. */
char *rt_path_join(const char *base, const char *path);
/* Where a directory is, without symlinks; heap. */
int rt_path_of_fd(int fd, char **ret);
/* "dir/name" split for use with dirfd: *ret_dir_fd is O_PATH, *ret_name points into path. */
int rt_path_parent(const char *path, int *ret_dir_fd, const char **ret_name);

/* ---- pidfile.c ------------------------------------------------------------------------------------------- */

int rt_pidfile_write(const char *path, pid_t pid, struct joey_err *err);

/* ---- inherit.c: what the caller hands over by environment and descriptors ---------------------------------- */

/* Sets or replaces NAME in the payload's environment (in the arena of config). */
int rt_env_set(struct joey_config *config, const char *name, const char *value);

struct rt_inherit {
	unsigned preserve; /* --preserve-fds */
	unsigned listen;   /* LISTEN_FDS */
	unsigned open;     /* so many of them are really there, from 3 on without a gap */
};

/* Before joey opens anything: its own descriptors would fill the gaps. */
int rt_inherit_scan(unsigned preserve_fds, struct rt_inherit *ret, struct joey_err *err);
/* Adds LISTEN_FDS to the payload's environment unless the engine has done it.
 * *ret_total: how many descriptors from 3 on the payload gets; all of them are open. */
int rt_inherit_apply(const struct rt_inherit *in, struct joey_config *config, unsigned *ret_total,
		     struct joey_err *err);

/* ---- notify.c -------------------------------------------------------------------------------------------- */

struct rt_notify {
	int dir_fd;       /* <state>/notify, bound at /run/notify */
	int sock;         /* bound there: what the container says */
	const char *host; /* $NOTIFY_SOCKET; NULL: nobody wants to know */
};

#define RT_NOTIFY_INIT               \
	{                            \
		-EBADF, -EBADF, NULL \
	}

/* create, run: makes the directory and tells the payload.  Nothing happens without $NOTIFY_SOCKET. */
int rt_notify_prepare(struct rt_notify *n, struct joey_container *c, struct joey_config *config, struct joey_err *err);
/* start: finds the directory again. */
int rt_notify_find(struct rt_notify *n, struct joey_container *c, struct joey_err *err);
/* run, start: before the payload runs. */
int rt_notify_bind(struct rt_notify *n, struct joey_err *err);
/* Something arrived: true when READY was passed on, and there is nothing more to do. */
bool rt_notify_take(struct rt_notify *n, pid_t pid);
/* Until READY or the end of pid. */
void rt_notify_relay(struct rt_notify *n, pid_t pid);
void rt_notify_done(struct rt_notify *n);

/* ---- interrupt.c: a polite end of create ------------------------------------------------------------------- */

/* SIGINT, SIGTERM, SIGHUP, SIGQUIT are noted once (the second one kills); SIGCHLD gets its default. */
void rt_interrupt_begin(void);
/* 0 or the signal. */
int rt_interrupt_pending(void);
int rt_interrupt_check(struct joey_err *err);
/* Unblocks them: backends block signals while they wait for init, but a hook may take for ever. */
void rt_interrupt_allow(sigset_t *ret_old);
void rt_interrupt_end(void);

/* ---- launch.c, prepare.c: what create and run share ----------------------------------------------------------- */

struct rt_launch {
	const struct joey_runtime *rt;
	const struct joey_create_opts *o;
	bool run;
	const struct joey_restore *restore; /* NULL: the processes are new */
	int root_fd, bundle_fd, console_sock, pidfd_sock;
	char *bundle, *rootfs;
	struct joey_config *config; /* belongs to c as soon as there is a c */
	struct joey_container *c;
	const struct joey_backend *be;
	struct joey_vm_choice vm; /* when be is for sandboxes */
	struct rt_notify notify;
	struct rt_inherit inherit;
	unsigned preserve_fds;
	int pty; /* foreground run with terminal */
	bool hooks_done, backend_called;
	struct joey_state saved; /* what state.json holds now; backend NULL: nothing */
};

void rt_launch_init(struct rt_launch *l, const struct joey_runtime *rt, const struct joey_create_opts *o, bool run);
void rt_launch_done(struct rt_launch *l);
#define autolaunch __attribute__((cleanup(rt_launch_done)))

/* Everything before the backend's turn.  Leaves nothing behind on failure. */
int rt_launch_prepare(struct rt_launch *l, struct joey_err *err);
/* prepare + the backend's create + state saved.  On failure everything is undone. */
int rt_launch(struct rt_launch *l, struct joey_err *err);
/* choose.c: normal or sandboxed; sets be and vm. */
int rt_choose(struct rt_launch *l, struct joey_err *err);
/* The annotations of joey's own that are heard, for people. */
extern const char rt_annotations[];
/* Of a container that nobody has said anything about. */
int rt_choose_machine(const struct joey_runtime *rt, const struct joey_template_opts *o, struct joey_vm_choice *ret,
		      struct joey_err *err);
/* Undo after rt_launch(): err keeps its text. */
void rt_launch_undo(struct rt_launch *l, struct joey_err *err);

/* run.c: l is set up; what run and restore do with it. */
int rt_run(struct rt_launch *l, int *ret_exit, struct joey_err *err);

static inline bool rt_launch_foreground(const struct rt_launch *l)
{
	return l->run && !l->o->detach;
}

/* ---- exec_process.c ---------------------------------------------------------------------------------------- */

/* What is to be executed, complete, in the arena of c: from --process, or from the command line over config's. */
int rt_exec_process(struct joey_container *c, const struct joey_config *config, const struct joey_exec_opts *o,
		    struct joey_process **ret, struct joey_err *err);

/* ---- ps_table.c -------------------------------------------------------------------------------------------- */

/* The header of ps(1)'s output and the lines whose PID is one of pids; heap. */
int rt_ps_filter(const char *text, const pid_t *pids, size_t n, char **ret, struct joey_err *err);

/* ---- stats_out.c --------------------------------------------------------------------------------------------- */

/* One line without newline; stats NULL: no data. */
int rt_event_line(const char *id, const char *type, const struct joey_stats *stats, char **ret, struct joey_err *err);

/* ---- delete.c ---------------------------------------------------------------------------------------------- */

/* Locked: backend's destroy, state directory, poststop hooks. */
int rt_remove(const struct rt_target *t, struct joey_err *err);

/* ---- checkpoint.c ------------------------------------------------------------------------------------------ */

/* Opens the directories of o into ret (make: creates them); rt_image_done() closes them. */
int rt_image_open(const struct joey_image_opts *o, bool make, struct joey_image *ret, struct joey_err *err);
void rt_image_done(struct joey_image *image);

/* ---- foreground.c, terminal.c ---------------------------------------------------------------------------------- */

/* A process that joey waits for in the foreground: its own child. */
struct rt_watch {
	pid_t pid;
	int pty;                  /* master of its terminal, or -EBADF */
	struct rt_notify *notify; /* NULL: none */
	void (*forward)(void *arg, int sig);
	void *arg;
};

/* Forwards signals, relays the terminal, until the process has ended; it is left to be reaped by the caller.
 * Returns with every signal blocked; *ret_mask is what was blocked before. */
int rt_foreground(const struct rt_watch *w, sigset_t *ret_mask, struct joey_err *err);
/* 128+signal or the exit status. */
int rt_exit_code(int wstatus);

enum { RT_CHUNK = 4096 };

struct rt_flow { /* one direction; a full buffer stops reading, so memory stays bounded */
	char data[RT_CHUNK];
	size_t at, len;
	bool ended;
};

struct rt_terminal {
	int master; /* -EBADF: no terminal */
	bool raw;
	struct termios saved;
	struct rt_flow in, out;
};

void rt_terminal_begin(struct rt_terminal *t, int master);
void rt_terminal_resize(const struct rt_terminal *t);
/* In the foreground: the terminal begins with our size, for a program that asks before we could resize it. */
void rt_terminal_preset(struct joey_process *p);
/* Fills p[0..2] (stdin, stdout, master) with what can be moved now, and moves it after poll(2). */
void rt_terminal_want(const struct rt_terminal *t, struct pollfd p[3]);
void rt_terminal_move(struct rt_terminal *t, const struct pollfd p[3]);
/* What is left in the pty goes out; the caller's terminal is as it was. */
void rt_terminal_end(struct rt_terminal *t);

#endif
