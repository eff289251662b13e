/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_UNIT_MOUNTS_FIXTURE_H
#define JOEY_UNIT_MOUNTS_FIXTURE_H

/*
 * A bundle in a temporary directory, with a tree beside the rootfs that no test may change, and a way to run the
 * file system steps in a child with a mount namespace of its own.
 *
 * In the child cmocka's assertions are of no use (they would jump into the parent's stack): CHECK prints and exits.
 */
#include "unit.h"

#include "linux/linux-internal.h"

struct fixture {
	bool no_openat2; /* hidden from the child, as old seccomp profiles do */
	char dir[64];    /* has rootfs/, outside/, src/ */
	char *outside;   /* listing of outside/ as it was */
	char *mounts;    /* the host's mount table as it was */
};

int fx_setup(void **state);
int fx_setup_no_openat2(void **state);
int fx_teardown(void **state);

/* The test as it is, and with openat2(2) answering ENOSYS. */
#define FX_TEST(f)                                                               \
	{ #f, f, fx_setup, fx_teardown, NULL },                                  \
	{                                                                        \
#f "_without_openat2", f, fx_setup_no_openat2, fx_teardown, NULL \
	}

/* Below the fixture's directory; parents are made. */
void fx_dir(const struct fixture *f, const char *path, mode_t mode);
void fx_file(const struct fixture *f, const char *path, const char *content);
void fx_link(const struct fixture *f, const char *path, const char *target);

enum fx_until { FX_PREPARED, FX_MOUNTED, FX_DEVICES, FX_PIVOTED, FX_DONE };

struct fx_case {
	const char *mounts;     /* elements of the JSON array; %s is the fixture's directory */
	const char *linux_json; /* further members of "linux": starts with a comma */
	const char *root_json;  /* further members of "root" */
	const char *cwd;
	int unshare_flags; /* beside CLONE_NEWNS */
	bool in_userns, no_pivot, inherit_mntns;
	int notify; /* 1: a directory descriptor, 2: a detached clone */
	enum fx_until until;
	void (*check)(struct joey_setup *s);
	bool any_result;
	const char *error; /* part of the expected text; NULL: success */
};

/* Runs the case and compares outside/ and the host's mounts afterwards. */
void fx_run(struct fixture *f, const struct fx_case *c);

#define CHECK(cond)                                                                                    \
	do {                                                                                           \
		if (!(cond)) {                                                                         \
			fprintf(stderr, "# %s:%d: %s (errno %d)\n", __FILE__, __LINE__, #cond, errno); \
			_exit(2);                                                                      \
		}                                                                                      \
	} while (0)

/* In the child. */
bool fx_is(struct joey_setup *s, const char *path, mode_t type);         /* below the root, links not followed */
bool fx_reads(struct joey_setup *s, const char *path, const char *text); /* content is exactly that */
bool fx_writable(struct joey_setup *s, const char *path);                /* a file can be made in the directory */
long fx_magic(struct joey_setup *s, const char *path);                   /* f_type */
unsigned long fx_flags(struct joey_setup *s, const char *path);          /* f_flags: ST_* */
/* A field of the mountinfo line of the mount at path: 6 options, 7 optional fields (propagation). */
void fx_mountinfo(const char *mount_point, char options[256], char propagation[64]);

#endif
