/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing limits of a cgroup in use: all of them or none.
 *
 * Before a file is written, what is in it is read; when a later write fails, the files are put back in reverse order.
 * Reading what is there, and not what joey believes to have written, also restores what others have set.  A file whose
 * lines are per device gets its old line back, or, if it had none, the line that stands for no limit.
 *
 * A driver with a manager behind it (systemd) is told last: then the kernel has taken every value, and nothing that was
 * told has to be taken back.  The manager writes its own, rounded, idea of some of them, so all are written once more.
 */
#include <string.h>

#include "cgroups/cgroups-internal.h"
#include "joey/log.h"

struct undo {
	char *file, *text;
};

struct update {
	struct joey_cgroup *cg;
	struct undo *v;
	size_t n, cap;
};

/* What takes a device's line away. */
static const struct {
	const char *file, *no_limit;
} keyed[] = {
	{ "io.max", "rbps=max wbps=max riops=max wiops=max" },
	{ "io.weight", "default" },
	{ "io.bfq.weight", "default" },
	{ "rdma.max", "hca_handle=max hca_object=max" },
};

/* "8:0 rbps=1" -> "8:0"; NULL when the text has no key. */
static char *key_of(const char *file, const char *text)
{
	size_t n = strcspn(text, " ");

	if (!text[n] || (!memchr(text, ':', n) && !joey_streq(file, "rdma.max")))
		return NULL;
	return strndup(text, n);
}

static char *line_of(const char *text, const char *key)
{
	size_t n = strlen(key);

	while (*text) {
		size_t len = strcspn(text, "\n");

		if (len > n && text[n] == ' ' && strncmp(text, key, n) == 0)
			return strndup(text, len);
		text += len;
		text += *text ? 1 : 0;
	}
	return NULL;
}

static char *no_line(const char *file, const char *key)
{
	autostr struct joey_str s = JOEY_STR_INIT;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(keyed); i++)
		if (joey_streq(keyed[i].file, file))
			joey_str_printf(&s, "%s %s", key, keyed[i].no_limit);
	return s.buf ? joey_str_take(&s) : NULL;
}

/* What has to be written to take back that text was; heap, NULL if that cannot be known. */
static char *old_text(const char *file, const char *text, const char *before)
{
	autofree char *key = key_of(file, text);
	char *line;

	if (!key) {
		size_t n = strcspn(before, "\n");

		/* An empty value ("all cpus") reaches the kernel only as a newline. */
		return n > 0 ? strndup(before, n) : strdup("\n");
	}
	line = line_of(before, key);
	return line ? line : no_line(file, key);
}

static int remember(struct update *u, const char *file, const char *text)
{
	autofree char *before = NULL;
	struct undo *undo;
	int r = joey_read_file_at(u->cg->dir_fd, file, O_NOFOLLOW, CGROUP_FILE_MAX, &before, NULL);

	/* Not there, or for writing only: the write itself will tell. */
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	if (u->n == u->cap) {
		size_t cap = u->cap ? u->cap * 2 : 16;
		struct undo *v = reallocarray(u->v, cap, sizeof(*v));

		if (!v)
			return -ENOMEM;
		u->v = v;
		u->cap = cap;
	}
	undo = &u->v[u->n];
	undo->file = strdup(file);
	undo->text = old_text(file, text, before);
	if (!undo->file || !undo->text) {
		free(undo->file);
		free(undo->text);
		return 0;
	}
	u->n++;
	return 0;
}

static int write_and_remember(struct cgroup_knob_out *o, const char *file, const char *text, unsigned flags,
			      struct joey_err *err)
{
	struct update *u = o->arg;
	size_t before = u->n;
	int r = remember(u, file, text);

	if (r < 0)
		return joey_err_sys(err, -r, "cgroup: update %s", cgroup_name(u->cg));
	r = cgroup_knob_write(u->cg, o, file, text, flags, err);
	if (r < 0 && u->n > before) {
		u->n--;
		free(u->v[u->n].file);
		free(u->v[u->n].text);
	}
	return r;
}

static int write_again(struct cgroup_knob_out *o, const char *file, const char *text, unsigned flags,
		       struct joey_err *err)
{
	const struct update *u = o->arg;

	return cgroup_knob_write(u->cg, o, file, text, flags, err);
}

static void take_back(struct update *u)
{
	for (size_t i = u->n; i-- > 0;) {
		int r = cgroup_put(u->cg, u->v[i].file, u->v[i].text);

		if (r < 0 && !cgroup_gone(r))
			joey_warn("cgroup: put %s of %s back to \"%s\": %s", u->v[i].file, cgroup_name(u->cg),
				  u->v[i].text, joey_errno_text(r));
	}
}

static void update_done(struct update *u)
{
	while (u->n > 0) {
		u->n--;
		free(u->v[u->n].file);
		free(u->v[u->n].text);
	}
	free(u->v);
}

int joey_cgroup_update(struct joey_cgroup *cg, const struct joey_resources *res, struct joey_err *err)
{
	struct update u = { .cg = cg };
	struct cgroup_knob_out out = { .emit = write_and_remember,
				       .arg = &u,
				       .dir_fd = cg->dir_fd,
				       .whole_percents = cg->kind == JOEY_CGROUP_SYSTEMD };
	struct cgroup_knob_out again = out;
	int r;

	if (cg->dir_fd < 0)
		return joey_cgroup_apply(cg, res, err);
	again.emit = write_again;
	cgroup_warn_ignored(res);
	r = cgroup_knobs_each(res, &out, err);
	if (r == 0 && cg->driver->announce) {
		r = cg->driver->announce(cg, res, err);
		if (r == 0)
			r = cgroup_knobs_each(res, &again, err);
	}
	if (r < 0)
		take_back(&u);
	update_done(&u);
	return r;
}
