/* SPDX-License-Identifier: Apache-2.0 */
/* Templates as their users see them: got (made when there is none, by one of all who want it), listed, removed. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "joey/log.h"
#include "vmm/vmm-internal.h"

/* Longer than two tries take. */
enum { LOCK_LIMIT_MS = 90000, DROP_LIMIT_MS = 5000, TEMPLATES_MAX = 1024 };

static void say(void (*progress)(void *arg, const char *text), void *arg, const char *text)
{
	if (progress)
		progress(arg, text);
}

static void kvm_refuted(const struct vmm_inputs *in, const struct joey_err *err)
{
	char text[512];

	if (in->spec.accel != JOEY_ACCEL_KVM)
		return;
	snprintf(text, sizeof(text), "a guest does not start under KVM: %s", joey_err_text(err));
	vmm_accel_refute(text);
}

static void drop_unusable(int dir_fd);

static int make(int dir_fd, const struct vmm_inputs *in, void (*progress)(void *arg, const char *text), void *arg,
		struct vmm_image *ret, struct joey_err *err)
{
	struct vmm_image image = VMM_IMAGE_INIT;
	int r;

	say(progress, arg, "making a template of the guest, once until the next reboot");
	r = vmm_image_build(in, &image, err);
	if (r < 0) {
		vmm_store_mark_bad(dir_fd, in->key);
		kvm_refuted(in, err);
		return r;
	}
	r = vmm_store_put(dir_fd, in, &image, err);
	vmm_image_done(&image);
	if (r < 0)
		return r;
	say(progress, arg, "the template of the guest is ready");
	drop_unusable(dir_fd);
	/* From the holder, as everybody will: descriptors with offsets of their own. */
	return vmm_store_get(dir_fd, in->key, ret, err);
}

int vmm_template_get(const struct vmm_inputs *in, void (*progress)(void *arg, const char *text), void *arg,
		     struct vmm_image *ret, struct joey_err *err)
{
	autoerr struct joey_err miss = JOEY_ERR_INIT;
	autoclose int dir = -EBADF, lock = -EBADF;
	int r = vmm_store_open(&dir, err);

	if (r < 0)
		return r;
	if (vmm_store_get(dir, in->key, ret, &miss) == 0)
		return 0;
	joey_err_clear(&miss);
	if (vmm_store_bad(dir, in->key) >= VMM_BAD_MAX)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTRECOVERABLE,
				    "templates of this guest failed only minutes ago");
	r = vmm_store_lock(dir, in->key, 0, &lock, &miss);
	if (r == -ETIMEDOUT) {
		say(progress, arg, "waiting for a template of the guest that another process makes");
		r = vmm_store_lock(dir, in->key, joey_now_ms() + LOCK_LIMIT_MS, &lock, err);
	} else if (r < 0) {
		return joey_err_set(err, JOEY_EK_OTHER, -r, "%s", joey_err_text(&miss));
	}
	if (r < 0)
		return r;
	/* Perhaps somebody made it while this one waited; or made it in vain. */
	joey_err_clear(&miss);
	if (vmm_store_get(dir, in->key, ret, &miss) == 0)
		return 0;
	r = vmm_store_drop(dir, in->key, err);
	return r < 0 ? r : make(dir, in, progress, arg, ret, err);
}

void joey_vmm_template_failed(const struct joey_vmm_spec *spec)
{
	struct vmm_inputs in = VMM_INPUTS_INIT;
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autoclose int dir = -EBADF;

	if (vmm_inputs_open(spec, &in, &err) == 0 && vmm_store_open(&dir, &err) == 0) {
		vmm_store_mark_bad(dir, in.key);
		(void)vmm_store_drop(dir, in.key, &err);
	}
	if (err.errnum)
		joey_debug("template: %s", joey_err_text(&err));
	vmm_inputs_done(&in);
}

int joey_vmm_template_build(const struct joey_vmm_spec *spec, void (*progress)(void *arg, const char *text), void *arg,
			    char **ret_key, struct joey_err *err)
{
	struct vmm_inputs in = VMM_INPUTS_INIT;
	struct vmm_image image = VMM_IMAGE_INIT;
	autofree char *key = NULL;
	int r = vmm_inputs_open(spec, &in, err);

	if (r == 0)
		r = vmm_template_get(&in, progress, arg, &image, err);
	if (r == 0) {
		key = strdup(in.key);
		if (!key)
			r = joey_err_sys(err, ENOMEM, "name the template");
	}
	vmm_image_done(&image);
	vmm_inputs_done(&in);
	if (r == 0)
		*ret_key = joey_take_ptr(key);
	return r;
}

/* ---- list, remove ----------------------------------------------------------------------------------------------- */

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

