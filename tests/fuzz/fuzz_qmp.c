/* SPDX-License-Identifier: Apache-2.0 */
/* What a hypervisor that was taken over may send: bytes on its monitor, in pieces; and the records and verdicts on
 * disk. */
#include <string.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "vmm/vmm-internal.h"

static void monitor(const uint8_t *data, size_t size)
{
	struct joey_vmm_monitor_state q = { 0 };
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct vmm_qmp_message m;
	int sv[2], r = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return;
	while (size > 0 && r >= 0) {
		size_t n = (size_t)data[0] + 1 < size ? (size_t)data[0] + 1 : size;

		if (write(sv[1], data, n) != (ssize_t)n)
			break;
		data += n;
		size -= n;
		while ((r = vmm_qmp_read(&q, sv[0], &arena, &m)) > 0)
			FUZZ_ASSERT(q.cap <= VMM_QMP_LINE_MAX && (m.kind != VMM_QMP_ERROR || m.text));
	}
	joey_close(sv[0]);
	joey_close(sv[1]);
	free(q.buf);
	joey_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct vmm_record rec;
	struct joey_err err = JOEY_ERR_INIT;
	char *why = NULL;
	bool usable;

	if (size > 1 << 17)
		return 0;
	monitor(data, size);
	if (vmm_record_parse(text, size, &rec, &err) == 0)
		vmm_record_done(&rec);
	joey_err_clear(&err);
	if (vmm_verdict_parse(text, size, "b", &usable, &why) == 0)
		free(why);
	return 0;
}
