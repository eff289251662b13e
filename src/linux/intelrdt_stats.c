/* SPDX-License-Identifier: Apache-2.0 */
/* What resctrl says of a container: its group's schemata beside those of the root, and what its tasks use. */
#include <fcntl.h>
#include <string.h>

#include "linux/linux-internal.h"

enum { TEXT_MAX = 64 << 10, DOMAINS_MAX = 128, LINES_MAX = 64 };

static uint64_t number_at(int dir, const char *path)
{
	autofree char *text = NULL;
	uint64_t v = 0;

	/* "Unavailable", "Error": no number */
	if (joey_read_file_at(dir, path, O_NOFOLLOW, 64, &text, NULL) == 0) {
		text[strcspn(text, "\n")] = '\0';
		(void)joey_parse_u64(text, &v);
	}
	return v;
}

/* The lines of schemata without the blanks before them. */
static int read_lines(int dir, struct joey_arena *arena, struct joey_strlist *ret, struct joey_err *err)
{
	autofree char *text = NULL;
	char **v = joey_arena_array(arena, LINES_MAX + 1, sizeof(*v)), *p, *line;
	size_t n = 0;
	int r = joey_read_file_at(dir, "schemata", O_NOFOLLOW, TEXT_MAX, &text, NULL);

	if (r == 0 && !v)
		r = -ENOMEM;
	p = text;
	while (r == 0 && n < LINES_MAX && (line = strsep(&p, "\n")) != NULL) {
		line += strspn(line, " ");
		if (!*line)
			continue;
		v[n] = joey_arena_strdup(arena, line);
		if (!v[n++])
			r = -ENOMEM;
	}
	if (r < 0)
		return joey_err_sys(err, r, "intelRdt: read schemata");
	*ret = (struct joey_strlist){ v, n };
	return 0;
}

/* "L3" also means L3CODE and L3DATA, as in runc. */
static const char *line_of(const struct joey_strlist *lines, const char *resource)
{
	const char *found = NULL;

	for (size_t i = 0; i < lines->n; i++)
		if (joey_startswith(lines->v[i], resource))
			found = lines->v[i];
	return found;
}

static int read_info(int root, struct joey_arena *arena, struct joey_rdt_use *ret, struct joey_err *err)
{
	autofree char *mask = NULL;

	if (joey_read_file_at(root, "info/L3/cbm_mask", O_NOFOLLOW, 64, &mask, NULL) == 0) {
		mask[strcspn(mask, "\n")] = '\0';
		ret->l3.cbm_mask = joey_arena_strdup(arena, mask);
		if (!ret->l3.cbm_mask)
			return joey_err_sys(err, ENOMEM, "intelRdt");
		ret->l3.set = true;
		ret->l3.min_cbm_bits = number_at(root, "info/L3/min_cbm_bits");
		ret->l3.num_closids = number_at(root, "info/L3/num_closids");
	}
	ret->mb.num_closids = number_at(root, "info/MB/num_closids");
	ret->mb.set = ret->mb.num_closids > 0;
	ret->mb.bandwidth_gran = number_at(root, "info/MB/bandwidth_gran");
	ret->mb.delay_linear = number_at(root, "info/MB/delay_linear");
	ret->mb.min_bandwidth = number_at(root, "info/MB/min_bandwidth");
	return 0;
}

static bool has_feature(const char *features, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = features; (p = strstr(p, name)) != NULL; p += len)
		if ((p == features || p[-1] == '\n') && (p[len] == '\n' || !p[len]))
			return true;
	return false;
}

static int read_use(int root, int group, struct joey_arena *arena, struct joey_rdt_use *ret, struct joey_err *err)
{
	autofree char *features = NULL;
	bool mbm, cmt;

	if (joey_read_file_at(root, "info/L3_MON/mon_features", O_NOFOLLOW, TEXT_MAX, &features, NULL) < 0)
		return 0;
	mbm = has_feature(features, "mbm_total_bytes") || has_feature(features, "mbm_local_bytes");
	cmt = has_feature(features, "llc_occupancy");
	ret->mbm = joey_arena_array(arena, DOMAINS_MAX, sizeof(*ret->mbm));
	ret->llc = joey_arena_array(arena, DOMAINS_MAX, sizeof(*ret->llc));
	if (!ret->mbm || !ret->llc)
		return joey_err_sys(err, ENOMEM, "intelRdt");
	for (int i = 0; i < DOMAINS_MAX; i++) {
		autoclose int dir = -EBADF;
		char name[40];

		snprintf(name, sizeof(name), "mon_data/mon_L3_%02d", i);
		dir = openat(group, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (dir < 0)
			continue;
		if (mbm)
			ret->mbm[ret->n_mbm++] = (struct joey_rdt_bandwidth){ number_at(dir, "mbm_total_bytes"),
									      number_at(dir, "mbm_local_bytes") };
		if (cmt)
			ret->llc[ret->n_llc++] = number_at(dir, "llc_occupancy");
	}
	return 0;
}

int intelrdt_stats_at(int root, int group, int monitored, struct joey_arena *arena, struct joey_rdt_use *ret,
		      struct joey_err *err)
{
	struct joey_rdt_use use = { .set = true };
	struct joey_strlist whole;
	int r = read_lines(root, arena, &whole, err);

	if (r == 0)
		r = read_lines(group, arena, &use.schemata, err);
	if (r == 0)
		r = read_info(root, arena, &use, err);
	if (r == 0)
		r = read_use(root, monitored, arena, &use, err);
	if (r < 0)
		return r;
	if (use.l3.set) {
		use.l3.root = line_of(&whole, "L3");
		use.l3.own = line_of(&use.schemata, "L3");
	}
	if (use.mb.set) {
		use.mb.root = line_of(&whole, "MB");
		use.mb.own = line_of(&use.schemata, "MB");
	}
	*ret = use;
	return 0;
}
