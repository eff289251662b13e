# SPDX-License-Identifier: Apache-2.0
"""config.md: process, user"""

import os

import ocitest
from suite import Failed, check, must, need, same

ALL_SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")
CAP_NUMBER = {"CAP_CHOWN": 0, "CAP_KILL": 5, "CAP_NET_BIND_SERVICE": 10, "CAP_SYS_CHROOT": 18}
RLIMITS = "`rlim.rlim_cur` MUST match the configured value. `rlim.rlim_max` MUST match the configured value."


def mask(names):
    return sum(1 << CAP_NUMBER[n] for n in names)


@must("config, Process", "Runtimes MUST ignore `consoleSize` if `terminal` is `false` or unset.")
def console_size_without_terminal(t):
    t.process["consoleSize"] = {"height": 10, "width": 20}
    same(t.one("tty >/dev/null; echo $?"), "1")


@must("config, Process", "`cwd` (string, REQUIRED) is the working directory that will be set for the executable.")
def cwd(t):
    t.process["cwd"] = "/home/u"
    same(t.one("pwd"), "/home/u")


@must("config, Process", "This value MUST be an absolute path.")
def cwd_relative(t):
    t.process["cwd"] = "home"
    t.refused()


@must("config, Process", "`cwd` (string, REQUIRED)")
def cwd_missing(t):
    del t.process["cwd"]
    t.refused()


@must("config, Process", "`env` with the same semantics as IEEE Std 1003.1-2008's `environ`.")
def environment(t):
    t.process["env"] = ["PATH=/bin", "A=1", "EMPTY=", "WITH=a=b c", "HOME=/nowhere"]
    same(t.sh("env | grep -vE '^(SHLVL|PWD|OLDPWD|_)=' | sort"), ["A=1", "EMPTY=", "HOME=/nowhere", "PATH=/bin", "WITH=a=b c"])


@must("config, Process", "at least one entry is REQUIRED (non-Windows), and that entry is used with the same semantics as "
      "`execvp`'s *file*")
def args_empty(t):
    t.process["args"] = []
    t.refused()


@must("config, Process", "at least one entry is REQUIRED (non-Windows), and that entry is used with the same semantics as "
      "`execvp`'s *file*")
def args_missing(t):
    del t.process["args"]
    t.refused()


@must("config, Process", "that entry is used with the same semantics as `execvp`'s *file*")
def args_searched_in_path(t):
    t.process["env"] = ["PATH=/nowhere:/usr/bin"]
    os.symlink("/bin/busybox", t.rootfs + "/usr/bin/echo")
    t.process["args"] = ["echo", "found", "two words", ""]
    same(t.lines(), ["found two words "])


@must("config, Process", "that entry is used with the same semantics as `execvp`'s *file*")
def args_not_found(t):
    t.process["args"] = ["no-such-program"]
    t.refused()


@must("config, Process", "This property is REQUIRED when `start` is called.")
def process_missing(t):
    del t.config["process"]
    t.refused()


@must("config, POSIX process", RLIMITS)
def rlimits(t):
    t.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
                            {"type": "RLIMIT_STACK", "soft": 1048576, "hard": 2097152},
                            {"type": "RLIMIT_FSIZE", "soft": 1 << 40, "hard": 1 << 50}]
    rows = {line.split("  ")[0].strip(): line[26:].split()[:2] for line in t.sh("cat /proc/self/limits")}
    same([rows["Max open files"], rows["Max core file size"], rows["Max stack size"], rows["Max file size"]],
         [["100", "200"], ["0", "0"], ["1048576", "2097152"], [str(1 << 40), str(1 << 50)]])


@must("config, POSIX process", "For each entry in `rlimits`, a `getrlimit(3)` on `type` MUST succeed.")
def rlimits_of_every_type(t):
    names = "AS CORE CPU DATA FSIZE LOCKS MEMLOCK MSGQUEUE NICE NOFILE NPROC RSS RTPRIO RTTIME SIGPENDING STACK".split()
    own = {n: v.split() for n, v in ((line[:26].strip(), line[26:]) for line in ocitest.read("/proc/self/limits").splitlines())}
    titles = dict(zip(names, "address space;core file size;cpu time;data size;file size;file locks;locked memory;msgqueue size;"
                      "nice priority;open files;processes;resident set;realtime priority;realtime timeout;pending signals;"
                      "stack size".split(";")))
    def number(text):
        return (1 << 64) - 1 if text == "unlimited" else int(text)
    # What the host's process has is always allowed.
    t.process["rlimits"] = [{"type": "RLIMIT_" + n, "soft": number(own["Max " + titles[n]][0]),
                             "hard": number(own["Max " + titles[n]][1])} for n in names]
    t.sh("true")


@must("config, POSIX process", "The runtime MUST generate an error for any values which cannot be mapped to a relevant kernel "
      "interface.")
