/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session keyring of the container's own, so that it does not inherit the caller's keys (keyctl(2)).
 * Named after the container: an exec joins the same one, which it may only when the keyring can be searched.
 */
#include <linux/keyctl.h>
#include <sys/syscall.h>

#include "joey/log.h"
#include "joey/syscalls.h"
#include "linux/linux-internal.h"

/* possessor: everything; user: view, read, search, link (keyrings(7), security/keys/permission.c) */
#define KEYRING_PERM 0x3f1b0000UL

bool wants_keyring(const struct joey_setup *s)
{
	return !s->no_new_keyring;
}

static bool labels_keys(const struct joey_setup *s)
{
	return s->process->selinux_label != NULL;
}

static int label_keys(struct joey_setup *s, const char *label, struct joey_err *err)
{
	int r;

	if (!labels_keys(s))
		return 0;
	r = joey_setup_procfs(s, err);
	return r < 0 ? r : lsm_set_keycreate(s, label, err);
}

int step_keyring(struct joey_setup *s, struct joey_err *err)
{
	autostr struct joey_str name = JOEY_STR_INIT;
	autofree char *text = NULL;
	long serial;
	int r;

	joey_str_printf(&name, "_ses.%s", s->id);
	text = joey_str_take(&name);
	if (!text)
		return joey_err_sys(err, ENOMEM, "session keyring");
	r = label_keys(s, s->process->selinux_label, err);
	if (r < 0)
		return r;
	serial = joey_sysret(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, text));
	/* A kernel without keys, or the seccomp profile of a container around us: the keyring is a second line only. */
	if (serial == -ENOSYS || serial == -EPERM) {
		joey_debug("join session keyring %s: %s", text, joey_errno_text((int)serial));
		return 0;
	}
	if (serial < 0)
		return joey_err_sys(err, (int)serial, "join session keyring %s", text);
	if (!s->exec_only) {
		long q = joey_sysret(syscall(SYS_keyctl, KEYCTL_SETPERM, serial, KEYRING_PERM));

		if (q < 0)
			return joey_err_sys(err, (int)q, "set permissions of session keyring %s", text);
	}
	return label_keys(s, "", err);
}
