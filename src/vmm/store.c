/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /run/joey-cache/templates: one record for each template, one lock and perhaps one count of failures for each key. The
 * directory is verified (owner, mode); the files in it are believed as record.c says.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "vmm/vmm-internal.h"

static int open_private(int dir_fd, const char *name)
{
	autoclose int fd = -EBADF;
	struct stat st;

	for (int i = 0; fd < 0 && i < 2; i++) {
		fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && (errno != ENOENT || (mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST)))
			return -errno;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & 0022))
		return -EPERM;
	return joey_take_fd(&fd);
}

int joey_vmm_cache_open(void)
{
	return open_private(AT_FDCWD, "/run/joey-cache");
}

int vmm_store_open(int *ret_dir_fd, struct joey_err *err)
{
	autoclose int cache = joey_vmm_cache_open();
	int fd = cache < 0 ? cache : open_private(cache, "templates");

	if (fd < 0)
		return joey_err_sys(err, fd, "open /run/joey-cache/templates");
	*ret_dir_fd = fd;
	return 0;
}

/* Templates have 64 hexadecimal digits; what belongs to one has a suffix. */
struct name {
	char text[VMM_KEY_LEN + 8];
};

static struct name name_of(const char *key, const char *suffix)
{
	struct name n;

	snprintf(n.text, sizeof(n.text), "%.*s%s", VMM_KEY_LEN, key, suffix);
	return n;
}

/* ---- lock ------------------------------------------------------------------------------------------------------- */

/* Whoever removes a lock file holds it; so a lock on a file that is not there any more is none. */
static bool still_there(int dir_fd, const char *name, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(dir_fd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

int vmm_store_lock(int dir_fd, const char *key, uint64_t deadline, int *ret_lock_fd, struct joey_err *err)
{
	const struct timespec pause_ = { .tv_nsec = 10000000 };
	struct name name = name_of(key, ".lock");

	for (;;) {
		autoclose int fd = openat(dir_fd, name.text, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd < 0)
			return joey_err_sys(err, errno, "open the template's lock");
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			if (!still_there(dir_fd, name.text, fd))
				continue;
			*ret_lock_fd = joey_take_fd(&fd);
			return 0;
		}
		if (errno != EWOULDBLOCK && errno != EINTR)
			return joey_err_sys(err, errno, "lock the template");
		if (joey_now_ms() >= deadline)
			return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT,
					    "another process makes the template of the guest, and is not done");
		(void)nanosleep(&pause_, NULL);
	}
}

/* ---- templates -------------------------------------------------------------------------------------------------- */

int vmm_store_get(int dir_fd, const char *key, struct vmm_image *ret, struct joey_err *err)
{
	struct vmm_record rec = { 0 };
	int r = vmm_record_read(dir_fd, key, &rec, err);

	if (r == 0)
		r = vmm_record_open(&rec, ret, NULL, err);
	vmm_record_done(&rec);
	return r;
}

static char *time_text(void)
{
	char text[JOEY_TIME_TEXT_MAX];
	struct timespec now = { 0 };

	clock_gettime(CLOCK_REALTIME, &now);
	joey_time_rfc3339(&now, false, text);
	return strdup(text);
}

static int describe(const struct vmm_inputs *in, const struct vmm_image *image, struct vmm_record *rec)
{
	struct stat st;

	rec->hypervisor = strdup(in->spec.hypervisor);
	rec->kernel = strdup(in->spec.kernel);
	rec->initramfs = strdup(in->spec.initramfs);
	rec->trust = strdup(in->spec.trust);
	rec->created = time_text();
	rec->memory = in->spec.memory;
	rec->vcpus = in->spec.vcpus;
	rec->nets = in->spec.nets;
	rec->accel = in->spec.accel;
	rec->major = image->version.major;
	rec->minor = image->version.minor;
	rec->acpi = image->acpi;
	if (!rec->hypervisor || !rec->kernel || !rec->initramfs || !rec->trust || !rec->created)
		return -ENOMEM;
	if (fstat(image->ram_fd, &st) < 0)
		return -errno;
	rec->ram_size = (uint64_t)st.st_size;
	if (fstat(image->state_fd, &st) < 0)
		return -errno;
	rec->state_size = (uint64_t)st.st_size;
	return 0;
}

