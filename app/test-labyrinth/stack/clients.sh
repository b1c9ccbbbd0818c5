# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# The stack and clients that others wrote: curl, wrk, ab, socat, ncat. Nothing may be lost, nothing may
# differ, no request may fail. For devtools/suites/stack, with ground.sh.
# shellcheck shell=bash disable=SC2154 # ground.sh and the suite

# loop URL FILE STOP ERRORS PATIENCE: fetches until the file STOP is there, compares with FILE, and prints how often it was
# right and wrong; wrong it is, too, if nothing comes for PATIENCE seconds. It rests a little between two, for whoever is
# measured beside it. A shell of its own runs it, inside the client's namespace: what it starts for a fetch is curl and cmp.
# shellcheck disable=SC2317 # loops calls it
loop() {
	local good=0 bad=0 end=$((SECONDS + 900))
	set -o pipefail
	while [ ! -e "$3" ] && [ $SECONDS -lt $end ]; do
		if curl -gsS -f --connect-timeout "$5" -y "$5" -Y 1 "$1" 2>>"$4" | cmp - "$2" 2>>"$4"; then good=$((good + 1)); else bad=$((bad + 1)); fi
		sleep 0.05
	done
	echo "$good $bad"
}

# loops N [PATIENCE]: starts them, every fourth over IPv6.
loops() {
	local i url
	rm -f "$folder"/loop*
	for ((i = 1; i <= $1; i++)); do
		url=$(url4 medium)
		[ $((i % 4)) != 0 ] || url=$(url6 medium)
		ip netns exec "$client_ns" bash -c "$(declare -f loop); loop \"\$@\"" loop "$url" "$root/medium" \
			"$folder/loops-stop" "$folder/loop-$i.err" "${2-60}" >"$folder/loop-$i" &
		children+=($!)
	done
}

# loops_end N: stops them. Sets good and bad, fetches that were right and wrong, and idle, the loops without any.
loops_end() {
	local i g b
	good=0 bad=0 idle=0
	: >"$folder/loops-stop"
	for ((i = 0; i < $1; i++)); do
		wait "${children[-1]}" 2>/dev/null || true
		unset 'children[-1]'
	done
	for ((i = 1; i <= $1; i++)); do
		g=0 b=1
		[ ! -s "$folder/loop-$i" ] || read -r g b <"$folder/loop-$i"
		good=$((good + g)) bad=$((bad + b))
		[ "$g" -gt 0 ] || idle=$((idle + 1))
	done
}

# fetched URL SUM: does the file have this checksum?
fetched() { [ "$(client 100 curl -gsS -f "$1" 2>>"$folder/fetch.err" | sha256sum)" = "$2" ]; }

stack_transfers() {
	local name="curl, 200 MiB" sum i right=0 url began good bad idle status=0
	server_start transfers 900 "${normal[@]}" || status=$?
	started "$name" $status || return 0
	sum=$(sha256sum <"$root/large")
	loops 8
	began=$SECONDS
	for ((i = 1; i <= 20; i++)); do
		url=$(url4 large)
		[ $((i % 5)) != 0 ] || url=$(url6 large)
		! fetched "$url" "$sum" || right=$((right + 1))
	done
	stack_look "$name"
	loops_end 8
	say "# $right transfers of 200 MiB in $((SECONDS - began)) s beside 8 loops that fetched 256 KiB $good times"
	case_of "$name: 20 times with the right checksum, 4 of them over IPv6" $((right != 20)) "$folder/fetch.err"
	cat "$folder"/loop-*.err >"$folder/loops.err"
	case_of "$name: 8 clients looped meanwhile, and all that they fetched was right" \
		$((bad > 0 || idle > 0)) "$folder/loops.err"
	server_judge "$name"
}

# stack_look NAME: labyrinth-info beside the running server. On a machine that has much to do each look may find the
# loop at the same place, where nothing is being sent: it looks up to eight times as long.
stack_look() {
	local i
	: >"$folder/looks"
	for ((i = 0; i < 8; i++)); do
		# The last line may have been cut off.
		in_server timeout 4 "$info" --json --every 0.2 "$pool" 2>"$folder/look.err" | grep '}$' >>"$folder/looks" || true
		! python3 "$programs_source/look.py" "$folder/looks" >/dev/null || break
	done
	in_server timeout 1 "$info" --brief --every 0.2 "$pool" >"$folder/look.brief" 2>>"$folder/look.err" || true
	check "$1: labyrinth-info shows who has the frames, and that they move" python3 "$programs_source/look.py" "$folder/looks"
	head -n 3 "$folder/look.brief" | sed 's/^/# /'
}

# wrk_failed FILE: what wrk says of failed requests; nothing if there were none.
wrk_failed() {
	grep -E 'Socket errors|Non-2xx' "$1" || true
	grep -qE '^Requests/sec: *[1-9]' "$1" || echo "no request was answered"
}

