/* SPDX-License-Identifier: Apache-2.0 */
#include "mounts_fixture.h"

#include <fcntl.h>
#include <ftw.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "joey/syscalls.h"

static struct joey_str listing;

static int list_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)type;
	(void)ftw;
	joey_str_printf(&listing, "%s %o %u:%u %lu %lld %lld.%ld\n", path, st->st_mode, st->st_uid, st->st_gid,
			(unsigned long)st->st_ino, (long long)st->st_size, (long long)st->st_mtim.tv_sec,
			st->st_mtim.tv_nsec);
	return 0;
}

static char *list_tree(const char *dir)
{
	char *out;

	listing = (struct joey_str)JOEY_STR_INIT;
	assert_int_equal(nftw(dir, list_entry, 16, FTW_PHYS), 0);
	out = joey_str_take(&listing);
	assert_non_null(out);
	return out;
}

static char *host_mounts(void)
{
	char *text = NULL;

	assert_int_equal(joey_read_file_at(AT_FDCWD, "/proc/self/mountinfo", 0, 1 << 20, &text, NULL), 0);
	return text;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int fx_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	umask(022);
	strcpy(f->dir, "/tmp/joey-mounts-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(chmod(f->dir, 0755), 0);
	fx_dir(f, "rootfs", 0755);
	fx_dir(f, "src", 0755);
	fx_file(f, "src/file", "source");
	fx_file(f, "src/dir/inner", "inner");
	fx_file(f, "outside/canary", "canary");
	fx_file(f, "outside/ptmx", "not to be removed");
	fx_file(f, "outside/null", "");
	fx_dir(f, "outside/pts", 0755);
	*state = f;
	return 0;
}

int fx_setup_no_openat2(void **state)
{
	struct fixture *f;

	fx_setup(state);
	f = *state;
	f->no_openat2 = true;
	return 0;
}

int fx_teardown(void **state)
{
	struct fixture *f = *state;

	nftw(f->dir, remove_entry, 16, FTW_PHYS | FTW_DEPTH | FTW_MOUNT);
	free(f);
	return 0;
}

static void full_path(const struct fixture *f, const char *path, char out[512])
{
	char *slash;

	assert_true(snprintf(out, 512, "%s/%s", f->dir, path) < 512);
	for (slash = strchr(out + strlen(f->dir) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(out, 0755) < 0)
			assert_int_equal(errno, EEXIST);
		*slash = '/';
	}
}

void fx_dir(const struct fixture *f, const char *path, mode_t mode)
{
	char full[512];

	full_path(f, path, full);
	if (mkdir(full, mode) < 0)
		assert_int_equal(errno, EEXIST);
	assert_int_equal(chmod(full, mode), 0);
}

void fx_file(const struct fixture *f, const char *path, const char *content)
{
	char full[512];
	int fd;

	full_path(f, path, full);
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(joey_write_all(fd, content, strlen(content)), 0);
	close(fd);
}

void fx_link(const struct fixture *f, const char *path, const char *target)
{
	char full[512];

	full_path(f, path, full);
	assert_int_equal(symlink(target, full), 0);
}

/* ---- the child ------------------------------------------------------------------------------------------------ */

static char *make_config(const struct fixture *f, const struct fx_case *c)
{
	struct joey_str s = JOEY_STR_INIT;
	char *text;

	joey_str_printf(&s,
			"{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"%s\",\"args\":[\"true\"],"
			"\"user\":{\"uid\":0,\"gid\":0}},\"root\":{\"path\":\"rootfs\"%s},\"mounts\":[",
			c->cwd ? c->cwd : "/", c->root_json ? c->root_json : "");
	for (const char *p = c->mounts ? c->mounts : ""; *p; p++) {
		if (p[0] == '%' && p[1] == 's') {
			joey_str_add(&s, f->dir);
			p++;
		} else {
			joey_str_addn(&s, p, 1);
		}
	}
	joey_str_printf(&s, "],\"linux\":{\"namespaces\":[%s%s]%s}}", c->inherit_mntns ? "" : "{\"type\":\"mount\"}",
			c->unshare_flags & CLONE_NEWCGROUP ? ",{\"type\":\"cgroup\"}" : "",
			c->linux_json ? c->linux_json : "");
	text = joey_str_take(&s);
	CHECK(text);
	return text;
}

typedef int (*step_fn)(struct joey_setup *s, struct joey_err *err);

static const struct {
	enum fx_until phase;
	bool (*wanted)(const struct joey_setup *s);
	step_fn run;
} steps[] = {
	{ FX_PREPARED, NULL, step_prepare_rootfs },
	{ FX_MOUNTED, wants_mounts, step_mounts },
	{ FX_DEVICES, wants_devices, step_devices },
	{ FX_DEVICES, wants_masks, step_prepare_masks },
	{ FX_PIVOTED, NULL, step_pivot },
	{ FX_DONE, wants_root_propagation, step_root_propagation },
	{ FX_DONE, NULL, step_stdio_devnull },
	{ FX_DONE, NULL, step_make_cwd },
	{ FX_DONE, wants_readonly_late, step_readonly_late },
	{ FX_DONE, wants_readonly_root, step_readonly_root },
	{ FX_DONE, wants_readonly_paths, step_readonly_paths },
	{ FX_DONE, wants_masked_paths, step_masked_paths },
};

static int run_steps(struct joey_setup *s, enum fx_until until, struct joey_err *err)
{
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(steps) && steps[i].phase <= until; i++)
		if (!steps[i].wanted || steps[i].wanted(s)) {
			int r = steps[i].run(s, err);

			if (r < 0)
				return r;
		}
	return 0;
}

