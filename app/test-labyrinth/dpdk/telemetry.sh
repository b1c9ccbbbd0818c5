# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# The plug-in's own commands on DPDK's telemetry socket, asked with the packaged dpdk-telemetry.py while
# testpmd runs. Sourced after forward.sh.
# shellcheck shell=bash disable=SC2154 # ground.sh and its like define them

# telemetry COMMAND: the answer's line of JSON.
telemetry() {
	timeout -k 5 10 dpdk-telemetry.py -f "lab-$$-telemetry" <<<"$1" 2>&1 | grep -F "\"${1%%,*}\"" | grep -v '"pid"'
}

telemetry_run() {
	local title="telemetry: /labyrinth/list" log answer part status=0

	log=$(pmd_log telemetry)
	skipped "$title" net_null dpdk-telemetry.py && return
	if ! pmd_start telemetry - "${plug[@]}" "${null_ports[@]}" --lcores "$lcores_ab" -m 128 \
		-- "${mbufs[@]}"; then
		not_ok "$title" "$log"
	else
		pmd_say telemetry start
		expect "telemetry: testpmd answers" "$log" test "$(telemetry /ethdev/list)"
		if telemetry / | grep -qF '"/labyrinth/list"'; then
			answer=$(telemetry /labyrinth/list)
			say "# $answer"
			expect "$title names a pool" "$log" grep -q mb_pool_0 <<<"$answer"
			for part in pool,mb_pool_0:allocs lcores,mb_pool_0:refilled owners,mb_pool_0:held reclaim,mb_pool_0:null; do
				expect "telemetry: /labyrinth/${part%:*}" "$log" grep -qE "\"?${part#*:}\"?" \
					<<<"$(timeout -k 5 10 dpdk-telemetry.py -f "lab-$$-telemetry" <<<"/labyrinth/${part%:*}" 2>&1 |
						sed 's|/labyrinth/||g')"
			done
			# Nothing is sampled here, and the pool is shared with nobody.
			expect "telemetry: /labyrinth/leaks has an answer" "$log" grep -qF ": {}}" <<<"$(telemetry /labyrinth/leaks,mb_pool_0)"
		else
			skip "$title" "mempool ops $ops offer no telemetry"
		fi
		pmd_stop telemetry || true
	fi
	pmd_end telemetry || status=$?
	expect "telemetry: testpmd ends with status 0" "$log" test "$status" -eq 0
}
