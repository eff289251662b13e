/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for QEMU in test_vmm.c: takes its command line, looks at what it was given, speaks its monitor and its
 * guest's port.  What it is to do wrong is the first word of the "kernel"; a clone finds that word in its RAM.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CTL = 3, QMP = 5, RAM = 7, STATE = 8, PAGE = 4096 };

static char mode[32];
static int state_fd = -1;
static bool restored;

static bool is(const char *name)
{
	return strcmp(mode, name) == 0;
}

static void say(int fd, const char *text)
{
	(void)!write(fd, text, strlen(text));
}

static const char *option(char **argv, const char *name)
{
	for (; *argv; argv++)
		if (strcmp(*argv, name) == 0)
			return argv[1];
	return NULL;
}

static void read_mode(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, mode, sizeof(mode) - 1);

	mode[n > 0 ? (size_t)n : 0] = '\0';
	mode[strcspn(mode, " \n")] = '\0';
	close(fd);
}

/* Into the template's memory, as a booting guest. */
static void boot(const char *ram)
{
	int fd = open(ram, O_RDWR | O_CLOEXEC);
	char *p = fd < 0 ? MAP_FAILED : mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p != MAP_FAILED)
		memcpy(p, mode, sizeof(mode));
	close(fd);
}

/* What an attacker in QEMU's place would try. */
static void report(void)
{
	char text[8192], *p = text, status[4096] = "";
	int fd = open("/proc/self/fd/7", O_RDWR | O_CLOEXEC), n = 0;
	DIR *d = opendir("/proc/self/fd");

	while (d && readdir(d))
		n++;
	p += sprintf(p, "fds=%d env=%d", n,
		     !environ[0] || strncmp(environ[0], "GLIBC_TUNABLES=", 15) != 0 || environ[1]);
	p += sprintf(p, " write=%d", fd >= 0 && write(fd, "x", 1) == 1);
	p += sprintf(p, " shared=%d",
		     fd >= 0 && mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);
	p += sprintf(p, " truncate=%d", fd >= 0 && ftruncate(fd, 0) == 0);
	p += sprintf(p, " etc=%d home=%d work=%d", access("/etc/passwd", F_OK) == 0, access("/root", F_OK) == 0,
		     access("/run", F_OK) == 0);
	p += sprintf(p, " mkdir=%d pid=%d", mkdir("/x", 0700) == 0, (int)getpid());
	fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, status, sizeof(status) - 1) > 0) {
		const char *line = strstr(status, "CapBnd:"), *nnp = strstr(status, "NoNewPrivs:");

		p += sprintf(p, " cap=%.16s nnp=%.1s", line ? line + 8 : "", nnp ? nnp + 12 : "");
	}
	p += sprintf(p, "\n\n");
	say(CTL, text);
}

static void answer(const char *id, const char *body)
{
	char line[512];

	if (id)
		sprintf(line, "{\"return\": %s, \"id\": %d}\r\n", body, atoi(id + 5));
	else
		sprintf(line, "{\"return\": %s}\r\n", body);
	say(QMP, line);
}

static void command(const char *line)
{
	static const char ready[] = "\5\0\0\0\204\0\0\0\0\0\0\0ready";
	const char *id = strstr(line, "\"id\":");

	if (is("deaf"))
		return;
	if (strstr(line, "qmp_capabilities")) {
		answer(id, "{}");
		if (restored)
			return;
		if (is("badframe"))
			say(CTL, "this is not a frame at all");
		else if (is("flood"))
			for (int i = 0; i < 100000; i++)
				(void)!write(CTL, "\5\0\0\0\204\0\0\0\0\0\0\0reedy", 17);
		else if (!is("silent"))
			(void)!write(CTL, ready, 17);
	} else if (strstr(line, "query-migrate")) {
		if (is("liar")) {
			say(QMP, "{\"return\": {\"status\": \"completed\"}, \"id\": 99999}\r\n");
			say(QMP, "{\"event\": \"\\u001b[2J\"}\r\n{\"nothing\": 1}\r\n");
			return;
		}
		answer(id, is("failing") ? "{\"status\": \"failed\"}" : "{\"status\": \"completed\"}");
	} else if (strstr(line, "\"migrate\"")) {
		if (!is("empty"))
			say(state_fd, "STATE");
		answer(id, "{}");
	} else if (strstr(line, "migrate-incoming") && is("refusing")) {
		say(QMP,
		    "{\"error\": {\"class\": \"GenericError\", \"desc\": \"load of\\u001b[31m state failed\"}}\r\n");
	} else {
		answer(id, "{}");
	}
}

static void take_commands(void)
{
	char buf[8192], control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { buf, sizeof(buf) - 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	ssize_t n = recvmsg(QMP, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	char *line, *save = NULL;

	if (n <= 0)
		exit(0);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(&state_fd, CMSG_DATA(c), sizeof(int));
	buf[n] = '\0';
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		command(line);
}

static void take_request(void)
{
	char buf[256];
	ssize_t n = read(CTL, buf, sizeof(buf) - 1);

	if (n <= 0)
		exit(0);
	buf[n] = '\0';
	if (strcmp(buf, "report\n") == 0)
		report();
	else if (strcmp(buf, "exit\n") == 0)
		exit(3);
	else
		dprintf(CTL, "ok %s", buf);
}

int main(int argc, char **argv)
{
	char word[16];

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("QEMU emulator version 7.2.99 (fake)\nCopyright\n");
		return 0;
	}
	if (option(argv, "-kernel")) {
		read_mode(option(argv, "-kernel"));
		boot("/proc/self/fd/7");
	} else {
		restored = true;
		read_mode("/proc/self/fd/7");
		if (read(STATE, word, sizeof(word)) != 5 || memcmp(word, "STATE", 5) != 0)
			return 4;
	}
	if (chroot("/empty") < 0 || chdir("/") < 0)
		return 5;
	if (is("dying")) {
		say(2, "qemu: out of\033[1m luck\n");
		return 1;
	}
	if (!is("deaf"))
		say(QMP, "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7}}, \"capabilities\": [\"oob\"]}}\r\n");
	for (;;) {
		struct pollfd p[2] = { { .fd = QMP, .events = POLLIN }, { .fd = CTL, .events = POLLIN } };

		if (poll(p, 2, -1) < 0)
			return 1;
		if (p[0].revents)
			take_commands();
		if (p[1].revents)
			take_request();
	}
}
