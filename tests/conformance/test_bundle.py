# SPDX-License-Identifier: Apache-2.0
"""bundle.md"""

import os

from suite import must, same


@must("bundle, Container format", "This REQUIRED file MUST reside in the root of the bundle directory and MUST be named "
      "`config.json`.")
def config_json_is_required(t):
    t.save()
    os.rename(t.bundle + "/config.json", t.bundle + "/configuration.json")
    t.fails(t.call("create", "--bundle", t.bundle, t.id))
    t.fails(t.query())


@must("bundle, Container format", "container's root filesystem: the directory referenced by `root.path`")
def rootfs_under_any_name(t):
    os.rename(t.rootfs, t.bundle + "/tree")
    t.config["root"]["path"] = "tree"
    same(t.one("cat /data/file"), "of the image")


@must("bundle, Container format", "container's root filesystem: the directory referenced by `root.path`")
def rootfs_outside_the_bundle(t):
    os.rename(t.rootfs, t.path("elsewhere"))
    t.config["root"]["path"] = t.path("elsewhere")
    same(t.one("cat /data/file"), "of the image")
