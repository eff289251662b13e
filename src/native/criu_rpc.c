/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRIU's messages, and descriptors.json.  Answers come from a program of the host, descriptors.json from an image
 * directory: both are read as foreign bytes.
 */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>

#include "joey/json.h"
#include "native/criu.h"

enum { REQ_TYPE = 1, REQ_OPTS = 2, REQ_NOTIFY_SUCCESS = 3, REQ_FEATURES = 5 };
enum {
	RESP_TYPE = 1,
	RESP_SUCCESS,
	RESP_RESTORE = 4,
	RESP_NOTIFY,
	RESP_ERRNO = 7,
	RESP_FEATURES,
	RESP_TEXT,
	RESP_VERSION
};

/* ---- out -------------------------------------------------------------------------------------------------------- */

void criu_request(struct joey_str *o, enum criu_type type, const struct joey_str *opts)
{
	joey_pb_u64(o, REQ_TYPE, type);
	if (opts)
		joey_pb_message(o, REQ_OPTS, opts);
}

void criu_features_request(struct joey_str *o)
{
	autostr struct joey_str f = JOEY_STR_INIT;

	criu_request(o, CRIU_FEATURES, NULL);
	joey_pb_bool(&f, 1, true); /* mem_track */
	joey_pb_bool(&f, 2, true); /* lazy_pages */
	joey_pb_message(o, REQ_FEATURES, &f);
}

void criu_notify_answer(struct joey_str *o, bool success)
{
	criu_request(o, CRIU_NOTIFY, NULL);
	joey_pb_bool(o, REQ_NOTIFY_SUCCESS, success);
}

void criu_add_pair(struct joey_str *opts, enum criu_opt field, const char *key, const char *value)
{
	autostr struct joey_str m = JOEY_STR_INIT;

	joey_pb_string(&m, 1, key);
	joey_pb_string(&m, 2, value);
	joey_pb_message(opts, field, &m);
}

void criu_add_fd(struct joey_str *opts, enum criu_opt field, const char *key, int fd)
{
	autostr struct joey_str m = JOEY_STR_INIT;

	joey_pb_string(&m, 1, key);
	joey_pb_i32(&m, 2, fd);
	joey_pb_message(opts, field, &m);
}

int criu_cgroups_mode(const char *text, uint32_t *ret)
{
	static const struct {
		const char *name;
		uint32_t mode;
	} modes[] = { { "soft", 3 }, { "full", 4 }, { "strict", 5 }, { "ignore", 0 } };

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(modes); i++) {
		if (joey_streq(text ? text : "soft", modes[i].name)) {
			*ret = modes[i].mode;
			return 0;
		}
	}
	return -EINVAL;
}

/* Settings of the host's administrator, which overrule joey's. */
static void add_config_file(struct joey_str *opts, const struct joey_config *config)
{
	static const char own[] = "/etc/criu/joey.conf", runc[] = "/etc/criu/runc.conf";
	const char *file = joey_config_annotation(config, "org.criu.config");

	if (!file)
		file = faccessat(AT_FDCWD, own, F_OK, 0) == 0 ? own : runc;
	if (*file)
		joey_pb_string(opts, CRIU_O_CONFIG_FILE, file);
}

int criu_add_image(struct joey_str *opts, const struct joey_image *image, const struct joey_config *config,
		   const char *log, struct joey_err *err)
{
	const struct {
		bool on;
		enum criu_opt field;
	} switches[] = {
		{ image->tcp_established, CRIU_O_TCP_ESTABLISHED },
		{ image->tcp_close, CRIU_O_TCP_CLOSE },
		{ image->tcp_skip_in_flight, CRIU_O_TCP_SKIP_IN_FLIGHT },
		{ image->link_remap, CRIU_O_LINK_REMAP },
		{ image->ext_unix_sk, CRIU_O_EXT_UNIX_SK },
		{ image->shell_job, CRIU_O_SHELL_JOB },
		{ image->file_locks, CRIU_O_FILE_LOCKS },
		{ image->auto_dedup, CRIU_O_AUTO_DEDUP },
		{ image->lazy_pages, CRIU_O_LAZY_PAGES },
		{ true, CRIU_O_NOTIFY },
		{ true, CRIU_O_ORPHAN_PTS },
	};
	uint32_t mode;

	if (criu_cgroups_mode(image->cgroups_mode, &mode) < 0)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "invalid manage-cgroups-mode value '%s'",
				    image->cgroups_mode);
	joey_pb_i32(opts, CRIU_O_IMAGES_FD, CRIU_IMAGE_FD);
	joey_pb_i32(opts, CRIU_O_WORK_FD, CRIU_WORK_FD);
	joey_pb_i32(opts, CRIU_O_LOG_LEVEL, 4);
	joey_pb_string(opts, CRIU_O_LOG_FILE, log);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(switches); i++)
		if (switches[i].on)
			joey_pb_bool(opts, switches[i].field, true);
	joey_pb_bool(opts, CRIU_O_CGROUPS, mode != 0);
	joey_pb_u64(opts, CRIU_O_CGROUPS_MODE, mode);
	if (image->empty_net_ns)
		joey_pb_u64(opts, CRIU_O_EMPTY_NS, CLONE_NEWNET);
	add_config_file(opts, config);
	return 0;
}

/* ---- in --------------------------------------------------------------------------------------------------------- */

/* What fits, with control characters made harmless: it ends in error texts. */
static void copy_text(char *to, size_t size, const struct joey_pb_field *f)
{
	size_t n = f->len < size - 1 ? f->len : size - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = f->data[i] < ' ' || f->data[i] == 0x7f ? '?' : (char)f->data[i];
	to[n] = '\0';
}

