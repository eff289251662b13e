# SPDX-License-Identifier: Apache-2.0
"""runtime.md: state, lifecycle, operations"""

import json
import os

import ocitest
from suite import check, must, same

STATE = "The state of a container includes the following properties:"
UNDONE = ("Unless otherwise stated, generating an error MUST leave the state of the environment as if the operation were never "
          "attempted.")
NO_ID = "This operation MUST generate an error if it is not provided the container ID."


@must("runtime, State", STATE + " ociVersion, id, status, pid, bundle, annotations")
def state_has_all_properties(t):
    t.config["annotations"] = {"com.example.key": "value", "com.example.empty": ""}
    t.sleeper()
    state = json.loads(t.ok(t.query()).out)
    same({k: type(state.get(k)) for k in ("ociVersion", "id", "status", "pid", "bundle", "annotations")},
         {"ociVersion": str, "id": str, "status": str, "pid": int, "bundle": str, "annotations": dict})
    same((state["id"], state["status"], state["bundle"]), (t.id, "running", t.bundle))
    same({k: state["annotations"].get(k) for k in t.config["annotations"]}, t.config["annotations"])


@must("runtime, State", "`bundle` (string, REQUIRED) is the absolute path to the container's bundle directory.")
def state_bundle_is_absolute(t):
    t.save()
    t.ok(t.call("create", "--bundle", "bundle", t.id, cwd=t.dir))
    state = t.state()
    t.pids.append(state["pid"])
    same(state["bundle"], t.bundle)


@must("runtime, State", "`pid` is the ID of the container process.")
def state_pid_is_the_process(t):
    t.sleeper()
    cmdline = f"/proc/{t.pid()}/cmdline"
    check(ocitest.wait_for(lambda: ocitest.read(cmdline) == "sleep\x00100\x00"), ocitest.read(cmdline))


@must("runtime, State", "`created`, `running`, `stopped`")
def status_through_the_life(t):
    t.process["args"] = ["sleep", "100"]
    t.ok(t.create())
    same(t.status(), "created")
    t.ok(t.start())
    same(t.status(), "running")
    t.kill_and_wait()
    t.ok(t.call("delete", t.id))
    t.fails(t.query())


@must("runtime, Lifecycle", "Any updates to config.json after this step MUST NOT affect the container.")
def config_is_read_once(t):
    t.process["args"] = ["sh", "-c", "echo first; hostname"]
    t.ok(t.create())
    out = t.out
    t.process["args"] = ["echo", "second"]
    t.config["hostname"] = "other"
    t.save()
    t.ok(t.start())
    t.wait()
    same(ocitest.read(out).split(), ["first", "box"])


@must("runtime, Errors", UNDONE)
def failed_create_leaves_nothing(t):
    t.mount("/mnt", "no-such-filesystem", "x")
    t.fails(t.create())
    t.fails(t.query())
    same(t.left_mounts() + t.left_cgroups(), [])
    check(not os.path.isdir(t.root) or not os.listdir(t.root), os.listdir(t.root) if os.path.isdir(t.root) else "")
    t.config["mounts"].pop()
    same(t.one("echo works"), "works")


@must("runtime, Query state", "This operation MUST generate an error if it is not provided the ID of a container.")
def state_without_id(t):
    t.fails(t.call("state"))


@must("runtime, Query state", "Attempting to query a container that does not exist MUST generate an error.")
def state_of_nothing(t):
    t.fails(t.query("no-such-container"))


@must("runtime, Create", "This operation MUST generate an error if it is not provided a path to the bundle and the container ID to "
      "associate with the container.")
def create_without_id(t):
    t.save()
    t.fails(t.call("create", "--bundle", t.bundle))


@must("runtime, Create", "This operation MUST generate an error if it is not provided a path to the bundle and the container ID to "
      "associate with the container.")
def create_without_bundle(t):
    t.fails(t.call("create", t.id, cwd=t.dir))  # no config.json where it is called
    t.fails(t.call("create", "--bundle", t.path("nowhere"), t.id))


