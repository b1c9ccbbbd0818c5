# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# Where the stack is tried: three namespaces of this test's own. The client's has a wire to the server's, where
# lwip-httpd drives the interface, and one to the reference's, where the kernel does. How the server is
# started, asked and ended is here; what is asked of it is not. For devtools/suites/stack, with tap.sh.
# shellcheck shell=bash disable=SC2154 # tap.sh and the suite set httpd, hugepage_dir, test_dir

client_ns=lab-client-$$ server_ns=lab-server-$$ reference_ns=lab-reference-$$
server4=10.77.0.2 server6=fd77::2 reference4=10.78.0.2 reference6=fd78::2
folder=$test_dir/log/stack
root=$folder/www
pool=lab-stack-$$
server_pid='' server_log='' server_status=''

# Frames for the load of this suite, and what the driver's rings may take of them.
# shellcheck disable=SC2034 # for the parts
normal=(--frames 8192 --rx-frames 2048 --tx-frames 2048)

# ground_make: namespaces, wires and files. 1 with the reason in $folder/ground.err.
ground_make() {
	local ns
	rm -rf "$folder"
	mkdir -p "$root"
	at_exit ground_end
	{
		for ns in "$client_ns" "$server_ns" "$reference_ns"; do
			ip netns add "$ns" && ip -n "$ns" link set lo up || return 1
		done
		wire_server && wire_reference || return 1
		head -c 209715200 /dev/urandom >"$root/large" && head -c 262144 /dev/urandom >"$root/medium" &&
			head -c 1024 /dev/urandom >"$root/small"
	} 2>"$folder/ground.err"
}

# The interface that lwip-httpd drives. The kernel at the other end would leave checksums to hardware that a veth
# pair does not have.
wire_server() {
	ip link add lab0 netns "$server_ns" type veth peer name cli0 netns "$client_ns" || return 1
	in_client ethtool -K cli0 tx off >/dev/null
	ip -n "$server_ns" link set lab0 up && wire_client cli0 10.77.0.1/24 fd77::1/64
}

wire_reference() {
	ip link add ref0 netns "$reference_ns" type veth peer name cli1 netns "$client_ns" || return 1
	ip -n "$reference_ns" addr add "$reference4/24" dev ref0 &&
		ip -n "$reference_ns" addr add $reference6/64 dev ref0 nodad &&
		ip -n "$reference_ns" link set ref0 up && wire_client cli1 10.78.0.1/24 fd78::1/64
}

wire_client() {
	ip -n "$client_ns" addr add "$2" dev "$1" && ip -n "$client_ns" addr add "$3" dev "$1" nodad &&
		ip -n "$client_ns" link set "$1" up
}

# Does nothing twice.
ground_end() {
	local ns
	[ -z "$server_pid" ] || stop "$server_pid" || true
	server_pid=
	for ns in "$client_ns" "$server_ns" "$reference_ns"; do ip netns del "$ns" 2>/dev/null || true; done
	rm -rf "$root"
}

in_client() { ip netns exec "$client_ns" "$@"; }
in_server() { ip netns exec "$server_ns" "$@"; }
in_reference() { ip netns exec "$reference_ns" "$@"; }

# client SECONDS COMMAND...: in the client's namespace, for so long at most.
client() {
	local limit=$1
	shift
	attended ip netns exec "$client_ns" timeout -k 5 "$limit" "$@"
}

# child_end PID: waits for it; its status.
child_end() {
	local status=0 i
	wait "$1" || status=$?
	for i in "${!children[@]}"; do [ "${children[i]}" != "$1" ] || unset "children[i]"; done
	return $status
}

url4() { echo "http://$server4/$1"; }
url6() { echo "http://[$server6]/$1"; }

# ---- the server ----

# server_start NAME SECONDS [OPTION...]: starts lwip-httpd, which ends after SECONDS whatever happens here, and waits
# until it can be reached over IPv4 and IPv6: its address is of use only after nobody else has claimed it.
server_start() {
	local limit=$2 i
	server_log=$folder/$1
	shift 2
	# Not by in_server: the pid would be a shell's.
	ip netns exec "$server_ns" "$httpd" af_xdp:lab0 --ip "$server4/24" --ip6 "$server6" --root "$root" \
		--pool "$pool" --seconds "$limit" "$@" >"$server_log.out" 2>"$server_log.err" &
	server_pid=$!
	for ((i = 0; i < 100; i++)); do
		! grep -qs ': ready' "$server_log.out" || break
		kill -0 "$server_pid" 2>/dev/null || return 1
		sleep 0.05
	done
	server_reachable "$(url4 small)" && server_reachable "$(url6 small)"
}