void joey_vmm_templates_free(struct joey_vmm_template *v, size_t n)
{
	for (size_t i = 0; v && i < n; i++) {
		free(v[i].key);
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

/* What cannot be used is listed, too: without a holder. */
static int list_one(int dir_fd, const char *key, struct joey_vmm_template *t)
{
	autoerr struct joey_err ignored = JOEY_ERR_INIT;
	struct vmm_image image = VMM_IMAGE_INIT;
	struct vmm_record rec = { 0 };

	memset(t, 0, sizeof(*t));
	t->key = strdup(key);
	if (!t->key)
		return -ENOMEM;
	if (vmm_record_read(dir_fd, key, &rec, &ignored) < 0)
		return 0;
	t->kernel = joey_take_ptr(rec.kernel);
	t->trust = joey_take_ptr(rec.trust);
	t->created = joey_take_ptr(rec.created);
	t->memory = rec.memory;
	t->vcpus = (unsigned)rec.vcpus;
	t->accel = rec.accel;
	if (vmm_record_open(&rec, &image, NULL, &ignored) == 0) {
		t->holder = (pid_t)rec.holder;
		t->size = bytes_in_use(&image);
	}
	vmm_image_done(&image);
	vmm_record_done(&rec);
	return 0;
}

int joey_vmm_template_list(struct joey_vmm_template **ret, size_t *ret_n, struct joey_err *err)
{
	__attribute__((cleanup(closedirp))) DIR *list = NULL;
	struct joey_vmm_template *v = NULL;
	autoclose int dir = -EBADF;
	const struct dirent *e;
	size_t n = 0;
	int r = vmm_store_open(&dir, err);

	if (r < 0)
		return r;
	list = open_list(dir);
	if (!list)
		return joey_err_sys(err, errno, "list the templates");
	while ((e = readdir(list)) && n < TEMPLATES_MAX) {
		struct joey_vmm_template *more;

		if (!vmm_is_key(e->d_name))
			continue;
		more = realloc(v, (n + 1) * sizeof(*v));
		if (more)
			v = more;
		if (!more || list_one(dir, e->d_name, &v[n]) < 0) {
			joey_vmm_templates_free(v, n);
			return joey_err_sys(err, ENOMEM, "list the templates");
		}
		n++;
	}
	*ret = v;
	*ret_n = n;
	return 0;
}

/* Does the record still lead to its own key, and is the holder there? */
static bool usable(int dir_fd, const char *key)
{
	autoerr struct joey_err ignored = JOEY_ERR_INIT;
	struct vmm_inputs in = VMM_INPUTS_INIT;
	struct vmm_image image = VMM_IMAGE_INIT;
	struct vmm_record rec = { 0 };
	bool ok = vmm_record_read(dir_fd, key, &rec, &ignored) == 0;

	if (ok) {
		const struct joey_vmm_spec spec = { .hypervisor = rec.hypervisor,
						    .kernel = rec.kernel,
						    .initramfs = rec.initramfs,
						    .trust = rec.trust,
						    .memory = rec.memory,
						    .vcpus = (unsigned)rec.vcpus,
						    .accel = rec.accel };

		ok = vmm_inputs_open(&spec, &in, &ignored) == 0 && joey_streq(in.key, key) &&
		     vmm_record_open(&rec, &image, NULL, &ignored) == 0;
	}
	vmm_image_done(&image);
	vmm_inputs_done(&in);
	vmm_record_done(&rec);
	return ok;
}

/* Under the lock, so that nobody makes it at the same time; with it go lock and count. */
static int remove_one(int dir_fd, const char *key, bool only_unusable, unsigned limit_ms, struct joey_err *err)
{
	char name[VMM_KEY_LEN + 8];
	autoclose int lock = -EBADF;
	int r = vmm_store_lock(dir_fd, key, joey_now_ms() + limit_ms, &lock, err);

	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "%.*s.bad", VMM_KEY_LEN, key);
	if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		return joey_err_sys(err, errno, "forget the template's failures");
	if (only_unusable && usable(dir_fd, key))
		return 0;
	r = vmm_store_drop(dir_fd, key, err);
	snprintf(name, sizeof(name), "%.*s.lock", VMM_KEY_LEN, key);
	if (r == 0 && unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		return joey_err_sys(err, errno, "remove the template's lock");
	return r;
}

/* What an upgrade or a rebuilt agent has left behind: tens of MB each.  Those that somebody works on are left alone. */
static void drop_unusable(int dir_fd)
{
	__attribute__((cleanup(closedirp))) DIR *list = open_list(dir_fd);
	const struct dirent *e;

	while (list && (e = readdir(list))) {
		autoerr struct joey_err ignored = JOEY_ERR_INIT;

		if (vmm_is_key(e->d_name) && !usable(dir_fd, e->d_name))
			(void)remove_one(dir_fd, e->d_name, true, 0, &ignored);
	}
}

int joey_vmm_template_remove(const char *key, bool all, struct joey_err *err)
{
	__attribute__((cleanup(closedirp))) DIR *list = NULL;
	autoclose int dir = -EBADF;
	const struct dirent *e;
	int r = vmm_store_open(&dir, err), failed = 0;

	if (r < 0)
		return r;
	if (key && (!vmm_is_key(key) || faccessat(dir, key, F_OK, AT_SYMLINK_NOFOLLOW) < 0))
		return joey_err_set(err, JOEY_EK_NOT_FOUND, ENOENT, "there is no template '%s'", key);
	if (key)
		return remove_one(dir, key, false, DROP_LIMIT_MS, err);
	list = open_list(dir);
	if (!list)
		return joey_err_sys(err, errno, "list the templates");
	while ((e = readdir(list))) {
		char name[VMM_KEY_LEN + 1];

		/* Its record, lock or count: what is left of one is found by any of them. */
		snprintf(name, sizeof(name), "%.*s", VMM_KEY_LEN, e->d_name);
		if (!vmm_is_key(name))
			continue;
		joey_err_clear(err);
		r = remove_one(dir, name, !all, DROP_LIMIT_MS, err);
		if (r < 0)
			failed = r;
	}
	return failed;
}
