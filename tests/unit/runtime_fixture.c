/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime_fixture.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "joey/log.h"
#include "state/state-internal.h"

static void keep_warning(void *arg, enum joey_log_level level, const char *text)
{
	struct fixture *f = arg;

	if (level != JOEY_LOG_WARNING)
		return;
	free(f->warnings);
	f->warnings = strdup(text);
}

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	fake_reset();
	strcpy(f->dir, "/tmp/joey-rt-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->root, sizeof(f->root), "%s/root", f->dir);
	snprintf(f->bundle, sizeof(f->bundle), "%s/bundle", f->dir);
	snprintf(f->pid_file, sizeof(f->pid_file), "%s/pid", f->dir);
	if (mkdir(f->bundle, 0755) < 0)
		return -1;
	f->rt.root = f->root;
	f->rt.cgroup_driver = JOEY_CGROUP_CGROUPFS;
	f->o.id = "c1";
	f->o.bundle = f->bundle;
	joey_log_set_sink(keep_warning, f, JOEY_LOG_WARNING);
	fixture_config(f, false, "");
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	int fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	fake_reset();
	joey_log_set_sink(NULL, NULL, JOEY_LOG_ERROR);
	r = state_empty_dir(fd);
	joey_close(fd);
	if (rmdir(f->dir) < 0)
		r = -1;
	joey_err_clear(&f->err);
	free(f->warnings);
	free(f);
	return r;
}

void fixture_config(struct fixture *f, bool terminal, const char *hooks)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	char path[128];
	int fd;

	joey_str_printf(&s,
			"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},"
			"\"process\":{\"terminal\":%s,\"cwd\":\"/\",\"args\":[\"sh\"],\"env\":[\"PATH=/bin\"],"
			"\"user\":{\"uid\":0,\"gid\":0}},\"annotations\":{\"a.b\":\"c\"},"
			"\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]}%s%s}",
			terminal ? "true" : "false", *hooks ? ",\"hooks\":" : "", hooks);
	snprintf(path, sizeof(path), "%s/config.json", f->bundle);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(joey_write_all(fd, s.buf, s.len), 0);
	close(fd);
}

bool fixture_exists(const struct fixture *f, const char *name)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", f->root, name);
	return lstat(path, &st) == 0;
}

enum joey_status fixture_status(struct fixture *f, const char *id)
{
	autofree char *json = NULL;
	const char *at;

	assert_ok(f, joey_rt_state(&f->rt, id, &json, &f->err));
	at = strstr(json, "\"status\": \"");
	assert_non_null(at);
	at += strlen("\"status\": \"");
	for (int s = 0; s < JOEY_ST_MAX; s++)
		if (joey_startswith(at, joey_status_to_string((enum joey_status)s)))
			return (enum joey_status)s;
	fail_msg("status in %s", json);
	return JOEY_ST_MAX;
}
