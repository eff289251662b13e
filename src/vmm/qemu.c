/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of QEMU, as a table: which option, in which mode, for which version and architecture.  The set of
 * devices and their order is part of every template: rows that differ between VMM_BUILD and VMM_RESTORE may only say
 * where things come from.  All files and channels are descriptors; a path is one of the jail's. aarch64 has the same
 * rows where its machine needs others; nobody has run them yet.
 */
#include <string.h>

#include "vmm/vmm-internal.h"

#ifdef __aarch64__
#define ARCH_LIB "lib/aarch64-linux-gnu"
#else
#define ARCH_LIB "lib/x86_64-linux-gnu"
#endif

enum {
	COLD = VMM_BOOT | VMM_BUILD,
	ANY = COLD | VMM_RESTORE,
	/* conditions beside the mode */
	IF_PEER = 1 << 8,
	IF_NO_PEER = 1 << 9,
	IF_BLOCK = 1 << 10,
	IF_NO_BLOCK = 1 << 11,
	IF_TCG = 1 << 12,
	IF_KVM = 1 << 13,
	IF_NETS = 1 << 14, /* more than one network device */
	IF_NO_FORK = 1 << 15,
};

/* Versions are major * 100 + minor; until 0: for ever. */
struct row {
	unsigned when, since, until;
	const char *option, *value; /* value: {name} is replaced; NULL: the option has none */
};

#define NET_DEVICE(id, mac) "virtio-net-device,netdev=" id ",guest_announce=off,mac=52:54:00:12:34:" mac

