#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# examples/echo against the kernel of another network namespace: ping and UDP, no packet lost and no
# frame either. TAP on stdout.
#
#	echo-test.sh ECHO UDP-CLIENT
set -u

echo_exe=${1-} udp_client=${2-}
ns_echo=lab-echo-$$ ns_peer=lab-peer-$$
ip_echo=10.77.0.2 ip_peer=10.77.0.1
log=
echo_pid=
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
		[ -s "$log" ] && note "$(cat "$log")"
	fi
}

skip() { tests=$((tests + 1)); echo "ok $tests - $1 # SKIP $2"; }

# shellcheck disable=SC2317 # called by trap
cleanup() {
	[ -n "$echo_pid" ] && kill -KILL "$echo_pid" 2>/dev/null && wait "$echo_pid" 2>/dev/null
	ip netns del "$ns_echo" 2>/dev/null
	ip netns del "$ns_peer" 2>/dev/null
	[ -n "$log" ] && rm -f "$log"
}

start_echo() { # start_echo ARGUMENT...: in its namespace, in the background, until it is ready
	: >"$log"
	ip netns exec "$ns_echo" "$echo_exe" af_xdp:veth0 --ip $ip_echo --seconds 120 "$@" \
		>"$log" 2>&1 &
	echo_pid=$!
	for _ in $(seq 100); do
		grep -q ready "$log" && return 0
		kill -0 "$echo_pid" 2>/dev/null || break
		sleep 0.05
	done
	return 1
}

stop_echo() { # returns echo's exit status
	local pid=$echo_pid

	echo_pid=
	kill -TERM "$pid" 2>/dev/null
	wait "$pid"
}

value() { sed -n "s/.* $1=\([0-9]*\).*/\1/p" "$log"; } # value NAME: from echo's last line

conserved() { # by echo's last line
	[ "$(value lost)" = 0 ] && [ "$(value held)" = 0 ] && [ "$(value lent)" = 0 ] &&
		[ "$(value refused)" = 0 ] &&
		[ $(($(value free) + $(value cached))) = "$(value total)" ]
}

peer() { ip netns exec "$ns_peer" timeout -k 5 "$@"; } # peer SECONDS COMMAND...

[ "$(id -u)" = 0 ] || skip_all "network namespaces and AF_XDP need root"
[ -x "$echo_exe" ] || skip_all "built without AF_XDP (libxdp, libbpf): there is no echo to test"
for tool in ip ping ethtool timeout; do
	command -v $tool >/dev/null || skip_all "$tool is not installed (iproute2 iputils-ping ethtool)"
done
trap cleanup EXIT
trap 'exit 1' INT TERM HUP
log=$(mktemp)
if ! ip netns add "$ns_echo" 2>/dev/null || ! ip netns add "$ns_peer" 2>/dev/null; then
	skip_all "this kernel (or container) gives no network namespace"
fi
ip link add veth0 netns "$ns_echo" type veth peer name veth1 netns "$ns_peer" 2>/dev/null ||
	skip_all "this kernel has no veth"
ip -n "$ns_echo" link set veth0 up
ip -n "$ns_peer" link set veth1 up
ip -n "$ns_peer" addr add $ip_peer/24 dev veth1
# The peer would leave checksums to hardware that a veth pair does not have.
ip netns exec "$ns_peer" ethtool -K veth1 tx off >/dev/null 2>&1

# --- the whole traffic
start_echo
ok $? "echo starts"
lost=0 pings=0
for size in 0 18 56 500 1000 1472; do
	out=$(peer 30 ping -f -q -c 200 -w 20 -s $size $ip_echo)
	grep -q '200 packets transmitted, 200 received' <<<"$out" || { lost=1; note "$out"; }
	pings=$((pings + 200))
done
ok $lost "$pings pings of 0 to 1472 bytes are answered, none is lost"
out=$(peer 90 "$udp_client" $ip_echo 7 100000 64)
ok $? "100000 UDP packets of 64 to 1472 bytes come back unchanged, 64 at a time"
note "$out"
stop_echo
ok $? "echo ends on SIGTERM with status 0"
conserved
ok $? "no frame is lost"
[ "$(value icmp)" = $pings ] && [ "$(value udp)" = 100000 ] && [ "$(value dropped)" = 0 ] &&
	[ "$(value missed)" = 0 ] && [ "$(value bad)" = 0 ]
ok $? "echo counted each of them, and dropped none"
note "$(cat "$log")"
ip -n "$ns_echo" link show veth0 | grep -q xdp
ok $((! $?)) "no XDP program is left on the interface"

# --- again, at once: the kernel still has the queue
start_echo
ok $? "echo starts again at once"
peer 10 ping -q -c 20 -i 0.01 -w 5 $ip_echo >/dev/null
ok $? "and answers"
# --- and once more after a SIGKILL, which cleans up nothing in user space
kill -KILL "$echo_pid"
wait "$echo_pid" 2>/dev/null
echo_pid=
start_echo
ok $? "echo starts after it was killed"
peer 10 ping -q -c 20 -i 0.01 -w 5 $ip_echo >/dev/null
ok $? "and answers"
stop_echo
conserved
ok $? "no frame is lost"

# --- pools
start_echo --ordinary-pages --frames 64
ok $? "echo starts with 64 ordinary frames, of which its rings could take 4096"
peer 60 "$udp_client" $ip_echo 7 20000 16 >/dev/null
ok $? "20000 UDP packets, 16 at a time, come back"
peer 60 "$udp_client" $ip_echo 7 5000 256 >"$log.udp"
note "window 256: $(cat "$log.udp"; rm -f "$log.udp")"
peer 10 ping -q -c 20 -i 0.01 -w 5 $ip_echo >/dev/null
ok $? "a flood of more than it has frames for is over: it answers as before"
stop_echo
ok $? "it ends with status 0"
conserved
ok $? "no frame is lost"
note "$(tail -1 "$log")"

# --- what it says
ip netns exec "$ns_peer" ethtool -K veth1 tx on >/dev/null 2>&1
start_echo
peer 10 "$udp_client" $ip_echo 7 10 10 >/dev/null
stop_echo
if [ "$(value bad_checksum)" = 0 ]; then
	skip "partial checksums are named" "this kernel completes checksums on a veth pair"
else
	grep -q 'ethtool -K' "$log"
	ok $? "partial checksums are not answered, and the remedy is named"
fi
ip netns exec "$ns_echo" timeout 10 "$echo_exe" af_xdp:nosuch --ip $ip_echo >"$log" 2>&1
[ $? = 1 ] && grep -q 'no interface nosuch' "$log"
ok $? "a missing interface is named"
note "$(cat "$log")"
! ip netns exec "$ns_echo" timeout 10 "$echo_exe" af_xdp:veth0 >"$log" 2>&1 &&
	grep -q -e 'and --ip' "$log"
ok $? "a missing --ip is named"

# --- the interface goes while it runs
start_echo
ip -n "$ns_peer" link del veth1
for _ in $(seq 60); do kill -0 "$echo_pid" 2>/dev/null || break; sleep 0.05; done
ok $((! $(kill -0 "$echo_pid" 2>/dev/null; echo $?))) "echo ends when its interface is deleted"
wait "$echo_pid"
ok $? "with status 0"
echo_pid=
conserved
ok $? "no frame is lost"

echo "1..$tests"
exit $failed