@must("runtime, Create", "If the ID provided is not unique across all containers within the scope of the runtime, or is not valid in "
      "any other way, the implementation MUST generate an error and a new container MUST NOT be created.")
def create_with_id_in_use(t):
    t.sleeper()
    before = t.state()
    t.linux["cgroupsPath"] += "-other"
    t.save()
    t.fails(t.call("create", "--bundle", t.bundle, t.id))
    after = t.state()
    same((after["pid"], after["status"]), (before["pid"], "running"))
    check(not os.path.exists(ocitest.CGROUP + t.linux["cgroupsPath"]), "its cgroup was made")


@must("runtime, Create", "If the ID provided is not valid in any other way, the implementation MUST generate an error and a new "
      "container MUST NOT be created.")
def create_with_invalid_id(t):
    t.save()
    for bad in ("", "..", ".", "a/b", "../up", "with space"):
        t.fails(t.call("create", "--bundle", t.bundle, "--", bad) if bad == "" else t.call("create", "--bundle", t.bundle, bad))
    check(not os.path.isdir(t.root) or not os.listdir(t.root), "state of it was left")


@must("runtime, Create", "`process.args` MUST NOT be applied until triggered by the `start` operation.")
def create_does_not_run_the_program(t):
    t.process["args"] = ["touch", "/ran"]
    t.ok(t.create())
    same(t.status(), "created")
    check(not os.path.exists(t.rootfs + "/ran"), "the program ran")
    t.ok(t.start())
    t.wait()
    check(os.path.exists(t.rootfs + "/ran"), "the program did not run")


@must("runtime, Create", "All of the properties configured in config.json except for `process` MUST be applied.")
def create_applies_the_rest(t):
    t.mount("/mnt", "tmpfs", "here")
    t.linux["sysctl"] = {"kernel.msgmax": "4096"}
    t.ok(t.create())
    pid = t.pid()
    check(" /mnt " in ocitest.read(f"/proc/{pid}/mountinfo"), "no mount")
    check(os.readlink(f"/proc/{pid}/ns/ipc") != os.readlink("/proc/self/ns/ipc"), "no namespace")
    same(ocitest.read(f"/proc/{pid}/root/proc/sys/kernel/hostname").strip() != "", True)


@must("runtime, Start", NO_ID)
def start_without_id(t):
    t.fails(t.call("start"))


@must("runtime, Start", "Attempting to `start` a container that is not `created` MUST have no effect on the container and MUST "
      "generate an error.")
def start_of_a_running_container(t):
    t.sleeper()
    t.fails(t.start())
    same((t.status(), t.state()["pid"]), ("running", t.pid()))


@must("runtime, Start", "Attempting to `start` a container that is not `created` MUST have no effect on the container and MUST "
      "generate an error.")
def start_of_a_stopped_container(t):
    t.process["args"] = ["sh", "-c", "echo x >>/count"]
    t.ok(t.create())
    t.ok(t.start())
    t.wait()
    t.fails(t.start())
    same(t.status(), "stopped")
    same(ocitest.read(t.rootfs + "/count"), "x\n")


@must("runtime, Start", "Attempting to `start` a container that is not `created` MUST generate an error.")
def start_of_nothing(t):
    t.fails(t.start("no-such-container"))


@must("runtime, Start", "This operation MUST generate an error if `process` was not set.")
def start_without_process(t):
    del t.config["process"]
    r = t.create()
    t.fails(r if r.rc else t.start())


@must("runtime, Kill", NO_ID)
def kill_without_id(t):
    t.fails(t.call("kill"))


@must("runtime, Kill", "Attempting to send a signal to a container that is neither `created` nor `running` MUST have no effect on the "
      "container and MUST generate an error.")
def kill_of_a_stopped_container(t):
    t.ok(t.create())
    t.ok(t.start())
    t.wait()
    t.fails(t.call("kill", t.id, "TERM"))
    same(t.status(), "stopped")


