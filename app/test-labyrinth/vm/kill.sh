#!/usr/bin/env bash
# programs killed in the middle of their transfers: memory, devices and hugepages are fit for the next
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# Few hugepages, so that all of them are looked at while a transfer could still arrive.
#
# vm: device=edu:dma_mask=0xffffffffffffffff,edu:dma_mask=0xffffffffffffffff,edu-port:dma_mask=0xffffffffffffffff hugepages=8
# vm: timeout=180
set -euo pipefail

exec "$BUILD/app/test-labyrinth/vm/kill-test" "$EDU0" "$EDU1" "$EDU2"
