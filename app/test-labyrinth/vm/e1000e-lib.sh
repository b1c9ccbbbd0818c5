# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# What the NIC suites share, in the guest: the echo, and traffic for it.
# shellcheck shell=bash

echo_exe=$BUILD/examples/echo/echo
udp_client=$BUILD/app/test-labyrinth/net/udp-client
ip_echo=10.77.0.2
echo_log=$(mktemp)
echo_pid=
# shellcheck source=app/test-labyrinth/vm/host-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/host-lib.sh"

# start_echo ARGUMENT...: on the first NIC, in the background, until it is ready.
start_echo() {
	: >"$echo_log"
	"$echo_exe" "e1000e:$NIC0" --ip $ip_echo "$@" >"$echo_log" 2>&1 &
	echo_pid=$!
	for ((i = 0; i < 200; i++)); do
		grep -q ready "$echo_log" && return 0
		kill -0 "$echo_pid" 2>/dev/null || break
		sleep 0.05
	done
	cat "$echo_log"
	return 1
}

# stop_echo: returns its exit status.
stop_echo() {
	local pid=$echo_pid
	echo_pid=
	kill -TERM "$pid" 2>/dev/null || true
	wait "$pid"
}

# value NAME: from echo's last line.
value() { sed -n "s/.* $1=\([0-9]*\).*/\1/p" "$echo_log"; }

# is NAME VALUE: echo's last line says so.
is() {
	[ "$(value "$1")" = "$2" ] || {
		cat "$echo_log"
		return 1
	}
}

# conserved: no frame is lost, by echo's last line.
conserved() {
	is lost 0 && is held 0 && is lent 0 && is refused 0 && is total $(($(value free) + $(value cached)))
}

# answers: the echo does.
answers() { on_host "ping -q -c 20 -i 0.01 -w 10 $ip_echo"; }

# traffic: 100000 packets of all sizes that Ethernet has, 64 at a time.
export traffic="$udp_client $ip_echo 7 100000 64 18"