def rlimit_unknown(t):
    t.process["rlimits"] = [{"type": "RLIMIT_TEST", "soft": 1, "hard": 1}]
    t.refused_at_create()


@must("config, POSIX process", "If `rlimits` contains duplicated entries with same `type`, the runtime MUST generate an error.")
def rlimit_twice(t):
    t.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 100}, {"type": "RLIMIT_NOFILE", "soft": 99, "hard": 99}]
    t.refused()


def shown_caps(t):
    keys = dict(zip(("CapBnd", "CapEff", "CapInh", "CapPrm", "CapAmb"), ALL_SETS))
    rows = dict(line.split(":\t") for line in t.sh("grep ^Cap /proc/self/status"))
    return {keys[k]: int(v, 16) for k, v in rows.items()}


@must("config, Linux process", "`capabilities` is an object containing arrays that specifies the sets of capabilities for the "
      "process.")
def capabilities_each_set(t):
    sets = {"bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT"],
            "permitted": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
            "inheritable": ["CAP_KILL", "CAP_NET_BIND_SERVICE"], "ambient": ["CAP_KILL"],
            "effective": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"]}
    t.process["capabilities"] = sets
    t.process["user"] = {"uid": 1000, "gid": 1000}
    # Through execve as an ordinary user, only what is ambient stays permitted.
    want = {s: mask(sets[s]) for s in ALL_SETS}
    want["permitted"] = want["effective"] = want["ambient"]
    same(shown_caps(t), want)


@must("config, Linux process", "`capabilities` is an object containing arrays that specifies the sets of capabilities for the "
      "process.")
def capabilities_of_root(t):
    t.caps("CAP_CHOWN", "CAP_KILL")
    want = mask(["CAP_CHOWN", "CAP_KILL"])
    same(shown_caps(t), {"bounding": want, "effective": want, "permitted": want, "inheritable": 0, "ambient": 0})


@must("config, Linux process", "`capabilities` is an object containing arrays that specifies the sets of capabilities for the "
      "process.")
def capabilities_none(t):
    t.process["capabilities"] = {}
    same(set(shown_caps(t).values()), {0})


@must("config, Linux process", "Any value which cannot be mapped to a relevant kernel interface, or cannot be granted otherwise "
      "MUST be logged as a warning by the runtime.")
def capability_unknown_is_logged(t):
    for s in ("bounding", "permitted", "effective"):
        t.process["capabilities"][s].append("CAP_TEST")
    t.save()
    r = t.call("--log", t.path("log.txt"), "create", "--bundle", t.bundle, t.id)
    t.ok(r)
    t.pids.append(t.state()["pid"])
    said = r.err + (ocitest.read(t.path("log.txt")) if os.path.exists(t.path("log.txt")) else "")
    check("CAP_TEST" in said, "no word of CAP_TEST:", said)


@must("config, Linux process", "setting `noNewPrivileges` to true prevents the process from gaining additional privileges")
def no_new_privileges(t):
    t.process["noNewPrivileges"] = True
    same(t.one("grep NoNewPrivs /proc/self/status"), "NoNewPrivs:\t1")


@must("config, Linux process", "setting `noNewPrivileges` to true prevents the process from gaining additional privileges")
def no_new_privileges_unset(t):
    del t.process["noNewPrivileges"]
    same(t.one("grep NoNewPrivs /proc/self/status"), "NoNewPrivs:\t0")


@must("config, Linux process", "If `oomScoreAdj` is set, the runtime MUST set `oom_score_adj` to the given value.")
def oom_score_adj(t):
    t.process["oomScoreAdj"] = 321
    same(t.one("cat /proc/self/oom_score_adj"), "321")


@must("config, Linux process", "If `oomScoreAdj` is not set, the runtime MUST NOT change the value of `oom_score_adj`.")
def oom_score_adj_unset(t):
    t.process["args"] = ["cat", "/proc/self/oom_score_adj"]
    t.ok(t.create(prefix=("sh", "-c", "echo 77 >/proc/self/oom_score_adj; exec \"$@\"", "sh")))
    t.ok(t.start())
    t.wait()
    same(t.output().strip(), "77")


def probed(t, word, *args):
    t.process["args"] = ["/bin/probe", word, *args]
    return t.lines()[0]


@must("config, Linux process", "`scheduler` (object, OPTIONAL) is an object describing the scheduler properties for the process.")
def scheduler_batch(t):
    t.process["scheduler"] = {"policy": "SCHED_BATCH", "nice": 7}
    check(probed(t, "sched").startswith("policy=3 flags=0 nice=7"))


@must("config, Linux process", "`flags` (array of strings, OPTIONAL) is an array of strings representing scheduling flags.")
def scheduler_flags(t):
    t.process["scheduler"] = {"policy": "SCHED_OTHER", "nice": 3, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}
    check(probed(t, "sched").startswith("policy=0 flags=1 nice=3"))


