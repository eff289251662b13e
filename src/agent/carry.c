/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker does: the request as a call of src/runtime, which does for it what it does for joey's command line.
 * Descriptors 0, 1 and 2 are the new process's already.
 */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "agent/agent-internal.h"

struct carry {
	const struct agent *a;
	const struct agent_job *j;
	struct joey_runtime rt;
	const char *id; /* of the container */
	char bundle[300], console[300], pid_file[340];
	struct agent_result *ret;
};

static int read_pid(struct carry *c, struct joey_err *err)
{
	autofree char *text = NULL;
	uint32_t pid = 0;
	int r = joey_read_file_at(AT_FDCWD, c->pid_file, O_NOFOLLOW, 64, &text, NULL);

	(void)unlink(c->pid_file);
	if (r < 0 || joey_parse_u32(text, &pid) < 0 || pid == 0)
		return joey_err_sys(err, r < 0 ? r : EINVAL, "read the pid of the new process");
	c->ret->pid = (pid_t)pid;
	return 0;
}

static int make_bundle(struct carry *c, struct joey_err *err)
{
	autoclose int dir = -EBADF;
	int r;

	if (mkdir(c->bundle, 0700) < 0 && errno != EEXIST)
		return joey_err_sys(err, errno, "make the bundle");
	dir = open(c->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return joey_err_sys(err, errno, "open the bundle");
	r = joey_replace_file_at(dir, "config.json", 0600, c->j->blob, c->j->n_blob);
	return r < 0 ? joey_err_sys(err, r, "write config.json") : 0;
}

static void remove_bundle(const struct carry *c)
{
	char config[320];

	snprintf(config, sizeof(config), "%s/config.json", c->bundle);
	(void)unlink(config);
	(void)rmdir(c->bundle);
}

static int do_create(struct carry *c, struct joey_err *err)
{
	struct agent_adapt adapt = { .share = c->a->share,
				     .cgroup = c->a->cgroup,
				     .netns = c->a->netns,
				     .handle = c->j->c,
				     .rows = c->j->rows,
				     .cols = c->j->cols,
				     .disk = c->j->disk,
				     .attrs = c->j->attrs,
				     .n_attrs = c->j->n_attrs,
				     .dir = c->a->dir,
				     .shm = c->j->shm,
				     .n_shm = c->j->n_shm };
	const struct joey_create_opts o = {
		.id = c->id,
		.bundle = c->bundle,
		.pid_file = c->pid_file,
		.console_socket = c->j->terminal ? c->console : NULL,
		.no_pivot = c->j->no_pivot,
		.no_new_keyring = c->j->no_new_keyring,
		.detach = true,
		.sandbox = "none", /* whatever the config asks for: this is it */
		.adapt = agent_adapt,
		.adapt_arg = &adapt,
	};
	int exit_code, r = agent_join_paths(c->a, c->j, &adapt, err);

	if (r == 0)
		r = make_bundle(c, err);
	if (r == 0)
		r = c->j->run ? joey_rt_run(&c->rt, &o, &exit_code, err) : joey_rt_create(&c->rt, &o, err);
	if (r == 0)
		r = read_pid(c, err);
	if (r < 0)
		remove_bundle(c);
	return r;
}

static int do_start(struct carry *c, struct joey_err *err)
{
	return joey_rt_start(&c->rt, c->id, err);
}

static int do_exec(struct carry *c, struct joey_err *err)
{
	struct agent_adapt adapt = { .rows = c->j->rows, .cols = c->j->cols };
	autoclose int fd = memfd_create("process", MFD_CLOEXEC);
	char file[40];
	struct joey_exec_opts o = {
		.id = c->id,
		.process_file = file,
		.pid_file = c->pid_file,
		.console_socket = c->j->terminal ? c->console : NULL,
		.cgroup = c->j->cgroup,
		.detach = true,
		.ignore_paused = c->j->ignore_paused,
		.adapt = agent_adapt_process,
		.adapt_arg = &adapt,
	};
	int exit_code, r;

	if (fd < 0)
		return joey_err_sys(err, errno, "keep the process object");
	r = joey_write_all(fd, c->j->blob, c->j->n_blob);
	if (r < 0)
		return joey_err_sys(err, r, "keep the process object");
	snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
	r = joey_rt_exec(&c->rt, &o, &exit_code, err);
	return r < 0 ? r : read_pid(c, err);
}

static int do_kill(struct carry *c, struct joey_err *err)
{
	return joey_rt_kill(&c->rt, c->id, c->j->signal, c->j->all, err);
}

enum { PROCESS_HEAD = 16 }; /* four numbers of an entry of PIDS */

static int do_pause(struct carry *c, struct joey_err *err)
{
	return joey_rt_pause(&c->rt, c->id, err);
}

static int do_resume(struct carry *c, struct joey_err *err)
{
	return joey_rt_resume(&c->rt, c->id, err);
}

static int do_update(struct carry *c, struct joey_err *err)
{
	struct joey_update_opts o = { .id = c->id };
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct joey_resources *res;
	int r = joey_resources_parse(c->j->blob, c->j->n_blob, &arena, &res, err);

	if (r == 0) {
		o.resources = *res;
		r = joey_rt_update(&c->rt, &o, err);
	}
	joey_arena_done(&arena);
	return r;
}

static int keep_line(void *arg, const char *text, struct joey_err *err)
{
	struct carry *c = arg;

	free(c->ret->text);
	c->ret->text = strdup(text);
	c->ret->n = strlen(text);
	return c->ret->text ? 0 : joey_err_sys(err, ENOMEM, "keep the statistics");
}

static int do_stats(struct carry *c, struct joey_err *err)
{
	const struct joey_events_opts o = { .id = c->id, .once = true, .line = keep_line, .arg = c };

	return joey_rt_events(&c->rt, &o, err);
}

/* The real user, of /proc/PID/status. */
static uint32_t uid_of(pid_t pid)
{
	autofree char *text = NULL;
	char path[48], *at;
	uint32_t uid = 0;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (joey_read_file_at(AT_FDCWD, path, 0, 65536, &text, &n) < 0)
		return 0;
	at = strstr(text, "\nUid:");
	at = at ? joey_str_trim(at + 5) : NULL;
	if (at) {
		at[strcspn(at, "\t \n")] = '\0';
		(void)joey_parse_u32(at, &uid);
	}
	return uid;
}

/* One entry of at most max bytes: numbers, and arguments with the NULs between them (of a kernel thread none). */
static size_t put_process(uint8_t *out, size_t max, pid_t pid)
{
	autoclose int fd = -EBADF;
	uint64_t start;
	char path[48], state = '?';
	ssize_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, out + PROCESS_HEAD, max - PROCESS_HEAD);
	n = n < 0 ? 0 : n;
	(void)joey_proc_stat(pid, &start, &state);
	joey_wire_put32(out, (uint32_t)pid);
	joey_wire_put32(out + 4, uid_of(pid));
	joey_wire_put32(out + 8, (uint32_t)(unsigned char)state);
	joey_wire_put32(out + 12, (uint32_t)n);
	return PROCESS_HEAD + (size_t)n;
}

