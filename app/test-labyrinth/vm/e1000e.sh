#!/usr/bin/env bash
# the e1000e driver and the echo on it: pings and 100000 packets from outside, filters, errors, kill -9
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# vm: device=e1000e,e1000e,edu net=tap host=app/test-labyrinth/vm/e1000e-host.sh
# vm: kernel=small,debian backend=iommufd,type1 timeout=300
set -euo pipefail
# shellcheck source=app/test-labyrinth/vm/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=app/test-labyrinth/vm/e1000e-lib.sh
. "$(dirname "$0")/e1000e-lib.sh"

# ---- the driver by itself, and a peer that does what its frames say ----

check "the wire takes packets that are too long" on_host "ip link set vm0 mtu 4000"
ask_host "$BUILD/app/test-labyrinth/net/frame-peer vm0 vm1"
# Both print TAP; a status of 1 is a failed case there, anything else must not be overlooked.
"$BUILD/app/test-labyrinth/net/e1000e-test" "$NIC0" "$NIC1" "$EDU0" || [ $? = 1 ] || not_ok "e1000e-test crashed"
"$BUILD/app/test-labyrinth/net/e1000e-quiet" "$NIC0" || [ $? = 1 ] || not_ok "e1000e-quiet crashed"
check "the peer saw its end" answer_of_host
check "the wire is as it was" on_host "ip link set vm0 mtu 1500"

# ---- echo: the whole traffic ----

interrupts() { awk '/vfio-msix/ { for (i = 2; i <= 3; i++) n += $i } END { print n + 0 }' /proc/interrupts; }

# pings COUNT INTERVAL SIZE: until so many have been answered. A late answer has ping send another one, so how
# many it sent is added to $pinged, and the echo must have answered as many.
pinged=$(mktemp)
pings() {
	local out status=0
	out=$(on_host "ping -q -c $1 -i $2 -w 60 -s $3 $ip_echo") || status=$?
	note "$3 bytes: $out"
	sed -n 's/.* \([0-9]*\) packets transmitted.*/\1/p' <<<"$out" >>"$pinged"
	return $status
}
all_pings() {
	local size
	for size in 0 18 56 500 1000 1472; do pings 200 0.002 "$size" || return 1; done
}
# idle_answers: with pauses, in which the echo sleeps: each ping ends one.
idle_answers() {
	local before after
	before=$(interrupts)
	pings 10 0.2 56 || return 1
	after=$(interrupts)
	echo "interrupts: $before, $after"
	[ $((after - before)) -ge 10 ]
}
# counted_pings: all that were sent, and no more.
counted_pings() { is icmp "$(awk '{ n += $1 } END { print n }' "$pinged")"; }

check "echo starts" start_echo
check "1200 pings of 0 to 1472 bytes are answered" all_pings
check "100000 UDP packets of 18 to 1472 bytes (64 to 1518 on the wire) come back unchanged" on_host "$traffic"
check "an idle echo is woken by interrupts" idle_answers
check "echo ends on SIGTERM with status 0" stop_echo
check "no frame is lost" conserved
check "echo got and answered each ping that was sent" counted_pings
check "echo got and answered each packet once" is udp 100000
check "it dropped none" is dropped 0
check "the device missed none" is missed 0
note "$(tail -1 "$echo_log")"

# ---- pools that the echo was not made for ----

check "echo starts with 64 ordinary frames, of which its rings could take 4096" \
	start_echo --ordinary-pages --frames 64
check "20000 UDP packets, 16 at a time, come back" on_host "$udp_client $ip_echo 7 20000 16 18"
note "256 at a time: $(on_host "$udp_client $ip_echo 7 5000 256" || true)"
check "a flood of more than it has frames for is over: it answers as before" answers
check "it ends with status 0" stop_echo
check "no frame is lost" conserved

# ---- kill -9 in traffic ----

hugepages() { cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages; }

# killed ROUND: traffic, SIGKILL in its midst, and at once the next one, which works.
killed() {
	local before after
	before=$(hugepages)
	start_echo || return 1
	ask_host "$udp_client $ip_echo 7 100000 64 18"
	sleep "0.$1"
	kill -KILL "$echo_pid"
	wait "$echo_pid" 2>/dev/null || true
	start_echo || return 1
	answer_of_host || true # it has lost what the dead one had
	answers || return 1
	stop_echo || return 1
	conserved || return 1
	after=$(hugepages)
	echo "hugepages free: $before, $after"
	[ "$before" = "$after" ]
}
for round in 2 35 5; do
	check "kill -9 in traffic: the next echo works at once, no hugepage and no frame is lost" killed "$round"
done

# ---- what it says ----

# says WORDS ARGUMENT...: echo does not start, and says WORDS.
says() {
	local words=$1
	shift
	! timeout 20 "$echo_exe" "$@" --ip $ip_echo >"$echo_log" 2>&1 && grep -qF -e "$words" "$echo_log" || {
		cat "$echo_log"
		return 1
	}
}
check "not a NIC" says "$EDU0 is 1234:11e8, not an 82574L (8086:10d3)" "e1000e:$EDU0"
check "no such function" says "0000:77:00.0" "e1000e:0000:77:00.0"
check "not an address" says "eth0" "e1000e:eth0"
check "no such driver" says "e1000e" "e100:$NIC0"
start_echo
check "in use already" says "$NIC0" "e1000e:$NIC0"
check "and the first echo goes on" answers
check "it ends with status 0" stop_echo
finish
