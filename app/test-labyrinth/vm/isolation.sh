#!/usr/bin/env bash
# forbidden transfers by the thousand: no byte changes, the IOMMU reports them, permitted ones arrive
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# Six devices attack, because each transfer of edu takes 100 ms.
#
# vm: device=edu:dma_mask=0xffffffffffffffff,edu:dma_mask=0xffffffffffffffff,edu:dma_mask=0xffffffffffffffff,edu:dma_mask=0xffffffffffffffff,edu:dma_mask=0xffffffffffffffff,edu:dma_mask=0xffffffffffffffff,edu:dma_mask=0xffffffffffffffff
# vm: kernel=small,debian timeout=180
set -euo pipefail

exec "$BUILD/app/test-labyrinth/vm/isolation-test" "$EDU0" "$EDU1" "$EDU2" "$EDU3" "$EDU4" "$EDU5" "$EDU6"
