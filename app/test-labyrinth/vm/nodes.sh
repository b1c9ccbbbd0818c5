#!/usr/bin/env bash
# a set of pools on two nodes: local frames first, the other node's then, by the kernel's own count
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# vm: hugepages=32 backend=none timeout=60
set -euo pipefail

exec "$BUILD/app/test-labyrinth/vm/nodes-test"
