/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which process an exec runs.  With --process the file says everything, but for what runc takes from the container when
 * it is absent: capabilities, rlimits, labels, scheduling, CPU affinity.  Without it the container's own process is
 * the template, and the command line changes it.
 */
#include <fcntl.h>
#include <string.h>

#include "runtime/runtime-internal.h"

static int no_memory(struct joey_err *err)
{
	return joey_err_sys(err, ENOMEM, "make the process to execute");
}

static int bad_option(struct joey_err *err, const char *option, const char *value)
{
	return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "exec: invalid value \"%s\" for --%s", value, option);
}

/* ---- --process ---------------------------------------------------------------------------------------------- */

static void inherit(struct joey_process *p, const struct joey_process *from)
{
	if (!p->caps)
		p->caps = from->caps;
	if (p->n_rlimits == 0) {
		p->rlimits = from->rlimits;
		p->n_rlimits = from->n_rlimits;
	}
	if (!p->apparmor_profile)
		p->apparmor_profile = from->apparmor_profile;
	if (!p->selinux_label)
		p->selinux_label = from->selinux_label;
	if (!p->scheduler)
		p->scheduler = from->scheduler;
	if (!p->io_priority)
		p->io_priority = from->io_priority;
	if (!p->cpu_affinity_initial && !p->cpu_affinity_final) {
		p->cpu_affinity_initial = from->cpu_affinity_initial;
		p->cpu_affinity_final = from->cpu_affinity_final;
	}
}

static int from_file(struct joey_container *c, const struct joey_config *config, const char *path,
		     struct joey_process **ret, struct joey_err *err)
{
	autofree char *text = NULL;
	struct joey_process *p;
	size_t len;
	int r = joey_read_file_at(AT_FDCWD, path, O_NONBLOCK, JOEY_CONFIG_MAX_BYTES, &text, &len);

	if (r < 0)
		return joey_err_sys(err, -r, "read process file %s", path);
	r = joey_process_parse(text, len, &c->arena, &p, err);
	if (r < 0)
		return joey_err_wrap(err, "process file %s", path);
	inherit(p, config->process);
	*ret = p;
	return 0;
}

/* ---- command line ---------------------------------------------------------------------------------------------- */

static int copy_list(struct joey_arena *a, char *const *v, size_t n, struct joey_strlist *ret)
{
	ret->v = joey_arena_array(a, n + 1, sizeof(*ret->v));
	if (!ret->v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		ret->v[i] = joey_arena_strdup(a, v[i]);
		if (!ret->v[i])
			return -ENOMEM;
	}
	ret->n = n;
	return 0;
}

static size_t name_length(const char *entry)
{
	return strcspn(entry, "=");
}

static int add_env(struct joey_arena *a, const struct joey_strlist *add, struct joey_strlist *env, struct joey_err *err)
{
	struct joey_strlist all;
	size_t n = 0;

	all.v = joey_arena_array(a, env->n + add->n + 1, sizeof(*all.v));
	if (!all.v)
		return no_memory(err);
	for (size_t i = 0; i < env->n; i++)
		all.v[n++] = env->v[i];
	for (size_t i = 0; i < add->n; i++) {
		size_t len = name_length(add->v[i]), at;

		if (len == 0 || add->v[i][len] != '=')
			return bad_option(err, "env", add->v[i]);
		for (at = 0; at < n; at++)
			if (name_length(all.v[at]) == len && memcmp(all.v[at], add->v[i], len) == 0)
				break;
		all.v[at] = joey_arena_strdup(a, add->v[i]);
		if (!all.v[at])
			return no_memory(err);
		if (at == n)
			n++;
	}
	all.n = n;
	*env = all;
	return 0;
}

