/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has to be found out before a cold boot, and is remembered with the template: the version of QEMU, whether the
 * kernel wants ACPI, and the rate of the time stamp counter.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "vmm/vmm-internal.h"

/* In the jail, as it will run. */
int vmm_probe_version(const struct vmm_inputs *in, struct vmm_version *ret, struct joey_err *err)
{
	enum { LIMIT_MS = 10000 };
	char name[] = "qemu", option[] = "--version", text[512] = "";
	char *const argv[] = { name, option, NULL };
	autoclose int from = -EBADF, to = -EBADF, null = open("/dev/null", O_RDWR | O_CLOEXEC), pidfd = -EBADF;
	struct vmm_spawn s = { .in = in, .argv = argv, .share = -EBADF, .cgroup_fd = -EBADF, .status = -EBADF };
	struct pollfd p;
	int fds[2], r, ready;
	ssize_t n = -1;
	pid_t pid;

	if (null < 0 || pipe2(fds, O_CLOEXEC) < 0)
		return joey_err_sys(err, errno, "ask the hypervisor for its version");
	from = fds[0];
	to = fds[1];
	for (int i = 0; i < VMM_FD_END; i++)
		s.fds[i] = -EBADF;
	s.fds[VMM_FD_IN] = s.fds[VMM_FD_ERR] = null;
	s.fds[VMM_FD_OUT] = to;
	r = vmm_spawn(&s, &pid, &pidfd, err);
	if (r < 0)
		return r;
	to = joey_close(to);
	p = (struct pollfd){ .fd = from, .events = POLLIN };
	do
		ready = poll(&p, 1, LIMIT_MS);
	while (ready < 0 && errno == EINTR);
	if (ready > 0)
		n = read(from, text, sizeof(text) - 1);
	(void)joey_sys_pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	(void)joey_wait_pid(pid, NULL);
	if (n > 0 && vmm_version_parse(text, ret) == 0)
		return 0;
	return joey_err_set(err, JOEY_EK_UNSUPPORTED, EPROTO, "'%s' does not say which version of QEMU it is",
			    in->spec.hypervisor);
}

bool vmm_probe_acpi(const char *kernel)
{
	const char *slash = strrchr(kernel, '/');
	autofree char *path = NULL, *text = NULL;
	size_t len;

	if (!slash || asprintf(&path, "%.*s/meta", (int)(slash - kernel), kernel) < 0)
		return true;
	if (joey_read_file_at(AT_FDCWD, path, 0, VMM_TEXT_MAX, &text, &len) < 0)
		return true;
	for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (joey_startswith(line, "acpi="))
			return !joey_startswith(line, "acpi=off");
	return true;
}

#ifdef __x86_64__
static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Both clocks at one moment: of some tries the one with the shortest time in between. */
static void sample(uint64_t *ret_ns, uint64_t *ret_tsc)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 8; i++) {
		uint64_t before = now_ns(), tsc = __builtin_ia32_rdtsc(), after = now_ns();

		if (after - before < best) {
			best = after - before;
			*ret_ns = before + best / 2;
			*ret_tsc = tsc;
		}
	}
}

unsigned vmm_probe_tsc_khz(void)
{
	const struct timespec while_ = { .tv_nsec = 20000000 };
	uint64_t ns[2], tsc[2];

	sample(&ns[0], &tsc[0]);
	(void)nanosleep(&while_, NULL);
	sample(&ns[1], &tsc[1]);
	if (ns[1] <= ns[0] || tsc[1] <= tsc[0])
		return 0;
	return (unsigned)((double)(tsc[1] - tsc[0]) * 1e6 / (double)(ns[1] - ns[0]) + 0.5);
}
#else
unsigned vmm_probe_tsc_khz(void)
{
	return 0;
}
#endif
