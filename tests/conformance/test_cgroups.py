# SPDX-License-Identifier: Apache-2.0
"""config-linux.md: control groups"""

import os

import ocitest
from suite import check, must, need, need_controller, same

PATHS = ("In the case of an absolute path (starting with `/`), the runtime MUST take the path to be relative to the cgroups mount "
         "point.")
APPLIED = "All of the properties configured in config.json except for `process` MUST be applied (runtime, Create)."


def limits(t, **resources):
    t.linux["resources"] = resources
    t.sleeper()


@must("config-linux, Cgroups path", PATHS)
def cgroups_path_absolute(t):
    t.cg = "/" + t.id + "/deep"
    t.linux["cgroupsPath"] = t.cg
    t.sleeper()
    v2 = [line for line in ocitest.read(f"/proc/{t.pid()}/cgroup").splitlines() if line.startswith("0::")]
    same(v2, ["0::" + t.cg])
    t.kill_and_wait()
    t.ok(t.call("delete", t.id))
    os.rmdir(f"{ocitest.CGROUP}/{t.id}") if os.path.isdir(f"{ocitest.CGROUP}/{t.id}") else None


@must("config-linux, Cgroups path", "If the value is specified, the runtime MUST consistently attach to the same place in the cgroups "
      "hierarchy given the same value of `cgroupsPath`.")
def cgroups_path_relative_is_constant(t):
    t.linux["cgroupsPath"] = t.id + "-rel"
    places = []
    for _ in range(2):
        t.sleeper()
        places += [line for line in ocitest.read(f"/proc/{t.pid()}/cgroup").splitlines() if line.startswith("0::")]
        t.kill_and_wait()
        t.ok(t.call("delete", t.id))
    same(places[0], places[1])
    check(places[0].endswith(t.id + "-rel"), places)
    check(not os.path.exists(ocitest.CGROUP + places[0][3:]), "still there:", places[0])


@must("config-linux, Control groups", "(a runtime MAY check if the container cgroup is fit for purpose) and MUST generate an error if "
      "such a check fails: a non-empty cgroup")
def cgroup_in_use(t):
    t.sleeper()
    t.ids.append(t.id + "-2")
    r = t.call("create", "--bundle", t.bundle, t.id + "-2")
    need(r.rc != 0, "this runtime makes no such check")
    same(t.status(), "running", "the first container")
    t.fails(t.query(t.id + "-2"))


@must("config-linux, Cgroup ownership", "Runtimes MUST NOT fail in this scenario (files of /sys/kernel/cgroup/delegate that do not "
      "exist in the cgroup)")
def cgroup_ownership(t):
    t.user_namespace()
    t.mount("/sys/fs/cgroup", "cgroup", "cgroup", "rw")
    t.sleeper()


def device_rules(t, *rules):
    t.linux["resources"] = {"devices": [dict(zip(("allow", "type", "major", "minor", "access"), r)) for r in rules]}
    t.linux["devices"] = [{"type": "c", "path": "/dev/jt", "major": 10, "minor": 237, "fileMode": 0o666}]
    t.caps("CAP_MKNOD", "CAP_SYS_ADMIN")
    t.process["args"] = ["/bin/probe", "open", "/dev/jt"]
    return t.lines()[0]


REFUSED = "Operation not permitted"
ORDER = "The runtime MUST apply entries in the listed order."


@must("config-linux, Allowed device list", ORDER)
def devices_denied_then_allowed(t):
    check(device_rules(t, (False, "a", -1, -1, "rwm"), (True, "c", 10, 237, "rw")) != REFUSED)


@must("config-linux, Allowed device list", ORDER)
def devices_allowed_then_denied(t):
    same(device_rules(t, (True, "a", -1, -1, "rwm"), (False, "c", 10, 237, "rwm")), REFUSED)


@must("config-linux, Allowed device list", "`access`: A composition of `r` (read), `w` (write), and `m` (mknod).")
def devices_access_letters(t):
    same(device_rules(t, (False, "a", -1, -1, "rwm"), (True, "c", 10, 237, "w")), REFUSED)


@must("config-linux, Allowed device list", "Unset values mean \"all\", mapping to `*` in the filesystem API.")
def devices_any_minor(t):
    t.linux["resources"] = {"devices": [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 10, "access": "r"}]}
    t.linux["devices"] = [{"type": "c", "path": "/dev/jt", "major": 10, "minor": 237, "fileMode": 0o666}]
    t.process["args"] = ["/bin/probe", "open", "/dev/jt"]
    check(t.lines()[0] != REFUSED)


@must("config-linux, Memory", "`limit` - sets limit of memory usage; `reservation` - soft limit; `swap` - limit of memory+Swap")
def memory(t):
    need_controller("memory")
    limits(t, memory={"limit": 64 << 20, "reservation": 32 << 20, "swap": 96 << 20})
    same((t.cgroup_file("memory.max"), t.cgroup_file("memory.low")), (str(64 << 20), str(32 << 20)))
    if os.path.exists(f"{ocitest.CGROUP}{t.cg}/memory.swap.max"):
        same(t.cgroup_file("memory.swap.max"), str(32 << 20))


@must("config-linux, Memory", "Values for memory specify the limit in bytes, or `-1` for unlimited memory.")
def memory_unlimited(t):
    need_controller("memory")
    limits(t, memory={"limit": -1})
    same(t.cgroup_file("memory.max"), "max")


@must("config-linux, Memory", "checkBeforeUpdate: runtime MAY check if a new memory limit is lower than the current usage, and MUST "
      "reject the new limit.")