/* int32 travels as 64 bits. */
static int32_t as_i32(uint64_t v)
{
	return (int32_t)(uint32_t)v;
}

static int decode_notify(struct joey_pb_in in, struct criu_answer *a)
{
	struct joey_pb_field f;
	int r;

	while ((r = joey_pb_next(&in, &f)) > 0) {
		if (f.number == 1 && f.type == JOEY_PB_BYTES)
			copy_text(a->script, sizeof(a->script), &f);
		else if (f.number == 2 && f.type == JOEY_PB_VARINT)
			a->pid = as_i32(f.v);
	}
	return r;
}

static int decode_restore(struct joey_pb_in in, struct criu_answer *a)
{
	struct joey_pb_field f;
	int r;

	while ((r = joey_pb_next(&in, &f)) > 0)
		if (f.number == 1 && f.type == JOEY_PB_VARINT)
			a->pid = as_i32(f.v);
	return r;
}

static int decode_features(struct joey_pb_in in, struct criu_answer *a)
{
	struct joey_pb_field f;
	int r;

	while ((r = joey_pb_next(&in, &f)) > 0) {
		if (f.number == 1 && f.type == JOEY_PB_VARINT)
			a->mem_track = f.v != 0;
		else if (f.number == 2 && f.type == JOEY_PB_VARINT)
			a->lazy_pages = f.v != 0;
	}
	return r;
}

static int decode_version(struct joey_pb_in in, struct criu_answer *a)
{
	uint64_t part[3] = { 0 }; /* major, minor, sublevel */
	struct joey_pb_field f;
	int r;

	while ((r = joey_pb_next(&in, &f)) > 0) {
		if (f.type != JOEY_PB_VARINT || f.v > 999)
			continue;
		if (f.number == 1 || f.number == 2)
			part[f.number - 1] = f.v;
		else if (f.number == 4)
			part[2] = f.v;
	}
	a->version = (uint32_t)(part[0] * 10000 + part[1] * 100 + part[2]);
	return r;
}

static int decode_message(const struct joey_pb_field *f, struct criu_answer *a)
{
	struct joey_pb_in in = { f->data, f->len };

	switch (f->number) {
	case RESP_RESTORE:
		return decode_restore(in, a);
	case RESP_NOTIFY:
		return decode_notify(in, a);
	case RESP_FEATURES:
		return decode_features(in, a);
	case RESP_VERSION:
		return decode_version(in, a);
	case RESP_TEXT:
		copy_text(a->text, sizeof(a->text), f);
		return 0;
	default:
		return 0;
	}
}

int criu_answer_decode(const void *data, size_t len, struct criu_answer *ret)
{
	struct joey_pb_in in = { data, len };
	struct criu_answer a = { 0 };
	struct joey_pb_field f;
	bool has_type = false, has_success = false;
	int r;

	while ((r = joey_pb_next(&in, &f)) > 0) {
		if (f.type == JOEY_PB_BYTES) {
			r = decode_message(&f, &a);
			if (r < 0)
				return r;
		} else if (f.number == RESP_TYPE) {
			a.type = f.v > UINT32_MAX ? UINT32_MAX : (uint32_t)f.v;
			has_type = true;
		} else if (f.number == RESP_SUCCESS) {
			a.success = f.v != 0;
			has_success = true;
		} else if (f.number == RESP_ERRNO) {
			a.errnum = as_i32(f.v);
		}
	}
	if (r < 0 || !has_type || !has_success)
		return -EPROTO;
	*ret = a;
	return 0;
}

/* ---- descriptors.json ------------------------------------------------------------------------------------------- */

void criu_stdio_done(struct criu_stdio *s)
{
	for (size_t i = 0; i < CRIU_N_STDIO; i++) {
		free(s->v[i]);
		s->v[i] = NULL;
	}
}

int criu_stdio_parse(const char *text, size_t len, struct criu_stdio *ret, struct joey_err *err)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct joey_json *doc;
	struct criu_stdio s = { { NULL } };
	int r = joey_json_parse(text, len, CRIU_N_STDIO * CRIU_STDIO_MAX, &arena, &doc, err);

	if (r == 0 && doc->type != JOEY_JSON_NULL && (doc->type != JOEY_JSON_ARRAY || doc->u.array.n > CRIU_N_STDIO))
		r = joey_err_set(err, JOEY_EK_OTHER, EPROTO, "not a list of at most %d names", CRIU_N_STDIO);
	for (size_t i = 0; r == 0 && doc->type == JOEY_JSON_ARRAY && i < doc->u.array.n; i++) {
		const struct joey_json *v = doc->u.array.v[i];

		if (v->type != JOEY_JSON_STRING || strlen(v->u.text) >= CRIU_STDIO_MAX) {
			r = joey_err_set(err, JOEY_EK_OTHER, EPROTO, "entry %zu is not a name", i);
		} else {
			s.v[i] = strdup(v->u.text);
			if (!s.v[i])
				r = joey_err_sys(err, ENOMEM, "keep the names");
		}
	}
	joey_arena_done(&arena);
	if (r < 0)
		criu_stdio_done(&s);
	else
		*ret = s;
	return r;
}

int criu_stdio_text(const struct criu_stdio *s, char **ret, struct joey_err *err)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	int r;

	if (!o)
		return joey_err_sys(err, ENOMEM, "write the descriptors' names");
	joey_json_out_array(o, NULL);
	for (size_t i = 0; i < CRIU_N_STDIO; i++)
		joey_json_out_string(o, NULL, s->v[i] ? s->v[i] : "");
	joey_json_out_end(o);
	r = joey_json_out_finish(o, ret, NULL);
	return r < 0 ? joey_err_sys(err, r, "write the descriptors' names") : 0;
}
