# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# What a suite of the VM lab is made of, inside the guest: it prints TAP on stdout and ends with finish.
# Knows the kernel's log, but nothing of Labyrinth.
# shellcheck shell=bash

cases=0

ok() {
	cases=$((cases + 1))
	printf 'ok - %s\n' "$1"
}

# not_ok NAME [FILE]: a failed case; the reason is the end of FILE.
not_ok() {
	cases=$((cases + 1))
	printf 'not ok - %s\n' "$1"
	[ $# -lt 2 ] || tail -n 20 "$2" | sed 's/^/# /'
}

skip() {
	cases=$((cases + 1))
	printf 'ok - %s # SKIP %s\n' "$1" "$2"
}

note() { sed 's/^/# /' <<<"$1"; }

# check NAME COMMAND...: a case that passes if the command succeeds.
check() {
	local name=$1 log
	shift
	log=$(mktemp)
	if "$@" >"$log" 2>&1; then ok "$name"; else not_ok "$name" "$log"; fi
	rm -f "$log"
}

# fails_with TEXT COMMAND...: for check: the command fails, and says TEXT.
fails_with() {
	local text=$1 said
	shift
	if said=$("$@" 2>&1); then
		printf 'it succeeded, and said: %s\n' "$said"
		return 1
	fi
	printf '%s\n' "$said"
	grep -qF -- "$text" <<<"$said"
}

finish() {
	printf '1..%d\n' $cases
	exit 0
}

# ---- what the IOMMU has refused ----

# From here on faults counts.
fault_mark() {
	fault_marks=$((${fault_marks:-0} + 1))
	echo "vm: mark $fault_marks" >/dev/kmsg
}

# faults: how many DMA faults the kernel has reported since the mark. It prints about ten in five seconds and then
# says how many it left out, which count too (it says so with the next one that it prints).
faults() {
	dmesg | awk -v mark="vm: mark ${fault_marks:-0}\$" '
		$0 ~ mark { n = 0 }
		/DMAR: \[DMA (Read|Write)/ { n++ }
		/dmar_fault: [0-9]+ callbacks suppressed/ { sub(/.*dmar_fault: /, ""); n += $1 }
		END { print n + 0 }'
}
