/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount option words to masks (runtime-spec config.md, "Linux mount options").  One row per word; a row sets and
 * clears bits in one of four masks, or turns on one switch.  Later words undo earlier ones.  Makes no system call.
 *
 * Access time is a field, not a bit: mount_setattr(2) takes MOUNT_ATTR__ATIME whole in the mask of bits to clear.
 * The opposites (atime, nostrictatime) ask for the kernel's default, relatime; "norelatime" asks for nothing that
 * the kernel could do, so it changes nothing, as with mount(2).
 */
#include <stdlib.h>
#include <string.h>

#include <linux/mount.h>
#include <sys/mount.h>

#include "joey/mount_opts.h"
#include "oci/oci-internal.h"

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif
#ifndef MS_LAZYTIME
#define MS_LAZYTIME (1 << 25)
#endif

enum kind {
	KIND_ATTR,   /* attr_set, attr_clear */
	KIND_RATTR,  /* rattr_set, rattr_clear */
	KIND_SB,     /* sb_set, sb_clear */
	KIND_PROP,   /* set = MS_SHARED ..., clear != 0: recursive */
	KIND_SWITCH, /* set = one of enum option_switch */
	KIND_NOTHING,
};

enum option_switch {
	SWITCH_BIND,
	SWITCH_RBIND,
	SWITCH_REMOUNT,
	SWITCH_TMPCOPYUP,
	SWITCH_IDMAP,
	SWITCH_RIDMAP,
	SWITCH_COPY_SYMLINK,
	SWITCH_SRC_NOFOLLOW,
	SWITCH_DEST_NOFOLLOW,
};

#define ATIME MOUNT_ATTR__ATIME

