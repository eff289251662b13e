/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for libFuzzer where there is none: feeds every file of a corpus directory to the target, one TAP line
 * each.  Without arguments the directory is tests/fuzz/corpus/NAME of the program fuzz_NAME.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "joey/util.h"

static int run_file(int dirfd, const char *name, unsigned number)
{
	autofree char *data = NULL;
	size_t len = 0;
	int r = joey_read_file_at(dirfd, name, 0, 64u << 20, &data, &len);

	if (r < 0) {
		printf("not ok %u - %s: cannot be read\n", number, name);
		return 1;
	}
	/* An exact copy, so that a sanitizer sees a read past the end. */
	uint8_t *exact = malloc(len > 0 ? len : 1);

	if (!exact)
		return 1;
	memcpy(exact, data, len);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	printf("ok %u - %s\n", number, name);
	return 0;
}

static int run_directory(const char *path, unsigned *number)
{
	DIR *dir = opendir(path);
	int failures = 0;

	if (!dir) {
		printf("not ok %u - %s: cannot be opened\n", ++*number, path);
		return 1;
	}
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		if (e->d_name[0] != '.')
			failures += run_file(dirfd(dir), e->d_name, ++*number);
	closedir(dir);
	return failures;
}

int main(int argc, char **argv)
{
	const char *src = getenv("JOEY_SRCDIR");
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash ? slash + 1 : argv[0];
	unsigned number = 0;
	int failures = 0;

	setvbuf(stdout, NULL, _IOLBF, 0); /* the file before a crash must be seen */
	for (int i = 1; i < argc; i++)
		failures += run_directory(argv[i], &number);
	if (argc == 1) {
		autofree char *path = NULL;

		name += joey_startswith(name, "fuzz_") ? strlen("fuzz_") : 0;
		if (asprintf(&path, "%s/tests/fuzz/corpus/%s", src ? src : ".", name) < 0)
			return 1;
		failures += run_directory(path, &number);
	}
	printf("1..%u\n", number);
	return failures > 0;
}
