# SPDX-License-Identifier: Apache-2.0
"""config.md: hooks, and what runtime.md says of them in the lifecycle"""

import json
import os
import time

import ocitest
from suite import check, must, same

RUNTIME_SIDE = ("prestart", "createRuntime", "poststart", "poststop")
STOPS = "If any `{}` hook fails, the runtime MUST generate an error, stop the container, and continue the lifecycle at step 12."


def whole_life(t):
    """create, start, end, delete; the log with the steps in it."""
    def note(step):
        with open(t.path("log"), "a", encoding="ascii") as f:
            f.write(step + "\n")
    t.process["args"] = ["sh", "-c", "echo program >>/log"]
    t.write("log", "")
    t.config["mounts"].append({"destination": "/log", "type": "none", "source": t.path("log"), "options": ["bind"]})
    t.ok(t.create())
    note("created")
    t.ok(t.start())
    note("started")
    t.wait()
    ocitest.wait_for(lambda: t.status() == "stopped")
    t.ok(t.call("delete", t.id))
    note("deleted")
    return t.log()


def inside_hook(t, *names, script=None):
    """startContainer hooks: a program of the image, that writes to the bind mount /log."""
    for name in names:
        t.config.setdefault("hooks", {}).setdefault("startContainer", []).append(
            {"path": "/bin/sh", "args": ["sh", "-c", script or f"cat >/dev/null; echo {name} >>/log"]})


@must("config, Hooks", "The `prestart` hooks MUST be called before the `createRuntime` hooks. The `createContainer` hooks MUST be "
      "called after the `createRuntime` hooks.")
def hooks_in_the_order_of_the_lifecycle(t):
    for kind in ("poststop", "poststart", "createContainer", "createRuntime", "prestart"):
        t.hook(kind)
    inside_hook(t, "startContainer")
    same([x for x in whole_life(t) if x not in ("program", "started")],
         ["prestart", "createRuntime", "createContainer", "created", "startContainer", "poststart", "poststop", "deleted"])


@must("config, Hooks", "The `startContainer` hooks MUST be called before the user-specified process is executed as part of the "
      "`start` operation.")
def start_container_before_the_program(t):
    inside_hook(t, "startContainer")
    log = whole_life(t)
    check(log.index("startContainer") < log.index("program"), log)


@must("config, Hooks", "The `poststart` hooks MUST be called after the user-specified process is executed but before the `start` "
      "operation returns.")
def poststart_before_start_returns(t):
    t.hook("poststart", more="sleep 0.2; echo poststart-end >>%s/log" % t.dir)
    log = whole_life(t)
    check(log.index("poststart-end") < log.index("started"), log)


@must("config, Hooks", "The `poststart` hooks MUST be called after the user-specified process is executed but before the `start` "
      "operation returns.")
def poststart_after_the_program_is_executed(t):
    t.hook("poststart", more="pid=$(tr -d '\\n ' <%s/poststart.stdin | sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/')\n"
           "tr '\\0' ' ' </proc/$pid/cmdline >%s/cmdline" % (t.dir, t.dir))
    t.sleeper()
    check(ocitest.wait_for(lambda: os.path.exists(t.path("cmdline"))))
    same(ocitest.read(t.path("cmdline")), "sleep 100 ")


@must("config, Hooks", "The `poststop` hooks MUST be called after the container is deleted but before the `delete` operation "
      "returns.")
def poststop_after_the_resources_are_gone(t):
    t.hook("poststop", more=f"[ ! -d {ocitest.CGROUP}{t.cg} ] || echo cgroup >>{t.dir}/log")
    log = whole_life(t)
    same(log[-2:], ["poststop", "deleted"])


@must("config, Hooks", "Hooks MUST be called in the listed order.")
def hooks_in_the_listed_order(t):
    for kind in ("prestart", "createRuntime", "createContainer", "poststart", "poststop"):
        for n in "312":
            t.hook(kind, kind + n)
    inside_hook(t, "startContainer3", "startContainer1", "startContainer2")
    log = whole_life(t)
    for kind in RUNTIME_SIDE + ("createContainer", "startContainer"):
        same([x for x in log if x.startswith(kind)], [kind + n for n in "312"])


def hook_state_test(kind, statuses):
    def test(t):
        t.config["annotations"] = {"com.example.key": "value"}
        t.hook(kind)
        whole_life(t)
        state = json.loads(ocitest.read(t.path(kind + ".stdin")))
        same((state["id"], state["bundle"], state["annotations"].get("com.example.key")), (t.id, t.bundle, "value"))
        check(state.get("ociVersion"), "no ociVersion in", state)
        check(state["status"] in statuses, state["status"])
        check(kind == "poststop" or state.get("pid", 0) > 0, "no pid in", state)
    test.__name__ = "state_on_stdin_of_" + kind
    return must("config, Hooks", "The state of the container MUST be passed to hooks over stdin so that they may do work "
                "appropriate to the current state of the container.")(test)


for _kind, _statuses in (("prestart", ("creating",)), ("createRuntime", ("creating",)), ("createContainer", ("creating",)),
                         ("poststart", ("running", "stopped")), ("poststop", ("stopped",))):
    hook_state_test(_kind, _statuses)


@must("config, Hooks", "The state of the container MUST be passed to hooks over stdin so that they may do work appropriate to the "
      "current state of the container.")
def state_on_stdin_of_startContainer(t):
    inside_hook(t, "", script="cat >>/log")
    log = whole_life(t)
    text = "\n".join(log)
    state = json.loads(text[text.index("{"):text.rindex("}") + 1])
    same((state["id"], state["status"], state["pid"]), (t.id, "created", 1))


