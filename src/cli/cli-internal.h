/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_CLI_INTERNAL_H
#define JOEY_CLI_INTERNAL_H

#include "joey/conf.h"
#include "joey/log.h"
#include "joey/runtime.h"

/* ---- opts.c: options as a table ------------------------------------------------------------------------ */

enum opt_kind {
	OPT_BOOL,   /* bool; --x, --x=true, --x=false */
	OPT_STRING, /* const char *; the last one counts */
	OPT_UINT,   /* unsigned */
	OPT_MAYBE,  /* struct joey_opt_bool: whether it was given counts */
	OPT_LIST,   /* struct joey_strlist of argv's words; the array is never freed: a command runs once */
	OPT_NOTE,   /* takes a value that is not stored: options of commands to come */
	OPT_SWITCH, /* like OPT_BOOL, not stored */
};

struct opt {
	const char *name;
	char alias; /* one letter, or 0 */
	enum opt_kind kind;
	size_t offset;     /* into the structure given to opts_parse() */
	const char *value; /* what the value is called in help texts; NULL for switches */
	const char *help;
};

#define OPT_END                                    \
	{                                          \
		NULL, 0, OPT_SWITCH, 0, NULL, NULL \
	}

/*
 * Options as Go's programs take them: -name and --name are the same, value behind '=' or as the next word,
 * "--" ends options.  With stop, the first operand ends them too.  Operands are moved to the front of argv; *ret_n
 * tells how many.  *ret_help: -h or --help was seen (nothing more is checked then).
 */
int opts_parse(const struct opt *opts, void *into, char **argv, size_t argc, bool stop, size_t *ret_n, bool *ret_help,
	       struct joey_err *err);

/* Where options end that stop at the first operand: its index. */
int opts_parse_globals(const struct opt *opts, void *into, char **argv, size_t argc, size_t *ret_at, bool *ret_help,
		       struct joey_err *err);

/* ---- commands -------------------------------------------------------------------------------------------- */

struct globals {
	const char *root; /* as given, NULL: default */
	const char *log;  /* see log_sinks_init() */
	const char *log_format;
	const char *rootless_text, *cgroup_manager;
	const char *config; /* joey.conf(5), NULL: the system's */
	struct joey_opt_bool debug, systemd_cgroup;
	bool version;
	struct joey_conf conf;
	bool in_userns; /* of a command on containers */
	/* worked out by globals_finish() */
	struct joey_runtime rt;
	char *root_path;
};

struct command {
	const char *name, *operands, *summary;
	/* NULL-terminated: its first operand is one of these, called "NAME SUB"; it has no options and no run itself */
	const struct command *const *subs;
	const struct opt *opts;
	size_t min_args, max_args;
	bool stop_at_operand;
	bool needs_runtime; /* globals_finish() first */
	bool enters;        /* makes a process in a container: joey's own file must be out of its reach */
	int failure;        /* exit code when run fails */
	/* > 0 or 0: exit code.  < 0: err is set.  argv holds operands only. */
	int (*run)(const struct globals *g, const void *opts, char **argv, size_t argc, struct joey_err *err);
	size_t opts_size;     /* of the structure behind opts, zeroed for each call */
	const void *defaults; /* same size; NULL: zeros */
};

extern const struct command *const commands[]; /* NULL-terminated */
extern const struct command cmd_check, cmd_completion, cmd_create, cmd_delete, cmd_features, cmd_kill, cmd_list,
	cmd_run, cmd_spec, cmd_start, cmd_state;
extern const struct command cmd_checkpoint, cmd_events, cmd_exec, cmd_pause, cmd_ps, cmd_restore, cmd_resume, cmd_logs,
	cmd_template, cmd_update;

const struct command *command_find(const char *name);
/* Of a command that has some; NULL: no such one. */
const struct command *command_find_sub(const struct command *c, const char *name);
/* A subcommand's own word. */
const char *command_sub_name(const struct command *sub);

/* ---- globals.c --------------------------------------------------------------------------------------------- */

extern const struct opt global_opts[];
/* Log format and debug: needed to print any error. */
int globals_log(const struct globals *g, struct joey_err *err);
/* joey.conf(5), for what the command line does not say; globals_log() once more. */
int globals_conf(struct globals *g, struct joey_err *err);
/* root, rootless, cgroup driver */
int globals_finish(struct globals *g, struct joey_err *err);

/* ---- help.c -------------------------------------------------------------------------------------------------- */

int help_program(struct joey_err *err);
int help_command(const struct command *c, struct joey_err *err);
int help_version(struct joey_err *err);
int print_out(const char *text, struct joey_err *err);

/* ---- log_sinks.c ----------------------------------------------------------------------------------------------- */

/* to: a file, file:PATH, journald:[NAME], syslog:[NAME]; NULL is stderr.
 * Warnings go to stderr only if a person reads it, or always was asked for (list). */
void log_sinks_init(const char *to, bool json, bool debug);
void log_sinks_show_warnings(void);
/* What the command is about; borrowed. */
void log_sinks_container(const char *id);
/* The command has succeeded: what it warned of goes to the log. */
void log_sinks_success(void);
/* The one error line of a failed command. */
void log_sinks_error(const struct joey_err *err);
/* On one line, and no control bytes. */
void log_add_plain(struct joey_str *s, const char *text);

/* ---- log_socket.c ---------------------------------------------------------------------------------------------- */

