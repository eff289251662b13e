/* SPDX-License-Identifier: Apache-2.0 */
/* Global options: what they say, and what holds when they say nothing. */
#include <limits.h>
#include <string.h>

#include "cli/cli-internal.h"

#define G(member) offsetof(struct globals, member)

const struct opt global_opts[] = {
	{ "root", 0, OPT_STRING, G(root), "DIR",
	  "where container states are kept (default: /run/joey, or $XDG_RUNTIME_DIR/joey)" },
	{ "log", 0, OPT_STRING, G(log), "DEST",
	  "append log lines to a file, or journald:[NAME] or syslog:[NAME] (default: standard error)" },
	{ "log-format", 0, OPT_STRING, G(log_format), "FORMAT", "text or json (default: text)" },
	{ "config", 0, OPT_STRING, G(config), "FILE", "take settings from FILE, not from the system's joey.conf" },
	{ "debug", 0, OPT_MAYBE, G(debug), NULL, "log what is going on, too" },
	{ "systemd-cgroup", 0, OPT_MAYBE, G(systemd_cgroup), NULL, "same as --cgroup-manager=systemd" },
	{ "cgroup-manager", 0, OPT_STRING, G(cgroup_manager), "NAME",
	  "cgroupfs, systemd or disabled (default: cgroupfs)" },
	{ "rootless", 0, OPT_STRING, G(rootless_text), "true|false|auto",
	  "do without the host's privileges (default: auto)" },
	{ "version", 'v', OPT_BOOL, G(version), NULL, "print the version" },
	OPT_END,
};

int globals_log(const struct globals *g, struct joey_err *err)
{
	bool json = joey_streq(g->log_format, "json");

	if (g->log_format && !json && !joey_streq(g->log_format, "text"))
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "invalid log-format: %s", g->log_format);
	log_sinks_init(g->log && *g->log ? g->log : NULL, json, g->debug.v);
	return 0;
}

static int find_rootless(struct globals *g, bool in_userns, struct joey_err *err)
{
	const char *t = g->rootless_text;

	if (!t || joey_streq(t, "auto") || !*t)
		g->rt.rootless = geteuid() != 0 || in_userns;
	else if (joey_streq(t, "true") || joey_streq(t, "1"))
		g->rt.rootless = true;
	else if (joey_streq(t, "false") || joey_streq(t, "0"))
		g->rt.rootless = false;
	else
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "invalid rootless value: %s (true, false or auto)", t);
	return 0;
}

static int find_driver(struct globals *g, struct joey_err *err)
{
	g->rt.cgroup_driver = g->systemd_cgroup.v ? JOEY_CGROUP_SYSTEMD : JOEY_CGROUP_CGROUPFS;
	if (g->cgroup_manager && joey_cgroup_driver_from_string(g->cgroup_manager, &g->rt.cgroup_driver) < 0)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL,
				    "invalid cgroup-manager: %s (cgroupfs, systemd or disabled)", g->cgroup_manager);
	return 0;
}

/* As runc: who is not root, or is root of a user namespace only, has the place of his session. */
static const char *session_dir(bool in_userns)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");

	if (!dir || *dir != '/')
		return NULL;
	if (geteuid() != 0)
		return dir;
	return in_userns && !joey_streq(getenv("USER"), "root") ? dir : NULL;
}

static int absolute(const char *path, struct joey_str *s)
{
	char cwd[PATH_MAX];

	if (*path != '/') {
		if (!getcwd(cwd, sizeof(cwd)))
			return -errno;
		if (cwd[0] != '/')
			return -ENOENT; /* "(unreachable)" */
		joey_str_printf(s, "%s/", joey_streq(cwd, "/") ? "" : cwd);
	}
	joey_str_add(s, path);
	/* Slashes at the end mean nothing, but would hide that this is "/". */
	while (s->len > 1 && s->buf[s->len - 1] == '/')
		s->buf[--s->len] = '\0';
	return 0;
}

static int find_root(struct globals *g, bool in_userns, struct joey_err *err)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	const char *dir = session_dir(in_userns);
	int r = 0;

	if (g->root && !*g->root)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "--root cannot be empty");
	if (g->root)
		r = absolute(g->root, &s);
	else if (dir)
		joey_str_printf(&s, "%s/joey", dir);
	else
		joey_str_add(&s, "/run/joey");
	if (r < 0)
		return joey_err_sys(err, -r, "make --root %s absolute", g->root);
	if (joey_streq(s.buf, "/"))
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "--root cannot be /");
	g->root_path = joey_str_take(&s);
	g->rt.root = g->root_path;
	return g->root_path ? 0 : joey_err_sys(err, ENOMEM, "root path");
}

static void use_default(const char **option, const char *value)
{
	if (!*option)
		*option = value;
}

int globals_conf(struct globals *g, struct joey_err *err)
{
	const struct joey_conf *c = &g->conf;
	int r;

	g->in_userns = joey_in_userns();
	r = joey_conf_read(&g->conf, g->config, g->in_userns, err);
	if (r < 0)
		return r;
	use_default(&g->log, c->runtime.log);
	use_default(&g->log_format, c->runtime.log_format);
	use_default(&g->rootless_text, c->runtime.rootless);
	if (!g->debug.set)
		g->debug.v = c->runtime.log_level == JOEY_CONF_LOG_DEBUG;
	if (!g->systemd_cgroup.set)
		use_default(&g->cgroup_manager, c->runtime.cgroup_manager);
	/* The system's directory is no place for somebody else's session. */
	if (g->config || !session_dir(g->in_userns))
		use_default(&g->root, c->runtime.root);
	return globals_log(g, err);
}

int globals_finish(struct globals *g, struct joey_err *err)
{
	int r = find_rootless(g, g->in_userns, err);

	if (r == 0)
		r = find_driver(g, err);
	g->rt.conf = &g->conf;
	return r < 0 ? r : find_root(g, g->in_userns, err);
}
