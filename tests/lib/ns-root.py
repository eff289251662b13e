#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ns-root.py PID: what lies at the root of that process's mount namespace, for one who has got out of every chroot."""
import ctypes
import os
import sys

libc = ctypes.CDLL(None, use_errno=True)
if libc.setns(os.open(f"/proc/{sys.argv[1]}/ns/mnt", os.O_RDONLY), 0x20000) < 0:
    sys.exit(os.strerror(ctypes.get_errno()))
print(" ".join(sorted(os.listdir("/"))))
