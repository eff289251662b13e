/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order in which a container's first process makes its world.  The order is security:
 *
 *  MOUNTS  happens with the host's tree still in sight, so everything is done by descriptor below s->root_fd.
 *          What later steps need from the host (the private procfs, the sources of masks, /dev/null) is made here,
 *          detached, because after the pivot only image-controlled paths are left.
 *  PIVOT   the host's tree is gone.  The terminal comes before anything turns read-only (it creates /dev/console),
 *          the working directory too.  sysctls are written before /proc/sys turns read-only; paths are made
 *          read-only before others are masked (a mask may lie below a read-only path).  no_new_privs is last but for
 *          what a later privilege change could undo.
 *  EXEC    credentials.  Without no_new_privs a filter needs CAP_SYS_ADMIN, so it is loaded before the last capability
 *          is dropped; with it, after everything else, so that a profile need not allow the runtime's own calls.
 *          chdir runs as root first and as the user again (step_chdir), and its result is verified after the
 *          credentials are final.
 *
 * An exec into a running container (s->exec_only) runs the EXEC phase only.
 */
#include <string.h>

#include "joey/setup.h"
#include "linux/linux-internal.h"

static const struct step {
	const char *name;
	bool (*wanted)(const struct joey_setup *s); /* NULL: always */
	int (*run)(struct joey_setup *s, struct joey_err *err);
	bool plain; /* its error is known to engines and their users by its exact shape: no step name before it */
} steps[JOEY_PHASE_MAX][20] = {
	[JOEY_PHASE_MOUNTS] = {
		{ "start a session", NULL, step_session },
		{ "join a session keyring", wants_keyring, step_keyring },
		{ "bring up the loopback device", wants_loopback, step_loopback },
		{ "prepare rootfs", NULL, step_prepare_rootfs },
		{ "mount", wants_mounts, step_mounts },
		{ "make devices", wants_devices, step_devices },
		{ "open a private procfs", joey_setup_wants_procfs, step_procfs },
		{ "prepare masks", wants_masks, step_prepare_masks },
	},
	[JOEY_PHASE_PIVOT] = {
		{ "pivot root", NULL, step_pivot },
		{ "set rootfs propagation", wants_root_propagation, step_root_propagation },
		{ "reopen /dev/null", NULL, step_stdio_devnull },
		{ "make the working directory", NULL, step_make_cwd },
		{ "set up the terminal", wants_terminal, step_terminal },
		{ "make mounts read-only", wants_readonly_late, step_readonly_late },
		{ "make the rootfs read-only", wants_readonly_root, step_readonly_root },
		{ "set hostname", wants_hostname, step_hostname },
		{ "set domainname", wants_domainname, step_domainname },
		{ "set AppArmor profile", wants_apparmor, step_apparmor },
		{ "write sysctls", wants_sysctl, step_sysctl },
		{ "make paths read-only", wants_readonly_paths, step_readonly_paths },
		{ "mask paths", wants_masked_paths, step_masked_paths },
		{ "set no_new_privs", wants_no_new_privs, step_no_new_privs },
		{ "set the scheduler", wants_scheduler, step_scheduler },
		{ "set I/O priority", wants_io_priority, step_io_priority },
		{ "set personality", wants_personality, step_personality },
		{ "set memory policy", wants_memory_policy, step_memory_policy },
	},
	[JOEY_PHASE_EXEC] = {
		{ "prepare the exec", wants_exec_prepare, step_exec_prepare },
		{ "set SELinux label", wants_selinux, step_selinux },
		{ "change to the working directory", NULL, step_chdir },
		{ "make the environment", NULL, step_environment },
		{ "set credentials", NULL, step_credentials },
		{ "find the program", NULL, step_resolve_executable, true },
		{ "load the seccomp filter", wants_seccomp_late, step_seccomp_late },
	},
};

void joey_setup_init(struct joey_setup *s)
{
	*s = (struct joey_setup){
		.bundle_fd = -EBADF,
		.host_root_fd = -EBADF,
		.rootfs_fd = -EBADF,
		.devnull_fd = -EBADF,
		.cgroup_fd = -EBADF,
		.console_sock = -EBADF,
		.pty_to_parent = -EBADF,
		.notify_dir_fd = -EBADF,
		.root_fd = -EBADF,
		.proc_fd = -EBADF,
		.masked_dir_fd = -EBADF,
		.exec_fd = -EBADF,
	};
}

void joey_setup_close(struct joey_setup *s)
{
	s->root_fd = joey_close(s->root_fd);
	s->proc_fd = joey_close(s->proc_fd);
	s->masked_dir_fd = joey_close(s->masked_dir_fd);
	for (size_t i = 0; s->mount_fds && i < s->config->n_mounts; i++)
		s->mount_fds[i] = joey_close(s->mount_fds[i]);
}

void joey_setup_done(struct joey_setup *s)
{
	joey_setup_close(s);
	joey_close(s->exec_fd);
	free(s->mount_fds);
	free(s->mount_readonly_late);
	free(s->exec_path);
	/* the strings of envp belong to the config or to step_environment's one-shot process image */
	free(s->envp);
	joey_setup_init(s);
}

int joey_setup_run(struct joey_setup *s, enum joey_phase phase, struct joey_err *err)
{
	for (const struct step *step = steps[phase]; step->name; step++) {
		int r;

		if (step->wanted && !step->wanted(s))
			continue;
		r = step->run(s, err);
		if (r >= 0)
			continue;
		if (!step->plain)
			r = joey_err_wrap(err, "%s", step->name);
		return s->exec_only ? r : joey_err_wrap(err, "error during container init");
	}
	return 0;
}
