/* SPDX-License-Identifier: Apache-2.0 */
/* A seccomp profile, from JSON to BPF; the layout must decide as libseccomp's program behind the ENOSYS answers does.
 */
#include <linux/audit.h>
#include <string.h>

#include "../unit/bpf_run.h"
#include "fuzz.h"
#include "linux/linux-internal.h"

static const char head[] =
	"{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"r\"},\"process\":{\"cwd\":\"/\",\"args\":[\"x\"]},"
	"\"linux\":{\"seccomp\":";

static struct sock_filter plain[BPF_MAXINSNS], laid[BPF_MAXINSNS];

/* At, before and after every number that the program compares with. */
static void compare_at(size_t n_plain, size_t n_laid, uint32_t arch, uint32_t nr)
{
	static const uint64_t args[] = { 0, 1, 8, 0xffffffff, 0x100000000ULL, UINT64_MAX };

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(args); i++) {
		const struct seccomp_data d = { .nr = (int)nr,
						.arch = arch,
						.args = { args[i], args[i], args[i], args[i], args[i], args[i] } };
		uint32_t a = 0, b = 1;

		FUZZ_ASSERT(bpf_run(plain, n_plain, &d, &a) && bpf_run(laid, n_laid, &d, &b) && a == b);
	}
}

static void compare(const struct joey_seccomp *p)
{
	static const uint32_t archs[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_ARM, 0x1234 };
	struct joey_err err = JOEY_ERR_INIT;
	size_t n, n_laid, n_plain;

	if (seccomp_generate(p, laid, &n, &err) < 0) {
		joey_err_clear(&err);
		return;
	}
	n_plain = (size_t)seccomp_tail(p, plain);
	if (n_plain + n > BPF_MAXINSNS)
		return;
	memcpy(plain + n_plain, laid, n * sizeof(laid[0]));
	if (seccomp_layout(p, plain + n_plain, n, laid, &n_laid) < 0)
		return;
	n_plain += n;
	for (size_t i = 0; i < n_plain; i++)
		for (size_t a = 0; BPF_CLASS(plain[i].code) == BPF_JMP && a < JOEY_ARRAY_SIZE(archs); a++)
			for (uint32_t off = 0; off < 3; off++)
				compare_at(n_plain, n_laid, archs[a], plain[i].k - 1 + off);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct joey_str text = JOEY_STR_INIT;
	struct joey_err err = JOEY_ERR_INIT;
	struct joey_config *config = NULL;
	struct joey_seccomp_prog *p = NULL;

	if (size > 4096)
		return 0;
	joey_str_add(&text, head);
	joey_str_addn(&text, (const char *)data, size);
	joey_str_add(&text, "}}");
	if (!text.failed && joey_config_parse(text.buf, text.len, &config, &err) == 0 && config->seccomp) {
		if (joey_seccomp_compile(config->seccomp, -EBADF, &p, &err) == 0) {
			FUZZ_ASSERT(p->prog.len > 0 && p->prog.filter);
			FUZZ_ASSERT(BPF_CLASS(p->prog.filter[p->prog.len - 1].code) == BPF_RET);
			compare(config->seccomp);
		} else {
			FUZZ_ASSERT(!p && err.errnum > 0);
		}
	}
	joey_seccomp_prog_free(p);
	joey_config_free(config);
	joey_err_clear(&err);
	joey_str_done(&text);
	return 0;
}
