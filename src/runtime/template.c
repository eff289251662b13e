/* SPDX-License-Identifier: Apache-2.0 */
/* template: what joey.conf says of machines, for the backend that keeps them. */
#include "runtime/runtime-internal.h"

static const struct joey_template_ops *find_ops(struct joey_err *err)
{
	const struct joey_backend *be = joey_backend_isolating();

	if (be && be->templates)
		return be->templates;
	(void)joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP, "this joey has no sandboxes");
	return NULL;
}

int joey_rt_template_build(const struct joey_runtime *rt, const struct joey_template_opts *o, char **ret_key,
			   struct joey_err *err)
{
	const struct joey_template_ops *ops = find_ops(err);
	struct joey_vm_choice vm = { .memory = 0 };
	int r = ops ? rt_choose_machine(rt, o, &vm, err) : -ENOTSUP;

	return r < 0 ? r : ops->build(&vm, ret_key, err);
}

int joey_rt_template_list(struct joey_templates *ret, struct joey_err *err)
{
	const struct joey_template_ops *ops = find_ops(err);

	return !ops ? -ENOTSUP : ops->list(ret, err);
}

int joey_rt_template_remove(const char *key, struct joey_err *err)
{
	const struct joey_template_ops *ops = find_ops(err);

	return !ops ? -ENOTSUP : ops->remove(key, err);
}

int joey_rt_template_prune(bool all, size_t *ret_n, struct joey_err *err)
{
	const struct joey_template_ops *ops = find_ops(err);

	return !ops ? -ENOTSUP : ops->prune(all, ret_n, err);
}

void joey_templates_done(struct joey_templates *t)
{
	for (size_t i = 0; t->v && i < t->n; i++) {
		free(t->v[i].key);
		free(t->v[i].why);
		free(t->v[i].kernel);
		free(t->v[i].trust);
		free(t->v[i].created);
	}
	free(t->v);
	*t = (struct joey_templates){ NULL, 0 };
}
