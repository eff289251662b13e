/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the caller hands down: --preserve-fds and socket activation (LISTEN_FDS).
 *
 * LISTEN_FDS counts when LISTEN_PID names joey (sd_listen_fds(3)); preserved descriptors then begin behind
 * them.  Podman passes the same descriptors in both ways, and has put LISTEN_FDS in process.env itself: then
 * they are not counted twice.
 */
#include <fcntl.h>
#include <string.h>

#include "runtime/runtime-internal.h"

enum { FIRST_FD = 3, FDS_MAX = 4096 };

static bool is_variable(const char *entry, const char *name)
{
	size_t n = strlen(name);

	return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

int rt_env_set(struct joey_config *config, const char *name, const char *value)
{
	struct joey_strlist *env = &config->process->env;
	char *entry = joey_arena_printf(&config->arena, "%s=%s", name, value), **v;

	if (!entry)
		return -ENOMEM;
	for (size_t i = 0; i < env->n; i++) {
		if (is_variable(env->v[i], name)) {
			env->v[i] = entry;
			return 0;
		}
	}
	v = joey_arena_array(&config->arena, env->n + 2, sizeof(*v));
	if (!v)
		return -ENOMEM;
	if (env->n > 0)
		memcpy(v, env->v, env->n * sizeof(*v));
	v[env->n] = entry;
	env->v = v;
	env->n++;
	return 0;
}

static unsigned listen_count(void)
{
	const char *pid_text = getenv("LISTEN_PID"), *n_text = getenv("LISTEN_FDS");
	uint32_t pid, n;

	if (!pid_text || !n_text || joey_parse_u32(pid_text, &pid) < 0 || joey_parse_u32(n_text, &n) < 0)
		return 0;
	return pid == (uint32_t)getpid() && n <= FDS_MAX ? n : 0;
}

int rt_inherit_scan(unsigned preserve_fds, struct rt_inherit *ret, struct joey_err *err)
{
	struct rt_inherit in = { .preserve = preserve_fds, .listen = listen_count() };

	if (preserve_fds > FDS_MAX)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "preserve-fds: %u is more than %d", preserve_fds,
				    FDS_MAX);
	while (in.open < in.preserve + in.listen && fcntl(FIRST_FD + (int)in.open, F_GETFD) >= 0)
		in.open++;
	*ret = in;
	return 0;
}

static bool listed_by_engine(const struct joey_strlist *env)
{
	for (size_t i = 0; i < env->n; i++)
		if (is_variable(env->v[i], "LISTEN_FDS"))
			return true;
	return false;
}

int rt_inherit_apply(const struct rt_inherit *in, struct joey_config *config, unsigned *ret_total, struct joey_err *err)
{
	unsigned total = in->listen + in->preserve;
	char number[16];

	if (in->listen > 0 && listed_by_engine(&config->process->env)) {
		total = in->listen > in->preserve ? in->listen : in->preserve;
	} else if (in->listen > 0) {
		snprintf(number, sizeof(number), "%u", in->listen);
		if (rt_env_set(config, "LISTEN_FDS", number) < 0 || rt_env_set(config, "LISTEN_PID", "1") < 0)
			return joey_err_sys(err, ENOMEM, "pass LISTEN_FDS on");
	}
	if (total > in->open)
		return joey_err_sys(err, EBADF, "unable to stat preserved-fd %u (of %u)", FIRST_FD + in->open, total);
	*ret_total = total;
	return 0;
}