/* Sorted by strcmp(): found by bisection, and listed by `joey features`. */
#define OPTIONS(X)                                                   \
	X("async", KIND_SB, 0, MS_SYNCHRONOUS)                       \
	X("atime", KIND_ATTR, MOUNT_ATTR_RELATIME, ATIME)            \
	X("bind", KIND_SWITCH, SWITCH_BIND, 0)                       \
	X("copy-symlink", KIND_SWITCH, SWITCH_COPY_SYMLINK, 0)       \
	X("defaults", KIND_NOTHING, 0, 0)                            \
	X("dest-nofollow", KIND_SWITCH, SWITCH_DEST_NOFOLLOW, 0)     \
	X("dev", KIND_ATTR, 0, MOUNT_ATTR_NODEV)                     \
	X("diratime", KIND_ATTR, 0, MOUNT_ATTR_NODIRATIME)           \
	X("dirsync", KIND_SB, MS_DIRSYNC, 0)                         \
	X("exec", KIND_ATTR, 0, MOUNT_ATTR_NOEXEC)                   \
	X("idmap", KIND_SWITCH, SWITCH_IDMAP, 0)                     \
	X("iversion", KIND_SB, MS_I_VERSION, 0)                      \
	X("lazytime", KIND_SB, MS_LAZYTIME, 0)                       \
	X("loud", KIND_SB, 0, MS_SILENT)                             \
	X("mand", KIND_SB, MS_MANDLOCK, 0)                           \
	X("noatime", KIND_ATTR, MOUNT_ATTR_NOATIME, ATIME)           \
	X("nodev", KIND_ATTR, MOUNT_ATTR_NODEV, 0)                   \
	X("nodiratime", KIND_ATTR, MOUNT_ATTR_NODIRATIME, 0)         \
	X("noexec", KIND_ATTR, MOUNT_ATTR_NOEXEC, 0)                 \
	X("noiversion", KIND_SB, 0, MS_I_VERSION)                    \
	X("nolazytime", KIND_SB, 0, MS_LAZYTIME)                     \
	X("nomand", KIND_SB, 0, MS_MANDLOCK)                         \
	X("norelatime", KIND_NOTHING, 0, 0)                          \
	X("nostrictatime", KIND_ATTR, MOUNT_ATTR_RELATIME, ATIME)    \
	X("nosuid", KIND_ATTR, MOUNT_ATTR_NOSUID, 0)                 \
	X("nosymfollow", KIND_ATTR, MOUNT_ATTR_NOSYMFOLLOW, 0)       \
	X("private", KIND_PROP, MS_PRIVATE, 0)                       \
	X("ratime", KIND_RATTR, MOUNT_ATTR_RELATIME, ATIME)          \
	X("rbind", KIND_SWITCH, SWITCH_RBIND, 0)                     \
	X("rdev", KIND_RATTR, 0, MOUNT_ATTR_NODEV)                   \
	X("rdiratime", KIND_RATTR, 0, MOUNT_ATTR_NODIRATIME)         \
	X("relatime", KIND_ATTR, MOUNT_ATTR_RELATIME, ATIME)         \
	X("remount", KIND_SWITCH, SWITCH_REMOUNT, 0)                 \
	X("rexec", KIND_RATTR, 0, MOUNT_ATTR_NOEXEC)                 \
	X("ridmap", KIND_SWITCH, SWITCH_RIDMAP, 0)                   \
	X("rnoatime", KIND_RATTR, MOUNT_ATTR_NOATIME, ATIME)         \
	X("rnodev", KIND_RATTR, MOUNT_ATTR_NODEV, 0)                 \
	X("rnodiratime", KIND_RATTR, MOUNT_ATTR_NODIRATIME, 0)       \
	X("rnoexec", KIND_RATTR, MOUNT_ATTR_NOEXEC, 0)               \
	X("rnorelatime", KIND_NOTHING, 0, 0)                         \
	X("rnostrictatime", KIND_RATTR, MOUNT_ATTR_RELATIME, ATIME)  \
	X("rnosuid", KIND_RATTR, MOUNT_ATTR_NOSUID, 0)               \
	X("rnosymfollow", KIND_RATTR, MOUNT_ATTR_NOSYMFOLLOW, 0)     \
	X("ro", KIND_ATTR, MOUNT_ATTR_RDONLY, 0)                     \
	X("rprivate", KIND_PROP, MS_PRIVATE, MS_REC)                 \
	X("rrelatime", KIND_RATTR, MOUNT_ATTR_RELATIME, ATIME)       \
	X("rro", KIND_RATTR, MOUNT_ATTR_RDONLY, 0)                   \
	X("rrw", KIND_RATTR, 0, MOUNT_ATTR_RDONLY)                   \
	X("rshared", KIND_PROP, MS_SHARED, MS_REC)                   \
	X("rslave", KIND_PROP, MS_SLAVE, MS_REC)                     \
	X("rstrictatime", KIND_RATTR, MOUNT_ATTR_STRICTATIME, ATIME) \
	X("rsuid", KIND_RATTR, 0, MOUNT_ATTR_NOSUID)                 \
	X("rsymfollow", KIND_RATTR, 0, MOUNT_ATTR_NOSYMFOLLOW)       \
	X("runbindable", KIND_PROP, MS_UNBINDABLE, MS_REC)           \
	X("rw", KIND_ATTR, 0, MOUNT_ATTR_RDONLY)                     \
	X("shared", KIND_PROP, MS_SHARED, 0)                         \
	X("silent", KIND_SB, MS_SILENT, 0)                           \
	X("slave", KIND_PROP, MS_SLAVE, 0)                           \
	X("src-nofollow", KIND_SWITCH, SWITCH_SRC_NOFOLLOW, 0)       \
	X("strictatime", KIND_ATTR, MOUNT_ATTR_STRICTATIME, ATIME)   \
	X("suid", KIND_ATTR, 0, MOUNT_ATTR_NOSUID)                   \
	X("symfollow", KIND_ATTR, 0, MOUNT_ATTR_NOSYMFOLLOW)         \
	X("sync", KIND_SB, MS_SYNCHRONOUS, 0)                        \
	X("tmpcopyup", KIND_SWITCH, SWITCH_TMPCOPYUP, 0)             \
	X("unbindable", KIND_PROP, MS_UNBINDABLE, 0)

struct option {
	const char *name;
	enum kind kind;
	uint64_t set, clear;
};

#define ROW(name, kind, set, clear) { name, kind, set, clear },
static const struct option table[] = { OPTIONS(ROW) };
#undef ROW

