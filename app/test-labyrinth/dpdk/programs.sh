# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# Programs of our own on lab_rte.h and on the ops, which print TAP; and two that forward on mbufs that are
# frames. Sourced after forward.sh.
# shellcheck shell=bash disable=SC2154 # ground.sh and its like define them

own=$test_dir/gcc/app/test-labyrinth/dpdk

# program TITLE PROGRAM ARGUMENT...: its cases become the suite's.
program() {
	local title=$1 name=$2 log=$log_dir/dpdk-${1//[^a-z0-9_]/-}.log status=0 line
	shift 2
	attended timeout -k 5 120 "$own/$name" --no-pci "$@" >"$log" 2>&1 || status=$?
	while IFS= read -r line; do
		case $line in
		"ok "*"# SKIP"*) skip "$title: $(sed 's/^ok [0-9]* *-* *//; s/ *# SKIP.*//' <<<"$line")" "${line#*# SKIP }" ;;
		"ok "*) ok "$title: ${line#ok * - }" ;;
		"not ok "*) not_ok "$title: ${line#not ok * - }" ;;
		"1..0 # SKIP"*) skip "$title" "${line#*# SKIP }" ;;
		"# "*) say "$line" ;;
		esac
	done < <(grep -aE '^(ok|not ok|1\.\.0|#) ' "$log")
	grep -qa '^1\.\.' "$log" || not_ok "$title: it ended early (status $status)" "$log"
}

programs_alone() {
	local pool
	program "numbers of objects" objects-test --no-huge -m 64 -l "$cpu_a"
	program "conversion" convert-test --no-huge -m 64 -l "$cpu_a"
	for pool in labyrinth frames ring_mp_mc; do
		program "put twice, $pool" double-free-test --in-memory -m 64 -l "$cpu_a" -- --ops $pool
	done
	for pool in labyrinth frames; do
		program "failures on purpose, $pool" faults-test --in-memory -m 64 -l "$cpu_a" -- --ops $pool
	done
	program "mempools of frames, IOVA as VA" pools-test --in-memory -m 32 -l "$cpu_a" --iova-mode=va
	skipped "mempools of frames, IOVA as PA" root ||
		program "mempools of frames, IOVA as PA" pools-test --in-memory -m 32 -l "$cpu_a" --iova-mode=pa
	program "external buffers" extbuf-test --in-memory -m 64 --lcores "$lcores_ab"
	skipped "over a wire" netns || program "over a wire" wire-test --in-memory -m 32 -l "$cpu_a"
}

programs_together() {
	local pool rounds=6
	[ -z "${LONG-}" ] || rounds=200
	for pool in labyrinth ring_mp_mc; do
		skipped "a killed process, $pool" hugetlbfs ||
			program "a killed process, $pool" kill-test -m 32 -l "$cpu_a" -- --rounds $rounds --ops $pool
	done
	for pool in labyrinth frames frames-eal; do
		skipped "two processes, $pool" hugetlbfs ||
			program "two processes, $pool" pass-test -m 32 -l "$cpu_a" -- --ops $pool
	done
}

# forwarder TITLE WORDS COMMAND...: it says how many packets, with these words before that, and ends with
# status 0.
forwarder() {
	local title=$1 words=$2 log=$work/forwarder status=0 n
	shift 2
	attended timeout -k 5 30 "$@" >"$log" 2>&1 || status=$?
	expect "$title: it ends with status 0" "$log" test $status -eq 0
	n=$(sed -nE "s/^$words([0-9]+) packets.*/\1/p" "$log")
	say "# $title: ${n:-no} packets"
	expect "$title: it forwards" "$log" test "${n:-0}" -gt 1000
}

# On virtio-user, whose other side gets EAL's memory; there testpmd returns what comes.
forward_to_vhost() {
	local title="lab-forward on virtio-user" socket=$work/own-vhost log=$work/own-vhost.log n status=0
	skipped "$title" net_vhost net_virtio && return
	if ! pmd_start server - "${plug[@]}" --vdev="net_vhost0,iface=$socket" --lcores "$lcores_ba" -m 128 \
		--single-file-segments --no-telemetry -- "${mbufs[@]}"; then
		not_ok "$title" "$(pmd_log server)"
		pmd_end server || true
		return
	fi
	"$own/lab-forward" --no-pci --in-memory --single-file-segments --file-prefix="lab-$$-own" -m 128 \
		--lcores "$lcores_ab" --no-telemetry --vdev="net_virtio_user0,path=$socket" \
		-- --seconds 4 --eal-memory >"$log" 2>&1 &
	n=$!
	children+=("$n")
	pmd_wait server 'virtio is now ready' 10 || true
	pmd_say server "start tx_first 4"
	wait "$n" || status=$?
	pmd_stop server || true
	expect "$title: it ends with status 0" "$log" test $status -eq 0
	n=$(sed -nE 's/.*forwarded ([0-9]+) packets.*/\1/p' "$log")
	say "# $title: ${n:-no} packets"
	expect "$title: packets go to and fro" "$log" test "${n:-0}" -gt 1000
	pmd_end server || true
}

programs_run() {
	programs_alone
	programs_together
	forwarder "dpdk-l2fwd on net_null" '' "$test_dir/gcc/examples/dpdk-l2fwd/dpdk-l2fwd" --no-pci \
		--in-memory -m 64 --lcores "$lcores_ab" "${null_ports[@]}" -- --seconds 1
	forwarder "lab-forward on net_null, external buffers" 'forwarded ' "$own/lab-forward" --no-pci \
		--in-memory -m 64 --lcores "$lcores_ab" "${null_ports[@]}" -- --seconds 1 --extbuf
	forward_to_vhost
}
