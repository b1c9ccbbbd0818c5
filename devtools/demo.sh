#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# A first look, from a bare clone: builds, measures Labyrinth beside DPDK's mempool, lets an echo server
# whose packets lie in Labyrinth frames answer the kernel's own ping and UDP, and a whole TCP/IP stack on
# such frames serve a file to curl. Nothing is left behind but the packages and build/.
set -euo pipefail
exec </dev/null
# shellcheck source=devtools/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$top"
failed=0

say "== Setting up"
devtools/setup.sh build perf dpdk af_xdp lwip
hugepages_ensure 1024 || true

say "" && say "== Building in build/"
meson_build build || die "Nothing to show without a build."

say "" && say "== Labyrinth beside DPDK's mempool, measured now"
if [ ! -x build/app/labyrinth-perf/labyrinth-perf ]; then
	say "Left out: labyrinth-perf needs libjansson-dev, which is not installed."
elif ! attended build/app/labyrinth-perf/labyrinth-perf --quick; then
	warn "labyrinth-perf failed; the rest goes on."
	failed=1
fi

# ---- packets: two network namespaces and a cable between them ----

server=lab-demo-$$-echo
client=lab-demo-$$-client
address=10.77.0.2

remove_namespaces() {
	ip netns del "$client" 2>/dev/null
	ip netns del "$server" 2>/dev/null
}

make_namespaces() {
	at_exit remove_namespaces
	ip netns add "$server" && ip netns add "$client" &&
		ip link add lab0 netns "$server" type veth peer name lab1 netns "$client" &&
		ip -n "$server" link set lab0 up &&
		ip -n "$client" link set lab1 up &&
		ip -n "$client" addr add 10.77.0.1/24 dev lab1 &&
		# The kernel leaves checksums to hardware that a veth does not have.
		ip netns exec "$client" ethtool -K lab1 tx off >/dev/null
}

on_client() { attended ip netns exec "$client" "$@"; }

# udp_exchange: a few datagrams to the echo server and back, from the kernel's sockets, by bash alone.
udp_exchange() {
	# shellcheck disable=SC2016 # for the inner shell
	on_client bash -c 'exec 3<>"/dev/udp/$1/7"
		for i in 1 2 3; do
			echo "datagram $i" >&3
			reply=$(timeout 2 head -n 1 <&3)
			[ "$reply" = "datagram $i" ] || { echo "sent \"datagram $i\", received \"$reply\""; exit 1; }
			echo "sent by UDP to $1 port 7, and received: \"$reply\""
		done' - "$address"
}

show_echo() {
	local log pid i status=0
	log=$(mktemp)
	at_exit "rm -f '$log'"
	ip netns exec "$server" build/examples/echo/echo af_xdp:lab0 --ip "$address" >"$log" 2>&1 &
	pid=$!
	children+=("$pid")
	for ((i = 0; i < 50; i++)); do
		ip netns exec "$client" ping -q -c 1 -W 1 "$address" >/dev/null 2>&1 && break
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	if ! kill -0 "$pid" 2>/dev/null; then
		cat "$log" >&2
		warn "The echo example ended early."
		return 1
	fi
	on_client ping -c 5 -i 0.3 "$address" || status=1
	say ""
	udp_exchange || status=1
	kill -INT "$pid"
	wait "$pid" || status=1
	say "" && say "The echo example says:"
	cat "$log"
	return "$status"
}

# show_stack: a file through lwIP on frames, by curl, and who had the frames meanwhile.
show_stack() {
	local folder log pid info i status=0 sum
	folder=$(mktemp -d)
	at_exit "rm -rf '$folder'"
	log=$folder/log
	mkdir "$folder/www"
	head -c $((100 << 20)) /dev/urandom >"$folder/www/file"
	sum=$(sha256sum <"$folder/www/file")
	ip netns exec "$server" build/examples/lwip-httpd/lwip-httpd af_xdp:lab0 --ip "$address/24" --root "$folder/www" \
		--pool "lab-demo-$$" >"$log" 2>&1 &
	pid=$!
	children+=("$pid")
	for ((i = 0; i < 100; i++)); do
		! grep -q ready "$log" || break
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	if ! grep -q ready "$log"; then
		cat "$log" >&2
		warn "lwip-httpd ended early."
		return 1
	fi
	say "labyrinth-info, three times a second, while curl fetches 100 MiB over IPv4, again and again:"
	timeout 3 build/app/labyrinth-info/labyrinth-info "lab-demo-$$" --brief --every 0.33 &
	info=$!
	children+=("$info")
	on_client timeout 2 bash -c "while curl -sf -o /dev/null http://$address/file; do :; done" || true
	wait "$info" 2>/dev/null || true
	on_client curl -sf -m 20 -o "$folder/copy" -w 'curl: %{size_download} bytes, %{speed_download} bytes a second\n' \
		"http://$address/file" || status=1
	[ "$(sha256sum <"$folder/copy")" = "$sum" ] && say "The checksum agrees." || status=1
	kill -INT "$pid"
	wait "$pid" || status=1
	say "" && say "lwip-httpd says:"
	tail -n 1 "$log"
	return "$status"
}

say "" && say "== An echo server on AF_XDP: its packets lie in Labyrinth frames"
if [ ! -x build/examples/echo/echo ]; then
	say "Left out: it needs libxdp-dev and libbpf-dev, which are not installed."
elif ! is_root; then
	say "Left out: only root may make network namespaces and open AF_XDP sockets."
elif ! make_namespaces; then
	say "Left out: network namespaces cannot be made here."
else
	show_echo || {
		warn "The echo example did not answer as it should."
		failed=1
	}
	say "" && say "== A web server on lwIP: a whole TCP/IP stack whose packets lie in Labyrinth frames"
	if [ ! -x build/examples/lwip-httpd/lwip-httpd ] || ! have curl; then
		say "Left out: it needs liblwip-dev, libhttp-parser-dev and curl, which are not installed."
	else
		show_stack || {
			warn "The web server did not answer as it should."
			failed=1
		}
	fi
fi

say "" && say "== Where to go next"
cat <<'TEXT'
doc/guide.md          the guide: first program, ownership, threads, devices, errors
examples/echo/        the echo server that you just saw, in one page
examples/lwip-netif/  lwIP on frames, for taking along
build/app/labyrinth-perf/labyrinth-perf --list     all that can be measured
devtools/test.sh      every test; --list names the suites
TEXT
exit "$failed"
