#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the conformance tests, or those whose section or name has one of the given words in it."""

import sys

import test_bundle  # noqa: F401  pylint: disable=unused-import
import test_config  # noqa: F401  pylint: disable=unused-import
import test_process  # noqa: F401  pylint: disable=unused-import
import test_hooks  # noqa: F401  pylint: disable=unused-import
import test_linux  # noqa: F401  pylint: disable=unused-import
import test_seccomp  # noqa: F401  pylint: disable=unused-import
import test_cgroups  # noqa: F401  pylint: disable=unused-import
import test_runtime  # noqa: F401  pylint: disable=unused-import
import test_features  # noqa: F401  pylint: disable=unused-import
import suite

sys.exit(suite.main(sys.argv[1:]))
