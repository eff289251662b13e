#!/usr/bin/env python3
"""A small client of the Kubernetes container runtime interface (CRI v1), enough to test a runtime below containerd.

It knows the few messages it sends by their field numbers; no generated code. Answers are printed as JSON, by field number
where nobody has named the field below.

usage: cri.py METHOD [JSON]        e.g. cri.py RunPodSandbox '{"config": {...}, "runtime_handler": "joey"}'
       cri.py stream URL [STDIN]   exec or attach: speaks the streaming protocol, exits with the command's code
       cri.py stream-tty URL ROWSxCOLUMNS [STDIN]
"""
import base64
import json
import os
import socket
import struct
import sys
import urllib.parse

ADDRESS = os.environ.get("CRI_ADDRESS", "unix:///run/containerd/containerd.sock")

# name: (number, type); a type is a scalar, a message's name, or a list of one of these: repeated. "map": string to string.
NAMESPACES = {"network": (1, "int"), "pid": (2, "int"), "ipc": (3, "int"), "target_id": (4, "str"), "userns_options": (5, "UserNamespace")}
MESSAGES = {
    "UserNamespace": {"mode": (1, "int"), "uids": (2, ["IDMapping"]), "gids": (3, ["IDMapping"])},
    "IDMapping": {"host_id": (1, "int"), "container_id": (2, "int"), "length": (3, "int")},
    "Metadata": {"name": (1, "str"), "uid": (2, "str"), "namespace": (3, "str"), "attempt": (4, "int")},
    "ContainerMetadata": {"name": (1, "str"), "attempt": (2, "int")},
    "Namespaces": NAMESPACES,
    "Int64": {"value": (1, "int")},
    "Profile": {"profile_type": (1, "int"), "localhost_ref": (2, "str")},
    "SandboxSecurity": {"namespace_options": (1, "Namespaces"), "run_as_user": (3, "Int64"), "privileged": (6, "bool"),
                        "seccomp": (9, "Profile")},
    "LinuxSandbox": {"cgroup_parent": (1, "str"), "security_context": (2, "SandboxSecurity"), "sysctls": (3, "map")},
    "SandboxConfig": {"metadata": (1, "Metadata"), "hostname": (2, "str"), "log_directory": (3, "str"),
                      "port_mappings": (5, ["PortMapping"]), "labels": (6, "map"), "annotations": (7, "map"),
                      "linux": (8, "LinuxSandbox")},
    "PortMapping": {"protocol": (1, "int"), "container_port": (2, "int"), "host_port": (3, "int"), "host_ip": (4, "str")},
    "Image": {"image": (1, "str")},
    "KeyValue": {"key": (1, "str"), "value": (2, "str")},
    "Mount": {"container_path": (1, "str"), "host_path": (2, "str"), "readonly": (3, "bool"), "propagation": (5, "int"),
              "recursive_read_only": (8, "bool")},
    "Resources": {"cpu_period": (1, "int"), "cpu_quota": (2, "int"), "cpu_shares": (3, "int"), "memory_limit_in_bytes": (4, "int"),
                  "oom_score_adj": (5, "int"), "cpuset_cpus": (6, "str"), "unified": (9, "map"),
                  "memory_swap_limit_in_bytes": (10, "int")},
    "Capability": {"add_capabilities": (1, ["str"]), "drop_capabilities": (2, ["str"])},
    "Security": {"capabilities": (1, "Capability"), "privileged": (2, "bool"), "namespace_options": (3, "Namespaces"),
                 "run_as_user": (5, "Int64"), "run_as_username": (6, "str"), "readonly_rootfs": (7, "bool"),
                 "supplemental_groups": (8, ["int"]), "no_new_privs": (11, "bool"), "run_as_group": (12, "Int64"),
                 "masked_paths": (13, ["str"]), "readonly_paths": (14, ["str"]), "seccomp": (15, "Profile")},
    "LinuxContainer": {"resources": (1, "Resources"), "security_context": (2, "Security")},
    "ContainerConfig": {"metadata": (1, "ContainerMetadata"), "image": (2, "Image"), "command": (3, ["str"]), "args": (4, ["str"]),
                        "working_dir": (5, "str"), "envs": (6, ["KeyValue"]), "mounts": (7, ["Mount"]), "labels": (9, "map"),
                        "annotations": (10, "map"), "log_path": (11, "str"), "stdin": (12, "bool"), "stdin_once": (13, "bool"),
                        "tty": (14, "bool"), "linux": (15, "LinuxContainer")},
    "Nothing": {},
    "Sandbox": {"pod_sandbox_id": (1, "str")},
    "Container": {"container_id": (1, "str")},
    "RunPodSandbox": {"config": (1, "SandboxConfig"), "runtime_handler": (2, "str")},
    "CreateContainer": {"pod_sandbox_id": (1, "str"), "config": (2, "ContainerConfig"), "sandbox_config": (3, "SandboxConfig")},
    "StopContainer": {"container_id": (1, "str"), "timeout": (2, "int")},
    "UpdateContainerResources": {"container_id": (1, "str"), "linux": (2, "Resources")},
    "ExecSync": {"container_id": (1, "str"), "cmd": (2, ["str"]), "timeout": (3, "int")},
    "Exec": {"container_id": (1, "str"), "cmd": (2, ["str"]), "tty": (3, "bool"), "stdin": (4, "bool"), "stdout": (5, "bool"),
             "stderr": (6, "bool")},
    "Attach": {"container_id": (1, "str"), "stdin": (2, "bool"), "tty": (3, "bool"), "stdout": (4, "bool"), "stderr": (5, "bool")},
    # answers
    "SandboxIs": {"id": (1, "str"), "state": (3, "int"), "created_at": (4, "int"), "network": (5, "Network")},
    "Network": {"ip": (1, "str"), "additional_ips": (2, ["Address"])},
    "Address": {"ip": (1, "str")},
    "ContainerIs": {"id": (1, "str"), "state": (3, "int"), "created_at": (4, "int"), "started_at": (5, "int"),
                    "finished_at": (6, "int"), "exit_code": (7, "int"), "reason": (10, "str"), "message": (11, "str")},
    "Value": {"value": (1, "int")},
    "Cpu": {"timestamp": (1, "int"), "usage_core_nano_seconds": (2, "Value")},
    "Memory": {"timestamp": (1, "int"), "working_set_bytes": (2, "Value"), "usage_bytes": (4, "Value")},
    "Stats": {"cpu": (2, "Cpu"), "memory": (3, "Memory")},
    "ListedContainer": {"id": (1, "str"), "pod_sandbox_id": (2, "str"), "state": (6, "int")},
    "ListedSandbox": {"id": (1, "str"), "state": (3, "int")},
    "Condition": {"type": (1, "str"), "status": (2, "bool"), "reason": (3, "str"), "message": (4, "str")},
    "Conditions": {"conditions": (1, ["Condition"])},
    "HandlerFeatures": {"recursive_read_only_mounts": (1, "bool"), "user_namespaces": (2, "bool")},
    "Handler": {"name": (1, "str"), "features": (2, "HandlerFeatures")},
}

