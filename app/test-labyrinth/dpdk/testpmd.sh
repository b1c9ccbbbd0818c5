# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# One dpdk-testpmd, driven by its own commands through a FIFO, and what it says of its ports. Several may
# run at once, each under a name. Sourced after ground.sh; knows no mempool ops and no case.
# shellcheck shell=bash disable=SC2154 # ground.sh and its like define them

declare -A pmd_pid pmd_pipe
pmd_limit=60 # seconds, for whatever one does

pmd_log() { say "$log_dir/dpdk-$1.log"; }

# While it takes commands it does not heed SIGTERM.
pmd_leave() {
	local name
	for name in "${!pmd_pid[@]}"; do
		! kill -0 "${pmd_pid[$name]}" 2>/dev/null || pmd_say "$name" quit
	done
}
at_exit pmd_leave

# pmd_start NAME NAMESPACE|- EAL-OPTION... -- OPTION...: starts one and waits until it takes commands.
pmd_start() {
	local name=$1 namespace=$2 enter=() eal=() pipe log
	shift 2
	while [ "$1" != -- ]; do
		eal+=("$1")
		shift
	done
	shift
	[ "$namespace" = - ] || enter=(ip netns exec "$namespace")
	log=$(pmd_log "$name")
	rm -f "$work/$name"
	mkfifo "$work/$name"
	# Open for both, so that nobody waits for the other end.
	exec {pipe}<>"$work/$name"
	pmd_pipe[$name]=$pipe
	# In a folder without a file of the plug-in's name, or else EAL takes that as a path; by lines, for
	# who waits for one.
	(cd "$work" && exec "${enter[@]}" timeout -k 2 "$pmd_limit" stdbuf -oL dpdk-testpmd --in-memory --no-pci \
		--file-prefix="lab-$$-$name" "${eal[@]}" -- -i --no-mlockall --disable-link-check "$@") \
		<"$work/$name" >"$log" 2>&1 {pipe}>&- &
	pmd_pid[$name]=$!
	children+=($!)
	pmd_wait "$name" '^testpmd> ' 20
}

# pmd_say NAME COMMAND: gives it a command.
pmd_say() { say "$2" >&"${pmd_pipe[$1]}"; }

# pmd_wait NAME PATTERN SECONDS [TIMES]: waits until its log has so many lines like that.
pmd_wait() {
	local name=$1 pattern=$2 end=$((SECONDS + $3)) times=${4-1} log
	log=$(pmd_log "$name")
	until [ "$(grep -acE "$pattern" "$log")" -ge "$times" ]; do
		kill -0 "${pmd_pid[$name]}" 2>/dev/null || return 1
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# pmd_stop NAME: stops forwarding and waits for the closing figures.
pmd_stop() {
	pmd_say "$1" stop
	pmd_wait "$1" '^ *\++ *$' 20
}

# pmd_end NAME: it leaves; returns its exit status.
pmd_end() {
	local name=$1 pid=${pmd_pid[$1]} pipe=${pmd_pipe[$1]} status=0 i
	pmd_say "$name" quit
	wait "$pid" || status=$?
	exec {pipe}>&-
	for i in "${!children[@]}"; do
		[ "${children[i]}" != "$pid" ] || unset "children[i]"
	done
	children=("${children[@]}")
	rm -f "$work/$name"
	unset "pmd_pid[$name]" "pmd_pipe[$name]"
	return "$status"
}

# pmd_total NAME RX|TX [PORT]: packets that it forwarded, at all ports or one.
pmd_total() {
	local section="Accumulated forward statistics"
	[ $# -lt 3 ] || section="Forward statistics for port $3 "
	awk -v section="$section" -v field="$2-packets:" '
		/statistics for/ { here = index($0, section) }
		here { for (i = 1; i < NF; i++) if ($i == field) total = $(i + 1) }
		END { print total + 0 }' "$(pmd_log "$1")"
}

# pmd_pps NAME SECONDS: packets a second that its ports receive meanwhile, by testpmd's own clock.
pmd_pps() {
	local name=$1
	pmd_say "$name" "show port stats all"
	sleep "$2"
	pmd_say "$name" "show port stats all"
	pmd_say "$name" "show port summary all"
	pmd_wait "$name" '^Number of available ports' 10 || return 1
	awk '/NIC statistics for port 0 / { sum = 0 }
		/Rx-pps:/ { sum += $2 }
		END { print sum + 0 }' "$(pmd_log "$name")"
}
