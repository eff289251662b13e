/* SPDX-License-Identifier: Apache-2.0 */
/*
 * joey-agent: /init of a sandbox's guest; or, for tests, with --fds, a process anywhere that speaks the same protocol
 * on two sockets.
 */
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "agent/agent-internal.h"

struct options {
	int ctl, io;
	const char *root, *cgroup;
};

static int usage(void)
{
	dprintf(STDERR_FILENO, "usage: joey-agent --fds CTL,IO --root DIRECTORY [--cgroup /PATH]\n");
	return 2;
}

static int parse_fds(const char *text, struct options *o)
{
	const char *comma = strchr(text, ',');
	char first[16];
	uint32_t ctl, io;

	if (!comma || (size_t)(comma - text) >= sizeof(first))
		return -EINVAL;
	memcpy(first, text, (size_t)(comma - text));
	first[comma - text] = '\0';
	if (joey_parse_u32(first, &ctl) < 0 || joey_parse_u32(comma + 1, &io) < 0 || ctl < 3 || io < 3 || ctl == io ||
	    ctl > INT32_MAX || io > INT32_MAX)
		return -EINVAL;
	o->ctl = (int)ctl;
	o->io = (int)io;
	return 0;
}

static int parse(int argc, char **argv, struct options *o)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		if (joey_streq(argv[i], "--fds")) {
			if (parse_fds(argv[i + 1], o) < 0)
				return -EINVAL;
		} else if (joey_streq(argv[i], "--root"))
			o->root = argv[i + 1];
		else if (joey_streq(argv[i], "--cgroup"))
			o->cgroup = argv[i + 1];
		else
			return -EINVAL;
	}
	return argc % 2 == 1 && o->ctl >= 0 && o->root && o->root[0] == '/' && o->cgroup[0] == '/' ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	static struct agent a;
	struct options o = { -EBADF, -EBADF, NULL, AGENT_CGROUP };
	bool guest = argc == 1 && getpid() == 1;

	if (guest) {
		agent_boot(&o.ctl, &o.io);
		o.root = "/run";
	} else {
		if (parse(argc, argv, &o) < 0)
			return usage();
		if (prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL) < 0)
			agent_die(NULL, "become child subreaper: %s", joey_errno_text(errno));
	}
	agent_init(&a, o.ctl, o.io, o.root, o.cgroup, !guest);
	if (mkdir(a.dir, 0700) < 0 && errno != EEXIST)
		agent_die(&a, "make %s: %s", a.dir, joey_errno_text(errno));
	/* For whoever makes a template: from here on nothing happens until HELLO. */
	dprintf(STDERR_FILENO, "joey-agent: ready\n");
	agent_log(&a, 0, "ready", 5);
	agent_loop(&a);
}