int vmm_store_put(int dir_fd, const struct vmm_inputs *in, const struct vmm_image *image, struct joey_err *err)
{
	struct vmm_record rec = { 0 };
	autoclose int leash = -EBADF;
	pid_t holder = 0;
	int r = describe(in, image, &rec);

	if (r < 0)
		(void)joey_err_sys(err, r, "describe the template");
	if (r == 0)
		r = vmm_holder_start(image, &holder, &rec.holder_start, &leash, err);
	if (r == 0) {
		rec.holder = (uint64_t)holder;
		r = vmm_record_write(dir_fd, in->key, &rec, err);
	}
	/* What no record names ends with the leash. */
	if (r == 0 && send(leash, "x", 1, MSG_NOSIGNAL) != 1)
		r = joey_err_set(err, JOEY_EK_OTHER, ESTALE, "the template's holder is gone");
	vmm_record_done(&rec);
	return r;
}

bool vmm_store_is_verdict(int r)
{
	return r == -ESTALE || r == -ENOENT || r == -EPROTO || r == -EINVAL;
}

/* It is gone when this returns 0, as far as that can be seen to. */
static int end_holder(int pidfd, struct joey_err *err)
{
	enum { LIMIT_MS = 2000 };
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int r = joey_sys_pidfd_send_signal(pidfd, SIGKILL, NULL, 0);

	if (r < 0 && r != -ESRCH)
		return joey_err_sys(err, r, "end the template's holder");
	while (poll(&p, 1, LIMIT_MS) < 0 && errno == EINTR)
		;
	return 0;
}

int vmm_store_drop(int dir_fd, const char *key, struct joey_err *err)
{
	autoerr struct joey_err sub = JOEY_ERR_INIT;
	struct vmm_image image = VMM_IMAGE_INIT;
	struct vmm_record rec = { 0 };
	autoclose int pidfd = -EBADF;
	int r = vmm_record_read(dir_fd, key, &rec, &sub);

	/* Only a process that is proved to be the holder is killed; the record stays as long as that is not known. */
	if (r == 0)
		r = vmm_record_open(&rec, &image, &pidfd, &sub);
	if (r == 0)
		r = end_holder(pidfd, &sub);
	vmm_image_done(&image);
	vmm_record_done(&rec);
	if (r < 0 && !vmm_store_is_verdict(r))
		return joey_err_set(err, sub.kind, sub.errnum, "%s", joey_err_text(&sub));
	if (unlinkat(dir_fd, key, 0) < 0 && errno != ENOENT)
		return joey_err_sys(err, errno, "remove the template's record");
	return 0;
}

/* ---- failures: one byte each, forgotten after a while ----------------------------------------------------------- */

enum { BAD_FOR_S = 600 };

unsigned vmm_store_bad(int dir_fd, const char *key)
{
	struct name name = name_of(key, ".bad");
	struct stat st;

	if (fstatat(dir_fd, name.text, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_mtim.tv_sec + BAD_FOR_S < time(NULL))
		return 0;
	return st.st_size > VMM_BAD_MAX ? VMM_BAD_MAX : (unsigned)st.st_size;
}

void vmm_store_mark_bad(int dir_fd, const char *key)
{
	struct name name = name_of(key, ".bad");
	int anew = vmm_store_bad(dir_fd, key) == 0 ? O_TRUNC : 0;
	autoclose int fd =
		openat(dir_fd, name.text, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | anew, 0600);

	if (fd >= 0)
		(void)joey_write_all(fd, "x", 1);
}

void vmm_store_forget_bad(int dir_fd, const char *key)
{
	struct name name = name_of(key, ".bad");

	(void)unlinkat(dir_fd, name.text, 0);
}