static const struct row rows[] = {
	{ ANY, 0, 0, "-nodefaults", NULL },
	{ ANY, 0, 0, "-no-user-config", NULL },
	{ ANY, 0, 0, "-display", "none" },
	{ ANY, 0, 0, "-no-reboot", NULL },
	/* Of one that is to be forked the copies confine themselves (src/zygote). */
	{ ANY | IF_NO_FORK, 0, 0, "-sandbox",
	  "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny" },
	/* The memory and mount namespaces' libraries are out of reach once the machine is made. */
	{ ANY | IF_NO_FORK, 0, 801, "-chroot", "/" VMM_JAIL_EMPTY },
	{ ANY | IF_NO_FORK, 801, 0, "-run-with", "chroot=/" VMM_JAIL_EMPTY },
#ifdef __aarch64__
	{ ANY, 0, 0, "-machine", "virt,accel={accel},gic-version=max,memory-backend=ram" },
#else
	/* Without pit, pic and rtc a boot under emulation hangs now and then, or waits a second for the clock. */
	{ ANY, 0, 0, "-machine",
	  "microvm,accel={accel},acpi={acpi},pit=on,pic=on,rtc=on,isa-serial=on,memory-backend=ram" },
#endif
#ifdef __aarch64__
	{ ANY | IF_TCG, 0, 0, "-cpu", "max" },
#else
	/* "Fast" string instructions are emulated byte by byte: clearing pages with them is half of a warm start. */
	{ ANY | IF_TCG, 0, 0, "-cpu", "max,erms=off" },
#endif
#ifdef __aarch64__
	{ ANY | IF_KVM, 0, 0, "-cpu", "host" },
#else
	{ ANY | IF_KVM, 0, 0, "-cpu", "host,vmx=off,svm=off" },
#endif
	{ ANY, 0, 0, "-smp", "{vcpus}" },
	{ ANY, 0, 0, "-m", "{mib}M" },
	{ VMM_BOOT, 0, 0, "-object", "memory-backend-ram,id=ram,size={mib}M" },
	{ VMM_BUILD, 0, 0, "-object", "memory-backend-file,id=ram,size={mib}M,mem-path=/proc/self/fd/{ram},share=on" },
	{ VMM_RESTORE, 0, 0, "-object",
	  "memory-backend-file,id=ram,size={mib}M,mem-path=/proc/self/fd/{ram},share=off" },
	{ COLD, 0, 0, "-kernel", "/proc/self/fd/{kernel}" },
	{ COLD, 0, 0, "-initrd", "/proc/self/fd/{initramfs}" },
	{ COLD, 0, 0, "-append", "{append}" },
	{ VMM_RESTORE, 0, 0, "-incoming", "defer" },
	{ ANY, 0, 0, "-chardev", "socket,id=qmp,fd={qmp}" },
	{ ANY, 0, 0, "-mon", "chardev=qmp,mode=control" },
	{ ANY, 0, 0, "-chardev", "socket,id=console,fd={console}" },
	{ ANY, 0, 0, "-serial", "chardev:console" },
	{ ANY, 0, 0, "-object", "rng-builtin,id=rng" },
	{ ANY, 0, 0, "-device", "virtio-rng-device,rng=rng" },
	{ ANY, 0, 0, "-device", "virtio-serial-device,id=serial,max_ports=3" },
	{ ANY, 0, 0, "-chardev", "socket,id=ctl,fd={ctl}" },
	{ ANY, 0, 0, "-device", "virtserialport,bus=serial.0,nr=1,chardev=ctl,name=ctl" },
	{ ANY, 0, 0, "-chardev", "socket,id=io,fd={io}" },
	{ ANY, 0, 0, "-device", "virtserialport,bus=serial.0,nr=2,chardev=io,name=io" },
	{ ANY, 0, 0, "-fsdev", "local,id=share,path=/" VMM_JAIL_SHARE ",security_model=passthrough,multidevs=remap" },
	{ ANY, 0, 0, "-device", "virtio-9p-device,fsdev=share,mount_tag=share" },
	{ ANY | IF_PEER, 0, 0, "-netdev", "tap,id=net,fd={tap},vhost=off" },
	{ ANY | IF_NO_PEER, 0, 0, "-netdev", "hubport,id=net,hubid=0" },
	/* A restored guest is given its addresses anew: nothing that it had before is to be announced. */
	{ ANY, 0, 0, "-device", "virtio-net-device,netdev=net,guest_announce=off" },
	/* The address of the first is QEMU's own choice, ...:56.  A microvm has eight places for devices: that is all.
	 */
	{ ANY | IF_NETS | IF_PEER, 0, 0, "-netdev", "tap,id=net1,fd={tap1},vhost=off" },
	{ ANY | IF_NETS | IF_PEER, 0, 0, "-netdev", "tap,id=net2,fd={tap2},vhost=off" },
	{ ANY | IF_NETS | IF_PEER, 0, 0, "-netdev", "tap,id=net3,fd={tap3},vhost=off" },
	{ ANY | IF_NETS | IF_NO_PEER, 0, 0, "-netdev", "hubport,id=net1,hubid=1" },
	{ ANY | IF_NETS | IF_NO_PEER, 0, 0, "-netdev", "hubport,id=net2,hubid=2" },
	{ ANY | IF_NETS | IF_NO_PEER, 0, 0, "-netdev", "hubport,id=net3,hubid=3" },
	{ ANY | IF_NETS, 0, 0, "-device", NET_DEVICE("net1", "57") },
	{ ANY | IF_NETS, 0, 0, "-device", NET_DEVICE("net2", "58") },
	{ ANY | IF_NETS, 0, 0, "-device", NET_DEVICE("net3", "59") },
	/* The guest keeps the size that the placeholder had in the template: far beyond every image. */
	{ ANY | IF_NO_BLOCK, 0, 0, "-blockdev",
	  "null-co,node-name=disk,size=1099511627776,read-zeroes=on,read-only=on" },
	{ ANY | IF_BLOCK, 0, 0, "-blockdev",
	  "driver=raw,node-name=disk,read-only=on,file.driver={driver},file.filename=/proc/self/fd/"
	  "{block},file.locking=off" },
	{ ANY, 0, 0, "-device", "virtio-blk-device,drive=disk" },
};

/* ---- what stands in braces -------------------------------------------------------------------------------------- */

