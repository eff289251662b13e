/* SPDX-License-Identifier: Apache-2.0 */
/* joey.conf(5). */
#include <string.h>

#include "fuzz.h"
#include "joey/conf.h"

static void check_path(const char *path)
{
	FUZZ_ASSERT(!path || (path[0] == '/' && !strstr(path, "//") && !strstr(path, "/../")));
}

static void check_list(const struct joey_strlist *list, bool paths)
{
	for (size_t i = 0; i < list->n; i++) {
		FUZZ_ASSERT(list->v[i] && *list->v[i] && !strpbrk(list->v[i], " ,\t\n"));
		if (paths)
			check_path(list->v[i]);
	}
	FUZZ_ASSERT(!list->v || !list->v[list->n]);
}

static void check(const struct joey_conf *c)
{
	FUZZ_ASSERT(c->sandbox.allow < 16 && c->sandbox.isolation <= JOEY_CONF_VM);
	FUZZ_ASSERT(c->sandbox.max_vcpus <= 1024 && !(c->sandbox.max_memory >> 47));
	FUZZ_ASSERT(!c->sandbox.profile || joey_conf_profile_allowed(c, c->sandbox.profile));
	check_list(&c->sandbox.profiles_allowed, false);
	check_list(&c->sandbox.kernel_dirs, true);
	check_list(&c->sandbox.hypervisor_dirs, true);
	check_list(&c->sandbox.image_dirs, true);
	check_path(c->runtime.root);
	for (size_t i = 0; i < c->n_profiles; i++) {
		const struct joey_conf_profile *p = &c->profiles[i];

		FUZZ_ASSERT(joey_conf_profile(c, p->name) == p);
		FUZZ_ASSERT(p->vcpus <= 1024 && !(p->memory >> 47));
		check_path(p->kernel);
		check_path(p->initramfs);
		check_path(p->hypervisor);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct joey_conf conf = JOEY_CONF_INIT;
	struct joey_err err = JOEY_ERR_INIT;
	char *text = malloc(size + 1);

	FUZZ_ASSERT(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (joey_conf_parse(&conf, "f", text, size, &err) == 0)
		check(&conf);
	else
		FUZZ_ASSERT(err.kind == JOEY_EK_CONFIG && strncmp(joey_err_text(&err), "f:", 2) == 0);
	joey_err_clear(&err);
	joey_conf_done(&conf);
	free(text);
	return 0;
}
