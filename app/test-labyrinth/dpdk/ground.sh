# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# What each test of this folder stands on: the plug-in under test, a folder of its own for whatever DPDK
# writes, the CPUs, and the reasons for which a case cannot run. Sourced by devtools/suites/dpdk; knows
# no case.
#
#	OPS=stack PLUGIN= devtools/suites/dpdk      with mempool ops of DPDK's own instead
# shellcheck shell=bash disable=SC2034,SC2154 # what others use, and have

ops=${OPS-labyrinth}
plugin=${PLUGIN-$test_dir/gcc/drivers/mempool/labyrinth/librte_mempool_labyrinth.so}
log_dir=$test_dir/log
hugepages_wanted=400
namespaces=()

# DPDK's files go to $RUNTIME_DIRECTORY/dpdk, not to /var/run/dpdk; nothing else is written.
work=$(mktemp -d)
export RUNTIME_DIRECTORY=$work/run
mkdir -p "$RUNTIME_DIRECTORY" "$log_dir"

ground_leave() {
	local namespace
	stop_children
	children=()
	for namespace in "${namespaces[@]}"; do ip netns del "$namespace" 2>/dev/null; done
	rm -rf "$work"
}
at_exit ground_leave

# EAL loads no plug-in by a path below a folder that everybody may write to, such as /tmp; by its bare
# name the dynamic linker finds it wherever it is.
plug=(--mbuf-pool-ops-name="$ops")
if [ -n "$plugin" ]; then
	export LD_LIBRARY_PATH=${plugin%/*}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
	plug+=(-d "${plugin##*/}")
fi

# ---- CPUs ----

# The CPUs that this process may run on.
cpus=()
while IFS=- read -r first last; do
	for ((cpu = first; cpu <= ${last:-first}; cpu++)); do cpus+=("$cpu"); done
done < <(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status | tr , '\n')
cpu_a=${cpus[0]}
cpu_b=${cpus[1]-$cpu_a}
# The main lcore only reads commands; the second one forwards.
lcores_ab=0@$cpu_a,1@$cpu_b
lcores_ba=0@$cpu_b,1@$cpu_a

# ---- why not ----

pmd_installed() { compgen -G "/usr/lib/*/dpdk/pmds-*/librte_$1.so*" >/dev/null; }

# lacking NEED...: why something that needs these cannot run here, in a sentence; nothing if it can.
lacking() {
	local need
	for need in "$@"; do
		case $need in
		root) is_root || { say "only root may do that" && return; } ;;
		hugepages)
			[ "$(hugepages_free)" -ge "$hugepages_wanted" ] ||
				{ say "fewer than $hugepages_wanted hugepages of 2 MiB are free" && return; }
			;;
		cpus) [ "${#cpus[@]}" -ge 2 ] || { say "it needs two CPUs" && return; } ;;
		hugetlbfs)
			unshare -m mount -t hugetlbfs none "$work" 2>/dev/null ||
				{ say "a private hugetlbfs cannot be mounted here (it needs root)" && return; }
			;;
		netns)
			have ip && have ethtool && have ping ||
				{ say "iproute2, ethtool or iputils-ping is not installed" && return; }
			unshare -n true 2>/dev/null ||
				{ say "a network namespace cannot be made here (it needs root)" && return; }
			;;
		xsk)
			python3 -c 'import socket; socket.socket(44, socket.SOCK_RAW, 0)' 2>/dev/null ||
				{ say "this kernel gives no AF_XDP socket" && return; }
			;;
		dpdk-*) have "$need" || { say "$need is not installed" && return; } ;;
		*) pmd_installed "$need" || { say "DPDK's driver $need is not installed" && return; } ;;
		esac
	done
}

# skipped NAME NEED...: reports the case as skipped and succeeds, if it lacks one of its needs.
skipped() {
	local name=$1 why
	shift
	why=$(lacking "$@")
	[ -n "$why" ] || return 1
	skip "$name" "$why"
}

# expect NAME LOG COMMAND...: a case that passes if the command does, and shows the log if not.
expect() {
	local name=$1 log=$2
	shift 2
	if "$@"; then ok "$name"; else not_ok "$name" "$log"; fi
}
