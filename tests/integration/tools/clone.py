#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""clone.py COMMAND...: runs it ("joey run" of a container whose process is `probe clone`), prints what the probe tells, and
clock_error=MS: how far its clock is off at least, by the round trip that was the shortest; round_trip=MS.

The guest's answer lies between the question and its arrival; under emulation that takes long the first time, when code
is translated, so it is asked until a round trip was short. The error of a clock that was set once does not change meanwhile."""
import subprocess
import sys
import time

TRIES, PAUSE, SHORT_NS = 40, 0.02, 8_000_000


def main():
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    lines = open(child.stdout.fileno(), "rb", buffering=0, closefd=False)

    def line():
        text = b""
        while not text.endswith(b"\n"):
            byte = lines.read(1)
            if not byte:
                sys.exit("the clone ended early")
            text += byte
        return text.decode().strip()

    while (text := line()) != "ready":
        print(text)
    best = None
    for _ in range(TRIES):
        before = time.time_ns()
        child.stdin.write(b"\n")
        guest = int(line())
        after = time.time_ns()
        error = guest - after if guest > after else guest - before if guest < before else 0
        if best is None or after - before < best[0]:
            best = (after - before, error, guest - (before + after) // 2)
        if best[0] < SHORT_NS:
            break
        time.sleep(PAUSE)
    child.stdin.close()
    print(f"round_trip={best[0] / 1e6:.1f}\nclock_error={best[1] / 1e6:.1f}\nclock_offset={best[2] / 1e6:.1f}")
    return child.wait()


sys.exit(main())
