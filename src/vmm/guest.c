/* SPDX-License-Identifier: Apache-2.0 */
/* Where the guest's kernel and initramfs are: beside an uninstalled joey, else where `make install` has put them. */
#include <fcntl.h>
#include <string.h>

#include "config.h"
#include "joey/zygote.h"
#include "vmm/vmm-internal.h"

#ifndef JOEY_GUEST_DIR
#define JOEY_GUEST_DIR "/usr/libexec/joey/guest"
#endif

static const char *const kinds[] = { "small", "debian" };

static int try_at(const char *base, int base_len, const char *kind, char **ret_kernel, char **ret_initramfs)
{
	autofree char *kernel = NULL, *initramfs = NULL;

	if (asprintf(&kernel, "%.*s/%s/vmlinux", base_len, base, kind) < 0) {
		kernel = NULL;
		return -ENOMEM;
	}
	if (asprintf(&initramfs, "%.*s/%s/initramfs.cpio", base_len, base, kind) < 0) {
		initramfs = NULL;
		return -ENOMEM;
	}
	if (faccessat(AT_FDCWD, kernel, R_OK, AT_EACCESS) < 0 || faccessat(AT_FDCWD, initramfs, R_OK, AT_EACCESS) < 0)
		return -ENOENT;
	*ret_kernel = joey_take_ptr(kernel);
	*ret_initramfs = joey_take_ptr(initramfs);
	return 0;
}

/* Where an uninstalled joey has it; heap, NULL where that cannot be said. */
static int find_near(char **ret)
{
	const char *self = joey_self_path(), *slash = strrchr(self, '/');

	if (!slash || asprintf(ret, "%.*s/guest", (int)(slash - self), self) >= 0)
		return 0;
	*ret = NULL;
	return -ENOMEM;
}

int joey_vmm_find_guest(char **ret_kernel, char **ret_initramfs, struct joey_err *err)
{
	autofree char *near = NULL;
	int r = find_near(&near);

	if (r < 0)
		return joey_err_sys(err, r, "find the guest's kernel");
	r = -ENOENT;
	for (int place = 0; place < 2; place++) {
		const char *base = place == 0 ? near : JOEY_GUEST_DIR;

		for (size_t i = 0; base && r == -ENOENT && i < JOEY_ARRAY_SIZE(kinds); i++)
			r = try_at(base, (int)strlen(base), kinds[i], ret_kernel, ret_initramfs);
	}
	if (r == -ENOENT)
		return joey_err_set(err, JOEY_EK_NOT_FOUND, ENOENT,
				    "no kernel for the guest of a sandboxed container in %s%s" JOEY_GUEST_DIR
				    ": 'make guest' makes one",
				    near ? near : "", near ? " or " : "");
	return r < 0 ? joey_err_sys(err, r, "find the guest's kernel") : 0;
}

/* In the same places; heap, NULL: it is not there. */
static char *find_file(const char *name)
{
	autofree char *near = NULL;
	char *path;

	if (find_near(&near) < 0)
		return NULL;
	for (int place = near ? 0 : 1; place < 2; place++) {
		if (asprintf(&path, "%s/%s", place == 0 ? near : JOEY_GUEST_DIR, name) < 0)
			return NULL;
		if (path[0] == '/' && faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0)
			return path;
		free(path);
	}
	return NULL;
}

char *vmm_find_zygote(void)
{
	return find_file(VMM_JAIL_ZYGOTE);
}

int joey_vmm_open_first(off_t *size)
{
	autofree char *path = find_file("zygote-first");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -ENOENT;

	*size = JOEY_ZYGOTE_FIRST_SIZE;
	return fd < 0 && path ? -errno : fd;
}

bool joey_vmm_can_fork(const struct joey_vmm_spec *spec)
{
	autofree char *zygote = spec->accel == JOEY_ACCEL_TCG && !spec->no_template ? vmm_find_zygote() : NULL;

	return zygote != NULL;
}