/* "uid" or "uid:gid", digits only: a name or a stray sign must never become some number (security.md C7). */
static int set_user(const char *text, struct joey_user *u, struct joey_err *err)
{
	const char *colon = strchr(text, ':');
	char uid[16];
	size_t n = colon ? (size_t)(colon - text) : strlen(text);

	if (n >= sizeof(uid))
		return bad_option(err, "user", text);
	memcpy(uid, text, n);
	uid[n] = '\0';
	if (joey_parse_id(uid, &u->uid) < 0)
		return bad_option(err, "user", text);
	if (colon && joey_parse_id(colon + 1, &u->gid) < 0)
		return bad_option(err, "user", text);
	return 0;
}

static int set_groups(struct joey_arena *a, const struct joey_strlist *add, struct joey_user *u, struct joey_err *err)
{
	uint32_t *v = joey_arena_array(a, u->n_additional_gids + add->n + 1, sizeof(*v));

	if (!v)
		return no_memory(err);
	if (u->n_additional_gids > 0)
		memcpy(v, u->additional_gids, u->n_additional_gids * sizeof(*v));
	for (size_t i = 0; i < add->n; i++)
		if (joey_parse_id(add->v[i], &v[u->n_additional_gids + i]) < 0)
			return bad_option(err, "additional-gids", add->v[i]);
	u->additional_gids = v;
	u->n_additional_gids += add->n;
	return 0;
}

/* Not inheritable and not ambient: a capability given by hand goes to this program, not to what it executes. */
static int add_caps(struct joey_arena *a, const struct joey_strlist *add, struct joey_process *p, struct joey_err *err)
{
	struct joey_caps *caps;

	if (add->n == 0)
		return 0;
	caps = joey_arena_alloc(a, sizeof(*caps));
	if (!caps)
		return no_memory(err);
	if (p->caps)
		*caps = *p->caps;
	for (size_t i = 0; i < add->n; i++) {
		unsigned bit;

		if (joey_cap_from_string(add->v[i], &bit) < 0)
			return bad_option(err, "cap", add->v[i]);
		caps->bounding |= UINT64_C(1) << bit;
		caps->effective |= UINT64_C(1) << bit;
		caps->permitted |= UINT64_C(1) << bit;
	}
	p->caps = caps;
	return 0;
}

static int set_string(struct joey_arena *a, const char *value, char **member, struct joey_err *err)
{
	if (!value)
		return 0;
	*member = joey_arena_strdup(a, value);
	return *member ? 0 : no_memory(err);
}

static int from_command_line(struct joey_container *c, const struct joey_config *config, const struct joey_exec_opts *o,
			     struct joey_process **ret, struct joey_err *err)
{
	struct joey_arena *a = &c->arena;
	struct joey_process *p = joey_arena_alloc(a, sizeof(*p));
	int r;

	if (o->n_args == 0)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "exec: a command or --process is needed");
	if (o->cwd && o->cwd[0] != '/')
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "exec: Cwd must be an absolute path");
	if (!p)
		return no_memory(err);
	*p = *config->process;
	p->terminal = o->tty;
	p->console_height = p->console_width = 0;
	if (o->no_new_privs.set)
		p->no_new_privileges = o->no_new_privs.v;
	r = copy_list(a, o->args, o->n_args, &p->args) < 0 ? no_memory(err) : 0;
	if (r == 0)
		r = set_string(a, o->cwd, &p->cwd, err);
	if (r == 0)
		r = set_string(a, o->apparmor, &p->apparmor_profile, err);
	if (r == 0)
		r = set_string(a, o->process_label, &p->selinux_label, err);
	if (r == 0)
		r = add_env(a, &o->env, &p->env, err);
	if (r == 0 && o->user)
		r = set_user(o->user, &p->user, err);
	if (r == 0 && o->additional_gids.n > 0)
		r = set_groups(a, &o->additional_gids, &p->user, err);
	if (r == 0)
		r = add_caps(a, &o->caps, p, err);
	if (r == 0)
		*ret = p;
	return r;
}

int rt_exec_process(struct joey_container *c, const struct joey_config *config, const struct joey_exec_opts *o,
		    struct joey_process **ret, struct joey_err *err)
{
	return o->process_file ? from_file(c, config, o->process_file, ret, err)
			       : from_command_line(c, config, o, ret, err);
}
