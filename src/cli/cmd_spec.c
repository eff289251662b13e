/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>

#include "cli/cli-internal.h"

struct spec_opts {
	const char *bundle;
	bool rootless;
};

static const struct opt opts[] = {
	{ "bundle", 'b', OPT_STRING, offsetof(struct spec_opts, bundle), "DIR",
	  "bundle directory (default: the current one)" },
	{ "rootless", 0, OPT_BOOL, offsetof(struct spec_opts, rootless), NULL,
	  "for a container without privileges on the host" },
	OPT_END,
};
static const struct spec_opts defaults = { .bundle = "." };

static int run(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	const struct spec_opts *o = opts_in;
	autoclose int dir_fd = -EBADF, fd = -EBADF;
	autofree char *text = NULL;
	int r;

	(void)g;
	(void)argv;
	(void)argc;
	dir_fd = open(o->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return joey_err_sys(err, errno, "open bundle %s", o->bundle);
	r = joey_spec_default(o->rootless, geteuid(), getegid(), &text, err);
	if (r < 0)
		return r;
	fd = openat(dir_fd, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0 && errno == EEXIST)
		return joey_err_set(err, JOEY_EK_EXISTS, EEXIST, "File config.json exists. Remove it first");
	if (fd < 0)
		return joey_err_sys(err, errno, "make config.json");
	r = joey_write_all(fd, text, strlen(text));
	return r < 0 ? joey_err_sys(err, -r, "write config.json") : 0;
}

const struct command cmd_spec = {
	.name = "spec",
	.operands = "",
	.summary = "write a config.json to start from",
	.opts = opts,
	.min_args = 0,
	.max_args = 0,
	.failure = 1,
	.run = run,
	.opts_size = sizeof(struct spec_opts),
	.defaults = &defaults,
};
