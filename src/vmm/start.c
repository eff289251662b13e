/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a machine: from its template if that can be had, else cold. */
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "joey/log.h"
#include "vmm/vmm-internal.h"

/* The directory as a mount that follows what its owner mounts below it later, and tells nothing back.  Its own level is
 * read-only, so that the places where things are mounted stay; nothing in it is a device. */
int vmm_clone_share(int share_fd, int *ret, struct joey_err *err)
{
	struct mount_attr all = { .attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID, .propagation = MS_SLAVE };
	struct mount_attr top = { .attr_set = MOUNT_ATTR_RDONLY };
	autoclose int mnt =
		joey_sys_open_tree(share_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
	int r = mnt;

	if (r >= 0)
		r = joey_sys_mount_setattr(mnt, "", AT_EMPTY_PATH | AT_RECURSIVE, &all);
	if (r >= 0)
		r = joey_sys_mount_setattr(mnt, "", AT_EMPTY_PATH, &top);
	if (r < 0)
		return joey_err_sys(err, r, "clone the share's mount");
	*ret = joey_take_fd(&mnt);
	return 0;
}

static int boot_cold(const struct vmm_inputs *in, struct vmm_launch *l, struct joey_vmm *ret, struct joey_err *err)
{
	int r = vmm_probe_version(in, &l->machine.version, err);

	if (r < 0)
		return r;
	l->machine.mode = VMM_BOOT;
	l->machine.acpi = vmm_probe_acpi(in->spec.kernel);
	l->machine.tsc_khz = vmm_probe_tsc_khz();
	return vmm_launch(l, ret, err);
}

static int restore(const struct vmm_image *image, struct vmm_launch *l, struct joey_vmm *ret, struct joey_err *err)
{
	int r;

	l->machine.mode = VMM_RESTORE;
	l->machine.version = image->version;
	l->machine.acpi = image->acpi;
	l->ram_fd = image->ram_fd;
	l->state_fd = image->state_fd;
	r = vmm_launch(l, ret, err);
	l->ram_fd = l->state_fd = -EBADF;
	return r;
}

/* -EAGAIN, without a text: KVM turned out not to be usable. */
static int start(const struct joey_vmm_start *args, const struct vmm_inputs *in, struct joey_vmm *ret,
		 struct joey_err *err)
{
	struct vmm_launch l = VMM_LAUNCH_INIT;
	struct vmm_image image = VMM_IMAGE_INIT;
	autoerr struct joey_err why = JOEY_ERR_INIT;
	autofree char *zygote = args->to_fork ? vmm_find_zygote() : NULL;
	autoclose int share = -EBADF;
	struct stat st;
	int r = vmm_clone_share(args->share_fd, &share, err);

	if (r < 0)
		return r;
	l.machine.in = in;
	l.machine.block = args->block_fd >= 0;
	l.machine.block_is_device = l.machine.block && fstat(args->block_fd, &st) == 0 && S_ISBLK(st.st_mode);
	l.share = share;
	l.tap_fds = args->tap_fds;
	l.cgroup_fd = args->cgroup_fd;
	l.block_fd = args->block_fd;
	l.machine.to_fork = args->to_fork;
	l.zygote = args->to_fork ? zygote : NULL;
	if (in->spec.no_template)
		return boot_cold(in, &l, ret, err);

	r = args->to_fork ? vmm_template_find(in, &image, &why)
			  : vmm_template_get(in, args->progress, args->arg, &image, &why);
	if (r == 0)
		r = restore(&image, &l, ret, &why);
	vmm_image_done(&image);
	if (r == 0)
		return 0;
	if (args->to_fork)
		return joey_err_set(err, JOEY_EK_OTHER, ENOTRECOVERABLE, "%s", joey_err_text(&why));
	if (vmm_accel_refuted(in)) {
		joey_warn("sandbox: falling back to emulation: %s", joey_err_text(&why));
		return -EAGAIN;
	}
	joey_warn("sandbox: starting without a template: %s", joey_err_text(&why));
	return boot_cold(in, &l, ret, err);
}

int joey_vmm_start(const struct joey_vmm_start *args, struct joey_vmm *ret, struct joey_err *err)
{
	struct vmm_inputs in = VMM_INPUTS_INIT;
	struct joey_vmm_spec spec = *args->spec;
	int r;

	if (args->zygote_fd >= 0)
		return vmm_fork(args, ret, err);
	r = vmm_inputs_open(&spec, &in, err);
	if (r == 0)
		r = start(args, &in, ret, err);
	vmm_inputs_done(&in);
	if (r != -EAGAIN || spec.accel != JOEY_ACCEL_KVM)
		return r;
	spec.accel = JOEY_ACCEL_TCG;
	r = vmm_inputs_open(&spec, &in, err);
	if (r == 0)
		r = start(args, &in, ret, err);
	vmm_inputs_done(&in);
	return r;
}
