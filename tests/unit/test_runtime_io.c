/* SPDX-License-Identifier: Apache-2.0 */
/* src/runtime: foreground run, inherited descriptors, the notify socket. */
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "joey/syscalls.h"
#include "runtime/runtime-internal.h"
#include "runtime_fixture.h"

static void test_run_exit_codes(void **state)
{
	static const struct {
		int status, code;
	} cases[] = { { 0, 0 }, { 7, 7 }, { 255, 255 }, { -SIGKILL, 137 }, { -SIGTERM, 143 } };
	struct fixture *f = *state;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(cases); i++) {
		int code = -1;

		fake_reset();
		fake.run_exits = true;
		fake.exit_status = cases[i].status;
		assert_ok(f, joey_rt_run(&f->rt, &f->o, &code, &f->err));
		assert_int_equal(code, cases[i].code);
		assert_string_equal(fake_trace(), "create-run save save wait destroy");
		assert_false(fixture_exists(f, "c1"));
	}
}

static void test_run_keep(void **state)
{
	struct fixture *f = *state;
	int code = -1;

	fake.run_exits = true;
	fake.exit_status = 3;
	f->o.keep = true;
	assert_ok(f, joey_rt_run(&f->rt, &f->o, &code, &f->err));
	assert_int_equal(code, 3);
	assert_int_equal(fixture_status(f, "c1"), JOEY_ST_STOPPED);
	assert_ok(f, joey_rt_delete(&f->rt, "c1", false, &f->err));
}

static void test_run_detach(void **state)
{
	struct fixture *f = *state;
	autofree char *text = NULL;
	char want[16];
	int code = -1;

	f->o.detach = true;
	f->o.pid_file = f->pid_file;
	assert_ok(f, joey_rt_run(&f->rt, &f->o, &code, &f->err));
	assert_int_equal(code, 0);
	assert_int_equal(fixture_status(f, "c1"), JOEY_ST_RUNNING);
	assert_int_equal(joey_read_file_at(AT_FDCWD, f->pid_file, 0, 100, &text, NULL), 0);
	snprintf(want, sizeof(want), "%d", (int)fake.pid);
	assert_string_equal(text, want);
	assert_ok(f, joey_rt_delete(&f->rt, "c1", true, &f->err));
}

static void test_run_failures(void **state)
{
	struct fixture *f = *state;
	int code = -1;

	fixture_config(f, false, "{\"poststart\":[{\"path\":\"/p\"}],\"poststop\":[{\"path\":\"/p\"}]}");
	fake.fail_hook = "poststart";
	assert_error(f, joey_rt_run(&f->rt, &f->o, &code, &f->err), "poststart hook #0");
	assert_string_equal(fake_trace(), "create-run save save hook:poststart destroy hook:poststop");
	assert_false(fixture_exists(f, "c1"));
	assert_int_equal(code, -1);
}

/* Signals are passed on; those that are joey's own are not; the mask is as before. */
static void test_run_forwards(void **state)
{
	struct fixture *f = *state;
	unsigned long before = 0, after = ~0UL; /* the kernel's sigset_t; glibc's is longer */
	int code = -1;
	pid_t pid;

	assert_int_equal(syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &before, sizeof(before)), 0);
	pid = fork();
	if (pid == 0) {
		static const int sigs[] = { SIGURG, SIGWINCH, SIGCHLD, SIGUSR1 };

		for (size_t i = 0; i < JOEY_ARRAY_SIZE(sigs); i++) {
			usleep(100000);
			(void)kill(getppid(), sigs[i]);
		}
		_exit(0);
	}
	assert_ok(f, joey_rt_run(&f->rt, &f->o, &code, &f->err));
	assert_int_equal(code, 128 + SIGUSR1);
	assert_non_null(strstr(fake_trace(), "save signal:10 wait"));
	assert_int_equal(syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &after, sizeof(after)), 0);
	assert_int_equal(before, after);
	(void)waitpid(pid, NULL, 0);
}

/* Orphans are reaped on the way, and do not end the run. */
static void test_run_reaps(void **state)
{
	struct fixture *f = *state;
	int code = -1;
	pid_t pid;

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL), 0);
	pid = fork();
	if (pid == 0) {
		if (fork() == 0) {
			usleep(30000);
			_exit(5); /* ours by then */
		}
		_exit(0);
	}
	fake.run_exits = true;
	fake.exit_status = 4;
	assert_ok(f, joey_rt_run(&f->rt, &f->o, &code, &f->err));
	assert_int_equal(code, 4);
	usleep(50000);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* ---- inherited descriptors ------------------------------------------------------------------------------------ */

static int in_child(void (*fn)(struct fixture *), struct fixture *f)
{
	int wstatus = -1;
	pid_t pid = fork();

	if (pid == 0) {
		(void)joey_sys_close_range(3, ~0U, 0);
		fn(f);
		_exit(0);
	}
	(void)waitpid(pid, &wstatus, 0);
	return wstatus;
}