def memory_check_before_update(t):
    need_controller("memory")
    t.process["args"] = ["sh", "-c", "probe eat 20 >/dev/null; sleep 100"]
    limits(t, memory={"limit": 128 << 20, "checkBeforeUpdate": True})
    path = t.write("new.json", '{"memory": {"limit": 4096, "checkBeforeUpdate": true}}')
    t.fails(t.call("update", "-r", path, t.id))
    same((t.cgroup_file("memory.max"), t.status()), (str(128 << 20), "running"))


@must("config-linux, CPU", "`shares`, `quota`, `period`, `burst`, `idle`")
def cpu(t):
    need_controller("cpu")
    limits(t, cpu={"shares": 1024, "quota": 50000, "period": 100000})
    same((t.cgroup_file("cpu.max"), t.cgroup_file("cpu.weight")), ("50000 100000", "100"))


@must("config-linux, CPU", "`cpus` - list of CPUs the container will run in; `mems` - list of Memory Nodes the container will run in")
def cpuset(t):
    need_controller("cpuset")
    limits(t, cpu={"cpus": "0", "mems": "0"})
    same((t.cgroup_file("cpuset.cpus"), t.cgroup_file("cpuset.mems")), ("0", "0"))


@must("config-linux, PIDs", "`limit` - specifies the maximum number of tasks in the cgroup")
def pids(t):
    need_controller("pids")
    limits(t, pids={"limit": 17})
    same(t.cgroup_file("pids.max"), "17")


@must("config-linux, PIDs", "`limit` - specifies the maximum number of tasks in the cgroup (-1: unlimited)")
def pids_unlimited(t):
    need_controller("pids")
    limits(t, pids={"limit": -1})
    same(t.cgroup_file("pids.max"), "max")


@must("config-linux, Huge page limits", "`limit` - limit in bytes of *hugepagesize* HugeTLB reservations (if supported) or usage.")
def hugepages(t):
    need_controller("hugetlb")
    need(os.path.isdir("/sys/kernel/mm/hugepages/hugepages-2048kB"), "no 2MB pages on this machine")
    limits(t, hugepageLimits=[{"pageSize": "2MB", "limit": 4 << 20}])
    same((t.cgroup_file("hugetlb.2MB.max"), t.cgroup_file("hugetlb.2MB.rsvd.max")), (str(4 << 20), str(4 << 20)))


@must("config-linux, Huge page limits", "The value has the format `<size><unit-prefix>B` and must match the control file")
def hugepages_of_no_such_size(t):
    need_controller("hugetlb")
    t.linux["resources"] = {"hugepageLimits": [{"pageSize": "3MB", "limit": 3 << 20}]}
    t.refused_at_create()


@must("config-linux, Block IO", "`throttleReadBpsDevice` - an array of per-device bandwidth rate limits")
def block_io(t):
    need_controller("io")
    disk = next((d for d in os.listdir("/sys/block") if not d.startswith(("ram", "zram", "loop"))), None)
    need(disk, "no disk here")
    major, minor = ocitest.read(f"/sys/block/{disk}/dev").strip().split(":")
    limits(t, blockIO={"throttleReadBpsDevice": [{"major": int(major), "minor": int(minor), "rate": 1048576}]})
    check(f"{major}:{minor} rbps=1048576" in t.cgroup_file("io.max"), t.cgroup_file("io.max"))


@must("config-linux, Unified", "Configuration unknown to the runtime MUST still be written to the relevant file.")
def unified_is_written(t):
    limits(t, unified={"cgroup.max.depth": "3", "cgroup.max.descendants": "5"})
    same((t.cgroup_file("cgroup.max.depth"), t.cgroup_file("cgroup.max.descendants")), ("3", "5"))


@must("config-linux, Unified", "The OCI runtime MUST ensure that the needed cgroup controllers are enabled for the cgroup.")
def unified_enables_controllers(t):
    need_controller("memory")
    limits(t, unified={"memory.high": "1073741824", "pids.max": "50"})
    same((t.cgroup_file("memory.high"), t.cgroup_file("pids.max")), ("1073741824", "50"))


@must("config-linux, Unified", "The runtime MUST generate an error when the configuration refers to a cgroup controller that is not "
      "present or that cannot be enabled.")
def unified_without_controller(t):
    t.linux["resources"] = {"unified": {"nosuchcontroller.max": "1"}}
    t.refused_at_create()


@must("config-linux, Unified", "The runtime MUST generate an error when the configuration refers to a cgroup controller that is not "
      "present or that cannot be enabled.")
def unified_leaving_the_cgroup(t):
    t.linux["resources"] = {"unified": {"../cgroup.max.depth": "1"}}
    t.refused_at_create()


@must("config-linux, Unified", "If the conversion is not possible the runtime MUST generate an error.")
def realtime_has_no_conversion(t):
    t.linux["resources"] = {"cpu": {"realtimeRuntime": 950000, "realtimePeriod": 1000000}}
    t.refused_at_create()


@must("runtime, Create", APPLIED)
def limit_without_its_controller(t):
    absent = [c for c, r in (("memory", {"memory": {"limit": 64 << 20}}), ("pids", {"pids": {"limit": 7}}))
              if not os.path.exists(f"{ocitest.CGROUP}/cgroup.controllers") or
              c not in ocitest.read(f"{ocitest.CGROUP}/cgroup.controllers").split()]
    need("memory" in absent, "every controller is here")
    t.linux["resources"] = {"memory": {"limit": 64 << 20}}
    t.refused_at_create()
