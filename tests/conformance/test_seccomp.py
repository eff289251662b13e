# SPDX-License-Identifier: Apache-2.0
"""config-linux.md: seccomp. The system call under test is personality(2) or setpriority(2): harmless, and nothing needs it."""

import array
import json
import os
import platform
import socket
import threading

from suite import check, must, same

# personality, kcmp, and one that no runtime makes
NR = {"x86_64": (135, 312, 141), "aarch64": (92, 272, 140)}[platform.machine()]
PERSONALITY, KCMP, SETPRIORITY = NR
ERRNO = "When the action doesn't support an errno, the runtime MUST print and error and fail."


def rule(*names, action="SCMP_ACT_ERRNO", **more):
    return {"names": list(names), "action": action, **more}


def profile(t, *rules, default="SCMP_ACT_ALLOW", **more):
    t.linux["seccomp"] = {"defaultAction": default, "syscalls": list(rules), **more}


def errno_of(t, number, *args):
    t.process["args"] = ["/bin/probe", "syscall", str(number), *map(str, args)]
    return int(t.lines()[0].split("errno=")[1])


@must("config-linux, Seccomp", "errnoRet: If not specified its default value is `EPERM`.")
def errno_is_eperm_by_default(t):
    profile(t, rule("personality"))
    same(errno_of(t, PERSONALITY, 0xffffffff), 1)


@must("config-linux, Seccomp", "`errnoRet` - the errno return code to use.")
def errno_as_given(t):
    profile(t, rule("personality", errnoRet=42))
    same(errno_of(t, PERSONALITY, 0xffffffff), 42)


@must("config-linux, Seccomp", "`errnoRet` - the errno return code to use.")
def errno_zero(t):
    profile(t, rule("setpriority", errnoRet=0))
    t.process["args"] = ["/bin/probe", "syscall", str(SETPRIORITY), "99", "0", "0"]
    same(t.lines(), ["ret=0 errno=0"])


@must("config-linux, Seccomp", ERRNO)
def errno_with_allow(t):
    profile(t, rule("personality", action="SCMP_ACT_ALLOW", errnoRet=5), default="SCMP_ACT_LOG")
    t.refused()


@must("config-linux, Seccomp", ERRNO)
def default_errno_with_allow(t):
    profile(t, rule("personality"), defaultErrnoRet=5)
    t.refused()


@must("config-linux, Seccomp", "`names` MUST contain at least one entry.")
def names_empty(t):
    profile(t, rule())
    t.refused()


OPS = [("SCMP_CMP_NE", 5, 0, 6, 5), ("SCMP_CMP_LT", 5, 0, 4, 5), ("SCMP_CMP_LE", 5, 0, 5, 6), ("SCMP_CMP_EQ", 5, 0, 5, 6),
       ("SCMP_CMP_GE", 5, 0, 5, 4), ("SCMP_CMP_GT", 5, 0, 6, 5), ("SCMP_CMP_MASKED_EQ", 12, 8, 11, 7),
       ("SCMP_CMP_EQ", (1 << 63) + 5, 0, (1 << 63) + 5, 5)]


def operator_test(n, op, value, two, hit, miss):
    def test(t):
        profile(t, rule("setpriority", errnoRet=77, args=[{"index": 1, "value": value, "valueTwo": two, "op": op}]))
        probe = "/bin/probe syscall %d 99 %d 0; /bin/probe syscall %d 99 %d 0" % (SETPRIORITY, hit, SETPRIORITY, miss)
        same([line.split("=")[-1] for line in t.sh(probe)], ["77", "22"])
    test.__name__ = f"operator_{op[9:].lower()}" + ("_64_bit" if n == 7 else "")
    return must("config-linux, Seccomp", "`op` - the operator for syscall arguments in seccomp.")(test)


for _n, _o in enumerate(OPS):
    operator_test(_n, *_o)


@must("config-linux, Seccomp", "`args`: match a system call on all of its argument conditions")
def all_arguments_must_match(t):
    profile(t, rule("setpriority", errnoRet=77, args=[{"index": 0, "value": 99, "op": "SCMP_CMP_EQ"},
                                                      {"index": 1, "value": 1, "op": "SCMP_CMP_EQ"}]))
    same([line.split("=")[-1] for line in t.sh("probe syscall {0} 99 1 0; probe syscall {0} 99 2 0".format(SETPRIORITY))],
         ["77", "22"])


