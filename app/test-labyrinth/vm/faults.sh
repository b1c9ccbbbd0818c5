#!/usr/bin/env bash
# each VFIO and iommufd call fails once: everything is undone
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# vm: device=edu-port:dma_mask=0xffffffffffffffff timeout=180
set -euo pipefail

exec "$BUILD/app/test-labyrinth/vm/faults-test" "$EDU0"
