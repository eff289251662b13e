/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for QEMU in test_zygote.c: threads in all kinds of waits, locks that are held, and a main thread that
 * answers commands.  What is true of them in the original has to be true in each copy.  Built without sanitizers: the
 * library under test comes before everything else.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { COMMANDS = 10, HIGH = 300, PATIENCE_MS = 4000, ALT_STACK = 64 << 10 };

static _Atomic int stop, churning;
static _Atomic uint32_t word;
static const char *_Atomic wrong; /* the first thing that was not as it should be */
static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER, recursive, checking, robust, mains;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int event, signals, share, polls, pipes[2] = { -1, -1 };
static char *page;
static __thread unsigned long mine;
static __thread int number;

static void must(bool is_so, const char *what)
{
	if (!is_so)
		atomic_store(&wrong, what);
}

/* ---- threads ---------------------------------------------------------------------------------------------------- */

struct worker {
	void (*run)(struct worker *w);
	const char *name;
	pthread_t thread;
	bool steps; /* it goes on by itself */
	_Atomic unsigned long progress;
	int tid;
};

static void in_futex(struct worker *w)
{
	(void)w;
	while (!atomic_load(&word))
		(void)syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void in_poll(struct worker *w)
{
	struct pollfd p = { .fd = -1 };

	while (!atomic_load(&stop)) {
		int r = poll(&p, 1, 20);

		must(r == 0 || (r < 0 && errno == EINTR), "poll with a timeout");
		atomic_fetch_add(&w->progress, 1);
	}
}

static void in_cond(struct worker *w)
{
	(void)w;
	pthread_mutex_lock(&plain);
	while (!atomic_load(&stop))
		must(pthread_cond_wait(&cond, &plain) == 0, "pthread_cond_wait");
	pthread_mutex_unlock(&plain);
}

static void in_timed_cond(struct worker *w)
{
	pthread_mutex_lock(&plain);
	while (!atomic_load(&stop)) {
		struct timespec t;
		int r;

		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_nsec = (t.tv_nsec + 10000000) % 1000000000;
		t.tv_sec += t.tv_nsec < 10000000;
		r = pthread_cond_timedwait(&cond, &plain, &t);
		must(r == 0 || r == ETIMEDOUT, "pthread_cond_timedwait");
		atomic_fetch_add(&w->progress, 1);
	}
	pthread_mutex_unlock(&plain);
}

/* In registers of all kinds. */
static void spins(struct worker *w)
{
	double a = 1, b = 2, c = 3, d = 4, scale = number;

	for (unsigned long i = 1; !atomic_load_explicit(&stop, memory_order_relaxed); i++) {
		for (int k = 0; k < 1000; k++) {
			a += scale, b += 2 * scale, c += 3 * scale, d += 4 * scale;
			__asm__ volatile("" : "+x"(a), "+x"(b), "+x"(c), "+x"(d));
		}
		must(a - 1 == scale * 1000 && b - 2 == 2 * (a - 1) && c - 3 == 3 * (a - 1) && d - 4 == 4 * (a - 1),
		     "floating point registers");
		a = 1, b = 2, c = 3, d = 4;
		if (i % 256 == 0) { /* others want to run, too */
			(void)usleep(300);
			errno = 1000 + number;
		}
		must(++mine == i, "thread-local storage");
		must(errno == 1000 + number, "errno");
		atomic_fetch_add(&w->progress, 1);
	}
}

/* Locks that have the thread's number in them. */
static void holds(struct worker *w)
{
	(void)w;
	pthread_mutex_lock(&recursive);
	pthread_mutex_lock(&checking);
	pthread_mutex_lock(&robust);
	atomic_store(&w->progress, 1);
	while (!atomic_load(&stop))
		(void)usleep(5000);
	must(pthread_mutex_lock(&recursive) == 0, "lock a recursive mutex again");
	must(pthread_mutex_unlock(&recursive) == 0, "unlock a recursive mutex");
	must(pthread_mutex_unlock(&recursive) == 0, "unlock a recursive mutex again");
	must(pthread_mutex_lock(&checking) == EDEADLK, "lock an error-checking mutex again");
	must(pthread_mutex_unlock(&checking) == 0, "unlock an error-checking mutex");
	/* robust is left as it is: the kernel tells who comes next */
}

static void has_signals(struct worker *w)
{
	static char stack[ALT_STACK];
	stack_t set = { .ss_sp = stack, .ss_size = sizeof(stack) }, now;
	sigset_t mask, is;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1 + number % 2);
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	sigaltstack(&set, NULL);
	while (!atomic_load(&stop)) {
		must(sigaltstack(NULL, &now) == 0 && now.ss_sp == stack && now.ss_size == sizeof(stack), "sigaltstack");
		pthread_sigmask(SIG_SETMASK, NULL, &is);
		must(sigismember(&is, SIGUSR1 + number % 2) == 1, "signal mask");
		(void)usleep(5000);
		atomic_fetch_add(&w->progress, 1);
	}
}

