#!/usr/bin/env bash
# a TCP/IP stack on Labyrinth's frames and the e1000e: hostile frames from outside, beside an honest client
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# vm: device=e1000e net=tap host=app/test-labyrinth/vm/e1000e-host.sh
# vm: kernel=small backend=iommufd timeout=420 long-timeout=1200
# shellcheck disable=SC2317 # check calls these
set -euo pipefail
# shellcheck source=app/test-labyrinth/vm/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=app/test-labyrinth/vm/host-lib.sh
. "$(dirname "$0")/host-lib.sh"
# shellcheck source=app/test-labyrinth/vm/stack-lib.sh
. "$(dirname "$0")/stack-lib.sh"

sender=$BUILD/app/test-labyrinth/stack/hostile-send
client=$(dirname "$0")/stack-client.sh
ip=10.77.0.2 ip6=fd00:77::2 mac=$(printf '52:54:00:00:00:%d' 10)
# An emulated NIC takes some thousands a second; what comes faster is lost on the host.
count=100000 rate=4000 seeds=2
[ -z "${LONG-}" ] || seeds=10

if [ ! -x "$httpd_exe" ] || [ ! -x "$sender" ]; then
	skip all "built without lwip-httpd (liblwip) or hostile-send"
	finish
fi
command -v curl >/dev/null || {
	skip all "curl is not installed on the host"
	finish
}

www=$(mktemp -d)
head -c 300000 /dev/urandom >"$www/file"
sum=$(sha256sum <"$www/file" | cut -d ' ' -f 1)

# An honest client at the end of the wire that takes what is too long. It keeps to what it knows: lies about its
# neighbours are not what is tested here.
honest_end() {
	on_host "ip link set vm0 mtu 3000; ip addr add fd00:77::1/64 dev vm0 nodad; ip neigh replace $ip lladdr $mac nud permanent dev vm0; \
ip neigh replace $ip6 lladdr $mac nud permanent dev vm0; ip route replace 10.77.0.0/24 dev vm0 mtu 1500; \
ip -6 route replace fd00:77::/64 dev vm0 mtu 1500"
}
# served ADDRESS: an honest client is, if not at once: lwIP may have given up its connection for an enemy's.
served() {
	on_host "for i in 1 2 3 4 5 6; do ! PATIENCE=15 $client fetch 1 http://$1/file $sum || exit 0; sleep 1; done; exit 1"
}
# attacked SEED: while an honest client goes on, and is served: the enemy's many addresses do not have it forgotten. With
# lwIP alone, which remembers ten, it got two to four files.
attacked() {
	on_host "timeout 100 $sender vm0 --mac $mac --ip $ip --ip6 $ip6 --count $count --rate $rate --seed $1 --quiet & pid=\$!; \
good=0; bad=0; while kill -0 \$pid 2>/dev/null; do \
if PATIENCE=20 $client fetch 1 http://$ip/file $sum >/dev/null 2>&1; then good=\$((good + 1)); else bad=\$((bad + 1)); fi; done; \
wait \$pid; status=\$?; echo \"the honest client: \$good good, \$bad not\"; exit \$((status || good < 10))" | tee "$www/said"
}
# most_came: the NIC and its driver got to see them.
most_came() { [ "$(of end rx)" -gt $((seeds * count / 2)) ] || { its_last_words && return 1; }; }
hugepages() { cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages; }

before=$(hugepages)
fault_mark
check "the wire takes packets that are too long" honest_end
check "lwip-httpd starts on the NIC" start_httpd "$httpd_exe" "e1000e:$NIC0" --ip $ip/24 --ip6 $ip6 --root "$www" --adaptive
check "an honest client is served" served $ip
for ((seed = 1; seed <= seeds; seed++)); do
	check "$count hostile frames (seed $seed), while an honest client is served" attacked $seed
	note "$(tail -n 2 "$www/said")"
done
check "it is served afterwards" served $ip
check "over IPv6, too" served "[$ip6]"
check "lwip-httpd ends with status 0" stop_httpd
check "no frame is lost, held or lent" conserved
check "most of the hostile frames were received" most_came
check "the IOMMU refused nothing" [ "$(faults)" = 0 ]
check "all hugepages are the kernel's again" [ "$(hugepages)" = "$before" ]
note "$(its_last_words)"
finish