@must("config-linux, Seccomp", "Allowed values are the same as `syscalls[].action`: SCMP_ACT_KILL, _THREAD, _PROCESS, TRAP")
def action_kill_process(t):
    profile(t, rule("personality", action="SCMP_ACT_KILL_PROCESS"))
    t.process["args"] = ["/bin/probe", "syscall", str(PERSONALITY), "0"]
    t.ok(t.create())
    t.ok(t.start())
    same(t.wait(), 128 + 31)


@must("config-linux, Seccomp", "Allowed values are the same as `syscalls[].action`: SCMP_ACT_KILL, _THREAD, _PROCESS, TRAP")
def action_trap(t):
    profile(t, rule("personality", action="SCMP_ACT_TRAP"))
    t.process["args"] = ["/bin/probe", "syscall", str(PERSONALITY), "0"]
    t.ok(t.create())
    t.ok(t.start())
    same(t.wait(), 128 + 31)


@must("config-linux, Seccomp", "`flags` - list of flags to use with seccomp(2).")
def flags(t):
    profile(t, rule("personality"), flags=["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"])
    same(errno_of(t, PERSONALITY, 0), 1)


@must("config-linux, Seccomp", "`flags`: A valid list of constants is shown below. (config, Valid values)")
def flag_unknown(t):
    profile(t, rule("personality"), flags=["SECCOMP_FILTER_FLAG_MAGIC"])
    t.refused_at_create()


class Agent:
    """A seccomp agent: takes the messages of each connection, and answers system calls with an errno."""

    def __init__(self, t):
        self.path = f"{t.shop.dir}/{t.shop.number()}.sock"
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.path)
        self.server.listen(8)
        self.server.settimeout(5)
        self.got = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        try:
            while True:
                peer, data, fds = self.server.accept()[0], b"", array.array("i")
                first = None
                peer.settimeout(5)
                while True:
                    part, anc, _, _ = peer.recvmsg(65536, socket.CMSG_SPACE(64))
                    for level, kind, raw in anc:
                        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                            fds.frombytes(raw[:len(raw) // 4 * 4])
                            first = not data
                    if not part:
                        break
                    data += part
                self.got.append((json.loads(data), len(fds), first))
                for fd in fds:
                    os.close(fd)
        except OSError:
            pass

    def wait(self):
        for _ in range(200):
            if self.got:
                return self.got
            self.thread.join(0.02)
        return self.got


def notified(t, agent, **more):
    profile(t, rule("personality", action="SCMP_ACT_NOTIFY"), listenerPath=agent.path, **more)


@must("config-linux, Seccomp", "The runtime MUST send exactly one container process state per connection. The connection MUST NOT be "
      "reused and it MUST be closed after sending a seccomp state.")
def notify_sends_one_state(t):
    agent = Agent(t)
    notified(t, agent, listenerMetadata="some metadata")
    t.config["annotations"] = {"com.example.key": "value"}
    t.sleeper()
    got = agent.wait()
    same(len(got), 1, "connections")
    message, count, first = got[0]
    same((message["fds"], count), (["seccompFd"], 1))
    check(first, "the descriptors MUST be sent only in the first call")
    same((message["metadata"], message["pid"]), ("some metadata", t.pid()))
    check(message.get("ociVersion"), message)
    state = message["state"]
    same((state["id"], state["status"], state["pid"], state["bundle"]), (t.id, "creating", t.pid(), t.bundle))
    same(state["annotations"].get("com.example.key"), "value")


@must("config-linux, Seccomp", "If sending to this socket fails, the runtime MUST generate an error.")
def notify_without_listener(t):
    profile(t, rule("personality", action="SCMP_ACT_NOTIFY"), listenerPath=t.path("nobody.sock"))
    t.refused()


@must("config-linux, Seccomp", "If the `SCMP_ACT_NOTIFY` action is not used this value is ignored.")
def listener_path_ignored_without_notify(t):
    profile(t, rule("personality"), listenerPath="/nowhere/nobody.sock")
    same(errno_of(t, PERSONALITY, 0), 1)


@must("config-linux, Seccomp", "This field MUST NOT be set if `listenerPath` is not set.")
def listener_metadata_alone(t):
    profile(t, rule("personality"), listenerMetadata="x")
    t.refused()
