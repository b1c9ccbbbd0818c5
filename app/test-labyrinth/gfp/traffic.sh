# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# Traffic that rises tenfold and falls again, against an echo that holds each packet: frames in use
# are rate times hold, so that a pool that breathes has to. Two namespaces of this test's own, a veth
# pair between them, kernel UDP sockets at the other end. For devtools/suites/gfp, with tap.sh.
# shellcheck shell=bash disable=SC2154 # tap.sh and the suite set programs, top, test_dir

# traffic KIND [OPTION...]: runs it. KIND: "breathes" expects that the pool grows and shrinks, "fixed" that it is
# large enough as it is. OPTIONs are echo-hold's, for its pool. Cases are called "traffic, KIND".
traffic() {
	local kind=$1 name="traffic, $1" tool seconds=0 phase before after status=0
	local echo_ns=lab-hold-$$ pace_ns=lab-pace-$$ address=10.77.0.2
	local folder=$test_dir/log/gfp-traffic-$1
	shift
	is_root || { skip "$name" "network namespaces and AF_XDP need root"; return; }
	[ -x "$programs/echo-hold" ] || { skip "$name" "built without AF_XDP (libxdp, libbpf)"; return; }
	for tool in ip ethtool python3; do
		have $tool || { skip "$name" "$tool is not installed (iproute2 ethtool python3)"; return; }
	done
	if [ "$(hugepages_free)" -lt 200 ]; then
		skip "$name" "fewer than 200 hugepages of 2 MiB are free (sysctl vm.nr_hugepages)"
		return
	fi
	rm -rf "$folder"
	mkdir -p "$folder"
	before=$(hugepages_settled)
	# shellcheck disable=SC2064 # now: the names are local
	at_exit "traffic_end $echo_ns $pace_ns"
	if ! traffic_wire "$echo_ns" "$pace_ns" $address 2>"$folder/wire.err"; then
		traffic_end "$echo_ns" "$pace_ns"
		skip "$name" "no network namespace, or no veth pair: $(tail -n 1 "$folder/wire.err")"
		return
	fi

	for phase in "${traffic_phases[@]}"; do seconds=$((seconds + ${phase#*:})); done
	ip netns exec "$echo_ns" "$programs/echo-hold" af_xdp:hold0 --ip $address --hold "$traffic_hold" \
		--ring 4096 --seconds $((seconds + 10)) "$@" >"$folder/echo.json" 2>"$folder/echo.err" &
	traffic_echo=$! # traffic_end stops it
	if ! traffic_ready "$folder/echo.json"; then
		not_ok "$name: the echo starts" "$folder/echo.err"
	else
		attended ip netns exec "$pace_ns" timeout $((seconds + 30)) "$programs/udp-pace" $address 7 \
			"${traffic_phases[@]}" >"$folder/pace.json" 2>"$folder/pace.err" || status=$?
		[ $status = 0 ] || say "# udp-pace ended with status $status: $(tail -n 1 "$folder/pace.err")"
		kill -TERM "$traffic_echo" 2>/dev/null
		status=0
		wait "$traffic_echo" || status=$?
		traffic_echo=
		if [ $status = 0 ]; then
			ok "$name: the echo ends with status 0"
		else
			not_ok "$name: the echo ends with status 0" "$folder/echo.err"
		fi
		traffic_dropped "$echo_ns" "$pace_ns" >"$folder/dropped"
		traffic_judge "$name" "$kind" "$folder"
	fi
	check "$name: no process is left" traffic_idle "$echo_ns" "$pace_ns"
	traffic_end "$echo_ns" "$pace_ns"
	after=$(hugepages_settled "$before")
	if [ "$before" = "$after" ]; then
		ok "$name: as many hugepages are free as before ($after)"
	else
		say "# $before hugepages were free before, $after are now"
		not_ok "$name: as many hugepages are free as before"
	fi
	check "$name: no namespace is left" traffic_gone "$echo_ns" "$pace_ns"
}

# Packets a second for so many seconds each; how long each is held, in ms.
if [ "${LONG-}" ]; then
	traffic_phases=(10000:5 100000:10 10000:10)
	traffic_hold=400
else
	traffic_phases=(3000:3 30000:4 3000:4)
	traffic_hold=300
fi
traffic_echo=

traffic_wire() {
	local echo_ns=$1 pace_ns=$2 address=$3
	ip netns add "$echo_ns" && ip netns add "$pace_ns" || return 1
	ip link add hold0 netns "$echo_ns" type veth peer name pace0 netns "$pace_ns" || return 1
	ip -n "$echo_ns" link set hold0 up
	ip -n "$pace_ns" link set pace0 up
	ip -n "$pace_ns" addr add 10.77.0.1/24 dev pace0
	# The sender would leave checksums to hardware that a veth pair does not have.
	ip netns exec "$pace_ns" ethtool -K pace0 tx off >/dev/null 2>&1
}

traffic_ready() {
	local i
	for ((i = 0; i < 200; i++)); do
		! grep -qs ready "$1" || return 0
		kill -0 "$traffic_echo" 2>/dev/null || return 1
		sleep 0.05
	done
	return 1
}

# Packets that the kernel dropped between the two, by its own count of each interface.
traffic_dropped() {
	local ns
	for ns in "$@"; do
		ip netns exec "$ns" sed -n 's/^ *\(hold\|pace\)0: *//p' /proc/net/dev
	done | awk '{ sum += $4 + $12 } END { print sum + 0 }'
}

# traffic_judge NAME KIND FOLDER: the cases that follow from what both programs printed.
traffic_judge() {
	local name=$1 status=0 line
	python3 "$top/app/test-labyrinth/gfp/traffic.py" "$2" "$3" "${LONG:+long}" >"$3/judge" 2>"$3/judge.err" || status=$?
	while IFS= read -r line; do
		case $line in
		"ok - "*"# SKIP "*) line=${line#ok - } && skip "$name: ${line%% # SKIP *}" "${line##*# SKIP }" ;;
		"ok - "*) ok "$name: ${line#ok - }" ;;
		"not ok - "*) not_ok "$name: ${line#not ok - }" ;;
		*) say "$line" ;;
		esac
	done <"$3/judge"
	[ $status = 0 ] || not_ok "$name: its figures can be read" "$3/judge.err"
}

# Does nothing twice.
traffic_end() {
	local ns
	[ -z "$traffic_echo" ] || stop "$traffic_echo" || true
	traffic_echo=
	for ns in "$@"; do ip netns del "$ns" 2>/dev/null || true; done
}

# shellcheck disable=SC2317 # check calls it
traffic_idle() {
	local ns
	for ns in "$@"; do [ -z "$(ip netns pids "$ns")" ] || return 1; done
}

# shellcheck disable=SC2317 # check calls it
traffic_gone() {
	local ns
	for ns in "$@"; do ! ip netns list | grep -q "^$ns\b" || return 1; done
}

# hugepages_settled [WANTED]: how many are free; waits for it up to two seconds, because the kernel unpins a closed
# socket's memory in a work queue.
hugepages_settled() {
	local i
	for ((i = 0; i < 40; i++)); do
		[ "$(hugepages_free)" != "${1-}" ] || break
		[ $# -gt 0 ] || break
		sleep 0.05
	done
	hugepages_free
}
