# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# What lwip-httpd does when it is called wrongly, when its device goes, when it is killed, and when it is to
# leave the processor to others. For devtools/suites/stack, with ground.sh.
# shellcheck shell=bash disable=SC2154 # ground.sh and the suite

# refuses WHAT WORD ARGUMENT...: it ends at once, not with 0, with one sentence on stderr that has WORD in it.
refuses() {
	local what=$1 word=$2 status=0
	shift 2
	attended ip netns exec "$server_ns" timeout -k 5 10 "$httpd" "$@" >"$folder/mistake.out" 2>"$folder/mistake.err" || status=$?
	only_ours "$folder/mistake.err"
	if [ $status != 0 ] && [ $status -lt 124 ] && [ "$(wc -l <"$folder/mistake.err")" = 1 ] &&
		grep -qiE -- "$word" "$folder/mistake.err" && ! grep -q ': ready' "$folder/mistake.out" && settled no_program; then
		ok "mistakes: $what"
	else
		echo "status $status, XDP program left: $(no_program && echo no || echo yes)" >>"$folder/mistake.err"
		not_ok "mistakes: $what" "$folder/mistake.err"
	fi
	say "# $(head -n 1 "$folder/mistake.err")"
}

# What libxdp has to say is its own, and argp adds where to read more.
only_ours() { sed -i '/^libxdp:\|^libbpf:\|^Try .*--help/d' "$1"; }

stack_mistakes() {
	local good=(--ip "$server4/24" --seconds 5) with=(af_xdp:lab0 --ip "$server4/24" --seconds 5) unreadable=$folder/closed
	refuses "no device at all" device
	refuses "no --ip" -- --ip af_xdp:lab0 --seconds 5
	refuses "a device of a kind that is unknown" nosuch nosuch:lab0 "${good[@]}"
	refuses "an interface that is not there" nosuch af_xdp:nosuch0 "${good[@]}"
	refuses "an address of PCI where nothing is" '00:1f.7|vfio' e1000e:0000:00:1f.7 "${good[@]}"
	refuses "an address that is none" 10.77.0.256 af_xdp:lab0 --ip 10.77.0.256/24 --seconds 5
	refuses "a prefix that is none" "'33'" af_xdp:lab0 --ip "$server4/33" --seconds 5
	refuses "a gateway that is none" gate "${with[@]}" --gateway gate
	refuses "an address of IPv6 that is none" fd77::g "${with[@]}" --ip6 fd77::g
	refuses "too many addresses of IPv6" ip6 "${with[@]}" --ip6 fd77::2 --ip6 fd77::3 --ip6 fd77::4 --ip6 fd77::5 --ip6 fd77::6 --ip6 fd77::7
	refuses "a folder that is not there" "$folder/nosuch" "${with[@]}" --root "$folder/nosuch"
	refuses "a folder that is a file" "$root/small" "${with[@]}" --root "$root/small"
	refuses "port 70000" 70000 "${with[@]}" --port 70000
	refuses "echo port 70000" 70000 "${with[@]}" --echo-port 70000
	refuses "the same port twice" port "${with[@]}" --port 80 --echo-port 80
	refuses "a number that is none" many "${with[@]}" --frames many
	refuses "frames that do not fill a ring" frames "${with[@]}" --frames 4
	refuses "no frames" frames "${with[@]}" --frames 0
	refuses "more frames than there can be" frames "${with[@]}" --frames 4000000000
	refuses "an option that is unknown" nosuch "${with[@]}" --nosuch
	refuses "an argument too many" extra "${with[@]}" extra
	refuses "a pool's name that cannot be" / "${with[@]}" --pool a/b
	mistake_unreadable "$unreadable" "${with[@]}"
	mistake_taken
	mistake_gone
}

# As root every folder can be read: as nobody, with what it takes to open the interface and no more.
mistake_unreadable() {
	local closed=$1 status=0 name="mistakes: a folder, and a file, that may not be read"
	shift
	mkdir -p "$closed/in"
	echo secret >"$closed/in/file"
	chmod 000 "$closed/in/file"
	if ! have setpriv || setpriv --bounding-set=-dac_override,-dac_read_search cat "$closed/in/file" >/dev/null 2>&1; then
		skip "$name" "no setpriv that takes root's right to read everything (util-linux)"
		return
	fi
	in_server setpriv --bounding-set=-dac_override,-dac_read_search timeout -k 5 10 "$httpd" "$@" --root "$closed/in" \
		>"$folder/mistake.out" 2>"$folder/mistake.err" || status=$?
	# To serve the rest of the folder is an answer, too, if it says what it leaves out.
	grep -q "$closed/in/file" "$folder/mistake.err" || status=0
	case_of "$name" $((status == 0)) "$folder/mistake.err"
	say "# $(head -n 1 "$folder/mistake.err")"
	rm -rf "$closed"
}

