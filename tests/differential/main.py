#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every bundle of cases.py with crun, runc and joey, and compares all that can be seen of it; prints TAP, a case a line.
main.py JOEY RIVALS-DIRECTORY [WORD...]    WORD: only cases with it in their name; --show: also print differences that are known"""

import collections
import concurrent.futures
import fnmatch
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import cases  # noqa: E402
import ocitest  # noqa: E402

SCRIPT = r"""
s() { echo "@$1"; shift; "$@" 2>&1; }
s status cat /proc/self/status
s mountinfo cat /proc/$$/mountinfo
s cgroup cat /proc/$$/cgroup
s limits cat /proc/$$/limits
s env env
s where sh -c 'pwd; umask; id; hostname; cat /proc/sys/kernel/domainname'
s maps sh -c 'cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups /proc/self/timens_offsets'
s dev sh -c 'stat -c "%n %F %a %u:%g %t:%T" /dev/*; for l in /dev/*; do [ ! -L $l ] || echo "$l $(readlink $l)"; done'
s nodes sh -c 'stat -c "%n %F %a %u:%g %t:%T" /data/n /deep/er/node /new/place /tmp /mnt /mnt/* /data /data/* /home /home/*'
s fds probe fds
s sched probe sched
s ioprio probe ioprio
s personality probe personality
s sig probe sig
s affinity probe affinity
s keyring probe keyring
s oom cat /proc/self/oom_score_adj
s sysctl sh -c 'cd /proc/sys; cat net/ipv4/ip_forward kernel/shmmax kernel/msgmax fs/mqueue/msg_max'
s writes sh -c 'for d in / /tmp /mnt /data /home /dev /sys /proc/sys /run; do (echo x >$d/probe-write) 2>/dev/null; echo $d $?; rm -f $d/probe-write; done'
s reads sh -c 'cat /data/file /mnt/file /mnt/f | head -c 300; ls /data /mnt /home'
s kcmp sh -c 'for a in 0 1 2 3; do probe syscall 312 $a; done'
""".strip()
# Of /proc/PID/status: what is a number of this very process, or a matter of chance.
VOLATILE = re.compile(r"(State|Pid|Tgid|PPid|Ngid|NSpid|NStgid|NSpgid|NSsid|FDSize|SigQ|Vm\w+|Rss\w+|HugetlbPages|Threads|\w*ctxt_switches|x86_\w+|untag_mask):")


def plain(line):
    return re.sub(r"\bpipe:\[\d+\]|\bsocket:\[\d+\]", "pipe", line)


def mount_line(line):
    if " - " not in line:
        return line
    left, right = line.split(" - ", 1)
    f = left.split()
    device = "0:N" if f[2].startswith("0:") else f[2]
    tags = [re.sub(r"\d+", "N", t) for t in f[6:]]
    return " ".join([f[4], "root=" + f[3], device, f[5], *tags, "-", right])


def sections(text, hide):
    """The sections of the script's output, made comparable."""
    found, now = {}, "output"
    for line in text.splitlines():
        if line.startswith("@"):
            now = line[1:]
            found[now] = []
            continue
        line = plain(hide(line))
        if now == "status" and VOLATILE.match(line):
            continue
        if now == "env" and re.match(r"(SHLVL|PWD|OLDPWD|_)=", line):
            continue
        if now == "keyring":
            line = re.sub(r"^(keyring;\d+;\d+;)", r"\1", line)
        found.setdefault(now, []).append(mount_line(line) if now == "mountinfo" else " ".join(line.split()))
    return found


def state_lines(box, hide):
    r = box.query()
    if r.rc:
        return ["error"]
    try:
        state = json.loads(r.out)
    except ValueError:
        return ["not JSON: " + hide(r.out)]
    for key, shown in (("pid", "N"), ("created", "TIME")):
        if state.get(key):
            state[key] = shown
    state["annotations"] = state.get("annotations") or {}
    return [hide(f"{k}={json.dumps(v, sort_keys=True)}") for k, v in sorted(state.items())]


LIMITS = ("memory.max memory.low memory.swap.max pids.max cpu.weight cpu.max cpu.max.burst cpu.idle cpuset.cpus cpuset.mems io.weight io.bfq.weight "
          "io.max hugetlb.2MB.max cgroup.max.depth cgroup.max.descendants memory.high memory.oom.group cgroup.subtree_control cgroup.type").split()


def limits(box):
    top = ocitest.CGROUP + box.cg
    return [f"{n}={ocitest.read(top + '/' + n).strip()}" for n in LIMITS if os.path.exists(top + "/" + n)]


