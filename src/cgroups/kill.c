/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes of a cgroup and everything below it: listing, signalling, killing.
 *
 * cgroup.kill (Linux 5.14) reaches every process, also those being forked.  Without it, and for other signals,
 * numbers are read and signalled one by one; the cgroup is frozen meanwhile, so that no process ends (and its number
 * goes to a stranger) or forks between the two.  SIGKILL ends a frozen process on v2.
 */
#include <signal.h>
#include <string.h>

#include "cgroups/cgroups-internal.h"
#include "joey/syscalls.h"

#define PIDS_MAX         (4u << 20) /* PID_MAX_LIMIT */
#define KILL_ROUNDS      50
#define SIGNAL_FREEZE_MS 2000u

struct pid_list {
	pid_t *v;
	size_t n, cap;
};

static int add_pid(struct pid_list *l, uint64_t pid)
{
	/* 0: a process that is not visible from joey's pid namespace */
	if (pid == 0)
		return 0;
	if (pid > INT32_MAX || l->n >= PIDS_MAX)
		return -ERANGE;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		pid_t *p = reallocarray(l->v, cap, sizeof(*p));

		if (!p)
			return -ENOMEM;
		l->v = p;
		l->cap = cap;
	}
	l->v[l->n++] = (pid_t)pid;
	return 0;
}

static int parse_pids(char *text, struct pid_list *l)
{
	char *line;
	int r = 0;

	while (r == 0 && (line = strsep(&text, "\n")) != NULL) {
		uint64_t pid;

		if (!*line)
			continue;
		r = joey_parse_u64(line, &pid);
		if (r == 0)
			r = add_pid(l, pid);
	}
	return r;
}

static int collect(int fd, void *arg)
{
	autofree char *text = NULL;
	int r = joey_read_file_at(fd, "cgroup.procs", O_NOFOLLOW, CGROUP_FILE_MAX * 4, &text, NULL);

	/* EOPNOTSUPP: a threaded cgroup; its processes stand in the domain above it */
	if (cgroup_gone(r) || r == -EOPNOTSUPP)
		return 0;
	return r < 0 ? r : parse_pids(text, arg);
}

static int list_pids(const struct joey_cgroup *cg, struct pid_list *l)
{
	static const struct cgroup_visit visit = { .enter = collect };
	int r;

	if (!cgroup_has_children(cg->dir_fd))
		return collect(cg->dir_fd, l);
	r = cgroup_tree_walk(cg->dir_fd, &visit, l);
	return cgroup_gone(r) ? 0 : r;
}

int joey_cgroup_pids(const struct joey_cgroup *cg, pid_t **ret, size_t *ret_n, struct joey_err *err)
{
	struct pid_list l = { NULL, 0, 0 };
	int r = cg->dir_fd < 0 ? 0 : list_pids(cg, &l);

	if (r < 0) {
		free(l.v);
		return joey_err_sys(err, -r, "cgroup: list the processes of %s", cgroup_name(cg));
	}
	*ret = l.v;
	*ret_n = l.n;
	return 0;
}

/* Signals each process now in the cgroup; *ret_n: how many there were. */
static int signal_all(const struct joey_cgroup *cg, int sig, size_t *ret_n)
{
	struct pid_list l = { NULL, 0, 0 };
	int r = list_pids(cg, &l);
	size_t i;

	for (i = 0; r == 0 && i < l.n; i++)
		if (kill(l.v[i], sig) < 0 && errno != ESRCH)
			r = -errno;
	*ret_n = l.n;
	free(l.v);
	return r;
}

int cgroup_kill_one_by_one(const struct joey_cgroup *cg)
{
	unsigned round;
	size_t n = 1;
	int r = 0;

	(void)cgroup_write(cg->dir_fd, "cgroup.freeze", "1");
	/* Not waited for: what forks before it stops is met in the next round. */
	for (round = 0; r == 0 && n > 0 && round < KILL_ROUNDS; round++) {
		if (round > 0)
			cgroup_sleep_ms(round < 10 ? round : 10);
		r = signal_all(cg, SIGKILL, &n);
	}
	(void)cgroup_write(cg->dir_fd, "cgroup.freeze", "0");
	return cgroup_gone(r) ? 0 : r;
}

int joey_cgroup_kill(struct joey_cgroup *cg, struct joey_err *err)
{
	int r;

	if (cg->dir_fd < 0)
		return 0;
	r = cgroup_write(cg->dir_fd, "cgroup.kill", "1");
	/* Absent before 5.14; EOPNOTSUPP in a threaded cgroup. Gone altogether: the fallback finds nobody. */
	if (r == -ENOENT || r == -EOPNOTSUPP)
		r = cgroup_kill_one_by_one(cg);
	if (r < 0 && !cgroup_gone(r))
		return joey_err_sys(err, -r, "cgroup: kill the processes of %s", cgroup_name(cg));
	return 0;
}

int joey_cgroup_signal(struct joey_cgroup *cg, int sig, struct joey_err *err)
{
	bool was_frozen = false, freeze;
	size_t n;
	int r;

	if (cg->dir_fd < 0)
		return 0;
	if (sig == SIGKILL)
		return joey_cgroup_kill(cg, err);
	r = joey_cgroup_is_frozen(cg, &was_frozen, err);
	if (r < 0)
		return r;
	/* Best effort: a signal that reaches nearly all is better than none. */
	freeze = sig != 0 && !was_frozen;
	if (freeze && cgroup_write(cg->dir_fd, "cgroup.freeze", "1") == 0)
		(void)cgroup_freeze_wait(cg, SIGNAL_FREEZE_MS);
	r = signal_all(cg, sig, &n);
	if (freeze)
		(void)cgroup_write(cg->dir_fd, "cgroup.freeze", "0");
	if (r < 0 && !cgroup_gone(r))
		return joey_err_sys(err, -r, "cgroup: send signal %d to the processes of %s", sig, cgroup_name(cg));
	return 0;
}
