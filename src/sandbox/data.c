/* SPDX-License-Identifier: Apache-2.0 */
/* What this backend keeps in state.json: in which sandbox the container is, and by which handle. */
#include "joey/json.h"
#include "sandbox/sandbox-internal.h"

const char *vm_isolation(enum joey_accel accel)
{
	return accel == JOEY_ACCEL_KVM ? "full" : "compat";
}

int data_save(struct joey_container *c, const struct vm_data *d, struct joey_err *err)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	autofree char *text = NULL;
	struct joey_json *j = NULL;
	size_t len = 0;
	int r;

	joey_json_out_object(o, NULL);
	joey_json_out_string(o, "sandbox", d->sandbox);
	joey_json_out_u64(o, "handle", d->handle);
	joey_json_out_bool(o, "pod", d->pod);
	joey_json_out_object(o, "shown");
	joey_json_out_string(o, "kind", "vm");
	joey_json_out_string(o, "id", d->sandbox);
	joey_json_out_string(o, "accelerator", joey_accel_to_string(d->accel));
	joey_json_out_string(o, "isolation", vm_isolation(d->accel));
	joey_json_out_u64(o, "vcpus", d->vcpus);
	joey_json_out_u64(o, "memory", d->memory);
	joey_json_out_u64(o, "overhead", VM_OVERHEAD);
	/* who enforces the container's */
	joey_json_out_string(o, "limits", d->host_limits ? "guest,host" : "guest");
	joey_json_out_end(o);
	joey_json_out_end(o);
	r = joey_json_out_finish(o, &text, &len);
	if (r == 0)
		r = joey_json_parse(text, len, len, &c->arena, &j, err);
	if (r < 0)
		return joey_err_sys(err, r, "make the backend's state");
	c->state.backend_data = j;
	return 0;
}

int data_load(const struct joey_container *c, struct vm_data *ret, struct joey_err *err)
{
	const struct joey_json *j = c->state.backend_data;
	uint64_t handle = 0;

	*ret = (struct vm_data){ .sandbox = joey_json_get_string(j, "sandbox") };
	if (!ret->sandbox || joey_json_get_u64(j, "handle", &handle) < 0 || handle > UINT32_MAX)
		return joey_err_set(err, JOEY_EK_OTHER, EPROTO, "container %s: the record of its sandbox is unreadable",
				    c->id);
	ret->handle = (uint32_t)handle;
	(void)joey_json_get_bool(j, "pod", &ret->pod);
	return 0;
}
