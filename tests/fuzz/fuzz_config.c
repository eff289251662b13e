/* SPDX-License-Identifier: Apache-2.0 */
/* config.json as a whole. */
#include <string.h>

#include "fuzz.h"
#include "joey/mount_opts.h"
#include "joey/oci.h"

static void check(const struct joey_config *c)
{
	FUZZ_ASSERT(c->oci_version && c->rootfs && c->process && c->resources);
	FUZZ_ASSERT(c->process->args.n > 0 && c->process->cwd[0] == '/');
	for (size_t i = 0; i < c->n_mounts; i++)
		FUZZ_ASSERT(c->mounts[i].opts && c->mounts[i].destination[0] == '/');
	for (size_t i = 0; i < c->process->env.n; i++)
		FUZZ_ASSERT(strchr(c->process->env.v[i], '=') > c->process->env.v[i]);
	for (size_t i = 0; i < c->sysctl.n; i++) {
		FUZZ_ASSERT(c->sysctl.v[i].key[0] != '/' && !strstr(c->sysctl.v[i].key, "//"));
		FUZZ_ASSERT(!joey_startswith(c->sysctl.v[i].key, "../") && !strstr(c->sysctl.v[i].key, "/../"));
	}
	FUZZ_ASSERT(!c->seccomp || !c->seccomp->uses_notify || c->seccomp->listener_path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct joey_config *c = NULL;
	struct joey_err err = JOEY_ERR_INIT;
	int r = joey_config_parse((const char *)data, size, &c, &err);

	FUZZ_ASSERT((r == 0) == (c != NULL) && (r == 0) == (err.errnum == 0));
	if (r == 0) {
		check(c);
		(void)joey_config_check_host(c, true, &err);
	} else {
		FUZZ_ASSERT(r == -err.errnum && !strchr(joey_err_text(&err), '\n'));
	}
	joey_err_clear(&err);
	joey_config_free(c);
	return 0;
}