@must("runtime, State", "For hooks executed in the container namespace, it is the pid as seen by the container.")
def pid_of_the_container_namespace(t):
    t.hook("createContainer")
    whole_life(t)
    same(json.loads(ocitest.read(t.path("createContainer.stdin")))["pid"], 1)


def hook_namespace_test(kind):
    def test(t):
        t.hook(kind, more=f"for n in mnt uts ipc net; do readlink /proc/self/ns/$n; done >{t.dir}/ns")
        whole_life(t)
        own = [os.readlink(f"/proc/self/ns/{n}") for n in ("mnt", "uts", "ipc", "net")]
        got = ocitest.read(t.path("ns")).split()
        if kind in RUNTIME_SIDE:
            same(got, own)
        else:
            check(not set(got) & set(own), "in the runtime's namespaces:", got)
    test.__name__ = "namespaces_of_" + kind
    side = "runtime" if kind in RUNTIME_SIDE else "container"
    return must("config, Hooks", f"The `{kind}` hooks MUST be executed in the {side} namespace.")(test)


for _kind in RUNTIME_SIDE + ("createContainer",):
    hook_namespace_test(_kind)


@must("config, Hooks", "The `startContainer` hooks' path MUST resolve in the container namespace.")
def start_container_in_the_container(t):
    inside_hook(t, "", script="hostname >>/log; ls /data >>/log")
    log = whole_life(t)
    check("box" in log and "file" in log, log)


@must("config, Hooks", "The `createContainer` hooks MUST be called as part of the `create` operation after the runtime environment "
      "has been created but before the `pivot_root` or any equivalent operation has been executed.")
def create_container_before_pivot(t):
    t.mount("/mnt", "tmpfs", "of-the-container")
    t.hook("createContainer", more=f"grep -c of-the-container /proc/self/mountinfo >{t.dir}/count")
    whole_life(t)
    same(ocitest.read(t.path("count")).strip(), "1")


@must("config, Hooks", "`args` with the same semantics as IEEE Std 1003.1-2008 `execv`'s *argv*; `env` with the same semantics as "
      "`environ`.")
def hook_args_and_env(t):
    path = t.write("show", f"#!/bin/sh\ncat >/dev/null\n(tr '\\0' ' ' </proc/self/environ; echo; echo \"$@\") >{t.dir}/shown\n", 0o755)
    t.config["hooks"] = {"createRuntime": [{"path": path, "args": ["anything", "one", "two words"], "env": ["A=1", "B=x y"]}]}
    whole_life(t)
    env, args = ocitest.read(t.path("shown")).splitlines()
    same([e for e in env.split(" ") if e and e.split("=")[0] not in ("PWD", "OLDPWD", "_", "SHLVL")], ["A=1", "B=x", "y"])
    same(args, "one two words")


@must("config, Hooks", "This specification extends the IEEE standard in that **`path`** MUST be absolute.")
def hook_path_relative(t):
    t.config["hooks"] = {"createRuntime": [{"path": "true"}]}
    t.refused_at_create()


@must("config, Hooks", "If set, `timeout` MUST be greater than zero.")
def hook_timeout_zero(t):
    t.hook("createRuntime", timeout=0)
    t.refused()


@must("config, Hooks", "If set, `timeout` MUST be greater than zero.")
def hook_timeout_negative(t):
    t.hook("createRuntime", timeout=-1)
    t.refused()


@must("config, Hooks", "`timeout` (int, OPTIONAL) is the number of seconds before aborting the hook.")
def hook_timeout(t):
    t.hook("createRuntime", more="exec sleep 15", timeout=1)
    began = time.monotonic()
    t.refused_at_create()
    check(time.monotonic() - began < 8, "took", time.monotonic() - began)


def failing_create_hook_test(kind):
    def test(t):
        t.hook(kind, kind + "1", more="exit 3")
        t.hook(kind, kind + "2")
        t.hook("poststop")
        t.refused_at_create()
        same(t.log(), [kind + "1", "poststop"])
    test.__name__ = "failing_" + kind
    return must("runtime, Lifecycle", STOPS.format(kind) + " (13.) The `poststop` hooks MUST be invoked by the runtime.")(test)


for _kind in ("prestart", "createRuntime", "createContainer"):
    failing_create_hook_test(_kind)


@must("runtime, Lifecycle", STOPS.format("startContainer"))
def failing_startContainer(t):
    t.config["hooks"] = {"startContainer": [{"path": "/bin/false"}]}
    t.process["args"] = ["touch", "/ran"]
    t.ok(t.create())
    t.fails(t.start())
    t.wait()
    check(t.status() in ("stopped", None), t.state())
    check(not os.path.exists(t.rootfs + "/ran"), "the program was run")


@must("runtime, Lifecycle", STOPS.format("poststart"))
def failing_poststart(t):
    t.hook("poststart", more="exit 3")
    t.process["args"] = ["sleep", "100"]
    t.ok(t.create())
    t.fails(t.start())
    check(ocitest.wait_for(lambda: t.status() in ("stopped", None), 3), t.state())


@must("runtime, Lifecycle", "If any `poststop` hook fails, the runtime MUST log a warning, but the remaining hooks and lifecycle "
      "continue as if the hook had succeeded.")
def failing_poststop(t):
    t.hook("poststop", "poststop1", more="exit 3")
    t.hook("poststop", "poststop2")
    t.ok(t.create())
    t.ok(t.start())
    t.wait()
    ocitest.wait_for(lambda: t.status() == "stopped")
    t.call("--log", t.path("log.txt"), "delete", t.id)
    t.fails(t.query())
    same(t.log(), ["poststop1", "poststop2"])
