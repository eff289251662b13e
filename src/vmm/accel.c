/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which accelerator can be used, remembered for as long as this host is up with this /dev/kvm and this module behind
 * it.  A "no" may also come from a template that did not come up under KVM (template.c).  What is remembered is an aid:
 * whatever is wrong with it costs a probe.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "joey/check.h"
#include "joey/log.h"
#include "vmm/vmm-internal.h"

#define VERDICT "kvm-verdict"
enum { VERDICT_MAX = 4096, VERDICT_VERSION = 1 };

static const char *const modules[] = { "/sys/module/kvm", "/sys/module/kvm_intel", "/sys/module/kvm_amd",
				       "/sys/module/kvm_pvm" };

/* Boot, device, modules: a module that was loaded anew has a new directory. */
static int identity(struct joey_str *s)
{
	autofree char *boot_id = NULL;
	struct stat st;
	int r = vmm_boot_id(&boot_id);

	if (r < 0)
		return r;
	joey_str_printf(s, "%s", boot_id);
	if (fstatat(AT_FDCWD, "/dev/kvm", &st, 0) < 0)
		return -errno;
	joey_str_printf(s, " %llx:%llx:%llx:%o", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
			(unsigned long long)st.st_rdev, (unsigned)st.st_mode);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(modules); i++)
		if (fstatat(AT_FDCWD, modules[i], &st, 0) == 0)
			joey_str_printf(s, " %s=%llx", modules[i], (unsigned long long)st.st_ino);
	return s->failed ? -ENOMEM : 0;
}

int vmm_verdict_parse(const char *text, size_t len, const char *id, bool *ret_usable, char **ret_why)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	autoerr struct joey_err ignored = JOEY_ERR_INIT;
	const char *why;
	struct joey_json *root;
	uint64_t version;
	bool usable;
	int r = joey_json_parse(text, len, VERDICT_MAX, &arena, &root, &ignored);

	if (r == 0 && (joey_json_get_u64(root, "version", &version) < 0 || version != VERDICT_VERSION ||
		       joey_json_get_bool(root, "usable", &usable) < 0 ||
		       !(why = joey_json_get_string(root, "identity")) || !joey_streq(why, id)))
		r = -EPROTO;
	if (r == 0 && !usable) {
		why = joey_json_get_string(root, "why");
		*ret_why = strdup(why ? why : "");
		if (!*ret_why)
			r = -ENOMEM;
	}
	if (r == 0)
		*ret_usable = usable;
	joey_arena_done(&arena);
	return r;
}

static int recall(int dir_fd, const char *id, bool *ret_usable, char **ret_why)
{
	autoclose int fd = openat(dir_fd, VERDICT, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	autofree char *text = NULL;
	struct stat st;
	size_t len;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 0022))
		return -EPERM;
	r = joey_read_fd(fd, VERDICT_MAX, &text, &len);
	return r < 0 ? r : vmm_verdict_parse(text, len, id, ret_usable, ret_why);
}

static void remember(int dir_fd, const char *id, bool usable, const char *why)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	autofree char *text = NULL;
	size_t len;
	int r;

	if (!o)
		return;
	joey_json_out_object(o, NULL);
	joey_json_out_u64(o, "version", VERDICT_VERSION);
	joey_json_out_string(o, "identity", id);
	joey_json_out_bool(o, "usable", usable);
	if (why)
		joey_json_out_string(o, "why", why);
	joey_json_out_end(o);
	r = joey_json_out_finish(o, &text, &len);
	if (r == 0)
		r = joey_replace_file_at(dir_fd, VERDICT, 0600, text, len);
	if (r < 0)
		joey_debug("write the verdict on KVM: %s", joey_errno_text(r));
}

/* NULL: KVM is usable */
static char *probe(void)
{
	struct joey_findings f = { .arena = JOEY_ARENA_INIT, .v = NULL, .n = 0, .cap = 0 };
	char *why = NULL;
	int r = joey_check_kvm(&f);

	if (r < 0 || f.n == 0)
		why = strdup("/dev/kvm cannot be probed");
	else if (f.v[0].level != JOEY_FINDING_OK)
		why = strdup(f.v[0].detail ? f.v[0].detail : "");
	joey_findings_done(&f);
	return why;
}

enum joey_accel joey_vmm_accel(int cache_dir_fd, char **ret_why)
{
	autostr struct joey_str id = JOEY_STR_INIT;
	bool known = identity(&id) == 0, usable = false;
	char *why = NULL;

	if (!known || cache_dir_fd < 0 || recall(cache_dir_fd, id.buf, &usable, &why) < 0) {
		why = probe();
		usable = !why;
		/* No /dev/kvm at all is found out faster than read. */
		if (known && cache_dir_fd >= 0)
			remember(cache_dir_fd, id.buf, usable, why);
	}
	if (ret_why)
		*ret_why = why;
	else
		free(why);
	return usable ? JOEY_ACCEL_KVM : JOEY_ACCEL_TCG;
}

bool joey_vmm_accel_known(enum joey_accel *ret)
{
	autostr struct joey_str id = JOEY_STR_INIT;
	autoclose int dir = -EBADF;
	autofree char *why = NULL;
	bool usable = false;
	int r = identity(&id);

	if (r == 0) {
		dir = open("/run/joey-cache", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = dir < 0 ? -errno : recall(dir, id.buf, &usable, &why);
	} else if (faccessat(AT_FDCWD, "/dev/kvm", F_OK, 0) < 0 && errno == ENOENT) {
		r = 0;
	}
	*ret = usable ? JOEY_ACCEL_KVM : JOEY_ACCEL_TCG;
	return r == 0;
}

void vmm_accel_refute(const char *why)
{
	autostr struct joey_str id = JOEY_STR_INIT;
	autoclose int dir = joey_vmm_cache_open();

	if (dir >= 0 && identity(&id) == 0)
		remember(dir, id.buf, false, why);
}

/* A template that did not come up under KVM has changed the verdict: then the machine will not come up cold either. */
bool vmm_accel_refuted(const struct vmm_inputs *in)
{
	autoclose int cache = -EBADF;

	if (in->spec.accel != JOEY_ACCEL_KVM)
		return false;
	cache = joey_vmm_cache_open();
	return joey_vmm_accel(cache, NULL) != JOEY_ACCEL_KVM;
}
