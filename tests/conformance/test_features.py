# SPDX-License-Identifier: Apache-2.0
"""features.md, features-linux.md: whatever the document names must be recognised in config.json"""

import json
import os
import re

from suite import Failed, check, must, need, same

DEFINED = {
    "": "ociVersionMin ociVersionMax hooks mountOptions linux annotations potentiallyUnsafeConfigAnnotations",
    "linux": "namespaces capabilities cgroup seccomp apparmor selinux intelRdt memoryPolicy mountExtensions netDevices",
    "linux.cgroup": "v1 v2 systemd systemdUser rdma",
    "linux.seccomp": "enabled actions operators archs knownFlags supportedFlags",
    "linux.apparmor": "enabled", "linux.selinux": "enabled", "linux.intelRdt": "enabled schemata monitoring",
    "linux.memoryPolicy": "modes flags", "linux.mountExtensions": "idmap", "linux.mountExtensions.idmap": "enabled",
    "linux.netDevices": "enabled",
}


def features(t):
    r = t.call("features")
    need(r.rc == 0, "this runtime has no features document")
    return json.loads(r.out)


def version(text):
    m = re.match(r"(\d+)\.(\d+)\.(\d+)(?:-([^+]*))?", text)
    check(m, "not a version:", text)
    return (int(m[1]), int(m[2]), int(m[3]), m[4] is None, m[4] or "")


def part(t, *names):
    doc = features(t)
    for n in names:
        doc = doc.get(n)
        need(doc is not None, "the document has no " + ".".join(names))
    return doc


@must("features, Specification version", "`ociVersionMin` (string, REQUIRED), `ociVersionMax` (string, REQUIRED)")
def versions_are_there(t):
    doc = features(t)
    version(doc["ociVersionMin"])
    version(doc["ociVersionMax"])


@must("features, Specification version", "The value MUST NOT be less than the value of the `ociVersionMin` property.")
def version_max_not_below_min(t):
    doc = features(t)
    check(version(doc["ociVersionMin"]) <= version(doc["ociVersionMax"]), doc["ociVersionMin"], doc["ociVersionMax"])


def version_test(key):
    def test(t):
        t.config["ociVersion"] = features(t)[key]
        t.sh("true")
    test.__name__ = "accepts_" + key
    return must("features, Specification version", "The runtime MUST accept this value as the `ociVersion` property of "
                "`config.json`.")(test)


version_test("ociVersionMin")
version_test("ociVersionMax")


@must("features, Specification version", "The feature document MUST NOT contain properties that are not defined in this version of "
      "the Open Container Initiative Runtime Specification.")
def no_undefined_properties(t):
    doc = features(t)
    for where, names in DEFINED.items():
        node = doc
        for n in filter(None, where.split(".")):
            node = (node or {}).get(n)
        extra = set(node or {}) - set(names.split())
        check(not extra, where or "top", "has", extra)


@must("features, Hooks", "The runtime MUST support the elements in this array as the `hooks` property of `config.json`.")
def hooks(t):
    kinds = part(t, "hooks")
    for kind in kinds:
        if kind == "startContainer":
            t.config.setdefault("hooks", {})[kind] = [{"path": "/bin/touch", "args": ["touch", "/startContainer"]}]
        else:
            t.hook(kind)
    t.sh("true")
    t.ok(t.call("delete", t.id))
    got = set(t.log()) | ({"startContainer"} if os.path.exists(t.rootfs + "/startContainer") else set())
    same(got, set(kinds))


@must("features, Mount options", "The runtime MUST recognize the elements in this array as the `options` of `mounts` objects in "
      "`config.json`.")
def mount_options(t):
    """Unknown options would go to the file system as data, and tmpfs refuses what it does not know."""
    skip = {"bind", "rbind", "remount", "idmap", "ridmap", "mand", "nomand", "rmand", "rnomand"}
    for i, option in enumerate(part(t, "mountOptions")):
        if option in skip or option.startswith(("src-", "dest-", "copy-")):
            continue
        os.makedirs(f"{t.rootfs}/o/{i}")
        t.mount(f"/o/{i}", "tmpfs", "tmpfs", option)
    try:
        t.sh("true")
    except Failed as err:
        raise Failed("options of the document in turn: " + ", ".join(enumerate_failing(t)) + ": " + str(err)) from err


def enumerate_failing(t):
    """Which options are refused when they are alone."""
    mounts, bad = [m for m in t.config["mounts"] if m["destination"].startswith("/o/")], []
    t.call("delete", "--force", t.id)
    for m in mounts:
        t.config["mounts"] = [x for x in t.config["mounts"] if not x["destination"].startswith("/o/")] + [m]
        if t.create().rc:
            bad.append(m["options"][0])
        t.call("delete", "--force", t.id)
    return bad


@must("features-linux, Namespaces", "The runtime MUST recognize the elements in this array as the `type` of `linux.namespaces` "
      "objects in `config.json`.")
def namespaces(t):
    for kind in part(t, "linux", "namespaces"):
        if kind == "user":
            t.user_namespace()
        elif kind != "time" or os.path.exists("/proc/self/ns/time"):
            t.namespace(kind)
    t.sh("true")


@must("features-linux, Capabilities", "The runtime MUST recognize the elements in this array in the `process.capabilities` object of "
      "`config.json`.")
def capabilities(t):
    t.process["capabilities"] = {"bounding": part(t, "linux", "capabilities")}
    t.sh("true")


def seccomp_test(key, change):
    def test(t):
        for value in part(t, "linux", "seccomp", key):
            if value == "SCMP_ACT_NOTIFY":
                continue
            t.linux.setdefault("seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []})
            change(t.linux["seccomp"], value)
        t.sh("true")
    test.__name__ = "seccomp_" + key
    return must("features-linux, Seccomp", f"{key}: The runtime MUST recognize the elements in this array in the `linux.seccomp` "
                "object in `config.json`.")(test)


SPARE = iter(["kcmp", "mbind", "migrate_pages", "move_pages", "quotactl", "reboot", "settimeofday", "setdomainname", "acct",
              "swapon", "swapoff", "init_module", "delete_module", "lookup_dcookie"] * 8)
seccomp_test("actions", lambda s, v: s["syscalls"].append({"names": [next(SPARE)], "action": v}) if v != "SCMP_ACT_ALLOW" else None)
seccomp_test("operators", lambda s, v: s["syscalls"].append(
    {"names": ["kcmp"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 1, "valueTwo": 1, "op": v}]}))
seccomp_test("archs", lambda s, v: s.setdefault("architectures", []).append(v)
             if v in ("SCMP_ARCH_X86", "SCMP_ARCH_X86_64", "SCMP_ARCH_X32", "SCMP_ARCH_ARM", "SCMP_ARCH_AARCH64") else None)
seccomp_test("supportedFlags", lambda s, v: s.setdefault("flags", []).append(v)
             if v != "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" else None)


@must("features, Annotations", "Annotations MUST be a key-value map that follows the same convention as the Key and Values of the "
      "`annotations` property of `config.json`.")
def annotations_are_strings(t):
    for key, value in part(t, "annotations").items():
        check(isinstance(key, str) and key and isinstance(value, str), key, value)
