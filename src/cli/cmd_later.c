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

static const struct opt ps_opts[] = {
	VALUE("format", 'f', "FORMAT", "table or json (default: table)"),
	OPT_END,
};

static const struct opt no_opts[] = { OPT_END };

static const struct opt update_opts[] = {
	VALUE("resources", 'r', "FILE", "read linux.resources as JSON from FILE, or from standard input (-)"),
	VALUE("blkio-weight", 0, "N", "block I/O weight, 10 to 1000"),
	VALUE("cpu-period", 0, "USEC", "CFS period"),
	VALUE("cpu-quota", 0, "USEC", "CFS quota in a period"),
	VALUE("cpu-burst", 0, "USEC", "CFS burst"),
	VALUE("cpu-share", 0, "N", "relative CPU weight"),
	VALUE("cpu-rt-period", 0, "USEC", "not on cgroup v2"),
	VALUE("cpu-rt-runtime", 0, "USEC", "not on cgroup v2"),
	VALUE("cpu-idle", 0, "0|1", "run only when the CPU is idle"),
	VALUE("cpuset-cpus", 0, "LIST", "CPUs to use"),
	VALUE("cpuset-mems", 0, "LIST", "memory nodes to use"),
	VALUE("memory", 0, "BYTES", "memory limit"),
	VALUE("memory-reservation", 0, "BYTES", "memory that is not reclaimed first"),
	VALUE("memory-swap", 0, "BYTES", "limit of memory and swap together"),
	VALUE("kernel-memory", 0, "BYTES", "ignored"),
	VALUE("kernel-memory-tcp", 0, "BYTES", "ignored"),
	VALUE("pids-limit", 0, "N", "number of processes"),
	VALUE("l3-cache-schema", 0, "TEXT", "Intel RDT L3 schema"),
	VALUE("mem-bw-schema", 0, "TEXT", "Intel RDT memory bandwidth schema"),
	OPT_END,
};

static const struct opt events_opts[] = {
	VALUE("interval", 0, "DURATION", "time between two samples (default: 5s)"),
	SWITCH("stats", 0, "one sample, then exit"),
	OPT_END,
};

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

#define ANY SIZE_MAX

LATER(ps, "ps", "CONTAINER [PS-OPTION...]", "show the processes of a container (not implemented yet)", ps_opts, 1, ANY,
      true, 1);
LATER(pause, "pause", "CONTAINER", "freeze all processes of a container (not implemented yet)", no_opts, 1, 1, false,
      1);
LATER(resume, "resume", "CONTAINER", "let a paused container go on (not implemented yet)", no_opts, 1, 1, false, 1);
LATER(update, "update", "CONTAINER", "change the limits of a container (not implemented yet)", update_opts, 1, 1, false,
      1);
LATER(events, "events", "CONTAINER", "show statistics and events of a container (not implemented yet)", events_opts, 1,
      1, false, 1);
LATER(checkpoint, "checkpoint", "CONTAINER", "save a running container to files (not implemented yet)", checkpoint_opts,
      1, 1, false, 1);
LATER(restore, "restore", "CONTAINER", "start a container from saved files (not implemented yet)", restore_opts, 1, 1,
      false, 1);
