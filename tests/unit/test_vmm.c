/* SPDX-License-Identifier: Apache-2.0 */
/* src/vmm with a hypervisor that is none (fake_qemu.c): command line, monitor, templates, and what a jailed process can
 * do. */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "unit.h"
#include "vmm/vmm-internal.h"

static char dir[] = "/tmp/joey-test-vmm-XXXXXX", kernel[64], initramfs[64], qemu[512];
static bool privileged;

#define NEED_ROOT()              \
	do {                     \
		if (!privileged) \
			skip();  \
	} while (0)

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static struct joey_vmm_spec spec_of(const char *mode)
{
	write_file(kernel, mode);
	return (struct joey_vmm_spec){
		.hypervisor = qemu, .kernel = kernel, .initramfs = initramfs, .memory = 64 << 20, .vcpus = 1
	};
}

static int group_setup(void **state)
{
	const char *build = getenv("JOEY_BUILDDIR");

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(kernel, sizeof(kernel), "%s/vmlinux", dir);
	snprintf(initramfs, sizeof(initramfs), "%s/initramfs.cpio", dir);
	snprintf(qemu, sizeof(qemu), "%s/tests/unit/fake_qemu", build ? build : ".");
	if (qemu[0] == '.') {
		char *real = realpath(qemu, NULL);

		snprintf(qemu, sizeof(qemu), "%s", real ? real : "");
		free(real);
	}
	write_file(initramfs, "initramfs");
	/* Templates of this test are seen by nobody else. */
	privileged = geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
		     mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		     mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") == 0;
	return 0;
}

static int group_teardown(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	size_t n;

	(void)state;
	if (privileged)
		(void)joey_vmm_template_prune(true, &n, &err);
	unlink(kernel);
	unlink(initramfs);
	rmdir(dir);
	return 0;
}

/* ---- command line ----------------------------------------------------------------------------------------------- */

static char *line_of(struct joey_arena *arena, const struct vmm_inputs *in, enum vmm_mode mode, unsigned major,
		     unsigned minor, bool block)
{
	const struct vmm_machine m = {
		.in = in, .version = { major, minor }, .mode = mode, .acpi = true, .block = block, .tsc_khz = 2000000
	};
	char **argv = vmm_command_line(&m, arena), *all;
	struct joey_str s = JOEY_STR_INIT;

	assert_non_null(argv);
	for (size_t i = 0; argv[i]; i++)
		joey_str_printf(&s, "%s ", argv[i]);
	all = joey_arena_strdup(arena, s.buf);
	joey_str_done(&s);
	return all;
}

static void command_line(void **state)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct vmm_inputs in = { .spec = { .memory = 512ULL << 20, .vcpus = 2 }, .tun = true };
	char name[] = "/usr/bin/qemu";
	const char *l;

	(void)state;
	in.hypervisor = name;
	l = line_of(&arena, &in, VMM_BOOT, 7, 2, false);
	assert_null(strchr(l, '{'));
	assert_non_null(strstr(l, " -chroot /empty "));
	assert_non_null(strstr(l, " -smp 2 -m 512M "));
	assert_non_null(strstr(l, "memory-backend-ram,id=ram,size=512M "));
	assert_non_null(strstr(l, "-L /usr/share/qemu "));
	assert_null(strstr(l, "-incoming"));
	assert_non_null(strstr(l, "-netdev tap,id=net,fd=11"));
	assert_non_null(strstr(l, "tsc_early_khz=2000000"));
	assert_non_null(strstr(l, "null-co"));
	l = line_of(&arena, &in, VMM_RESTORE, 10, 0, true);
	assert_non_null(strstr(l, " -run-with chroot=/empty "));
	assert_null(strstr(l, "-chroot"));
	assert_null(strstr(l, "-kernel"));
	assert_non_null(strstr(l, "-incoming defer"));
	assert_non_null(strstr(l, "mem-path=/proc/self/fd/7,share=off "));
	assert_non_null(strstr(l, "filename=/proc/self/fd/12,"));
	in.tun = false;
	in.spec.accel = JOEY_ACCEL_KVM;
	l = line_of(&arena, &in, VMM_BUILD, 8, 1, false);
	assert_non_null(strstr(l, "-netdev hubport"));
	assert_non_null(strstr(l, "share=on"));
	assert_non_null(strstr(l, "accel=kvm"));
	assert_null(strstr(l, "tsc_early_khz"));
	joey_arena_done(&arena);
}

static unsigned occurrences(const char *text, const char *word)
{
	unsigned n = 0;

	while ((text = strstr(text, word))) {
		text++;
		n++;
	}
	return n;
}

