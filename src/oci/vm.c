/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vm object (spec config-vm.md), kept for the VM backend.  The document says hwConfig, the Go binding writes
 * hwconfig: both are taken.  The document wants a kernel in it; here the administrator's is used where none is named,
 * so that a config can ask for a size and nothing else.
 */
#include "oci/oci-internal.h"

#define FIELD(key, type, member, parse)                                        \
	{                                                                      \
		key, JOEY_JSON_##type, offsetof(struct joey_vm, member), parse \
	}

static int hypervisor(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		FIELD("path", STRING, hypervisor_path, oci_abs_path),
		FIELD("parameters", ARRAY, hypervisor_parameters, oci_strings),
	};

	return OCI_OBJECT(c, v, fields, field);
}

static int kernel(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		FIELD("path", STRING, kernel_path, oci_abs_path),
		FIELD("initrd", STRING, kernel_initrd, oci_abs_path),
		FIELD("parameters", ARRAY, kernel_parameters, oci_strings),
	};
	struct joey_vm *vm = field;
	int r = OCI_OBJECT(c, v, fields, vm);

	if (r == 0 && !vm->kernel_path)
		return oci_fail_at(c, "path", "must be given");
	return r;
}

static int format(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	uint64_t ignored;

	if (v->u.text[0] && !oci_name_lookup(&oci_names_image_formats, v->u.text, &ignored))
		return oci_fail(c, "unknown image format \"%s\"", v->u.text);
	return oci_string(c, v, field);
}

static int image(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		FIELD("path", STRING, image_path, oci_abs_path),
		FIELD("format", STRING, image_format, format),
	};
	struct joey_vm *vm = field;
	int r = OCI_OBJECT(c, v, fields, vm);

	if (r == 0 && !vm->image_path)
		return oci_fail_at(c, "path", "must be given");
	return r;
}

static int hw_config(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		FIELD("vcpus", NUMBER, vcpus, oci_opt_u64),
		FIELD("memory", NUMBER, memory, oci_opt_u64),
	};
	static const char *const others[] = { "deviceTree", "dtdevs", "iomems", "irqs" };
	struct joey_vm *vm = field;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(others); i++)
		if (joey_json_get(v, others[i]))
			vm->hw_other = others[i];
	return OCI_OBJECT(c, v, fields, field);
}

int oci_vm(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		{ "hypervisor", JOEY_JSON_OBJECT, 0, hypervisor }, { "kernel", JOEY_JSON_OBJECT, 0, kernel },
		{ "image", JOEY_JSON_OBJECT, 0, image },           { "hwConfig", JOEY_JSON_OBJECT, 0, hw_config },
		{ "hwconfig", JOEY_JSON_OBJECT, 0, hw_config },
	};
	struct joey_vm *vm = joey_arena_alloc(c->arena, sizeof(*vm));
	int r;

	if (!vm)
		return oci_nomem(c);
	r = OCI_OBJECT(c, v, fields, vm);
	if (r == 0)
		*(struct joey_vm **)field = vm;
	return r;
}
