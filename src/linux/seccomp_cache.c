/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled filters, kept in a directory that only joey's user may write.  A wrong entry would weaken a container, so
 * the directory and each file are verified (owner, mode, type, size, digest) and anything odd counts as absent.
 * The key covers all that the result depends on: every field of the profile in order, libseccomp's version and
 * architecture, the kernel's release, joey's own version, and the format of the file.
 *
 * The cache is an aid: whatever goes wrong here costs time, never the container.
 */
#include <dirent.h>
#include <fcntl.h>
#include <seccomp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "config.h"
#include "joey/blake2b.h"
#include "joey/log.h"
#include "linux/linux-internal.h"

enum { FORMAT = 2, ENTRIES_MAX = 64, ENTRIES_KEPT = 48, KEY_LEN = 64 };

static const char magic[8] = "joeybpf";

/* ---- key ------------------------------------------------------------------------------------------------ */

static void add_rule(struct joey_blake2b *h, const struct joey_seccomp_rule *r)
{
	joey_blake2b_add_u64(h, r->action);
	joey_blake2b_add_u64(h, r->names.n);
	for (size_t i = 0; i < r->names.n; i++)
		joey_blake2b_add_text(h, r->names.v[i]);
	joey_blake2b_add_u64(h, r->n_args);
	for (size_t i = 0; i < r->n_args; i++) {
		const uint64_t arg[4] = { r->args[i].index, (uint64_t)r->args[i].op, r->args[i].value,
					  r->args[i].value_two };

		joey_blake2b_add(h, arg, sizeof(arg));
	}
}

static void add_host(struct joey_blake2b *h)
{
	const struct scmp_version *v = seccomp_version();
	struct utsname uts;

	memset(&uts, 0, sizeof(uts));
	(void)uname(&uts);
	joey_blake2b_add_u64(h, FORMAT);
	joey_blake2b_add_u64(h, seccomp_arch_native());
	joey_blake2b_add_u64(h, v ? (uint64_t)v->major << 42 | (uint64_t)v->minor << 21 | v->micro : 0);
	joey_blake2b_add_text(h, uts.release);
	joey_blake2b_add_text(h, JOEY_VERSION " " JOEY_COMMIT);
}

void seccomp_cache_key(const struct joey_seccomp *p, char ret[65])
{
	uint8_t digest[KEY_LEN / 2];
	struct joey_blake2b h;

	joey_blake2b_init(&h, sizeof(digest));
	add_host(&h);
	joey_blake2b_add_u64(&h, p->default_action);
	joey_blake2b_add_u64(&h, p->filter_flags);
	joey_blake2b_add_u64(&h,
			     (uint64_t)p->flags_given << 2 | (uint64_t)p->uses_notify << 1 | p->fail_unknown_syscall);
	joey_blake2b_add_u64(&h, p->n_archs);
	for (size_t i = 0; i < p->n_archs; i++)
		joey_blake2b_add_u64(&h, p->archs[i]);
	joey_blake2b_add_u64(&h, p->n_rules);
	for (size_t i = 0; i < p->n_rules; i++)
		add_rule(&h, &p->rules[i]);
	joey_blake2b_finish(&h, digest);
	joey_hex(digest, sizeof(digest), ret);
}

/* ---- entries -------------------------------------------------------------------------------------------- */

static size_t file_size(uint32_t n_insns)
{
	return sizeof(struct seccomp_file) + (size_t)n_insns * sizeof(struct sock_filter);
}

/* The key is part of it: an entry under another's name is refused. */
static void digest_of(const struct seccomp_file *f, const char *key, uint8_t ret[32])
{
	struct seccomp_file head = *f;
	struct joey_blake2b h;

	memset(head.digest, 0, sizeof(head.digest));
	joey_blake2b_init(&h, sizeof(head.digest));
	joey_blake2b_add_text(&h, key);
	joey_blake2b_add(&h, &head, sizeof(head));
	joey_blake2b_add(&h, f->insns, f->n_insns * sizeof(f->insns[0]));
	joey_blake2b_finish(&h, ret);
}