@must("config, Linux process", "`ioPriority` (object, OPTIONAL) configures the I/O priority settings for the container's "
      "processes within the process group.")
def io_priority(t):
    t.process["ioPriority"] = {"class": "IOPRIO_CLASS_BE", "priority": 6}
    same(probed(t, "ioprio"), "class=2 priority=6")


@must("config, Linux process", "The value should be an integer ranging from 0 (highest) to 7 (lowest).")
def io_priority_out_of_range(t):
    t.process["ioPriority"] = {"class": "IOPRIO_CLASS_BE", "priority": 8}
    t.refused_at_create()


@must("config, Linux process", "execCPUAffinity: This setting is not applicable to the container's init process.")
def exec_cpu_affinity_spares_init(t):
    cpus = os.sched_getaffinity(0)
    need(len(cpus) > 1, "one CPU")
    t.process["execCPUAffinity"] = {"initial": str(min(cpus)), "final": str(min(cpus))}
    same(probed(t, "affinity"), str(len(cpus)))


@must("config, Linux process", "`final` (string, OPTIONAL) is a list of CPUs the process will be run on after the transition to "
      "container's cgroup.")
def exec_cpu_affinity_final(t):
    cpus = os.sched_getaffinity(0)
    need(len(cpus) > 1, "one CPU")
    t.process["execCPUAffinity"] = {"initial": str(min(cpus)), "final": str(max(cpus))}
    t.sleeper()
    same(t.ok(t.call("exec", t.id, "/bin/probe", "affinity")).out.strip(), "1")


@must("config, POSIX-platform user", "`uid`, `gid` specify the user and group ID in the container namespace.")
def user(t):
    t.process["user"] = {"uid": 1234, "gid": 4321}
    same(t.sh("id -u; id -g; grep ^Groups: /proc/self/status"), ["1234", "4321", "Groups:\t "])


@must("config, POSIX-platform user", "`uid`, `gid` specify the user and group ID in the container namespace.")
def user_in_user_namespace(t):
    t.user_namespace()
    t.process["user"] = {"uid": 5, "gid": 6, "additionalGids": [7]}
    t.process["args"] = ["sh", "-c", "id -u; id -g; grep ^Groups: /proc/self/status; sleep 1"]
    t.ok(t.create())
    rows = dict(line.split(":\t") for line in ocitest.read(f"/proc/{t.pid()}/status").splitlines() if ":\t" in line)
    del rows
    t.ok(t.start())
    host = [line for line in ocitest.read(f"/proc/{t.pid()}/status").splitlines() if line.startswith(("Uid", "Gid"))]
    same(t.wait(), 0)
    same(t.output().splitlines(), ["5", "6", "Groups:\t7 "])
    same([h.split()[1] for h in host], ["100005", "200006"])


@must("config, POSIX-platform user", "`additionalGids` specifies additional group IDs (in the container namespace) to be added to "
      "the process.")
def additional_gids(t):
    t.process["user"] = {"uid": 1, "gid": 2, "additionalGids": [5, 60000, 4]}
    same(sorted(t.one("grep ^Groups: /proc/self/status").split()[1:]), ["4", "5", "60000"])


@must("config, POSIX-platform user", "`umask` specifies the umask of the user.")
def umask(t):
    t.process["user"]["umask"] = 0o137
    same(t.one("umask"), "0137")


@must("config, POSIX-platform user", "`umask` specifies the umask of the user.")
def umask_zero(t):
    t.process["user"]["umask"] = 0
    same(t.one("umask"), "0000")


@must("config, Process", "`terminal` specifies whether a terminal is attached to the process, defaults to false.")
def terminal(t):
    """A pseudo-terminal of the container on the standard streams, with consoleSize, and /dev/console."""
    import array
    import socket
    t.process["terminal"] = True
    t.process["consoleSize"] = {"height": 33, "width": 77}
    t.process["args"] = ["sh", "-c", "exec probe tty"]
    server = socket.socket(socket.AF_UNIX)
    path = f"{t.shop.dir}/{t.shop.count}.sock"
    server.bind(path)
    server.listen(1)
    server.settimeout(10)
    t.ok(t.create(options=("--console-socket", path)))
    peer = server.accept()[0]
    fds = array.array("i")
    for level, kind, data in peer.recvmsg(4096, socket.CMSG_SPACE(4))[1]:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[:4])
    check(len(fds) == 1, "no terminal came over the console socket")
    t.ok(t.start())
    t.wait()
    try:
        said = os.read(fds[0], 4096).decode()
    except OSError as err:
        raise Failed(f"the terminal: {err}") from err
    finally:
        os.close(fds[0])
    check("tty=111 rows=33 cols=77 sid=1 pgrp=1 ctty=1" in said, said)