static int do_pids(struct carry *c, struct joey_err *err)
{
	enum { MOST = AGENT_TEXT / PROCESS_HEAD, ENTRY_MAX = 512 };
	autofree pid_t *pids = NULL;
	size_t n = 0, each, at = 0;
	uint8_t *out;
	int r = joey_rt_ps(&c->rt, c->id, &pids, &n, err);

	if (r < 0)
		return r;
	n = n < MOST ? n : MOST;
	each = n > 0 && AGENT_TEXT / n < ENTRY_MAX ? AGENT_TEXT / n : ENTRY_MAX;
	out = malloc(each * n + 1);
	if (!out)
		return joey_err_sys(err, ENOMEM, "list processes");
	for (size_t i = 0; i < n; i++)
		at += put_process(out + at, each, pids[i]);
	c->ret->text = (char *)out;
	c->ret->n = at;
	return 0;
}

static int do_drop(struct carry *c, struct joey_err *err)
{
	int r = joey_rt_delete(&c->rt, c->id, true, err);

	if (r == 0)
		remove_bundle(c);
	return r;
}

static int do_net(struct carry *c, struct joey_err *err)
{
	autoclose int fd = open(c->a->netns, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		return joey_err_sys(err, errno, "guest: net: enter the network namespace");
	return agent_net(c->j->json, err);
}

int agent_carry_out(const struct agent *a, const struct agent_job *j, struct agent_result *ret, struct joey_err *err)
{
	static const struct {
		unsigned type;
		int (*run)(struct carry *c, struct joey_err *err);
	} verbs[] = {
		{ JOEY_WIRE_CREATE, do_create }, { JOEY_WIRE_START, do_start }, { JOEY_WIRE_EXEC, do_exec },
		{ JOEY_WIRE_KILL, do_kill },     { JOEY_WIRE_PAUSE, do_pause }, { JOEY_WIRE_RESUME, do_resume },
		{ JOEY_WIRE_UPDATE, do_update }, { JOEY_WIRE_STATS, do_stats }, { JOEY_WIRE_PIDS, do_pids },
		{ JOEY_WIRE_DROP, do_drop },     { JOEY_WIRE_NET, do_net },
	};
	uint32_t handle = j->type == JOEY_WIRE_EXEC ? j->p : j->c;
	struct carry c = { .a = a,
			   .j = j,
			   .rt = { .root = a->rt_root, .cgroup_driver = JOEY_CGROUP_CGROUPFS },
			   .id = j->name,
			   .ret = ret };

	snprintf(c.bundle, sizeof(c.bundle), "%s/%u", a->dir, (unsigned)j->c);
	snprintf(c.console, sizeof(c.console), "%s/%u.sock", a->dir, (unsigned)handle);
	snprintf(c.pid_file, sizeof(c.pid_file), "%s/%u.pid", a->dir, (unsigned)handle);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(verbs); i++)
		if (verbs[i].type == j->type)
			return verbs[i].run(&c, err);
	return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP, "not for the guest");
}
