#!/usr/bin/env bash
# the packaged dpdk-testpmd on Labyrinth's mempool ops: it forwards real frames between two e1000e on vfio-pci
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# By hand with ops of DPDK's own: devtools/vm.sh --net tap --device e1000e,e1000e --host THE-ONE-BELOW
# --env BUILD=FOLDER --env OPS=lf_stack -- app/test-labyrinth/vm/dpdk.sh
#
# vm: device=e1000e,e1000e net=tap host=app/test-labyrinth/vm/e1000e-host.sh
# vm: kernel=small backend=type1 timeout=300
# shellcheck disable=SC2317 # check calls these
set -euo pipefail
# shellcheck source=app/test-labyrinth/vm/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=app/test-labyrinth/vm/e1000e-lib.sh
. "$(dirname "$0")/e1000e-lib.sh"

ops=${OPS:-labyrinth}
stock=ring_mp_mc # DPDK's default
testpmd=$(command -v dpdk-testpmd) || {
	skip all "dpdk-testpmd is not installed (apt-get install dpdk-dev)"
	finish
}
plugin=$BUILD/drivers/mempool/labyrinth/librte_mempool_labyrinth.so
forwarder=$BUILD/app/test-labyrinth/dpdk/lab-forward
frames=10000
window=128
eal=(-l 0-1 --in-memory -a "$NIC0" -a "$NIC1")

