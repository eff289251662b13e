/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Create from the host's side, in the order that a SIGKILL of joey at any point demands: the state names the cgroup
 * before the cgroup is made, and init's pid before init can do harm; init dies with joey until it is created.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "joey/log.h"
#include "joey/syscalls.h"
#include "native/native-internal.h"

int native_make_cgroup(struct native_plan *p, struct joey_err *err)
{
	const struct joey_init_cgroup_args args = {
		.driver = p->args->cgroup_driver,
		.path = p->config->cgroups_path,
		.annotations = &p->config->annotations,
		.resources = p->config->resources,
		.rootless = p->args->rootless,
		.save = p->args->save,
		.arg = p->args->arg,
	};
	int r = joey_init_make_cgroup(p->container, &args, &p->cgroup, err);

	if (r == 0)
		p->setup.cgroup_fd = joey_cgroup_fd(p->cgroup);
	return r;
}

/* Only a cgroup that the container can see and may write is handed over (runtime-spec, cgroup ownership). */
static bool wants_delegation(const struct joey_config *c)
{
	if (!joey_config_new_ns(c, JOEY_NS_CGROUP))
		return false;
	for (size_t i = 0; i < c->n_mounts; i++) {
		const struct joey_mount *m = &c->mounts[i];

		if (joey_streq(m->source, "cgroup") && joey_streq(m->destination, "/sys/fs/cgroup"))
			return !(m->opts->attr_set & MOUNT_ATTR_RDONLY);
	}
	return false;
}

int native_apply_limits(struct native_plan *p, struct joey_err *err)
{
	const struct joey_config *c = p->config;
	uint32_t uid;
	int r = joey_cgroup_apply(p->cgroup, c->resources, err);

	if (r == 0)
		r = joey_cgroup_apply_devices(p->cgroup, c->resources, p->args->rootless, err);
	if (r == 0 && wants_delegation(c) && joey_idmap_to_host(&c->uid_mappings, c->process->user.uid, &uid))
		r = joey_cgroup_delegate(p->cgroup, uid, err);
	return r;
}

static int move_net_devices(struct native_plan *p, pid_t pid, struct joey_err *err)
{
	char name[48];
	autoclose int netns = -EBADF;

	if (p->config->n_net_devices == 0)
		return 0;
	snprintf(name, sizeof(name), "%d/ns/net", (int)pid);
	netns = openat(p->host_proc_fd, name, O_RDONLY | O_CLOEXEC);
	if (netns < 0)
		return joey_err_sys(err, errno, "open the container's network namespace");
	return joey_net_devices_move(p->config, netns, err);
}

int native_join_intel_rdt(struct native_plan *p, pid_t pid, struct joey_err *err)
{
	bool created = false;
	int r;

	if (!p->config->intel_rdt)
		return 0;
	/* Said before it is done: a killed joey must not leave a group behind. */
	r = native_save_data(p->container, p, true, err);
	if (r == 0)
		r = p->args->save(p->args->arg, err);
	if (r == 0)
		r = joey_intel_rdt_apply(p->config->intel_rdt, p->container->id, pid, &created, err);
	return r < 0 ? r : native_save_data(p->container, p, created, err);
}

/* What the parent does while init mounts. */
static int meanwhile(struct native_plan *p, struct native_child *ch, struct joey_err *err)
{
	struct joey_state *st = &p->container->state;
	char state;
	int r;

	st->pid = ch->pid;
	r = joey_proc_stat(ch->pid, &st->pid_start, &state);
	if (r < 0)
		return joey_err_sys(err, r, "read the start time of the container's init");
	r = p->args->save(p->args->arg, err);
	if (r == 0)
		r = move_net_devices(p, ch->pid, err);
	if (r == 0)
		r = native_join_intel_rdt(p, ch->pid, err);
	if (r == 0)
		r = native_apply_limits(p, err);
	return r;
}

int native_receive_pty(int sock, int *ret_pty, struct joey_err *err)
{
	size_t n = 0;
	char name[256];
	ssize_t r;
	int fd;

	if (!ret_pty)
		return 0;
	r = joey_recv_fds(sock, name, sizeof(name), &fd, 1, &n, MSG_DONTWAIT);
	if (r < 0 || n != 1)
		return joey_err_sys(err, r < 0 ? (int)r : EPROTO, "receive the container's terminal");
	*ret_pty = fd;
	return 0;
}

static int send_pidfd(struct native_plan *p, struct native_child *ch, struct joey_err *err)
{
	return p->args->pidfd_sock >= 0 ? joey_send_one_fd(p->args->pidfd_sock, "standard", ch->pidfd, err) : 0;
}

static int spawn(struct native_plan *p, struct native_child *ch, struct joey_err *err)
{
	int r = spawn_child(p, ch, err);

	if (r == 0)
		r = spawn_introduce(p, ch, err);
	if (r == 0)
		r = meanwhile(p, ch, err);
	if (r == 0)
		r = send_pidfd(p, ch, err);
	if (r == 0)
		r = spawn_serve(p, ch, err);
	if (r == 0)
		r = native_receive_pty(p->pty_pair[0], p->args->ret_pty, err);
	return r;
}

int native_block_signals(sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, old);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int create(struct native_plan *p, struct native_child *ch, struct joey_container *c,
		  const struct joey_create *args, struct joey_err *err)
{
	int r = plan_init(p, c, args, err);

	if (r == 0)
		r = native_save_data(c, p, false, err);
	if (r == 0)
		r = native_make_cgroup(p, err);
	return r < 0 ? r : spawn(p, ch, err);
}

int native_create(struct joey_container *c, const struct joey_create *args, struct joey_err *err)
{
	struct native_child ch = { .pidfd = -EBADF, .sync = { .fd = -EBADF } };
	struct native_plan p;
	sigset_t old;
	int r;

	ch.sync.sigfd = native_block_signals(&old);
	r = create(&p, &ch, c, args, err);
	if (r < 0) {
		autoerr struct joey_err undo = JOEY_ERR_INIT;

		spawn_abort(&ch);
		/* What init said before it went tells more than the failed call that it caused here. */
		if (err->errnum == EPIPE || err->errnum == ESRCH || err->errnum == ECONNRESET)
			sync_take_failed(&ch.sync, err);
		if (native_destroy(c, &undo) < 0)
			joey_warn("undo create: %s", joey_err_text(&undo));
		c->state.pid = 0;
	}
	joey_close(ch.sync.fd);
	joey_close(ch.pidfd);
	joey_close(ch.sync.sigfd);
	joey_cgroup_free(p.cgroup);
	plan_done(&p);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}
