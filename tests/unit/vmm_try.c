/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts machines as the sandbox process does, with the guest's test agent (guest/test-agent.c) inside, and says how
 * long it took.  For tests/integration/vmm.bats and for measuring by hand:
 *
 *   vmm_try [--qemu P] [--guest DIR] [--memory MIB] [--vcpus N] [--cold] [--times N] [--trust T] [--block FILE] VERB
 *   accel                 which accelerator
 *   build | list | prune | clear
 *   start                 N machines, one after the other: "start MS answer MS restored 0|1"
 *   hold                  one machine: prints pid, then answers of the guest to lines of stdin; ends at end of file
 *   follow                a mount that is made on the share later is seen by the guest
 */
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "joey/log.h"
#include "joey/syscalls.h"
#include "joey/vmm.h"

enum { ANSWER_LIMIT_MS = 60000 };

static int share_fd = -EBADF, block_fd = -EBADF;
static unsigned times = 1;

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* Of children that were waited for. */
static double cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_CHILDREN, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static void sink(void *arg, enum joey_log_level level, const char *text)
{
	(void)arg;
	(void)level;
	fprintf(stderr, "log: %s\n", text);
}

static void progress(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "progress: %s\n", text);
}

static void __attribute__((noreturn)) die(const char *what, struct joey_err *err)
{
	fprintf(stderr, "%s: %s\n", what, err ? joey_err_text(err) : joey_errno_text(errno));
	exit(1);
}