# few_drivers: DPDK loads every driver of its folder, which takes longer here than all the rest. In the guest that
# folder keeps those that are needed: for these devices and pools, and what the programs are linked with.
few_drivers() {
	local all abi name
	all=$(echo /usr/lib/*/dpdk/pmds-*)
	abi=${all##*-} # a driver's file ends in .so.23, and is loaded as .so.23.0
	mkdir /tmp/drivers
	mount -t tmpfs -o mode=755 tmpfs /tmp/drivers
	for name in $(ldd "$testpmd" "$plugin" "$forwarder" 2>/dev/null | grep -o '^[[:space:]]*librte_[^ ]*') \
		librte_{bus_pci,bus_vdev,mempool_ring,mempool_stack,net_e1000}.so."${abi%.*}"; do
		[ -e "$all/$name" ] || continue
		cp -L "$all/$name" /tmp/drivers/ || return 1
		ln -sf "$name" "/tmp/drivers/${name%.so*}.so.$abi"
	done
	mount --bind /tmp/drivers "$all"
	ls "$all"
	[ -e "$all/librte_net_e1000.so.$abi" ]
}

# value_of_wire KEY: from the last line of frame-through, in $wire.
wire=
value_of_wire() { sed -n "s/.* $1=\([0-9.]*\).*/\1/p" <<<"$wire"; }

# through: the frames go through, both ways, each once and unchanged.
through() {
	wire=
	[ -n "$pid" ] || fails_because "nothing forwards" || return 1
	wire=$(on_host "$BUILD/app/test-labyrinth/net/frame-through vm0 vm1 $frames $window") || {
		printf '%s\n' "$wire"
		tail -n 10 "$said"
		return 1
	}
}

fails_because() { echo "$1" && return 1; }

# ---- testpmd ----

said=$(mktemp) # all that the program says
pid=
mkfifo /tmp/enter

# start OPS MODE CACHE: testpmd, in the background, until it forwards.
start() {
	local load=()
	: >"$said"
	[ "$1" != labyrinth ] || load=(-d "$plugin")
	stdbuf -oL "$testpmd" "${eal[@]}" "${load[@]}" --iova-mode="$2" --mbuf-pool-ops-name="$1" -- \
		--total-num-mbufs=4096 --mbcache="$3" --forward-mode=io </tmp/enter >"$said" 2>&1 &
	pid=$!
	exec 7>/tmp/enter
	for ((i = 0; i < 200; i++)); do
		[[ $(<"$said") != *"Press enter to exit"* ]] || break
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.2
	done
	if [[ $(<"$said") != *"Press enter to exit"* ]]; then
		cat "$said"
		kill -KILL "$pid" 2>/dev/null || true
		pid=
		return 1
	fi
	cat "$said"
	grep -qF "mempool ops selected: $1" "$said" && grep -qF "IOVA mode '${2^^}'" "$said"
}

# stop: as a person ends it; returns its exit status.
stop() {
	[ -n "$pid" ] || fails_because "it did not start" || return 1
	(echo >&7) || true # if it is dead, wait says why
	exec 7>&-
	wait "$pid" || fails_because "exit status $?; $(tail -n 20 "$said")" || return 1
	grep -qF "Bye..." "$said"
}

# counted PORT RECEIVED SENT: by testpmd, which dropped none.
counted() {
	local counts
	counts=$(sed -n "/ Forward statistics for port $1 /,/^ *---*\$/s/  */ /gp" "$said")
	printf 'port %s has to receive %s and send %s:\n%s\n' "$1" "$2" "$3" "$counts"
	grep -qF "RX-packets: $2 RX-dropped: 0 RX-total: $2" <<<"$counts" &&
		grep -qF "TX-packets: $3 TX-dropped: 0 TX-total: $3" <<<"$counts"
}
all_counted() {
	local a b
	a=$(value_of_wire entered0)
	b=$(value_of_wire entered1)
	[ -n "$a" ] && [ -n "$b" ] || fails_because "the frames did not go through" || return 1
	counted 0 "$a" "$b" && counted 1 "$b" "$a"
}

no_fault() { [ "$(faults)" = 0 ] || fails_because "$(dmesg | grep DMAR | tail -n 5)"; }

# forward OPS MODE CACHE: a run of testpmd, whose mempools have caches of that size.
forward() {
	local what="$1, IOVA as ${2^^}, cache $3"
	fault_mark
	check "$what: testpmd starts" start "$@"
	check "$what: $frames frames come out of the other port, each once and unchanged" through
	check "$what: testpmd ends with status 0" stop
	check "$what: it has counted each and dropped none" all_counted
	check "$what: the IOMMU refused nothing" no_fault
	pid=
	note "$what: $(value_of_wire rate) frames a second from wire to wire"
}

# ---- a program whose mbufs are Labyrinth's frames ----

start_forwarder() {
	: >"$said"
	"$forwarder" "${eal[@]}" -- --seconds 8 >"$said" 2>&1 &
	pid=$!
}

# forwarder_ends: by itself, and what it forwarded were the frames and some probes.
forwarder_ends() {
	local sum most=$(($(value_of_wire entered0) + $(value_of_wire entered1)))
	wait "$pid" || fails_because "exit status $?; $(tail -n 20 "$said")" || return 1
	sum=$(sed -n 's/.*forwarded \([0-9]*\) packets.*/\1/p' "$said")
	echo "it forwarded '$sum' of $most"
	[ -n "$sum" ] && [ "$sum" -ge $((frames + 2)) ] && [ "$sum" -le "$most" ]
}

# ---- what runs ----

# DPDK loads nothing from below a folder that anybody may write to. Here these are fresh, and nobody else is.
chmod o-w /tmp /var/tmp /run
check "DPDK finds its drivers" few_drivers
# What the host's kernel says of its own accord would be counted too.
# shellcheck disable=SC2016 # the host's
check "the wires are quiet" on_host \
	'for i in vm0 vm1; do f=/proc/sys/net/ipv6/conf/$i/disable_ipv6; [ ! -e $f ] || echo 1 >$f; done'

if [ "$ops" = labyrinth ] && [ ! -e "$plugin" ]; then
	skip "labyrinth" "this build has no librte_mempool_labyrinth.so: it was made without DPDK"
	forward "$stock" va 256
else
	# By turns, so that the rates can be compared.
	for name in "$ops" "$stock"; do forward "$name" va 256; done
	for name in "$ops" "$stock"; do forward "$name" pa 0; done
fi

if [ -x "$forwarder" ]; then
	fault_mark
	start_forwarder
	check "lab-forward: $frames frames come out of the other port, each once and unchanged" through
	check "lab-forward: it ends with status 0 and has counted them" forwarder_ends
	check "lab-forward: the IOMMU refused nothing" no_fault
else
	skip "lab-forward" "this build has no app/test-labyrinth/dpdk/lab-forward"
fi
finish
