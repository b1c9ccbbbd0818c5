#!/usr/bin/env bash
# every limit of the mapping layer met once: the refusal says what is needed, and that then works
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# vm: device=edu:dma_mask=0xffffffffffffffff,edu:dma_mask=0xffffffffffffffff,edu-shared:dma_mask=0xffffffffffffffff
# vm: kernel=small,debian timeout=120
set -euo pipefail
# shellcheck source=app/test-labyrinth/vm/tap.sh
. "$(dirname "$0")/tap.sh"
# A user to whom nothing is allowed has to reach the programs, also where the tree lies in root's home.
mkdir -p /tmp/build
mount --bind "$BUILD" /tmp/build
try=/tmp/build/app/test-labyrinth/vm/try-device
bind=$VM_TOP/devtools/bind.sh
backend=$LABYRINTH_IOMMU
out=/tmp/limits.out

group_node() { echo "/dev/vfio/$(basename "$(readlink "/sys/bus/pci/devices/$1/iommu_group")")"; }
cdev_node() { echo "/dev/vfio/devices/$(basename "/sys/bus/pci/devices/$1/vfio-dev"/vfio*)"; }

# refused NAME STEP ERRNO PATTERN COMMAND...: the command is refused in this step, with this error, and its
# sentence matches.
refused() {
	local name=$1 step=$2 error=$3 pattern=$4 status=0
	shift 4
	"$@" >$out 2>&1 || status=$?
	if [ $status = 1 ] && grep -q "$step: $error: " $out && grep -qE -- "$pattern" $out; then
		ok "$name"
		note "$(cat $out)"
	else
		not_ok "$name"
		note "status $status; wanted $step: $error: ... $pattern; got: $(cat $out)"
	fi
}

# As a user whom nothing is allowed, with $1 KiB of RLIMIT_MEMLOCK.
as_nobody() {
	local kib=$1
	shift
	${run-} prlimit --memlock=$((kib * 1024)) setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all "$@"
}

# is_found_by_fuser PID
is_found_by_fuser() {
	eval "$(grep -o 'fuser -v [^)]*' $out | sed 's/ shows who//')" 2>&1 | grep -w "$1"
}

check "without limits: a copy" "$try" --copy "$EDU0"

# ---- no such thing ----

refused "no such device" open ENODEV "no PCI function 0000:00:1e.7" "$try" 0000:00:1e.7
refused "not an address" open EINVAL "\"eth0\" is not a PCI address" "$try" eth0
refused "no such backend" domain EINVAL "\"cuda\".*iommufd, type1 and noiommu" "$try" --backend cuda "$EDU0"

# ---- permission ----

if [ "$backend" = iommufd ]; then
	node=$(cdev_node "$EDU0")
	refused "no permission on the IOMMU's node" domain EACCES "/dev/iommu" as_nobody 65536 "$try" "$EDU0"
	chmod a+rw /dev/iommu
else
	node=$(group_node "$EDU0")
	chmod a+rw /dev/vfio/vfio
fi
refused "no permission on the device's node" open EACCES "$node.*$EDU0" as_nobody 65536 "$try" "$EDU0"
chown 65534 "$node"
check "with permission: a copy" as_nobody 65536 "$try" --copy "$EDU0"

# ---- RLIMIT_MEMLOCK ----

refused "RLIMIT_MEMLOCK" map ENOMEM "RLIMIT_MEMLOCK is 1024 KiB and [0-9]+ KiB are needed" \
	as_nobody 1024 "$try" --frames 1024 "$EDU0"
need=$(sed -nE 's/.* ([0-9]+) KiB are needed.*/\1/p' $out)
check "with the ${need:-0} KiB that the sentence names, it works" as_nobody "${need:-0}" "$try" --frames 1024 --copy "$EDU0"
check "root needs no limit" prlimit --memlock=1048576 "$try" --frames 1024 "$EDU0"

