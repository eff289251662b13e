#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""As interleave.c, for commands that leave processes behind for a moment: medians of wall and processor time, in ms, the
latter of all descendants that end within half a second, orphans too. What goes on (a warm sandbox) is not counted.
usage: cpu.py ROUNDS NAME[@SECONDS] COMMAND... [-- NAME[@SECONDS] COMMAND...]...    SECONDS: nothing is done before it so long"""
import ctypes
import os
import resource
import statistics
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36


def used():
    u = resource.getrusage(resource.RUSAGE_CHILDREN)
    return u.ru_utime + u.ru_stime


def reap(limit):
    """All that end soon; a holder of templates never does."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


def run(argv):
    before, start = used(), time.monotonic()
    if subprocess.call(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL):
        sys.exit(f"failed: {' '.join(argv)}")
    wall = time.monotonic() - start
    reap(0.5)
    return wall * 1000, (used() - before) * 1000


def main():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    commands, words = [], []
    for word in sys.argv[2:] + ["--"]:
        if word != "--":
            words.append(word)
        elif words:
            name, _, pause = words[0].partition("@")
            commands.append((name, float(pause or 0), words[1:], []))
            words = []
    for n in range(-1, int(sys.argv[1])):
        for _, pause, argv, results in commands:
            time.sleep(pause)
            result = run(argv)
            if n >= 0:
                results.append(result)
    for name, _, _, results in commands:
        print(name, *(f"{statistics.median(r[i] for r in results):.2f}" for i in (0, 1)))


if __name__ == "__main__":
    main()
