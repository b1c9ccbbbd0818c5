# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# dpdk-testpmd forwards with the plug-in's ops: every packet that goes in comes out, and it leaves with
# status 0. Sourced after testpmd.sh and wire.sh.
# shellcheck shell=bash disable=SC2154 # ground.sh and its like define them

mbufs=(--total-num-mbufs=16384)
null_ports=(--vdev=net_null0 --vdev=net_null1)

# All that was received was sent, and that is at least so many packets.
all_forwarded() {
	local name=$1 least=$2 received sent
	received=$(pmd_total "$name" RX)
	sent=$(pmd_total "$name" TX)
	say "# $name: $received packets received, $sent sent"
	[ "$received" -ge "$least" ] && [ "$sent" -eq "$received" ]
}

# null TITLE EAL-OPTION... -- OPTION...: two ports that give packets and drop them.
null() {
	local title=$1 log=$log_dir/dpdk-null.log status=0
	shift
	skipped "$title" net_null && return
	if ! pmd_start null - "${plug[@]}" "${null_ports[@]}" -m 128 --no-telemetry "$@" "${mbufs[@]}"; then
		not_ok "$title" "$log"
	else
		pmd_say null start
		sleep 0.5
		expect "$title" "$log" pmd_stop null
		expect "$title: what came in went out" "$log" all_forwarded null 1000
	fi
	pmd_end null || status=$?
	expect "$title: it ends with status 0" "$log" test "$status" -eq 0
	# Each run of it has a log.
	mv "$log" "$log_dir/dpdk-${title//[^a-z0-9_]/-}.log"
}

# through DRIVER: it is the wire between two kernels.
through() {
	local driver=$1 title="testpmd on $1" log=$log_dir/dpdk-$1.log status=0 packets=20000

	skipped "$title" netns "$driver" && return
	[ "$driver" != net_af_xdp ] || ! skipped "$title" xsk || return 0
	if ! wire_up; then
		skip "$title" "no veth pair can be made here"
		wire_down
		return
	fi
	if ! pmd_start "$driver" "$ns_middle" "${plug[@]}" --vdev="${driver}0,iface=west" \
		--vdev="${driver}1,iface=east" --lcores "$lcores_ab" -m 128 --no-telemetry -- \
		--no-flush-rx "${mbufs[@]}"; then
		not_ok "$title" "$log"
	else
		# A packet that came earlier, such as the first ARP request, would be thrown away.
		pmd_say "$driver" start
		pmd_wait "$driver" 'nb forwarding cores=' 10 || true
		if wire_udp "$packets" 32 >"$work/udp" 2>&1; then
			ok "$title: $packets UDP packets go through it and come back unchanged"
		else
			not_ok "$title: $packets UDP packets go through it and come back unchanged" "$work/udp"
		fi
		expect "$title: it stops" "$log" pmd_stop "$driver"
		expect "$title: what came in went out" "$log" all_forwarded "$driver" $((2 * packets))
	fi
	pmd_end "$driver" || status=$?
	expect "$title: it ends with status 0" "$log" test "$status" -eq 0
	wire_down
}

# vhost_start OPTION...: two processes, server and client, that hand packets to each other.
vhost_start() {
	local socket=$work/vhost.$cases files=--single-file-segments
	pmd_start server - "$@" --vdev="net_vhost0,iface=$socket" --lcores "$lcores_ba" -m 128 $files \
		--no-telemetry -- "${mbufs[@]}" && pmd_say server start || return 1
	pmd_start client - "$@" --vdev="net_virtio_user0,path=$socket" --lcores "$lcores_ab" -m 128 $files \
		--no-telemetry -- "${mbufs[@]}" || return 1
	pmd_wait server 'virtio is now ready' 10
}

vhost() {
	local title="testpmd on vhost-user and virtio-user" name status

	skipped "$title" net_vhost net_virtio && return
	if ! vhost_start "${plug[@]}"; then
		not_ok "$title: they find each other" "$(pmd_log server)"
	else
		ok "$title: they find each other"
		pmd_say client "start tx_first 4"
		sleep 0.7
		for name in client server; do
			expect "$title: the $name stops" "$(pmd_log "$name")" pmd_stop "$name"
		done
		# The packets that circulate started at the client.
		expect "$title: what the server got it returned" "$(pmd_log server)" all_forwarded server 1000
		expect "$title: the client got them again" "$(pmd_log client)" \
			test "$(pmd_total client RX)" -ge 1000
	fi
	for name in client server; do
		[ "${pmd_pid[$name]-}" ] || continue
		status=0
		pmd_end "$name" || status=$?
		expect "$title: the $name ends with status 0" "$(pmd_log "$name")" test "$status" -eq 0
	done
}

forward_run() {
	null "testpmd on net_null" --lcores "$lcores_ab" --
	null "testpmd on net_null, without a mempool cache" --lcores "$lcores_ab" -- --mbcache=0
	null "testpmd on net_null, IOVA as VA" --iova-mode=va --lcores "$lcores_ab" --
	# Others may lock too little memory for that.
	skipped "testpmd on net_null, anonymous memory" root ||
		null "testpmd on net_null, anonymous memory" --lcores "$lcores_ab" -- --mp-alloc=anon
	null "testpmd on net_null, four lcores on two CPUs" --lcores "(0-4)@($cpu_a,$cpu_b)" -- \
		--nb-cores=4 --rxq=2 --txq=2
	through net_af_packet
	through net_af_xdp
	vhost
}
