# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# What the suites of the network stack share, in the guest: lwip-httpd, and what it says of itself. Knows nothing of
# the device or the wire.
# shellcheck shell=bash disable=SC2034 # what is sourced assigns

httpd_exe=$BUILD/examples/lwip-httpd/lwip-httpd
# The same with lwIP from its source, which sends from where lwIP wrote: of devtools/suites/vm, and there only.
httpd_source_exe=${BUILD%/*}/lwip/examples/lwip-httpd/lwip-httpd
httpd_log=$(mktemp)
httpd_pid=
info=$BUILD/app/labyrinth-info/labyrinth-info

# start_httpd COMMAND...: lwip-httpd, in the background, until it is ready. COMMAND ends in its arguments.
start_httpd() {
	: >"$httpd_log"
	"$@" >"$httpd_log" 2>&1 &
	httpd_pid=$!
	for ((i = 0; i < 400; i++)); do
		! grep -q ready "$httpd_log" || return 0
		kill -0 "$httpd_pid" 2>/dev/null || break
		sleep 0.05
	done
	cat "$httpd_log"
	return 1
}

# stop_httpd: returns its exit status.
stop_httpd() {
	local pid=$httpd_pid
	httpd_pid=
	kill -TERM "$pid" 2>/dev/null || true
	wait "$pid" || {
		local status=$?
		tail -n 20 "$httpd_log"
		return $status
	}
}

# of LINE NAME: a number of the last line that begins with "lwip-httpd: LINE".
of() { grep "^lwip-httpd: $1 " "$httpd_log" | tail -n 1 | sed -n "s/.* $2=\([0-9]*\).*/\1/p"; }

# is NAME VALUE: its last line says so.
is() {
	[ "$(of end "$1")" = "$2" ] || {
		tail -n 3 "$httpd_log"
		return 1
	}
}

# conserved: no frame is lost, held, lent or refused at the end.
conserved() { is lost 0 && is held 0 && is lent 0 && is refused 0 && is total $(($(of end free) + $(of end cached))); }

# in_place: nearly all that it sent lay where lwIP had written it.
in_place() { [ "$(of end tx_in_place)" -gt $(($(of end tx_copied) * 10)) ] || { its_last_words && return 1; }; }

# moved NAME: that number was not the same in all status lines.
moved() {
	[ "$(grep '^lwip-httpd: status ' "$httpd_log" | sed -n "s/.* $1=\([0-9]*\).*/\1/p" | sort -u | wc -l)" -gt 1 ] || {
		grep '^lwip-httpd: status ' "$httpd_log" | tail -n 5
		return 1
	}
}

# status_lines: one a second, in which packets and frames move.
status_lines() { [ "$(grep -c '^lwip-httpd: status ' "$httpd_log")" -ge "$1" ] && moved rx && moved tx && moved free; }

# its_last_words: for a note.
its_last_words() { tail -n 1 "$httpd_log"; }
