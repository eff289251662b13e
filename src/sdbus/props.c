/* SPDX-License-Identifier: Apache-2.0 */
/* Lines "Name=value" into a message's array of (name, variant). */
#include <string.h>
#include <systemd/sd-bus.h>

#include "sdbus/sdbus-internal.h"

static int append_value(sd_bus_message *m, const struct joey_gv *v);

static int append_kids(sd_bus_message *m, char type, const char *contents, const struct joey_gv *v)
{
	int r = sd_bus_message_open_container(m, type, contents);

	for (size_t i = 0; r >= 0 && i < v->u.kids.n; i++)
		r = append_value(m, v->u.kids.v[i]);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_tuple(sd_bus_message *m, const struct joey_gv *v)
{
	autofree char *inner = strndup(v->sig + 1, strlen(v->sig) - 2);

	return inner ? append_kids(m, 'r', inner, v) : -ENOMEM;
}

static int append_value(sd_bus_message *m, const struct joey_gv *v)
{
	switch (v->type) {
	case 'b':
		return sd_bus_message_append(m, "b", (int)v->u.b);
	case 'y':
	case 'q':
	case 'u':
		return sd_bus_message_append(m, v->sig, (unsigned)v->u.u);
	case 'n':
	case 'i':
		return sd_bus_message_append(m, v->sig, (int)v->u.i);
	case 'x':
		return sd_bus_message_append(m, "x", v->u.i);
	case 't':
		return sd_bus_message_append(m, "t", v->u.u);
	case 's':
		return sd_bus_message_append(m, "s", v->u.s);
	case 'a':
		return append_kids(m, 'a', v->sig + 1, v);
	case 'r':
		return append_tuple(m, v);
	default:
		return -EINVAL;
	}
}

static int append_prop(sd_bus_message *m, const char *name, const struct joey_gv *v)
{
	int r = sd_bus_message_open_container(m, 'r', "sv");

	if (r >= 0)
		r = sd_bus_message_append(m, "s", name);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', v->sig);
	if (r >= 0)
		r = append_value(m, v);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_line(sd_bus_message *m, char *line, struct joey_err *err)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	char *value = strchr(line, '=');
	struct joey_gv *v;
	int r;

	if (!value)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "property without a value: %.60s", line);
	*value++ = '\0';
	r = joey_gv_parse(value, &arena, &v, err);
	if (r < 0) {
		joey_err_wrap(err, "property %.60s", line);
	} else {
		r = append_prop(m, line, v);
		if (r < 0)
			joey_err_sys(err, r, "property %.60s", line);
	}
	joey_arena_done(&arena);
	return r;
}

int sdbus_append_props(sd_bus_message *m, char *props, struct joey_err *err)
{
	char *line;
	int r = sd_bus_message_open_container(m, 'a', "(sv)");

	if (r < 0)
		return joey_err_sys(err, r, "make a message");
	while ((line = strsep(&props, "\n")) != NULL) {
		if (!*line)
			continue;
		r = append_line(m, line, err);
		if (r < 0)
			return r;
	}
	r = sd_bus_message_close_container(m);
	return r < 0 ? joey_err_sys(err, r, "make a message") : 0;
}
