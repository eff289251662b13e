/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the runtime's identity to the payload's.  The order is security (credentials(7), capabilities(7)):
 *
 *   bounding set     needs CAP_SETPCAP, so while still privileged
 *   stdio owner      needs CAP_CHOWN
 *   keep caps        only if the user is not root: the change of uid would clear the permitted set
 *   groups, gid, uid in this order; after the uid the others could not be changed any more
 *   capset, ambient  last: everything that is not the payload's is gone
 *   chdir, verify    again as the user; a working directory outside of the root is a leaked descriptor at work
 *
 * A filter without no_new_privs needs CAP_SYS_ADMIN when it is loaded.  For that case alone the capability stays
 * permitted, not effective, until seccomp_load.c has used it: so the only call that such a profile must allow besides
 * execve(2) is capset(2), and not even that if the payload keeps the capability.
 *
 * The process stays non-dumpable; execve(2) is what makes it dumpable again.
 */
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "joey/log.h"
#include "linux/linux-internal.h"

enum { DEFAULT_UMASK = 0022 };

bool wants_no_new_privs(const struct joey_setup *s)
{
	return s->process->no_new_privileges;
}

int step_no_new_privs(struct joey_setup *s, struct joey_err *err)
{
	(void)s;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return joey_err_sys(err, errno, "set no_new_privs");
	return 0;
}

int step_chdir(struct joey_setup *s, struct joey_err *err)
{
	const char *cwd = s->process->cwd;

	if (chdir(cwd) == 0) {
		s->cwd_done = true;
		return 0;
	}
	/* A volume may be open to the payload's user only (NFS with root squash, a mode 0700 directory). */
	if (errno == EACCES || errno == EPERM)
		return 0;
	return joey_err_sys(err, errno, "chdir to cwd (\"%s\") set in config.json failed", cwd);
}

static int finish_cwd(struct joey_setup *s, struct joey_err *err)
{
	const char *cwd = s->process->cwd;
	char now[PATH_MAX];

	if (!s->cwd_done && chdir(cwd) < 0)
		return joey_err_sys(err, errno, "chdir to cwd (\"%s\") set in config.json failed", cwd);
	/* The raw call: glibc would search upwards where the kernel says "(unreachable)". */
	if (syscall(SYS_getcwd, now, sizeof(now)) < 0)
		return joey_err_sys(err, errno, "verify cwd \"%s\"", cwd);
	if (now[0] != '/')
		return joey_err_set(err, JOEY_EK_OTHER, EXDEV,
				    "current working directory is outside of container mount namespace root -- "
				    "possible container breakout detected");
	return 0;
}

static bool is_null_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

/* So that the payload can open /dev/stdout and the like. */
static int own_stdio(uint32_t uid, struct joey_err *err)
{
	struct stat before = { 0 };

	for (int fd = 0; fd < 3; fd++) {
		struct stat st;

		if (fstat(fd, &st) < 0) {
			if (errno == EBADF)
				continue;
			return joey_err_sys(err, errno, "stat descriptor %d", fd);
		}
		if (is_null_device(&st) || st.st_uid == uid)
			continue;
		if (fd > 0 && before.st_dev == st.st_dev && before.st_ino == st.st_ino)
			continue;
		before = st;
		/* EINVAL: the owner is not mapped in our user namespace */
		if (fchown(fd, uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM && errno != EROFS)
			return joey_err_sys(err, errno, "change owner of descriptor %d", fd);
	}
	return 0;
}

static void set_umask(const struct joey_setup *s)
{
	const struct joey_user *own = &s->process->user;
	const struct joey_user *init = s->config->process ? &s->config->process->user : own;

	if (own->umask.set)
		umask((mode_t)own->umask.v);
	else if (s->exec_only && init->umask.set)
		umask((mode_t)init->umask.v);
	else if (!s->exec_only)
		umask(DEFAULT_UMASK);
}

static int set_groups(const struct joey_setup *s, const struct caps *now, struct joey_err *err)
{
	const struct joey_user *u = &s->process->user;
	const char *keep = joey_config_annotation(s->config, "run.oci.keep_original_groups");

	if (joey_streq(keep, "1"))
		return 0;
	if (setgroups(u->n_additional_gids, u->additional_gids) == 0)
		return 0;
	/* With the privilege in hand EPERM means "deny" in /proc/PID/setgroups: user_namespaces(7). */
	if (errno == EPERM && s->in_userns && now->effective >> CAP_SETGID & 1) {
		if (u->n_additional_gids > 0)
			return joey_err_set(err, JOEY_EK_CONFIG, EPERM,
					    "cannot set any additional groups in a rootless container");
		joey_debug("supplementary groups are kept: setgroups is denied in the user namespace");
		return 0;
	}
	return joey_err_sys(err, errno, "setgroups");
}

static int set_ids(const struct joey_user *u, struct joey_err *err)
{
	if (setresgid(u->gid, u->gid, u->gid) < 0) {
		if (errno == EINVAL)
			return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
					    "cannot setgid to unmapped gid %u in user namespace", u->gid);
		return joey_err_sys(err, errno, "setgid %u", u->gid);
	}
	if (setresuid(u->uid, u->uid, u->uid) < 0) {
		if (errno == EINVAL)
			return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
					    "cannot setuid to unmapped uid %u in user namespace", u->uid);
		return joey_err_sys(err, errno, "setuid %u", u->uid);
	}
	return 0;
}

static int set_caps(const struct joey_setup *s, const struct caps *now, bool keep_admin, struct joey_err *err)
{
	struct caps c;
	int r;

	caps_final(s->process, now, &c);
	if (s->process->caps && (s->process->caps->permitted & ~now->permitted))
		joey_warn("capabilities 0x%llx are not permitted to joey and are left out",
			  (unsigned long long)(s->process->caps->permitted & ~now->permitted));
	if (keep_admin)
		c.permitted |= now->permitted & 1ULL << CAP_SYS_ADMIN;
	r = caps_apply(&c);
	if (r < 0)
		return joey_err_sys(err, r, "set capabilities");
	caps_raise_ambient(s->process, &c);
	return 0;
}

int step_credentials(struct joey_setup *s, struct joey_err *err)
{
	const struct joey_process *p = s->process;
	bool keep_admin = s->seccomp && !p->no_new_privileges;
	bool change_caps = p->caps || (keep_admin && p->user.uid != 0);
	struct caps now;
	int r = caps_get(&now);

	if (r < 0)
		return joey_err_sys(err, r, "read capabilities");
	r = caps_drop_bounding(p, err);
	if (r < 0)
		return r;
	r = own_stdio(p->user.uid, err);
	if (r < 0)
		return r;
	set_umask(s);
	/* execve(2) clears the flag again */
	if (change_caps && p->user.uid != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return joey_err_sys(err, errno, "keep capabilities");
	r = set_groups(s, &now, err);
	if (r < 0)
		return r;
	r = set_ids(&p->user, err);
	if (r < 0)
		return r;
	if (change_caps) {
		r = set_caps(s, &now, keep_admin, err);
		if (r < 0)
			return r;
	}
	return finish_cwd(s, err);
}
