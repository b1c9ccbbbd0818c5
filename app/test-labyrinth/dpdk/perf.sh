# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# DPDK's mempool_perf_autotest, which takes hours; by haste.c a tenth of that. By hand, on an idle machine:
# devtools/suites/dpdk perf. Sourced after ground.sh.
# shellcheck shell=bash disable=SC2154 # ground.sh and its like define them

perf_table=$log_dir/dpdk-mempool-perf.txt

# Millions of objects a second, the mean over what is kept and whether the number is a constant.
perf_report() {
	awk '
		/^start performance test/ { section = $0; sub(/^start performance test */, "", section) }
		/^mempool_autotest/ {
			for (i = 2; i <= NF; i++) { split($i, pair, "="); value[pair[1]] = pair[2] }
			key = section "|" value["cores"] "|" value["n_get_bulk"] "|" value["n_put_bulk"]
			if (!(key in sum)) order[++keys] = key
			sum[key] += value["rate_persec"] * 10
			count[key]++
		}
		END {
			printf "%-36s %5s %5s %5s %12s\n", "pool", "cores", "get", "put", "Mobject/s"
			for (i = 1; i <= keys; i++) {
				split(order[i], part, "|")
				printf "%-36s %5s %5s %5s %12.1f\n", part[1], part[2], part[3], part[4],
					sum[order[i]] / count[order[i]] / 1e6
			}
		}' "$1"
}

perf_run() {
	local title=mempool_perf_autotest log=$log_dir/dpdk-mempool-perf.log status=0
	skipped "$title" dpdk-test hugepages && return
	gcc -shared -fPIC -O2 -D_GNU_SOURCE -o "$work/haste.so" "$dpdk_dir/haste.c" -ldl
	DPDK_TEST=$title attended env LD_PRELOAD="$work/haste.so" timeout -k 5 "${PERF_SECONDS:-1500}" stdbuf -oL \
		dpdk-test --in-memory --no-pci --no-telemetry --lcores "$lcores_ab" -m 256 \
		--file-prefix="lab-$$-perf" "${plug[@]}" </dev/null >"$log" 2>&1 || status=$?
	expect "$title" "$log" test $status -eq 0
	perf_report "$log" >"$perf_table"
	sed 's/^/# /' "$perf_table"
}
