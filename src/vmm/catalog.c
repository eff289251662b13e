/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The templates that there are: listed, judged, removed.  A template is good when its holder lives and has what the
 * record says, and the record still leads to its key: kernel, hypervisor, processor and boot are what they were.
 * Removing is done under the key's lock, so that nobody makes it at the same time; nothing here asks a machine that
 * runs.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "vmm/vmm-internal.h"

enum { DROP_LIMIT_MS = 5000, TEMPLATES_MAX = 1024 };

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static DIR *open_list(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (fd >= 0 && !d)
		joey_close(fd);
	return d;
}

/* ---- keys ------------------------------------------------------------------------------------------------------- */

struct keys {
	char (*v)[VMM_KEY_LEN + 1];
	size_t n;
};

static void keys_done(struct keys *k)
{
	free(k->v);
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool has_key(const struct keys *k, const char *key)
{
	for (size_t i = 0; i < k->n; i++)
		if (joey_streq(k->v[i], key))
			return true;
	return false;
}

static int add_key(struct keys *k, const char *name)
{
	char key[VMM_KEY_LEN + 1];
	void *more;

	snprintf(key, sizeof(key), "%.*s", VMM_KEY_LEN, name);
	if (!vmm_is_key(key) || has_key(k, key))
		return 0;
	more = reallocarray(k->v, k->n + 1, sizeof(*k->v));
	if (!more)
		return -ENOMEM;
	k->v = more;
	memcpy(k->v[k->n++], key, sizeof(key));
	return 0;
}

/* Of everything that is left of one: its record, its count of failures, its lock (with_locks). */
static int read_keys(int dir_fd, bool with_locks, struct keys *ret, struct joey_err *err)
{
	__attribute__((cleanup(closedirp))) DIR *list = open_list(dir_fd);
	const struct dirent *e;
	int r = list ? 0 : -errno;

	while (r == 0 && (e = readdir(list)) && ret->n < TEMPLATES_MAX) {
		const char *suffix = strlen(e->d_name) > VMM_KEY_LEN ? e->d_name + VMM_KEY_LEN : "";

		if (!*suffix || joey_streq(suffix, ".bad") || (with_locks && joey_streq(suffix, ".lock")))
			r = add_key(ret, e->d_name);
	}
	if (r < 0)
		return joey_err_sys(err, r, "list the templates");
	if (ret->n > 0)
		qsort(ret->v, ret->n, sizeof(*ret->v), compare_keys);
	return 0;
}

/* ---- judging ---------------------------------------------------------------------------------------------------- */

/* 0: it can be used.  What can be read is in rec and image even if not; why says what is wrong. */
static int judge(int dir_fd, const char *key, struct vmm_record *rec, struct vmm_image *image, struct joey_err *why)
{
	struct vmm_inputs in = VMM_INPUTS_INIT;
	int r = vmm_record_read(dir_fd, key, rec, why);

	if (r == -ENOENT && vmm_store_bad(dir_fd, key) > 0) {
		joey_err_clear(why);
		return joey_err_set(why, JOEY_EK_OTHER, ESTALE, "failed %u times", vmm_store_bad(dir_fd, key));
	}
	if (r < 0)
		return r;
	r = vmm_record_open(rec, image, NULL, why);
	if (r == 0) {
		const struct joey_vmm_spec spec = { .hypervisor = rec->hypervisor,
						    .kernel = rec->kernel,
						    .initramfs = rec->initramfs,
						    .trust = rec->trust,
						    .memory = rec->memory,
						    .vcpus = (unsigned)rec->vcpus,
						    .nets = (unsigned)rec->nets,
						    .accel = rec->accel };

		r = vmm_inputs_open(&spec, &in, why);
	}
	if (r == 0 && !joey_streq(in.key, key))
		r = joey_err_set(why, JOEY_EK_OTHER, ESTALE, "what it was made of has changed");
	vmm_inputs_done(&in);
	return r;
}

/* 1: it can be used, 0: never again; < 0: that cannot be found out now. */
static int usable(int dir_fd, const char *key, struct joey_err *err)
{
	autoerr struct joey_err why = JOEY_ERR_INIT;
	struct vmm_image image = VMM_IMAGE_INIT;
	struct vmm_record rec = { 0 };
	int r = judge(dir_fd, key, &rec, &image, &why);

	vmm_image_done(&image);
	vmm_record_done(&rec);
	if (r == 0)
		return 1;
	return vmm_store_is_verdict(r) ? 0 : joey_err_set(err, why.kind, why.errnum, "%s", joey_err_text(&why));
}

/* ---- list ------------------------------------------------------------------------------------------------------- */

void joey_vmm_templates_free(struct joey_vmm_template *v, size_t n)
{
	for (size_t i = 0; v && i < n; i++) {
		free(v[i].key);
		free(v[i].why);
		free(v[i].kernel);
		free(v[i].trust);
		free(v[i].created);
	}
	free(v);
}

static uint64_t bytes_in_use(const struct vmm_image *image)
{
	uint64_t sum = 0;
	struct stat st;

	if (fstat(image->ram_fd, &st) == 0)
		sum += (uint64_t)st.st_blocks * 512;
	if (fstat(image->state_fd, &st) == 0)
		sum += (uint64_t)st.st_blocks * 512;
	return sum;
}

static uint64_t age_of(int dir_fd, const char *key)
{
	time_t now = time(NULL);
	struct stat st;

	return fstatat(dir_fd, key, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtim.tv_sec < now
		       ? (uint64_t)(now - st.st_mtim.tv_sec)
		       : 0;
}

static int describe(int dir_fd, const char *key, struct joey_vmm_template *t)
{
	autoerr struct joey_err why = JOEY_ERR_INIT;
	struct vmm_image image = VMM_IMAGE_INIT;
	struct vmm_record rec = { 0 };
	int r = judge(dir_fd, key, &rec, &image, &why);

	t->key = strdup(key);
	t->why = r < 0 ? strdup(joey_err_text(&why)) : NULL;
	t->kernel = joey_take_ptr(rec.kernel);
	t->trust = joey_take_ptr(rec.trust);
	t->created = joey_take_ptr(rec.created);
	t->memory = rec.memory;
	t->vcpus = (unsigned)rec.vcpus;
	t->nets = (unsigned)rec.nets;
	t->accel = rec.accel;
	t->age = age_of(dir_fd, key);
	if (image.ram_fd >= 0) {
		t->holder = (pid_t)rec.holder;
		t->size = bytes_in_use(&image);
	}
	vmm_image_done(&image);
	vmm_record_done(&rec);
	return t->key && (r == 0 || t->why) ? 0 : -ENOMEM;
}

int joey_vmm_template_list(struct joey_vmm_template **ret, size_t *ret_n, struct joey_err *err)
{
	__attribute__((cleanup(keys_done))) struct keys keys = { NULL, 0 };
	struct joey_vmm_template *v;
	autoclose int dir = -EBADF;
	int r = vmm_store_open(&dir, err);

	if (r == 0)
		r = read_keys(dir, false, &keys, err);
	if (r < 0)
		return r;
	v = calloc(keys.n + 1, sizeof(*v));
	if (!v)
		return joey_err_sys(err, ENOMEM, "list the templates");
	for (size_t i = 0; i < keys.n && r == 0; i++)
		r = describe(dir, keys.v[i], &v[i]);
	if (r < 0) {
		joey_vmm_templates_free(v, keys.n);
		return joey_err_sys(err, r, "list the templates");
	}
	*ret = v;
	*ret_n = keys.n;
	return 0;
}

/* ---- remove ----------------------------------------------------------------------------------------------------- */

static bool is_there(int dir_fd, const char *name)
{
	return faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* With the template go its lock and its count of failures. */
static int remove_one(int dir_fd, const char *key, bool only_unusable, unsigned limit_ms, bool *ret_removed,
		      struct joey_err *err)
{
	char bad[VMM_KEY_LEN + 8], name[VMM_KEY_LEN + 8];
	autoclose int lock = -EBADF;
	int r = vmm_store_lock(dir_fd, key, joey_now_ms() + limit_ms, &lock, err);

	if (r < 0)
		return r;
	snprintf(bad, sizeof(bad), "%.*s.bad", VMM_KEY_LEN, key);
	snprintf(name, sizeof(name), "%.*s.lock", VMM_KEY_LEN, key);
	r = only_unusable ? usable(dir_fd, key, err) : 0;
	if (r != 0)
		return r < 0 ? r : 0;
	*ret_removed = is_there(dir_fd, key) || is_there(dir_fd, bad);
	if (unlinkat(dir_fd, bad, 0) < 0 && errno != ENOENT)
		return joey_err_sys(err, errno, "forget the template's failures");
	r = vmm_store_drop(dir_fd, key, err);
	if (r == 0 && unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		return joey_err_sys(err, errno, "remove the template's lock");
	return r;
}

void vmm_catalog_tidy(int dir_fd)
{
	__attribute__((cleanup(closedirp))) DIR *list = open_list(dir_fd);
	const struct dirent *e;

	while (list && (e = readdir(list))) {
		autoerr struct joey_err ignored = JOEY_ERR_INIT;
		bool removed;

		if (vmm_is_key(e->d_name) && usable(dir_fd, e->d_name, &ignored) == 0)
			(void)remove_one(dir_fd, e->d_name, true, 0, &removed, &ignored);
	}
}

static int find_key(int dir_fd, const char *prefix, char ret[VMM_KEY_LEN + 1], struct joey_err *err)
{
	__attribute__((cleanup(keys_done))) struct keys keys = { NULL, 0 };
	const char *found = NULL;
	int r = read_keys(dir_fd, false, &keys, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < keys.n && *prefix; i++) {
		if (!joey_startswith(keys.v[i], prefix))
			continue;
		if (found)
			return joey_err_set(err, JOEY_EK_USAGE, ENOTUNIQ, "more than one template begins with '%s'",
					    prefix);
		found = keys.v[i];
	}
	if (!found)
		return joey_err_set(err, JOEY_EK_NOT_FOUND, ENOENT, "there is no template '%s'", prefix);
	memcpy(ret, found, VMM_KEY_LEN + 1);
	return 0;
}

int joey_vmm_template_remove(const char *key, char **ret_key, struct joey_err *err)
{
	char whole[VMM_KEY_LEN + 1];
	autoclose int dir = -EBADF;
	bool removed;
	int r = vmm_store_open(&dir, err);

	if (r == 0)
		r = find_key(dir, key, whole, err);
	if (r == 0)
		r = remove_one(dir, whole, false, DROP_LIMIT_MS, &removed, err);
	if (r == 0) {
		*ret_key = strdup(whole);
		if (!*ret_key)
			r = joey_err_sys(err, ENOMEM, "name the template");
	}
	return r;
}

int joey_vmm_template_prune(bool all, size_t *ret_n, struct joey_err *err)
{
	__attribute__((cleanup(keys_done))) struct keys keys = { NULL, 0 };
	autoclose int dir = -EBADF;
	size_t n = 0;
	int r = vmm_store_open(&dir, err), failed = 0;

	if (r == 0)
		r = read_keys(dir, true, &keys, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < keys.n; i++) {
		autoerr struct joey_err sub = JOEY_ERR_INIT;
		bool removed = false;

		r = remove_one(dir, keys.v[i], !all, all ? DROP_LIMIT_MS : 0, &removed, &sub);
		n += removed;
		if (r >= 0 || (r == -ETIMEDOUT && !all))
			continue;
		failed = r;
		joey_err_clear(err);
		(void)joey_err_set(err, sub.kind, sub.errnum, "template %.12s: %s", keys.v[i], joey_err_text(&sub));
	}
	*ret_n = n;
	return failed;
}