#define child_assert(x)                                                                                   \
	do {                                                                                              \
		if (!(x)) {                                                                               \
			fprintf(stderr, "# line %d: %s: %s | %s\n", __LINE__, #x, joey_err_text(&f->err), \
				fake.last_env);                                                           \
			_exit(1);                                                                         \
		}                                                                                         \
	} while (0)

static void set_listen(int pid, int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	setenv("LISTEN_PID", text, 1);
	snprintf(text, sizeof(text), "%d", n);
	setenv("LISTEN_FDS", text, 1);
}

static void child_preserve(struct fixture *f)
{
	child_assert(dup2(0, 3) == 3);
	f->o.preserve_fds = 1;
	child_assert(joey_rt_create(&f->rt, &f->o, &f->err) == 0);
	child_assert(fake.last_preserve == 1);
	child_assert(fcntl(3, F_GETFD) == 0); /* not touched */
	child_assert(!strstr(fake.last_env, "LISTEN"));
	child_assert(joey_rt_delete(&f->rt, "c1", true, &f->err) == 0);
}

static void child_preserve_missing(struct fixture *f)
{
	child_assert(dup2(0, 3) == 3);
	child_assert(dup2(0, 5) == 5);
	f->o.preserve_fds = 3;
	child_assert(joey_rt_create(&f->rt, &f->o, &f->err) < 0);
	child_assert(strstr(joey_err_text(&f->err), "unable to stat preserved-fd 4 (of 3): bad file descriptor"));
	child_assert(!fixture_exists(f, "c1"));
}

static void child_listen(struct fixture *f)
{
	child_assert(dup2(0, 3) == 3 && dup2(0, 4) == 4 && dup2(0, 5) == 5);
	set_listen(getpid(), 2);
	f->o.preserve_fds = 1;
	child_assert(joey_rt_create(&f->rt, &f->o, &f->err) == 0);
	child_assert(fake.last_preserve == 3);
	child_assert(strstr(fake.last_env, "LISTEN_FDS=2 LISTEN_PID=1 "));
	child_assert(joey_rt_delete(&f->rt, "c1", true, &f->err) == 0);
}

static void child_listen_other(struct fixture *f)
{
	child_assert(dup2(0, 3) == 3);
	set_listen(getpid() + 1, 1);
	child_assert(joey_rt_create(&f->rt, &f->o, &f->err) == 0);
	child_assert(fake.last_preserve == 0);
	child_assert(!strstr(fake.last_env, "LISTEN"));
	child_assert(joey_rt_delete(&f->rt, "c1", true, &f->err) == 0);
}

/* Others' leftovers do not get into hooks or payloads. */
static void child_cloexec(struct fixture *f)
{
	child_assert(dup2(0, 3) == 3 && dup2(0, 50) == 50);
	f->o.preserve_fds = 1;
	child_assert(joey_rt_create(&f->rt, &f->o, &f->err) == 0);
	child_assert(fcntl(50, F_GETFD) == FD_CLOEXEC);
	child_assert(joey_rt_delete(&f->rt, "c1", true, &f->err) == 0);
}

static void test_inherit(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(in_child(child_preserve, f), 0);
	assert_int_equal(in_child(child_preserve_missing, f), 0);
	assert_int_equal(in_child(child_listen, f), 0);
	assert_int_equal(in_child(child_listen_other, f), 0);
	assert_int_equal(in_child(child_cloexec, f), 0);
}

/* Podman: LISTEN_FDS is in process.env already, and --preserve-fds counts the same descriptors. */
static void test_inherit_podman(void **state)
{
	char *env[] = { strdup("A=b"), strdup("LISTEN_FDS=2"), strdup("LISTEN_PID=1"), NULL };
	struct rt_inherit in = { .preserve = 2, .listen = 2, .open = 2 };
	struct joey_process p = { .env = { env, 3 } };
	struct joey_config config = { .process = &p };
	unsigned total = 0;

	(void)state;
	assert_int_equal(rt_inherit_apply(&in, &config, &total, NULL), 0);
	assert_int_equal(total, 2);
	assert_int_equal(p.env.n, 3);
	in.preserve = 0;
	assert_int_equal(rt_inherit_apply(&in, &config, &total, NULL), 0);
	assert_int_equal(total, 2);
	in.preserve = 3;
	assert_int_equal(rt_inherit_apply(&in, &config, &total, NULL), -EBADF);
	for (size_t i = 0; i < 3; i++)
		free(env[i]);
}

static void test_env_set(void **state)
{
	char *env[] = { strdup("A=b"), strdup("NAME=old"), NULL };
	struct joey_process p = { .env = { env, 2 } };
	struct joey_config config = { .process = &p };
	char *kept = env[1];

	(void)state;
	assert_int_equal(rt_env_set(&config, "NAME", "new"), 0);
	assert_int_equal(p.env.n, 2);
	assert_string_equal(p.env.v[1], "NAME=new");
	assert_int_equal(rt_env_set(&config, "NAM", "x"), 0);
	assert_int_equal(p.env.n, 3);
	assert_string_equal(p.env.v[2], "NAM=x");
	assert_null(p.env.v[3]);
	free(env[0]);
	free(kept);
	joey_arena_done(&config.arena);
}

