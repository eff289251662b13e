/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of one cgroup -> struct joey_stats.
 *
 * A file may be absent (controller not enabled, old kernel), unreadable (PSI switched off: EOPNOTSUPP), or go away with
 * the cgroup while it is read: each of these leaves zeros.  Keys that are not known are passed over.
 */
#include <dirent.h>
#include <string.h>

#include "cgroups/cgroups-internal.h"

enum { STAT_FILE_MAX = 1 << 20, STAT_ROWS_MAX = 4096 };

struct reader {
	const struct joey_cgroup *cg;
	struct joey_arena *arena;
	struct joey_err *err;
};

static int no_memory(const struct reader *rd)
{
	return joey_err_sys(rd->err, ENOMEM, "cgroup: statistics");
}

/* *ret_text NULL: there is nothing to read. */
static int read_file(const struct reader *rd, const char *file, char **ret_text)
{
	char *text = NULL;
	int r = joey_read_file_at(rd->cg->dir_fd, file, O_NOFOLLOW, STAT_FILE_MAX, &text, NULL);

	*ret_text = NULL;
	if (cgroup_gone(r) || r == -EOPNOTSUPP)
		return 0;
	if (r < 0)
		return joey_err_sys(rd->err, -r, "cgroup: read %s of %s", file, cgroup_name(rd->cg));
	*ret_text = text;
	return 0;
}

/* A number that cannot be read as one counts as zero: the kernel's formats grow, and one key must not end all. */
static uint64_t number(const char *text)
{
	uint64_t v = 0;

	(void)joey_parse_u64(text, &v);
	return v;
}

/* A file with one number, or "max". */
static int read_number(const struct reader *rd, const char *file, uint64_t max_is, uint64_t *ret, bool *ret_there)
{
	autofree char *text = NULL;
	int r = read_file(rd, file, &text);

	if (r < 0)
		return r;
	if (text) {
		text[strcspn(text, "\n")] = '\0';
		*ret = joey_streq(text, "max") ? max_is : number(text);
	}
	if (ret_there)
		*ret_there = text != NULL;
	return 0;
}

/* Takes "key value" off a flat keyed text. */
static bool next_pair(char **text, const char **ret_key, const char **ret_value)
{
	char *line;

	while ((line = strsep(text, "\n")) != NULL) {
		char *blank = strchr(line, ' ');

		if (!blank)
			continue;
		*blank = '\0';
		*ret_key = line;
		*ret_value = blank + 1;
		return true;
	}
	return false;
}

/* ---- pressure ---------------------------------------------------------------------------------------------- */

/* "1.23" -> 123 */
static uint32_t hundredths(const char *text)
{
	const char *dot = strchr(text, '.');
	uint64_t whole = 0, part = 0;
	char copy[16];
	size_t n = dot ? (size_t)(dot - text) : strlen(text);

	if (n >= sizeof(copy))
		return 0;
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (joey_parse_u64(copy, &whole) < 0 || whole > 100)
		return 0;
	if (dot && strlen(dot + 1) == 2)
		(void)joey_parse_u64(dot + 1, &part);
	return (uint32_t)(whole * 100 + part);
}

static void parse_psi_line(char *words, struct joey_psi_line *ret)
{
	char *word;

	while ((word = strsep(&words, " ")) != NULL) {
		if (joey_startswith(word, "avg10="))
			ret->avg10 = hundredths(word + 6);
		else if (joey_startswith(word, "avg60="))
			ret->avg60 = hundredths(word + 6);
		else if (joey_startswith(word, "avg300="))
			ret->avg300 = hundredths(word + 7);
		else if (joey_startswith(word, "total="))
			ret->total = number(word + 6);
	}
}

static int read_psi(const struct reader *rd, const char *file, struct joey_psi *ret)
{
	autofree char *text = NULL;
	char *rest, *line;
	int r = read_file(rd, file, &text);

	if (r < 0 || !text)
		return r;
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (joey_startswith(line, "some "))
			parse_psi_line(line + 5, &ret->some);
		else if (joey_startswith(line, "full "))
			parse_psi_line(line + 5, &ret->full);
	}
	ret->set = true;
	return 0;
}

