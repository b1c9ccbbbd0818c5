#!/usr/bin/env bash
# pools that breathe: devices reach what comes and not what has gone, a keeper beside DMA, refusals, nodes
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# vm: device=edu:dma_mask=0xffffffffffffffff,edu:dma_mask=0xffffffffffffffff,edu:dma_mask=0xffffffffffffffff
# vm: kernel=small,debian hugepages=32 timeout=180
set -euo pipefail
# A user to whom nothing is allowed has to reach the programs, also where the tree lies in root's home.
mkdir -p /tmp/build
mount --bind "$BUILD" /tmp/build
programs=/tmp/build/app/test-labyrinth/vm

# A program that dies prints no plan: its status says so.
failed=0
"$programs/breath-test" "$EDU0" "$EDU1" "$EDU2" || failed=1
"$programs/breath-refused-test" "$EDU0" || failed=1
"$programs/breath-nodes-test" || failed=1

# One hugepage and the pool's tables fit in 3500 KiB, two hugepages do not.
if [ "$LABYRINTH_IOMMU" = iommufd ]; then
	chmod a+rw /dev/iommu
	chown 65534 "/dev/vfio/devices/$(basename "/sys/bus/pci/devices/$EDU0/vfio-dev"/vfio*)"
else
	chmod a+rw /dev/vfio/vfio
	chown 65534 "/dev/vfio/$(basename "$(readlink "/sys/bus/pci/devices/$EDU0/iommu_group")")"
fi
prlimit --memlock=$((3500 * 1024)):$((64 << 20)) \
	setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all \
	"$programs/breath-refused-test" --memlock "$EDU0" || failed=1
exit $failed
