/* SPDX-License-Identifier: Apache-2.0 */
/* Templates for whoever asks for them in words (joey template): src/vmm's, of machines as machine.c makes them. */
#include "joey/log.h"
#include "sandbox/sandbox-internal.h"

static void progress(void *arg, const char *text)
{
	(void)arg;
	joey_log(JOEY_LOG_INFO, "%s", text);
}

/* Machines are restored where there is none. */
static void make_zygote(const struct joey_vmm_spec *spec)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;

	if (zygote_make(spec, true, &err) < 0)
		joey_warn("template: no machine that could be copied: %s", joey_err_text(&err));
}

static int template_build(const struct joey_vm_choice *vm, char **ret_key, struct joey_err *err)
{
	struct vm_machine m = { .kernel = NULL };
	int r = machine_spec(vm, NULL, 0, &m, err);

	if (r == 0)
		r = joey_vmm_template_build(&m.spec, progress, NULL, ret_key, err);
	if (r == 0 && vm->fork)
		make_zygote(&m.spec);
	machine_done(&m);
	return r;
}

static int template_list(struct joey_templates *ret, struct joey_err *err)
{
	struct joey_vmm_template *from = NULL;
	struct joey_template *v;
	size_t n = 0;
	int r = joey_vmm_template_list(&from, &n, err);

	if (r < 0)
		return r;
	v = calloc(n + 1, sizeof(*v));
	for (size_t i = 0; v && i < n; i++) {
		pid_t zygote = zygote_of(from[i].key);

		v[i] = (struct joey_template){ .key = joey_take_ptr(from[i].key),
					       .why = joey_take_ptr(from[i].why),
					       .kernel = joey_take_ptr(from[i].kernel),
					       .trust = joey_take_ptr(from[i].trust),
					       .created = joey_take_ptr(from[i].created),
					       .accelerator = joey_accel_to_string(from[i].accel),
					       .memory = from[i].memory,
					       .size = from[i].size,
					       .age = from[i].age,
					       .vcpus = from[i].vcpus,
					       .network_devices = from[i].nets,
					       .holder = from[i].holder,
					       .zygote = zygote };
	}
	joey_vmm_templates_free(from, n);
	if (!v)
		return joey_err_sys(err, ENOMEM, "list the templates");
	ret->v = v;
	ret->n = n;
	return 0;
}

static int template_remove(const char *key, struct joey_err *err)
{
	autofree char *whole = NULL;

	int r = joey_vmm_template_remove(key, &whole, err);

	if (r == 0 && whole)
		zygote_drain(whole);
	return r;
}

static int template_prune(bool all, size_t *ret_n, struct joey_err *err)
{
	int r;

	if (all)
		zygote_drain(NULL);
	r = joey_vmm_template_prune(all, ret_n, err);
	zygote_tidy();
	return r;
}

const struct joey_template_ops vm_templates = {
	.build = template_build,
	.list = template_list,
	.remove = template_remove,
	.prune = template_prune,
};
