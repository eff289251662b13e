/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks: what they get, what they may do to joey, what joey says about it. */
#include "process_fixture.h"

#include <dirent.h>
#include <sys/prctl.h>
#include <time.h>

#include "joey/log.h"

static char sh[] = "/bin/sh", dash_c[] = "-c", argv0[] = "hook-name";
static const char *const STATE = "{\"ociVersion\":\"1.3.0\",\"id\":\"x\",\"status\":\"creating\"}";

static int run_one(struct joey_hook *hook, enum joey_hook_kind kind, const char *state, char *const *default_env,
		   int dir_fd, struct joey_err *err)
{
	struct joey_config config;

	memset(&config, 0, sizeof(config));
	config.hooks[kind] = (struct joey_hooks){ hook, 1 };
	return joey_hooks_run(&config, kind, state, default_env, dir_fd, err);
}

/* Runs a shell script as a hook. */
static int run_script(const char *script, uint32_t timeout, char *const *default_env, struct joey_err *err)
{
	char *text = strdup(script), *args[] = { argv0, dash_c, text, NULL };
	struct joey_hook hook = { .path = sh, .args = { args, 3 }, .timeout = timeout };
	int r = run_one(&hook, JOEY_HOOK_CREATE_RUNTIME, STATE, default_env, -EBADF, err);

	free(text);
	return r;
}

static unsigned n_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void must(const char *script)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;

	if (run_script(script, 20, NULL, &err) < 0)
		fail_msg("%s: %s", script, joey_err_text(&err));
}

static void test_gets_state(void **state)
{
	(void)state;
	must("test \"$(cat)\" = '{\"ociVersion\":\"1.3.0\",\"id\":\"x\",\"status\":\"creating\"}'");
	/* stdin can be opened again by name */
	must("test \"$(cat /dev/stdin)\" = '{\"ociVersion\":\"1.3.0\",\"id\":\"x\",\"status\":\"creating\"}'");
	must("test \"$0\" = /bin/sh || test \"$(cat /proc/$$/cmdline | tr '\\0' ' ' | cut -d' ' -f1)\" = hook-name");
}

static void test_never_reads(void **state)
{
	autofree char *big = malloc(3 << 20);
	char *args[] = { argv0, dash_c, NULL, NULL }, script[] = "exec 0<&-; exit 0",
	     count[] = "test $(wc -c) = 3145727";
	struct joey_hook hook = { .path = sh, .args = { args, 3 }, .timeout = 20 };

	(void)state;
	assert_non_null(big);
	memset(big, ' ', 3 << 20);
	big[(3 << 20) - 1] = '\0';
	args[2] = script;
	assert_int_equal(run_one(&hook, JOEY_HOOK_POSTSTART, big, NULL, -EBADF, NULL), 0);
	args[2] = count;
	assert_int_equal(run_one(&hook, JOEY_HOOK_POSTSTART, big, NULL, -EBADF, NULL), 0);
}

static void test_failure_text(void **state)
{
	static const struct {
		const char *script, *want;
	} cases[] = {
		{ "exit 1", "error running createRuntime hook #0: exit status 1, stdout: , stderr: " },
		{ "echo out; echo err >&2; exit 7",
		  "error running createRuntime hook #0: exit status 7, stdout: out, stderr: err" },
		{ "printf 'a\\nb\\033[1mc\\n\\n'; exit 2",
		  "error running createRuntime hook #0: exit status 2, stdout: a b [1mc, stderr: " },
		{ "kill -9 $$", "error running createRuntime hook #0: signal: 9, stdout: , stderr: " },
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(cases); i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;

		assert_true(run_script(cases[i].script, 0, NULL, &err) < 0);
		assert_string_equal(joey_err_text(&err), cases[i].want);
	}
}

