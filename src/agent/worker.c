/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs: queued, given to forked workers, answered.
 *
 * The order that makes exits safe: a worker writes its answer (with the new process's pid in it) before it ends, and
 * the new process is the worker's child until then.  So when a child that nobody knows is to be reaped here, the answer
 * that names it is in a pipe already, and is read first.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "agent/agent-internal.h"
#include "joey/log.h"

struct answer {
	uint32_t pid, errnum, kind, n_log, n_text; /* then the log, then the text */
};

/* ---- in the worker ---------------------------------------------------------------------------------------------- */

struct warnings {
	char text[AGENT_LOG];
	size_t n;
};

static void keep_warning(void *arg, enum joey_log_level level, const char *text)
{
	struct warnings *w = arg;
	int n = snprintf(w->text + w->n, sizeof(w->text) - w->n, "%s%s", w->n > 0 ? "\n" : "", text);

	(void)level;
	if (n > 0)
		w->n += (size_t)n < sizeof(w->text) - w->n ? (size_t)n : sizeof(w->text) - w->n - 1;
}

static void take_stdio(const int fds[3])
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3; i++)
		if (dup2(fds && fds[i] >= 0 ? fds[i] : null, i) < 0)
			_exit(125);
}

static void become_worker(const struct agent *a, const struct agent_proc *p, int *pipe_fd)
{
	const struct rlimit files = { 1024, 524288 };
	sigset_t none;
	int fd;

	/* Out of the way of what is put on 0-2 and closed behind. */
	fd = fcntl(*pipe_fd, F_DUPFD_CLOEXEC, 10);
	if (fd < 0)
		_exit(125);
	take_stdio(p && !p->terminal ? p->worker_fds : NULL);
	(void)joey_close_range(3, (unsigned)fd - 1);
	(void)joey_close_range((unsigned)fd + 1, ~0U);
	*pipe_fd = fd;
	(void)sigemptyset(&none);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (!a->test) {
		(void)setrlimit(RLIMIT_NOFILE, &files);
		(void)joey_write_file_at(AT_FDCWD, "/proc/self/oom_score_adj", "0");
	}
}

