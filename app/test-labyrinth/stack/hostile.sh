#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# A million hostile frames into a running program on AF_XDP, from the other end of a veth pair, while
# an honest client there goes on with it. TAP on stdout.
#
#	hostile.sh PROGRAM HOSTILE-SEND [COUNT [SEED [RATE]]]
#
# PROGRAM is lwip-httpd, or the echo example, by its name: the client is curl, or ping. To be worth
# something it is a build with -Db_sanitize=address,undefined. RATE is of frames a second (30000): what
# is faster than such a build the kernel drops before the program sees it. KEEP_LOG=DIR keeps its output there.
set -u
PATH=$PATH:/usr/sbin:/sbin

program=${1-} sender=${2-} count=${3:-1000000} seed=${4:-1} rate=${5:-30000}
name=$(basename "$program")
victim=lab-hv-$$ enemy=lab-he-$$
ip=10.78.0.2 client=10.78.0.1 ip6=fd00:78::2 client6=fd00:78::1 mac=02:00:00:00:78:02
dir=
log=
program_pid=
client_pid=
tests=0
failed=0

skip_all() { echo "1..0 # SKIP $1"; exit 0; }
note() { echo "# ${1//$'\n'/$'\n'# }"; }

ok() { # ok STATUS NAME
	tests=$((tests + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tests - $2"
	else
		failed=1
		echo "not ok $tests - $2"
		note "$(grep -v ' status t=' "$log" | tail -n 60)"
	fi
}

# shellcheck disable=SC2317 # called by trap
cleanup() {
	local pid

	for pid in $client_pid $program_pid; do
		kill -KILL "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	done
	ip netns del "$victim" 2>/dev/null
	ip netns del "$enemy" 2>/dev/null
	[ -n "$dir" ] && rm -rf "$dir"
}

peer() { ip netns exec "$enemy" timeout -k 5 "$@"; } # peer SECONDS COMMAND...
value() { grep -v ' status t=' "$log" | sed -n "s/.* $1=\([0-9]*\).*/\1/p" | tail -n 1; } # of its last line
alive() { [ -n "$program_pid" ] && kill -0 "$program_pid" 2>/dev/null; }

start_program() {
	local arguments=(af_xdp:veth0 --seconds 900)

	if [ "$name" = echo ]; then
		arguments+=(--ip "$ip" --frames 16384)
	else
		arguments+=(--ip "$ip/24" --ip6 "$ip6" --root "$dir/root" --private
			--frames 16384 --rx-frames 8192 --adaptive)
	fi
	# Sanitizers place their shadow where randomised mappings may lie; leaks count, too.
	ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
		ip netns exec "$victim" setarch -R "$program" "${arguments[@]}" >"$log" 2>&1 &
	program_pid=$!
	for _ in $(seq 200); do
		grep -q ready "$log" && return 0
		alive || break
		sleep 0.05
	done
	return 1
}

# One honest exchange. curl's connection may be the one that lwIP gives up in a flood: it tries anew.
honest() { # honest [ADDRESS]
	local address=${1:-$ip}

	if [ "$name" = echo ]; then
		peer 10 ping -q -c 1 -w 5 "$address" >/dev/null
	else
		[ "$address" = "$ip" ] || address="[$address]"
		peer 30 curl -sS --max-time 10 -o "$dir/got" "http://$address/file" 2>"$dir/curl" &&
			cmp -s "$dir/got" "$dir/root/file"
	fi
}

patiently() { # patiently [ADDRESS]: it may take a minute
	local i

	for ((i = 0; i < 12; i++)); do
		alive || return 1
		honest "$@" && return 0
		sleep 1
	done
	return 1
}

client_loop() { # counts into two files
	local good=0 bad=0

	while alive; do
		if honest; then good=$((good + 1)); else bad=$((bad + 1)); fi
		echo "$good good, $bad not" >"$dir/client"
	done
}

{ [ -x "$program" ] && [ -x "$sender" ]; } || skip_all "usage: hostile.sh PROGRAM HOSTILE-SEND; built without AF_XDP or lwIP?"
[ "$(id -u)" = 0 ] || skip_all "network namespaces and AF_XDP need root"
for tool in ip ping ethtool timeout curl setarch; do
	command -v $tool >/dev/null || skip_all "$tool is not installed (iproute2 iputils-ping ethtool curl util-linux)"
done
trap cleanup EXIT
trap 'exit 1' INT TERM HUP
dir=$(mktemp -d)
log=$dir/log
mkdir "$dir/root"
head -c 300000 /dev/urandom >"$dir/root/file"
if ! ip netns add "$victim" 2>/dev/null || ! ip netns add "$enemy" 2>/dev/null; then
	skip_all "this kernel (or container) gives no network namespace"
fi
# 3000: what is oversized reaches the driver, whose frames hold it, and the stack.
ip link add veth0 netns "$victim" mtu 3000 address $mac type veth peer name veth1 netns "$enemy" mtu 3000 2>/dev/null ||
	skip_all "this kernel has no veth"
ip -n "$victim" link set veth0 up
ip -n "$enemy" link set veth1 up
ip -n "$enemy" addr add $client/24 dev veth1
ip -n "$enemy" addr add $client6/64 dev veth1 nodad
# The peer would leave checksums to hardware that a veth pair does not have.
ip netns exec "$enemy" ethtool -K veth1 tx off >/dev/null 2>&1
# An honest client keeps to what it knows: lies about its neighbours are not what is tested.
ip -n "$enemy" neigh replace $ip lladdr $mac nud permanent dev veth1
ip -n "$enemy" neigh replace $ip6 lladdr $mac nud permanent dev veth1
ip -n "$enemy" route replace 10.78.0.0/24 dev veth1 mtu 1500
ip -n "$enemy" -6 route replace fd00:78::/64 dev veth1 mtu 1500

start_program
ok $? "$name starts"
patiently
ok $? "an honest client is served"
client_loop &
client_pid=$!
out=$(peer 600 "$sender" veth1 --mac $mac --ip $ip --ip6 $ip6 --spare 1 --count "$count" --seed "$seed" --rate "$rate" 2>&1)
ok $? "$count hostile frames are sent, seed $seed"
note "$out"
alive
ok $? "it survives"
kill -TERM "$client_pid" 2>/dev/null
wait "$client_pid" 2>/dev/null
client_pid=
note "the honest client meanwhile: $(cat "$dir/client")"
patiently
ok $? "which is served afterwards"
if [ "$name" != echo ]; then
	patiently $ip6
	ok $? "over IPv6, too"
fi
pid=$program_pid
kill -TERM "$pid" 2>/dev/null
wait "$pid"
status=$?
program_pid=
ok $status "it ends on SIGTERM with status 0 ($status)"
! grep -qE 'AddressSanitizer|LeakSanitizer|runtime error|Assertion' "$log"
ok $? "no sanitizer has anything to say"
if [ "$name" != echo ]; then
	# What the kernel could not hand over, because a sanitized build was too slow, is counted by the device.
	[ "$(value rx)" -ge $((count * 4 / 5)) ]
	ok $? "four fifths of the frames, at least, came up to it: $(value rx)"
fi
[ "$(value lost)" = 0 ] && [ "$(value held)" = 0 ] && [ "$(value lent)" = 0 ] && [ "$(value refused)" = 0 ] &&
	[ $(($(value free) + $(value cached))) = "$(value total)" ]
ok $? "no frame is lost"
note "$(tail -n 1 "$log")"
[ -n "${KEEP_LOG-}" ] && cp "$log" "$KEEP_LOG/hostile-$name.log"

echo "1..$tests"
exit $failed
