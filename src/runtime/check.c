/* SPDX-License-Identifier: Apache-2.0 */
/* check: what the backends find on this host, and whether containers can run. */
#include "joey/check.h"
#include "joey/json.h"
#include "runtime/runtime-internal.h"

int joey_rt_check(struct joey_findings *ret, bool *ret_usable, struct joey_err *err)
{
	const struct joey_backend *const backends[] = { joey_backend_by_name(NULL), joey_backend_isolating() };

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(backends); i++) {
		int r = backends[i] && backends[i]->check ? backends[i]->check(ret) : 0;

		if (r < 0)
			return joey_err_sys(err, -r, "check the host");
	}
	*ret_usable = true;
	for (size_t i = 0; i < ret->n; i++)
		if (ret->v[i].level == JOEY_FINDING_MISSING)
			*ret_usable = false;
	return 0;
}

int joey_rt_check_json(const struct joey_findings *f, bool usable, char **ret, struct joey_err *err)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(2);
	int r;

	joey_json_out_object(o, NULL);
	joey_json_out_bool(o, "usable", usable);
	joey_json_out_array(o, "findings");
	for (size_t i = 0; i < f->n; i++) {
		const struct joey_finding *one = &f->v[i];

		joey_json_out_object(o, NULL);
		joey_json_out_string(o, "area", one->area);
		joey_json_out_string(o, "name", one->name);
		joey_json_out_string(o, "level", joey_finding_level_to_string(one->level));
		joey_json_out_string(o, "detail", one->detail);
		if (one->cost)
			joey_json_out_string(o, "cost", one->cost);
		joey_json_out_end(o);
	}
	joey_json_out_end(o);
	joey_json_out_end(o);
	r = joey_json_out_finish(o, ret, NULL);
	return r < 0 ? joey_err_sys(err, -r, "make the findings document") : 0;
}