/* More network devices change nothing for machines with one; all have their places: a microvm has eight. */
static void network_devices(void **state)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct vmm_inputs in = { .spec = { .memory = 512ULL << 20, .vcpus = 2, .nets = 1 }, .tun = true };
	char name[] = "/usr/bin/qemu";
	const char *none, *one, *four;

	(void)state;
	in.hypervisor = name;
	one = line_of(&arena, &in, VMM_RESTORE, 7, 2, true);
	in.spec.nets = 0;
	none = line_of(&arena, &in, VMM_RESTORE, 7, 2, true);
	assert_string_equal(none, one);
	assert_int_equal(occurrences(one, "virtio-net-device"), 1);
	assert_null(strstr(one, "mac="));
	in.spec.nets = JOEY_VMM_NETS_MAX;
	four = line_of(&arena, &in, VMM_RESTORE, 7, 2, true);
	assert_null(strchr(four, '{'));
	assert_non_null(strstr(four, "tap,id=net,fd=11,"));
	assert_non_null(strstr(four, "tap,id=net1,fd=13,"));
	assert_non_null(strstr(four, "tap,id=net2,fd=14,"));
	assert_non_null(strstr(four, "tap,id=net3,fd=15,"));
	assert_non_null(strstr(four, "netdev=net1,guest_announce=off,mac=52:54:00:12:34:57 "));
	assert_non_null(strstr(four, "netdev=net3,guest_announce=off,mac=52:54:00:12:34:59 "));
	assert_int_equal(occurrences(four, "-device virtio-"), 8);
	in.tun = false;
	four = line_of(&arena, &in, VMM_RESTORE, 7, 2, true);
	assert_int_equal(occurrences(four, "-netdev hubport,"), 4);
	assert_null(strstr(four, "-netdev tap"));
	joey_arena_done(&arena);
}

/* Everything that the guest can see is the same in a template and in its clones. */
static void same_devices_of(unsigned nets)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct vmm_inputs in = { .spec = { .memory = 512ULL << 20, .vcpus = 1, .nets = nets }, .tun = true };
	char name[] = "/opt/q/bin/qemu";
	struct vmm_machine m = { .in = &in, .version = { 7, 2 }, .mode = VMM_BUILD };
	char **a, **b;

	in.hypervisor = name;
	a = vmm_command_line(&m, &arena);
	m.mode = VMM_RESTORE;
	m.block = true;
	b = vmm_command_line(&m, &arena);
	for (;;) {
		while (*a && strcmp(*a, "-device") != 0 && strcmp(*a, "-machine") != 0 && strcmp(*a, "-cpu") != 0)
			a++;
		while (*b && strcmp(*b, "-device") != 0 && strcmp(*b, "-machine") != 0 && strcmp(*b, "-cpu") != 0)
			b++;
		if (!*a || !*b)
			break;
		assert_string_equal(a[1], b[1]);
		a += 2;
		b += 2;
	}
	assert_true(!*a && !*b);
	joey_arena_done(&arena);
}

static void same_devices(void **state)
{
	(void)state;
	same_devices_of(1);
	same_devices_of(JOEY_VMM_NETS_MAX);
}

static void directories(void **state)
{
	struct joey_arena arena = JOEY_ARENA_INIT;

	(void)state;
	assert_string_equal(vmm_qemu_dir("/opt/q/bin/qemu", 0, true, &arena), "/opt/q/share/qemu");
	assert_string_equal(vmm_qemu_dir("/opt/q/bin/qemu", 3, true, &arena), "/usr/share/qemu");
	assert_null(vmm_qemu_dir("/usr/bin/qemu", 3, true, &arena));
	assert_string_equal(vmm_qemu_dir("/qemu", 0, true, &arena), "/usr/share/qemu");
	joey_arena_done(&arena);
}

static void versions(void **state)
{
	struct vmm_version v;

	(void)state;
	assert_int_equal(vmm_version_parse("QEMU emulator version 7.2.22 (Debian 1:7.2)\n", &v), 0);
	assert_true(v.major == 7 && v.minor == 2);
	assert_int_equal(vmm_version_parse("QEMU emulator version 10.0.13", &v), 0);
	assert_true(v.major == 10 && v.minor == 0);
	assert_int_equal(vmm_version_parse("", &v), -EPROTO);
	assert_int_equal(vmm_version_parse("version ", &v), -EPROTO);
	assert_int_equal(vmm_version_parse("version 7", &v), -EPROTO);
	assert_int_equal(vmm_version_parse("version 7.", &v), -EPROTO);
	assert_int_equal(vmm_version_parse("version 777777777777777777.1", &v), -EPROTO);
}