/* ---- cpu, cpuset, pids ----------------------------------------------------------------------------------------- */

static int read_cpu(const struct reader *rd, struct joey_stats *s)
{
	static const struct {
		const char *key;
		size_t offset;
		unsigned factor; /* microseconds become nanoseconds */
	} rows[] = {
		{ "usage_usec", offsetof(struct joey_stats, cpu.total), 1000 },
		{ "system_usec", offsetof(struct joey_stats, cpu.kernel), 1000 },
		{ "user_usec", offsetof(struct joey_stats, cpu.user), 1000 },
		{ "nr_periods", offsetof(struct joey_stats, cpu.periods), 1 },
		{ "nr_throttled", offsetof(struct joey_stats, cpu.throttled_periods), 1 },
		{ "throttled_usec", offsetof(struct joey_stats, cpu.throttled_time), 1000 },
	};
	autofree char *text = NULL;
	const char *key, *value;
	char *rest;
	int r = read_file(rd, "cpu.stat", &text);

	rest = text;
	while (r == 0 && next_pair(&rest, &key, &value))
		for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++)
			if (joey_streq(key, rows[i].key))
				*(uint64_t *)(void *)((char *)s + rows[i].offset) = number(value) * rows[i].factor;
	return r < 0 ? r : read_psi(rd, "cpu.pressure", &s->cpu.psi);
}

/* Into v (NULL: only counted); 0 when text is not a list of numbers. */
static size_t expand_list(const char *text, uint16_t *v)
{
	size_t n = 0;

	while (*text) {
		char word[16], *dash;
		size_t len = strcspn(text, ",\n");
		uint64_t first, last;

		if (len >= sizeof(word))
			return 0;
		memcpy(word, text, len);
		word[len] = '\0';
		dash = strchr(word, '-');
		if (dash)
			*dash = '\0';
		if (joey_parse_u64(word, &first) < 0 || joey_parse_u64(dash ? dash + 1 : word, &last) < 0 ||
		    last > UINT16_MAX || first > last)
			return 0;
		for (; first <= last; first++, n++)
			if (v)
				v[n] = (uint16_t)first;
		if (n > UINT16_MAX)
			return 0;
		text += len;
		text += *text ? 1 : 0;
	}
	return n;
}

static int read_list(const struct reader *rd, const char *file, struct joey_number_list *ret)
{
	autofree char *text = NULL;
	int r = read_file(rd, file, &text);
	size_t n = r == 0 && text ? expand_list(text, NULL) : 0;

	if (n == 0)
		return r;
	ret->v = joey_arena_array(rd->arena, n, sizeof(*ret->v));
	if (!ret->v)
		return no_memory(rd);
	ret->n = expand_list(text, ret->v);
	return 0;
}