static void hide_openat2(void)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { JOEY_ARRAY_SIZE(insns), insns };

	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == 0);
}

static void give_notify(const struct fixture *f, struct joey_setup *s, int kind)
{
	char path[512];

	if (!kind)
		return;
	snprintf(path, sizeof(path), "%s/src/dir", f->dir);
	s->notify_dir_fd = kind == 1 ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)
				     : joey_sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	CHECK(s->notify_dir_fd >= 0);
}

static void child(const struct fixture *f, const struct fx_case *c)
{
	struct joey_setup s = { .bundle_fd = open(f->dir, O_PATH | O_DIRECTORY | O_CLOEXEC),
				.host_root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC),
				.devnull_fd = -EBADF,
				.cgroup_fd = -EBADF,
				.notify_dir_fd = -EBADF,
				.root_fd = -EBADF,
				.masked_dir_fd = -EBADF,
				.in_userns = c->in_userns,
				.no_pivot = c->no_pivot,
				.bundle = f->dir };
	char rootfs[96], *text = make_config(f, c);
	struct joey_config *config = NULL;
	struct joey_err err = JOEY_ERR_INIT;
	int r;

	r = joey_config_parse(text, strlen(text), &config, &err);
	if (r < 0) {
		fprintf(stderr, "# %s\n# %s\n", joey_err_text(&err), text);
		_exit(2);
	}
	snprintf(rootfs, sizeof(rootfs), "%s/rootfs", f->dir);
	s.config = config;
	s.process = config->process;
	s.rootfs = rootfs;
	s.rootfs_fd = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	give_notify(f, &s, c->notify);
	CHECK(unshare(CLONE_NEWNS | c->unshare_flags) == 0);
	if (c->inherit_mntns) {
		/* stands for the runtime's own namespace: descriptors are of it, mounts are nobody else's */
		CHECK(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) == 0);
		s.host_root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		s.rootfs_fd = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
		s.bundle_fd = open(f->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (f->no_openat2)
		hide_openat2();
	r = run_steps(&s, c->until, &err);
	if (c->any_result)
		_exit(0);
	if (c->error) {
		if (r == 0 || !strstr(joey_err_text(&err), c->error)) {
			fprintf(stderr, "# expected \"%s\", got \"%s\"\n", c->error,
				r == 0 ? "success" : joey_err_text(&err));
			_exit(2);
		}
	} else if (r < 0) {
		fprintf(stderr, "# %s\n", joey_err_text(&err));
		_exit(2);
	}
	if (c->check)
		c->check(&s);
	_exit(0);
}

void fx_run(struct fixture *f, const struct fx_case *c)
{
	char outside[96], *now;
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("# needs root\n");
		skip();
	}
	snprintf(outside, sizeof(outside), "%s/outside", f->dir);
	f->outside = list_tree(outside);
	f->mounts = host_mounts();
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child(f, c);
	assert_int_equal(joey_wait_pid(pid, &status), 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	now = list_tree(outside);
	assert_string_equal(now, f->outside);
	free(now);
	now = host_mounts();
	assert_string_equal(now, f->mounts);
	free(now);
	free(f->outside);
	free(f->mounts);
}

/* ---- looking ---------------------------------------------------------------------------------------------------- */

static int look(struct joey_setup *s, const char *path, int flags)
{
	return joey_openat2(s->root_fd, path, (uint64_t)(unsigned)flags, 0, RESOLVE_IN_ROOT);
}

bool fx_is(struct joey_setup *s, const char *path, mode_t type)
{
	int fd = look(s, path, O_PATH | O_NOFOLLOW);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type;
}

bool fx_reads(struct joey_setup *s, const char *path, const char *text)
{
	int fd = look(s, path, O_RDONLY);
	char *got = NULL;
	size_t n;

	return fd >= 0 && joey_read_fd(fd, 4096, &got, &n) == 0 && n == strlen(text) && memcmp(got, text, n) == 0;
}

bool fx_writable(struct joey_setup *s, const char *path)
{
	int dir = look(s, path, O_PATH | O_DIRECTORY), fd;

	CHECK(dir >= 0);
	fd = openat(dir, "write-probe", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		CHECK(errno == EROFS);
		return false;
	}
	CHECK(unlinkat(dir, "write-probe", 0) == 0);
	close(fd);
	return true;
}

long fx_magic(struct joey_setup *s, const char *path)
{
	int fd = look(s, path, O_PATH);
	struct statfs sfs;

	CHECK(fd >= 0 && fstatfs(fd, &sfs) == 0);
	return (long)sfs.f_type;
}

unsigned long fx_flags(struct joey_setup *s, const char *path)
{
	int fd = look(s, path, O_PATH);
	struct statvfs sfs;

	CHECK(fd >= 0 && fstatvfs(fd, &sfs) == 0);
	return sfs.f_flag;
}

void fx_mountinfo(const char *mount_point, char options[256], char propagation[64])
{
	FILE *in = fopen("/proc/self/mountinfo", "re");
	char line[4096], at[1024], opts[256], rest[1024];
	bool found = false;

	CHECK(in);
	while (fgets(line, sizeof(line), in)) {
		if (sscanf(line, "%*d %*d %*s %*s %1023s %255s %1023[^\n]", at, opts, rest) != 3 ||
		    strcmp(at, mount_point) != 0)
			continue;
		found = true;
		strcpy(options, opts);
		*strstr(rest, "- ") = '\0';
		snprintf(propagation, 64, "%.63s", rest);
	}
	CHECK(found);
	fclose(in);
}
