/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_FAKE_BACKEND_H
#define JOEY_FAKE_BACKEND_H

/*
 * A backend whose containers are forked children that sleep or exit: no root, no namespaces.  It stands in for
 * joey_native_backend, and for the few functions of src/linux that the runtime calls; all of them write down what they
 * are asked for.
 */

#include "joey/runtime.h"

enum fake_point { FAKE_NOWHERE, FAKE_BEFORE_SAVE1, FAKE_AFTER_SAVE1, FAKE_AFTER_HOOKS, FAKE_AFTER_SAVE2, FAKE_AT_END };

struct fake {
	struct joey_str trace; /* "create save hook:prestart/creating ..." */
	enum fake_point fail_at, die_at, hang_at;
	bool fail_start, fail_destroy, fail_update, fail_stats;
	unsigned events[8]; /* what take() of a watch says, call by call; the last one stays */
	size_t takes;
	int64_t updated_pids;    /* pids.limit of the last update; 0: not asked for */
	const char *fail_hook;   /* "poststart" */
	bool run_exits;          /* run: the payload ends by itself ... */
	int exit_status;         /* ... with this, or by signal -exit_status */
	enum joey_status status; /* of the one container, as long as it lives */
	pid_t pid;
	char hook_env[256], hook_state[4096];
	char last_env[4096]; /* process.env of the last create, joined by blanks */
	unsigned last_preserve;
	bool has_kvm, vm_needs_kvm; /* of the fake that stands for sandboxes, and what it was asked for */
	uint64_t vm_memory;
	uint32_t vm_vcpus, vm_network_devices;
	char vm_texts[256];   /* "kernel pod trust", "-" where not said */
	const char *run_says; /* run: written to standard output by the payload */
};

extern struct fake fake;

void fake_reset(void);
const char *fake_trace(void);

#endif
