/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The making of a template: a machine boots with its RAM in a memory file, says that it is ready, and its device state
 * is saved beside it.  Both files are then sealed: no machine that is started from them can write to them, whatever
 * becomes of it.  A boot under emulation may hang, so there is a time limit and another try.
 */
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "joey/wire.h"
#include "vmm/vmm-internal.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

enum { SAVE_LIMIT_MS = 10000, QUIET_MS = 75, TRIES = 2, TAIL = 2048 };

struct build {
	const struct vmm_inputs *in;
	struct joey_vmm vm;
	struct joey_wire_in frames;
	struct joey_vmm_monitor_state qmp;
	struct joey_arena arena;
	uint64_t deadline;
	char tail[TAIL]; /* of the console */
	size_t tail_len;
};

static int memory_file(const char *name, uint64_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	/* MFD_NOEXEC_SEAL: since Linux 6.3 */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (size && ftruncate(fd, (off_t)size) < 0) {
		joey_close(fd);
		return -errno;
	}
	return fd;
}

/* An empty directory to share. */
static int empty_share(void)
{
	autoclose int fs = joey_sys_fsopen("tmpfs", FSOPEN_CLOEXEC);
	int r = fs;

	if (r >= 0)
		r = joey_sys_fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0);
	if (r >= 0)
		r = joey_sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	return r < 0 ? r : joey_sys_fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

/* ---- waiting for the guest -------------------------------------------------------------------------------------- */

static void read_console(struct build *b)
{
	char buf[4096];
	ssize_t n;

	for (int i = 0; i < 16 && (n = recv(b->vm.console, buf, sizeof(buf), MSG_DONTWAIT)) > 0; i++) {
		const char *from = buf;
		size_t len = (size_t)n;

		if (len > TAIL) {
			from += len - TAIL;
			len = TAIL;
		}
		if (b->tail_len + len > TAIL) {
			size_t drop = b->tail_len + len - TAIL;

			memmove(b->tail, b->tail + drop, b->tail_len - drop);
			b->tail_len -= drop;
		}
		memcpy(b->tail + b->tail_len, from, len);
		b->tail_len += len;
	}
}

/* The last lines of the console, for the error; the guest may have written anything. */
static int failed(struct build *b, int errnum, const char *why, struct joey_err *err)
{
	enum { SHOWN = 400 };
	char text[SHOWN + 1];
	size_t n;

	read_console(b);
	n = b->tail_len < SHOWN ? b->tail_len : SHOWN;
	memcpy(text, b->tail + b->tail_len - n, n);
	text[n] = '\0';
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
			*p = *p == '\n' ? '|' : ' ';
	return joey_err_set(err, errnum == ETIMEDOUT ? JOEY_EK_TIMEOUT : JOEY_EK_OTHER, errnum,
			    "%s; its console ends with: %s", why, n ? text : "(nothing)");
}

/* 1: the guest said that it is ready */
static int look_for_ready(struct build *b, struct joey_err *err)
{
	static const char word[] = "ready";
	struct joey_frame f;
	int r = joey_wire_read(&b->frames, b->vm.ctl), got;

	while ((got = joey_wire_next(&b->frames, &f)) > 0)
		if (f.type == JOEY_WIRE_LOG && f.len == strlen(word) && memcmp(f.data, word, f.len) == 0)
			return 1;
	if (got < 0)
		return failed(b, EPROTO, "the guest does not speak the protocol", err);
	if (r == -ENODATA || r == -ECONNRESET)
		return failed(b, EPIPE, "the guest ended before it was ready", err);
	return r < 0 && r != -EAGAIN ? joey_err_sys(err, r, "read from the guest") : 0;
}

static int wait_ready(struct build *b, struct joey_err *err)
{
	for (;;) {
		struct pollfd p[2] = { { .fd = b->vm.ctl, .events = POLLIN },
				       { .fd = b->vm.console, .events = POLLIN } };
		uint64_t now = joey_now_ms();
		int r = look_for_ready(b, err);

		if (r != 0)
			return r < 0 ? r : 0;
		if (now >= b->deadline)
			return failed(b, ETIMEDOUT, "the guest was not ready in time", err);
		if (poll(p, 2, (int)(b->deadline - now)) < 0 && errno != EINTR)
			return joey_err_sys(err, errno, "wait for the guest");
		read_console(b);
	}
}

/* ---- saving ----------------------------------------------------------------------------------------------------- */

static int ask(struct build *b, const char *command, int send_fd, const struct joey_json **ret, struct joey_err *err)
{
	return vmm_qmp_call(&b->qmp, b->vm.qmp, command, send_fd, b->deadline, &b->arena, ret, err);
}

