#!/usr/bin/env bash
# a process that shares a pool is killed while a device writes for it: quarantine until another opens the device
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# vm: device=edu-port:dma_mask=0xffffffffffffffff timeout=90
set -euo pipefail

exec "$BUILD/app/test-labyrinth/vm/shared-test" "$EDU0"
