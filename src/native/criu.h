/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_NATIVE_CRIU_H
#define JOEY_NATIVE_CRIU_H

/*
 * CRIU as a program that is spoken to: `criu swrk 3`, requests and answers as protocol buffer messages over a
 * SOCK_SEQPACKET pair.  criu_rpc.c: the messages.  criu.c: the process and the conversation.  criu_mounts.c: what a
 * container's mounts and namespaces are to CRIU.
 */

#include "joey/protobuf.h"
#include "native/native-internal.h"

/* ---- criu_rpc.c: numbers of CRIU's rpc.proto ------------------------------------------------------------------- */

enum criu_type {
	CRIU_DUMP = 1,
	CRIU_RESTORE = 2,
	CRIU_PRE_DUMP = 4,
	CRIU_NOTIFY = 6,
	CRIU_FEATURES = 9,
	CRIU_VERSION = 10
};

enum criu_opt { /* fields of criu_opts */
		CRIU_O_IMAGES_FD = 1,
		CRIU_O_PID = 2,
		CRIU_O_LEAVE_RUNNING = 3,
		CRIU_O_EXT_UNIX_SK = 4,
		CRIU_O_TCP_ESTABLISHED = 5,
		CRIU_O_EVASIVE_DEVICES = 6,
		CRIU_O_SHELL_JOB = 7,
		CRIU_O_FILE_LOCKS = 8,
		CRIU_O_LOG_LEVEL = 9,
		CRIU_O_LOG_FILE = 10,
		CRIU_O_PAGE_SERVER = 11,
		CRIU_O_NOTIFY = 12,
		CRIU_O_ROOT = 13,
		CRIU_O_PARENT = 14,
		CRIU_O_TRACK_MEM = 15,
		CRIU_O_AUTO_DEDUP = 16,
		CRIU_O_WORK_FD = 17,
		CRIU_O_LINK_REMAP = 18,
		CRIU_O_EXT_MOUNT = 23,
		CRIU_O_CGROUPS = 24,
		CRIU_O_CGROUP_ROOT = 25,
		CRIU_O_SIBLING = 26,
		CRIU_O_INHERIT_FD = 27,
		CRIU_O_CGROUPS_MODE = 34,
		CRIU_O_EXTERNAL = 37,
		CRIU_O_EMPTY_NS = 38,
		CRIU_O_JOIN_NS = 39,
		CRIU_O_FREEZE_CGROUP = 44,
		CRIU_O_TCP_SKIP_IN_FLIGHT = 46,
		CRIU_O_LAZY_PAGES = 48,
		CRIU_O_ORPHAN_PTS = 50,
		CRIU_O_CONFIG_FILE = 51,
		CRIU_O_TCP_CLOSE = 52,
		CRIU_O_LSM_PROFILE = 53,
		CRIU_O_LSM_MOUNT_CONTEXT = 63,
};

enum { CRIU_SCRIPT_MAX = 64, CRIU_TEXT_MAX = 256 };

struct criu_answer {
	uint32_t type; /* enum criu_type */
	bool success;
	int32_t errnum;
	char text[CRIU_TEXT_MAX];     /* what CRIU says about a failure; "" when nothing */
	char script[CRIU_SCRIPT_MAX]; /* NOTIFY */
	int32_t pid;                  /* NOTIFY: init, as CRIU sees it; RESTORE: the restored init */
	bool mem_track, lazy_pages;   /* FEATURES */
	uint32_t version;             /* VERSION: 31700 is 3.17.0 */
};

