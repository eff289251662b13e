/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which controllers the container's cgroup has, and getting them there.
 *
 * A cgroup has the controllers that its parent's cgroup.subtree_control names.  Engines read statistics from the
 * container's cgroup, so the accounting ones are enabled even without a limit; the others only when asked for.
 * Writing subtree_control migrates every descendant's css under a global lock: it is written only where a wanted
 * word is missing, which on a host that has run one container before is nowhere.
 */
#include <string.h>

#include "cgroups/cgroups-internal.h"
#include "joey/log.h"

#define LIST_MAX 1024 /* about ten words of at most 32 bytes exist */

/* What statistics readers expect to find (containerd, CRI-O and Podman read the files themselves). */
static const char *const accounting[] = { "cpu", "memory", "io", "pids", "cpuset" };

/* Controllers that do not work in a threaded cgroup. */
static const char *const domain_only[] = { "memory", "io", "hugetlb" };

static bool is_unified_host(const struct joey_cgroup *cg)
{
	return strcmp(cg->mount, "/sys/fs/cgroup") == 0;
}

struct need {
	const char *offered; /* text of cgroup.controllers */
	const struct joey_cgroup *cg;
	const char *why; /* NULL: the mount does not have it at all; else text on why it could not be enabled */
	bool any;        /* something was asked for */
	bool domain;     /* something that needs a domain cgroup */
	struct joey_str wanted;
};

static int need_one(struct cgroup_knob_out *out, const char *file, const char *text, unsigned flags,
		    struct joey_err *err)
{
	struct need *n = out->arg;
	char name[64];
	size_t i;

	(void)file;
	(void)text;
	/* Files of the cgroup core ("cgroup.max.depth" in unified) exist anywhere. */
	if ((flags & CGROUP_KNOB_NO_LIMIT) || (out->controller_len == 6 && memcmp(out->controller, "cgroup", 6) == 0))
		return 0;
	n->any = true;
	if (out->controller_len <= 0 || (size_t)out->controller_len >= sizeof(name))
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "linux.resources.%s: not a cgroup file", out->key);
	memcpy(name, out->controller, (size_t)out->controller_len);
	name[out->controller_len] = '\0';
	for (i = 0; i < JOEY_ARRAY_SIZE(domain_only); i++)
		n->domain |= strcmp(name, domain_only[i]) == 0;
	joey_str_printf(&n->wanted, " %s", name);
	if (!n->offered || cgroup_word_in(n->offered, name))
		return 0;
	if (out->unified)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, EOPNOTSUPP,
				    "cgroup: linux.resources.unified: unified resource \"%s\" can't be set: controller "
				    "\"%s\" not available",
				    out->key, name);
	if (n->why)
		return joey_err_set(
			err, JOEY_EK_UNSUPPORTED, EOPNOTSUPP,
			"cgroup: linux.resources.%s needs the controller \"%s\", which could not be enabled "
			"for %s%s: %s",
			out->key, name, n->cg->mount, n->cg->path, n->why);
	return joey_err_set(
		err, JOEY_EK_UNSUPPORTED, EOPNOTSUPP,
		"cgroup: linux.resources.%s needs the controller \"%s\", which %s does not offer%s", out->key, name,
		n->cg->mount,
		is_unified_host(n->cg)
			? ""
			: " (host in hybrid mode? controllers are mounted as cgroup v1, which joey does not support)");
}

static int each_need(struct need *n, const struct joey_resources *res, struct joey_err *err)
{
	struct cgroup_knob_out out = { .emit = need_one, .arg = n, .dir_fd = -EBADF };

	return cgroup_knobs_each(res, &out, err);
}

static int read_list(const struct joey_cgroup *cg, int fd, const char *file, char *buf, struct joey_err *err)
{
	ssize_t n = cgroup_read(fd, file, buf, LIST_MAX);

	if (n < 0)
		return joey_err_sys(err, (int)-n, "cgroup: read %s for %s", file, cgroup_name(cg));
	return 0;
}

int cgroup_controllers_check(const struct joey_cgroup *cg, const struct joey_resources *res, struct joey_err *err)
{
	struct need n = { .cg = cg, .wanted = JOEY_STR_INIT };
	char offered[LIST_MAX];
	int r;

	/* First pass without a list: are there any needs, are the values sound? */
	r = each_need(&n, res, err);
	joey_str_done(&n.wanted);
	if (r < 0 || !n.any)
		return r;
	r = read_list(cg, cg->mnt_fd, "cgroup.controllers", offered, err);
	if (r < 0)
		return r;
	n = (struct need){ .cg = cg, .offered = offered, .wanted = JOEY_STR_INIT };
	r = each_need(&n, res, err);
	joey_str_done(&n.wanted);
	return r;
}

/* Every word of `words` that is in `offered` and not in `have`, as "+a +b". */
static void missing_words(const char *words, const char *offered, const char *have, struct joey_str *s)
{
	char name[64];
	const char *p = words;

	while (*(p += strspn(p, " \n"))) {
		size_t n = strcspn(p, " \n");

		if (n < sizeof(name)) {
			memcpy(name, p, n);
			name[n] = '\0';
			if (cgroup_word_in(offered, name) && !cgroup_word_in(have, name))
				joey_str_printf(s, "%s+%s", s->len ? " " : "", name);
		}
		p += n;
	}
}

