/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State directories: <root>/<id>/, one per container, and the lock on them.
 *
 * Everything is done relative to descriptors, nothing is followed.  An entry that belongs to somebody else or that
 * others may write is refused: a pid taken from it would be killed with joey's rights.
 * state.json is replaced by rename and not synced: /run is gone after a reboot, like the containers.
 * The lock is flock(2) on the directory: the kernel drops it when its holder dies.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include <dirent.h>

#include "state/state-internal.h"

/* mkdir -p of the parents; mode 0755 for them, as they may be shared with other programs. */
static int make_parents(char *path)
{
	for (char *p = path + 1; *p; p++) {
		int r;

		if (*p != '/')
			continue;
		*p = '\0';
		r = mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
		*p = '/';
		if (r < 0)
			return r;
	}
	return 0;
}

/* The sticky bit keeps those who tidy up $XDG_RUNTIME_DIR from removing it (XDG base directory specification). */
static int make_root(const char *path)
{
	autofree char *copy = strdup(path);
	int r;

	if (!copy)
		return -ENOMEM;
	r = make_parents(copy);
	if (r < 0)
		return r;
	return mkdir(path, geteuid() == 0 ? 0700 : 01700) < 0 && errno != EEXIST ? -errno : 0;
}

int joey_root_open(const char *path, bool make, int *ret_fd, struct joey_err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (fd < 0 && errno == ENOENT && make) {
		r = make_root(path);
		if (r < 0)
			return joey_err_sys(err, -r, "make state root %s", path);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		return joey_err_sys(err, errno, "open state root %s", path);
	*ret_fd = fd;
	return 0;
}

static struct joey_container *container_alloc(int root_fd, const char *id)
{
	struct joey_container *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->dir_fd = -EBADF;
	c->root_fd = root_fd;
	c->id = joey_arena_strdup(&c->arena, id);
	if (!c->id) {
		joey_container_free(c);
		return NULL;
	}
	c->state.id = c->id;
	return c;
}

static int not_found(struct joey_err *err)
{
	return joey_err_set(err, JOEY_EK_NOT_FOUND, ENOENT, "container does not exist");
}

static int open_dir(struct joey_container *c, struct joey_err *err)
{
	struct stat st;

	c->dir_fd = openat(c->root_fd, c->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c->dir_fd < 0 && (errno == ENOENT || errno == ENAMETOOLONG))
		return not_found(err);
	if (c->dir_fd < 0)
		return joey_err_sys(err, errno, "open state directory of container %s", c->id);
	if (fstat(c->dir_fd, &st) < 0)
		return joey_err_sys(err, errno, "stat state directory of container %s", c->id);
	if (st.st_uid != geteuid() || (st.st_mode & 022))
		return joey_err_set(err, JOEY_EK_OTHER, EPERM,
				    "state directory of container %s is not trusted: owner %u, mode %04o", c->id,
				    (unsigned)st.st_uid, (unsigned)(st.st_mode & 07777));
	return 0;
}

int joey_container_open(int root_fd, const char *id, struct joey_container **ret, struct joey_err *err)
{
	autocontainer struct joey_container *c = NULL;
	int r = joey_id_check(id, err);

	if (r < 0)
		return r;
	c = container_alloc(root_fd, id);
	if (!c)
		return joey_err_sys(err, ENOMEM, "open container %s", id);
	r = open_dir(c, err);
	if (r < 0)
		return r;
	c->state.creating = true;
	*ret = joey_take_ptr(c);
	return 0;
}

int joey_container_new(int root_fd, const char *id, struct joey_container **ret, struct joey_err *err)
{
	autocontainer struct joey_container *c = NULL;
	int r = joey_id_check(id, err);

	if (r < 0)
		return r;
	c = container_alloc(root_fd, id);
	if (!c)
		return joey_err_sys(err, ENOMEM, "make container %s", id);
	if (mkdirat(root_fd, id, 0700) < 0) {
		if (errno == EEXIST)
			return joey_err_set(err, JOEY_EK_EXISTS, EEXIST, "container with given ID already exists: %s",
					    id);
		return joey_err_sys(err, errno, "make state directory of container %s", id);
	}
	/* A `delete --force` that comes between may remove it again; the first file made in it then says so. */
	c->dir_fd = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c->dir_fd < 0) {
		r = joey_err_sys(err, errno, "open state directory of container %s", id);
		(void)unlinkat(root_fd, id, AT_REMOVEDIR);
		return r;
	}
	r = joey_container_lock(c, 10000, err);
	if (r < 0)
		return r;
	c->state.creating = true;
	*ret = joey_take_ptr(c);
	return 0;
}

