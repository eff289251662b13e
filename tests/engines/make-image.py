#!/usr/bin/env python3
"""Makes the engines' test image without a network: an OCI image archive with one layer, a static busybox.

usage: make-image.py BUSYBOX OUTPUT.tar NAME [COMMAND...]
       make-image.py BUSYBOX OUTPUT.tar --rootfs        the layer alone
"""
import hashlib
import io
import json
import subprocess
import sys
import tarfile

PASSWD = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n"
GROUP = "root:x:0:\nuser:x:1000:\nextra:x:2000:user\n"


def add(tar, name, data=b"", mode=0o644, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.size = kind, mode, link, len(data)
    tar.addfile(info, io.BytesIO(data))


def layer(busybox):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, mode in (("bin", 0o755), ("dev", 0o755), ("etc", 0o755), ("home", 0o755), ("home/user", 0o755), ("proc", 0o755),
                           ("root", 0o700), ("run", 0o755), ("sys", 0o755), ("tmp", 0o1777), ("var", 0o755)):
            add(tar, name, mode=mode, kind=tarfile.DIRTYPE)
        with open(busybox, "rb") as f:
            add(tar, "bin/busybox", f.read(), 0o755)
        for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
            if applet != "busybox":
                add(tar, "bin/" + applet, kind=tarfile.SYMTYPE, link="busybox")
        add(tar, "etc/passwd", PASSWD.encode())
        add(tar, "etc/group", GROUP.encode())
        add(tar, "etc/not-executable", b"#!/bin/sh\nexit 0\n", 0o644)
    return out.getvalue()


def main():
    busybox, output, name = sys.argv[1:4]
    command = sys.argv[4:] or ["/bin/sh"]
    blobs = []
    if name == "--rootfs":
        with open(output, "wb") as f:
            f.write(layer(busybox))
        return

    def blob(data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        blobs.append((digest, data))
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    oci = "application/vnd.oci.image."
    data = layer(busybox)
    rootfs = blob(data, oci + "layer.v1.tar")
    config = blob(json.dumps({
        "architecture": "amd64", "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Cmd": command},
        "rootfs": {"type": "layers", "diff_ids": [rootfs["digest"]]},
    }).encode(), oci + "config.v1+json")
    manifest = blob(json.dumps({
        "schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": config, "layers": [rootfs],
    }).encode(), oci + "manifest.v1+json")
    manifest["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    with tarfile.open(output, "w", format=tarfile.GNU_FORMAT) as tar:
        add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        add(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode())
        for digest, content in blobs:
            add(tar, "blobs/sha256/" + digest, content)


if __name__ == "__main__":
    main()
