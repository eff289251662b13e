/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of units and where systemd keeps them (systemd.slice(5)): a dash in a slice's name is a level of the tree.
 * Engines match on these texts (oci-checklist 8.1.2).
 */
#include <string.h>

#include "cgroups/systemd-internal.h"

#define UNIT_NAME_MAX 255 /* systemd's, without the NUL */

static bool ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), k = strlen(tail);

	return n >= k && strcmp(s + n - k, tail) == 0;
}

/* Letters that systemd allows in the name of a unit (systemd.unit(5)). */
static bool name_ok(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= UNIT_NAME_MAX && s[0] != '.' &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@") == n;
}

int cgroup_sd_slice_expand(const char *slice, char **ret, struct joey_err *err)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	size_t stem = strlen(slice), i;

	if (!ends_with(slice, ".slice") || stem == strlen(".slice") || !name_ok(slice))
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "invalid slice name: %s", slice);
	stem -= strlen(".slice");
	if (strcmp(slice, "-.slice") != 0) {
		for (i = 0; i <= stem; i++) {
			if (i < stem && slice[i] != '-')
				continue;
			if (i == 0 || slice[i - 1] == '-') /* an empty component */
				return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "invalid slice name: %s", slice);
			joey_str_printf(&s, "/%.*s.slice", (int)i, slice);
		}
	}
	*ret = joey_str_take(&s);
	return *ret ? 0 : joey_err_sys(err, ENOMEM, "cgroup: work out the path");
}

void cgroup_sd_unit_done(struct cgroup_sd_unit *u)
{
	free(u->slice);
	free(u->unit);
	u->slice = u->unit = NULL;
}

/* "a:b:c" into its parts, of a copy. */
static int split(char *text, char *parts[3])
{
	size_t n = 0;
	char *part;

	while ((part = strsep(&text, ":")) != NULL) {
		if (n == 3)
			return -EINVAL;
		parts[n++] = part;
	}
	return n == 3 ? 0 : -EINVAL;
}

static int name_unit(const char *slice, const char *prefix, const char *name, struct cgroup_sd_unit *ret,
		     struct joey_err *err)
{
	autostr struct joey_str s = JOEY_STR_INIT;

	ret->is_slice = ends_with(name, ".slice");
	if (ret->is_slice)
		joey_str_add(&s, name);
	else
		joey_str_printf(&s, "%s-%s.scope", prefix, name);
	ret->unit = joey_str_take(&s);
	ret->slice = strdup(slice);
	if (!ret->unit || !ret->slice)
		return joey_err_sys(err, ENOMEM, "cgroup: name the unit");
	if (!name_ok(ret->unit))
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
				    "linux.cgroupsPath: \"%.300s\" is not a name that systemd allows for a unit",
				    ret->unit);
	return 0;
}

int cgroup_sd_unit_parse(const char *cgroups_path, const char *id, bool user, struct cgroup_sd_unit *ret,
			 struct joey_err *err)
{
	const char *fallback = user ? "user.slice" : "system.slice";
	struct cgroup_sd_unit u = { 0 };
	autofree char *copy = NULL, *ignored = NULL;
	char *parts[3];
	int r;

	if (!cgroups_path || !*cgroups_path) {
		r = name_unit(fallback, "joey", id, &u, err);
	} else {
		copy = strdup(cgroups_path);
		if (!copy)
			return joey_err_sys(err, ENOMEM, "cgroup: name the unit");
		if (split(copy, parts) < 0 || !*parts[2])
			return joey_err_set(
				err, JOEY_EK_CONFIG, EINVAL,
				"expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, "
				"got \"%.500s\" instead",
				cgroups_path);
		r = name_unit(*parts[0] ? parts[0] : fallback, parts[1], parts[2], &u, err);
	}
	if (r == 0)
		r = cgroup_sd_slice_expand(u.slice, &ignored, err);
	if (r < 0) {
		cgroup_sd_unit_done(&u);
		return r;
	}
	*ret = u;
	return 0;
}

int cgroup_sd_unit_path(const struct cgroup_sd_unit *u, const char *manager, char **ret, struct joey_err *err)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	autofree char *inner = NULL;
	int r = cgroup_sd_slice_expand(u->is_slice ? u->unit : u->slice, &inner, err);

	if (r < 0)
		return r;
	joey_str_printf(&s, "%s%s", joey_streq(manager, "/") ? "" : manager, inner);
	if (!u->is_slice)
		joey_str_printf(&s, "/%s", u->unit);
	*ret = joey_str_take(&s);
	return *ret ? 0 : joey_err_sys(err, ENOMEM, "cgroup: work out the path");
}

int cgroup_sd_user_of_path(const char *path, uid_t *ret)
{
	static const char mark[] = "/user@";
	const char *p = strstr(path, mark), *end;
	autofree char *digits = NULL;
	uint32_t uid;

	if (!p)
		return -ENOENT;
	p += strlen(mark);
	end = strstr(p, ".service/");
	if (!end)
		return -ENOENT;
	digits = strndup(p, (size_t)(end - p));
	if (!digits)
		return -ENOMEM;
	if (joey_parse_id(digits, &uid) < 0)
		return -ENOENT;
	*ret = uid;
	return 0;
}

size_t cgroup_sd_unit_in_path(const char *path)
{
	static const char tail[] = ".scope/";
	const char *p = strstr(path, tail);

	return p ? (size_t)(p - path) + strlen(tail) - 1 : strlen(path);
}
