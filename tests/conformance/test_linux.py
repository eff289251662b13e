# SPDX-License-Identifier: Apache-2.0
"""config-linux.md: namespaces, devices, time, network devices, sysctl, paths, personality and more"""

import os
import shutil
import stat
import subprocess

import ocitest
from suite import check, must, need, same

FILES = {"pid": "pid", "network": "net", "mount": "mnt", "ipc": "ipc", "uts": "uts", "user": "user", "cgroup": "cgroup",
         "time": "time"}
NEW = "If `path` is not specified, the runtime MUST create a new container namespace of type `type`."
JOIN = "The runtime MUST place the container process in the namespace associated with that `path`."
INHERIT = ("If a namespace type is not specified in the `namespaces` array, the container MUST inherit the runtime namespace of "
           "that type.")


def ns(pid, kind):
    return os.readlink(f"/proc/{pid}/ns/{FILES[kind]}")


def new_namespace_test(kind):
    def test(t):
        need(os.path.exists(f"/proc/self/ns/{FILES[kind]}"), f"no {kind} namespaces in this kernel")
        t.user_namespace() if kind == "user" else t.namespace(kind)
        t.sleeper()
        check(ns(t.pid(), kind) != ns("self", kind), "the runtime's own")
    test.__name__ = f"namespace_new_{kind}"
    return must("config-linux, Namespaces", NEW)(test)


def joined_namespace_test(kind):
    def test(t):
        need(os.path.exists(f"/proc/self/ns/{FILES[kind]}"), f"no {kind} namespaces in this kernel")
        flag = {"network": "--net", "mount": "--mount"}.get(kind, "--" + kind)
        helper = t.spawn("unshare", flag, *(["--fork", "--kill-child"] if kind in ("pid", "time") else []), "sleep", "100")
        pid = helper.pid
        if kind in ("pid", "time"):
            children = f"/proc/{pid}/task/{pid}/children"
            check(ocitest.wait_for(lambda: os.path.exists(children) and ocitest.read(children).strip()))
            pid = int(ocitest.read(children))
        check(ocitest.wait_for(lambda: ns(pid, kind) != ns("self", kind) and "sleep" in ocitest.read(f"/proc/{pid}/cmdline")))
        t.namespace(kind, f"/proc/{pid}/ns/{FILES[kind]}")
        if kind == "uts":
            t.config.pop("hostname")
        t.sleeper()
        same(ns(t.pid(), kind), ns(pid, kind))
    test.__name__ = f"namespace_joined_{kind}"
    return must("config-linux, Namespaces", JOIN)(test)


def inherited_namespace_test(kind):
    def test(t):
        t.without(kind)
        if kind == "network":  # sysfs shows the network namespace and so is mounted only by its owner
            pass
        if kind == "uts":
            t.config.pop("hostname")
        t.sleeper()
        same(ns(t.pid(), kind), ns("self", kind))
    test.__name__ = f"namespace_inherited_{kind}"
    return must("config-linux, Namespaces", INHERIT)(test)


for _kind in FILES:
    new_namespace_test(_kind)
for _kind in ("network", "ipc", "uts", "pid", "cgroup", "time"):
    joined_namespace_test(_kind)
for _kind in ("network", "ipc", "uts", "pid", "cgroup", "user", "time"):
    inherited_namespace_test(_kind)


@must("config-linux, Namespaces", "The runtime MUST generate an error if `path` is not associated with a namespace of type `type`.")
def namespace_of_another_type(t):
    t.namespace("ipc", "/proc/self/ns/uts")
    t.refused_at_create()


@must("config-linux, Namespaces", "The runtime MUST generate an error if `path` is not associated with a namespace of type `type`.")
def namespace_path_is_a_plain_file(t):
    t.namespace("ipc", t.write("plain", ""))
    t.refused_at_create()


@must("config-linux, Namespaces", "The runtime MUST generate an error if `path` is not associated with a namespace of type `type`.")
def namespace_path_missing(t):
    t.namespace("ipc", t.path("nowhere"))
    t.refused_at_create()


@must("config-linux, Namespaces", "`path`: This value MUST be an absolute path in the runtime mount namespace.")
def namespace_path_relative(t):
    t.namespace("ipc", "../../proc/self/ns/ipc")
    t.refused_at_create()


@must("config-linux, Namespaces", "If a `namespaces` field contains duplicated namespaces with same `type`, the runtime MUST generate "
      "an error.")
def namespace_twice(t):
    t.linux["namespaces"].append({"type": "ipc"})
    t.refused_at_create()


@must("config-linux, User namespace mappings", "`uidMappings` describes the user namespace uid mappings from the host to the "
      "container.")
