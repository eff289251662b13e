/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls that a copy of a machine may not make.  QEMU's -sandbox cannot be used for a zygote, which forks,
 * and a copy has nobody in it who would call QEMU's function: so these are its four lists, by the same names, and what
 * a hypervisor that has started has no use for.  Who makes one is killed.
 */
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/vmm-internal.h"

#define NR(name) SCMP_SYS(name)

static const int denied[] = {
	/* obsolete */
	NR(readdir),
	NR(_sysctl),
	NR(bdflush),
	NR(create_module),
	NR(get_kernel_syms),
	NR(query_module),
	NR(sgetmask),
	NR(ssetmask),
	NR(sysfs),
	NR(uselib),
	NR(ustat),
	/* elevateprivileges */
	NR(setuid),
	NR(setgid),
	NR(setpgid),
	NR(setsid),
	NR(setreuid),
	NR(setregid),
	NR(setresuid),
	NR(setresgid),
	NR(setfsuid),
	NR(setfsgid),
	NR(setgroups),
	NR(capset),
	/* spawn */
	NR(fork),
	NR(vfork),
	NR(execve),
	NR(execveat),
	NR(setns),
	NR(unshare),
	/* resourcecontrol */
	NR(setpriority),
	NR(sched_setparam),
	NR(sched_setscheduler),
	NR(sched_setattr),
	NR(sched_setaffinity),
	/* of the whole machine, whoever has which capability */
	NR(reboot),
	NR(swapon),
	NR(swapoff),
	NR(syslog),
	NR(mount),
	NR(umount),
	NR(umount2),
	NR(pivot_root),
	NR(chroot),
	NR(kexec_load),
	NR(kexec_file_load),
	NR(init_module),
	NR(finit_module),
	NR(delete_module),
	NR(acct),
	NR(quotactl),
	NR(quotactl_fd),
	NR(nfsservctl),
	NR(vhangup),
	NR(settimeofday),
	NR(clock_settime),
	NR(clock_adjtime),
	NR(adjtimex),
	NR(stime),
	NR(sethostname),
	NR(setdomainname),
	NR(iopl),
	NR(ioperm),
	NR(lookup_dcookie),
	/* files by other ways than their names */
	NR(name_to_handle_at),
	NR(open_by_handle_at),
	NR(open_tree),
	NR(move_mount),
	NR(fsopen),
	NR(fsconfig),
	NR(fsmount),
	NR(fspick),
	NR(mount_setattr),
	NR(fanotify_init),
	/* other processes */
	NR(ptrace),
	NR(process_vm_readv),
	NR(process_vm_writev),
	NR(process_madvise),
	NR(process_mrelease),
	NR(kcmp),
	NR(pidfd_getfd),
	NR(pidfd_open),
	NR(pidfd_send_signal),
	NR(tkill),
	NR(migrate_pages),
	NR(move_pages),
	/* what the kernel has most holes in */
	NR(bpf),
	NR(perf_event_open),
	NR(userfaultfd),
	NR(keyctl),
	NR(add_key),
	NR(request_key),
	NR(io_uring_setup),
	NR(io_uring_enter),
	NR(io_uring_register),
	NR(personality),
	NR(seccomp),
	NR(modify_ldt),
	NR(remap_file_pages),
};

static int add_rules(scmp_filter_ctx ctx)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < JOEY_ARRAY_SIZE(denied); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, denied[i], 0);
	/* Threads are QEMU's way of life; clone3's arguments cannot be looked at, and the C library can do without it.
	 */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, NR(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), NR(clone3), 0);
	/* It has all that it is to have; not every family knows of network namespaces. */
	return r == 0 ? seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), NR(socket), 0) : r;
}

static int export_filter(scmp_filter_ctx ctx, struct sock_filter *ret, size_t max, size_t *ret_n)
{
	autoclose int fd = memfd_create("filter", MFD_CLOEXEC);
	ssize_t n;
	int r;

	if (fd < 0)
		return -errno;
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return r;
	n = pread(fd, ret, max * sizeof(*ret), 0);
	if (n < 0)
		return -errno;
	if (n == 0 || (size_t)n == max * sizeof(*ret) || (size_t)n % sizeof(*ret))
		return -E2BIG;
	*ret_n = (size_t)n / sizeof(*ret);
	return 0;
}

int vmm_filter(struct sock_filter *ret, size_t max, size_t *ret_n, struct joey_err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r = ctx ? seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) : -ENOMEM;

	if (r == 0)
		r = add_rules(ctx);
	if (r == 0)
		r = export_filter(ctx, ret, max, ret_n);
	seccomp_release(ctx);
	return r < 0 ? joey_err_sys(err, r, "make a machine's system call filter") : 0;
}