#define NAME(name, kind, set, clear) name,
static const char *const names[] = { OPTIONS(NAME) NULL };
#undef NAME

const char *const *joey_mount_opts_names(void)
{
	return names;
}

static int compare(const void *key, const void *row)
{
	return strcmp(key, ((const struct option *)row)->name);
}

static void apply_masks(const struct option *row, uint64_t *set, uint64_t *clear)
{
	*clear = (*clear & ~row->set) | row->clear;
	*set = (*set & ~row->clear) | row->set;
}

static int apply_propagation(const struct option *row, struct joey_mount_opts *o)
{
	if (o->n_propagation == JOEY_ARRAY_SIZE(o->propagation))
		return -EINVAL;
	o->propagation[o->n_propagation++] = (struct joey_propagation){ row->set, row->clear != 0 };
	return 0;
}

static void apply_switch(enum option_switch which, struct joey_mount_opts *o)
{
	switch (which) {
	case SWITCH_BIND:
		o->bind = true;
		break;
	case SWITCH_RBIND:
		o->bind = o->rbind = true;
		break;
	case SWITCH_REMOUNT:
		o->remount = true;
		break;
	case SWITCH_TMPCOPYUP:
		o->tmpcopyup = true;
		break;
	case SWITCH_IDMAP:
		o->idmap = true;
		o->ridmap = false;
		break;
	case SWITCH_RIDMAP:
		o->idmap = o->ridmap = true;
		break;
	case SWITCH_COPY_SYMLINK:
		o->copy_symlink = true;
		break;
	case SWITCH_SRC_NOFOLLOW:
		o->src_nofollow = true;
		break;
	case SWITCH_DEST_NOFOLLOW:
		o->dest_nofollow = true;
		break;
	}
}

static int apply_row(const struct option *row, struct joey_mount_opts *o)
{
	switch (row->kind) {
	case KIND_ATTR:
		apply_masks(row, &o->attr_set, &o->attr_clear);
		return 0;
	case KIND_RATTR:
		apply_masks(row, &o->rattr_set, &o->rattr_clear);
		return 0;
	case KIND_SB:
		apply_masks(row, &o->sb_set, &o->sb_clear);
		return 0;
	case KIND_PROP:
		return apply_propagation(row, o);
	case KIND_SWITCH:
		apply_switch((enum option_switch)row->set, o);
		return 0;
	case KIND_NOTHING:
		return 0;
	}
	return -EINVAL;
}

/* idmap=..., ridmap=...: crun's spelling with the maps in the option. */
static int apply_idmap_text(struct joey_arena *arena, const char *text, bool recursive, struct joey_mount_opts *o)
{
	struct oci_idmap_text parsed;
	int r = mount_opts_parse_idmap(NULL, text, &parsed);

	if (r < 0)
		return r;
	o->idmap_text = joey_arena_strdup(arena, text);
	o->idmap = true;
	o->ridmap = recursive;
	return o->idmap_text ? 0 : -ENOMEM;
}

static int apply(struct joey_arena *arena, char *option, struct joey_mount_opts *o)
{
	const struct option *row = bsearch(option, table, JOEY_ARRAY_SIZE(table), sizeof(table[0]), compare);

	if (row)
		return apply_row(row, o);
	if (joey_startswith(option, "idmap="))
		return apply_idmap_text(arena, option + strlen("idmap="), false, o);
	if (joey_startswith(option, "ridmap="))
		return apply_idmap_text(arena, option + strlen("ridmap="), true, o);
	if (option[0])
		o->data.v[o->data.n++] = option;
	return 0;
}

int joey_mount_opts_compile(struct joey_arena *arena, char *const *options, size_t n, struct joey_mount_opts **ret,
			    const char **ret_bad)
{
	struct joey_mount_opts *o = joey_arena_alloc(arena, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->data.v = joey_arena_array(arena, n + 1, sizeof(char *));
	if (!o->data.v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int r = apply(arena, options[i], o);

		if (r == -EINVAL)
			*ret_bad = options[i];
		if (r < 0)
			return r;
	}
	*ret = o;
	return 0;
}
