# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# DPDK's own tests, from its packaged dpdk-test, with the plug-in's ops for each pool that does not ask for
# others by name. Sourced after ground.sh.
#
# Left out are those that make no pool with the default ops (rte_mempool_create asks for the ring's by
# name): external_mem, func_reentrancy, graph, security, bpf, eventdev_common, rawdev, vdev, rcu_qsbr, crc.
# Those that fail or crash with DPDK's own ops here, too:
#	multiprocess         says that rte_mp_disable() was not refused
#	pcapng               wants an Ethernet port that captures
#	ipsec                segmentation fault, with crypto_null
#	event_inline_ipsec, inline_ipsec, kni    skip themselves: no such device
# And mempool_perf, which takes far longer than this suite may: perf.sh.
# shellcheck shell=bash disable=SC2154 # ground.sh and its like define them

# Each line: the test, what it needs (or -), its further EAL options.
autotests=(
	"mempool - "
	"mbuf - "
	"distributor - "
	"reorder - "
	"ipfrag - "
	"sched - "
	"cksum - "
	"ring_pmd net_ring "
	"latencystats net_ring "
	"bitratestats net_ring "
	"link_bonding net_bond "
	"link_bonding_rssconf net_bond "
	"event_eth_rx_adapter event_sw "
	"event_eth_tx_adapter event_sw "
	"event_crypto_adapter event_sw,crypto_null "
	"eventdev_selftest_sw event_sw "
	"cryptodev_null crypto_null --vdev=crypto_null"
	"cryptodev_openssl crypto_openssl --vdev=crypto_openssl"
	"compressdev compress_zlib --vdev=compress_zlib"
	"dmadev dma_skeleton --vdev=dma_skeleton --iova-mode=va"
)
# Of the long form: one pool each, and 10 to 30 seconds of other things.
autotests_long=(
	"table - "
	"link_bonding_mode4 net_bond "
)

# autotest TITLE TEST COMMAND... -- EAL-OPTION...: one run of dpdk-test, behind COMMAND.
autotest() {
	local title=$1 test=$2 log status attempt enter=()
	shift 2
	while [ "$1" != -- ]; do
		enter+=("$1")
		shift
	done
	shift
	[[ $test == *selftest* ]] || test+=_autotest
	log=$log_dir/dpdk-autotest-${title//[^a-z0-9_]/-}.log
	for attempt in first second; do
		status=0
		# shellcheck disable=SC2016 # for the inner shell
		DPDK_TEST=$test attended bash -c 'cd "$0" && exec "$@"' "$work" "${enter[@]}" timeout -k 5 90 \
			dpdk-test --no-pci --lcores "$lcores_ab" -m 256 --no-telemetry --file-prefix="lab-$$-$test" \
			"${plug[@]}" "$@" </dev/null >"$log" 2>&1 || status=$?
		# With its load balancing the bonding driver measures its ports every 10 ms, and what DPDK's test expects of them holds
		# until then: on a busy machine that may be too short, whoever has the mbufs.
		[ "$attempt" = first ] && grep -aq 'Test assert test_tlb_' "$log" || break
		say "# $title, once more: $(grep -a -m 1 'Test assert test_tlb_' "$log")"
	done
	# It ends with 0 also where it knows no such test.
	if [ "$status" -eq 0 ] && grep -aq 'Test OK' "$log"; then
		ok "$title"
	elif [ "$status" -eq 77 ]; then
		skip "$title" "dpdk-test skips it here; build-test/log/${log##*/} says why"
	else
		say "status $status" >>"$log"
		not_ok "$title" "$log"
	fi
}

autotest_list() {
	local line test needs options
	for line in "$@"; do
		read -r test needs options <<<"$line"
		needs=${needs#-}
		# shellcheck disable=SC2086 # lists
		skipped "autotest: $test" ${needs//,/ } ||
			autotest "autotest: $test" "$test" -- --in-memory $options
	done
}

# Sets entry: what runs a command in a mount namespace of its own, with a hugetlbfs at $work/huge.
hugetlbfs_entry() {
	mkdir -p "$work/huge"
	# shellcheck disable=SC2016 # for the inner shell
	entry=(unshare -m bash -c 'mount -t hugetlbfs -o pagesize=2M none "$0" && "$@"' "$work/huge")
}

autotests_without_hugepages() {
	local test
	for test in mempool mbuf; do
		autotest "autotest: $test, without hugepages" "$test" -- --no-huge
	done
}

# Other ways to start DPDK: where addresses are virtual or physical, and as a primary process with files,
# which others can join. pdump's secondary process is this one's child, and gets neither -d nor the ops' name.
autotest_modes() {
	local test entry
	for test in mempool mbuf; do
		autotest "autotest: $test, IOVA as VA" "$test" -- --in-memory --iova-mode=va
		# Only root learns physical addresses.
		skipped "autotest: $test, IOVA as PA" root ||
			autotest "autotest: $test, IOVA as PA" "$test" -- --in-memory --iova-mode=pa
	done
	hugetlbfs_entry
	for test in mempool mbuf pdump; do
		skipped "autotest: $test, with files on a hugetlbfs" hugetlbfs ||
			autotest "autotest: $test, with files on a hugetlbfs" "$test" "${entry[@]}" -- \
				--huge-dir "$work/huge"
	done
}

autotests_run() {
	autotest_list "${autotests[@]}"
	[ -z "${LONG-}" ] || autotest_list "${autotests_long[@]}"
	autotest_modes
	autotests_without_hugepages
}
