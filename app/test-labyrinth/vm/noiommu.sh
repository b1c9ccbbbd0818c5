#!/usr/bin/env bash
# a machine without an IOMMU: refused, unless "noiommu" is asked for by name
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# vm: device=edu:dma_mask=0xffffffffffffffff no-iommu=yes backend=none
# Debian's kernel has no no-IOMMU mode.
set -euo pipefail
# shellcheck source=app/test-labyrinth/vm/tap.sh
. "$(dirname "$0")/tap.sh"
try=$BUILD/app/test-labyrinth/vm/try-device
out=/tmp/noiommu.out

# refused NAME PATTERN COMMAND...
refused() {
	local name=$1 pattern=$2 status=0
	shift 2
	"$@" >$out 2>&1 || status=$?
	if [ $status = 1 ] && grep -qE -- "$pattern" $out; then
		ok "$name"
		note "$(cat $out)"
	else
		not_ok "$name"
		note "status $status; wanted $pattern; got: $(cat $out)"
	fi
}

refused "nothing asked for" "ENODEV: .*IOMMU.*noiommu" "$try" "$EDU0"
refused "type1" "ENODEV: .*IOMMU.*noiommu" "$try" --backend type1 "$EDU0"
[ "$VM_KERNEL" = debian ] || refused "iommufd" "ENODEV: .*IOMMU.*noiommu" "$try" --backend iommufd "$EDU0"
refused "strict has no meaning" "EINVAL: .*strict.*noiommu" "$try" --backend noiommu --strict "$EDU0"
refused "ordinary pages have no physical address" "EOPNOTSUPP: .*tried.*hugepages" \
	"$try" --backend noiommu --ordinary "$EDU0"
check "asked for by name: a copy by physical addresses" "$try" --backend noiommu --frames 2048 --copy "$EDU0"
check "asked for by the environment" env LABYRINTH_IOMMU=noiommu "$try" --copy "$EDU0"

echo N >/sys/module/vfio/parameters/enable_unsafe_noiommu_mode
echo "$EDU0" >/sys/bus/pci/drivers/vfio-pci/unbind
refused "the kernel does not allow it" "noiommu|IOMMU" "$try" --backend noiommu "$EDU0"
finish
