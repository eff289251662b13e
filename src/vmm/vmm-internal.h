/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_VMM_INTERNAL_H
#define JOEY_VMM_INTERNAL_H

#include <linux/filter.h>

#include "joey/json.h"
#include "joey/syscalls.h"
#include "joey/vmm.h"

/* ---- identity.c: what a template depends on --------------------------------------------------------------------- */

enum { VMM_KEY_LEN = 64, VMM_TEXT_MAX = 4096 };

/* The spec with everything found and checked. */
struct vmm_inputs {
	struct joey_vmm_spec spec; /* hypervisor and trust are never NULL; memory is whole MiB */
	char *hypervisor;          /* owns spec.hypervisor */
	int hypervisor_fd, kernel_fd, initramfs_fd;
	unsigned boot_limit_ms; /* for one try to make a template */
	bool tun;               /* /dev/net/tun is there: the network device always has a peer */
	char key[VMM_KEY_LEN + 1];
};
#define VMM_INPUTS_INIT                                                              \
	{                                                                            \
		.hypervisor_fd = -EBADF, .kernel_fd = -EBADF, .initramfs_fd = -EBADF \
	}
int vmm_inputs_open(const struct joey_vmm_spec *spec, struct vmm_inputs *ret, struct joey_err *err);
void vmm_inputs_done(struct vmm_inputs *in);
int vmm_boot_id(char **ret);

/* ---- qemu.c: the command line ----------------------------------------------------------------------------------- */

struct vmm_version {
	unsigned major, minor;
};
/* "QEMU emulator version 7.2.22 (Debian ...)". */
int vmm_version_parse(const char *text, struct vmm_version *ret);

enum vmm_mode {
	VMM_BOOT = 1,    /* cold, anonymous RAM */
	VMM_BUILD = 2,   /* cold, RAM in a file that becomes the template's */
	VMM_RESTORE = 4, /* RAM is a private mapping of the template's, state by migrate-incoming */
};

/* The numbers that descriptors have in QEMU. */
enum vmm_fd {
	VMM_FD_IN,
	VMM_FD_OUT,
	VMM_FD_ERR,
	VMM_FD_CTL,
	VMM_FD_IO,
	VMM_FD_QMP,
	VMM_FD_CONSOLE,
	VMM_FD_RAM,
	VMM_FD_STATE,
	VMM_FD_KERNEL,
	VMM_FD_INITRAMFS,
	VMM_FD_TAP,
	VMM_FD_BLOCK,
	VMM_FD_TAP1, /* and so on, to VMM_FD_TAP_LAST */
	VMM_FD_TAP_LAST = VMM_FD_TAP1 + JOEY_VMM_NETS_MAX - 2,
	VMM_FD_ZYGOTE, /* where a machine that is to be forked takes requests */
	VMM_FD_END,
};

static inline int vmm_fd_of_tap(unsigned i)
{
	return i == 0 ? VMM_FD_TAP : VMM_FD_TAP1 + (int)i - 1;
}

struct vmm_machine {
	const struct vmm_inputs *in;
	struct vmm_version version;
	enum vmm_mode mode;
	bool acpi, block, block_is_device, to_fork;
	unsigned tsc_khz; /* 0: unknown */
};
/* NULL-terminated, in the arena; NULL when memory ran out. */
char **vmm_command_line(const struct vmm_machine *m, struct joey_arena *arena);
/* Directories of firmware, data and libraries that belong to a QEMU: some may not exist.  i counts up until NULL. */
const char *vmm_qemu_dir(const char *hypervisor, unsigned i, bool firmware, struct joey_arena *arena);

/* Where the jail has things. */
#define VMM_JAIL_QEMU   "qemu"
#define VMM_JAIL_SHARE  "share"
#define VMM_JAIL_EMPTY  "empty"
#define VMM_JAIL_ZYGOTE "zygote.so"

/* ---- guest.c ------------------------------------------------------------------------------------------------------
 */

/* The library that lets a QEMU be forked; heap, NULL: it is not there. */
char *vmm_find_zygote(void);

/* ---- probe.c: what has to be asked before the first cold boot --------------------------------------------------- */

int vmm_probe_version(const struct vmm_inputs *in, struct vmm_version *ret, struct joey_err *err);
/* From the file "meta" beside the kernel; on when that does not say. */
bool vmm_probe_acpi(const char *kernel);
unsigned vmm_probe_tsc_khz(void);