int joey_container_reload(struct joey_container *c, struct joey_err *err)
{
	autoclose int fd = openat(c->dir_fd, STATE_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	autofree char *text = NULL;
	struct joey_state st = { 0 };
	struct stat sb;
	size_t len;
	int r;

	if (fd < 0 && errno == ENOENT)
		return not_found(err);
	if (fd < 0)
		return joey_err_sys(err, errno, "open %s of container %s", STATE_FILE, c->id);
	if (fstat(fd, &sb) < 0)
		return joey_err_sys(err, errno, "stat %s of container %s", STATE_FILE, c->id);
	if (!S_ISREG(sb.st_mode))
		return joey_err_set(err, JOEY_EK_OTHER, EPROTO, "%s of container %s is not a regular file", STATE_FILE,
				    c->id);
	r = joey_read_fd(fd, STATE_MAX_BYTES, &text, &len);
	if (r < 0)
		return joey_err_sys(err, -r, "read %s of container %s", STATE_FILE, c->id);
	r = state_decode(text, len, c->id, &c->arena, &st, err);
	if (r < 0) {
		joey_err_wrap(err, "container %s", c->id);
		if (err && r != -ENOMEM)
			err->errnum = EPROTO;
		return r == -ENOMEM ? r : -EPROTO;
	}
	c->state = st;
	return 0;
}

int joey_container_load(int root_fd, const char *id, bool allow_partial, struct joey_container **ret,
			struct joey_err *err)
{
	autocontainer struct joey_container *c = NULL;
	autoerr struct joey_err sub = JOEY_ERR_INIT;
	int r = joey_container_open(root_fd, id, &c, err);

	if (r < 0)
		return r;
	r = joey_container_reload(c, &sub);
	if (r < 0 && !(allow_partial && sub.kind == JOEY_EK_NOT_FOUND)) {
		if (err) {
			joey_err_clear(err);
			*err = sub;
			sub = (struct joey_err)JOEY_ERR_INIT;
		}
		return r;
	}
	*ret = joey_take_ptr(c);
	return 0;
}

void joey_container_free(struct joey_container *c)
{
	if (!c)
		return;
	joey_container_unlock(c);
	joey_close(c->dir_fd);
	joey_config_free(c->config);
	joey_arena_done(&c->arena);
	free(c);
}

int joey_container_lock(struct joey_container *c, unsigned timeout_ms, struct joey_err *err)
{
	uint64_t deadline = 0;
	long pause_ms = 1;

	if (c->locked)
		return 0;
	while (flock(c->dir_fd, LOCK_EX | LOCK_NB) < 0) {
		struct timespec ts = { 0, pause_ms * 1000000 };
		uint64_t now = joey_now_ms();

		if (errno != EWOULDBLOCK && errno != EINTR)
			return joey_err_sys(err, errno, "lock container %s", c->id);
		if (deadline == 0)
			deadline = now + timeout_ms;
		if (now >= deadline)
			return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT,
					    "container %s is busy: another operation holds its lock", c->id);
		(void)nanosleep(&ts, NULL);
		if (pause_ms < 20)
			pause_ms *= 2;
	}
	c->locked = true;
	return 0;
}

void joey_container_unlock(struct joey_container *c)
{
	if (c->locked)
		(void)flock(c->dir_fd, LOCK_UN);
	c->locked = false;
}

int joey_container_save(struct joey_container *c, struct joey_err *err)
{
	autofree char *text = NULL;
	size_t len;
	int r = state_encode(&c->state, &text, &len, err);

	if (r < 0)
		return r;
	r = joey_replace_file_at(c->dir_fd, STATE_FILE, 0600, text, len);
	if (r < 0)
		return joey_err_sys(err, -r, "write %s of container %s", STATE_FILE, c->id);
	return 0;
}

int joey_container_save_config(struct joey_container *c, const char *text, size_t len, struct joey_err *err)
{
	/* Written once, before anything could read it: no rename needed. */
	autoclose int fd = openat(c->dir_fd, CONFIG_FILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return joey_err_sys(err, errno, "make %s of container %s", CONFIG_FILE, c->id);
	r = joey_write_all(fd, text, len);
	if (r < 0)
		return joey_err_sys(err, -r, "write %s of container %s", CONFIG_FILE, c->id);
	return 0;
}

int joey_container_save_resources(struct joey_container *c, const struct joey_resources *res, struct joey_err *err)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	autofree char *text = NULL;
	size_t len;
	int r;

	if (!o)
		return joey_err_sys(err, ENOMEM, "write " RESOURCES_FILE);
	joey_resources_write(o, NULL, res);
	r = joey_json_out_finish(o, &text, &len);
	if (r == 0)
		r = joey_replace_file_at(c->dir_fd, RESOURCES_FILE, 0600, text, len);
	return r < 0 ? joey_err_sys(err, -r, "write %s of container %s", RESOURCES_FILE, c->id) : 0;
}

