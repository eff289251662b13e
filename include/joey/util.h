/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_UTIL_H
#define JOEY_UTIL_H

/*
 * Leaves without policy: ownership macros, descriptors, strings, parsing, arena.
 * Functions here return 0 or a non-negative result, or -errno; they neither log nor format errors.
 * `int fd` parameters are borrowed; `ret_` parameters are written on success only.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define JOEY_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* ---- ownership ---------------------------------------------------------------------------------- */

static inline void joey_freep(void *p)
{
	free(*(void **)p);
}

/* Closes fd if it is >= 0; keeps errno; returns -EBADF, so `fd = joey_close(fd)` disarms it. */
int joey_close(int fd);

static inline void joey_closep(int *fd)
{
	joey_close(*fd);
}

#define autofree  __attribute__((cleanup(joey_freep)))
#define autoclose __attribute__((cleanup(joey_closep)))

static inline int joey_take_fd(int *fd)
{
	int r = *fd;
	*fd = -EBADF;
	return r;
}

#define joey_take_ptr(p)                   \
	({                                 \
		__typeof__(p) *_pp = &(p); \
		__typeof__(p) _v = *_pp;   \
		*_pp = NULL;               \
		_v;                        \
	})

/* ---- arena: everything parsed from one document, freed at once ------------------------------------ */

struct joey_arena {
	struct joey_arena_block *blocks;
};

#define JOEY_ARENA_INIT \
	{               \
		NULL    \
	}

