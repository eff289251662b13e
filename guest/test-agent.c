/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for joey-agent when a guest's kernel is tested: loads the modules of /modules/order, then answers every
 * line on the port "ctl" with "ok LINE".  The line "report" is answered by what the test wants to know about the
 * kernel, "off" ends the guest.  Anything that goes wrong goes to the console and ends the guest.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 4096, PORT_TRIES = 5000 };

static void fail(const char *what, const char *object)
{
	fprintf(stderr, "test-agent: %s %s: %s\n", what, object, strerror(errno));
	reboot(RB_AUTOBOOT);
	_exit(1);
}

static void mount_at(const char *type, const char *target)
{
	if (mkdir(target, 0755) < 0 && errno != EEXIST)
		fail("mkdir", target);
	if (mount(type, target, type, 0, NULL) < 0)
		fail("mount", target);
}

static void load_modules(void)
{
	char name[256], path[300];
	FILE *order = fopen("/modules/order", "re");

	while (order && fgets(name, sizeof(name), order)) {
		int fd;

		name[strcspn(name, "\n")] = '\0';
		snprintf(path, sizeof(path), "/modules/%s", name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
			fail("load", path);
		close(fd);
	}
	if (order)
		fclose(order);
}

/* The port's device number by its name; false: not there yet. */
static bool find_port(const char *port, char *path, size_t size)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		char attr[400], name[64] = "";
		FILE *f;

		snprintf(attr, sizeof(attr), "/sys/class/virtio-ports/%s/name", entry->d_name);
		f = fopen(attr, "re");
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f)) {
			name[strcspn(name, "\n")] = '\0';
			snprintf(path, size, "/dev/%s", entry->d_name);
			found = strcmp(name, port) == 0;
		}
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return found;
}

static int open_port(const char *port)
{
	char path[300];
	int fd = -1;

	for (int i = 0; i < PORT_TRIES; i++) {
		if (find_port(port, path, sizeof(path)) && (fd = open(path, O_RDWR | O_CLOEXEC)) >= 0)
			return fd;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	fail("open port", port);
	return -1;
}

static void report_file(FILE *out, const char *label, const char *path)
{
	char buf[LINE] = "";
	FILE *f = fopen(path, "re");

	if (f && fgets(buf, sizeof(buf), f))
		buf[strcspn(buf, "\n")] = '\0';
	else
		snprintf(buf, sizeof(buf), "none: %s", strerror(errno));
	fprintf(out, "%s=%s\n", label, buf);
	if (f)
		fclose(f);
}

static void report_names(FILE *out, const char *label, const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	fprintf(out, "%s=", label);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			fprintf(out, "%s ", entry->d_name);
	fprintf(out, "\n");
	if (dir)
		closedir(dir);
}

static void report_mount(FILE *out, const char *type, const char *source, const char *options)
{
	int rc = mkdir("/tmp/m", 0755);

	rc = rc < 0 && errno != EEXIST ? rc : mount(source, "/tmp/m", type, 0, options);
	fprintf(out, "mount.%s=%s\n", type, rc < 0 ? strerror(errno) : "ok");
	if (rc == 0 && strcmp(type, "9p") == 0)
		report_names(out, "share", "/tmp/m");
	if (rc == 0)
		umount2("/tmp/m", MNT_DETACH);
}

static void report(FILE *out)
{
	struct utsname uts;
	struct timespec now;

	uname(&uts);
	clock_gettime(CLOCK_BOOTTIME, &now);
	fprintf(out, "release=%s\nversion=%s\nuptime=%ld.%03ld\n", uts.release, uts.version, (long)now.tv_sec,
		now.tv_nsec / 1000000);
	clock_gettime(CLOCK_REALTIME, &now);
	fprintf(out, "realtime=%ld.%03ld\n", (long)now.tv_sec, now.tv_nsec / 1000000);
	report_names(out, "namespaces", "/proc/self/ns");
	report_names(out, "block", "/sys/block");
	report_names(out, "net", "/sys/class/net");
	report_names(out, "ports", "/sys/class/virtio-ports");
	report_file(out, "rng", "/sys/class/misc/hw_random/rng_current");
	report_file(out, "clocksource", "/sys/devices/system/clocksource/clocksource0/current_clocksource");
	report_file(out, "cmdline", "/proc/cmdline");
	report_file(out, "memory", "/proc/meminfo");
	report_mount(out, "9p", "share", "trans=virtio,version=9p2000.L,msize=262144");
	report_mount(out, "tmpfs", "tmpfs", NULL);
	report_mount(out, "mqueue", "mqueue", NULL);
	report_mount(out, "devpts", "devpts", "newinstance");
	if (mkdir("/tmp/l1", 0755) < 0 || mkdir("/tmp/l2", 0755) < 0)
		fprintf(out, "mkdir=%s\n", strerror(errno));
	report_mount(out, "overlay", "overlay", "lowerdir=/tmp/l1:/tmp/l2");
	report_mount(out, "cgroup2", "cgroup2", NULL);
	mount_at("cgroup2", "/sys/fs/cgroup");
	report_file(out, "controllers", "/sys/fs/cgroup/cgroup.controllers");
	fprintf(out, "\n");
}

int main(void)
{
	char line[LINE];
	FILE *in, *out;
	int fd;

	mount_at("devtmpfs", "/dev");
	mount_at("proc", "/proc");
	mount_at("sysfs", "/sys");
	load_modules();
	fd = open_port("ctl");
	in = fdopen(fd, "re");
	out = fdopen(fcntl(fd, F_DUPFD_CLOEXEC, 3), "we");
	if (!in || !out)
		fail("open", "ctl");
	/* A LOG frame (include/joey/wire.h): a template may be made of this guest from now on. */
	fwrite("\5\0\0\0\204\0\0\0\0\0\0\0ready", 1, 17, out);
	fflush(out);
	while (fgets(line, sizeof(line), in)) {
		if (strcmp(line, "off\n") == 0)
			break;
		if (strcmp(line, "report\n") == 0)
			report(out);
		else
			fprintf(out, "ok %s", line);
		fflush(out);
	}
	reboot(RB_AUTOBOOT);
	return 1;
}
