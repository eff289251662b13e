#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Boots a guest of `make guest` or `make guest-kernel` in QEMU, for a developer and for the tests.

boot.py DIRECTORY                 the guest's console on this terminal (C-a x ends it)
boot.py --print DIRECTORY         only the command line, one argument a line
boot.py --boots N DIRECTORY       N cold boots, each until the agent says on ctl that it is ready: times, and
                                  failure when one hangs
boot.py --report DIRECTORY        boot guest/test-agent, print what it says about the kernel
DIRECTORY has vmlinux, initramfs.cpio and meta. guest/README.md says why the options are what they are.
"""
import argparse
import ctypes
import mmap
import os
import resource
import select
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time


def tsc_khz():
    """The host's time stamp counter, which is the guest's under emulation; 0 where there is none."""
    if os.uname().machine != "x86_64":
        return 0
    # rdtsc; shl $32, %rdx; or %rdx, %rax; ret
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\x0f\x31\x48\xc1\xe2\x20\x48\x09\xd0\xc3")
    rdtsc = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    def sample():
        """Both clocks at the same moment: of many tries the one that took the least."""
        tries = []
        for _ in range(100):
            before, ticks, after = time.monotonic_ns(), rdtsc(), time.monotonic_ns()
            tries.append((after - before, before + (after - before) // 2, ticks))
        return min(tries)[1:]

    t0, c0 = sample()
    time.sleep(0.05)
    t1, c1 = sample()
    return round((c1 - c0) * 1000000 / (t1 - t0))


def read_meta(directory):
    with open(os.path.join(directory, "meta")) as f:
        return dict(line.rstrip("\n").split("=", 1) for line in f)


def command_line(meta, extra):
    words = ["console=ttyS0", "reboot=t", "panic=-1", "tsc=reliable", "no_timer_check", "random.trust_cpu=on",
             "rcupdate.rcu_expedited=1", "8250.nr_uarts=1", "dummy.numdummies=0", "quiet"]
    if meta["acpi"] == "on":
        words += ["nowatchdog", "lsm=landlock,yama", "cryptomgr.notests", "transparent_hugepage=madvise",
                  "oops=panic"]
    khz = tsc_khz()
    if khz:
        words.append(f"tsc_early_khz={khz}")
    return " ".join(words + extra)


def qemu(args, meta, ctl=None, io=None, console=None, share=None):
    """The arguments, but for the options that a test or a terminal needs."""
    d = args.directory
    argv = [args.qemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-M", f"microvm,accel={args.accel},acpi={meta['acpi']},pit=on,pic=on,rtc=on,isa-serial=on",
            "-cpu", "host" if args.accel == "kvm" else "max", "-smp", str(args.cpus), "-m", args.memory,
            "-kernel", f"{d}/vmlinux", "-initrd", f"{d}/initramfs.cpio",
            "-append", command_line(meta, (["mitigations=off"] if args.accel == "tcg" else []) + args.append.split()),
            "-object", "rng-builtin,id=rng0", "-device", "virtio-rng-device,rng=rng0",
            "-device", "virtio-serial-device,max_ports=3"]
    for name, fd in (("ctl", ctl), ("io", io)):
        chardev = f"null,id={name}" if fd is None else f"socket,id={name},fd={fd}"
        argv += ["-chardev", chardev, "-device", f"virtserialport,chardev={name},name={name}"]
    argv += ["-fsdev", f"local,id=share,path={share or '/var/empty'},security_model=none,multidevs=remap",
             "-device", "virtio-9p-device,fsdev=share,mount_tag=share",
             "-netdev", "hubport,id=net0,hubid=0", "-device", "virtio-net-device,netdev=net0,guest_announce=off"]
    for disk in ("disk0", "disk1"):
        argv += ["-blockdev", f"null-co,node-name={disk},size={1 << 40},read-zeroes=on,read-only=on",
                 "-device", f"virtio-blk-device,drive={disk}"]
    return argv + ["-chardev", console or "stdio,id=console,mux=on,signal=off", "-serial", "chardev:console"]


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


# What every agent says first: a LOG frame of include/joey/wire.h.
READY = b"\5\0\0\0\x84\0\0\0\0\0\0\0ready"


class Boot:
    """One guest, from before the fork."""

    def __init__(self, args, meta, share):
        self.console = tempfile.TemporaryFile()
        fd = self.console.fileno()
        self.ctl, ctl = socket.socketpair()
        self.io, io = socket.socketpair()
        argv = qemu(args, meta, ctl.fileno(), io.fileno(), f"file,id=console,path=/dev/fd/{fd},append=on", share)
        self.start = time.monotonic()
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, pass_fds=(ctl.fileno(), io.fileno(), fd),
                                        preexec_fn=die_with_parent)
        ctl.close()
        io.close()

    def ask(self, line, end, deadline):
        """What the guest answers, up to `end`; None when it does not in time, or is gone."""
        try:
            self.ctl.sendall(line)
        except BrokenPipeError:
            return None
        answer = b""
        while not answer.endswith(end):
            left = deadline - (time.monotonic() - self.start)
            if left <= 0 or not select.select([self.ctl], [], [], left)[0]:
                return None
            try:
                got = self.ctl.recv(65536)
            except ConnectionResetError:
                got = b""
            if not got:
                return None
            answer += got
        return answer

    def end(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.ctl.close()
        self.io.close()

    def tail(self):
        self.console.seek(0)
        return self.console.read()[-1500:].decode(errors="replace")


def boots(args, meta, share):
    wall, cpu, hung = [], [], 0
    for n in range(args.boots):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        boot = Boot(args, meta, share)
        answer = boot.ask(b"", READY, args.deadline)
        took = time.monotonic() - boot.start
        boot.end()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if answer is None:
            hung += 1
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(f"boot {n + 1}: no answer in {took:.1f} s ({used:.1f} s of processor time); the console's end:\n"
                  f"{boot.tail()}", flush=True)
            continue
        wall.append(took)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    if wall:
        print(f"{meta['kernel']}: {len(wall)} of {args.boots} boots ready, after "
              f"{statistics.median(wall):.2f} s (median; {min(wall):.2f} to {max(wall):.2f}), "
              f"{statistics.median(cpu):.2f} s of processor time")
    return 1 if hung else 0


def report(args, meta, share):
    boot = Boot(args, meta, share)
    answer = boot.ask(b"report\n", b"\n\n", args.deadline)
    boot.end()
    said = answer.removeprefix(READY).decode(errors="replace").strip() if answer else None
    print(said or f"no answer; the console's end:\n{boot.tail()}")
    return 0 if answer else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--print", action="store_true")
    parser.add_argument("--boots", type=int, default=0)
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--deadline", type=float, default=120, help="seconds for one boot")
    parser.add_argument("--append", default="", help="more for the kernel's command line")
    parser.add_argument("--memory", default="2048M")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--accel", default="tcg", choices=("tcg", "kvm"))
    parser.add_argument("--share", help="directory that the guest sees by 9p")
    parser.add_argument("--qemu", default="/usr/bin/qemu-system-x86_64")
    args = parser.parse_args()
    meta = read_meta(args.directory)
    if args.print:
        print("\n".join(qemu(args, meta, share=args.share)))
        return 0
    with tempfile.TemporaryDirectory() as empty:
        share = args.share or empty
        if args.boots:
            return boots(args, meta, share)
        if args.report:
            return report(args, meta, share)
        return subprocess.call(qemu(args, meta, share=share))


if __name__ == "__main__":
    sys.exit(main())
