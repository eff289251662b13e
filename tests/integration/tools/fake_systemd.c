/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A systemd that can misbehave, for the tests of the systemd driver.
 *
 *     fake_systemd SOCKET LOG MODE [MS [CGROUP2-MOUNT [OTHER]]]
 *
 * Speaks D-Bus over SOCKET as systemd's own socket does, one connection after the other, and writes the calls it gets
 * to LOG.  With a mount it makes the cgroup of a unit and puts the caller in.  Modes:
 *   good       what systemd does, MS milliseconds late
 *   mute       accepts and says nothing          garbage  answers with bytes that are no D-Bus
 *   silent     no answer to StartTransientUnit   drop     hangs up instead of answering
 *   dropjob    answers, then hangs up            wrongjob ends another job only
 *   failed     the job fails                     denied   refuses
 *   exists     UnitExists until ResetFailedUnit  occupied UnitExists always
 *   nothing    says done, but has done nothing   elsewhere says done, and that the cgroup is OTHER
 *   foreign    says done, and another process is in the cgroup instead
 *   crowd      as good, and another process is in the cgroup as well
 *   nostop     as good, but StopUnit is never answered
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#define MANAGER "org.freedesktop.systemd1.Manager"

static const char *mode, *mount, *other;
static unsigned delay_ms;
static FILE *calls;
static pid_t caller, stranger;
static char cgroup[512], unit_name[300];
static int hang_up, reset;
static uint64_t due; /* of the JobRemoved to come; 0: none */
static const char *due_result;

static int is(const char *m)
{
	return strcmp(mode, m) == 0;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void enter(const char *dir, pid_t pid)
{
	char file[1100];
	FILE *f;

	snprintf(file, sizeof(file), "%s/cgroup.procs", dir);
	f = fopen(file, "we");
	if (!f || fprintf(f, "%d", (int)pid) < 0 || fclose(f) != 0)
		fprintf(calls, "cannot enter %s: %s\n", file, strerror(errno));
}

static void make_cgroup(void)
{
	char dir[1000], *slash;

	if (!mount || is("nothing") || is("elsewhere"))
		return;
	snprintf(dir, sizeof(dir), "%s%s", mount, cgroup);
	slash = strrchr(dir, '/');
	*slash = '\0';
	(void)mkdir(dir, 0755);
	*slash = '/';
	if (mkdir(dir, 0755) < 0)
		fprintf(calls, "cannot make %s: %s\n", dir, strerror(errno));
	if (is("foreign") || is("crowd")) {
		stranger = fork();
		if (stranger == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pause();
			_exit(0);
		}
		enter(dir, stranger);
	}
	if (!is("foreign"))
		enter(dir, caller);
}

static void remove_cgroup(void)
{
	char dir[1000];

	snprintf(dir, sizeof(dir), "%s%s", mount ? mount : "/nowhere", cgroup);
	(void)rmdir(dir);
}

static const char *job_path(void)
{
	return is("wrongjob") ? "/org/freedesktop/systemd1/job/8" : "/org/freedesktop/systemd1/job/7";
}

/* Logs the properties and finds the slice among them. */
static void read_props(sd_bus_message *m)
{
	const char *name, *contents, *slice = "system.slice";
	char type;

	(void)sd_bus_message_enter_container(m, 'a', "(sv)");
	while (sd_bus_message_enter_container(m, 'r', "sv") > 0) {
		(void)sd_bus_message_read(m, "s", &name);
		(void)sd_bus_message_peek_type(m, &type, &contents);
		fprintf(calls, " %s:%s", name, contents);
		if (strcmp(name, "Slice") == 0) {
			(void)sd_bus_message_read(m, "v", "s", &slice);
			fprintf(calls, "=%s", slice);
		} else if (strcmp(contents, "t") == 0) {
			uint64_t v = 0;

			(void)sd_bus_message_read(m, "v", "t", &v);
			fprintf(calls, "=%llu", (unsigned long long)v);
		} else {
			(void)sd_bus_message_skip(m, "v");
		}
		(void)sd_bus_message_exit_container(m);
	}
	(void)sd_bus_message_exit_container(m);
	snprintf(cgroup, sizeof(cgroup), "/%s/%s", slice, unit_name);
}

static int start(sd_bus_message *m)
{
	const char *unit, *how;

	(void)sd_bus_message_read(m, "ss", &unit, &how);
	snprintf(unit_name, sizeof(unit_name), "%s", unit);
	fprintf(calls, " %s", unit);
	read_props(m);
	if (is("silent"))
		return 1;
	if (is("drop")) {
		hang_up = 1;
		return 1;
	}
	if (is("denied"))
		return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_ACCESS_DENIED, "no, not you");
	if (is("occupied") || (is("exists") && !reset))
		return sd_bus_reply_method_errorf(m, "org.freedesktop.systemd1.UnitExists", "Unit %s already exists.",
						  unit);
	make_cgroup();
	due = now_ms() + delay_ms;
	due_result = is("failed") ? "failed" : "done";
	hang_up = is("dropjob");
	return sd_bus_reply_method_return(m, "o", "/org/freedesktop/systemd1/job/7");
}

