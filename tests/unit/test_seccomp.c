/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seccomp: the compiled program is run by an interpreter for any architecture and number, and by the kernel; the cache
 * is attacked; listeners are handed over.
 */
#include "process_fixture.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "bpf_run.h"
#include "joey/json.h"
#include "joey/syscalls.h"

#define X32_BIT 0x40000000u

/* ---- profiles -------------------------------------------------------------------------------------------------- */

static struct joey_config *profile_text(const char *seccomp)
{
	autostr struct joey_str text = JOEY_STR_INIT;
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_config *config;

	joey_str_add(&text, "{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"rootfs\"},"
			    "\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"]},\"linux\":{\"seccomp\":");
	joey_str_add(&text, seccomp);
	joey_str_add(&text, "}}");
	assert_false(text.failed);
	if (joey_config_parse(text.buf, text.len, &config, &err) < 0)
		fail_msg("%s", joey_err_text(&err));
	return config;
}

static struct joey_config *default_profile(void)
{
	const char *dir = getenv("JOEY_SRCDIR");
	autostr struct joey_str path = JOEY_STR_INIT;
	autofree char *text = NULL;
	size_t len;

	joey_str_printf(&path, "%s/tests/data/seccomp-default.json", dir ? dir : TEST_SRCDIR);
	assert_int_equal(joey_read_file_at(AT_FDCWD, path.buf, 0, 1 << 20, &text, &len), 0);
	return profile_text(text);
}

static struct joey_seccomp_prog *compile(const struct joey_config *config, int cache)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_seccomp_prog *p = NULL;

	assert_non_null(config->seccomp);
	if (joey_seccomp_compile(config->seccomp, cache, &p, &err) < 0)
		fail_msg("%s", joey_err_text(&err));
	return p;
}

static uint32_t run(const struct sock_fprog *p, const struct seccomp_data *d)
{
	uint32_t action = 0;

	assert_true(bpf_run(p->filter, p->len, d, &action));
	return action;
}

static uint32_t ask(const struct joey_seccomp_prog *p, uint32_t arch, uint32_t nr, uint64_t arg0)
{
	struct seccomp_data d = { .nr = (int)nr, .arch = arch, .args = { arg0 } };

	return run(&p->prog, &d);
}

static uint32_t ask_name(const struct joey_seccomp_prog *p, uint32_t arch, const char *name, uint64_t arg0)
{
	int nr = seccomp_syscall_resolve_name_arch(arch, name);

	assert_true(nr >= 0);
	return ask(p, arch == SCMP_ARCH_X32 ? AUDIT_ARCH_X86_64 : arch, (uint32_t)nr, arg0);
}

#define ALLOW  SECCOMP_RET_ALLOW
#define ERR(e) (SECCOMP_RET_ERRNO | (e))

static const uint32_t archs[] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32 };

static void test_default_profile(void **state)
{
	struct joey_config *config = default_profile();
	struct joey_seccomp_prog *p = compile(config, -EBADF);

	(void)state;
	assert_false(p->notify);
	/* flags absent: no mitigations beyond what the host wants */
	assert_int_equal(p->flags, 1u << 2);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(archs); i++) {
		uint32_t a = archs[i];

		assert_int_equal(ask_name(p, a, "read", 0), ALLOW);
		assert_int_equal(ask_name(p, a, "execve", 0), ALLOW);
		assert_int_equal(ask_name(p, a, "openat2", 0), ALLOW);
		assert_int_equal(ask_name(p, a, "mount", 0), ERR(EPERM));
		assert_int_equal(ask_name(p, a, "bpf", 0), ERR(EPERM));
		assert_int_equal(ask_name(p, a, "clone3", 0), ERR(ENOSYS));
		assert_int_equal(ask_name(p, a, "personality", 8), ALLOW);
		assert_int_equal(ask_name(p, a, "personality", 0xffffffff), ALLOW);
		assert_int_equal(ask_name(p, a, "personality", 1), ERR(EPERM));
		assert_int_equal(ask_name(p, a, "clone", SIGCHLD), ALLOW);
		assert_int_equal(ask_name(p, a, "clone", CLONE_NEWUSER | SIGCHLD), ERR(EPERM));
	}
	assert_int_equal(ask_name(p, SCMP_ARCH_X86_64, "socket", AF_UNIX), ALLOW);
	assert_int_equal(ask_name(p, SCMP_ARCH_X86_64, "socket", 40 /* AF_VSOCK */), ERR(EPERM));
	joey_seccomp_prog_free(p);
	joey_config_free(config);
}

