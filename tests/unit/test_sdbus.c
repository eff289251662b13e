/* SPDX-License-Identifier: Apache-2.0 */
/*
 * joey-sd-bus and joey's side of it against a systemd that misbehaves (tests/integration/tools/fake_systemd.c), and
 * against helper programs that do: whatever happens, the caller has an error in words within its time.
 */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cgroups/systemd-internal.h"
#include "joey/syscalls.h"

struct fake {
	char dir[64], socket[96], log[96], address[128];
	pid_t pid;
	struct cgroup_sd_client c;
};

static const char *build_dir(void)
{
	const char *dir = getenv("JOEY_BUILDDIR");

	return dir ? dir : ".";
}

static int open_built(const char *name)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", build_dir(), name);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		fail_msg("%s is not there", path);
	return fd;
}

static void start(struct fake *f, const char *mode, const char *ms, unsigned timeout_ms)
{
	char program[4096];

	memset(f, 0, sizeof(*f));
	strcpy(f->dir, "/tmp/joey-sdbus-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->socket, sizeof(f->socket), "%s/bus", f->dir);
	snprintf(f->log, sizeof(f->log), "%s/log", f->dir);
	snprintf(f->address, sizeof(f->address), "unix:path=%s", f->socket);
	snprintf(program, sizeof(program), "%s/tests/fake_systemd", build_dir());
	f->pid = fork();
	if (f->pid == 0) {
		execl(program, program, f->socket, f->log, mode, ms, "", "/foreign", NULL);
		_exit(127);
	}
	for (int i = 0; i < 500 && access(f->socket, F_OK) < 0; i++)
		usleep(10000);
	f->c = (struct cgroup_sd_client)CGROUP_SD_CLIENT_INIT;
	f->c.address = f->address;
	f->c.timeout_ms = timeout_ms;
	f->c.program_fd = open_built("joey-sd-bus");
}

static void stop(struct fake *f)
{
	cgroup_sd_client_done(&f->c);
	joey_close(f->c.program_fd);
	(void)kill(f->pid, SIGKILL);
	(void)joey_wait_pid(f->pid, NULL);
	(void)unlink(f->socket);
	(void)unlink(f->log);
	(void)rmdir(f->dir);
}

static int ask(struct fake *f, const char *request, char **ret, struct joey_err *err)
{
	int r = cgroup_sd_client_start(&f->c, false, 0, err);

	return r < 0 ? r : cgroup_sd_client_ask(&f->c, request, strlen(request), ret, err);
}

#define START                                                                                       \
	"start jt-1.scope\nDescription='x'\nSlice='jt.slice'\nPIDs=[uint32 0]\nTasksMax=uint64 7\n" \
	"DeviceAllow=[('/dev/null', 'rwm')]\nAllowedCPUs=[byte 0x03]\nDelegate=true\n"

/* The fake answers first and writes its log then. */
static bool log_has(const struct fake *f, const char *text)
{
	for (int i = 0; i < 200; i++) {
		autofree char *log = NULL;

		if (joey_read_file_at(AT_FDCWD, f->log, 0, 1 << 20, &log, NULL) == 0 && strstr(log, text))
			return true;
		usleep(10000);
	}
	return false;
}

static void good(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autofree char *said = NULL;
	struct fake f;

	(void)state;
	start(&f, "good", "50", 10000);
	if (ask(&f, START, &said, &err) < 0)
		fail_msg("%s", joey_err_text(&err));
	assert_string_equal(said, "/jt.slice/jt-1.scope");
	assert_true(log_has(&f, "StartTransientUnit jt-1.scope Description:s Slice:s=jt.slice PIDs:au TasksMax:t=7 "
				"DeviceAllow:a(ss) AllowedCPUs:ay Delegate:b\n"));
	assert_int_equal(ask(&f, "set jt-1.scope\nMemoryMax=uint64 5\n", NULL, &err), 0);
	assert_true(log_has(&f, "SetUnitProperties jt-1.scope MemoryMax:t=5\n"));
	assert_int_equal(ask(&f, "stop jt-1.scope", NULL, &err), 0);
	free(said);
	said = NULL;
	assert_int_equal(ask(&f, "where", &said, &err), 0);
	assert_string_equal(said, "/fake-manager");
	stop(&f);
}

static void unit_exists(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autofree char *said = NULL;
	struct fake f;

	(void)state;
	start(&f, "exists", "0", 10000);
	assert_int_equal(ask(&f, START, &said, &err), 0);
	assert_true(log_has(&f, "ResetFailedUnit"));
	stop(&f);
	start(&f, "occupied", "0", 10000);
	assert_true(ask(&f, START, &said, &err) < 0);
	assert_non_null(strstr(joey_err_text(&err), "already exists"));
	stop(&f);
}

/* Every way of going wrong: an error with these words, in this time. */
static void bad_bus(void **state)
{
	static const struct {
		const char *mode, *ms, *words;
	} rows[] = {
		{ "mute", "0", "no answer" },
		{ "silent", "0", "no answer" },
		{ "drop", "0", "StartTransientUnit" },
		{ "dropjob", "60000", "StartTransientUnit" },
		{ "wrongjob", "0", "no answer" },
		{ "failed", "0", "the job ended as \"failed\"" },
		{ "denied", "0", "no, not you" },
		{ "good", "60000", "no answer" },
		{ "garbage", "0", "" },
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;
		autofree char *said = NULL;
		uint64_t began;
		struct fake f;

		start(&f, rows[i].mode, rows[i].ms, 1500);
		began = joey_now_ms();
		assert_true(ask(&f, START, &said, &err) < 0);
		if (joey_now_ms() - began > 2500 || !strstr(joey_err_text(&err), rows[i].words))
			fail_msg("%s: %s", rows[i].mode, joey_err_text(&err));
		assert_null(said);
		/* nobody waits for a late answer */
		assert_int_equal(f.c.pid, 0);
		stop(&f);
	}
}

/* The helper's own patience: it can tell what it waits for. */
static void helper_gives_up(void **state)
{
	static const char request[] = START;
	char path[4096], reply[1024] = "";
	int socks[2];
	struct fake f;
	pid_t pid;
	ssize_t n;

	(void)state;
	start(&f, "wrongjob", "0", 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
	snprintf(path, sizeof(path), "%s/joey-sd-bus", build_dir());
	pid = fork();
	if (pid == 0) {
		dup2(socks[1], 0);
		execl(path, path, "--address", f.address, "--timeout-ms", "300", "system", NULL);
		_exit(127);
	}
	joey_close(socks[1]);
	assert_int_equal(send(socks[0], request, strlen(request), 0), strlen(request));
	n = recv(socks[0], reply, sizeof(reply) - 1, 0);
	assert_true(n > 0);
	assert_non_null(strstr(reply, "error 110 StartTransientUnit jt-1.scope: systemd did not end the job "
				      "/org/freedesktop/systemd1/job/7 within 300 ms"));
	joey_close(socks[0]);
	assert_int_equal(joey_wait_pid(pid, NULL), 0); /* it ends with its socket */
	stop(&f);
}

static void bad_requests(void **state)
{
	static const char *const rows[] = {
		"", "start", "jump x", "start a.scope\nMemoryMax", "start a.scope\nMemoryMax=oops", "stop",
	};

	(void)state;
	for (size_t i = 1; i < JOEY_ARRAY_SIZE(rows); i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;
		struct fake f;

		start(&f, "good", "0", 3000);
		assert_true(ask(&f, rows[i], NULL, &err) < 0);
		assert_int_not_equal(err.kind, JOEY_EK_TIMEOUT);
		stop(&f);
	}
}

/* A helper that dies, that never reads, that is none at all. */
static void bad_helper(void **state)
{
	static const struct {
		const char *program, *words;
	} rows[] = {
		{ "/bin/true", "ended without an answer" },
		{ "/bin/cat", "" }, /* echoes the request */
		{ "/etc/passwd", "ended without an answer" },
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		struct cgroup_sd_client c = CGROUP_SD_CLIENT_INIT;
		autoerr struct joey_err err = JOEY_ERR_INIT;

		c.program_fd = open(rows[i].program, O_PATH | O_CLOEXEC);
		c.timeout_ms = 1000;
		assert_int_equal(cgroup_sd_client_start(&c, false, 0, &err), 0);
		assert_true(cgroup_sd_client_ask(&c, "where", 5, NULL, &err) < 0);
		assert_non_null(strstr(joey_err_text(&err), rows[i].words));
		assert_int_equal(c.pid, 0);
		cgroup_sd_client_done(&c);
		joey_close(c.program_fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),         cmocka_unit_test(unit_exists),
		cmocka_unit_test(bad_bus),      cmocka_unit_test(helper_gives_up),
		cmocka_unit_test(bad_requests), cmocka_unit_test(bad_helper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
