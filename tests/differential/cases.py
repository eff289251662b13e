# SPDX-License-Identifier: Apache-2.0
"""The bundles of the differential run: (name, change), always the same ones. A change takes a Box and edits its bundle."""

import os
import random
import stat

SEED = 20260101
CAPS = ("CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP "
        "SYS_PTRACE NET_ADMIN SYS_ADMIN").split()
PER_MOUNT = ("ro rw nosuid suid nodev dev noexec exec noatime atime nodiratime diratime relatime norelatime strictatime "
             "nostrictatime nosymfollow symfollow").split()
OTHERS = "sync async dirsync lazytime nolazytime silent loud iversion noiversion defaults mand nomand".split()
RECURSIVE = ("rro rrw rnosuid rsuid rnodev rdev rnoexec rexec rnoatime ratime rrelatime rnorelatime rstrictatime rnostrictatime "
             "rnodiratime rdiratime rnosymfollow rsymfollow").split()
PROPAGATION = "private rprivate slave rslave shared rshared unbindable runbindable".split()


def volume(box, name="volume"):
    box.write(name + "/file", "of the host\n")
    box.write(name + "/sub/deep", "deep\n")
    return box.path(name)


def tmpfs(*options):
    return lambda box: box.mount("/mnt", "tmpfs", "tmpfs", *options)


def bind(*options):
    return lambda box: box.mount("/mnt", "none", volume(box), *options)


def bind_file(*options):
    return lambda box: box.mount("/mnt/f", "none", volume(box) + "/file", *options)


def mounts(*entries):
    def change(box):
        for destination, kind, source, *options in entries:
            box.mount(destination, kind, source.replace("BOX", box.dir), *options)
    return change


def process(**more):
    return lambda box: box.process.update(more)


def user(**more):
    return lambda box: box.process["user"].update(more)


def linux(**more):
    return lambda box: box.linux.update(more)


def top(**more):
    return lambda box: box.config.update(more)


def drop(*path):
    def change(box):
        node = box.config
        for p in path[:-1]:
            node = node[p]
        node.pop(path[-1], None)
    return change


def caps(**sets):
    return lambda box: box.process.update(capabilities={k: ["CAP_" + c for c in v.split()] for k, v in sets.items()})


def three(names):
    return caps(bounding=names, effective=names, permitted=names)


def both(*changes):
    def change(box):
        for c in changes:
            c(box)
    return change


def hook(kind, script="echo {0} >>BOX/log", **more):
    def change(box):
        text = script.replace("{0}", kind).replace("BOX", box.dir)
        if kind == "startContainer":
            entry = {"path": "/bin/sh", "args": ["sh", "-c", text.replace(box.dir + "/log", "/data/log")]}
        else:
            entry = {"path": box.write(f"hook-{kind}-{len(text)}", "#!/bin/sh\ncat >/dev/null\n" + text + "\n", 0o755)}
        entry.update(more)
        box.config.setdefault("hooks", {}).setdefault(kind, []).append(entry)
    return change


def rlimits(*rows):
    return process(rlimits=[{"type": "RLIMIT_" + t, "soft": s, "hard": h} for t, s, h in rows])


def seccomp(default="SCMP_ACT_ALLOW", *rules, **more):
    return linux(seccomp={"defaultAction": default, "syscalls": list(rules), **more})


def rule(names, action="SCMP_ACT_ERRNO", **more):
    return {"names": names.split(), "action": action, **more}


def condition(index, value, op, two=0):
    return {"index": index, "value": value, "op": "SCMP_CMP_" + op, "valueTwo": two}


def link(target, where):
    def change(box):
        path = box.rootfs + where
        if os.path.isdir(path) and not os.path.islink(path):
            os.rmdir(path)
        os.symlink(target, path)
    return change


def node(where, major, minor):
    return lambda box: os.mknod(box.rootfs + where, stat.S_IFCHR | 0o666, os.makedev(major, minor))


def joined(kind):
    return lambda box: box.namespace(kind, f"/proc/self/ns/{ {'network': 'net', 'mount': 'mnt'}.get(kind, kind)}")


def dev(path, kind="c", major=10, minor=229, **more):
    return {"path": path, "type": kind, "major": major, "minor": minor, **more}


