/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The payload's environment.  HOME comes from the container's own /etc/passwd when the config gives none: a file that
 * the image wrote, so it is read by descriptor, only if regular, up to a fixed size, and parsed without copies.
 */
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>

#include "joey/log.h"
#include "joey/syscalls.h"
#include "linux/linux-internal.h"

enum {
	PASSWD_MAX = 1 << 20,
	PASSWD_LINE_MAX = 4096,
	PASSWD_FIELDS = 7,
};

struct span {
	const char *p;
	size_t n;
};

/* Digits only, at most 10, no NUL in sight: joey_parse_id() wants a terminated string. */
static bool span_is_id(struct span s, uint32_t id)
{
	char text[11];
	uint32_t v;

	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, '\0', s.n))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return joey_parse_id(text, &v) == 0 && v == id;
}

/* name:password:uid:gid:gecos:home:shell, passwd(5); a missing shell is tolerated. */
static bool line_home(struct span line, uint32_t uid, struct span *ret)
{
	struct span field[PASSWD_FIELDS] = { { NULL, 0 } };
	unsigned n = 0;

	while (n < PASSWD_FIELDS) {
		const char *colon = memchr(line.p, ':', line.n);
		size_t len = colon && n < PASSWD_FIELDS - 1 ? (size_t)(colon - line.p) : line.n;

		field[n++] = (struct span){ line.p, len };
		if (len == line.n)
			break;
		line.p += len + 1;
		line.n -= len + 1;
	}
	if (n < PASSWD_FIELDS - 1 || !span_is_id(field[2], uid))
		return false;
	*ret = field[5];
	return true;
}

bool passwd_find_home(const char *text, size_t len, uint32_t uid, const char **ret_home, size_t *ret_len)
{
	const char *end = text + len;

	while (text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		struct span line = { text, (size_t)((nl ? nl : end) - text) };
		struct span home;

		if (line.n > 0 && line.n <= PASSWD_LINE_MAX && line_home(line, uid, &home)) {
			if (home.n == 0 || memchr(home.p, '\0', home.n))
				return false;
			*ret_home = home.p;
			*ret_len = home.n;
			return true;
		}
		text = nl ? nl + 1 : end;
	}
	return false;
}

/* Looks before it opens: the image may have put a device or a FIFO there. */
static int read_passwd(int root, char **ret, size_t *ret_len)
{
	const uint64_t how = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
	autoclose int look = joey_openat2(root, "etc/passwd", O_PATH | O_CLOEXEC, 0, how);
	autoclose int fd = -EBADF;
	struct stat a, b;

	if (look < 0)
		return look;
	if (fstat(look, &a) < 0)
		return -errno;
	if (!S_ISREG(a.st_mode))
		return -EINVAL;
	fd = joey_openat2(root, "etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0, how);
	if (fd < 0)
		return fd;
	if (fstat(fd, &b) < 0)
		return -errno;
	if (a.st_dev != b.st_dev || a.st_ino != b.st_ino)
		return -EAGAIN;
	return joey_read_fd(fd, PASSWD_MAX, ret, ret_len);
}

static int find_home(struct joey_setup *s, char **ret, struct joey_err *err)
{
	autofree char *text = NULL;
	const char *home = "/";
	size_t len, home_len = 1;
	int r, root = setup_root_fd(s, err);

	if (root < 0)
		return root;
	r = read_passwd(root, &text, &len);
	if (r == 0)
		(void)passwd_find_home(text, len, s->process->user.uid, &home, &home_len);
	else if (r != -ENOENT)
		joey_debug("read /etc/passwd of the container: %s", joey_errno_text(r));
	*ret = strndup(home, home_len);
	return *ret ? 0 : joey_err_sys(err, ENOMEM, "HOME");
}

static bool is_home(const char *entry)
{
	return joey_startswith(entry, "HOME=");
}

/* One block: the array, then the text of HOME, so that one free(3) releases it. */
static char **make_envp(const struct joey_strlist *env, const char *home)
{
	size_t n = 0, home_size = home ? strlen("HOME=") + strlen(home) + 1 : 0;
	size_t bytes;
	char **v;

	if (__builtin_mul_overflow(env->n + 2, sizeof(char *), &bytes) ||
	    __builtin_add_overflow(bytes, home_size, &bytes))
		return NULL;
	v = malloc(bytes);
	if (!v)
		return NULL;
	for (size_t i = 0; i < env->n; i++)
		if (!home || !is_home(env->v[i]))
			v[n++] = env->v[i];
	if (home) {
		char *text = (char *)(v + env->n + 2);

		memcpy(text, "HOME=", 5);
		memcpy(text + 5, home, strlen(home) + 1);
		v[n++] = text;
	}
	v[n] = NULL;
	return v;
}

int step_environment(struct joey_setup *s, struct joey_err *err)
{
	const struct joey_strlist *env = &s->process->env;
	autofree char *home = NULL;
	bool have = false;

	for (size_t i = 0; i < env->n; i++)
		have = have || (is_home(env->v[i]) && env->v[i][strlen("HOME=")] != '\0');
	if (!have) {
		int r = find_home(s, &home, err);

		if (r < 0)
			return r;
	}
	free(s->envp);
	s->envp = make_envp(env, home);
	return s->envp ? 0 : joey_err_sys(err, ENOMEM, "environment");
}
