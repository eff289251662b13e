/* SPDX-License-Identifier: Apache-2.0 */
/* The backend that runs containers in virtual machines: the table of its operations. */
#include "sandbox/sandbox-internal.h"

static bool vm_is_accelerated(void)
{
	autoclose int cache = joey_vmm_cache_open();
	autofree char *why = NULL;

	return joey_vmm_accel(cache, &why) == JOEY_ACCEL_KVM;
}

const struct joey_backend joey_vm_backend = {
	.name = "vm",
	.features = vm_features,
	.check = vm_check,
	.is_accelerated = vm_is_accelerated,
	.templates = &vm_templates,
	.create = vm_create,
	.start = joey_gate_open,
	.signal = vm_signal,
	.query = joey_init_query,
	.exec = vm_exec,
	.set_paused = vm_set_paused,
	.update = vm_update,
	.pids = joey_init_pids,
	.guest_processes = vm_guest_processes,
	.guest_console = vm_guest_console,
	.stats = vm_stats,
	.watch = vm_watch,
	.wait = joey_init_wait,
	.destroy = vm_destroy,
};
