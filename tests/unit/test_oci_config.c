/* SPDX-License-Identifier: Apache-2.0 */
/* oci: the top-level object, hooks, annotations, vm; and that any cut of a real config is refused in order. */
#include "oci_test.h"

#include <fcntl.h>

static const struct oci_case whole[] = {
	{ "{" BASE "}", NULL },
	{ "null", "config cannot be null" },
	{ "[]", "must be an object" },
	{ "{}", "ociVersion: must be given" },
	{ "", "parse error: premature EOF at byte 0" },
	{ "{\"ociVersion\":\"1.0.2-dev\",\"root\":{\"path\":\"r\"}," PROCESS "}", NULL },
	{ "{\"ociVersion\":\"1.2.1+dev\",\"root\":{\"path\":\"r\"}," PROCESS "}", NULL },
	{ "{\"ociVersion\":\"1.99.0\",\"root\":{\"path\":\"r\"}," PROCESS "}", NULL },
	{ "{\"ociVersion\":\"2.0.0\",\"root\":{\"path\":\"r\"}," PROCESS "}",
	  "ociVersion: version 2.0.0 is not supported, only 1.x" },
	{ "{\"ociVersion\":\"0.5.0\",\"root\":{\"path\":\"r\"}," PROCESS "}",
	  "ociVersion: version 0.5.0 is not supported, only 1.x" },
	{ "{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"}," PROCESS "}",
	  "ociVersion: \"1.0\" is not a semantic version" },
	{ "{\"ociVersion\":\"1.0.0-\",\"root\":{\"path\":\"r\"}," PROCESS "}",
	  "ociVersion: \"1.0.0-\" is not a semantic version" },
	{ "{\"ociVersion\":1,\"root\":{\"path\":\"r\"}," PROCESS "}", "ociVersion: must be a string" },
	{ "{\"ociVersion\":\"1.0.0\"," PROCESS "}", "root must be specified" },
	{ "{\"ociVersion\":\"1.0.0\",\"root\":null," PROCESS "}", "root must be specified" },
	{ "{\"ociVersion\":\"1.0.0\",\"root\":{}," PROCESS "}", "root.path: must be given" },
	{ "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"\"}," PROCESS "}", "root.path: must be given" },
	{ "{" ROOT "}", "process property must not be empty" },
	{ "{" ROOT ",\"process\":null}", "process property must not be empty" },
	{ "{" BASE "}}", "parse error: trailing garbage at byte *" },
	{ "{" BASE ",\"root\":{\"path\":\"x\"}}", "duplicate key \"root\" at byte *" },
};

#define BEFORE "{" BASE ","
#define UTS    ",\"linux\":{\"namespaces\":[{\"type\":\"uts\"}]}"

static const struct oci_case top[] = {
	{ "\"hostname\":\"h\",\"domainname\":\"d\"" UTS, NULL },
	{ "\"hostname\":\"\",\"domainname\":\"\"", NULL },
	{ "\"hostname\":\"h\"", "hostname: unable to set hostname without a private UTS namespace" },
	{ "\"domainname\":\"d\"", "domainname: unable to set domainname without a private UTS namespace" },
	{ "\"annotations\":{\"a\":\"b\",\"c\":\"\"}", NULL },
	{ "\"annotations\":{\"a\":1}", "annotations.a: must be a string" },
	{ "\"annotations\":{\"\":\"b\"}", "annotations.: a key must not be empty" },
	{ "\"annotations\":[]", "annotations: must be an object" },
	{ "\"solaris\":1,\"windows\":{\"layerFolders\":[]},\"zos\":{},\"x.org/y\":[1.5e300]", NULL },
	{ "\"linux\":null,\"mounts\":null,\"hooks\":null,\"vm\":null,\"annotations\":null,\"hostname\":null", NULL },
	{ "\"mounts\":{}", "mounts: must be an array" },
	{ "\"linux\":[]", "linux: must be an object" },
};

#define HOOK(x) "\"hooks\":{\"createRuntime\":[{" x "}]}"