static int wait_saved(struct build *b, struct joey_err *err)
{
	const struct timespec pause_ = { .tv_nsec = 5000000 };

	for (;;) {
		const struct joey_json *answer = NULL;
		const char *status;
		int r = ask(b, "\"execute\":\"query-migrate\"", -EBADF, &answer, err);

		if (r < 0)
			return r;
		status = joey_json_get_string(answer, "status");
		if (joey_streq(status, "completed"))
			return 0;
		if (joey_streq(status, "failed") || joey_streq(status, "cancelled"))
			return joey_err_set(err, JOEY_EK_OTHER, EIO, "the hypervisor cannot save the machine's state");
		if (joey_now_ms() >= b->deadline)
			return joey_err_set(err, JOEY_EK_TIMEOUT, ETIMEDOUT,
					    "the machine's state was not saved in time");
		(void)nanosleep(&pause_, NULL);
	}
}

/* The machine is saved as a running one, so that its clones run without being told to, with all done that it has to do
 * once, or each clone would do it again. */
static int save(struct build *b, int state_fd, struct joey_err *err)
{
	int r;

	joey_vmm_settle(b->vm.pid, QUIET_MS);
	b->deadline = joey_now_ms() + SAVE_LIMIT_MS;
	r = ask(b, "\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"state\"}", state_fd, NULL, err);
	if (r == 0)
		r = ask(b, "\"execute\":\"migrate\",\"arguments\":{\"uri\":\"fd:state\"}", -EBADF, NULL, err);
	return r == 0 ? wait_saved(b, err) : r;
}

static int seal(int fd, const char *what, struct joey_err *err)
{
	struct stat st;

	if (fcntl(fd, F_ADD_SEALS, VMM_SEALS) < 0)
		return joey_err_sys(err, errno, "seal the template's %s", what);
	if (fstat(fd, &st) < 0)
		return joey_err_sys(err, errno, "stat the template's %s", what);
	return st.st_size > 0 ? 0 : joey_err_set(err, JOEY_EK_OTHER, EIO, "the template's %s is empty", what);
}

static int boot_and_save(struct build *b, const struct vmm_launch *l, struct joey_err *err)
{
	int r = vmm_launch(l, &b->vm, err);

	if (r == 0)
		r = wait_ready(b, err);
	if (r == 0)
		r = save(b, l->state_fd, err);
	joey_vmm_end(&b->vm);
	return r;
}

static int try_build(const struct vmm_inputs *in, const struct vmm_image *facts, struct vmm_image *ret,
		     struct joey_err *err)
{
	struct build b = { .in = in, .vm = JOEY_VMM_INIT, .frames = JOEY_WIRE_IN_INIT, .arena = JOEY_ARENA_INIT };
	struct vmm_launch l = VMM_LAUNCH_INIT;
	autoclose int ram = -EBADF, state = -EBADF, share = -EBADF;
	int r = 0;

	ram = memory_file("joey-template-ram", in->spec.memory);
	state = memory_file("joey-template-state", 0);
	share = empty_share();
	if (ram < 0 || state < 0 || share < 0)
		return joey_err_sys(err, ram < 0 ? ram : state < 0 ? state : share, "make the template's files");
	l.machine = (struct vmm_machine){ .in = in, .version = facts->version, .mode = VMM_BUILD, .acpi = facts->acpi };
	l.machine.tsc_khz = vmm_probe_tsc_khz();
	l.share = share;
	l.ram_fd = ram;
	l.state_fd = state;
	b.deadline = joey_now_ms() + in->boot_limit_ms;
	r = boot_and_save(&b, &l, err);
	joey_wire_in_done(&b.frames);
	free(b.qmp.buf);
	joey_arena_done(&b.arena);
	if (r == 0)
		r = seal(ram, "memory", err);
	if (r == 0)
		r = seal(state, "device state", err);
	if (r < 0)
		return r;
	*ret = *facts;
	ret->ram_fd = joey_take_fd(&ram);
	ret->state_fd = joey_take_fd(&state);
	return 0;
}

int vmm_image_build(const struct vmm_inputs *in, struct vmm_image *ret, struct joey_err *err)
{
	struct vmm_image facts = VMM_IMAGE_INIT;
	int tries = in->spec.accel == JOEY_ACCEL_KVM ? 1 : TRIES, r = vmm_probe_version(in, &facts.version, err);

	if (r < 0)
		return r;
	facts.acpi = vmm_probe_acpi(in->spec.kernel);
	for (int i = 0; i < tries; i++) {
		joey_err_clear(err);
		r = try_build(in, &facts, ret, err);
		if (r == 0)
			return 0;
	}
	return joey_err_wrap(err, "make a template of the guest");
}

void vmm_image_done(struct vmm_image *i)
{
	i->ram_fd = joey_close(i->ram_fd);
	i->state_fd = joey_close(i->state_fd);
}