/* ---- spawn.c, jail.c -------------------------------------------------------------------------------------------- */

struct vmm_spawn {
	const struct vmm_inputs *in;
	char *const *argv;
	int fds[VMM_FD_END]; /* -EBADF: not open */
	int share;           /* detached mount; -EBADF: none */
	int cgroup_fd;
	bool no_cgroup;     /* leaves the caller's */
	const char *zygote; /* the library that makes it one that can be forked; NULL: none */
	int status;         /* the child's own: where it says what went wrong */
};
int vmm_spawn(struct vmm_spawn *s, pid_t *ret_pid, int *ret_pidfd, struct joey_err *err);

struct vmm_jail_error {
	int errnum;
	char what[124];
};
/* In the child.  Returns only when it failed. */
void vmm_jail_exec(struct vmm_spawn *s, struct vmm_jail_error *e);
/* The capabilities that a copy of a machine keeps: a mask. */
uint64_t vmm_jail_copy_caps(void);

/* ---- launch.c --------------------------------------------------------------------------------------------------- */

struct vmm_launch {
	struct vmm_machine machine;
	int share; /* detached mount, borrowed */
	int cgroup_fd, block_fd, ram_fd, state_fd;
	const int *tap_fds; /* JOEY_VMM_NETS_MAX; NULL: none */
	const char *zygote;
};
#define VMM_LAUNCH_INIT                                                                                        \
	{                                                                                                      \
		.share = -EBADF, .cgroup_fd = -EBADF, .block_fd = -EBADF, .ram_fd = -EBADF, .state_fd = -EBADF \
	}
int vmm_launch(const struct vmm_launch *l, struct joey_vmm *ret, struct joey_err *err);
int vmm_pair(int type, int *ours, int *theirs, struct joey_err *err);
/* Both ends of all of a machine's channels: ours in vm, the others by enum vmm_fd. */
int vmm_channels(struct joey_vmm *vm, int theirs[VMM_FD_END], struct joey_err *err);

/* ---- start.c ---------------------------------------------------------------------------------------------------- */

int vmm_clone_share(int share_fd, int *ret, struct joey_err *err);

/* ---- fork.c, filter.c ------------------------------------------------------------------------------------------- */

/* The first message to a machine that is to be forked. */
int vmm_fork_setup(int control, struct joey_err *err);
/* Its answer. */
int vmm_fork_ready(int control, struct joey_err *err);
int vmm_fork(const struct joey_vmm_start *args, struct joey_vmm *ret, struct joey_err *err);

/* What a copy may not call, as QEMU's own -sandbox has it and more. */
int vmm_filter(struct sock_filter *ret, size_t max, size_t *ret_n, struct joey_err *err);

/* ---- qmp.c ------------------------------------------------------------------------------------------------------ */

enum { VMM_QMP_LINE_MAX = 65536 };

struct joey_vmm_monitor_state {
	char *buf; /* what has come and is not taken yet; at most VMM_QMP_LINE_MAX */
	size_t len, cap;
	uint64_t next_id;
};

enum vmm_qmp_kind { VMM_QMP_GREETING, VMM_QMP_RETURN, VMM_QMP_ERROR, VMM_QMP_EVENT };

struct vmm_qmp_message {
	enum vmm_qmp_kind kind;
	bool has_id;
	uint64_t id;
	const struct joey_json *body; /* "return" or "data"; in the arena, may be NULL */
	const char *text;             /* event's name, error's description; in the arena */
};
/* One line.  -EPROTO. */
int vmm_qmp_parse(const char *line, size_t len, struct joey_arena *arena, struct vmm_qmp_message *ret);
/* 1: *ret, 0: nothing whole is there, -ENODATA: hung up, -EPROTO. */
int vmm_qmp_read(struct joey_vmm_monitor_state *q, int fd, struct joey_arena *arena, struct vmm_qmp_message *ret);
/* One command and its answer, until deadline (joey_now_ms()).  command: without braces: "\"execute\":\"stop\"". */
int vmm_qmp_call(struct joey_vmm_monitor_state *q, int sock, const char *command, int send_fd, uint64_t deadline,
		 struct joey_arena *arena, const struct joey_json **ret, struct joey_err *err);

