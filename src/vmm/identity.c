/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a machine is made from, found and held open, and the name of the template that belongs to it.  The key covers
 * everything that the guest's memory depends on.  Files count by inode, size and times: the change time cannot be set,
 * so a file that was written to has another key, and nothing of 18 MB is read at each start.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "config.h"
#include "joey/blake2b.h"
#include "vmm/vmm-internal.h"

enum { FORMAT = 1, MEMORY_MIN = 64 << 20, VCPUS_MAX = 256, TCG_LIMIT_MS = 30000, KVM_LIMIT_MS = 10000 };

#ifdef __aarch64__
#define QEMU_NAME    "qemu-system-aarch64"
#define QEMU_PACKAGE "qemu-system-arm"
#else
#define QEMU_NAME    "qemu-system-x86_64"
#define QEMU_PACKAGE "qemu-system-x86"
#endif

static const char *const hypervisors[] = { "/usr/bin/" QEMU_NAME, "/usr/local/bin/" QEMU_NAME,
					   "/usr/libexec/" QEMU_NAME, "/usr/libexec/qemu-kvm" };

const char *joey_accel_to_string(enum joey_accel a)
{
	switch (a) {
	case JOEY_ACCEL_KVM:
		return "kvm";
	case JOEY_ACCEL_TCG:
	case JOEY_ACCEL_MAX:
		break;
	}
	return "tcg";
}

/* ---- key -------------------------------------------------------------------------------------------------------- */

static int add_file(struct joey_blake2b *h, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	joey_blake2b_add_u64(h, st.st_dev);
	joey_blake2b_add_u64(h, st.st_ino);
	joey_blake2b_add_u64(h, (uint64_t)st.st_size);
	joey_blake2b_add_u64(h, (uint64_t)st.st_mtim.tv_sec);
	joey_blake2b_add_u64(h, (uint64_t)st.st_mtim.tv_nsec);
	joey_blake2b_add_u64(h, (uint64_t)st.st_ctim.tv_sec);
	joey_blake2b_add_u64(h, (uint64_t)st.st_ctim.tv_nsec);
	return 0;
}

/* The processor: a guest that was booted on one may use what another does not have. */
static void add_cpu(struct joey_blake2b *h)
{
#ifdef __x86_64__
	static const unsigned leaves[] = { 0, 1, 7, 0x80000001, 0x80000002, 0x80000003, 0x80000004 };

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(leaves); i++) {
		unsigned v[4] = { 0, 0, 0, 0 };

		(void)__get_cpuid_count(leaves[i], 0, &v[0], &v[1], &v[2], &v[3]);
		/* number of the CPU that this runs on */
		if (leaves[i] == 1)
			v[1] = 0;
		joey_blake2b_add(h, v, sizeof(v));
	}
#else
	joey_blake2b_add_u64(h, getauxval(AT_HWCAP));
	joey_blake2b_add_u64(h, getauxval(AT_HWCAP2));
#endif
}

int vmm_boot_id(char **ret)
{
	size_t len;
	int r = joey_read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 0, 128, ret, &len);

	if (r == 0)
		(*ret)[strcspn(*ret, "\n")] = '\0';
	return r;
}

/* The machine as the table of qemu.c has it, whatever QEMU's version: another joey may have other devices. */
static int add_machine(struct joey_blake2b *h, const struct vmm_inputs *in)
{
	const struct vmm_machine m = { .in = in, .version = { 7, 2 }, .mode = VMM_BUILD, .acpi = true };
	struct joey_arena arena = JOEY_ARENA_INIT;
	char **argv = vmm_command_line(&m, &arena);

	for (size_t i = 0; argv && argv[i]; i++)
		joey_blake2b_add_text(h, argv[i]);
	joey_arena_done(&arena);
	return argv ? 0 : -ENOMEM;
}

static int make_key(struct vmm_inputs *in)
{
	const int files[] = { in->hypervisor_fd, in->kernel_fd, in->initramfs_fd };
	uint8_t digest[VMM_KEY_LEN / 2];
	autofree char *boot_id = NULL;
	struct joey_blake2b h;
	int r = vmm_boot_id(&boot_id);

	if (r < 0)
		return r;
	joey_blake2b_init(&h, sizeof(digest));
	joey_blake2b_add_u64(&h, FORMAT);
	joey_blake2b_add_text(&h, JOEY_VERSION);
	joey_blake2b_add_text(&h, boot_id);
	add_cpu(&h);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(files); i++) {
		r = add_file(&h, files[i]);
		if (r < 0)
			return r;
	}
	joey_blake2b_add_text(&h, in->spec.hypervisor);
	joey_blake2b_add_text(&h, in->spec.trust);
	joey_blake2b_add_u64(&h, in->spec.memory);
	joey_blake2b_add_u64(&h, in->spec.vcpus);
	joey_blake2b_add_u64(&h, (uint64_t)in->spec.accel);
	joey_blake2b_add_u64(&h, in->tun);
	r = add_machine(&h, in);
	if (r < 0)
		return r;
	joey_blake2b_finish(&h, digest);
	joey_hex(digest, sizeof(digest), in->key);
	return 0;
}

