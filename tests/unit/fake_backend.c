/* SPDX-License-Identifier: Apache-2.0 */
/* See fake_backend.h. */
#include "fake_backend.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "joey/setup.h"
#include "joey/syscalls.h"

struct fake fake;

void fake_reset(void)
{
	if (fake.pid > 0) {
		(void)kill(fake.pid, SIGKILL);
		(void)waitpid(fake.pid, NULL, 0);
	}
	joey_str_done(&fake.trace);
	memset(&fake, 0, sizeof(fake));
}

const char *fake_trace(void)
{
	return fake.trace.buf ? fake.trace.buf : "";
}

static void note(const char *what)
{
	if (fake.trace.len > 0)
		joey_str_add(&fake.trace, " ");
	joey_str_add(&fake.trace, what);
}

static int reach(enum fake_point p, struct joey_err *err)
{
	if (fake.die_at == p)
		(void)kill(getpid(), SIGKILL);
	while (fake.hang_at == p)
		pause();
	if (fake.fail_at == p)
		return joey_err_set(err, JOEY_EK_OTHER, EIO, "fake failure %d", (int)p);
	return 0;
}

static pid_t spawn_payload(const struct joey_create *args)
{
	pid_t parent = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0UL, 0UL, 0UL);
	if (getppid() != parent)
		_exit(98);
	/* What execve(2) would do. */
	(void)signal(SIGTERM, SIG_DFL);
	(void)joey_sys_close_range(3, ~0U, 0);
	if (args->run && fake.run_says && write(1, fake.run_says, strlen(fake.run_says)) < 0)
		_exit(99);
	if (args->run && fake.run_exits) {
		usleep(20000);
		if (fake.exit_status < 0)
			(void)kill(getpid(), -fake.exit_status);
		_exit(fake.exit_status);
	}
	for (;;)
		pause();
}

static void note_inputs(const struct joey_create *args)
{
	size_t at = 0;

	fake.last_preserve = args->preserve_fds;
	fake.last_env[0] = '\0';
	for (size_t i = 0; i < args->config->process->env.n && at < sizeof(fake.last_env); i++)
		at += (size_t)snprintf(fake.last_env + at, sizeof(fake.last_env) - at, "%s ",
				       args->config->process->env.v[i]);
}

static int make(struct joey_container *c, const struct joey_create *args, struct joey_err *err)
{
	int r = reach(FAKE_BEFORE_SAVE1, err);

	c->state.cgroup.path = joey_arena_printf(&c->arena, "/fake/%s", c->id);
	c->state.cgroup.created = true;
	if (r == 0) {
		note("save");
		r = args->save(args->arg, err);
	}
	if (r == 0)
		r = reach(FAKE_AFTER_SAVE1, err);
	if (r < 0)
		return r;
	fake.pid = spawn_payload(args);
	c->state.pid = fake.pid;
	(void)joey_proc_stat(fake.pid, &c->state.pid_start, NULL);
	if (args->runtime_hooks)
		r = args->runtime_hooks(args->arg, err);
	if (r == 0)
		r = reach(FAKE_AFTER_HOOKS, err);
	if (r == 0) {
		note("save");
		c->state.cgroup.inode = 77;
		r = args->save(args->arg, err);
	}
	if (r == 0)
		r = reach(FAKE_AFTER_SAVE2, err);
	return r < 0 ? r : reach(FAKE_AT_END, err);
}

static void end_payload(void)
{
	if (fake.pid > 0) {
		(void)kill(fake.pid, SIGKILL);
		(void)waitpid(fake.pid, NULL, 0);
	}
	fake.pid = 0;
}

static int fake_create(struct joey_container *c, const struct joey_create *args, struct joey_err *err)
{
	int r;

	note(args->run ? "create-run" : "create");
	note_inputs(args);
	r = make(c, args, err);
	if (r < 0) {
		end_payload();
		c->state.pid = 0;
		return r;
	}
	fake.status = args->run ? JOEY_ST_RUNNING : JOEY_ST_CREATED;
	return 0;
}

static int fake_start(struct joey_container *c, struct joey_err *err)
{
	(void)c;
	note("start");
	if (fake.fail_start)
		return joey_err_set(err, JOEY_EK_OTHER, ENOENT, "exec /nothing: no such file or directory");
	fake.status = JOEY_ST_RUNNING;
	return 0;
}

/* By the recorded pid, as a real one does: the process that asks need not be the one that created. */
static bool alive(const struct joey_container *c)
{
	uint64_t start;
	char letter;

	return c->state.pid > 0 && joey_proc_stat(c->state.pid, &start, &letter) == 0 && start == c->state.pid_start &&
	       letter != 'Z' && letter != 'X';
}

static int fake_query(struct joey_container *c, struct joey_query *ret, struct joey_err *err)
{
	(void)err;
	if (alive(c))
		*ret = (struct joey_query){ fake.status ? fake.status : JOEY_ST_CREATED, c->state.pid };
	else
		*ret = (struct joey_query){ JOEY_ST_STOPPED, 1 }; /* a pid that must not be shown */
	return 0;
}

static int fake_signal(struct joey_container *c, int sig, unsigned flags, struct joey_err *err)
{
	char text[32];

	snprintf(text, sizeof(text), "signal:%d%s", sig, flags & JOEY_SIGNAL_ALL ? "/all" : "");
	note(text);
	if (!alive(c))
		return joey_err_set(err, JOEY_EK_STATE, ESRCH, "container not running");
	return kill(c->state.pid, sig) < 0 ? joey_err_sys(err, errno, "kill") : 0;
}