stack_requests() {
	local name="64 connections" seconds=30 requests=20000 status=0 failed
	[ -z "${LONG-}" ] || { seconds=120 && requests=200000; }
	server_start requests 1200 "${normal[@]}" || status=$?
	started "$name" $status || return 0
	client $((seconds + 30)) wrk --timeout 20 -t 2 -c 64 -d $seconds "$(url4 small)" >"$folder/wrk" 2>&1 || status=$?
	failed=$(wrk_failed "$folder/wrk")
	[ -z "$failed" ] || say "# $failed"
	case_of "$name: wrk sees no failed request in $seconds s" $((status || ${#failed} > 0)) "$folder/wrk"
	say "# wrk: $(grep -E 'requests in' "$folder/wrk" | xargs)"
	status=0
	client 120 ab -q -s 30 -c 64 -n $requests "$(url4 small)" >"$folder/ab" 2>&1 || status=$?
	grep -q "^Complete requests: *$requests\$" "$folder/ab" && grep -q '^Failed requests: *0$' "$folder/ab" &&
		! grep -q 'Non-2xx' "$folder/ab" || status=1
	case_of "$name: ab opens $requests, one a request, and none fails" $status "$folder/ab"
	say "# ab: $(grep -E '^Requests per second' "$folder/ab" | xargs)"
	# The same from IPv6, shortly: other headers, other code.
	status=0
	client 60 wrk --timeout 20 -t 2 -c 64 -d 3 "$(url6 small)" >"$folder/wrk6" 2>&1 || status=$?
	failed=$(wrk_failed "$folder/wrk6")
	case_of "$name: nor over IPv6" $((status || ${#failed} > 0)) "$folder/wrk6"
	server_judge "$name"
}

# from_many URL FIRST FILE: the file, at once from each of 64 addresses: FIRST and a number from 100 on. Prints how many
# were right. A shell of its own runs it, in the client's namespace.
# shellcheck disable=SC2317 # stack_neighbours calls it
from_many() {
	local i pids=() right=0
	set -o pipefail
	for ((i = 100; i < 164; i++)); do
		curl --interface "$2$i" --max-time 60 -gsS -f "$1" | cmp - "$3" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do ! wait "$i" || right=$((right + 1)); done
	echo "$right"
}

# 64 neighbours of each family, where lwIP remembers ten.
stack_neighbours() {
	local name="64 neighbours" i url first status=0 began right
	server_start neighbours 300 "${normal[@]}" || status=$?
	started "$name" $status || return 0
	for ((i = 100; i < 164; i++)); do
		ip -n "$client_ns" addr add 10.77.0.$i/24 dev cli0 && ip -n "$client_ns" addr add fd77::$i/64 dev cli0 nodad
	done
	for first in 10.77.0. fd77::; do
		url=$(url4 medium) began=$SECONDS
		[ $first = 10.77.0. ] || url=$(url6 medium)
		right=$(client 100 bash -c "$(declare -f from_many); from_many \"\$@\"" many "$url" $first "$root/medium" 2>"$folder/many.err") || true
		case_of "$name: each gets its file over $(family $first)" $((${right:-0} != 64)) "$folder/many.err"
		say "# $right of 64 in $((SECONDS - began)) s"
	done
	for ((i = 100; i < 164; i++)); do
		ip -n "$client_ns" addr del 10.77.0.$i/24 dev cli0 && ip -n "$client_ns" addr del fd77::$i/64 dev cli0
	done
	server_judge "$name"
	say "# $(grown tx_stranger) of $(grown tx) packets were for strangers"
	check "$name: few packets were for strangers" few_strangers
}

# Of the 24000 packets: those that begin, and what waits until a neighbour has answered.
few_strangers() {
	server_end
	[ "$(grown tx_stranger)" -gt 0 ] && [ "$(grown tx_stranger)" -lt 3000 ] && [ "$(grown tx)" -gt 20000 ]
}

# echoed TOOL ADDRESS BYTES ID: sends so many random bytes through an echo; do they come back?
echoed() {
	local tool=$1 address=$2 out=$folder/echo-$4
	head -c "$3" /dev/urandom >"$out.sent"
	case $tool in
	socat)
		[[ $address != *:* ]] || address="[$address]"
		timeout 30 ip netns exec "$client_ns" socat -t 20 - "TCP:$address:7" <"$out.sent" >"$out.got" 2>"$out.err"
		;;
	ncat) timeout 30 ip netns exec "$client_ns" ncat "$address" 7 <"$out.sent" >"$out.got" 2>"$out.err" ;;
	esac
	if ! cmp "$out.sent" "$out.got" 2>>"$out.err"; then
		echo "$tool, $address, $3 bytes, came back: $(stat -c %s "$out.got"); $(xargs <"$out.err")" >>"$folder/echo.err"
		return 1
	fi
	rm -f "$out".*
	echo >>"$folder/echoed"
}

# echo_size I: 1 and 65536 first, then anything between.
echo_size() {
	case $1 in
	1) echo 65536 ;;
	2) echo 1 ;;
	*) echo $((1 + (RANDOM * 32768 + RANDOM) % 65536)) ;;
	esac
}

stack_echoes() {
	local name="echo, random sizes" tool address i n=24 status=0 id=0 many=()
	[ -z "${LONG-}" ] || n=200
	server_start echoes 1200 "${normal[@]}" || status=$?
	started "$name" $status || return 0
	RANDOM=7
	for tool in socat ncat; do
		for address in "$server4" "$server6"; do
			rm -f "$folder/echo.err" "$folder/echoed"
			for ((i = 1; i <= n; i++)); do
				id=$((id + 1))
				echoed "$tool" "$address" "$(echo_size "$i")" $id || true
			done
			case_of "$name: $n by $tool over $(family "$address") come back as they were sent" \
				$(($(wc -l <"$folder/echoed") != n)) "$folder/echo.err"
		done
	done
	rm -f "$folder/echo.err" "$folder/echoed"
	for ((i = 1; i <= 32; i++)); do
		tool=socat address=$server4
		[ $((i & 1)) = 0 ] || tool=ncat
		[ $((i & 2)) = 0 ] || address=$server6
		id=$((id + 1))
		echoed "$tool" "$address" "$(echo_size "$i")" $id &
		many+=($!)
	done
	for i in "${many[@]}"; do wait "$i" || true; done
	case_of "$name: 32 at once by both, over both, too" $(($(wc -l <"$folder/echoed") != 32)) "$folder/echo.err"
	server_judge "$name"
}

family() { [[ $1 == *:* ]] && echo IPv6 || echo IPv4; }