/* One level: all at once, and if that fails each alone, so that one bad controller does not cost the others. */
int cgroup_controllers_hand_down(int fd)
{
	char offered[LIST_MAX], have[LIST_MAX];
	autostr struct joey_str s = JOEY_STR_INIT;
	char *p, *word;
	ssize_t n;
	int r, last = 0;

	n = cgroup_read(fd, "cgroup.controllers", offered, sizeof(offered));
	if (n >= 0)
		n = cgroup_read(fd, "cgroup.subtree_control", have, sizeof(have));
	if (n < 0)
		return (int)n;
	missing_words(offered, offered, have, &s);
	if (s.failed)
		return -ENOMEM;
	if (s.len == 0)
		return 0;
	r = cgroup_write(fd, "cgroup.subtree_control", s.buf);
	if (r == 0)
		return 0;
	p = s.buf;
	while ((word = strsep(&p, " ")) != NULL) {
		r = cgroup_write(fd, "cgroup.subtree_control", word);
		last = r < 0 ? r : last;
	}
	return last;
}

/* From the mount down to the parent.  *ret_why: the last thing that went wrong; none of it is fatal by itself. */
static void enable_all_levels(const struct joey_cgroup *cg, struct joey_str *ret_why)
{
	autofree char *path = strdup(cg->path);
	autoclose int cur = cgroup_opendir_at(cg->mnt_fd, ".", O_PATH);
	char *p = path, *name;

	if (!path || cur < 0) {
		joey_str_add(ret_why, joey_errno_text(path ? cur : ENOMEM));
		return;
	}
	strsep(&p, "/"); /* the leading slash */
	while ((name = strsep(&p, "/")) != NULL) {
		int next, r = cgroup_controllers_hand_down(cur);

		if (r < 0) {
			joey_str_done(ret_why);
			joey_str_printf(ret_why, "cgroup.subtree_control above \"%s\": %s%s", name, joey_errno_text(-r),
					r == -EBUSY ? " (processes in that cgroup?)" : "");
		}
		if (!p) /* name is the container's own cgroup: a leaf enables nothing */
			return;
		next = cgroup_opendir_at(cur, name, O_PATH);
		if (next < 0) {
			joey_str_done(ret_why);
			joey_str_printf(ret_why, "open \"%s\": %s", name, joey_errno_text(-next));
			return;
		}
		joey_close(cur);
		cur = next;
	}
}

/*
 * Below a threaded cgroup a new one is born "domain invalid" and takes no process.  It can become threaded, unless
 * a limit needs a controller that works on domains only.
 */
static int fix_type(const struct joey_cgroup *cg, bool domain, struct joey_err *err)
{
	char type[64];
	ssize_t n = cgroup_read(cg->dir_fd, "cgroup.type", type, sizeof(type));
	int r;

	if (n < 0) /* the root has no type; an unreadable one shows when the process is added */
		return 0;
	if (strcmp(type, "domain invalid") == 0 && !domain) {
		r = cgroup_write(cg->dir_fd, "cgroup.type", "threaded");
		return r < 0 ? joey_err_sys(err, -r, "cgroup: make %s%s threaded", cg->mount, cg->path) : 0;
	}
	if (!domain || (strcmp(type, "domain invalid") != 0 && strcmp(type, "threaded") != 0))
		return 0;
	return joey_err_set(err, JOEY_EK_UNSUPPORTED, EOPNOTSUPP,
			    "cannot enter cgroupv2 \"%s%s\" with domain controllers -- it is in %s", cg->mount,
			    cg->path, type[0] == 't' ? "threaded mode" : "an invalid state");
}

int cgroup_controllers_enable(struct joey_cgroup *cg, const struct joey_resources *res, struct joey_err *err)
{
	struct need n = { .cg = cg, .wanted = JOEY_STR_INIT };
	autostr struct joey_str missing = JOEY_STR_INIT, why = JOEY_STR_INIT;
	char offered[LIST_MAX], have[LIST_MAX];
	autostr struct joey_str wanted = JOEY_STR_INIT;
	size_t i;
	int r;

	r = each_need(&n, res, err);
	wanted = n.wanted;
	if (r < 0)
		return r;
	/* On a hybrid host statistics are read from the v1 controllers. */
	if (!n.any && !is_unified_host(cg))
		return 0;
	r = read_list(cg, cg->mnt_fd, "cgroup.controllers", offered, err);
	if (r < 0)
		return r;
	for (i = 0; i < JOEY_ARRAY_SIZE(accounting); i++)
		joey_str_printf(&wanted, " %s", accounting[i]);
	missing_words(wanted.buf, offered, "", &missing);
	if (wanted.failed || missing.failed)
		return joey_err_sys(err, ENOMEM, "cgroup: enable controllers");
	if (missing.len == 0) /* nothing on offer that anyone wants: a hybrid host */
		return 0;
	r = read_list(cg, cg->dir_fd, "cgroup.controllers", have, err);
	if (r < 0)
		return r;
	joey_str_done(&missing);
	missing_words(wanted.buf, offered, have, &missing);
	if (missing.len == 0 && !missing.failed)
		return 0;
	enable_all_levels(cg, &why);
	r = fix_type(cg, n.domain, err);
	if (r == 0)
		r = read_list(cg, cg->dir_fd, "cgroup.controllers", have, err);
	if (r < 0)
		return r;
	if (why.len > 0)
		joey_debug("cgroup: %s", why.buf);
	n = (struct need){ .cg = cg, .offered = have, .wanted = JOEY_STR_INIT, .why = "not delegated to this cgroup" };
	if (why.len > 0)
		n.why = why.buf;
	r = each_need(&n, res, err);
	joey_str_done(&n.wanted);
	return r;
}
