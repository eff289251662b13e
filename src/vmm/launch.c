/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine out of its description: channels, commands, process.  All that QEMU's monitor has to be told is in the
 * socket before QEMU exists, so nobody waits for an answer.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "vmm/vmm-internal.h"

static const struct {
	enum vmm_fd fd;
	size_t at;
	const char *name;
} channels[] = {
	{ VMM_FD_CTL, offsetof(struct joey_vmm, ctl), "ctl" },
	{ VMM_FD_IO, offsetof(struct joey_vmm, io), "io" },
	{ VMM_FD_QMP, offsetof(struct joey_vmm, qmp), "qmp" },
	{ VMM_FD_CONSOLE, offsetof(struct joey_vmm, console), "console" },
};

static int *end_of(struct joey_vmm *vm, size_t i)
{
	return (int *)((char *)vm + channels[i].at);
}

int vmm_pair(int type, int *ours, int *theirs, struct joey_err *err)
{
	int fds[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) < 0)
		return joey_err_sys(err, errno, "make a socket pair");
	*ours = fds[0];
	*theirs = fds[1];
	return 0;
}

int vmm_channels(struct joey_vmm *vm, int theirs[VMM_FD_END], struct joey_err *err)
{
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(channels); i++) {
		int fds[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
			return joey_err_sys(err, errno, "make the channel '%s'", channels[i].name);
		*end_of(vm, i) = fds[0];
		theirs[channels[i].fd] = fds[1];
		if (fcntl(fds[0], F_SETFL, O_RDWR | O_NONBLOCK) < 0)
			return joey_err_sys(err, errno, "make the channel '%s' non-blocking", channels[i].name);
	}
	return 0;
}

static int queue_commands(const struct vmm_launch *l, int qmp, struct joey_err *err)
{
	autostr struct joey_str s = JOEY_STR_INIT;

	joey_str_add(&s, vmm_qmp_hello);
	if (l->machine.mode != VMM_BOOT)
		joey_str_add(&s, vmm_qmp_ignore_shared);
	if (l->machine.mode == VMM_RESTORE)
		joey_str_printf(&s, "{\"execute\":\"migrate-incoming\",\"arguments\":{\"uri\":\"fd:%d\"}}\n",
				(int)VMM_FD_STATE);
	if (s.failed)
		return joey_err_sys(err, ENOMEM, "prepare the monitor's commands");
	if (send(qmp, s.buf, s.len, MSG_NOSIGNAL) != (ssize_t)s.len)
		return joey_err_sys(err, errno, "write the monitor's commands");
	return 0;
}

static int run(const struct vmm_launch *l, struct joey_vmm *vm, struct vmm_spawn *s, struct joey_arena *arena,
	       struct joey_err *err)
{
	int r = queue_commands(l, vm->qmp, err);

	if (r < 0)
		return r;
	s->argv = vmm_command_line(&l->machine, arena);
	if (!s->argv)
		return joey_err_sys(err, ENOMEM, "prepare the hypervisor's command line");
	return vmm_spawn(s, &vm->pid, &vm->pidfd, err);
}

static int make_control(int *theirs, struct joey_vmm *vm, struct joey_err *err)
{
	int r = vmm_pair(SOCK_SEQPACKET, &vm->zygote, theirs, err);

	if (r < 0)
		return r;
	if (fcntl(vm->zygote, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return joey_err_sys(err, errno, "make a socket non-blocking");
	return vmm_fork_setup(vm->zygote, err);
}

int vmm_launch(const struct vmm_launch *l, struct joey_vmm *ret, struct joey_err *err)
{
	struct joey_vmm vm = JOEY_VMM_INIT;
	struct joey_arena arena = JOEY_ARENA_INIT;
	int theirs[VMM_FD_END];
	autoclose int null = -EBADF;
	struct vmm_spawn s = {
		.in = l->machine.in, .share = l->share, .cgroup_fd = l->cgroup_fd, .status = -EBADF, .zygote = l->zygote
	};
	int r;

	s.no_cgroup = l->machine.mode == VMM_BUILD;
	for (int i = 0; i < VMM_FD_END; i++)
		theirs[i] = -EBADF;
	r = vmm_channels(&vm, theirs, err);
	if (r == 0) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null < 0)
			r = joey_err_sys(err, errno, "open /dev/null");
	}
	if (r == 0) {
		memcpy(s.fds, theirs, sizeof(theirs)); /* -EBADF where there is none yet */
		s.fds[VMM_FD_IN] = s.fds[VMM_FD_OUT] = null;
		/* What QEMU complains about is said where the guest's kernel speaks. */
		s.fds[VMM_FD_ERR] = theirs[VMM_FD_CONSOLE];
		s.fds[VMM_FD_RAM] = l->ram_fd;
		s.fds[VMM_FD_STATE] = l->machine.mode == VMM_RESTORE ? l->state_fd : -EBADF;
		s.fds[VMM_FD_KERNEL] = l->machine.mode == VMM_RESTORE ? -EBADF : l->machine.in->kernel_fd;
		s.fds[VMM_FD_INITRAMFS] = l->machine.mode == VMM_RESTORE ? -EBADF : l->machine.in->initramfs_fd;
		for (unsigned i = 0; l->tap_fds && i < l->machine.in->spec.nets; i++)
			s.fds[vmm_fd_of_tap(i)] = l->tap_fds[i];
		s.fds[VMM_FD_BLOCK] = l->block_fd;
		r = l->zygote ? make_control(&theirs[VMM_FD_ZYGOTE], &vm, err) : 0;
		s.fds[VMM_FD_ZYGOTE] = theirs[VMM_FD_ZYGOTE];
	}
	if (r == 0)
		r = run(l, &vm, &s, &arena, err);
	joey_close(theirs[VMM_FD_ZYGOTE]);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(channels); i++)
		joey_close(theirs[channels[i].fd]);
	joey_arena_done(&arena);
	if (r < 0) {
		joey_vmm_end(&vm);
		return r;
	}
	vm.restored = l->machine.mode == VMM_RESTORE;
	vm.accel = l->machine.in->spec.accel;
	*ret = vm;
	return 0;
}