static void meta(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/meta", dir);
	assert_true(vmm_probe_acpi(kernel));
	write_file(path, "kernel=x\nacpi=off\n");
	assert_false(vmm_probe_acpi(kernel));
	write_file(path, "kernel=acpi=off\nacpi=on\n");
	assert_true(vmm_probe_acpi(kernel));
	write_file(path, "");
	assert_true(vmm_probe_acpi(kernel));
	unlink(path);
}

/* ---- key -------------------------------------------------------------------------------------------------------- */

static void key_of(const struct joey_vmm_spec *spec, char key[VMM_KEY_LEN + 1])
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct vmm_inputs in = VMM_INPUTS_INIT;

	assert_int_equal(vmm_inputs_open(spec, &in, &err), 0);
	memcpy(key, in.key, sizeof(in.key));
	assert_true(vmm_is_key(key));
	vmm_inputs_done(&in);
}

static void keys(void **state)
{
	char first[VMM_KEY_LEN + 1], other[VMM_KEY_LEN + 1];
	struct joey_vmm_spec spec = spec_of("good");

	(void)state;
	key_of(&spec, first);
	key_of(&spec, other);
	assert_string_equal(first, other);
	spec.no_template = true;
	key_of(&spec, other);
	assert_string_equal(first, other);
	spec.trust = "host";
	key_of(&spec, other);
	assert_string_equal(first, other);
	spec.trust = "a";
	key_of(&spec, other);
	assert_string_not_equal(first, other);
	spec.trust = NULL;
	spec.memory += 1 << 20;
	key_of(&spec, other);
	assert_string_not_equal(first, other);
	spec.memory -= 1 << 20;
	spec.vcpus = 2;
	key_of(&spec, other);
	assert_string_not_equal(first, other);
	spec.vcpus = 1;
	spec.nets = 1; /* the same as no word of it */
	key_of(&spec, other);
	assert_string_equal(first, other);
	spec.nets = JOEY_VMM_NETS_MAX;
	key_of(&spec, other);
	assert_string_not_equal(first, other);
	spec.nets = 0;
	spec.accel = JOEY_ACCEL_KVM;
	key_of(&spec, other);
	assert_string_not_equal(first, other);
	/* the same words written again are another file */
	usleep(20000);
	spec = spec_of("good");
	key_of(&spec, other);
	assert_string_not_equal(first, other);
}

static void bad_inputs(void **state)
{
	struct joey_vmm_spec good = spec_of("good"), s;
	struct vmm_inputs in = VMM_INPUTS_INIT;

	(void)state;
	for (int i = 0; i < 8; i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;

		s = good;
		if (i == 0)
			s.memory = 1;
		else if (i == 1)
			s.memory = UINT64_MAX;
		else if (i == 2)
			s.vcpus = 0;
		else if (i == 3)
			s.vcpus = 100000;
		else if (i == 4)
			s.kernel = "vmlinux";
		else if (i == 5)
			s.kernel = "/";
		else if (i == 6)
			s.nets = 2;
		else
			s.hypervisor = "/nonexistent/qemu";
		assert_true(vmm_inputs_open(&s, &in, &err) < 0);
		assert_true(err.errnum > 0);
	}
}

/* ---- monitor ---------------------------------------------------------------------------------------------------- */

static int parse(const char *text, struct vmm_qmp_message *m, struct joey_arena *arena)
{
	return vmm_qmp_parse(text, strlen(text), arena, m);
}

static void qmp_lines(void **state)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct vmm_qmp_message m;

	(void)state;
	assert_int_equal(parse("{\"QMP\": {\"version\": {}}}", &m, &arena), 0);
	assert_int_equal(m.kind, VMM_QMP_GREETING);
	assert_int_equal(parse("{\"return\": {}, \"id\": 7}", &m, &arena), 0);
	assert_true(m.kind == VMM_QMP_RETURN && m.has_id && m.id == 7);
	assert_int_equal(parse("{\"return\": {}, \"id\": -1}", &m, &arena), 0);
	assert_false(m.has_id);
	assert_int_equal(parse("{\"error\": {\"class\": \"x\", \"desc\": \"a\\u001bb\"}}", &m, &arena), 0);
	assert_int_equal(m.kind, VMM_QMP_ERROR);
	assert_string_equal(m.text, "a b");
	assert_int_equal(parse("{\"error\": 5}", &m, &arena), 0);
	assert_string_equal(m.text, "(no text)");
	assert_int_equal(parse("{\"event\": \"STOP\", \"data\": {}}", &m, &arena), 0);
	assert_int_equal(m.kind, VMM_QMP_EVENT);
	assert_int_equal(parse("{}", &m, &arena), -EPROTO);
	assert_int_equal(parse("[]", &m, &arena), -EPROTO);
	assert_int_equal(parse("", &m, &arena), -EPROTO);
	assert_int_equal(parse("{\"return\": ", &m, &arena), -EPROTO);
	joey_arena_done(&arena);
}

