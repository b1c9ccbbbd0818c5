#!/usr/bin/env bash
# an NVMe disk is pulled out while 64 commands are in flight, put back, and works
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# vm: device=nvme backend=iommufd,type1 timeout=180
set -euo pipefail
# shellcheck source=app/test-labyrinth/vm/tap.sh
. "$(dirname "$0")/tap.sh"

copy=$BUILD/examples/nvme-copy/nvme-copy
traffic=$BUILD/app/test-labyrinth/nvme/nvme-traffic
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
head -c 3000000 /dev/urandom >"$work/file"

for round in run run sleep; do
	log=$work/traffic
	: >"$log"
	"$traffic" "$round" "$NVME0" >"$log" &
	pid=$!
	for ((i = 0; i < 400; i++)); do
		grep -q running "$log" && break
		sleep 0.05
	done
	check "$round: the program is at work" grep -q running "$log"
	check "$round: the disk is pulled out" vm-host unplug nvme0
	status=0
	wait "$pid" || status=$?
	cat "$log" # TAP of its own
	check "$round: the program ends with status 0" test "$status" = 0
	check "$round: there is no disk any more" test ! -e "/sys/bus/pci/devices/$NVME0"
	check "$round: a disk is put in again" vm-host plug nvme0
	check "$round: and works" "$copy" "$work/file" "$NVME0" --overwrite
done
finish