/* -EPROTO: not such a message. */
int criu_answer_decode(const void *data, size_t len, struct criu_answer *ret);
/* opts may be NULL. */
void criu_request(struct joey_str *o, enum criu_type type, const struct joey_str *opts);
void criu_features_request(struct joey_str *o);
void criu_notify_answer(struct joey_str *o, bool success);
/* {1: key, 2: text} and {1: key, 2: fd}: the shapes that fields of criu_opts have. */
void criu_add_pair(struct joey_str *opts, enum criu_opt field, const char *key, const char *value);
void criu_add_fd(struct joey_str *opts, enum criu_opt field, const char *key, int fd);
/* -EINVAL: no such mode. NULL: soft. */
int criu_cgroups_mode(const char *text, uint32_t *ret);
/* Options that are the same for both verbs. */
int criu_add_image(struct joey_str *opts, const struct joey_image *image, const struct joey_config *config,
		   const char *log, struct joey_err *err);

/* descriptors.json: what 0, 1, 2 of init were: readlink(2)'s text, or CRIU's name of a file that is outside. */
enum { CRIU_N_STDIO = 3, CRIU_STDIO_MAX = 4096 };
struct criu_stdio {
	char *v[CRIU_N_STDIO]; /* heap; NULL: not open, or not known */
};
int criu_stdio_parse(const char *text, size_t len, struct criu_stdio *ret, struct joey_err *err);
int criu_stdio_text(const struct criu_stdio *s, char **ret, struct joey_err *err);
void criu_stdio_done(struct criu_stdio *s);

/* ---- criu.c ----------------------------------------------------------------------------------------------------- */

struct criu_call {
	const struct joey_str *request;
	const char *log; /* name in the work directory; NULL: none */
	const struct joey_image *image;
	struct joey_cgroup *cgroup; /* CRIU is born in it; NULL: stays where joey is */
	bool keep_stdio;            /* CRIU has joey's 0-2, else /dev/null */
	bool own_session;           /* a ^C at joey's terminal does not reach it */
	bool endless;               /* lazy pages: somebody else says when it is over */
	const int *fds;             /* in CRIU: CRIU_FIRST_FD and on */
	size_t n_fds;
	int sigfd;     /* a signal readable there ends it; with prepare only */
	int userns_fd; /* with prepare: the container's id maps, or -EBADF */
	/* In the new process, before CRIU is executed; NULL: nothing. */
	int (*prepare)(void *arg, struct joey_err *err);
	/* A step was reached.  fd: what came with it, or -EBADF; the callee may take it by setting -EBADF.  < 0: CRIU
	 * gives up. */
	int (*notify)(void *arg, const struct criu_answer *a, int *fd, struct joey_err *err);
	void *arg;
};

enum { CRIU_IMAGE_FD = 4, CRIU_WORK_FD = 5, CRIU_FIRST_FD = 6, CRIU_VERSION_MIN = 31600 };

/* One request, all notifications, one answer, and the end of the process. */
int criu_call(const struct criu_call *call, struct criu_answer *ret, struct joey_err *err);
/* There is a CRIU, and it is new enough. */
int criu_check_version(struct joey_err *err);
int criu_check_features(bool mem_track, bool lazy_pages, struct joey_err *err);

/* ---- criu_mounts.c ---------------------------------------------------------------------------------------------- */

/* Mounts and namespaces that belong to the host: named, not dumped. */
int criu_add_external(struct joey_str *opts, const struct joey_config *config, pid_t init, int host_proc_fd,
		      struct joey_err *err);
/* And given again, from the new config alone.  Namespaces joined by path are added to fds. */
int criu_give_external(struct joey_str *opts, const struct native_plan *p, int *fds, size_t *n_fds,
		       struct joey_err *err);
/* Every mount point that the config needs exists in the rootfs afterwards, nothing is mounted. */
int criu_make_mount_points(struct native_plan *p, struct joey_err *err);
/* In the new process: a mount namespace of its own, with the rootfs as a mount. */
int criu_own_mounts(const struct native_plan *p, struct joey_err *err);
/* root.readonly, before the processes go on. */
int criu_readonly_root(const struct native_plan *p, pid_t init, struct joey_err *err);
/* What was restored has what the config demands of its mounts. */
int criu_check_mounts(const struct native_plan *p, pid_t init, struct joey_err *err);

#endif