static int stop(sd_bus_message *m)
{
	if (is("nostop"))
		return 1;
	remove_cgroup();
	due = now_ms();
	due_result = "done";
	return sd_bus_reply_method_return(m, "o", job_path());
}

static int get(sd_bus_message *m)
{
	const char *interface, *name;

	(void)sd_bus_message_read(m, "ss", &interface, &name);
	fprintf(calls, " %s", name);
	return sd_bus_reply_method_return(m, "v", "s",
					  strcmp(interface, MANAGER) == 0 ? "/fake-manager"
					  : is("elsewhere")               ? other
									  : cgroup);
}

static int on_message(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *member = sd_bus_message_get_member(m);
	uint8_t type;
	int r = 0;

	(void)arg;
	(void)error;
	if (sd_bus_message_get_type(m, &type) < 0 || type != SD_BUS_MESSAGE_METHOD_CALL || !member)
		return 0;
	fprintf(calls, "%s", member);
	if (strcmp(member, "StartTransientUnit") == 0)
		r = start(m);
	else if (strcmp(member, "StopUnit") == 0)
		r = stop(m);
	else if (strcmp(member, "Get") == 0)
		r = get(m);
	else if (strcmp(member, "SetUnitProperties") == 0) {
		const char *unit;
		int runtime;

		(void)sd_bus_message_read(m, "sb", &unit, &runtime);
		fprintf(calls, " %s", unit);
		read_props(m);
		r = sd_bus_reply_method_return(m, "");
	} else {
		reset |= strcmp(member, "ResetFailedUnit") == 0;
		r = sd_bus_reply_method_return(m, "");
	}
	fprintf(calls, "\n");
	fflush(calls);
	return r < 0 ? r : 1;
}

static void send_due(sd_bus *bus)
{
	const char *job = job_path();
	uint32_t id = is("wrongjob") ? 8 : 7;

	due = 0;
	(void)sd_bus_emit_signal(bus, "/org/freedesktop/systemd1", MANAGER, "JobRemoved", "uoss", id, job,
				 unit_name[0] ? unit_name : "x.scope", due_result);
}

static void serve(int fd)
{
	sd_id128_t id = { { 1 } };
	sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);

	hang_up = 0;
	due = 0;
	if (r >= 0)
		r = sd_bus_set_fd(bus, fd, fd);
	if (r >= 0)
		r = sd_bus_set_server(bus, 1, id);
	if (r >= 0)
		r = sd_bus_add_filter(bus, NULL, on_message, NULL);
	if (r >= 0)
		r = sd_bus_start(bus);
	while (r >= 0) {
		uint64_t wait = 100000;

		r = sd_bus_process(bus, NULL);
		if (hang_up)
			(void)sd_bus_flush(bus);
		if (r < 0 || hang_up)
			break;
		if (r > 0)
			continue;
		if (due && now_ms() >= due) {
			send_due(bus);
			continue;
		}
		if (due)
			wait = (due - now_ms()) * 1000 < wait ? (due - now_ms()) * 1000 : wait;
		r = sd_bus_wait(bus, wait);
	}
	sd_bus_close(bus);
	sd_bus_unref(bus);
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int listener, fd;

	if (argc < 4)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	mode = argv[3];
	delay_ms = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;
	mount = argc > 5 && argv[5][0] ? argv[5] : NULL;
	other = argc > 6 ? argv[6] : "/";
	calls = fopen(argv[2], "we");
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", argv[1]);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!calls || listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(listener, 8) < 0) {
		perror("fake_systemd");
		return 1;
	}
	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		struct ucred cred = { 0 };
		socklen_t len = sizeof(cred);

		(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
		caller = cred.pid;
		if (is("mute"))
			continue; /* kept open */
		if (is("garbage")) {
			(void)!write(fd, "\0\377rubbish\r\nOK zz\r\n\r\n\r\n", 23);
			continue;
		}
		serve(fd);
	}
	return 1;
}
