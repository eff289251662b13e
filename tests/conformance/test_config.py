# SPDX-License-Identifier: Apache-2.0
"""config.md: version, root, mounts, host names, annotations, extensibility, valid values"""

import os
import subprocess

from suite import check, must, need, same

INVALID = "Runtimes MUST generate an error when invalid or unsupported values are encountered."
SEMVER = "`ociVersion` (string, REQUIRED) MUST be in SemVer v2.0.0 format"


@must("config, Specification version", "if an implementation is compliant with version 1.1 of the spec, it is compatible "
      "with the complete 1.x series")
def version_1_0(t):
    t.config["ociVersion"] = "1.0.0"
    t.sh("true")


@must("config, Specification version", SEMVER)
def version_with_prerelease_and_build(t):
    t.config["ociVersion"] = "1.0.2-dev.3+build.5"
    t.sh("true")


@must("config, Specification version", SEMVER)
def version_not_semver(t):
    t.config["ociVersion"] = "one"
    t.refused()


@must("config, Specification version", SEMVER)
def version_missing(t):
    del t.config["ociVersion"]
    t.refused()


@must("config, Root", "On all other platforms, this field is REQUIRED.")
def root_missing(t):
    del t.config["root"]
    t.refused_at_create()


@must("config, Root", "A directory MUST exist at the path declared by the field.")
def root_path_missing(t):
    t.config["root"]["path"] = "nowhere"
    t.refused_at_create()


@must("config, Root", "A directory MUST exist at the path declared by the field.")
def root_path_is_a_file(t):
    t.config["root"]["path"] = "config.json"
    t.refused_at_create()


@must("config, Root", "If true then the root filesystem MUST be read-only inside the container, defaults to false.")
def root_readonly(t):
    t.config["root"]["readonly"] = True
    same(t.sh("touch /x 2>/dev/null; echo $?; touch /dev/shm/x; echo $?"), ["1", "0"])


@must("config, Root", "If true then the root filesystem MUST be read-only inside the container, defaults to false.")
def root_writable_by_default(t):
    del t.config["root"]["readonly"]
    same(t.one("touch /x; echo $?"), "0")


@must("config, Mounts", "The runtime MUST mount entries in the listed order.")
def mounts_in_order(t):
    t.mount("/mnt", "tmpfs", "first")
    t.mount("/mnt/below", "tmpfs", "second")
    t.mount("/mnt", "tmpfs", "third")
    same(t.sh("awk '$5 ~ \"^/mnt\" { for (i = 1; $i != \"-\"; i++); print $5, $(i + 2) }' /proc/self/mountinfo; ls /mnt"),
         ["/mnt first", "/mnt/below second", "/mnt third"])


@must("config, Mounts", "The runtime MUST mount entries in the listed order.")
def mount_source_in_an_earlier_mount(t):
    t.write("host/inner/file", "of the host\n")
    t.mount("/mnt", "none", t.path("host"), "rbind")
    t.mount("/home", "none", t.rootfs + "/mnt/inner", "rbind")
    same(t.one("cat /home/file"), "of the host")


@must("config, Mounts", "A mount is a bind mount if it has either `bind` or `rbind` in the options.")
def bind_by_option_not_by_type(t):
    t.write("host/file", "of the host\n")
    t.mount("/mnt", "tmpfs", t.path("host"), "bind")
    same(t.one("cat /mnt/file"), "of the host")


@must("config, Mounts", "Path values for bind mounts are either absolute or relative to the bundle.")
def bind_source_relative_to_the_bundle(t):
    t.write("bundle/volume/file", "beside config.json\n")
    t.mount("/mnt", "none", "volume", "bind")
    same(t.one("cat /mnt/file"), "beside config.json")


@must("config, Mounts", "Destination of mount point: path inside container.")
def mount_destination_is_made(t):
    t.mount("/new/deep/place", "tmpfs", "tmpfs")
    t.write("host/file", "x\n")
    t.mount("/new/a-file", "none", t.path("host/file"), "bind")
    same(t.sh("cat /new/a-file; touch /new/deep/place/x && echo made"), ["x", "made"])


