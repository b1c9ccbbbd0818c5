#!/usr/bin/env bash
# the VM lab itself: kernel, devices, memory, faults, unplugging, the companion; and devtools/bind.sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# vm: device=edu,edu-port,e1000e,nvme:size=64M,edu-shared backend=none timeout=300
# vm: hugepages=96 net=tap host=app/test-labyrinth/vm/smoke-host.sh
set -euo pipefail
# shellcheck source=app/test-labyrinth/vm/tap.sh
. "$(dirname "$0")/tap.sh"

bind=$VM_TOP/devtools/bind.sh
devices=/sys/bus/pci/devices

driver_of() { [ ! -e "$devices/$1/driver" ] || basename "$(readlink "$devices/$1/driver")"; }
group_of() { basename "$(readlink "$devices/$1/iommu_group")"; }
is_driver() { [ "$(driver_of "$1")" = "$2" ] || fails_because "$1 is on '$(driver_of "$1")'"; }
fails_because() { echo "$1" && return 1; }
test_fails() { ! "$@"; }

# ---- the machine ----

check "the kernel has VFIO" test -c /dev/vfio/vfio
for device in "$EDU0" "$EDU1" "$NIC0" "$NVME0" "$SHARED0"; do
	check "$device is bound to vfio-pci" is_driver "$device" vfio-pci
	check "$device has a group node" test -c "/dev/vfio/$(group_of "$device")"
done
check "groups are not shared" test "$(for device in "$EDU0" "$EDU1" "$NIC0" "$NVME0" "$SHARED0"; do
	group_of "$device"; done | sort -u | wc -l)" = 5
if [ "$VM_KERNEL" = small ]; then
	check "the kernel has iommufd" test -c /dev/iommu
	check "the device has a node of its own" test -d "$devices/$EDU0/vfio-dev"
fi
for node in 0 1; do
	check "node $node has 96 free hugepages" \
		test "$(cat /sys/devices/system/node/node$node/hugepages/hugepages-2048kB/free_hugepages)" = 96
	check "node $node has a processor" test "$(cat /sys/devices/system/node/node$node/cpulist)" = $node
done
check "the host's files are read-only" test_fails touch "$VM_TOP/written-by-the-guest"
check "/tmp, /dev/shm and /run are writable" touch /tmp/a /dev/shm/a /run/a
check "stdout can be opened again" bash -c 'echo >/dev/stdout'

# ---- faults ----

fault_mark
check "no fault yet" test "$(faults)" = 0
check "bind.sh restore, a device that has no driver" "$bind" restore "$EDU0"
check "the device writes to what is not mapped for it" \
	python3 "$VM_TOP/app/test-labyrinth/vm/edu-write.py" "$EDU0" 0x12345000
check "bind.sh vfio" "$bind" vfio "$EDU0"
check "the IOMMU's fault is in the kernel's log" test "$(faults)" = 1
check "with its address" bash -c 'dmesg | grep -q "DMA Write.*fault addr 0x12345000"'
fault_mark
check "from a mark on, none" test "$(faults)" = 0

# ---- bind.sh ----

list=$("$bind")
check "bind.sh lists a device with its group and driver" \
	grep -q "^$EDU0  1234:11e8  group $(group_of "$EDU0") *driver vfio-pci *$" <<<"$list"
check "bind.sh says what else is in the group" grep -q "^$SHARED0 .* with $SHARED0_PEER$" <<<"$list"
check "the other function of the group is on a kernel's driver" is_driver "$SHARED0_PEER" virtio-pci
says_peer() { "$bind" vfio "$SHARED0" 2>&1 | grep "$SHARED0_PEER.* driver virtio-pci"; }
check "bind.sh vfio says which other function keeps the group from being used" says_peer
check "bind.sh vfio --group" "$bind" vfio --group "$SHARED0"
check "binds it too" is_driver "$SHARED0_PEER" vfio-pci
check "bind.sh restore" "$bind" restore "$SHARED0_PEER"
check "gives it back to its driver" is_driver "$SHARED0_PEER" virtio-pci
check "bind.sh takes an address without a domain" "$bind" vfio "${EDU0#0000:}"
check "bind.sh refuses an address that is not there" fails_with "no PCI function" "$bind" vfio 0000:1e:00.0

if [ "$VM_KERNEL" = small ]; then
	check "bind.sh restore, a NIC" "$bind" restore "$NIC0"
	check "it is on e1000e" is_driver "$NIC0" e1000e
	interface=$(ls "$devices/$NIC0/net")
	ip link set "$interface" up
	ip address add 10.77.0.2/24 dev "$interface"
	ip route add default via 10.77.0.1 dev "$interface"
	check "bind.sh refuses the NIC with the default route" fails_with "default route" "$bind" vfio "$NIC0"
	check "it stays on e1000e" is_driver "$NIC0" e1000e
	ip route del default
	check "bind.sh vfio, without that route" "$bind" vfio "$NIC0"

	check "bind.sh restore, a disk" "$bind" restore "$NVME0"
	for ((i = 0; i < 100; i++)); do [ ! -b /dev/nvme0n1 ] || break && sleep 0.1; done
	check "a file system is made on it" mkfs.ext2 -q /dev/nvme0n1 32M
	mkdir -p /tmp/disk
	check "and mounted" mount -t ext2 /dev/nvme0n1 /tmp/disk
	check "bind.sh refuses a mounted disk" fails_with "/tmp/disk lies on it" "$bind" vfio "$NVME0"
	umount /tmp/disk
	check "bind.sh vfio, when it is unmounted" "$bind" vfio "$NVME0"
	check "the disk is on vfio-pci" is_driver "$NVME0" vfio-pci
fi

# ---- the host ----

for device in "nic0 $NIC0" "nvme0 $NVME0" "edu1 $EDU1"; do
	read -r name address <<<"$device"
	check "$name is unplugged" vm-host unplug "$name"
	check "$name is gone" test ! -e "$devices/$address"
	check "$name is plugged" vm-host plug "$name"
	check "$name is back on vfio-pci" is_driver "$address" vfio-pci
done
for seconds in 0.05 0.1 0.15 0.2 0.3 0.4; do timeout -s KILL $seconds vm-host wait nothing 2 || true; done 2>/dev/null
check "requests are answered after others were killed: what cannot be unplugged is refused" \
	fails_with "only these can be unplugged" vm-host unplug edu0
vm-host signal question "how is vm0"
check "the companion answers" test "$(vm-host wait answer)" = "how is vm0: up 10.77.0.1/24"
check "nobody says what was not asked" fails_with "waited in vain" vm-host wait silence 1
finish