struct log_record {
	enum joey_log_level level;
	const char *text, *time;
	const char *code;      /* NULL: not an error */
	const char *name;      /* whose line it is */
	const char *container; /* NULL: none is known */
};

void log_journal_encode(struct joey_str *s, const struct log_record *rec);
void log_syslog_encode(struct joey_str *s, const struct log_record *rec);
int log_socket_open(void);
/* may_pass: what is too long for a datagram may be passed as a sealed memory file. */
int log_socket_send(int sock, const char *path, const struct joey_str *s, bool may_pass);

/* ---- signals.c --------------------------------------------------------------------------------------------------- */

/* "KILL", "sigterm", "9", "RTMIN+3". */
int signal_from_string(const char *text, int *ret, struct joey_err *err);

/* ---- values.c --------------------------------------------------------------------------------------------------- */

/* "5s", "1m30s", "0.5s": milliseconds, rounded up; at most a century. */
int duration_from_string(const char *text, uint64_t *ret_ms);
/* "512M", "1.5GiB", "4096": powers of 1024; "-1" is -1. */
int size_from_string(const char *text, int64_t *ret);

/* ---- cmd_create.c: what create and run share -------------------------------------------------------------------- */

/* Each with a trailing comma. */
#define CREATE_OPTS                                                                                      \
	{ "bundle",   'b',                                                                               \
	  OPT_STRING, offsetof(struct joey_create_opts, bundle),                                         \
	  "DIR",      "bundle directory (default: the current one)" },                                   \
		{ "console-socket", 0,                                                                   \
		  OPT_STRING,       offsetof(struct joey_create_opts, console_socket),                   \
		  "PATH",           "AF_UNIX socket that gets the master of the container's terminal" }, \
		{ "pidfd-socket", 0,                                                                     \
		  OPT_STRING,     offsetof(struct joey_create_opts, pidfd_socket),                       \
		  "PATH",         "AF_UNIX socket that gets a pidfd of the container's first process" }, \
		{ "pid-file", 0,                                                                         \
		  OPT_STRING, offsetof(struct joey_create_opts, pid_file),                               \
		  "FILE",     "write the pid of the container's first process to FILE" },                \
		{ "sandbox",  0,                                                                         \
		  OPT_STRING, offsetof(struct joey_create_opts, sandbox),                                \
		  "KIND",     "vm: the container gets a kernel of its own; none: it does not" },         \
		{ "no-pivot", 0,                                                                         \
		  OPT_BOOL,   offsetof(struct joey_create_opts, no_pivot),                               \
		  NULL,       "move and chroot instead of pivot_root, for a rootfs on a ramdisk" },      \
		{ "no-new-keyring",                                                                      \
		  0,                                                                                     \
		  OPT_BOOL,                                                                              \
		  offsetof(struct joey_create_opts, no_new_keyring),                                     \
		  NULL,                                                                                  \
		  "keep the caller's session keyring" },                                                 \
		{ "preserve-fds",                                                                        \
		  0,                                                                                     \
		  OPT_UINT,                                                                              \
		  offsetof(struct joey_create_opts, preserve_fds),                                       \
		  "N",                                                                                   \
		  "pass N more descriptors on, from 3 (behind those of LISTEN_FDS)" },

/* ---- cmd_checkpoint.c: what checkpoint and restore share; at: where struct joey_image_opts is ------------------- */

#define IMAGE_AT(type, member) (offsetof(type, i) + offsetof(struct joey_image_opts, member))
#define IMAGE_STRING(type, member, name, value, help)                    \
	{                                                                \
		name, 0, OPT_STRING, IMAGE_AT(type, member), value, help \
	}
#define IMAGE_BOOL(type, member, name, help)                                \
	{                                                                   \
		name, 0, OPT_BOOL, IMAGE_AT(type, image.member), NULL, help \
	}
/* With a trailing comma. */
#define IMAGE_OPTS(type)                                                                                               \
	IMAGE_STRING(type, image_path, "image-path", "DIR", "where the images are (default: ./checkpoint)"),           \
		IMAGE_STRING(type, work_path, "work-path", "DIR", "where CRIU keeps its logs (default: image-path)"),  \
		IMAGE_BOOL(type, tcp_established, "tcp-established", "allow open TCP connections"),                    \
		IMAGE_BOOL(type, tcp_close, "tcp-close", "close TCP connections"),                                     \
		IMAGE_BOOL(type, tcp_skip_in_flight, "tcp-skip-in-flight", "skip connections that are being made"),    \
		IMAGE_BOOL(type, link_remap, "link-remap", "allow unlinked files"),                                    \
		IMAGE_BOOL(type, ext_unix_sk, "ext-unix-sk", "allow external unix sockets"),                           \
		IMAGE_BOOL(type, shell_job, "shell-job", "allow shell jobs"),                                          \
		IMAGE_BOOL(type, file_locks, "file-locks", "handle file locks"),                                       \
		IMAGE_STRING(type, image.cgroups_mode, "manage-cgroups-mode", "MODE", "soft, full, strict or ignore"), \
		IMAGE_STRING(type, empty_ns, "empty-ns", "NAME", "make a namespace (network), but not its contents"),  \
		IMAGE_BOOL(type, auto_dedup, "auto-dedup", "drop memory images that are superseded"),                  \
		IMAGE_BOOL(type, lazy_pages, "lazy-pages", "move memory on demand"),

#endif