/* As the sandbox process: a mount namespace of its own, in it a shared tmpfs over /mnt. */
static void make_share(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("share", "/mnt", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0 ||
	    mount(NULL, "/mnt", NULL, MS_SHARED, NULL) < 0)
		die("make the share", NULL);
	share_fd = open("/mnt", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (share_fd < 0)
		die("open the share", NULL);
}

static void show_console(struct joey_vmm *vm)
{
	char buf[4096];
	ssize_t n;

	while ((n = recv(vm->console, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		fwrite(buf, 1, (size_t)n, stderr);
}

static void drain(int fd, char *tail, size_t size, size_t *len)
{
	char buf[4096];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		if ((size_t)n + *len < size) {
			memcpy(tail + *len, buf, (size_t)n);
			*len += (size_t)n;
		}
}

/* Until the guest's answer ends with `end`; the answer without the "ready" of a cold boot. */
static bool ask(struct joey_vmm *vm, const char *line, const char *end, char *answer, size_t size)
{
	double deadline = now_ms() + ANSWER_LIMIT_MS;
	static char console[1 << 20];
	size_t len = 0, console_len = 0, n = strlen(end);

	if (send(vm->ctl, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line))
		return false;
	while (now_ms() < deadline) {
		struct pollfd p[2] = { { .fd = vm->ctl, .events = POLLIN }, { .fd = vm->console, .events = POLLIN } };
		ssize_t got;

		if (poll(p, 2, 1000) < 0)
			return false;
		drain(vm->console, console, sizeof(console), &console_len);
		got = recv(vm->ctl, answer + len, size - 1 - len, MSG_DONTWAIT);
		if (got == 0) {
			fwrite(console, 1, console_len, stderr);
			return false;
		}
		if (got < 0)
			continue;
		len += (size_t)got;
		answer[len] = '\0';
		if (len >= n && memcmp(answer + len - n, end, n) == 0)
			return true;
	}
	fwrite(console, 1, console_len, stderr);
	return false;
}

static void start_one(const struct joey_vmm_spec *spec, struct joey_vmm *vm)
{
	struct joey_vmm_start args = { .spec = spec,
				       .zygote_fd = -EBADF,
				       .share_fd = share_fd,
				       .tap_fds = { -EBADF, -EBADF, -EBADF, -EBADF },
				       .cgroup_fd = -EBADF,
				       .block_fd = block_fd,
				       .progress = progress };
	struct joey_err err = JOEY_ERR_INIT;

	if (joey_vmm_start(&args, vm, &err) < 0)
		die("start", &err);
}

static int verb_start(const struct joey_vmm_spec *spec)
{
	int bad = 0;

	for (unsigned i = 0; i < times; i++) {
		struct joey_vmm vm = JOEY_VMM_INIT;
		struct joey_err err = JOEY_ERR_INIT;
		double t0 = now_ms(), t1, t2, cpu = cpu_ms();
		char answer[65536];
		bool ok;

		start_one(spec, &vm);
		t1 = now_ms();
		ok = ask(&vm, "hello\n", "ok hello\n", answer, sizeof(answer));
		t2 = now_ms();
		if (joey_vmm_monitor(&vm, &err) < 0) {
			printf("monitor: %s\n", joey_err_text(&err));
			bad = 1;
		}
		joey_err_clear(&err);
		bad |= !ok;
		joey_vmm_end(&vm);
		printf("start %.1f answer %.1f cpu %.1f restored %d %s\n", t1 - t0, t2 - t0, cpu_ms() - cpu,
		       vm.restored, ok ? "" : "NO ANSWER");
		fflush(stdout);
	}
	return bad;
}

/* Nothing is read ahead: poll(2) must see the next line. */
static bool read_line(char *line, size_t size)
{
	size_t n = 0;

	while (n + 1 < size && read(0, line + n, 1) == 1)
		if (line[n++] == '\n') {
			line[n] = '\0';
			return true;
		}
	return false;
}

static int verb_hold(const struct joey_vmm_spec *spec)
{
	struct joey_vmm vm = JOEY_VMM_INIT;
	char line[256], answer[65536];

	start_one(spec, &vm);
	printf("pid %d restored %d accel %s\n", (int)vm.pid, vm.restored, joey_accel_to_string(vm.accel));
	fflush(stdout);
	for (;;) {
		struct pollfd p[2] = { { .fd = 0, .events = POLLIN }, { .fd = vm.pidfd, .events = POLLIN } };

		if (poll(p, 2, -1) < 0)
			break;
		if (p[1].revents) {
			printf("gone\n");
			break;
		}
		if (!p[0].revents)
			continue;
		if (!read_line(line, sizeof(line)))
			break;
		if (ask(&vm, line, strcmp(line, "report\n") == 0 ? "\n\n" : "\n", answer, sizeof(answer))) {
			printf("%s", answer);
		} else {
			printf("no answer\n");
			break;
		}
		fflush(stdout);
	}
	show_console(&vm);
	joey_vmm_end(&vm);
	return 0;
}

/* The machine runs when the share gets something; the guest must see it. */
static int verb_follow(const struct joey_vmm_spec *spec)
{
	struct joey_vmm vm = JOEY_VMM_INIT;
	char answer[65536];
	bool ok;

	start_one(spec, &vm);
	if (mkdir("/mnt/later", 0755) < 0 || mount("later", "/mnt/later", "tmpfs", 0, NULL) < 0 ||
	    mkdir("/mnt/seen", 0755) < 0)
		die("mount on the share", NULL);
	ok = ask(&vm, "report\n", "\n\n", answer, sizeof(answer)) && strstr(answer, "seen") && strstr(answer, "later");
	printf("%s\n%s", ok ? "followed" : "NOT followed", answer);
	joey_vmm_end(&vm);
	return !ok;
}

static int verb_list(void)
{
	struct joey_vmm_template *v = NULL;
	struct joey_err err = JOEY_ERR_INIT;
	size_t n = 0;

	if (joey_vmm_template_list(&v, &n, &err) < 0)
		die("list", &err);
	for (size_t i = 0; i < n; i++)
		printf("%s holder %d size %llu memory %llu %s %s\n", v[i].key, (int)v[i].holder,
		       (unsigned long long)v[i].size, (unsigned long long)v[i].memory, v[i].kernel, v[i].created);
	joey_vmm_templates_free(v, n);
	return 0;
}

static int run(const char *verb, const struct joey_vmm_spec *spec)
{
	struct joey_err err = JOEY_ERR_INIT;
	char *text = NULL;
	size_t n = 0;
	int r = 0;

	if (strcmp(verb, "accel") == 0) {
		printf("%s", joey_accel_to_string(joey_vmm_accel(-EBADF, &text)));
		printf(" %s\n", text ? text : "");
	} else if (strcmp(verb, "build") == 0) {
		r = joey_vmm_template_build(spec, progress, NULL, &text, &err);
		printf("%s\n", text ? text : "");
	} else if (strcmp(verb, "failed") == 0) {
		joey_vmm_template_failed(spec);
	} else if (strcmp(verb, "list") == 0) {
		return verb_list();
	} else if (strcmp(verb, "prune") == 0 || strcmp(verb, "clear") == 0) {
		r = joey_vmm_template_prune(verb[0] == 'c', &n, &err);
	} else {
		make_share();
		return strcmp(verb, "start") == 0    ? verb_start(spec)
		       : strcmp(verb, "hold") == 0   ? verb_hold(spec)
		       : strcmp(verb, "follow") == 0 ? verb_follow(spec)
						     : 2;
	}
	if (r < 0)
		die(verb, &err);
	free(text);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "qemu", 1, NULL, 'q' },  { "guest", 1, NULL, 'g' }, { "memory", 1, NULL, 'm' },
		{ "vcpus", 1, NULL, 'c' }, { "cold", 0, NULL, 'C' },  { "times", 1, NULL, 'n' },
		{ "trust", 1, NULL, 't' }, { "block", 1, NULL, 'b' }, { "kvm", 0, NULL, 'k' },
		{ NULL, 0, NULL, 0 },
	};
	struct joey_vmm_spec spec = { .memory = 2048ULL << 20, .vcpus = 1 };
	char *kernel = NULL, *initramfs = NULL;
	uint32_t mib = 2048;
	int o;

	joey_log_set_sink(sink, NULL, JOEY_LOG_DEBUG);
	while ((o = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		bool ok = true;

		switch (o) {
		case 'q':
			spec.hypervisor = optarg;
			break;
		case 'g':
			ok = asprintf(&kernel, "%s/vmlinux", optarg) >= 0 &&
			     asprintf(&initramfs, "%s/initramfs.cpio", optarg) >= 0;
			spec.kernel = kernel;
			spec.initramfs = initramfs;
			break;
		case 'm':
			ok = joey_parse_u32(optarg, &mib) == 0;
			spec.memory = (uint64_t)mib << 20;
			break;
		case 'c':
			ok = joey_parse_u32(optarg, &spec.vcpus) == 0;
			break;
		case 'C':
			spec.no_template = true;
			break;
		case 'n':
			ok = joey_parse_u32(optarg, &times) == 0;
			break;
		case 't':
			spec.trust = optarg;
			break;
		case 'b':
			block_fd = open(optarg, O_RDONLY | O_CLOEXEC);
			ok = block_fd >= 0;
			break;
		case 'k':
			spec.accel = JOEY_ACCEL_KVM;
			break;
		default:
			ok = false;
		}
		if (!ok)
			return 2;
	}
	return optind < argc ? run(argv[optind], &spec) : 2;
}