static void qmp_bounds(void **state)
{
	struct joey_vmm_monitor_state q = { 0 };
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct vmm_qmp_message m;
	char junk[4096];
	int sv[2], r = 0;

	(void)state;
	memset(junk, 'x', sizeof(junk));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	/* half a line, then the rest, then an empty one */
	assert_int_equal(write(sv[1], "{\"event\": ", 10), 10);
	assert_int_equal(vmm_qmp_read(&q, sv[0], &arena, &m), 0);
	assert_int_equal(write(sv[1], "\"A\"}\r\n\r\n\n{\"event\": \"B\"}\n", 25), 25);
	assert_int_equal(vmm_qmp_read(&q, sv[0], &arena, &m), 1);
	assert_string_equal(m.text, "A");
	assert_int_equal(vmm_qmp_read(&q, sv[0], &arena, &m), 1);
	assert_string_equal(m.text, "B");
	assert_int_equal(vmm_qmp_read(&q, sv[0], &arena, &m), 0);
	/* a line without end */
	for (int i = 0; i < 64 && r == 0; i++) {
		assert_int_equal(write(sv[1], junk, sizeof(junk)), (ssize_t)sizeof(junk));
		r = vmm_qmp_read(&q, sv[0], &arena, &m);
	}
	assert_int_equal(r, -EPROTO);
	assert_true(q.cap <= VMM_QMP_LINE_MAX);
	free(q.buf);
	q = (struct joey_vmm_monitor_state){ 0 };
	close(sv[1]);
	while ((r = vmm_qmp_read(&q, sv[0], &arena, &m)) == 0)
		;
	assert_true(r == -ENODATA || r == -EPROTO);
	close(sv[0]);
	free(q.buf);
	joey_arena_done(&arena);
}