@must("config, Mounts", "For compatibility with old tools and configurations, it MAY be a relative path, in which case it MUST "
      "be interpreted as relative to \"/\".")
def mount_destination_relative(t):
    t.process["cwd"] = "/data"
    t.mount("mnt", "tmpfs", "tmpfs")
    same(t.one("awk '$5 ~ \"mnt\" { print $5 }' /proc/self/mountinfo"), "/mnt")


@must("config, POSIX-platform mounts", "If specified, it MUST be specified along with `gidMappings`.")
def idmap_uid_mappings_alone(t):
    os.mkdir(t.path("host"))
    t.mount("/mnt", "none", t.path("host"), "bind", "idmap")
    t.config["mounts"][-1]["uidMappings"] = [{"containerID": 0, "hostID": 1000, "size": 1}]
    t.refused_at_create()


# Option, what must stand in mountinfo, what must not, of a tmpfs. Options that only undo are listed after what they undo.
PER_MOUNT = [
    (["ro"], "ro", "rw"), (["rw"], "rw", "ro"), (["ro", "rw"], "rw", "ro"),
    (["nosuid"], "nosuid", None), (["nosuid", "suid"], None, "nosuid"),
    (["nodev"], "nodev", None), (["nodev", "dev"], None, "nodev"),
    (["noexec"], "noexec", None), (["noexec", "exec"], None, "noexec"),
    (["noatime"], "noatime", "relatime"), (["noatime", "atime"], None, "noatime"),
    (["nodiratime"], "nodiratime", None), (["nodiratime", "diratime"], None, "nodiratime"),
    (["relatime"], "relatime", None), (["norelatime"], None, "noatime"),
    (["strictatime"], None, "relatime"), (["strictatime", "nostrictatime"], None, "noatime"),
    (["nosymfollow"], "nosymfollow", None), (["nosymfollow", "symfollow"], None, "nosymfollow"),
    (["defaults"], "rw", "ro"),
]
SUPER = [
    (["sync"], "sync", None), (["sync", "async"], None, "sync"), (["dirsync"], "dirsync", None),
    (["lazytime"], "lazytime", None), (["lazytime", "nolazytime"], None, "lazytime"),
    (["silent"], None, None), (["loud"], None, None), (["iversion"], None, None), (["noiversion"], None, None),
    (["size=64k"], "size=64k", None), (["mode=0750"], "mode=750", None),
]
OPTIONS = "Runtimes MUST implement the following option strings for Linux: {}"


def option_test(options, word, forbidden, column, bind):
    def test(t):
        if bind:
            os.mkdir(t.path("host"))
            t.mount("/mnt", "none", t.path("host"), "bind", *options)
        else:
            t.mount("/mnt", "tmpfs", "tmpfs", *options)
        got = t.one("awk '$5 == \"/mnt\" { for (i = 1; $i != \"-\"; i++); print $6, $(i + 3) }' /proc/self/mountinfo")
        words = got.split()[column].split(",")
        check(word is None or word in words, f"no {word} in {words}")
        check(forbidden is None or forbidden not in words, f"{forbidden} in {words}")
    test.__name__ = f"option_{'bind_' if bind else ''}{'_'.join(options).replace('=', '_')}"
    return must("config, Linux mount options", OPTIONS.format(options[-1]))(test)


for _options, _word, _forbidden in PER_MOUNT:
    option_test(_options, _word, _forbidden, 0, False)
    option_test(_options, _word, _forbidden, 0, True)
for _options, _word, _forbidden in SUPER:
    option_test(_options, _word, _forbidden, 1, False)


@must("config, Linux mount options", OPTIONS.format("remount"))
def option_remount(t):
    t.mount("/mnt", "tmpfs", "tmpfs", "rw")
    t.mount("/mnt", "tmpfs", "tmpfs", "remount", "ro")
    same(t.sh("touch /mnt/x 2>/dev/null; echo $?; grep -c ' /mnt ' /proc/self/mountinfo"), ["1", "1"])


