#!/usr/bin/env bash
# a TCP/IP stack on Labyrinth's frames behind a bad wire: loss, duplicates, reordering and delay; nothing is spoiled
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# vm: kernel=small backend=none timeout=600 long-timeout=5400 memory=3072 hugepages=64
# shellcheck disable=SC2317 # check calls these
#
# The server, a bridge with netem at both ends, and a client with the kernel's own stack, each in a network namespace.
# Every frame that comes in at one end of the bridge goes to the other, so that what netem did can be counted.
set -euo pipefail
# shellcheck source=app/test-labyrinth/vm/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=app/test-labyrinth/vm/stack-lib.sh
. "$(dirname "$0")/stack-lib.sh"

address=10.77.1.2 address6=fd77:1::2
bad=(delay 20ms loss 1% duplicate 0.5% reorder 5% limit 100000)
transfers=20 size=$((2 << 20)) echoes=8 patience=240
[ -z "${LONG-}" ] || size=$((200 << 20)) echoes=100 patience=4500

if [ ! -x "$httpd_exe" ]; then
	skip all "built without lwip-httpd (libxdp, libbpf, liblwip)"
	finish
fi
for tool in curl socat ethtool tc; do
	command -v $tool >/dev/null || {
		skip all "$tool is not installed on the host (curl socat ethtool iproute2)"
		finish
	}
done
work=$(mktemp -d)
cd "$work"

# ---- the wire ----

# space NAME: a network namespace in which the kernel says nothing of itself.
space() {
	ip netns add "$1" &&
		ip netns exec "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
}
# end SPACE INTERFACE PORT: a veth pair from a namespace to the bridge, whose packets are as they would be on a wire.
end() {
	space "$1" &&
		ip link add "$2" netns "$1" type veth peer name "$3" netns wire &&
		ip netns exec "$1" ethtool -K "$2" tx off tso off gso off gro off &&
		ip netns exec wire ethtool -K "$3" tx off tso off gso off gro off &&
		ip -n "$1" link set lo up &&
		ip -n "$1" link set "$2" up &&
		ip -n wire link set "$3" master bridge0 up &&
		tc -n wire qdisc add dev "$3" root netem "${bad[@]}"
}
wire() {
	space wire &&
		ip -n wire link add bridge0 type bridge &&
		ip -n wire link set bridge0 up &&
		end server server0 to-server &&
		end client client0 to-client &&
		ip netns exec client sysctl -qw net.ipv6.conf.client0.disable_ipv6=0 &&
		ip -n client address add fd77:1::1/64 dev client0 nodad &&
		ip -n client address add 10.77.1.1/24 dev client0
}

# impaired PORT OTHER: netem at PORT, which gets what comes in at OTHER, has lost, doubled and reordered about as much as
# it was told to. It counts what it dropped, what it let pass early ("requeues") and what it sent; what it doubled, is
# what it sent and dropped beyond what came in.
impaired() {
	local said came sent dropped early waiting doubled share numbers
	numbers='s/.* \([0-9]*\) pkt (dropped \([0-9]*\), .* requeues \([0-9]*\)).*/\1 \2 \3/p; s/.* backlog [^ ]* \([0-9]*\)p .*/\1/p'
	for ((i = 0; i < 50; i++)); do
		sleep 0.1 # what is on its way; and somebody may just ask for a neighbour
		came=$(ip netns exec wire cat "/sys/class/net/$2/statistics/rx_packets")
		said=$(tc -n wire -s qdisc show dev "$1")
		read -rd '' sent dropped early waiting < <(sed -n "$numbers" <<<"$said") || true
		[ "$waiting" != 0 ] || [ "$came" != "$(ip netns exec wire cat "/sys/class/net/$2/statistics/rx_packets")" ] || break
	done
	doubled=$((sent + dropped - came))
	printf '%s\n' "$1: $came packets came, $dropped lost, $doubled doubled, $early passed others, $sent sent" "$said" | tee "$work/$1"
	[ "$waiting" = 0 ] || return 1
	# Half to double of what was asked for.
	for share in "$dropped 100" "$doubled 200" "$early 20"; do
		[ $((${share% *} * ${share#* })) -gt $((came / 2)) ] && [ $((${share% *} * ${share#* })) -lt $((came * 2)) ] || return 1
	done
}

# ---- the clients ----

# client VERB ARGUMENT...: in its namespace.
client() { PATIENCE=$patience ip netns exec client "$(dirname "$0")/stack-client.sh" "$@"; }
# transferred HOST: half of them, with their times in a file.
transferred() { client fetch $((transfers / 2)) "http://$1/file" "$sum" | tee "$work/times"; }

# ---- off it goes ----

check "a wire that delays by 20 ms, loses 1 %, doubles 0.5 % and reorders, both ways" wire
mkdir www
head -c $size /dev/urandom >www/file
sum=$(sha256sum <www/file | cut -d ' ' -f 1)

# served NAME PROGRAM: through it.
served() {
	local host
	check "lwip-httpd$1 starts on AF_XDP" start_httpd ip netns exec server "$2" af_xdp:server0 \
		--ip $address/24 --ip6 $address6 --root "$work/www" --adaptive
	for host in $address "[$address6]"; do
		check "$((transfers / 2)) transfers of $size bytes by curl from $host, all at once: each checksum agrees" transferred "$host"
		note "$(cat "$work/times")"
		check "$echoes echoes of up to 64 KiB by socat to $host, all at once: each byte comes back" client echo "$echoes" "$host" 7
	done
}

served "" "$httpd_exe"
for ends in "to-client to-server" "to-server to-client"; do
	check "netem did all of that to what went ${ends% *}" impaired "${ends% *}" "${ends#* }"
	note "$(cat "$work/${ends% *}")"
done
check "there were status lines, in which packets and frames moved" status_lines 5
check "it ends with status 0" stop_httpd
check "no frame is lost, held or lent" conserved
note "$(its_last_words)"

if [ -x "$httpd_source_exe" ]; then
	served ", with lwIP from its source," "$httpd_source_exe"
	check "it ends with status 0" stop_httpd
	check "no frame is lost, held or lent" conserved
	check "what was lost had been sent from where lwIP wrote it" in_place
	note "$(its_last_words)"
else
	skip "lwIP from its source" "there is no build-test/lwip (devtools/suites/vm makes it where the source can be had)"
fi
finish
