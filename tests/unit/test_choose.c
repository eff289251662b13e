/* SPDX-License-Identifier: Apache-2.0 */
/* Normal or sandboxed: who is heard, what joey.conf forbids, what becomes of the machine. */
#include <fcntl.h>
#include <string.h>

#include "runtime/runtime-internal.h"
#include "runtime_fixture.h"

/* config.json with more members of its own: annotations and vm. */
static void config(struct fixture *f, const char *annotations, const char *more)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	char path[128];
	int fd;

	joey_str_printf(&s,
			"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"cwd\":\"/\",\"args\":"
			"[\"sh\"],\"user\":{\"uid\":0,\"gid\":0}},\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]},"
			"\"annotations\":{%s}%s}",
			annotations, more);
	snprintf(path, sizeof(path), "%s/config.json", f->bundle);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(joey_write_all(fd, s.buf, s.len), 0);
	close(fd);
}

/* Creates with the settings of text; gives the name of the backend, or what went wrong. */
static const char *chosen(struct fixture *f, const char *settings)
{
	static char result[512];
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_conf conf = JOEY_CONF_INIT;
	autofree char *text = strdup(settings);

	assert_int_equal(joey_conf_parse(&conf, "conf", text, strlen(text), &err), 0);
	f->rt.conf = &conf;
	if (joey_rt_create(&f->rt, &f->o, &err) < 0) {
		snprintf(result, sizeof(result), "%s", joey_err_text(&err));
	} else {
		struct rt_target t = RT_TARGET_INIT;

		assert_int_equal(rt_target_find(&t, &f->rt, "c1", &err), 0);
		assert_int_equal(rt_target_load(&t, false, &err), 0);
		snprintf(result, sizeof(result), "%s", t.be->name);
		rt_target_done(&t);
		assert_int_equal(joey_rt_delete(&f->rt, "c1", true, &err), 0);
	}
	f->rt.conf = NULL;
	joey_conf_done(&conf);
	return result;
}

static void test_who_is_heard(void **state)
{
	struct fixture *f = *state;

	config(f, "", "");
	assert_string_equal(chosen(f, ""), "fake");
	assert_string_equal(chosen(f, "[sandbox]\ndefault = vm\n"), "fake-vm");
	f->o.sandbox = "vm";
	assert_string_equal(chosen(f, ""), "fake-vm");
	f->o.sandbox = "none";
	assert_string_equal(chosen(f, "[sandbox]\ndefault = vm\n"), "fake");
	f->o.sandbox = "qemu";
	assert_string_equal(chosen(f, ""), "invalid --sandbox: qemu (vm or none)");
	f->o.sandbox = NULL;
	f->rt.called_vm = true;
	assert_string_equal(chosen(f, ""), "fake-vm");
	f->o.sandbox = "none"; /* goes before the name of the program */
	assert_string_equal(chosen(f, ""), "fake");
	f->o.sandbox = NULL;
	f->rt.called_vm = false;
	config(f, "\"io.joey.sandbox\":\"vm\"", "");
	assert_string_equal(chosen(f, ""), "fake-vm");
	config(f, "",
	       ",\"vm\":{\"kernel\":{\"path\":\"/k/vmlinux\"},\"hwConfig\":{\"vcpus\":2,\"memory\":1000000000}}");
	assert_string_equal(chosen(f, "[sandbox]\nkernel_dirs = /k\n"), "fake-vm");
	assert_int_equal(fake.vm_vcpus, 2);
	assert_int_equal(fake.vm_memory, 1000000000);
	config(f, "\"io.joey.sandbox\":\"maybe\"", "");
	assert_string_equal(chosen(f, ""), "invalid annotation io.joey.sandbox: maybe (vm or none)");
	config(f, "\"io.joey.sandbx\":\"vm\"", "");
	assert_string_equal(chosen(f, ""), "annotations: unknown key io.joey.sandbx");
}