static void test_cannot_execute(void **state)
{
	static char nope[] = "/nonexistent/hook", dir[] = "/tmp";
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_hook hook = { .path = nope };

	(void)state;
	assert_int_equal(run_one(&hook, JOEY_HOOK_PRESTART, STATE, NULL, -EBADF, &err), -ENOENT);
	assert_string_equal(joey_err_text(&err), "error running prestart hook #0: fork/exec /nonexistent/hook: "
						 "no such file or directory");
	joey_err_clear(&err);
	hook.path = dir;
	assert_int_equal(run_one(&hook, JOEY_HOOK_PRESTART, STATE, NULL, -EBADF, &err), -EACCES);
	assert_string_equal(joey_err_text(&err), "error running prestart hook #0: fork/exec /tmp: permission denied");
}

static void test_timeout(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	uint64_t start = joey_now_ms();

	(void)state;
	/* children in the group die with it; they hold the pipes */
	assert_true(run_script("sleep 600 & sleep 600", 1, NULL, &err) < 0);
	assert_string_equal(joey_err_text(&err),
			    "error running createRuntime hook #0: hook ran past specified timeout of 1.0s");
	assert_int_equal(err.kind, JOEY_EK_TIMEOUT);
	assert_true(joey_now_ms() - start < 8000);
}

static void test_daemon_holds_pipes(void **state)
{
	char path[] = "/tmp/joey-unit-daemon.XXXXXX", script[256], *text = NULL;
	uint64_t start = joey_now_ms();
	uint32_t pid;
	int fd = mkstemp(path);
	size_t len;

	(void)state;
	assert_true(fd >= 0);
	snprintf(script, sizeof(script), "setsid sleep 600 & echo -n $! > %s; echo done", path);
	must(script);
	assert_true(joey_now_ms() - start < 8000);
	/* the daemon was left alone */
	assert_int_equal(joey_read_fd(fd, 100, &text, &len), 0);
	assert_int_equal(joey_parse_u32(text, &pid), 0);
	assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
	free(text);
	joey_close(fd);
	unlink(path);
}

static void test_floods_output(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;

	(void)state;
	must("head -c 20000000 /dev/zero; head -c 20000000 /dev/zero >&2");
	assert_true(run_script("head -c 1000000 /dev/zero | tr '\\0' x; exit 1", 0, NULL, &err) < 0);
	assert_true(strlen(joey_err_text(&err)) < 20000);
}

static void test_environment(void **state)
{
	static char one[] = "ONE=1", *env[] = { one, NULL }, *def[] = { one, NULL };
	static char script[] = "test \"$(env | grep -v '^\\(PWD\\|_\\|SHLVL\\)=')\" = ONE=1",
		    bare[] = "test -z \"$(env | grep -v '^\\(PWD\\|_\\|SHLVL\\)=')\"";
	char *args[] = { argv0, dash_c, script, NULL };
	struct joey_hook hook = { .path = sh, .args = { args, 3 }, .env = { env, 1 }, .has_env = true };
	static char path[] = "LD_PRELOAD=/evil", *evil[] = { path, NULL };
	autoerr struct joey_err err = JOEY_ERR_INIT;

	(void)state;
	assert_int_equal(setenv("JOEY_LEAK", "1", 1), 0);
	if (run_one(&hook, JOEY_HOOK_PRESTART, STATE, evil, -EBADF, &err) < 0)
		fail_msg("%s", joey_err_text(&err));
	hook.has_env = false;
	assert_int_equal(run_one(&hook, JOEY_HOOK_PRESTART, STATE, def, -EBADF, NULL), 0);
	args[2] = bare;
	assert_int_equal(run_one(&hook, JOEY_HOOK_PRESTART, STATE, NULL, -EBADF, NULL), 0);
	hook.has_env = true;
	hook.env = (struct joey_strlist){ NULL, 0 };
	assert_int_equal(run_one(&hook, JOEY_HOOK_PRESTART, STATE, NULL, -EBADF, NULL), 0);
}

