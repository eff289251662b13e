/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_SDBUS_INTERNAL_H
#define JOEY_SDBUS_INTERNAL_H

/* Private to src/sdbus, the program joey-sd-bus. */

#include "joey/err.h"
#include "joey/gvariant.h"

/* As <systemd/sd-bus.h> has them; so this header compiles where that one is not installed. */
typedef struct sd_bus sd_bus;
typedef struct sd_bus_message sd_bus_message;

struct sdbus {
	const char *address; /* NULL: of the manager asked for */
	bool user;
	uid_t uid;
	unsigned timeout_ms;
	uint64_t deadline; /* of the present request, CLOCK_MONOTONIC in ms */
	sd_bus *bus;       /* NULL: not connected yet */
};

/* ---- bus.c ---- */
int sdbus_connect(struct sdbus *s, struct joey_err *err);
void sdbus_done(struct sdbus *s);
/* Milliseconds until the deadline; 0: over. */
uint64_t sdbus_time_left(const struct sdbus *s);

/* ---- unit.c: props is "Name=value\n..." and is written to ---- */
int sdbus_where(struct sdbus *s, char **ret, struct joey_err *err);
int sdbus_start(struct sdbus *s, const char *unit, char *props, char **ret_cgroup, struct joey_err *err);
int sdbus_set(struct sdbus *s, const char *unit, char *props, struct joey_err *err);
/* below: of the unit's control group, "/x"; "" is that itself. */
int sdbus_attach(struct sdbus *s, const char *unit, uint32_t pid, const char *below, struct joey_err *err);
int sdbus_stop(struct sdbus *s, const char *unit, struct joey_err *err);

/* ---- props.c ---- */
/* a(sv) */
int sdbus_append_props(sd_bus_message *m, char *props, struct joey_err *err);

#endif