static void test_what_is_forbidden(void **state)
{
	static const char *const end = ": joey.conf does not let it choose a sandbox ([sandbox] allow)";
	struct fixture *f = *state;

	config(f, "\"io.joey.sandbox\":\"vm\"", "");
	assert_non_null(strstr(chosen(f, "[sandbox]\nallow = option\n"), end));
	/* less isolation than the administrator's choice */
	config(f, "\"io.joey.sandbox\":\"none\"", "");
	assert_string_equal(chosen(f, ""), "fake");
	assert_string_equal(chosen(f, "[sandbox]\ndefault = vm\n"),
			    "annotation io.joey.sandbox: cannot ask for less isolation than joey.conf");
	config(f, "", "");
	f->o.sandbox = "vm";
	assert_non_null(strstr(chosen(f, "[sandbox]\nallow = annotation\n"), end));
	f->o.sandbox = NULL;
	f->rt.called_vm = true;
	assert_non_null(strstr(chosen(f, "[sandbox]\nallow = annotation\n"), end));
	f->rt.called_vm = false;
	config(f, "", ",\"vm\":{\"kernel\":{\"path\":\"/k/vmlinux\"},\"hwConfig\":{\"vcpus\":2}}");
	assert_non_null(strstr(chosen(f, "[sandbox]\nallow = annotation\n"), end));
	assert_string_equal(chosen(f, "[sandbox]\nkernel_dirs = /k\nmax_vcpus = 1\n"),
			    "vCPUs of a machine: joey.conf allows 1 (max_vcpus)");
	config(f, "", ",\"vm\":{\"kernel\":{\"path\":\"/k/vmlinux\"},\"hwConfig\":{\"memory\":2000000000}}");
	assert_non_null(strstr(chosen(f, "[sandbox]\nkernel_dirs = /k\nmax_memory = 1G\n"),
			       "memory of a machine: joey.conf allows"));
	/* the size alone: the kernel is the administrator's */
	config(f, "", ",\"vm\":{\"hwConfig\":{\"vcpus\":2,\"memory\":1073741824}}");
	assert_string_equal(chosen(f, "[sandbox]\nmax_memory = 1G\nmax_vcpus = 2\n"), "fake-vm");
	assert_string_equal(fake.vm_texts, "- - -");
	assert_true(fake.vm_memory == 1 << 30 && fake.vm_vcpus == 2);
	assert_non_null(strstr(chosen(f, "[sandbox]\nmax_memory = 512M\n"), "(max_memory)"));
	assert_non_null(strstr(chosen(f, "[sandbox]\nmax_vcpus = 1\n"), "(max_vcpus)"));
	assert_non_null(strstr(chosen(f, "[sandbox]\nallow = option\n"), end));
	config(f, "", ",\"vm\":{\"hwConfig\":{\"irqs\":[1]}}");
	assert_string_equal(chosen(f, ""), "vm.hwConfig.irqs: not supported");
	config(f, "", ",\"vm\":{\"kernel\":{\"path\":\"/k/vmlinux\"}}");
	assert_string_equal(chosen(f, ""), "vm.kernel.path: joey.conf allows no such path: /k/vmlinux");
	assert_string_equal(chosen(f, "[sandbox]\nkernel_dirs = /k\n"), "fake-vm");
	assert_string_equal(fake.vm_texts, "/k/vmlinux - -");
	config(f, "", ",\"vm\":{\"kernel\":{\"path\":\"/k/vmlinux\",\"parameters\":[\"init=/x\"]}}");
	assert_string_equal(chosen(f, "[sandbox]\nkernel_dirs = /k\n"), "vm: parameters are not taken from a config");
}

#define PROFILES \
	"[profile small]\nmemory = 512M\nvcpus = 1\n[profile big]\nmemory = 4G\nvcpus = 4\nnetwork_devices = 4\n"

static void test_profiles(void **state)
{
	struct fixture *f = *state;

	config(f, "", "");
	assert_string_equal(chosen(f, "[sandbox]\ndefault = vm\nprofile = small\n" PROFILES), "fake-vm");
	assert_int_equal(fake.vm_memory, 512 << 20);
	config(f, "\"io.joey.sandbox\":\"vm\",\"io.joey.profile\":\"big\"", "");
	assert_string_equal(chosen(f, "[sandbox]\nprofile = small\n" PROFILES),
			    "annotation io.joey.profile: profile big is not allowed here");
	assert_string_equal(chosen(f, "[sandbox]\nprofile = small\nprofiles_allowed = big\n" PROFILES), "fake-vm");
	assert_int_equal(fake.vm_vcpus, 4);
	assert_int_equal(fake.vm_network_devices, 4);
	assert_string_equal(chosen(f, "[sandbox]\nprofiles_allowed = *\n[profile other]\n"),
			    "joey.conf has no profile big");
}

static void test_without_kvm(void **state)
{
	struct fixture *f = *state;

	config(f, "", "");
	f->o.sandbox = "vm";
	assert_string_equal(chosen(f, "[sandbox]\nwithout_kvm = normal\n"), "fake");
	fake.has_kvm = true;
	assert_string_equal(chosen(f, "[sandbox]\nwithout_kvm = normal\n"), "fake-vm");
	assert_string_equal(chosen(f, "[sandbox]\nwithout_kvm = refuse\n"), "fake-vm");
	assert_true(fake.vm_needs_kvm);
	assert_string_equal(chosen(f, ""), "fake-vm");
	assert_false(fake.vm_needs_kvm);
}

static void test_pods_and_trust(void **state)
{
	struct fixture *f = *state;

	f->o.sandbox = "vm";
	config(f, "\"io.kubernetes.cri.container-type\":\"container\",\"io.kubernetes.cri.sandbox-id\":\"p1\"", "");
	assert_string_equal(chosen(f, ""), "fake-vm");
	assert_string_equal(fake.vm_texts, "- p1 -");
	config(f, "\"io.kubernetes.cri-o.ContainerType\":\"sandbox\",\"io.kubernetes.cri-o.SandboxID\":\"p2\"", "");
	assert_string_equal(chosen(f, "[sandbox]\ntemplate_trust = container\n"), "fake-vm");
	assert_string_equal(fake.vm_texts, "- p2 p2");
	/* an id that could be a path is none */
	config(f, "\"io.kubernetes.cri.container-type\":\"container\",\"io.kubernetes.cri.sandbox-id\":\"../p\"", "");
	assert_string_equal(chosen(f, "[sandbox]\ntemplate_trust = container\n"), "fake-vm");
	assert_string_equal(fake.vm_texts, "- - c1");
	config(f, "\"io.kubernetes.cri.sandbox-id\":\"p1\"", ""); /* no type: not a pod's */
	assert_string_equal(chosen(f, ""), "fake-vm");
	assert_string_equal(fake.vm_texts, "- - -");
}

#define T(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_who_is_heard), T(test_what_is_forbidden), T(test_profiles),
		T(test_without_kvm),  T(test_pods_and_trust),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
