#!/usr/bin/env bash
# an IOMMU of 39 bits: what is mapped lies within, and works
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# vm: device=edu:dma_mask=0xffffffffffffffff,edu:dma_mask=0xffffffffffffffff aw-bits=39
# vm: timeout=90
set -euo pipefail

exec "$BUILD/app/test-labyrinth/vm/dma-test" "$EDU0" "$EDU1"
