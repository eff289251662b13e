/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of systemd's manager object (org.freedesktop.systemd1(5)).  Every wait ends at the request's
 * deadline, and what is waited for is in the error.  A job counts as done only when JobRemoved names the very job
 * that our call got.
 */
#include <string.h>
#include <systemd/sd-bus.h>

#include "sdbus/sdbus-internal.h"

#define DESTINATION "org.freedesktop.systemd1"
#define PATH        "/org/freedesktop/systemd1"
#define MANAGER     "org.freedesktop.systemd1.Manager"

static void free_message(sd_bus_message **m)
{
	sd_bus_message_unref(*m);
}
#define automessage __attribute__((cleanup(free_message))) sd_bus_message *

static void free_slot(sd_bus_slot **slot)
{
	sd_bus_slot_unref(*slot);
}
#define autoslot __attribute__((cleanup(free_slot))) sd_bus_slot *

struct job {
	char *path;   /* NULL: not known yet */
	char *result; /* NULL: not over yet */
	/* A signal may be handled before the reply that tells our job. */
	struct {
		char *path, *result;
	} seen[16];
	unsigned n_seen;
};

static void job_done(struct job *j)
{
	free(j->path);
	free(j->result);
	for (unsigned i = 0; i < JOEY_ARRAY_SIZE(j->seen); i++) {
		free(j->seen[i].path);
		free(j->seen[i].result);
	}
}
#define autojob __attribute__((cleanup(job_done))) struct job

static int new_call(struct sdbus *s, const char *method, sd_bus_message **ret, struct joey_err *err)
{
	int r = sd_bus_message_new_method_call(s->bus, ret, DESTINATION, PATH, MANAGER, method);

	return r < 0 ? joey_err_sys(err, r, "%s", method) : 0;
}

static int call_failed(const struct sdbus *s, const char *method, const char *unit, int r, const sd_bus_error *e,
		       struct joey_err *err)
{
	if (r == -ETIMEDOUT || r == -ETIME)
		return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT,
				    "%s %s: no answer from systemd within %u ms (is the bus overloaded?)", method, unit,
				    s->timeout_ms);
	if (sd_bus_error_is_set(e))
		return joey_err_set(err, JOEY_EK_OTHER, -r, "%s %s: %.500s", method, unit,
				    e->message ? e->message : e->name);
	return joey_err_sys(err, r, "%s %s", method, unit);
}

/* ret_error: the D-Bus error, freed by the caller; err is set as well. */
static int call(struct sdbus *s, sd_bus_message *m, const char *method, const char *unit, sd_bus_error *ret_error,
		sd_bus_message **ret_reply, struct joey_err *err)
{
	uint64_t left = sdbus_time_left(s);
	/* A timeout of 0 would mean the library's default. */
	int r = left == 0 ? -ETIMEDOUT : sd_bus_call(s->bus, m, left * 1000, ret_error, ret_reply);

	return r < 0 ? call_failed(s, method, unit, r, ret_error, err) : 0;
}

static int on_removed(sd_bus_message *m, void *arg, sd_bus_error *ignored)
{
	struct job *j = arg;
	const char *path, *unit, *result;
	uint32_t id;

	(void)ignored;
	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	if (j->path) {
		if (!j->result && strcmp(path, j->path) == 0)
			j->result = strdup(result);
	} else {
		unsigned i = j->n_seen++ % JOEY_ARRAY_SIZE(j->seen);

		free(j->seen[i].path);
		free(j->seen[i].result);
		j->seen[i].path = strdup(path);
		j->seen[i].result = strdup(result);
	}
	return 0;
}

static int watch_jobs(struct sdbus *s, struct job *j, sd_bus_slot **ret, struct joey_err *err)
{
	/* On systemd's own socket messages name no sender. */
	const char *sender = sd_bus_is_bus_client(s->bus) > 0 ? DESTINATION : NULL;
	int r = sd_bus_match_signal(s->bus, ret, sender, PATH, MANAGER, "JobRemoved", on_removed, j);

	return r < 0 ? joey_err_sys(err, r, "watch for the end of jobs") : 0;
}

