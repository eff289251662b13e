# SPDX-License-Identifier: Apache-2.0
"""Runs OCI runtimes on small bundles: what tests/conformance and tests/differential share. Plain Python, no packages.

A Box is one container and its bundle: a directory with config.json and a root file system of busybox and the probe of
tests/integration/tools. This process becomes a child subreaper, so that it can wait for containers itself."""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS_SOURCE = os.path.join(HERE, "..", "integration", "tools")
BUSYBOX = os.environ.get("BUSYBOX", "/bin/busybox")
CGROUP = "/sys/fs/cgroup"
APPLETS = ("sh cat ls mount umount stat id env pwd sleep true false echo test [ touch mkdir rmdir ln readlink rm mv cp grep "
           "hostname ps kill head tail dd mknod chmod chown wc sort ip od tr cut printf sed awk tty find uname dirname "
           "basename date dnsdomainname realpath").split()
CAPS = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]


def become_subreaper():
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def wait_for(done, limit=10.0):
    """Polls until done() is true; what it returned last."""
    end = time.monotonic() + limit
    while True:
        value = done()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.005)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def base_config():
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False, "user": {"uid": 0, "gid": 0}, "args": ["true"], "cwd": "/",
            "env": ["PATH=/bin:/usr/bin", "TERM=xterm"],
            "capabilities": {"bounding": CAPS[:], "effective": CAPS[:], "permitted": CAPS[:]},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": False},
        "hostname": "box",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
        ],
        "linux": {
            "namespaces": [{"type": t} for t in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
        },
    }


def make_template(tools, where):
    """A root file system to link from."""
    for d in ("bin", "proc", "sys", "dev", "etc", "tmp", "var", "run", "home/u", "root", "mnt", "usr/bin", "data"):
        os.makedirs(os.path.join(where, d))
    os.chmod(os.path.join(where, "tmp"), 0o1777)
    shutil.copy2(BUSYBOX, os.path.join(where, "bin/busybox"))
    shutil.copy2(os.path.join(tools, "probe"), os.path.join(where, "bin/probe"))
    for applet in APPLETS:
        os.symlink("busybox", os.path.join(where, "bin", applet))
    with open(os.path.join(where, "etc/passwd"), "w", encoding="ascii") as f:
        f.write("root:x:0:0:root:/root:/bin/sh\nu:x:1000:1000::/home/u:/bin/sh\n")
    with open(os.path.join(where, "etc/group"), "w", encoding="ascii") as f:
        f.write("root:x:0:\nu:x:1000:\n")
    with open(os.path.join(where, "data/file"), "w", encoding="ascii") as f:
        f.write("of the image\n")


class Workshop:
    """The directory of a whole run, with the template in it."""

    def __init__(self, prefix):
        os.umask(0o022)
        become_subreaper()
        self.prefix = f"{prefix}{os.getpid()}"
        self.dir = tempfile.mkdtemp(prefix=prefix + "-")
        os.chmod(self.dir, 0o755)
        tools = os.environ.get("JOEY_TEST_TOOLS", f"/tmp/joey-test-tools-{os.getuid()}")
        os.makedirs(tools, exist_ok=True)
        subprocess.run([os.path.join(TOOLS_SOURCE, "build.sh"), tools], check=True, stdout=subprocess.DEVNULL)
        self.template = os.path.join(self.dir, "template")
        make_template(tools, self.template)
        self.count = 0
        self.lock = threading.Lock()

    def number(self):
        with self.lock:
            self.count += 1
            return self.count

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


class Result:
    def __init__(self, rc, out, err):
        self.rc, self.out, self.err = rc, out, err

    def __repr__(self):
        return f"status {self.rc}, stdout {self.out[-600:]!r}, stderr {self.err[-600:]!r}"


