/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is /dev/kvm more than a file?  On some hosts (nested virtualisation without hardware help) it opens, and a guest
 * then runs instruction by instruction in an emulator, or never ends.  So a guest of a few instructions is run: a
 * counted loop in real mode that halts at the end.  Hardware does 20,000 turns in well under a millisecond, an
 * emulator in tens; the limits lie between with room on both sides.  It happens in a child that is killed when the time
 * is up, because nothing else ends a vCPU that spins in the kernel.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "joey/check.h"
#include "joey/syscalls.h"

#define COST "sandboxed containers run under emulation: slower, and isolated by a weaker promise"

enum { DEADLINE_MS = 500, FAST_US = 5000, GUEST_SIZE = 0x4000 };

struct verdict {
	char what[96]; /* empty: the guest ran */
	uint64_t us;
};

static int fail(struct verdict *v, const char *what)
{
	snprintf(v->what, sizeof(v->what), "%s: %s", what, joey_errno_text(errno));
	return -1;
}

#ifdef __x86_64__
static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* mov $20000, %cx; 1: dec %cx; jnz 1b; hlt */
static const unsigned char guest_code[] = { 0xb9, 0x20, 0x4e, 0x49, 0x75, 0xfd, 0xf4 };

static int set_registers(int vcpu, struct verdict *v)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rip = 0x1000, .rflags = 2 };

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
		return fail(v, "read guest registers");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu, KVM_SET_REGS, &regs) < 0)
		return fail(v, "set guest registers");
	return 0;
}

static int run_vcpu(int kvm, int vcpu, struct verdict *v)
{
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0UL);
	struct kvm_run *run;
	uint64_t begin;

	if (size < (int)sizeof(*run))
		return fail(v, "ask for the vCPU's size");
	run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		return fail(v, "map the vCPU");
	if (set_registers(vcpu, v) < 0)
		return -1;
	begin = now_us();
	if (ioctl(vcpu, KVM_RUN, 0UL) < 0)
		return fail(v, "run a guest");
	v->us = now_us() - begin;
	if (run->exit_reason != KVM_EXIT_HLT) {
		snprintf(v->what, sizeof(v->what), "the guest stopped for reason %u", run->exit_reason);
		return -1;
	}
	return 0;
}

static int run_guest(int kvm, struct verdict *v)
{
	struct kvm_userspace_memory_region region = { .guest_phys_addr = 0, .memory_size = GUEST_SIZE };
	void *memory = mmap(NULL, GUEST_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int vm, vcpu;

	if (memory == MAP_FAILED)
		return fail(v, "allocate guest memory");
	memcpy((char *)memory + 0x1000, guest_code, sizeof(guest_code));
	region.userspace_addr = (uint64_t)(uintptr_t)memory;
	vm = ioctl(kvm, KVM_CREATE_VM, 0UL);
	if (vm < 0)
		return fail(v, "make a VM");
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return fail(v, "give the VM memory");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0UL);
	return vcpu < 0 ? fail(v, "make a vCPU") : run_vcpu(kvm, vcpu, v);
}
#else
/* Elsewhere making a VM and a vCPU has to do. */
static int run_guest(int kvm, struct verdict *v)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0UL);

	if (vm < 0)
		return fail(v, "make a VM");
	return ioctl(vm, KVM_CREATE_VCPU, 0UL) < 0 ? fail(v, "make a vCPU") : 0;
}
#endif

static int in_child(int kvm, struct verdict *ret)
{
	struct clone_args args = { .flags = CLONE_PIDFD, .exit_signal = SIGCHLD };
	autoclose int out = -EBADF, in = -EBADF, pidfd = -EBADF;
	struct pollfd p;
	int fds[2], raw = -1, status, ready;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	in = fds[0];
	out = fds[1];
	args.pidfd = (uint64_t)(uintptr_t)&raw;
	pid = joey_sys_clone3(&args);
	if (pid < 0)
		return pid;
	if (pid == 0) {
		struct verdict v = { 0 };

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)run_guest(kvm, &v);
		_exit(write(out, &v, sizeof(v)) == (ssize_t)sizeof(v) ? 0 : 1);
	}
	pidfd = raw;
	out = joey_close(out);
	p = (struct pollfd){ .fd = in, .events = POLLIN };
	do
		ready = poll(&p, 1, DEADLINE_MS);
	while (ready < 0 && errno == EINTR);
	if (ready <= 0 || read(in, ret, sizeof(*ret)) != (ssize_t)sizeof(*ret))
		snprintf(ret->what, sizeof(ret->what), "a guest of a few instructions did not end in %d ms",
			 DEADLINE_MS);
	(void)joey_sys_pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	(void)joey_wait_pid(pid, &status);
	return 0;
}

int joey_check_kvm(struct joey_findings *f)
{
	autoclose int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	struct verdict v = { 0 };
	int r;

	if (kvm < 0)
		return joey_findings_add(f, "sandbox", "KVM", JOEY_FINDING_LIMITED, COST, "open /dev/kvm: %s",
					 joey_errno_text(errno));
	r = in_child(kvm, &v);
	if (r < 0)
		return r;
	v.what[sizeof(v.what) - 1] = '\0';
	if (v.what[0])
		return joey_findings_add(f, "sandbox", "KVM", JOEY_FINDING_LIMITED, COST, "there, but not usable: %s",
					 v.what);
	if (v.us > FAST_US)
		return joey_findings_add(f, "sandbox", "KVM", JOEY_FINDING_LIMITED, COST,
					 "there, but emulated: %llu us for 20000 turns of a loop",
					 (unsigned long long)v.us);
	return joey_findings_add(f, "sandbox", "KVM", JOEY_FINDING_OK, NULL, "usable");
}