/* Numbers that no profile of today names. */
static void test_enosys_tail(void **state)
{
	struct joey_config *config = default_profile();
	struct joey_seccomp_prog *p = compile(config, -EBADF);
	static const uint32_t far[] = { 500, 1000, 4095, 0x3fffffff };

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(far); i++) {
		assert_int_equal(ask(p, AUDIT_ARCH_X86_64, far[i], 0), ERR(ENOSYS));
		assert_int_equal(ask(p, AUDIT_ARCH_I386, far[i], 0), ERR(ENOSYS));
		/* x32 has calls of its own from 512 on */
		if (far[i] > 600)
			assert_int_equal(ask(p, AUDIT_ARCH_X86_64, far[i] | X32_BIT, 0), ERR(ENOSYS));
	}
	/* -1 is what a tracer leaves when it has answered: never above anything on i386 */
	assert_int_equal(ask(p, AUDIT_ARCH_X86_64, 0xffffffff, 0), ERR(ENOSYS));
	/* an architecture that the profile does not list is killed, as libseccomp has it */
	if (seccomp_arch_native() != SCMP_ARCH_AARCH64)
		assert_int_equal(ask(p, AUDIT_ARCH_AARCH64, 63, 0), SECCOMP_RET_KILL_THREAD);
	joey_seccomp_prog_free(p);
	joey_config_free(config);
}

static void test_enosys_limits(void **state)
{
	static const struct {
		const char *profile;
		uint32_t arch, nr, want;
	} cases[] = {
		/* the highest that is named, and the one after it */
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86_64\"],"
		  "\"syscalls\":[{\"names\":[\"read\",\"openat2\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		  AUDIT_ARCH_X86_64, 437, ALLOW },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86_64\"],"
		  "\"syscalls\":[{\"names\":[\"read\",\"openat2\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		  AUDIT_ARCH_X86_64, 438, ERR(ENOSYS) },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86_64\"],"
		  "\"syscalls\":[{\"names\":[\"read\",\"openat2\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		  AUDIT_ARCH_X86_64, 436, ERR(EPERM) },
		/* named with the default action: it counts all the same */
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86_64\"],"
		  "\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"},"
		  "{\"names\":[\"openat2\"],\"action\":\"SCMP_ACT_ERRNO\"}]}",
		  AUDIT_ARCH_X86_64, 436, ERR(EPERM) },
		/* kill by default: a new call is no reason to die */
		{ "{\"defaultAction\":\"SCMP_ACT_KILL_PROCESS\",\"architectures\":[\"SCMP_ARCH_X86_64\"],"
		  "\"syscalls\":[{\"names\":[\"read\",\"openat2\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		  AUDIT_ARCH_X86_64, 600, ERR(ENOSYS) },
		/* permissive defaults have no tail */
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86_64\"],"
		  "\"syscalls\":[{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_ERRNO\"}]}",
		  AUDIT_ARCH_X86_64, 600, ALLOW },
		{ "{\"defaultAction\":\"SCMP_ACT_LOG\",\"architectures\":[\"SCMP_ARCH_X86_64\"],"
		  "\"syscalls\":[{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_ERRNO\"}]}",
		  AUDIT_ARCH_X86_64, 600, SECCOMP_RET_LOG },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,"
		  "\"architectures\":[\"SCMP_ARCH_X86_64\"],"
		  "\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		  AUDIT_ARCH_X86_64, 1, ERR(ENOSYS) },
		/* x32 not listed: not ours to answer */
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86_64\"],"
		  "\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		  AUDIT_ARCH_X86_64, 600 | X32_BIT, SECCOMP_RET_KILL_THREAD },
		/* the calls of 32-bit ARM's own are not new */
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_ARM\"],"
		  "\"syscalls\":[{\"names\":[\"read\",\"set_tls\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		  AUDIT_ARCH_ARM, 0x0f0005, ALLOW },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_ARM\"],"
		  "\"syscalls\":[{\"names\":[\"read\",\"set_tls\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		  AUDIT_ARCH_ARM, 0x0f0006, ERR(EPERM) },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_ARM\"],"
		  "\"syscalls\":[{\"names\":[\"read\",\"set_tls\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		  AUDIT_ARCH_ARM, 600, ERR(ENOSYS) },
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(cases); i++) {
		struct joey_config *config = profile_text(cases[i].profile);
		struct joey_seccomp_prog *p = compile(config, -EBADF);
		uint32_t got = ask(p, cases[i].arch, cases[i].nr, 0);

		if (got != cases[i].want)
			fail_msg("case %zu: 0x%x, not 0x%x", i, got, cases[i].want);
		joey_seccomp_prog_free(p);
		joey_config_free(config);
	}
}

