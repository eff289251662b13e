#!/bin/sh
# Turns a fresh Debian root (the first argument) into the test machine's disk. Run by mmdebstrap outside the root.
set -eu
root=$1
here=$(dirname "$0")

install -m 755 "$here/joey-job" "$root/usr/local/sbin/joey-job"
install -m 644 "$here/joey-job.service" "$root/etc/systemd/system/joey-job.service"

: >"$root/etc/fstab"
echo joeytest >"$root/etc/hostname"
printf '127.0.0.1 localhost joeytest\n::1 localhost\n' >"$root/etc/hosts"
chroot "$root" passwd -d root >/dev/null

# Nothing that only costs time at boot; nothing that starts by itself later.
wants=$root/etc/systemd/system/multi-user.target.wants
mkdir -p "$wants"
rm -f "$wants"/* "$root"/etc/systemd/system/timers.target.wants/* "$root"/etc/systemd/system/getty.target.wants/* \
	"$root"/etc/systemd/system/sockets.target.wants/* "$root"/etc/systemd/system/sysinit.target.wants/*
ln -s ../joey-job.service "$wants/joey-job.service"
ln -sf /usr/lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
for unit in getty.target console-getty.service serial-getty@.service getty@.service systemd-firstboot.service \
	systemd-hwdb-update.service systemd-journal-catalog-update.service systemd-journal-flush.service \
	systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-udev-settle.service \
	systemd-timesyncd.service systemd-pcrphase.service systemd-machine-id-commit.service systemd-random-seed.service \
	systemd-update-done.service systemd-network-generator.service systemd-remount-fs.service \
	systemd-binfmt.service proc-sys-fs-binfmt_misc.automount modprobe@drm.service modprobe@efi_pstore.service \
	e2scrub_reap.service e2scrub_all.timer apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer \
	systemd-tmpfiles-clean.timer ldconfig.service sys-kernel-debug.mount sys-kernel-tracing.mount \
	apparmor.service containerd.service podman.service podman.socket podman-auto-update.timer podman-restart.service nftables.service \
	netavark-dhcp-proxy.service netavark-dhcp-proxy.socket netavark-firewalld-reload.service \
	systemd-fsck-root.service systemd-udev-trigger.service systemd-udev-load-credentials.service \
	modprobe@configfs.service sys-kernel-config.mount systemd-sysusers.service; do
	ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
mkdir -p "$root/etc/systemd/journald.conf.d" "$root/etc/systemd/system.conf.d"
printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\n' >"$root/etc/systemd/journald.conf.d/test.conf"
printf '[Manager]\nDefaultTimeoutStopSec=5s\nShowStatus=no\n' >"$root/etc/systemd/system.conf.d/test.conf"

# A user with subordinate ids, a session that is always there, and delegated controllers.
chroot "$root" useradd -m -u 1000 -s /bin/bash tester
printf 'tester:100000:65536\ncontainers:200000:1048576\nroot:2000000:65536\n' | tee "$root/etc/subuid" >"$root/etc/subgid"
mkdir -p "$root/var/lib/systemd/linger" "$root/etc/systemd/system/user@.service.d"
: >"$root/var/lib/systemd/linger/tester"
printf '[Service]\nDelegate=cpu cpuset io memory pids\n' >"$root/etc/systemd/system/user@.service.d/delegate.conf"

# Engines use what is inside: no registries, files instead of the journal.
mkdir -p "$root/etc/containers"
printf '[engine]\nevents_logger="file"\ncgroup_manager="systemd"\n[containers]\nlog_driver="k8s-file"\n[network]\nfirewall_driver="none"\n' >"$root/etc/containers/containers.conf"

rm -rf "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
