# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# A pool ten times too small, and echoes whose clients do not read: the stack drops and says so, goes to the
# reserve, recovers, and keeps the connections that it had. For devtools/suites/stack, with ground.sh.
# shellcheck shell=bash disable=SC2154 # ground.sh and the suite

# The rings may take as many frames as with ten times the pool.
small=(--ordinary-pages --frames 819 --rx-frames 2048 --tx-frames 2048)

# waits_for WORD FILE PID: until a line of FILE begins with it; 1 if the process ends first, or after a minute.
waits_for() {
	local i
	for ((i = 0; i < 600; i++)); do
		! grep -qs "^$1" "$2" || return 0
		kill -0 "$3" 2>/dev/null || return 1
		sleep 0.1
	done
	return 1
}

# Clients that wait for a line on stdin get it over a pipe of their own, held open here.
client_held() {
	local name=$1
	shift
	rm -f "$folder/$name.line"
	mkfifo "$folder/$name.line"
	ip netns exec "$client_ns" timeout -k 5 1000 "$@" <>"$folder/$name.line" >"$folder/$name.out" 2>"$folder/$name.err" &
	children+=($!)
	client_pid=$!
}

client_go_on() { echo >"$folder/$1.line"; }

# next_status N: waits for N more status lines; the first may have begun before what was done last.
next_status() {
	local before i
	before=$(grep -c ': status ' "$server_log.out" || true)
	for ((i = 0; i < 100; i++)); do
		[ "$(grep -c ': status ' "$server_log.out")" -lt $((before + $1)) ] || return 0
		sleep 0.1
	done
}

# A frame of it may be under way just when a status line is written: ask with settled.
reserve_is() {
	server_last
	[ "$(value reserve "$(server_last)")" = "$1" ]
}

# stack_holds: frames that lwIP has, by labyrinth-info.
stack_holds() { in_server "$info" --json "$pool" 2>>"$folder/look.err" | python3 "$programs_source/look.py" --stack; }

# least_reserved: of all those looks.
least_reserved() { grep -oE '"reserved": ?[0-9]+' "$folder/reserve" | grep -oE '[0-9]+$' | sort -n | head -n 1; }

stack_pressure() {
	local name="a tenth of the frames" status=0 full old hold before extra i sum idle low
	server_start pressure 1200 "${small[@]}" || status=$?
	started "$name" $status || return 0
	sum=$(sha256sum <"$root/large")
	next_status 1
	idle=$(stack_holds)

	# Half of them speak all the time, half are silent until it is over.
	client_held old "$programs/tcp-pingpong" "$server4" 7 5000 1000 16
	old=$client_pid
	waits_for waiting "$folder/old.out" "$old" || status=$?
	case_of "$name: 16 connections are established before" $status "$folder/old.err"

	client_held hold "$programs/tcp-hold" "$server4" 7 64 10000000
	hold=$client_pid
	loops 8
	status=0
	waits_for blocked "$folder/hold.out" "$hold" || status=$?
	case_of "$name: 64 echoes take no more from clients that do not read" $status "$folder/hold.err"
	extra=$(stack_holds)
	case_of "$name: labyrinth-info shows the frames that the stack keeps for them ($idle before, $extra now)" \
		$((extra < idle + 64)) "$folder/look.err"
	# As if it had lost its processor for a moment, while more arrives than its rings have frames.
	before=$(value drop_no_frame "$(server_last)")
	kill -STOP "$server_pid"
	client 10 ping -q -l 4000 -c 4000 -w 1 "$server4" >"$folder/pressure.ping" 2>&1 || true
	kill -CONT "$server_pid"
	next_status 2
	extra=$(($(value drop_no_frame "$(server_last)") - before))
	case_of "$name: of 4000 packets at once it drops some, and says so ($extra)" $((extra <= 0)) "$folder/pressure.ping"
	# Nobody else's: a look every 50 ms.
	in_server timeout 8 "$info" --json --every 0.05 "$pool" >"$folder/reserve" 2>"$folder/reserve.err" &
	children+=($!)
	client 60 wrk --timeout 20 -t 2 -c 64 -d 8 "$(url4 medium)" >"$folder/pressure.wrk" 2>&1 || true
	child_end "${children[-1]}" || true
	low=$(least_reserved) || low=1000000 # it never looked
	extra=$(server_last)
	client_go_on hold
	status=0
	child_end "$hold" || status=$?
	say "# $(tail -n 1 "$folder/hold.out")"
	case_of "$name: those then read all that they had sent" $status "$folder/hold.err"
	loops_end 8
	cat "$folder"/loop-*.err >"$folder/loops.err"
	case_of "$name: 8 loops beside them were served right" $((bad > 0 || idle > 0)) "$folder/loops.err"
	say "# under pressure: ${extra#*: }"

	client_go_on old
	status=0
	child_end "$old" || status=$?
	case_of "$name: connections from before still echo, and nothing they sent was lost or changed" $status "$folder/old.err"
	say "# $(tail -n 1 "$folder/old.out")"

	status=0
	for i in 1 2 3; do fetched "$(url4 large)" "$sum" || status=1; done
	case_of "$name: it recovers: three transfers of 200 MiB have the right checksum" $status "$folder/fetch.err"
	extra=$(stack_holds)
	case_of "$name: labyrinth-info shows that the stack let go of them ($extra)" $((extra >= idle + 64)) "$folder/look.err"
	full=$(most reserve)
	check "$name: and then its reserve is full as before ($full)" settled reserve_is "$full"
	say "# drops: no frame $(grown drop_no_frame), ring $(grown drop_ring), wire $(grown drop_wire), stack" \
		"$(grown drop_stack); copied to keep frames $(grown copied); sent nothing for want of a frame $(grown tx_no_frame); connections mended $(grown mended);" \
		"reserve at least $(least reserve) of $full, free at least $(least free)"
	case_of "$name: it copied what it had to keep, and said so" $(($(grown copied) == 0)) "$server_log.out"
	case_of "$name: receiving was short of frames, and what was sent came from the reserve, too: $low of $full were left" \
		$(($(grown drop_no_frame) == 0 || low >= full)) "$folder/reserve.err"
	server_judge "$name"
}
