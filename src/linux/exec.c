/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the program and becoming it.  The search runs with the payload's final credentials and working directory, so
 * that a missing or forbidden program is an error of create, in the words that engines look for
 * (shared/reference/engine-contract.md, section 4).
 */
#include <linux/close_range.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "joey/syscalls.h"
#include "linux/linux-internal.h"

/* 0: may be executed by us.  *ret_stat tells whether the file could be looked at at all. */
static int check_program(const char *path, bool *ret_stat)
{
	struct stat st;

	*ret_stat = false;
	if (stat(path, &st) < 0)
		return -errno;
	*ret_stat = true;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	/* AT_EACCESS: also says no on a noexec mount, and needs no change of credentials in the kernel */
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return -errno;
	return 0;
}

static const char *env_value(const struct joey_strlist *env, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = env->n; i > 0; i--)
		if (strncmp(env->v[i - 1], name, n) == 0 && env->v[i - 1][n] == '=')
			return env->v[i - 1] + n + 1;
	return NULL;
}

static int take_path(struct joey_setup *s, char *path, struct joey_err *err)
{
	if (!path)
		return joey_err_sys(err, ENOMEM, "find the program");
	free(s->exec_path);
	s->exec_path = path;
	return 0;
}

static int resolve_as_given(struct joey_setup *s, const char *name, struct joey_err *err)
{
	bool looked;
	int r = check_program(name, &looked);

	if (r == 0)
		return take_path(s, strdup(name), err);
	if (!looked)
		return joey_err_sys(err, r, "exec: \"%s\": stat %s", name, name);
	return joey_err_sys(err, r, "exec: \"%s\"", name);
}

static int search_path(struct joey_setup *s, const char *name, struct joey_err *err)
{
	const char *p = env_value(&s->process->env, "PATH");

	while (p && *p) {
		size_t n = strcspn(p, ":");
		autostr struct joey_str candidate = JOEY_STR_INIT;
		bool looked;

		/* an empty element is the working directory, as execvp(3) has it */
		joey_str_addn(&candidate, n ? p : ".", n ? n : 1);
		joey_str_add(&candidate, "/");
		joey_str_add(&candidate, name);
		if (candidate.failed)
			return joey_err_sys(err, ENOMEM, "find the program");
		if (check_program(candidate.buf, &looked) == 0)
			return take_path(s, joey_str_take(&candidate), err);
		p += n;
		p += *p == ':';
	}
	return joey_err_set(err, JOEY_EK_OTHER, ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
}

int step_resolve_executable(struct joey_setup *s, struct joey_err *err)
{
	const char *name;

	if (s->process->args.n == 0)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "args must not be empty");
	name = s->process->args.v[0];
	return strchr(name, '/') ? resolve_as_given(s, name, err) : search_path(s, name, err);
}

/* In the order in which the phases of a new container have them. */
static const struct {
	bool (*wanted)(const struct joey_setup *s);
	int (*run)(struct joey_setup *s, struct joey_err *err);
} prepare[] = {
	{ wants_keyring, step_keyring },         { wants_terminal, step_terminal },
	{ wants_apparmor, step_apparmor },       { wants_no_new_privs, step_no_new_privs },
	{ wants_scheduler, step_scheduler },     { wants_io_priority, step_io_priority },
	{ wants_personality, step_personality }, { wants_memory_policy, step_memory_policy },
};

bool wants_exec_prepare(const struct joey_setup *s)
{
	return s->exec_only;
}

int step_exec_prepare(struct joey_setup *s, struct joey_err *err)
{
	int r = step_session(s, err);

	for (size_t i = 0; r == 0 && i < JOEY_ARRAY_SIZE(prepare); i++)
		if (prepare[i].wanted(s))
			r = prepare[i].run(s, err);
	return r;
}

int joey_setup_exec(struct joey_setup *s, struct joey_err *err)
{
	/* With a filter this was done before it was loaded: the profile need not know close_range(2). */
	if (!s->seccomp) {
		int r = joey_cloexec_from(3 + s->preserve_fds);

		if (r < 0)
			return joey_err_sys(err, r, "mark descriptors close-on-exec");
	}
	execve(s->exec_path, s->process->args.v, s->envp);
	return joey_err_sys(err, errno, "exec %s", s->exec_path);
}
