# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# Veth pairs in network namespaces of their own: a wire that testpmd forms between two kernels, and a
# pair whose two ends testpmd has both. Sourced after ground.sh; knows no testpmd. Needs root.
# shellcheck shell=bash disable=SC2154 # ground.sh and its like define them

wire_west_ip=10.78.0.1 wire_east_ip=10.78.0.2
ns_middle=lab-dpdk-$$ ns_west=lab-dpdk-$$-west ns_east=lab-dpdk-$$-east

# ns_add NAME: a namespace without IPv6, whose kernel would send packets of its own.
ns_add() {
	ip netns add "$1" || return 1
	namespaces+=("$1")
	ip netns exec "$1" sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 \
		net.ipv6.conf.default.disable_ipv6=1 2>/dev/null || true
}

# pair_up NAMESPACE: both ends, loop0 and loop1, in one namespace.
pair_up() {
	ns_add "$1" || return 1
	ip -n "$1" link add loop0 type veth peer name loop1 &&
		ip -n "$1" link set loop0 up && ip -n "$1" link set loop1 up
}

# ns_del NAMESPACE...: they go, and their devices with them.
ns_del() {
	local name i
	for name in "$@"; do
		ip netns del "$name" || true
		for i in "${!namespaces[@]}"; do
			[ "${namespaces[i]}" != "$name" ] || unset "namespaces[i]"
		done
	done
	namespaces=("${namespaces[@]}")
}

# end_up NAMESPACE ADDRESS DEVICE: a kernel at the end of a device of $ns_middle.
end_up() {
	ns_add "$1" || return 1
	ip link add "$3" netns "$ns_middle" type veth peer name veth0 netns "$1" &&
		ip -n "$1" addr add "$2/24" dev veth0 && ip -n "$1" link set veth0 up &&
		ip -n "$1" link set lo up && ip -n "$ns_middle" link set "$3" up || return 1
	# It would leave checksums to hardware that a veth pair does not have.
	ip netns exec "$1" ethtool -K veth0 tx off >/dev/null 2>&1 || true
}

# wire_up: two kernels, west and east, between which nothing forwards yet: $ns_middle has one end of each.
wire_up() {
	ns_add "$ns_middle" && end_up "$ns_west" "$wire_west_ip" west &&
		end_up "$ns_east" "$wire_east_ip" east
}

wire_down() { ns_del "$ns_west" "$ns_east" "$ns_middle"; }

# in_background FILE COMMAND...: runs until stopped, and writes to FILE; its id is ${children[-1]}.
in_background() {
	local file=$1
	shift
	timeout -k 5 60 "$@" >"$file" 2>&1 &
	children+=($!)
}

# wire_udp PACKETS WINDOW: the west sends them, the east's echo returns them, and the west compares each
# byte by byte. Through the wire each goes twice.
#
# Under load net_af_xdp leaves a burst in the kernel's ring until it sends the next one, with any mempool
# ops; without pings beside them a window's last packets may wait for ever.
wire_udp() {
	local status=0 i
	# What the last one said would be taken for this one.
	rm -f "$work/echo"
	in_background "$work/echo" ip netns exec "$ns_east" python3 "$dpdk_dir/udp-ends.py" echo 7
	for ((i = 0; i < 100; i++)); do
		[ ! -s "$work/echo" ] || break
		sleep 0.05
	done
	in_background "$work/ping" ip netns exec "$ns_west" ping -q -i 0.02 "$wire_east_ip"
	attended ip netns exec "$ns_west" timeout -k 5 50 \
		python3 "$dpdk_dir/udp-ends.py" send "$wire_east_ip" 7 "$1" "$2" || status=$?
	for i in ping echo; do
		stop "${children[-1]}" || true
		unset 'children[-1]'
	done
	return "$status"
}
