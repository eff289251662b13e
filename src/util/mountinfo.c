/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading of mountinfo: joey's own bounded parser, and libmount's where the build has it (there is no static
 * libmount in Debian).  Both give the same entries; tests/unit/test_mountinfo.c holds them to it.
 */
#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#ifdef HAVE_LIBMOUNT
#include <libmount.h>
#endif

#include "joey/mountinfo.h"
#include "joey/util.h"

#define MOUNTINFO_MAX (64u << 20)

/* Cuts the next blank-separated word off *p. NULL at the end. */
static char *next_word(char **p)
{
	char *w = *p + strspn(*p, " ");
	size_t n = strcspn(w, " ");

	if (n == 0)
		return NULL;
	*p = w + n;
	if (**p)
		*(*p)++ = '\0';
	return w;
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* The kernel writes blank, tab, newline, backslash and '#' as \ooo. In place. */
static void unmangle(char *s)
{
	char *out = s;

	while (*s) {
		if (s[0] == '\\' && is_octal(s[1]) && is_octal(s[2]) && is_octal(s[3])) {
			int c = (s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0');

			if (c > 0 && c < 256) {
				*out++ = (char)c;
				s += 4;
				continue;
			}
		}
		*out++ = *s++;
	}
	*out = '\0';
}

static int parse_id(const char *w, int *ret)
{
	uint32_t v;
	int r = w ? joey_parse_u32(w, &v) : -EBADMSG;

	if (r < 0 || v > INT32_MAX)
		return -EBADMSG;
	*ret = (int)v;
	return 0;
}

static int parse_dev(char *w, struct joey_mountinfo *m)
{
	char *colon = w ? strchr(w, ':') : NULL;
	uint32_t major, minor;

	if (!colon)
		return -EBADMSG;
	*colon = '\0';
	if (joey_parse_u32(w, &major) < 0 || joey_parse_u32(colon + 1, &minor) < 0)
		return -EBADMSG;
	m->major = major;
	m->minor = minor;
	return 0;
}

/* Moves the words up to the lone "-" together; *p stands behind it afterwards. */
static int parse_optional(char **p, const char **ret)
{
	char *start = *p, *dash;

	if (start[0] == '-' && (start[1] == ' ' || start[1] == '\0')) {
		*p = start + (start[1] ? 2 : 1);
		*ret = "";
		return 0;
	}
	dash = strstr(start, " - ");
	if (!dash)
		return -EBADMSG;
	*dash = '\0';
	*p = dash + 3;
	*ret = start;
	return 0;
}

static int parse_line(char *line, struct joey_mountinfo *m)
{
	char *p = line, *root, *target, *options, *fstype, *source, *super;
	int r;

	r = parse_id(next_word(&p), &m->id);
	if (r == 0)
		r = parse_id(next_word(&p), &m->parent);
	if (r == 0)
		r = parse_dev(next_word(&p), m);
	if (r < 0)
		return r;
	root = next_word(&p);
	target = next_word(&p);
	options = next_word(&p);
	if (!root || !target || !options)
		return -EBADMSG;
	r = parse_optional(&p, &m->optional);
	if (r < 0)
		return r;
	/* The source may be empty: then two blanks follow each other. */
	fstype = strsep(&p, " ");
	source = strsep(&p, " ");
	super = p;
	if (!fstype || !*fstype || !source || !super)
		return -EBADMSG;
	unmangle(root);
	unmangle(target);
	unmangle(options);
	unmangle(fstype);
	unmangle(source);
	unmangle(super);
	m->root = root;
	m->target = target;
	m->options = options;
	m->fstype = fstype;
	m->source = source;
	m->super_options = super;
	return 0;
}

int joey_mountinfo_parse(const char *text, size_t len, joey_mountinfo_fn fn, void *arg)
{
	autofree char *line = NULL;
	size_t cap = 0;

	while (len > 0) {
		const char *nl = memchr(text, '\n', len);
		size_t n = nl ? (size_t)(nl - text) : len;
		struct joey_mountinfo m = { 0 };
		int r;

		if (memchr(text, '\0', n))
			return -EBADMSG;
		if (n + 1 > cap) {
			char *p = realloc(line, n + 256);

			if (!p)
				return -ENOMEM;
			line = p;
			cap = n + 256;
		}
		memcpy(line, text, n);
		line[n] = '\0';
		if (n > 0) {
			r = parse_line(line, &m);
			if (r == 0)
				r = fn(&m, arg);
			if (r != 0)
				return r;
		}
		text += n;
		len -= n;
		if (nl) {
			text++;
			len--;
		}
	}
	return 0;
}

#ifdef HAVE_LIBMOUNT

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

static int each_in_table(struct libmnt_table *tb, struct libmnt_iter *iter, joey_mountinfo_fn fn, void *arg)
{
	struct libmnt_fs *fs;
	int r;

	while ((r = mnt_table_next_fs(tb, iter, &fs)) == 0) {
		dev_t dev = mnt_fs_get_devno(fs);
		const char *source = mnt_fs_get_source(fs);
		struct joey_mountinfo m = {
			.id = mnt_fs_get_id(fs),
			.parent = mnt_fs_get_parent_id(fs),
			.major = major(dev),
			.minor = minor(dev),
			.root = or_empty(mnt_fs_get_root(fs)),
			.target = or_empty(mnt_fs_get_target(fs)),
			.options = or_empty(mnt_fs_get_vfs_options(fs)),
			.optional = or_empty(mnt_fs_get_optional_fields(fs)),
			.fstype = or_empty(mnt_fs_get_fstype(fs)),
			.source = source ? source : "none", /* libmount drops this word */
			.super_options = or_empty(mnt_fs_get_fs_options(fs)),
		};
		int stop = fn(&m, arg);

		if (stop != 0)
			return stop;
	}
	return r < 0 ? r : 0;
}

int joey_mountinfo_each(const char *path, joey_mountinfo_fn fn, void *arg)
{
	struct libmnt_table *tb = mnt_new_table();
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	int r = -ENOMEM;

	if (tb && iter) {
		r = mnt_table_parse_file(tb, path);
		if (r > 0)
			r = -EBADMSG;
	}
	if (r == 0)
		r = each_in_table(tb, iter, fn, arg);
	mnt_free_iter(iter);
	mnt_unref_table(tb);
	return r;
}

#else

int joey_mountinfo_each(const char *path, joey_mountinfo_fn fn, void *arg)
{
	autofree char *text = NULL;
	size_t len;
	int r = joey_read_file_at(AT_FDCWD, path, 0, MOUNTINFO_MAX, &text, &len);

	return r < 0 ? r : joey_mountinfo_parse(text, len, fn, arg);
}

#endif