def watch(shop, runtime, change):
    """Everything that can be seen of one bundle with one runtime: field -> lines; and the error texts."""
    box = ocitest.Box(shop, runtime)
    seen, said = {}, []

    def hide(text):
        return text.replace(box.dir, "BOX").replace(box.id, "ID")

    def step(name, r):
        seen[name] = ["ok" if r.rc == 0 else "hangs" if r.rc == 124 else "error"]
        if r.rc:
            said.append(f"{name}: {hide(r.err.strip())[-300:]}")
        return r.rc == 0

    try:
        box.args = ["sh", "-c", SCRIPT]
        box.process["args"] = None
        change(box)
        if box.process["args"] is None:
            box.process["args"] = box.args
        if step("create", box.create()):
            seen["state-created"] = state_lines(box, hide)
            seen["limits-set"] = limits(box)
            if step("start", box.start()):
                seen["exit"] = [str(box.wait())]
            else:
                box.wait(3)
            seen["state-stopped"] = state_lines(box, hide)
            seen.update(sections(box.output(), hide))
            step("delete", box.call("delete", box.id))
            seen["state-deleted"] = state_lines(box, hide)
        logs = [box.path("log"), box.rootfs + "/data/log"]
        seen["log"] = sum([ocitest.read(f).splitlines() for f in logs if os.path.exists(f)], [])
    finally:
        left = box.cleanup()
    seen["left"] = [hide(x).split("/")[0] for x in left]
    return seen, said


def differences(rival, joey):
    """(field, line): a line with - is the rival's alone, with + joey's."""
    for field in sorted(set(rival) | set(joey)):
        a, b = rival.get(field, []), joey.get(field, [])
        if field in rival and field in joey and a == b:
            continue
        if ("create" in (rival.keys() & joey.keys()) and rival["create"] != joey["create"]) and field != "create":
            continue  # one has no container: that is the difference
        if rival.get("start") != joey.get("start") and field not in ("create", "start"):
            continue
        if len(a) == len(b) == 1:  # a step: how it ended with each
            yield field, f"-{a[0]} +{b[0]}"
            continue
        ca, cb = collections.Counter(a), collections.Counter(b)
        only = [(field, "-" + x) for x in (ca - cb).elements()] + [(field, "+" + x) for x in (cb - ca).elements()]
        if not only and a != b and field in ("mountinfo", "log"):
            only = [(field, "order")]
        yield from only


def read_known(path):
    table = []
    for line in open(path, encoding="utf-8"):
        if line.strip() and line[0] != "#":
            rule, reason = line.rstrip("\n").split("  # ", 1)
            rival, field, case, pattern = rule.split(None, 3)
            table.append((rival, field, case, re.compile(pattern.strip()), reason, line.strip()))
    return table


def explain(table, used, case, rival, field, line):
    for row in table:
        if row[0] in (rival, "*") and fnmatch.fnmatch(field, row[1]) and fnmatch.fnmatch(case, row[2]) and row[3].search(line):
            used[row[5]] += 1
            return row[4]
    return None


def main():
    show, words = "--show" in sys.argv, [a for a in sys.argv[3:] if a != "--show"]
    joey, rivals = os.path.realpath(sys.argv[1]), {r: os.path.join(sys.argv[2], r) for r in ("crun", "runc")}
    chosen = [c for c in cases.all_cases() if not words or any(w in c[0] for w in words)]
    table, used, bad = read_known(os.path.join(HERE, "known.txt")), collections.Counter(), 0
    shop = ocitest.Workshop("jdiff")
    print(f"1..{len(chosen)}", flush=True)

    def one(case):
        return {name: watch(shop, path, case[1]) for name, path in {**rivals, "joey": joey}.items()}

    try:
        with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", "2"))) as pool:
            results = [pool.submit(one, c) for c in chosen]
            for n, ((name, _), future) in enumerate(zip(chosen, results), 1):
                seen = future.result()
                notes, open_ones = [], []
                for rival in rivals:
                    for field, line in differences(seen[rival][0], seen["joey"][0]):
                        reason = explain(table, used, name, rival, field, line)
                        (notes if reason else open_ones).append(f"{rival} {field} {line}" + (f"  ({reason})" if reason else ""))
                if seen["joey"][0]["left"]:
                    open_ones.append(f"joey left {seen['joey'][0]['left']}")
                print(f"{'not ok' if open_ones else 'ok'} {n} {name}")
                for line in open_ones + (notes if show else []):
                    print("#   " + line)
                if open_ones:
                    bad += 1
                    for who in seen:
                        print("\n".join(f"#     {who}: {text}" for text in seen[who][1]))
                sys.stdout.flush()
    finally:
        shop.close()
    if not words:
        for row in table:
            if not used[row[5]]:
                print("# known.txt: not needed here: " + row[5])
    print(f"# {len(chosen)} bundles, {bad} with differences that nobody has justified")
    return 1 if bad else 0


sys.exit(main())