# method: (request, answer)
METHODS = {
    "Version": ("Nothing", {"version": (1, "str"), "runtime_name": (2, "str"), "runtime_version": (3, "str")}),
    "Status": ("Nothing", {"status": (1, "Conditions"), "runtime_handlers": (3, ["Handler"])}),
    "RunPodSandbox": ("RunPodSandbox", {"pod_sandbox_id": (1, "str")}),
    "StopPodSandbox": ("Sandbox", {}),
    "RemovePodSandbox": ("Sandbox", {}),
    "PodSandboxStatus": ("Sandbox", {"status": (1, "SandboxIs")}),
    "ListPodSandbox": ("Nothing", {"items": (1, ["ListedSandbox"])}),
    "CreateContainer": ("CreateContainer", {"container_id": (1, "str")}),
    "StartContainer": ("Container", {}),
    "StopContainer": ("StopContainer", {}),
    "RemoveContainer": ("Container", {}),
    "ContainerStatus": ("Container", {"status": (1, "ContainerIs")}),
    "ListContainers": ("Nothing", {"containers": (1, ["ListedContainer"])}),
    "UpdateContainerResources": ("UpdateContainerResources", {}),
    "ExecSync": ("ExecSync", {"stdout": (1, "str"), "stderr": (2, "str"), "exit_code": (3, "int")}),
    "Exec": ("Exec", {"url": (1, "str")}),
    "Attach": ("Attach", {"url": (1, "str")}),
    "ContainerStats": ("Container", {"stats": (1, "Stats")}),
}


