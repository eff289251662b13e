#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Boots a guest with its console on the terminal: qemu-boot.sh DIRECTORY, see guest/boot.py for more.
exec "$(dirname "$0")/boot.py" "$@"