static void *nothing(void *arg)
{
	return arg;
}

static void churns(struct worker *w)
{
	while (!atomic_load(&stop)) {
		pthread_t t;

		if (!atomic_load(&churning)) {
			(void)usleep(2000);
		} else if (pthread_create(&t, NULL, nothing, w) == 0) {
			void *r = NULL;

			must(pthread_join(t, &r) == 0 && r == w, "join a thread");
		}
		atomic_fetch_add(&w->progress, 1);
	}
}

static struct worker workers[] = {
	{ .run = in_futex, .name = "futex" },
	{ .run = in_poll, .name = "poll", .steps = true },
	{ .run = in_cond, .name = "condition" },
	{ .run = in_timed_cond, .name = "condition and time", .steps = true },
	{ .run = spins, .name = "spinning", .steps = true },
	{ .run = spins, .name = "spinning too", .steps = true },
	{ .run = holds, .name = "locks" },
	{ .run = has_signals, .name = "signals", .steps = true },
	{ .run = churns, .name = "threads", .steps = true },
};
enum { N = sizeof(workers) / sizeof(*workers) };

static void *work(void *arg)
{
	struct worker *w = arg;

	number = (int)(w - workers) + 1;
	errno = 1000 + number;
	w->tid = gettid();
	w->run(w);
	must(w->tid == gettid(), "a thread's number");
	must(number == (int)(w - workers) + 1, "thread-local storage");
	return &w->tid;
}

/* ---- commands --------------------------------------------------------------------------------------------------- */

static const char *report(void)
{
	for (size_t i = 0; i < N; i++) {
		struct worker *w = &workers[i];
		unsigned long from = atomic_load(&w->progress);

		for (int k = 0; w->steps && atomic_load(&w->progress) < from + 2; k++) {
			if (k == PATIENCE_MS)
				return w->name;
			(void)usleep(1000);
		}
	}
	must(pthread_mutex_lock(&mains) == EDEADLK, "an error-checking mutex of the main thread");
	must(sched_getcpu() >= 0, "sched_getcpu");
	must(strcmp(page, "kept") == 0, "memory that was not to be in a copy");
	return atomic_load(&wrong) ? atomic_load(&wrong) : "ok";
}

static const char *finish(void)
{
	pthread_mutex_lock(&plain);
	atomic_store(&stop, 1);
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&plain);
	atomic_store(&word, 1);
	(void)syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0);
	for (size_t i = 0; i < N; i++) {
		struct timespec t;
		void *r = NULL;

		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_sec += 3;
		if (pthread_timedjoin_np(workers[i].thread, &r, &t) != 0)
			return workers[i].name;
		must(r == &workers[i].tid, "what a thread returns");
	}
	must(pthread_mutex_lock(&robust) == EOWNERDEAD, "a robust mutex");
	must(pthread_mutex_unlock(&mains) == 0, "unlock the main thread's mutex");
	return atomic_load(&wrong) ? atomic_load(&wrong) : "ok";
}

static const char *drain(void)
{
	eventfd_t v;

	return eventfd_read(event, &v) == 0 ? "ok" : strerror(errno);
}

static const char *raise_event(void)
{
	return eventfd_write(event, 1) == 0 ? "ok" : strerror(errno);
}

