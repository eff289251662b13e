/* SPDX-License-Identifier: Apache-2.0 */
/* linux.resources.blockIO: weights and throttles. */
#include "oci/oci-internal.h"

/* 0 means not set, as engines without an option type send it. */
static int weight(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_opt_u32 *o = field;
	int r = oci_opt_u32(c, v, o);

	if (r == 0 && o->v != 0 && (o->v < 10 || o->v > 1000))
		return oci_fail(c, "%s is not a weight from 10 to 1000", v->u.text);
	return r;
}

static int require_numbers(struct oci_ctx *c, const struct joey_json *v)
{
	int r = oci_require(c, v, "major");

	return r < 0 ? r : oci_require(c, v, "minor");
}

static int weight_device(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	static const struct oci_field fields[] = {
		{ "major", JOEY_JSON_NUMBER, offsetof(struct joey_weight_device, major), oci_dev_major },
		{ "minor", JOEY_JSON_NUMBER, offsetof(struct joey_weight_device, minor), oci_dev_minor },
		{ "weight", JOEY_JSON_NUMBER, offsetof(struct joey_weight_device, weight), weight },
		{ "leafWeight", JOEY_JSON_NUMBER, offsetof(struct joey_weight_device, leaf_weight), weight },
	};
	const struct joey_weight_device *d = element;
	int r = require_numbers(c, v);

	if (r == 0)
		r = OCI_OBJECT(c, v, fields, element);
	if (r == 0 && !d->weight.set && !d->leaf_weight.set)
		return oci_fail(c, "weight or leafWeight must be given");
	return r;
}

static int weight_devices(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_resources *res = field;

	return oci_array(c, v, JOEY_JSON_OBJECT, sizeof(struct joey_weight_device), weight_device,
			 &res->block_io.weight_device, &res->block_io.n_weight_device);
}

static int throttle(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	static const struct oci_field fields[] = {
		{ "major", JOEY_JSON_NUMBER, offsetof(struct joey_throttle, major), oci_dev_major },
		{ "minor", JOEY_JSON_NUMBER, offsetof(struct joey_throttle, minor), oci_dev_minor },
		{ "rate", JOEY_JSON_NUMBER, offsetof(struct joey_throttle, rate), oci_u64 },
	};
	int r = require_numbers(c, v);

	if (r == 0)
		r = oci_require(c, v, "rate");
	return r < 0 ? r : OCI_OBJECT(c, v, fields, element);
}

static int throttles(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_throttles *list = field;

	return oci_array(c, v, JOEY_JSON_OBJECT, sizeof(struct joey_throttle), throttle, &list->v, &list->n);
}

#define FIELD(key, type, member, parse)                                                        \
	{                                                                                      \
		key, JOEY_JSON_##type, offsetof(struct joey_resources, block_io.member), parse \
	}

int oci_block_io(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		FIELD("weight", NUMBER, weight, weight),
		FIELD("leafWeight", NUMBER, leaf_weight, weight),
		{ "weightDevice", JOEY_JSON_ARRAY, 0, weight_devices },
		FIELD("throttleReadBpsDevice", ARRAY, read_bps, throttles),
		FIELD("throttleWriteBpsDevice", ARRAY, write_bps, throttles),
		FIELD("throttleReadIOPSDevice", ARRAY, read_iops, throttles),
		FIELD("throttleWriteIOPSDevice", ARRAY, write_iops, throttles),
	};

	return OCI_OBJECT(c, v, fields, field);
}
