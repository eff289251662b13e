/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel offers, for `joey check`.  A system call is there when it answers anything but ENOSYS to arguments
 * that it must refuse; nothing is created.  EPERM may mean a seccomp profile around joey itself, which is said.
 */
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "joey/check.h"
#include "joey/syscalls.h"

static const struct {
	const char *name;
	long number;
	const char *since, *cost;
	enum joey_finding_level level; /* when it is missing */
} calls[] = {
	{ "clone3", SYS_clone3, "5.3", "no container can be made", JOEY_FINDING_MISSING },
	{ "pidfd_open", SYS_pidfd_open, "5.3", "no container can be made", JOEY_FINDING_MISSING },
	{ "pidfd_send_signal", SYS_pidfd_send_signal, "5.1", "containers cannot be signalled", JOEY_FINDING_MISSING },
	{ "fsopen", SYS_fsopen, "5.2", "no container can be made", JOEY_FINDING_MISSING },
	{ "open_tree", SYS_open_tree, "5.2", "no container can be made", JOEY_FINDING_MISSING },
	{ "move_mount", SYS_move_mount, "5.2", "no container can be made", JOEY_FINDING_MISSING },
	{ "mount_setattr", SYS_mount_setattr, "5.12", "no container can be made", JOEY_FINDING_MISSING },
	{ "openat2", SYS_openat2, "5.6", "slower path walks (a stand-in is used)", JOEY_FINDING_LIMITED },
	{ "close_range", SYS_close_range, "5.9", "slower start (a stand-in is used)", JOEY_FINDING_LIMITED },
	{ "keyctl", SYS_keyctl, "2.6", "containers share the caller's session keyring", JOEY_FINDING_LIMITED },
	{ "bpf", SYS_bpf, "3.18", "device rules cannot be applied", JOEY_FINDING_LIMITED },
};

static int call_refused(long number)
{
	/* -1 is no descriptor, no address, no command: every call in the table refuses it. */
	return syscall(number, -1L, -1L, -1L, -1L, -1L, -1L) < 0 ? errno : 0;
}

static int check_calls(struct joey_findings *f)
{
	int r = 0;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(calls) && r == 0; i++) {
		int e = call_refused(calls[i].number);

		if (e == ENOSYS)
			r = joey_findings_add(f, "kernel", calls[i].name, calls[i].level, calls[i].cost,
					      "not there (Linux %s has it; or a seccomp profile hides it)",
					      calls[i].since);
		else
			r = joey_findings_add(f, "kernel", calls[i].name, JOEY_FINDING_OK, NULL, "there");
	}
	return r;
}

static int check_seccomp(struct joey_findings *f)
{
	static const struct {
		const char *name;
		uint32_t action;
		const char *cost;
	} actions[] = {
		{ "seccomp", SECCOMP_RET_ERRNO, "seccomp profiles cannot be applied" },
		{ "seccomp notify", SECCOMP_RET_USER_NOTIF, "SCMP_ACT_NOTIFY cannot be used" },
	};
	int r = 0;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(actions) && r == 0; i++) {
		uint32_t action = actions[i].action;
		bool ok = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;

		r = joey_findings_add(f, "kernel", actions[i].name, ok ? JOEY_FINDING_OK : JOEY_FINDING_LIMITED,
				      actions[i].cost, ok ? "there" : "not there");
	}
	return r;
}

static int check_lsm(struct joey_findings *f)
{
	static const struct {
		const char *name, *file, *on;
	} lsms[] = {
		{ "AppArmor", "/sys/module/apparmor/parameters/enabled", "Y" },
		{ "SELinux", "/sys/fs/selinux/enforce", NULL },
	};
	int r = 0;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(lsms) && r == 0; i++) {
		autofree char *text = NULL;
		bool ok = joey_read_file_at(AT_FDCWD, lsms[i].file, 0, 64, &text, NULL) == 0 &&
			  (!lsms[i].on || joey_startswith(text, lsms[i].on));

		r = joey_findings_add(f, "security", lsms[i].name, ok ? JOEY_FINDING_OK : JOEY_FINDING_LIMITED,
				      "configs that name a label of it are refused", ok ? "enabled" : "not enabled");
	}
	return r;
}

static int check_criu(struct joey_findings *f)
{
	static const char *const places[] = { "/usr/sbin/criu", "/usr/local/sbin/criu", "/usr/bin/criu",
					      "/usr/local/bin/criu" };

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(places); i++)
		if (faccessat(AT_FDCWD, places[i], X_OK, 0) == 0)
			return joey_findings_add(f, "programs", "CRIU", JOEY_FINDING_OK, NULL, "%s", places[i]);
	return joey_findings_add(f, "programs", "CRIU", JOEY_FINDING_LIMITED, "no checkpoint and restore",
				 "not installed");
}

int joey_check_kernel(struct joey_findings *f)
{
	struct utsname u = { 0 };
	int r;

	(void)uname(&u);
	r = joey_findings_add(f, "kernel", "version", JOEY_FINDING_OK, NULL, "%s %s", u.release, u.machine);
	if (r == 0)
		r = check_calls(f);
	if (r == 0)
		r = check_seccomp(f);
	if (r == 0)
		r = check_lsm(f);
	return r < 0 ? r : check_criu(f);
}