/* One rule that names an argument twice means OR; different arguments mean AND. */
static void test_argument_rules(void **state)
{
	struct joey_config *config = profile_text(
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86_64\"],\"syscalls\":["
		"{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
		"{\"index\":0,\"value\":0,\"op\":\"SCMP_CMP_EQ\"},{\"index\":0,\"value\":8,\"op\":\"SCMP_CMP_EQ\"}]},"
		"{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
		"{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},{\"index\":1,\"value\":2,\"op\":\"SCMP_CMP_EQ\"}]},"
		"{\"names\":[\"ioctl\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
		"{\"index\":1,\"value\":18446744069414584320,\"valueTwo\":4294967296,\"op\":\"SCMP_CMP_MASKED_EQ\"}]}]"
		"}");
	struct joey_seccomp_prog *p = compile(config, -EBADF);
	struct seccomp_data d = { .nr = 41, .arch = AUDIT_ARCH_X86_64 };

	(void)state;
	assert_int_equal(ask(p, AUDIT_ARCH_X86_64, 135, 0), ALLOW);
	assert_int_equal(ask(p, AUDIT_ARCH_X86_64, 135, 8), ALLOW);
	assert_int_equal(ask(p, AUDIT_ARCH_X86_64, 135, 4), ERR(EPERM));
	d.args[0] = 1;
	assert_int_equal(run(&p->prog, &d), ERR(EPERM));
	d.args[1] = 2;
	assert_int_equal(run(&p->prog, &d), ALLOW);
	/* all 64 bits */
	d = (struct seccomp_data){ .nr = 16, .arch = AUDIT_ARCH_X86_64, .args = { 0, 0x1deadbeefULL } };
	assert_int_equal(run(&p->prog, &d), ALLOW);
	d.args[1] = 0x2deadbeefULL;
	assert_int_equal(run(&p->prog, &d), ERR(EPERM));
	joey_seccomp_prog_free(p);
	joey_config_free(config);
}

static void test_unknown_names(void **state)
{
	struct joey_config *config =
		profile_text("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
			     "{\"names\":[\"read\",\"no_such_call\"],\"action\":\"SCMP_ACT_ALLOW\"}]}");
	struct joey_seccomp_prog *p = compile(config, -EBADF);
	autoerr struct joey_err err = JOEY_ERR_INIT;

	(void)state;
	joey_seccomp_prog_free(p);
	config->seccomp->fail_unknown_syscall = true;
	assert_int_equal(joey_seccomp_compile(config->seccomp, -EBADF, &p, &err), -EINVAL);
	assert_string_equal(joey_err_text(&err), "linux.seccomp.syscalls[0].names[1]: unknown syscall no_such_call");
	joey_config_free(config);
}

/* ---- the layout: decides as libseccomp's program behind the ENOSYS answers does --------------------------------- */

struct programs {
	struct sock_filter plain[BPF_MAXINSNS], laid[BPF_MAXINSNS];
	size_t n_plain, n_laid;
};

static struct programs *both_programs(const struct joey_seccomp *p)
{
	struct programs *b = calloc(1, sizeof(*b));
	autoerr struct joey_err err = JOEY_ERR_INIT;
	size_t n;

	b->n_plain = (size_t)seccomp_tail(p, b->plain);
	if (seccomp_generate(p, b->laid, &n, &err) < 0)
		fail_msg("%s", joey_err_text(&err));
	assert_true(b->n_plain + n <= BPF_MAXINSNS);
	memcpy(b->plain + b->n_plain, b->laid, n * sizeof(b->plain[0]));
	b->n_plain += n;
	assert_int_equal(seccomp_layout(p, b->plain + b->n_plain - n, n, b->laid, &b->n_laid), 0);
	return b;
}

static uint64_t next_random(uint64_t *x)
{
	/* xorshift: the same every time */
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void compare(const struct programs *b, uint32_t arch, uint32_t nr, uint64_t *seed)
{
	static const uint64_t usual[] = { 0, 1, 8, 40, 0xffffffff, 0x7e020000, 0x20000, SIGCHLD, 0x100000000ULL };
	struct seccomp_data d = { .nr = (int)nr, .arch = arch };
	uint32_t plain = 0, laid = 0;

	for (unsigned i = 0; i < 16; i++) {
		for (unsigned j = 0; j < 6; j++) {
			uint64_t r = next_random(seed);

			d.args[j] = i < JOEY_ARRAY_SIZE(usual) ? usual[(i + j * (r & 1)) % JOEY_ARRAY_SIZE(usual)] : r;
		}
		assert_true(bpf_run(b->plain, b->n_plain, &d, &plain));
		assert_true(bpf_run(b->laid, b->n_laid, &d, &laid));
		if (plain != laid)
			fail_msg("arch 0x%x, call %u: 0x%x became 0x%x", arch, nr, plain, laid);
	}
}

static void compare_all(struct joey_config *config)
{
	static const uint32_t all[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, 0,
					0xffffffff },
			      odd[] = { 0x0effff,   0x0f0000,   0x0f0005,   0x0f0006,  0x3fffffff,
					0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff };
	struct programs *b = both_programs(config->seccomp);
	uint64_t seed = 88172645463325252ULL;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(all); i++) {
		for (uint32_t nr = 0; nr < 700; nr++) {
			compare(b, all[i], nr, &seed);
			compare(b, all[i], nr | X32_BIT, &seed);
		}
		for (size_t j = 0; j < JOEY_ARRAY_SIZE(odd); j++)
			compare(b, all[i], odd[j], &seed);
	}
	free(b);
	joey_config_free(config);
}

