/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands that are known by name and options (engines probe `checkpoint --help`, and what `restore` says to an option
 * without its value), but not carried out yet.
 */
#include "cli/cli-internal.h"

#define VALUE(name, alias, value, help)               \
	{                                             \
		name, alias, OPT_NOTE, 0, value, help \
	}
#define SWITCH(name, alias, help)                      \
	{                                              \
		name, alias, OPT_SWITCH, 0, NULL, help \
	}

#define PROCESS_OPTS                                                                                 \
	VALUE("console-socket", 0, "PATH", "AF_UNIX socket that gets the master of the terminal"),   \
		VALUE("pidfd-socket", 0, "PATH", "AF_UNIX socket that gets a pidfd of the process"), \
		VALUE("pid-file", 0, "FILE", "write the pid of the process to FILE"),                \
		SWITCH("detach", 'd', "do not wait for the process")

#define CRIU_OPTS                                                                                                    \
	VALUE("image-path", 0, "DIR", "where the images are"),                                                       \
		VALUE("work-path", 0, "DIR", "where CRIU keeps its logs"),                                           \
		VALUE("parent-path", 0, "DIR", "images of an earlier pre-dump"),                                     \
		SWITCH("tcp-established", 0, "allow open TCP connections"),                                          \
		SWITCH("tcp-close", 0, "close TCP connections"),                                                     \
		SWITCH("tcp-skip-in-flight", 0, "skip connections that are being made"),                             \
		SWITCH("link-remap", 0, "allow unlinked files"),                                                     \
		SWITCH("ext-unix-sk", 0, "allow external unix sockets"), SWITCH("shell-job", 0, "allow shell jobs"), \
		SWITCH("file-locks", 0, "handle file locks"),                                                        \
		VALUE("manage-cgroups-mode", 0, "MODE", "soft, full, strict or ignore"),                             \
		VALUE("empty-ns", 0, "NAME", "make a namespace, but do not restore it"),                             \
		SWITCH("auto-dedup", 0, "drop memory images that are superseded"),                                   \
		SWITCH("lazy-pages", 0, "move memory on demand")

static const struct opt checkpoint_opts[] = {
	CRIU_OPTS,
	VALUE("status-fd", 0, "FD", "say there when lazy pages may be asked for"),
	VALUE("page-server", 0, "ADDRESS:PORT", "send memory there"),
	SWITCH("leave-running", 0, "let the container go on"),
	SWITCH("pre-dump", 0, "memory only, the container goes on"),
	OPT_END,
};

static const struct opt restore_opts[] = {
	CRIU_OPTS,
	PROCESS_OPTS,
	VALUE("bundle", 'b', "DIR", "bundle directory (default: the current one)"),
	SWITCH("no-subreaper", 0, "do not become a subreaper"),
	SWITCH("no-pivot", 0, "move and chroot instead of pivot_root"),
	SWITCH("no-new-keyring", 0, "keep the caller's session keyring"),
	VALUE("preserve-fds", 0, "N", "pass N more descriptors on, from 3"),
	VALUE("lsm-profile", 0, "TYPE:NAME", "LSM profile to restore with"),
	VALUE("lsm-mount-context", 0, "CONTEXT", "LSM mount context to restore with"),
	OPT_END,
};

#define LATER(var, verb, ops, text, table, min, max, stop, code)                                                     \
	static int run_##var(const struct globals *g, const void *o, char **argv, size_t argc, struct joey_err *err) \
	{                                                                                                            \
		(void)g;                                                                                             \
		(void)o;                                                                                             \
		(void)argv;                                                                                          \
		(void)argc;                                                                                          \
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOSYS, "joey: " verb " is not implemented yet");      \
	}                                                                                                            \
	const struct command cmd_##var = {                                                                           \
		.name = verb,                                                                                        \
		.operands = ops,                                                                                     \
		.summary = text,                                                                                     \
		.opts = table,                                                                                       \
		.min_args = min,                                                                                     \
		.max_args = max,                                                                                     \
		.stop_at_operand = stop,                                                                             \
		.failure = code,                                                                                     \
		.run = run_##var,                                                                                    \
	}

LATER(checkpoint, "checkpoint", "CONTAINER", "save a running container to files (not implemented yet)", checkpoint_opts,
      1, 1, false, 1);
LATER(restore, "restore", "CONTAINER", "start a container from saved files (not implemented yet)", restore_opts, 1, 1,
      false, 1);
