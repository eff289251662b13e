/* SPDX-License-Identifier: Apache-2.0 */
/* Templates are got here: made when there is none, by one of all who want it.  catalog.c lists and removes them. */
#include <fcntl.h>
#include <string.h>

#include "joey/log.h"
#include "vmm/vmm-internal.h"

enum { LOCK_LIMIT_MS = 90000 }; /* longer than two tries take */

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
	vmm_catalog_tidy(dir_fd);
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

int vmm_template_find(const struct vmm_inputs *in, struct vmm_image *ret, struct joey_err *err)
{
	autoclose int dir = -EBADF;
	int r = vmm_store_open(&dir, err);

	return r < 0 ? r : vmm_store_get(dir, in->key, ret, err);
}

bool joey_vmm_has_template(const struct joey_vmm_spec *spec)
{
	struct vmm_inputs in = VMM_INPUTS_INIT;
	struct vmm_image image = VMM_IMAGE_INIT;
	autoerr struct joey_err err = JOEY_ERR_INIT;
	int r = vmm_inputs_open(spec, &in, &err);

	if (r == 0)
		r = vmm_template_find(&in, &image, &err);
	vmm_image_done(&image);
	vmm_inputs_done(&in);
	return r == 0;
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

/* Whoever asks for it in words has his reasons: earlier failures are forgotten. */
static int build(const struct joey_vmm_spec *spec, void (*progress)(void *arg, const char *text), void *arg,
		 char **ret_key, struct joey_err *err)
{
	struct vmm_inputs in = VMM_INPUTS_INIT;
	struct vmm_image image = VMM_IMAGE_INIT;
	autoclose int dir = -EBADF;
	int r = vmm_inputs_open(spec, &in, err);

	if (r == 0)
		r = vmm_store_open(&dir, err);
	if (r == 0) {
		vmm_store_forget_bad(dir, in.key);
		r = vmm_template_get(&in, progress, arg, &image, err);
	}
	if (r < 0 && vmm_accel_refuted(&in))
		r = -EAGAIN;
	if (r == 0) {
		*ret_key = strdup(in.key);
		if (!*ret_key)
			r = joey_err_sys(err, ENOMEM, "name the template");
	}
	vmm_image_done(&image);
	vmm_inputs_done(&in);
	return r;
}

int joey_vmm_template_build(const struct joey_vmm_spec *spec, void (*progress)(void *arg, const char *text), void *arg,
			    char **ret_key, struct joey_err *err)
{
	struct joey_vmm_spec emulated = *spec;
	int r = build(spec, progress, arg, ret_key, err);

	if (r != -EAGAIN || spec->accel != JOEY_ACCEL_KVM)
		return r;
	say(progress, arg, "KVM cannot be used: falling back to emulation");
	joey_err_clear(err);
	emulated.accel = JOEY_ACCEL_TCG;
	return build(&emulated, progress, arg, ret_key, err);
}
