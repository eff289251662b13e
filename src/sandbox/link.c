/* SPDX-License-Identifier: Apache-2.0 */
/* The way from a container's record to its sandbox process. */
#include <string.h>

#include "sandbox/sandbox-internal.h"

int link_open(struct vm_link *l, struct joey_container *c, struct joey_err *err)
{
	int r = data_load(c, &l->data, err);

	if (r == 0)
		r = place_open(&l->place, c->root_fd, l->data.sandbox, false, err);
	return r < 0 ? r : client_connect(&l->cl, &l->place, err);
}

int link_ask(struct vm_link *l, enum joey_wire_type type, const char *blob, unsigned timeout_ms, uint8_t **ret,
	     size_t *ret_n, struct joey_err *err)
{
	char json[32];
	const struct vm_call call = { .type = type,
				      .json = json,
				      .blob = blob,
				      .blob_len = blob ? strlen(blob) : 0,
				      .fd = -EBADF,
				      .timeout_ms = timeout_ms };

	snprintf(json, sizeof(json), "{\"c\":%u}", l->data.handle);
	return client_call(&l->cl, &call, ret, ret_n, err);
}

int link_ask_once(struct joey_container *c, enum joey_wire_type type, const char *blob, uint8_t **ret, size_t *ret_n,
		  struct joey_err *err)
{
	autolink struct vm_link l = VM_LINK_INIT;
	int r = link_open(&l, c, err);

	return r < 0 ? r : link_ask(&l, type, blob, VM_ANSWER_MS, ret, ret_n, err);
}

void link_done(struct vm_link *l)
{
	client_done(&l->cl);
	place_done(&l->place);
}