def user_mappings(t):
    t.user_namespace()
    t.linux["uidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 1000}, {"containerID": 5000, "hostID": 200000, "size": 7}]
    t.linux["gidMappings"] = [{"containerID": 0, "hostID": 300000, "size": 2000}]
    same([line.split() for line in t.sh("cat /proc/self/uid_map /proc/self/gid_map")],
         [["0", "100000", "1000"], ["5000", "200000", "7"], ["0", "300000", "2000"]])


@must("config-linux, Time namespace", "`timeOffsets` sets the offset for Time Namespace.")
def time_offsets(t):
    need(os.path.exists("/proc/self/ns/time"), "no time namespaces in this kernel")
    t.namespace("time")
    t.linux["timeOffsets"] = {"monotonic": {"secs": 7200, "nanosecs": 5}, "boottime": {"secs": 60}}
    rows = {line.split()[0]: line.split()[1:] for line in t.sh("cat /proc/self/timens_offsets")}
    same(rows, {"monotonic": ["7200", "5"], "boottime": ["60", "0"]})


DEVICES = "`devices` lists devices that MUST be available in the container."


@must("config-linux, Devices", DEVICES)
def devices_of_each_type(t):
    t.linux["devices"] = [
        {"type": "c", "path": "/dev/chr", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 11, "gid": 12},
        {"type": "b", "path": "/data/deep/blk", "major": 7, "minor": 0, "fileMode": 0o600},
        {"type": "u", "path": "/dev/unbuffered", "major": 10, "minor": 200},
        {"type": "p", "path": "/dev/pipe", "fileMode": 0o622}]
    got = t.sh("stat -c '%F %a %u %g %t %T' /dev/chr /data/deep/blk /dev/unbuffered /dev/pipe")
    same(got[:2] + got[3:], ["character special file 640 11 12 a e5", "block special file 600 0 0 7 0", "fifo 622 0 0 0 0"])
    check(got[2].startswith("character special file") and got[2].endswith("a c8"), got[2])


@must("config-linux, Devices", "If a file already exists at `path` that does not match the requested device, the runtime MUST "
      "generate an error.")
def device_over_a_plain_file(t):
    t.linux["devices"] = [{"type": "c", "path": "/data/file", "major": 1, "minor": 3}]
    t.refused_at_create()


@must("config-linux, Devices", "If a file already exists at `path` that does not match the requested device, the runtime MUST "
      "generate an error.")
def device_over_another_device(t):
    os.mknod(t.rootfs + "/data/dev", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    t.linux["devices"] = [{"type": "c", "path": "/data/dev", "major": 1, "minor": 3}]
    t.refused_at_create()


@must("config-linux, Devices", DEVICES)
def device_in_user_namespace(t):
    t.user_namespace()
    t.linux["devices"] = [{"type": "c", "path": "/dev/nought", "major": 1, "minor": 3, "fileMode": 0o666}]
    same(t.one("echo x >/dev/nought && stat -c '%t %T' /dev/nought"), "1 3")


@must("config-linux, Default Devices", "In addition to any devices configured with this setting, the runtime MUST also supply: "
      "/dev/null, zero, full, random, urandom, tty")
def default_devices(t):
    same(t.sh("cd /dev; stat -c '%n %F %t %T %a' null zero full random urandom tty; echo x >null; head -c 4 zero | od -An -tx1"),
         [f"{n} character special file {m} 666" for n, m in
          (("null", "1 3"), ("zero", "1 5"), ("full", "1 7"), ("random", "1 8"), ("urandom", "1 9"), ("tty", "5 0"))] +
         [" 00 00 00 00"])


@must("config-linux, Default Devices", "/dev/ptmx: A bind-mount or symlink of the container's `/dev/pts/ptmx`.")
def default_ptmx(t):
    same(t.one("[ /dev/ptmx -ef /dev/pts/ptmx ]; echo $?"), "0")


@must("runtime-linux, Dev symbolic links", "While creating the container, runtimes MUST create the following symlinks if the source "
      "file exists after processing `mounts`: /dev/fd, /dev/stdin, /dev/stdout, /dev/stderr")
def dev_symlinks(t):
    same(t.sh("for l in fd stdin stdout stderr; do readlink /dev/$l; done"),
         ["/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"])


@must("runtime-linux, File descriptors", "By default, only the `stdin`, `stdout` and `stderr` file descriptors are kept open for the "
      "application by the runtime.")
def file_descriptors(t):
    t.process["args"] = ["/bin/probe", "fds"]
    same([line.split()[0] for line in t.lines()], ["0", "1", "2"])


@must("config-linux, Sysctl", "`sysctl` allows kernel parameters to be modified at runtime for the container.")
def sysctl(t):
    t.linux["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "4096", "fs.mqueue.msg_max": "9"}
    same(t.sh("cd /proc/sys; cat net/ipv4/ip_forward kernel/msgmax fs/mqueue/msg_max"), ["1", "4096", "9"])


@must("config-linux, Sysctl", "If the runtime cannot apply a property as specified in the configuration, it MUST generate an error "
      "(runtime, Create).")
def sysctl_unknown(t):
    t.linux["sysctl"] = {"net.ipv4.no_such_parameter": "1"}
    t.refused_at_create()


@must("config-linux, Rootfs mount propagation", "`rootfsPropagation` sets the rootfs's mount propagation.")
def rootfs_propagation_shared(t):
    t.linux["rootfsPropagation"] = "shared"
    check("shared:" in t.one("grep ' / / \\| / rw\\| / ro' /proc/self/mountinfo | awk '$5 == \"/\"'"))


@must("config-linux, Rootfs mount propagation", "`rootfsPropagation` sets the rootfs's mount propagation.")
def rootfs_propagation_private(t):
    t.linux["rootfsPropagation"] = "private"
    line = t.one("awk '$5 == \"/\"' /proc/self/mountinfo").split(" - ")[0]
    check("shared:" not in line and "master:" not in line, line)


@must("config-linux, Rootfs mount propagation", "`unbindable`: the rootfs mount is a private mount that cannot be bind-mounted.")
def rootfs_propagation_unbindable(t):
    t.linux["rootfsPropagation"] = "unbindable"
    check("unbindable" in t.one("awk '$5 == \"/\"' /proc/self/mountinfo"))


@must("config-linux, Rootfs mount propagation", "`slave`: the rootfs mount receives propagation events from the host (e.g. if "
      "something is mounted on the host it will also appear in the container) but not the other way around.")
def rootfs_propagation_slave(t):
    holder = t.dir
    while not os.path.ismount(holder):
        holder = os.path.dirname(holder)
    need(holder == "/", "the bundles are not on the file system of /")
    t.linux["rootfsPropagation"] = "slave"
    t.caps("CAP_SYS_ADMIN")
    t.process["args"] = ["sh", "-c", "until [ -e /mnt/seen ]; do sleep 0.05; done; mount -t tmpfs x /data && echo both; sleep 0.2"]
    t.save()
    # A mount namespace of shared mounts; what the host would do is done in it.
    script = 'mount --make-rprivate / && mount --make-rshared / && "$@" && touch "$READY" && exec sleep 100'
    with open(t.path("o"), "w", encoding="utf-8") as o:
        world = t.spawn("unshare", "--mount", "sh", "-c", script, "sh", t.runtime, "--root", t.root, "create", "--bundle", t.bundle,
                        t.id, stdout=o, stderr=subprocess.STDOUT, env={**os.environ, "READY": t.path("ready")})
    check(ocitest.wait_for(lambda: os.path.exists(t.path("ready")) or world.poll() is not None), "hung")
    check(world.poll() is None, ocitest.read(t.path("o")))
    t.pids.append(t.state()["pid"])
    t.ok(t.start())
    host = ("nsenter", "-t", str(world.pid), "-m")
    subprocess.run([*host, "sh", "-c", f"mount -t tmpfs y {t.rootfs}/mnt && touch {t.rootfs}/mnt/seen"], check=True)
    same(t.wait(), 0)
    same(ocitest.read(t.path("o")), "both\n")
    seen = subprocess.run([*host, "grep", "-c", "rootfs/data ", "/proc/self/mountinfo"], stdout=subprocess.PIPE, check=False)
    same(seen.stdout, b"0\n", "mounts of the container on the host")


@must("config-linux, Masked paths", "`maskedPaths` will mask over the provided paths inside the container so that they cannot be "
      "read.")
def masked_paths(t):
    os.makedirs(t.rootfs + "/data/dir")
    ocitest_file = t.rootfs + "/data/dir/secret"
    with open(ocitest_file, "w", encoding="ascii") as f:
        f.write("secret")
    t.linux["maskedPaths"] = ["/data/file", "/data/dir", "/data/not-there"]
    same(t.sh("cat /data/file; ls /data/dir; touch /data/dir/x 2>/dev/null; echo $?; ls /data"), ["1", "dir", "file"])


@must("config-linux, Masked paths", "The values MUST be absolute paths in the container namespace.")
def masked_path_relative(t):
    t.linux["maskedPaths"] = ["data/file"]
    t.refused()


@must("config-linux, Readonly paths", "`readonlyPaths` will set the provided paths as readonly inside the container.")
def readonly_paths(t):
    t.linux["readonlyPaths"] = ["/data", "/etc/passwd", "/data/not-there"]
    same(t.sh("touch /data/x 2>/dev/null; echo $?; (echo >>/etc/passwd) 2>/dev/null; echo $?; cat /data/file; touch /etc/y; echo $?"),
         ["1", "1", "of the image", "0"])


@must("config-linux, Readonly paths", "The values MUST be absolute paths in the container namespace.")
def readonly_path_relative(t):
    t.linux["readonlyPaths"] = ["data"]
    t.refused()


@must("config-linux, Personality", "`LINUX32` will set the `uname` system call to show a 32 bit CPU type, such as `i686`.")
def personality_linux32(t):
    t.linux["personality"] = {"domain": "LINUX32"}
    t.process["args"] = ["/bin/probe", "personality"]
    same(t.lines(), ["0x8"])


@must("config-linux, Personality", "Currently no flag values are supported. (config, Valid values: an error when unsupported values "
      "are encountered)")
def personality_flags(t):
    t.linux["personality"] = {"domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"]}
    t.refused()


@must("config-linux, IntelRdt", "If no mounted `resctrl` pseudo-filesystem is available in the runtime mount namespace, the runtime "
      "MUST generate an error.")
def intel_rdt_without_resctrl(t):
    need(" resctrl " not in ocitest.read("/proc/self/mountinfo"), "resctrl is mounted")
    t.linux["intelRdt"] = {"closID": "group", "l3CacheSchema": "L3:0=f"}
    t.refused_at_create()


@must("config-linux, Memory policy", "`mode` (string, REQUIRED) - the NUMA memory policy mode to use for all memory allocations.")
def memory_policy(t):
    need(os.path.exists("/proc/self/numa_maps"), "no NUMA in this kernel")
    t.linux["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "0"}
    t.process["args"] = ["/bin/probe", "mempolicy"]
    same(t.lines(), ["mode=2 nodes=1"])


@must("config-linux, Memory policy", "MPOL_DEFAULT, MPOL_LOCAL: no nodes may be given (config, Valid values)")
def memory_policy_default_with_nodes(t):
    t.linux["memoryPolicy"] = {"mode": "MPOL_DEFAULT", "nodes": "0"}
    t.refused()


NETDEV = "`netDevices`: a set of network devices that will be made available in the container, moved from the host."


def on_a_net(t, devices, setup="ip link add jt0 type dummy"):
    """create in a network namespace with the device jt0, so that the host's own stays as it is."""
    need(shutil.which("ip"), "no ip here")
    able = subprocess.run(["unshare", "--net", "sh", "-c", setup], check=False, stderr=subprocess.DEVNULL)
    need(able.returncode == 0, "no dummy network devices in this kernel")
    t.linux["netDevices"] = devices
    return t.create(prefix=("unshare", "--net", "sh", "-c", setup + " && exec \"$@\"", "sh"))


@must("config-linux, Network devices", NETDEV)
def network_device_is_moved_and_renamed(t):
    t.process["args"] = ["sh", "-c", "cat /sys/class/net/inside/address; cat /sys/class/net/inside/mtu; ls /sys/class/net"]
    t.ok(on_a_net(t, {"jt0": {"name": "inside"}}, "ip link add jt0 address 02:00:00:00:00:07 mtu 1400 type dummy"))
    t.ok(t.start())
    t.wait()
    lines = t.output().split()
    check(lines[:2] == ["02:00:00:00:00:07", "1400"] and "inside" in lines and "jt0" not in lines, lines)


@must("config-linux, Network devices", "The runtime MUST set the network device state to \"up\" after moving it to the network "
      "namespace.")
def network_device_is_up(t):
    t.process["args"] = ["sh", "-c", "cat /sys/class/net/jt0/flags"]
    t.ok(on_a_net(t, {"jt0": {}}))
    t.ok(t.start())
    t.wait()
    check(int(t.output(), 16) & 1, t.output())


@must("config-linux, Network devices", "If a network device with the specified name already exists in the container namespace, the "
      "runtime MUST generate an error.")
def network_device_name_taken(t):
    t.fails(on_a_net(t, {"jt0": {"name": "lo"}}))
    t.fails(t.query())


@must("config-linux, Network devices", NETDEV)
def network_device_missing(t):
    t.fails(on_a_net(t, {"jt9": {}}))
    t.fails(t.query())


@must("config-linux, Network devices", NETDEV)
def network_device_without_network_namespace(t):
    t.without("network")
    t.fails(on_a_net(t, {"jt0": {}}))
    t.fails(t.query())