static void qmp_deadline(void **state)
{
	struct joey_vmm_monitor_state q = { 0 };
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct joey_err err = JOEY_ERR_INIT;
	uint64_t begin = joey_now_ms();
	int sv[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	/* an answer to something else, and an answer without a question */
	assert_int_equal(write(sv[1], "{\"return\": {}, \"id\": 2}\n{\"return\": {}}\n", 39), 39);
	assert_int_equal(vmm_qmp_call(&q, sv[0], "\"execute\":\"stop\"", -1, begin + 100, &arena, NULL, &err),
			 -ETIMEDOUT);
	assert_int_equal(err.kind, JOEY_EK_TIMEOUT);
	assert_in_range(joey_now_ms() - begin, 100, 1000);
	joey_err_clear(&err);
	assert_int_equal(write(sv[1], "{\"error\": {\"desc\": \"no\"}, \"id\": 2}\n", 35), 35);
	assert_int_equal(vmm_qmp_call(&q, sv[0], "\"execute\":\"stop\"", -1, begin + 2000, &arena, NULL, &err),
			 -EPROTO);
	assert_non_null(strstr(joey_err_text(&err), "refuses: no"));
	joey_err_clear(&err);
	close(sv[1]);
	assert_int_equal(vmm_qmp_call(&q, sv[0], "\"execute\":\"stop\"", -1, begin + 2000, &arena, NULL, &err), -EPIPE);
	joey_err_clear(&err);
	close(sv[0]);
	free(q.buf);
	joey_arena_done(&arena);
}

/* ---- records, verdicts, locks ----------------------------------------------------------------------------------- */

static void records(void **state)
{
	char texts[5][8] = { "/q", "/k", "/i", "t", "now" };
	struct vmm_record r = { texts[0], texts[1], texts[2], texts[3], texts[4],       1,   2, 4, 3, 4,
				5,        6,        7,        2,        JOEY_ACCEL_KVM, true },
			  back;
	struct joey_err err = JOEY_ERR_INIT;
	char *text = NULL;
	size_t len;

	(void)state;
	assert_int_equal(vmm_record_text(&r, &text, &len), 0);
	assert_int_equal(vmm_record_parse(text, len, &back, &err), 0);
	assert_string_equal(back.kernel, "/k");
	assert_true(back.memory == 1 && back.vcpus == 2 && back.nets == 4 && back.holder == 5 &&
		    back.holder_start == 6 && back.major == 7 && back.accel == JOEY_ACCEL_KVM && back.acpi);
	/* every shorter text is refused, and leaves nothing behind */
	for (size_t i = 0; i < len; i++) {
		struct vmm_record none;

		assert_true(vmm_record_parse(text, i, &none, &err) < 0);
		joey_err_clear(&err);
	}
	vmm_record_done(&back);
	r.holder = 1; /* nobody's holder */
	free(text);
	assert_int_equal(vmm_record_text(&r, &text, &len), 0);
	assert_int_equal(vmm_record_parse(text, len, &back, &err), -EPROTO);
	joey_err_clear(&err);
	free(text);
}

/* What a record may not lead to: a process that is gone, another one, files without seals or of another size. */
static void false_holders(void **state)
{
	int ram = memfd_create("r", MFD_CLOEXEC | MFD_ALLOW_SEALING),
	    dev = memfd_create("s", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct vmm_record r = { .ram_size = 4096, .state_size = 5 };
	struct vmm_image image = VMM_IMAGE_INIT;
	struct joey_err err = JOEY_ERR_INIT;
	pid_t child;

	(void)state;
	assert_true(ram >= 0 && dev >= 0 && ftruncate(ram, 4096) == 0 && write(dev, "STATE", 5) == 5);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(fcntl(ram, F_DUPFD, 20), VMM_HOLDER_RAM);
		dup2(fcntl(dev, F_DUPFD, 20), VMM_HOLDER_STATE);
		for (;;)
			pause();
	}
	usleep(50000);
	r.holder = (uint64_t)child;
	assert_int_equal(joey_proc_stat(child, &r.holder_start, NULL), 0);
	assert_int_equal(vmm_record_open(&r, &image, NULL, &err), -ESTALE);
	joey_err_clear(&err);
	assert_int_equal(fcntl(ram, F_ADD_SEALS, VMM_SEALS), 0);
	assert_int_equal(fcntl(dev, F_ADD_SEALS, VMM_SEALS & ~F_SEAL_WRITE), -1 + 1);
	assert_int_equal(vmm_record_open(&r, &image, NULL, &err), -ESTALE);
	joey_err_clear(&err);
	r.holder_start++;
	assert_int_equal(vmm_record_open(&r, &image, NULL, &err), -ESTALE);
	joey_err_clear(&err);
	kill(child, SIGKILL);
	r.holder_start--;
	usleep(50000); /* a zombie now */
	assert_int_equal(vmm_record_open(&r, &image, NULL, &err), -ESTALE);
	joey_err_clear(&err);
	waitpid(child, NULL, 0);
	assert_int_equal(vmm_record_open(&r, &image, NULL, &err), -ESTALE);
	joey_err_clear(&err);
	close(ram);
	close(dev);
}

static void verdicts(void **state)
{
	static const char no[] = "{\"version\":1,\"identity\":\"b\",\"usable\":false,\"why\":\"slow\"}";
	static const char yes[] = "{\"version\":1,\"identity\":\"b\",\"usable\":true}";
	char *why = NULL;
	bool usable;

	(void)state;
	assert_int_equal(vmm_verdict_parse(yes, strlen(yes), "b", &usable, &why), 0);
	assert_true(usable && !why);
	assert_int_equal(vmm_verdict_parse(no, strlen(no), "b", &usable, &why), 0);
	assert_false(usable);
	assert_string_equal(why, "slow");
	free(why);
	assert_true(vmm_verdict_parse(yes, strlen(yes), "other boot", &usable, &why) < 0);
	for (size_t i = 0; i < strlen(no); i++)
		assert_true(vmm_verdict_parse(no, i, "b", &usable, &why) < 0);
}

static void locks(void **state)
{
	const struct timespec long_ago[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	char key[VMM_KEY_LEN + 1], name[VMM_KEY_LEN + 16];
	struct joey_err err = JOEY_ERR_INIT;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), first = -1, second = -1;
	uint64_t begin = joey_now_ms();

	(void)state;
	memset(key, 'a', VMM_KEY_LEN);
	key[VMM_KEY_LEN] = '\0';
	assert_int_equal(vmm_store_lock(fd, key, 0, &first, &err), 0);
	assert_int_equal(vmm_store_lock(fd, key, begin + 100, &second, &err), -ETIMEDOUT);
	assert_int_equal(err.kind, JOEY_EK_TIMEOUT);
	joey_err_clear(&err);
	assert_in_range(joey_now_ms() - begin, 100, 1000);
	close(first);
	assert_int_equal(vmm_store_lock(fd, key, 0, &second, &err), 0);
	close(second);
	assert_int_equal(vmm_store_bad(fd, key), 0);
	vmm_store_mark_bad(fd, key);
	vmm_store_mark_bad(fd, key);
	assert_int_equal(vmm_store_bad(fd, key), 2);
	snprintf(name, sizeof(name), "%s.bad", key);
	assert_int_equal(utimensat(fd, name, long_ago, 0), 0);
	assert_int_equal(vmm_store_bad(fd, key), 0);
	vmm_store_mark_bad(fd, key);
	assert_int_equal(vmm_store_bad(fd, key), 1);
	key[0] = 'b';
	assert_int_equal(vmm_store_bad(fd, key), 0);
	key[0] = 'a';
	snprintf(name, sizeof(name), "%s.bad", key);
	unlinkat(fd, name, 0);
	snprintf(name, sizeof(name), "%s.lock", key);
	unlinkat(fd, name, 0);
	close(fd);
}

/* ---- with a process --------------------------------------------------------------------------------------------- */

static int build_as(const char *mode, unsigned limit_ms, char *why, size_t size)
{
	const struct joey_vmm_spec spec = spec_of(mode);
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct vmm_inputs in = VMM_INPUTS_INIT;
	struct vmm_image image = VMM_IMAGE_INIT;
	int r;

	assert_int_equal(vmm_inputs_open(&spec, &in, &err), 0);
	in.boot_limit_ms = limit_ms;
	r = vmm_image_build(&in, &image, &err);
	snprintf(why, size, "%s", r < 0 ? joey_err_text(&err) : "");
	if (r == 0) {
		assert_int_equal(fcntl(image.ram_fd, F_GET_SEALS) & VMM_SEALS, VMM_SEALS);
		assert_int_equal(fcntl(image.state_fd, F_GET_SEALS) & VMM_SEALS, VMM_SEALS);
		assert_true(image.version.major == 7 && image.version.minor == 2);
	}
	vmm_image_done(&image);
	vmm_inputs_done(&in);
	return r;
}

static void builds(void **state)
{
	static const struct {
		const char *mode;
		int result;
		const char *text;
	} cases[] = {
		{ "good", 0, "" },
		{ "silent", -ETIMEDOUT, "not ready in time" },
		{ "flood", -ETIMEDOUT, "not ready in time" },
		{ "deaf", -ETIMEDOUT, "not ready in time" },
		{ "dying", -EPIPE, "qemu: out of [1m luck" },
		{ "badframe", -EPROTO, "does not speak the protocol" },
		{ "failing", -EIO, "cannot save" },
		{ "empty", -EIO, "is empty" },
		{ "liar", -EPROTO, "" },
	};
	char why[1024];

	(void)state;
	NEED_ROOT();
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(cases); i++) {
		uint64_t begin = joey_now_ms();
		int r = build_as(cases[i].mode, cases[i].result == -ETIMEDOUT ? 300 : 20000, why, sizeof(why));

		if (r != cases[i].result || !strstr(why, cases[i].text))
			fail_msg("%s: %d %s", cases[i].mode, r, why);
		if (r == -ETIMEDOUT)
			assert_in_range(joey_now_ms() - begin, 600, 10000);
	}
}

