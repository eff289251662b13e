/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `list` of very many containers: the kernel's part (/proc, cgroup.freeze) is most of it and runs on several processors
 * at once when the names are shared out to child processes.  Each child leaves its entries in a memfd.
 *
 * Must never change what is listed: where a child cannot be made or leaves less than a whole answer, its names are
 * done here.
 */
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "runtime/runtime-internal.h"

enum { NAMES_PER_WORKER = 100, MAX_WORKERS = 8, N_TEXTS = 6, MAX_ANSWER = 1 << 30 };

struct worker {
	struct rt_slice slice;
	pid_t pid;
	int fd;
};

/* Precedes the texts of an entry; each of those ends with a NUL.  An empty id says that all entries are there. */
struct packed {
	pid_t pid;
	enum joey_status status;
	uint32_t len[N_TEXTS]; /* with the NUL; 0: none */
};

static char **text_at(struct joey_list_entry *e, size_t i)
{
	char **const texts[N_TEXTS] = { &e->id, &e->bundle, &e->created, &e->owner, &e->kind, &e->json };

	return texts[i];
}

static void pack(struct joey_str *s, struct joey_list_entry *e)
{
	struct packed p = { .pid = e->pid, .status = e->status };

	for (size_t i = 0; i < N_TEXTS; i++) {
		const char *text = *text_at(e, i);
		size_t n = text ? strlen(text) + 1 : 0;

		if (n > UINT32_MAX)
			s->failed = true;
		p.len[i] = (uint32_t)n;
	}
	joey_str_addn(s, (const char *)&p, sizeof(p));
	for (size_t i = 0; i < N_TEXTS; i++)
		if (p.len[i] > 0)
			joey_str_addn(s, *text_at(e, i), p.len[i]);
}

/* 1: an entry; 0: the end; <0: not whole, or no memory. */
static int unpack(const char **at, const char *end, struct joey_list_entry *e)
{
	struct packed p;

	if ((size_t)(end - *at) < sizeof(p))
		return -EPROTO;
	memcpy(&p, *at, sizeof(p));
	*at += sizeof(p);
	e->pid = p.pid;
	e->status = p.status;
	for (size_t i = 0; i < N_TEXTS; i++) {
		if (p.len[i] == 0)
			continue;
		if (p.len[i] > (size_t)(end - *at))
			return -EPROTO;
		*text_at(e, i) = strndup(*at, p.len[i]);
		if (!*text_at(e, i))
			return -ENOMEM;
		*at += p.len[i];
	}
	return p.len[0] > 0;
}

static _Noreturn void work(struct rt_listing *ls, const struct worker *w)
{
	struct joey_list l = { calloc(w->slice.n, sizeof(*l.v)), 0 };
	struct joey_list_entry end = { 0 };
	struct joey_str s = JOEY_STR_INIT;

	if (!l.v)
		_exit(1);
	rt_list_slice(ls, &w->slice, &l);
	for (size_t i = 0; i < l.n; i++)
		pack(&s, &l.v[i]);
	pack(&s, &end);
	_exit(s.failed || joey_write_all(w->fd, s.buf, s.len) < 0);
}

static void start(struct rt_listing *ls, struct worker *w)
{
	w->pid = -1;
	w->fd = memfd_create("joey-list", MFD_CLOEXEC);
	if (w->fd < 0)
		return;
	w->pid = fork();
	if (w->pid == 0)
		work(ls, w);
}

static int take_entries(const char *at, const char *end, size_t max, struct joey_list *l)
{
	for (size_t n = 0;; n++) {
		struct joey_list_entry e = { 0 };
		int r = unpack(&at, end, &e);

		if (r > 0 && n < max) {
			l->v[l->n++] = e;
			continue;
		}
		rt_list_entry_done(&e);
		return r > 0 ? -EPROTO : r;
	}
}

/* Entries of a worker that did not do all of it are taken back. */
static int take(struct worker *w, struct joey_list *l)
{
	size_t before = l->n, len;
	autofree char *answer = NULL;
	int status, r;

	if (w->pid < 0)
		return -ECHILD;
	r = joey_wait_pid(w->pid, &status);
	if (r < 0 || status != 0 || lseek(w->fd, 0, SEEK_SET) < 0)
		return -ECHILD;
	r = joey_read_fd(w->fd, MAX_ANSWER, &answer, &len);
	if (r == 0)
		r = take_entries(answer, answer + len, w->slice.n, l);
	while (r < 0 && l->n > before)
		rt_list_entry_done(&l->v[--l->n]);
	return r;
}

static size_t count_workers(size_t n)
{
	size_t workers = n / NAMES_PER_WORKER, cpus;
	cpu_set_t set;

	if (workers < 2 || sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	cpus = (size_t)CPU_COUNT(&set);
	if (workers > cpus)
		workers = cpus;
	return workers < MAX_WORKERS ? workers : MAX_WORKERS;
}

void rt_list_shared(struct rt_listing *ls, char **names, size_t n, struct joey_list *l)
{
	struct worker w[MAX_WORKERS];
	size_t workers = count_workers(n);

	for (size_t i = 0; i < workers; i++) {
		size_t from = n * i / workers, to = n * (i + 1) / workers;

		w[i] = (struct worker){ { names + from, to - from }, -1, -EBADF };
		if (i > 0)
			start(ls, &w[i]);
	}
	for (size_t i = 0; i < workers; i++) {
		if (i == 0 || take(&w[i], l) < 0)
			rt_list_slice(ls, &w[i].slice, l);
		joey_close(w[i].fd);
	}
}