static int wait_job(struct sdbus *s, struct job *j, const char *method, const char *unit, struct joey_err *err)
{
	for (unsigned i = 0; i < JOEY_ARRAY_SIZE(j->seen); i++)
		if (!j->result && j->seen[i].path && strcmp(j->seen[i].path, j->path) == 0)
			j->result = joey_take_ptr(j->seen[i].result);
	while (!j->result) {
		uint64_t left = sdbus_time_left(s);
		int r;

		if (left == 0)
			return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT,
					    "%s %s: systemd did not end the job %.100s within %u ms", method, unit,
					    j->path, s->timeout_ms);
		r = sd_bus_process(s->bus, NULL);
		if (r == 0)
			r = sd_bus_wait(s->bus, left * 1000);
		if (r < 0)
			return joey_err_sys(err, r, "%s %s: wait for the job", method, unit);
	}
	if (strcmp(j->result, "done") != 0 && strcmp(j->result, "skipped") != 0)
		return joey_err_set(err, JOEY_EK_OTHER, EIO, "%s %s: the job ended as \"%.40s\"", method, unit,
				    j->result);
	return 0;
}

static int read_job(sd_bus_message *reply, struct job *j, const char *method, const char *unit, struct joey_err *err)
{
	const char *path;
	int r = sd_bus_message_read(reply, "o", &path);

	if (r < 0)
		return joey_err_sys(err, r, "%s %s: bad answer", method, unit);
	j->path = strdup(path);
	return j->path ? 0 : joey_err_sys(err, ENOMEM, "%s %s", method, unit);
}

/* ---- control groups ------------------------------------------------------------------------------------ */

static int get_cgroup(struct sdbus *s, const char *path, const char *interface, const char *what, char **ret,
		      struct joey_err *err)
{
	__attribute__((cleanup(sd_bus_error_free))) sd_bus_error e = SD_BUS_ERROR_NULL;
	automessage m = NULL;
	automessage reply = NULL;
	const char *text = NULL;
	int r = sd_bus_message_new_method_call(s->bus, &m, DESTINATION, path, "org.freedesktop.DBus.Properties", "Get");

	if (r >= 0)
		r = sd_bus_message_append(m, "ss", interface, "ControlGroup");
	if (r < 0)
		return joey_err_sys(err, r, "get ControlGroup of %s", what);
	r = call(s, m, "get ControlGroup of", what, &e, &reply, err);
	if (r < 0)
		return r;
	r = sd_bus_message_read(reply, "v", "s", &text);
	if (r < 0)
		return joey_err_sys(err, r, "get ControlGroup of %s: bad answer", what);
	if (strchr(text, '\n') || strlen(text) > 4000)
		return joey_err_set(err, JOEY_EK_OTHER, EBADMSG, "get ControlGroup of %s: bad answer", what);
	*ret = strdup(text);
	return *ret ? 0 : joey_err_sys(err, ENOMEM, "get ControlGroup");
}

int sdbus_where(struct sdbus *s, char **ret, struct joey_err *err)
{
	return get_cgroup(s, PATH, MANAGER, "the manager", ret, err);
}

static int unit_cgroup(struct sdbus *s, const char *unit, char **ret, struct joey_err *err)
{
	size_t n = strlen(unit);
	bool slice = n > 6 && strcmp(unit + n - 6, ".slice") == 0;
	autofree char *path = NULL;
	int r = sd_bus_path_encode(PATH "/unit", unit, &path);

	if (r < 0)
		return joey_err_sys(err, r, "name %s on the bus", unit);
	return get_cgroup(s, path, slice ? "org.freedesktop.systemd1.Slice" : "org.freedesktop.systemd1.Scope", unit,
			  ret, err);
}

/* ---- requests ------------------------------------------------------------------------------------------ */

static int start_once(struct sdbus *s, const char *unit, const char *props, struct job *j, sd_bus_error *e,
		      struct joey_err *err)
{
	static const char method[] = "StartTransientUnit";
	autofree char *copy = strdup(props);
	automessage m = NULL;
	automessage reply = NULL;
	int r;