@must("config, Linux mount options", OPTIONS.format("bind, rbind"))
def option_bind_is_flat_and_rbind_deep(t):
    t.mount("/mnt", "tmpfs", "outer")
    t.mount("/mnt/in", "tmpfs", "inner")
    t.mount("/data", "none", t.rootfs + "/mnt", "bind")
    t.mount("/home", "none", t.rootfs + "/mnt", "rbind")
    same(t.sh("awk '$5 ~ \"^/(data|home)\" { print $5 }' /proc/self/mountinfo"), ["/data", "/home", "/home/in"])


PROPAGATION = {"private": "", "shared": "shared", "slave": "master", "unbindable": "unbindable"}


def propagation_test(option, tag):
    def test(t):
        t.mount("/mnt", "tmpfs", "tmpfs")
        t.mount("/mnt/in", "tmpfs", "tmpfs")
        base = option[1:] if option[0] == "r" else option
        if base == "slave":  # only what was shared can be a slave
            os.mkdir(t.path("host"))
            subprocess.run(["mount", "-t", "tmpfs", "jconf", t.path("host")], check=True)
            subprocess.run(["mount", "--make-shared", t.path("host")], check=True)
            t.mount("/data", "none", t.path("host"), "bind", option)
            try:
                got = t.one("grep ' /data ' /proc/self/mountinfo")
            finally:
                t.call("delete", "--force", t.id)
                subprocess.run(["umount", t.path("host")], check=False)
        else:
            t.mount("/data", "none", t.rootfs + "/mnt", "rbind", option)
            got = "\n".join(t.sh("grep ' /data' /proc/self/mountinfo"))
        lines = [line.split(" - ")[0] for line in got.splitlines()]
        check(tag in lines[0] if tag else ":" not in lines[0].split(None, 6)[-1], f"{option}: {lines}")
        if option[0] == "r" and len(lines) > 1:
            check(tag in lines[1] if tag else "shared:" not in lines[1], f"{option} below: {lines}")
    test.__name__ = f"option_{option}"
    return must("config, Linux mount options", OPTIONS.format(option))(test)


for _name, _tag in PROPAGATION.items():
    propagation_test(_name, _tag)
    propagation_test("r" + _name, _tag)


@must("config, Linux mount options", "idmap: If there are no `uidMappings` and `gidMappings` specified and the container "
      "isn't using user namespaces, an error MUST be returned.")
def idmap_without_any_mapping(t):
    os.mkdir(t.path("host"))
    t.mount("/mnt", "none", t.path("host"), "bind", "idmap")
    t.refused_at_create()


@must("config, Linux mount options", "idmap: If `uidMappings` or `gidMappings` are specified for the mount, the runtime MUST "
      "use those values for the mount's mapping.")
def idmap_with_mappings(t):
    t.write("host/file", "x\n")
    os.chown(t.path("host/file"), 1000, 1000)
    t.mount("/mnt", "none", t.path("host"), "bind", "idmap")
    t.config["mounts"][-1].update({m: [{"containerID": 1000, "hostID": 70000, "size": 1}]
                                   for m in ("uidMappings", "gidMappings")})
    t.process["args"] = ["stat", "-c", "%u:%g", "/mnt/file"]
    r = t.create()
    need(r.rc == 0 or "invalid argument" not in r.err.lower(), "this file system cannot be idmapped")
    t.ok(r)
    t.ok(t.start())
    t.wait()
    same(t.output().strip(), "70000:70000")


@must("config, Hostname", "`hostname` (string, OPTIONAL) specifies the container's hostname as seen by processes running "
      "inside the container.")
def hostname(t):
    t.config["hostname"] = "some.host"
    same(t.one("hostname"), "some.host")


@must("config, Domainname", "`domainname` (string, OPTIONAL) specifies the container's domainname as seen by processes "
      "running inside the container.")
def domainname(t):
    t.config["domainname"] = "some.domain"
    same(t.one("cat /proc/sys/kernel/domainname"), "some.domain")