class Box:
    """One container of one runtime. cleanup() must be called, and returns what was left behind."""

    def __init__(self, shop, runtime, name=None):
        self.shop, self.runtime = shop, runtime
        self.id = f"{shop.prefix}-{shop.number()}"
        self.dir = os.path.join(shop.dir, name or self.id)
        self.bundle = os.path.join(self.dir, "bundle")
        self.rootfs = os.path.join(self.bundle, "rootfs")
        self.root = os.path.join(self.dir, "state")
        self.cg = "/" + self.id
        self.ids, self.children, self.pids = [self.id], [], []
        os.makedirs(self.bundle)
        subprocess.run(["cp", "-al", shop.template, self.rootfs], check=True)
        self.config = base_config()
        self.config["linux"]["cgroupsPath"] = self.cg
        self.process = self.config["process"]
        self.linux = self.config["linux"]
        self.calls = 0

    # ---- the bundle -----------------------------------------------------------------------------------------------

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def save(self):
        with open(os.path.join(self.bundle, "config.json"), "w", encoding="utf-8") as f:
            json.dump(self.config, f)

    def mount(self, destination, kind, source, *options):
        self.config["mounts"].append(
            {"destination": destination, "type": kind, "source": source, "options": list(options)})

    def namespace(self, kind, path=None):
        spaces = self.linux["namespaces"]
        spaces[:] = [s for s in spaces if s["type"] != kind]
        spaces.append({"type": kind, "path": path} if path else {"type": kind})

    def without(self, kind):
        self.linux["namespaces"] = [s for s in self.linux["namespaces"] if s["type"] != kind]

    def user_namespace(self):
        self.namespace("user")
        self.linux["uidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        self.linux["gidMappings"] = [{"containerID": 0, "hostID": 200000, "size": 65536}]

    def caps(self, *names):
        self.process["capabilities"] = {s: list(names) for s in ("bounding", "effective", "permitted")}

    # ---- the runtime ----------------------------------------------------------------------------------------------

    def call(self, *args, timeout=20, prefix=(), cwd=None):
        """RUNTIME --root STATE ARGS..., its standard output and error in files, since a container inherits them."""
        self.calls += 1
        out, err = self.path(f"out{self.calls}"), self.path(f"err{self.calls}")
        with open(out, "wb") as o, open(err, "wb") as e:
            try:
                p = subprocess.run([*prefix, self.runtime, "--root", self.root, *args], stdin=subprocess.DEVNULL, stdout=o,
                                   stderr=e, timeout=timeout, check=False, cwd=cwd)
                rc = p.returncode
            except subprocess.TimeoutExpired:
                rc = 124
        self.last_out, self.last_err = out, err
        return Result(rc, read(out), read(err))

    def create(self, cid=None, prefix=(), options=()):
        self.save()
        r = self.call("create", "--bundle", self.bundle, *options, cid or self.id, prefix=prefix)
        self.out = self.last_out
        self.err = self.last_err
        if r.rc == 0:
            self.pids.append(self.state(cid).get("pid", 0))
        return r

    def start(self, cid=None):
        return self.call("start", cid or self.id)

    def query(self, cid=None):
        return self.call("state", cid or self.id)

    def state(self, cid=None):
        r = self.query(cid)
        try:
            return json.loads(r.out) if r.rc == 0 else {}
        except ValueError:
            return {}

    def status(self, cid=None):
        return self.state(cid).get("status")

    def pid(self):
        return self.pids[-1] if self.pids else 0

    def wait(self, limit=15.0):
        """The exit status of the container's process as a shell would give it; None when it did not exit in time."""
        pid, got = self.pid(), []

        def done():
            try:
                p, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                if not os.path.exists(f"/proc/{pid}"):
                    got.append(None)
                return bool(got)
            if p:
                code = os.waitstatus_to_exitcode(status)
                got.append(code if code >= 0 else 128 - code)
            return bool(got)

        wait_for(done, limit)
        return got[0] if got else None

    def output(self):
        return read(self.out)

    def spawn(self, *command, **more):
        """A helper on the host that cleanup() ends."""
        p = subprocess.Popen(command, stdin=subprocess.DEVNULL, **more)
        self.children.append(p)
        return p

    # ---- the end --------------------------------------------------------------------------------------------------

    def cleanup(self):
        left = []
        for cid in self.ids:
            r = self.call("delete", "--force", cid)
            if r.rc == 124:
                left.append("delete --force did not end")
        for pid in self.pids:
            if pid and pid > 1:
                try:
                    if os.waitpid(pid, os.WNOHANG)[0] == 0:
                        os.kill(pid, signal.SIGKILL)
                        left.append(f"process {pid}")
                        os.waitpid(pid, 0)
                except (ChildProcessError, ProcessLookupError):
                    pass
        for p in self.children:
            p.kill()
            p.wait()
        left += self.left_mounts() + self.left_cgroups()
        if os.path.isdir(self.root):
            left += ["state " + n for n in os.listdir(self.root) if n[0] != "."]
        shutil.rmtree(self.dir, ignore_errors=True)
        return left

    def left_mounts(self):
        found = [line.split()[4] for line in read("/proc/self/mountinfo").splitlines() if self.dir + "/" in line]
        for where in reversed(found):
            subprocess.run(["umount", "-l", where], check=False, stderr=subprocess.DEVNULL)
        return ["mount " + m for m in found]

    def left_cgroups(self):
        top = CGROUP + self.cg
        found = [d for d, _, _ in os.walk(top, topdown=False)]
        for d in found:
            try:
                with open(d + "/cgroup.kill", "w", encoding="ascii") as f:
                    f.write("1")
                wait_for(lambda d=d: "populated 0" in read(d + "/cgroup.events"), 2)
                os.rmdir(d)
            except OSError:
                pass
        return ["cgroup " + d for d in found]