/* Those of the last update in the place of config.json's; devices cannot be updated. */
static int load_resources(struct joey_container *c, struct joey_config *config, struct joey_err *err)
{
	struct joey_resources *res;
	autofree char *text = NULL;
	size_t len;
	int r = joey_read_file_at(c->dir_fd, RESOURCES_FILE, O_NOFOLLOW | O_NONBLOCK, JOEY_CONFIG_MAX_BYTES, &text,
				  &len);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return joey_err_sys(err, -r, "read %s of container %s", RESOURCES_FILE, c->id);
	r = joey_resources_parse(text, len, &config->arena, &res, err);
	if (r < 0)
		return joey_err_wrap(err, "%s of container %s", RESOURCES_FILE, c->id);
	res->devices = config->resources->devices;
	res->n_devices = config->resources->n_devices;
	config->resources = res;
	return 0;
}

int joey_container_config(struct joey_container *c, const struct joey_config **ret, struct joey_err *err)
{
	autofree char *text = NULL;
	size_t len;
	int r;

	if (!c->config) {
		r = joey_read_file_at(c->dir_fd, CONFIG_FILE, O_NOFOLLOW | O_NONBLOCK, JOEY_CONFIG_MAX_BYTES, &text,
				      &len);
		if (r < 0)
			return joey_err_sys(err, -r, "read %s of container %s", CONFIG_FILE, c->id);
		r = joey_config_parse(text, len, &c->config, err);
		if (r < 0)
			return joey_err_wrap(err, "container %s", c->id);
		r = load_resources(c, c->config, err);
		if (r < 0) {
			joey_config_free(c->config);
			c->config = NULL;
			return r;
		}
	}
	*ret = c->config;
	return 0;
}

bool joey_container_is_gone(const struct joey_container *c)
{
	struct stat st;

	return fstat(c->dir_fd, &st) == 0 && st.st_nlink == 0;
}

/* The two files that always exist go first: then rmdir(2) mostly succeeds without a walk. */
int joey_container_remove_dir(struct joey_container *c, struct joey_err *err)
{
	int r;

	(void)unlinkat(c->dir_fd, CONFIG_FILE, 0);
	(void)unlinkat(c->dir_fd, STATE_FILE, 0);
	/* A removed directory's name may stand for a new container by now. */
	if (joey_container_is_gone(c) || unlinkat(c->root_fd, c->id, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno == ENOTEMPTY || errno == EEXIST) {
		r = state_empty_dir(c->dir_fd);
		if (r < 0)
			return joey_err_sys(err, -r, "empty state directory of container %s", c->id);
		if (unlinkat(c->root_fd, c->id, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
	}
	return joey_err_sys(err, errno, "remove state directory of container %s", c->id);
}

static int compare_names(const void *a, const void *b)
{
	char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

static bool listable(int root_fd, const struct dirent *e)
{
	struct stat st;

	if (joey_id_check(e->d_name, NULL) < 0)
		return false;
	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return fstatat(root_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static void free_names(char **v, size_t n)
{
	for (size_t i = 0; v && i < n; i++)
		free(v[i]);
	free(v);
}

/* Room for one more and the NULL behind it. */
static int append_name(char ***v, size_t *n, size_t *cap, const char *name)
{
	if (*n + 1 >= *cap) {
		size_t more = *cap ? *cap * 2 : 16;
		char **p = reallocarray(*v, more, sizeof(*p));

		if (!p)
			return -ENOMEM;
		*v = p;
		*cap = more;
	}
	(*v)[*n] = strdup(name);
	if (!(*v)[*n])
		return -ENOMEM;
	(*v)[++*n] = NULL;
	return 0;
}

int joey_container_list(int root_fd, char ***ret, size_t *ret_n, struct joey_err *err)
{
	int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	size_t n = 0, cap = 0;
	struct dirent *e;
	char **v = NULL;

	if (!d) {
		r = joey_err_sys(err, errno, "read state root");
		joey_close(fd);
		return r;
	}
	for (errno = 0; r == 0 && (e = readdir(d)); errno = 0)
		if (listable(root_fd, e))
			r = append_name(&v, &n, &cap, e->d_name);
	if (r == 0 && errno)
		r = -errno;
	closedir(d);
	if (r < 0) {
		free_names(v, n);
		return joey_err_sys(err, -r, "read state root");
	}
	if (n > 0)
		qsort(v, n, sizeof(*v), compare_names);
	*ret = v;
	*ret_n = n;
	return 0;
}
