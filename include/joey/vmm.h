/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_VMM_H
#define JOEY_VMM_H

/*
 * A virtual machine as the sandbox process wants it: started, confined, its channels connected.  Which machine (QEMU),
 * how it is jailed, and how templates are made and kept is src/vmm's business alone.
 */

#include "joey/err.h"
#include "joey/util.h"

enum joey_accel { JOEY_ACCEL_TCG = 0, JOEY_ACCEL_KVM, JOEY_ACCEL_MAX };
const char *joey_accel_to_string(enum joey_accel a); /* "tcg", "kvm" */

enum { JOEY_VMM_NETS_MAX = 4 };

/* What a machine is made of: two machines with equal specs may come from one template. */
struct joey_vmm_spec {
	const char *hypervisor; /* absolute path of QEMU; NULL: found in /usr/bin, /usr/local/bin, /usr/libexec */
	const char *kernel, *initramfs; /* absolute paths */
	const char *trust;              /* trust domain: goes into the template's key; NULL: "host" */
	uint64_t memory;                /* bytes */
	unsigned vcpus;
	unsigned nets; /* network devices: 1 (or 0), or JOEY_VMM_NETS_MAX: few kinds, so few templates */
	enum joey_accel accel;
	bool no_template; /* boot cold */
};

/*
 * Which accelerator can be used here: KVM when /dev/kvm runs a guest at the speed of hardware (include/joey/check.h),
 * else TCG.  The verdict is cached for this boot in cache_dir_fd (-EBADF: not cached), for a probe costs up to half a
 * second where KVM is broken.  why: heap text when it is not KVM ("/dev/kvm: no such file..."), else NULL.
 */
enum joey_accel joey_vmm_accel(int cache_dir_fd, char **ret_why);
/* Is that known already?  Nothing is probed or written. */
bool joey_vmm_accel_known(enum joey_accel *ret);
/* /run/joey-cache, which is made when it is missing and must be ours; or -errno. */
int joey_vmm_cache_open(void);

/* Which program runs machines: wanted, or what is found; heap. */
int joey_vmm_find_hypervisor(const char *wanted, char **ret, struct joey_err *err);
/* Where the guest's kernel and initramfs are: <dir of joey>/guest/{small,debian} in a build tree, then the installed
 * ones. Heap strings.  JOEY_EK_NOT_FOUND says what to do ("make guest"). */
int joey_vmm_find_guest(char **ret_kernel, char **ret_initramfs, struct joey_err *err);

/* The name of the template that machines of this spec come from: hexadecimal, heap. */
int joey_vmm_key(const struct joey_vmm_spec *spec, char **ret, struct joey_err *err);
/* Moves the caller into the root of every cgroup hierarchy, for a process that outlives the container which it was made
 * for.  Best effort: where it is refused, it stays. */
void joey_vmm_leave_cgroups(void);

/* A running machine.  Filled by joey_vmm_start(); the descriptors are the caller's. */
struct joey_vmm {
	pid_t pid; /* of QEMU, a child of the caller; dies with it (PR_SET_PDEATHSIG) */
	int pidfd;
	int ctl, io;   /* to the guest's two ports: AF_UNIX streams, non-blocking; hang up = the machine is gone */
	int qmp;       /* QEMU's monitor; answers are to be read and thrown away by joey_vmm_monitor() */
	int console;   /* what the guest's kernel prints, and what QEMU complains about */
	int zygote;    /* of one that is to be forked: where copies of it are asked for */
	int life;      /* of a copy, which is nobody's child: it ends when this is closed */
	bool restored; /* from a template: the guest's clock, entropy and names are those of the template until HELLO */
	enum joey_accel accel;                  /* which one it is; KVM that cannot run a guest becomes TCG */
	struct joey_vmm_monitor_state *monitor; /* joey_vmm_monitor()'s own */
};
#define JOEY_VMM_INIT                                                                                  \
	{                                                                                              \
		0, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF, false, JOEY_ACCEL_TCG, NULL \
	}