# Two at once on one interface, or with one name.
mistake_taken() {
	local name="mistakes: a second on the same interface" status=0 second=0
	server_start first 600 "${normal[@]}" || status=$?
	started "mistakes, the first" $status || return 0
	in_server timeout -k 5 10 "$httpd" af_xdp:lab0 --ip "$server4/24" --pool "$pool-2" --seconds 5 >"$folder/mistake.out" \
		2>"$folder/mistake.err" || second=$?
	only_ours "$folder/mistake.err"
	case_of "$name is refused with one sentence" \
		$((second == 0 || second >= 124 || $(wc -l <"$folder/mistake.err") != 1)) "$folder/mistake.err"
	say "# $(head -n 1 "$folder/mistake.err")"
	fetched "$(url4 medium)" "$(sha256sum <"$root/medium")" || status=$?
	case_of "$name does not disturb the first" $status "$server_log.err"
	server_judge "mistakes, the first"
}

# Its interface is deleted while 8 clients fetch.
mistake_gone() {
	local name="mistakes: the interface goes" status=0 i
	server_start gone 600 "${normal[@]}" || status=$?
	started "$name" $status || return 0
	loops 8 2
	sleep 1
	ip -n "$server_ns" link del lab0
	for ((i = 0; i < 100; i++)); do
		kill -0 "$server_pid" 2>/dev/null || break
		sleep 0.1
	done
	case_of "$name: lwip-httpd ends by itself within 10 s" $((i == 100)) "$server_log.err"
	server_stop
	loops_end 8
	# Its socket is gone, and with it what it had lent: only the sum can be right.
	case_of "$name: not with status 0" $((server_status == 0)) "$server_log.out"
	only_ours "$server_log.err"
	case_of "$name: it says so in one sentence" $(($(grep -c lab0 "$server_log.err") != 1)) "$server_log.err"
	say "# $(tail -n 1 "$server_log.err")"
	server_status=0
	check "$name: no frame is lost, lent or held" conserved
	ip -n "$client_ns" link del cli0 2>/dev/null || true
	status=0
	wire_server 2>"$folder/ground.err" && server_start after-gone 600 "${normal[@]}" || status=$?
	started "$name, and another comes" $status || return 0
	server_judge "$name, and another comes"
}

# used PID: clock ticks of processor time.
used() { awk '{ sub(/^.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }

# share PID: percent of one processor, over two idle seconds.
share() {
	local before after
	before=$(used "$1")
	sleep 2
	after=$(used "$1")
	echo $(((after - before) * 100 / (2 * $(getconf CLK_TCK))))
}

stack_adaptive() {
	local name=adaptive status=0 polling idle
	server_start polling 600 "${normal[@]}" || status=$?
	started "polling" $status || return 0
	polling=$(share "$server_pid")
	server_judge polling
	server_start adaptive 600 "${normal[@]}" --adaptive || status=$?
	started "$name" $status || return 0
	sleep 1
	idle=$(share "$server_pid")
	say "# of a processor, idle: polling $polling %, adaptive $idle %"
	case_of "$name: idle, it takes less than 20 % of a processor ($idle %), and polling more ($polling %)" \
		$((idle >= 20 || polling <= idle)) "$server_log.out"
	fetched "$(url4 large)" "$(sha256sum <"$root/large")" && fetched "$(url6 large)" "$(sha256sum <"$root/large")" || status=1
	case_of "$name: 200 MiB over IPv4 and IPv6 have the right checksum" $status "$folder/fetch.err"
	status=0
	client 60 wrk --timeout 20 -t 2 -c 64 -d 5 "$(url4 small)" >"$folder/adaptive.wrk" 2>&1 || status=$?
	[ -z "$(wrk_failed "$folder/adaptive.wrk")" ] || status=1
	case_of "$name: wrk at 64 connections sees no failed request" $status "$folder/adaptive.wrk"
	say "# wrk: $(grep -E 'requests in' "$folder/adaptive.wrk" | xargs)"
	status=0
	client 60 "$programs/tcp-pingpong" "$server4" 7 5000 64 >"$folder/adaptive.echo" 2>&1 || status=$?
	case_of "$name: 5000 echoes, one after another" $status "$folder/adaptive.echo"
	say "# $(tail -n 1 "$folder/adaptive.echo")"
	server_judge "$name"
}

# Killed while 8 clients fetch, and at once another in its place.
stack_killed() {
	local status i before
	before=$(hugepages_used)
	for i in 1 2 3; do
		status=0
		server_start "killed-$i" 600 "${normal[@]}" || status=$?
		started "killed, round $i" $status || return 0
		loops 8 2
		sleep 1
		kill -KILL "$server_pid"
		wait "$server_pid" 2>/dev/null || true
		server_pid=
		server_start "after-killed-$i" 600 "${normal[@]}" || status=$?
		started "killed, round $i: the next at once" $status || {
			loops_end 8
			return 0
		}
		fetched "$(url4 large)" "$(sha256sum <"$root/large")" || status=$?
		case_of "killed, round $i: the next serves" $status "$folder/fetch.err"
		loops_end 8
		server_stop
		check "killed, round $i: the next ends with status 0, and no frame is lost, lent or held" conserved
	done
	no_program || say "# an XDP program stays on the interface: who is killed cannot take it off"
	ip -n "$server_ns" link set lab0 xdp off 2>/dev/null || true
	check "killed: all hugepages are back" settled hugepages_back "$before"
}
