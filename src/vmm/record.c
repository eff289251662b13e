/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A template's record: who holds its files, and what it was made of.  The record is believed as little as possible: pid
 * and start time must be those of a living process, and the files that it holds must have the seals and sizes that they
 * were recorded with.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "vmm/vmm-internal.h"

enum { VERSION = 1, RECORD_MAX = 65536 };

static const struct {
	const char *name;
	size_t at;
	uint64_t max;
} numbers[] = {
	{ "memory", offsetof(struct vmm_record, memory), 1ULL << 46 },
	{ "vcpus", offsetof(struct vmm_record, vcpus), 256 },
	{ "nets", offsetof(struct vmm_record, nets), JOEY_VMM_NETS_MAX },
	{ "ramSize", offsetof(struct vmm_record, ram_size), 1ULL << 46 },
	{ "stateSize", offsetof(struct vmm_record, state_size), 1ULL << 40 },
	{ "holder", offsetof(struct vmm_record, holder), INT32_MAX },
	{ "holderStart", offsetof(struct vmm_record, holder_start), UINT64_MAX },
	{ "qemuMajor", offsetof(struct vmm_record, major), 99 },
	{ "qemuMinor", offsetof(struct vmm_record, minor), 99 },
};

static const struct {
	const char *name;
	size_t at;
} texts[] = {
	{ "hypervisor", offsetof(struct vmm_record, hypervisor) }, { "kernel", offsetof(struct vmm_record, kernel) },
	{ "initramfs", offsetof(struct vmm_record, initramfs) },   { "trust", offsetof(struct vmm_record, trust) },
	{ "created", offsetof(struct vmm_record, created) },
};

static uint64_t *number_of(const struct vmm_record *r, size_t i)
{
	return (uint64_t *)(uintptr_t)((const char *)r + numbers[i].at);
}

static char **text_of(const struct vmm_record *r, size_t i)
{
	return (char **)(uintptr_t)((const char *)r + texts[i].at);
}

bool vmm_is_key(const char *name)
{
	return strlen(name) == VMM_KEY_LEN && strspn(name, "0123456789abcdef") == VMM_KEY_LEN;
}

void vmm_record_done(struct vmm_record *r)
{
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(texts); i++) {
		free(*text_of(r, i));
		*text_of(r, i) = NULL;
	}
}

/* ---- text ------------------------------------------------------------------------------------------------------- */

int vmm_record_text(const struct vmm_record *r, char **ret, size_t *ret_len)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);

	if (!o)
		return -ENOMEM;
	joey_json_out_object(o, NULL);
	joey_json_out_u64(o, "version", VERSION);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(numbers); i++)
		joey_json_out_u64(o, numbers[i].name, *number_of(r, i));
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(texts); i++)
		joey_json_out_string(o, texts[i].name, *text_of(r, i));
	joey_json_out_string(o, "accel", joey_accel_to_string(r->accel));
	joey_json_out_bool(o, "acpi", r->acpi);
	joey_json_out_end(o);
	return joey_json_out_finish(o, ret, ret_len);
}

static int decode(const struct joey_json *root, struct vmm_record *r)
{
	const char *accel = joey_json_get_string(root, "accel");
	uint64_t version;

	if (joey_json_get_u64(root, "version", &version) < 0 || version != VERSION || !accel ||
	    joey_json_get_bool(root, "acpi", &r->acpi) < 0)
		return -EPROTO;
	r->accel = joey_streq(accel, "kvm") ? JOEY_ACCEL_KVM : JOEY_ACCEL_TCG;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(numbers); i++) {
		uint64_t *v = number_of(r, i);

		if (joey_json_get_u64(root, numbers[i].name, v) < 0 || *v > numbers[i].max)
			return -EPROTO;
	}
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(texts); i++) {
		const char *s = joey_json_get_string(root, texts[i].name);

		if (!s || strlen(s) > VMM_TEXT_MAX)
			return -EPROTO;
		*text_of(r, i) = strdup(s);
		if (!*text_of(r, i))
			return -ENOMEM;
	}
	return r->holder > 1 ? 0 : -EPROTO;
}

