#!/usr/bin/env bash
# the e1000e driver on a pool that breathes: it grows and shrinks under packets, and none is lost in the device
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# vm: device=e1000e net=tap host=app/test-labyrinth/vm/e1000e-host.sh
# vm: kernel=small,debian backend=iommufd,type1 timeout=120
# shellcheck disable=SC2317 # check calls these
set -euo pipefail
# shellcheck source=app/test-labyrinth/vm/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=app/test-labyrinth/vm/e1000e-lib.sh
. "$(dirname "$0")/e1000e-lib.sh"

gfp=$BUILD/app/test-labyrinth/gfp
[ -x "$gfp/echo-hold" ] || {
	skip all "built without AF_XDP (libxdp, libbpf), and so without echo-hold"
	finish
}
reports=$(mktemp)
paced=$(mktemp)
errors=$(mktemp)
hugepages() { cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages; }

# Each packet is held for a second: of 300, then 3000, then 300 a second. The rings take 256 frames of their own.
start() {
	"$gfp/echo-hold" "e1000e:$NIC0" --ip "$ip_echo" --hold 1000 --ring 128 \
		--frames 1024 --max-frames 16384 --low 512 --high 1536 >"$reports" 2>"$errors" &
	echo_pid=$!
	for ((i = 0; i < 200; i++)); do
		grep -q ready "$reports" && return 0
		kill -0 "$echo_pid" 2>/dev/null || break
		sleep 0.05
	done
	cat "$errors"
	return 1
}

# of NAME WHICH: the most, the first or the last of a number of its reports, the one at the end left out.
of() {
	grep '"hugepages":' "$reports" | grep -v '"end":1' | sed "s/.*\"$1\":\([0-9]*\).*/\1/" | awk -v which="$2" '
		NR == 1 { first = most = $1 }
		{ last = $1; if ($1 > most) most = $1 }
		END { print which == "most" ? most : which == "first" ? first : last }'
}
# at_end NAME VALUE: its last report says so.
at_end() {
	tail -n 1 "$reports" | grep '"end":1' | grep -E "\"$1\":$2[,}]" || {
		tail -n 1 "$reports"
		return 1
	}
}
grew() { [ "$(of hugepages most)" -ge $(($(of hugepages first) + 2)) ]; }
shrank() { [ "$(of hugepages last)" -lt "$(of hugepages most)" ]; }

# echoed: nothing comes back spoiled or twice (udp-pace's status), and most of it does.
echoed() {
	local received sent status=0
	on_host "$gfp/udp-pace $ip_echo 7 300:2 3000:4 300:6" >"$paced" || status=$?
	cat "$paced"
	sent=$(sed 's/.*"sent":\([0-9]*\),"received".*/\1/' "$paced")
	received=$(sed 's/.*"received":\([0-9]*\).*/\1/' "$paced")
	[ "$status" = 0 ] && [ "$received" -gt 5000 ] && [ "$received" -ge $((sent * 9 / 10)) ]
}

before=$(hugepages)
fault_mark
check "echo-hold starts, with 1024 frames" start
check "packets come back, held for a second each, while their number rises tenfold and falls" echoed
check "it ends with status 0" stop_echo
note "$(sed 's/.*| //' "$paced")"
note "$(tail -n 2 "$reports")"
note "hugepages: $(of hugepages first), at most $(of hugepages most), at the end $(of hugepages last)"
check "the pool grew under them" grew
check "and shrank" shrank
check "no frame is lost" at_end lost 0
check "none is held or lent" at_end held 0
check "the IOMMU refused nothing" [ "$(faults)" = 0 ]
check "all hugepages are the kernel's again" [ "$(hugepages)" = "$before" ]
finish