struct joey_vmm_start {
	const struct joey_vmm_spec *spec;
	/* O_PATH directory that the guest sees by 9p (tag "share"), in the caller's own mount namespace.  If the mount
	 * that it is on is shared (MS_SHARED), the guest sees what the caller mounts below it at any time, and no
	 * longer what is unmounted.  The guest cannot write to the directory itself.  What is mounted later must have
	 * MOUNT_ATTR_NODEV: who took QEMU over can open what the guest cannot. */
	int share_fd;
	/* IFF_TAP|IFF_NO_PI|IFF_VNET_HDR, attached; -EBADF: the network device has no peer.  The guest's devices are in
	 * the order of their hardware addresses. */
	int tap_fds[JOEY_VMM_NETS_MAX];
	int cgroup_fd; /* QEMU is born in it; -EBADF: in the caller's.  The making of a template is in no cgroup. */
	int block_fd;  /* O_RDONLY: file or block device, the disk of the machine; -EBADF: none */
	int zygote_fd; /* joey_vmm.zygote of a frozen machine of this spec: a copy of that one; -EBADF: not so */
	bool to_fork;  /* it is to be frozen and forked; needs a template (none is made), and joey_vmm_can_fork() */
	/* Said while a template is being built, which takes seconds; may be NULL. */
	void (*progress)(void *arg, const char *text);
	void *arg;
};

/*
 * Starts a machine: from the template of its spec, which is built first when there is none (seconds; other callers that
 * want the same one wait for it, with a deadline); if a template fails to restore it is thrown away, and the machine
 * boots cold.  Returns as soon as QEMU is executed: the guest need not answer yet, but everything that is written to
 * ctl from now on will reach it.  Never asks the machine anything in between.
 *
 * A machine that was restored and does not answer, or whose monitor reports a failure: joey_vmm_template_failed(), then
 * start again with no_template.  One that was asked for with KVM runs under TCG when a template did not come up under
 * KVM: ret->accel.
 */
int joey_vmm_start(const struct joey_vmm_start *args, struct joey_vmm *ret, struct joey_err *err);
/*
 * Machines that are forked: one that has been restored, and has done what others are to do first, is frozen, and each
 * other one begins as a copy of its process, whose memory (the guest's, the hypervisor's, and the guest's code as
 * emulation has translated it) is copied on write.  Emulation only: KVM's machines cannot be copied.
 */
bool joey_vmm_can_fork(const struct joey_vmm_spec *spec);
/* Is there a template of it that can be used? */
bool joey_vmm_has_template(const struct joey_vmm_spec *spec);
/* The program that a container in it is to run (src/zygote/first.c), O_RDONLY; -errno.  size: of the file in there. */
int joey_vmm_open_first(off_t *size);
/*
 * Waits until the guest of that hypervisor has taken next to no processor time for so long; seconds at most.  What it
 * has put off (RCU, work queues) is not done in each copy, then.
 */
void joey_vmm_settle(pid_t hypervisor, unsigned quiet_ms);
/* It stands still from now on, and copies can be made.  Takes milliseconds; seconds at most. */
int joey_vmm_freeze(struct joey_vmm *vm, struct joey_err *err);
/* The template turned out bad (no answer): it is not used again. */
void joey_vmm_template_failed(const struct joey_vmm_spec *spec);
/* Takes what QEMU says on qmp; -EPROTO when it reports a failure (err: its text). */
int joey_vmm_monitor(struct joey_vmm *vm, struct joey_err *err);
/* SIGKILL, reaped, descriptors closed. */
void joey_vmm_end(struct joey_vmm *vm);

/* ---- templates: for `joey template` ------------------------------------------------------------------------------ */

struct joey_vmm_template {
	char *key;                      /* hexadecimal */
	char *why;                      /* it cannot be used: why; NULL: it can */
	char *kernel, *trust, *created; /* NULL: not known */
	uint64_t memory, size, age;     /* of RAM; bytes in use; seconds */
	unsigned vcpus, nets;
	enum joey_accel accel;
	pid_t holder; /* 0: none */
};
/* Made unless there is one, however often it has failed lately. */
int joey_vmm_template_build(const struct joey_vmm_spec *spec, void (*progress)(void *arg, const char *text), void *arg,
			    char **ret_key, struct joey_err *err);
/* In the order of their keys, with what cannot be used. */
int joey_vmm_template_list(struct joey_vmm_template **ret, size_t *ret_n, struct joey_err *err);
void joey_vmm_templates_free(struct joey_vmm_template *v, size_t n);
/* Machines that were started from it go on.  key: or its first digits, if no other has the same. */
int joey_vmm_template_remove(const char *key, char **ret_key, struct joey_err *err);
/* All that nothing can use any more (other boot, other inputs, dead holder, failures); all: every one.  What is being
 * made is left alone, unless all.  Goes on after an error, which is told at the end. */
int joey_vmm_template_prune(bool all, size_t *ret_n, struct joey_err *err);

#endif