static int fake_wait(struct joey_container *c, int *ret_wstatus, struct joey_err *err)
{
	int r = joey_wait_pid(c->state.pid, ret_wstatus);

	note("wait");
	fake.pid = 0;
	return r < 0 ? joey_err_sys(err, -r, "wait") : 0;
}

static int fake_set_paused(struct joey_container *c, bool paused, struct joey_err *err)
{
	(void)c;
	(void)err;
	note(paused ? "pause" : "resume");
	fake.status = paused ? JOEY_ST_PAUSED : JOEY_ST_RUNNING;
	return 0;
}

static int fake_update(struct joey_container *c, const struct joey_update *args, struct joey_err *err)
{
	(void)c;
	note("update");
	fake.updated_pids = args->apply->pids_limit.set ? args->apply->pids_limit.v : 0;
	return fake.fail_update ? joey_err_set(err, JOEY_EK_OTHER, EINVAL, "fake update failure") : 0;
}

static int fake_pids(struct joey_container *c, pid_t **ret, size_t *ret_n, struct joey_err *err)
{
	pid_t *v = malloc(2 * sizeof(*v));

	if (!v)
		return joey_err_sys(err, ENOMEM, "pids");
	v[0] = c->state.pid;
	v[1] = getpid();
	*ret = v;
	*ret_n = 2;
	return 0;
}

static int fake_stats(struct joey_container *c, struct joey_arena *arena, struct joey_stats *ret, struct joey_err *err)
{
	(void)c;
	(void)arena;
	*ret = (struct joey_stats){ .pids = { .current = 3 }, .cpu = { .psi = { .set = true, .some.avg10 = 105 } } };
	return fake.fail_stats ? joey_err_set(err, JOEY_EK_OTHER, EIO, "fake stats failure") : 0;
}

static unsigned fake_take(struct joey_watch *w)
{
	size_t last = JOEY_ARRAY_SIZE(fake.events) - 1;

	(void)w;
	return fake.events[fake.takes < last ? fake.takes++ : last];
}

static void fake_done(struct joey_watch *w)
{
	note("unwatch");
	w->fd = joey_close(w->fd);
}

static int fake_watch(struct joey_container *c, struct joey_watch *ret, struct joey_err *err)
{
	int p[2];

	(void)c;
	if (pipe(p) < 0)
		return joey_err_sys(err, errno, "pipe");
	close(p[1]); /* wakes poll(2) each time */
	*ret = (struct joey_watch){ .fd = p[0], .take = fake_take, .done = fake_done };
	return 0;
}

static int fake_destroy(struct joey_container *c, struct joey_err *err)
{
	note("destroy");
	if (alive(c)) {
		(void)kill(c->state.pid, SIGKILL);
		(void)waitpid(c->state.pid, NULL, 0);
	}
	fake.pid = 0;
	return fake.fail_destroy ? joey_err_set(err, JOEY_EK_OTHER, EBUSY, "fake destroy failure") : 0;
}

static bool fake_is_accelerated(void)
{
	return fake.has_kvm;
}

static int fake_vm_create(struct joey_container *c, const struct joey_create *args, struct joey_err *err)
{
	fake.vm_memory = args->vm.memory;
	fake.vm_vcpus = args->vm.vcpus;
	fake.vm_network_devices = args->vm.network_devices;
	fake.vm_needs_kvm = args->vm.need_kvm;
	snprintf(fake.vm_texts, sizeof(fake.vm_texts), "%s %s %s", args->vm.kernel ? args->vm.kernel : "-",
		 args->vm.pod ? args->vm.pod : "-", args->vm.trust ? args->vm.trust : "-");
	return fake_create(c, args, err);
}

const struct joey_backend joey_vm_backend = {
	.name = "fake-vm",
	.is_accelerated = fake_is_accelerated,
	.create = fake_vm_create,
	.query = fake_query,
	.destroy = fake_destroy,
};

const struct joey_backend joey_native_backend = {
	.name = "fake",
	.create = fake_create,
	.start = fake_start,
	.signal = fake_signal,
	.query = fake_query,
	.set_paused = fake_set_paused,
	.update = fake_update,
	.pids = fake_pids,
	.stats = fake_stats,
	.watch = fake_watch,
	.wait = fake_wait,
	.destroy = fake_destroy,
};

/* ---- in the place of src/linux ---------------------------------------------------------------------------- */

int joey_hooks_run(const struct joey_config *config, enum joey_hook_kind kind, const char *state_json,
		   char *const *default_env, int dir_fd, struct joey_err *err)
{
	const char *name = joey_hook_kind_to_string(kind);
	char text[64];

	(void)config;
	(void)default_env;
	(void)dir_fd;
	snprintf(text, sizeof(text), "hook:%s", name);
	note(text);
	snprintf(fake.hook_state, sizeof(fake.hook_state), "%s", state_json);
	if (fake.fail_hook && joey_startswith(fake.fail_hook, "sleep:") && joey_streq(fake.fail_hook + 6, name))
		usleep(400000); /* a signal ends it */
	if (joey_streq(fake.fail_hook, name))
		return joey_err_set(err, JOEY_EK_OTHER, EIO, "error running %s hook #0: exit status 1", name);
	return 0;
}

int joey_unix_connect(const char *path, int *ret_fd, struct joey_err *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	note("connect");
	if (fd < 0)
		return joey_err_sys(err, errno, "socket for %s", path);
	*ret_fd = fd;
	return 0;
}