static const struct oci_case hooks[] = {
	{ HOOK("\"path\":\"/bin/x\",\"args\":[\"x\"],\"env\":[\"A=b\"],\"timeout\":1"), NULL },
	{ HOOK("\"path\":\"/bin/x\",\"timeout\":null,\"args\":null,\"env\":null"), NULL },
	{ HOOK("\"path\":\"bin/x\""), "hooks.createRuntime[0].path: hook path \"bin/x\" is not absolute" },
	{ HOOK("\"path\":\"\""), "hooks.createRuntime[0].path: hook path \"\" is not absolute" },
	{ HOOK("\"args\":[\"x\"]"), "hooks.createRuntime[0].path: must be given" },
	{ HOOK("\"path\":\"/bin/x\",\"timeout\":0"),
	  "hooks.createRuntime[0].timeout: hook timeout must be greater than zero" },
	{ HOOK("\"path\":\"/bin/x\",\"timeout\":-1"),
	  "hooks.createRuntime[0].timeout: hook timeout must be greater than zero" },
	{ HOOK("\"path\":\"/bin/x\",\"timeout\":4294967296"),
	  "hooks.createRuntime[0].timeout: 4294967296 is not a whole number from -2147483648 to 2147483647" },
	{ "\"hooks\":{\"unknownHook\":[{}],\"poststop\":[{\"path\":\"/x\"}]}", NULL },
	{ "\"hooks\":{\"poststop\":{}}", "hooks.poststop: must be an array" },
};

#define VM(x) "\"vm\":{\"kernel\":{\"path\":\"/k\"}" x "}"

static const struct oci_case vms[] = {
	{ VM(""), NULL },
	{ VM(",\"hwConfig\":{\"vcpus\":2,\"memory\":1,\"irqs\":[1]},\"image\":{\"path\":\"/i\"}"), NULL },
	{ "\"vm\":{}", NULL },
	{ "\"vm\":{\"hwConfig\":{\"vcpus\":2}}", NULL },
	{ "\"vm\":{\"hwconfig\":{\"memory\":\"2G\"}}", "vm.hwconfig.memory: must be a number" },
	{ "\"vm\":{\"kernel\":{}}", "vm.kernel.path: must be given" },
	{ "\"vm\":{\"kernel\":{\"path\":\"k\"}}", "vm.kernel.path: must be an absolute path" },
	{ "\"vm\":{\"kernel\":{\"path\":\"/k\",\"initrd\":\"i\"}}", "vm.kernel.initrd: must be an absolute path" },
	{ VM(",\"hypervisor\":{\"path\":\"qemu\"}"), "vm.hypervisor.path: must be an absolute path" },
	{ VM(",\"image\":{}"), "vm.image.path: must be given" },
	{ VM(",\"image\":{\"path\":\"/i\",\"format\":\"iso\"}"), "vm.image.format: unknown image format \"iso\"" },
};

static void test_cases(void **state)
{
	(void)state;
	CHECK_CASES("", whole, "");
	CHECK_CASES(BEFORE, top, "}");
	CHECK_CASES(BEFORE, hooks, "}");
	CHECK_CASES(BEFORE, vms, "}");
}

static void test_values(void **state)
{
	struct joey_config *c = parse_good(
		BEFORE,
		"\"annotations\":{\"a\":\"b\",\"empty\":\"\"},\"hooks\":{\"poststop\":[{\"path\":\"/1\"},"
		"{\"path\":\"/2\",\"args\":[\"x\",\"y\"],\"env\":[],\"timeout\":30}],\"prestart\":[]},"
		"\"vm\":{\"kernel\":{\"path\":\"/k\",\"parameters\":[\"a\",\"b\"]},\"hwconfig\":{\"vcpus\":2,"
		"\"memory\":1073741824},\"image\":{\"path\":\"/i\",\"format\":\"qcow2\"}}",
		"}");
	const struct joey_hooks *stop = &c->hooks[JOEY_HOOK_POSTSTOP];

	(void)state;
	assert_string_equal(c->oci_version, "1.3.0");
	assert_string_equal(c->rootfs, "rootfs");
	assert_false(c->rootfs_readonly);
	assert_string_equal(joey_config_annotation(c, "a"), "b");
	assert_string_equal(joey_config_annotation(c, "empty"), "");
	assert_null(joey_config_annotation(c, "c"));
	assert_int_equal(c->hooks[JOEY_HOOK_PRESTART].n, 0);
	assert_int_equal(stop->n, 2);
	assert_true(!stop->v[0].has_env && stop->v[0].args.n == 0 && stop->v[0].timeout == 0);
	assert_true(stop->v[1].has_env && stop->v[1].env.n == 0 && stop->v[1].timeout == 30);
	assert_string_equal(stop->v[1].args.v[1], "y");
	assert_string_equal(c->vm->kernel_path, "/k");
	assert_int_equal(c->vm->kernel_parameters.n, 2);
	assert_int_equal(c->vm->memory.v, 1073741824);
	assert_string_equal(c->vm->image_format, "qcow2");
	joey_config_free(c);
	joey_config_free(NULL);
}