static int read_pids(const struct reader *rd, struct joey_stats *s)
{
	autofree pid_t *pids = NULL;
	bool there;
	size_t n;
	int r = read_number(rd, "pids.current", 0, &s->pids.current, &there);

	if (r == 0 && there)
		return read_number(rd, "pids.max", 0, &s->pids.limit, NULL);
	/* Without the controller processes can be counted, threads not. */
	if (r == 0)
		r = joey_cgroup_pids(rd->cg, &pids, &n, rd->err);
	if (r == 0)
		s->pids.current = n;
	return r;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static int read_memory_use(const struct reader *rd, const char *prefix, struct joey_memory_use *ret)
{
	struct {
		const char *what;
		uint64_t *value;
	} const rows[] = { { "current", &ret->usage }, { "max", &ret->limit }, { "peak", &ret->max } };
	int r = 0;

	for (size_t i = 0; r == 0 && i < JOEY_ARRAY_SIZE(rows); i++) {
		char file[40];

		(void)snprintf(file, sizeof(file), "%s.%s", prefix, rows[i].what);
		r = read_number(rd, file, UINT64_MAX, rows[i].value, NULL);
	}
	return r;
}

static int read_memory_stat(const struct reader *rd, struct joey_stats *s)
{
	autofree char *text = NULL;
	const char *key, *value;
	char *rest;
	size_t lines = 0;
	int r = read_file(rd, "memory.stat", &text);

	if (r < 0 || !text)
		return r;
	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	s->memory.raw = joey_arena_array(rd->arena, lines + 1, sizeof(*s->memory.raw));
	if (!s->memory.raw)
		return no_memory(rd);
	rest = text;
	while (s->memory.n_raw <= lines && next_pair(&rest, &key, &value)) {
		struct joey_named_value *v = &s->memory.raw[s->memory.n_raw++];

		v->name = joey_arena_strdup(rd->arena, key);
		v->value = number(value);
		if (!v->name)
			return no_memory(rd);
		if (joey_streq(key, "file"))
			s->memory.cache = v->value;
	}
	return 0;
}

static int read_memory(const struct reader *rd, struct joey_stats *s)
{
	struct joey_memory_use *use = &s->memory.use, *swap = &s->memory.swap;
	int r = read_memory_stat(rd, s);

	if (r == 0)
		r = read_memory_use(rd, "memory", use);
	if (r == 0)
		r = read_memory_use(rd, "memory.swap", swap);
	if (r < 0)
		return r;
	/* As cgroup v1 had it, memory counts as a part of swap; a peak of the sum is not known. */
	swap->usage += use->usage;
	if (swap->limit != UINT64_MAX && __builtin_add_overflow(swap->limit, use->limit, &swap->limit))
		swap->limit = UINT64_MAX;
	swap->max = 0;
	return read_psi(rd, "memory.pressure", &s->memory.psi);
}

/* ---- io --------------------------------------------------------------------------------------------------------- */

static bool parse_device(const char *word, struct joey_io_use *ret)
{
	const char *colon = strchr(word, ':');
	char major[12];

	if (!colon || (size_t)(colon - word) >= sizeof(major))
		return false;
	memcpy(major, word, (size_t)(colon - word));
	major[colon - word] = '\0';
	return joey_parse_u32(major, &ret->major) == 0 && joey_parse_u32(colon + 1, &ret->minor) == 0;
}

static void parse_io_value(const char *word, struct joey_io_use *io)
{
	if (joey_startswith(word, "rbytes="))
		io->read_bytes = number(word + 7);
	else if (joey_startswith(word, "wbytes="))
		io->written_bytes = number(word + 7);
	else if (joey_startswith(word, "rios="))
		io->reads = number(word + 5);
	else if (joey_startswith(word, "wios="))
		io->writes = number(word + 5);
}

/* "8:0 rbytes=1 wbytes=2 ...".  Some kernels name a device without values and without ending the line, so a device
 * counts from its first value on. */
static int read_io(const struct reader *rd, struct joey_stats *s)
{
	autofree char *text = NULL;
	struct joey_io_use dev = { 0 };
	size_t room = 0;
	bool named = false;
	char *rest, *word;
	int r = read_file(rd, "io.stat", &text);

	if (r < 0 || !text)
		return r < 0 ? r : read_psi(rd, "io.pressure", &s->io_psi);
	for (const char *p = text; (p = strchr(p, ':')); p++)
		room++;
	room = room < STAT_ROWS_MAX ? room : STAT_ROWS_MAX;
	s->io = joey_arena_array(rd->arena, room + 1, sizeof(*s->io));
	if (!s->io)
		return no_memory(rd);
	rest = text;
	while ((word = strsep(&rest, " \n")) != NULL) {
		struct joey_io_use next = { 0 };

		if (parse_device(word, &next)) {
			dev = next;
			named = true;
		} else if (strchr(word, '=')) {
			if (named && s->n_io < room)
				s->io[s->n_io++] = dev;
			named = false;
			if (s->n_io > 0)
				parse_io_value(word, &s->io[s->n_io - 1]);
		}
	}
	return read_psi(rd, "io.pressure", &s->io_psi);
}

/* ---- hugetlb ---------------------------------------------------------------------------------------------------- */

/* hugetlb.<size>.current: reservations are counted apart since 5.7, and are what a limit is compared with. */
static int read_hugetlb_size(const struct reader *rd, const char *size, struct joey_hugetlb_use *ret)
{
	autofree char *events = NULL;
	char file[64];
	bool there;
	int r;

	ret->page_size = size;
	(void)snprintf(file, sizeof(file), "hugetlb.%s.rsvd.current", size);
	r = read_number(rd, file, 0, &ret->usage, &there);
	if (r == 0 && !there) {
		(void)snprintf(file, sizeof(file), "hugetlb.%s.current", size);
		r = read_number(rd, file, 0, &ret->usage, NULL);
	}
	(void)snprintf(file, sizeof(file), "hugetlb.%s.events", size);
	if (r == 0)
		r = read_file(rd, file, &events);
	if (r == 0 && events)
		(void)cgroup_flat_u64(events, "max", &ret->failures);
	return r;
}

static int add_hugetlb(const struct reader *rd, const char *name, struct joey_stats *s)
{
	enum { SIZES_MAX = 16 }; /* architectures have up to four */
	const char *size = name + strlen("hugetlb."), *end = strstr(name, ".events");
	const char *copy;

	if (!joey_startswith(name, "hugetlb.") || !end || end <= size || end[strlen(".events")] || end - size > 16 ||
	    memchr(size, '.', (size_t)(end - size)) || s->n_hugetlb == SIZES_MAX)
		return 0;
	if (!s->hugetlb)
		s->hugetlb = joey_arena_array(rd->arena, SIZES_MAX, sizeof(*s->hugetlb));
	copy = joey_arena_strndup(rd->arena, size, (size_t)(end - size));
	if (!s->hugetlb || !copy)
		return no_memory(rd);
	return read_hugetlb_size(rd, copy, &s->hugetlb[s->n_hugetlb++]);
}

/* The directory tells which sizes there are, in the kernel's own spelling. */
static int read_hugetlb(const struct reader *rd, struct joey_stats *s)
{
	int fd = cgroup_opendir_at(rd->cg->dir_fd, ".", O_RDONLY), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		r = fd < 0 ? fd : -errno;
		joey_close(fd);
		return cgroup_gone(r) ? 0 : joey_err_sys(rd->err, -r, "cgroup: list %s", cgroup_name(rd->cg));
	}
	while (r == 0 && (e = readdir(d)) != NULL)
		r = add_hugetlb(rd, e->d_name, s);
	(void)closedir(d);
	return r;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

int joey_cgroup_stats(const struct joey_cgroup *cg, struct joey_arena *arena, struct joey_stats *ret,
		      struct joey_err *err)
{
	static int (*const parts[])(const struct reader *rd, struct joey_stats *s) = {
		read_cpu, read_pids, read_memory, read_io, read_hugetlb,
	};
	const struct reader rd = { cg, arena, err };
	struct joey_stats s = { 0 };
	int r = 0;

	if (cg->kind == JOEY_CGROUP_DISABLED)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, EOPNOTSUPP,
				    "cgroup: the container runs without a cgroup and has no statistics");
	if (cg->dir_fd < 0)
		return joey_err_set(err, JOEY_EK_STATE, ENODEV, "cgroup: %s is gone", cgroup_name(cg));
	for (size_t i = 0; r == 0 && i < JOEY_ARRAY_SIZE(parts); i++)
		r = parts[i](&rd, &s);
	if (r == 0)
		r = read_list(&rd, "cpuset.cpus.effective", &s.cpus);
	if (r == 0)
		r = read_list(&rd, "cpuset.mems.effective", &s.mems);
	if (r == 0)
		*ret = s;
	return r;
}