/* Zeroed, aligned for any type; NULL when memory ran out. */
void *joey_arena_alloc(struct joey_arena *a, size_t size);
/* count * size with overflow check. */
void *joey_arena_array(struct joey_arena *a, size_t count, size_t size);
char *joey_arena_strdup(struct joey_arena *a, const char *s);
char *joey_arena_strndup(struct joey_arena *a, const char *s, size_t n);
char *joey_arena_printf(struct joey_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void joey_arena_done(struct joey_arena *a);

/* ---- growing string with a sticky failure flag --------------------------------------------------- */

struct joey_str {
	char *buf; /* always terminated; never NULL unless len == 0 and nothing was appended */
	size_t len, cap;
	bool failed;
};

#define JOEY_STR_INIT             \
	{                         \
		NULL, 0, 0, false \
	}

void joey_str_add(struct joey_str *s, const char *text);
void joey_str_addn(struct joey_str *s, const char *bytes, size_t n);
void joey_str_printf(struct joey_str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void joey_str_vprintf(struct joey_str *s, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Of bytes that somebody else has chosen what a terminal may be shown: printable ASCII, UTF-8 from U+00A0 on, and the
 * characters of keep; the rest as \n and \xNN. */
void joey_str_add_visible(struct joey_str *s, const void *bytes, size_t n, const char *keep);
/* Hands the buffer over (heap); NULL if any append failed.  An empty string gives "". */
char *joey_str_take(struct joey_str *s);
void joey_str_done(struct joey_str *s);
#define autostr __attribute__((cleanup(joey_str_done)))

static inline bool joey_streq(const char *a, const char *b)
{
	return a == b || (a && b && __builtin_strcmp(a, b) == 0);
}

static inline bool joey_startswith(const char *s, const char *prefix)
{
	return __builtin_strncmp(s, prefix, __builtin_strlen(prefix)) == 0;
}

/* Cuts the blanks around it off, in place; the result points into s. */
char *joey_str_trim(char *s);
/* Two lower case digits for each byte; ret has room for 2 * n + 1. */
void joey_hex(const uint8_t *bytes, size_t n, char *ret);

/* A list of strings as it comes from config: v[n] is NULL; v may be NULL when n == 0. */
struct joey_strlist {
	char **v;
	size_t n;
};

/* ---- parsing: whole string must match; no white space, no sign for unsigned, no octal --------------- */

int joey_parse_u64(const char *s, uint64_t *ret);
int joey_parse_i64(const char *s, int64_t *ret);
int joey_parse_u32(const char *s, uint32_t *ret);
/* uid or gid: digits only, <= 2^32-2. */
int joey_parse_id(const char *s, uint32_t *ret);

/* ---- descriptors and files -------------------------------------------------------------------------- */

/* Whole file into *ret (heap, NUL-terminated, *ret_len without the NUL).  -EFBIG beyond max bytes. */
int joey_read_fd(int fd, size_t max, char **ret, size_t *ret_len);
/* dirfd may be AT_FDCWD.  Opens O_RDONLY|O_CLOEXEC|O_NOFOLLOW is not implied: pass extra_flags. */
int joey_read_file_at(int dirfd, const char *name, int extra_flags, size_t max, char **ret, size_t *ret_len);
/* All bytes or an error; retries EINTR. */
int joey_write_all(int fd, const void *data, size_t len);
/* Opens an existing file O_WRONLY|O_CLOEXEC|O_NOFOLLOW and writes data in one write(2) (as kernel files need). */
int joey_write_file_at(int dirfd, const char *name, const char *data);
/* Temporary file in the same directory, then renameat(2): readers see the old or the new content, whole. */
int joey_replace_file_at(int dirfd, const char *name, mode_t mode, const void *data, size_t len);

/*
 * openat2(2).  resolve: RESOLVE_* of linux/openat2.h.  With -ENOSYS (old kernel, or a seccomp profile that hides
 * it) a component walk with O_PATH|O_NOFOLLOW stands in; it gives the same guarantees or -ENOSYS.
 */
int joey_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);

/* Receives/sends up to max fds with one message on an AF_UNIX socket; MSG_CMSG_CLOEXEC is always set. */
ssize_t joey_send_fds(int sock, const void *data, size_t len, const int *fds, size_t n_fds);
ssize_t joey_recv_fds(int sock, void *data, size_t len, int *ret_fds, size_t max_fds, size_t *ret_n_fds, int flags);

/* Sets FD_CLOEXEC on every descriptor >= first (close_range(2), else a walk of /proc/self/fd). */
int joey_cloexec_from(unsigned first);
/* Closes first .. last, both included. */
int joey_close_range(unsigned first, unsigned last);
/* Closes every descriptor >= first but those of keep, which gets sorted (what is below first in it does not matter). */
int joey_close_all_but(unsigned first, int *keep, size_t n);

/* ---- time --------------------------------------------------------------------------------------------- */

/* CLOCK_MONOTONIC in milliseconds. */
uint64_t joey_now_ms(void);

/* RFC 3339, UTC, with nanoseconds or without fraction; glibc's gmtime_r(3) would read /etc/localtime. */
enum { JOEY_TIME_TEXT_MAX = 40 };
void joey_time_rfc3339(const struct timespec *ts, bool nanoseconds, char ret[JOEY_TIME_TEXT_MAX]);

/* ---- joey's own program file ------------------------------------------------------------------------- */

/* Makes sure that this process runs joey from a file which no container can write to; if it does not, executes argv
 * (the whole command line) anew from such a file and does not return.  Call before anything is opened. */
int joey_self_protect(char *const argv[]);
/* Where the program was found on the host, also after that; "" if unknown. */
const char *joey_self_path(void);

/* Is this process in another user namespace than the host's own? */
bool joey_in_userns(void);

/* ---- processes ---------------------------------------------------------------------------------------- */

/* Field 22 of /proc/PID/stat (clock ticks since boot) and field 3 (state letter).  -ESRCH if it is gone. */
int joey_proc_stat(pid_t pid, uint64_t *ret_starttime, char *ret_state);
/* clone3(2) into the cgroup behind cgroup_fd (or not, if < 0), as fork(2), but -errno.  Where the kernel refuses that,
 * the process is made outside and *ret_moved is false. */
pid_t joey_clone_into(uint64_t flags, int cgroup_fd, int *ret_pidfd, bool *ret_moved);
/* A child that has ended and was not reaped yet: it stays so.  0: none has; -ECHILD: there are no children. */
pid_t joey_wait_peek(void);
/* The nearest ancestor of that name (proc_pid_comm(5)); 0: there is none. */
pid_t joey_find_ancestor(const char *comm);
/* What ps(1) shows of this process in place of them, as far as there is room: a process that outlives the command it
 * was forked for is not that command.  Nobody may need the arguments' texts any more.  second may be NULL. */
void joey_title_set(const char *name, const char *second);
/* After pivot_root(".", "."): the old root goes, and whatever lay over it; the working directory is "/".  Or -errno. */
int joey_drop_old_root(void);
/* Every signal at its default, none blocked. */
void joey_signals_default(void);
/* wait4 for pid with EINTR retry. */
int joey_wait_pid(pid_t pid, int *ret_wstatus);

#endif