static int share_fd(void)
{
	static int fd = -1;

	if (fd < 0) {
		assert_int_equal(mkdir("/run/share", 0755), 0);
		assert_int_equal(mount("share", "/run/share", "tmpfs", 0, NULL), 0);
		fd = open("/run/share", O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	return fd;
}

static int start_as(const struct joey_vmm_spec *spec, struct joey_vmm *vm, struct joey_err *err)
{
	const struct joey_vmm_start args = { .spec = spec,
					     .zygote_fd = -EBADF,
					     .share_fd = share_fd(),
					     .tap_fds = { -EBADF, -EBADF, -EBADF, -EBADF },
					     .cgroup_fd = -EBADF,
					     .block_fd = -EBADF };

	return joey_vmm_start(&args, vm, err);
}

static void ask(struct joey_vmm *vm, const char *line, char *answer, size_t size)
{
	struct pollfd p = { .fd = vm->ctl, .events = POLLIN };
	size_t len = 0;

	assert_int_equal(send(vm->ctl, line, strlen(line), MSG_NOSIGNAL), (ssize_t)strlen(line));
	while (poll(&p, 1, 5000) > 0) {
		ssize_t n = recv(vm->ctl, answer + len, size - 1 - len, 0);

		if (n <= 0)
			break;
		len += (size_t)n;
		answer[len] = '\0';
		if (answer[len - 1] == '\n')
			return;
	}
	answer[len] = '\0';
}

static void pruned(size_t want, size_t want_left)
{
	struct joey_vmm_template *v = NULL;
	struct joey_err err = JOEY_ERR_INIT;
	size_t n = 99;

	assert_int_equal(joey_vmm_template_prune(false, &n, &err), 0);
	assert_int_equal(n, want);
	assert_int_equal(joey_vmm_template_list(&v, &n, &err), 0);
	assert_int_equal(n, want_left);
	joey_vmm_templates_free(v, n);
}

static void starts(void **state)
{
	const struct joey_vmm_spec spec = spec_of("good");
	struct joey_vmm vm = JOEY_VMM_INIT;
	struct joey_err err = JOEY_ERR_INIT;
	struct joey_vmm_template *v = NULL;
	char answer[8192];
	size_t n = 0;

	(void)state;
	NEED_ROOT();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(start_as(&spec, &vm, &err), 0);
		assert_true(vm.restored);
		assert_int_equal(vm.accel, JOEY_ACCEL_TCG);
		ask(&vm, "hello\n", answer, sizeof(answer));
		assert_string_equal(answer, "ok hello\n");
		assert_int_equal(joey_vmm_monitor(&vm, &err), 0);
		joey_vmm_end(&vm);
		assert_int_equal(vm.ctl, -EBADF);
	}
	assert_int_equal(joey_vmm_template_list(&v, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_true(v[0].holder > 1 && v[0].memory == 64 << 20 && v[0].size > 0);
	assert_string_equal(v[0].trust, "host");
	/* the holder dies: the next start makes another */
	assert_int_equal(kill(v[0].holder, SIGKILL), 0);
	joey_vmm_templates_free(v, n);
	usleep(50000);
	assert_int_equal(start_as(&spec, &vm, &err), 0);
	assert_true(vm.restored);
	joey_vmm_end(&vm);
	pruned(0, 1);
	/* other inputs: pruned */
	usleep(20000);
	(void)spec_of("good");
	assert_int_equal(joey_vmm_template_list(&v, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_string_equal(v[0].why, "what it was made of has changed");
	assert_true(v[0].holder > 1);
	joey_vmm_templates_free(v, n);
	pruned(1, 0);
}

/* Perhaps not reaped by whoever got it. */
static bool is_gone(pid_t pid)
{
	char state = 'Z';
	uint64_t start;

	return joey_proc_stat(pid, &start, &state) < 0 || state == 'Z';
}

/* Made by wish, removed by a prefix; what runs goes on. */
static void removed(void **state)
{
	struct joey_vmm_spec spec = spec_of("good");
	struct joey_vmm_template *v = NULL;
	struct joey_vmm vm = JOEY_VMM_INIT;
	struct joey_err err = JOEY_ERR_INIT;
	char *key = NULL, *same = NULL, answer[64], prefix[9];
	size_t n = 0;
	pid_t holder;

	(void)state;
	NEED_ROOT();
	/* failures of the past do not keep it from being made */
	for (int i = 0; i < VMM_BAD_MAX; i++)
		joey_vmm_template_failed(&spec);
	assert_int_equal(joey_vmm_template_list(&v, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_string_equal(v[0].why, "failed 3 times");
	assert_int_equal(v[0].holder, 0);
	joey_vmm_templates_free(v, n);
	assert_int_equal(joey_vmm_template_build(&spec, NULL, NULL, &key, &err), 0);
	assert_int_equal(joey_vmm_template_build(&spec, NULL, NULL, &same, &err), 0);
	assert_string_equal(key, same);
	free(same);
	spec.memory *= 2;
	assert_int_equal(joey_vmm_template_build(&spec, NULL, NULL, &same, &err), 0);
	assert_string_not_equal(key, same);
	assert_int_equal(joey_vmm_template_list(&v, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_true(strcmp(v[0].key, v[1].key) < 0 && !v[0].why && !v[1].why && v[0].age < 60);
	holder = joey_streq(v[0].key, same) ? v[0].holder : v[1].holder;
	joey_vmm_templates_free(v, n);
	assert_int_equal(start_as(&spec, &vm, &err), 0);
	assert_true(vm.restored);

	assert_int_equal(joey_vmm_template_remove("", &key, &err), -ENOENT);
	joey_err_clear(&err);
	assert_int_equal(joey_vmm_template_remove("zz", &key, &err), -ENOENT);
	joey_err_clear(&err);
	snprintf(prefix, sizeof(prefix), "%.8s", same);
	free(key);
	assert_int_equal(joey_vmm_template_remove(prefix, &key, &err), 0);
	assert_string_equal(key, same);
	assert_true(is_gone(holder));
	ask(&vm, "hello\n", answer, sizeof(answer));
	assert_string_equal(answer, "ok hello\n");
	joey_vmm_end(&vm);
	assert_int_equal(joey_vmm_template_prune(true, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(joey_vmm_template_prune(true, &n, &err), 0);
	assert_int_equal(n, 0);
	free(key);
	free(same);
}

static void jailed(void **state)
{
	struct joey_vmm_spec spec = spec_of("good");
	struct joey_err err = JOEY_ERR_INIT;
	char answer[8192], want[256];
	bool tun = access("/dev/net/tun", R_OK | W_OK) == 0;

	(void)state;
	NEED_ROOT();
	for (unsigned nets = 1; nets <= JOEY_VMM_NETS_MAX; nets += JOEY_VMM_NETS_MAX - 1) {
		struct joey_vmm vm = JOEY_VMM_INIT;

		spec.nets = nets;
		assert_int_equal(start_as(&spec, &vm, &err), 0);
		ask(&vm, "report\n", answer, sizeof(answer));
		/* 0-8, taps, the report's own two, "." and ".." */
		snprintf(want, sizeof(want),
			 "fds=%u env=0 write=0 shared=0 truncate=0 etc=0 home=0 work=0 mkdir=0 pid=1 "
			 "cap=000000008004001f nnp=1\n\n",
			 9 + tun * nets + 4);
		assert_string_equal(answer, want);
		joey_vmm_end(&vm);
	}
}

static void goes_wrong(void **state)
{
	struct joey_vmm_spec spec = spec_of("refusing");
	struct joey_vmm vm = JOEY_VMM_INIT;
	struct joey_err err = JOEY_ERR_INIT;
	struct pollfd p = { .events = POLLIN };
	char answer[256];
	int r = 0;

	(void)state;
	NEED_ROOT();
	/* the state cannot be loaded: QEMU says so on its monitor */
	assert_int_equal(start_as(&spec, &vm, &err), 0);
	for (int i = 0; i < 500 && r == 0; i++) {
		usleep(10000);
		r = joey_vmm_monitor(&vm, &err);
	}
	assert_int_equal(r, -EPROTO);
	assert_non_null(strstr(joey_err_text(&err), "load of [31m state failed"));
	joey_err_clear(&err);
	joey_vmm_end(&vm);
	/* after three failures templates of this guest are given up, and it boots cold */
	for (int i = 0; i < 3; i++)
		joey_vmm_template_failed(&spec);
	assert_int_equal(start_as(&spec, &vm, &err), 0);
	assert_false(vm.restored);
	/* it ends: seen on the pidfd and on ctl */
	(void)send(vm.ctl, "exit\n", 5, MSG_NOSIGNAL);
	p.fd = vm.pidfd;
	assert_int_equal(poll(&p, 1, 5000), 1);
	while ((r = (int)recv(vm.ctl, answer, sizeof(answer), 0)) > 0)
		;
	assert_int_equal(r, 0);
	joey_vmm_end(&vm);
	/* cold by wish */
	spec = spec_of("good");
	spec.no_template = true;
	assert_int_equal(start_as(&spec, &vm, &err), 0);
	assert_false(vm.restored);
	joey_vmm_end(&vm);
	/* not a program: the error says which, and the process is gone */
	write_file(initramfs, "initramfs");
	snprintf(answer, sizeof(answer), "%s", initramfs);
	spec.hypervisor = answer;
	assert_true(start_as(&spec, &vm, &err) < 0);
	assert_non_null(strstr(joey_err_text(&err), "execute"));
	joey_err_clear(&err);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_line),  cmocka_unit_test(network_devices), cmocka_unit_test(same_devices),
		cmocka_unit_test(directories),   cmocka_unit_test(versions),        cmocka_unit_test(meta),
		cmocka_unit_test(keys),          cmocka_unit_test(bad_inputs),      cmocka_unit_test(qmp_lines),
		cmocka_unit_test(qmp_bounds),    cmocka_unit_test(qmp_deadline),    cmocka_unit_test(records),
		cmocka_unit_test(false_holders), cmocka_unit_test(verdicts),        cmocka_unit_test(locks),
		cmocka_unit_test(builds),        cmocka_unit_test(starts),          cmocka_unit_test(removed),
		cmocka_unit_test(jailed),        cmocka_unit_test(goes_wrong),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
