/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection.  First choice is systemd's own socket, which only the manager's user may use: one hop less than
 * the message bus, and a host's dbus-daemon is not worn out by containers that come and go.  On it there is no
 * broker: no names, no matches but local ones.
 */
#include <stdio.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "sdbus/sdbus-internal.h"

uint64_t sdbus_time_left(const struct sdbus *s)
{
	uint64_t now = joey_now_ms();

	return now >= s->deadline ? 0 : s->deadline - now;
}

void sdbus_done(struct sdbus *s)
{
	/* not flushed: a dead peer would hold us */
	sd_bus_close(s->bus);
	s->bus = sd_bus_unref(s->bus);
}

static int open_address(struct sdbus *s, const char *address, bool client)
{
	int r = sd_bus_new(&s->bus);

	if (r >= 0)
		r = sd_bus_set_address(s->bus, address);
	if (r >= 0)
		r = sd_bus_set_bus_client(s->bus, client);
	if (r >= 0)
		r = sd_bus_start(s->bus);
	if (r < 0)
		sdbus_done(s);
	return r < 0 ? r : 0;
}

/* Without this a peer that accepts and stays silent would hold every later call. */
static int wait_ready(struct sdbus *s)
{
	int r = 0;

	while (r >= 0 && sd_bus_is_ready(s->bus) == 0) {
		uint64_t left = sdbus_time_left(s);

		if (left == 0)
			return -ETIMEDOUT;
		r = sd_bus_process(s->bus, NULL);
		if (r == 0)
			r = sd_bus_wait(s->bus, left * 1000);
	}
	return r >= 0 ? sd_bus_is_ready(s->bus) : r;
}

static int try_address(struct sdbus *s, const char *address, bool client)
{
	int r = open_address(s, address, client);

	if (r >= 0)
		r = wait_ready(s);
	if (r < 0)
		sdbus_done(s);
	return r < 0 ? r : 0;
}

/* What a host without systemd as its first process lacks (sd_booted(3)). */
static bool booted(void)
{
	return access("/run/systemd/system", F_OK) == 0;
}

static int failed(const struct sdbus *s, const char *address, int r, struct joey_err *err)
{
	if (r == -ETIMEDOUT)
		return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT, "no answer from %s within %u ms", address,
				    s->timeout_ms);
	return joey_err_sys(err, r, "connect to %s", address);
}

int sdbus_connect(struct sdbus *s, struct joey_err *err)
{
	char own[80], bus[80];
	int r;

	if (s->bus && sd_bus_is_ready(s->bus) > 0)
		return 0;
	if (s->bus)
		sdbus_done(s);
	if (s->address) {
		r = try_address(s, s->address, false);
		return r < 0 ? failed(s, s->address, r, err) : 0;
	}
	if (!booted())
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOENT,
				    "systemd not running on this host, cannot use systemd cgroups manager");
	if (s->user) {
		(void)snprintf(own, sizeof(own), "unix:path=/run/user/%u/systemd/private", (unsigned)s->uid);
		(void)snprintf(bus, sizeof(bus), "unix:path=/run/user/%u/bus", (unsigned)s->uid);
	} else {
		(void)snprintf(own, sizeof(own), "unix:path=/run/systemd/private");
		(void)snprintf(bus, sizeof(bus), "unix:path=/run/dbus/system_bus_socket");
	}
	r = try_address(s, own, false);
	if (r < 0 && r != -ETIMEDOUT)
		r = try_address(s, bus, true);
	return r < 0 ? failed(s, bus, r, err) : 0;
}