static _Noreturn void worker_main(struct agent *a, const struct agent_job *j, const struct agent_proc *p, int pipe_fd)
{
	struct joey_err err = JOEY_ERR_INIT;
	struct agent_result res = { 0 };
	struct warnings w = { .n = 0 };
	struct answer head;
	int r;

	become_worker(a, p, &pipe_fd);
	joey_log_set_sink(keep_warning, &w, JOEY_LOG_WARNING);
	r = agent_carry_out(a, j, &res, &err);
	joey_log_set_sink(NULL, NULL, JOEY_LOG_ERROR);
	if (r < 0) {
		free(res.text);
		res.text = strdup(joey_err_text(&err));
		res.n = res.text ? strlen(res.text) : 0;
	}
	if (res.n > AGENT_TEXT)
		res.n = AGENT_TEXT;
	head = (struct answer){ .pid = (uint32_t)res.pid,
				.errnum = r < 0 ? (uint32_t)-r : 0,
				.kind = err.kind,
				.n_log = (uint32_t)w.n,
				.n_text = (uint32_t)res.n };
	if (joey_write_all(pipe_fd, &head, sizeof(head)) < 0 || joey_write_all(pipe_fd, w.text, w.n) < 0 ||
	    joey_write_all(pipe_fd, res.text, res.n) < 0)
		_exit(125);
	_exit(0);
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

/* A container whose making was cut short may have left anything. */
static void sweep(struct agent *a, const struct agent_job *j)
{
	struct agent_job *d = calloc(1, sizeof(*d));

	if (!d)
		return;
	d->pipe = -EBADF;
	d->type = JOEY_WIRE_DROP;
	d->silent = true;
	d->c = j->c;
	d->name = joey_arena_strdup(&d->arena, j->name);
	if (d->name)
		agent_job_submit(a, d);
	else
		agent_job_free(a, d);
}

/* The record of what CREATE and EXEC make; NULL for others. */
static struct agent_proc *subject(struct agent *a, const struct agent_job *j)
{
	if (j->type == JOEY_WIRE_CREATE)
		return agent_proc_find(a, j->c);
	return j->type == JOEY_WIRE_EXEC ? agent_proc_find(a, j->p) : NULL;
}

static void failed(struct agent *a, const struct agent_job *j, struct joey_err *err)
{
	struct agent_proc *p = subject(a, j);

	if (p && p->state == AGENT_STARTING)
		agent_proc_remove(a, p);
	if (!j->silent)
		agent_reply(a, j->id, err, NULL, 0);
}

static void succeeded(struct agent *a, const struct agent_job *j, pid_t pid, const char *text, size_t n)
{
	struct agent_proc *p = subject(a, j);

	if (p)
		agent_proc_started(a, p, pid);
	if (!j->silent)
		agent_reply(a, j->id, NULL, text, n);
	if (j->type == JOEY_WIRE_DROP)
		agent_container_gone(a, j->c);
}

static bool is_whole(const struct agent_job *j, struct answer *head)
{
	if (j->n_answer < sizeof(*head))
		return false;
	memcpy(head, j->answer, sizeof(*head));
	return head->n_log <= AGENT_LOG && head->n_text <= AGENT_TEXT &&
	       j->n_answer - sizeof(*head) >= (size_t)head->n_log + head->n_text;
}

static void unlink_job(struct agent_job **list, size_t *n, struct agent_job *j)
{
	for (; *list; list = &(*list)->next)
		if (*list == j) {
			*list = j->next;
			--*n;
			return;
		}
}

static void finish(struct agent *a, struct agent_job *j)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	const char *text;
	struct answer head;

	unlink_job(&a->running, &a->n_running, j);
	if (!is_whole(j, &head)) {
		joey_err_set(&err, JOEY_EK_OTHER, EIO, "guest: the request was cut short%s",
			     j->ended && WIFSIGNALED(j->wstatus) ? " by a signal" : "");
		failed(a, j, &err);
		if (j->type == JOEY_WIRE_CREATE)
			sweep(a, j);
	} else {
		text = j->answer + sizeof(head);
		if (head.n_log > 0)
			agent_log(a, j->c, text, head.n_log);
		text += head.n_log;
		if (head.errnum != 0) {
			joey_err_set(&err, head.kind < JOEY_EK_MAX ? (enum joey_err_kind)head.kind : JOEY_EK_OTHER,
				     (int)head.errnum, "%.*s", (int)head.n_text, text);
			failed(a, j, &err);
		} else {
			succeeded(a, j, (pid_t)head.pid, text, head.n_text);
		}
	}
	/* A worker that has answered ends on its own, and is reaped as any child. */
	agent_job_free(a, j);
}

void agent_job_read(struct agent *a, struct agent_job *j)
{
	enum { MOST = sizeof(struct answer) + AGENT_LOG + AGENT_TEXT };
	struct answer head;
	ssize_t n;

	if (!j->answer) {
		j->answer = malloc(MOST);
		if (!j->answer)
			return;
	}
	do {
		n = read(j->pipe, j->answer + j->n_answer, MOST - j->n_answer);
		if (n > 0)
			j->n_answer += (size_t)n;
	} while ((n > 0 && j->n_answer < MOST) || (n < 0 && errno == EINTR));
	if (is_whole(j, &head) || n == 0)
		finish(a, j);
}

/* ---- the queue -------------------------------------------------------------------------------------------------- */

/* What ends things is never kept waiting by what hangs. */
static bool is_urgent(const struct agent_job *j)
{
	return j->type == JOEY_WIRE_DROP || j->type == JOEY_WIRE_KILL;
}