/* guest/README.md says why. */
#ifdef __aarch64__
#define APPEND "console=ttyAMA0 panic=-1 random.trust_cpu=on rcupdate.rcu_expedited=1 dummy.numdummies=0 quiet"
#else
#define APPEND                                                                                                      \
	"console=ttyS0 reboot=t panic=-1 tsc=reliable no_timer_check random.trust_cpu=on rcupdate.rcu_expedited=1 " \
	"8250.nr_uarts=1 dummy.numdummies=0 quiet"
#endif
/* Mitigations are without effect under emulation: what the processor speculates on is other code.  112 is rep_good, by
 * its number because older kernels know no names. */
#ifdef __aarch64__
#define APPEND_TCG " mitigations=off"
#else
#define APPEND_TCG " mitigations=off clearcpuid=112"
#endif
#define APPEND_DEBIAN " nowatchdog lsm=landlock,yama cryptomgr.notests transparent_hugepage=madvise oops=panic"

static void append_text(const struct vmm_machine *m, struct joey_str *s)
{
	joey_str_add(s, m->acpi ? APPEND APPEND_DEBIAN : APPEND);
	if (m->in->spec.accel == JOEY_ACCEL_TCG)
		joey_str_add(s, APPEND_TCG);
	/* Under emulation the guest's counter is the host's, and calibrating it is a race that can be lost. */
	if (m->tsc_khz && m->in->spec.accel == JOEY_ACCEL_TCG)
		joey_str_printf(s, " tsc_early_khz=%u", m->tsc_khz);
}

static const struct {
	const char *name;
	enum vmm_fd fd;
} fd_names[] = {
	{ "ctl", VMM_FD_CTL },
	{ "io", VMM_FD_IO },
	{ "qmp", VMM_FD_QMP },
	{ "console", VMM_FD_CONSOLE },
	{ "ram", VMM_FD_RAM },
	{ "kernel", VMM_FD_KERNEL },
	{ "initramfs", VMM_FD_INITRAMFS },
	{ "tap", VMM_FD_TAP },
	{ "block", VMM_FD_BLOCK },
	{ "tap1", VMM_FD_TAP1 },
	{ "tap2", VMM_FD_TAP1 + 1 },
	{ "tap3", VMM_FD_TAP_LAST },
};

static void expand_name(const struct vmm_machine *m, const char *name, size_t n, struct joey_str *s)
{
	const struct joey_vmm_spec *spec = &m->in->spec;
	char key[16] = "";

	memcpy(key, name, n < sizeof(key) ? n : sizeof(key) - 1);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(fd_names); i++)
		if (joey_streq(fd_names[i].name, key)) {
			joey_str_printf(s, "%d", (int)fd_names[i].fd);
			return;
		}
	if (joey_streq(key, "accel"))
		joey_str_add(s, joey_accel_to_string(spec->accel));
	else if (joey_streq(key, "acpi"))
		joey_str_add(s, m->acpi ? "on" : "off");
	else if (joey_streq(key, "driver"))
		joey_str_add(s, m->block_is_device ? "host_device" : "file");
	else if (joey_streq(key, "vcpus"))
		joey_str_printf(s, "%u", spec->vcpus);
	else if (joey_streq(key, "mib"))
		joey_str_printf(s, "%llu", (unsigned long long)(spec->memory >> 20));
	else if (joey_streq(key, "append"))
		append_text(m, s);
	else
		s->failed = true;
}

static char *expand(const struct vmm_machine *m, const char *value, struct joey_arena *arena)
{
	autostr struct joey_str s = JOEY_STR_INIT;

	while (*value) {
		size_t n = strcspn(value, "{");
		const char *end;

		joey_str_addn(&s, value, n);
		value += n;
		end = *value ? strchr(value, '}') : NULL;
		if (!end)
			break;
		expand_name(m, value + 1, (size_t)(end - value) - 1, &s);
		value = end + 1;
	}
	return s.failed ? NULL : joey_arena_strdup(arena, s.buf);
}

/* ---- the line --------------------------------------------------------------------------------------------------- */

