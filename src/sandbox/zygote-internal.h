/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_SANDBOX_ZYGOTE_INTERNAL_H
#define JOEY_SANDBOX_ZYGOTE_INTERNAL_H

/* What zygote.c, zygote_make.c and zygote_warm.c share. */

#include "sandbox/sandbox-internal.h"

enum {
	ZYGOTE_KEY_SHOWN = 32, /* digits of the template's key in a name */
	ZYGOTE_MAKE_MS = 60000,
	ZYGOTE_WAIT_MS = 10000, /* for one that is being made and is to end */
};

/* /run/joey-cache/zygotes; or -errno. */
int zygote_dir(bool make);
/* The name of the one for this spec; heap. */
int zygote_name(const struct joey_vmm_spec *spec, char **ret, struct joey_err *err);
/* For each place that nobody else has locked for longer than that; what: > 0 ends the walk and is returned. */
int zygote_each(int dir, unsigned wait_ms, int (*what)(struct vm_place *p, void *arg), void *arg);
/* Making one of that name has failed so often that it is not tried again; note: once more. */
bool zygote_is_hopeless(int dir, const char *name);
void zygote_note_failure(int dir, const char *name);
/* Lets the machine run and drop a container that does what containers do first; last: the one before copies are made.
 */
int zygote_warm(const struct vm_place *p, struct vm_client *cl, bool last, struct joey_err *err);

#endif
