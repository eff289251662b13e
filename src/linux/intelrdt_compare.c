/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a resctrl group have the schemata that a config asks for?  runtime-spec, linux.intelRdt: where a group named by
 * closID is there already, what it has must not differ; it is others' as well.
 *
 * A line is "L3:0=ff;1=ff".  Bit masks are compared as numbers, and so is bandwidth, which the kernel rounds up
 * (info/MB/bandwidth_gran, min_bandwidth).  Domains that the config does not name may have any value.
 */
#include <fcntl.h>
#include <string.h>

#include "linux/linux-internal.h"

enum { SCHEMATA_MAX = 64 << 10 };

static bool is_bandwidth(const char *resource)
{
	return joey_streq(resource, "MB") || joey_streq(resource, "SMBA");
}

static bool parse_value(const char *text, bool hex, uint64_t *ret)
{
	uint64_t v = 0;

	if (!hex)
		return joey_parse_u64(text, ret) == 0;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2;
	if (!*text || strlen(text) > 16)
		return false;
	for (; *text; text++) {
		const char *digits = "0123456789abcdefABCDEF", *d = strchr(digits, *text);
		unsigned n = d ? (unsigned)(d - digits) : 16;

		if (!d)
			return false;
		v = v << 4 | (n > 15 ? n - 6 : n);
	}
	*ret = v;
	return true;
}

/* "L3:0=f;1=f", taken to pieces: the value of domain, -ENOENT without one. */
static int value_of(char *line, const char *resource, uint64_t domain, uint64_t *ret)
{
	char *name = joey_str_trim(strsep(&line, ":")), *part;

	if (!line || !joey_streq(name, resource))
		return -ENOENT;
	while ((part = strsep(&line, ";")) != NULL) {
		char *key = joey_str_trim(strsep(&part, "="));
		uint64_t n;

		if (part && joey_parse_u64(key, &n) == 0 && n == domain)
			return parse_value(joey_str_trim(part), !is_bandwidth(resource), ret) ? 0 : -EINVAL;
	}
	return -ENOENT;
}

/* What the group has for one domain. */
static int present(const char *schemata, const char *resource, uint64_t domain, uint64_t *ret)
{
	autofree char *copy = strdup(schemata);
	char *p = copy, *line;

	if (!copy)
		return -ENOMEM;
	while ((line = strsep(&p, "\n")) != NULL) {
		int r = value_of(line, resource, domain, ret);

		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

static uint64_t info(int root_fd, const char *resource, const char *name, uint64_t fallback)
{
	autofree char *text = NULL;
	char path[80];
	uint64_t v;

	snprintf(path, sizeof(path), "info/%.16s/%s", resource, name);
	if (joey_read_file_at(root_fd, path, O_NOFOLLOW, 64, &text, NULL) < 0)
		return fallback;
	text[strcspn(text, "\n")] = '\0';
	return joey_parse_u64(text, &v) == 0 ? v : fallback;
}

static bool same(int root_fd, const char *resource, uint64_t want, uint64_t have)
{
	uint64_t gran, least;

	if (want == have || !is_bandwidth(resource))
		return want == have;
	gran = info(root_fd, resource, "bandwidth_gran", 1);
	least = info(root_fd, resource, "min_bandwidth", 0);
	if (gran > 1 && want % gran && want < UINT64_MAX - gran)
		want += gran - want % gran;
	return (want < least ? least : want) == have;
}

static int differs(const char *resource, const char *part, const char *why, struct joey_err *err)
{
	return joey_err_set(
		err, JOEY_EK_CONFIG, EINVAL,
		"intelRdt: the group of closID is there already, and its schemata are not those of the config: "
		"%s:%s %s",
		resource, part, why);
}

static int compare_line(int root_fd, const char *schemata, char *line, struct joey_err *err)
{
	char *resource = joey_str_trim(strsep(&line, ":")), *part;

	if (!*resource && !line)
		return 0;
	while ((part = strsep(&line, ";")) != NULL) {
		autofree char *shown = strdup(part);
		char *key = joey_str_trim(strsep(&part, "="));
		uint64_t domain, want, have;
		int r;

		if (!shown)
			return joey_err_sys(err, ENOMEM, "intelRdt");
		if (!*key && !part)
			continue;
		if (!part || joey_parse_u64(key, &domain) < 0 ||
		    !parse_value(joey_str_trim(part), !is_bandwidth(resource), &want))
			return differs(resource, shown, "cannot be read", err);
		r = present(schemata, resource, domain, &have);
		if (r == -ENOMEM)
			return joey_err_sys(err, ENOMEM, "intelRdt");
		if (r < 0 || !same(root_fd, resource, want, have))
			return differs(resource, shown, r < 0 ? "is not there" : "is another value", err);
	}
	return 0;
}

static int compare_lines(int root_fd, const char *schemata, const char *lines, struct joey_err *err)
{
	autofree char *copy = strdup(lines ? lines : "");
	char *p = copy, *line;
	int r = 0;

	if (!copy)
		return joey_err_sys(err, ENOMEM, "intelRdt");
	while (r == 0 && (line = strsep(&p, "\n")) != NULL)
		r = compare_line(root_fd, schemata, line, err);
	return r;
}

int intelrdt_compare(int root_fd, int group, const struct joey_intel_rdt *rdt, struct joey_err *err)
{
	autofree char *schemata = NULL;
	int r = joey_read_file_at(group, "schemata", O_NOFOLLOW, SCHEMATA_MAX, &schemata, NULL);

	if (r < 0)
		return joey_err_sys(err, r, "intelRdt: read schemata");
	r = compare_lines(root_fd, schemata, rdt->l3_cache_schema, err);
	if (r == 0)
		r = compare_lines(root_fd, schemata, rdt->mem_bw_schema, err);
	for (size_t i = 0; r == 0 && i < rdt->schemata.n; i++)
		r = compare_lines(root_fd, schemata, rdt->schemata.v[i], err);
	return r;
}