/* An error is one line of bounded length, whatever the config holds. */
static void test_hostile_text(void **state)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	autoerr struct joey_err err = JOEY_ERR_INIT;

	(void)state;
	joey_str_add(&s, "{" BASE ",\"linux\":{\"namespaces\":[{\"type\":\"a\\n\\u001b[31m\\u007f");
	for (unsigned i = 0; i < 10000; i++)
		joey_str_add(&s, "\xc3\xbc");
	joey_str_add(&s, "\"}]}}");
	assert_null(parse_text(s.buf, &err));
	assert_true(strlen(err.msg) < 1100);
	assert_non_null(strstr(err.msg, "namespace \"a??[31m?"));
	assert_null(strchr(err.msg, '\n'));
}

static char *read_seed(const char *name, size_t *ret_len)
{
	const char *src = getenv("JOEY_SRCDIR");
	autofree char *path = NULL;
	char *text = NULL;

	if (asprintf(&path, "%s/tests/fuzz/corpus/config/%s", src ? src : ".", name) < 0)
		return NULL;
	return joey_read_file_at(AT_FDCWD, path, 0, 1 << 20, &text, ret_len) < 0 ? NULL : text;
}

/* What engines send, and one config that uses every field. */
static void test_seeds(void **state)
{
	static const char *const seeds[] = { "docker.json", "everything.json", "minimal.json", "nulls.json" };

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(seeds); i++) {
		size_t len = 0;
		autofree char *text = read_seed(seeds[i], &len);
		autoerr struct joey_err err = JOEY_ERR_INIT;
		struct joey_config *c = NULL;

		if (!text)
			skip();
		if (joey_config_parse(text, len, &c, &err) < 0)
			fail_msg("%s: %s", seeds[i], joey_err_text(&err));
		joey_config_free(c);
	}
}

static void test_truncated(void **state)
{
	size_t len = 0;
	autofree char *text = read_seed("docker.json", &len);

	(void)state;
	if (!text)
		skip();
	while (len > 0 && text[len - 1] != '}')
		len--;
	for (size_t cut = 0; cut < len; cut += cut < 3000 ? 1 : 97) {
		struct joey_config *c = NULL;
		struct joey_err err = JOEY_ERR_INIT;

		assert_true(joey_config_parse(text, cut, &c, &err) < 0);
		assert_null(c);
		joey_err_clear(&err);
	}
}

/* A Docker-size config with its seccomp profile must not cost noticeable time. */
static void test_speed(void **state)
{
	enum { ROUNDS = 100 };
	size_t len = 0;
	autofree char *text = read_seed("docker.json", &len);
	uint64_t start = joey_now_ms(), took;

	(void)state;
	if (!text)
		skip();
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct joey_config *c = NULL;
		autoerr struct joey_err err = JOEY_ERR_INIT;

		assert_int_equal(joey_config_parse(text, len, &c, &err), 0);
		joey_config_free(c);
	}
	took = joey_now_ms() - start;
	print_message("%zu bytes: %llu us each\n", len, (unsigned long long)took * 1000 / ROUNDS);
	/* Far above what it takes (0.3 ms), for sanitizers and loaded machines; a quadratic loop would show. */
	assert_true(took < ROUNDS * 20);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases), cmocka_unit_test(test_values),    cmocka_unit_test(test_hostile_text),
		cmocka_unit_test(test_seeds), cmocka_unit_test(test_truncated), cmocka_unit_test(test_speed),
	};

	return cmocka_run_group_tests_name("oci config", tests, NULL, NULL);
}
