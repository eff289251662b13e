#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""As interleave.c, for commands that leave processes behind for a moment: medians of wall and processor time, in ms, the
latter of all descendants that end within half a second, orphans too. What goes on (a warm sandbox) is not counted.
usage: cpu.py ROUNDS NAME[:SOCKET] COMMAND... [-- NAME[:SOCKET] COMMAND...]...    SOCKET: of the sandbox process that the command
starts; what is measured is the time until the guest has answered a request by it"""
import ctypes
import os
import resource
import socket
import statistics
import struct
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


def answer(path):
    """PIDS of a container that there is not: sent to the guest when it has greeted, answered by an error."""
    with socket.socket(socket.AF_UNIX) as s:
        while True:
            try:
                s.connect(path)
                break
            except OSError:
                time.sleep(0.0002)
        body = b'{"c":999}'
        s.sendall(struct.pack("<IHHI", len(body), 10, 0, 1) + body)
        if not s.recv(4096):
            sys.exit("no answer")


def run_until_answer(argv, path):
    start = time.monotonic()
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    answer(path)
    wall = time.monotonic() - start
    if child.wait():
        sys.exit(f"failed: {' '.join(argv)}")
    reap(0.5)
    return wall * 1000, 0.0


def main():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    commands, words = [], []
    for word in sys.argv[2:] + ["--"]:
        if word != "--":
            words.append(word)
        elif words:
            name, _, path = words[0].partition(":")
            commands.append((name, path, words[1:], []))
            words = []
    for n in range(-1, int(sys.argv[1])):
        for _, path, argv, results in commands:
            result = run_until_answer(argv, path) if path else run(argv)
            if n >= 0:
                results.append(result)
    for name, _, _, results in commands:
        print(name, *(f"{statistics.median(r[i] for r in results):.2f}" for i in (0, 1)))


if __name__ == "__main__":
    main()