extern const char vmm_qmp_hello[], vmm_qmp_ignore_shared[];

/* ---- build.c ---------------------------------------------------------------------------------------------------- */

struct vmm_image { /* both sealed */
	int ram_fd, state_fd;
	struct vmm_version version;
	bool acpi;
};
#define VMM_IMAGE_INIT                               \
	{                                            \
		.ram_fd = -EBADF, .state_fd = -EBADF \
	}
int vmm_image_build(const struct vmm_inputs *in, struct vmm_image *ret, struct joey_err *err);
void vmm_image_done(struct vmm_image *i);
enum { VMM_SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

/* ---- holder.c --------------------------------------------------------------------------------------------------- */

/* A process that does nothing but keep the image's two memory files.  It ends when the leash is closed before a byte
 * was written to it: not before there is a record of it may it be left alone. */
int vmm_holder_start(const struct vmm_image *image, pid_t *ret_pid, uint64_t *ret_start, int *ret_leash,
		     struct joey_err *err);
enum { VMM_HOLDER_RAM = 3, VMM_HOLDER_STATE = 4 };

/* ---- record.c: /run/joey-cache/templates/KEY -------------------------------------------------------------------- */

struct vmm_record {
	char *hypervisor, *kernel, *initramfs, *trust, *created;
	uint64_t memory, vcpus, nets, ram_size, state_size, holder, holder_start, major, minor;
	enum joey_accel accel;
	bool acpi;
};
int vmm_record_parse(const char *text, size_t len, struct vmm_record *ret, struct joey_err *err);
int vmm_record_text(const struct vmm_record *r, char **ret, size_t *ret_len);
void vmm_record_done(struct vmm_record *r);
int vmm_record_read(int dir_fd, const char *key, struct vmm_record *ret, struct joey_err *err);
int vmm_record_write(int dir_fd, const char *key, const struct vmm_record *r, struct joey_err *err);
/* The holder's files, opened anew and verified; -ESTALE when it is gone or is not what the record says. */
int vmm_record_open(const struct vmm_record *r, struct vmm_image *ret, int *ret_pidfd, struct joey_err *err);
bool vmm_is_key(const char *name);

/* ---- store.c ---------------------------------------------------------------------------------------------------- */

int vmm_store_open(int *ret_dir_fd, struct joey_err *err);
/* Lock of one key; -ETIMEDOUT. */
int vmm_store_lock(int dir_fd, const char *key, uint64_t deadline, int *ret_lock_fd, struct joey_err *err);
/* The template of these inputs; -ENOENT when there is none that can be used. */
int vmm_store_get(int dir_fd, const char *key, struct vmm_image *ret, struct joey_err *err);
int vmm_store_put(int dir_fd, const struct vmm_inputs *in, const struct vmm_image *image, struct joey_err *err);
/* Does this error say what is wrong with a template (and not that it could not be looked at)? */
bool vmm_store_is_verdict(int r);
/* Ends the holder as well. */
int vmm_store_drop(int dir_fd, const char *key, struct joey_err *err);
/* How often templates of this key failed; at VMM_BAD_MAX no more are built. */
unsigned vmm_store_bad(int dir_fd, const char *key);
void vmm_store_mark_bad(int dir_fd, const char *key);
void vmm_store_forget_bad(int dir_fd, const char *key);
enum { VMM_BAD_MAX = 3 };

/* catalog.c: removes what an upgrade or a rebuilt agent has left behind: tens of MB each.  What somebody works on is
 * left alone. */
void vmm_catalog_tidy(int dir_fd);

/* template.c: gets the template of the inputs, building it under the lock when there is none. */
int vmm_template_get(const struct vmm_inputs *in, void (*progress)(void *arg, const char *text), void *arg,
		     struct vmm_image *ret, struct joey_err *err);
/* The one that there is. */
int vmm_template_find(const struct vmm_inputs *in, struct vmm_image *ret, struct joey_err *err);

/* ---- accel.c ---------------------------------------------------------------------------------------------------- */

/* From now on this boot's verdict is: no KVM. */
void vmm_accel_refute(const char *why);
/* Was that done since these inputs were chosen? */
bool vmm_accel_refuted(const struct vmm_inputs *in);
int vmm_verdict_parse(const char *text, size_t len, const char *identity, bool *ret_usable, char **ret_why);

#endif