static void test_layout_default(void **state)
{
	struct joey_config *config = default_profile();
	struct programs *b = both_programs(config->seccomp);

	(void)state;
	/* what it is for */
	assert_true(b->n_laid * 3 < b->n_plain * 2);
	free(b);
	compare_all(config);
}

static void test_layout_others(void **state)
{
	static const char *const profiles[] = {
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\"}",
		"{\"defaultAction\":\"SCMP_ACT_KILL_PROCESS\",\"architectures\":[\"SCMP_ARCH_ARM\",\"SCMP_ARCH_"
		"AARCH64\"],"
		"\"syscalls\":[{\"names\":[\"read\",\"set_tls\",\"openat2\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		"{\"defaultAction\":\"SCMP_ACT_LOG\",\"architectures\":[\"SCMP_ARCH_X86\"],\"syscalls\":["
		"{\"names\":[\"read\",\"ptrace\"],\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":77},"
		"{\"names\":[\"socket\",\"bind\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":["
		"{\"index\":0,\"value\":10,\"op\":\"SCMP_CMP_GE\"},{\"index\":1,\"value\":2,\"op\":\"SCMP_CMP_LT\"}]}]"
		"}",
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"listenerPath\":\"/"
		"a\",\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X32\"],"
		"\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
		"{\"index\":5,\"value\":18446744073709551615,\"op\":\"SCMP_CMP_NE\"},"
		"{\"index\":3,\"value\":65535,\"valueTwo\":1,\"op\":\"SCMP_CMP_MASKED_EQ\"}]},"
		"{\"names\":[\"getppid\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}",
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(profiles); i++)
		compare_all(profile_text(profiles[i]));
}

/* Programs that it must not touch. */
static void test_layout_refuses(void **state)
{
	static const struct sock_filter listed = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	static const struct sock_filter bad[][4] = {
		/* falls off the end */
		{ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0) },
		/* another architecture than the profile's */
		{ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x12345, 0, 1),
		  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL) },
		/* order of architectures */
		{ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 7, 0, 1),
		  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL) },
		/* a bit of the number */
		{ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 7, 0, 1),
		  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL) },
		/* number before architecture: what is not listed cannot be told apart */
		{ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 7, 0, 1),
		  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL) },
		/* scratch memory */
		{ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16), BPF_STMT(BPF_ST, 0), BPF_STMT(BPF_LD | BPF_MEM, 0),
		  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL) },
		/* the accumulator decides */
		{ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_STMT(BPF_RET | BPF_A, 0),
		  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL) },
		/* out of the program */
		{ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 7, 9, 0),
		  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL) },
	};
	struct joey_config *config = profile_text("{\"defaultAction\":\"SCMP_ACT_ALLOW\"}");
	struct sock_filter *out = calloc(BPF_MAXINSNS, sizeof(*out));
	size_t n;

	(void)state;
	assert_int_equal(seccomp_layout(config->seccomp, &listed, 1, out, &n), 0);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(bad); i++)
		if (seccomp_layout(config->seccomp, bad[i], 4, out, &n) != -EOPNOTSUPP)
			fail_msg("program %zu", i);
	free(out);
	joey_config_free(config);
}

/* ---- the cache -------------------------------------------------------------------------------------------------- */

struct cache {
	char dir[32], key[65];
	int fd;
	struct joey_config *config;
	struct joey_seccomp_prog *fresh;
};

static int cache_setup(void **state)
{
	struct cache *c = calloc(1, sizeof(*c));

	strcpy(c->dir, "/tmp/joey-unit.XXXXXX");
	assert_non_null(mkdtemp(c->dir));
	c->fd = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(c->fd >= 0);
	c->config = default_profile();
	c->fresh = compile(c->config, -EBADF);
	seccomp_cache_key(c->config->seccomp, c->key);
	joey_seccomp_prog_free(compile(c->config, c->fd));
	*state = c;
	return 0;
}

static int cache_teardown(void **state)
{
	struct cache *c = *state;
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", c->dir);
	assert_int_equal(system(cmd), 0);
	joey_seccomp_prog_free(c->fresh);
	joey_config_free(c->config);
	joey_close(c->fd);
	free(c);
	return 0;
}

static void assert_same(const struct joey_seccomp_prog *a, const struct joey_seccomp_prog *b)
{
	assert_int_equal(a->prog.len, b->prog.len);
	assert_memory_equal(a->prog.filter, b->prog.filter, a->prog.len * sizeof(struct sock_filter));
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->notify, b->notify);
}