server_reachable() {
	local i
	for ((i = 0; i < 50; i++)); do
		! client 2 curl -gs -o /dev/null "$1" || return 0
		kill -0 "$server_pid" 2>/dev/null || return 1
		sleep 0.1
	done
	echo "lwip-httpd: not reached: $1" >>"$server_log.err"
	return 1
}

# server_stop: ends it as an operator would, and keeps its exit status.
server_stop() {
	local i
	server_status=0
	kill -TERM "$server_pid" 2>/dev/null || true
	for ((i = 0; i < 100; i++)); do
		kill -0 "$server_pid" 2>/dev/null || break
		sleep 0.1
	done
	! kill -KILL "$server_pid" 2>/dev/null || echo "lwip-httpd: did not end within 10 s of SIGTERM" >>"$server_log.err"
	wait "$server_pid" 2>/dev/null || server_status=$?
	server_pid=
}

# value KEY LINE: the number behind KEY= in a line of lwip-httpd's.
value() { sed -nE "s/.* $1=([0-9]+).*/\1/p" <<<" $2"; }

server_end() { grep ': end ' "$server_log.out" | tail -n 1; }
server_last() { grep ': status ' "$server_log.out" | tail -n 1; }

# grown KEY...: the sum of these counters at the end, or now.
grown() {
	local key line sum=0
	line=$(server_end)
	[ "$line" ] || line=$(server_last)
	for key in "$@"; do sum=$((sum + $(value "$key" "$line"))); done
	echo $sum
}

# least KEY, most KEY: over all status lines.
least() { grep ': status ' "$server_log.out" | sed -nE "s/.* $1=([0-9]+).*/\1/p" | sort -n | head -n 1; }
most() { grep ': status ' "$server_log.out" | sed -nE "s/.* $1=([0-9]+).*/\1/p" | sort -n | tail -n 1; }

conserved() {
	local line key
	line=$(server_end)
	echo "exit status $server_status; $line"
	for key in lost held lent refused; do [ "$(value $key "$line")" = 0 ] || return 1; done
	[ "$server_status" = 0 ] && [ $(($(value free "$line") + $(value cached "$line"))) = "$(value total "$line")" ]
}

no_program() { ! ip -n "$server_ns" link show lab0 | grep -q xdp; }
settled() {
	local i
	for ((i = 0; i < 50; i++)); do
		! "$@" || return 0
		sleep 0.1
	done
	return 1
}

# server_judge NAME: ends the server; the cases that hold after everything that may happen to it.
server_judge() {
	server_stop
	check "$1: lwip-httpd ends with status 0, and no frame is lost, lent or held" conserved
	check "$1: no XDP program is left on the interface" settled no_program
}

# started NAME STATUS: a case; where it failed, what the server said.
started() {
	if [ "$2" = 0 ]; then
		ok "$1: lwip-httpd starts, and answers over IPv4 and IPv6"
	else
		not_ok "$1: lwip-httpd starts, and answers over IPv4 and IPv6" "$server_log.err"
		[ -z "$server_pid" ] || server_stop
		return 1
	fi
}

# case_of NAME STATUS [FILE]: a case; where it failed, what is in FILE.
case_of() {
	local name=$1 status=$2
	shift 2
	if [ "$status" = 0 ]; then ok "$name"; else not_ok "$name" "$@"; fi
}

# In use, whoever reserved them: others may add or take some of those that are free meanwhile.
hugepages_used() { echo $(($(cat "$hugepage_dir/nr_hugepages") - $(cat "$hugepage_dir/free_hugepages"))); }

# Ask with settled: the kernel unpins a closed socket's memory in a work queue.
hugepages_back() {
	echo "$(hugepages_used) in use, before: $1"
	[ "$(hugepages_used)" -le "$1" ]
}

ground_idle() {
	local ns
	for ns in "$client_ns" "$server_ns" "$reference_ns"; do [ -z "$(ip netns pids "$ns")" ] || return 1; done
}

ground_gone() { ! ip netns list | grep -qE "^($client_ns|$server_ns|$reference_ns)\\b"; }