static int begin(struct agent *a, struct agent_job *j, struct joey_err *err)
{
	const struct agent_proc *p = subject(a, j);
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return joey_err_sys(err, errno, "guest: make a pipe");
	(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
	j->worker = fork();
	if (j->worker == 0)
		worker_main(a, j, p, fds[1]);
	joey_close(fds[1]);
	if (j->worker < 0) {
		joey_close(fds[0]);
		return joey_err_sys(err, errno, "guest: fork");
	}
	j->pipe = fds[0];
	return 0;
}

static void start(struct agent *a, struct agent_job *j)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct agent_proc *p;
	int r = begin(a, j, &err);

	if (r < 0) {
		failed(a, j, &err);
		agent_job_free(a, j);
		return;
	}
	j->next = a->running;
	a->running = j;
	a->n_running++;
	/* Ours would keep the streams from ending. */
	p = subject(a, j);
	for (int i = 0; p && i < 3; i++)
		p->worker_fds[i] = joey_close(p->worker_fds[i]);
}

static bool has_place(const struct agent *a, const struct agent_job *j)
{
	return a->n_running < (is_urgent(j) ? (size_t)AGENT_WORKERS_URGENT : (size_t)AGENT_WORKERS);
}

void agent_job_submit(struct agent *a, struct agent_job *j)
{
	struct agent_job **at = &a->waiting;

	while (*at)
		at = &(*at)->next;
	j->next = NULL;
	*at = j;
	a->n_waiting++;
}

void agent_jobs_cut(struct agent *a, uint32_t c)
{
	for (struct agent_job *j = a->waiting, *next; j; j = next) {
		autoerr struct joey_err err = JOEY_ERR_INIT;

		next = j->next;
		if (j->type != JOEY_WIRE_CREATE || j->c != c)
			continue;
		unlink_job(&a->waiting, &a->n_waiting, j);
		joey_err_set(&err, JOEY_EK_OTHER, ECANCELED, "guest: the container was dropped");
		failed(a, j, &err);
		agent_job_free(a, j);
	}
	for (const struct agent_job *j = a->running; j; j = j->next)
		if (j->type == JOEY_WIRE_CREATE && j->c == c && j->worker > 0)
			(void)kill(j->worker, SIGKILL);
}

void agent_jobs_turn(struct agent *a)
{
	struct agent_job *j = a->waiting, *next;

	for (; j; j = next) {
		next = j->next;
		if (!has_place(a, j))
			continue;
		unlink_job(&a->waiting, &a->n_waiting, j);
		start(a, j);
	}
}

/* ---- the dead --------------------------------------------------------------------------------------------------- */

static struct agent_proc *find_pid(struct agent *a, pid_t pid)
{
	for (struct agent_proc *p = a->procs; p; p = p->next)
		if (p->pid == pid)
			return p;
	return NULL;
}

static struct agent_job *find_worker(struct agent *a, pid_t pid)
{
	for (struct agent_job *j = a->running; j; j = j->next)
		if (j->worker == pid)
			return j;
	return NULL;
}

static void read_all(struct agent *a)
{
	for (struct agent_job *j = a->running, *next; j; j = next) {
		next = j->next;
		agent_job_read(a, j);
	}
}

static void bury(struct agent *a, pid_t pid)
{
	struct agent_job *j = find_worker(a, pid);
	struct agent_proc *p;
	int wstatus = 0;

	if (j) {
		(void)waitpid(pid, &j->wstatus, WNOHANG);
		j->ended = true;
		j->worker = 0;
		agent_job_read(a, j); /* end of file, if nothing else */
		return;
	}
	p = find_pid(a, pid);
	if (!p) {
		read_all(a);
		p = find_pid(a, pid);
	}
	(void)waitpid(pid, &wstatus, WNOHANG);
	if (p)
		agent_proc_reaped(p, wstatus);
}

void agent_reap(struct agent *a)
{
	pid_t pid;

	while ((pid = joey_wait_peek()) > 0)
		bury(a, pid);
}
