#!/usr/bin/env bash
# a TCP/IP stack on Labyrinth's frames and the e1000e: curl on the host, through QEMU's port forward
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# vm: device=e1000e net=user forward=80,7 host=app/test-labyrinth/vm/e1000e-host.sh
# vm: kernel=small,debian backend=iommufd,type1 timeout=420
# shellcheck disable=SC2317 # check calls these
set -euo pipefail
# shellcheck source=app/test-labyrinth/vm/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=app/test-labyrinth/vm/host-lib.sh
. "$(dirname "$0")/host-lib.sh"
# shellcheck source=app/test-labyrinth/vm/stack-lib.sh
. "$(dirname "$0")/stack-lib.sh"

if [ ! -x "$httpd_exe" ]; then
	skip all "built without lwip-httpd (liblwip)"
	finish
fi
for tool in curl socat ss; do
	command -v $tool >/dev/null || {
		skip all "$tool is not installed on the host (curl socat iproute2)"
		finish
	}
done

www=$(mktemp -d)
head -c $((8 << 20)) /dev/urandom >"$www/file"
sum=$(sha256sum <"$www/file" | cut -d ' ' -f 1)
web_port=$(vm-host forwarded 80) echo_port=$(vm-host forwarded 7)
web=http://127.0.0.1:$web_port/file
echo="127.0.0.1 $echo_port"
client=$(dirname "$0")/stack-client.sh

# serve ARGUMENT...: lwip-httpd on the NIC.
serve() { serve_by "$httpd_exe" "$@"; }
serve_by() {
	local program=$1
	shift
	start_httpd "$program" "e1000e:$NIC0" --ip 10.0.2.15/24 --gateway 10.0.2.2 --root "$www" "$@"
}

# fetched TIMES: one after another.
fetched() {
	for ((n = 0; n < $1; n++)); do on_host "$client fetch 1 $web $sum" || return 1; done
}

# owners: who has the pool's frames while transfers run, as another process sees it: it moves.
owners() {
	local status=0
	ask_host "$client fetch 8 $web $sum"
	timeout 6 "$info" --brief --every 0.2 lwip-httpd >"$www/owners" || [ $? = 124 ] || status=1
	answer_of_host || status=1
	sort -R "$www/owners" | head -n 10
	[ "$status" = 0 ] &&
		grep -q "(stack) .*($NIC0) receiving=[1-9]" "$www/owners" &&
		[ "$(sed 's/.* total=//' "$www/owners" | sort -u | wc -l)" -gt 1 ]
}

hugepages() { cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages; }

# starved: its status lines say that frames were wanting.
starved() { [ "$(of status tx_no_frame)" -gt 0 ] || { tail -n 3 "$httpd_log" && return 1; }; }

# ends: the program does, and nothing is lost by it.
ends() {
	check "it ends with status 0" stop_httpd
	check "no frame is lost, held or lent" conserved
	check "the IOMMU refused nothing" [ "$(faults)" = 0 ]
	check "all hugepages are the kernel's again" [ "$(hugepages)" = "$free_before" ]
	note "$(its_last_words)"
}

# roomy: at both ports more than all that come at once may wait for QEMU, as devtools/vm/host.py sees to. Of its own
# accord it lets one wait, and the host resets others without a word to the guest.
roomy() {
	on_host "ss -Hltn '( sport = :$web_port or sport = :$echo_port )' | tee /dev/stderr | \
awk '\$3 > 64 { n++ } END { exit n != 2 }'"
}

free_before=$(hugepages)
fault_mark
check "the ports on the host let a crowd wait" roomy
check "lwip-httpd starts on the NIC" serve
check "8 MiB by curl on the host, ten times: each checksum agrees" fetched 10
check "eight echoes of up to 64 KiB by socat on the host, at once: each byte comes back" on_host "$client echo 8 $echo"
check "labyrinth-info shows who has the frames meanwhile, and they move" owners
note "$(head -n 3 "$www/owners")"
check "there were status lines, in which packets and frames moved" status_lines 3
ends

check "it starts with --adaptive" serve --adaptive
check "8 MiB, three times: each checksum agrees" fetched 3
ends

if [ -x "$httpd_source_exe" ]; then
	check "with lwIP from its source it starts" serve_by "$httpd_source_exe"
	check "8 MiB, three times: each checksum agrees" fetched 3
	check "eight echoes of up to 64 KiB, at once: each byte comes back" on_host "$client echo 8 $echo"
	ends
	check "it sent from where lwIP wrote" in_place
else
	skip "lwIP from its source" "there is no build-test/lwip (devtools/suites/vm makes it where the source can be had)"
fi

# On ordinary pages, because there are never less frames than a hugepage has. The rings alone could take ten times more.
check "it starts with 64 frames" serve --frames 64 --ordinary-pages
check "16 transfers at once, and a connection that was there before outlives them" \
	on_host "$client outlive $echo fetch 16 $web $sum"
check "there was no frame to send, and it said so" starved
check "64 echoes at once, and a connection that was there before outlives them" \
	on_host "$client outlive $echo echo 64 $echo"
check "it has recovered: 8 MiB, and the checksum agrees" fetched 1
ends
finish
