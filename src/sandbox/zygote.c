/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zygotes: for each template, where machines are emulated, one machine that has been restored from it, was greeted, has
 * run and dropped a container of joey's own, and stands still.  Others begin as copies of its process
 * (joey_vmm_freeze()): the guest's code is translated in there already, and they have all memory in common that they do
 * not change.  A zygote is found as every machine is, below /run/joey-cache/zygotes instead of joey's root, and lives
 * as long as its template; nobody's code has ever run in it.  What it takes requests by is a descriptor of its sandbox
 * process.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "joey/log.h"
#include "joey/syscalls.h"
#include "sandbox/zygote-internal.h"

#define ZYGOTES "zygotes"

enum { FAILURES_MAX = 3 };

int zygote_dir(bool make)
{
	autoclose int cache = joey_vmm_cache_open();
	int fd;

	if (cache < 0)
		return cache;
	if (make && mkdirat(cache, ZYGOTES, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(cache, ZYGOTES, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int zygote_name(const struct joey_vmm_spec *spec, char **ret, struct joey_err *err)
{
	int r = joey_vmm_key(spec, ret, err);

	if (r == 0)
		(*ret)[ZYGOTE_KEY_SHOWN] = '\0';
	return r;
}

int zygote_each(int dir_fd, unsigned wait_ms, int (*what)(struct vm_place *p, void *arg), void *arg)
{
	autoclose int fd = openat(dir_fd, VM_PLACES, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct dirent *e;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int r = 0;

	if (!dir)
		return 0;
	(void)joey_take_fd(&fd);
	while (r <= 0 && (e = readdir(dir))) {
		autoplace struct vm_place p = VM_PLACE_INIT;
		autoerr struct joey_err err = JOEY_ERR_INIT;

		if (e->d_name[0] == '.' || place_open(&p, dir_fd, e->d_name, false, &err) < 0 ||
		    place_lock(&p, wait_ms, &err) < 0 || place_load(&p, &err) < 0) {
			joey_debug("zygote: %s", joey_err_text(&err));
			continue;
		}
		r = what(&p, arg);
	}
	closedir(dir);
	return r;
}

/* ---- using one -------------------------------------------------------------------------------------------------- */

int zygote_open(const struct joey_vmm_spec *spec, int *ret, struct joey_err *err)
{
	autoplace struct vm_place p = VM_PLACE_INIT;
	autoclose int dir = zygote_dir(false), pidfd = -EBADF;
	autofree char *name = NULL;
	int r = dir < 0 ? joey_err_sys(err, dir, "open the zygotes' directory") : zygote_name(spec, &name, err);

	if (r == 0)
		r = place_open(&p, dir, name, false, err);
	/* Not locked: its maker holds the lock, and others use it at the same time.  Its record is replaced as a whole.
	 */
	if (r == 0)
		r = place_load(&p, err);
	if (r < 0)
		return name && dir >= 0 && zygote_is_hopeless(dir, name)
			       ? joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTRECOVERABLE, "zygotes have failed")
			       : r;
	pidfd = p.control > 0 ? place_pidfd(&p) : -ESRCH;
	if (pidfd < 0)
		return joey_err_set(err, JOEY_EK_NOT_FOUND, ESRCH, "there is no zygote");
	r = joey_sys_pidfd_getfd(pidfd, p.control, 0);
	if (r < 0)
		return joey_err_sys(err, r, "take the zygote's descriptor");
	*ret = r;
	return 0;
}

pid_t zygote_of(const char *template)
{
	autoplace struct vm_place p = VM_PLACE_INIT;
	autoclose int dir = zygote_dir(false);
	autofree char *name = strndup(template, ZYGOTE_KEY_SHOWN);
	autoerr struct joey_err err = JOEY_ERR_INIT;

	if (dir < 0 || !name || place_open(&p, dir, name, false, &err) < 0 || place_load(&p, &err) < 0)
		return 0;
	return p.control > 0 && place_is_alive(&p) ? p.pid : 0;
}

/* ---- those that fail -------------------------------------------------------------------------------------------- */

static void failures_name(const char *name, char ret[ZYGOTE_KEY_SHOWN + 8])
{
	snprintf(ret, ZYGOTE_KEY_SHOWN + 8, "bad-%.*s", ZYGOTE_KEY_SHOWN, name);
}

bool zygote_is_hopeless(int dir, const char *name)
{
	char file[ZYGOTE_KEY_SHOWN + 8];
	struct stat st;

	failures_name(name, file);
	return fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size >= FAILURES_MAX;
}

void zygote_note_failure(int dir, const char *name)
{
	char file[ZYGOTE_KEY_SHOWN + 8];
	autoclose int fd = -EBADF;

	failures_name(name, file);
	fd = openat(dir, file, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		(void)!write(fd, "x", 1);
}

/* ---- ending them ------------------------------------------------------------------------------------------------ */

struct draining {
	int dir;
	const char *name;
};

struct stale {
	int dir;
	struct joey_vmm_template *v;
	size_t n;
};

static int drain(struct vm_place *p, void *arg)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	const struct draining *d = arg;

	if (!d->name || joey_streq(p->id, d->name))
		(void)place_destroy(p, d->dir, &err);
	return 0;
}

static int drop_stale(struct vm_place *p, void *arg)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	const struct stale *s = arg;
	bool used = false;

	for (size_t i = 0; i < s->n; i++)
		used = used || (!s->v[i].why && joey_startswith(s->v[i].key, p->id));
	if (!used || !place_is_alive(p))
		(void)place_destroy(p, s->dir, &err);
	return 0;
}

void zygote_tidy(void)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autoclose int dir = zygote_dir(false);
	struct stale s = { .dir = dir };

	if (dir < 0 || joey_vmm_template_list(&s.v, &s.n, &err) < 0)
		return;
	(void)zygote_each(dir, 0, drop_stale, &s);
	joey_vmm_templates_free(s.v, s.n);
}

static void forget_failures(int dir_fd)
{
	autoclose int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!dir)
		return;
	(void)joey_take_fd(&fd);
	while ((e = readdir(dir)))
		if (joey_startswith(e->d_name, "bad-"))
			(void)unlinkat(dir_fd, e->d_name, 0);
	closedir(dir);
}

void zygote_drain(const char *template)
{
	autoclose int dir = zygote_dir(false);
	autofree char *name = template ? strndup(template, ZYGOTE_KEY_SHOWN) : NULL;
	struct draining d = { .dir = dir, .name = name };

	if (dir < 0)
		return;
	forget_failures(dir);
	(void)zygote_each(dir, ZYGOTE_WAIT_MS, drain, &d);
}
