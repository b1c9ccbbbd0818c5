#!/usr/bin/env bash
# edu through frames, runs and domains; interrupts, reset, quarantine; entries and calls counted
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# vm: device=edu,edu:dma_mask=0xffffffffffffffff,edu-port:dma_mask=0xffffffffffffffff
# vm: kernel=small,debian memory=3072 hugepages=530 timeout=120
set -euo pipefail
# shellcheck source=app/test-labyrinth/vm/tap.sh
. "$(dirname "$0")/tap.sh"
programs=$BUILD/app/test-labyrinth/vm

# A program that dies prints no plan: its status says so.
failed=0
"$programs/dma-test" "$EDU1" "$EDU2" || failed=1
"$programs/device-test" "$EDU1" "$EDU2" || failed=1
"$programs/entries-test" "$EDU1" "$EDU2" || failed=1
# Its device reaches 32 bits, as the example says.
check "examples/dma-copy" "$BUILD/examples/dma-copy/dma-copy" "$EDU0"
check "the guide's driver of fifty lines" "$programs/guide-driver" "$EDU0"
[ $failed = 0 ] || exit 1
finish