static void test_no_descriptors(void **state)
{
	unsigned before = n_fds();
	int leak = open("/tmp", O_RDONLY | O_DIRECTORY), high = fcntl(leak, F_DUPFD, 200);

	(void)state;
	must("for f in /proc/$$/fd/*; do case ${f##*/} in [012]|10|255) ;; *) test -e $f && exit 1;; esac; done; exit "
	     "0");
	close(leak);
	close(high);
	assert_int_equal(n_fds(), before);
}

static void test_closed_stdio(void *arg)
{
	struct joey_err err = JOEY_ERR_INIT;

	(void)arg;
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	if (run_script("test \"$(cat)\" && echo text && echo more >&2", 5, NULL, &err) < 0)
		_exit(3);
	if (run_script("echo -n text; exit 1", 5, NULL, &err) == 0 || !strstr(joey_err_text(&err), "stdout: text,"))
		_exit(4);
}

static void test_without_stdio(void **state)
{
	(void)state;
	in_child(test_closed_stdio, NULL);
}

static void test_cwd_and_signals(void **state)
{
	static char script[] = "test \"$(pwd)\" = /usr || exit 1\n"
			       "grep -q '^SigBlk:.0*$' /proc/self/status || exit 2\n"
			       "test $((0x$(grep '^SigIgn:' /proc/self/status | cut -f2) & 0x1000)) = 0 || exit 3";
	char *args[] = { argv0, dash_c, script, NULL };
	struct joey_hook hook = { .path = sh, .args = { args, 3 }, .timeout = 10 };
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autoclose int dir = open("/usr", O_PATH | O_DIRECTORY | O_CLOEXEC);
	sigset_t all, old;
	int r;

	(void)state;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	signal(SIGPIPE, SIG_IGN);
	r = run_one(&hook, JOEY_HOOK_PRESTART, STATE, NULL, dir, &err);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (r < 0)
		fail_msg("%s", joey_err_text(&err));
}

/* A killed joey leaves no hook behind. */
static void run_long(void *arg)
{
	struct joey_err err = JOEY_ERR_INIT;

	run_script(arg, 0, NULL, &err);
}

static void test_dies_with_joey(void **state)
{
	char path[] = "/tmp/joey-unit-hook.XXXXXX", script[256];
	autofree char *text = NULL;
	autoclose int fd = mkstemp(path);
	uint32_t hook_pid = 0;
	size_t len;
	pid_t joey;

	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	snprintf(script, sizeof(script), "echo -n $$ > %s; exec sleep 600", path);
	joey = fork();
	if (joey == 0) {
		run_long(script);
		_exit(0);
	}
	for (int i = 0; i < 500 && hook_pid == 0; i++) {
		usleep(10000);
		free(joey_take_ptr(text));
		lseek(fd, 0, SEEK_SET);
		if (joey_read_fd(fd, 100, &text, &len) == 0 && len > 0)
			joey_parse_u32(text, &hook_pid);
	}
	assert_true(hook_pid > 1);
	assert_int_equal(kill(joey, SIGKILL), 0);
	assert_int_equal(waitpid(joey, NULL, 0), joey);
	/* reparented to us */
	assert_int_equal(waitpid((pid_t)hook_pid, NULL, 0), (pid_t)hook_pid);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
	unlink(path);
}

static unsigned warnings;

static void note_warning(void *arg, enum joey_log_level level, const char *text)
{
	(void)arg;
	assert_int_equal(level, JOEY_LOG_WARNING);
	assert_non_null(strstr(text, "error running poststop hook #0: exit status 1"));
	warnings++;
}