	if (!copy)
		return joey_err_sys(err, ENOMEM, method);
	r = new_call(s, method, &m, err);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "ss", unit, "fail");
	if (r < 0)
		return joey_err_sys(err, r, "%s %s", method, unit);
	r = sdbus_append_props(m, copy, err);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "a(sa(sv))", 0);
	if (r < 0)
		return joey_err_sys(err, r, "%s %s", method, unit);
	r = call(s, m, method, unit, e, &reply, err);
	return r < 0 ? r : read_job(reply, j, method, unit, err);
}

static void reset_failed(struct sdbus *s, const char *unit)
{
	__attribute__((cleanup(sd_bus_error_free))) sd_bus_error e = SD_BUS_ERROR_NULL;
	autoerr struct joey_err ignored = JOEY_ERR_INIT;
	automessage m = NULL;

	if (new_call(s, "ResetFailedUnit", &m, &ignored) == 0 && sd_bus_message_append(m, "s", unit) >= 0)
		(void)call(s, m, "ResetFailedUnit", unit, &e, NULL, &ignored);
}

int sdbus_start(struct sdbus *s, const char *unit, char *props, char **ret_cgroup, struct joey_err *err)
{
	__attribute__((cleanup(sd_bus_error_free))) sd_bus_error e = SD_BUS_ERROR_NULL;
	autojob j = { 0 };
	autoslot slot = NULL;
	int r = watch_jobs(s, &j, &slot, err);

	if (r < 0)
		return r;
	r = start_once(s, unit, props, &j, &e, err);
	/* A failed unit of that name from an earlier life keeps it occupied. */
	if (r < 0 && sd_bus_error_has_name(&e, "org.freedesktop.systemd1.UnitExists")) {
		joey_err_clear(err);
		sd_bus_error_free(&e);
		reset_failed(s, unit);
		r = start_once(s, unit, props, &j, &e, err);
	}
	if (r == 0)
		r = wait_job(s, &j, "StartTransientUnit", unit, err);
	return r < 0 ? r : unit_cgroup(s, unit, ret_cgroup, err);
}

int sdbus_set(struct sdbus *s, const char *unit, char *props, struct joey_err *err)
{
	static const char method[] = "SetUnitProperties";
	__attribute__((cleanup(sd_bus_error_free))) sd_bus_error e = SD_BUS_ERROR_NULL;
	automessage m = NULL;
	int r = new_call(s, method, &m, err);

	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "sb", unit, 1); /* until reboot */
	if (r < 0)
		return joey_err_sys(err, r, "%s %s", method, unit);
	r = sdbus_append_props(m, props, err);
	return r < 0 ? r : call(s, m, method, unit, &e, NULL, err);
}

int sdbus_attach(struct sdbus *s, const char *unit, uint32_t pid, const char *below, struct joey_err *err)
{
	static const char method[] = "AttachProcessesToUnit";
	__attribute__((cleanup(sd_bus_error_free))) sd_bus_error e = SD_BUS_ERROR_NULL;
	automessage m = NULL;
	int r = new_call(s, method, &m, err);

	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "ssau", unit, below, 1, pid);
	if (r < 0)
		return joey_err_sys(err, r, "%s %s", method, unit);
	return call(s, m, method, unit, &e, NULL, err);
}

int sdbus_stop(struct sdbus *s, const char *unit, struct joey_err *err)
{
	static const char method[] = "StopUnit";
	__attribute__((cleanup(sd_bus_error_free))) sd_bus_error e = SD_BUS_ERROR_NULL;
	autojob j = { 0 };
	autoslot slot = NULL;
	automessage m = NULL;
	automessage reply = NULL;
	int r = watch_jobs(s, &j, &slot, err);

	if (r == 0)
		r = new_call(s, method, &m, err);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "ss", unit, "replace");
	if (r < 0)
		return joey_err_sys(err, r, "%s %s", method, unit);
	r = call(s, m, method, unit, &e, &reply, err);
	if (r < 0 && sd_bus_error_has_name(&e, "org.freedesktop.systemd1.NoSuchUnit")) {
		joey_err_clear(err);
		return 0;
	}
	if (r == 0)
		r = read_job(reply, &j, method, unit, err);
	return r < 0 ? r : wait_job(s, &j, method, unit, err);
}