/* ---- finding ---------------------------------------------------------------------------------------------------- */

static int open_file(const char *path, const char *what, int *ret, struct joey_err *err)
{
	autoclose int fd = -EBADF;
	struct stat st;

	if (!path || path[0] != '/')
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "%s: '%s' is not an absolute path", what,
				    path ? path : "");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return joey_err_sys(err, errno, "open %s '%s'", what, path);
	if (fstat(fd, &st) < 0)
		return joey_err_sys(err, errno, "stat %s '%s'", what, path);
	if (!S_ISREG(st.st_mode))
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "%s '%s' is not a regular file", what, path);
	*ret = joey_take_fd(&fd);
	return 0;
}

int joey_vmm_find_hypervisor(const char *wanted, char **ret, struct joey_err *err)
{
	const char *path = wanted;

	for (size_t i = 0; !path && i < JOEY_ARRAY_SIZE(hypervisors); i++)
		if (faccessat(AT_FDCWD, hypervisors[i], X_OK, AT_EACCESS) == 0)
			path = hypervisors[i];
	if (!path)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOENT,
				    "no hypervisor: install " QEMU_NAME " (Debian package: " QEMU_PACKAGE ")");
	/* Distributions link it to where it is; the jail shows the real directory. */
	*ret = realpath(path, NULL);
	return *ret ? 0 : joey_err_sys(err, errno, "open hypervisor '%s'", path);
}

static int find_hypervisor(const char *wanted, struct vmm_inputs *in, struct joey_err *err)
{
	int r;

	if (wanted && wanted[0] != '/')
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "hypervisor: '%s' is not an absolute path", wanted);
	r = joey_vmm_find_hypervisor(wanted, &in->hypervisor, err);
	if (r == 0)
		r = open_file(in->hypervisor, "hypervisor", &in->hypervisor_fd, err);
	in->spec.hypervisor = in->hypervisor;
	return r;
}

static int check_size(struct joey_vmm_spec *spec, struct joey_err *err)
{
	uint64_t mib = (1 << 20) - 1;

	if (spec->memory < MEMORY_MIN || spec->memory > 1ULL << 46)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "a machine cannot have %llu bytes of memory",
				    (unsigned long long)spec->memory);
	if (spec->vcpus < 1 || spec->vcpus > VCPUS_MAX)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "a machine cannot have %u vCPUs", spec->vcpus);
	if (spec->accel != JOEY_ACCEL_TCG && spec->accel != JOEY_ACCEL_KVM)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "no accelerator has the number %d", (int)spec->accel);
	if (spec->nets == 0)
		spec->nets = 1;
	if (spec->nets != 1 && spec->nets != JOEY_VMM_NETS_MAX)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "a machine cannot have %u network devices",
				    spec->nets);
	spec->memory = (spec->memory + mib) & ~mib;
	return 0;
}

int vmm_inputs_open(const struct joey_vmm_spec *spec, struct vmm_inputs *ret, struct joey_err *err)
{
	struct vmm_inputs in = VMM_INPUTS_INIT;
	int r;

	in.spec = *spec;
	if (!in.spec.trust)
		in.spec.trust = "host";
	if (strlen(in.spec.trust) > VMM_TEXT_MAX)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "the name of the trust domain is too long");
	in.boot_limit_ms = spec->accel == JOEY_ACCEL_KVM ? KVM_LIMIT_MS : TCG_LIMIT_MS;
	in.tun = faccessat(AT_FDCWD, "/dev/net/tun", R_OK | W_OK, AT_EACCESS) == 0;
	if (!in.tun && errno != ENOENT && errno != EACCES && errno != EPERM)
		return joey_err_sys(err, errno, "look at /dev/net/tun");
	r = check_size(&in.spec, err);
	if (r == 0)
		r = find_hypervisor(spec->hypervisor, &in, err);
	if (r == 0)
		r = open_file(spec->kernel, "guest kernel", &in.kernel_fd, err);
	if (r == 0)
		r = open_file(spec->initramfs, "guest initramfs", &in.initramfs_fd, err);
	if (r == 0) {
		r = make_key(&in);
		if (r < 0)
			(void)joey_err_sys(err, r, "name the template");
	}
	if (r < 0) {
		vmm_inputs_done(&in);
		return r;
	}
	*ret = in;
	return 0;
}

void vmm_inputs_done(struct vmm_inputs *in)
{
	in->hypervisor_fd = joey_close(in->hypervisor_fd);
	in->kernel_fd = joey_close(in->kernel_fd);
	in->initramfs_fd = joey_close(in->initramfs_fd);
	free(in->hypervisor);
	in->hypervisor = NULL;
}

int joey_vmm_key(const struct joey_vmm_spec *spec, char **ret, struct joey_err *err)
{
	struct vmm_inputs in = VMM_INPUTS_INIT;
	int r = vmm_inputs_open(spec, &in, err);

	if (r < 0)
		return r;
	*ret = strdup(in.key);
	vmm_inputs_done(&in);
	return *ret ? 0 : joey_err_sys(err, ENOMEM, "name the template");
}
