/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_POOL_INTERNAL_H
#define JOEY_POOL_INTERNAL_H

/* What pool.c, pool_fill.c and pool_warm.c share. */

#include "sandbox/sandbox-internal.h"

enum {
	POOL_KEY_SHOWN = 24,  /* digits of the template's key in a name */
	POOL_WARM_MS = 60000, /* to make one */
};

/* /run/joey-cache/pool; or -errno. */
int pool_open(bool make);
/* What the names of machines begin with that were restored from the template of this spec; heap. */
int pool_key(const struct joey_vmm_spec *spec, char **ret, struct joey_err *err);
/* For each place of the pool that nobody else has locked; what: > 0 ends the walk and is returned. */
int pool_each(int pool, int (*what)(struct vm_place *p, void *arg), void *arg);
/* Lets the machine run and drop a container that does nothing. */
int pool_warm(const struct vm_place *p, struct vm_client *cl, struct joey_err *err);

#endif