/* ---- notify ------------------------------------------------------------------------------------------------------ */

static int host_socket(const struct fixture *f, char *path, size_t size)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(path, size, "%s/host.sock", f->dir);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/host.sock", f->dir);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* What a payload would send, to the socket in the state directory. */
static pid_t payload_says(const struct fixture *f, const char *const *texts)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	pid_t pid = fork();
	int fd;

	if (pid != 0)
		return pid;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/c1/notify/notify.sock", f->root);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (int i = 0; i < 500 && connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0; i++)
		usleep(10000);
	for (; *texts; texts++)
		if (send(fd, *texts, strlen(*texts), 0) < 0)
			_exit(1);
	_exit(0);
}

/* The manager: reads all messages, closes the barrier's descriptor; exit 0 if they are as wanted. */
static pid_t manager(int sock, const char *ready, pid_t payload)
{
	pid_t pid = fork();
	char want[64], text[256];
	size_t n_fds = 0;
	ssize_t n;
	int fd;

	if (pid != 0)
		return pid;
	alarm(10);
	n = recv(sock, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	if (strcmp(text, ready) != 0)
		_exit(1);
	n = recv(sock, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	snprintf(want, sizeof(want), "MAINPID=%d", (int)payload);
	if (payload > 0 ? strcmp(text, want) != 0 : strncmp(text, "MAINPID=", 8) != 0)
		_exit(2);
	n = joey_recv_fds(sock, text, sizeof(text) - 1, &fd, 1, &n_fds, 0);
	text[n > 0 ? n : 0] = '\0';
	_exit(strcmp(text, "BARRIER=1") == 0 && n_fds == 1 ? 0 : 3);
}

static void reap_ok(pid_t pid)
{
	int wstatus = -1;

	assert_int_equal(waitpid(pid, &wstatus, 0), pid);
	assert_int_equal(wstatus, 0);
}

static void test_notify_start(void **state)
{
	static const char *const texts[] = { "STATUS=hello\nMAINPID=1", "X=1\nREADY=1\nSTATUS=evil", NULL };
	struct fixture *f = *state;
	char path[128];
	int sock = host_socket(f, path, sizeof(path));
	pid_t sender, reader;

	setenv("NOTIFY_SOCKET", path, 1);
	assert_ok(f, joey_rt_create(&f->rt, &f->o, &f->err));
	assert_non_null(strstr(fake.last_env, "NOTIFY_SOCKET=/run/notify/notify.sock "));
	sender = payload_says(f, texts);
	reader = manager(sock, "READY=1", fake.pid);
	assert_ok(f, joey_rt_start(&f->rt, "c1", &f->err));
	reap_ok(sender);
	reap_ok(reader);
	unsetenv("NOTIFY_SOCKET");
	close(sock);
	assert_ok(f, joey_rt_delete(&f->rt, "c1", true, &f->err));
	assert_false(fixture_exists(f, "c1"));
}

/* A payload that dies without READY ends the wait; foreground run relays, too. */
static void test_notify_run(void **state)
{
	static const char *const texts[] = { "READY=1", NULL };
	struct fixture *f = *state;
	char path[128];
	int sock = host_socket(f, path, sizeof(path)), code = -1;
	pid_t sender, reader;

	setenv("NOTIFY_SOCKET", path, 1);
	fake.run_exits = true;
	f->o.detach = true;
	assert_ok(f, joey_rt_run(&f->rt, &f->o, &code, &f->err));
	assert_ok(f, joey_rt_delete(&f->rt, "c1", true, &f->err));
	fake_reset();

	f->o.detach = false;
	sender = payload_says(f, texts);
	reader = manager(sock, "READY=1", 0);
	if (fork() == 0) {
		usleep(400000);
		_exit(kill(getppid(), SIGTERM) < 0);
	}
	assert_ok(f, joey_rt_run(&f->rt, &f->o, &code, &f->err));
	assert_int_equal(code, 128 + SIGTERM);
	unsetenv("NOTIFY_SOCKET");
	close(sock);
	/* run reaps every child, as a subreaper does: status of the helpers may be gone */
	(void)waitpid(sender, NULL, 0);
	(void)waitpid(reader, NULL, 0);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_fixture(test_run_exit_codes), test_with_fixture(test_run_keep),
		test_with_fixture(test_run_detach),     test_with_fixture(test_run_failures),
		test_with_fixture(test_run_forwards),   test_with_fixture(test_run_reaps),
		test_with_fixture(test_inherit),        cmocka_unit_test(test_inherit_podman),
		cmocka_unit_test(test_env_set),         test_with_fixture(test_notify_start),
		test_with_fixture(test_notify_run),
	};

	return cmocka_run_group_tests_name("runtime io", tests, NULL, NULL);
}