# holding COMMAND...: starts it in the background and waits until it has what it holds. Sets $holder, its own pid.
holding() {
	run="exec" "$@" >/tmp/holder 2>&1 &
	holder=$!
	for _ in $(seq 100); do
		grep -q holding /tmp/holder && return
		sleep 0.1
	done
}

# iommufd counts by user, so what the same user's other processes have pinned is in the number; type1 does not.
if [ "$backend" = iommufd ]; then
	chown 65534 "$(cdev_node "$EDU1")"
	holding as_nobody 65536 "$try" --frames 1024 --hold "$EDU1"
	refused "RLIMIT_MEMLOCK, with another process of the user" map ENOMEM \
		"RLIMIT_MEMLOCK is 6000 KiB and 8192 KiB are needed, with what the user's other processes have pinned" \
		as_nobody 6000 "$try" --frames 1024 "$EDU0"
	check "with the 8192 KiB that the sentence names, it works" as_nobody 8192 "$try" --frames 1024 --copy "$EDU0"
	kill -KILL $holder
	wait $holder || true
fi

# ---- addresses ----

refused "addresses too narrow for the pool" map ENOSPC "4096 KiB .*0x3fffff: 23 address_bits would do" \
	"$try" --bits 22 --frames 1024 "$EDU0"
check "with 23 it works" "$try" --bits 23 --frames 1024 --copy "$EDU0"
refused "addresses too narrow for anything" open EINVAL "no IOVA of 16 bits .* the fewest address_bits that work are 17" \
	"$try" --bits 16 "$EDU0"

# ---- entries ----

limit=/sys/module/vfio_iommu_type1/parameters/dma_entry_limit
normal=$(cat $limit)
echo 16 >$limit
if [ "$backend" = type1 ]; then
	refused "dma_entry_limit" lend ENOSPC \
		"16 of 64 lent.*has 16 mappings, needs 48 more, and the kernel allows 16.*write 64 or more to $limit" \
		"$try" --strict --lend 64 "$EDU0"
	check "as many as it allows" "$try" --strict --lend 16 "$EDU0"
	check "a pool is one entry, whatever its size" "$try" --frames 8192 --lend 64 "$EDU0"
else
	check "iommufd sets no limit of entries" "$try" --strict --lend 64 "$EDU0"
fi
echo 64 >$limit
check "with the 64 that the sentence names, it works" "$try" --strict --lend 64 "$EDU0"
echo "$normal" >$limit

# ---- who else has it ----

holding "$try" --hold "$EDU0"
refused "a device that is in use" open EBUSY "$EDU0.*in use.*fuser -v.* /dev/vfio/devices/\*" "$try" "$EDU0"
command -v fuser >/dev/null &&
	check "fuser, as the sentence has it, finds who has it" is_found_by_fuser $holder
check "another device works beside it" "$try" --copy "$EDU1"
kill -KILL $holder
wait $holder || true
check "its user gone: it works" "$try" --copy "$EDU0"

# ---- groups and drivers ----

refused "a group that is not viable" open EPERM "$SHARED0.*$SHARED0_PEER.*virtio-pci" "$try" "$SHARED0"
check "what the sentence says: bind the other one as well" "$bind" vfio "$SHARED0_PEER"
check "then it works" "$try" --copy "$SHARED0"

echo "$EDU1" >/sys/bus/pci/drivers/vfio-pci/unbind
refused "a device that has no driver" open ENODEV "$EDU1 is on no driver.*bind.sh vfio $EDU1" "$try" "$EDU1"
check "what the sentence says: bind it" "$bind" vfio "$EDU1"
check "then it works" "$try" --copy "$EDU1"

if [ "$VM_KERNEL" = debian ]; then
	for device in "$EDU0" "$EDU1" "$SHARED0" "$SHARED0_PEER"; do
		echo "$device" >/sys/bus/pci/drivers/vfio-pci/unbind
	done
	busybox rmmod vfio_pci
	refused "vfio-pci is not loaded" open ENODEV "vfio-pci is not loaded: modprobe vfio-pci" "$try" "$EDU0"
fi
finish