static bool applies(const struct row *r, const struct vmm_machine *m)
{
	unsigned version = m->version.major * 100 + m->version.minor;
	unsigned have = (m->in->tun ? IF_PEER : IF_NO_PEER) | (m->block ? IF_BLOCK : IF_NO_BLOCK) |
			(m->in->spec.accel == JOEY_ACCEL_KVM ? IF_KVM : IF_TCG) | (m->in->spec.nets > 1 ? IF_NETS : 0) |
			(m->to_fork ? 0 : IF_NO_FORK);

	return (r->when & m->mode) && ((r->when & ~(unsigned)ANY) & ~have) == 0 && version >= r->since &&
	       (!r->until || version < r->until);
}

static bool add(char **argv, size_t *n, const char *option, char *value, bool has_value, struct joey_arena *arena)
{
	argv[*n] = joey_arena_strdup(arena, option);
	if (!argv[(*n)++] || (has_value && !value))
		return false;
	if (has_value)
		argv[(*n)++] = value;
	return true;
}

char **vmm_command_line(const struct vmm_machine *m, struct joey_arena *arena)
{
	enum { DIRS = 8 };
	char **argv = joey_arena_array(arena, 2 * (JOEY_ARRAY_SIZE(rows) + DIRS) + 2, sizeof(*argv));
	const char *dir;
	size_t n = 0;

	if (!argv || !add(argv, &n, "qemu", NULL, false, arena))
		return NULL;
	for (unsigned i = 0; i < DIRS && (dir = vmm_qemu_dir(m->in->hypervisor, i, true, arena)); i++)
		if (!add(argv, &n, "-L", joey_arena_strdup(arena, dir), true, arena))
			return NULL;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		if (applies(r, m) &&
		    !add(argv, &n, r->option, r->value ? expand(m, r->value, arena) : NULL, r->value != NULL, arena))
			return NULL;
	}
	return argv;
}

/* ---- directories that a QEMU needs ------------------------------------------------------------------------------ */

/* Below the directory that holds bin/: its own, then /usr's. */
static const char *const firmware_dirs[] = { "share/qemu", "share/seabios", "share/qemu-kvm" };
static const char *const library_dirs[] = { ARCH_LIB, "lib64" };

const char *vmm_qemu_dir(const char *hypervisor, unsigned i, bool firmware, struct joey_arena *arena)
{
	const char *const *dirs = firmware ? firmware_dirs : library_dirs;
	unsigned n = firmware ? JOEY_ARRAY_SIZE(firmware_dirs) : JOEY_ARRAY_SIZE(library_dirs);
	const char *slash = strrchr(hypervisor, '/');
	size_t len = slash ? (size_t)(slash - hypervisor) : 0;
	bool own;

	while (len > 0 && hypervisor[len - 1] != '/')
		len--;
	/* hypervisor[0..len) is "/usr/" of "/usr/bin/qemu" */
	own = len > 1 && !(len == 5 && strncmp(hypervisor, "/usr/", 5) == 0);
	if (own && i < n)
		return joey_arena_printf(arena, "%.*s%s", (int)len, hypervisor, dirs[i]);
	if (own)
		i -= n;
	return i < n ? joey_arena_printf(arena, "/usr/%s", dirs[i]) : NULL;
}

int vmm_version_parse(const char *text, struct vmm_version *ret)
{
	const char *p = strstr(text, "version ");
	unsigned v[2] = { 0, 0 };

	if (!p)
		return -EPROTO;
	p += strlen("version ");
	for (int i = 0; i < 2; i++) {
		if (*p < '0' || *p > '9')
			return -EPROTO;
		for (; *p >= '0' && *p <= '9'; p++) {
			v[i] = v[i] * 10 + (unsigned)(*p - '0');
			if (v[i] > 99)
				return -EPROTO;
		}
		if (i == 0 && *p++ != '.')
			return -EPROTO;
	}
	*ret = (struct vmm_version){ v[0], v[1] };
	return 0;
}
