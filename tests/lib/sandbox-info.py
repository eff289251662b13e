#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""sandbox-info.py SOCKET: what the sandbox process that listens there says of itself, as JSON (JOEY_WIRE_INFO of wire.h)."""
import json
import socket
import struct
import sys

INFO, REPLY, ID = 15, 65, 1
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(5)
    s.connect(sys.argv[1])
    s.sendall(struct.pack("<IHHI", 2, INFO, 0, ID) + b"{}")
    frame = s.recv(65536)
size, kind, _, number, errnum = struct.unpack("<IHHII", frame[:16])
if (kind, number, errnum) != (REPLY, ID, 0):
    sys.exit(f"no answer to INFO: {frame}")
print(json.dumps(json.loads(frame[20:12 + size])))