static const char *hear(void)
{
	static char text[256];
	char path[48];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", signals);
	f = fopen(path, "re");
	while (f && fgets(text, sizeof(text), f))
		if (strncmp(text, "sigmask:", 8) == 0)
			break;
	if (f)
		fclose(f);
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static const char *deafen(void)
{
	sigset_t none;

	sigemptyset(&none);
	return signalfd(signals, &none, 0) == signals ? "ok" : strerror(errno);
}

static const char *look_around(void)
{
	static char text[256];
	bool seen[2] = { false, false };
	const struct dirent *e;
	DIR *d = opendir("/");

	text[0] = '\0';
	while (d && (e = readdir(d))) {
		seen[0] = seen[0] || strcmp(e->d_name, "proc") == 0;
		seen[1] = seen[1] || strcmp(e->d_name, "share") == 0;
		if (e->d_name[0] != '.' && strcmp(e->d_name, "proc") != 0 && strcmp(e->d_name, "share") != 0)
			snprintf(text, sizeof(text), "%.200s", e->d_name);
	}
	if (d)
		closedir(d);
	return text[0] ? text : seen[0] && seen[1] ? "ok" : "nothing";
}

static const char *marker(void)
{
	static char text[64];
	int fd = openat(share, "marker", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

/* By the name that QEMU calls. */
static const char *draw(void)
{
	int (*rnd)(int level, void *data, size_t len);
	void *found = dlsym(RTLD_DEFAULT, "gnutls_rnd");
	static char text[40];
	unsigned char b[16];

	memcpy(&rnd, &found, sizeof(rnd));
	if (!rnd || rnd(0, b, sizeof(b)) != 0)
		return "none";
	for (size_t i = 0; i < sizeof(b); i++)
		snprintf(text + 2 * i, 3, "%02x", b[i]);
	return text;
}

static const char *make_pipe(void)
{
	return pipe2(pipes, O_CLOEXEC) == 0 ? "ok" : strerror(errno);
}

static const char *close_pipe(void)
{
	close(pipes[0]);
	close(pipes[1]);
	return "ok";
}

static const char *watch(void)
{
	struct epoll_event e = { .events = EPOLLIN };

	return epoll_ctl(polls, EPOLL_CTL_ADD, event, &e) == 0 ? "ok" : strerror(errno);
}

static const char *unwatch(void)
{
	return epoll_ctl(polls, EPOLL_CTL_DEL, event, NULL) == 0 ? "ok" : strerror(errno);
}

static const char *churn(void)
{
	atomic_fetch_xor(&churning, 1);
	return "ok";
}

static const char *who(void)
{
	static char text[32];

	snprintf(text, sizeof(text), "%d", (int)getpid());
	return text;
}

/* What may not be done: who is asked for the second kind does not answer. */
static const char *do_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? strerror(errno) : "ok";
}

static const char *do_clone3(void)
{
	return syscall(SYS_clone3, NULL, 0) < 0 ? strerror(errno) : "ok";
}

static const char *do_fork(void)
{
	if (fork() == 0)
		_exit(0);
	return "forked";
}

static const char *do_execve(void)
{
	char *const argv[] = { NULL };

	(void)execve("/share/nothing", argv, argv);
	return "tried";
}

static const char *do_x32(void)
{
	(void)syscall(0x40000000 | SYS_getpid);
	return "tried";
}

static const char *do_unshare(void)
{
	(void)unshare(CLONE_NEWUSER);
	return "tried";
}

static const struct {
	const char *name;
	const char *(*run)(void);
} commands[] = {
	{ "report", report },    { "finish", finish },    { "drain", drain },           { "raise", raise_event },
	{ "hear", hear },        { "deafen", deafen },    { "look", look_around },      { "marker", marker },
	{ "draw", draw },        { "pipe", make_pipe },   { "close pipe", close_pipe }, { "churn", churn },
	{ "who", who },          { "socket", do_socket }, { "clone3", do_clone3 },      { "fork", do_fork },
	{ "execve", do_execve }, { "x32", do_x32 },       { "unshare", do_unshare },    { "watch", watch },
	{ "unwatch", unwatch },
};

static void obey(void)
{
	const char *says = "what?";
	char text[64];
	ssize_t n = recv(COMMANDS, text, sizeof(text) - 1, 0);

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0)
		exit(0);
	text[n] = '\0';
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (strcmp(text, commands[i].name) == 0)
			says = commands[i].run();
	(void)send(COMMANDS, says, strlen(says), MSG_NOSIGNAL);
}

/* ---- begin ------------------------------------------------------------------------------------------------------ */

static void make_mutex(pthread_mutex_t *m, int type, int robustness)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, type);
	pthread_mutexattr_setrobust(&a, robustness);
	pthread_mutex_init(m, &a);
}

int main(void)
{
	sigset_t one;
	int low;

	make_mutex(&recursive, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED);
	make_mutex(&checking, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED);
	make_mutex(&mains, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED);
	make_mutex(&robust, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_lock(&mains);
	low = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	event = fcntl(low, F_DUPFD_CLOEXEC, HIGH);
	close(low);
	sigemptyset(&one);
	sigaddset(&one, SIGHUP);
	signals = signalfd(-1, &one, SFD_NONBLOCK | SFD_CLOEXEC);
	polls = epoll_create1(EPOLL_CLOEXEC);
	share = open("/share", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (event < 0 || signals < 0 || share < 0 || polls < 0 || page == MAP_FAILED)
		return 1;
	memcpy(page, "kept", sizeof("kept"));
	(void)madvise(page, 4096, MADV_DONTFORK);
	for (size_t i = 0; i < N; i++)
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
			return 1;
	while (!atomic_load(&workers[6].progress)) /* has its locks */
		(void)usleep(1000);
	for (;;)
		obey();
}