@must("config, Annotations", "Runtimes MUST handle unknown annotation keys like any other unknown property.")
def annotation_unknown(t):
    t.config["annotations"] = {"com.example.unknown": "x", "with space": "", "org.opencontainers.unknown": "1"}
    t.sh("true")


@must("config, Annotations", "Keys MUST NOT be an empty string.")
def annotation_empty_key(t):
    t.config["annotations"] = {"": "x"}
    t.refused()


@must("config, Annotations", "Values MUST be strings.")
def annotation_value_not_string(t):
    t.config["annotations"] = {"com.example.key": 5}
    t.refused()


@must("config, Annotations", "Annotations MUST be a key-value map.")
def annotations_not_a_map(t):
    t.config["annotations"] = ["com.example.key", "value"]
    t.refused()


@must("config, Extensibility", "Runtimes MAY log unknown properties but MUST otherwise ignore them.")
def unknown_properties(t):
    for where in (t.config, t.process, t.process["user"], t.config["root"], t.linux, t.config["mounts"][0],
                  t.linux["namespaces"][0]):
        where["comExampleUnknown"] = {"a": [1, None, {"b": "c"}]}
    t.linux["resources"] = {"comExampleUnknown": 1, "memory": {"comExampleUnknown": True}}
    t.sh("true")


INVALID_VALUES = {
    "namespace_type": lambda t: t.namespace("magic"),
    "rlimit_type": lambda t: t.process.update(rlimits=[{"type": "RLIMIT_MAGIC", "soft": 1, "hard": 1}]),
    "rootfs_propagation": lambda t: t.linux.update(rootfsPropagation="sideways"),
    "seccomp_action": lambda t: t.linux.update(seccomp={"defaultAction": "SCMP_ACT_MAGIC"}),
    "seccomp_operator": lambda t: t.linux.update(seccomp={
        "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{
            "names": ["personality"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_X"}]}]}),
    "seccomp_architecture": lambda t: t.linux.update(seccomp={"defaultAction": "SCMP_ACT_ALLOW",
                                                              "architectures": ["SCMP_ARCH_PDP11"]}),
    "personality_domain": lambda t: t.linux.update(personality={"domain": "MULTICS"}),
    "device_type": lambda t: t.linux.update(devices=[{"type": "x", "path": "/dev/x", "major": 1, "minor": 3}]),
    "scheduler_policy": lambda t: t.process.update(scheduler={"policy": "SCHED_MAGIC"}),
    "scheduler_flag": lambda t: t.process.update(scheduler={"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_MAGIC"]}),
    "io_priority_class": lambda t: t.process.update(ioPriority={"class": "IOPRIO_CLASS_MAGIC", "priority": 1}),
    "time_offset_clock": lambda t: (t.namespace("time"), t.linux.update(timeOffsets={"sundial": {"secs": 1}})),
    "uid_type": lambda t: t.process["user"].update(uid="root"),
    "uid_range": lambda t: t.process["user"].update(uid=1 << 33),
    "args_type": lambda t: t.process.update(args="true"),
    "readonly_type": lambda t: t.config["root"].update(readonly="yes"),
    "process_type": lambda t: t.config.update(process=["true"]),
    "mounts_type": lambda t: t.config.update(mounts={}),
    "memory_policy_mode": lambda t: t.linux.update(memoryPolicy={"mode": "MPOL_MAGIC", "nodes": "0"}),
}


def invalid_test(name, change):
    def test(t):
        change(t)
        t.refused_at_create()
    test.__name__ = "invalid_" + name
    return must("config, Valid values", INVALID)(test)


for _name, _change in INVALID_VALUES.items():
    invalid_test(_name, _change)


@must("config, Valid values", INVALID)
def invalid_json(t):
    t.save()
    with open(t.bundle + "/config.json", "a", encoding="ascii") as f:
        f.write(",")
    t.fails(t.call("create", "--bundle", t.bundle, t.id))
    t.fails(t.query())
