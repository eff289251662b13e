# SPDX-License-Identifier: Apache-2.0
"""The frame of the conformance suite: the register of tests, what a test is given, and TAP.

A test is a function with @must(SECTION, SENTENCE): it is given a T, and fails by raising. SECTION is the document and the
heading of the runtime specification, SENTENCE what it demands there, in the specification's words."""

import concurrent.futures
import os
import re
import sys
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ocitest  # noqa: E402

TESTS = []
NAME = os.path.basename(os.environ.get("RUNTIME_NAME") or os.path.realpath(os.environ.get("RUNTIME", "joey")))


class Skip(Exception):
    pass


class Failed(Exception):
    pass


def must(section, sentence):
    def register(fn):
        TESTS.append((section, fn.__name__, sentence, fn))
        return fn
    return register


def need(condition, what):
    if not condition:
        raise Skip(what)


def check(condition, *why):
    if not condition:
        raise Failed(" ".join(str(w) for w in why) or "not so")


def same(got, want, what=""):
    if got != want:
        raise Failed(f"{what}: got {got!r}, want {want!r}")


class T(ocitest.Box):
    """A container with words for what a test wants of it."""

    def ok(self, result):
        check(result.rc == 0, result)
        return result

    def fails(self, result):
        check(result.rc != 0, "no error:", result)
        check(result.rc != 124 and 0 < result.rc and not 128 < result.rc < 193, "no error but a crash or a hang:", result)
        return result

    def sh(self, script):
        """The lines that a container prints which runs this script to a good end."""
        self.process["args"] = ["sh", "-c", script]
        return self.lines()

    def lines(self):
        self.ok(self.create())
        self.ok(self.start())
        status = self.wait()
        check(status == 0, "the container exited with", status, ocitest.read(self.out), ocitest.read(self.err))
        return self.output().splitlines()

    def one(self, script):
        lines = self.sh(script)
        same(len(lines), 1, f"lines of output {lines}")
        return lines[0]

    def sleeper(self):
        """A container whose process runs until it is killed."""
        self.process["args"] = ["sleep", "100"]
        self.ok(self.create())
        self.ok(self.start())

    def refused(self):
        """The configuration must be an error: of create, after which nothing may be left, or else of start."""
        r = self.create()
        if r.rc == 0:
            r = self.start()
        self.fails(r)
        return r

    def refused_at_create(self):
        """It must be an error of create. What that leaves behind is the matter of one test alone, except for joey."""
        self.fails(self.create())
        self.fails(self.query())
        left = self.left_mounts() + self.left_cgroups()
        check(not left or NAME != "joey", "left by a failed create:", left)

    def kill_and_wait(self):
        self.ok(self.call("kill", self.id, "KILL"))
        self.wait()
        check(ocitest.wait_for(lambda: self.status() == "stopped"), "still not stopped", self.state())

    def cgroup_file(self, name):
        try:
            return ocitest.read(f"{ocitest.CGROUP}{self.cg}/{name}").strip()
        except OSError as err:
            raise Failed(f"{name} of the cgroup: {err}") from err

    def recorder(self, name, more=":"):
        """A hook that appends a line NAME to the log, and then does more; its standard input goes to NAME.stdin."""
        return self.write(f"hook-{name}", f"#!/bin/sh\ncat >{self.dir}/{name}.stdin\necho {name} >>{self.dir}/log\n{more}\n",
                          0o755)

    def hook(self, kind, name=None, more=":", **fields):
        entry = {"path": self.recorder(name or kind, more), **fields}
        self.config.setdefault("hooks", {}).setdefault(kind, []).append(entry)
        return entry

    def log(self):
        return ocitest.read(self.path("log")).split() if os.path.exists(self.path("log")) else []


def controllers():
    try:
        return ocitest.read(ocitest.CGROUP + "/cgroup.controllers").split()
    except OSError:
        return []


def need_controller(name):
    need(name in controllers(), f"the cgroup2 of this host has no {name} controller")


def run_one(shop, runtime, fn):
    """(verdict, text): ok, skip or failed."""
    t = T(shop, runtime)
    try:
        fn(t)
        verdict = ("ok", "")
    except Skip as err:
        verdict = ("skip", str(err))
    except Failed as err:
        verdict = ("failed", str(err))
    except Exception:  # pylint: disable=broad-except
        verdict = ("failed", traceback.format_exc())
    left = t.cleanup()
    if left and verdict[0] != "failed":
        verdict = ("failed", "left behind: " + ", ".join(left))
    return verdict


def known(path, runtime):
    """{test: reason} of the table's lines for this runtime."""
    table = {}
    for line in open(path, encoding="utf-8"):
        m = re.match(r"(\w+)\s+(\w+)\s+(\S.*)", line)
        if m and m[1] == runtime:
            table[m[2]] = m[3].strip()
    return table


def main(argv):
    runtime, jobs = os.path.realpath(os.environ["RUNTIME"]), int(os.environ.get("JOBS", "2"))
    name = NAME
    expected = known(os.path.join(os.path.dirname(os.path.abspath(__file__)), "known.txt"), name)
    tests = [t for t in TESTS if not argv or any(a in f"{t[0]} {t[1]}" for a in argv)]
    shop, failed = ocitest.Workshop("jconf"), 0
    print(f"# {name}\n1..{len(tests)}")
    try:
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            results = [pool.submit(run_one, shop, runtime, t[3]) for t in tests]
            for n, ((section, test, sentence, _), result) in enumerate(zip(tests, results), 1):
                verdict, text = result.result()
                title = f"{n} {name}: {section}: {test}"
                if verdict == "skip":
                    print(f"ok {title} # SKIP {text}")
                elif verdict == "ok":
                    print(f"ok {title}" + ("\n# known.txt lists it, but it passes" if test in expected else ""))
                elif test in expected:
                    print(f"not ok {title} # TODO {expected[test]}\n#   the specification: {sentence}")
                else:
                    failed += 1
                    print(f"not ok {title}\n#   the specification: {sentence}")
                    print("\n".join("#   " + line for line in text.splitlines()))
                sys.stdout.flush()
    finally:
        shop.close()
    return 1 if failed else 0
