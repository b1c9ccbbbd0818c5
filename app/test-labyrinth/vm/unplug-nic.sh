#!/usr/bin/env bash
# the NIC is pulled out in traffic, put back, and works
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# vm: device=e1000e net=tap host=app/test-labyrinth/vm/e1000e-host.sh
# vm: backend=iommufd,type1 timeout=240
set -euo pipefail
# shellcheck source=app/test-labyrinth/vm/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=app/test-labyrinth/vm/e1000e-lib.sh
. "$(dirname "$0")/e1000e-lib.sh"

# ended: the echo does so by itself, within 20 s, with status 0: all frames are there.
ended() {
	local i
	for ((i = 0; i < 200; i++)); do
		kill -0 "$echo_pid" 2>/dev/null || break
		sleep 0.1
	done
	[ "$i" -lt 200 ] || { kill -KILL "$echo_pid"; return 1; }
	wait "$echo_pid"
}

for round in 1 2 3; do
	check "round $round: echo starts" start_echo
	ask_host "$udp_client $ip_echo 7 1000000 64 18"
	sleep 0.4
	check "round $round: the NIC is pulled out in traffic" vm-host unplug nic0
	check "round $round: echo ends by itself with status 0" ended
	check "round $round: it says why" grep -q 'the kernel asks for the device\|the device is gone' "$echo_log"
	check "round $round: no frame is lost" conserved
	check "round $round: it was in traffic" test "$(value udp)" -gt 100
	note "$(cat "$echo_log")"
	note "$(answer_of_host || true)"
	check "round $round: there is no NIC any more" test ! -e "/sys/bus/pci/devices/$NIC0"
	check "round $round: a NIC is put in again" vm-host plug nic0
done
check "and works: echo starts" start_echo
check "100000 UDP packets come back unchanged" on_host "$traffic"
check "it ends with status 0" stop_echo
check "no frame is lost" conserved
# Idle, it sleeps: the request wakes it.
check "an idle echo" start_echo
check "the NIC is pulled out" vm-host unplug nic0
check "echo ends by itself with status 0" ended
check "no frame is lost" conserved
finish