@must("runtime, Kill", "Attempting to send a signal to a container that is neither `created` nor `running` MUST generate an error.")
def kill_of_nothing(t):
    t.fails(t.call("kill", "no-such-container", "TERM"))


def kill_test(name, number):
    def test(t):
        t.process["args"] = ["/bin/probe", "waitsig"]
        t.ok(t.create())
        t.ok(t.start())
        check(ocitest.wait_for(lambda: "ready" in t.output()))
        t.ok(t.call("kill", t.id, name))
        check(ocitest.wait_for(lambda: f"signal {number}\n" in t.output()), t.output())
        same(t.status(), "stopped" if number == 15 and t.wait() else "running")
    test.__name__ = "kill_sends_" + name
    return must("runtime, Kill", "This operation MUST send the specified signal to the container process.")(test)


for _name, _number in (("USR1", 10), ("SIGHUP", 1), ("TERM", 15), ("12", 12)):
    kill_test(_name, _number)


@must("runtime, Kill", "This operation MUST send the specified signal to the container process.")
def kill_of_a_created_container(t):
    t.ok(t.create())
    t.ok(t.call("kill", t.id, "KILL"))
    t.wait()
    check(ocitest.wait_for(lambda: t.status() == "stopped"), t.state())


@must("runtime, Delete", NO_ID)
def delete_without_id(t):
    t.fails(t.call("delete"))


@must("runtime, Delete", "Attempting to `delete` a container that is not `stopped` MUST have no effect on the container and MUST "
      "generate an error.")
def delete_of_a_running_container(t):
    t.sleeper()
    t.fails(t.call("delete", t.id))
    same((t.status(), t.state().get("pid")), ("running", t.pid()))


@must("runtime, Delete", "Attempting to `delete` a container that is not `stopped` MUST have no effect on the container and MUST "
      "generate an error.")
def delete_of_a_created_container(t):
    t.ok(t.create())
    t.fails(t.call("delete", t.id))
    same(t.status(), "created")


@must("runtime, Delete", "Attempting to `delete` a container that is not `stopped` MUST generate an error.")
def delete_of_nothing(t):
    t.fails(t.call("delete", "no-such-container"))


@must("runtime, Delete", "Deleting a container MUST delete the resources that were created during the `create` step.")
def delete_removes_what_create_made(t):
    t.ok(t.create())
    check(os.path.isdir(ocitest.CGROUP + t.cg), "no cgroup")
    t.ok(t.start())
    t.wait()
    t.ok(t.call("delete", t.id))
    same(t.left_cgroups() + t.left_mounts() + os.listdir(t.root), [])


@must("runtime, Delete", "Note that resources associated with the container, but not created by this container, MUST NOT be deleted.")
def delete_spares_what_it_did_not_make(t):
    t.write("volume/file", "x")
    t.mount("/mnt", "none", t.path("volume"), "bind")
    os.makedirs(f"{ocitest.CGROUP}{t.cg}-parent/other")
    try:
        t.linux["cgroupsPath"] = t.cg + "-parent/box"
        t.sh("true")
        t.ok(t.call("delete", t.id))
        check(os.path.exists(t.path("volume/file")), "the volume is gone")
        same([d for d in os.listdir(f"{ocitest.CGROUP}{t.cg}-parent") if os.path.isdir(f"{ocitest.CGROUP}{t.cg}-parent/{d}")],
             ["other"])
    finally:
        t.call("delete", "--force", t.id)
        os.rmdir(f"{ocitest.CGROUP}{t.cg}-parent/other")
        os.rmdir(f"{ocitest.CGROUP}{t.cg}-parent")


@must("runtime, Delete", "Once a container is deleted its ID MAY be used by a subsequent container.")
def id_is_free_after_delete(t):
    for word in ("one", "two"):
        same(t.one("echo " + word), word)
        t.ok(t.call("delete", t.id))