def mount_cases():
    for o in PER_MOUNT + OTHERS + PROPAGATION + ["tmpcopyup"]:
        yield f"mount-tmpfs-{o}", tmpfs(o)
    for o in PER_MOUNT + ["defaults", "sync", "lazytime"] + PROPAGATION:
        yield f"mount-bind-{o}", bind("bind", o)
    for o in RECURSIVE:
        yield f"mount-rbind-{o}", both(mounts(("/data", "tmpfs", "one"), ("/data/sub", "tmpfs", "two")),
                                       lambda box, o=o: box.mount("/mnt", "none", box.rootfs + "/data", "rbind", o))
    for name, options in (
            ("ro-nosuid-nodev-noexec", "ro nosuid nodev noexec"), ("ro-rw", "ro rw"), ("nosuid-suid", "nosuid suid"),
            ("data", "mode=0700 uid=5 gid=6 size=128k nr_inodes=20"), ("bad-data", "nosuchoption=1"), ("noatime-strict", "noatime strictatime"),
            ("mode-octal", "mode=1777"), ("size-percent", "size=1%"), ("empty-option", "ro  nosuid"), ("copyup-ro", "tmpcopyup ro")):
        yield f"mount-tmpfs-mix-{name}", tmpfs(*options.split(" "))
    yield "mount-tmpfs-on-existing-mode", both(lambda box: os.chmod(box.rootfs + "/data", 0o711), mounts(("/data", "tmpfs", "t")))
    yield "mount-file", bind_file("bind")
    yield "mount-file-ro", bind_file("bind", "ro")
    yield "mount-file-onto-existing", lambda box: box.mount("/data/file", "none", volume(box) + "/file", "bind", "ro")
    yield "mount-file-onto-directory", lambda box: box.mount("/data", "none", volume(box) + "/file", "bind")
    yield "mount-directory-onto-file", lambda box: box.mount("/data/file", "none", volume(box), "bind")
    yield "mount-bind-no-option", lambda box: box.mount("/mnt", "bind", volume(box))
    yield "mount-bind-data", bind("bind", "mode=0700")
    yield "mount-bind-missing-source", mounts(("/mnt", "none", "BOX/nowhere", "bind"))
    yield "mount-bind-relative-source", lambda box: (volume(box, "bundle/vol"), box.mount("/mnt", "none", "vol", "rbind"))
    yield "mount-relative-destination", mounts(("mnt/rel", "tmpfs", "t"))
    yield "mount-dot-dot-destination", mounts(("/mnt/../../up", "tmpfs", "t"))
    yield "mount-onto-root", mounts(("/", "tmpfs", "t"))
    yield "mount-through-link", both(link("/data", "/way"), mounts(("/way/inner", "tmpfs", "t")))
    yield "mount-onto-link", both(link("/data", "/way"), mounts(("/way", "tmpfs", "t")))
    yield "mount-through-escaping-link", both(link("../../../../..", "/way"), mounts(("/way/tmp/inner", "tmpfs", "t")))
    yield "mount-dangling-link", both(link("/nothing/here", "/way"), mounts(("/way", "tmpfs", "t")))
    yield "mount-proc-twice", mounts(("/mnt/proc", "proc", "proc"))
    yield "mount-proc-ro", mounts(("/mnt/proc", "proc", "proc", "ro", "nosuid", "nodev", "noexec"))
    yield "mount-proc-hidepid", mounts(("/mnt/proc", "proc", "proc", "hidepid=2"))
    yield "mount-on-proc-link", both(link("data", "/p"), mounts(("/p", "proc", "proc")))
    yield "mount-inside-proc", mounts(("/proc/sys", "tmpfs", "t"))
    yield "mount-proc-cpuinfo", lambda box: box.mount("/proc/cpuinfo", "none", volume(box) + "/file", "bind")
    yield "mount-proc-self-x", lambda box: box.mount("/proc/self/attr/x", "none", volume(box) + "/file", "bind")
    yield "mount-sysfs-rw", mounts(("/mnt/sys", "sysfs", "sysfs", "rw"))
    yield "mount-cgroup-ro", mounts(("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "ro"))
    yield "mount-cgroup-rw", mounts(("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev"))
    yield "mount-cgroup-host-ns", both(lambda box: box.without("cgroup"), mounts(("/sys/fs/cgroup", "cgroup", "cgroup", "ro")))
    yield "mount-cgroup2", mounts(("/mnt", "cgroup2", "cgroup2", "ro"))
    yield "mount-mqueue", mounts(("/mnt/mq", "mqueue", "mqueue", "ro"))
    yield "mount-devpts", mounts(("/mnt/pts", "devpts", "devpts", "newinstance", "ptmxmode=0600"))
    yield "mount-unknown-type", mounts(("/mnt", "nosuchfs", "x"))
    yield "mount-no-type", mounts(("/mnt", "", "x"))
    yield "mount-no-destination", lambda box: box.config["mounts"].append({"type": "tmpfs", "source": "x"})
    yield "mount-remount", mounts(("/mnt", "tmpfs", "t"), ("/mnt", "tmpfs", "t", "remount", "ro"))
    yield "mount-many", mounts(*[(f"/mnt/{n}", "tmpfs", f"t{n}", "size=64k") for n in range(20)])
    yield "mount-stacked", mounts(("/mnt", "tmpfs", "a"), ("/mnt", "tmpfs", "b"), ("/mnt", "tmpfs", "c"))
    yield "mount-source-in-container", both(mounts(("/mnt", "tmpfs", "a")), lambda box: box.mount("/home", "none", box.rootfs + "/mnt", "bind"))
    yield "mount-idmap-without-userns", bind("bind", "idmap")
    yield "mount-idmap", both(bind("bind", "idmap"), lambda box: box.config["mounts"][-1].update(
        {m: [{"containerID": 0, "hostID": 50000, "size": 10}] for m in ("uidMappings", "gidMappings")}))
    yield "mount-idmap-one-map", both(bind("bind", "idmap"), lambda box: box.config["mounts"][-1].update(
        uidMappings=[{"containerID": 0, "hostID": 50000, "size": 10}]))
    yield "mount-no-dev", lambda box: box.config.update(mounts=[m for m in box.config["mounts"] if not m["destination"].startswith("/dev")])
    yield "mount-dev-bind", lambda box: box.config["mounts"].__setitem__(1, {"destination": "/dev", "type": "none", "source": "/dev", "options": ["rbind"]})
    yield "mount-dev-ro", lambda box: box.config["mounts"][1]["options"].append("ro")
    yield "mount-none-but-proc", lambda box: box.config.update(mounts=box.config["mounts"][:1])


def process_cases():
    for name, change in (
            ("none", process(capabilities={})), ("null", process(capabilities=None)), ("absent", drop("process", "capabilities")),
            ("all", three(" ".join(CAPS))), ("lower-case", process(capabilities={"bounding": ["cap_kill"], "permitted": ["cap_kill"]})),
            ("unknown", three("KILL FROM_THE_FUTURE")), ("bounding-only", caps(bounding="KILL CHOWN")),
            ("effective-not-permitted", caps(bounding="KILL", effective="KILL")), ("inheritable", caps(bounding="KILL", inheritable="KILL", permitted="KILL")),
            ("ambient", both(caps(bounding="KILL", inheritable="KILL", permitted="KILL", ambient="KILL"), user(uid=1000, gid=1000))),
            ("ambient-without-inheritable", both(caps(bounding="KILL", permitted="KILL", ambient="KILL"), user(uid=1000, gid=1000))),
            ("as-user", both(three("KILL CHOWN"), user(uid=1000, gid=1000))),
            ("permitted-outside-bounding", caps(bounding="KILL", permitted="KILL CHOWN", effective="KILL CHOWN"))):
        yield "caps-" + name, change
    for name, change in (
            ("1000", user(uid=1000, gid=1000)), ("unknown-id", user(uid=4242, gid=4243)), ("groups", user(additionalGids=[1, 2, 3])),
            ("groups-twice", user(additionalGids=[7, 7, 7])), ("groups-many", user(additionalGids=list(range(1, 100)))),
            ("gid-only", user(gid=1000)), ("umask", user(umask=0o077)), ("umask-0", user(umask=0)), ("umask-big", user(umask=0o7777)),
            ("big-id", user(uid=4294967294, gid=4294967294)), ("minus-one", user(uid=4294967295)), ("negative", user(uid=-1)),
            ("username", user(username="u")), ("absent", drop("process", "user")), ("nnp-off", both(user(uid=1000), process(noNewPrivileges=False)))):
        yield "user-" + name, change
    for name, change in (
            ("home", process(cwd="/home/u")), ("missing", process(cwd="/new/place")), ("file", process(cwd="/etc/passwd")), ("relative", process(cwd="tmp")),
            ("empty", process(cwd="")), ("link", both(link("/data", "/way"), process(cwd="/way"))), ("dots", process(cwd="/data/../tmp/./")),
            ("slashes", process(cwd="//tmp//")), ("proc-fd", process(cwd="/proc/self/fd/7")), ("unreadable", both(
                lambda box: os.chmod(box.rootfs + "/root", 0o700), user(uid=1000, gid=1000), process(cwd="/root"))),
            ("missing-ro-root", both(process(cwd="/new/place"), top(root={"path": "rootfs", "readonly": True})))):
        yield "cwd-" + name, change
    for name, env in (
            ("none", []), ("null", None), ("twice", ["PATH=/bin", "A=1", "A=2"]), ("no-equals", ["PATH=/bin", "A"]), ("empty-name", ["PATH=/bin", "=x"]),
            ("empty-value", ["PATH=/bin", "A="]), ("home-empty", ["PATH=/bin", "HOME="]), ("home", ["PATH=/bin", "HOME=/x"]), ("spaces", ["PATH=/bin", "A=b  c"]),
            ("unicode", ["PATH=/bin", "A=\u00e4\u20ac"]), ("empty-string", ["PATH=/bin", ""]), ("nul", ["PATH=/bin", "A=\u0000b"]),
            ("path-twice", ["PATH=/nowhere", "PATH=/bin"])):
        yield "env-" + name, process(env=env)
    for name, args in (
            ("missing-program", ["no-such"]), ("missing-path", ["/no/such"]), ("directory", ["/etc"]), ("not-executable", ["/etc/passwd"]), ("empty", []),
            ("empty-string", [""]), ("relative", ["bin/true"]), ("exit-3", ["sh", "-c", "exit 3"]), ("killed", ["sh", "-c", "kill -9 $$"]),
            ("stderr", ["sh", "-c", "echo to stderr >&2"]), ("false", ["false"])):
        yield "args-" + name, lambda box, args=args: setattr(box, "args", args)
    for name, change in (
            ("nofile", rlimits(("NOFILE", 50, 60))), ("core", rlimits(("CORE", 0, 0))), ("several", rlimits(("NOFILE", 9, 99), ("NPROC", 100, 200), ("STACK", 1 << 20, 1 << 22))),
            ("none", process(rlimits=[])), ("absent", drop("process", "rlimits")), ("soft-above-hard", rlimits(("NOFILE", 100, 50))),
            ("unknown", rlimits(("MAGIC", 1, 1))), ("no-prefix", process(rlimits=[{"type": "NOFILE", "soft": 1, "hard": 1}])),
            ("lower-case", process(rlimits=[{"type": "rlimit_nofile", "soft": 100, "hard": 100}])), ("negative", rlimits(("NOFILE", -1, -1))),
            ("big-cpu", rlimits(("CPU", (1 << 64) - 1, (1 << 64) - 1))), ("fsize", rlimits(("FSIZE", 1 << 53, (1 << 53) + 1))), ("string", rlimits(("NOFILE", "1", "2")))):
        yield "rlimit-" + name, change
    for name, change in (
            ("oom-500", process(oomScoreAdj=500)), ("oom-0", process(oomScoreAdj=0)), ("oom-1001", process(oomScoreAdj=1001)),
            ("nnp-off", process(noNewPrivileges=False)), ("batch", process(scheduler={"policy": "SCHED_BATCH", "nice": 5})),
            ("nice-99", process(scheduler={"policy": "SCHED_OTHER", "nice": 99})), ("sched-bad", process(scheduler={"policy": "X"})),
            ("sched-idle", process(scheduler={"policy": "SCHED_IDLE"})), ("io-be-3", process(ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 3})),
            ("io-idle", process(ioPriority={"class": "IOPRIO_CLASS_IDLE", "priority": 0})), ("io-9", process(ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 9})),
            ("console-size", process(consoleSize={"height": 5, "width": 6})), ("terminal", process(terminal=True)),
            ("apparmor", process(apparmorProfile="no-such-profile")), ("selinux", process(selinuxLabel="system_u:system_r:x_t:s0")),
            ("command-line", process(commandLine="x.exe")), ("unknown-key", process(comExample={"a": 1}))):
        yield "process-" + name, change