def varint(n):
    out = bytearray()
    n &= (1 << 64) - 1
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, kind, value):
    if kind == "map":
        pairs = MESSAGES["KeyValue"]
        return b"".join(field(number, "bytes", encode(pairs, {"key": k, "value": v})) for k, v in value.items())
    if isinstance(kind, list):
        return b"".join(field(number, kind[0], v) for v in value)
    if kind in ("int", "bool"):
        return varint(number << 3) + varint(int(value))
    if kind == "str":
        value = value.encode()
    elif kind != "bytes":
        value = encode(MESSAGES[kind], value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def encode(message, values):
    return b"".join(field(*message[name], value) for name, value in values.items())


def read_varint(data, at):
    n = shift = 0
    while True:
        n |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return n - (1 << 64) if n >> 63 else n, at


def decode(message, data):
    names = {number: (name, kind) for name, (number, kind) in message.items()}
    out = {name: [] if isinstance(kind, list) else 0 if kind == "int" else False if kind == "bool" else "" if kind == "str" else {}
           for name, (_, kind) in message.items()}
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            value, at = read_varint(data, at)
        elif key & 7 == 2:
            size, at = read_varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            size = 8 if key & 7 == 1 else 4
            value, at = data[at:at + size], at + size
        if key >> 3 not in names:
            continue
        name, kind = names[key >> 3]
        repeated = isinstance(kind, list)
        kind = kind[0] if repeated else kind
        if kind == "str":
            value = value.decode(errors="replace")
        elif kind == "bool":
            value = bool(value)
        elif kind != "int":
            value = decode(MESSAGES[kind], value)
        if repeated:
            out[name].append(value)
        else:
            out[name] = value
    return out


def call(method, values):
    import grpc
    request, answer = METHODS[method]
    with grpc.insecure_channel(ADDRESS) as channel:
        rpc = channel.unary_unary("/runtime.v1.RuntimeService/" + method, request_serializer=lambda v: encode(MESSAGES[request], v),
                                  response_deserializer=lambda data: decode(answer, data))
        try:
            return rpc(values, timeout=50)
        except grpc.RpcError as e:
            sys.exit(f"{method}: {e.code().name}: {e.details()}")


class WebSocket:
    """The client's side of RFC 6455, with the subprotocol of remote commands: a channel number before each message."""

    def __init__(self, url):
        where = urllib.parse.urlsplit(url)
        self.sock = socket.create_connection((where.hostname, where.port), timeout=50)
        self.sock.sendall((f"GET {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                           f"Origin: http://{where.netloc}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n"
                           f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n").encode())
        self.file = self.sock.makefile("rb")
        status = self.file.readline()
        if b" 101 " not in status:
            sys.exit(f"stream: {status.decode().strip()}")
        while self.file.readline().strip():
            pass

    def send(self, channel, data):
        data = bytes([channel]) + data
        size = bytes([0x80 | len(data)]) if len(data) < 126 else struct.pack("!BH", 0x80 | 126, len(data))
        mask = os.urandom(4)
        self.sock.sendall(b"\x82" + size + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def messages(self):
        while head := self.file.read(2):
            size = head[1] & 127
            if size > 125:
                size = int.from_bytes(self.file.read(2 if size == 126 else 8), "big")
            data = self.file.read(size)
            if head[0] & 15 == 8:
                return
            if head[0] & 15 in (1, 2) and data:
                yield data[0], data[1:]


def stream(url, size, stdin):
    ws = WebSocket(url)
    if size:
        rows, columns = map(int, size.split("x"))
        ws.send(4, json.dumps({"Width": columns, "Height": rows}).encode())
    if stdin:
        ws.send(0, stdin.encode().decode("unicode_escape").encode())
    for channel, data in ws.messages():
        if channel in (1, 2):
            os.write(channel, data)
        elif channel == 3:
            status = json.loads(data)
            causes = {c["reason"]: c["message"] for c in status.get("details", {}).get("causes", [])}
            if status.get("status") != "Success" and "ExitCode" not in causes:
                sys.exit(f"stream: {status.get('message')}")
            sys.exit(int(causes.get("ExitCode", 0)))


def main():
    method, args = sys.argv[1], sys.argv[2:]
    if method == "stream":
        stream(args[0], None, args[1] if len(args) > 1 else "")
    elif method == "stream-tty":
        stream(args[0], args[1], args[2] if len(args) > 2 else "")
    else:
        print(json.dumps(call(method, json.loads(args[0]) if args else {})))


if __name__ == "__main__":
    main()
