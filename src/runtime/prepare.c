/* SPDX-License-Identifier: Apache-2.0 */
/*
 * create and run, before the backend's turn: everything that can be refused is refused here, before the first
 * thing is made; the state directory is the first thing.
 */
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "joey/setup.h"
#include "runtime/runtime-internal.h"

/* --console-socket is needed exactly when nobody stays to relay a terminal. */
static int check_terminal(const struct rt_launch *l, struct joey_err *err)
{
	bool terminal = l->config->process->terminal, detach = !rt_launch_foreground(l);

	if (detach && terminal && !l->o->console_socket)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL,
				    "cannot allocate tty if joey will detach without setting console socket");
	if ((!detach || !terminal) && l->o->console_socket)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL,
				    "cannot use console socket if joey will not detach or allocate tty");
	if (!detach)
		rt_terminal_preset(l->config->process);
	return 0;
}

static int open_bundle(struct rt_launch *l, struct joey_err *err)
{
	int r;

	l->bundle_fd = open(l->o->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (l->bundle_fd < 0)
		return joey_err_sys(err, errno, "open bundle %s", l->o->bundle);
	r = rt_path_of_fd(l->bundle_fd, &l->bundle);
	return r < 0 ? joey_err_sys(err, -r, "resolve bundle %s", l->o->bundle) : 0;
}

static int read_config(struct rt_launch *l, char **ret_text, size_t *ret_len, struct joey_err *err)
{
	int r = joey_read_file_at(l->bundle_fd, "config.json", O_NONBLOCK, JOEY_CONFIG_MAX_BYTES, ret_text, ret_len);

	if (r == -ENOENT)
		return joey_err_set(err, JOEY_EK_CONFIG, ENOENT, "JSON specification file config.json not found");
	if (r < 0)
		return joey_err_sys(err, -r, "read config.json of bundle %s", l->bundle);
	r = joey_config_parse(*ret_text, *ret_len, &l->config, err);
	if (r == 0 && l->o->adapt)
		r = l->o->adapt(l->o->adapt_arg, l->config, err);
	if (r < 0)
		return r;
	l->rootfs = rt_path_join(l->bundle, l->config->rootfs);
	return l->rootfs ? 0 : joey_err_sys(err, ENOMEM, "rootfs path");
}

static int connect_to(const char *path, const char *what, int *ret_fd, struct joey_err *err)
{
	if (!path)
		return 0;
	return joey_unix_connect(path, ret_fd, err) < 0 ? joey_err_wrap(err, "%s", what) : 0;
}

static int copy_pairs(struct joey_arena *a, const struct joey_pairs *from, struct joey_pairs *to)
{
	to->v = joey_arena_array(a, from->n, sizeof(*to->v));
	if (!to->v && from->n)
		return -ENOMEM;
	for (size_t i = 0; i < from->n; i++) {
		to->v[i].key = joey_arena_strdup(a, from->v[i].key);
		to->v[i].value = joey_arena_strdup(a, from->v[i].value);
		if (!to->v[i].key || !to->v[i].value)
			return -ENOMEM;
	}
	to->n = from->n;
	return 0;
}

static int fill_state(struct rt_launch *l, struct joey_err *err)
{
	struct joey_arena *a = &l->c->arena;
	struct joey_state *st = &l->c->state;
	char created[JOEY_TIME_TEXT_MAX];
	struct timespec now = { 0 };

	clock_gettime(CLOCK_REALTIME, &now);
	joey_time_rfc3339(&now, true, created);
	st->created = joey_arena_strdup(a, created);
	st->bundle = joey_arena_strdup(a, l->bundle);
	st->rootfs = joey_arena_strdup(a, l->rootfs);
	st->oci_version = joey_arena_strdup(a, l->config->oci_version ? l->config->oci_version : JOEY_OCI_VERSION);
	st->backend = joey_arena_strdup(a, l->be->name);
	st->owner_uid = geteuid();
	st->cgroup.driver = l->rt->cgroup_driver;
	st->hooks = rt_hooks_mask(l->config);
	st->creating = true;
	joey_creator_stamp(st);
	if (!st->created || !st->bundle || !st->rootfs || !st->oci_version || !st->backend ||
	    copy_pairs(a, &l->config->annotations, &st->annotations) < 0)
		return joey_err_sys(err, ENOMEM, "state of container %s", l->o->id);
	return 0;
}

static int make_container(struct rt_launch *l, const char *text, size_t len, struct joey_err *err)
{
	int r = joey_root_open(l->rt->root, true, &l->root_fd, err);

	if (r == 0)
		r = joey_container_new(l->root_fd, l->o->id, &l->c, err);
	if (r < 0)
		return r;
	l->c->config = l->config;
	r = fill_state(l, err);
	if (r == 0)
		r = joey_container_save_config(l->c, text, len, err);
	if (r == 0)
		r = rt_notify_prepare(&l->notify, l->c, l->config, err);
	if (r == 0 && l->run)
		r = rt_notify_bind(&l->notify, err);
	if (r < 0)
		(void)joey_container_remove_dir(l->c, NULL);
	return r;
}

int rt_launch_prepare(struct rt_launch *l, struct joey_err *err)
{
	autofree char *text = NULL;
	size_t len = 0;
	int r;

	/* First of all, while every descriptor is still the caller's. */
	r = rt_inherit_scan(l->o->preserve_fds, &l->inherit, err);
	if (r < 0)
		return r;
	(void)joey_cloexec_from(3 + l->inherit.open);
	r = joey_id_check(l->o->id, err);
	if (r == 0)
		r = joey_cgroup_driver_check(l->rt->cgroup_driver, err);
	if (r == 0)
		r = open_bundle(l, err);
	if (r == 0)
		r = read_config(l, &text, &len, err);
	if (r == 0)
		r = rt_choose(l, err);
	if (r == 0)
		r = rt_inherit_apply(&l->inherit, l->config, &l->preserve_fds, err);
	if (r == 0)
		r = check_terminal(l, err);
	if (r == 0)
		r = connect_to(l->o->console_socket, "console socket", &l->console_sock, err);
	if (r == 0)
		r = connect_to(l->o->pidfd_socket, "pidfd socket", &l->pidfd_sock, err);
	return r < 0 ? r : make_container(l, text, len, err);
}
