#!/usr/bin/env python3
"""Runs a command on a terminal of its own, like a person would: waits for text, types text, prints all it shows.

usage: on-terminal.py [--size ROWSxCOLS] [--timeout S] [--expect TEXT | --send TEXT]... -- COMMAND...
--send takes the escapes \\n, \\x04 and the like. Exits with the command's status, 128+N for signal N, 124 when time is up.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time


def parse(argv):
    size, limit, steps = (24, 80), 60.0, []
    while argv and argv[0] != "--":
        key, value, argv = argv[0], argv[1], argv[2:]
        if key == "--size":
            size = tuple(int(n) for n in value.split("x"))
        elif key == "--timeout":
            limit = float(value)
        elif key == "--expect":
            steps.append((True, value.encode()))
        elif key == "--send":
            steps.append((False, value.encode().decode("unicode_escape").encode()))
        else:
            sys.exit("on-terminal.py: unknown option " + key)
    return size, limit, steps, argv[1:]


def main():
    (rows, cols), limit, steps, command = parse(sys.argv[1:])
    pid, master = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        try:
            os.execvp(command[0], command)
        except OSError as err:
            print(err, flush=True)
            os._exit(127)
    end, pending, status = time.monotonic() + limit, b"", None
    while time.monotonic() < end:
        while steps and (not steps[0][0] or steps[0][1] in pending):
            wait, text = steps.pop(0)
            if wait:
                pending = pending.split(text, 1)[1]
            else:
                os.write(master, text)
        if select.select([master], [], [], 0.1)[0]:
            try:
                data = os.read(master, 65536)
            except OSError:
                data = b""
            if not data:
                break
            pending += data
            os.write(1, data)
    else:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return 124
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    return 124


if __name__ == "__main__":
    sys.exit(main())
