#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# Hands PCI functions to user-space drivers (vfio-pci) and back to the kernel's. Lists them if it is told nothing.
#
#   devtools/bind.sh                              every function: IOMMU group, driver, the rest of its group
#   devtools/bind.sh vfio [--group] ADDRESS...    to vfio-pci; with --group also the rest of their groups
#   devtools/bind.sh restore ADDRESS...           to the kernel's driver, if it has one
#
# ADDRESS is 0000:00:05.0 or 00:05.0. Functions of one group can only be used together: what else of the group
# must leave its driver is said. Refused: what a mounted file system or swap lies on, and what carries a default route.
set -euo pipefail
# shellcheck source=devtools/lib.sh
. "$(dirname "$0")/lib.sh"

devices=/sys/bus/pci/devices

# What a link points to, or nothing; the last part of it.
link_name() {
	local target
	[ -e "$1" ] || return 0
	target=$(cd -P "$1" && pwd)
	echo "${target##*/}"
}
driver_of() { link_name "$devices/$1/driver"; }
group_of() { link_name "$devices/$1/iommu_group"; }
is_bridge() {
	local class
	read -r class <"$devices/$1/class"
	[[ $class == 0x06* ]]
}

# The other functions of its group that are no bridges (those may keep their driver).
rest_of() {
	local path
	for path in "$devices/$1/iommu_group/devices"/*; do
		[ -e "$path" ] && [ "${path##*/}" != "$1" ] && ! is_bridge "${path##*/}" || continue
		echo "${path##*/}"
	done
}

# in_use_by ADDRESS: what would break if its driver lost it, or nothing.
in_use_by() {
	local path name mount
	for path in "$devices/$1"/net/* "$devices/$1"/virtio*/net/*; do
		name=${path##*/}
		[ -e "$path" ] || continue
		if have ip && { ip -4 route show default; ip -6 route show default; } 2>/dev/null | grep -qw "dev $name"; then
			echo "the default route goes through it ($name)"
			return
		fi
	done
	# Partitions and what is stacked on them (mapper, raid) are found through the disks' holders.
	while read -r name mount; do
		name=$(readlink -f "/sys/dev/block/$name" 2>/dev/null) || continue
		! lies_on "$name" "$(readlink -f "$devices/$1")" || {
			echo "$mount lies on it"
			return
		}
	done < <(awk '$3 !~ /^0:/ { print $3, $5 }' /proc/self/mountinfo
		awk 'NR > 1 { print $1 }' /proc/swaps 2>/dev/null | while read -r name; do
			[ ! -b "$name" ] || printf '%d:%d swap\n' "0x$(stat -L -c %t "$name")" "0x$(stat -L -c %T "$name")"
		done)
}

# lies_on DISK DEVICE: whether DISK, or what it is stacked on, belongs to DEVICE.
lies_on() {
	local slave
	[[ $1/ != "$2"/* ]] || return 0
	# What an NVMe controller calls its multipath head is no child of the device; its paths are.
	for slave in "$1"/slaves/* "$1"/../slaves/*; do
		[ ! -e "$slave" ] || ! lies_on "$(readlink -f "$slave")" "$2" || return 0
	done
	return 1
}

list() {
	local path address group driver rest vendor device
	for path in "$devices"/*; do
		[ -e "$path" ] || die "This machine has no PCI functions."
		address=${path##*/}
		group=$(group_of "$address")
		driver=$(driver_of "$address")
		rest=$(rest_of "$address")
		read -r vendor <"$path/vendor"
		read -r device <"$path/device"
		printf '%s  %s:%s  group %-4s driver %-12s%s\n' "$address" "${vendor#0x}" "${device#0x}" \
			"${group:--}" "${driver:--}" "${rest:+ with ${rest//$'\n'/ }}"
	done
}

# give ADDRESS DRIVER: DRIVER is vfio-pci, or nothing for the kernel's choice.
give() {
	local path=$devices/$1 use
	if [ "$(driver_of "$1")" = vfio-pci ]; then
		[ "$2" != vfio-pci ] || return 0
	elif [ -z "$2" ] && [ -n "$(driver_of "$1")" ]; then
		return 0
	fi
	use=$(in_use_by "$1")
	[ -z "$use" ] || die "$1 stays with its driver $(driver_of "$1"): $use."
	# An empty line takes an override away.
	echo "$2" >"$path/driver_override"
	# The kernel waits in this until a program that uses the device lets go of it.
	[ ! -e "$path/driver" ] || echo "$1" >"$path/driver/unbind"
	echo "$1" >/sys/bus/pci/drivers_probe
	[ -z "$2" ] || [ "$(driver_of "$1")" = "$2" ] ||
		die "$1 did not go to $2: the kernel's log (dmesg) says why. Without an IOMMU, vfio-pci takes no device."
}

case ${1-list} in
list) list && exit ;;
vfio) driver=vfio-pci ;;
restore) driver= ;;
-h | --help)
	sed -n '5,12s/^# \{0,1\}//p' "$0"
	exit
	;;
*) die "There is no '$1': list, vfio ADDRESS... or restore ADDRESS..." ;;
esac
shift

whole_groups=no
addresses=()
for argument in "$@"; do
	case $argument in
	--group) whole_groups=yes ;;
	*)
		[[ $argument == *:*:* ]] || argument=0000:$argument
		[ -e "$devices/$argument" ] || die "There is no PCI function $argument; devtools/bind.sh lists what there is."
		addresses+=("$argument")
		;;
	esac
done
[ ${#addresses[@]} -gt 0 ] || die "Which functions? devtools/bind.sh lists what there is."
is_root || die "Only root may change a function's driver: sudo devtools/bind.sh ..."

if [ -n "$driver" ]; then
	[ -d /sys/bus/pci/drivers/vfio-pci ] || modprobe vfio-pci 2>/dev/null ||
		die "The kernel has no driver vfio-pci (CONFIG_VFIO_PCI; modprobe vfio-pci)."
	if [ $whole_groups = yes ]; then
		for address in "${addresses[@]}"; do
			mapfile -t rest < <(rest_of "$address")
			addresses+=("${rest[@]}")
		done
	fi
fi
for address in "${addresses[@]}"; do
	give "$address" "$driver"
	now=$(driver_of "$address")
	say "$address: ${now:-no driver}"
done
[ -n "$driver" ] || exit 0
for address in "${addresses[@]}"; do
	for other in $(rest_of "$address"); do
		theirs=$(driver_of "$other")
		case $theirs in
		'' | vfio-pci) ;;
		*) warn "$address cannot be used yet: $other is in the same group $(group_of "$address") and on driver" \
			"$theirs. Bind it too (or both with --group)." ;;
		esac
	done
done
