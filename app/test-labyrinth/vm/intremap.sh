#!/usr/bin/env bash
# an IOMMU that does not isolate interrupts: refused, with what to do about it
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# vm: device=edu intremap=off
set -euo pipefail
# shellcheck source=app/test-labyrinth/vm/tap.sh
. "$(dirname "$0")/tap.sh"
try=$BUILD/app/test-labyrinth/vm/try-device
parameter=/sys/module/$([ "$LABYRINTH_IOMMU" = iommufd ] && echo iommufd || echo vfio_iommu_type1)/parameters/allow_unsafe_interrupts

check "refused" fails_with "the IOMMU refuses $EDU0: the platform has no interrupt remapping" "$try" "$EDU0"
check "the sentence names the way out" fails_with "echo 1 >$parameter" "$try" "$EDU0"
check "which is there" test -w "$parameter"
echo 1 >"$parameter"
check "and works" "$try" --copy "$EDU0"
finish
