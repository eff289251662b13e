/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cgroups make of foreign text and rules; the first byte chooses.
 * p: a cgroupsPath stays below the mount; o: /proc/PID/cgroup; f: flat files; d: device rules give a program whose
 * jumps stay inside, that ends, and of which every instruction can be reached (the verifier refuses others).
 */
#include <string.h>

#include "cgroups/cgroups-internal.h"
#include "fuzz.h"

static void path(const char *text)
{
	struct joey_err err = JOEY_ERR_INIT;
	char *p = NULL;

	if (cgroup_path_build(text, "id", "/own", &p, &err) == 0) {
		FUZZ_ASSERT(p[0] == '/' && p[1] != '\0' && !strstr(p, "/../") && !strstr(p, "//"));
		FUZZ_ASSERT(strlen(p) < 3 || strcmp(p + strlen(p) - 3, "/..") != 0);
		FUZZ_ASSERT(text[0] == '/' || strncmp(p, "/own/", 5) == 0);
	}
	free(p);
	joey_err_clear(&err);
}

static void own(const char *text)
{
	char *p = NULL;

	if (cgroup_host_parse_own(text, &p) == 0)
		FUZZ_ASSERT(p[0] == '/' && !strchr(p, '\n'));
	free(p);
}

static void flat(const char *text)
{
	uint64_t v;

	(void)cgroup_flat_u64(text, "populated", &v);
	(void)cgroup_word_in(text, "memory");
}

static void program(const struct cgroup_devprog *p)
{
	char *seen = calloc(p->n + 1, 1);
	size_t i;

	FUZZ_ASSERT(seen != NULL);
	if (p->n > 0)
		seen[0] = 1;
	/* Jumps go forward only, so one pass finds everything that can be reached. */
	for (i = 0; i < p->n; i++) {
		const struct bpf_insn *in = &p->insns[i];

		FUZZ_ASSERT(seen[i]);
		if (in->code == (BPF_JMP | BPF_EXIT))
			continue;
		if (in->code == (BPF_LD | BPF_DW | BPF_IMM)) {
			FUZZ_ASSERT(i + 2 < p->n);
			seen[++i] = 1;
		}
		if (BPF_CLASS(in->code) == BPF_JMP32) {
			FUZZ_ASSERT(in->off >= 0 && i + 1 + (size_t)in->off < p->n);
			seen[i + 1 + (size_t)in->off] = 1;
		}
		FUZZ_ASSERT(i + 1 < p->n);
		seen[i + 1] = 1;
	}
	free(seen);
}

static void devices(const uint8_t *data, size_t size)
{
	struct joey_device_rule v[256];
	struct cgroup_devprog p = { 0 };
	struct joey_err err = JOEY_ERR_INIT;
	size_t n;

	for (n = 0; n < 256 && size >= 4; n++, data += 4, size -= 4)
		v[n] = (struct joey_device_rule){
			.allow = data[0] & 1,
			.type = "abc"[(data[0] >> 1) % 3],
			.access = data[0] >> 5,
			.major = data[1] == 255 ? -1 : data[1],
			.minor = data[2] == 255 ? -1 : data[2] * (data[3] & 1 ? 1LL : 16777216LL),
		};
	if (cgroup_devices_compile(v, n, &p, &err) == 0) {
		FUZZ_ASSERT(p.allows_all == (p.n == 0));
		program(&p);
		free(p.insns);
	}
	joey_err_clear(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	FUZZ_ASSERT(text != NULL);
	if (data[0] == 'p')
		path(text);
	else if (data[0] == 'o')
		own(text);
	else if (data[0] == 'f')
		flat(text);
	else if (data[0] == 'd')
		devices(data + 1, size - 1);
	free(text);
	return 0;
}
