/* SPDX-License-Identifier: Apache-2.0 */
/* A look inside: the processes as the guest numbers them, and what its console printed.  Both are the guest's own
 * words: nothing here does more with them than make them fit to be shown. */
#include "sandbox/sandbox-internal.h"

enum { ENTRY = 16, COMMAND_MAX = 4096 };

/* Arguments end in NUL. */
static char *decode_command(const uint8_t *text, size_t n)
{
	autostr struct joey_str s = JOEY_STR_INIT;

	while (n > 0 && text[n - 1] == '\0')
		n--;
	n = n < COMMAND_MAX ? n : COMMAND_MAX;
	for (size_t i = 0, from = 0; i <= n; i++) {
		if (i < n && text[i] != '\0')
			continue;
		joey_str_add_visible(&s, text + from, i - from, "");
		if (i < n)
			joey_str_add(&s, " ");
		from = i + 1;
	}
	return joey_str_take(&s);
}

static bool is_letter(uint32_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static int add_process(struct joey_guest_processes *p, const uint8_t *entry, size_t n_text)
{
	struct joey_guest_process *more = reallocarray(p->v, p->n + 1, sizeof(*more)), *one;
	uint32_t state = joey_wire_get32(entry + 8);

	if (!more)
		return -ENOMEM;
	p->v = more;
	one = &more[p->n];
	one->pid = joey_wire_get32(entry);
	one->uid = joey_wire_get32(entry + 4);
	one->state = is_letter(state) ? (char)state : '?';
	one->command = decode_command(entry + ENTRY, n_text);
	if (!one->command)
		return -ENOMEM;
	p->n++;
	return 0;
}

int vm_decode_processes(const uint8_t *data, size_t n, struct joey_guest_processes *ret, struct joey_err *err)
{
	struct joey_guest_processes p = { NULL, 0 };
	int r = 0;

	while (r == 0 && n > 0) {
		size_t n_text = n >= ENTRY ? joey_wire_get32(data + 12) : 0;

		if (n < ENTRY || n_text > n - ENTRY) {
			r = -EPROTO;
			break;
		}
		r = add_process(&p, data, n_text);
		data += ENTRY + n_text;
		n -= ENTRY + n_text;
	}
	if (r < 0) {
		joey_guest_processes_done(&p);
		return joey_err_sys(err, r, "read the guest's list of processes");
	}
	*ret = p;
	return 0;
}

int vm_guest_processes(struct joey_container *c, struct joey_guest_processes *ret, struct joey_err *err)
{
	autofree uint8_t *reply = NULL;
	size_t n = 0;
	int r;

	*ret = (struct joey_guest_processes){ NULL, 0 };
	if (!joey_init_is_alive(&c->state))
		return 0;
	r = link_ask_once(c, JOEY_WIRE_PIDS, NULL, &reply, &n, err);
	return r < 0 ? r : vm_decode_processes(reply, n, ret, err);
}

/* The sandbox process has it, and answers whatever the guest does; the machine may be a pod's, and others' too. */
int vm_guest_console(struct joey_container *c, char **ret, size_t *ret_n, struct joey_err *err)
{
	autolink struct vm_link l = VM_LINK_INIT;
	autoerr struct joey_err sub = JOEY_ERR_INIT;
	uint8_t *reply = NULL;
	int r = link_open(&l, c, &sub);

	if (r == -ENOENT || r == -ESTALE || r == -ECONNREFUSED)
		return joey_err_set(err, JOEY_EK_STATE, ESRCH,
				    "the sandbox of container %s has ended, and its console with it", c->id);
	if (r < 0)
		return joey_err_set(err, sub.kind, sub.errnum, "%s", joey_err_text(&sub));
	r = link_ask(&l, JOEY_WIRE_CONSOLE, NULL, VM_ANSWER_MS, &reply, ret_n, err);
	if (r == 0)
		*ret = (char *)reply;
	return r;
}