static int check_owned(int fd, mode_t type, struct stat *st)
{
	if (fstat(fd, st) < 0)
		return -errno;
	if ((st->st_mode & S_IFMT) != type || st->st_uid != geteuid() || (st->st_mode & 0022))
		return -EPERM;
	return 0;
}

static int check_content(const struct seccomp_file *f, uint32_t n_insns, const char *key)
{
	uint8_t digest[32];

	if (memcmp(f->magic, magic, sizeof(magic)) != 0 || f->version != FORMAT || f->n_insns != n_insns ||
	    f->notify > 1 || f->reserved[0] || f->reserved[1])
		return -EBADMSG;
	digest_of(f, key, digest);
	return memcmp(digest, f->digest, sizeof(digest)) == 0 ? 0 : -EBADMSG;
}

int seccomp_cache_get(int dir_fd, const char *key, struct seccomp_block **ret)
{
	autofree struct seccomp_block *b = NULL;
	autoclose int fd = -EBADF;
	struct stat st;
	size_t body;
	int r = check_owned(dir_fd, S_IFDIR, &st);

	if (r < 0)
		return r;
	fd = openat(dir_fd, key, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = check_owned(fd, S_IFREG, &st);
	if (r < 0)
		return r;
	if (st.st_nlink != 1)
		return -EPERM;
	if (st.st_size < (off_t)file_size(1) || st.st_size > (off_t)file_size(BPF_MAXINSNS))
		return -EBADMSG;
	body = (size_t)st.st_size - sizeof(struct seccomp_file);
	if (body % sizeof(struct sock_filter))
		return -EBADMSG;
	b = seccomp_block_new(body / sizeof(struct sock_filter));
	if (!b)
		return -ENOMEM;
	if (read(fd, &b->file, (size_t)st.st_size) != (ssize_t)st.st_size)
		return -EBADMSG;
	r = check_content(&b->file, (uint32_t)(body / sizeof(struct sock_filter)), key);
	if (r < 0)
		return r;
	*ret = joey_take_ptr(b);
	return 0;
}

/* ---- pruning: entries are few, so the oldest is found by looking at all -------------------------------------- */

static bool is_entry(const char *name)
{
	return strlen(name) == KEY_LEN && strspn(name, "0123456789abcdef") == KEY_LEN;
}

/* Counts the entries and finds the one that was written first. */
static int survey(DIR *dir, unsigned *ret_count, char ret_oldest[KEY_LEN + 1])
{
	struct timespec oldest = { 0, 0 };
	const struct dirent *e;
	unsigned n = 0;

	rewinddir(dir);
	while ((e = readdir(dir))) {
		struct stat st;

		if (!is_entry(e->d_name) || fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (n++ == 0 || st.st_mtim.tv_sec < oldest.tv_sec ||
		    (st.st_mtim.tv_sec == oldest.tv_sec && st.st_mtim.tv_nsec < oldest.tv_nsec)) {
			oldest = st.st_mtim;
			memcpy(ret_oldest, e->d_name, KEY_LEN + 1);
		}
	}
	*ret_count = n;
	return 0;
}

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static void prune(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	__attribute__((cleanup(closedirp))) DIR *dir = NULL;
	char oldest[KEY_LEN + 1];
	unsigned n, limit = ENTRIES_MAX;

	if (fd < 0)
		return;
	dir = fdopendir(fd);
	if (!dir) {
		joey_close(fd);
		return;
	}
	for (survey(dir, &n, oldest); n > limit; survey(dir, &n, oldest)) {
		limit = ENTRIES_KEPT;
		if (unlinkat(dir_fd, oldest, 0) < 0 && errno != ENOENT)
			return;
	}
}

void seccomp_cache_put(int dir_fd, const char *key, struct seccomp_block *b)
{
	struct seccomp_file *f = &b->file;
	struct stat st;
	int r = check_owned(dir_fd, S_IFDIR, &st);

	memcpy(f->magic, magic, sizeof(magic));
	f->version = FORMAT;
	digest_of(f, key, f->digest);
	if (r == 0)
		r = joey_replace_file_at(dir_fd, key, 0600, f, file_size(f->n_insns));
	if (r < 0) {
		joey_debug("seccomp cache: write %s: %s", key, joey_errno_text(r));
		return;
	}
	prune(dir_fd);
}