static void test_cache_hit(void **state)
{
	struct cache *c = *state;
	struct seccomp_block *b = NULL;
	struct joey_seccomp_prog *p;
	struct stat before, after;

	assert_int_equal(fstatat(c->fd, c->key, &before, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(before.st_mode, S_IFREG | 0600);
	assert_int_equal(seccomp_cache_get(c->fd, c->key, &b), 0);
	free(b);
	p = compile(c->config, c->fd);
	assert_same(p, c->fresh);
	joey_seccomp_prog_free(p);
	assert_int_equal(fstatat(c->fd, c->key, &after, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

/* Each byte that is changed, one in step, makes the entry void; it is written anew. */
static void test_cache_corrupted(void **state)
{
	struct cache *c = *state;
	struct seccomp_block *b = NULL;
	struct joey_seccomp_prog *p;
	autofree char *good = NULL;
	size_t len;

	assert_int_equal(joey_read_file_at(c->fd, c->key, 0, 1 << 20, &good, &len), 0);
	for (size_t at = 0; at < len; at += at < 96 ? 1 : 97) {
		good[at] ^= 4;
		assert_int_equal(joey_replace_file_at(c->fd, c->key, 0600, good, len), 0);
		assert_int_equal(seccomp_cache_get(c->fd, c->key, &b), -EBADMSG);
		good[at] ^= 4;
	}
	for (size_t cut = 0; cut < len; cut += cut < 80 ? 7 : 501) {
		assert_int_equal(joey_replace_file_at(c->fd, c->key, 0600, good, cut), 0);
		assert_int_equal(seccomp_cache_get(c->fd, c->key, &b), -EBADMSG);
	}
	p = compile(c->config, c->fd);
	assert_same(p, c->fresh);
	joey_seccomp_prog_free(p);
	assert_int_equal(seccomp_cache_get(c->fd, c->key, &b), 0);
	free(b);
}

static void refuse(struct cache *c, int want)
{
	struct seccomp_block *b = NULL;
	struct joey_seccomp_prog *p;

	assert_int_equal(seccomp_cache_get(c->fd, c->key, &b), want);
	p = compile(c->config, c->fd);
	assert_same(p, c->fresh);
	joey_seccomp_prog_free(p);
}

static void test_cache_untrusted(void **state)
{
	struct cache *c = *state;
	struct seccomp_block *b = NULL;

	assert_int_equal(fchmodat(c->fd, c->key, 0620, 0), 0);
	refuse(c, -EPERM);
	/* compiled anew, and replaced */
	assert_int_equal(seccomp_cache_get(c->fd, c->key, &b), 0);
	free(b);
	assert_int_equal(linkat(c->fd, c->key, c->fd, "other", 0), 0);
	refuse(c, -EPERM);
	assert_int_equal(renameat(c->fd, c->key, c->fd, "moved"), 0);
	assert_int_equal(symlinkat("moved", c->fd, c->key), 0);
	refuse(c, -ELOOP);
	assert_int_equal(unlinkat(c->fd, c->key, 0), 0);
	assert_int_equal(mkfifoat(c->fd, c->key, 0600), 0);
	refuse(c, -EPERM);
	if (geteuid() == 0) {
		assert_int_equal(fchownat(c->fd, c->key, 1000, 1000, 0), 0);
		refuse(c, -EPERM);
		assert_int_equal(fchown(c->fd, 1000, 1000), 0);
		refuse(c, -EPERM);
		assert_int_equal(fchown(c->fd, 0, 0), 0);
	}
	assert_int_equal(fchmod(c->fd, 0770), 0);
	refuse(c, -EPERM);
	assert_int_equal(fchmod(c->fd, 0700), 0);
}

/* A good entry under another profile's name. */
static void test_cache_swapped(void **state)
{
	struct cache *c = *state;
	struct joey_config *weak = profile_text("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":"
						"[{\"names\":[\"bpf\"],\"action\":\"SCMP_ACT_ERRNO\"}]}");
	struct joey_seccomp_prog *p = compile(weak, c->fd);
	char key[65];

	seccomp_cache_key(weak->seccomp, key);
	assert_string_not_equal(key, c->key);
	joey_seccomp_prog_free(p);
	assert_int_equal(renameat(c->fd, key, c->fd, c->key), 0);
	refuse(c, -EBADMSG);
	joey_config_free(weak);
}

static void test_cache_keys(void **state)
{
	static const char *const profiles[] = {
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"read\",\"write\"],\"action\":\"SCMP_"
		"ACT_ALLOW\"}]}",
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"write\",\"read\"],\"action\":\"SCMP_"
		"ACT_ALLOW\"}]}",
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"flags\":[],\"syscalls\":[{\"names\":[\"read\",\"write\"],"
		"\"action\":\"SCMP_ACT_ALLOW\"}]}",
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":2,\"syscalls\":[{\"names\":[\"read\","
		"\"write\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86\"],\"syscalls\":[{\"names\":["
		"\"read\",\"write\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_"
		"ALLOW\"},{\"names\":[\"write\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"read\",\"write\"],\"action\":\"SCMP_"
		"ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}]}",
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"read\",\"write\"],\"action\":\"SCMP_"
		"ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_NE\"}]}]}",
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"read\",\"write\"],\"action\":\"SCMP_"
		"ACT_LOG\"}]}",
	};
	char keys[JOEY_ARRAY_SIZE(profiles)][65], again[65];

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(profiles); i++) {
		struct joey_config *config = profile_text(profiles[i]);

		seccomp_cache_key(config->seccomp, keys[i]);
		seccomp_cache_key(config->seccomp, again);
		assert_string_equal(keys[i], again);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(keys[i], keys[j]);
		joey_config_free(config);
	}
}

static void test_cache_prune(void **state)
{
	struct cache *c = *state;
	struct joey_config *other = profile_text("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":"
						 "[{\"names\":[\"bpf\"],\"action\":\"SCMP_ACT_ERRNO\"}]}");
	char name[80];
	unsigned left = 0;

	for (unsigned i = 0; i < 70; i++) {
		const struct timespec t[2] = { { 1000 + i, 0 }, { 1000 + i, 0 } };

		snprintf(name, sizeof(name), "%064x", i);
		joey_close(openat(c->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		assert_int_equal(utimensat(c->fd, name, t, 0), 0);
	}
	joey_close(openat(c->fd, "not-an-entry", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	joey_seccomp_prog_free(compile(other, c->fd));
	for (unsigned i = 0; i < 70; i++) {
		snprintf(name, sizeof(name), "%064x", i);
		left += faccessat(c->fd, name, F_OK, 0) == 0;
	}
	/* the two real ones are the newest, the rest are the newest of the others */
	assert_int_equal(left, 46);
	assert_int_equal(faccessat(c->fd, name, F_OK, 0), 0);
	assert_int_equal(faccessat(c->fd, c->key, F_OK, 0), 0);
	assert_int_equal(faccessat(c->fd, "not-an-entry", F_OK, 0), 0);
	joey_config_free(other);
}

/* ---- in force --------------------------------------------------------------------------------------------------- */

struct load_case {
	const char *profile;
	bool nnp;
	uint32_t uid;
	bool drop_admin; /* before the step */
	int want;
};

static void load(void *arg)
{
	const struct load_case *l = arg;
	struct joey_caps caps = { .bounding = 1, .effective = 1, .permitted = 1 };
	struct joey_config *config = profile_text(l->profile);
	struct joey_err err = JOEY_ERR_INIT;
	struct caps now;
	struct bare b;
	int r;

	bare_init(&b);
	b.process.caps = &caps;
	b.process.user = (struct joey_user){ .uid = l->uid, .gid = l->uid };
	b.process.no_new_privileges = l->nnp;
	b.setup.seccomp = compile(config, -EBADF);
	if (l->drop_admin) {
		CHECK(caps_get(&now) == 0);
		now.effective &= ~(1ULL << CAP_SYS_ADMIN);
		now.permitted = now.effective;
		CHECK(caps_apply(&now) == 0);
	}
	if (l->nnp)
		CHECK_OK(step_no_new_privs(&b.setup, &err), &err);
	CHECK_OK(step_credentials(&b.setup, &err), &err);
	r = step_seccomp_late(&b.setup, &err);
	if (l->want == 0)
		/* exit_group is all that the profile may know; the status tells the rest */
		syscall(SYS_exit_group, r == 0 ? 0 : 4);
	CHECK(r == l->want);
	_exit(0);
}

/* The whole of what a profile must allow for joey's own sake. */
static void test_minimal_profiles(void **state)
{
	static const struct load_case table[] = {
		{ "{\"defaultAction\":\"SCMP_ACT_KILL_PROCESS\",\"syscalls\":"
		  "[{\"names\":[\"exit_group\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		  true, 1000, false, 0 },
		{ "{\"defaultAction\":\"SCMP_ACT_KILL_PROCESS\",\"syscalls\":"
		  "[{\"names\":[\"exit_group\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		  true, 0, false, 0 },
		{ "{\"defaultAction\":\"SCMP_ACT_KILL_PROCESS\",\"syscalls\":"
		  "[{\"names\":[\"exit_group\",\"capset\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		  false, 1000, false, 0 },
		{ "{\"defaultAction\":\"SCMP_ACT_KILL_PROCESS\",\"syscalls\":"
		  "[{\"names\":[\"exit_group\",\"capset\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		  false, 0, false, 0 },
		/* neither no_new_privs nor the capability */
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":"
		  "[{\"names\":[\"bpf\"],\"action\":\"SCMP_ACT_ERRNO\"}]}",
		  false, 1000, true, -EACCES },
	};

	(void)state;
	ROOT_ONLY();
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(table); i++) {
		struct load_case l = table[i];

		print_message("# case %zu\n", i);
		in_child(load, &l);
	}
}

static void final_caps(void *arg)
{
	struct joey_caps caps = { .bounding = 3, .effective = 1, .permitted = 3, .inheritable = 1, .ambient = 1 };
	struct joey_config *config = default_profile();
	struct joey_err err = JOEY_ERR_INIT;
	struct caps now;
	struct bare b;

	bare_init(&b);
	b.process.caps = *(bool *)arg ? &caps : NULL;
	b.process.user = (struct joey_user){ .uid = 1000, .gid = 1000 };
	b.setup.seccomp = compile(config, -EBADF);
	CHECK_OK(step_credentials(&b.setup, &err), &err);
	CHECK(caps_get(&now) == 0);
	CHECK(now.permitted & 1ULL << CAP_SYS_ADMIN);
	CHECK(!(now.effective & 1ULL << CAP_SYS_ADMIN));
	CHECK_OK(step_seccomp_late(&b.setup, &err), &err);
	CHECK(caps_get(&now) == 0);
	CHECK(now.effective == (b.process.caps ? 1 : 0));
	CHECK(now.permitted == (b.process.caps ? 3 : 0));
	CHECK(now.inheritable == (b.process.caps ? 1 : 0));
	CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0) == (b.process.caps ? 1 : 0));
}

static void test_final_caps(void **state)
{
	bool with = true, without = false;

	(void)state;
	ROOT_ONLY();
	in_child(final_caps, &with);
	in_child(final_caps, &without);
}

static void default_in_force(void *arg)
{
	struct joey_config *config = default_profile();
	struct joey_err err = JOEY_ERR_INIT;
	struct bare b;

	(void)arg;
	bare_init(&b);
	b.process.no_new_privileges = true;
	b.setup.seccomp = compile(config, -EBADF);
	CHECK_OK(step_no_new_privs(&b.setup, &err), &err);
	CHECK_OK(step_seccomp_late(&b.setup, &err), &err);
	CHECK(getppid() > 0);
	errno = 0;
	CHECK(mount("none", "/mnt", "tmpfs", 0, NULL) < 0 && errno == EPERM);
	errno = 0;
	CHECK(syscall(SYS_bpf, 0, NULL, 0) < 0 && errno == EPERM);
	errno = 0;
	CHECK(syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS);
	errno = 0;
	CHECK(syscall(1000) < 0 && errno == ENOSYS);
	errno = 0;
	CHECK(unshare(CLONE_NEWUSER) < 0 && errno == EPERM);
}

static void test_in_force(void **state)
{
	(void)state;
	ROOT_ONLY();
	in_child(default_in_force, NULL);
}

/* ---- listeners -------------------------------------------------------------------------------------------------- */

struct agent {
	int sock; /* child's end */
	int refuse;
};

/* What native does: the descriptor over a socket, and an answer is awaited. */
static int give_listener(void *arg, int fd, struct joey_err *err)
{
	struct agent *a = arg;
	char byte;

	if (a->refuse)
		return joey_err_sys(err, ECONNREFUSED, "agent");
	CHECK(joey_send_fds(a->sock, "x", 1, &fd, 1) == 1);
	CHECK(recv(a->sock, &byte, 1, 0) == 1);
	return 0;
}

/* Everything that a runtime might do on the way is up to the agent; write(2) too (see below), though the parser, like
 * runc, does not let it through. */
static const char *const GREEDY =
	"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/run/agent\",\"syscalls\":[{\"names\":"
	"[\"writev\",\"sendmsg\",\"read\",\"recvmsg\",\"recvfrom\",\"close\",\"futex\",\"getppid\",\"munmap\","
	"\"wait4\","
	"\"nanosleep\",\"clock_nanosleep\",\"sched_yield\",\"capget\",\"prctl\",\"fcntl\",\"poll\",\"brk\",\"mmap\"],"
	"\"action\":\"SCMP_ACT_NOTIFY\"}]}";

static void with_listener(void *arg)
{
	static char plain_write[] = "write";
	struct joey_config *config = profile_text(GREEDY);
	struct agent *a = arg;
	struct joey_err err = JOEY_ERR_INIT;
	struct bare b;
	int r;

	config->seccomp->rules[0].names.v[0] = plain_write;
	bare_init(&b);
	b.process.no_new_privileges = true;
	b.setup.seccomp = compile(config, -EBADF);
	CHECK(b.setup.seccomp->notify);
	b.setup.parent = (struct joey_setup_parent){ .arg = a, .seccomp_listener = give_listener };
	CHECK_OK(step_no_new_privs(&b.setup, &err), &err);
	r = step_seccomp_late(&b.setup, &err);
	if (a->refuse)
		syscall(SYS_exit_group, r == -ECONNREFUSED ? 0 : 5);
	if (r < 0)
		syscall(SYS_exit_group, 6);
	syscall(SYS_exit_group, syscall(SYS_getppid) == 4242 ? 0 : 7);
}

static void serve_one(int listener)
{
	struct seccomp_notif req;
	struct seccomp_notif_resp resp;

	memset(&req, 0, sizeof(req));
	assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &req), 0);
	assert_int_equal(req.data.nr, SYS_getppid);
	resp = (struct seccomp_notif_resp){ .id = req.id, .val = 4242 };
	assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp), 0);
}

static void test_listener(void **state)
{
	struct pollfd p;
	int sv[2], fd = -EBADF, status;
	struct agent a;
	size_t n;
	char byte;
	pid_t pid;

	(void)state;
	ROOT_ONLY();
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	a = (struct agent){ .sock = sv[1] };
	pid = fork();
	if (pid == 0) {
		alarm(30);
		with_listener(&a);
	}
	assert_int_equal(joey_recv_fds(sv[0], &byte, 1, &fd, 1, &n, 0), 1);
	assert_int_equal(n, 1);
	p = (struct pollfd){ .fd = fd, .events = POLLIN };
	/* nothing has been asked of the agent while it had no listener */
	assert_int_equal(poll(&p, 1, 100), 0);
	assert_int_equal(send(sv[0], "y", 1, 0), 1);
	serve_one(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	joey_close(fd);
	joey_close(sv[0]);
	joey_close(sv[1]);
}

static void test_listener_refused(void **state)
{
	struct agent a = { .sock = -EBADF, .refuse = 1 };

	(void)state;
	ROOT_ONLY();
	in_child(with_listener, &a);
}

static int listen_at(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void test_send_listener(void **state)
{
	struct cache *c = *state;
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct joey_json *got;
	char path[64], buf[4096];
	int server, conn, fds[2];
	uint64_t pid;
	ssize_t len;
	size_t n;

	snprintf(path, sizeof(path), "%s/agent", c->dir);
	server = listen_at(path);
	if (joey_seccomp_send_listener(path, "some \"data\"", "{\"ociVersion\":\"1.3.0\",\"id\":\"x\",\"pid\":7}", 42,
				       c->fd, &err) < 0)
		fail_msg("%s", joey_err_text(&err));
	conn = accept(server, NULL, NULL);
	len = joey_recv_fds(conn, buf, sizeof(buf), fds, 2, &n, 0);
	assert_true(len > 0);
	assert_int_equal(n, 1);
	joey_close(fds[0]);
	assert_int_equal(joey_json_parse(buf, (size_t)len, sizeof(buf), &arena, &got, &err), 0);
	assert_string_equal(joey_json_get_string(got, "ociVersion"), "1.3.0");
	assert_string_equal(joey_json_get_string(got, "metadata"), "some \"data\"");
	assert_int_equal(joey_json_get_u64(got, "pid", &pid), 0);
	assert_int_equal(pid, 42);
	assert_string_equal(joey_json_get(got, "fds")->u.array.v[0]->u.text, "seccompFd");
	assert_int_equal(joey_json_get(got, "fds")->u.array.n, 1);
	assert_string_equal(joey_json_get_string(joey_json_get(got, "state"), "id"), "x");
	/* one message, then the end */
	assert_int_equal(read(conn, buf, 1), 0);
	joey_arena_done(&arena);
	joey_close(conn);
	joey_close(server);
	assert_true(joey_seccomp_send_listener(path, NULL, "{}", 1, c->fd, &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_profile),
		cmocka_unit_test(test_enosys_tail),
		cmocka_unit_test(test_enosys_limits),
		cmocka_unit_test(test_argument_rules),
		cmocka_unit_test(test_unknown_names),
		cmocka_unit_test(test_layout_default),
		cmocka_unit_test(test_layout_others),
		cmocka_unit_test(test_layout_refuses),
		cmocka_unit_test(test_cache_keys),
		cmocka_unit_test_setup_teardown(test_cache_hit, cache_setup, cache_teardown),
		cmocka_unit_test_setup_teardown(test_cache_corrupted, cache_setup, cache_teardown),
		cmocka_unit_test_setup_teardown(test_cache_untrusted, cache_setup, cache_teardown),
		cmocka_unit_test_setup_teardown(test_cache_swapped, cache_setup, cache_teardown),
		cmocka_unit_test_setup_teardown(test_cache_prune, cache_setup, cache_teardown),
		cmocka_unit_test(test_minimal_profiles),
		cmocka_unit_test(test_final_caps),
		cmocka_unit_test(test_in_force),
		cmocka_unit_test(test_listener),
		cmocka_unit_test(test_listener_refused),
		cmocka_unit_test_setup_teardown(test_send_listener, cache_setup, cache_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
