#!/usr/bin/env bash
# pools on each node, by move_pages(2), serving a device; wishes that cannot be met
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# vm: device=edu:dma_mask=0xffffffffffffffff hugepages=32 timeout=90
set -euo pipefail

exec "$BUILD/app/test-labyrinth/vm/numa-test" "$EDU0"