static void test_lists(void **state)
{
	char path[] = "/tmp/joey-unit-list.XXXXXX", bad[] = "exit 1", mark[64],
	     *bad_args[] = { argv0, dash_c, bad, NULL }, *mark_args[] = { argv0, dash_c, mark, NULL };
	struct joey_hook list[] = { { .path = sh, .args = { bad_args, 3 } }, { .path = sh, .args = { mark_args, 3 } } };
	struct joey_config *config = calloc(1, sizeof(*config));
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autoclose int fd = mkstemp(path);
	struct stat st;

	(void)state;
	snprintf(mark, sizeof(mark), "echo x >> %s", path);
	for (int i = 0; i < JOEY_HOOK_MAX; i++)
		config->hooks[i] = (struct joey_hooks){ list, 2 };
	assert_true(joey_hooks_run(config, JOEY_HOOK_CREATE_CONTAINER, STATE, NULL, -EBADF, &err) < 0);
	assert_non_null(strstr(joey_err_text(&err), "createContainer hook #0"));
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 0);
	/* poststop: a warning, and the rest runs */
	joey_err_clear(&err);
	joey_log_set_sink(note_warning, NULL, JOEY_LOG_WARNING);
	assert_int_equal(joey_hooks_run(config, JOEY_HOOK_POSTSTOP, STATE, NULL, -EBADF, &err), 0);
	joey_log_set_sink(NULL, NULL, JOEY_LOG_ERROR);
	assert_int_equal(warnings, 1);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 2);
	free(config);
	unlink(path);
}

static void test_output_files(void **state)
{
	static char key_out[] = "run.oci.hooks.stdout", key_err[] = "run.oci.hooks.stderr",
		    script[] = "echo o; echo e >&2";
	char dir[] = "/tmp/joey-unit-out.XXXXXX", out[64], link_path[64], cmd[64],
	     *args[] = { argv0, dash_c, script, NULL };
	struct joey_hook hook = { .path = sh, .args = { args, 3 } };
	struct joey_pair pairs[] = { { key_out, out }, { key_err, out } };
	struct joey_config *config = calloc(1, sizeof(*config));
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autofree char *text = NULL;
	size_t len;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(out, sizeof(out), "%s/out", dir);
	snprintf(link_path, sizeof(link_path), "%s/link", dir);
	config->annotations = (struct joey_pairs){ pairs, 2 };
	config->hooks[JOEY_HOOK_PRESTART] = config->hooks[JOEY_HOOK_START_CONTAINER] = (struct joey_hooks){ &hook, 1 };
	/* appended to, each time */
	assert_int_equal(joey_hooks_run(config, JOEY_HOOK_PRESTART, STATE, NULL, -EBADF, &err), 0);
	assert_int_equal(joey_hooks_run(config, JOEY_HOOK_PRESTART, STATE, NULL, -EBADF, &err), 0);
	/* not where "/" is the image's */
	assert_int_equal(joey_hooks_run(config, JOEY_HOOK_START_CONTAINER, STATE, NULL, -EBADF, &err), 0);
	assert_int_equal(joey_read_file_at(AT_FDCWD, out, 0, 100, &text, &len), 0);
	assert_string_equal(text, "o\ne\no\ne\n");
	assert_int_equal(symlink("out", link_path), 0);
	pairs[0].value = link_path;
	assert_int_equal(joey_hooks_run(config, JOEY_HOOK_PRESTART, STATE, NULL, -EBADF, &err), -ELOOP);
	free(config);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	assert_int_equal(system(cmd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gets_state),      cmocka_unit_test(test_never_reads),
		cmocka_unit_test(test_failure_text),    cmocka_unit_test(test_cannot_execute),
		cmocka_unit_test(test_timeout),         cmocka_unit_test(test_daemon_holds_pipes),
		cmocka_unit_test(test_floods_output),   cmocka_unit_test(test_environment),
		cmocka_unit_test(test_no_descriptors),  cmocka_unit_test(test_without_stdio),
		cmocka_unit_test(test_cwd_and_signals), cmocka_unit_test(test_dies_with_joey),
		cmocka_unit_test(test_lists),           cmocka_unit_test(test_output_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