def linux_cases():
    kinds = ("pid", "network", "ipc", "uts", "mount", "cgroup")
    for k in kinds:
        yield f"ns-without-{k}", both(lambda box, k=k: box.without(k), drop("hostname") if k == "uts" else top())
    yield "ns-without-uts-but-hostname", lambda box: box.without("uts")
    yield "ns-user", lambda box: box.user_namespace()
    yield "ns-user-as-1000", both(lambda box: box.user_namespace(), user(uid=1000, gid=1000, additionalGids=[5]))
    yield "ns-user-unmapped", both(lambda box: box.user_namespace(), user(uid=100000))
    yield "ns-user-no-maps", lambda box: box.namespace("user")
    yield "ns-maps-no-user", linux(uidMappings=[{"containerID": 0, "hostID": 1, "size": 1}])
    yield "ns-user-volume", both(lambda box: box.user_namespace(), bind("rbind", "ro"))
    yield "ns-user-idmap", both(lambda box: box.user_namespace(), bind("rbind", "idmap"))
    yield "ns-user-readonly", both(lambda box: box.user_namespace(), top(root={"path": "rootfs", "readonly": True}))
    yield "ns-user-two-maps", both(lambda box: box.user_namespace(), linux(uidMappings=[
        {"containerID": 0, "hostID": 100000, "size": 10}, {"containerID": 10, "hostID": 300000, "size": 10}]))
    yield "ns-user-overlap", both(lambda box: box.user_namespace(), linux(uidMappings=[
        {"containerID": 0, "hostID": 100000, "size": 10}, {"containerID": 5, "hostID": 300000, "size": 10}]))
    yield "ns-time", both(lambda box: box.namespace("time"), linux(timeOffsets={"monotonic": {"secs": 1000}, "boottime": {"secs": 500, "nanosecs": 7}}))
    yield "ns-time-no-offsets", lambda box: box.namespace("time")
    yield "ns-offsets-no-time", linux(timeOffsets={"monotonic": {"secs": 1}})
    yield "ns-none", both(linux(namespaces=[{"type": "mount"}]), drop("hostname"))
    yield "ns-empty", both(linux(namespaces=[]), drop("hostname"))
    yield "ns-twice", lambda box: box.linux["namespaces"].append({"type": "pid"})
    yield "ns-unknown", lambda box: box.namespace("magic")
    yield "ns-net-name", lambda box: box.namespace("net")
    for k in ("network", "ipc", "uts", "pid", "cgroup"):
        yield f"ns-joined-own-{k}", both(joined(k), drop("hostname") if k == "uts" else top())
    yield "ns-path-missing", lambda box: box.namespace("ipc", "/nowhere/ipc")
    yield "ns-path-wrong-type", lambda box: box.namespace("ipc", "/proc/self/ns/uts")
    yield "ns-path-relative", lambda box: box.namespace("ipc", "proc/self/ns/ipc")
    for name, values in (
            ("net", {"net.ipv4.ip_forward": "1"}), ("slashes", {"net/ipv4/ip_forward": "1"}), ("ipc", {"kernel.shmmax": "4096000"}), ("mqueue", {"fs.mqueue.msg_max": "20"}),
            ("host-wide", {"kernel.panic": "7"}), ("vm", {"vm.swappiness": "5"}), ("hostname", {"kernel.hostname": "x"}), ("domainname", {"kernel.domainname": "dom"}),
            ("unknown", {"net.ipv4.nothing": "1"}), ("bad-value", {"net.ipv4.ip_forward": "many"}), ("escape", {"net.../../kernel.panic": "1"}), ("empty", {"": "1"}),
            ("user", {"user.max_user_namespaces": "10"})):
        yield "sysctl-" + name, linux(sysctl=values)
    yield "sysctl-net-of-the-host", both(lambda box: box.without("network"), linux(sysctl={"net.ipv4.ip_forward": "0"}))
    for name, change in (
            ("file", linux(maskedPaths=["/data/file"])), ("directory", linux(maskedPaths=["/data"])), ("missing", linux(maskedPaths=["/nowhere"])),
            ("proc", linux(maskedPaths=["/proc/kcore", "/proc/keys", "/proc/acpi", "/sys/firmware"])), ("twice", linux(maskedPaths=["/data/file", "/data/file"])),
            ("link", both(link("/data/file", "/way"), linux(maskedPaths=["/way"]))), ("relative", linux(maskedPaths=["data"])),
            ("readonly-dir", linux(readonlyPaths=["/data"])), ("readonly-file", linux(readonlyPaths=["/data/file"])), ("readonly-missing", linux(readonlyPaths=["/nowhere"])),
            ("readonly-proc", linux(readonlyPaths=["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"])),
            ("readonly-and-masked", linux(readonlyPaths=["/data"], maskedPaths=["/data/file"])), ("readonly-root", linux(readonlyPaths=["/"])),
            ("without-mount-ns", both(lambda box: box.without("mount"), linux(maskedPaths=["/data"])))):
        yield "paths-" + name, change
    for name, change in (
            ("fuse", linux(devices=[dev("/dev/fuse")])), ("mode", linux(devices=[dev("/dev/x", fileMode=0o604, uid=3, gid=4)])), ("mode-type-bits", linux(devices=[dev("/dev/x", fileMode=0o20644)])),
            ("block", linux(devices=[dev("/dev/x", "b", 7, 7)])), ("fifo", linux(devices=[{"path": "/dev/pipe", "type": "p", "fileMode": 0o622}])), ("u", linux(devices=[dev("/dev/x", "u")])),
            ("elsewhere", linux(devices=[dev("/deep/er/node")])), ("bad-type", linux(devices=[dev("/dev/x", "q")])), ("relative", linux(devices=[dev("dev/x")])),
            ("default-again", linux(devices=[dev("/dev/null", "c", 1, 3, fileMode=0o600)])), ("over-file", linux(devices=[dev("/data/file")])), ("over-other", both(node("/data/n", 1, 5), linux(devices=[dev("/data/n")]))),
            ("over-same", both(node("/data/n", 10, 229), linux(devices=[dev("/data/n")]))), ("ptmx", linux(devices=[dev("/dev/ptmx", "c", 5, 2)])), ("user", both(lambda box: box.user_namespace(), linux(devices=[dev("/dev/null", "c", 1, 3)])))):
        yield "device-" + name, change
    for name, change in (
            ("none", drop("linux", "seccomp")), ("empty", linux(seccomp={})), ("allow", seccomp()), ("log", seccomp("SCMP_ACT_LOG")), ("errno", seccomp("SCMP_ACT_ALLOW", rule("kcmp"))),
            ("errno-7", seccomp("SCMP_ACT_ALLOW", rule("kcmp", errnoRet=7))), ("errno-0", seccomp("SCMP_ACT_ALLOW", rule("kcmp", errnoRet=0))),
            ("errno-max", seccomp("SCMP_ACT_ALLOW", rule("kcmp", errnoRet=4095))), ("errno-huge", seccomp("SCMP_ACT_ALLOW", rule("kcmp", errnoRet=70000))),
            ("kill", seccomp("SCMP_ACT_ALLOW", rule("kcmp", "SCMP_ACT_KILL"))), ("kill-process", seccomp("SCMP_ACT_ALLOW", rule("kcmp", "SCMP_ACT_KILL_PROCESS"))), ("trap", seccomp("SCMP_ACT_ALLOW", rule("kcmp", "SCMP_ACT_TRAP"))),
            ("unknown-name", seccomp("SCMP_ACT_ALLOW", rule("kcmp no_such_call"))), ("only-unknown", seccomp("SCMP_ACT_ALLOW", rule("no_such_call"))), ("no-names", seccomp("SCMP_ACT_ALLOW", rule(""))),
            ("bad-action", seccomp("SCMP_ACT_X")), ("bad-op", seccomp("SCMP_ACT_ALLOW", rule("kcmp", args=[condition(0, 1, "X")]))), ("bad-index", seccomp("SCMP_ACT_ALLOW", rule("kcmp", args=[condition(6, 1, "EQ")]))),
            ("arch", seccomp("SCMP_ACT_ALLOW", rule("kcmp"), architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"])), ("arch-bad", seccomp("SCMP_ACT_ALLOW", rule("kcmp"), architectures=["X"])),
            ("arch-foreign", seccomp("SCMP_ACT_ALLOW", rule("kcmp"), architectures=["SCMP_ARCH_S390X"])), ("flag-log", seccomp("SCMP_ACT_ALLOW", rule("kcmp"), flags=["SECCOMP_FILTER_FLAG_LOG"])),
            ("flags-empty", seccomp("SCMP_ACT_ALLOW", rule("kcmp"), flags=[])), ("flag-bad", seccomp("SCMP_ACT_ALLOW", rule("kcmp"), flags=["X"])), ("flag-tsync", seccomp("SCMP_ACT_ALLOW", rule("kcmp"), flags=["SECCOMP_FILTER_FLAG_TSYNC"])),
            ("two-rules-one-call", seccomp("SCMP_ACT_ALLOW", rule("kcmp", errnoRet=3, args=[condition(0, 1, "EQ")]), rule("kcmp", errnoRet=4, args=[condition(0, 2, "EQ")]))),
            ("same-index-twice", seccomp("SCMP_ACT_ALLOW", rule("kcmp", errnoRet=5, args=[condition(0, 1, "EQ"), condition(0, 2, "EQ")]))),
            ("masked", seccomp("SCMP_ACT_ALLOW", rule("kcmp", errnoRet=6, args=[condition(0, 1, "MASKED_EQ", 1)]))), ("greater", seccomp("SCMP_ACT_ALLOW", rule("kcmp", errnoRet=9, args=[condition(0, 1, "GT")]))),
            ("notify-no-path", seccomp("SCMP_ACT_ALLOW", rule("kcmp", "SCMP_ACT_NOTIFY"))), ("notify-nobody", seccomp("SCMP_ACT_ALLOW", rule("kcmp", "SCMP_ACT_NOTIFY"), listenerPath="/nowhere.sock")),
            ("listener-unused", seccomp("SCMP_ACT_ALLOW", rule("kcmp"), listenerPath="/nowhere.sock")), ("nnp-off", both(seccomp("SCMP_ACT_ALLOW", rule("kcmp")), process(noNewPrivileges=False))),
            ("as-user", both(seccomp("SCMP_ACT_ALLOW", rule("kcmp")), user(uid=1000, gid=1000))), ("default-errno-new-calls", seccomp("SCMP_ACT_ERRNO", rule(ENOUGH, "SCMP_ACT_ALLOW"), defaultErrnoRet=38))):
        yield "seccomp-" + name, change
    for name, change in (
            ("readonly", top(root={"path": "rootfs", "readonly": True})), ("missing", top(root={"path": "nowhere"})), ("absent", drop("root")), ("empty", top(root={"path": ""})), ("slash-at-end", top(root={"path": "rootfs/"})),
            ("dot", top(root={"path": "./rootfs"})), ("absolute", lambda box: box.config.update(root={"path": box.rootfs})), ("file", top(root={"path": "config.json"})),
            ("private", linux(rootfsPropagation="private")), ("slave", linux(rootfsPropagation="slave")), ("shared", linux(rootfsPropagation="shared")), ("unbindable", linux(rootfsPropagation="unbindable")),
            ("rprivate", linux(rootfsPropagation="rprivate")), ("rslave", linux(rootfsPropagation="rslave")), ("rshared", linux(rootfsPropagation="rshared")), ("propagation-bad", linux(rootfsPropagation="x")),
            ("personality", linux(personality={"domain": "LINUX32"})), ("personality-bad", linux(personality={"domain": "X"})), ("hostname-empty", top(hostname="")), ("hostname-long", top(hostname="h" * 65)), ("domainname", top(domainname="dom"))):
        yield "root-" + name, change
    for name, change in (
            ("unified", linux(resources={"unified": {"cgroup.max.depth": "4"}})), ("unified-bad", linux(resources={"unified": {"nope.max": "1"}})), ("unified-slash", linux(resources={"unified": {"../x.y": "1"}})),
            ("path-relative", lambda box: box.linux.update(cgroupsPath="rel-" + box.id)), ("path-dots", lambda box: box.linux.update(cgroupsPath="/../.." + box.cg)), ("path-absent", drop("linux", "cgroupsPath")),
            ("devices-deny", linux(resources={"devices": [{"allow": False, "access": "rwm"}]})), ("devices-allow", linux(resources={"devices": [{"allow": True, "access": "rwm"}]})),
            ("devices-bad-type", linux(resources={"devices": [{"allow": True, "type": "z", "access": "rwm"}]})), ("devices-bad-access", linux(resources={"devices": [{"allow": True, "access": "rwx"}]})),
            ("empty", linux(resources={})), ("null", linux(resources=None)), ("memory-zero", linux(resources={"memory": {"limit": 0}})), ("swappiness", linux(resources={"memory": {"swappiness": 60}})), ("realtime", linux(resources={"cpu": {"realtimeRuntime": 5}})),
            ("network", linux(resources={"network": {"classID": 5}})), ("kernel-memory", linux(resources={"memory": {"kernel": 1 << 30}})), ("hugetlb-bad", linux(resources={"hugepageLimits": [{"pageSize": "3KB", "limit": 1}]})),
            ("rdt", linux(intelRdt={"closID": "x"})), ("memory", linux(resources={"memory": {"limit": 1 << 26, "reservation": 1 << 25}})), ("memory-swap", linux(resources={"memory": {"limit": 1 << 26, "swap": 1 << 27}})),
            ("memory-unlimited", linux(resources={"memory": {"limit": -1}})), ("swap-alone", linux(resources={"memory": {"swap": 1 << 27}})), ("swap-below-memory", linux(resources={"memory": {"limit": 1 << 27, "swap": 1 << 26}})),
            ("pids", linux(resources={"pids": {"limit": 40}})), ("pids-unlimited", linux(resources={"pids": {"limit": -1}})), ("cpu-shares", linux(resources={"cpu": {"shares": 512}})), ("cpu-quota", linux(resources={"cpu": {"quota": 20000, "period": 50000}})),
            ("cpu-period-alone", linux(resources={"cpu": {"period": 50000}})), ("cpu-bad", linux(resources={"cpu": {"quota": 1, "period": 1}})), ("cpuset", linux(resources={"cpu": {"cpus": "0"}})), ("cpuset-bad", linux(resources={"cpu": {"cpus": "9999"}})), ("weight", linux(resources={"blockIO": {"weight": 500}}))):
        yield "cgroup-" + name, change


# What a shell and the probe need, for a profile that denies by default.
ENOUGH = ("read write close openat open fstat newfstatat stat lstat lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn ioctl pread64 "
          "access faccessat faccessat2 pipe pipe2 select dup dup2 dup3 nanosleep getpid getppid clone clone3 fork vfork execve exit wait4 kill uname fcntl getcwd chdir "
          "rename mkdir rmdir creat link unlink readlink readlinkat chmod umask getuid getgid geteuid getegid setpgid getpgrp setsid setuid setgid setgroups "
          "getgroups getresuid getresgid capget capset prctl arch_prctl sysinfo futex set_tid_address set_robust_list exit_group tgkill prlimit64 getrandom "
          "rseq getdents64 statfs fstatfs statx socket connect getxattr sched_getaffinity sched_getattr ioprio_get keyctl personality setresuid setresgid "
          "epoll_create1 epoll_ctl epoll_pwait sigaltstack gettid madvise writev sendfile sched_yield execveat fchdir getpgid sendmsg recvmsg "
          "poll ppoll get_mempolicy clock_gettime tkill getrlimit time eventfd2 close_range openat2 pwrite64 sched_setaffinity fchown mount seccomp")


def other_cases():
    order = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
    for kind in order:
        yield "hook-" + kind, hook(kind)
        yield f"hook-{kind}-fails", hook(kind, "echo {0} >>BOX/log; exit 4")
    yield "hook-all", both(*[hook(k) for k in order])
    yield "hook-twice", both(hook("createRuntime", "echo one >>BOX/log"), hook("createRuntime", "echo other >>BOX/log"))
    yield "hook-env", hook("createRuntime", "env | grep -c ^HOOK= >>BOX/log; echo $HOOK >>BOX/log", env=["HOOK=x", "PATH=/usr/bin:/bin"])
    yield "hook-args", hook("createRuntime", 'echo "$0:$*" | sed s,.*/,, >>BOX/log', args=["zero", "one", "two"])
    yield "hook-missing", top(hooks={"createRuntime": [{"path": "/nowhere/hook"}]})
    yield "hook-relative", top(hooks={"createRuntime": [{"path": "true"}]})
    yield "hook-timeout", hook("createRuntime", "echo {0} >>BOX/log; exec sleep 9", timeout=1)
    yield "hook-timeout-0", hook("createRuntime", timeout=0)
    yield "hook-cwd", hook("createContainer", "pwd | sed s,.*/,, >>BOX/log")
    yield "hook-namespaces", hook("createContainer", "[ $(readlink /proc/self/ns/mnt) = $(readlink /proc/1/ns/mnt) ]; echo $? >>BOX/log")
    for name, change in (
            ("version-missing", drop("ociVersion")), ("version-odd", top(ociVersion="x.y")), ("version-2", top(ociVersion="2.0.0")), ("version-0", top(ociVersion="0.1.0")), ("unknown-key", top(comExample=1)),
            ("process-absent", drop("process")), ("process-null", top(process=None)), ("linux-absent", lambda box: (box.config.pop("linux"), box.config.pop("hostname"))), ("mounts-null", top(mounts=None)),
            ("mounts-object", top(mounts={})), ("args-string", process(args="true")), ("args-number", process(args=[1])), ("uid-string", user(uid="0")), ("uid-float", user(uid=1.5)),
            ("readonly-string", top(root={"path": "rootfs", "readonly": "yes"})), ("annotations", top(annotations={"a": "b"})), ("annotations-number", top(annotations={"a": 1})), ("annotations-empty-key", top(annotations={"": "b"})),
            ("annotations-null", top(annotations=None)), ("namespaces-string", linux(namespaces="pid")), ("solaris", top(solaris={"milestone": "x"})), ("windows", top(windows={"layerFolders": ["x"]}))):
        yield "config-" + name, change


PARTS = [("cwd-home", process(cwd="/home/u")), ("user", user(uid=1000, gid=1000)), ("groups", user(additionalGids=[9])), ("ro", top(root={"path": "rootfs", "readonly": True})),
         ("userns", lambda box: box.user_namespace()), ("no-net", lambda box: box.without("network")), ("no-cgns", lambda box: box.without("cgroup")), ("no-pid", lambda box: box.without("pid")),
         ("caps", three("KILL CHOWN SETUID")), ("no-caps", process(capabilities={})), ("nnp-off", process(noNewPrivileges=False)), ("masked", linux(maskedPaths=["/data", "/proc/keys", "/proc/kcore"])),
         ("readonly", linux(readonlyPaths=["/proc/sys", "/data"])), ("seccomp", seccomp("SCMP_ACT_ALLOW", rule("kcmp", errnoRet=7))), ("sysctl", linux(sysctl={"kernel.msgmax": "5000"})),
         ("limits", rlimits(("NOFILE", 64, 128), ("CORE", 0, 0))), ("tmpfs", tmpfs("nosuid", "nodev", "size=64k")), ("bind", bind("rbind", "ro", "rprivate")), ("rslave", bind("rbind", "rslave")),
         ("device", linux(devices=[dev("/dev/zero2", "c", 1, 5)])), ("oom", process(oomScoreAdj=300)), ("hooks", both(hook("createRuntime"), hook("poststop"))), ("umask", user(umask=0o027)),
         ("cgroup-mount", mounts(("/sys/fs/cgroup", "cgroup", "cgroup", "ro", "nosuid"))), ("shared", linux(rootfsPropagation="shared")), ("env", process(env=["PATH=/bin", "B=2", "A=1", "HOME=/h"])),
         ("copyup", lambda box: box.mount("/data", "tmpfs", "t", "tmpcopyup")), ("time", lambda box: box.namespace("time")), ("batch", process(scheduler={"policy": "SCHED_BATCH"}))]


def mixed_cases(count):
    rand = random.Random(SEED)
    for n in range(count):
        chosen = rand.sample(PARTS, rand.randint(2, 6))
        yield f"mix-{n:02d}-" + "+".join(name for name, _ in chosen), both(*[change for _, change in chosen])


def all_cases():
    cases = [*mount_cases(), *process_cases(), *linux_cases(), *other_cases(), *mixed_cases(60)]
    assert len({name for name, _ in cases}) == len(cases), "two cases of one name"
    return cases
