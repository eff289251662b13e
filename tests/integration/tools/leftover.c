/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leftover NEEDLE CGROUPNAME: prints what a test left on the host, and fails if there is anything:
 *   - mounts of this mount namespace whose mountinfo line has NEEDLE in it;
 *   - processes in another mount namespace whose mountinfo has it, or that run outside the caller's ancestry with
 *     NEEDLE in their command line;
 *   - cgroup directories whose name begins with CGROUPNAME, in any hierarchy, down to four levels.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int found;
static const char *needle, *cgname;

static int file_has(const char *path, int show)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int hit = 0;
	while (f && (n = getline(&line, &cap, f)) > 0) {
		for (ssize_t i = 0; i < n - 1; i++) /* cmdline holds NULs */
			if (!line[i])
				line[i] = ' ';
		if (!strstr(line, needle))
			continue;
		hit = 1;
		if (!show)
			break;
		printf("%s: %s%s", path, line, line[n - 1] == '\n' ? "" : "\n");
	}
	free(line);
	if (f)
		fclose(f);
	return hit;
}

static long parent_of(long pid)
{
	char path[64], buf[4096];
	snprintf(path, sizeof path, "/proc/%ld/stat", pid);
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(buf, 1, sizeof buf - 1, f) : 0;
	if (f)
		fclose(f);
	buf[n] = 0;
	char *p = strrchr(buf, ')');
	return p ? strtol(p + 4, NULL, 10) : 0;
}

static char state_of(long pid)
{
	char path[64], buf[4096];
	snprintf(path, sizeof path, "/proc/%ld/stat", pid);
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(buf, 1, sizeof buf - 1, f) : 0;
	if (f)
		fclose(f);
	buf[n] = 0;
	char *p = strrchr(buf, ')');
	return p ? p[2] : 'X';
}

static void scan_processes(void)
{
	long family[64];
	int n_family = 0;
	for (long p = getpid(); p > 1 && n_family < 64; p = parent_of(p))
		family[n_family++] = p;
	struct stat own, st;
	stat("/proc/self/ns/mnt", &own);
	DIR *d = opendir("/proc");
	for (struct dirent *e; d && (e = readdir(d));) {
		char path[300];
		long pid = strtol(e->d_name, NULL, 10);
		int skip = pid <= 0;
		for (int i = 0; i < n_family && !skip; i++)
			skip = family[i] == pid;
		if (skip || state_of(pid) == 'Z' || state_of(pid) == 'X')
			continue;
		snprintf(path, sizeof path, "/proc/%ld/cmdline", pid);
		int hit = file_has(path, 1);
		snprintf(path, sizeof path, "/proc/%ld/ns/mnt", pid);
		if (!hit && stat(path, &st) == 0 && st.st_ino != own.st_ino) {
			snprintf(path, sizeof path, "/proc/%ld/mountinfo", pid);
			hit = file_has(path, 0);
			if (hit) {
				char exe[4096] = "";
				snprintf(path, sizeof path, "/proc/%ld/exe", pid);
				if (readlink(path, exe, sizeof exe - 1) < 0)
					exe[0] = '?';
				printf("process %ld still has the rootfs: %s\n", pid, exe);
			}
		}
		found += hit;
	}
	if (d)
		closedir(d);
}

static void scan_cgroups(const char *dir, int depth)
{
	DIR *d = opendir(dir);
	for (struct dirent *e; d && (e = readdir(d));) {
		char path[4096];
		if (e->d_name[0] == '.' || (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN))
			continue;
		if (snprintf(path, sizeof path, "%s/%s", dir, e->d_name) >= (int)sizeof path)
			continue;
		if (!strncmp(strncmp(e->d_name, "joey-vm-", 8) ? e->d_name : e->d_name + 8, cgname, strlen(cgname))) {
			printf("cgroup left: %s\n", path);
			found++;
		} else if (depth > 0) {
			scan_cgroups(path, depth - 1);
		}
	}
	if (d)
		closedir(d);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	needle = argv[1];
	cgname = argv[2];
	found += file_has("/proc/self/mountinfo", 1);
	scan_processes();
	scan_cgroups("/sys/fs/cgroup", 4);
	return found != 0;
}