int vmm_record_parse(const char *text, size_t len, struct vmm_record *ret, struct joey_err *err)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct vmm_record rec = { 0 };
	struct joey_json *root;
	int r = joey_json_parse(text, len, RECORD_MAX, &arena, &root, err);

	if (r == 0) {
		r = decode(root, &rec);
		if (r < 0)
			(void)joey_err_sys(err, r, "read the template's record");
	}
	joey_arena_done(&arena);
	if (r < 0)
		vmm_record_done(&rec);
	else
		*ret = rec;
	return r;
}

int vmm_record_read(int dir_fd, const char *key, struct vmm_record *ret, struct joey_err *err)
{
	autoclose int fd = openat(dir_fd, key, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	autofree char *text = NULL;
	struct stat st;
	size_t len;
	int r;

	if (fd < 0 && errno == ENOENT)
		return joey_err_set(err, JOEY_EK_NOT_FOUND, ENOENT, "there is no template %s", key);
	if (fd < 0 || fstat(fd, &st) < 0)
		return joey_err_sys(err, errno, "open the template's record");
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 0022))
		return joey_err_set(err, JOEY_EK_OTHER, ESTALE, "the template's record is not ours");
	r = joey_read_fd(fd, RECORD_MAX, &text, &len);
	return r < 0 ? joey_err_sys(err, r, "read the template's record") : vmm_record_parse(text, len, ret, err);
}

int vmm_record_write(int dir_fd, const char *key, const struct vmm_record *rec, struct joey_err *err)
{
	autofree char *text = NULL;
	size_t len;
	int r = vmm_record_text(rec, &text, &len);

	if (r == 0)
		r = joey_replace_file_at(dir_fd, key, 0600, text, len);
	return r < 0 ? joey_err_sys(err, r, "write the template's record") : 0;
}

/* ---- the files behind it ---------------------------------------------------------------------------------------- */

/* A description of its own: the offset of the state is read from by each clone. */
static int open_file(int pidfd, int number, uint64_t size, int *ret, struct joey_err *err)
{
	autoclose int theirs = joey_sys_pidfd_getfd(pidfd, number, 0), fd = -EBADF;
	char path[32];
	struct stat st;
	int seals;

	/* it has ended, and nobody has reaped it */
	if (theirs == -EBADF || theirs == -ESRCH)
		return joey_err_set(err, JOEY_EK_OTHER, ESTALE, "the template's holder is gone");
	if (theirs < 0)
		return joey_err_sys(err, -theirs, "take a file from the template's holder");
	seals = fcntl(theirs, F_GET_SEALS);
	if ((seals < 0 && errno != EINVAL) || fstat(theirs, &st) < 0)
		return joey_err_sys(err, errno, "look at a file of the template's holder");
	if (seals < 0 || (seals & VMM_SEALS) != VMM_SEALS || (uint64_t)st.st_size != size)
		return joey_err_set(err, JOEY_EK_OTHER, ESTALE, "the template's holder has something else");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", theirs);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return joey_err_sys(err, errno, "open the template's file anew");
	*ret = joey_take_fd(&fd);
	return 0;
}

int vmm_record_open(const struct vmm_record *rec, struct vmm_image *ret, int *ret_pidfd, struct joey_err *err)
{
	struct vmm_image image = VMM_IMAGE_INIT;
	autoclose int pidfd = joey_sys_pidfd_open((pid_t)rec->holder, 0);
	uint64_t start = 0;
	int r = pidfd;

	/* The descriptor first, then the start time: what has it now is what was recorded. */
	if (r >= 0)
		r = joey_proc_stat((pid_t)rec->holder, &start, NULL);
	if (r == -ESRCH || (r == 0 && start != rec->holder_start))
		return joey_err_set(err, JOEY_EK_OTHER, ESTALE, "the template's holder is gone");
	if (r < 0)
		return joey_err_sys(err, r, "find the template's holder");
	r = open_file(pidfd, VMM_HOLDER_RAM, rec->ram_size, &image.ram_fd, err);
	if (r == 0)
		r = open_file(pidfd, VMM_HOLDER_STATE, rec->state_size, &image.state_fd, err);
	if (r < 0) {
		vmm_image_done(&image);
		return r;
	}
	image.version = (struct vmm_version){ (unsigned)rec->major, (unsigned)rec->minor };
	image.acpi = rec->acpi;
	*ret = image;
	if (ret_pidfd)
		*ret_pidfd = joey_take_fd(&pidfd);
	return 0;
}
