# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# How fast testpmd forwards with the plug-in's ops, beside two of DPDK's rings. One interleaved run: each
# round measures every row with each of the ops, beginning with another one each time. No rate is a
# reason to fail; forwarding nothing is. Sourced after forward.sh.
# shellcheck shell=bash disable=SC2154 # ground.sh and its like define them

rivals=("$ops" ring_mp_mc ring_mt_rts)
rates_table=$log_dir/dpdk-rates.txt
samples=$work/samples # lines: ROW|OPS|PACKETS-A-SECOND
rounds=1 window=0.4 pause=0.2
[ -z "${LONG-}" ] || { rounds=7 window=1.5 pause=0.5 rates_table=$log_dir/dpdk-rates-long.txt; }

# Each row: its title, what it needs, how it is run. testpmd's mempool caches hold 250, and who takes packets
# also frees them: with caches the ops are idle, without they are asked for each burst.
rows=(
	"net_null|net_null|null_rate $lcores_ab 1"
	"net_null, no caches|net_null|null_rate $lcores_ab 1 --mbcache=0"
	"af_xdp over veth|netns xsk net_af_xdp|xdp_rate"
	"vhost-user|net_vhost net_virtio|vhost_rate"
	"4 lcores on 2 CPUs|net_null cpus|null_rate (0-4)@($cpu_a,$cpu_b) 4 --rxq=2 --txq=2"
	"4 lcores on 2 CPUs, no caches|net_null cpus|null_rate (0-4)@($cpu_a,$cpu_b) 4 --rxq=2 --txq=2 --mbcache=0"
)

# Each of these says packets a second with ops $1. All load the plug-in, whichever ops they use.
rate_of() {
	local name=$1
	pmd_say "$name" "$2"
	sleep "$pause"
	pmd_pps "$name" "$window"
}

null_rate() {
	local rival=$1 lcores=$2 cores=$3
	shift 3
	pmd_start rate - "${plug[@]}" --mbuf-pool-ops-name="$rival" "${null_ports[@]}" --lcores "$lcores" \
		-m 128 --no-telemetry -- "${mbufs[@]}" --nb-cores="$cores" "$@" && rate_of rate start
}

# Both ends of one veth pair: what it sends at one it gets at the other.
xdp_rate() {
	pmd_start rate "$ns_middle" "${plug[@]}" --mbuf-pool-ops-name="$1" --vdev=net_af_xdp0,iface=loop0 \
		--vdev=net_af_xdp1,iface=loop1 --lcores "$lcores_ab" -m 128 --no-telemetry -- "${mbufs[@]}" &&
		rate_of rate "start tx_first 8"
}

vhost_rate() {
	vhost_start "${plug[@]}" --mbuf-pool-ops-name="$1" || return 1
	pmd_say client "start tx_first 4"
	sleep "$pause"
	pmd_pps server "$window"
}

# measure ROW OPS COMMAND ARGUMENT...: one sample; fails if nothing was forwarded.
measure() {
	local row=$1 rival=$2 command=$3 name pps status=0
	shift 3
	pmd_pid=()
	"$command" "$rival" "$@" >"$work/pps" || status=1
	for name in client server rate; do
		[ "${pmd_pid[$name]-}" ] || continue
		pmd_stop "$name" || status=1
		pmd_end "$name" || status=1
	done
	[ "$status" -eq 0 ] || return 1
	pps=$(cat "$work/pps")
	say "$row|$rival|$pps" >>"$samples"
	name=rate
	[ "$command" != vhost_rate ] || name=server
	[ "$(pmd_total $name RX)" -gt 0 ]
}

# rates_round ROUND: a sample of each row with each of the ops.
rates_round() {
	local round=$1 line row needs command i rival
	for line in "${rows[@]}"; do
		IFS='|' read -r row needs command <<<"$line"
		[ -z "$(lacking $needs)" ] || continue
		for ((i = 0; i < ${#rivals[@]}; i++)); do
			rival=${rivals[(i + round) % ${#rivals[@]}]}
			measure "$row" "$rival" $command || say "$row|$rival" >>"$work/idle"
		done
	done
}

# The table: medians in millions of packets a second, and the ratio to the default ring's.
rates_report() {
	sort -t'|' -k1,2 -k3,3n "$samples" | awk -F'|' -v order="$(printf '%s\n' "${rows[@]}")" \
		-v rivals="${rivals[*]}" '
		{ value[$1, $2, ++count[$1, $2]] = $3 }
		function median(row, rival, n) {
			n = count[row, rival] + 1
			return (value[row, rival, int(n / 2)] + value[row, rival, int((n + 1) / 2)]) / 2
		}
		END {
			printf "%-30s %-12s %10s %12s %3s\n", "", "ops", "Mpps", "/ring_mp_mc", "n"
			rows = split(order, line, "\n")
			for (i = 1; i <= rows; i++) {
				row = substr(line[i], 1, index(line[i], "|") - 1)
				for (j = 1; j <= split(rivals, rival, " "); j++) {
					if (!count[row, rival[j]])
						continue
					own = median(row, rival[j])
					base = count[row, "ring_mp_mc"] ? median(row, "ring_mp_mc") : 0
					printf "%-30s %-12s %10.4f %12s %3d\n", row, rival[j], own / 1e6,
						base ? sprintf("%.3g", own / base) : "-", count[row, rival[j]]
				}
			}
		}'
}

rates_run() {
	local round line row needs rival
	: >"$samples"
	: >"$work/idle"
	if [ -z "$(lacking netns xsk net_af_xdp)" ]; then
		pair_up "$ns_middle" || true
	fi
	for ((round = 0; round < rounds; round++)); do rates_round "$round"; done
	for line in "${rows[@]}"; do
		IFS='|' read -r row needs _ <<<"$line"
		# shellcheck disable=SC2086 # a list
		skipped "rates: $row" $needs && continue
		for rival in "${rivals[@]}"; do
			check "rates: $row: $rival forwards, in each of $rounds rounds" \
				test "$(grep -cxF "$row|$rival" "$work/idle")" -eq 0
		done
	done
	# Two processes or CPUs that hand packets to each other stand still while one is not running.
	{
		rates_report
		say "load average at the end: $(cut -d' ' -f1 /proc/loadavg); above ${#cpus[@]}, single rounds say little"
	} >"$rates_table"
	sed 's/^/# /' "$rates_table"
	[ "${#namespaces[@]}" -eq 0 ] || ns_del "$ns_middle"
}
