/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User names for `list`, from /etc/passwd alone: getpwuid(3) would load NSS modules, which a static program
 * must not do, and could ask the network.
 */
#include <fcntl.h>
#include <string.h>

#include "runtime/runtime-internal.h"

enum { PASSWD_MAX = 4 << 20 };

static bool line_has_uid(const char *line, size_t len, uint32_t uid, size_t *ret_name_len)
{
	const char *name_end = memchr(line, ':', len), *uid_text, *uid_end;
	char number[16];
	uint32_t v;

	if (!name_end || name_end == line)
		return false;
	uid_text = memchr(name_end + 1, ':', len - (size_t)(name_end + 1 - line));
	if (!uid_text)
		return false;
	uid_text++;
	uid_end = memchr(uid_text, ':', len - (size_t)(uid_text - line));
	if (!uid_end || (size_t)(uid_end - uid_text) >= sizeof(number))
		return false;
	memcpy(number, uid_text, (size_t)(uid_end - uid_text));
	number[uid_end - uid_text] = '\0';
	if (joey_parse_u32(number, &v) < 0 || v != uid)
		return false;
	*ret_name_len = (size_t)(name_end - line);
	return true;
}

char *rt_owner_name(struct rt_users *u, uint32_t uid)
{
	char number[16];
	size_t name_len;

	if (!u->tried)
		(void)joey_read_file_at(AT_FDCWD, "/etc/passwd", O_NONBLOCK, PASSWD_MAX, &u->text, NULL);
	u->tried = true;
	for (const char *p = u->text; p && *p;) {
		size_t len = strcspn(p, "\n");

		if (line_has_uid(p, len, uid, &name_len))
			return strndup(p, name_len);
		p += len + (p[len] == '\n');
	}
	snprintf(number, sizeof(number), "%u", uid);
	return strdup(number);
}

void rt_users_done(struct rt_users *u)
{
	free(u->text);
	u->text = NULL;
}
