/* SPDX-License-Identifier: Apache-2.0 */
/* A seccomp profile, from JSON to BPF. */
#include <string.h>

#include "fuzz.h"
#include "joey/setup.h"

static const char head[] =
	"{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"r\"},\"process\":{\"cwd\":\"/\",\"args\":[\"x\"]},"
	"\"linux\":{\"seccomp\":";

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
