#!/usr/bin/env bash
# the NVMe driver: transfers of all sizes, 256 MiB at depth 32, errors, kill -9
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# vm: device=nvme,nvme:mdts=0 kernel=small,debian backend=iommufd,type1 timeout=240 hugepages=200
set -euo pipefail
# shellcheck source=app/test-labyrinth/vm/tap.sh
. "$(dirname "$0")/tap.sh"

copy=$BUILD/examples/nvme-copy/nvme-copy
programs=$BUILD/app/test-labyrinth/nvme
work=$(mktemp -d)
pages=/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages
trap 'rm -rf "$work"' EXIT

# ---- the driver by itself: QEMU's default limit of 512 KiB a command, and a disk without limit ----

"$programs/nvme-test" "$NVME0" labyrinth0 524288
"$programs/nvme-test" "$NVME1" labyrinth1 0
"$programs/nvme-queues" "$NVME0"
"$programs/nvme-volume" "$NVME0" 256

# ---- the example ----

head -c 20000001 /dev/urandom >"$work/file"
: >"$work/empty"
check "nvme-copy: a file that ends inside a block" "$copy" "$work/file" "$NVME0" --overwrite
check "nvme-copy: beyond one PRP list" "$copy" "$work/file" "$NVME1" --overwrite --transfer 4194304 --depth 4
check "nvme-copy: a transfer larger than the disk allows is split" \
	"$copy" "$work/file" "$NVME0" --overwrite --transfer 4194304 --depth 4 --lba 12345
check "nvme-copy: --strict" "$copy" "$work/file" "$NVME1" --overwrite --strict --depth 8
check "nvme-copy: an empty file" "$copy" "$work/empty" "$NVME0" --overwrite

# refuses WORDS COMMAND...: ends with another status than 0 and says WORDS.
refuses() {
	local words=$1 log=$work/log
	shift
	! "$@" >"$log" 2>&1 && grep -qF -e "$words" "$log" || { cat "$log"; return 1; }
}
check "nvme-copy: asks for --overwrite" refuses "say --overwrite" "$copy" "$work/file" "$NVME0"
check "nvme-copy: a file that does not fit" \
	refuses "larger than the disk" "$copy" "$work/file" "$NVME0" --overwrite --lba 1048570
check "nvme-copy: no such disk" refuses "0000:77:00.0" "$copy" "$work/file" 0000:77:00.0 --overwrite

# ---- kill -9 with 64 commands in flight ----

# killed N: traffic, killed; then the memory stays as it is, the disk works, and no hugepage is lost.
killed() {
	local before after pid i status=0 log=$work/traffic
	before=$(cat $pages)
	: >"$log"
	"$programs/nvme-traffic" run "$NVME0" >"$log" &
	pid=$!
	for ((i = 0; i < 400; i++)); do
		grep -q running "$log" && break
		sleep 0.05
	done
	grep -q running "$log" || { cat "$log"; return 1; }
	sleep "0.0$1"
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || status=$?
	[ "$status" = 137 ] || { echo "the program ended by itself, with $status"; return 1; }
	"$programs/nvme-traffic" watch 0.3 || return 1
	"$copy" "$work/file" "$NVME0" --overwrite || return 1
	after=$(cat $pages)
	[ "$before" = "$after" ] || { echo "$before hugepages were free, $after are"; return 1; }
}
truncate -s 3000000 "$work/file"
for ((round = 0; round < 10; round++)); do
	check "kill -9 in traffic: nobody's memory is touched, the disk works, no hugepage is lost" killed "$round"
done
finish
