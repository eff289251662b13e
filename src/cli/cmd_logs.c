/* SPDX-License-Identifier: Apache-2.0 */
/* logs: what the console of a sandbox's guest printed.  Its bytes are the guest's choice, and terminals obey bytes. */
#include <string.h>
#include <unistd.h>

#include "cli/cli-internal.h"

struct logs_opts {
	bool guest, raw;
};

static const struct opt opts[] = {
	{ "guest", 0, OPT_BOOL, offsetof(struct logs_opts, guest), NULL,
	  "the console of the container's guest (the only log that joey keeps)" },
	{ "raw", 0, OPT_BOOL, offsetof(struct logs_opts, raw), NULL,
	  "bytes as they are, unless standard output is a terminal" },
	OPT_END,
};

/* Lines end as they do on a serial console: CR, LF. */
static void add_lines(struct joey_str *s, const char *text, size_t n)
{
	while (n > 0) {
		const char *end = memchr(text, '\n', n);
		size_t whole = end ? (size_t)(end - text) : n, shown = whole;

		while (end && shown > 0 && text[shown - 1] == '\r')
			shown--;
		joey_str_add_visible(s, text, shown, "\t");
		joey_str_add(s, "\n");
		whole += end != NULL;
		text += whole;
		n -= whole;
	}
}

static int run(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	const struct logs_opts *o = opts_in;
	autostr struct joey_str s = JOEY_STR_INIT;
	autofree char *text = NULL;
	size_t n = 0;
	int r;

	(void)argc;
	if (!o->guest)
		return joey_err_set(
			err, JOEY_EK_USAGE, EINVAL,
			"logs: joey keeps no output of containers, their engine does; --guest shows the console "
			"of a sandboxed container's guest");
	r = joey_rt_guest_console(&g->rt, argv[0], &text, &n, err);
	if (r < 0)
		return r;
	if (o->raw && !isatty(STDOUT_FILENO)) {
		r = joey_write_all(STDOUT_FILENO, text, n);
		return r < 0 ? joey_err_sys(err, r, "write standard output") : 0;
	}
	add_lines(&s, text, n);
	return s.failed ? joey_err_sys(err, ENOMEM, "logs") : print_out(s.buf ? s.buf : "", err);
}

const struct command cmd_logs = {
	.name = "logs",
	.operands = "CONTAINER",
	.summary = "show what the console of a sandboxed container's guest printed",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.needs_runtime = true,
	.failure = 1,
	.run = run,
	.opts_size = sizeof(struct logs_opts),
};
